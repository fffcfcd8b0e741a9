"""Quota: what top-level roles are guaranteed and may consume at most, and what is held back for that.

Consumption of a top-level role: all that is reserved for it and its sub-roles, offered, used or idle, and what is
allocated to them that is neither reserved nor revocable. A limit caps what more it is given of plain scalars. For the
guarantees that are not met yet as much is held back from everybody else, wherever it is free (Mesos: headroom):

    room of a role = the smaller of
        limit - consumption
        what its guarantee lacks + (all that is free - what all guarantees lack together)

The room of a role rises when something far away changes: a task ends, another guarantee is met. So every role (and all
those without quota as one) remembers the agents on which its room was too small, and those are looked at again when it
rises: `rose`. All amounts are of plain scalars: unreserved, not revocable.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tepui.allocator.records import AgentRecord
from tepui.model.quantities import Quantities, add_quantities, subtract_quantities
from tepui.model.resource_kind import SCALAR, Kind
from tepui.model.resources import Resources

if TYPE_CHECKING:
    from tepui.allocator.tree import Leaf, RoleTree

_NOTHING: Quantities = {}


def plain_quantities(resources: Resources) -> Quantities:
    """Of what is neither reserved nor revocable. The dict is shared: do not change it."""
    for kind, _ in resources:
        if kind.reservations or kind.revocable:
            return resources.filter(lambda kind: not kind.reservations and not kind.revocable).quantities()
    return resources.quantities()


class Quota:
    """One top-level role with quota; or, with no role, all roles that have none."""

    __slots__ = (
        "allocated",
        "demanding",
        "guarantees",
        "lacks",
        "limits",
        "participants",
        "reserved",
        "role",
        "waiters",
    )

    def __init__(self, role: str) -> None:
        self.role = role
        self.guarantees: Quantities = {}
        self.limits: Quantities = {}
        """A limit may be 0."""
        self.allocated: Quantities = {}
        self.reserved: Quantities = {}
        self.lacks: Quantities = {}
        """What its guarantees have more than it consumes."""
        self.participants: dict[Leaf, None] = {}
        """Leaves of the role and its sub-roles that take part."""
        self.demanding: dict[Leaf, None] = {}
        """Those among them with a minimum of their own."""
        self.waiters: dict[str, OrderedDict[AgentRecord, None]] = {}
        """By name, agents on which its room of that was too small for what was free."""

    def consumed(self, name: str) -> int:
        return self.allocated.get(name, 0) + self.reserved.get(name, 0)


class QuotaBook:
    """All quotas, what is consumed of them, and what is free for them. Costs nothing while there are none."""

    def __init__(self) -> None:
        self.quotas: dict[str, Quota] = {}
        """By role."""
        self.others = Quota("")
        self.guaranteed = False
        """Some role has a guarantee, so that what is free is counted."""
        self.pool: Quantities = {}
        """Free plain scalars of agents that are offered."""
        self.expected: Quantities = {}
        """What agents have that are expected back, and nobody knows who uses it."""
        self.expected_of: dict[str, Quantities] = {}
        """What top-level roles are known to consume of others that are."""
        self.required: Quantities = {}
        """What all guarantees lack together."""
        self.unmet: dict[Quota, None] = {}
        """Those whose guarantees lack something."""
        self._reserved: dict[str, Quantities] = {}
        """By top-level role, with quota or not."""
        self._risen: dict[Quota, None] = {}
        self._for_headroom: dict[Quota, None] = {}
        """Those that wait because something is held back."""
        self._surplus_rose = False

    @property
    def active(self) -> bool:
        return bool(self.quotas)

    def of(self, leaf: Leaf) -> Quota:
        return leaf.top.quota or self.others

    # What is there.

    def reserve(self, before: Resources, after: Resources) -> None:
        """What an agent has changed; reservations may have."""
        tops: dict[str, None] = {}
        for resources, change in ((after, add_quantities), (before, subtract_quantities)):
            for role, part in resources.reservations().items():
                top = role.partition("/")[0]
                tops[top] = None
                change(self._reserved.setdefault(top, {}), part.quantities())
        for top in tops:
            quota = self.quotas.get(top)
            if quota is not None:
                self._settle(quota)
            elif not self._reserved[top]:
                del self._reserved[top]

    def reserved(self, top: str) -> Quantities:
        return self._reserved.get(top, _NOTHING)

    def recount_pool(self, agent: AgentRecord) -> None:
        """What is free of an agent may have changed."""
        free = plain_quantities(agent.free) if agent.offered else _NOTHING
        if free == agent.pooled:
            return
        for name, amount in free.items():
            if amount > agent.pooled.get(name, 0):
                self._surplus_rose = True
                break
        add_quantities(self.pool, free)
        subtract_quantities(self.pool, agent.pooled)
        agent.pooled = free

    # Who has what.

    def set(self, role: str, guarantees: Quantities, limits: Quantities, allocated: Quantities) -> Quota | None:
        """Set or end a role's quota, of which `allocated` is held now; the quota, None when it ended."""
        quota = self.quotas.pop(role, None)
        if quota is not None:
            self._owe(quota, {})
            self.unmet.pop(quota, None)
            self._risen.pop(quota, None)
            self._for_headroom.pop(quota, None)
        if not guarantees and not limits:
            self.guaranteed = any(each.guarantees for each in self.quotas.values())
            return None
        quota = self.quotas[role] = Quota(role)
        quota.guarantees, quota.limits, quota.allocated = dict(guarantees), dict(limits), allocated
        quota.reserved = self._reserved.setdefault(role, {})
        self.guaranteed = any(each.guarantees for each in self.quotas.values())
        self._settle(quota)
        return quota

    def charge(self, quota: Quota, resources: Resources, granted: bool) -> None:
        """The role holds so much more; `granted` when it was free before."""
        add_quantities(quota.allocated, plain_quantities(resources))
        if quota.lacks:
            self._settle(quota, room_rose=not granted)

    def discharge(self, quota: Quota, resources: Resources, room_rose: bool = True) -> None:
        """The role holds so much less."""
        subtract_quantities(quota.allocated, plain_quantities(resources))
        self._settle(quota, room_rose)

    def _settle(self, quota: Quota, room_rose: bool = True) -> None:
        """What the role consumes changed; `room_rose` when somebody's room may have risen by that. (What is granted
        leaves as much less free as it leaves lacking.)"""
        if quota.guarantees:
            lacks = {}
            for name, amount in quota.guarantees.items():
                rest = amount - quota.consumed(name)
                if rest > 0:
                    lacks[name] = rest
            self._owe(quota, lacks, room_rose)
        if room_rose and quota.waiters:
            self._risen[quota] = None

    def _owe(self, quota: Quota, lacks: Quantities, room_rose: bool = True) -> None:
        if lacks == quota.lacks:
            return
        add_quantities(self.required, lacks)
        subtract_quantities(self.required, quota.lacks)
        if room_rose and any(amount > lacks.get(name, 0) for name, amount in quota.lacks.items()):
            self._surplus_rose = True
        quota.lacks = lacks
        if lacks:
            self.unmet[quota] = None
        else:
            self.unmet.pop(quota, None)

    # Who takes part.

    def enter(self, leaf: Leaf) -> None:
        quota = self.of(leaf)
        quota.participants[leaf] = None
        if leaf.minimum is not None:
            quota.demanding[leaf] = None

    def leave(self, leaf: Leaf) -> None:
        quota = self.of(leaf)
        quota.participants.pop(leaf, None)
        quota.demanding.pop(leaf, None)

    # Who may come back.

    def expect(self, quantities: Quantities, consumed: Mapping[str, Quantities] | None) -> None:
        """An agent is expected back that has so much. All of it counts against every limit when nobody knows what roles
        consume of it."""
        if consumed is None:
            add_quantities(self.expected, quantities)
            return
        for role, part in consumed.items():
            if part:
                add_quantities(self.expected_of.setdefault(role, {}), part)

    def expect_no_more(self, quantities: Quantities, consumed: Mapping[str, Quantities] | None) -> None:
        """The agent is back, or never will be."""
        if consumed is None:
            subtract_quantities(self.expected, quantities)
        for role, part in (consumed or {}).items():
            if part:
                subtract_quantities(self.expected_of[role], part)
                if not self.expected_of[role]:
                    del self.expected_of[role]
        self._risen.update(dict.fromkeys(quota for quota in self.quotas.values() if quota.waiters))

    # How much more it may have.

    def _counted(self, quota: Quota, name: str) -> int:
        """What counts against its limit: what it consumes, and may consume on agents that are expected back."""
        return (
            quota.consumed(name) + self.expected.get(name, 0) + self.expected_of.get(quota.role, _NOTHING).get(name, 0)
        )

    def limit_caps(self, quota: Quota, free: Mapping[str, int]) -> Quantities | None:
        """By name, how much more the limit allows where that is less than what is free."""
        caps = None
        for name, limit in quota.limits.items():
            room = limit - self._counted(quota, name)
            if room < free.get(name, 0):
                caps = {} if caps is None else caps
                caps[name] = max(room, 0)
        return caps

    def headroom_caps(self, quota: Quota, free: Mapping[str, int]) -> Quantities | None:
        """By name, how much more may be had without taking what is held back, where that is less than what is free."""
        caps = None
        for name, required in self.required.items():
            room = self.pool.get(name, 0) - required + quota.lacks.get(name, 0)
            if room < free.get(name, 0):
                caps = {} if caps is None else caps
                caps[name] = max(room, 0)
        return caps

    def limit_allows(self, quota: Quota, wanted: Mapping[str, int]) -> bool:
        return all(
            limit - self._counted(quota, name) >= wanted[name] for name, limit in quota.limits.items() if name in wanted
        )

    # Who waits.

    def wait(self, quota: Quota, agent: AgentRecord, caps: Mapping[str, int], for_headroom: bool) -> None:
        """Its room of the names in `caps` was too small for what is free on `agent`."""
        for name in caps:
            quota.waiters.setdefault(name, OrderedDict())[agent] = None
        if for_headroom:
            self._for_headroom[quota] = None

    @property
    def waiting(self) -> bool:
        return bool(self._risen) or (self._surplus_rose and bool(self._for_headroom))

    def rose(self) -> list[Quota]:
        """Those that wait and whose room may have risen; those that lack something of their guarantees first."""
        risen = self._risen
        self._risen = {}
        if self._surplus_rose:
            self._surplus_rose = False
            risen.update(self._for_headroom)
        for quota in risen:
            if not quota.waiters:
                self._for_headroom.pop(quota, None)
        return sorted(risen, key=lambda quota: not quota.lacks) if len(risen) > 1 else list(risen)

    def next_waiter(self, quota: Quota, name: str, default: Sequence[Quantities]) -> AgentRecord | None:
        """An agent on which the role's room of `name` was too small and may suffice now; it waits no longer."""
        waiters = quota.waiters.get(name)
        if waiters is None or not self._useful(quota, name, default):
            return None
        agent, _ = waiters.popitem(last=False)
        if not waiters:
            del quota.waiters[name]
        return agent

    def _useful(self, quota: Quota, name: str, default: Sequence[Quantities]) -> bool:
        """Whether the role's room of `name` would make an offer for somebody in it larger, and large enough."""
        room = {each: limit - self._counted(quota, each) for each, limit in quota.limits.items()}
        for each, required in self.required.items():
            rest = self.pool.get(each, 0) - required + quota.lacks.get(each, 0)
            room[each] = min(room.get(each, rest), rest)
        if room.get(name, 1) <= 0:
            return False
        if len(quota.demanding) < len(quota.participants) and _helps(name, room, default):
            return True
        return any(leaf.minimum is not None and _helps(name, room, leaf.minimum) for leaf in quota.demanding)

    def forget(self, agent: AgentRecord) -> None:
        """The agent is gone."""
        for quota in (*self.quotas.values(), self.others):
            for name in list(quota.waiters):
                quota.waiters[name].pop(agent, None)
                if not quota.waiters[name]:
                    del quota.waiters[name]
        agent.free = Resources.NONE
        self.recount_pool(agent)

    def check(self, tree: RoleTree, agents: Iterable[AgentRecord]) -> None:
        """Every sum is the sum of its parts."""
        everyone = list(agents)
        assert tree.quotas == self.quotas
        required: Quantities = {}
        for role, quota in self.quotas.items():
            reserved: Quantities = {}
            for agent in everyone:
                for reserved_for, part in agent.total.reservations().items():
                    if reserved_for.partition("/")[0] == role:
                        add_quantities(reserved, part.quantities())
            assert reserved == quota.reserved, role
            held = total_of(
                resources
                for agent in everyone
                for leaf, resources in agent.held.items()
                if leaf.role.partition("/")[0] == role
            )
            assert held == quota.allocated, role
            lacks = {name: amount - quota.consumed(name) for name, amount in quota.guarantees.items()}
            assert quota.lacks == {name: amount for name, amount in lacks.items() if amount > 0}, role
            assert (quota in self.unmet) == bool(quota.lacks)
            add_quantities(required, quota.lacks)
        assert required == self.required
        if self.guaranteed:
            assert self.pool == total_of(agent.free for agent in everyone if agent.offered)


def _helps(name: str, room: Mapping[str, int], minimum: Sequence[Quantities]) -> bool:
    """Whether so much room, of which there is some of `name`, makes an offer large enough. What is not in `room` is not
    bounded, and was not what was missing."""
    sets = [entry for entry in minimum if name in entry]
    return not sets or any(all(room.get(each, least) >= least for each, least in entry.items()) for entry in sets)


def chopped(resources: Resources, caps: Mapping[str, int]) -> Resources:
    """At most so much of each plain scalar; indivisible entries whole or not at all."""
    left = dict(caps)
    kept: list[tuple[Kind, Any]] = []
    for kind, amount in resources:
        if kind.type is SCALAR and kind.name in left and not kind.reservations and not kind.revocable:
            room = left[kind.name]
            amount = min(amount, room if kind.size is None else room // kind.size)
            left[kind.name] = room - kind.scalar_of(amount)
        kept.append((kind, amount))
    return Resources(kept)


def merged(*caps: Quantities | None) -> Quantities:
    """The smallest of each name."""
    result: Quantities = {}
    for each in caps:
        for name, amount in (each or _NOTHING).items():
            result[name] = min(amount, result.get(name, amount))
    return result


def total_of(parts: Iterable[Resources]) -> Quantities:
    """The sum of the plain scalars of all parts."""
    result: Quantities = {}
    for part in parts:
        add_quantities(result, plain_quantities(part))
    return result

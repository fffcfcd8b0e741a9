"""The deciding: what every policy shares, event by event.

A change marks the agents on which something may now be granted; `allocate` visits only those. What an agent has free
goes whole to the first in the policy's order who may take it; what that one may not take goes to the next. A pair of
agent and framework that was visited without a grant is not visited again until something about it changes: the agent
gains something, a filter ends, the framework revives. (What is free only shrinks by grants, and every rule here that
refused the larger refuses the smaller as well. Quota looks beyond the pair, and so marks agents itself: see `quota`.)

Roles whose guarantee lacks something are served first on all agents that changed (stage 1 of Mesos), then everybody.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from itertools import filterfalse

from tepui.allocator.allocator import AllocatorOptions, Grant, Holding, RoleStanding, Waiting
from tepui.allocator.books import Books, suffices
from tepui.allocator.filters import Filter
from tepui.allocator.policy import Policy
from tepui.allocator.quota import Quota, chopped, merged, plain_quantities
from tepui.allocator.records import AgentRecord
from tepui.allocator.tree import Leaf
from tepui.model.quantities import Quantities, add_quantities, contains_quantities
from tepui.model.resources import Resources
from tepui.model.roles import is_same_or_descendant

FRUITLESS_VISITS_MAX = 64
"""After so many agents in a row that a role's risen room did not help, the rest wait for its next rise. (They wait for
frameworks with minimums of different sizes; all others are found without fruitless visits.)"""
_FEW = 32
"""So many frameworks are sorted for an agent rather than found by going through all in order."""
_OF_THE_ROLE = frozenset({"quota_limit", "headroom"})
"""Reasons that hold for all frameworks of a role that take equally small offers: it is asked once about an agent whose
resources are the same to everybody."""


class Engine(Books):
    """An allocator with these policies; see `Allocator` for what each call means."""

    def __init__(self, role_policy: Policy, framework_policy: Policy, options: AllocatorOptions | None = None) -> None:
        super().__init__(role_policy, framework_policy, options or AllocatorOptions())
        self._now = 0.0
        self._runs = 0
        self.visits = 0
        """How many pairs of agent and framework were considered so far."""

    def has_work(self) -> bool:
        return bool(
            self._changed
            or self._eager
            or self._pairs
            or self._entering
            or self._quota.waiting
            or (self._all_changed and (self._offerable or self._slivers))
        )

    def next_deadline(self) -> float | None:
        ends, due = self._filters.next_end(), self._gathering.next_due()
        if ends is None or due is None:
            return due if ends is None else ends
        return min(ends, due)

    def allocate(self, now: float) -> list[Grant]:
        self._now = now
        for ended in self._filters.expire(now):
            self._retry(ended)
        if self._entering:
            self._begin_to_wait(now)
        self._gathering.run(now, self._agents)
        if not self.has_work():
            return []
        self._runs += 1
        if self._all_changed:
            self._all_changed = False
            self._changed = {**self._offerable, **self._slivers}
        changed, self._changed = self._changed, {}
        pairs, self._pairs = self._pairs, {}
        eager, self._eager = self._eager, {}
        grants: list[Grant] = []
        tree, participants = self._tree, self._participants
        if self._quota.unmet:
            for agent in changed:
                self._serve_guarantees(agent, grants)
        for agent in changed:
            tree.settle()
            self._visit(agent, tree.in_order(), grants)
        if eager:
            agents = list(self._offerable)
            if any(leaf.minimum is not None for leaf in eager):
                agents += self._slivers
            for agent in agents:
                if agent not in changed:
                    leaves = eager
                    if agent in pairs:
                        leaves = {**eager, **{leaf: None for leaf in pairs.pop(agent) if leaf in participants}}
                    self._visit(agent, self._ranked(leaves), grants)
        for agent, leaves in pairs.items():
            if agent not in changed:
                self._visit(agent, self._ranked({leaf: None for leaf in leaves if leaf in participants}), grants)
        if self._quota.waiting:
            for quota in self._quota.rose():
                for name in list(quota.waiters):
                    self._serve_waiting(quota, name, grants)
        return grants

    def _retry(self, ended: Filter) -> None:
        agent, leaf = ended.agent, ended.leaf
        if leaf in self._participants and (agent in self._offerable or agent in self._slivers):
            self._pairs.setdefault(agent, {})[leaf] = None

    def _begin_to_wait(self, now: float) -> None:
        entering, self._entering = self._entering, {}
        for leaf in entering:
            demands: list[tuple[Quantities, str | None]] = [
                (request.quantities, request.agent_id) for request in leaf.framework.requests
            ] or [(entry, None) for entry in leaf.minimum or ()]
            if demands and all(demand for demand, _ in demands):
                self._gathering.enter(leaf, demands, now)
            else:
                self._gathering.leave(leaf)

    def _ranked(self, leaves: Mapping[Leaf, None]) -> Iterable[Iterable[Leaf]]:
        """These of those that take part, in order."""
        if len(leaves) < 2:
            return [leaves]
        tree = self._tree
        tree.settle()
        if len(leaves) >= len(self._participants):
            return tree.in_order()
        if len(leaves) <= _FEW and tree.sortable:
            return [[leaf] for leaf in tree.sorted(leaves)]
        return (filter(leaves.__contains__, run) for run in tree.in_order())

    def _serve_guarantees(self, agent: AgentRecord, grants: list[Grant]) -> None:
        """Offer `agent` to the roles whose guarantee lacks something that it has."""
        if any(name in agent.pooled for name in self._quota.required):
            self._tree.settle()
            self._visit(agent, self._tree.in_order(only_unmet=True), grants, only_unmet=True)

    def _serve_waiting(self, quota: Quota, name: str, grants: list[Grant]) -> None:
        """The room of a role rose: go through the agents on which it was too small, until it is so again."""
        fruitless = 0
        for _ in range(len(quota.waiters[name])):
            agent = self._quota.next_waiter(quota, name, self._minimum)
            if agent is None or fruitless >= FRUITLESS_VISITS_MAX:
                return
            if agent.offered and agent.free:
                before = len(grants)
                self._visit(agent, self._ranked(quota.participants), grants)
                fruitless = fruitless + 1 if len(grants) == before else 0

    def _visit(
        self, agent: AgentRecord, runs: Iterable[Iterable[Leaf]], grants: list[Grant], only_unmet: bool = False
    ) -> None:
        """Offer what `agent` has free to the leaves, in their order, until nothing is left. A run is of one role."""
        if not agent.free:
            return
        blocked = agent.blocked
        if not blocked:
            agent.basis = agent.free
        elif agent.basis is not agent.free and not agent.basis.contains(agent.free):
            agent.blocked = blocked = None
            agent.basis = agent.free
        shared_taken: set[object] = set()
        for run in runs:
            refused: list[object] = []
            for leaf in filterfalse(blocked.__contains__, run) if blocked else run:
                if refused and leaf.minimum in refused:
                    continue
                self.visits += 1
                if only_unmet and not self._quota.of(leaf).lacks:
                    break
                verdict = self._judge(agent, leaf, shared_taken)
                if isinstance(verdict, Resources):
                    self._grant(agent, leaf, verdict, shared_taken, grants)
                    if not agent.free:
                        break
                    continue
                reasons = leaf.reasons
                setattr(reasons, verdict, getattr(reasons, verdict) + 1)
                if verdict in _OF_THE_ROLE and agent.plain and agent.gathers_for is None:
                    if leaf.minimum is None and not self._quota.of(leaf).demanding:
                        break
                    refused.append(leaf.minimum)
            if not agent.free:
                break
        self._index(agent)

    def _grant(
        self, agent: AgentRecord, leaf: Leaf, offered: Resources, shared_taken: set[object], grants: list[Grant]
    ) -> None:
        given = agent.given
        if given is not None and given[1] is offered and given[2] == leaf.role:
            resources = given[0]
        else:
            resources = offered.select(agent.kinds, leaf.role)
            agent.given = resources, offered, leaf.role
        held = agent.held.get(leaf)
        gathered = leaf.wait is not None and self._gathering.granted(leaf.wait, offered.quantities(), agent, self._now)
        if agent.shared:
            held = held or Resources.NONE
            self._set_held(leaf, agent, held, held + resources, given=True)
            shared_taken.update(kind for kind, _ in offered if kind.shared)
            offered = offered.non_shared()
        else:
            agent.held[leaf] = resources if held is None else held + resources
            leaf.agents[agent] = None
            self._tree.charge(leaf, offered.quantities(), given=True)
            if leaf.top.quota is not None:
                self._quota.charge(leaf.top.quota, offered, granted=True)
        agent.free = Resources.NONE if offered is agent.free else agent.free - offered
        if self._quota.guaranteed:
            self._quota.recount_pool(agent)
        if gathered and agent.free:
            self._changed[agent] = None  # the rest of what was gathered is for others, in the next run
        leaf.reasons.granted += 1
        grants.append(Grant(leaf.framework.framework_id, leaf.role, agent.agent_id, resources))

    # The rules. Each names itself in the leaf's reasons.

    def _judge(
        self, agent: AgentRecord, leaf: Leaf, shared_taken: Collection[object], deciding: bool = True
    ) -> Resources | str:
        """What `leaf` may have of what `agent` has free, or the name of the reason (a field of `Reasons`) why not.

        When that is not `deciding`, nothing is noted for later.
        """
        framework = leaf.framework
        if agent.has_gpus and self._filter_gpus and not framework.gpus:
            return "lacks_gpu_capability"
        if agent.remote and not framework.region_aware:
            return "remote_region"
        if leaf.constraints is not None and not leaf.constraints.admit(agent.description):
            return "constraints"
        offered = agent.free
        if not agent.plain:
            offered = visible(offered, leaf, shared_taken)
            if not offered:
                return "nothing_for_role"
        minimum = leaf.minimum
        if not (self._enough(agent, offered) if minimum is None else suffices(offered, minimum)):
            return "below_minimum"
        whole, restraint = offered, None
        if agent.gathers_for is not None or self._quota.quotas:
            restraint = self._restraint(agent, leaf, offered)
            if restraint is not None:
                offered = chopped(offered, merged(*restraint))
        filtered = False
        for each in leaf.filters.get(agent, ()):
            if (each.freed is None or each.freed == agent.freed) and each.resources.contains(offered):
                filtered = True
                if deciding and each.resources.contains(agent.basis):
                    agent.block(leaf, each.resources, each.freed is not None)
                if each.resources.contains(whole):
                    return "filtered"  # whatever else holds it back
        if restraint is not None:
            limit, headroom, gathering = restraint
            if deciding:
                self._wait_for_room(agent, leaf, limit, headroom, gathering)
            if not suffices(offered, self._minimum if minimum is None else minimum):
                return "quota_limit" if limit else "headroom" if headroom else "gathering"
        return "filtered" if filtered else offered

    def _restraint(
        self, agent: AgentRecord, leaf: Leaf, offered: Resources
    ) -> tuple[Quantities | None, Quantities | None, Quantities | None] | None:
        """How much of `offered` the leaf may have, by name where that is less: by its role's limit, by what is held
        back for guarantees, by what is held back for a large task. None when it may have everything."""
        book = self._quota
        quota = book.of(leaf)
        free = plain_quantities(offered)
        limit = book.limit_caps(quota, free) if quota.limits else None
        headroom = book.headroom_caps(quota, free) if book.required else None
        gathering = None
        wait = agent.gathers_for
        if wait is not None and wait.leaf is not leaf and not quota.lacks:
            gathering = {name: max(0, free[name] - held) for name, held in wait.held.items() if name in free}
        return (limit, headroom, gathering) if limit or headroom or gathering else None

    def _wait_for_room(
        self,
        agent: AgentRecord,
        leaf: Leaf,
        limit: Quantities | None,
        headroom: Quantities | None,
        gathering: Quantities | None,
    ) -> None:
        """Have the agent looked at again when the room of the leaf's role rises."""
        quota = self._quota.of(leaf)
        for caps in (limit, headroom):
            if caps:
                self._quota.wait(quota, agent, caps, caps is headroom)
        if gathering and quota.guarantees:  # as soon as these lack something it may have what is gathered
            self._quota.wait(quota, agent, gathering, for_headroom=False)

    # For those who take resources back.

    def waiting(self, now: float) -> list[Waiting]:
        waits = [leaf.wait for leaf in self._participants if leaf.wait is not None]
        return [
            Waiting(wait.leaf.framework.framework_id, wait.leaf.role, wait.demands, wait.since)
            for wait in sorted(waits, key=lambda wait: (wait.since, wait.leaf.name))
            if self._gathering.is_ripe(wait, now)
        ]

    def holdings(self) -> list[Holding]:
        result = []
        for framework in self._frameworks.values():
            for leaf in framework.leaves.values():
                allocated = Resources.NONE
                for agent in leaf.agents:
                    allocated = allocated + agent.held[leaf].unallocated()
                result.append(Holding(framework.framework_id, leaf.role, leaf in self._participants, allocated))
        return result

    def could_be_offered(self, framework_id: str, role: str, agent_id: str, quantities: Quantities) -> bool:
        agent, leaf = self._agents[agent_id], self._frameworks[framework_id].leaves[role]
        have = self._could_hold(agent, leaf)
        if have is None or not contains_quantities(have, quantities):
            return False
        filters = leaf.filters.get(agent, ())
        return not any(
            not each.spent and contains_quantities(each.resources.quantities(), quantities) for each in filters
        )

    def gather(self, framework_id: str, role: str, agent_id: str, quantities: Quantities, now: float) -> None:
        wait = self._frameworks[framework_id].leaves[role].wait
        if wait is not None:
            self._gathering.gather_on(wait, self._agents[agent_id], quantities, now)

    # For those who look.

    def free(self, agent_id: str) -> Resources:
        return self._agents[agent_id].free

    def standings(self, framework_id: str) -> list[RoleStanding]:
        return [
            RoleStanding(
                role=leaf.role,
                suppressed=leaf.suppressed,
                active=leaf in self._participants,
                share=self._tree.share(leaf),
                filters=leaf.filter_count,
                reasons=leaf.reasons,
            )
            for leaf in self._frameworks[framework_id].leaves.values()
        ]

    def excluded_by_constraints(self, framework_id: str) -> dict[str, list[str]]:
        return {
            leaf.role: []
            if leaf.constraints is None
            else [each.agent_id for each in self._agents.values() if not leaf.constraints.admit(each.description)]
            for leaf in self._frameworks[framework_id].leaves.values()
            if leaf.subscribed
        }

    def quota_consumption(self, role: str) -> Quantities:
        quota = self._quota.quotas.get(role)
        result = self._allocated_to(role) if quota is None else dict(quota.allocated)
        add_quantities(result, self._quota.reserved(role))
        return result

    @property
    def runs(self) -> int:
        return self._runs

    @property
    def moves(self) -> int:
        """How many times somebody's place in the order changed."""
        return self._tree.moves

    @property
    def looks(self) -> int:
        """How many agents were looked at so far to find room for large tasks."""
        return self._gathering.looks

    def total_quantities(self) -> Quantities:
        return dict(self._tree.total)

    def allocated_quantities(self) -> Quantities:
        return self._tree.allocated()

    def filters_active(self) -> dict[str, int]:
        return {
            path: sum(leaf.filter_count for leaf in node.leaves.values())
            for path, node in self._tree.nodes.items()
            if node.leaves
        }

    def roles_taking_part(self) -> set[str]:
        return {leaf.role for leaf in self._participants}

    def dominant_shares(self) -> dict[str, float]:
        return {path: self._tree.share(node) for path, node in self._tree.nodes.items()}

    def check(self) -> None:
        self._tree.check()
        self._quota.check(self._tree, self._agents.values())
        total: Quantities = {}
        held_by_leaf: dict[Leaf, Quantities] = {}
        for agent in self._agents.values():
            add_quantities(total, agent.total.quantities())
            held = Resources.NONE
            for leaf, resources in agent.held.items():
                assert agent in leaf.agents
                assert set(resources.allocations()) == {leaf.role}
                add_quantities(held_by_leaf.setdefault(leaf, {}), resources.quantities())
                held = held + resources.unallocated()
            assert agent.deficit or held.non_shared() + agent.free == agent.total, agent.agent_id
            assert (agent in self._offerable) == (agent.offered and suffices(agent.free, self._minimum))
            for leaf in agent.blocked or ():
                assert any(each.resources.contains(agent.basis) and not each.spent for each in leaf.filters[agent]), (
                    leaf.name
                )
            assert (agent in self._slivers) == (agent.offered and bool(agent.free) and agent not in self._offerable)
        assert total == self._tree.total
        filters = 0
        for framework in self._frameworks.values():
            assert framework.known or framework.leaves
            for leaf in framework.leaves.values():
                assert leaf.allocated == held_by_leaf.get(leaf, {}), leaf.name
                assert leaf.subscribed or leaf.agents
                assert (leaf.key is not None) == (leaf in self._participants)
                assert leaf.filter_count == sum(len(each) for each in leaf.filters.values())
                filters += leaf.filter_count
        assert self._undemanding == sum(leaf.minimum is not None for leaf in self._participants)
        assert all(
            leaf in self._participants
            for framework in self._frameworks.values()
            for leaf in framework.leaves.values()
            if leaf.wait is not None
        )
        self._filters.check(filters)
        self._gathering.check(self._agents.values())


def visible(resources: Resources, leaf: Leaf, shared_taken: Collection[object] = ()) -> Resources:
    """What of an agent's resources the leaf may see: not what is reserved for others or of a sort it does not know."""
    role, framework = leaf.role, leaf.framework
    return resources.filter(
        lambda kind: (
            kind.plain
            or (
                kind not in shared_taken
                and framework.can_take(kind)
                and (not kind.reservations or is_same_or_descendant(role, kind.reservation_role))
            )
        )
    )

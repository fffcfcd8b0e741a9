"""Dominant resource fairness over a tree of roles, event by event.

A change marks the agents on which something may now be granted; `allocate` visits only those. What an agent has free
goes whole to the first in the order of fairness who may take it; what that one may not take goes to the next. A pair of
agent and framework that was visited without a grant is not visited again until something about it changes: the agent
gains something, a filter ends, the framework revives. (What is free only shrinks by grants, and every rule here that
refused the larger refuses the smaller as well. A rule that looks beyond the pair, as quota does, has to mark agents
itself.)

Agents with nothing to give are in no index, so that ten thousand full or filtered agents cost nothing per event.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from math import isnan

from tepui.allocator.allocator import (
    REFUSE_SECONDS_DEFAULT,
    REFUSE_SECONDS_MAX,
    AllocatorOptions,
    Grant,
    Request,
    RoleStanding,
)
from tepui.allocator.constraints import Constraints
from tepui.allocator.filters import Filter, FilterBook
from tepui.allocator.records import AgentRecord, FrameworkRecord
from tepui.allocator.tree import Leaf, RoleTree
from tepui.model.quantities import Quantities, add_quantities
from tepui.model.resources import Resources
from tepui.model.roles import is_same_or_descendant
from tepui.model.v1.mesos import Attribute


class DrfAllocator:
    """The default policy; see `Allocator` for what each call means."""

    def __init__(self, options: AllocatorOptions | None = None) -> None:
        options = options or AllocatorOptions()
        self._minimum = tuple(options.min_allocatable_resources)
        self._filter_gpus = options.filter_gpu_resources
        self._refuse_seconds_min = options.allocation_interval_seconds
        self._tree = RoleTree(options.weights, options.fair_sharing_excluded_resource_names)
        self._filters = FilterBook()
        self._agents: dict[str, AgentRecord] = {}
        self._frameworks: dict[str, FrameworkRecord] = {}
        self._offerable: dict[AgentRecord, None] = {}
        """Active agents with at least the default minimum free."""
        self._slivers: dict[AgentRecord, None] = {}
        """Active agents with something free, but less: only frameworks with a minimum of their own may take it."""
        self._participants: dict[Leaf, None] = {}
        self._undemanding = 0
        """How many participants have a minimum of their own."""
        self._changed: dict[AgentRecord, None] = {}
        """Agents to visit for everybody."""
        self._pairs: dict[AgentRecord, dict[Leaf, None]] = {}
        """Agents to visit for these only, whose filters ended."""
        self._eager: dict[Leaf, None] = {}
        """Those to visit every agent for: they are new or revived."""
        self._quotas: dict[str, tuple[Quantities, Quantities]] = {}
        self._whitelist: frozenset[str] | None = None
        self._region = options.region
        self._runs = 0
        self.visits = 0
        """How many pairs of agent and framework were considered so far."""

    # Agents.

    def add_agent(
        self,
        agent_id: str,
        total: Resources,
        used: Mapping[str, Resources],
        attributes: Sequence[Attribute] = (),
        hostname: str = "",
        domain: tuple[str, str] | None = None,
    ) -> None:
        if agent_id in self._agents:
            raise ValueError(f"Agent {agent_id} is there already")
        agent = self._agents[agent_id] = AgentRecord(agent_id, total, attributes, hostname, domain)
        self._judge_agent(agent)
        self._tree.resize(total.quantities(), {})
        for framework_id, resources in used.items():
            self._hold(framework_id, agent, resources)
        if used:
            agent.recount()
        self._gained(agent)

    def update_agent(
        self,
        agent_id: str,
        total: Resources | None = None,
        attributes: Sequence[Attribute] | None = None,
        hostname: str | None = None,
        domain: tuple[str, str] | None = None,
    ) -> None:
        agent = self._agents[agent_id]
        if agent.describe(attributes, hostname, domain):
            self._filters.clear_agent(agent)
        self._judge_agent(agent)
        if total is not None:
            self._tree.resize(total.quantities(), agent.total.quantities())
            agent.set_total(total)
            agent.recount()
        self._gained(agent)

    def remove_agent(self, agent_id: str) -> None:
        agent = self._agents.pop(agent_id, None)
        if agent is None:
            return
        self._filters.clear_agent(agent)
        for leaf in list(agent.held):
            self._release_all(leaf, agent)
        self._tree.resize({}, agent.total.quantities())
        for index in (self._offerable, self._slivers, self._changed):
            index.pop(agent, None)
        self._pairs.pop(agent, None)

    def activate_agent(self, agent_id: str) -> None:
        agent = self._agents[agent_id]
        if not agent.active:
            agent.active = True
            self._open(agent)

    def deactivate_agent(self, agent_id: str) -> None:
        agent = self._agents[agent_id]
        agent.active = False
        self._open(agent)

    def set_whitelist(self, hosts: frozenset[str] | None) -> None:
        self._whitelist = hosts
        for agent in self._agents.values():
            if agent.listed != self._lists(agent):
                self._judge_agent(agent)
                self._open(agent)

    def _lists(self, agent: AgentRecord) -> bool:
        return self._whitelist is None or agent.description.hostname in self._whitelist

    def _judge_agent(self, agent: AgentRecord) -> None:
        """What follows from where the agent is."""
        agent.listed = self._lists(agent)
        region = agent.description.region
        agent.remote = None not in (region, self._region) and region != self._region

    def _open(self, agent: AgentRecord) -> None:
        """It began or ceased to be offered."""
        if agent.offered:
            self._gained(agent)
            return
        for index in (self._offerable, self._slivers, self._changed):
            index.pop(agent, None)
        self._pairs.pop(agent, None)

    # Frameworks.

    def add_framework(
        self,
        framework_id: str,
        roles: Iterable[str],
        suppressed_roles: Collection[str] = (),
        capabilities: Collection[str] = (),
        minimums: Mapping[str, Sequence[Quantities]] | None = None,
        active: bool = True,
        constraints: Mapping[str, Constraints] | None = None,
        priority: int = 0,
    ) -> None:
        framework = self._framework(framework_id)
        if framework.known:
            raise ValueError(f"Framework {framework_id} is there already")
        framework.known = True
        framework.active = active
        self.update_framework(framework_id, roles, suppressed_roles, capabilities, minimums, constraints, priority)

    def update_framework(
        self,
        framework_id: str,
        roles: Iterable[str],
        suppressed_roles: Collection[str] = (),
        capabilities: Collection[str] = (),
        minimums: Mapping[str, Sequence[Quantities]] | None = None,
        constraints: Mapping[str, Constraints] | None = None,
        priority: int = 0,
    ) -> None:
        framework = self._frameworks[framework_id]
        more_capable = framework.set_capabilities(capabilities)
        if priority != framework.priority:
            framework.priority = priority
        subscribed = set(roles)
        for role in sorted(subscribed):
            if role not in framework.leaves:
                framework.leaves[role] = self._tree.leaf(framework, role)
        for role, leaf in list(framework.leaves.items()):
            minimum = (minimums or {}).get(role)
            if minimum is not None:
                minimum = tuple(minimum)
            wanted = (constraints or {}).get(role)
            eager = more_capable or minimum != leaf.minimum or not _alike(wanted, leaf.constraints)
            leaf.constraints = wanted
            if leaf.minimum != minimum:
                self._leave(leaf)  # the count of those with a minimum of their own must stay right
                leaf.minimum = minimum
            leaf.subscribed = role in subscribed
            leaf.suppressed = role in suppressed_roles
            if not leaf.subscribed:
                self._filters.clear_leaf(leaf)
            self._place(leaf, eager)
            self._drop_if_unused(leaf)

    def remove_framework(self, framework_id: str) -> None:
        framework = self._frameworks.get(framework_id)
        if framework is None:
            return
        framework.known = framework.active = False
        for leaf in list(framework.leaves.values()):
            leaf.subscribed = False
            self._filters.clear_leaf(leaf)
            self._place(leaf, eager=False)
            for agent in list(leaf.agents):
                self._release_all(leaf, agent)
                agent.recount()
                agent.freed += 1
                self._gained(agent)
            self._drop_if_unused(leaf)
        self._frameworks.pop(framework_id, None)

    def activate_framework(self, framework_id: str) -> None:
        self._frameworks[framework_id].active = True
        self._place_all(framework_id)

    def deactivate_framework(self, framework_id: str) -> None:
        framework = self._frameworks[framework_id]
        framework.active = False
        for leaf in framework.leaves.values():
            self._filters.clear_leaf(leaf)
        self._place_all(framework_id)

    def pause_framework(self, framework_id: str) -> None:
        self._frameworks[framework_id].paused = True
        self._place_all(framework_id)

    def resume_framework(self, framework_id: str) -> None:
        self._frameworks[framework_id].paused = False
        self._place_all(framework_id)

    def _place_all(self, framework_id: str) -> None:
        for leaf in self._frameworks[framework_id].leaves.values():
            self._place(leaf, eager=False)

    def suppress(self, framework_id: str, roles: Iterable[str] = ()) -> None:
        for leaf in self._leaves_named(framework_id, roles):
            leaf.suppressed = True
            self._place(leaf, eager=False)

    def revive(self, framework_id: str, roles: Iterable[str] = ()) -> None:
        for leaf in self._leaves_named(framework_id, roles):
            leaf.suppressed = False
            if leaf.filters:
                self._filters.clear_leaf(leaf)
            self._place(leaf, eager=True)

    def _leaves_named(self, framework_id: str, roles: Iterable[str]) -> list[Leaf]:
        leaves = self._frameworks[framework_id].leaves
        named = list(dict.fromkeys(roles))
        if not named:
            return [leaf for leaf in leaves.values() if leaf.subscribed]
        return [leaves[role] for role in named if role in leaves and leaves[role].subscribed]

    # Who takes part.

    def _place(self, leaf: Leaf, eager: bool) -> None:
        """Let `leaf` take part or not, as its state says; `eager` when what it gets may be more than before."""
        framework = leaf.framework
        takes_part = framework.active and not framework.paused and leaf.subscribed and not leaf.suppressed
        if not takes_part:
            self._leave(leaf)
            return
        if leaf not in self._participants:
            self._participants[leaf] = None
            self._undemanding += leaf.minimum is not None
            self._tree.enter(leaf)
            eager = True
        if eager and (self._offerable or (leaf.minimum is not None and self._slivers)):
            self._eager[leaf] = None

    def _leave(self, leaf: Leaf) -> None:
        if leaf in self._participants:
            del self._participants[leaf]
            self._undemanding -= leaf.minimum is not None
            self._tree.leave(leaf)
            self._eager.pop(leaf, None)

    def _framework(self, framework_id: str) -> FrameworkRecord:
        framework = self._frameworks.get(framework_id)
        if framework is None:
            framework = self._frameworks[framework_id] = FrameworkRecord(framework_id)
        return framework

    def _drop_if_unused(self, leaf: Leaf) -> None:
        """A leaf lives while the framework has the role or holds something in it."""
        if leaf.subscribed or leaf.agents:
            return
        framework = leaf.framework
        if framework.leaves.get(leaf.role) is not leaf:
            return
        del framework.leaves[leaf.role]
        self._tree.remove(leaf)
        if not framework.known and not framework.leaves:
            self._frameworks.pop(framework.framework_id, None)

    # Resources.

    def recover(
        self, framework_id: str, agent_id: str, resources: Resources, refuse_seconds: float | None, now: float
    ) -> None:
        agent = self._agents.get(agent_id)
        framework = self._frameworks.get(framework_id)
        if agent is None or framework is None or not resources:
            return
        role = resources.allocation_role
        if role is None:
            for part in resources.allocations().values():
                self.recover(framework_id, agent_id, part, refuse_seconds, now)
            return
        leaf = framework.leaves.get(role)
        held = None if leaf is None else agent.held.get(leaf)
        if leaf is None or held is None:
            raise ValueError(f"Framework {framework_id} holds nothing of {resources} on agent {agent_id}")
        left = held - resources
        if agent.shared:
            self._set_held(leaf, agent, held, left)
        else:
            if left:
                agent.held[leaf] = left
            else:
                del agent.held[leaf], leaf.agents[agent]
            self._tree.discharge(leaf, resources.quantities())
        free = resources.unallocated()
        if agent.deficit:
            agent.recount()
        else:
            agent.free = agent.free + (free.non_shared() if agent.shared else free)
        if refuse_seconds is None:
            agent.freed += 1
        elif framework.active and leaf.subscribed:
            self._refuse(leaf, agent, free, refuse_seconds, now)
        if agent not in self._changed or agent not in self._offerable:
            self._gained(agent)
        if not leaf.subscribed:
            self._drop_if_unused(leaf)

    def _refuse(self, leaf: Leaf, agent: AgentRecord, free: Resources, seconds: float, now: float) -> None:
        if seconds < 0 or isnan(seconds):
            seconds = REFUSE_SECONDS_DEFAULT
        until = now + min(max(seconds, self._refuse_seconds_min), REFUSE_SECONDS_MAX)
        self._filters.add(Filter(leaf, agent, free, until, agent.freed if seconds == 0 else None))

    def add_allocated(self, framework_id: str, agent_id: str, resources: Resources) -> None:
        agent = self._agents[agent_id]
        self._hold(framework_id, agent, resources)
        agent.recount()
        self._index(agent)

    def _hold(self, framework_id: str, agent: AgentRecord, resources: Resources) -> None:
        """Book `resources` on the framework without taking them from what is free."""
        framework = self._framework(framework_id)
        for role, part in resources.allocations().items():
            if role is None:
                raise ValueError(f"{part} is not allocated to a role")
            leaf = framework.leaves.get(role)
            if leaf is None:
                leaf = framework.leaves[role] = self._tree.leaf(framework, role)
            held = agent.held.get(leaf, Resources.NONE)
            self._set_held(leaf, agent, held, held + part)

    def _set_held(
        self, leaf: Leaf, agent: AgentRecord, before: Resources, after: Resources, given: bool = False
    ) -> None:
        """Book on `leaf` what it holds of `agent` now. Shared entries count once, however many copies it holds."""
        if after:
            agent.held[leaf] = after
            leaf.agents[agent] = None
        else:
            agent.held.pop(leaf, None)
            leaf.agents.pop(agent, None)
        more = dict(after.quantities())
        less: Quantities = {}
        for name, amount in before.quantities().items():
            change = more.pop(name, 0) - amount
            if change > 0:
                more[name] = change
            elif change < 0:
                less[name] = -change
        if more or given:
            self._tree.charge(leaf, more, given)
        if less:
            self._tree.discharge(leaf, less)

    def _release_all(self, leaf: Leaf, agent: AgentRecord) -> None:
        self._set_held(leaf, agent, agent.held[leaf], Resources.NONE)
        self._drop_if_unused(leaf)

    def convert(self, framework_id: str, agent_id: str, consumed: Resources, converted: Resources) -> None:
        agent = self._agents[agent_id]
        framework = self._frameworks[framework_id]
        total = agent.total - consumed.unallocated() + converted.unallocated()
        changes: dict[str, tuple[Resources, Resources]] = {}
        for role, part in consumed.allocations().items():
            changes[role or ""] = (part, Resources.NONE)
        for role, part in converted.allocations().items():
            changes[role or ""] = (changes.get(role or "", (Resources.NONE, Resources.NONE))[0], part)
        for role, (out, back) in changes.items():
            leaf = framework.leaves[role]
            held = agent.held.get(leaf, Resources.NONE)
            self._set_held(leaf, agent, held, held - out + back)
        self._set_total(agent, total)

    def convert_free(self, agent_id: str, consumed: Resources, converted: Resources) -> None:
        agent = self._agents[agent_id]
        if not agent.free.contains(consumed):
            raise ValueError(f"{agent.free} does not contain {consumed}")
        self._set_total(agent, agent.total - consumed + converted)

    def _set_total(self, agent: AgentRecord, total: Resources) -> None:
        self._tree.resize(total.quantities(), agent.total.quantities())
        agent.set_total(total)
        agent.recount()
        self._gained(agent)

    def set_weights(self, weights: Mapping[str, float]) -> None:
        self._tree.set_weights(weights)

    def set_quota(self, role: str, guarantees: Quantities, limits: Quantities) -> None:
        if guarantees or limits:
            self._quotas[role] = (dict(guarantees), dict(limits))
        else:
            self._quotas.pop(role, None)

    def request(self, framework_id: str, requests: Sequence[Request]) -> None:
        self._frameworks[framework_id].requests = tuple(requests)

    # What is to be done.

    def _gained(self, agent: AgentRecord) -> None:
        """The agent may have something for somebody."""
        self._index(agent)
        if agent in self._offerable:
            if self._participants:
                self._changed[agent] = None
        elif self._undemanding and agent in self._slivers:
            self._changed[agent] = None

    def _index(self, agent: AgentRecord) -> None:
        if agent.offered and self._suffices(agent.free, self._minimum):
            self._offerable[agent] = None
            self._slivers.pop(agent, None)
            return
        self._offerable.pop(agent, None)
        if agent.offered and agent.free:
            self._slivers[agent] = None
        else:
            self._slivers.pop(agent, None)

    @staticmethod
    def _suffices(resources: Resources, minimum: Sequence[Quantities]) -> bool:
        if not resources:
            return False
        if not minimum:
            return True
        have = resources.quantities()
        for entry in minimum:
            for name, amount in entry.items():
                if have.get(name, 0) < amount:
                    break
            else:
                return True
        return False

    def has_work(self) -> bool:
        return bool(self._changed or self._eager or self._pairs)

    def next_deadline(self) -> float | None:
        return self._filters.next_end()

    # Decisions.

    def allocate(self, now: float) -> list[Grant]:
        for ended in self._filters.expire(now):
            self._retry(ended)
        if not self.has_work():
            return []
        self._runs += 1
        changed, self._changed = self._changed, {}
        pairs, self._pairs = self._pairs, {}
        eager, self._eager = self._eager, {}
        grants: list[Grant] = []
        for agent in changed:
            self._tree.settle()
            self._visit(agent, self._tree.in_order(), grants)
        if eager:
            agents = list(self._offerable)
            if any(leaf.minimum is not None for leaf in eager):
                agents += self._slivers
            for agent in agents:
                if agent not in changed:
                    leaves = {**eager, **pairs.pop(agent)} if agent in pairs else eager
                    self._visit(agent, self._sorted(leaves), grants)
        for agent, leaves in pairs.items():
            if agent not in changed:
                self._visit(agent, self._sorted(leaves), grants)
        return grants

    def _retry(self, ended: Filter) -> None:
        agent, leaf = ended.agent, ended.leaf
        if leaf in self._participants and (agent in self._offerable or agent in self._slivers):
            self._pairs.setdefault(agent, {})[leaf] = None

    def _sorted(self, leaves: Mapping[Leaf, None]) -> Iterable[Leaf]:
        if len(leaves) == 1:
            return [leaf for leaf in leaves if leaf in self._participants]
        self._tree.settle()
        return (leaf for leaf in self._tree.in_order() if leaf in leaves)

    def _visit(self, agent: AgentRecord, leaves: Iterable[Leaf], grants: list[Grant]) -> None:
        """Offer what `agent` has free to `leaves`, in their order, until nothing is left."""
        shared_taken: set[object] = set()
        for leaf in leaves:
            self.visits += 1
            offered = self._takes(agent, leaf, shared_taken)
            if offered is None:
                continue
            resources = offered.select(agent.kinds, leaf.role)
            held = agent.held.get(leaf, Resources.NONE)
            if agent.shared:
                self._set_held(leaf, agent, held, held + resources, given=True)
                shared_taken.update(kind for kind, _ in offered if kind.shared)
                offered = offered.non_shared()
            else:
                agent.held[leaf] = held + resources
                leaf.agents[agent] = None
                self._tree.charge(leaf, offered.quantities(), given=True)
            agent.free = Resources.NONE if offered is agent.free else agent.free - offered
            leaf.reasons.granted += 1
            grants.append(Grant(leaf.framework.framework_id, leaf.role, agent.agent_id, resources))
            if not agent.free:
                break
        self._index(agent)

    def _takes(self, agent: AgentRecord, leaf: Leaf, shared_taken: Collection[object]) -> Resources | None:
        """What `leaf` may have of what `agent` has free; None, with the reason counted, when it gets nothing."""
        framework, reasons = leaf.framework, leaf.reasons
        if agent.has_gpus and self._filter_gpus and not framework.gpus:
            reasons.lacks_gpu_capability += 1
            return None
        if agent.remote and not framework.region_aware:
            reasons.remote_region += 1
            return None
        if leaf.constraints is not None and not leaf.constraints.admit(agent.description):
            reasons.constraints += 1
            return None
        offered = agent.free
        if not agent.plain:
            role = leaf.role
            offered = offered.filter(
                lambda kind: (
                    kind.plain
                    or (
                        kind not in shared_taken
                        and framework.can_take(kind)
                        and (not kind.reservations or is_same_or_descendant(role, kind.reservation_role))
                    )
                )
            )
            if not offered:
                reasons.nothing_for_role += 1
                return None
        minimum = self._minimum if leaf.minimum is None else leaf.minimum
        if not self._suffices(offered, minimum):
            reasons.below_minimum += 1
            return None
        for each in leaf.filters.get(agent, ()):
            if (each.freed is None or each.freed == agent.freed) and each.resources.contains(offered):
                reasons.filtered += 1
                return None
        return offered

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
        result: Quantities = {}
        for agent in self._agents.values():
            for reserved_for, part in agent.total.reservations().items():
                if is_same_or_descendant(reserved_for, role):
                    add_quantities(result, part.quantities())
            for leaf, held in agent.held.items():
                if is_same_or_descendant(leaf.role, role):
                    add_quantities(result, held.unreserved().non_revocable().quantities())
        return result

    @property
    def runs(self) -> int:
        return self._runs

    @property
    def moves(self) -> int:
        """How many times somebody's place in the order changed."""
        return self._tree.moves

    def total_quantities(self) -> Quantities:
        return dict(self._tree.total)

    def allocated_quantities(self) -> Quantities:
        return dict(self._tree.root.allocated)

    def filters_active(self) -> dict[str, int]:
        return {
            path: sum(leaf.filter_count for leaf in node.leaves.values())
            for path, node in self._tree.nodes.items()
            if node.leaves
        }

    def dominant_shares(self) -> dict[str, float]:
        return {path: self._tree.share(node) for path, node in self._tree.nodes.items()}

    def check(self) -> None:
        self._tree.check()
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
            assert (agent in self._offerable) == (agent.offered and self._suffices(agent.free, self._minimum))
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
        self._filters.check(filters)


def _alike(one: Constraints | None, other: Constraints | None) -> bool:
    return one is other or (one is not None and other is not None and one.source == other.source)

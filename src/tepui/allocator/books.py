"""The books of the allocator: who is there, who takes part, who holds what, and what is to be looked at again.

Every change marks the agents on which something may now be granted; deciding is `engine`'s part. Agents with nothing to
give are in no index, so that ten thousand full or filtered agents cost nothing per event.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from math import isnan

from tepui.allocator.allocator import REFUSE_SECONDS_DEFAULT, REFUSE_SECONDS_MAX, AllocatorOptions, Request
from tepui.allocator.constraints import Constraints
from tepui.allocator.filters import Filter, FilterBook
from tepui.allocator.gathering import Gathering
from tepui.allocator.policy import Policy
from tepui.allocator.quota import QuotaBook, total_of
from tepui.allocator.records import AgentRecord, FrameworkRecord
from tepui.allocator.tree import Leaf, RoleTree
from tepui.model.quantities import Quantities
from tepui.model.resources import Resources
from tepui.model.v1.mesos import Attribute


class Books:
    """What the allocator knows, and its changes; see `Allocator` for what each call means."""

    def __init__(self, role_policy: Policy, framework_policy: Policy, options: AllocatorOptions) -> None:
        self._minimum = tuple(options.min_allocatable_resources)
        self._filter_gpus = options.filter_gpu_resources
        self._refuse_seconds_min = options.allocation_interval_seconds
        self._region = options.region
        self._tree = RoleTree(
            (role_policy, framework_policy),
            options.weights,
            options.priorities,
            options.fair_sharing_excluded_resource_names,
        )
        self._filters = FilterBook()
        self._quota = QuotaBook()
        self._gathering = Gathering(
            options.gathering_share_max,
            options.gathering_patience_seconds,
            options.gathering_seconds,
            self._tree.total,
            self._could_hold,
            lambda leaf, wanted: self._quota.limit_allows(self._quota.of(leaf), wanted),
            self._gained,
        )
        self._agents: dict[str, AgentRecord] = {}
        self._expected: dict[str, tuple[Quantities, Mapping[str, Quantities] | None]] = {}
        """What agents have that are expected back, and what roles consume of it where that is known."""
        self._frameworks: dict[str, FrameworkRecord] = {}
        self._whitelist: frozenset[str] | None = None
        self._offerable: dict[AgentRecord, None] = {}
        """Offered agents with at least the default minimum free."""
        self._slivers: dict[AgentRecord, None] = {}
        """Offered agents with something free, but less: only frameworks with a minimum of their own may take it."""
        self._participants: dict[Leaf, None] = {}
        self._undemanding = 0
        """How many participants have a minimum of their own."""
        self._changed: dict[AgentRecord, None] = {}
        """Agents to visit for everybody."""
        self._all_changed = False
        """Visit all agents that have something free for everybody: a rule for all of them changed."""
        self._pairs: dict[AgentRecord, dict[Leaf, None]] = {}
        """Agents to visit for these only, whose filters ended."""
        self._eager: dict[Leaf, None] = {}
        """Those to visit every agent for: they are new or revived."""
        self._entering: dict[Leaf, None] = {}
        """Those that begin to wait for room when it is known what time it is."""

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
        self._place_agent(agent)
        self._tree.resize(total.quantities(), {})
        if not agent.plain:
            self._quota.reserve(Resources.NONE, total)
        for framework_id, resources in used.items():
            self._hold(framework_id, agent, resources)
        if used:
            agent.recount()
        self._gained(agent)

    def expect_agent(self, agent_id: str, total: Quantities, consumed: Mapping[str, Quantities] | None = None) -> None:
        self._expected[agent_id] = (total, consumed)
        self._quota.expect(total, consumed)

    def expect_no_more(self, agent_id: str) -> None:
        expected = self._expected.pop(agent_id, None)
        if expected is not None:
            self._quota.expect_no_more(*expected)

    def update_agent(
        self,
        agent_id: str,
        total: Resources | None = None,
        attributes: Sequence[Attribute] | None = None,
        hostname: str | None = None,
        domain: tuple[str, str] | None = None,
    ) -> None:
        agent = self._agents[agent_id]
        if attributes is not None or hostname is not None or domain is not None:
            if agent.describe(attributes, hostname, domain):
                self._filters.clear_agent(agent)
            self._place_agent(agent)
        if total is not None:
            self._resize(agent, total)
        self._open_or_close(agent)

    def remove_agent(self, agent_id: str) -> None:
        agent = self._agents.pop(agent_id, None)
        if agent is None:
            return
        self._filters.clear_agent(agent)
        for leaf in list(agent.held):
            self._release_all(leaf, agent)
        self._tree.resize({}, agent.total.quantities())
        if not agent.plain:
            self._quota.reserve(agent.total, Resources.NONE)
        agent.active = False
        self._open_or_close(agent)
        self._quota.forget(agent)

    def activate_agent(self, agent_id: str) -> None:
        agent = self._agents[agent_id]
        if not agent.active:
            agent.active = True
            self._open_or_close(agent)

    def deactivate_agent(self, agent_id: str) -> None:
        agent = self._agents[agent_id]
        agent.active = False
        self._open_or_close(agent)

    def set_whitelist(self, hosts: frozenset[str] | None) -> None:
        self._whitelist = hosts
        for agent in self._agents.values():
            if agent.listed != self._lists(agent):
                self._place_agent(agent)
                self._open_or_close(agent)

    def _lists(self, agent: AgentRecord) -> bool:
        return self._whitelist is None or agent.description.hostname in self._whitelist

    def _place_agent(self, agent: AgentRecord) -> None:
        """What follows from where the agent is."""
        agent.listed = self._lists(agent)
        region = agent.description.region
        agent.remote = region is not None and self._region is not None and region != self._region

    def _open_or_close(self, agent: AgentRecord) -> None:
        """It may be offered from now on, or no longer."""
        self._gained(agent)
        if not agent.offered:
            self._changed.pop(agent, None)
            self._pairs.pop(agent, None)
            self._gathering.gone(agent)

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
            eager = more_capable or minimum != leaf.minimum or not alike(wanted, leaf.constraints)
            leaf.constraints = wanted
            if leaf.minimum != minimum:
                self._leave(leaf)  # what is counted of those with a minimum of their own must stay right
                leaf.minimum = minimum
            if leaf.priority != priority:
                self._tree.set_priority(leaf, priority)
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
                agent.came_back()
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

    def request(self, framework_id: str, requests: Sequence[Request]) -> None:
        framework = self._frameworks[framework_id]
        framework.requests = tuple(requests)
        for leaf in framework.leaves.values():
            if leaf in self._participants:
                self._entering[leaf] = None

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
            self._quota.enter(leaf)
            if leaf.minimum is not None or framework.requests:
                self._entering[leaf] = None
            eager = True
        if eager and (self._offerable or (leaf.minimum is not None and self._slivers)):
            self._eager[leaf] = None

    def _leave(self, leaf: Leaf) -> None:
        if leaf in self._participants:
            del self._participants[leaf]
            self._undemanding -= leaf.minimum is not None
            self._tree.leave(leaf)
            self._quota.leave(leaf)
            self._entering.pop(leaf, None)
            self._gathering.leave(leaf)
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
        free, role = agent.given_as(resources)
        if role is None:
            for part in resources.allocations().values():
                self.recover(framework_id, agent_id, part, refuse_seconds, now)
            return
        leaf = framework.leaves.get(role)
        held = None if leaf is None else agent.held.get(leaf)
        if leaf is None or held is None:
            raise ValueError(f"Framework {framework_id} holds nothing of {resources} on agent {agent_id}")
        left = Resources.NONE if held is resources else held - resources
        if agent.shared:
            self._set_held(leaf, agent, held, left)
        else:
            if left:
                agent.held[leaf] = left
            else:
                del agent.held[leaf], leaf.agents[agent]
            self._tree.discharge(leaf, free.quantities())
            if leaf.top.quota is not None:
                self._quota.discharge(leaf.top.quota, free)
        if agent.deficit:
            agent.recount()
        else:
            agent.free = agent.free + (free.non_shared() if agent.shared else free)
        if refuse_seconds is None:
            agent.came_back()
        elif framework.active and leaf.subscribed:
            self._refuse(leaf, agent, free, refuse_seconds, now)
        if agent not in self._changed or agent not in self._offerable or self._quota.guaranteed:
            self._gained(agent)
        if not leaf.subscribed:
            self._drop_if_unused(leaf)

    def _refuse(self, leaf: Leaf, agent: AgentRecord, free: Resources, seconds: float, now: float) -> None:
        if seconds < 0 or isnan(seconds):
            seconds = REFUSE_SECONDS_DEFAULT
        leaf.reasons.filtered += 1
        until = now + min(max(seconds, self._refuse_seconds_min), REFUSE_SECONDS_MAX)
        self._filters.add(Filter(leaf, agent, free, until, agent.freed if seconds == 0 else None))
        if leaf.wait is not None:
            self._gathering.declined(leaf.wait, free.quantities(), agent, until)

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
        if leaf.top.quota is not None:
            self._quota.charge(leaf.top.quota, after, granted=given)
            self._quota.discharge(leaf.top.quota, before, room_rose=not given)

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
        self._resize(agent, total)
        self._gained(agent)

    def convert_free(self, agent_id: str, consumed: Resources, converted: Resources) -> None:
        agent = self._agents[agent_id]
        if not agent.free.contains(consumed):
            raise ValueError(f"{agent.free} does not contain {consumed}")
        self._resize(agent, agent.total - consumed + converted)
        self._gained(agent)

    def _resize(self, agent: AgentRecord, total: Resources) -> None:
        self._tree.resize(total.quantities(), agent.total.quantities())
        plain = agent.plain
        before = agent.total
        agent.set_total(total)
        if not plain or not agent.plain:
            self._quota.reserve(before, total)
        agent.recount()

    def set_weights(self, weights: Mapping[str, float]) -> None:
        self._tree.set_weights(weights)

    def set_quota(self, role: str, guarantees: Quantities, limits: Quantities) -> None:
        inside = [leaf for leaf in self._participants if leaf.role.partition("/")[0] == role]
        for leaf in inside:
            self._quota.leave(leaf)
        counted = self._quota.guaranteed
        quota = self._quota.set(role, guarantees, limits, self._allocated_to(role))
        self._tree.set_quota(role, quota)
        for leaf in inside:
            self._quota.enter(leaf)
        if self._quota.guaranteed and not counted:
            for agent in self._agents.values():
                self._quota.recount_pool(agent)
        self._all_changed = True

    def _allocated_to(self, role: str) -> Quantities:
        """What a top-level role and those below it hold of plain scalars."""
        return total_of(
            agent.held[leaf]
            for framework in self._frameworks.values()
            for leaf in framework.leaves.values()
            if leaf.role.partition("/")[0] == role
            for agent in leaf.agents
        )

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
        if self._quota.guaranteed:
            self._quota.recount_pool(agent)
        offered = agent.offered
        if offered and self._enough(agent, agent.free):
            self._offerable[agent] = None
            self._slivers.pop(agent, None)
            return
        self._offerable.pop(agent, None)
        if offered and agent.free:
            self._slivers[agent] = None
        else:
            self._slivers.pop(agent, None)

    def _enough(self, agent: AgentRecord, resources: Resources) -> bool:
        """Whether so much of the agent is an offer for those without a minimum of their own."""
        if resources is not agent.weighed:
            if not resources:
                return False
            agent.weighed = resources
            agent.enough = suffices(resources, self._minimum)
        return agent.enough

    def _could_hold(self, agent: AgentRecord, leaf: Leaf) -> Mapping[str, int] | None:
        """How much the leaf might be offered of the agent if all of it were free; None when it never is."""
        framework = leaf.framework
        if (
            not agent.offered
            or (agent.has_gpus and self._filter_gpus and not framework.gpus)
            or (agent.remote and not framework.region_aware)
            or (leaf.constraints is not None and not leaf.constraints.admit(agent.description))
        ):
            return None
        if agent.plain:
            return agent.total.quantities()
        return agent.total.allocatable_to(leaf.role).filter(framework.can_take).quantities()


def suffices(resources: Resources, minimum: Sequence[Quantities]) -> bool:
    """Whether an offer of these is large enough."""
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


def alike(one: Constraints | None, other: Constraints | None) -> bool:
    """Whether they admit the same agents for sure."""
    return one is other or (one is not None and other is not None and one.source == other.source)

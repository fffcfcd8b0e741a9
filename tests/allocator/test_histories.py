"""Random histories: a plain model beside the allocator keeps the books, and after every step these sentences hold.

- Nothing is allocated twice: what is granted was free.
- Who is suppressed, inactive, paused or not subscribed gets nothing, and so does nobody of a deactivated agent.
- A filter does not end early: no offer is contained in what the framework declined for that time.
- A filter does not outlive its time, and nothing is forgotten: whatever somebody may have is granted.
- What is reserved goes to its role and the roles below it only.
- A cluster in which nothing changed makes no work.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tepui.allocator import DrfAllocator
from tepui.model.resources import Resources
from tepui.model.roles import is_same_or_descendant

from .cluster import amount

ROLES = ["x", "x/y", "z"]
FRAMEWORKS = ["f", "g", "h"]
AGENTS = ["a", "b", "c"]
TOTALS = ["cpus:2;mem:128", "cpus:1;mem:64;cpus(x):1", "mem:32;cpus(x/y):1;mem(z):64;ports:[1-4]", "cpus:0.005;disk:9"]

frameworks = st.sampled_from(FRAMEWORKS)
agents = st.sampled_from(AGENTS)
role_sets = st.sets(st.sampled_from(ROLES), min_size=1)
refusals = st.sampled_from([None, 0.0, 0.5, 2.0, 5.0, 60.0])


@dataclass
class Declined:
    framework_id: str
    role: str
    agent_id: str
    resources: Resources
    until: float
    guard_of: int | None
    """For a refusal of 0 seconds: how often used resources had come back to the agent."""


@dataclass
class AgentModel:
    total: Resources
    active: bool = True
    freed: int = 0
    held: dict[tuple[str, str], Resources] = field(default_factory=dict)

    def free(self) -> Resources:
        left = self.total
        for resources in self.held.values():
            left = left.without(resources.unallocated())
        return left


@dataclass
class FrameworkModel:
    roles: set[str]
    suppressed: set[str] = field(default_factory=set)
    active: bool = True
    paused: bool = False

    def takes_part(self, role: str) -> bool:
        return self.active and not self.paused and role in self.roles and role not in self.suppressed


class Histories(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.allocator = DrfAllocator()
        self.now = 0.0
        self.agents: dict[str, AgentModel] = {}
        self.frameworks: dict[str, FrameworkModel] = {}
        self.declined: list[Declined] = []

    # What happens.

    @rule(agent_id=agents, text=st.sampled_from(TOTALS))
    def agent_comes_or_changes(self, agent_id: str, text: str) -> None:
        total = amount(text)
        if agent_id in self.agents:
            self.agents[agent_id].total = total
            self.allocator.update_agent(agent_id, total)
        else:
            self.agents[agent_id] = AgentModel(total)
            self.allocator.add_agent(agent_id, total, {})

    @rule(agent_id=agents)
    def agent_goes(self, agent_id: str) -> None:
        self.agents.pop(agent_id, None)
        self.declined = [each for each in self.declined if each.agent_id != agent_id]
        self.allocator.remove_agent(agent_id)

    @rule(agent_id=agents)
    def agent_is_switched(self, agent_id: str) -> None:
        if agent_id not in self.agents:
            return
        agent = self.agents[agent_id]
        agent.active = not agent.active
        (self.allocator.activate_agent if agent.active else self.allocator.deactivate_agent)(agent_id)

    @rule(framework_id=frameworks, roles=role_sets, suppressed=st.sets(st.sampled_from(ROLES)))
    def framework_comes_or_changes(self, framework_id: str, roles: set[str], suppressed: set[str]) -> None:
        if framework_id in self.frameworks:
            self.allocator.update_framework(framework_id, roles, suppressed)
            self.frameworks[framework_id].roles = roles
            self.frameworks[framework_id].suppressed = suppressed
            self._forget(framework_id, set(ROLES) - roles)
        else:
            self.allocator.add_framework(framework_id, roles, suppressed)
            self.frameworks[framework_id] = FrameworkModel(roles, suppressed)

    @rule(framework_id=frameworks)
    def framework_goes(self, framework_id: str) -> None:
        self.allocator.remove_framework(framework_id)
        self.frameworks.pop(framework_id, None)
        self._forget(framework_id, set(ROLES))
        for agent in self.agents.values():
            for key in [key for key in agent.held if key[0] == framework_id]:
                del agent.held[key]
                agent.freed += 1

    @precondition(lambda self: self.frameworks)
    @rule(data=st.data(), how=st.sampled_from(["activity", "pause", "suppress", "revive"]), role=st.sampled_from(ROLES))
    def framework_is_switched(self, data: st.DataObject, how: str, role: str) -> None:
        framework_id = data.draw(st.sampled_from(sorted(self.frameworks)))
        framework, allocator = self.frameworks[framework_id], self.allocator
        if how == "activity":
            framework.active = not framework.active
            (allocator.activate_framework if framework.active else allocator.deactivate_framework)(framework_id)
            if not framework.active:
                self._forget(framework_id, set(ROLES))
        elif how == "pause":
            framework.paused = not framework.paused
            (allocator.pause_framework if framework.paused else allocator.resume_framework)(framework_id)
        elif how == "suppress":
            framework.suppressed |= {role}
            allocator.suppress(framework_id, [role])
        elif role in framework.roles:
            framework.suppressed -= {role}
            allocator.revive(framework_id, [role])
            self._forget(framework_id, {role})

    def _forget(self, framework_id: str, roles: set[str]) -> None:
        self.declined = [each for each in self.declined if each.framework_id != framework_id or each.role not in roles]

    @precondition(lambda self: any(agent.held for agent in self.agents.values()))
    @rule(data=st.data(), refuse_seconds=refusals, part=st.sampled_from(["all", "cpus", "mem"]))
    def resources_come_back(self, data: st.DataObject, refuse_seconds: float | None, part: str) -> None:
        held = [(agent_id, key) for agent_id, agent in self.agents.items() for key in agent.held]
        agent_id, key = data.draw(st.sampled_from(held))
        agent, (framework_id, role) = self.agents[agent_id], key
        whole = agent.held[key]
        resources = whole if part == "all" else whole.named(part)
        if not resources:
            return
        self.allocator.recover(framework_id, agent_id, resources, refuse_seconds, self.now)
        agent.held[key] = whole - resources
        if not agent.held[key]:
            del agent.held[key]
        framework = self.frameworks[framework_id]
        if refuse_seconds is None:
            agent.freed += 1
        elif framework.active and role in framework.roles:
            guard_of = agent.freed if refuse_seconds == 0 else None
            until = self.now + max(1.0, refuse_seconds)
            self.declined.append(Declined(framework_id, role, agent_id, resources.unallocated(), until, guard_of))

    @rule(seconds=st.sampled_from([0.25, 1.0, 4.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    # What must hold.

    def _filtered(self, framework_id: str, role: str, agent_id: str, offered: Resources) -> bool:
        return any(
            each.resources.contains(offered)
            for each in self.declined
            if (each.framework_id, each.role, each.agent_id) == (framework_id, role, agent_id)
            and each.until > self.now
            and (each.guard_of is None or each.guard_of == self.agents[agent_id].freed)
        )

    @staticmethod
    def _suffices(resources: Resources) -> bool:
        return resources.scalar("cpus") >= 10 or resources.scalar("mem") >= 32_000

    @invariant()
    def every_grant_is_right_and_none_is_missing(self) -> None:
        given = set()
        for grant in self.allocator.allocate(self.now):
            agent, free = self.agents[grant.agent_id], grant.resources.unallocated()
            assert (grant.framework_id, grant.role, grant.agent_id) not in given
            given.add((grant.framework_id, grant.role, grant.agent_id))
            assert agent.free().contains(free), "allocated twice"
            assert agent.active
            assert self.frameworks[grant.framework_id].takes_part(grant.role)
            assert grant.resources.allocation_role == grant.role
            assert all(is_same_or_descendant(grant.role, role) for role in free.reservations())
            assert self._suffices(free)
            assert not self._filtered(grant.framework_id, grant.role, grant.agent_id, free)
            key = (grant.framework_id, grant.role)
            agent.held[key] = agent.held.get(key, Resources.NONE) + grant.resources
        for agent_id, agent in self.agents.items():
            free = agent.free()
            assert self.allocator.free(agent_id) == free
            for framework_id, framework in self.frameworks.items():
                for role in ROLES:
                    offered = free.allocatable_to(role)
                    if agent.active and framework.takes_part(role) and self._suffices(offered):
                        assert self._filtered(framework_id, role, agent_id, offered), "forgotten"
        assert not self.allocator.has_work()
        visits = self.allocator.visits
        assert self.allocator.allocate(self.now) == []
        assert self.allocator.visits == visits
        self.allocator.check()

    @invariant()
    def it_asks_to_be_woken_for_the_first_filter_that_ends(self) -> None:
        live = [each.until for each in self.declined if each.until > self.now]
        deadline = self.allocator.next_deadline()
        assert deadline is None or deadline > self.now
        if live and deadline is not None:
            assert deadline <= max(live)


Histories.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
test_histories = Histories.TestCase

"""Random histories with quota: after every step these sentences hold.

- No limit is exceeded by what is granted, and no grant takes what is held back for somebody else's guarantee.
- Guarantees are met whenever they can be, and nothing is forgotten: whatever somebody may have is granted.
- Offered + used + free = total on each agent; the allocator's sums are the sums of their parts.
- Room is gathered for those who wait only, and never more than the bound.
- A cluster in which nothing changed makes no work.
"""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tepui.allocator import AllocatorOptions, DrfAllocator
from tepui.allocator.explain import AVAILABLE, explain, ruled_out
from tepui.model.quantities import Quantities, add_quantities
from tepui.model.resources import Resources
from tepui.model.roles import is_same_or_descendant

from .cluster import amount

ROLES = ["x", "x/y", "z", "w"]
TOPS = ["x", "z", "w"]
FRAMEWORKS = ["f", "g", "h"]
AGENTS = ["a", "b", "c"]
TOTALS = ["cpus:2;mem:128", "cpus:1;mem:64;cpus(x):1", "mem:32;cpus(x/y):1;mem(z):64;ports:[1-4]", "cpus:3;disk:9"]
QUOTAS: list[tuple[Quantities, Quantities]] = [
    ({}, {}),
    ({"cpus": 1000}, {}),
    ({"cpus": 1000, "mem": 64_000}, {"cpus": 2000, "mem": 96_000}),
    ({}, {"cpus": 500}),
    ({}, {"cpus": 0, "mem": 0}),
    ({"mem": 200_000}, {"cpus": 1500, "mem": 300_000}),
]
MINIMUMS: list[dict[str, list[Quantities]]] = [
    {},
    {"x": [{"cpus": 2000}], "z": [{"cpus": 1500, "mem": 64_000}]},
    {"w": []},
]

frameworks, agents = st.sampled_from(FRAMEWORKS), st.sampled_from(AGENTS)
roles = st.sampled_from(ROLES)


class QuotaHistories(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        options = AllocatorOptions(gathering_patience_seconds=2.0, gathering_seconds=4.0)
        self.allocator = DrfAllocator(options)
        self.now = 0.0
        self.totals: dict[str, Resources] = {}
        self.held: dict[tuple[str, str, str], Resources] = {}
        """By agent, framework and role."""
        self.subscribed: dict[str, set[str]] = {}
        self.minimums: dict[str, dict[str, list[Quantities]]] = {}
        self.quotas: dict[str, tuple[Quantities, Quantities]] = {}
        self.hosts: frozenset[str] | None = None

    # What happens.

    @rule(agent_id=agents, text=st.sampled_from(TOTALS))
    def agent_comes(self, agent_id: str, text: str) -> None:
        if agent_id not in self.totals:
            self.totals[agent_id] = amount(text)
            self.allocator.add_agent(agent_id, amount(text), {}, hostname=agent_id)

    @rule(agent_id=agents)
    def agent_goes(self, agent_id: str) -> None:
        self.totals.pop(agent_id, None)
        self.held = {key: resources for key, resources in self.held.items() if key[0] != agent_id}
        self.allocator.remove_agent(agent_id)

    @rule(hosts=st.sampled_from([None, frozenset(["a", "b"]), frozenset(AGENTS)]))
    def whitelist_changes(self, hosts: frozenset[str] | None) -> None:
        self.hosts = hosts
        self.allocator.set_whitelist(hosts)

    @rule(framework_id=frameworks, chosen=st.sets(roles, min_size=1), minimums=st.sampled_from(MINIMUMS))
    def framework_comes_or_changes(
        self, framework_id: str, chosen: set[str], minimums: dict[str, list[Quantities]]
    ) -> None:
        known = framework_id in self.subscribed
        (self.allocator.update_framework if known else self.allocator.add_framework)(
            framework_id, chosen, minimums=minimums
        )
        self.subscribed[framework_id], self.minimums[framework_id] = chosen, minimums

    @precondition(lambda self: self.subscribed)
    @rule(data=st.data(), how=st.sampled_from(["suppress", "revive"]))
    def framework_is_switched(self, data: st.DataObject, how: str) -> None:
        framework_id = data.draw(st.sampled_from(sorted(self.subscribed)))
        (self.allocator.suppress if how == "suppress" else self.allocator.revive)(framework_id)

    @rule(role=st.sampled_from(TOPS), quota=st.sampled_from(QUOTAS))
    def quota_is_set(self, role: str, quota: tuple[Quantities, Quantities]) -> None:
        self.allocator.set_quota(role, *quota)
        self.quotas[role] = quota

    @precondition(lambda self: self.held)
    @rule(data=st.data(), refuse=st.sampled_from([None, 0.0, 3.0]), part=st.sampled_from(["all", "cpus", "mem"]))
    def resources_come_back(self, data: st.DataObject, refuse: float | None, part: str) -> None:
        key = data.draw(st.sampled_from(sorted(self.held)))
        agent_id, framework_id, _ = key
        resources = self.held[key] if part == "all" else self.held[key].named(part)
        if not resources:
            return
        self.allocator.recover(framework_id, agent_id, resources, refuse, self.now)
        self.held[key] = self.held[key] - resources
        if not self.held[key]:
            del self.held[key]

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def cpus_are_reserved(self, data: st.DataObject) -> None:
        """An operation makes half of what is held reserved for the role."""
        key = data.draw(st.sampled_from(sorted(self.held)))
        agent_id, framework_id, role = key
        plain = self.held[key].unreserved().named("cpus")
        half = plain.scalar("cpus") // 2
        if not half:
            return
        taken = amount(f"cpus:{half / 1000}", role)
        made = amount(f"cpus({role}):{half / 1000}", role)
        self.allocator.convert(framework_id, agent_id, taken, made)
        self.held[key] = self.held[key] - taken + made
        self.totals[agent_id] = self.totals[agent_id] - taken.unallocated() + made.unallocated()

    @rule(seconds=st.sampled_from([0.5, 2.0, 5.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    # What must hold.

    def _consumed(self, top: str) -> Quantities:
        result: Quantities = {}
        for total in self.totals.values():
            for role, part in total.reservations().items():
                if is_same_or_descendant(role, top):
                    add_quantities(result, part.quantities())
        for (_, _, role), held in self.held.items():
            if is_same_or_descendant(role, top):
                add_quantities(result, held.unreserved().quantities())
        return result

    def _surplus(self) -> dict[str, int]:
        """What is free on agents that are offered beyond what guarantees lack, by name."""
        surplus = {"cpus": 0, "mem": 0}
        for agent_id, total in self.totals.items():
            if self.hosts is None or agent_id in self.hosts:
                add_quantities(surplus, self._free(agent_id, total).unreserved().quantities())
        for top, (guarantees, _) in self.quotas.items():
            consumed = self._consumed(top)
            for name, guaranteed in guarantees.items():
                surplus[name] -= max(0, guaranteed - consumed.get(name, 0))
        return surplus

    def _free(self, agent_id: str, total: Resources) -> Resources:
        for key, held in self.held.items():
            if key[0] == agent_id:
                total = total - held.unallocated()
        return total

    def _run(self) -> set[tuple[str, str, str]]:
        """What was granted, by agent, framework and role."""
        before = self._surplus()
        given: set[tuple[str, str, str]] = set()
        for grant in self.allocator.allocate(self.now):
            key = (grant.agent_id, grant.framework_id, grant.role)
            assert key not in given, "two offers in place of one"
            given.add(key)
            self.held[key] = self.held.get(key, Resources.NONE) + grant.resources
            top = grant.role.partition("/")[0]
            _, limits = self.quotas.get(top, ({}, {}))
            consumed = self._consumed(top)
            for name in grant.resources.unreserved().quantities():
                assert consumed[name] <= limits.get(name, consumed[name]), "over the limit"
        after = self._surplus()
        for name in ("cpus", "mem"):
            assert after[name] >= min(0, before[name]), "taken from what is held back"
        return given

    @invariant()
    def limits_hold_and_nothing_is_forgotten(self) -> None:
        given = self._run()
        if self.allocator.has_work():  # the rest of what was gathered for a large task is for others
            gathered = {agent_id for agent_id, framework, role in given if role in self.minimums[framework]}
            assert {agent_id for agent_id, _, _ in self._run()} <= gathered, "more than the rest of what was gathered"
        for agent_id, total in self.totals.items():
            assert self.allocator.free(agent_id) == self._free(agent_id, total)
        assert not self.allocator.has_work()
        assert self.allocator.allocate(self.now) == []
        for framework_id, chosen in self.subscribed.items():
            for role in chosen:
                if explain(self.allocator, framework_id, role).takes_part:
                    for agent_id in self.totals:
                        assert ruled_out(self.allocator, framework_id, role, agent_id) != AVAILABLE, "forgotten"
        for top in TOPS:
            assert self.allocator.quota_consumption(top) == self._consumed(top)
        self.allocator.check()

    @invariant()
    def what_is_due_is_in_the_future(self) -> None:
        deadline = self.allocator.next_deadline()
        assert deadline is None or deadline > self.now


QuotaHistories.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
test_quota_histories = QuotaHistories.TestCase

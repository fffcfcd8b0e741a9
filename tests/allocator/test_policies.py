"""Who comes first: each policy by what it promises, and what all share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from random import Random

import pytest

from tepui.allocator import AllocatorOptions, Engine, Policy
from tepui.allocator.drf import Drf
from tepui.allocator.lottery import Lottery
from tepui.allocator.priority import Priority
from tepui.allocator.shuffle import Shuffle

from .cluster import amount

POLICIES: list[type[Policy]] = [Drf, Priority, Lottery, Shuffle]


def engine(policy: type[Policy], options: AllocatorOptions | None = None, seed: int = 1) -> Engine:
    random = Random(seed)
    return Engine(policy(random), policy(random), options)


def draw(allocator: Engine, agents: int) -> list[str]:
    """Bring agents one after the other; who gets each."""
    holders = []
    for number in range(agents):
        allocator.add_agent(f"a{number}", amount("cpus:1"), {})
        (grant,) = allocator.allocate(0.0)
        holders.append(grant.framework_id)
    allocator.check()
    return holders


def test_strict_priority_first_role_then_framework_then_fairness() -> None:
    allocator = engine(Priority, AllocatorOptions(priorities={"prod": 1}))
    allocator.add_framework("batch", ["dev"], priority=100)
    allocator.add_framework("low", ["prod"])
    allocator.add_framework("one", ["prod"], priority=5)
    allocator.add_framework("two", ["prod"], priority=5)
    assert draw(allocator, 4) == ["one", "two", "one", "two"]
    for framework_id in ("one", "two"):
        allocator.suppress(framework_id)
    assert draw_more(allocator, "b") == "low"
    allocator.suppress("low")
    assert draw_more(allocator, "c") == "batch"
    allocator.update_framework("low", ["prod"], priority=9)
    allocator.update_framework("one", ["prod"], priority=5)
    assert draw_more(allocator, "d") == "low"


def draw_more(allocator: Engine, agent_id: str) -> str:
    allocator.add_agent(agent_id, amount("cpus:1"), {})
    return allocator.allocate(0.0)[0].framework_id


def test_a_lottery_is_drawn_by_weight() -> None:
    allocator = engine(Lottery, AllocatorOptions(weights={"r3": 3.0}))
    for role in ("r1", "r3"):
        allocator.add_framework(role, [role])
    counts = Counter(draw(allocator, 2000))
    assert 1400 < counts["r3"] < 1600


def test_a_lottery_helps_a_small_job_among_many_large_ones() -> None:
    """Contended agents go round: whoever wants one gets it in proportion to its share, not after all others."""
    allocator = engine(Lottery)
    for number in range(10):
        allocator.add_framework(f"f{number}", ["test"])
    assert set(draw(allocator, 200)) == {f"f{number}" for number in range(10)}


def test_random_gives_everybody_the_same_chance_whatever_its_weight() -> None:
    allocator = engine(Shuffle, AllocatorOptions(weights={"r3": 300.0}))
    for role in ("r1", "r3"):
        allocator.add_framework(role, [role])
    assert 900 < Counter(draw(allocator, 2000))["r3"] < 1100


@pytest.mark.parametrize("policy", [Lottery, Shuffle])
@pytest.mark.parametrize("weights", [[1.0] * 7, [1000.0, 1, 1, 1, 1, 1, 1], [0.001] * 3])
def test_who_draws_draws_everybody_once(policy: type[Policy], weights: list[float]) -> None:
    allocator = engine(policy, AllocatorOptions(weights={f"r{i}": weight for i, weight in enumerate(weights)}))
    for number in range(len(weights)):
        allocator.add_framework(f"f{number}", [f"r{number}"])
    siblings: Sequence[str] = [run[0].name for run in map(list, allocator._tree.in_order())]
    assert sorted(siblings) == [f"f{number}" for number in range(len(weights))]


@pytest.mark.parametrize("policy", POLICIES)
def test_one_seed_is_one_run(policy: type[Policy]) -> None:
    runs = []
    for _ in range(2):
        allocator = engine(policy, seed=7)
        for number in range(40):
            allocator.add_framework(f"f{number:02}", [f"r{number % 7}/s{number % 3}", "test"])
        runs.append(draw(allocator, 60))
    assert runs[0] == runs[1]


@pytest.mark.parametrize("policy", POLICIES)
def test_what_all_decline_was_offered_to_each_once(policy: type[Policy]) -> None:
    allocator = engine(policy)
    for number in range(40):
        allocator.add_framework(f"f{number:02}", [f"r{number % 7}"])
    allocator.add_agent("a", amount("cpus:1"), {})
    asked = []
    while grants := allocator.allocate(0.0):
        (grant,) = grants
        asked.append(grant.framework_id)
        allocator.recover(grant.framework_id, "a", grant.resources, 3600, 0.0)
        allocator.check()
    assert sorted(asked) == [f"f{number:02}" for number in range(40)]


@pytest.mark.parametrize("policy", POLICIES)
def test_a_pick_costs_the_same_whether_forty_or_two_thousand_take_part(policy: type[Policy]) -> None:
    """O(log n): counted are the pairs looked at; the place of each is found by bisection."""
    costs = []
    for frameworks in (40, 2000):
        allocator = engine(policy)
        for number in range(frameworks):
            allocator.add_framework(f"f{number:04}", ["test"])
        draw(allocator, 50)
        before = allocator.visits
        grants = []
        for number in range(50, 100):
            allocator.add_agent(f"a{number}", amount("cpus:1"), {})
            grants += allocator.allocate(0.0)
        for grant in grants:
            allocator.recover(grant.framework_id, grant.agent_id, grant.resources, None, 1.0)
            allocator.allocate(1.0)
        costs.append(allocator.visits - before)
    assert costs == [100, 100]

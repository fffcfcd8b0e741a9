"""What dominant resource fairness promises (Ghodsi et al., NSDI 2011, sections 3 and 6), held against the allocator.

Each property is a sentence about users who share one pool. Tasks are small but not infinitely so: statements about
shares hold to within a few of the largest task, *grains*.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.allocator.economy import Shared, User, share, tasks_within

RESOURCES = ("cpus", "mem", "disk")
POOL = {"cpus": 240, "mem": 360, "disk": 480}
GRAINS = 3

properties = settings(max_examples=20, deadline=None)


def _amounts(resource: str, least: int = 60) -> st.SearchStrategy[int]:
    """A part of the pool, from one in `least` to one in 24."""
    return st.integers(max(1, POOL[resource] // least), POOL[resource] // 24)


@st.composite
def demands(draw: st.DrawFn, of_everything: bool = False) -> dict[str, int]:
    """What a task takes of one or several resources, or of every one: of one of them not too little."""
    most = draw(st.sampled_from(RESOURCES))
    count = len(RESOURCES) if of_everything else draw(st.integers(1, len(RESOURCES)))
    others = [name for name in draw(st.permutations(RESOURCES)) if name != most][: count - 1]
    return {most: draw(_amounts(most)), **{name: draw(_amounts(name, least=500)) for name in others}}


@st.composite
def everybody(draw: st.DrawFn, least: int = 2, of_everything: bool = False) -> dict[str, User]:
    """Some users, each in a role of its own."""
    return {f"u{number}": User(draw(demands(of_everything))) for number in range(draw(st.integers(least, 4)))}


def slack(*shared: Shared) -> Fraction:
    return GRAINS * max(one.grain() for one in shared)


@properties
@given(everybody())
def test_sharing_incentive_nobody_does_worse_than_on_an_equal_part_of_the_pool(users: dict[str, User]) -> None:
    shared = share(POOL, users)
    for name, user in users.items():
        alone = tasks_within(POOL, user.demand) / len(users)
        one_task = shared.share(name) / shared.tasks[name] if shared.tasks[name] else shared.grain()
        assert (alone - shared.tasks[name]) * one_task <= slack(shared)


@properties
@given(everybody(), demands())
def test_strategy_proofness_nobody_runs_more_by_asking_for_something_else(
    users: dict[str, User], claimed: dict[str, int]
) -> None:
    honest = share(POOL, users)
    liar = users["u0"]
    lied = share(POOL, {**users, "u0": User(claimed)})
    useful = tasks_within(lied.held("u0"), liar.demand)
    one_task = Shared(POOL, users, {**honest.tasks, "u0": 1}).share("u0")
    assert (useful - honest.tasks["u0"]) * one_task <= slack(honest, lied)


@properties
@given(everybody())
def test_envy_freeness_nobody_could_run_more_on_what_another_holds(users: dict[str, User]) -> None:
    shared = share(POOL, users)
    for (name, user), other in product(users.items(), users):
        one_task = Shared(POOL, users, {**shared.tasks, name: 1}).share(name)
        could = tasks_within(shared.held(other), user.demand)
        assert (could - shared.tasks[name]) * one_task <= slack(shared)


@properties
@given(everybody(least=1))
def test_pareto_efficiency_nobody_could_run_one_more_without_taking_from_another(users: dict[str, User]) -> None:
    shared = share(POOL, users)
    for user in users.values():
        assert any(shared.left(resource) < amount for resource, amount in user.demand.items())


@properties
@given(st.lists(_amounts("cpus"), min_size=2, max_size=5))
def test_single_resource_fairness_one_resource_is_shared_equally(sizes: list[int]) -> None:
    users = {f"u{number}": User({"cpus": size}) for number, size in enumerate(sizes)}
    shared = share({"cpus": POOL["cpus"]}, users)
    shares = [shared.share(name) for name in users]
    assert max(shares) - min(shares) <= 2 * shared.grain()


@properties
@given(st.lists(st.tuples(_amounts("cpus"), st.integers(0, 100), st.integers(0, 100)), min_size=2, max_size=4))
def test_bottleneck_fairness_what_everybody_needs_most_is_shared_equally(tasks: list[tuple[int, int, int]]) -> None:
    users = {}
    for number, (cpus, mem_percent, disk_percent) in enumerate(tasks):
        demand = {
            "cpus": cpus,
            "mem": cpus * POOL["mem"] * mem_percent // (100 * POOL["cpus"]),
            "disk": cpus * POOL["disk"] * disk_percent // (100 * POOL["cpus"]),
        }
        users[f"u{number}"] = User({name: amount for name, amount in demand.items() if amount})
    shared = share(POOL, users)
    shares = [Fraction(shared.held(name)["cpus"], POOL["cpus"]) for name in users]
    assert max(shares) - min(shares) <= 2 * shared.grain()


@properties
@given(everybody(of_everything=True), st.integers(0, 3))
def test_population_monotonicity_nobody_loses_when_somebody_leaves(users: dict[str, User], leaving: int) -> None:
    """Of users who all need something of everything, as the paper presumes."""
    before = share(POOL, users)
    gone = f"u{leaving % len(users)}"
    after = share(POOL, {name: user for name, user in users.items() if name != gone})
    for name in after.users:
        assert before.share(name) - after.share(name) <= slack(before)


def test_population_monotonicity_is_not_promised_to_users_who_need_nothing_of_something() -> None:
    """Who leaves may have held back one who now takes of what a third had to itself."""
    users = {"u0": User({"mem": 6}), "u1": User({"cpus": 6, "mem": 6}), "u2": User({"cpus": 6})}
    before = share(POOL, users).tasks
    del users["u2"]
    after = share(POOL, users).tasks
    assert (before, after) == ({"u0": 40, "u1": 20, "u2": 20}, {"u0": 36, "u1": 24})


def test_resource_monotonicity_is_not_promised_more_of_one_resource_can_cost_somebody_tasks() -> None:
    """The one property that DRF lacks (section 6): counterexamples are found, that of the paper among them."""
    small, large = {"cpus": 60, "mem": 60}, {"cpus": 120, "mem": 60}
    found = {}
    sizes = list(product((1, 2), repeat=2))
    for one, other in product(sizes, repeat=2):
        users = {"A": User(dict(zip(small, one, strict=True))), "B": User(dict(zip(small, other, strict=True)))}
        before, after = share(small, users).tasks, share(large, users).tasks
        lost = {name: before[name] - after[name] for name in users if before[name] > after[name]}
        if lost:
            found[one, other] = lost
    assert found[(2, 1), (1, 2)] == {"B": 5}, "20 tasks become 15 when there are twice as many cpus"
    assert len(found) > 1

"""What a pick costs, counted and not timed: it must grow with the logarithm of the number of frameworks at most."""

from __future__ import annotations

import sys
from collections.abc import Callable
from math import log2
from random import Random
from types import FrameType
from typing import NamedTuple

import pytest

from tepui.allocator import Grant
from tepui.allocator.drf import Drf
from tepui.allocator.engine import Engine
from tepui.allocator.policy import Key, Standing
from tepui.model.quantities import Quantities
from tests.allocator.cluster import amount

FEW, MANY = 128, 2048
AGENTS, PICKS = 64, 64

ROLES: dict[str, Callable[[int], str]] = {
    "one role": lambda _: "test",
    "a role each": lambda number: f"role{number}",
    "a tree": lambda number: f"org{number % 4}/team{number % 16}/job{number % 64}",
}


class CountingKey(tuple):  # type: ignore[type-arg]
    """A place in the order that counts how often it is compared."""

    compared = 0

    def __lt__(self, other: object) -> bool:
        CountingKey.compared += 1
        return tuple.__lt__(self, other)  # type: ignore[operator]


class CountingDrf(Drf):
    def key(self, standing: Standing, share: float) -> Key:
        return CountingKey(super().key(standing, share))


class Cost(NamedTuple):
    """Of one pick: an agent's resources come back, and somebody is offered them."""

    calls: float
    """Of functions, those written in C counted in."""
    comparisons: float
    visits: float
    moves: float


def cost_of_a_pick(frameworks: int, role: Callable[[int], str], suppressed: int = 0) -> Cost:
    engine = Engine(CountingDrf(Random(1)), CountingDrf(Random(1)))
    for number in range(AGENTS):
        engine.add_agent(f"a{number}", amount("cpus:4;mem:4096"), {})
    for number in range(frameworks):
        roles = [role(number)]
        engine.add_framework(f"f{number}", roles, roles if number < suppressed else ())
    # Which kinds of resources there are is remembered as long as somebody has some; here, of all roles.
    kinds = [amount("cpus:4;mem:4096", role(number)) for number in range(frameworks)]
    grants = engine.allocate(0.0)
    assert kinds
    assert len(grants) == AGENTS
    random, calls = Random(2), 0

    def count(_: FrameType, event: str, __: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    def pick(now: float) -> Grant:
        index = random.randrange(AGENTS)
        freed = grants[index]
        engine.recover(freed.framework_id, freed.agent_id, freed.resources, None, now)
        (grants[index],) = engine.allocate(now)
        return grants[index]

    for number in range(PICKS):
        pick(float(number))
    visits, moves, CountingKey.compared = engine.visits, engine.moves, 0
    before = sys.getprofile()
    sys.setprofile(count)
    try:
        for number in range(PICKS, 2 * PICKS):
            pick(float(number))
    finally:
        sys.setprofile(before)
    return Cost(
        calls / PICKS, CountingKey.compared / PICKS, (engine.visits - visits) / PICKS, (engine.moves - moves) / PICKS
    )


@pytest.mark.parametrize("role", ROLES.values(), ids=ROLES)
def test_a_pick_costs_no_more_than_the_logarithm_of_the_number_of_frameworks(role: Callable[[int], str]) -> None:
    few, many = cost_of_a_pick(FEW, role), cost_of_a_pick(MANY, role)
    assert many.visits == few.visits == 1
    assert many.moves <= 2 * 4, "who gave back and who got, and the roles above them"
    assert many.comparisons <= 2 * (log2(MANY) + 1) * many.moves, "an entry is found once and put in once, by halving"
    # A comparison is a call as well. Who is offered something for the first time costs a little more.
    assert many.calls - many.comparisons <= 1.1 * (few.calls - few.comparisons), "nothing else grows"


def test_suppressed_frameworks_cost_nothing() -> None:
    alone, beside = (
        cost_of_a_pick(number, ROLES["a role each"], suppressed=number - FEW) for number in (FEW, FEW + MANY)
    )
    assert beside._replace(calls=0) == alone._replace(calls=0)
    assert beside.calls <= 1.1 * alone.calls


@pytest.mark.parametrize("minimums", [{}, {"test": [{"cpus": 5000}]}], ids=["no minimum", "the same minimum"])
def test_a_role_without_room_is_asked_once_about_an_agent(minimums: dict[str, list[Quantities]]) -> None:
    engine = Engine(Drf(Random(1)), Drf(Random(1)))
    engine.set_quota("test", {}, {"cpus": 0, "mem": 0})
    for number in range(FEW):
        engine.add_framework(f"f{number}", ["test"], minimums=minimums)
    for number in range(AGENTS):
        engine.add_agent(f"a{number}", amount("cpus:8;mem:4096"), {})
    assert engine.allocate(0.0) == []
    assert engine.visits == AGENTS

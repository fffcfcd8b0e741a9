"""Users who share one pool through the allocator, task by task, and the same shared by other notions of fairness.

A user runs as many equal tasks as it can. Whenever it is offered something it starts one task and hands back the rest
for 0 seconds; when a task does not fit any more it has had enough. This is the progressive filling of the DRF paper
(Ghodsi et al., NSDI 2011, algorithm 1), played through offers.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from itertools import combinations
from typing import NamedTuple

from tepui.allocator import AllocatorOptions, DrfAllocator
from tepui.model.resources import Resources
from tepui.wire.text import parse_resources

Vector = Mapping[str, int]
"""Amounts by the name of a resource."""
HOUR = 3600.0


class User(NamedTuple):
    """What one task takes, and in which role it runs."""

    demand: Vector
    role: str = ""


class Shared(NamedTuple):
    """How many tasks each user runs."""

    capacity: Vector
    users: Mapping[str, User]
    tasks: Mapping[str, int]

    def held(self, name: str) -> dict[str, int]:
        return {resource: amount * self.tasks[name] for resource, amount in self.users[name].demand.items()}

    def left(self, resource: str) -> int:
        return self.capacity[resource] - sum(self.held(name).get(resource, 0) for name in self.users)

    def share(self, name: str) -> Fraction:
        """The dominant share: the largest part of any one resource."""
        return dominant_share(self.held(name), self.capacity)

    def grain(self) -> Fraction:
        """The largest dominant share of one task: nothing is fairer than by that."""
        return max(dominant_share(user.demand, self.capacity) for user in self.users.values())


def dominant_share(amounts: Vector, capacity: Vector) -> Fraction:
    return max(Fraction(amount, capacity[resource]) for resource, amount in amounts.items())


def tasks_within(amounts: Vector, demand: Vector) -> Fraction:
    """How many tasks of this demand fit into these amounts, parts of tasks counted in."""
    return min(Fraction(amounts.get(resource, 0), amount) for resource, amount in demand.items())


def _resources(amounts: Vector) -> Resources:
    return Resources.of(parse_resources(";".join(f"{name}:{amount}" for name, amount in amounts.items() if amount)))


def share(capacity: Vector, users: Mapping[str, User], weights: Mapping[str, float] | None = None) -> Shared:
    """Let the allocator share `capacity`, on one agent, until nobody starts another task."""
    options = AllocatorOptions(min_allocatable_resources=(), weights=weights or {})
    allocator = DrfAllocator(options)
    allocator.add_agent("pool", _resources(capacity), {})
    demands = {}
    for name, user in users.items():
        allocator.add_framework(name, [user.role or name])
        demands[name] = _resources(user.demand).allocated(user.role or name)
    tasks = dict.fromkeys(users, 0)
    now = 0.0
    while grants := allocator.allocate(now):
        for grant in grants:
            demand = demands[grant.framework_id]
            fits = grant.resources.contains(demand)
            tasks[grant.framework_id] += fits
            left = grant.resources - demand if fits else grant.resources
            allocator.recover(grant.framework_id, "pool", left, 0.0 if fits else 1e6 * HOUR, now)
        now += HOUR  # what was handed back for 0 seconds may be offered to anybody again
    allocator.check()
    return Shared(capacity, users, tasks)


# Other notions of fairness, with tasks that can be cut at will.


def asset_fair(capacity: Vector, users: Mapping[str, User]) -> dict[str, Fraction]:
    """Tasks of each user when all hold the same sum of shares of all resources."""
    sums = {
        name: sum((Fraction(amount, capacity[resource]) for resource, amount in user.demand.items()), Fraction())
        for name, user in users.items()
    }
    used = {
        resource: sum((user.demand.get(resource, 0) / sums[name] for name, user in users.items()), Fraction())
        for resource in capacity
    }
    level = min(capacity[resource] / amount for resource, amount in used.items() if amount)
    return {name: level / total for name, total in sums.items()}


def competitive_equilibrium(capacity: Vector, users: Mapping[str, User]) -> dict[str, Fraction]:
    """Tasks of each of two users in a competitive equilibrium from equal incomes: the product of both is largest."""
    (first, one), (second, other) = users.items()
    lines = [
        (Fraction(one.demand.get(resource, 0)), Fraction(other.demand.get(resource, 0)), Fraction(amount))
        for resource, amount in capacity.items()
    ]
    candidates = [(c / (2 * a), c / (2 * b)) for a, b, c in lines if a and b]
    for (a, b, c), (d, e, f) in combinations(lines, 2):
        determinant = a * e - b * d
        if determinant:
            candidates.append(((c * e - b * f) / determinant, (a * f - c * d) / determinant))
    possible = [(x, y) for x, y in candidates if x >= 0 and y >= 0 and all(a * x + b * y <= c for a, b, c in lines)]
    x, y = max(possible, key=lambda tasks: tasks[0] * tasks[1])
    return {first: x, second: y}

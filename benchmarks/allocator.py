"""The cost of the allocator alone, over a grid of clusters: no master, no sockets.

    python -m benchmarks.allocator [--agents N,...] [--frameworks N,...] [--roles SHAPE,...] [--master] [--operations]

Every line is a cluster of equal agents and eager frameworks, in one role, in a role each, or in a tree of roles three
deep. Times are CPU time of this process. The columns:

add          all agents and frameworks are added: ms
first        everything is offered for the first time: ms
steady       a thirtieth of the agents frees up each second, in 100 runs: share of one core
decline      each framework in turn declines all that it was offered, for an hour, and it is offered to others: ms
sweep        declining goes on until everybody has declined everything: us per pair of agent and framework, in a
             cluster of at most --pairs pairs
suppressed   `first` and `steady` with 99 % of the frameworks suppressed
quota        `first` and `steady` with half of the roles guaranteed half of the cluster, and limited to it
bytes        memory of an agent that is offered to somebody
visits       pairs considered per grant, first and steady
moves        places changed in the order of fairness per grant, first and steady

With --master, the same through the core of the master, messages made but not encoded: see `benchmarks.master_grid`.
With --operations, the arithmetic of resources, and a cluster of one agent.
"""

from __future__ import annotations

import argparse
import gc
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

from benchmarks.clusters import (
    AGENT,
    AGENTS,
    FRAMEWORKS,
    FREED_PER_SECOND,
    HOUR,
    RUNS_PER_SECOND,
    SHAPES,
    STEADY_SECONDS,
    Cell,
    Clock,
)
from tepui.allocator import DrfAllocator, Grant
from tepui.model.resources import Resources
from tepui.model.v1.mesos import Resource
from tepui.wire.text import parse_resources

TASK = "cpus:0.1;mem:32"
REPEATS = 3

MEASURED_AGENTS = 1_000
"""Among so many the memory of one is measured."""


class Steady(NamedTuple):
    core_share: float
    visits_per_grant: float
    moves_per_grant: float


class Cluster:
    """An allocator with the agents and frameworks of a cell, and what is granted."""

    def __init__(self, cell: Cell, totals: Sequence[Resources], suppressed_share: float = 0.0) -> None:
        self.cell = cell
        self.now = 1000.0
        self.allocator = DrfAllocator()
        self.grants: list[Grant] = []
        clock = Clock()
        for number, total in enumerate(totals):
            self.allocator.add_agent(f"agent-{number}", total, {})
        suppressed = min(int(cell.frameworks * suppressed_share), cell.frameworks - 1)
        for number in range(cell.frameworks):
            roles = [cell.role(number)]
            self.allocator.add_framework(f"framework-{number:04}", roles, roles if number < suppressed else ())
        self.add_seconds = clock.read()

    def guarantee_half(self) -> None:
        """Half of the roles are guaranteed half of the cluster, and may have no more of it."""
        roles = self.cell.top_roles()
        chosen = roles[: max(1, len(roles) // 2)]
        total = self.allocator.total_quantities()
        share = {name: total[name] // (2 * len(chosen)) for name in ("cpus", "mem")}
        for role in chosen:
            self.allocator.set_quota(role, share, share)

    def first(self) -> float:
        """Offer everything; CPU seconds."""
        clock = Clock()
        self.grants = self.allocator.allocate(self.now)
        return clock.read()

    def steady(self) -> Steady:
        """Agents free up and are offered again, for some seconds."""
        random, allocator, grants = Random(1), self.allocator, self.grants
        if not grants:
            return Steady(0.0, 0.0, 0.0)
        freed = round(self.cell.agents * FREED_PER_SECOND * STEADY_SECONDS)
        runs = RUNS_PER_SECOND * STEADY_SECONDS
        given, visits, moves = 0, allocator.visits, allocator.moves
        clock = Clock()
        for run in range(runs):
            self.now += 1 / RUNS_PER_SECOND
            for _ in range(freed * run // runs, freed * (run + 1) // runs):
                index = random.randrange(len(grants))
                grants[index], grants[-1] = grants[-1], grants[index]
                grant = grants.pop()
                allocator.recover(grant.framework_id, grant.agent_id, grant.resources, None, self.now)
            fresh = allocator.allocate(self.now)
            given += len(fresh)
            grants += fresh
        seconds = clock.read()
        per = max(1, given)
        return Steady(seconds / STEADY_SECONDS, (allocator.visits - visits) / per, (allocator.moves - moves) / per)

    def decline_round(self) -> float:
        """Each framework declines what it was offered; CPU seconds."""
        by_framework: dict[str, list[Grant]] = {}
        for grant in self.grants:
            by_framework.setdefault(grant.framework_id, []).append(grant)
        self.grants = []
        clock = Clock()
        for grants in by_framework.values():
            self.now += 0.001
            for grant in grants:
                self.allocator.recover(grant.framework_id, grant.agent_id, grant.resources, HOUR, self.now)
            self.grants += self.allocator.allocate(self.now)
        return clock.read()

    def sweep(self) -> float:
        """Everybody declines everything; CPU seconds."""
        clock = Clock()
        while self.grants:
            declined, self.grants = self.grants, []
            self.now += 0.001
            for grant in declined:
                self.allocator.recover(grant.framework_id, grant.agent_id, grant.resources, HOUR, self.now)
            self.grants = self.allocator.allocate(self.now)
        return clock.read()


@dataclass
class Line:
    """What was measured of one cell."""

    add_ms: float
    first_ms: float
    steady: Steady
    decline_ms: float
    sweep_us: float
    suppressed: tuple[float, float]
    quota: tuple[float, float]
    bytes_per_agent: float
    visits_first: float
    moves_first: float

    def shown(self) -> list[str]:
        return [
            f"{self.add_ms:,.0f}",
            f"{self.first_ms:,.0f}",
            f"{self.steady.core_share:.1%}",
            f"{self.decline_ms:,.0f}",
            f"{self.sweep_us:.1f}",
            f"{self.suppressed[0]:,.0f} {self.suppressed[1]:.1%}",
            f"{self.quota[0]:,.0f} {self.quota[1]:.1%}",
            f"{self.bytes_per_agent:,.0f}",
            f"{self.visits_first:.2f} {self.steady.visits_per_grant:.2f}",
            f"{self.moves_first:.2f} {self.steady.moves_per_grant:.2f}",
        ]


HEAD = ("add", "first", "steady", "decline", "sweep", "suppressed", "quota", "bytes", "visits", "moves")
_WIDTHS = (7, 7, 8, 8, 7, 15, 15, 7, 13, 13)


def measure(cell: Cell, totals: Sequence[Resources], pairs_max: int) -> Line:
    cluster = Cluster(cell, totals)
    first = cluster.first()
    allocator, given = cluster.allocator, max(1, len(cluster.grants))
    visits, moves = allocator.visits / given, allocator.moves / given
    steady = cluster.steady()
    decline = cluster.decline_round()
    small = cell._replace(agents=max(1, min(cell.agents, pairs_max // cell.frameworks)))
    swept = Cluster(small, totals[: small.agents])
    swept.first()
    sweep = swept.sweep()
    del cluster, swept
    return Line(
        add_ms=Cluster(cell, totals).add_seconds * 1e3,
        first_ms=first * 1e3,
        steady=steady,
        decline_ms=decline * 1e3,
        sweep_us=sweep / (small.agents * small.frameworks) * 1e6,
        suppressed=_first_and_steady(Cluster(cell, totals, suppressed_share=0.99)),
        quota=_first_and_steady(Cluster(cell, totals), with_quota=True),
        bytes_per_agent=_memory(cell),
        visits_first=visits,
        moves_first=moves,
    )


def _first_and_steady(cluster: Cluster, with_quota: bool = False) -> tuple[float, float]:
    if with_quota:
        cluster.guarantee_half()
    return cluster.first() * 1e3, cluster.steady().core_share


def _memory(cell: Cell) -> float:
    cluster = Cluster(cell, [])
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for number in range(MEASURED_AGENTS):
        cluster.allocator.add_agent(f"agent-{number}", Resources.of(parse_resources(AGENT)), {})
    cluster.first()
    gc.collect()
    size = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    return size / MEASURED_AGENTS


def grid(agents: Sequence[int], frameworks: Sequence[int], shapes: Sequence[str], pairs_max: int) -> None:
    titles = [f"{'agents':>7}", f"{'frameworks':>10}", f"{'roles':>5}"]
    print(" ".join([*titles, *(title.rjust(width) for title, width in zip(HEAD, _WIDTHS, strict=True))]))
    totals = [Resources.of(parse_resources(AGENT)) for _ in range(max(agents))]
    for cell in _cells(agents, frameworks, shapes):
        gc.collect()
        shown = measure(cell, totals[: cell.agents], pairs_max).shown()
        columns = [f"{cell.agents:>7,}", f"{cell.frameworks:>10,}", f"{cell.shape:>5}"]
        print(
            " ".join([*columns, *(text.rjust(width) for text, width in zip(shown, _WIDTHS, strict=True))]), flush=True
        )


def _cells(agents: Sequence[int], frameworks: Sequence[int], shapes: Sequence[str]) -> Iterator[Cell]:
    for agent_count in agents:
        for framework_count in frameworks:
            for shape in shapes:
                if framework_count > 1 or shape == shapes[0]:  # one framework has one role, whatever the shape
                    yield Cell(agent_count, framework_count, shape)


# Single operations.


def figure(name: str, action: Callable[[], object], times: int) -> None:
    """Print the best mean of some series, in microseconds."""
    best = float("inf")
    for _ in range(REPEATS):
        begin = time.perf_counter()
        for _ in range(times):
            action()
        best = min(best, (time.perf_counter() - begin) / times)
    print(f"{name:<58} {best * 1e6:9.2f} us")


def arithmetic() -> None:
    offered = Resources.of(parse_resources(AGENT)).allocated("test")
    messages: list[Resource] = Resources.of(parse_resources(TASK)).allocated("test").messages()
    task = Resources.of(messages)
    figure("parse a task's resources", lambda: Resources.of(messages), 20_000)
    figure("parse an agent's resources", lambda: Resources.of(offered.messages()), 2_000)
    figure("add a task to an offer", lambda: offered + task, 20_000)
    figure("subtract a task from an offer", lambda: offered - task, 20_000)
    figure("does an offer contain a task", lambda: offered.contains(task), 20_000)
    figure("messages of an offer", lambda: offered.messages(), 5_000)


def small_cluster() -> None:
    """One agent, one framework."""
    task = Resources.of(parse_resources(TASK)).allocated("test")
    allocator = DrfAllocator()
    allocator.add_agent("agent", Resources.of(parse_resources(AGENT)), {})
    allocator.add_framework("framework", ["test"])
    held = allocator.allocate(0.0)
    now = 0.0

    def round_trip() -> None:
        nonlocal held
        allocator.recover("framework", "agent", held[0].resources, None, now)
        held = allocator.allocate(now)

    def life() -> None:
        nonlocal held, now
        now += 0.001
        allocator.recover("framework", "agent", held[0].resources - task, 0.0, now)
        allocator.allocate(now)
        allocator.recover("framework", "agent", task, None, now)
        held = allocator.allocate(now)

    figure("1 agent, 1 framework: recover and allocate", round_trip, 10_000)
    figure("the same: leave over, allocate, task ends, allocate", life, 10_000)
    allocator.check()


def numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def shapes(text: str) -> list[str]:
    found = text.split(",")
    if not set(found) <= set(SHAPES):
        raise ValueError(text)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agents", type=numbers, default=AGENTS)
    parser.add_argument("--frameworks", type=numbers, default=FRAMEWORKS)
    parser.add_argument("--roles", type=shapes, default=SHAPES, help="of " + ",".join(SHAPES))
    parser.add_argument("--pairs", type=int, default=400_000, help="in the cluster in which everybody declines")
    parser.add_argument("--operations", action="store_true", help="only single operations")
    parser.add_argument("--master", action="store_true", help="through the core of the master")
    options = parser.parse_args()
    if options.operations:
        arithmetic()
        small_cluster()
    elif options.master:
        from benchmarks.master_grid import master_grid

        master_grid(_cells(options.agents, options.frameworks, options.roles))
    else:
        grid(options.agents, options.frameworks, options.roles, options.pairs)


if __name__ == "__main__":
    main()

"""The cost of exact resources and of the allocator alone: no master, no sockets.

Prints microseconds of the operations on the path of a task, of one round of recover and allocate in a small and in a
large cluster, the time to bring up 10,000 agents with 200 frameworks, and the memory of an agent.

    python benchmarks/allocator.py [--agents N] [--frameworks N]
"""

from __future__ import annotations

import argparse
import time
import tracemalloc
from collections.abc import Callable
from random import Random

from tepui.allocator import DrfAllocator, Grant
from tepui.model.resources import Resources
from tepui.model.v1.mesos import Resource
from tepui.wire.text import parse_resources

AGENT = "cpus:4;mem:4096;disk:10000;ports:[31000-32000]"
TASK = "cpus:0.1;mem:32"
REPEATS = 3


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


def large_cluster(agents: int, frameworks: int) -> None:
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    measured = DrfAllocator()
    for number in range(1000):
        measured.add_agent(f"agent-{number}", Resources.of(parse_resources(AGENT)), {})
    size = (tracemalloc.get_traced_memory()[0] - before) / 1000
    tracemalloc.stop()
    print(f"{'memory of an idle agent':<58} {size:9.0f} bytes")

    totals = [Resources.of(parse_resources(AGENT)) for _ in range(agents)]
    allocator = DrfAllocator()
    begin = time.perf_counter()
    for number, total in enumerate(totals):
        allocator.add_agent(f"agent-{number}", total, {})
    for number in range(frameworks):
        allocator.add_framework(f"framework-{number:03}", ["test"])
    added = time.perf_counter()
    grants: list[Grant] = allocator.allocate(0.0)
    done = time.perf_counter()
    label = f"{agents} agents, {frameworks} frameworks"
    print(f"{label + ': add':<58} {(added - begin) * 1e3:9.1f} ms")
    print(f"{label + ': first allocation':<58} {(done - added) * 1e3:9.1f} ms")

    random = Random(1)

    def freed() -> None:
        index = random.randrange(len(grants))
        grant = grants[index]
        allocator.recover(grant.framework_id, grant.agent_id, grant.resources, None, 1.0)
        (grants[index],) = allocator.allocate(1.0)

    figure(f"{label}: recover and allocate", freed, 2_000)

    def declined_by_all() -> None:
        for _ in range(frameworks):
            grant = grants[0]
            allocator.recover(grant.framework_id, grant.agent_id, grant.resources, 5.0, 1.0)
            again = allocator.allocate(1.0)
            if not again:
                break
            grants[0] = again[0]

    begin = time.perf_counter()
    declined_by_all()
    took = time.perf_counter() - begin
    print(f"{label + ': one agent declined by each in turn':<58} {took * 1e3:9.1f} ms")
    allocator.check()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agents", type=int, default=10_000)
    parser.add_argument("--frameworks", type=int, default=200)
    options = parser.parse_args()
    arithmetic()
    small_cluster()
    large_cluster(options.agents, options.frameworks)


if __name__ == "__main__":
    main()

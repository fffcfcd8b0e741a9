"""One run: start everything, break it by a seed for a while, let it come to rest, and write its history.

    python -m tests.nemesis.run --seed 7 --seconds 60 --directory /tmp/run

`history.json` in the directory is the history. With root, `unshare --net` before the command gives each server a
network namespace, and the nemesis cuts cables, too.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import re
import sys
import time
from pathlib import Path
from random import Random

import msgspec

from tests.nemesis.cluster import Cluster
from tests.nemesis.faults import Nemesis
from tests.nemesis.framework import SETTLE, read_facts, unsettled
from tests.nemesis.history import Admitted, AnyFact, Began, Ended, Finally, Led, Wrote, summary
from tests.nemesis.network import Loopback, Namespaces
from tests.nemesis.transactions import read_writes
from tests.nemesis.workload import Operator, read, settings

START_SECONDS_MAX = 60.0
SETTLE_SECONDS_MAX = 120.0
EPOCH = "/mesos/tepui/epoch"
"""The node that every write of the registry depends on."""


async def connected(cluster: Cluster) -> bool:
    entries = await read(cluster, "/slaves")
    return entries is not None and sum(entry["active"] for entry in entries["slaves"]) == len(cluster.agents)


async def living_tasks(cluster: Cluster) -> list[str] | None:
    """What the leader and the agents hold of tasks that they do not count as history."""
    state = await read(cluster, "/state")
    if state is None:
        return None
    return [
        task["id"]
        for framework in state["frameworks"]
        for task in (*framework["tasks"], *framework.get("unreachable_tasks", []))
    ]


def unsettled_tasks(cluster: Cluster) -> list[str]:
    """Tasks whose end their schedulers have not heard of."""
    return [task for machine in cluster.schedulers for task in unsettled(read_facts(cluster.directory, machine.name))]


async def settle(cluster: Cluster) -> Finally:
    """Nothing breaks and nothing is launched any more: all that began comes to its end, or time is up."""
    (cluster.directory / SETTLE).touch()
    deadline = time.monotonic() + SETTLE_SECONDS_MAX
    living: list[str] | None = None
    while time.monotonic() < deadline:
        await asyncio.sleep(0.5)
        if not await connected(cluster):
            continue
        living = await living_tasks(cluster)
        if living == [] and not unsettled_tasks(cluster):
            break
    found = None
    while found is None and time.monotonic() < deadline:
        found = await settings(cluster)
    left = sorted({*(living or ()), *unsettled_tasks(cluster)})
    return Finally(time=time.time(), settings=found or {}, living_tasks=left)


async def keep(cluster: Cluster) -> None:
    while True:
        await asyncio.sleep(0.2)
        cluster.keep()


async def play(cluster: Cluster, seed: int, seconds: float) -> list[AnyFact]:
    random = Random(seed)
    history: list[AnyFact] = []
    cluster.start_servers()
    keeper = asyncio.create_task(keep(cluster))
    begun = time.monotonic()
    while not await connected(cluster):
        assert time.monotonic() - begun < START_SECONDS_MAX, "the cluster does not come up"
        await asyncio.sleep(0.1)
    print(f"up after {time.monotonic() - begun:.1f} s", flush=True)
    cluster.start_schedulers()
    operator = Operator(cluster, Random(random.random()), history)
    operating = asyncio.create_task(operator.run())
    await Nemesis(cluster, random, history).run(seconds)
    operator.running = False
    await operating
    begun = time.monotonic()
    history.append(await settle(cluster))
    print(f"settled after {time.monotonic() - begun:.1f} s; {cluster.restarts} ended by themselves", flush=True)
    if keeper.done():
        keeper.result()  # raises what ended it
    keeper.cancel()
    await asyncio.gather(keeper, return_exceptions=True)
    return history


def told_by_schedulers(cluster: Cluster) -> list[AnyFact]:
    return [fact for machine in cluster.schedulers for fact in read_facts(cluster.directory, machine.name)]


def told_by_tasks(log: Path) -> list[AnyFact]:
    found: list[AnyFact] = []
    for line in log.read_text().splitlines() if log.exists() else []:
        what, moment, task, pid, place = line.split(" ", 4)
        if what == "began":
            agent = place.partition("/work/")[2].partition("/")[0]
            found.append(Began(time=float(moment), task=task, agent=agent, pid=int(pid)))
        else:
            found.append(Ended(time=float(moment), task=task, killed=what == "killed"))
    return found


_ADMITTED = re.compile(r" ([0-9.]+) admitted: \S+ by epoch (\d+)")


def told_by_agents(cluster: Cluster) -> list[AnyFact]:
    """The logs go on over restarts."""
    return [
        Admitted(time=float(moment), agent=machine.name, epoch=int(epoch))
        for machine in cluster.agents
        for moment, epoch in _ADMITTED.findall(machine.server.log_path.read_text(errors="replace"))
    ]


def told_by_zookeeper(cluster: Cluster) -> list[AnyFact]:
    found: list[AnyFact] = []
    for write in read_writes([cluster.directory / machine.name for machine in cluster.zookeepers]):
        if write.path == EPOCH:
            found.append(Led(time=write.number, epoch=int(write.data), version=write.version))
        elif write.path.startswith("/mesos/tepui/registry/"):
            found.append(Wrote(time=write.number, node=write.path, version=write.conditions.get(EPOCH)))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--namespaces", action="store_true", help="the caller is in a network namespace of its own")
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    network = Namespaces() if arguments.namespaces else Loopback()
    cluster = Cluster(arguments.directory, network, arguments.seed)
    try:
        history = asyncio.run(play(cluster, arguments.seed, arguments.seconds))
    finally:
        with contextlib.suppress(KeyboardInterrupt):
            cluster.stop()
    history += told_by_schedulers(cluster)
    history += told_by_tasks(arguments.directory / "tasks.log")
    history += told_by_agents(cluster)
    history += told_by_zookeeper(cluster)
    (arguments.directory / "history.json").write_bytes(msgspec.json.encode(history))
    print(summary(history))
    return 0


if __name__ == "__main__":
    sys.exit(main())

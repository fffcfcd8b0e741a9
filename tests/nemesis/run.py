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
from collections.abc import Callable
from pathlib import Path
from random import Random

import msgspec

from tests.nemesis.cluster import Cluster, Machine
from tests.nemesis.history import Admitted, AgentKilled, AnyFact, Began, Ended, Finally, Led, Wrote
from tests.nemesis.network import Loopback, Namespaces
from tests.nemesis.transactions import read_writes
from tests.nemesis.workload import Framework, Operator, read, settings

START_SECONDS_MAX = 60.0
SETTLE_SECONDS_MAX = 120.0
FRAMEWORKS = 3
EPOCH = "/mesos/tepui/epoch"
"""The node that every write of the registry depends on."""


class Nemesis:
    """Breaks one thing after another, and mends it after a while."""

    def __init__(self, cluster: Cluster, random: Random, history: list[AnyFact]) -> None:
        self._cluster = cluster
        self._random = random
        self._history = history

    async def run(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        faults = [self._kill_master, self._pause_master, self._zookeeper, self._agent, self._everything]
        weights = [3, 3, 3, 3, 1]
        if self._cluster.network.has_partitions:
            faults.append(self._partition)
            weights.append(6)
        fault = self._kill_master
        while time.monotonic() < end:
            await fault()
            self._cluster.mend()
            await asyncio.sleep(self._random.uniform(0.5, 4.0))
            (fault,) = self._random.choices(faults, weights)

    def _say(self, what: str) -> None:
        print(f"{time.time():.3f} {what}", flush=True)

    async def _master(self) -> Machine:
        """The leader as a rule."""
        chance, other = self._random.random(), self._random.choice(self._cluster.masters)
        if chance < 0.75:
            state = await read(self._cluster, "/state")
            pid = "" if state is None else state["leader"].partition("@")[2]
            for machine in self._cluster.masters:
                if pid == f"{machine.address[0]}:{machine.address[1]}":
                    return machine
        return other

    async def _kill_master(self) -> None:
        machine = await self._master()
        self._say(f"kill {machine.name}")
        machine.kill()
        await asyncio.sleep(self._random.uniform(0.1, 4.0))

    async def _pause_master(self) -> None:
        """Also for longer than its session lasts."""
        await self._pause(await self._master(), self._random.choice((0.5, 1.9, 4.0, 6.0)))

    async def _pause(self, machine: Machine, seconds: float) -> None:
        self._say(f"pause {machine.name} for {seconds} s")
        machine.pause()
        await asyncio.sleep(seconds)

    async def _zookeeper(self) -> None:
        machine = self._random.choice(self._cluster.zookeepers)
        if self._random.random() < 0.3:
            await self._pause(machine, self._random.uniform(0.5, 4.0))
            return
        self._say(f"kill {machine.name}")
        machine.kill()
        await asyncio.sleep(self._random.uniform(0.5, 4.0))

    async def _agent(self) -> None:
        machine = self._random.choice([one for one in self._cluster.agents if not one.down])
        if self._random.random() < 0.6:
            await self._pause(machine, self._random.choice((1.0, 5.0, 11.0)))  # the last is longer than pings may miss
            return
        self._say(f"kill {machine.name}")
        self._kill_agent(machine)
        await asyncio.sleep(self._random.uniform(0.1, 3.0))

    def _kill_agent(self, machine: Machine) -> None:
        self._history.append(AgentKilled(time=time.time(), agent=machine.name))
        machine.kill()

    async def _everything(self) -> None:
        """All servers at once, as when the power fails; the machines' supervisors and tasks go on."""
        self._say("kill everything")
        for machine in self._cluster.machines:
            if machine.down:
                continue
            if machine in self._cluster.agents:
                self._kill_agent(machine)
            else:
                machine.kill()

    async def _partition(self) -> None:
        cluster, random = self._cluster, self._random
        leader = await self._master()
        zookeeper = random.choice(cluster.zookeepers)
        agents = random.sample(cluster.agents, random.randint(1, 3))
        away = random.choice(([leader], [leader, *agents], [leader, zookeeper], agents, [zookeeper, *agents]))
        names = [machine.name for machine in away]
        seconds = random.choice((1.0, 3.0, 6.0, 11.0))
        self._say(f"cut off {', '.join(names)} for {seconds} s")
        cluster.network.cut(names)
        await asyncio.sleep(seconds)


async def until(condition: Callable[[], object], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.1)
    return True


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


async def settle(cluster: Cluster, frameworks: list[Framework]) -> Finally:
    """Nothing breaks and nothing is launched any more: all that began comes to its end, or time is up."""
    for framework in frameworks:
        framework.launching = False
    deadline = time.monotonic() + SETTLE_SECONDS_MAX
    living: list[str] | None = None
    while time.monotonic() < deadline:
        await asyncio.sleep(0.5)
        if not await connected(cluster):
            continue
        living = await living_tasks(cluster)
        if living == [] and not any(framework.unsettled for framework in frameworks):
            break
        for framework in frameworks:
            framework.ask()
    found = None
    while found is None and time.monotonic() < deadline:
        found = await settings(cluster)
    left = sorted({*(living or ()), *(task for framework in frameworks for task in framework.unsettled)})
    return Finally(time=time.time(), settings=found or {}, living_tasks=left)


async def keep(cluster: Cluster) -> None:
    while True:
        await asyncio.sleep(0.2)
        cluster.keep()


async def play(cluster: Cluster, seed: int, seconds: float) -> list[AnyFact]:
    random = Random(seed)
    history: list[AnyFact] = []
    cluster.start()
    keeper = asyncio.create_task(keep(cluster))
    begun = time.monotonic()
    while not await connected(cluster):
        assert time.monotonic() - begun < START_SECONDS_MAX, "the cluster does not come up"
        await asyncio.sleep(0.1)
    print(f"up after {time.monotonic() - begun:.1f} s", flush=True)
    frameworks = [Framework(cluster, f"f{number}", Random(random.random()), history) for number in range(FRAMEWORKS)]
    runs = [asyncio.create_task(framework.run()) for framework in frameworks]
    operator = asyncio.create_task(Operator(cluster, Random(random.random()), history).run())
    await Nemesis(cluster, random, history).run(seconds)
    operator.cancel()
    await asyncio.gather(operator, return_exceptions=True)
    cluster.mend()
    begun = time.monotonic()
    history.append(await settle(cluster, frameworks))
    print(f"settled after {time.monotonic() - begun:.1f} s; {cluster.restarts} ended by themselves", flush=True)
    for run in (*runs, keeper):
        if run.done():
            run.result()  # raises what ended it
        run.cancel()
    await asyncio.gather(*runs, keeper, return_exceptions=True)
    return history


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
    cluster = Cluster(arguments.directory, Namespaces() if arguments.namespaces else Loopback())
    try:
        history = asyncio.run(play(cluster, arguments.seed, arguments.seconds))
    finally:
        with contextlib.suppress(KeyboardInterrupt):
            cluster.stop()
    history += told_by_tasks(arguments.directory / "tasks.log")
    history += told_by_agents(cluster)
    history += told_by_zookeeper(cluster)
    (arguments.directory / "history.json").write_bytes(msgspec.json.encode(history))
    return 0


if __name__ == "__main__":
    sys.exit(main())

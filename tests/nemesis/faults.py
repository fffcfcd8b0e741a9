"""The nemesis: breaks one thing after another by a seed, and mends it after a while."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from pathlib import Path
from random import Random

from tepui.agent import recovery
from tepui.agent.journal import TaskLaunched, UpdateReceived
from tepui.model.task_states import TERMINAL_STATES
from tepui.storage.journal import Journal
from tests.nemesis.cluster import Cluster, Machine
from tests.nemesis.history import AgentKilled, AnyFact, Fault
from tests.nemesis.workload import read

LEADER_SECONDS_MAX = 10.0

EVERYWHERE = {
    "kill the leader": 2,
    "kill a standby": 1,
    "pause the leader": 2,
    "pause a standby": 1,
    "kill a ZooKeeper server": 1,
    "pause a ZooKeeper server": 1,
    "kill ZooKeeper servers one by one": 1,
    "kill an agent": 1,
    "kill an agent that has nobody to tell": 2,
    "pause an agent": 2,
    "kill a scheduler": 2,
    "pause a scheduler": 1,
    "restart everything": 1,
}
"""Kinds of faults, and how often each is done in a round."""
PARTITIONS = {
    "cut the leader off": 1,
    "cut the leader off from ZooKeeper": 1,
    "cut the leader off from half of the agents": 1,
    "cut off agents": 1,
    "cut off a scheduler": 1,
    "cut off a part of everything": 2,
}


class Nemesis:
    def __init__(self, cluster: Cluster, random: Random, history: list[AnyFact]) -> None:
        self._cluster = cluster
        self._random = random
        self._history = history

    async def run(self, seconds: float) -> None:
        """All kinds in an order of chance, round after round."""
        end = time.monotonic() + seconds
        kinds = {**EVERYWHERE, **(PARTITIONS if self._cluster.network.has_partitions else {})}
        waiting = ["kill the leader"]
        while time.monotonic() < end:
            if not waiting:
                waiting = [kind for kind, times in kinds.items() for _ in range(times)]
                self._random.shuffle(waiting)
            await self._do(waiting.pop())
            self._cluster.mend()
            await asyncio.sleep(self._random.uniform(0.5, 4.0))

    async def _do(self, kind: str) -> None:
        cluster = self._cluster
        choose = self._random.choice
        match kind.split():
            case ["kill" | "pause" as what, *_, "leader" | "standby" as who]:
                leader = await self._leader()
                standbys = [machine for machine in cluster.masters if machine is not leader]
                machine = leader if who == "leader" else choose(standbys)
                if machine is not None:
                    # The longer pauses outlast its session.
                    await self._fell(kind, what, machine, self._random.uniform(0.1, 4.0), choose((0.5, 1.9, 4.0, 6.0)))
            case ["kill" | "pause" as what, "a", "ZooKeeper", _]:
                seconds = self._random.uniform(0.5, 4.0)
                await self._fell(kind, what, choose(cluster.zookeepers), seconds, seconds)
            case ["kill" | "pause" as what, "an", "agent"]:
                machine = choose(self._staying)
                # The longest pause is longer than pings may miss.
                await self._fell(kind, what, machine, self._random.uniform(0.1, 3.0), choose((1.0, 5.0, 11.0)))
            case ["kill", "an", "agent", *_]:
                await self._leader_then_agent(kind)
            case ["kill" | "pause" as what, "a", "scheduler"]:
                machine = choose(cluster.schedulers)
                await self._fell(kind, what, machine, self._random.uniform(0.1, 4.0), choose((1.0, 5.0, 11.0)))
            case ["kill", *_]:
                await self._zookeepers_one_by_one(kind)
            case ["restart", *_]:
                self._everything(kind)
            case _:
                await self._partition(kind)

    @property
    def _staying(self) -> list[Machine]:
        """The agents that no operator is giving up just now."""
        return [machine for machine in self._cluster.agents if not machine.leaving]

    def _did(self, kind: str, whom: str) -> None:
        now = time.time()
        self._history.append(Fault(time=now, kind=kind))
        print(f"{now:.3f} {kind}: {whom}", flush=True)

    async def _leader(self) -> Machine | None:
        """Who leads; None when nobody does for long."""
        deadline = time.monotonic() + LEADER_SECONDS_MAX
        while time.monotonic() < deadline:
            state = await read(self._cluster, "/state")
            pid = "" if state is None else state["leader"].partition("@")[2]
            for machine in self._cluster.masters:
                if pid == f"{machine.address[0]}:{machine.address[1]}":
                    return machine
            await asyncio.sleep(0.1)
        return None

    async def _fell(self, kind: str, what: str, machine: Machine, down_seconds: float, pause_seconds: float) -> None:
        if what == "kill":
            self._did(kind, machine.name)
            self._kill(machine)
            await asyncio.sleep(down_seconds)
        else:
            self._did(kind, f"{machine.name} for {pause_seconds:.1f} s")
            machine.pause()
            await asyncio.sleep(pause_seconds)

    async def _leader_then_agent(self, kind: str) -> None:
        """Tasks end meanwhile, which only the agent's journal knows."""
        leader = await self._leader()
        if leader is None:
            return
        self._kill(leader)
        await asyncio.sleep(self._random.uniform(0.5, 2.0))
        machine = self._random.choice(self._staying)
        self._did(kind, f"{machine.name} after {leader.name}")
        self._kill(machine)
        await asyncio.sleep(self._random.uniform(0.1, 3.0))

    def _kill(self, machine: Machine) -> None:
        if machine not in self._cluster.agents:
            machine.kill()
            return
        moment = time.time()
        machine.kill()
        alive, ended = held(self._cluster.directory / "work" / machine.name / "meta")
        self._history.append(AgentKilled(time=moment, agent=machine.name, alive=alive, ended=ended))

    async def _zookeepers_one_by_one(self, kind: str) -> None:
        """Each is back before the next one goes, or not: then there is no majority for a while."""
        order = self._random.sample(self._cluster.zookeepers, len(self._cluster.zookeepers))
        rolling = self._random.random() < 0.5
        self._did(kind, ", ".join(machine.name for machine in order) + (" each in turn" if rolling else ""))
        for machine in order:
            machine.kill()
            await asyncio.sleep(self._random.uniform(0.5, 1.5))
            if rolling:
                machine.start()
                await asyncio.sleep(self._random.uniform(0.5, 2.5))

    def _everything(self, kind: str) -> None:
        """All servers at once, as when the power fails; the machines' supervisors and tasks go on."""
        self._did(kind, "")
        for machine in self._cluster.machines:
            if machine.server.is_running and not machine.leaving:
                self._kill(machine)

    async def _partition(self, kind: str) -> None:
        cluster, random, network = self._cluster, self._random, self._cluster.network
        leader = await self._leader()
        if leader is None:
            return
        agents = random.sample([machine.name for machine in cluster.agents], random.randint(1, 3))
        seconds = random.choice((1.0, 3.0, 6.0, 11.0))
        match kind:
            case "cut the leader off":
                away = [leader.name]
            case "cut the leader off from ZooKeeper":
                away = [machine.name for machine in cluster.zookeepers]
            case "cut the leader off from half of the agents":
                away = random.sample([machine.name for machine in cluster.agents], (len(cluster.agents) + 1) // 2)
            case "cut off agents":
                away = agents
            case "cut off a scheduler":
                away = [random.choice(cluster.schedulers).name]
            case _:
                others = [random.choice(cluster.zookeepers).name, random.choice(cluster.schedulers).name]
                away = [*agents, *random.choice(([leader.name], others[:1], others, [leader.name, *others]))]
        if " from " in kind:
            self._did(kind, f"{leader.name} and {', '.join(away)} for {seconds} s")
            network.part(leader.name, away)
        else:
            self._did(kind, f"{', '.join(away)} for {seconds} s")
            network.cut(away)
        await asyncio.sleep(seconds)


def held(meta: Path) -> tuple[list[str], dict[str, str]]:
    """Of the journal that a killed agent left: tasks that are alive, and the last states of the others.

    It is read from a copy, because who opens a journal changes its files.
    """
    with tempfile.TemporaryDirectory() as scratch:
        for path in meta.glob("journal.sqlite*"):
            shutil.copy(path, scratch)
        journal = Journal(Path(scratch) / "journal.sqlite")
        records = journal.recovered()
        journal.close()
    ended = {
        record.task_id: record.status.state.name
        for record in recovery.kept(records)
        if isinstance(record, UpdateReceived) and record.status.state in TERMINAL_STATES
    }
    launched = {record.info.task_id.value: None for record in records if isinstance(record, TaskLaunched)}
    return [task for task in launched if task not in ended], ended

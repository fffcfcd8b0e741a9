"""What goes on while the nemesis breaks things: schedulers that run tasks, and an operator who changes settings."""

from __future__ import annotations

import asyncio
import shlex
import time
from pathlib import Path
from random import Random
from typing import Any

import aiohttp
import msgspec

from tepui.model.task_states import TERMINAL_STATES
from tepui.model.v1.mesos import FrameworkInfo, TaskInfo, TaskState
from tepui.scheduler import Offers, Scheduler, Settings, Update, framework_info
from tests.nemesis.cluster import Cluster, Machine
from tests.nemesis.history import AgentGone, AnyFact, Changed, KillAsked, Launched, Told

TASK_CPUS = 0.5
TASKS_AT_ONCE = 7
RUN_SECONDS_MAX = 4.0
KILL_SHARE = 0.1
ANSWER_SECONDS_MAX = 2.0
OPERATOR_PAUSE_SECONDS = 0.3
REFUSED = 0
"""In place of a status: no connection was made, so nobody was asked."""
ROLES = ("r1", "r2", "r3")
GONE_SHARE = 0.01

_OVER = TERMINAL_STATES | {TaskState.TASK_UNKNOWN}


def script(log: Path, task: str, seconds: float) -> list[str]:
    """A task that writes when it begins and ends; each line is one write to a file that is only appended to.

    No other program tells the time, because the signal that ends the task would end that, too.
    """
    return [
        "bash",
        "-c",
        (
            f'say() {{ echo "$1 $EPOCHREALTIME {task} $$ $PWD" >> {shlex.quote(str(log))}; }}; '
            f'trap "say killed; kill \\$!; exit 143" TERM; say began; sleep {seconds:.2f} & wait; say ended'
        ),
    ]


class Framework:
    """A scheduler that keeps some tasks running, and now and then kills one."""

    def __init__(self, cluster: Cluster, name: str, random: Random, history: list[AnyFact]) -> None:
        self.name = name
        self._cluster = cluster
        self._random = random
        self._history = history
        self._count = 0
        self._states: dict[str, TaskState | None] = {}
        self.launching = True
        self.scheduler = Scheduler(
            cluster.url, self._info(), settings=Settings(backoff_seconds_max=2.0, reconcile_seconds=5.0)
        )

    def _info(self) -> FrameworkInfo:
        """Every second one does not know of partitions: it is told that its tasks are lost."""
        info = framework_info(self.name, roles=[self.name], checkpoint=True, failover_timeout_seconds=3600)
        if int(self.name[-1]) % 2 == 0:
            aware = FrameworkInfo.Capability.Type.PARTITION_AWARE
            kept = [one for one in info.capabilities if one.type is not aware]
            info = msgspec.structs.replace(info, capabilities=kept)
        return info

    @property
    def unsettled(self) -> list[str]:
        """Tasks whose end it has not heard of."""
        return [task for task, state in self._states.items() if state not in _OVER]

    async def run(self) -> None:
        async with self.scheduler as scheduler:
            async for event in scheduler:
                if isinstance(event, Offers):
                    self._use(event)
                elif isinstance(event, Update):
                    self._told(event)

    def _use(self, event: Offers) -> None:
        for offer in event.offers:
            tasks: list[TaskInfo] = []
            living = sum(state not in _OVER for state in self._states.values())
            while self.launching and living + len(tasks) < TASKS_AT_ONCE and offer.fits(TASK_CPUS, 32):
                self._count += 1
                task = f"{self.name}-{self._count}"
                seconds = self._random.uniform(0.3, RUN_SECONDS_MAX)
                command = script(self._cluster.directory / "tasks.log", task, seconds)
                tasks.append(offer.task(command, cpus=TASK_CPUS, mem=32, task_id=task, kill_grace_seconds=2))
                self._states[task] = None
                self._history.append(Launched(time=time.time(), task=task, cpus=TASK_CPUS))
            self.scheduler.launch(offer, tasks, refuse_seconds=0.5)

    def _told(self, update: Update) -> None:
        self._history.append(
            Told(
                time=time.time(),
                task=update.task_id,
                state=update.state.name,
                acknowledged=update.status.uuid is not None,
            )
        )
        self._states[update.task_id] = update.state
        if update.state is TaskState.TASK_RUNNING and self._random.random() < KILL_SHARE:
            self._history.append(KillAsked(time=time.time(), task=update.task_id))
            self.scheduler.kill(update.task_id)

    def ask(self) -> None:
        """Have the states told of what is not over."""
        if self.unsettled and self.scheduler.is_subscribed:
            self.scheduler.reconcile(self.unsettled)


class Operator:
    """Changes settings one after another, each to a value of its own, at whatever master answers."""

    def __init__(self, cluster: Cluster, random: Random, history: list[AnyFact]) -> None:
        self._cluster = cluster
        self._random = random
        self._history = history
        self._number = 0

    async def run(self) -> None:
        while True:
            await asyncio.sleep(OPERATOR_PAUSE_SECONDS)
            if self._random.random() < GONE_SHARE:
                await self._gone()
                continue
            self._number += 1
            key = self._random.choice(
                [f"{kind}/{role}" for kind in ("weights", "quota") for role in ROLES] + ["schedule"]
            )
            await self._change(key, str(self._number), _call(key, self._number))

    async def _change(self, key: str, value: str, call: dict[str, Any]) -> bool:
        change = Changed(time=time.time(), key=key, value=value, answered=None, done=False)
        self._history.append(change)
        status = await self._post(call)
        change.done = status in (200, 202)
        if change.done or status in (REFUSED, 400, 403, 409):
            # A refusal changes nothing. Of any other answer, and of none, nobody knows.
            change.answered = time.time()
        return change.done

    async def _post(self, call: dict[str, Any]) -> int | None:
        host, port = self._random.choice(self._cluster.masters).address
        timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS_MAX)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.post(f"http://{host}:{port}/api/v1", json=call) as answer,
            ):
                await answer.read()
                return answer.status
        except aiohttp.ClientConnectorError:
            return REFUSED
        except (OSError, aiohttp.ClientError, TimeoutError):
            return None

    async def _gone(self) -> None:
        """An agent is declared gone. When it has ended, another one starts on its machine with an empty folder."""
        machine = self._random.choice(self._cluster.agents)
        state = await read(self._cluster, "/slaves")
        found = [entry["id"] for entry in (state or {}).get("slaves", []) if entry["hostname"] == machine.name]
        if not found or machine.down or machine.paused:
            return
        machine.down = True  # it is not to be started again on its old folder
        asked = time.time()
        call = {"type": "MARK_AGENT_GONE", "mark_agent_gone": {"agent_id": {"value": found[0]}}}
        if await self._change(f"gone/{found[0]}", "gone", call):
            self._history.append(AgentGone(time=asked, agent=machine.name))
            await self._replace(machine)
        machine.down = False

    async def _replace(self, machine: Machine) -> None:
        for _ in range(100):
            if not machine.server.is_running:
                folder = self._cluster.directory / "work" / machine.name
                folder.rename(folder.with_name(f"{machine.name}.gone{self._number}"))
                machine.start()
                return
            await asyncio.sleep(0.1)


def _call(key: str, number: int) -> dict[str, Any]:
    kind, _, role = key.partition("/")
    if kind == "weights":
        return {"type": "UPDATE_WEIGHTS", "update_weights": {"weight_infos": [{"role": role, "weight": number}]}}
    if kind == "quota":
        config = {"role": role, "limits": {"cpus": {"value": number}}}
        return {"type": "UPDATE_QUOTA", "update_quota": {"force": True, "quota_configs": [config]}}
    start = {"nanoseconds": int((time.time() + 1e6) * 1e9)}
    window = {"machine_ids": [{"hostname": f"machine-{number}"}], "unavailability": {"start": start}}
    return {"type": "UPDATE_MAINTENANCE_SCHEDULE", "update_maintenance_schedule": {"schedule": {"windows": [window]}}}


async def read(cluster: Cluster, path: str, call: dict[str, Any] | None = None) -> Any:
    """What the leader answers to a GET, or to the POST of a call; None when there is none."""
    for machine in cluster.masters:
        host, port = machine.address
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ANSWER_SECONDS_MAX)) as session,
                session.request("GET" if call is None else "POST", f"http://{host}:{port}{path}", json=call) as answer,
            ):
                if answer.status == 200:
                    return await answer.json(content_type=None)
        except (OSError, aiohttp.ClientError, TimeoutError, ValueError):
            continue
    return None


async def settings(cluster: Cluster) -> dict[str, str] | None:
    """What the leader says of all that operators change."""
    registry = await read(cluster, "/registrar(1)/registry")
    weights = await read(cluster, "/weights")
    quota = await read(cluster, "/api/v1", {"type": "GET_QUOTA"})
    schedule = await read(cluster, "/maintenance/schedule")
    if registry is None or weights is None or quota is None or schedule is None:
        return None
    found = {f"weights/{entry['role']}": str(int(entry["weight"])) for entry in weights}
    for config in quota["get_quota"]["status"].get("configs", []):
        found[f"quota/{config['role']}"] = str(int(config["limits"]["cpus"]["value"]))
    for window in schedule.get("windows", []):
        found["schedule"] = window["machine_ids"][0]["hostname"].removeprefix("machine-")
    for entry in registry.get("gone", {}).get("slaves", []):
        found[f"gone/{entry['id']['value']}"] = "gone"
    return found

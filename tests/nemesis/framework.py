"""A scheduler process that keeps some tasks running, and now and then kills one. It may be killed at any moment itself.

What it does and hears it first writes to its file of facts, one line each, and it begins where that ends. When the file
`settle` is there, it launches nothing any more and asks for what it has not heard the end of.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shlex
import time
from pathlib import Path
from random import Random

import msgspec

from tepui.model.task_states import TERMINAL_STATES
from tepui.model.v1.mesos import FrameworkInfo, TaskInfo, TaskState
from tepui.scheduler import Offers, Scheduler, Settings, Update, framework_info
from tests.nemesis.history import KillAsked, Launched, Told

TASK_CPUS = 0.5
TASKS_AT_ONCE = 7
RUN_SECONDS_MAX = 4.0
KILL_SHARE = 0.1
ASK_SECONDS = 2.0
SETTLE_ASK_SECONDS = 0.5
SETTLE = "settle"

_OVER = {state.name for state in TERMINAL_STATES} | {TaskState.TASK_UNKNOWN.name}
SchedulerFact = Launched | KillAsked | Told
_decode = msgspec.json.Decoder(SchedulerFact).decode
_encode = msgspec.json.Encoder().encode


def facts_path(directory: Path, name: str) -> Path:
    return directory / f"{name}.facts"


def read_facts(directory: Path, name: str) -> list[SchedulerFact]:
    """What the scheduler of that name did and heard. It may be writing just now: the last line may not be whole."""
    path = facts_path(directory, name)
    data = path.read_bytes() if path.exists() else b""
    return [_decode(line) for line in data[: data.rfind(b"\n") + 1].splitlines()]


def unsettled(facts: list[SchedulerFact]) -> dict[str, str]:
    """Tasks that were launched and whose end was not heard, with the ids of their agents."""
    states: dict[str, str] = {}
    agents: dict[str, str] = {}
    for fact in facts:
        if isinstance(fact, Launched):
            agents[fact.task] = fact.agent_id
        elif isinstance(fact, Told):
            states[fact.task] = fact.state
    return {task: agent for task, agent in agents.items() if states.get(task) not in _OVER}


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
    """See the module."""

    def __init__(self, name: str, masters: str, directory: Path, seed: int) -> None:
        self._directory = directory
        self._facts = read_facts(directory, name)
        self._name = name
        self._count = sum(isinstance(fact, Launched) for fact in self._facts)
        self._random = Random(f"{seed} {name} {len(self._facts)}")
        self._file = os.open(facts_path(directory, name), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        settings = Settings(backoff_seconds_max=2.0, reconcile_seconds=5.0)
        identity = directory / f"{name}.identity"
        self._scheduler = Scheduler(masters, self._info(), identity=identity, settings=settings)

    def _info(self) -> FrameworkInfo:
        """Every second one does not know of partitions: it is told that its tasks are lost."""
        info = framework_info(self._name, roles=[self._name], checkpoint=True, failover_timeout_seconds=3600)
        if int(self._name[-1]) % 2 == 0:
            aware = FrameworkInfo.Capability.Type.PARTITION_AWARE
            kept = [one for one in info.capabilities if one.type is not aware]
            info = msgspec.structs.replace(info, capabilities=kept)
        return info

    def _note(self, fact: SchedulerFact) -> None:
        self._facts.append(fact)
        os.write(self._file, _encode(fact) + b"\n")

    @property
    def _settling(self) -> bool:
        return (self._directory / SETTLE).exists()

    async def run(self) -> None:
        async with self._scheduler as scheduler, asyncio.TaskGroup() as group:
            group.create_task(self._ask())
            async for event in scheduler:
                if isinstance(event, Offers):
                    self._use(event)
                elif isinstance(event, Update):
                    self._told(event)

    async def _ask(self) -> None:
        """Have the states told of what is not over: of what was launched before the process was killed, too."""
        while True:
            await asyncio.sleep(SETTLE_ASK_SECONDS if self._settling else ASK_SECONDS)
            tasks = unsettled(self._facts)
            if tasks and self._scheduler.is_subscribed:
                self._scheduler.reconcile(tasks)

    def _use(self, event: Offers) -> None:
        for offer in event.offers:
            tasks: list[TaskInfo] = []
            free = 0 if self._settling else TASKS_AT_ONCE - len(unsettled(self._facts))
            while len(tasks) < free and offer.fits(TASK_CPUS, 32):
                self._count += 1
                task = f"{self._name}-{self._count}"
                seconds = self._random.uniform(0.3, RUN_SECONDS_MAX)
                command = script(self._directory / "tasks.log", task, seconds)
                tasks.append(offer.task(command, cpus=TASK_CPUS, mem=32, task_id=task, kill_grace_seconds=2))
                self._note(Launched(time=time.time(), task=task, cpus=TASK_CPUS, agent_id=offer.agent_id))
            self._scheduler.launch(offer, tasks, refuse_seconds=0.5)

    def _told(self, update: Update) -> None:
        acknowledged = update.status.uuid is not None
        name, state = update.task_id, update.state
        self._note(Told(time=time.time(), task=name, state=state.name, acknowledged=acknowledged))
        if state is TaskState.TASK_RUNNING and self._random.random() < KILL_SHARE:
            self._note(KillAsked(time=time.time(), task=name))
            self._scheduler.kill(name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", required=True)
    parser.add_argument("--masters", required=True)
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--seed", type=int, required=True)
    arguments = parser.parse_args()
    asyncio.run(Framework(arguments.name, arguments.masters, arguments.directory, arguments.seed).run())


if __name__ == "__main__":
    main()

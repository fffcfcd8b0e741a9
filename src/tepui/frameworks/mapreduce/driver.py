"""The framework's scheduler: runs one MapReduce job on a cluster."""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tepui.frameworks.mapreduce.job import (
    ATTEMPTS_MAX_DEFAULT,
    MAP,
    REDUCE,
    Attempt,
    Commit,
    Decision,
    Done,
    Fail,
    Job,
    Kill,
    TaskKey,
    Unwant,
    Want,
)
from tepui.frameworks.mapreduce.map_task import OUTPUT
from tepui.frameworks.mapreduce.sorting import SORT_BYTES_DEFAULT
from tepui.frameworks.mapreduce.splits import Split
from tepui.frameworks.mapreduce.workspace import Workspace
from tepui.scheduler import (
    CallLost,
    DelayScheduling,
    Failure,
    Offer,
    Offers,
    Scheduler,
    TaskInfo,
    TaskState,
    Update,
    framework_info,
)

TICK_SECONDS = 0.5
TIMEOUT_SECONDS_DEFAULT = 600.0
LOCALITY_WAIT_SECONDS_DEFAULT = 3.0
MEM_DEFAULT = 256.0
COUNTERS_MAX = 1000
"""Names of counters in all; what comes later is not added up."""
NO_REPORT = "it left no report: does its agent have the folder that the output is in, and this package?"
_PROGRAMS = {MAP: "tepui.frameworks.mapreduce.map_task", REDUCE: "tepui.frameworks.mapreduce.reduce_task"}
_AWAY = frozenset(
    {
        TaskState.TASK_LOST,
        TaskState.TASK_DROPPED,
        TaskState.TASK_KILLED,
        TaskState.TASK_GONE,
        TaskState.TASK_GONE_BY_OPERATOR,
        TaskState.TASK_UNREACHABLE,
    }
)
"""An attempt that ended so did so by no fault of its own."""


class JobFailedError(Exception):
    """The job has failed and left no output; the text is a sentence."""


@dataclass(frozen=True)
class JobDescription:
    """What to do. Commands are text for the shell; None passes lines on as they are (no combiner: none is run)."""

    name: str
    mapper: str | None = None
    combiner: str | None = None
    reducer: str | None = None
    reduces: int = 1
    """Parts of the output; 0: what mappers write is the output."""
    key_fields: int = 1
    """The first so many fields of what a mapper writes are a line's key."""
    output_separator: str = "\t"
    """Between these fields. Another than TAB becomes one behind the key."""
    partition_by: str | None = None
    """`-k1,2`: fields of the key that decide the partition; None: all of it."""
    order_by: str | None = None
    """`-k1,1n -k2r`: fields of the key that decide the order in a partition; None: a line's bytes do."""
    separator: str = "\t"
    """Between the fields that `partition_by` and `order_by` count."""
    environment: Mapping[str, str] = field(default_factory=dict)
    files: Sequence[Path] = ()
    timeout_seconds: float = TIMEOUT_SECONDS_DEFAULT
    attempts_max: int = ATTEMPTS_MAX_DEFAULT
    speculate: bool = True
    cpus: float = 1.0
    mem: float = MEM_DEFAULT
    sort_bytes: int = SORT_BYTES_DEFAULT
    locality_wait_seconds: float = LOCALITY_WAIT_SECONDS_DEFAULT
    role: str = "*"
    python: str = sys.executable
    """The interpreter on the agents; it must find this package."""


@dataclass(frozen=True)
class Progress:
    """How far a job is."""

    maps: int
    maps_done: int
    reduces: int
    reduces_done: int
    running: int
    local_maps: int
    placed_maps: int
    """Map attempts that were placed and have an input that is nearer to some hosts than to others."""


@dataclass(frozen=True)
class Result:
    """What came of a job. `counters` are by `group,name`."""

    progress: Progress
    counters: Mapping[str, int]
    failed_attempts: int
    lost_attempts: int
    seconds: float


class Driver:
    """One job under way; `run` it once."""

    def __init__(
        self,
        masters: str,
        description: JobDescription,
        splits: Sequence[Split],
        workspace: Workspace,
        *,
        on_progress: Callable[[Progress], None] = lambda _: None,
        on_trouble: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._scheduler = Scheduler(masters, framework_info(description.name, roles=[description.role]))
        self._description = description
        self._splits = splits
        self._workspace = workspace
        self._on_progress = on_progress
        self._on_trouble = on_trouble
        self._job = Job(
            len(splits),
            description.reduces,
            attempts_max=description.attempts_max,
            speculate=description.speculate,
        )
        self._places: DelayScheduling[TaskKey] = DelayScheduling(description.locality_wait_seconds)
        self._elsewhere: dict[TaskKey, str] = {}
        """Where second attempts must not run."""
        self._addresses: dict[str, tuple[str, int]] = {}
        """Where each agent's files are read."""
        self._reports: dict[str, dict[str, Any]] = {}
        """Of the attempts that count."""
        self._failed_attempts = 0
        self._lost_attempts = 0
        self._placed: Counter[bool] = Counter()
        """Maps with hosts, by whether they were placed on one."""
        self._suppressed = False
        self._told_unfit = False
        self._failure: str | None = None
        self._is_done = False

    async def run(self) -> Result:
        """Run the job. Raises JobFailedError, OutputError, and SessionError when the master does not want it."""
        begun_at = time.monotonic()
        names = self._workspace.add_files(self._description.files)
        spec = {**asdict(self._description), "environment": dict(self._description.environment), "files": names}
        self._workspace.write("job.json", spec)
        async with self._scheduler:
            ticking = asyncio.create_task(self._tick())
            ticking.add_done_callback(lambda _: self._scheduler.stop())  # it ends by itself only when it fails
            try:
                self._apply(self._job.start())
                async for event in self._scheduler:
                    match event:
                        case Offers(offers):
                            self._offers(offers)
                        case Update():
                            self._update(event)
                        case CallLost():
                            for task_id in event.task_ids:
                                if not event.sent:  # else updates follow
                                    self._apply(self._job.lost(task_id, "its launch did not get through"))
                        case Failure(agent_id, None) if agent_id is not None:
                            self._apply(self._job.agent_lost(agent_id, "its agent is lost"))
                    self._on_progress(self.progress())
            finally:
                ticking.cancel()
            with suppress(asyncio.CancelledError):
                await ticking
        if not self._is_done:
            raise JobFailedError(self._failure or "The job was interrupted.")
        self._workspace.commit()
        return Result(
            self.progress(),
            self._counters(),
            self._failed_attempts,
            self._lost_attempts,
            time.monotonic() - begun_at,
        )

    def interrupt(self) -> None:
        """End the job; its tasks are killed."""
        self._scheduler.stop()

    def progress(self) -> Progress:
        job = self._job
        return Progress(
            len(self._splits),
            job.done[MAP],
            job.reduces,
            job.done[REDUCE],
            job.running,
            self._placed[True],
            self._placed.total(),
        )

    # Placing.

    def _offers(self, offers: list[Offer]) -> None:
        for offer in offers:
            self._addresses[offer.agent_id] = _address(offer)
            tasks = self._fill(offer)
            self._scheduler.launch(offer, tasks, self._places.refuse_seconds if len(self._places) else None)
        if not self._job.running and not self._told_unfit:
            self._tell_unfit(offers)
        self._mind_offers()

    def _tell_unfit(self, offers: list[Offer]) -> None:
        """Say once that nothing runs since what is offered is too small."""
        cpus, mem = self._description.cpus, self._description.mem
        if any(offer.fits(cpus, mem) for offer in offers):
            return
        self._told_unfit = True
        best = max(offers, key=lambda offer: (offer.cpus, offer.mem))
        found = f"cpus {best.cpus:g} and mem {best.mem:g} MB"
        self._on_trouble(f"Tasks wait for an offer of cpus {cpus:g} and mem {mem:g} MB; the best one now has {found}.")

    def _fill(self, offer: Offer) -> list[TaskInfo]:
        tasks: list[TaskInfo] = []
        not_here: list[TaskKey] = []
        while offer.fits(self._description.cpus, self._description.mem):
            key = self._places.take(offer.hostname, time.monotonic())
            if key is None:
                break
            if self._elsewhere.get(key) == offer.agent_id:
                not_here.append(key)
                continue
            self._elsewhere.pop(key, None)
            tasks.append(self._launch(offer, key))
        for key in not_here:
            self._places.add(key)
        return tasks

    def _launch(self, offer: Offer, key: TaskKey) -> TaskInfo:
        description = self._description
        attempt = self._job.launched(key, offer.agent_id, time.monotonic())
        if key.kind == MAP:
            hosts = self._splits[key.number].hosts
            if hosts:
                self._placed[offer.hostname in hosts] += 1
            order = self._map_order(key)
        else:
            order = self._reduce_order(key)
        self._workspace.write(f"orders/{attempt.name}.json", order)
        # -P: a file in the sandbox must not stand in for a module of the standard library.
        command = [description.python, "-P", "-m", _PROGRAMS[key.kind], str(self._workspace.path), attempt.name]
        return offer.task(command, cpus=description.cpus, mem=description.mem, task_id=attempt.name)

    def _map_order(self, key: TaskKey) -> dict[str, Any]:
        split = self._splits[key.number]
        facts = {}
        if len(split.ranges) == 1:
            facts = {"mapreduce.map.input.file": split.ranges[0].path, "map.input.file": split.ranges[0].path}
        parts = [{"path": part.path, "offset": part.offset, "length": part.length} for part in split.ranges]
        return {"split": parts, "facts": facts}

    def _reduce_order(self, key: TaskKey) -> dict[str, Any]:
        """Where the lines of this partition are."""
        sources = []
        for attempt in self._job.winners(MAP):
            offset, length = self._reports[attempt.name]["segments"][key.number]
            if length:
                host, port = self._addresses[attempt.agent]
                where = {"map": attempt.name, "host": host, "port": port, "target": self._target(attempt)}
                sources.append({**where, "offset": offset, "length": length})
        return {"sources": sources}

    def _target(self, attempt: Attempt) -> str:
        path = f"/frameworks/{self._scheduler.framework_id}/executors/{attempt.name}/runs/latest/{OUTPUT}"
        return f"/files/download?path={quote(path)}"

    def _mind_offers(self) -> None:
        """No offers while nothing waits: others get the resources sooner."""
        wanted = len(self._places) > 0
        if self._scheduler.is_subscribed and wanted == self._suppressed and not self._job.ended:
            self._suppressed = not wanted
            if wanted:
                self._scheduler.revive()
            else:
                self._scheduler.suppress()

    # Following.

    def _update(self, update: Update) -> None:
        name, status = update.task_id, update.status
        if not self._job.is_running(name):
            if not update.is_terminal and update.state is not TaskState.TASK_UNREACHABLE:
                self._scheduler.kill(name)  # it came back when another had taken its place
            return
        now = time.monotonic()
        if update.state is TaskState.TASK_FINISHED:
            report = self._workspace.report(name)
            if report is None:
                self._failed_attempts += 1
                self._apply(self._job.failed(name, NO_REPORT))
                return
            self._reports[name] = report
            self._apply(self._job.finished(name, now))
        elif update.state in _AWAY:
            self._lost_attempts += 1
            if update.state is TaskState.TASK_UNREACHABLE:
                self._scheduler.kill(name)
            self._apply(self._job.lost(name, status.message or update.state.value))
        elif update.is_terminal:
            self._fail_attempt(name, status.message or update.state.value)

    def _fail_attempt(self, name: str, message: str) -> None:
        found = self._workspace.report(name)
        report = found or {}
        why = str(report.get("error") or message) if found is not None else f"{message.rstrip('.')}; {NO_REPORT}"
        lost = [str(one) for one in report.get("lost", [])]
        self._on_trouble(f"{name}: {why}")
        if lost:
            self._lost_attempts += 1
            self._apply(self._job.lost(name, why, lost))
        else:
            self._failed_attempts += 1
            self._apply(self._job.failed(name, why))

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            self._apply(self._job.tick(time.monotonic()))

    def _apply(self, decisions: Sequence[Decision]) -> None:
        for decision in decisions:
            match decision:
                case Want(task, elsewhere):
                    if elsewhere is not None:
                        self._elsewhere[task] = elsewhere
                    first = task.kind == MAP and elsewhere is None
                    self._places.add(task, self._splits[task.number].hosts if first else ())
                case Unwant(task):
                    self._elsewhere.pop(task, None)
                    self._places.discard(task)
                case Kill(attempt):
                    self._scheduler.kill(attempt)
                case Commit(task, attempt):
                    self._workspace.commit_part(attempt, task.number)
                case Done():
                    self._is_done = True
                    self._scheduler.stop()
                case Fail(why):
                    self._failure = why
                    self._scheduler.stop()
        self._mind_offers()

    def _counters(self) -> dict[str, int]:
        """The sums over the attempts that count."""
        sums: Counter[str] = Counter()
        for attempt in [*self._job.winners(MAP), *self._job.winners(REDUCE)]:
            for name, amount in self._reports[attempt.name].get("counters", {}).items():
                if name in sums or len(sums) < COUNTERS_MAX:
                    sums[name] += amount
        return dict(sorted(sums.items()))


def _address(offer: Offer) -> tuple[str, int]:
    """Where the files of the offer's agent are read."""
    url = offer.message.url
    if url is None:
        return offer.hostname, 5051
    return url.address.ip or url.address.hostname or offer.hostname, url.address.port


__all__ = ["Driver", "JobDescription", "JobFailedError", "Progress", "Result"]

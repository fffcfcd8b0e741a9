"""What `tepui run` does while it runs: a small framework that launches instances of one command and follows them."""

from __future__ import annotations

import asyncio
import re
import signal
import sys
import time
from collections import deque
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

import click

from tepui.cli.client import Client
from tepui.cli.errors import RefusedError, UnreachableError
from tepui.cli.logs import Sink, Source, drain
from tepui.cli.output import resources
from tepui.model.addresses import host_and_port, parse_host_and_port
from tepui.model.v1.mesos import TaskState, TaskStatus
from tepui.scheduler import CallLost, Offer, Offers, Scheduler, Update, framework_info
from tepui.transport.loop import run

POLL_SECONDS = 0.05
"""Between two looks at what the instances wrote."""
LINE_BYTES_MAX = 65_536
"""A longer line of one of several instances is cut in two, so that none is waited for without end."""
QUIET_SECONDS_MAX = 3.0
"""Without an offer for so long, somebody should be told."""
CODE_INTERRUPTED = 130
CODE_LOST = 1
"""For an instance that ended without an exit code of its own."""
SIGNAL_CODES_FIRST = 128
"""As in shells: a command that a signal ended has this and the signal's number."""

_EXITED = re.compile(r"exited with status (\d+)")
_SIGNALLED = re.compile(r"terminated with signal (.+?)(?: \(core dumped\))?(?:\. |$)")
_UNKNOWN_YET = frozenset(
    {TaskState.TASK_STAGING, TaskState.TASK_STARTING, TaskState.TASK_RUNNING, TaskState.TASK_KILLING}
)


@dataclass(frozen=True)
class Job:
    """What to run: `command` is text for the shell or a program with arguments; `needs` are an instance's resources."""

    command: str | list[str]
    name: str
    needs: Mapping[str, float]
    instances: int
    environment: Mapping[str, str]
    role: str
    user: str | None
    time_limit_seconds: float | None


class Prefixed:
    """Marks each line with the number of its instance; holds back a line until it is whole."""

    def __init__(self, mark: bytes, sink: Sink) -> None:
        self._mark = mark
        self._sink = sink
        self._held = b""

    def write(self, data: bytes) -> None:
        *lines, self._held = (self._held + data).split(b"\n")
        for line in lines:
            self._sink.write(self._mark + line + b"\n")
        if len(self._held) > LINE_BYTES_MAX:
            self.end()

    def flush(self) -> None:
        self._sink.flush()

    def end(self) -> None:
        """Write what is held back, with the newline that it lacks."""
        if self._held:
            self._sink.write(self._mark + self._held + b"\n")
            self._held = b""
        self._sink.flush()


@dataclass
class _Instance:
    """One of the command's runs. `code` is its exit code once it has ended."""

    number: int
    task_id: str
    agent: str = ""
    sources: list[Source] = field(default_factory=list)
    code: int | None = None


def run_job(master: str, job: Job) -> int:
    """Run the job to its end; returns the exit code for all of it. Raises SessionError when the master refuses."""
    return run(_Run(master, job).main())


class _Run:
    """One job under way."""

    def __init__(self, master: str, job: Job) -> None:
        self._job = job
        info = framework_info(job.name, roles=[job.role], user=job.user)
        self._scheduler = Scheduler(master, info)
        self._instances: dict[str, _Instance] = {}
        width = len(str(job.instances - 1))
        for number in range(job.instances):
            task_id = job.name if job.instances == 1 else f"{job.name}-{number:0{width}d}"
            self._instances[task_id] = _Instance(number, task_id)
        self._waiting = deque(self._instances.values())
        self._agents: dict[str, Client] = {}
        self._reading = asyncio.Lock()
        """Files are read in a thread, one at a time, by clients that are kept."""
        self._begun_at = time.monotonic()
        self._suppressed = False
        self._told_waiting = False
        self._interrupted = False

    async def main(self) -> int:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._interrupt)
        async with self._scheduler:
            following = asyncio.create_task(self._follow())
            following.add_done_callback(lambda _: self._scheduler.stop())  # it ends by itself only when it fails
            try:
                async for event in self._scheduler:
                    match event:
                        case Offers(offers):
                            self._place(offers)
                        case Update(status):
                            await self._update(status)
                        case CallLost(sent=False):  # of one that was sent updates follow
                            self._again(event.task_ids)
                    if all(instance.code is not None for instance in self._instances.values()):
                        self._scheduler.stop()
            finally:
                following.cancel()
            with suppress(asyncio.CancelledError):
                await following
        if self._interrupted:
            return CODE_INTERRUPTED
        return max(instance.code or 0 for instance in self._instances.values())

    def _interrupt(self) -> None:
        """Leaving tears the framework down, and that ends its tasks."""
        self._interrupted = True
        self._scheduler.stop()

    # Placing.

    def _place(self, offers: list[Offer]) -> None:
        needs = self._job.needs
        for offer in offers:
            tasks = []
            while self._waiting and offer.fits(needs["cpus"], needs["mem"], disk=needs["disk"], gpus=needs["gpus"]):
                instance = self._waiting.popleft()
                instance.agent = _address(offer)
                tasks.append(
                    offer.task(
                        self._job.command,
                        cpus=needs["cpus"],
                        mem=needs["mem"],
                        disk=needs["disk"],
                        gpus=needs["gpus"],
                        task_id=instance.task_id,
                        name=self._job.name,
                        environment={
                            "TEPUI_INSTANCE": str(instance.number),
                            "TEPUI_INSTANCES": str(self._job.instances),
                            **self._job.environment,
                        },
                        user=self._job.user,
                        max_completion_seconds=self._job.time_limit_seconds,
                    )
                )
            self._scheduler.launch(offer, tasks)
        if self._waiting:
            self._tell_waiting(offers)
        elif not self._suppressed:
            self._suppressed = True
            self._scheduler.suppress()

    def _tell_waiting(self, offers: list[Offer]) -> None:
        """Once: what is waited for, and the most that was there."""
        if self._told_waiting:
            return
        self._told_waiting = True
        best = max(offers, key=lambda offer: (offer.cpus, offer.mem))
        found = resources({"cpus": best.cpus, "mem": best.mem, "disk": best.disk, "gpus": best.gpus})
        wanted = resources(self._job.needs)
        click.echo(
            f"tepui: {len(self._waiting)} of {self._job.instances} wait for an offer of {wanted}; "
            f"the best one left now has {found}.",
            err=True,
        )

    def _again(self, task_ids: Iterable[str]) -> None:
        """What was never launched waits for other offers."""
        for task_id in task_ids:
            instance = self._instances[task_id]
            if instance.code is None and not instance.sources and instance not in self._waiting:
                self._waiting.append(instance)
        if self._waiting and self._suppressed:
            self._suppressed = False
            self._scheduler.revive()

    # Following.

    async def _update(self, status: TaskStatus) -> None:
        instance = self._instances.get(status.task_id.value)
        if instance is None or instance.code is not None:
            return
        state = status.state
        if state is TaskState.TASK_RUNNING and not instance.sources:
            instance.sources = self._sources(instance, status)
        elif state is TaskState.TASK_UNREACHABLE:
            click.echo(f"tepui: The agent of {instance.task_id} cannot be reached; waiting for it.", err=True)
        elif state in (TaskState.TASK_DROPPED, TaskState.TASK_LOST) and not instance.sources:
            self._again([instance.task_id])
        elif state not in _UNKNOWN_YET:
            await self._end(instance, status)

    async def _end(self, instance: _Instance, status: TaskStatus) -> None:
        """All that the instance wrote is shown before its end is acknowledged."""
        try:
            await self._read(instance)
        except click.ClickException as error:
            click.echo(f"tepui: The end of what {instance.task_id} wrote is missing: {error.message}", err=True)
        for source in instance.sources:
            if isinstance(source.sink, Prefixed):
                source.sink.end()
        instance.code = exit_code(status)
        if instance.code:
            why = status.message or status.state.value
            click.echo(f"tepui: {instance.task_id}: {why.rstrip('.')}.", err=True)

    def _sources(self, instance: _Instance, status: TaskStatus) -> list[Source]:
        executor = instance.task_id if status.executor_id is None else status.executor_id.value
        directory = f"/frameworks/{self._scheduler.framework_id}/executors/{executor}/runs/latest"
        sinks: dict[str, Sink] = {"stdout": sys.stdout.buffer, "stderr": sys.stderr.buffer}
        if self._job.instances > 1:
            width = len(str(self._job.instances - 1))
            mark = f"{instance.number:>{width}} | ".encode()
            sinks = {name: Prefixed(mark, sink) for name, sink in sinks.items()}
        return [Source(f"{directory}/{name}", sink) for name, sink in sinks.items()]

    async def _follow(self) -> None:
        """Look again and again at what running instances wrote."""
        while True:
            for instance in list(self._instances.values()):
                if instance.sources and instance.code is None:
                    with suppress(UnreachableError, RefusedError):  # its agent may come back
                        await self._read(instance)
            if self._waiting and not self._told_waiting and time.monotonic() - self._begun_at > QUIET_SECONDS_MAX:
                self._told_waiting = True
                click.echo(
                    "tepui: No offers have come yet; `tepui status` and `tepui offer list` show who has what.", err=True
                )
            await asyncio.sleep(POLL_SECONDS)

    async def _read(self, instance: _Instance) -> None:
        async with self._reading:
            await asyncio.to_thread(self._drain, instance)

    def _drain(self, instance: _Instance) -> None:
        client = self._agents.get(instance.agent)
        if client is None:
            client = self._agents[instance.agent] = Client(parse_host_and_port(instance.agent), "agent")
        for source in instance.sources:
            drain(client, source)


def _address(offer: Offer) -> str:
    """Where the files of the offer's agent are read."""
    url = offer.message.url
    if url is None:
        return offer.hostname
    host = url.address.ip or url.address.hostname or offer.hostname
    return host_and_port(host, url.address.port)


def exit_code(status: TaskStatus) -> int:
    """What a terminal status says of the command's exit: its code, or 128 and the signal's number."""
    if status.state is TaskState.TASK_FINISHED:
        return 0
    message = status.message or ""
    exited = _EXITED.search(message)
    if exited and int(exited[1]):
        return int(exited[1])
    signalled = _SIGNALLED.search(message)
    if signalled:
        for number in range(1, signal.NSIG):
            if signal.strsignal(number) == signalled[1]:
                return SIGNAL_CODES_FIRST + number
    return CODE_LOST

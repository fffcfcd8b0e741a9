"""Runs the two frameworks beside each other on the demonstration's cluster, and follows what they hold."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from sys import executable

from tepui.cli.demo import words
from tepui.cli.demo.cluster import DemoCluster
from tepui.cli.demo.plan import BATCH, LEAD_SECONDS, REDUCES, WORDS, Plan
from tepui.cli.demo.shares import Shares
from tepui.cli.errors import RefusedError
from tepui.frameworks.batch import Batch, Journal, JournalError, Outcome, Runner, State
from tepui.frameworks.mapreduce.driver import Driver, JobDescription, JobFailedError, Progress, Result
from tepui.frameworks.mapreduce.workspace import OutputError, Workspace
from tepui.model.v1.master import Call, Event
from tepui.session.errors import SessionError
from tepui.transport.client import HttpTransport, TransportError
from tepui.wire.errors import DecodeError, RecordError
from tepui.wire.json import decode_json, encode_json
from tepui.wire.recordio import RecordDecoder

LOOK_SECONDS = 0.2
SECONDS_MAX = 900.0
"""The two frameworks may take so long."""
LAST_EVENTS_SECONDS_MAX = 10.0
LAST_WORDS_SECONDS = 5.0
LOCALITY_WAIT_SECONDS = 3.0
_HEADERS = {"Content-Type": "application/json", "Accept": "application/json"}


@dataclass(frozen=True)
class View:
    """How things stand."""

    seconds: float
    """Since the batch registered; 0 before."""
    shares: Shares
    batch: Batch
    words: Progress | None
    """None before the word count has begun."""


@dataclass(frozen=True)
class Ran:
    """What came of the two frameworks."""

    shares: Shares
    batch: Batch
    words: Result
    counts: Path
    """The folder with the word count's output."""


class Demonstration:
    """The two frameworks under way; `run` it once. `show` is called several times a second."""

    def __init__(self, cluster: DemoCluster, plan: Plan, show: Callable[[View], None]) -> None:
        self._cluster = cluster
        self._plan = plan
        self._show = show
        self._shares = Shares()
        self._changed = asyncio.Event()
        self._batch = Batch(plan.commands)
        self._progress: Progress | None = None

    async def run(self) -> Ran:
        """Run both to their end. Raises RefusedError when one fails, or the cluster does."""
        try:
            async with asyncio.timeout(SECONDS_MAX), asyncio.TaskGroup() as group:
                watching = group.create_task(self._watch())
                guarding = group.create_task(self._guard())
                showing = group.create_task(self._show_again_and_again())
                batch = group.create_task(self._run_batch())
                counting = group.create_task(self._run_words())
                _, result = await batch, await counting
                await self._last_events()
                for task in (watching, guarding, showing):
                    task.cancel()
        except TimeoutError:
            raise RefusedError(f"The demonstration did not end within {SECONDS_MAX:g} s.") from None
        except BaseExceptionGroup as group_error:
            raise _sentence(group_error) from None
        self._show(self._view())
        return Ran(self._shares, self._batch, result, self._counts)

    # The two frameworks.

    async def _run_batch(self) -> Outcome:
        await self._until(lambda: bool(self._shares.agents))
        journal = Journal(self._cluster.folder / "batch.state")
        try:
            self._batch = journal.load(self._plan.commands)
            outcome = await Runner(self._cluster.address, self._batch, journal, name=BATCH).run()
        finally:
            journal.close()
        failed = [status.why for status in self._batch.status if status.state is not State.SUCCEEDED]
        if failed:
            raise RefusedError(f"{len(failed)} of the batch's commands failed; one because {failed[0]}.")
        return outcome

    async def _run_words(self) -> Result:
        await self._until(lambda: BATCH in self._shares.frameworks)
        await asyncio.sleep(LEAD_SECONDS)
        program = Path(words.__file__)
        command = f"exec {quote(executable)} -I -S {program.name}"
        description = JobDescription(
            name=WORDS,
            mapper=f"{command} map {self._plan.bytes_per_second:.0f}",
            reducer=f"{command} reduce",
            reduces=REDUCES,
            files=[program],
            locality_wait_seconds=LOCALITY_WAIT_SECONDS,
        )
        workspace = Workspace(self._counts)
        try:
            driver = Driver(
                self._cluster.address, description, self._plan.splits, workspace, on_progress=self._take_progress
            )
            return await driver.run()
        finally:
            workspace.remove()

    @property
    def _counts(self) -> Path:
        return self._cluster.folder / "counts"

    def _take_progress(self, progress: Progress) -> None:
        self._progress = progress

    # Following.

    async def _watch(self) -> None:
        """Follow the master's operator events for as long as it is asked."""
        transport = HttpTransport()
        try:
            await self._follow(transport)
        except TransportError:
            await asyncio.sleep(LAST_WORDS_SECONDS)  # the cluster itself knows better why
            raise
        finally:
            await transport.close()

    async def _follow(self, transport: HttpTransport) -> None:
        body = encode_json(Call(type=Call.Type.SUBSCRIBE))
        stream = await transport.open(f"http://{self._cluster.address}/api/v1", body, _HEADERS)
        if stream.answer.status != 200:
            raise RefusedError(f"The master tells no events: {stream.answer.sentence}.")
        decoder = RecordDecoder()
        async for chunk in stream.chunks():
            now = time.monotonic()
            for record in decoder.feed(chunk):
                self._shares.handle(decode_json(Event, record), now)
            self._changed.set()
        raise TransportError("The master has ended its stream of events")

    async def _until(self, condition: Callable[[], bool]) -> None:
        """Wait until the events told so far fulfil a condition."""
        while not condition():
            self._changed.clear()
            await self._changed.wait()

    async def _last_events(self) -> None:
        """Both frameworks are gone for the master, too."""
        frameworks = self._shares.frameworks
        try:
            async with asyncio.timeout(LAST_EVENTS_SECONDS_MAX):
                await self._until(lambda: all(times.removed_at is not None for times in frameworks.values()))
        except TimeoutError:
            raise RefusedError("The master does not tell that the frameworks have ended.") from None

    async def _guard(self) -> None:
        """Notice when the cluster ends before its time."""
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        signs = (self._cluster.told, self._cluster.process)
        for sign in signs:
            loop.add_reader(sign, ended.set)
        try:
            await ended.wait()
            raise RefusedError(self._cluster.last_words())
        finally:
            for sign in signs:
                loop.remove_reader(sign)

    async def _show_again_and_again(self) -> None:
        while True:
            self._show(self._view())
            await asyncio.sleep(LOOK_SECONDS)

    def _view(self) -> View:
        times = self._shares.frameworks.get(BATCH)
        seconds = 0.0 if times is None else time.monotonic() - times.registered_at
        return View(seconds, self._shares, self._batch, self._progress)


_EXPECTED = (
    JobFailedError,
    OutputError,
    JournalError,
    SessionError,
    TransportError,
    DecodeError,
    RecordError,
    OSError,
)


def _sentence(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first thing that went wrong: as an error of one sentence, unless it is a fault of ours."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, _EXPECTED):
        return RefusedError(f"{str(error).rstrip('.')}.")
    return error

"""The agent's side of the supervisor: starts it when it is not there, stays connected, carries commands and events.

Commands are plain calls that never wait. What was not confirmed when a connection is lost is said again on the next
one: starts (a run is started once at most, the supervisor knows its id), kills with what is left of their grace, and
forgets. Signals are not kept.
"""

from __future__ import annotations

import asyncio
import logging
import os
import struct
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import cast

import msgspec
from msgspec import Struct

from tepui.containers.events import (
    Event,
    RunExited,
    RunFailed,
    RunRecord,
    RunStarted,
    SupervisorLost,
    SupervisorReady,
)
from tepui.containers.supervision.connection import FRAME_BYTES_MAX, PROTOCOL_VERSION
from tepui.containers.supervision.loop import RUNS_MAX, build_of
from tepui.containers.supervision.processes import RUN_MARKER
from tepui.containers.supervision.program import EXIT_ALREADY_RUNNING

RETRY_SECONDS_MIN = 0.02
RETRY_SECONDS_MAX = 5.0
"""Pause before the supervisor is looked for, or started, again; doubles from the first to the second."""
HELLO_TIMEOUT_SECONDS = 10.0
START_TIMEOUT_SECONDS = 30.0
WRITE_BUFFER_BYTES_MAX = 64 * 1024 * 1024
"""A supervisor that reads so slowly is given up and connected to afresh."""
STARTS_MAX = RUNS_MAX
FORGETS_MAX = RUNS_MAX
SUPERVISOR_PROGRAM = Path(__file__).with_name("supervisor.py")
SOCKET_NAME = "socket"

WHY_REPLACED = "Another agent has connected to the supervisor"

_log = logging.getLogger(__name__)


class SupervisorError(Exception):
    """The supervisor cannot be started or spoken to; the text says why."""


class _Command(Struct, tag_field="command", tag=lambda name: name.removeprefix("_").lower()):
    pass


class _Hello(_Command):
    versions: list[int]


class _Start(_Command):
    run: str
    argv: Sequence[str]
    executable: str | None
    environment: Mapping[str, str]
    directory: str
    stdout: str | None
    stderr: str | None
    user: str | None
    orphan_timeout_seconds: float | None


class _Kill(_Command):
    run: str
    grace_seconds: float


class _Signal(_Command):
    run: str
    signal: int


class _Forget(_Command):
    run: str


class _Stop(_Command):
    kill: bool


class _Upgrade(_Command):
    argv: list[str]


class _HelloEvent(Struct, tag_field="event", tag="hello"):
    versions: list[int]
    version: int | None
    pid: int
    build: int


class _RunsEvent(Struct, tag_field="event", tag="runs"):
    runs: list[RunRecord]
    more: bool


class _ReplacedEvent(Struct, tag_field="event", tag="replaced"):
    pass


class _ErrorEvent(Struct, tag_field="event", tag="error"):
    why: str


class _UpgradeFailedEvent(Struct, tag_field="event", tag="upgrade_failed"):
    why: str


_Incoming = (
    RunStarted | RunFailed | RunExited | _HelloEvent | _RunsEvent | _ReplacedEvent | _ErrorEvent | _UpgradeFailedEvent
)
_decoder: msgspec.json.Decoder[_Incoming] = msgspec.json.Decoder(_Incoming)
_encoder = msgspec.json.Encoder()
_length = struct.Struct(">I")


def _frame(command: _Command) -> bytes:
    content = _encoder.encode(command)
    return _length.pack(len(content)) + content


class _Connection(asyncio.Protocol):
    """Frames on one connection; what they mean is the client's business."""

    def __init__(self, on_frame: Callable[[_Connection, _Incoming], None]) -> None:
        self._on_frame = on_frame
        self._loop = asyncio.get_running_loop()
        self._in = bytearray()
        self._out: list[bytes] = []
        self._transport: asyncio.Transport | None = None
        self.lost: asyncio.Future[str] = self._loop.create_future()
        self.why = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's transports are no subclass of it

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if not self.lost.done():
            self.lost.set_result(self.why or (str(exc) if exc else "The supervisor closed the connection"))

    def send(self, frame: bytes) -> None:
        """Queue a frame; all frames of one loop turn go out in one write."""
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out.append(frame)

    def _flush(self) -> None:
        frames, self._out = self._out, []
        if self._transport is None or self._transport.is_closing():
            return
        self._transport.write(b"".join(frames))
        if self._transport.get_write_buffer_size() > WRITE_BUFFER_BYTES_MAX:
            self.fail("The supervisor does not read")

    def close(self) -> None:
        """Write what is queued and close."""
        if self._out:
            self._flush()
        if self._transport is not None:
            self._transport.close()

    def fail(self, why: str) -> None:
        self.why = self.why or why
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        try:
            for event in self._events(data):
                self._on_frame(self, event)
        except (msgspec.MsgspecError, ValueError) as error:
            self.fail(f"The supervisor sent a frame that is not understood: {error}")

    def _events(self, data: bytes) -> Iterator[_Incoming]:
        buffer = self._in
        buffer += data
        position = 0
        while len(buffer) - position >= 4:
            (length,) = _length.unpack_from(buffer, position)
            if length > FRAME_BYTES_MAX:
                raise ValueError(f"{length} bytes")
            end = position + 4 + length
            if end > len(buffer):
                break
            with memoryview(buffer) as view:
                event = _decoder.decode(view[position + 4 : end])
            position = end
            yield event
        del buffer[:position]


class SupervisorClient:
    """The agent's hands: starts and ends runs by a supervisor that it starts itself when there is none.

    `on_event` is called for each event, in order, from the event loop; what it raises goes to the loop's exception
    handler. Everything here is to be called in the thread of the loop.
    """

    def __init__(
        self,
        state_dir: Path,
        on_event: Callable[[Event], None],
        *,
        socket_path: Path | None = None,
        python: str = sys.executable,
        linger_seconds: float | None = None,
    ) -> None:
        self.pid: int | None = None
        """Of the supervisor, while one is connected."""
        self._state_dir = state_dir.absolute()
        self._socket_path = (socket_path or state_dir / SOCKET_NAME).absolute()
        self._on_event = on_event
        self._argv = [python, "-I", "-S", str(SUPERVISOR_PROGRAM), "--state-dir", str(self._state_dir)]
        self._argv += ["--socket", str(self._socket_path)]
        if linger_seconds is not None:
            self._argv += ["--linger-seconds", str(linger_seconds)]
        self._build = build_of(str(SUPERVISOR_PROGRAM.with_name("supervision")))
        self._upgrade_tried = False
        self._connection: _Connection | None = None
        self._ready = False
        self._closed = False
        self._keeper: asyncio.Task[None] | None = None
        self._first_ready: asyncio.Future[None] | None = None
        self._runs: list[RunRecord] = []
        self._starts: dict[str, bytes] = {}
        """Not confirmed yet, as frames."""
        self._kills: dict[str, float] = {}
        """Runs that are to die, with the loop's time when the grace ends."""
        self._forgets: dict[str, None] = {}
        """Forgotten while no supervisor was there to hear it, in order; or by one not done with the run yet."""

    async def open(self) -> None:
        """Connect for the first time, and from then on whenever it is necessary.

        Raises SupervisorError when the supervisor cannot be started.
        """
        loop = asyncio.get_running_loop()
        self._loop = loop
        self._first_ready = loop.create_future()
        self._keeper = loop.create_task(self._keep_connected(), name="supervisor client")
        await self._first_ready

    def start(
        self,
        run: str,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str],
        directory: str,
        stdout: str | None,
        stderr: str | None,
        user: str | None = None,
        executable: str | None = None,
        orphan_timeout_seconds: float | None = None,
    ) -> None:
        """Start a run: answered by `RunStarted` or `RunFailed`.

        `stdout` and `stderr` are files to append to, relative to `directory`; None discards. `executable` is the
        program where it is not argv[0]. The environment is exactly the given one plus the run's marker. Without the
        agent the run is killed after `orphan_timeout_seconds`; None: never.
        """
        if len(self._starts) >= STARTS_MAX and run not in self._starts:
            self._soon(RunFailed(run, f"{STARTS_MAX} runs are waiting to be started, which is the limit"))
            return
        frame = _frame(
            _Start(run, argv, executable, environment, directory, stdout, stderr, user, orphan_timeout_seconds)
        )
        if len(frame) > FRAME_BYTES_MAX:
            self._soon(RunFailed(run, "The command and its environment are too long"))
            return
        self._starts[run] = frame
        self._send(frame)

    def kill(self, run: str, grace_seconds: float) -> None:
        """SIGTERM to the whole tree now, SIGKILL after the grace; again: only sooner. Ends in `RunExited`.

        A run that nobody knows is answered by `RunFailed`.
        """
        kill_at = self._loop.time() + grace_seconds
        self._kills[run] = min(kill_at, self._kills.get(run, kill_at))
        self._send(_frame(_Kill(run, grace_seconds)))

    def signal(self, run: str, signal: int) -> None:
        """Send a signal to the run's main process, if run and supervisor are there."""
        self._send(_frame(_Signal(run, signal)))

    def forget(self, run: str) -> None:
        """Take an ended run off the record, once its exit is stored; until then it is reported again and again."""
        if self._ready:
            self._send(_frame(_Forget(run)))
        elif len(self._forgets) < FORGETS_MAX:
            self._forgets[run] = None

    def stop(self, *, kill: bool) -> None:
        """End the supervisor: with `kill` after all runs were killed and reported, else leaving them to the next one.

        The client does not start another one any more.
        """
        self._closed = True
        self._send(_frame(_Stop(kill)))

    def upgrade(self) -> None:
        """Let the supervisor replace itself by the program that this client belongs to; runs go on undisturbed.

        Done without being asked when the supervisor found on connecting is another program.
        """
        self._send(_frame(_Upgrade(self._argv)))

    def close(self) -> None:
        """Leave; supervisor and runs stay. No more events."""
        self._closed = True
        self._ready = False
        if self._connection is not None:
            self._connection.close()
        if self._keeper is not None:
            self._keeper.cancel()

    async def wait_closed(self) -> None:
        """After `close` or `stop`: wait until the connection is gone and nothing of the client runs any more."""
        if self._keeper is not None:
            await asyncio.wait([self._keeper])

    # Connecting

    async def _keep_connected(self) -> None:
        pause_seconds = RETRY_SECONDS_MIN
        while True:
            why = ""
            try:
                why = await self._connected()
                pause_seconds = RETRY_SECONDS_MIN
            except (OSError, SupervisorError) as error:
                why = str(error)
                if self._first_ready is not None and not self._first_ready.done() and pause_seconds > 1:
                    self._first_ready.set_exception(SupervisorError(why))
                    return
            if self._closed:
                return
            if why == WHY_REPLACED:
                pause_seconds = RETRY_SECONDS_MAX  # two agents that took turns at once would both be useless
            _log.warning("no connection to the supervisor: %s", why)
            await asyncio.sleep(pause_seconds)
            pause_seconds = min(2 * pause_seconds, RETRY_SECONDS_MAX)

    async def _connected(self) -> str:
        """One connection, from its making to its loss; the reason of the loss."""
        try:
            connection = await self._connect()
        except (FileNotFoundError, ConnectionRefusedError):
            await self._start_supervisor()
            connection = await self._connect()
        self._connection = connection
        self._runs = []
        timeout = self._loop.call_later(HELLO_TIMEOUT_SECONDS, self._expect_ready, connection)
        try:
            connection.send(_frame(_Hello([PROTOCOL_VERSION])))
            why = await connection.lost
        finally:
            timeout.cancel()
            connection.close()
            self._connection = None
            was_ready, self._ready = self._ready, False
            self.pid = None
        if not was_ready and not self._closed:
            raise SupervisorError(why)
        self._deliver(SupervisorLost(why))
        return why

    def _expect_ready(self, connection: _Connection) -> None:
        if not self._ready:
            connection.fail("The supervisor does not answer")

    async def _connect(self) -> _Connection:
        # A socket's address has room for 107 bytes only; the directory's own descriptor makes any path short.
        directory = os.open(self._socket_path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            path = f"/proc/self/fd/{directory}/{self._socket_path.name}"
            _, connection = await self._loop.create_unix_connection(lambda: _Connection(self._on_frame), path)
        finally:
            os.close(directory)
        return connection

    async def _start_supervisor(self) -> None:
        """Returns when the supervisor listens; it is then a daemon and no child of this process."""
        names = ("PATH", "LD_LIBRARY_PATH", RUN_MARKER)
        # A file, not a pipe: uvloop's pipes stay open in the daemon, and their end would never come.
        with tempfile.TemporaryFile() as errors:
            process = await asyncio.create_subprocess_exec(
                *self._argv,
                "--daemon",
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=errors,
                start_new_session=True,
                cwd="/",
                env={name: os.environ[name] for name in names if name in os.environ},
            )
            try:
                async with asyncio.timeout(START_TIMEOUT_SECONDS):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
                raise SupervisorError("The supervisor does not start") from None
            if process.returncode not in (0, EXIT_ALREADY_RUNNING):
                errors.seek(0)
                raise SupervisorError(errors.read().decode(errors="replace").strip()[-1000:])

    # Events

    def _on_frame(self, connection: _Connection, event: _Incoming) -> None:
        if connection is not self._connection or (self._closed and not self._ready):
            return
        if isinstance(event, RunExited) and event.run in self._forgets:
            self._forget_late(event.run)
        elif isinstance(event, RunExited):
            self._starts.pop(event.run, None)
            self._kills.pop(event.run, None)
            self._deliver(event)
        elif isinstance(event, RunStarted):
            self._starts.pop(event.run, None)
            self._deliver(event)
        elif isinstance(event, RunFailed):
            self._starts.pop(event.run, None)
            self._kills.pop(event.run, None)
            self._deliver(event)
        elif isinstance(event, _HelloEvent):
            self._on_hello(connection, event)
        elif isinstance(event, _RunsEvent):
            self._runs += event.runs
            if not event.more and not self._ready:
                self._become_ready()
        elif isinstance(event, _ReplacedEvent):
            connection.why = WHY_REPLACED
        elif isinstance(event, _ErrorEvent):
            connection.why = event.why
        else:
            _log.warning("the supervisor could not be upgraded: %s", event.why)

    def _forget_late(self, run: str) -> None:
        del self._forgets[run]
        self._send(_frame(_Forget(run)))
        if run in self._starts:  # again, under the same name
            self._send(self._starts[run])

    def _on_hello(self, connection: _Connection, event: _HelloEvent) -> None:
        self.pid = event.pid
        if event.build != self._build and not self._upgrade_tried:
            self._upgrade_tried = True
            connection.send(_frame(_Upgrade(self._argv)))
        elif event.version is None:
            connection.fail(f"The supervisor speaks protocol versions {event.versions}, not {PROTOCOL_VERSION}")

    def _become_ready(self) -> None:
        """Tell what the supervisor knows, then say again what it does not."""
        self._ready = True
        runs, self._runs = self._runs, []
        known = {record.run: record for record in runs}
        forgets, self._forgets = self._forgets, {}
        for run in forgets:
            record = known.pop(run, None)
            if record is not None and record.state == "exited":
                self._send(_frame(_Forget(run)))
            elif record is not None:
                # A new supervisor looks once more whether anything is left of the run, and tells its exit again then.
                self._forgets[run] = None
        events: list[Event] = []
        for record in known.values():
            started = self._starts.pop(record.run, None) is not None
            if record.state == "exited":
                self._kills.pop(record.run, None)
                events.append(RunExited(record.run, record.status, record.why, record.at))
            elif started:
                events.append(RunStarted(record.run, record.pid))
        for run, frame in self._starts.items():
            if run not in self._forgets:
                self._send(frame)
        now = self._loop.time()
        for run, kill_at in self._kills.items():
            self._send(_frame(_Kill(run, max(0.0, kill_at - now))))
        # Last, for the agent may answer with commands, which are then sent once and after the older ones.
        assert self.pid is not None
        self._deliver(SupervisorReady(list(known.values()), self.pid))
        for event in events:
            self._deliver(event)
        if self._first_ready is not None and not self._first_ready.done():
            self._first_ready.set_result(None)

    def _deliver(self, event: Event) -> None:
        try:
            self._on_event(event)
        except Exception as error:
            self._loop.call_exception_handler(
                {"message": f"The agent failed to handle {type(event).__name__}", "exception": error}
            )

    def _soon(self, event: Event) -> None:
        self._loop.call_soon(self._deliver, event)

    def _send(self, frame: bytes) -> None:
        if self._ready and self._connection is not None:
            self._connection.send(frame)

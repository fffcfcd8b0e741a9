"""An agent in miniature: commands to the supervisor, events kept and waited for."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from tepui.containers.client import SupervisorClient
from tepui.containers.events import Event, RunExited, RunFailed, RunStarted, SupervisorReady
from tests.processes import alive

PATIENCE_SECONDS = 30.0

# A daemon as daemons are: two forks and a session of its own; it writes its pid and ignores the polite signals.
DAEMON = f"""
{sys.executable} -I -S -c '
import os, signal, time
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
open("daemon.pid", "w").write("%d\\n" % os.getpid())
time.sleep(600)
'
"""
# One whose first thread has ended: /proc shows it as if it only waited to be reaped.
HEADLESS_DAEMON = f"""
setsid {sys.executable} -I -S -c '
import ctypes, os, threading, time
def go_on():
    while b") Z" not in open("/proc/%d/stat" % os.getpid(), "rb").read(): pass
    open("daemon.pid", "w").write("%d\\n" % os.getpid())
    time.sleep(600)
threading.Thread(target=go_on).start()
ctypes.CDLL(None).pthread_exit(None)
' &
"""
WAIT_FOR_DAEMON = "until [ -s daemon.pid ]; do :; done\n"

E = TypeVar("E")
Play = Callable[["Agent"], Awaitable[None]]


async def until(condition: Callable[[], Any]) -> None:
    """Wait for something that no event tells, such as the end of a process."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():
            await asyncio.sleep(0.005)


class Agent:
    """The agent's place in these tests: commands go to its client, events are kept and waited for."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.state_dir = directory / "state"
        self.events: list[Event] = []
        self.history: list[Event] = []
        """All events, those that were taken off `events` too."""
        self._news = asyncio.Event()
        self.client = self.new_client()

    def new_client(self, **options: Any) -> SupervisorClient:
        self.client = SupervisorClient(self.state_dir, self._on_event, **{"linger_seconds": 5.0, **options})
        return self.client

    def _on_event(self, event: Event) -> None:
        self.events.append(event)
        self.history.append(event)
        self._news.set()

    async def event(self, kind: type[E], **fields: Any) -> E:
        """The next event of this kind with these fields; it is taken off the list, and so are those before it."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                for index, event in enumerate(self.events):
                    if isinstance(event, kind) and all(getattr(event, name) == fields[name] for name in fields):
                        del self.events[: index + 1]
                        return event
                self._news.clear()
                await self._news.wait()

    def start(
        self, run: str, argv: Sequence[str], environment: Mapping[str, str] | None = None, **options: Any
    ) -> None:
        options = {"directory": str(self.directory), "stdout": f"{run}.out", "stderr": f"{run}.err", **options}
        environment = {"PATH": "/usr/bin:/bin", **(environment or {})}
        self.client.start(run, argv, environment=environment, **options)

    async def shell(self, run: str, script: str, **options: Any) -> int:
        """Start a script; the pid of its shell."""
        self.start(run, ["sh", "-c", script], **options)
        return (await self.event(RunStarted, run=run)).pid

    async def exit(self, run: str) -> RunExited:
        return await self.event(RunExited, run=run)

    async def refusal(self, run: str) -> str:
        return (await self.event(RunFailed, run=run)).why

    def output(self, run: str) -> str:
        path = self.directory / f"{run}.out"
        return path.read_text() if path.exists() else ""

    async def pid_in(self, name: str) -> int:
        """The pid that a script wrote into a file."""
        path = self.directory / name
        await until(lambda: path.exists() and path.read_text().endswith("\n"))
        return int(path.read_text())

    async def kill_supervisor(self) -> SupervisorReady:
        """kill -9, and wait for the next one."""
        assert self.client.pid is not None
        os.kill(self.client.pid, signal.SIGKILL)
        return await self.event(SupervisorReady)

    def count(self, kind: type[Event]) -> int:
        return sum(isinstance(event, kind) for event in self.history)

    @property
    def supervisor(self) -> int:
        assert self.client.pid is not None
        return self.client.pid


@asynccontextmanager
async def playing(directory: Path, *, ready: bool = True) -> AsyncIterator[Agent]:
    """An agent with its supervisor; `ready` is whether the first event is taken off already."""
    agent = Agent(directory)
    try:
        await agent.client.open()
        if ready:
            await agent.event(SupervisorReady)
        yield agent
    finally:
        pid = agent.client.pid
        if pid is not None:
            agent.client.stop(kill=True)
            await agent.client.wait_closed()
            await until(lambda: not alive(pid))
        else:
            agent.client.close()
            await agent.client.wait_closed()

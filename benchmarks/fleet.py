"""Many emulated agents in one process, and schedulers in another: what a failover benchmark needs of a cluster.

    python -m benchmarks.fleet agents URL COUNT TASKS FRAMEWORKS
    python -m benchmarks.fleet frameworks URL COUNT

Each agent is a TCP connection with a WebSocket of its own that speaks the link's frames: it says hello and tells its
snapshot, is welcomed, answers pings. It looks for the leader as a real one does: when the leader changes it waits a
random part of the back-off's first bound, and doubles that from attempt to attempt. One watch in ZooKeeper serves all.
It is written without a WebSocket library, so that the machine's processors are the master's.

URL is that of ZooKeeper, or HOST:PORT of the one master there is. A line of JSON is printed whenever all of them are
with the same master: its port, and when the last one came.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import sys
import time
from collections.abc import Callable
from random import Random
from typing import cast

from tepui.model.link import (
    PROTOCOL_NEWEST,
    PROTOCOL_OLDEST,
    AgentBatch,
    HeldTask,
    Hello,
    Ping,
    Pong,
    Snapshot,
    Welcome,
)
from tepui.model.v1.mesos import (
    AgentID,
    AgentInfo,
    CommandInfo,
    FrameworkInfo,
    Resource,
    TaskID,
    TaskInfo,
    TaskState,
    TaskStatus,
    Value,
)
from tepui.scheduler import Scheduler, Subscribed, framework_info
from tepui.transport.leader import Leader, LeaderFinder
from tepui.transport.link import LINK_PATH
from tepui.transport.loop import run
from tepui.transport.zookeeper_url import parse_zookeeper_url
from tepui.wire.frames import decode_master_batch, encode_batch

BACKOFF_SECONDS = 1.0
"""An agent's --registration_backoff_factor, as it is without the flag."""
BACKOFF_SECONDS_MAX = 60.0
FIRST_PORT = 10_000
"""Each says that it listens on a port of its own: two agents at one address would be one that came back."""
_FIN_BINARY = 0x82
_SHORT, _MEDIUM = 126, 127


class OneMaster:
    """In the place of a finder, where there is one master and no ZooKeeper."""

    def __init__(self, address: str, on_leader: Callable[[Leader], None]) -> None:
        host, _, port = address.rpartition(":")
        self.leader = Leader("", host, host, int(port))
        self._on_leader = on_leader

    def start(self) -> None:
        """It leads."""
        self._on_leader(self.leader)


class Fleet:
    """All agents, and how many of them are with which master."""

    def __init__(self, url: str, count: int, tasks: int, frameworks: int) -> None:
        self.random = Random(1)
        self.finder = (
            LeaderFinder(parse_zookeeper_url(url), self._leader_is)
            if url.startswith("zk://")
            else OneMaster(url, self._leader_is)
        )
        self.frameworks = [_framework(number) for number in range(frameworks)]
        self.with_tasks = False
        self.agents = [Agent(self, number) for number in range(count)]
        for number in range(tasks):
            framework = self.frameworks[number % frameworks]
            self.agents[number % count].hold(framework, f"task-{number}")
        self._port = 0
        self._welcomed: set[int] = set()

    def _leader_is(self, _: Leader) -> None:
        for agent in self.agents:
            agent.look_again()

    def welcomed(self, agent: Agent, port: int) -> None:
        """The agent is with the master that listens there."""
        if port != self._port:
            self._port = port
            self._welcomed.clear()
        self._welcomed.add(agent.number)
        if len(self._welcomed) == len(self.agents):
            if self.with_tasks:
                _say(port)
                return
            # They have ids now: from the next link on they hold their tasks.
            self.with_tasks = True
            self._welcomed.clear()
            for one in self.agents:
                one.look_again()

    async def run(self) -> None:
        """Follow the leader, without end."""
        self.finder.start()
        await asyncio.get_running_loop().create_future()


class Agent:
    """One agent: its id and tasks, its connection, when it tries again."""

    def __init__(self, fleet: Fleet, number: int) -> None:
        self.fleet = fleet
        self.number = number
        self.agent_id = ""
        self.epoch = 0
        self._tasks: list[HeldTask] = []
        self._frameworks: dict[str, FrameworkInfo] = {}
        self._pause_seconds = BACKOFF_SECONDS
        self._timer: asyncio.TimerHandle | None = None
        self._connection: Connection | None = None
        self._attempt: asyncio.Task[None] | None = None

    def hold(self, framework: FrameworkInfo, name: str) -> None:
        """The agent runs this task."""
        assert framework.id is not None
        self._frameworks[framework.id.value] = framework
        task_id = TaskID(value=name)
        info = TaskInfo(
            name=name,
            task_id=task_id,
            agent_id=AgentID(value=""),
            resources=[_scalar("cpus", 0.1), _scalar("mem", 32)],
            command=CommandInfo(value="sleep 100000"),
        )
        status = TaskStatus(task_id=task_id, state=TaskState.TASK_RUNNING, timestamp=time.time(), uuid=os.urandom(16))
        self._tasks.append(
            HeldTask(framework_id=framework.id.value, info=info, state=TaskState.TASK_RUNNING, statuses=[status])
        )

    def look_again(self) -> None:
        """Another master leads: leave the old one, and come within the first bound."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            connection.abort()
        self._pause_seconds = BACKOFF_SECONDS
        self._try_after(self.fleet.random.random() * BACKOFF_SECONDS)

    def _try_after(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._try)

    def _try(self) -> None:
        self._timer = None
        self._attempt = asyncio.create_task(self._connect())

    async def _connect(self) -> None:
        leader = self.fleet.finder.leader
        if leader is not None:
            host, port = leader.address
            with contextlib.suppress(OSError):
                await asyncio.get_running_loop().create_connection(lambda: Connection(self, port), host, port)
                return
        self.failed()

    def connected(self, connection: Connection) -> None:
        """The master took the link."""
        self._connection = connection

    def lost(self, connection: Connection) -> None:
        """The connection is over: try again later, unless the agent has left it itself."""
        if connection is self._connection or not connection.linked:
            self._connection = None
            self.failed()

    def failed(self) -> None:
        """Try again after a pause, each longer than the one before."""
        if self._timer is None:
            self._try_after(self._pause_seconds * self.fleet.random.uniform(0.5, 1.0))
            self._pause_seconds = min(2 * self._pause_seconds, BACKOFF_SECONDS_MAX)

    def greeting(self) -> list[Hello | Snapshot]:
        """What the agent says first: who it is, and what it holds once it has an id."""
        name = f"agent-{self.number}"
        info = AgentInfo(
            hostname=name,
            port=FIRST_PORT + self.number,
            resources=[_scalar("cpus", 4), _scalar("mem", 4096)],
            id=AgentID(value=self.agent_id) if self.agent_id else None,
        )
        hello = Hello(
            protocol_oldest=PROTOCOL_OLDEST,
            protocol_newest=PROTOCOL_NEWEST,
            software="0.1.0",
            agent_id=self.agent_id,
            incarnation=name,
            link_id=name,
            epoch=self.epoch,
            info=info,
        )
        if not self.fleet.with_tasks:
            return [hello, Snapshot()]
        for task in self._tasks:
            task.info.agent_id = AgentID(value=self.agent_id)
        return [hello, Snapshot(frameworks=list(self._frameworks.values()), tasks=self._tasks)]

    def welcomed(self, welcome: Welcome, port: int) -> None:
        """The master that listens there has admitted it."""
        self.agent_id, self.epoch = welcome.agent_id, welcome.epoch
        self._pause_seconds = BACKOFF_SECONDS
        self.fleet.welcomed(self, port)


class Connection(asyncio.Protocol):
    """A link: the upgrade's request and answer, then frames. What is sent is masked with zeros, which leaves it as it
    is."""

    def __init__(self, agent: Agent, port: int) -> None:
        self._agent = agent
        self._port = port
        self._data = b""
        self._sent = 0
        self._received = 0
        self.linked = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport = cast(asyncio.Transport, transport)
        key = base64.b64encode(os.urandom(16)).decode()
        transport.write(
            f"GET {LINK_PATH} HTTP/1.1\r\nHost: master:{self._port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
        )

    def abort(self) -> None:
        """Cut it off, without a word."""
        if self._transport is not None:
            self._transport.abort()

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - asyncio's
        self._agent.lost(self)

    def data_received(self, data: bytes) -> None:
        self._data += data
        if not self.linked:
            head, end, rest = self._data.partition(b"\r\n\r\n")
            if not end:
                return
            if not head.startswith(b"HTTP/1.1 101"):
                self.abort()
                return
            self.linked, self._data = True, rest
            self._agent.connected(self)
            self._send(self._agent.greeting())
        while (payload := self._frame()) is not None:
            self._receive(payload)

    def _frame(self) -> bytes | None:
        """The next whole frame's payload."""
        data = self._data
        if len(data) < 2:
            return None
        at, length = 2, data[1] & 0x7F
        if length >= _SHORT:
            at = 4 if length == _SHORT else 10
            if len(data) < at:
                return None
            length = int.from_bytes(data[2:at], "big")
        if len(data) < at + length:
            return None
        self._data = data[at + length :]
        if data[0] != _FIN_BINARY:
            self.abort()  # the master closes the link
            return None
        return data[at : at + length]

    def _receive(self, payload: bytes) -> None:
        batch = decode_master_batch(payload)
        self._received = batch.sequence
        for message in batch.messages:
            if isinstance(message, Welcome):
                self._agent.welcomed(message, self._port)
            elif isinstance(message, Ping):
                self._send([Pong()])

    def _send(self, messages: list[Hello | Snapshot] | list[Pong]) -> None:
        self._sent += 1
        payload = encode_batch(AgentBatch(sequence=self._sent, acknowledged=self._received, messages=list(messages)))
        length = len(payload)
        if length < _SHORT:
            head = bytes((_FIN_BINARY, 0x80 | length))
        elif length < 1 << 16:
            head = bytes((_FIN_BINARY, 0x80 | _SHORT)) + length.to_bytes(2, "big")
        else:
            head = bytes((_FIN_BINARY, 0x80 | _MEDIUM)) + length.to_bytes(8, "big")
        assert self._transport is not None
        self._transport.write(head + bytes(4) + payload)


def _scalar(name: str, amount: float) -> Resource:
    return Resource(name=name, type=Value.Type.SCALAR, scalar=Value.Scalar(value=amount))


def _framework(number: int) -> FrameworkInfo:
    return framework_info(
        f"framework-{number}",
        roles=[f"role-{number}"],
        framework_id=f"benchmark-{number}",
        failover_timeout_seconds=86400.0,
        checkpoint=True,
    )


def _say(port: int) -> None:
    print(json.dumps({"port": port, "time": time.time()}), flush=True)


async def run_frameworks(url: str, count: int) -> None:
    """Schedulers that have what they want: they suppress offers, so that nothing but the failover is measured."""
    at: dict[int, int] = {}

    async def one(number: int) -> None:
        async with Scheduler(url, _framework(number)) as scheduler:
            async for event in scheduler:
                if isinstance(event, Subscribed) and event.master is not None:
                    if not event.again:
                        scheduler.suppress()
                    at[number] = event.master.port or 0
                    if len(at) == count and set(at.values()) == {at[number]}:
                        _say(at[number])

    await asyncio.gather(*(one(number) for number in range(count)))


def main() -> None:
    kind, url, *numbers = sys.argv[1:]
    counts = [int(number) for number in numbers]
    if kind == "agents":

        async def agents() -> None:
            await Fleet(url, *counts).run()

        run(agents())
    else:
        run(run_frameworks(url, *counts))


if __name__ == "__main__":
    main()

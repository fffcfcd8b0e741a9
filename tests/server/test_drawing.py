"""Large answers on the wire of a whole master: who else asks is answered in between, whatever their readers do."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import itertools
import json
import socket
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from tepui.model.shell import Send
from tepui.model.v1.master import Event, Response
from tepui.model.v1.mesos import TaskState
from tepui.server import drawing
from tepui.server.flags import MASTER_FLAGS, Flags
from tepui.server.master import MasterServer
from tepui.transport import bodies, slices
from tepui.wire.media import MediaType, decode, encode
from tepui.wire.recordio import RecordDecoder
from tests.conformance.cluster import HOST, free_port
from tests.master import cluster
from tests.transport.harness import Client, both_loops, post, run_on, until

TASKS = 4000
STEPS_AT_ONCE = 20
"""So many parts are made of an answer that is held back: it has begun, and is far from its end."""
STATE = b"GET /state HTTP/1.1\r\nHost: here\r\n\r\n"
HEALTH = b"GET /health HTTP/1.1\r\nHost: here\r\n\r\n"


class Master:
    """A master that knows many tasks, and its clients."""

    def __init__(self, server: MasterServer, port: int) -> None:
        self.server = server
        self.counters = server._http.counters
        self.exchange = server._exchange
        self._port = port
        self._clients: list[Client] = []

    async def client(self) -> Client:
        """One for which the kernel keeps little: who reads no answer soon holds up whoever makes it."""
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, (HOST, self._port))
        client = Client(*await asyncio.open_connection(sock=sock, limit=1 << 16))
        self._clients.append(client)
        return client

    def close(self) -> None:
        for client in self._clients:
            client.writer.transport.abort()


@contextlib.asynccontextmanager
async def running_master() -> AsyncIterator[Master]:
    server = MasterServer(Flags(MASTER_FLAGS, {"registry": "in_memory", "ip": HOST, "port": str(free_port())}, {}))
    master = Master(server, await server.start())
    try:
        assert server._core is not None
        state = server._core.state
        world = cluster.small()
        state.agents, state.frameworks = world.state.agents, world.state.frameworks
        tasks = state.frameworks[cluster.FRAMEWORK].tasks
        for number in range(TASKS):
            name = f"many-{number}"
            statuses = [cluster.status(name, TaskState.TASK_RUNNING, float(number))]
            tasks[name] = cluster.make_task(name, TaskState.TASK_RUNNING, statuses)
        yield master
    finally:
        master.close()
        await server.stop()


def on_master(test: Callable[[Master], Awaitable[None]], loop: str = "asyncio") -> None:
    async def main() -> None:
        async with running_master() as master:
            await test(master)

    run_on(loop, main)


@pytest.fixture
def may_end(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """One part is made in each turn of the loop, and what is drawn is not done before this is set."""
    monkeypatch.setattr(slices, "SLICE_SECONDS", 0.0)
    event = asyncio.Event()
    works: tuple[type[Any], ...] = (drawing.DrawnAnswer, drawing.DrawnRecord)
    for work in works:
        monkeypatch.setattr(work, "step", held_back(work.step, event))
    return event


def held_back(step: Callable[[Any], bool], may_end: asyncio.Event) -> Callable[[Any], bool]:
    steps: Counter[int] = Counter()

    def slow_step(work: Any) -> bool:
        steps[id(work)] += 1
        return (steps[id(work)] > STEPS_AT_ONCE and not may_end.is_set()) or step(work)

    return slow_step


def names(body: bytes) -> int:
    """How many of the tasks are in the state that was told."""
    (framework,) = json.loads(body)["frameworks"]
    return len({task["id"] for task in framework["tasks"] if task["id"].startswith("many-")})


@both_loops
def test_others_are_answered_while_a_large_answer_is_made(loop: str, may_end: asyncio.Event) -> None:
    """By the door, and by the core; and the next request of the same client when its turn has come."""

    async def test(master: Master) -> None:
        reader, other = await master.client(), await master.client()
        reader.send(STATE, HEALTH)
        head = await reader.head()
        assert head.headers["transfer-encoding"] == "chunked"
        for _ in range(5):
            other.send(HEALTH)
            assert (await other.answer()).status == 200
            other.send(post("/api/v1", b'{"type":"GET_VERSION"}', "Content-Type: application/json"))
            assert b"GET_VERSION" in (await other.answer()).body
        assert master.exchange.answers_drawn == 1, "it is still being made"
        may_end.set()
        body = b""
        while chunk := await reader.chunk():
            body += chunk
        assert names(body) == TASKS
        assert (await reader.answer()).status == 200
        assert (master.counters.long_answers, master.counters.long_answers_total) == (0, 1)
        assert master.exchange.answers_drawn == 0

    on_master(test, loop)


def test_many_readers_make_no_turn_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    """All together get one slice a turn, and each its share of them."""
    monkeypatch.setattr(slices, "SLICE_SECONDS", 0.0)
    monkeypatch.setattr(slices, "BLOCKED_SECONDS", 0.0)
    turns: list[int] = []
    steps = drawing.DrawnAnswer.step

    async def test(master: Master) -> None:
        stepped: list[int] = []

        def step(answer: drawing.DrawnAnswer) -> bool:
            stepped.append(id(answer))
            return steps(answer)

        monkeypatch.setattr(drawing.DrawnAnswer, "step", step)

        def count() -> None:
            turns.append(len(stepped))
            if master.exchange.answers_drawn:
                asyncio.get_running_loop().call_soon(count)

        clients = [await master.client() for _ in range(4)]
        for client in clients:
            client.send(STATE)
        await until(lambda: master.exchange.answers_drawn == 4)
        count()
        answers = await asyncio.gather(*(client.answer() for client in clients))
        assert [names(answer.body) for answer in answers] == [TASKS] * 4
        assert max(after - before for before, after in itertools.pairwise(turns)) == 1
        halfway = [stepped[: len(stepped) // 2].count(answer) for answer in set(stepped)]
        assert len(halfway) == 4
        assert min(halfway) > max(halfway) / 2, "they share the slices"

    on_master(test)


def test_of_what_a_slow_reader_has_asked_for_no_more_is_made_than_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    made = 0
    write = bodies.Body.write

    def counting(body: bodies.Body, data: bytes) -> None:
        nonlocal made
        made += len(data)
        write(body, data)

    monkeypatch.setattr(bodies.Body, "write", counting)

    async def test(master: Master) -> None:
        state = master.server._core.state  # type: ignore[union-attr]
        for task in state.frameworks[cluster.FRAMEWORK].tasks.values():
            task.role = "r" * 6000  # 24 MB, more than sockets hold
        reader, leaving = await master.client(), await master.client()
        leaving.send(STATE)
        await leaving.head()
        await until(lambda: bool(master.exchange._slices._blocked))
        stopped_at = made
        assert stopped_at < 15_000_000
        leaving.reset()
        await until(lambda: master.exchange.answers_drawn == 0)
        assert made <= stopped_at + bodies.WAITING_BYTES_MAX, "nothing is made for a client that has gone"
        assert master.counters.long_answers == 0
        reader.send(STATE)
        await reader.head()
        await until(lambda: bool(master.exchange._slices._blocked))
        body = b""
        while chunk := await reader.chunk():
            body += chunk
        assert names(body) == TASKS

    on_master(test)


def test_a_client_that_takes_nothing_is_given_up() -> None:
    async def test(master: Master) -> None:
        state = master.server._core.state  # type: ignore[union-attr]
        for task in state.frameworks[cluster.FRAMEWORK].tasks.values():
            task.role = "r" * 6000
        reader = await master.client()
        reader.send(STATE)
        await until(lambda: bool(master.exchange._slices._blocked))

        def is_given_up() -> bool:
            for work in master.exchange._slices._blocked:
                assert isinstance(work, drawing.DrawnAnswer)
                assert work.body is not None
                work.body._waited_since -= 61.0
            return master.exchange.answers_drawn == 0

        await until(is_given_up)
        assert master.counters.stalled_closed == 1

    on_master(test)


def test_a_fault_while_an_answer_is_made_cuts_it_off_and_stops_nobody_else(caplog: pytest.LogCaptureFixture) -> None:
    """The client sees that something is missing, or 500 when it has seen nothing yet."""

    async def test(master: Master) -> None:
        client, other = await master.client(), await master.client()
        state = master.server._core.state  # type: ignore[union-attr]
        tasks: list[Any] = list(state.frameworks[cluster.FRAMEWORK].tasks.values())
        tasks[-1].info = None
        client.send(STATE)
        other.send(STATE)
        assert not (await client.rest()).endswith(b"0\r\n\r\n")
        assert not (await other.rest()).endswith(b"0\r\n\r\n")
        third = await master.client()
        tasks[0].info = None
        third.send(STATE, HEALTH)
        assert [(await third.answer()).status for _ in range(2)] == [500, 200]
        assert (master.counters.long_answers, master.exchange.answers_drawn) == (0, 0)
        assert [record.message for record in caplog.records].count("a long answer failed") == 3

    on_master(test)


def test_one_too_many_is_asked_to_come_again(monkeypatch: pytest.MonkeyPatch, may_end: asyncio.Event) -> None:
    monkeypatch.setattr(drawing, "ANSWERS_MAX", 1)
    monkeypatch.setattr("tepui.server.exchange.ANSWERS_MAX", 1)

    async def test(master: Master) -> None:
        first, second = await master.client(), await master.client()
        first.send(STATE)
        await first.head()
        second.send(STATE, HEALTH)
        refused = await second.answer()
        assert (refused.status, refused.headers["retry-after"]) == (503, "2")
        assert refused.body == b"1 large answers are under way; ask again in 2 seconds"
        assert (await second.answer()).status == 200
        assert master.counters.long_answers_refused == 1
        first.close()
        await until(lambda: master.exchange.answers_drawn == 0)
        may_end.set()
        second.send(STATE)
        assert names((await second.answer()).body) == TASKS

    on_master(test)


def test_every_kind_of_client_gets_it_in_its_own_way() -> None:
    async def test(master: Master) -> None:
        old = await master.client()
        old.send(b"GET /state HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        head = await old.head()
        assert (head.headers["connection"], "transfer-encoding" in head.headers) == ("close", False)
        assert names(await old.rest()) == TASKS

        closing = await master.client()
        closing.send(b"GET /state HTTP/1.1\r\nConnection: close\r\n\r\n")
        answer = await closing.answer()
        assert (answer.headers["connection"], names(answer.body)) == ("close", TASKS)
        assert await closing.rest() == b""

        silent = await master.client()
        silent.send(STATE)
        silent.writer.write_eof()
        assert names((await silent.answer()).body) == TASKS
        assert await silent.rest() == b""

        client = await master.client()
        client.send(b"HEAD /state HTTP/1.1\r\n\r\n")
        head = await client.answer(to_head=True)
        assert (head.status, head.headers["transfer-encoding"]) == (200, "chunked")
        client.send(b"GET /state HTTP/1.1\r\nAccept-Encoding: gzip\r\n\r\n")
        answer = await client.answer()
        assert (answer.headers["content-encoding"], answer.headers["content-type"]) == ("gzip", "application/json")
        assert names(gzip.decompress(answer.body)) == TASKS
        client.send(b"GET /master/state?jsonp=cb HTTP/1.1\r\n\r\n")
        answer = await client.answer()
        assert answer.headers["content-type"] == "text/javascript"
        assert names(answer.body.removeprefix(b"cb(").removesuffix(b")")) == TASKS
        for media in (MediaType.JSON, MediaType.PROTOBUF):
            headers = ("Content-Type: application/json", f"Accept: {media.value}")
            client.send(post("/api/v1", b'{"type":"GET_TASKS"}', *headers))
            answer = await client.answer()
            assert answer.headers["content-type"] == media.value
            told = decode(media, Response, answer.body).get_tasks
            assert told is not None
            assert len({task.name for task in told.tasks}) == TASKS + 3
        # A connection that aiohttp has taken over.
        client.send(b"GET /nothing HTTP/1.1\r\nHost: here\r\n\r\n")
        assert (await client.answer()).status == 404
        for _ in range(2):
            client.send(STATE)
            assert names((await client.answer()).body) == TASKS

    on_master(test)


def test_short_answers_are_one_message_with_a_length() -> None:
    """Those that are little work, and a page of the tasks, for which all are looked at."""

    async def test(master: Master) -> None:
        client = await master.client()
        pages = (("/tasks?limit=7&order=asc", 7), ("/api/tepui/v1/tasks?limit=7", 7), ("/api/tepui/v1/offers", 0))
        for target, count in pages:
            client.send(f"GET {target} HTTP/1.1\r\n\r\n".encode())
            answer = await client.answer()
            assert answer.headers["content-length"] == str(len(answer.body))
            assert len(json.loads(answer.body).get("tasks", ())) == count
        master.server._core.state.frameworks.clear()  # type: ignore[union-attr]
        client.send(STATE)
        answer = await client.answer()
        assert answer.headers["content-length"] == str(len(answer.body))
        assert master.counters.long_answers_total == 0

    on_master(test)


@pytest.mark.parametrize("media", [MediaType.JSON, MediaType.PROTOBUF])
def test_what_is_sent_while_an_operators_picture_is_drawn_follows_it(media: MediaType, may_end: asyncio.Event) -> None:
    async def test(master: Master) -> None:
        client, other = await master.client(), await master.client()
        headers = ("Content-Type: application/json", f"Accept: {media.value}")
        client.send(post("/api/v1", b'{"type":"SUBSCRIBE"}', *headers))
        await until(lambda: master.exchange.answers_drawn == 1)
        (session,) = master.server._core.state.operator_streams  # type: ignore[union-attr]
        for _ in range(3):
            master.exchange.send(Send(session, Event(type=Event.Type.HEARTBEAT)))
        other.send(HEALTH)
        assert (await other.answer()).status == 200
        assert master.exchange.answers_drawn == 1
        may_end.set()
        await client.head()
        decoder = RecordDecoder()
        records: list[bytes] = []
        while len(records) < 5:
            records += decoder.feed(await client.chunk())
        events = [decode(media, Event, record) for record in records]
        picture = events[0].subscribed
        assert picture is not None
        assert picture.get_state is not None
        assert picture.get_state.get_tasks is not None
        assert len({task.name for task in picture.get_state.get_tasks.tasks}) == TASKS + 3
        assert [event.type for event in events[1:]] == [Event.Type.HEARTBEAT] * 4
        master.exchange.send(Send(session, Event(type=Event.Type.HEARTBEAT)))
        beat = encode(media, Event(type=Event.Type.HEARTBEAT))
        assert await client.chunk() == b"%d\n%b" % (len(beat), beat)

    on_master(test)


@pytest.mark.usefixtures("may_end")
def test_one_too_many_operator_is_cut_off_and_the_core_hears_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tepui.server.exchange.PICTURES_MAX", 1)

    async def test(master: Master) -> None:
        assert master.server._core is not None
        streams = master.server._core.state.operator_streams
        subscribe = post("/api/v1", b'{"type":"SUBSCRIBE"}', "Content-Type: application/json")
        first, second = await master.client(), await master.client()
        first.send(subscribe)
        await until(lambda: len(streams) == 1)
        second.send(subscribe)
        await second.rest()
        await until(lambda: len(streams) == 1)
        assert len(master.server._core.context.undrawn) == 1
        first.close()
        await until(lambda: not streams)
        assert not master.server._core.context.undrawn
        await until(lambda: master.exchange.answers_drawn == 0)

    on_master(test)

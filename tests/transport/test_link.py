"""The link: batches both ways, numbers and acknowledgements, bounds, closing, coming back."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import WSMsgType, web

from tepui.model.link import AgentBatch, ExecutorMessage, MasterBatch, Ping, Pong, Refused, SchedulerMessage, Unregister
from tepui.transport import web_socket
from tepui.transport.hot import Handler, HotRequest
from tepui.transport.http import text
from tepui.transport.link import LINK_PATH, LinkLimits
from tepui.transport.link_client import LinkClient
from tepui.transport.link_server import LinkServer
from tepui.transport.turn import Flusher
from tepui.wire.frames import decode_master_batch, encode_batch
from tests.transport.harness import Server, both_loops, run_on, serving, until


class Side:
    """What an owner of links hears."""

    def __init__(self) -> None:
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.messages: list[msgspec.Struct] = []
        self.batches: list[int] = []
        self.closed: list[tuple[str, str]] = []

    def on_open(self, link: str, address: str = "") -> None:
        self.open.append(link)
        self.addresses.append(address)

    def on_messages(self, link: str, messages: list[msgspec.Struct]) -> None:
        assert link in self.open
        self.messages += messages
        self.batches.append(len(messages))

    def on_close(self, link: str, why: str) -> None:
        assert link in self.open
        self.closed.append((link, why))

    def options(self) -> dict[str, Any]:
        flusher = Flusher(asyncio.get_running_loop())
        return {
            "on_open": self.on_open,
            "on_messages": self.on_messages,
            "on_close": self.on_close,
            "flusher": flusher,
        }


class Master(Side):
    def __init__(self, limits: LinkLimits | None = None, links_max: int = 10) -> None:
        super().__init__()
        self.links = LinkServer(**self.options(), limits=limits, links_max=links_max)

    def serve(self, request: HotRequest) -> None:
        asyncio.get_running_loop().call_soon(self.links.serve, request)

    def routes(self) -> dict[str, Handler]:
        return {LINK_PATH: self.serve}


class Agent(Side):
    def __init__(self, port: int, limits: LinkLimits | None = None, backoff_seconds: float = 0.01) -> None:
        super().__init__()
        self.port: int | None = port
        self.links = LinkClient(
            self.locate, **self.options(), limits=limits, backoff_seconds=backoff_seconds, backoff_seconds_max=0.02
        )

    def locate(self) -> tuple[str, int] | None:
        return None if self.port is None else ("127.0.0.1", self.port)


@contextlib.asynccontextmanager
async def linked(
    master_limits: LinkLimits | None = None, agent_limits: LinkLimits | None = None
) -> AsyncIterator[tuple[Master, Agent]]:
    master = Master(master_limits)
    async with serving(master.routes()) as server:
        agent = Agent(server.port, agent_limits)
        agent.links.start()
        try:
            await until(lambda: bool(master.open) and bool(agent.open))
            yield master, agent
        finally:
            await agent.links.stop()
            await master.links.stop()


def said(number: int, size: int = 0) -> ExecutorMessage:
    return ExecutorMessage(framework_id="f", executor_id=str(number), data=b"x" * size)


@both_loops
def test_messages_of_one_turn_travel_in_one_frame_in_order(loop: str) -> None:
    async def main() -> None:
        async with linked() as (master, agent):
            assert master.addresses == ["127.0.0.1"]
            for number in range(1000):
                agent.links.send(agent.open[0], said(number))
            await until(lambda: len(master.messages) == 1000)
            assert master.messages == [said(number) for number in range(1000)]
            assert master.batches == [1000]
            assert agent.links.counters.frames_sent == 1
            for number in range(3):
                master.links.send(master.open[0], SchedulerMessage(framework_id="f", executor_id=str(number), data=b""))
                await until(lambda expected=number: len(agent.messages) == expected + 1)  # type: ignore[misc] # mypy cannot infer a lambda with a default
            assert agent.batches == [1, 1, 1]
            master.links.send("another link", Ping())
            agent.links.send("another link", Pong())
            agent.links.close("another link", "not mine")
            agent.links.send(agent.open[0], Pong())
            await until(lambda: master.messages[-1] == Pong())
            assert len(master.messages) == 1001
        assert [why for _, why in master.closed + agent.closed] == ["the agent ends"] * 2

    run_on(loop, main)


@both_loops
def test_what_was_sent_before_closing_arrives_and_the_agent_comes_back(loop: str) -> None:
    async def main() -> None:
        async with linked() as (master, agent):
            first = master.open[0]
            master.links.send(first, Refused(why="no", shutdown=False))
            master.links.close(first, "refused")
            master.links.send(first, Ping())
            await until(lambda: len(master.open) == 2 and len(agent.open) == 2)
            assert agent.messages == [Refused(why="no", shutdown=False)]
            assert master.closed == [(first, "refused")]
            assert agent.closed == [(agent.open[0], "refused")]
            agent.links.reconnect("another master leads")
            await until(lambda: len(master.open) == 3 and len(agent.open) == 3)
            assert master.closed[1] == (master.open[1], "another master leads")
            agent.links.send(agent.open[2], Unregister())
            await agent.links.stop()
            await until(lambda: len(master.closed) == 3)
            assert master.messages == [Unregister()]
            assert len(agent.open) == 3

    run_on(loop, main)


@both_loops
def test_the_agent_follows_a_redirect_and_waits_while_no_master_is_known(loop: str) -> None:
    async def main() -> None:
        master = Master()
        async with serving(master.routes()) as leader:

            async def redirect(_request: web.BaseRequest) -> web.StreamResponse:
                return text(307, headers={"Location": f"//127.0.0.1:{leader.port}{LINK_PATH}"})

            async with serving({}, redirect) as standby:
                agent = Agent(standby.port)
                agent.port = None
                agent.links.start()
                await until(lambda: agent.links.counters.attempts >= 2)
                assert agent.open == []
                agent.port = standby.port
                await until(lambda: bool(master.open))
                await agent.links.stop()

    run_on(loop, main)


@both_loops
def test_redirects_in_a_circle_are_not_followed_round_and_round(loop: str) -> None:
    async def main() -> None:
        asked = 0

        async def redirect(request: web.BaseRequest) -> web.StreamResponse:
            nonlocal asked
            asked += 1
            return text(307, headers={"Location": f"//{request.host}{LINK_PATH}"})

        async with serving({}, redirect) as server:
            agent = Agent(server.port, backoff_seconds=3600.0)
            agent.links.start()
            await until(lambda: agent.links.counters.attempts == 1 and asked > 1)
            client = await server.client()
            for _ in range(100):
                client.send(f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n\r\n".encode())
                assert (await client.answer()).status == 307
            assert asked <= 110
            assert agent.links.counters.attempts == 1
            await agent.links.stop()

    run_on(loop, main)


@both_loops
def test_a_batch_too_long_is_split_and_a_message_too_long_closes(loop: str) -> None:
    async def main() -> None:
        limits = LinkLimits(frame_bytes_max=10_000, batch_messages_max=50)
        async with linked(limits, limits) as (master, agent):
            for number in range(120):
                agent.links.send(agent.open[0], said(number, 400))
            await until(lambda: len(master.messages) == 120)
            assert master.messages == [said(number, 400) for number in range(120)]
            assert all(size <= 25 for size in master.batches)
            agent.links.send(agent.open[0], said(1, 10_001))
            await until(lambda: len(agent.open) == 2)
            assert "too long" in agent.closed[0][1]
            assert len(master.messages) == 120

    run_on(loop, main)


@both_loops
def test_a_side_with_nothing_to_say_acknowledges_and_what_waits_is_bounded(loop: str) -> None:
    async def main() -> None:
        limits = LinkLimits(unacknowledged_bytes_max=50_000, acknowledge_bytes=10_000)
        async with linked(limits, limits) as (master, agent):
            for number in range(100):
                agent.links.send(agent.open[0], said(number, 5000))
                await until(lambda expected=number: len(master.messages) == expected + 1)  # type: ignore[misc] # mypy cannot infer a lambda with a default
            assert agent.closed == []  # though 500,000 bytes went without a word from the master
            assert agent.batches == []
            for number in range(20):
                agent.links.send(agent.open[0], said(number, 5000))
            await until(lambda: bool(agent.closed))
            assert "not acknowledged" in agent.closed[0][1]

    run_on(loop, main)


@both_loops
def test_messages_of_best_effort_are_dropped_before_they_cost_the_link(loop: str) -> None:
    async def main() -> None:
        limits = LinkLimits(best_effort_bytes_max=20_000, unacknowledged_bytes_max=50_000, acknowledge_bytes=10**9)
        async with linked(limits, limits) as (master, agent):
            for number in range(4):  # each in a frame of its own; the master acknowledges none
                agent.links.send(agent.open[0], said(number, 5000))
                await until(lambda expected=number: len(master.messages) == expected + 1)  # type: ignore[misc] # as above
            for number in range(100):
                agent.links.send(agent.open[0], said(number, 5000))
            agent.links.send(agent.open[0], Pong())
            await until(lambda: len(master.messages) == 5)
            assert isinstance(master.messages[-1], Pong)
            assert agent.links.counters.messages_dropped == 100
            assert agent.closed == []

    run_on(loop, main)


@contextlib.asynccontextmanager
async def bare_agent(server: Server) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """An agent that frames by hand."""
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"http://127.0.0.1:{server.port}{LINK_PATH}", compress=15) as socket,
    ):
        yield socket


def batch(sequence: int, acknowledged: int) -> bytes:
    return encode_batch(AgentBatch(sequence=sequence, acknowledged=acknowledged, messages=[Pong()]))


@both_loops
@pytest.mark.parametrize(
    ("frames", "why"),
    [
        ([batch(1, 0), batch(3, 0)], "batch 2 was expected and 3 came"),
        ([batch(1, 0), batch(1, 0)], "batch 2 was expected and 1 came"),
        ([batch(0, 0)], "batch 1 was expected and 0 came"),
        ([batch(1, 2)], "batch 2 is acknowledged, but 1 were sent"),
        ([batch(1, 1), batch(2, 0)], "batch 0 is acknowledged, but 1 were sent"),
        ([b"\xff\xff"], "cannot be read"),
        ([encode_batch(MasterBatch(sequence=1, acknowledged=0, messages=[Ping()]))], "cannot be read"),
        ([b""], "cannot be read"),
        (["text"], "a text frame"),
        ([b"x" * 20_000], "the connection failed"),
    ],
)
def test_a_peer_that_breaks_the_rules_is_cut_off(loop: str, frames: list[bytes | str], why: str) -> None:
    async def main() -> None:
        master = Master(LinkLimits(frame_bytes_max=10_000))
        async with serving(master.routes()) as server, bare_agent(server) as socket:
            await until(lambda: bool(master.open))
            assert socket.compress == 0
            master.links.send(master.open[0], Ping())
            message = await socket.receive()
            assert decode_master_batch(message.data) == MasterBatch(sequence=1, acknowledged=0, messages=[Ping()])
            for frame in frames:
                await (socket.send_str(frame) if isinstance(frame, str) else socket.send_bytes(frame))
            await until(lambda: bool(master.closed))
            assert why in master.closed[0][1]
            assert len(master.messages) == len(frames) - 1
            assert (await socket.receive()).type in (WSMsgType.CLOSE, WSMsgType.CLOSED)
            assert master.links.counters.links == 0

    run_on(loop, main)


@both_loops
def test_an_agent_that_vanishes_and_one_too_many(loop: str) -> None:
    async def main() -> None:
        master = Master(links_max=1)
        async with serving(master.routes()) as server:
            client = await server.client()
            client.send(ASKS_FOR_LINK)
            assert (await client.head()).status == 101
            await until(lambda: bool(master.open))
            other = await server.client()
            other.send(f"GET {LINK_PATH} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
            assert (await other.answer()).status == 503
            client.reset()
            await until(lambda: bool(master.closed))
            other.send(f"GET {LINK_PATH} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
            answer = await other.answer()
            assert (answer.status, answer.body) == (400, b"Expecting a WebSocket upgrade")
            await master.links.stop()
            other.send(f"GET {LINK_PATH} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
            assert (await other.answer()).status == 503

    run_on(loop, main)


ASKS_FOR_LINK = (
    f"GET {LINK_PATH} HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
).encode()


def masked(frame: bytes) -> bytes:
    """A short frame as a client sends it."""
    return bytes((frame[0], frame[1] | 0x80)) + bytes(4) + frame[2:]


@both_loops
def test_an_agent_that_does_not_wait_for_the_answer_pings_and_takes_leave(loop: str) -> None:
    async def main() -> None:
        master = Master()
        async with serving(master.routes(), pipelined=[]) as server:
            client = await server.client()
            first = web_socket.frame(web_socket.BINARY, batch(1, 0))
            ping = web_socket.frame(web_socket.PING, b"there?")
            close = web_socket.close_frame(web_socket.NORMAL, "good night")
            client.send(ASKS_FOR_LINK, masked(first), masked(ping), masked(close), masked(first))
            assert (await client.head()).status == 101
            assert await client.rest() == web_socket.frame(web_socket.PONG, b"there?") + close
            await until(lambda: bool(master.closed))
            assert master.messages == [Pong()]
            assert master.closed == [(master.open[0], "good night")]

    run_on(loop, main)


@both_loops
def test_an_agent_that_does_not_agree_to_the_end_is_cut_off(loop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tepui.transport.link_server.CLOSE_SECONDS_MAX", 0.05)

    async def main() -> None:
        master = Master()
        async with serving(master.routes()) as server:
            both = [await server.client(), await server.client()]
            for client in both:
                client.send(ASKS_FOR_LINK)
                assert (await client.head()).status == 101
            assert len(master.open) == 2
            master.links.close(master.open[0], "no more")
            assert master.closed == [(master.open[0], "no more")]
            assert await both[0].rest() == web_socket.close_frame(web_socket.NORMAL, "no more")
            await master.links.stop()
            assert await both[1].rest() == web_socket.close_frame(web_socket.NORMAL, "the master ends")

    run_on(loop, main)


@both_loops
def test_agents_that_go_at_once_are_heard_of_in_turns(loop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tepui.transport.link_server.ENDS_PER_TURN", 3)

    async def main() -> None:
        master = Master(links_max=20)
        async with serving(master.routes()) as server:
            clients = [await server.client() for _ in range(20)]
            last = web_socket.frame(web_socket.BINARY, batch(1, 0))
            for client in clients:
                client.send(ASKS_FOR_LINK)
                assert (await client.head()).status == 101
            await until(lambda: len(master.open) == 20)
            for client in clients:
                client.send(masked(last))
                client.close()
            ended = [0]
            async with asyncio.timeout(20):
                while ended[-1] < 20:
                    await asyncio.sleep(0)
                    ended.append(len(master.closed))
            assert max(after - before for before, after in pairwise(ended)) <= 3
            assert {why for _, why in master.closed} == {"the connection was lost"}
            assert master.links.counters.messages_received == 20

    run_on(loop, main)


@both_loops
def test_a_link_is_asked_for_alone(loop: str) -> None:
    """Not with answers to come, and not on a connection that was used for what the slower server answers."""

    async def main() -> None:
        master = Master()
        calls: list[HotRequest] = []
        async with serving({**master.routes(), "/api": calls.append}, pipelined=["/api"]) as server:
            client = await server.client()
            client.send(b"GET /api HTTP/1.1\r\nHost: h\r\n\r\n", ASKS_FOR_LINK)
            await until(lambda: len(calls) == 1)
            await asyncio.sleep(0)
            calls[0].answer_text(200, "called")
            assert (await client.answer()).body == b"called"
            assert (await client.answer()).status == 400
            cold = await server.client()
            cold.send(b"GET /cold HTTP/1.1\r\nHost: h\r\n\r\n", ASKS_FOR_LINK)
            assert (await cold.answer()).status == 404
            assert (await cold.answer()).status == 400
            assert master.open == []
            client.send(ASKS_FOR_LINK)
            assert (await client.head()).status == 101

    run_on(loop, main)


@both_loops
def test_a_master_that_ends_tells_its_agents(loop: str) -> None:
    async def main() -> None:
        master = Master()
        async with serving(master.routes()) as server:
            agent = Agent(server.port)
            agent.links.start()
            await until(lambda: bool(master.open) and bool(agent.open))
            master.links.send(master.open[0], Ping())
            await master.links.stop()
            await until(lambda: bool(agent.closed))
            assert agent.messages == [Ping()]
            assert agent.closed == [(agent.open[0], "the master ends")]
            assert master.closed == [(master.open[0], "the master ends")]
            # The agent goes on asking, and hears no until somebody lets it in.
            await until(lambda: master.links.counters.links_refused >= 2)
            await agent.links.stop()

    run_on(loop, main)


@both_loops
def test_an_agent_that_is_told_of_another_leader_leaves_an_attempt_that_hangs(
    loop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old leader takes connections and never answers, as one that was stopped."""
    monkeypatch.setattr("tepui.transport.link_client.CONNECT_SECONDS_MAX", 1000.0)

    async def main() -> None:
        master = Master()
        with socket.create_server(("127.0.0.1", 0)) as stopped:
            async with serving(master.routes()) as server:
                agent = Agent(stopped.getsockname()[1])
                agent.links.start()
                try:
                    await until(lambda: agent.links.counters.attempts == 1)
                    agent.port = server.port
                    agent.links.look_again("another master leads")
                    agent.links.look_again("another master leads")
                    await until(lambda: bool(agent.open))
                    assert agent.links.counters.attempts == 2
                    agent.links.look_again("and another")
                    await until(lambda: len(agent.open) == 2)
                    assert agent.closed == [(agent.open[0], "and another")]
                finally:
                    await agent.links.stop()
                    await master.links.stop()

    run_on(loop, main)

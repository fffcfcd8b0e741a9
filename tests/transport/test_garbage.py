"""The garbage collector's looks: garbage goes, what lives is not looked at again, and no look costs much."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Iterator

import pytest
from aiohttp import web

from tepui.transport import garbage
from tepui.transport.hot import HotRequest
from tepui.transport.http import text
from tepui.transport.link import LINK_PATH
from tepui.transport.link_server import LinkServer
from tepui.transport.turn import Flusher
from tests.transport.harness import run_on, serving, until


class Node:
    """Forms a cycle with itself."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def collector() -> Iterator[None]:
    """The collector as it was."""
    thresholds = gc.get_threshold()
    yield
    gc.set_threshold(*thresholds)
    gc.unfreeze()


def test_a_look_frees_cycles_and_freezes_what_lives() -> None:
    garbage.tune()
    kept, lost = Node(), Node()
    gone = weakref.ref(lost)
    del lost
    frozen = gc.get_freeze_count()
    assert garbage.look(), "few objects have come"
    assert gone() is None
    assert gc.get_freeze_count() > frozen, "what lives is not looked at again"
    assert kept.itself is kept


def test_a_flood_is_frozen_unseen() -> None:
    garbage.tune()
    lost = Node()
    gone = weakref.ref(lost)
    state = [[] for _ in range(garbage.LOOK_OBJECTS_MAX + garbage.YOUNG_MAX)]  # type: list[list[int]]
    del lost
    assert not garbage.look(), "a look would take long"
    assert gc.get_freeze_count() > len(state)
    assert garbage.look(), "and the next one has nothing to do with it"
    if gone() is not None:
        gone().itself = None  # type: ignore[union-attr]  # frozen garbage is the price


async def _cold(_: web.BaseRequest) -> web.StreamResponse:
    return text(200, "cold")


async def _never(_: web.BaseRequest) -> web.StreamResponse:
    await asyncio.get_running_loop().create_future()
    raise AssertionError


def _answered(request: HotRequest) -> None:
    request.answer_text(200, "hot")


def _streaming(request: HotRequest) -> None:
    request.open_stream(content_type="application/json", on_close=lambda _: None)


LINK = (
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "
    + "A" * 22
    + "==\r\n"
)


@pytest.mark.parametrize(
    ("path", "headers"), [("/hot", ""), ("/stream", ""), ("/cold", ""), ("/never", ""), (LINK_PATH, LINK)]
)
def test_what_a_connection_leaves_is_freed_without_the_collector(path: str, headers: str) -> None:
    """Connections outlive the looks at the young, and are frozen: what formed cycles then would stay for ever.

    With asyncio's own loop transports do.
    """
    pytest.importorskip("uvloop")
    times = 20

    async def main() -> int:
        loop = asyncio.get_running_loop()
        flusher = Flusher(loop)
        ended: list[str] = []
        links = LinkServer(
            on_open=lambda *_: None,
            on_messages=lambda *_: None,
            on_close=lambda link, _: ended.append(link),
            flusher=flusher,
        )
        cold = {"/cold": _cold, "/never": _never}

        def link(request: HotRequest) -> None:
            loop.call_soon(links.serve, request)

        async def choose(request: web.BaseRequest) -> web.StreamResponse:
            return await cold[request.path](request)

        async with serving({"/hot": _answered, "/stream": _streaming, LINK_PATH: link}, choose) as server:
            gc.collect()
            for number in range(times):
                client = await server.client()
                client.send(f"GET {path} HTTP/1.1\r\nHost: here\r\n{headers}\r\n".encode())
                if path == "/never":
                    await until(lambda number=number: server.http.counters.handed_over > number)  # type: ignore[misc]
                else:
                    await client.head()
                client.reset()
                server.clients.remove(client)
            await until(lambda: server.http.counters.connections == 0 == server.http.cold_connections)
            if path == LINK_PATH:
                await until(lambda: len(ended) == times)
            del client
            await asyncio.sleep(0)
            return gc.collect()

    gc.disable()
    try:
        collected: list[int] = []

        async def play() -> None:
            collected.append(await main())

        run_on("uvloop", play)
    finally:
        gc.enable()
    assert collected[0] < times

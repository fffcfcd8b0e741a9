"""A server on a free port, a client that speaks HTTP by hand, and a transport that only records."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import re
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Mapping
from typing import Any, cast

import pytest
from aiohttp import web

from tepui.transport.front_door import FrontDoor
from tepui.transport.hot import Handler, HotRequest, Limits
from tepui.transport.http import ColdHandler, HttpServer, text
from tepui.transport.loop import loop_factory
from tepui.transport.turn import Flusher

WAIT_SECONDS = 20.0
LOOPS = ["asyncio", "uvloop"] if importlib.util.find_spec("uvloop") else ["asyncio"]

Main = Callable[[], Coroutine[Any, Any, None]]


def run_on(loop: str, main: Main) -> None:
    """Run a test's coroutine on the loop named, with a limit of time."""

    async def limited() -> None:
        async with asyncio.timeout(WAIT_SECONDS * 2):
            await main()

    with asyncio.Runner(loop_factory=loop_factory() if loop == "uvloop" else None) as runner:
        runner.run(limited())


both_loops = pytest.mark.parametrize("loop", LOOPS)


async def until(condition: Callable[[], bool]) -> None:
    """Wait until `condition()` is true."""
    async with asyncio.timeout(WAIT_SECONDS):
        while not condition():
            await asyncio.sleep(0.002)


class Server:
    def __init__(self, http: HttpServer, port: int, flusher: Flusher) -> None:
        self.http = http
        self.port = port
        self.flusher = flusher
        self.counters = http.counters
        self.clients: list[Client] = []

    async def client(self, tls: ssl.SSLContext | None = None) -> Client:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=tls, limit=1 << 26)
        client = Client(reader, writer)
        self.clients.append(client)
        return client


async def not_found(_request: web.BaseRequest) -> web.StreamResponse:
    return text(404)


async def cold(_request: web.BaseRequest) -> web.StreamResponse:
    """The handler of the other side, where a test needs only to see that it was asked."""
    return text(200, "cold")


@contextlib.asynccontextmanager
async def serving(
    hot: Mapping[str, Handler],
    cold: ColdHandler = not_found,
    *,
    pipelined: Collection[str] | None = None,
    limits: Limits | None = None,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Server]:
    flusher = Flusher(asyncio.get_running_loop())
    http = HttpServer(hot, cold, flusher=flusher, pipelined=pipelined, limits=limits, ssl_context=tls)
    server = Server(http, await http.start("127.0.0.1", 0), flusher)
    try:
        yield server
    finally:
        for client in server.clients:
            client.writer.transport.abort()
            with contextlib.suppress(Exception):
                await client.writer.wait_closed()
        await http.stop(grace_seconds=0.5)


class Answer:
    def __init__(self, head: str, body: bytes) -> None:
        self.head = re.sub(r"Date: [A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT", "Date: DATE", head)
        self.status = int(head.split(" ", 2)[1])
        self.headers = {
            name.lower(): value for name, _, value in (line.partition(": ") for line in head.split("\r\n")[1:] if line)
        }
        self.body = body

    @property
    def bytes(self) -> bytes:
        """The whole answer with the date put out of the way."""
        return self.head.encode() + self.body


class Client:
    """One connection, spoken to byte for byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, *data: bytes) -> None:
        self.writer.write(b"".join(data))

    async def head(self) -> Answer:
        async with asyncio.timeout(WAIT_SECONDS):
            return Answer((await self.reader.readuntil(b"\r\n\r\n")).decode(), b"")

    async def answer(self, *, to_head: bool = False) -> Answer:
        answer = await self.head()
        if answer.status != 100 and not to_head:
            async with asyncio.timeout(WAIT_SECONDS):
                if "content-length" in answer.headers:
                    answer.body = await self.reader.readexactly(int(answer.headers["content-length"]))
                else:
                    assert answer.headers["transfer-encoding"] == "chunked"
                    while chunk := await self.chunk():
                        answer.body += chunk
        return answer

    async def chunk(self) -> bytes:
        """One chunk of a stream; empty at its end."""
        async with asyncio.timeout(WAIT_SECONDS):
            size = int(await self.reader.readline(), 16)
            data = await self.reader.readexactly(size + 2)
        assert data.endswith(b"\r\n")
        return data[:-2]

    async def rest(self) -> bytes:
        """Everything until the server closes; a reset counts as the end."""
        data = b""
        async with asyncio.timeout(WAIT_SECONDS):
            with contextlib.suppress(ConnectionError):
                while piece := await self.reader.read(1 << 20):
                    data += piece
        return data

    def close(self) -> None:
        self.writer.close()

    def reset(self) -> None:
        """Close with a reset instead of an orderly end."""
        raw = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


def post(
    path: str = "/api", body: bytes = b"", *headers: str, method: str = "POST", version: str = "HTTP/1.1"
) -> bytes:
    """A request with a Content-Length."""
    lines = [f"{method} {path} {version}", "Host: here", *headers, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


def chunked(path: str, pieces: list[bytes], *headers: str, trailer: bytes = b"") -> bytes:
    """A request with a chunked body."""
    lines = [f"POST {path} HTTP/1.1", "Host: here", *headers, "Transfer-Encoding: chunked", "", ""]
    chunks = b"".join(b"%x;why=not\r\n%b\r\n" % (len(piece), piece) for piece in pieces if piece)
    return "\r\n".join(lines).encode() + chunks + b"0\r\n" + trailer + b"\r\n"


class Collector:
    """A handler that keeps the requests, for the test to answer."""

    def __init__(self) -> None:
        self.requests: list[HotRequest] = []

    def __call__(self, request: HotRequest) -> None:
        self.requests.append(request)

    async def next(self) -> HotRequest:
        await until(lambda: bool(self.requests))
        return self.requests.pop(0)


class RecordingTransport(asyncio.Transport):
    """Takes what is written, one entry a call."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.closing = False
        self.reading = True
        self.protocol: asyncio.BaseProtocol | None = None

    def write(self, data: Any) -> None:
        self.writes.append(bytes(data))

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        self.closing = True

    def abort(self) -> None:
        self.closing = True

    def can_write_eof(self) -> bool:
        return False

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol


class Cold(asyncio.Protocol):
    """The other side: keeps what is handed over."""

    def __init__(self) -> None:
        self.data = b""

    def data_received(self, data: bytes) -> None:
        self.data += data


class BareDoor:
    """A front door without sockets."""

    def __init__(self, hot: Mapping[str, Handler], limits: Limits | None = None) -> None:
        self.flusher = Flusher(asyncio.get_running_loop())
        self.cold = Cold()
        self.door = FrontDoor(hot, lambda: self.cold, flusher=self.flusher, limits=limits)
        self.transport = RecordingTransport()
        self.connection = self.door.connection()
        self.connection.connection_made(self.transport)

    def receive(self, data: bytes) -> None:
        """What the transport's current protocol gets."""
        receiver = cast("asyncio.Protocol", self.transport.protocol or self.connection)
        receiver.data_received(data)

    def close(self) -> None:
        self.connection.connection_lost(None)
        self.door.stop()

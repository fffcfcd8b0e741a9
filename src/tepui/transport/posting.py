"""Posts calls over a kept connection to each server, and reads their short answers.

Schedulers and executors make several calls for every task, and a general HTTP client spends several times as long on
each as the rest of the library. This one does what those calls need: a POST with a body, an answer with a status, some
headers and a sentence.

Calls to one server share one connection and do not wait for each other's answers (HTTP/1.1 pipelining): the server
takes them in the order in which they were made, and answers in that order. Those of one turn of the loop leave in one
piece. When the connection ends, nobody knows whether the server has seen those that it has not answered.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Mapping
from typing import NamedTuple, cast
from urllib.parse import urlsplit

import httptools

CONNECT_SECONDS_MAX = 10.0
ANSWER_SECONDS_MAX = 30.0
"""A connection on which a call has waited so long for its answer is given up, with all calls on it."""
SENTENCE_BYTES_MAX = 64 * 1024
"""More of an answer's text is not kept."""
ADDRESSES_MAX = 64
"""Servers whose connections are kept."""


class TransportError(Exception):
    """The connection could not be made, or ended early; the text says why."""


class Answer(NamedTuple):
    """The head of an answer, and its body as text when it is not a stream."""

    status: int
    sentence: str = ""
    stream_id: str | None = None
    location: str | None = None


class _Connection(asyncio.Protocol):
    """One connection. Requests gather until it is made, and within a turn of the loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._out: list[bytes] = []
        self._waiting: deque[tuple[asyncio.Future[Answer], float]] = deque()
        """The calls that are not answered, the oldest first, and when each is given up."""
        self._timer: asyncio.TimerHandle | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._has_head = False
        self._headers: dict[bytes, bytes] = {}
        """Of the answer that comes in; names are lower case."""
        self._body = b""
        self.is_open = True

    def post(self, request: bytes) -> asyncio.Future[Answer]:
        """What will be answered; TransportError when nothing is."""
        future: asyncio.Future[Answer] = self._loop.create_future()
        self._waiting.append((future, self._loop.time() + ANSWER_SECONDS_MAX))
        if self._timer is None:
            self._watch()
        if self._transport is not None and not self._out:
            self._loop.call_soon(self._flush)
        self._out.append(request)
        return future

    def fail(self, why: str) -> None:
        """End the connection, and with it all calls that wait for their answer."""
        self.is_open = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._out.clear()
        if self._transport is not None:
            if self._waiting:
                # Nothing more of a call that counts as cut shall arrive beside its repetition.
                self._transport.abort()
            else:
                self._transport.close()
        while self._waiting:
            future, _ = self._waiting.popleft()
            if not future.done():
                future.set_exception(TransportError(why))

    def _flush(self) -> None:
        if self._transport is not None and self._out:
            self._transport.write(b"".join(self._out))
            self._out.clear()

    def _watch(self) -> None:
        """Look after the oldest call."""
        self._timer = None
        if not self._waiting:
            return
        _, due = self._waiting[0]
        if due <= self._loop.time():
            self.fail(f"no answer came within {ANSWER_SECONDS_MAX:g} s")
        else:
            self._timer = self._loop.call_at(due, self._watch)

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's derives from nothing
        if self.is_open:
            self._flush()
        else:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.fail("the server began another protocol, which nobody asked for")
        except httptools.HttpParserError as error:
            self.fail(f"the answer is no HTTP: {error}")

    def connection_lost(self, exc: Exception | None) -> None:
        headers = self._headers
        if exc is None and self._has_head and b"content-length" not in headers and b"transfer-encoding" not in headers:
            self._finish()  # the connection's end is the end of such an answer
        self.fail(str(exc) if exc else "the server closed the connection")

    # What the parser calls.

    def on_message_begin(self) -> None:
        self._has_head = False
        self._headers = {}
        self._body = b""

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        self._has_head = True

    def on_body(self, data: bytes) -> None:
        room = SENTENCE_BYTES_MAX - len(self._body)
        if room > 0:
            self._body += data[:room]

    def on_message_complete(self) -> None:
        if self._parser.get_status_code() < 200:
            return  # the answer itself follows
        is_last = not self._parser.should_keep_alive()
        self._finish()
        if is_last:
            self.fail("the server closed the connection")

    def _finish(self) -> None:
        """Give the answer that has come to whom it belongs."""
        self._has_head = False
        if not self._waiting:
            self.fail("the server answered what nobody asked")
            return
        future, _ = self._waiting.popleft()
        if not future.done():
            location = self._headers.get(b"location")
            future.set_result(
                Answer(
                    self._parser.get_status_code(),
                    self._body.decode("utf-8", "replace"),
                    None,
                    None if location is None else location.decode("latin-1"),
                )
            )


class _Server(NamedTuple):
    """Where requests go."""

    address: str
    host: str
    port: int
    is_secure: bool
    head: bytes
    """How a request to the URL begins."""


class Poster:
    """Keeps a connection to each server. Used within one event loop. How many calls wait there at once is bounded by
    who makes them (`tepui.session.window`)."""

    def __init__(self, ssl_context: ssl.SSLContext | None = None) -> None:
        self._ssl = ssl_context
        self._servers: dict[str, _Server] = {}
        """By URL."""
        self._connections: dict[str, _Connection] = {}
        self._connecting: set[asyncio.Task[None]] = set()

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> asyncio.Future[Answer]:
        """What will be answered; TransportError when nothing is."""
        loop = asyncio.get_running_loop()
        try:
            server = self._server(url)
        except ValueError as error:
            failed: asyncio.Future[Answer] = loop.create_future()
            failed.set_exception(TransportError(str(error)))
            return failed
        connection = self._connections.get(server.address)
        if connection is None or not connection.is_open:
            connection = self._connect(loop, server)
        lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
        return connection.post(
            b"%b%bContent-Length: %d\r\n\r\n%b" % (server.head, lines.encode("latin-1"), len(body), body)
        )

    async def close(self) -> None:
        for connection in self._connections.values():
            connection.fail("the connection was closed")
        self._connections.clear()
        for task in self._connecting:
            task.cancel()
        await asyncio.gather(*self._connecting, return_exceptions=True)

    def _server(self, url: str) -> _Server:
        """Raises ValueError."""
        found = self._servers.get(url)
        if found is None:
            parts = urlsplit(url)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise ValueError(f"{url!r} is no address")
            target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            is_secure = parts.scheme == "https"
            found = _Server(
                f"{parts.scheme}://{parts.netloc}",
                parts.hostname,
                parts.port or (443 if is_secure else 80),
                is_secure,
                f"POST {target} HTTP/1.1\r\nHost: {parts.netloc}\r\n".encode(),
            )
            if len(self._servers) >= ADDRESSES_MAX:
                self._servers.clear()
            self._servers[url] = found
        return found

    def _connect(self, loop: asyncio.AbstractEventLoop, server: _Server) -> _Connection:
        self._connections.pop(server.address, None)
        if len(self._connections) >= ADDRESSES_MAX:
            self._connections.pop(next(iter(self._connections))).fail("too many servers")
        connection = self._connections[server.address] = _Connection(loop)
        task = loop.create_task(self._open(connection, server))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)
        return connection

    async def _open(self, connection: _Connection, server: _Server) -> None:
        secure = (self._ssl if self._ssl is not None else True) if server.is_secure else None
        try:
            async with asyncio.timeout(CONNECT_SECONDS_MAX):
                await asyncio.get_running_loop().create_connection(
                    lambda: connection, server.host, server.port, ssl=secure
                )
        except (OSError, ValueError) as error:
            connection.fail(why(error))


def why(error: BaseException) -> str:
    """What to tell of an error, also of one without a text."""
    return str(error) or type(error).__name__

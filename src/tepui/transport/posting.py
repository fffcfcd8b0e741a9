"""Posts calls over kept connections, and reads their short answers.

Schedulers and executors make several calls for every task, and a general HTTP client spends several times as long on
each as the rest of the library. This one does what those calls need: a POST with a body, an answer with a status, some
headers and a sentence.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from typing import cast
from urllib.parse import SplitResult, urlsplit

import httptools

CONNECT_SECONDS_MAX = 10.0
SENTENCE_BYTES_MAX = 64 * 1024
"""More of an answer's text is not kept."""
ADDRESSES_MAX = 64
"""Servers whose connections are kept."""


class PostError(Exception):
    """The answer did not come whole; the text says why."""


class Reply:
    """What came back. Names of headers are lower case."""

    __slots__ = ("body", "headers", "status")

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.body = b""


class _Connection(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[Reply] | None = None
        self._parser: httptools.HttpResponseParser | None = None
        self._reply = Reply()
        self._has_head = False
        self.is_open = True

    async def post(self, head: bytes, body: bytes) -> Reply:
        """Raises PostError. Cancelling it closes the connection."""
        if self._transport is None or not self.is_open:
            raise PostError("the connection was closed")
        self._begin_reply()
        self._waiter = asyncio.get_running_loop().create_future()
        self._transport.write(head + body)
        try:
            return await self._waiter
        except asyncio.CancelledError:
            self.close()
            raise
        finally:
            self._waiter = None

    def close(self) -> None:
        self.is_open = False
        if self._transport is not None:
            self._transport.close()

    def _begin_reply(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._reply = Reply()
        self._has_head = False

    def _finish(self, error: str | None) -> None:
        waiter = self._waiter
        if waiter is None or waiter.done():
            return
        if error is None:
            waiter.set_result(self._reply)
        else:
            waiter.set_exception(PostError(error))

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's derives from nothing

    def data_received(self, data: bytes) -> None:
        if self._waiter is None or self._parser is None:
            self.close()  # nobody asked
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._finish(f"the answer is no HTTP: {error}")
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_open = False
        headers = self._reply.headers
        is_whole = self._has_head and b"content-length" not in headers and b"transfer-encoding" not in headers
        self._finish(None if is_whole and exc is None else (str(exc) if exc else "the server closed the connection"))

    # What the parser calls.

    def on_header(self, name: bytes, value: bytes) -> None:
        self._reply.headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        assert self._parser is not None
        self._reply.status = self._parser.get_status_code()
        self._has_head = True

    def on_body(self, data: bytes) -> None:
        room = SENTENCE_BYTES_MAX - len(self._reply.body)
        if room > 0:
            self._reply.body += data[:room]

    def on_message_complete(self) -> None:
        assert self._parser is not None
        if self._reply.status < 200:
            self._reply = Reply()  # the answer itself follows
            self._has_head = False
            return
        if not self._parser.should_keep_alive():
            self.close()
        self._finish(None)


class Poster:
    """Keeps connections, as many to a server as calls are on their way at once. Used within one event loop."""

    def __init__(self, ssl_context: ssl.SSLContext | None = None) -> None:
        self._ssl = ssl_context
        self._urls: dict[str, tuple[SplitResult, bytes]] = {}
        self._idle: dict[str, list[_Connection]] = {}
        self._every: set[_Connection] = set()

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        """Raises PostError, and OSError when there is no connection."""
        parts, begin = self._known(url)
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = b"%b%bContent-Length: %d\r\n\r\n" % (begin, lines.encode("latin-1"), len(body))
        address = f"{parts.scheme}://{parts.netloc}"
        connection = await self._connection(address, parts)
        try:
            reply = await connection.post(head, body)
        except BaseException:
            self._forget(connection)
            raise
        if connection.is_open:
            self._idle.setdefault(address, []).append(connection)
        else:
            self._forget(connection)
        return reply

    def close(self) -> None:
        for connection in self._every:
            connection.close()
        self._every.clear()
        self._idle.clear()

    def _known(self, url: str) -> tuple[SplitResult, bytes]:
        found = self._urls.get(url)
        if found is None:
            parts = urlsplit(url)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise PostError(f"{url!r} is no address")
            target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            found = (parts, f"POST {target} HTTP/1.1\r\nHost: {parts.netloc}\r\n".encode())
            if len(self._urls) >= ADDRESSES_MAX:
                self._urls.clear()
            self._urls[url] = found
        return found

    async def _connection(self, address: str, parts: SplitResult) -> _Connection:
        idle = self._idle.get(address)
        while idle:
            connection = idle.pop()
            if connection.is_open:
                return connection
            self._forget(connection)
        if address not in self._idle and len(self._idle) >= ADDRESSES_MAX:
            for connection in [connection for kept in self._idle.values() for connection in kept]:
                connection.close()
                self._forget(connection)
            self._idle.clear()
        is_secure = parts.scheme == "https"
        secure: ssl.SSLContext | bool | None = (self._ssl if self._ssl is not None else True) if is_secure else None
        async with asyncio.timeout(CONNECT_SECONDS_MAX):
            _, connection = await asyncio.get_running_loop().create_connection(
                _Connection, parts.hostname or "", parts.port or (443 if is_secure else 80), ssl=secure
            )
        self._every.add(connection)
        return connection

    def _forget(self, connection: _Connection) -> None:
        connection.close()
        self._every.discard(connection)

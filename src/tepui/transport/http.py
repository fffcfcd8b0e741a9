"""The HTTP server: one port for busy paths (`front_door`) and for everything else (aiohttp).

A cold handler is a coroutine function from aiohttp's `BaseRequest` to a response; `text` and `method_not_allowed`
make the usual ones. What goes wrong in it is logged, and is a plain 500 to the client.

HEAD is answered like GET without the body: the reference sends the body too, which leaves a client that keeps the
connection open with bytes that it takes for the next answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any

from aiohttp import hdrs, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_exceptions import HttpProcessingError

from tepui.transport import heads
from tepui.transport.connection import RECORDIO_TYPE
from tepui.transport.front_door import FrontDoor
from tepui.transport.hot import Counters, Handler, HotRequest, Limits, dispatch
from tepui.transport.sockets import tune
from tepui.transport.turn import Flusher

log = logging.getLogger(__name__)

ColdHandler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

LISTEN_BACKLOG = 65_535
"""As many as the system allows (`net.core.somaxconn`): a client that finds no room there asks again after 1, 3, 7 s."""
TLS_HANDSHAKE_SECONDS_MAX = 20.0
STOP_GRACE_SECONDS = 5.0


# Helpers for cold handlers.


def text(status: int, sentence: str = "", headers: Mapping[str, str] | None = None) -> web.Response:
    """An answer in plain words; without a sentence, Mesos's default `<code> <reason>.`"""
    body = (sentence or heads.default_sentence(status)).encode()
    return web.Response(status=status, body=body, headers={**(headers or {}), hdrs.CONTENT_TYPE: heads.TEXT})


def method_not_allowed(request: web.BaseRequest, *allowed: str) -> web.Response:
    """A 405 with Mesos's sentence and `Allow` header."""
    return text(405, heads.method_sentence(allowed, request.method), {hdrs.ALLOW: ", ".join(allowed)})


class _Request(web.BaseRequest):
    async def _prepare_hook(self, response: web.StreamResponse) -> None:
        # aiohttp names itself and its version in every answer, and has no switch for it.
        response.headers.popall(hdrs.SERVER, None)


class _RawResponse(web.StreamResponse):
    """Bytes that are an answer already, head included; or nothing, when they are written already."""

    def __init__(self, data: bytes, *, keep: bool) -> None:
        super().__init__()
        self._data = data
        self._keep = keep

    @property
    def keep_alive(self) -> bool | None:
        return self._keep

    @property
    def prepared(self) -> bool:
        return True

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        transport = request.transport
        if transport is None:
            raise ConnectionResetError("the client is gone")
        if self._data:
            transport.write(self._data)
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing is left to write."""


class _Adapter:
    """The channel of one hot request that came in by aiohttp, because its connection had been handed over."""

    def __init__(self, request: web.BaseRequest, door: FrontDoor) -> None:
        self.loop = door.loop
        self.flusher = door.flusher
        self.limits = door.limits
        self.counters = door.counters
        self.transport = request.transport
        self.done: asyncio.Future[_RawResponse] = door.loop.create_future()

    def request_ready(self, request: HotRequest) -> None:
        if request.stream is not None:
            request.stream.release()
        elif request.ready is not None and not self.done.done():
            self.done.set_result(_RawResponse(request.ready, keep=not request.closes))

    def stream_ended(self, request: HotRequest) -> None:
        if not self.done.done():
            self.done.set_result(_RawResponse(b"", keep=not request.closes))

    def take_over(self, request: HotRequest, head: bytes, protocol: asyncio.Protocol) -> bool:  # noqa: ARG002
        """aiohttp keeps its connections."""
        return False


class _PeersFaults(logging.Filter):
    """Keeps out what aiohttp says of requests that are not HTTP: the peer is answered, that is all."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


_aiohttp_log = logging.getLogger("tepui.transport.aiohttp")
_aiohttp_log.addFilter(_PeersFaults())


class HttpServer:
    """Serves `hot` paths by synchronous handlers and all others by `cold`, on one port.

    `pipelined` is explained at `FrontDoor`. `server_options` go to `aiohttp.web.Server`; the defaults suit a master.
    """

    def __init__(
        self,
        hot: Mapping[str, Handler],
        cold: ColdHandler,
        *,
        flusher: Flusher,
        pipelined: Collection[str] | None = None,
        ssl_context: ssl.SSLContext | None = None,
        limits: Limits | None = None,
        server_options: Mapping[str, Any] | None = None,
    ) -> None:
        self._cold = cold
        self._ssl_context = ssl_context
        self._limits = limits or Limits()
        self._listener: asyncio.Server | None = None
        options: dict[str, Any] = {
            "access_log": None,
            "keepalive_timeout": self._limits.idle_seconds_max,
            "max_line_size": self._limits.head_bytes_max,
            "max_field_size": self._limits.head_bytes_max,
            "max_headers": self._limits.headers_max,
            # A request of which the client no longer wants the answer is not worked on.
            "handler_cancellation": True,
            "logger": _aiohttp_log,
            **(server_options or {}),
        }
        self._aiohttp = web.Server(self._serve, request_factory=self._make_request, **options)
        self._door = FrontDoor(hot, self._aiohttp, flusher=flusher, pipelined=pipelined, limits=self._limits)

    def serve(self, hot: Mapping[str, Handler], pipelined: Collection[str] | None = None) -> None:
        """Serve these paths from now on instead of the hot ones before."""
        self._door.serve(hot, pipelined)

    @property
    def counters(self) -> Counters:
        return self._door.counters

    @property
    def cold_connections(self) -> int:
        """How many connections are with aiohttp now."""
        return len(self._aiohttp.connections)

    async def start(self, host: str | None, port: int) -> int:
        """Listen; returns the port, which the system chooses when `port` is 0. Raises OSError when it cannot."""
        self._listener = await self._door.loop.create_server(
            self._door.connection,
            host,
            port,
            ssl=self._ssl_context,
            backlog=LISTEN_BACKLOG,
            ssl_handshake_timeout=None if self._ssl_context is None else TLS_HANDSHAKE_SECONDS_MAX,
        )
        for listening in self._listener.sockets:
            tune(listening, self._limits.stall_seconds_max)
        address: tuple[str, int] = self._listener.sockets[0].getsockname()
        return address[1]

    async def stop(self, grace_seconds: float = STOP_GRACE_SECONDS) -> None:
        """Stop listening, write what is ready, let cold handlers finish for `grace_seconds`, close all connections."""
        if self._listener is not None:
            self._listener.close()
        self._door.flusher.flush()
        self._door.stop()
        self._aiohttp.pre_shutdown()
        await self._aiohttp.shutdown(grace_seconds)
        if self._listener is not None:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._listener.wait_closed(), grace_seconds)
            self._listener = None

    def _make_request(self, message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
        return _Request(
            message, payload, protocol, writer, task, self._door.loop, client_max_size=self._limits.body_bytes_max
        )

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            handler = self._door.find(request.path)
            if handler is not None and request.headers.get(hdrs.CONTENT_TYPE, "").encode() != RECORDIO_TYPE:
                return await self._serve_hot(request, handler)
            return await self._cold(request)
        except web.HTTPRequestEntityTooLarge:
            self._door.counters.bodies_too_large += 1
            response = text(413)
            response.force_close()
            return response
        except (web.HTTPException, ConnectionError):
            raise
        except Exception as error:
            self._door.counters.handler_failures += 1
            log.exception("handling %s %s failed", request.method, request.path)
            if request.writer.output_size:
                raise ConnectionResetError("an answer was begun and cannot be finished") from error
            return text(500)

    async def _serve_hot(self, request: web.BaseRequest, handler: Handler) -> web.StreamResponse:
        body = await request.read()
        adapter = _Adapter(request, self._door)
        headers: dict[bytes, bytes] = {}
        for name, value in request.raw_headers:
            name = name.lower()
            headers[name] = value if name not in headers else headers[name] + b", " + value
        hot = HotRequest(
            adapter, next(self._door.numbers), request.method, request.path, request.query_string, headers, body
        )
        current = request.version >= (1, 1)
        hot.closes = not request.keep_alive
        hot.chunked_answers = current
        if hot.closes:
            hot.connection_line = b"Connection: close\r\n"
        elif not current:
            hot.connection_line = b"Connection: keep-alive\r\n"
        self._door.counters.requests += 1
        dispatch(hot, handler, self._door.counters)
        response: web.StreamResponse | None = None
        try:
            response = await adapter.done
            return response
        finally:
            if response is None:
                hot.lost("the client closed the connection")
            hot.channel = None
            adapter.transport = None

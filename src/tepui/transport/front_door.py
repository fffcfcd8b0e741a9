"""The front door: every connection begins here, and requests for busy paths are parsed and answered here.

A request whose path is *hot* (given at construction, with its handler) is parsed by httptools, whatever its method. The
first request for any other path hands the connection over, for good, to the protocol that the owner supplies (aiohttp's
request handler): raw, from that request's first byte, once everything before it is answered. That side serves hot paths
too, more slowly, so a client may mix them on one connection.

The way of a connection's bytes:

    data_received -> _parse (one request a round) -> handler(request) ... request.answer() -> request_ready
                                                                                    |
        transport.write  <-  flush (once a turn of the loop)  <-  _out  <-  answers in the order of the requests

While a stream is open nothing behind it is parsed, but reading goes on, because the end of input is what tells that a
subscriber has gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import socket
from collections import deque
from collections.abc import Callable, Collection, Mapping
from typing import Protocol, cast
from urllib.parse import unquote_to_bytes

import httptools

from tepui.transport.hot import Counters, HotRequest, Limits
from tepui.transport.line import Line
from tepui.transport.turn import Flusher

log = logging.getLogger(__name__)

Handler = Callable[[HotRequest], None]
ColdProtocol = Callable[[], asyncio.Protocol]

KEEPALIVE_IDLE_SECONDS = 60
KEEPALIVE_INTERVAL_SECONDS = 15
KEEPALIVE_PROBES = 4
CHUNK_LINE_BYTES_MAX = 1024
"""A chunk's size with its extensions, or one trailer line."""
TRAILERS_MAX = 64
RECORDIO_TYPE = b"application/recordio"
"""A request with this Content-Type has a body without end: it is never parsed here, but handed over."""
SWEEP_SECONDS_MAX = 5.0


class Socket(Protocol):
    """A socket, or what a transport shows of it."""

    @property
    def family(self) -> int: ...

    def setsockopt(self, level: int, option: int, value: int, /) -> None: ...


class BadRequestError(Exception):
    """What the client sent is not HTTP, or more than is allowed. `status` is the answer; the connection closes."""

    def __init__(self, status: int, sentence: str = "") -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence


def tune(sock: Socket | None, stall_seconds_max: float) -> None:
    """Send small answers at once, and notice peers that vanished without a word. What a listening socket is told holds
    for the connections that it accepts.

    Heartbeats to a vanished peer vanish in the kernel's buffer, so nothing in this process would see it before the
    kernel's own patience ends, after some 15 minutes; `TCP_USER_TIMEOUT` makes that `stall_seconds_max`.
    """
    if sock is None or sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_IDLE_SECONDS)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_INTERVAL_SECONDS)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, KEEPALIVE_PROBES)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(stall_seconds_max * 1000))


class FrontDoor:
    """What the connections of one listener share: the hot paths, limits, counters, and the watch over slow clients.

    `FrontDoor(...)` is given to `loop.create_server` as `door.connection`. A hot path also serves everything below it
    (`/api/v1/operator` by the handler of `/api/v1`, unless a longer path is hot), as in Mesos.

    Requests to `pipelined` paths (None: to all) may wait for their answers side by side. The next one after a request
    to any other path is read when its answer is written and the client takes it: such answers are long.

    `lines` are for paths that are not hot: who asks for one of them first, to the letter, stands in its line before the
    connection is handed over.
    """

    def __init__(
        self,
        hot: Mapping[str, Handler],
        cold: ColdProtocol,
        *,
        flusher: Flusher,
        pipelined: Collection[str] | None = None,
        limits: Limits | None = None,
        lines: Mapping[str, Line] | None = None,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self.loop = loop or asyncio.get_running_loop()
        self.flusher = flusher
        self.limits = limits or Limits()
        self.counters = Counters()
        self.numbers = itertools.count(1)
        self.cold = cold
        self.connections: set[Connection] = set()
        self._waiting_lines = {f"GET {path} HTTP/1.1".encode(): line for path, line in (lines or {}).items()}
        self.serve(hot, pipelined)
        self._sweeper: asyncio.TimerHandle | None = None

    def serve(self, hot: Mapping[str, Handler], pipelined: Collection[str] | None = None) -> None:
        """Serve these paths from now on instead of those before; what was asked before is answered as it was to be."""
        self._hot = dict(hot)
        self.pipelined = frozenset(hot[path] for path in (hot if pipelined is None else pipelined))
        # The request lines that make up nearly all of the traffic, ready split.
        self._lines = {
            f"POST {path} HTTP/1.1".encode(): ("POST", path, "", handler, True) for path, handler in hot.items()
        }

    def connection(self) -> Connection:
        """A protocol for a new connection."""
        return Connection(self)

    def route(self, line: bytes) -> tuple[str, str, str, Handler, bool] | None:
        """Split a request line: method, path, query, handler, and whether the version is 1.1. None: not for here."""
        known = self._lines.get(line)
        if known is not None:
            return known
        parts = line.split(b" ")
        if len(parts) != 3 or parts[2] not in (b"HTTP/1.1", b"HTTP/1.0") or not parts[1].startswith(b"/"):
            return None
        target, _, query = parts[1].partition(b"?")
        path = unquote_to_bytes(target).decode("utf-8", "replace")
        handler = self.find(path)
        if handler is None:
            return None
        return parts[0].decode("latin-1"), path, query.decode("latin-1"), handler, parts[2] == b"HTTP/1.1"

    def find(self, path: str) -> Handler | None:
        """The handler of the longest hot path that `path` is, or is below of."""
        if "/.." in path:
            return None
        while path:
            handler = self._hot.get(path)
            if handler is not None:
                return handler
            path = path.rpartition("/")[0]
        return None

    # For the connections.

    def line_for(self, head: bytes | bytearray) -> Line | None:
        """Where a connection waits whose next request begins like this; None: nowhere."""
        if not self._waiting_lines:
            return None
        return self._waiting_lines.get(bytes(head[: head.find(b"\r\n")]))

    def admit(self, connection: Connection) -> bool:
        self.counters.connections_total += 1
        if len(self.connections) >= self.limits.connections_max:
            self.counters.connections_refused += 1
            return False
        self.connections.add(connection)
        self.counters.connections = len(self.connections)
        if self._sweeper is None:
            self._sweeper = self.loop.call_later(self._sweep_seconds(), self._sweep)
        return True

    def dismiss(self, connection: Connection) -> None:
        self.connections.discard(connection)
        self.counters.connections = len(self.connections)

    def _sweep_seconds(self) -> float:
        limits = self.limits
        shortest = min(limits.request_seconds_max, limits.idle_seconds_max, limits.stall_seconds_max)
        return min(SWEEP_SECONDS_MAX, shortest / 4)

    def _sweep(self) -> None:
        self._sweeper = None
        now = self.loop.time()
        for connection in list(self.connections):
            connection.inspect(now)
        if self.connections:
            self._sweeper = self.loop.call_later(self._sweep_seconds(), self._sweep)

    def stop(self) -> None:
        """Close every connection; what is with the transports is still written."""
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        for connection in list(self.connections):
            connection.shut()


class _ChunkedBody:
    """Takes a chunked body apart. httptools could too, but does not tell where the next request begins."""

    __slots__ = ("_bytes_max", "_left", "_line", "_trailers", "body")

    def __init__(self, bytes_max: int) -> None:
        self.body = bytearray()
        self._bytes_max = bytes_max
        self._line = b""  # a size or trailer line that is not complete
        self._left = 0  # of the chunk and its CRLF
        self._trailers = -1  # how many were seen; -1 before the last chunk

    def feed(self, data: bytes, position: int) -> int:
        """Take from `data` at `position`; returns the position behind the body, or -1 when more is needed."""
        while True:
            if self._left:
                piece = data[position : position + self._left]
                self._left -= len(piece)
                position += len(piece)
                self.body += piece
                if self._left:
                    return -1
                if not self.body.endswith(b"\r\n"):
                    raise BadRequestError(400, "a chunk is longer than its size")
                del self.body[-2:]
            end = data.find(b"\n", position)
            if end < 0:
                self._line += data[position:]
                if len(self._line) > CHUNK_LINE_BYTES_MAX:
                    raise BadRequestError(400, "a chunk's size is too long")
                return -1
            line = self._line + data[position : end + 1]
            self._line = b""
            position = end + 1
            if len(line) > CHUNK_LINE_BYTES_MAX or not line.endswith(b"\r\n"):
                raise BadRequestError(400, "a chunk's size is malformed")
            if self._trailers >= 0:
                if line == b"\r\n":
                    return position
                self._trailers += 1
                if self._trailers > TRAILERS_MAX:
                    raise BadRequestError(431)
                continue
            self._begin(line)

    def _begin(self, line: bytes) -> None:
        digits = line[:-2].partition(b";")[0].rstrip(b" \t")
        if not digits or len(digits) > 15 or digits.strip(b"0123456789abcdefABCDEF"):
            raise BadRequestError(400, "a chunk's size is malformed")
        size = int(digits, 16)
        if len(self.body) + size > self._bytes_max:
            raise BadRequestError(413)
        if size:
            self._left = size + 2
        else:
            self._trailers = 0


class Connection(asyncio.Protocol):
    """One client's connection."""

    __slots__ = (
        "_body",
        "_body_bytes",
        "_chunked",
        "_closing",
        "_cold",
        "_continue",
        "_deaf",
        "_dirty",
        "_end_of_input",
        "_finished",
        "_finished_seen",
        "_handler",
        "_headers",
        "_heard",
        "_line",
        "_lingering",
        "_long_answer",
        "_out",
        "_parser",
        "_partial_since",
        "_pending",
        "_queue",
        "_quiet_since",
        "_reading_paused",
        "_request",
        "_scanned",
        "_stream",
        "_waiting_bytes",
        "_waiting_since",
        "_writing_paused",
        "counters",
        "door",
        "flusher",
        "limits",
        "loop",
        "transport",
    )

    def __init__(self, door: FrontDoor) -> None:
        self.door = door
        self.loop = door.loop
        self.flusher = door.flusher
        self.limits = door.limits
        self.counters = door.counters
        self.transport: asyncio.Transport | None = None
        # Reading. `_pending` holds bytes that are not parsed: an incomplete head (`_scanned` of its bytes were looked
        # at), or what must wait. `_request` is the one whose body is coming in, to `_body` or `_chunked`.
        self._parser: httptools.HttpRequestParser | None = None
        self._headers: dict[bytes, bytes] = {}
        self._pending = bytearray()
        self._scanned = 0
        self._request: HotRequest | None = None
        self._handler: Handler | None = None
        self._body: bytearray | None = None
        self._body_bytes = 0
        self._chunked: _ChunkedBody | None = None
        self._continue = False  # "100 Continue" is owed
        # Answering. `_queue` holds the requests not answered yet, in order; `_stream` is its first, once streaming.
        self._queue: deque[HotRequest] = deque()
        self._stream: HotRequest | None = None
        self._long_answer = False  # the newest request must be answered, and its answer written, before the next
        self._out: list[bytes] = []
        self._dirty = False
        self._cold = False  # a request for the other side waits in `_pending`
        self._line: Line | None = None  # where it waits
        self._deaf = False  # no further request is read from this connection
        self._closing = False  # close when all is written
        self._lingering = False
        self._end_of_input = False
        self._reading_paused = False
        self._writing_paused = False
        # For the watch.
        self._heard = True
        self._quiet_since = 0.0
        self._partial_since: float | None = None
        self._finished = 0
        self._finished_seen = -1
        self._waiting_bytes = 0
        self._waiting_since = 0.0

    # The loop calls these.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast("asyncio.Transport", transport)  # uvloop's are no subclasses
        if not self.door.admit(self):
            transport.abort()
            return
        self.transport = transport
        self._quiet_since = self.loop.time()

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        self.door.dismiss(self)
        if self._line is not None:
            self._line.leave(self)
        queue, self._queue = self._queue, deque()
        self._stream = None
        self._pending.clear()
        self._out.clear()
        for request in queue:
            if request.stream is not None:
                request.stream.lost("the client closed the connection" if exc is None else f"connection lost: {exc}")
            request.channel = None

    def eof_received(self) -> bool:
        self._end_of_input = True
        if self._lingering or self._cold or self.transport is None or self._has_stream():
            return False
        if self.transport.get_extra_info("sslcontext") is not None:
            return False  # TLS knows no half-closed connections
        # A client may say that it has nothing more to ask and wait for its answers.
        return bool(self._queue or self._out)

    def pause_writing(self) -> None:
        # Whoever does not read answers gets no further questions in.
        self._writing_paused = True
        if not self._has_stream():
            self._pause_reading()

    def resume_writing(self) -> None:
        self._writing_paused = False
        if not self._dirty:
            self._mark_dirty()

    def data_received(self, data: bytes) -> None:
        self._heard = True
        if self._deaf:
            return
        if self._stream is not None or self._reading_paused or self._cold:
            self._pending += data
            if self._stream is not None and len(self._pending) > self.limits.pipelined_bytes_max:
                self.counters.pipelined_behind_stream += 1
                self.shut()
            elif len(self._pending) > self.limits.pipelined_bytes_max:
                self._pause_reading()
            return
        if self._pending:
            self._pending += data
            if self._pending.find(b"\n", self._scanned) < 0 and len(self._pending) <= self.limits.head_bytes_max:
                self._scanned = len(self._pending)
                return
            self._parse_pending()
        else:
            self._parse(data)

    # Reading.

    def _parse_pending(self) -> None:
        data = bytes(self._pending)
        self._pending.clear()
        self._scanned = 0
        self._parse(data)

    def _parse(self, data: bytes) -> None:
        """Parse as many requests as `data` holds and the limits allow; keep the rest."""
        position = 0
        size = len(data)
        queue_max = self.limits.pipelined_requests_max
        try:
            while position < size and not self._deaf:
                if self._request is not None:
                    position = self._take_body(data, position)
                elif self._long_answer or self._stream is not None or len(self._queue) >= queue_max:
                    self._pending += data[position:]
                    if self._stream is None:
                        self._pause_reading()
                    break
                else:
                    position = self._take_head(data, position)
                if position < 0:
                    break
        except BadRequestError as error:
            self._refuse(error)

    def _take_head(self, data: bytes, position: int) -> int:
        """Parse a request's head at `position`; returns the position behind it, or -1 when it is not complete."""
        if data.startswith(b"\r\n", position):
            return position + 2  # an empty line between requests is tolerated (RFC 9112, 2.2)
        end = data.find(b"\r\n\r\n", position)
        line_end = data.find(b"\r\n", position)
        if line_end < 0:
            return self._keep_head(data, position)
        route = self.door.route(data[position:line_end])
        if route is None:
            return self._leave(data, position)
        if end < 0:
            return self._keep_head(data, position)
        end += 4
        if end - position > self.limits.head_bytes_max:
            raise BadRequestError(431)
        self._feed_head(data[position:end])
        headers = self._headers
        if headers.get(b"content-type") == RECORDIO_TYPE:
            return self._leave(data, position)
        if len(headers) > self.limits.headers_max:
            raise BadRequestError(431)
        method, path, query, handler, current = route
        request = HotRequest(self, next(self.door.numbers), method, path, query, headers, b"")
        connection = headers.get(b"connection")
        if (connection is not None and connection != b"keep-alive") or not current:
            self._judge_connection(request, connection or b"", current)
        if b"transfer-encoding" in headers:
            if headers[b"transfer-encoding"].lower() != b"chunked":
                raise BadRequestError(501)
            self._chunked = _ChunkedBody(self.limits.body_bytes_max)
            self._parser = None  # it waits for a body that it does not get
        else:
            length = int(headers.get(b"content-length", b"0"))
            if length > self.limits.body_bytes_max:
                raise BadRequestError(413)
            stop = end + length
            if stop <= len(data):
                request.body = body = data[end:stop]
                if body and self._parser is not None:
                    self._parser.feed_data(body)
                self._dispatch(request, handler)
                return stop
            self._body = bytearray()
            self._body_bytes = length
        self._request = request
        self._handler = handler
        if headers.get(b"expect", b"").lower() == b"100-continue" and end == len(data) and current:
            self._continue = True
            if not self._dirty:
                self._mark_dirty()
        return end

    def _keep_head(self, data: bytes, position: int) -> int:
        if len(data) - position > self.limits.head_bytes_max:
            raise BadRequestError(431)
        self._pending += data[position:]
        self._scanned = len(self._pending)
        return -1

    def _leave(self, data: bytes, position: int) -> int:
        """The request at `position`, and all after it, is for the other side."""
        self._pending += data[position:]
        self._cold = True
        if self._queue or self._out:
            if not self._dirty:
                self._mark_dirty()
        else:
            self._go()
        return -1

    def _feed_head(self, head: bytes) -> None:
        self._headers = {}
        if self._parser is None:
            self._parser = httptools.HttpRequestParser(self)
        try:
            self._parser.feed_data(head)
        except httptools.HttpParserUpgrade:
            self._parser = None  # an offer to speak another protocol is declined by answering in this one
        except httptools.HttpParserError as error:
            self._parser = None
            raise BadRequestError(400) from error

    def on_header(self, name: bytes, value: bytes) -> None:
        """httptools calls it for each header."""
        name = name.lower()
        headers = self._headers
        headers[name] = value if name not in headers else headers[name] + b", " + value

    def _judge_connection(self, request: HotRequest, connection: bytes, current: bool) -> None:
        tokens = [token.strip() for token in connection.lower().split(b",")]
        if b"close" in tokens or (not current and b"keep-alive" not in tokens):
            request.closes = True
            request.connection_line = b"Connection: close\r\n"
        elif not current:
            request.connection_line = b"Connection: keep-alive\r\n"
        request.chunked_answers = current

    def _take_body(self, data: bytes, position: int) -> int:
        """Take the body of `_request`; returns the position behind it, or -1 when more is needed."""
        request, handler = self._request, self._handler
        assert request is not None
        assert handler is not None
        if self._chunked is not None:
            position = self._chunked.feed(data, position)
            if position < 0:
                return -1
            request.body = bytes(self._chunked.body)
            self._chunked = None
        else:
            assert self._body is not None
            piece = data[position : position + self._body_bytes - len(self._body)]
            self._body += piece
            position += len(piece)
            if len(self._body) < self._body_bytes:
                return -1
            request.body = bytes(self._body)
            self._body = None
            if self._parser is not None:
                self._parser.feed_data(request.body)
        self._request = None
        self._handler = None
        self._continue = False
        self._dispatch(request, handler)
        return position

    def _dispatch(self, request: HotRequest, handler: Handler) -> None:
        self._finished += 1
        self.counters.requests += 1
        self._queue.append(request)
        if request.closes:
            self._deaf = True
        if handler not in self.door.pipelined:
            self._long_answer = True
        dispatch(request, handler, self.counters)

    def _refuse(self, error: BadRequestError) -> None:
        """Answer what cannot be parsed, after all that came before it, and close."""
        if error.status == 413:
            self.counters.bodies_too_large += 1
        elif error.status == 431:
            self.counters.heads_too_large += 1
        elif error.status == 408:
            self.counters.requests_too_slow += 1
        else:
            self.counters.bad_requests += 1
        request = self._request or HotRequest(self, next(self.door.numbers), "", "", "", {}, b"")
        self._deaf = True
        self._lingering = True
        self._pending.clear()
        self._request = self._handler = self._body = self._chunked = self._parser = None
        self._continue = False
        request.closes = True
        request.connection_line = b"Connection: close\r\n"
        self._queue.append(request)
        request.answer_text(error.status, error.sentence)

    def _pause_reading(self) -> None:
        if not self._reading_paused and self.transport is not None and not self.transport.is_closing():
            self._reading_paused = True
            self.transport.pause_reading()

    def _resume_reading(self) -> None:
        if self._reading_paused and self.transport is not None and not self.transport.is_closing():
            self._reading_paused = False
            self.transport.resume_reading()

    def _has_stream(self) -> bool:
        return self._stream is not None or any(request.stream is not None for request in self._queue)

    # Answering.

    def request_ready(self, request: HotRequest) -> None:
        """A request of this connection got its answer or stream."""
        if self._queue and self._queue[0] is request:
            self._advance()
        if request.stream is not None:
            # Reading is what tells that the subscriber has gone.
            self._resume_reading()

    def stream_ended(self, request: HotRequest) -> None:
        """A stream has written its end."""
        if self._stream is request:
            self._stream = None
            self._queue.popleft()
            request.channel = None
            if self._writing_paused:
                self._pause_reading()
            self._after(request)
            self._advance()

    def _advance(self) -> None:
        """Move answers to the output, as far as they are there in order."""
        queue = self._queue
        while queue and self._stream is None:
            first = queue[0]
            if first.ready is not None:
                queue.popleft()
                self._out.append(first.ready)
                first.channel = None
                self._after(first)
            elif first.stream is not None:
                self._stream = first
            else:
                break
        if not self._dirty:
            self._mark_dirty()

    def _after(self, request: HotRequest) -> None:
        if request.closes:
            self._deaf = True
            self._closing = True

    def _mark_dirty(self) -> None:
        self._dirty = True
        self.flusher.add(self)

    def flush(self) -> None:
        """Write what is ready, then do what waited for it. Called by the `Flusher`."""
        self._dirty = False
        transport = self.transport
        if transport is None or transport.is_closing():
            return
        if self._out:
            transport.write(self._out[0] if len(self._out) == 1 else b"".join(self._out))
            self._out.clear()
        if not self._queue:
            self._long_answer = False
        if self._stream is not None:
            assert self._stream.stream is not None
            if self._end_of_input:
                self.shut()
            else:
                self._stream.stream.release()
        elif self._queue:
            self._resume_parsing()
        elif self._closing or self._end_of_input:
            self._finish()
        elif self._cold:
            self._go()
        else:
            if self._continue:
                self._continue = False
                transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self._resume_parsing()

    def _resume_parsing(self) -> None:
        """Go on with what was kept back, when the reason is gone."""
        if (
            self._writing_paused
            or self._long_answer
            or self._cold
            or self._deaf
            or len(self._queue) > self.limits.pipelined_requests_max // 2
        ):
            return
        if self._pending and (self._reading_paused or self._scanned == 0):
            self._parse_pending()
        if len(self._queue) < self.limits.pipelined_requests_max and not (self._cold or self._long_answer):
            self._resume_reading()

    def _finish(self) -> None:
        """All is written: close, but let a client that still sends read its error first."""
        assert self.transport is not None
        if self._lingering and not self._end_of_input and self.transport.can_write_eof():
            self.transport.write_eof()
            self._lingering = False
            self._resume_reading()
            self.loop.call_later(self.limits.linger_seconds_max, self.shut)
        else:
            self.transport.close()

    def _go(self) -> None:
        """Leave for the other side, or stand in the line that leads there."""
        self._line = self.door.line_for(self._pending)
        if self._line is None:
            self._hand_over()
        else:
            self._line.join(self, self._hand_over)

    def _hand_over(self) -> None:
        """Give the connection to the other side, as if it had been there from the start."""
        transport = self.transport
        if transport is None or transport.is_closing():
            return
        self._resume_reading()
        data = bytes(self._pending)
        self._pending.clear()
        self.transport = None
        self.door.dismiss(self)
        self.counters.handed_over += 1
        protocol = self.door.cold()
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        protocol.data_received(data)

    def shut(self) -> None:
        """Close; what is with the transport is still written."""
        if self.transport is not None:
            self.transport.close()

    # The watch.

    def inspect(self, now: float) -> None:
        """Close the connection when its client lets this server wait for too long. Called every few seconds."""
        transport = self.transport
        if transport is None:
            return
        waiting = transport.get_write_buffer_size()
        if waiting != self._waiting_bytes or waiting == 0 or self._stream is not None:
            # An open stream looks after itself: heartbeats keep its backlog growing while nothing leaves.
            self._waiting_bytes = waiting
            self._waiting_since = now
        elif now - self._waiting_since >= self.limits.stall_seconds_max:
            self.counters.stalled_closed += 1
            transport.abort()
            return
        partial = self._request is not None or (bool(self._pending) and self._scanned > 0)
        if partial and self._has_stream():
            partial = False  # it waits for the stream's end
        if not partial or self._finished != self._finished_seen or self._partial_since is None:
            self._finished_seen = self._finished
            self._partial_since = now if partial else None
        elif now - self._partial_since >= self.limits.request_seconds_max:
            self._partial_since = None
            self._refuse(BadRequestError(408))
            return
        if self._heard or self._queue or waiting or partial:
            self._heard = False
            self._quiet_since = now
        elif now - self._quiet_since >= self.limits.idle_seconds_max:
            self.counters.idle_closed += 1
            transport.close()


def dispatch(request: HotRequest, handler: Handler, counters: Counters) -> None:
    """Call `handler`; what goes wrong in it is logged here and is a plain 500 to the client."""
    try:
        handler(request)
    except Exception:
        counters.handler_failures += 1
        log.exception("handling %r failed", request)
        if not request.answered:
            request.answer_text(500)

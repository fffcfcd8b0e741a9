"""One client's connection at the front door: its requests are parsed here, and their answers written in order.

The way of a connection's bytes:

    data_received -> _parse (one request a round) -> handler(request) ... request.answer() -> request_ready
                                                                                    |
        transport.write  <-  flush (once a turn of the loop)  <-  _out  <-  answers in the order of the requests

While a stream is open nothing behind it is parsed, but reading goes on, because the end of input is what tells that a
subscriber has gone.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, cast

import httptools

from tepui.transport.chunked import BadRequestError, ChunkedBody
from tepui.transport.hot import Handler, HotRequest, dispatch

if TYPE_CHECKING:
    from tepui.transport.front_door import FrontDoor

RECORDIO_TYPE = b"application/recordio"
"""A request with this Content-Type has a body without end: it is never parsed here, but handed over."""


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
        self._chunked: ChunkedBody | None = None
        self._continue = False  # "100 Continue" is owed
        # Answering. `_queue` holds the requests not answered yet, in order; `_stream` is its first, once streaming.
        self._queue: deque[HotRequest] = deque()
        self._stream: HotRequest | None = None
        self._long_answer = False  # the newest request must be answered, and its answer written, before the next
        self._out: list[bytes] = []
        self._dirty = False
        self._cold = False  # a request for the other side waits in `_pending`
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
        queue, self._queue = self._queue, deque()
        self._stream = None
        self._parser = None  # which holds this connection
        self._pending.clear()
        self._out.clear()
        for request in queue:
            request.lost("the client closed the connection" if exc is None else f"connection lost: {exc}")

    def eof_received(self) -> bool:
        self._end_of_input = True
        if self._lingering or self._cold or self.transport is None or self._has_endless_stream():
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
            if self._streams_endlessly() and len(self._pending) > self.limits.pipelined_bytes_max:
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
        if line_end - position > self.limits.head_bytes_max:
            raise BadRequestError(431)
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
        method, path, query, handler, is_http_1_1 = route
        request = HotRequest(self, next(self.door.numbers), method, path, query, headers, b"")
        connection = headers.get(b"connection")
        if (connection is not None and connection != b"keep-alive") or not is_http_1_1:
            self._judge_connection(request, connection or b"", is_http_1_1)
        if b"transfer-encoding" in headers:
            if headers[b"transfer-encoding"].lower() != b"chunked":
                raise BadRequestError(501)
            self._chunked = ChunkedBody(self.limits.body_bytes_max)
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
        if headers.get(b"expect", b"").lower() == b"100-continue" and end == len(data) and is_http_1_1:
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
            self._hand_over()
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

    def _judge_connection(self, request: HotRequest, connection: bytes, is_http_1_1: bool) -> None:
        tokens = [token.strip() for token in connection.lower().split(b",")]
        if b"close" in tokens or (not is_http_1_1 and b"keep-alive" not in tokens):
            request.closes = True
            request.connection_line = b"Connection: close\r\n"
        elif not is_http_1_1:
            request.connection_line = b"Connection: keep-alive\r\n"
        request.chunked_answers = is_http_1_1

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

    def _streams_endlessly(self) -> bool:
        """Whether what is written now is a stream, which only the client ends, and not a long answer."""
        return self._stream is not None and self._stream.stream is not None and self._stream.stream.endless

    def _has_endless_stream(self) -> bool:
        return any(request.stream is not None and request.stream.endless for request in self._queue)

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
            request.channel = request.stream = None
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
            if self._end_of_input and self._stream.stream.endless:
                self.shut()
            else:
                self._stream.stream.release()
        elif self._queue:
            self._resume_parsing()
        elif self._closing or self._end_of_input:
            self._finish()
        elif self._cold:
            self._hand_over()
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

    def _hand_over(self) -> None:
        """Give the connection to the other side, as if it had been there from the start."""
        if self.transport is not None and not self.transport.is_closing():
            self.counters.handed_over += 1
            self._give_to(self.transport, self.door.cold())

    def take_over(self, request: HotRequest, head: bytes, protocol: asyncio.Protocol) -> bool:
        """A request of this connection is answered by an end of HTTP."""
        transport = self.transport
        if (
            transport is None
            or transport.is_closing()
            or len(self._queue) != 1
            or self._end_of_input
            or self._writing_paused
            or request.closes
        ):
            return False
        self._queue.clear()
        self._out.append(head)
        transport.write(b"".join(self._out))
        self._out.clear()
        request.channel = request.gone = None
        self._give_to(transport, protocol)
        return True

    def _give_to(self, transport: asyncio.Transport, protocol: asyncio.Protocol) -> None:
        """The connection is the protocol's from now on, with what is not parsed."""
        self._resume_reading()
        data = bytes(self._pending)
        self._pending.clear()
        self.transport = self._parser = None
        self.door.dismiss(self)
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        if data:
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

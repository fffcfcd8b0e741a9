"""Hot requests and event streams: what the handler of a busy path gets, whoever parsed the request.

A handler is a plain function, `handler(request)`. It answers now or later, by `request.answer(...)` or
`request.open_stream(...)`, exactly once; answers of pipelined requests are written in the order of the requests,
whatever the order in which they are given. Requests whose client has gone may be answered too; nothing happens.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections.abc import Callable
from typing import Protocol

from tepui.transport import heads
from tepui.transport.bodies import Body
from tepui.transport.turn import Flusher

log = logging.getLogger(__name__)

MIB = 1 << 20


@dataclasses.dataclass(frozen=True, slots=True)
class Limits:
    """What one client may ask of the server's memory and patience. The defaults are for production."""

    head_bytes_max: int = 64 << 10
    """Request line and headers; more is answered 431."""
    headers_max: int = 128
    """Headers of a request; more are answered 431."""
    body_bytes_max: int = 32 * MIB
    """A request's body; more is answered 413. A SUBSCRIBE that lists 100,000 tasks takes about 10 MiB."""
    pipelined_requests_max: int = 64
    """Unanswered requests of one connection; reading pauses there."""
    pipelined_bytes_max: int = 64 << 10
    """Bytes that wait behind an open stream. Reading cannot pause there: it tells when the client is gone."""
    request_seconds_max: float = 60.0
    """From the first byte of a request to its last."""
    idle_seconds_max: float = 7200.0
    """Between requests. Long, because Mesos's scheduler library takes a closed call connection for a lost master."""
    linger_seconds_max: float = 2.0
    """How long input is thrown away after an error that ends the connection, so that the client can read the answer."""
    backlog_full_bytes: int = 4 * MIB
    """A stream with more than this waiting is full: its owner is told to hold back."""
    backlog_low_bytes: int = 1 * MIB
    """A full stream that has come down to this may be filled again."""
    backlog_bytes_max: int = 64 * MIB
    """A stream with more than this waiting is closed."""
    stall_seconds_max: float = 60.0
    """A client that takes no byte for so long, while some wait, is closed."""
    connections_max: int = 65_536
    """Connections that this server parses itself; one more is closed at once."""


@dataclasses.dataclass(slots=True)
class Counters:
    """What has happened at the door, for metrics. All only grow, except `connections`, `streams` and
    `long_answers`."""

    connections: int = 0
    connections_total: int = 0
    connections_refused: int = 0
    handed_over: int = 0
    requests: int = 0
    streams: int = 0
    streams_total: int = 0
    long_answers: int = 0
    long_answers_total: int = 0
    long_answers_refused: int = 0
    handler_failures: int = 0
    bad_requests: int = 0
    heads_too_large: int = 0
    bodies_too_large: int = 0
    requests_too_slow: int = 0
    idle_closed: int = 0
    stalled_closed: int = 0
    streams_full: int = 0
    streams_overflowed: int = 0
    pipelined_behind_stream: int = 0


class Channel(Protocol):
    """The connection behind a request, or behind a row of pipelined ones."""

    loop: asyncio.AbstractEventLoop
    flusher: Flusher
    limits: Limits
    counters: Counters
    transport: asyncio.Transport | None
    """None when the client is gone."""

    def request_ready(self, request: HotRequest) -> None:
        """`request.ready` holds its answer, or `request.stream` its stream."""

    def stream_ended(self, request: HotRequest) -> None:
        """The last byte of the request's stream, or long answer, is with the transport."""

    def take_over(self, request: HotRequest, head: bytes, protocol: asyncio.Protocol) -> bool:
        """As `HotRequest.take_over`."""


class HotRequest:
    """One HTTP request, complete with its body."""

    __slots__ = (
        "body",
        "channel",
        "chunked_answers",
        "closes",
        "connection_line",
        "gone",
        "headers",
        "id",
        "method",
        "path",
        "query",
        "ready",
        "stream",
    )

    def __init__(
        self,
        channel: Channel,
        number: int,
        method: str,
        path: str,
        query: str,
        headers: dict[bytes, bytes],
        body: bytes,
    ) -> None:
        self.channel: Channel | None = channel
        self.id = number
        """Unique in this server."""
        self.method = method
        self.path = path
        """Decoded, without the query."""
        self.query = query
        """As it stands behind the `?`."""
        self.headers = headers
        """By lower-case name. A header given several times has its values joined by `, `."""
        self.body = body
        self.closes = False
        self.connection_line = b""
        self.chunked_answers = True
        self.ready: bytes | None = None
        self.stream: Stream | Body | None = None
        self.gone: Callable[[], None] | None = None
        """Called when the client is gone before the request was answered."""

    def __repr__(self) -> str:
        return f"<HotRequest {self.id} {self.method} {self.path}>"

    def header(self, name: str) -> str | None:
        """The value of a header, any spelling of its name; None when it is absent."""
        value = self.headers.get(name.lower().encode("latin-1"))
        return None if value is None else value.decode("latin-1")

    @property
    def answered(self) -> bool:
        """Whether it has its answer or its stream, written or not."""
        return self.ready is not None or self.stream is not None

    def answer(
        self, status: int, body: bytes = b"", content_type: str | None = None, headers: heads.Headers = ()
    ) -> None:
        """Answer once. Bodies of 1024 bytes and more are compressed for clients that accept gzip."""
        channel = self.channel
        if self.ready is not None or self.stream is not None:
            raise RuntimeError(f"{self!r} is answered already")
        if status == 202 and not body and not headers and not self.connection_line:
            self.ready = heads.accepted()
        else:
            gzip = len(body) >= heads.GZIP_BYTES_MIN and heads.accepts_gzip(self.headers.get(b"accept-encoding"))
            self.ready = heads.answer_bytes(
                status,
                body,
                content_type,
                headers,
                connection=self.connection_line,
                head_only=self.method == "HEAD",
                gzip=gzip,
            )
        if channel is not None:
            channel.request_ready(self)

    def answer_text(self, status: int, sentence: str = "", headers: heads.Headers = ()) -> None:
        """Answer with a sentence as plain text; without one, with Mesos's default `<code> <reason>.`"""
        self.answer(status, (sentence or heads.default_sentence(status)).encode(), heads.TEXT, headers)

    def answer_method_not_allowed(self, *allowed: str) -> None:
        """Answer 405 with the sentence and the `Allow` header of Mesos."""
        self.answer_text(405, heads.method_sentence(allowed, self.method), (("Allow", ", ".join(allowed)),))

    def take_over(self, head: bytes, protocol: asyncio.Protocol) -> bool:
        """Answer by an end of HTTP on this connection: `head` is written, and the rest is between the client and
        `protocol`, whose `connection_made` has been called when this returns.

        For paths that are not pipelined, and in a later turn of the loop than the handler was called in. False, and
        nothing has happened, when that cannot be: the client is gone, has more to hear or nothing more to say, or asked
        on a connection that serves only HTTP. The request is to be answered then.
        """
        if self.answered:
            raise RuntimeError(f"{self!r} is answered already")
        return self.channel is not None and self.channel.take_over(self, head, protocol)

    def open_stream(
        self,
        content_type: str,
        headers: heads.Headers = (),
        *,
        on_close: Callable[[str], None],
        on_backlog: Callable[[bool], None] | None = None,
        backlog_bytes_max: int | None = None,
    ) -> Stream:
        """Answer 200 with a stream of records.

        `on_close(why)` is called once when the client is gone or was given up, and not when `Stream.close()` ended the
        stream. When it is gone already, `on_close` follows in the next turn of the loop. `on_backlog(full)` tells that
        too much waits for the client, and later that it has caught up. `backlog_bytes_max` overrides the server's bound
        of what may wait before the stream is given up.
        """
        if self.answered:
            raise RuntimeError(f"{self!r} is answered already")
        head = heads.stream_head(content_type, headers, chunked=self.chunked_answers)
        self.stream = stream = Stream(self, head, on_close, on_backlog, backlog_bytes_max)
        if self.channel is not None:
            self.channel.request_ready(self)
        return stream

    def open_body(self, content_type: str, headers: heads.Headers = ()) -> Body:
        """Answer 200 with a body that is written a part at a time; compressed for clients that accept gzip."""
        if self.answered:
            raise RuntimeError(f"{self!r} is answered already")
        gzip = heads.accepts_gzip(self.headers.get(b"accept-encoding"))
        self.stream = body = Body(self, content_type, headers, gzip=gzip)
        if self.channel is not None:
            self.channel.request_ready(self)
        return body

    def lost(self, why: str) -> None:
        """For the channel: the client is gone."""
        if self.stream is not None:
            self.stream.lost(why)
        elif self.gone is not None and self.ready is None:
            self.gone()
        self.channel = self.stream = self.gone = None  # a stream holds its request


def _ignore_backlog(full: bool) -> None:
    """For owners of streams whose senders cannot hold back."""


Handler = Callable[[HotRequest], None]


def dispatch(request: HotRequest, handler: Handler, counters: Counters) -> None:
    """Call `handler`; what goes wrong in it is logged here and is a plain 500 to the client."""
    try:
        handler(request)
    except Exception:
        counters.handler_failures += 1
        log.exception("handling %r failed", request)
        if not request.answered:
            request.answer_text(500)


class Stream:
    """A stream of RecordIO records down one connection, each in a chunk of its own, written once a turn of the loop."""

    __slots__ = (
        "_backlog_bytes_max",
        "_chunked",
        "_dirty",
        "_drained",
        "_drained_at",
        "_ended",
        "_full",
        "_gone",
        "_held",
        "_kept_bytes",
        "_on_backlog",
        "_on_close",
        "_out",
        "_out_bytes",
        "_request",
        "_timer",
        "_written",
    )

    endless = True

    def __init__(
        self,
        request: HotRequest,
        head: bytes,
        on_close: Callable[[str], None],
        on_backlog: Callable[[bool], None] | None,
        backlog_bytes_max: int | None = None,
    ) -> None:
        self._request = request
        self._chunked = request.chunked_answers
        self._out: list[bytes] = [head]
        self._out_bytes = len(head)
        self._kept_bytes = 0
        self._on_close = on_close
        self._on_backlog = on_backlog or _ignore_backlog
        self._held = True  # until the answers before it are written
        self._dirty = False
        self._ended = False
        self._gone = False
        self._full = False
        self._written = 0
        self._drained = 0
        self._drained_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        channel = request.channel
        self._backlog_bytes_max = backlog_bytes_max or (0 if channel is None else channel.limits.backlog_bytes_max)
        if channel is None:
            self._gone = True
            asyncio.get_running_loop().call_soon(on_close, "the client is gone")
        else:
            channel.counters.streams += 1
            channel.counters.streams_total += 1

    @property
    def open(self) -> bool:
        """Whether what is sent may still arrive: neither end has closed it."""
        return not self._ended and not self._gone

    @property
    def backlog_bytes(self) -> int:
        """How many bytes wait in this process for the client to take them."""
        channel = self._request.channel
        if self._gone or channel is None or channel.transport is None:
            return 0
        return self._out_bytes + channel.transport.get_write_buffer_size()

    def send(self, record: bytes) -> None:
        """Send one record. Nothing happens when the stream is no longer open."""
        if self._ended or self._gone:
            return
        length = len(record)
        if self._chunked:
            digits = 4 if 100 <= length < 1000 else len(b"%d\n" % length)
            self._out.append(b"%x\r\n%d\n%b\r\n" % (length + digits, length, record))
        else:
            self._out.append(b"%d\n%b" % (length, record))
        self._out_bytes += length + 16
        if not self._dirty:
            self._mark_dirty()
        channel = self._request.channel
        if channel is not None and self._out_bytes > self._backlog_bytes_max:
            channel.counters.streams_overflowed += 1
            self.give_up("too much waits for the client")

    def begin(self, length: int) -> None:
        """Begin a record of so many bytes, which are then `add`ed. Nothing else may be sent until it is `finish`ed."""
        line = b"%d\n" % length
        self._append(b"%x\r\n%b" % (length + len(line), line) if self._chunked else line)

    def add(self, part: bytes) -> None:
        """The next bytes of the record that was begun."""
        self._append(part)

    def finish(self) -> None:
        """All of its bytes were added."""
        if self._chunked:
            self._append(b"\r\n")

    def _append(self, data: bytes) -> None:
        if self._ended or self._gone:
            return
        self._out.append(data)
        self._out_bytes += len(data)
        if not self._dirty:
            self._mark_dirty()

    def keep(self, length: int) -> None:
        """The owner keeps a record of so many bytes to send it later, or less by so many: they wait for the client like
        those that are sent."""
        self._kept_bytes += length
        channel = self._request.channel
        if not self._gone and channel is not None and self._kept_bytes > self._backlog_bytes_max:
            channel.counters.streams_overflowed += 1
            self.give_up("too much waits for the client")

    def close(self) -> None:
        """End the stream after what was sent before. The connection stays open for further requests."""
        if self._ended or self._gone:
            return
        self._ended = True
        if self._chunked:
            self._out.append(b"0\r\n\r\n")
        if not self._dirty:
            self._mark_dirty()

    def _mark_dirty(self) -> None:
        channel = self._request.channel
        if channel is not None and not self._held:
            self._dirty = True
            channel.flusher.add(self)

    def flush(self) -> None:
        """Give what was sent to the transport. Called by the `Flusher`."""
        self._dirty = False
        channel = self._request.channel
        if self._gone or channel is None or channel.transport is None:
            return
        data = b"".join(self._out)
        self._out.clear()
        self._out_bytes = 0
        self._written += len(data)
        channel.transport.write(data)
        waiting = channel.transport.get_write_buffer_size()
        if waiting and self._timer is None:
            self._drained_at = channel.loop.time()
            self._drained = self._written - waiting
            self._timer = channel.loop.call_later(_watch_seconds(channel.limits), self._watch)
        if waiting > self._backlog_bytes_max:
            channel.counters.streams_overflowed += 1
            self.give_up("too much waits for the client")
        elif waiting > channel.limits.backlog_full_bytes and not self._full:
            self._full = True
            channel.counters.streams_full += 1
            self._on_backlog(True)
        if self._ended and not self._gone:
            channel.counters.streams -= 1
            channel.stream_ended(self._request)

    def _watch(self) -> None:
        """Look after bytes that wait in the transport, until none do."""
        self._timer = None
        channel = self._request.channel
        if self._gone or channel is None or channel.transport is None:
            return
        waiting = channel.transport.get_write_buffer_size()
        now = channel.loop.time()
        if self._written - waiting > self._drained:
            self._drained = self._written - waiting
            self._drained_at = now
        elif waiting and now - self._drained_at >= channel.limits.stall_seconds_max:
            channel.counters.stalled_closed += 1
            self.give_up("the client does not read")
            return
        if self._full and waiting <= channel.limits.backlog_low_bytes:
            self._full = False
            self._on_backlog(False)
        if waiting and not self._ended:
            self._timer = channel.loop.call_later(_watch_seconds(channel.limits), self._watch)

    def give_up(self, why: str) -> None:
        """Cut the connection of a client that cannot keep up."""
        channel = self._request.channel
        transport = None if channel is None else channel.transport
        self.lost(why)
        if transport is not None:
            transport.abort()

    # For the channel.

    def release(self) -> None:
        """The answers before the stream are with the transport; now it may write."""
        self._held = False
        if not self._dirty:
            self._mark_dirty()

    def lost(self, why: str) -> None:
        """The connection is gone."""
        if self._gone or (self._ended and not self._out):
            return
        self._gone = True
        self._out.clear()
        self._out_bytes = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        channel = self._request.channel
        if channel is not None:
            channel.counters.streams -= 1
        if not self._ended:
            self._on_close(why)


def _watch_seconds(limits: Limits) -> float:
    return min(0.25, limits.stall_seconds_max / 4)

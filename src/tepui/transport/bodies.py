"""Answers that are written while they are made, a part at a time, and no faster than the client takes them.

A client of HTTP/1.1 gets chunks, because nobody knows the length beforehand; one of HTTP/1.0 gets the bytes, and the
end of the connection says that they are all.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from tepui.transport import heads

if TYPE_CHECKING:
    from tepui.transport.hot import HotRequest

WAITING_BYTES_MAX = 256 << 10
"""With more than this waiting for the client no further part is made."""
GZIP_WINDOW_BITS = 31
"""The largest window, and the header and end of a gzip file."""


class Body:
    """The answer to one request, from its head to its last part."""

    __slots__ = ("_begun", "_gone", "_head", "_head_only", "_held", "_request", "_waited_since", "_waiting", "_zip")

    endless = False

    def __init__(self, request: HotRequest, content_type: str, headers: heads.Headers, *, gzip: bool) -> None:
        self._request = request
        self._head_only = request.method == "HEAD"
        self._zip = zlib.compressobj(heads.GZIP_LEVEL, wbits=GZIP_WINDOW_BITS) if gzip else None
        if gzip:
            headers = (("Content-Encoding", "gzip"), *headers)
        if not request.chunked_answers:
            request.closes = True
            request.connection_line = b""  # the head of such a stream says it already
        self._head = heads.stream_head(
            content_type, headers, chunked=request.chunked_answers, connection=request.connection_line
        )
        self._held = True  # until the answers before it are written
        self._begun = False
        self._gone = request.channel is None
        self._waiting = 0
        self._waited_since = 0.0
        if request.channel is not None:
            request.channel.counters.long_answers += 1
            request.channel.counters.long_answers_total += 1

    @property
    def gone(self) -> bool:
        """Whether the client is, or its connection is being closed."""
        channel = self._request.channel
        transport = None if channel is None else channel.transport
        return self._gone or transport is None or transport.is_closing()

    @property
    def blocked(self) -> bool:
        """Whether nothing more can be written yet. A client that takes nothing for too long is given up."""
        channel = self._request.channel
        if self._gone or channel is None or channel.transport is None:
            return False
        waiting = channel.transport.get_write_buffer_size()
        now = channel.loop.time()
        if waiting != self._waiting or not waiting:
            self._waiting, self._waited_since = waiting, now
        elif now - self._waited_since >= channel.limits.stall_seconds_max:
            channel.counters.stalled_closed += 1
            self.cut()
            return False
        return self._held or waiting > WAITING_BYTES_MAX

    def write(self, data: bytes) -> None:
        """Write the next part."""
        if self._zip is not None:
            data = self._zip.compress(data)
        self._give(data, last=False)

    def end(self) -> None:
        """All was written."""
        self._give(b"" if self._zip is None else self._zip.flush(), last=True)
        channel = self._request.channel
        if not self._gone and channel is not None:
            channel.counters.long_answers -= 1
            self._gone = True
            channel.stream_ended(self._request)

    def _give(self, data: bytes, *, last: bool) -> None:
        channel = self._request.channel
        if self._gone or channel is None or channel.transport is None:
            return
        pieces = []
        if not self._begun:
            self._begun = True
            pieces.append(self._head)
        if not self._head_only:
            if not self._request.chunked_answers:
                pieces.append(data)
            else:
                if data:
                    pieces.append(b"%x\r\n%b\r\n" % (len(data), data))
                if last:
                    pieces.append(b"0\r\n\r\n")
        written = b"".join(pieces)
        if written:
            channel.transport.write(written)

    def cut(self) -> None:
        """End the connection in the middle: the client sees that something is missing."""
        channel = self._request.channel
        transport = None if channel is None else channel.transport
        self.lost("")
        if transport is not None:
            transport.abort()

    # For the channel.

    def release(self) -> None:
        """The answers before this one are with the transport; now it may be written."""
        self._held = False

    def lost(self, why: str) -> None:  # noqa: ARG002 - as for streams, whose owners are told
        """The connection is gone."""
        channel = self._request.channel
        if not self._gone and channel is not None:
            channel.counters.long_answers -= 1
        self._gone = True

"""Large answers and events on their way: drawn a part at a time, between other things (`tepui.transport.slices`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tepui.transport.bodies import WAITING_BYTES_MAX, Body
from tepui.transport.hot import Stream

ANSWERS_MAX = 64
"""So many large answers are under way at once; who asks for one more is to come again."""
RETRY_AFTER_SECONDS = 2
PICTURES_MAX = 8
"""So many first events of operator streams: each is held in memory until its reader has it."""
PICTURE_BYTES_MAX = 512 << 20
"""Of one of them; about 350,000 tasks as JSON."""
CHUNK_BYTES = 32 << 10
"""Smaller parts are written together."""


class DrawnAnswer:
    """One answer. Beside references to what it shows, no more of it is held than a part and what waits to be read."""

    def __init__(self, body: Body, parts: Iterator[bytes]) -> None:
        self._body = body
        self._parts = parts
        self._made: list[bytes] = []
        self._made_bytes = 0

    @property
    def over(self) -> bool:
        return self._body.gone

    @property
    def blocked(self) -> bool:
        return self._body.blocked

    def step(self) -> bool:
        part = next(self._parts, None)
        if part:
            self._made.append(part)
            self._made_bytes += len(part)
        if self._made and (part is None or self._made_bytes >= CHUNK_BYTES):
            self._body.write(b"".join(self._made))
            self._made.clear()
            self._made_bytes = 0
        if part is None:
            self._body.end()
        return part is not None

    def fail(self, why: str) -> None:  # noqa: ARG002 - a head that promises more is all that was said
        self._body.cut()


class DrawnRecord:
    """One record of a stream, which begins with its length: it is made in parts, and when it is whole it is sent in
    parts. What else is sent meanwhile comes after it."""

    def __init__(self, stream: Stream, parts: Iterator[bytes], done: Callable[[], None]) -> None:
        self._stream = stream
        self._parts = parts
        self._done = done
        self._made: list[bytes] = []
        self._made_bytes = 0
        self._sending: Iterator[bytes] | None = None
        self._later: list[bytes] = []
        self._ends = False

    @property
    def over(self) -> bool:
        return not self._stream.open

    @property
    def blocked(self) -> bool:
        return self._sending is not None and self._stream.backlog_bytes > WAITING_BYTES_MAX

    def follow(self, record: bytes) -> None:
        """Send another record after this one."""
        if not self._ends:
            self._later.append(record)
            self._stream.keep(len(record))

    def close(self) -> None:
        """End the stream after what was sent before."""
        self._ends = True

    def step(self) -> bool:
        return self._make() if self._sending is None else self._send(self._sending)

    def _make(self) -> bool:
        part = next(self._parts, None)
        if part is None:
            self._sending = iter(self._made)
            self._stream.begin(self._made_bytes)
            self._made = []
        elif part:
            self._made.append(part)
            self._made_bytes += len(part)
            if self._made_bytes > PICTURE_BYTES_MAX:
                self.fail("too much is to be told at once")
        return True

    def _send(self, parts: Iterator[bytes]) -> bool:
        part = next(parts, None)
        if part is not None:
            self._stream.add(part)
            return True
        self._stream.finish()
        self._done()
        for record in self._later:
            self._stream.keep(-len(record))
            self._stream.send(record)
        if self._ends:
            self._stream.close()
        return False

    def fail(self, why: str) -> None:
        self._stream.give_up(why)

"""Large answers and events on their way: drawn a part at a time, between other things (`tepui.transport.slices`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tepui.transport import heads
from tepui.transport.bodies import WAITING_BYTES_MAX, Body
from tepui.transport.hot import HotRequest, Stream

ANSWERS_MAX = 64
"""So many large answers are under way at once; who asks for one more is to come again."""
RETRY_AFTER_SECONDS = 2
PICTURES_MAX = 8
"""So many first events of operator streams: each is held in memory until its reader has it."""
PICTURE_BYTES_MAX = 512 << 20
"""Of one of them; about 350,000 tasks as JSON."""
CHUNK_BYTES = 32 << 10
"""Smaller parts are written together."""
SHORT_BYTES_MAX = 128 << 10
"""An answer is held back until it is longer than this, or whole."""


class DrawnAnswer:
    """One answer. Beside references to what it shows, no more of it is held than a part and what waits to be read. One
    that was much work and comes out short is one message with a length, as others are."""

    def __init__(
        self, request: HotRequest, parts: Iterator[bytes], content_type: str, headers: heads.Headers = ()
    ) -> None:
        self._request = request
        self._parts = parts
        self._content_type = content_type
        self._headers = headers
        self._made: list[bytes] = []
        self._made_bytes = 0
        self.body: Body | None = None
        """None while it may still be short."""
        if request.method == "HEAD":
            self._parts = iter(())
            self._open()

    def _open(self) -> Body:
        self.body = self._request.open_body(self._content_type, self._headers)
        return self.body

    @property
    def over(self) -> bool:
        return self._request.channel is None if self.body is None else self.body.gone

    @property
    def blocked(self) -> bool:
        return self.body is not None and self.body.blocked

    def step(self) -> bool:
        part = next(self._parts, None)
        if part is None:
            self._finish()
            return False
        if part:
            self._made.append(part)
            self._made_bytes += len(part)
            if self._made_bytes >= (SHORT_BYTES_MAX if self.body is None else CHUNK_BYTES):
                (self.body or self._open()).write(self._taken())
        return True

    def _finish(self) -> None:
        if self.body is None:
            self._request.answer(200, self._taken(), self._content_type, self._headers)
            return
        if self._made:
            self.body.write(self._taken())
        self.body.end()

    def _taken(self) -> bytes:
        data = b"".join(self._made)
        self._made.clear()
        self._made_bytes = 0
        return data

    def fail(self, why: str) -> None:
        if self.body is None:
            self._request.answer_text(500, f"The answer could not be made: {why}.")
        else:
            self.body.cut()  # the head that was sent promises more: nothing else can be said


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

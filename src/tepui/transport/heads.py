"""The bytes of answers: status lines, headers in Mesos's order, gzip, the chunks of event streams.

Mesos sends `Date` first, then what is particular to the answer; an error's `Content-Type` stands before its length, a
result's after it; there is no `Server` header.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterable, Sequence
from email.utils import formatdate
from http import HTTPStatus

GZIP_BYTES_MIN = 1024
"""Shorter bodies are never compressed (Mesos v1)."""
GZIP_LEVEL = 1
"""Most of the gain of JSON is had at the cheapest level, and the loop waits for it."""
TEXT = "text/plain; charset=utf-8"

Headers = Sequence[tuple[str, str]]


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


def default_sentence(status: int) -> str:
    """The body of an error that has no sentence of its own, such as `403 Forbidden.`"""
    return f"{status} {_phrase(status)}."


def method_sentence(allowed: Iterable[str], received: str) -> str:
    """The body of a 405."""
    names = ", ".join(f"'{name}'" for name in allowed)
    return f"405 Method Not Allowed. Expecting one of {{ {names} }}, but received '{received}'."


class _Dated:
    """Heads that differ from second to second only."""

    __slots__ = ("_accepted", "_second", "_starts")

    def __init__(self) -> None:
        self._second = 0
        self._accepted = b""
        self._starts: dict[int, bytes] = {}

    def _renew(self, second: int) -> None:
        self._second = second
        self._starts = {}
        self._accepted = self.start(202) + b"Content-Length: 0\r\n\r\n"

    def start(self, status: int) -> bytes:
        """The status line and the date."""
        second = int(time.time())
        if second != self._second:
            self._renew(second)
        start = self._starts.get(status)
        if start is None:
            start = f"HTTP/1.1 {status} {_phrase(status)}\r\nDate: {formatdate(second, usegmt=True)}\r\n".encode()
            self._starts[status] = start
        return start

    def accepted(self) -> bytes:
        """The whole of the answer that nearly every call gets."""
        if int(time.time()) != self._second:
            self._renew(int(time.time()))
        return self._accepted


_dated = _Dated()
accepted = _dated.accepted
start = _dated.start


def header_lines(headers: Headers) -> bytes:
    """Header lines. Raises ValueError when a name or value would break the head in two."""
    text = "".join([f"{name}: {value}\r\n" for name, value in headers])
    if text.count("\r") != len(headers) or text.count("\n") != len(headers):
        raise ValueError(f"a header contains a line end: {text!r}")
    return text.encode("latin-1", "replace")


def accepts_gzip(accept_encoding: bytes | None) -> bool:
    """Whether an `Accept-Encoding` header asks for gzip (by name or `*`, and not with `q=0`)."""
    if accept_encoding is None:
        return False
    for part in accept_encoding.lower().split(b","):
        name, _, parameters = part.partition(b";")
        if name.strip() in (b"gzip", b"*"):
            quality = parameters.replace(b" ", b"")
            return not (quality.startswith(b"q=0") and quality.strip(b"q=0.") == b"")
    return False


def compress(body: bytes) -> bytes:
    """`body` as gzip."""
    compressor = zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, 31)
    return compressor.compress(body) + compressor.flush()


def answer_bytes(
    status: int,
    body: bytes = b"",
    content_type: str | None = None,
    headers: Headers = (),
    *,
    connection: bytes = b"",
    head_only: bool = False,
    gzip: bool = False,
) -> bytes:
    """A whole answer.

    `connection` is a ready `Connection` line or empty; `head_only` leaves the body out but not its length (HEAD);
    `gzip`: the client takes it.
    """
    parts = [start(status)]
    if gzip and len(body) >= GZIP_BYTES_MIN:
        body = compress(body)
        parts.append(b"Content-Encoding: gzip\r\n")
    if headers:
        parts.append(header_lines(headers))
    parts.append(connection)
    length = b"Content-Length: %d\r\n" % len(body)
    if content_type is None:
        parts.append(length)
    elif status >= 400:
        parts += (header_lines((("Content-Type", content_type),)), length)
    else:
        parts += (length, header_lines((("Content-Type", content_type),)))
    parts.append(b"\r\n")
    if not head_only:
        parts.append(body)
    return b"".join(parts)


def stream_head(content_type: str, headers: Headers, *, chunked: bool, connection: bytes = b"") -> bytes:
    """The head of an event stream, or of another answer whose length is not known. `connection` as in
    `answer_bytes`."""
    encoding = b"Transfer-Encoding: chunked\r\n" if chunked else b"Connection: close\r\n"
    lines = header_lines((*headers, ("Content-Type", content_type)))
    return b"".join((start(200), encoding, connection, lines, b"\r\n"))

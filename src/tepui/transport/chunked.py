"""A request's body that comes in chunks (RFC 9112, 7.1), and the error for requests that are not HTTP."""

from __future__ import annotations

CHUNK_LINE_BYTES_MAX = 1024
"""A chunk's size with its extensions, or one trailer line."""
TRAILERS_MAX = 64


class BadRequestError(Exception):
    """What the client sent is not HTTP, or more than is allowed. `status` is the answer; the connection closes."""

    def __init__(self, status: int, sentence: str = "") -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence


class ChunkedBody:
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

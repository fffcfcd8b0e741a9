"""RecordIO, the framing of the event streams: a record's length in decimal digits, a line feed, the record."""

from __future__ import annotations

from tepui.wire.errors import RecordError

RECORD_BYTES_MAX = 64 * 1024 * 1024
"""The longest record that a decoder takes, unless it is told otherwise."""

_LENGTH_DIGITS_MAX = 20


def encode_record(data: bytes) -> bytes:
    """A record as it travels. An empty record is legal."""
    return b"%d\n%s" % (len(data), data)


class RecordDecoder:
    """Cuts the chunks of a stream into records; chunks and records need not line up.

    It holds at most one unfinished record and one chunk. After an error the stream is of no use any more, and every
    further call raises the same error.
    """

    def __init__(self, record_bytes_max: int = RECORD_BYTES_MAX) -> None:
        self._record_bytes_max = record_bytes_max
        self._buffer = bytearray()
        self._length = -1
        """The length of the record that is being read; -1 while it is not known."""
        self._error: RecordError | None = None

    @property
    def unfinished(self) -> bool:
        """Whether a stream that ends here ends within a record."""
        return self._length >= 0 or bool(self._buffer)

    def feed(self, chunk: bytes) -> list[bytes]:
        """The records that are complete with this chunk. Raises `RecordError`."""
        if self._error is not None:
            raise self._error
        buffer = self._buffer
        buffer += chunk
        records: list[bytes] = []
        start = 0
        while True:
            if self._length < 0:
                end = buffer.find(b"\n", start, start + _LENGTH_DIGITS_MAX + 1)
                if end < 0:
                    if len(buffer) - start > _LENGTH_DIGITS_MAX:
                        raise self._broken(bytes(buffer[start : start + _LENGTH_DIGITS_MAX]))
                    break
                self._length = self._parse_length(bytes(buffer[start:end]))
                start = end + 1
            if len(buffer) - start < self._length:
                break
            records.append(bytes(buffer[start : start + self._length]))
            start += self._length
            self._length = -1
        del buffer[:start]
        return records

    def _parse_length(self, digits: bytes) -> int:
        if not digits.isdigit():
            raise self._broken(digits)
        length = int(digits)
        if length > self._record_bytes_max:
            self._error = RecordError(f"A record of {length} bytes is longer than {self._record_bytes_max}")
            raise self._error
        return length

    def _broken(self, digits: bytes) -> RecordError:
        shown = digits.decode("ascii", "backslashreplace")
        self._error = RecordError(f"Failed to decode length '{shown}': Failed to convert '{shown}' to number")
        return self._error

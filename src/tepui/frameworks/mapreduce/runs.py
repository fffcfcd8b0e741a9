"""Files of sorted lines, between a map task's memory and a reducer's input.

A run is a sequence of batches: a header, the lines divided by newlines, and how often each of them comes, unless each
comes once. Counting equal lines instead of writing them keeps a word count's files, and what travels, small.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Iterable, Iterator
from operator import mul
from pathlib import Path
from typing import BinaryIO, NamedTuple

LINES_AT_ONCE = 4096
BATCH_BYTES = 1 << 17
"""A batch that is larger, or has more lines, is divided: of each run that is merged one batch is in memory."""
EXPANDED_AT_ONCE = 1024
"""Lines, each as often as it comes: so few that most are not larger together than a piece."""
PIECE_BYTES = 1 << 20
_HEADER = struct.Struct("<QI")
"""Bytes of the lines, number of counts."""

Segment = tuple[int, int]
"""Offset and length of one partition in a run's file."""


class BadRunError(ValueError):
    """A run ends early, or is none."""


class Batch(NamedTuple):
    """Sorted lines without their newlines. `counts` tells how often each comes; None: once."""

    lines: list[bytes]
    counts: list[int] | None = None

    @property
    def total(self) -> int:
        return len(self.lines) if self.counts is None else sum(self.counts)

    def part(self, begin: int, end: int | None = None) -> Batch:
        return Batch(self.lines[begin:end], None if self.counts is None else self.counts[begin:end])


def write_batches(file: BinaryIO, batches: Iterable[Batch]) -> Segment:
    """Append to a run; tells where."""
    begin = file.tell()
    for batch in batches:
        for part in _divided(batch):
            blob = b"\n".join(part.lines)
            counts = array("Q", () if part.counts is None or max(part.counts) == 1 else part.counts)
            if sys.byteorder == "big":
                counts.byteswap()
            file.write(_HEADER.pack(len(blob), len(counts)))
            file.write(blob)
            file.write(counts.tobytes())
    return begin, file.tell() - begin


def read_batches(path: Path, offset: int, length: int) -> Iterator[Batch]:
    """The batches of a segment. Raises BadRunError."""
    if not length:
        return
    with path.open("rb") as file:
        file.seek(offset)
        while length > 0:
            size, count = _HEADER.unpack(_read(file, _HEADER.size, path))
            lines = _read(file, size, path).split(b"\n")
            length -= _HEADER.size + size + 8 * count
            counts = None
            if count:
                numbers = array("Q", _read(file, 8 * count, path))
                if sys.byteorder == "big":
                    numbers.byteswap()
                counts = numbers.tolist()
            yield Batch(lines, counts)


def _read(file: BinaryIO, size: int, path: Path) -> bytes:
    data = file.read(size)
    if len(data) < size:
        raise BadRunError(f"The file {path.name} of sorted lines ends early.")
    return data


def _divided(batch: Batch) -> Iterator[Batch]:
    """Parts of bounded size; one line may be larger."""
    for begin in range(0, len(batch.lines), LINES_AT_ONCE):
        part = batch.part(begin, begin + LINES_AT_ONCE)
        while part.lines:
            end = len(part.lines)
            while end > 1 and sum(map(len, part.lines[:end])) > BATCH_BYTES:
                end //= 2
            yield part.part(0, end)
            part = part.part(end)


def expanded(batch: Batch) -> Iterator[bytes]:
    """The lines as programs read them, each as often as it comes, in pieces of bounded size."""
    lines, counts = batch
    if counts is None:
        for begin in range(0, len(lines), LINES_AT_ONCE):
            yield b"\n".join(lines[begin : begin + LINES_AT_ONCE]) + b"\n"
        return
    for begin in range(0, len(lines), EXPANDED_AT_ONCE):
        wholes = [line + b"\n" for line in lines[begin : begin + EXPANDED_AT_ONCE]]
        yield from _repeated(wholes, counts[begin : begin + EXPANDED_AT_ONCE])


def _repeated(wholes: list[bytes], counts: list[int]) -> Iterator[bytes]:
    """Lines with their newlines, each as often as it comes."""
    if sum(map(mul, map(len, wholes), counts)) <= PIECE_BYTES:
        yield b"".join(map(mul, wholes, counts))
    elif len(wholes) > 1:
        middle = len(wholes) // 2
        yield from _repeated(wholes[:middle], counts[:middle])
        yield from _repeated(wholes[middle:], counts[middle:])
    else:
        whole, count = wholes[0], counts[0]
        at_once = max(1, PIECE_BYTES // len(whole))
        for done in range(0, count, at_once):
            yield whole * min(at_once, count - done)

"""Sorts lines within partitions, on disk when they do not fit in memory, and merges what is sorted.

Lines travel without their newline and are ordered by their bytes, or as an `Order` says. A line with fewer fields than
the key has gets the TABs that it lacks, so that all lines of one key begin alike and stand together. Equal lines are
counted instead of kept: word counts, the commonest use, have few different ones.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from tepui.frameworks.mapreduce.keys import Order, Partition

SORT_BYTES_DEFAULT = 64 << 20
LINE_BYTES_MAX = 64 << 20
"""A longer line is an error: somebody forgot the newlines."""
LINE_OVERHEAD_BYTES = 160
"""What an entry costs in memory beside its bytes."""
READ_BYTES = 1 << 20
BLOCK_BYTES_MIN = 1 << 16
WRITE_BYTES = 1 << 20
LINES_AT_ONCE = 4096
RUNS_MAX = 64
"""So many sorted files are merged into one, which bounds open files."""

Segment = tuple[int, int]
"""Offset and length of one partition in a run."""


class LineTooLongError(ValueError):
    """A line is longer than `LINE_BYTES_MAX`."""


def lines_of(read: Callable[[int], bytes], block_bytes: int = READ_BYTES) -> Iterator[list[bytes]]:
    """Lists of whole lines; the last line may lack its newline. Raises LineTooLongError."""
    held: list[bytes] = []
    held_bytes = 0
    while block := read(block_bytes):
        end = block.rfind(b"\n")
        if end < 0:
            held.append(block)
            held_bytes += len(block)
            if held_bytes > LINE_BYTES_MAX:
                raise LineTooLongError(f"a line is longer than {LINE_BYTES_MAX >> 20} MB; are newlines missing?")
            continue
        held.append(block[:end])
        yield b"".join(held).split(b"\n")
        held = [block[end + 1 :]]
        held_bytes = len(held[0])
    if rest := b"".join(held):
        yield [rest]


class Run:
    """A sorted file, partition after partition."""

    def __init__(self, path: Path, segments: list[Segment]) -> None:
        self.path = path
        self.segments = segments

    def lines(self, partition: int, block_bytes: int) -> Iterator[list[bytes]]:
        return read_segment(self.path, *self.segments[partition], block_bytes)


def read_segment(path: Path, offset: int, length: int, block_bytes: int) -> Iterator[list[bytes]]:
    """The sorted lines of a part of a file."""
    if not length:
        return
    with path.open("rb") as file:
        file.seek(offset)
        left = length

        def read(wanted: int) -> bytes:
            nonlocal left
            data = file.read(min(wanted, left))
            left -= len(data)
            return data

        yield from lines_of(read, block_bytes)


def merge(sources: Sequence[Iterator[list[bytes]]], order: Order | None = None) -> Iterator[list[bytes]]:
    """One sorted sequence from several, in lists. What is certainly next is sorted together, which finds the order
    that is there already: much faster than line by line."""
    place = None if order is None else order.place
    buffers: list[list[bytes]] = []
    waiting: list[Iterator[list[bytes]]] = []
    for source in sources:
        if (lines := next(source, None)) is not None:
            buffers.append(lines)
            waiting.append(source)
    while len(buffers) > 1:
        last: Any = min((lines[-1] for lines in buffers), key=place)
        bound = last if place is None else place(last)
        together: list[bytes] = []
        for number in range(len(buffers) - 1, -1, -1):
            lines = buffers[number]
            end = bisect_right(lines, bound, key=place)
            together += lines[:end]
            if end < len(lines):
                buffers[number] = lines[end:]
            elif (more := next(waiting[number], None)) is not None:
                buffers[number] = more
            else:
                del buffers[number], waiting[number]
        sort(together, order)
        yield together
    if buffers:
        yield buffers[0]
        yield from waiting[0]


def sort(lines: list[bytes], order: Order | None) -> None:
    if order is None:
        lines.sort()
    else:
        order.sort(lines)


def block_bytes_for(sources: int, memory_bytes: int) -> int:
    """How much of each of so many sources to read at once."""
    return max(BLOCK_BYTES_MIN, min(READ_BYTES, memory_bytes // (4 * max(1, sources))))


class Sorter:
    """Takes lines in any order; `finish` leaves one run with all of them. `combine` turns sorted lines into fewer."""

    def __init__(
        self,
        directory: Path,
        partitions: int,
        partition: Partition,
        *,
        key_fields: int = 1,
        memory_bytes: int = SORT_BYTES_DEFAULT,
        combine: Callable[[Iterable[bytes]], Iterator[list[bytes]]] | None = None,
        order: Order | None = None,
    ) -> None:
        self.lines = 0
        """How many lines were added."""
        self._directory = directory
        self._partitions = partitions
        self._partition = partition
        self._key_fields = key_fields
        self._memory_bytes = memory_bytes
        self._combine = combine
        self._order = order
        self._counts: Counter[bytes] = Counter()
        self._held_bytes = 0
        """At least what `_counts` holds."""
        self._runs: list[Run] = []
        self._files = 0

    def add(self, lines: list[bytes]) -> None:
        self.lines += len(lines)
        self._take(lines)
        if self._held_bytes > self._memory_bytes:
            self._held_bytes = sum(map(len, self._counts)) + LINE_OVERHEAD_BYTES * len(self._counts)
            if self._held_bytes > self._memory_bytes // 2:
                self._spill()

    def finish(self) -> Run:
        """Call once, at the end."""
        if self._counts or not self._runs:
            self._spill()
        return self._merged()

    def _take(self, lines: list[bytes]) -> None:
        before = len(self._counts)
        self._counts.update(lines)
        new = len(self._counts) - before
        if new:
            size = sum(map(len, lines)) if new > len(lines) // 2 else max(map(len, lines)) * new
            self._held_bytes += min(size, sum(map(len, lines))) + LINE_OVERHEAD_BYTES * new

    def _spill(self) -> None:
        """Write what is held as a run."""
        if self._combine is None:
            self._write()
            return
        counts, buckets = self._partitioned()
        combined = self._combine(piece for bucket in buckets for piece in _pieces(bucket, counts))
        combine, self._combine = self._combine, None  # what comes out is only sorted
        for lines in combined:
            self._take(lines)
            if self._held_bytes > self._memory_bytes:
                self._write()
        if self._counts or not self._runs:
            self._write()
        self._combine = combine

    def _partitioned(self) -> tuple[Counter[bytes], list[list[bytes]]]:
        """What is held, to be held no longer: the number of each line, and the lines of each partition in order. They
        have got the TABs that they lacked."""
        counts, key_fields = self._counts, self._key_fields
        self._counts, self._held_bytes = Counter(), 0
        for line in [line for line in counts if line.count(b"\t") < key_fields]:
            counts[line + b"\t" * (key_fields - line.count(b"\t"))] += counts.pop(line)
        if self._partitions == 1:
            lines = list(counts)
            sort(lines, self._order)
            return counts, [lines]
        buckets: list[list[bytes]] = [[] for _ in range(self._partitions)]
        partition = self._partition
        for line in counts:
            buckets[partition(line)].append(line)
        for bucket in buckets:
            sort(bucket, self._order)
        return counts, buckets

    def _write(self) -> None:
        counts, buckets = self._partitioned()
        path = self._new_file()
        with path.open("wb") as file:
            segments = [_write_segment(file, _pieces(bucket, counts)) for bucket in buckets]
        self._runs.append(Run(path, segments))
        if len(self._runs) >= RUNS_MAX:
            self._runs = [self._merged()]

    def _merged(self) -> Run:
        if len(self._runs) == 1:
            return self._runs[0]
        block_bytes = block_bytes_for(len(self._runs), self._memory_bytes)
        path = self._new_file()
        with path.open("wb") as file:
            segments = []
            for partition in range(self._partitions):
                sources = [run.lines(partition, block_bytes) for run in self._runs]
                segments.append(_write_segment(file, map(joined, merge(sources, self._order))))
        for run in self._runs:
            run.path.unlink()
        return Run(path, segments)

    def _new_file(self) -> Path:
        self._files += 1
        return self._directory / f"run-{self._files}"


def joined(lines: list[bytes]) -> bytes:
    """Lines as they stand in files."""
    return b"\n".join(lines) + b"\n"


def _pieces(lines: list[bytes], counts: Counter[bytes]) -> Iterator[bytes]:
    """The bytes of lines, each as often as it was counted, in pieces of bounded size."""
    for begin in range(0, len(lines), LINES_AT_ONCE):
        some = lines[begin : begin + LINES_AT_ONCE]
        if sum(map(counts.__getitem__, some)) == len(some):
            yield joined(some)
        else:
            yield from _repeated(some, counts)


def _repeated(lines: list[bytes], counts: Counter[bytes]) -> Iterator[bytes]:
    piece: list[bytes] = []
    size = 0
    for line in lines:
        whole = line + b"\n"
        at_once = max(1, WRITE_BYTES // len(whole))
        count = counts[line]
        for begin in range(0, count, at_once):
            part = whole * min(at_once, count - begin)
            piece.append(part)
            size += len(part)
            if size >= WRITE_BYTES:
                yield b"".join(piece)
                piece, size = [], 0
    if piece:
        yield b"".join(piece)


def _write_segment(file: BinaryIO, pieces: Iterable[bytes]) -> Segment:
    begin = file.tell()
    for piece in pieces:
        file.write(piece)
    return begin, file.tell() - begin

"""Sorts lines within partitions, on disk when they do not fit in memory, and merges what is sorted.

Lines travel without their newline and are ordered by their bytes, or as an `Order` says. A line with fewer fields than
the key has gets the TABs that it lacks, so that all lines of one key begin alike and stand together. Equal lines are
counted instead of kept: word counts, the commonest use, have few different ones.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice, repeat
from pathlib import Path
from typing import Any

from tepui.frameworks.mapreduce.keys import Order, Partition
from tepui.frameworks.mapreduce.runs import Batch, Segment, expanded, read_batches, write_batches

SORT_BYTES_DEFAULT = 64 << 20
LINE_BYTES_MAX = 64 << 20
"""A longer line is an error: somebody forgot the newlines."""
LINE_OVERHEAD_BYTES = 112
"""What a held line costs in memory beside its bytes: the object, and its place in a dict."""
READ_BYTES = 1 << 20
RUNS_MAX = 64
"""So many sorted files are merged into one, which bounds open files."""


class LineTooLongError(ValueError):
    """A line is longer than `LINE_BYTES_MAX`."""


def lines_of(
    read: Callable[[int], bytes], block_bytes: int = READ_BYTES, *, are_keyed: bool = False
) -> Iterator[list[bytes]]:
    """Lists of whole lines; the last line may lack its newline. Raises LineTooLongError.

    With `are_keyed`, lines that are all key get the TAB that they lack where that is cheap: where none has one.
    """
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
        text = b"".join(held)
        if are_keyed and b"\t" not in text:
            text = text.replace(b"\n", b"\t\n") + b"\t"
        yield text.split(b"\n")
        held = [block[end + 1 :]]
        held_bytes = len(held[0])
    if rest := b"".join(held):
        yield [rest]


class Run:
    """A sorted file, partition after partition."""

    def __init__(self, path: Path, segments: list[Segment]) -> None:
        self.path = path
        self.segments = segments

    def batches(self, partition: int) -> Iterator[Batch]:
        return read_batches(self.path, *self.segments[partition])


def merge(sources: Sequence[Iterator[Batch]], order: Order | None = None) -> Iterator[Batch]:
    """One sorted sequence from several. What is certainly next is sorted together, which finds the order that is there
    already: much faster than line by line."""
    place = None if order is None else order.place
    buffers: list[Batch] = []
    waiting: list[Iterator[Batch]] = []
    for source in sources:
        if (batch := next(source, None)) is not None:
            buffers.append(batch)
            waiting.append(source)
    while len(buffers) > 1:
        last: Any = min((batch.lines[-1] for batch in buffers), key=place)
        bound = last if place is None else place(last)
        parts: list[Batch] = []
        for number in range(len(buffers) - 1, -1, -1):
            batch = buffers[number]
            end = bisect_right(batch.lines, bound, key=place)
            if end:
                parts.append(batch.part(0, end))
            if end < len(batch.lines):
                buffers[number] = batch.part(end)
            elif (more := next(waiting[number], None)) is not None:
                buffers[number] = more
            else:
                del buffers[number], waiting[number]
        yield _together(parts, order)
    if buffers:
        yield buffers[0]
        yield from waiting[0]


def _together(parts: list[Batch], order: Order | None) -> Batch:
    """The lines of several batches as one; equal ones are counted where some are counted already."""
    if all(part.counts is None for part in parts):
        lines = [line for part in parts for line in part.lines]
        sort(lines, order)
        return Batch(lines)
    total: dict[bytes, int] = {}
    known = total.get
    for part in parts:
        for line, count in zip(part.lines, part.counts or repeat(1), strict=False):
            total[line] = known(line, 0) + count
    return _sorted(total, order)


def _sorted(total: dict[bytes, int], order: Order | None) -> Batch:
    lines = list(total)
    sort(lines, order)
    return Batch(lines, list(map(total.__getitem__, lines)))


def sort(lines: list[bytes], order: Order | None) -> None:
    if order is None:
        lines.sort()
    else:
        order.sort(lines)


def short_lines(lines: Iterable[bytes], key_fields: int) -> list[bytes]:
    """Those that have fewer TABs than their key has fields."""
    if key_fields == 1:
        return [line for line in lines if b"\t" not in line]
    return [line for line in lines if line.count(b"\t") < key_fields]


def completed(line: bytes, key_fields: int) -> bytes:
    """The line with the TABs that it lacks."""
    return line + b"\t" * (key_fields - line.count(b"\t"))


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
        """What `_counts` holds."""
        self._runs: list[Run] = []
        self._files = 0

    def add(self, lines: list[bytes]) -> None:
        self.lines += len(lines)
        self._take(lines)
        if self._held_bytes > self._memory_bytes:
            self._spill()

    def finish(self) -> Run:
        """Call once, at the end."""
        if self._counts or not self._runs:
            self._spill()
        return self._merged()

    def _take(self, lines: list[bytes]) -> None:
        before = len(self._counts)
        self._counts.update(lines)
        new = len(self._counts) - before  # they stand at the end
        self._held_bytes += sum(map(len, islice(reversed(self._counts), new))) + LINE_OVERHEAD_BYTES * new

    def _spill(self) -> None:
        """Write what is held as a run."""
        if self._combine is not None:
            self._write_combined(self._combine(expanded(_sorted(self._taken(), self._order))))
            return
        counts = self._taken()
        buckets = self._new_buckets()
        self._divide(list(counts), buckets)
        self._write(Batch(bucket, list(map(counts.__getitem__, bucket))) for bucket in self._ordered(buckets))

    def _taken(self) -> Counter[bytes]:
        """What is held, to be held no longer, with the TABs that lines lacked."""
        counts, self._counts, self._held_bytes = self._counts, Counter(), 0
        for line in short_lines(counts, self._key_fields):
            counts[completed(line, self._key_fields)] += counts.pop(line)
        return counts

    def _write_combined(self, combined: Iterable[list[bytes]]) -> None:
        """What a combiner makes is not counted: few lines of it are alike. When memory does not hold it, it becomes
        several runs."""
        buckets = self._new_buckets()
        held_bytes = 0
        for lines in combined:
            if short_lines(lines, self._key_fields):
                lines = [completed(line, self._key_fields) for line in lines]
            self._divide(lines, buckets)
            held_bytes += sum(map(len, lines)) + LINE_OVERHEAD_BYTES * len(lines)
            if held_bytes > self._memory_bytes:
                self._write(map(Batch, self._ordered(buckets)))
                buckets, held_bytes = self._new_buckets(), 0
        if held_bytes or not self._runs:
            self._write(map(Batch, self._ordered(buckets)))

    def _new_buckets(self) -> list[list[bytes]]:
        return [[] for _ in range(self._partitions)]

    def _divide(self, lines: list[bytes], buckets: list[list[bytes]]) -> None:
        """Add lines to their partitions' buckets."""
        if self._partitions == 1:
            buckets[0] += lines
            return
        for line, number in zip(lines, self._partition(lines), strict=True):
            buckets[number].append(line)

    def _ordered(self, buckets: list[list[bytes]]) -> Iterator[list[bytes]]:
        for bucket in buckets:
            sort(bucket, self._order)
            yield bucket

    def _write(self, partitions: Iterable[Batch]) -> None:
        path = self._new_file()
        with path.open("wb") as file:
            segments = [write_batches(file, (batch,)) for batch in partitions]
        self._runs.append(Run(path, segments))
        if len(self._runs) >= RUNS_MAX:
            self._runs = [self._merged()]

    def _merged(self) -> Run:
        if len(self._runs) == 1:
            return self._runs[0]
        path = self._new_file()
        with path.open("wb") as file:
            segments = []
            for partition in range(self._partitions):
                sources = [run.batches(partition) for run in self._runs]
                segments.append(write_batches(file, merge(sources, self._order)))
        for run in self._runs:
            run.path.unlink()
        return Run(path, segments)

    def _new_file(self) -> Path:
        self._files += 1
        return self._directory / f"run-{self._files}"

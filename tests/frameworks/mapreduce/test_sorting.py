"""Lines are neither lost, doubled nor torn, and come out in order, whatever they are."""

from __future__ import annotations

import io
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tepui.frameworks.mapreduce import runs, sorting
from tepui.frameworks.mapreduce.keys import Partition, make_partition
from tepui.frameworks.mapreduce.map_task import read_range
from tepui.frameworks.mapreduce.runs import BadRunError, Batch, expanded, read_batches, write_batches
from tepui.frameworks.mapreduce.sorting import LineTooLongError, Sorter, lines_of, merge
from tepui.frameworks.mapreduce.splits import InputError, Range, make_splits, read_manifest
from tepui.frameworks.mapreduce.task import TaskError

LINES = st.lists(st.binary(max_size=12).map(lambda line: line.replace(b"\n", b"\t")), max_size=60)


@given(LINES, st.integers(1, 4), st.integers(1, 3), st.sampled_from([1, 2000, 1 << 20]), st.booleans())
def test_a_sorter_gives_each_line_to_its_partition_in_order(
    lines: list[bytes], partitions: int, key_fields: int, memory_bytes: int, combine: bool
) -> None:
    """With any memory, also so little that each addition is a run of its own; the combiner here changes nothing."""

    def same(pieces: Iterable[bytes]) -> Iterator[list[bytes]]:
        return lines_of(io.BytesIO(b"".join(pieces)).read, 16)

    partition = make_partition(partitions, key_fields)
    pieces = (lines[begin : begin + 7] for begin in range(0, len(lines), 7))
    options = {"key_fields": key_fields, "memory_bytes": memory_bytes, "combine": same if combine else None}
    found = parted(pieces, partitions, partition, **options)
    whole = [line + b"\t" * (key_fields - line.count(b"\t")) for line in lines]
    assert Counter(line for part in found for line in part) == Counter(whole)
    for number, part in enumerate(found):
        assert part == sorted(part)
        assert set(partition(part)) <= {number}


@given(
    st.lists(st.sampled_from([b"\n", b"\t", b"\0", b"\xff", b"a", b"a\t1\n", b"b\n"]), max_size=80).map(b"".join),
    st.integers(1, 3),
    st.integers(1, 2),
    st.integers(1, 30),
    st.sampled_from([1, 500, 1 << 20]),
    st.booleans(),
)
def test_a_map_tasks_output_is_what_plainly_sorting_each_partition_gives(
    text: bytes, partitions: int, key_fields: int, block_bytes: int, memory_bytes: int, combine: bool
) -> None:
    """Any bytes, however they arrive: empty lines and keys, lines without TAB, a last line without newline. A combiner,
    here one that leaves only the key, gets lines in order, and what it makes is completed and sorted again."""

    def key(line: bytes) -> bytes:
        return b"\t".join(line.split(b"\t")[:key_fields]).rstrip(b"\t")

    def completed(line: bytes) -> bytes:
        return line + b"\t" * (key_fields - line.count(b"\t"))

    def combiner(pieces: Iterable[bytes]) -> Iterator[list[bytes]]:
        given = b"".join(pieces)
        lines = given.split(b"\n")[:-1]
        assert lines == sorted(lines)
        made = b"".join(key(line) + b"\n" for line in reversed(lines))
        return lines_of(io.BytesIO(made).read, block_bytes)

    plain = [completed(line) for line in text.removesuffix(b"\n").split(b"\n")] if text else []
    if combine:
        plain = [completed(key(line)) for line in plain]
    partition = make_partition(partitions, key_fields)
    pieces = lines_of(io.BytesIO(text).read, block_bytes, are_keyed=True)
    options = {"key_fields": key_fields, "memory_bytes": memory_bytes, "combine": combiner if combine else None}
    found = parted(pieces, partitions, partition, **options)
    for number, part in enumerate(found):
        assert part == sorted(line for line in plain if partition([line]) == [number])


def parted(pieces: Iterable[list[bytes]], partitions: int, partition: Partition, **options: Any) -> list[list[bytes]]:
    """What a sorter with these options makes of the lines, for each partition."""
    with tempfile.TemporaryDirectory() as directory:
        sorter = Sorter(Path(directory), partitions, partition, **options)
        for lines in pieces:
            sorter.add(lines)
        run = sorter.finish()
        return [lines_in(run.batches(number)) for number in range(partitions)]


def lines_in(batches: Iterable[Batch]) -> list[bytes]:
    """As a program would read them."""
    text = b"".join(piece for batch in batches for piece in expanded(batch))
    return text.split(b"\n")[:-1]


def batches_of(lines: list[bytes], size: int, *, is_counted: bool) -> Iterator[Batch]:
    """Sorted lines in batches, equal ones next to each other or counted."""
    if not is_counted:
        for begin in range(0, len(lines), size):
            yield Batch(lines[begin : begin + size])
        return
    counts = Counter(lines)
    different = list(counts)
    for begin in range(0, len(different), size):
        some = different[begin : begin + size]
        yield Batch(some, [counts[line] for line in some])


@given(st.lists(st.tuples(LINES, st.booleans()), max_size=5), st.integers(1, 5))
def test_merging_takes_what_is_next_from_each_source(sources: list[tuple[list[bytes], bool]], size: int) -> None:
    """Sources come in batches, in which equal lines may be counted."""
    merged = merge([batches_of(sorted(lines), size, is_counted=counted) for lines, counted in sources])
    assert lines_in(merged) == sorted(line for lines, _ in sources for line in lines)


@given(LINES, st.booleans(), st.integers(1, 20), st.integers(1, 5), st.integers(0, 40))
def test_a_run_gives_back_what_was_written_to_it(
    lines: list[bytes], is_counted: bool, batch_bytes: int, lines_at_once: int, before: int
) -> None:
    """However its batches were divided, and wherever it stands in its file."""
    with (
        tempfile.TemporaryDirectory() as directory,
        mock.patch.multiple(runs, BATCH_BYTES=batch_bytes, LINES_AT_ONCE=lines_at_once, PIECE_BYTES=batch_bytes),
    ):
        path = Path(directory) / "run"
        with path.open("wb") as file:
            file.write(b"x" * before)
            segment = write_batches(file, batches_of(lines, 7, is_counted=is_counted))
            file.write(b"y")
        found = list(read_batches(path, *segment))
        assert Counter(lines_in(found)) == Counter(lines)
        assert is_counted or lines_in(found) == lines
        assert all(len(b"".join(batch.lines)) <= batch_bytes or len(batch.lines) == 1 for batch in found)
        with pytest.raises(BadRunError, match="ends early"):
            list(read_batches(path, segment[0], segment[1] + 100))


@given(
    st.lists(st.sampled_from([b"\n", b"a", b"\r", b"\xff"]), max_size=60).map(b"".join),
    st.lists(st.integers(0, 60), max_size=5),
)
def test_a_file_that_is_cut_anywhere_is_read_once(data: bytes, cuts: list[int]) -> None:
    places = sorted({0, len(data), *(min(cut, len(data)) for cut in cuts)})
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "text"
        path.write_bytes(data)
        parts = [b"".join(read_range(str(path), begin, end - begin)) for begin, end in pairwise(places)]
    assert b"".join(parts) == (data if data.endswith(b"\n") or not data else data + b"\n")
    assert all(part.endswith(b"\n") for part in parts if part)


@given(st.lists(st.sampled_from([b"\n", b"a"]), max_size=20).map(b"".join), st.integers(0, 30), st.integers(1, 30))
def test_a_part_that_ends_behind_the_end_of_its_file_is_an_error(data: bytes, offset: int, beyond: int) -> None:
    length = max(0, len(data) - offset) + beyond
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "text"
        path.write_bytes(data)
        with pytest.raises(TaskError, match=f"ends before byte {offset + length},"):
            list(read_range(str(path), offset, length))


@given(LINES, st.integers(1, 40))
def test_keyed_lines_get_the_tab_that_they_lack_and_no_other(lines: list[bytes], block_bytes: int) -> None:
    """In blocks in which no line has one; the others' are the sorter's business."""
    text = b"".join(line + b"\n" for line in lines)
    found = [line for some in lines_of(io.BytesIO(text).read, block_bytes, are_keyed=True) for line in some]
    assert len(found) == len(lines)
    for line, new in zip(lines, found, strict=True):
        assert new == line or (b"\t" not in line and new == line + b"\t")
    if b"\t" not in text:
        assert found == [line + b"\t" for line in lines]


def test_a_line_without_end_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sorting, "LINE_BYTES_MAX", 1000)
    with pytest.raises(LineTooLongError, match="are newlines missing"):
        list(lines_of(io.BytesIO(b"x" * 5000).read, 100))


def test_large_files_are_cut_and_tiny_ones_put_together_on_their_hosts() -> None:
    tiny = [Range(f"/t{number}", 0, 10, (f"h{number % 2}",)) for number in range(10_000)]
    splits = make_splits([*tiny, Range("/large", 100, 2500)], 1000)
    assert sum(split.length for split in splits) == 102_500
    assert all(split.length <= 1000 and {part.hosts for part in split.ranges} == {split.hosts} for split in splits)
    large = sorted((part.offset, part.length) for split in splits for part in split.ranges if part.path == "/large")
    assert large == [(100, 834), (934, 834), (1768, 832)]
    assert len(splits) == 103


def test_a_file_a_little_longer_than_a_split_is_not_cut() -> None:
    assert [split.length for split in make_splits([Range("/a", 0, 1100)], 1000)] == [1100]
    assert [split.length for split in make_splits([Range("/a", 0, 1101)], 1000)] == [551, 550]


def test_rests_on_many_hosts_are_put_together_where_they_have_one_in_common() -> None:
    """As small files of HDFS are, three hosts each of ten: few tasks, each with a host that has all of its input, and
    none with most of the work."""
    random = Random(1)
    tiny = [Range(f"/t{n}", 0, 10, tuple(sorted(random.sample("abcdefghij", 3)))) for n in range(3000)]
    splits = make_splits(tiny, 1000)
    assert sorted(part.path for split in splits for part in split.ranges) == sorted(part.path for part in tiny)
    assert len(splits) <= 45, "30 would be the fewest"
    for split in splits:
        assert split.length <= 1000
        assert split.hosts
        assert all(set(split.hosts) <= set(part.hosts) for part in split.ranges)
    shares = Counter(host for split in splits for host in split.hosts)
    assert len(shares) == 10


@pytest.mark.parametrize("line", ["{", "[]", '{"path": "a"}', '{"path": "/a"}', '{"path": "/a", "length": -1}'])
def test_a_bad_manifest_is_refused_by_its_line(tmp_path: Path, line: str) -> None:
    manifest = tmp_path / "m"
    manifest.write_text('\n{"path": "/a", "length": 5, "hosts": ["h"]}\n' + line + "\n")
    with pytest.raises(InputError, match="Line 3 of the manifest"):
        list(read_manifest(manifest))

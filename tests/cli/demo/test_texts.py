"""What the demonstration finds to count, and how it divides it."""

from __future__ import annotations

import gzip
import os
from collections import Counter
from pathlib import Path

import pytest

from tepui.cli.demo.plan import AGENTS, make_plan, write_manifest
from tepui.cli.demo.report import checked_counts, count_plainly
from tepui.cli.demo.texts import find_texts
from tepui.cli.demo.words import map_words, reduce_words
from tepui.cli.errors import RefusedError
from tepui.frameworks.mapreduce.map_task import read_range

LINE = "thirty bytes are in this line\n"


def unpacked(tmp_path: Path) -> Path:
    folder = tmp_path / "unpacked"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("packed", [False, True])
def test_a_text_that_is_too_long_is_cut_behind_a_line(tmp_path: Path, *, packed: bool) -> None:
    text = (LINE * 10).encode()
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "text").write_bytes(gzip.compress(text) if packed else text)
    found = find_texts(tmp_path / "in", 100, unpacked(tmp_path))
    assert (found.length, found.is_whole, [one.length for one in found.texts]) == (90, False, [90])
    assert count_plainly(found)["thirty"] == 3


def test_enough_is_enough(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in "abc":
        (tmp_path / "in" / name).write_text(LINE)
    found = find_texts(tmp_path / "in", 60, unpacked(tmp_path))
    assert ([one.path.name for one in found.texts], found.is_whole) == (["a", "b"], False)


def test_a_file_alone_is_an_input_too(tmp_path: Path) -> None:
    (tmp_path / "alone").write_text(LINE)
    found = find_texts(tmp_path / "alone", 1000, unpacked(tmp_path))
    assert (found.length, found.is_whole) == (30, True)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_what_may_not_be_read_is_left_out_and_told(tmp_path: Path) -> None:
    (tmp_path / "in" / "closed").mkdir(parents=True, mode=0)
    (tmp_path / "in" / "open").write_text(LINE)
    (tmp_path / "in" / "secret").touch(mode=0)
    (tmp_path / "in" / "secret").chmod(0o200)
    (tmp_path / "in" / "secret").write_text(LINE)
    found = find_texts(tmp_path / "in", 1000, unpacked(tmp_path))
    assert (found.length, found.left_out) == (30, Counter(unreadable=2))


def test_each_agent_has_a_third_and_no_line_is_lost_or_read_twice(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "long").write_text("".join(f"word{'x' * (number % 50)} ñandú\n" for number in range(20_000)))
    (tmp_path / "in" / "odd").write_bytes(b"\xff\xfe caf\xc3\n\xa9 tail" + b" y" * 100_000)
    found = find_texts(tmp_path / "in", 10_000_000, unpacked(tmp_path))
    write_manifest(found.texts, tmp_path / "manifest")
    plan = make_plan(found.texts, tmp_path / "manifest")
    held = Counter[str]()
    pairs: list[bytes] = []
    for split in plan.splits:
        (host,) = split.hosts
        held[host] += split.length
        for part in split.ranges:
            lines = b"".join(read_range(part.path, part.offset, part.length)).splitlines(keepends=True)
            pairs += [f"{word}\t{number}\n".encode() for word, number in map_words(lines, 1e12).items()]
    assert set(held) == set(AGENTS)
    assert max(held.values()) - min(held.values()) <= max(split.length for split in plan.splits)
    counts = Counter(dict(reduce_words(sorted(pairs))))
    assert counts == count_plainly(found)
    assert counts["ñandú"] == 20_000


def test_a_wrong_count_is_an_error_of_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("a b b b c")
    found = find_texts(tmp_path / "text", 1000, unpacked(tmp_path))
    output = tmp_path / "output"
    output.mkdir()
    (output / "part-00000").write_text("a\t1\n")
    (output / "part-00001").write_text("b\t2\n")
    with pytest.raises(RefusedError) as caught:
        checked_counts(output, found)
    assert caught.value.format_message() == (
        "The word counts are not those of a plain count of the same files: 2 differ, such as 'b' with 2 instead of 3."
    )
    (output / "part-00001").write_text("b\t3\nc\t1\n")
    assert checked_counts(output, found) == Counter(a=1, b=3, c=1)

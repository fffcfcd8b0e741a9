"""Keys, partitions by their fields, and orders: sort(1) is what they are held against."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tepui.frameworks.mapreduce.keys import divide, make_order, make_partition, parse_fields
from tepui.frameworks.mapreduce.sorting import Sorter, merge
from tests.frameworks.mapreduce.test_sorting import batches_of, lines_in

KEYS = st.lists(st.text("-.019ab \xff", max_size=8).map(lambda text: text.encode("latin-1")), max_size=30)
FIELD = st.builds(
    "-k{}{}{}{}".format,
    st.integers(1, 3),
    st.sampled_from(["", ".1", ".2", ".4"]),
    st.sampled_from(["", ",3", ",3.1", ",3.2", ",4"]),
    st.sampled_from(["", "n", "r", "nr"]),
)


@pytest.mark.skipif(shutil.which("sort") is None, reason="sort(1) is not there")
@given(KEYS, st.lists(FIELD, min_size=1, max_size=3))
@settings(max_examples=60)
def test_lines_are_ordered_as_sort_orders_them(keys: list[bytes], fields: list[str]) -> None:
    """Also numbers that are none, and stretches that a key does not have."""
    order = make_order(" ".join(fields), 1, b".")
    assert order is not None
    lines = [key + b"\t" for key in keys]
    order.sort(lines)
    text = b"".join(key + b"\n" for key in keys)
    done = subprocess.run(["sort", "-t.", *fields], input=text, capture_output=True, check=True, env={"LC_ALL": "C"})
    assert [line[:-1] for line in lines] == done.stdout.splitlines()
    assert lines == sorted(lines, key=order.place)


@given(st.lists(KEYS, max_size=4), st.integers(1, 5), st.lists(FIELD, min_size=1, max_size=2))
def test_merging_keeps_an_order(sources: list[list[bytes]], size: int, fields: list[str]) -> None:
    order = make_order(" ".join(fields), 1, b".")
    assert order is not None

    ordered = [sorted(lines, key=order.place) for lines in sources]
    merged = merge([batches_of(lines, size, is_counted=size % 2 == 0) for lines in ordered], order)
    assert lines_in(merged) == sorted((line for lines in sources for line in lines), key=order.place)


@given(KEYS, st.sampled_from([1, 3000, 1 << 20]))
def test_a_sorter_keeps_an_order_also_on_disk(keys: list[bytes], memory_bytes: int) -> None:
    order = make_order("-k2,2nr -k1,1", 1, b".")
    assert order is not None
    with tempfile.TemporaryDirectory() as directory:
        sorter = Sorter(Path(directory), 1, make_partition(1), memory_bytes=memory_bytes, order=order)
        for key in keys:
            sorter.add([key])
        found = lines_in(sorter.finish().batches(0))
    assert found == sorted((key + b"\t" for key in keys), key=order.place)


def test_numbers_are_compared_exactly() -> None:
    order = make_order("-n")
    assert order is not None
    lines = [b"9007199254740993\t", b"9007199254740992.5\t", b"-3\t", b"1" + b"0" * 5000 + b"\t", b"x\t"]
    order.sort(lines)
    assert [line[:3] for line in lines] == [b"-3\t", b"x\t", b"900", b"900", b"100"]
    assert b".5" in lines[2]


def test_key_fields_decide_the_partition() -> None:
    for partition, lines in (
        (make_partition(50, 2, "-k2,2"), [b"a\tx\t1", b"b\tx\t2", b"a\ty\t1"]),
        (make_partition(50, 1, "-k1,1", b"."), [b"a.b\t1", b"a.c\t1", b"b.b\t1"]),
        (make_partition(50, 1, "-k1,1 -k3,3", b"."), [b"a.b.c\t1", b"a.x.c\t1", b"a.b.d\t1"]),
        (make_partition(50, 1, "-k1.2,1.2"), [b"xa1\t", b"yab\t", b"xb1\t"]),
    ):
        first, alike, other = partition(lines)
        assert first == alike != other


@pytest.mark.parametrize("text", ["", "k1", "-k0", "-k1,0", "-k2,1", "-k1.0", "-k1x", "-k1,2,3", "-x", "-k"])
def test_bad_fields_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expects fields"):
        parse_fields(text)


def test_another_separator_becomes_a_tab_behind_the_key() -> None:
    """As in Hadoop: a line with fewer fields is all key."""
    assert divide([b"a.b.c.d", b"a.b.", b"a.b", b"a", b"", b"a\tb.c.d"], 2, b".") == [
        b"a.b\tc.d",
        b"a.b\t",
        b"a.b\t",
        b"a\t",
        b"\t",
        b"a\tb.c\td",
    ]
    assert divide(["aþbþc".encode()], 1, "þ".encode()) == ["a\tbþc".encode()]

"""RecordIO: records come out whole however the stream is cut, and a broken stream stays broken."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tepui.wire.errors import RecordError
from tepui.wire.recordio import RecordDecoder, encode_record


def test_the_example_of_the_protocol() -> None:
    assert encode_record(b'{"type":"HEARTBEAT"}') == b'20\n{"type":"HEARTBEAT"}'
    assert encode_record(b"") == b"0\n"


@given(records=st.lists(st.binary(max_size=40), max_size=8), cuts=st.lists(st.integers(0, 300), max_size=12))
def test_records_come_out_whole_however_the_stream_is_cut(records: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(encode_record(record) for record in records)
    decoder = RecordDecoder()
    found: list[bytes] = []
    ends = [0, *sorted(cuts), len(stream)]
    for start, end in itertools.pairwise(ends):
        found += decoder.feed(stream[start:end])
    assert found == records
    assert not decoder.unfinished


def test_a_stream_that_ends_within_a_record() -> None:
    decoder = RecordDecoder()
    assert decoder.feed(b"3\nabc5\nab") == [b"abc"]
    assert decoder.unfinished
    assert decoder.feed(b"cde") == [b"abcde"]
    assert decoder.feed(b"1") == []
    assert decoder.unfinished


@pytest.mark.parametrize(
    ("chunk", "sentence"),
    [
        (b"x\n", "Failed to decode length 'x': Failed to convert 'x' to number"),
        (b"-1\n", "Failed to decode length '-1': Failed to convert '-1' to number"),
        (b"\n", "Failed to decode length '': Failed to convert '' to number"),
        (b"\xff\n", r"Failed to decode length '\xff': Failed to convert '\xff' to number"),
        (
            b"1" * 30,
            "Failed to decode length '11111111111111111111': Failed to convert '11111111111111111111' to number",
        ),
        (b"101\n", "A record of 101 bytes is longer than 100"),
    ],
)
def test_a_broken_stream_stays_broken(chunk: bytes, sentence: str) -> None:
    decoder = RecordDecoder(record_bytes_max=100)
    assert decoder.feed(encode_record(b"first")) == [b"first"]
    for _ in range(2):
        with pytest.raises(RecordError) as caught:
            decoder.feed(chunk)
        assert str(caught.value) == sentence
        chunk = encode_record(b"good again")

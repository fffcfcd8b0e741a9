"""The link's frames: every message survives the way, and garbage is a clear error."""

from __future__ import annotations

import contextlib
from random import Random
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tepui.model import link
from tepui.model.link import AgentBatch, MasterBatch
from tepui.model.message import ProtoEnum, WireMessage
from tepui.wire.errors import LinkError
from tepui.wire.frames import FRAME_BYTES_MAX, decode_agent_batch, decode_master_batch, encode_batch
from tests.wire.messages import random_member, random_message, random_text

seeds = st.integers(min_value=0, max_value=2**64)


def _random_struct(random: Random, kind: type[msgspec.Struct]) -> Any:
    return kind(**{field.name: _random_value(random, field.type) for field in msgspec.structs.fields(kind)})


def _random_value(random: Random, annotation: Any) -> Any:
    options = get_args(annotation)
    if type(None) in options:
        return None if random.random() < 0.5 else _random_value(random, options[0])
    if options:
        return [_random_value(random, options[0]) for _ in range(random.randrange(3))]
    if issubclass(annotation, WireMessage):
        return random_message(random, annotation, depth=3)
    if issubclass(annotation, msgspec.Struct):
        return _random_struct(random, annotation)
    if issubclass(annotation, ProtoEnum):
        return random_member(random, annotation)
    choices = {str: random_text(random), bytes: random.randbytes(5), bool: random.random() < 0.5, float: 75.0}
    return choices.get(annotation, random.randint(-(2**31), 2**53))


@settings(max_examples=200, deadline=None)
@given(kind=st.sampled_from(get_args(link.FromAgent)), seed=seeds)
def test_every_message_from_an_agent_survives(kind: type[msgspec.Struct], seed: int) -> None:
    random = Random(seed)
    batch = AgentBatch(sequence=1, acknowledged=0, messages=[_random_struct(random, kind) for _ in range(2)])
    assert decode_agent_batch(encode_batch(batch)) == batch


@settings(max_examples=200, deadline=None)
@given(kind=st.sampled_from(get_args(link.FromMaster)), seed=seeds)
def test_every_message_from_a_master_survives(kind: type[msgspec.Struct], seed: int) -> None:
    random = Random(seed)
    batch = MasterBatch(sequence=2**40, acknowledged=7, messages=[_random_struct(random, kind) for _ in range(2)])
    assert decode_master_batch(encode_batch(batch)) == batch


@settings(max_examples=500, deadline=None)
@given(seed=seeds)
def test_a_damaged_frame_is_an_error_or_a_batch(seed: int) -> None:
    random = Random(seed)
    kind = random.choice(get_args(link.FromAgent))
    frame = bytearray(encode_batch(AgentBatch(sequence=1, acknowledged=0, messages=[_random_struct(random, kind)])))
    for _ in range(random.randrange(1, 4)):
        frame[random.randrange(len(frame))] = random.randrange(256)
    with contextlib.suppress(LinkError):
        assert isinstance(decode_agent_batch(bytes(frame)), AgentBatch)


@pytest.mark.parametrize(
    "frame", [b"", b"\x00", b"{}", b"\x91" * 100_000, b"\x93\x01\x00\x91\x91\xa5Nobdy", b"\x93\x01"]
)
def test_what_is_no_batch(frame: bytes) -> None:
    for decode in (decode_agent_batch, decode_master_batch):
        with pytest.raises(LinkError, match=f"A frame of {len(frame)} bytes cannot be read: "):
            decode(frame)


def test_the_other_side_s_messages_are_refused() -> None:
    frame = encode_batch(MasterBatch(sequence=1, acknowledged=0, messages=[link.Ping()]))
    with pytest.raises(LinkError, match="Invalid value 'Ping'"):
        decode_agent_batch(frame)


def test_a_frame_that_is_too_long() -> None:
    with pytest.raises(LinkError, match="is longer than"):
        decode_agent_batch(bytes(FRAME_BYTES_MAX + 1))


def test_a_message_is_an_array_that_begins_with_its_name() -> None:
    batch = MasterBatch(sequence=3, acknowledged=2, messages=[link.Kill(framework_id="f", task_id="t")])
    assert msgspec.msgpack.decode(encode_batch(batch)) == [3, 2, [["Kill", "f", "t", None, ""]]]


def test_a_newer_version_s_longer_message_is_read() -> None:
    frame = msgspec.msgpack.encode([3, 2, [["Ping", "something new"]], "and this"])
    assert decode_master_batch(frame) == MasterBatch(sequence=3, acknowledged=2, messages=[link.Ping()])

"""What travels as MessagePack: the frames of the link, one batch of messages in each, and the parts for mirrors."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from tepui.model.link import AgentBatch, MasterBatch
from tepui.model.mirror import MirrorPart
from tepui.wire.errors import LinkError, RecordError

FRAME_BYTES_MAX = 64 * 1024 * 1024
"""The longest frame that is decoded."""

Batch = TypeVar("Batch", AgentBatch, MasterBatch)

_encoder = msgspec.msgpack.Encoder()
_agent_decoder = msgspec.msgpack.Decoder(AgentBatch)
_master_decoder = msgspec.msgpack.Decoder(MasterBatch)
_part_decoder = msgspec.msgpack.Decoder(MirrorPart)


def encode_batch(batch: AgentBatch | MasterBatch) -> bytes:
    """The frame that carries a batch."""
    return _encoder.encode(batch)


def decode_agent_batch(frame: bytes) -> AgentBatch:
    """What an agent sent. Raises `LinkError`."""
    return _decode(_agent_decoder, frame)


def decode_master_batch(frame: bytes) -> MasterBatch:
    """What a master sent. Raises `LinkError`."""
    return _decode(_master_decoder, frame)


def encode_part(part: MirrorPart) -> bytes:
    """The record that carries what a mirror is told."""
    return _encoder.encode(part)


def decode_part(record: bytes) -> MirrorPart:
    """What a leader told its mirror. Raises `RecordError`."""
    try:
        return _part_decoder.decode(record)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise RecordError(f"A record of {len(record)} bytes cannot be read: {error}") from None


def _decode(decoder: msgspec.msgpack.Decoder[Batch], frame: bytes) -> Batch:
    if len(frame) > FRAME_BYTES_MAX:
        raise LinkError(f"A frame of {len(frame)} bytes is longer than {FRAME_BYTES_MAX}")
    try:
        return decoder.decode(frame)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise LinkError(f"A frame of {len(frame)} bytes cannot be read: {error}") from None

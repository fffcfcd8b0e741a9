"""The frames of the link between agent and master: one batch of messages, as MessagePack, in each."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from tepui.model.link import AgentBatch, MasterBatch
from tepui.wire.errors import LinkError

FRAME_BYTES_MAX = 64 * 1024 * 1024
"""The longest frame that is decoded."""

Batch = TypeVar("Batch", AgentBatch, MasterBatch)

_encoder = msgspec.msgpack.Encoder()
_agent_decoder = msgspec.msgpack.Decoder(AgentBatch)
_master_decoder = msgspec.msgpack.Decoder(MasterBatch)


def encode_batch(batch: AgentBatch | MasterBatch) -> bytes:
    """The frame that carries a batch."""
    return _encoder.encode(batch)


def decode_agent_batch(frame: bytes) -> AgentBatch:
    """What an agent sent. Raises `LinkError`."""
    return _decode(_agent_decoder, frame)


def decode_master_batch(frame: bytes) -> MasterBatch:
    """What a master sent. Raises `LinkError`."""
    return _decode(_master_decoder, frame)


def _decode(decoder: msgspec.msgpack.Decoder[Batch], frame: bytes) -> Batch:
    if len(frame) > FRAME_BYTES_MAX:
        raise LinkError(f"A frame of {len(frame)} bytes is longer than {FRAME_BYTES_MAX}")
    try:
        return decoder.decode(frame)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise LinkError(f"A frame of {len(frame)} bytes cannot be read: {error}") from None

"""JSON the Mesos way, both ways.

Reading has two speeds. A body that is strict JSON and has exactly the types of the message is read by msgspec; whatever
msgspec refuses is read again by Mesos's own rules (`_picojson`, `_coercion`), which alone decide what else is accepted
and how an error is worded. Both give equal messages where both accept. Not seen by the fast way is only what stands in
fields that nobody knows: containers nested more than 200 deep and numbers beyond a double are accepted there.

Written are names as they stand in the .proto files, in the order of declaration, without spaces; bytes as base64,
enums by name, doubles with a fraction, infinity as the text "Infinity", which Mesos reads and writes as well.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any, TypeVar, cast

import msgspec

from tepui.model.message import WireMessage
from tepui.model.v1 import agent, master
from tepui.wire._coercion import CoercionError, coerce
from tepui.wire._picojson import DEPTH_MAX, QUOTED_CHARACTERS_MAX, JsonError, parse, syntax_error
from tepui.wire.errors import DecodeError
from tepui.wire.schema import recursive_fields, schema_of

EXACT_PARSE_BYTES_MAX = 64 * 1024
"""Larger texts that are not strict JSON are refused, with a sentence that is not to the character that of Mesos.

Mesos's grammar is parsed in Python, at some megabytes a second: nobody shall hold the master for long.
"""

Message = TypeVar("Message", bound=WireMessage)
Read = TypeVar("Read")

_decoders: dict[type, tuple[Any, tuple[bytes, ...]]] = {}
_encoder = msgspec.json.Encoder()

# The arrays of these answers are written even when empty; below them nothing is.
_HAND_WRITTEN_ARRAYS = (
    master.Response.GetAgents,
    master.Response.GetFrameworks,
    master.Response.GetExecutors,
    master.Response.GetTasks,
    master.Response.GetMetrics,
    agent.Response.GetFrameworks,
    agent.Response.GetExecutors,
    agent.Response.GetTasks,
    agent.Response.GetMetrics,
)
_HAND_WRITTEN = (
    master.Response,
    master.Response.GetState,
    master.Event.Subscribed,
    agent.Response,
    agent.Response.GetState,
)
_JSONP_CALLBACK = re.compile(r"[A-Za-z0-9_$.\[\]]+")


def decode_json(message_type: type[Message], data: bytes) -> Message:
    """The message that a JSON body holds. Raises `DecodeError` with Mesos's sentence."""
    found = _decoders.get(message_type)
    decoder, recursive = _add_decoder(message_type) if found is None else found
    # Messages that hold their own kind could nest deeper than anything that handles them later can bear.
    if not recursive or not any(mark in data for mark in recursive):
        try:
            return cast(Message, decoder.decode(data))
        except (msgspec.MsgspecError, ValueError, RecursionError):
            pass
    return _decode_generically(message_type, data)


def parse_json(data: bytes) -> object:
    """The plain data of a legacy endpoint's JSON body. Raises `DecodeError` that only says what is wrong with it."""
    return _or_why(lambda: _parse(data))


def convert_json(message_type: type[Message], value: object) -> Message:
    """The message that plain data stands for. Raises `DecodeError` that only says what is wrong with it."""
    return _or_why(lambda: coerce(message_type, value))


def _or_why(read: Callable[[], Read]) -> Read:
    try:
        return read()
    except (JsonError, CoercionError) as error:
        raise DecodeError(str(error)) from None
    except OverflowError:
        raise DecodeError("Value out of range") from None
    except RecursionError:
        raise DecodeError("nested too deep") from None


def _add_decoder(message_type: type[Message]) -> tuple[Any, tuple[bytes, ...]]:
    marks = tuple(name.encode() for name in recursive_fields(message_type))
    entry = (msgspec.json.Decoder(message_type), (*marks, b"\\u") if marks else ())
    _decoders[message_type] = entry
    return entry


def _decode_generically(message_type: type[Message], data: bytes) -> Message:
    try:
        return coerce(message_type, _parse(data))
    except JsonError as error:
        raise DecodeError(f"Failed to parse body into JSON: {error}") from None
    except OverflowError:
        raise DecodeError("Failed to parse body into JSON: Value out of range") from None
    except RecursionError:
        raise DecodeError("Failed to parse body into JSON: nested too deep") from None
    except CoercionError as error:
        raise DecodeError(f"Failed to convert JSON into {message_type.__name__} protobuf: {error}") from None


def _parse(data: bytes) -> object:
    exact = len(data) <= EXACT_PARSE_BYTES_MAX
    if not exact or data.count(b"{") + data.count(b"[") <= DEPTH_MAX:
        try:
            return msgspec.json.decode(data)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            if not exact:
                raise _inexact_error(data, str(error)) from None
    # Mesos takes any bytes as text; what is not UTF-8 becomes a replacement character here.
    return parse(data.decode("utf-8", "replace"))


def _inexact_error(data: bytes, why: str) -> JsonError:
    place = re.search(r"\(byte (\d+)\)", why)
    position = int(place[1]) if place else len(data)
    return syntax_error(data[: position + QUOTED_CHARACTERS_MAX].decode("utf-8", "replace"), position)


def encode_json(message: object) -> bytes:
    """A message, or plain data (dicts, lists, text, numbers, messages), as JSON, as Mesos writes it."""
    data = _encoder.encode(message)
    # msgspec writes an infinite number as null, and nothing else. Where the word stands in a text, the second way gives
    # the same and is only slower.
    return data if b"null" not in data else _encoder.encode(_spell_infinity(msgspec.to_builtins(message)))


def wrap_jsonp(callback: str, body: bytes) -> bytes:
    """A legacy endpoint's JSON as a call of the script function that `?jsonp=` names.

    A name that is none is stripped of its other characters, so that no answer of ours runs a stranger's script.
    """
    name = "".join(_JSONP_CALLBACK.findall(callback))
    return b"%s(%s)" % (name.encode(), body)


def _spell_infinity(value: object) -> object:
    if isinstance(value, dict):
        return {key: _spell_infinity(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_spell_infinity(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def encode_hand_written(message: object) -> bytes:
    """An answer or event of the operator APIs, with the arrays that Mesos writes even when they are empty.

    These are the arrays at the top of GET_AGENTS, GET_FRAMEWORKS, GET_EXECUTORS, GET_TASKS, GET_METRICS, GET_STATE and
    of the master's SUBSCRIBED; all else is written as always.
    """
    if isinstance(message, _HAND_WRITTEN_ARRAYS):
        return _encode_arrays(message)
    if isinstance(message, _HAND_WRITTEN) or (isinstance(message, master.Event) and message.subscribed is not None):
        members = []
        for field in schema_of(type(message)).fields:
            value = getattr(message, field.name)
            if value is not None:
                members.append(b'"%s":%s' % (field.name.encode(), encode_hand_written(value)))
        return b"{%s}" % b",".join(members)
    return encode_json(message)


def _encode_arrays(message: WireMessage) -> bytes:
    arrays = []
    for field in schema_of(type(message)).fields:
        items = getattr(message, field.name)
        if items or not field.deprecated:
            arrays.append(b'"%s":%s' % (field.name.encode(), encode_json(items)))
    return b"{%s}" % b",".join(arrays)

"""From parsed JSON to a message by Mesos's own rules, which are not protobuf's JSON mapping.

This is the slow of the two ways to read JSON. It reads what Mesos reads and words errors as Mesos does:

- `null` and names not known are passed over; an enum's unknown name leaves an optional field unset;
- numbers and booleans may stand in strings; one value may stand for a repeated field, and arrays in arrays are flat;
- fields are visited in the order of their names, so the first error of a message is that of its first name, and of a
  oneof's members the last one stays;
- whole numbers out of range wrap around or become the smallest, as a conversion in C++ does, and fractions are cut off;
- after all that, missing required fields are listed with their paths.
"""

from __future__ import annotations

import binascii
import math
import re
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, TypeVar, cast

from tepui.model.message import WireMessage
from tepui.wire._picojson import QUOTED_CHARACTERS_MAX, JsonError, parse
from tepui.wire.schema import FieldSchema, MessageSchema, schema_of

MISSING_FIELDS_MAX = 100
"""How many missing fields an error names. Mesos names all of them."""

_INT64_MIN = -(2**63)
_INT64_MAX = 2**63 - 1
_NOT_BASE64 = re.compile(r"[^A-Za-z0-9+/]")
_WHITESPACE = str.maketrans("", "", " \t\n\r\v\f")
_UNSET = object()

Message = TypeVar("Message", bound=WireMessage)


class CoercionError(Exception):
    """The JSON cannot be read as the message. `str(error)` is Mesos's sentence for it."""


class _Node:
    """A message whose required fields have not been checked yet."""

    __slots__ = ("schema", "values")

    def __init__(self, schema: MessageSchema) -> None:
        self.schema = schema
        self.values: dict[str, Any] = {}


def coerce(message_type: type[Message], value: object) -> Message:
    """The message that a JSON value stands for. Raises `CoercionError`."""
    if not isinstance(value, dict):
        raise CoercionError("Expecting a JSON object")
    node = _read_message(schema_of(message_type), value)
    missing = list(islice(_missing(node, ""), MISSING_FIELDS_MAX))
    if missing:
        raise CoercionError(f"Missing required fields: {', '.join(missing)}")
    return cast(Message, _build(node))


def _read_message(schema: MessageSchema, members: dict[str, Any]) -> _Node:
    node = _Node(schema)
    by_name = schema.by_name
    for name in sorted(members):
        field = by_name.get(name)
        if field is not None:
            _read_field(node, field, members[name])
    return node


def _read_field(node: _Node, field: FieldSchema, value: object) -> None:
    values = node.values
    if isinstance(value, list):
        if not field.repeated and field.kind != "map":
            raise _unexpected("array", field.name)
        for item in value:
            _read_field(node, field, item)
    elif value is None:
        return
    elif field.kind == "map":
        if not isinstance(value, dict):
            raise _unexpected(_json_kind(value), field.name)
        entries = values.setdefault(field.name, {})
        for key in sorted(value):
            entries[key] = _read_entry(field, value[key])
    else:
        read = _read_value(field, field.kind, field.name, value, field.required)
        if read is _UNSET:
            return
        if field.repeated:
            values.setdefault(field.name, []).append(read)
            return
        if field.oneof is not None:
            for other in node.schema.fields:
                if other.oneof == field.oneof:
                    values.pop(other.name, None)
        values[field.name] = read


def _read_entry(field: FieldSchema, value: object) -> object:
    """A map's value. One that is null is an empty message or text, as in a protobuf entry without a value."""
    if isinstance(value, list):
        raise _unexpected("array", "value")
    read = _UNSET if value is None else _read_value(field, field.value_kind, "value", value, False)
    if read is not _UNSET:
        return read
    return "" if field.message is None else _Node(schema_of(field.message))


def _read_value(field: FieldSchema, kind: str, name: str, value: object, required: bool) -> object:
    if kind == "message":
        if not isinstance(value, dict):
            raise _unexpected(_json_kind(value), name)
        assert field.message is not None
        return _read_message(schema_of(field.message), value)
    if kind == "enum":
        if not isinstance(value, str):
            raise _unexpected(_json_kind(value), name)
        assert field.enum is not None
        member = field.enum._value2member_map_.get(value, _UNSET)
        if member is _UNSET and required:
            raise CoercionError(f"Failed to find enum for '{value}'")
        return member
    return _SCALARS[kind](name, value)


def _read_string(name: str, value: object) -> str:
    if isinstance(value, str):
        return value
    raise _unexpected(_json_kind(value), name)


def _read_bytes(name: str, value: object) -> bytes:
    if not isinstance(value, str):
        raise _unexpected(_json_kind(value), name)
    text = value.partition("=")[0].translate(_WHITESPACE)
    if wrong := _NOT_BASE64.search(text):
        raise CoercionError(f"Failed to base64 decode bytes field '{name}': Invalid character '{wrong.group()}'")
    if len(text) % 4 == 1:
        text = text[:-1]
    return binascii.a2b_base64(text + "=" * (-len(text) % 4))


def _read_bool(name: str, value: object) -> bool:
    if isinstance(value, str):
        value = _parse_inner(name, value, "boolean", bool)
    if isinstance(value, bool):
        return value
    raise _unexpected(_json_kind(value), name)


def _read_number(name: str, value: object) -> int | float:
    if isinstance(value, str):
        value = _parse_inner(name, value, "number", (int, float))
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    raise _unexpected(_json_kind(value), name)


def _parse_inner(name: str, text: str, kind: str, wanted: type | tuple[type, ...]) -> object:
    """The number or boolean that a string holds."""
    try:
        value = parse(text)
        if isinstance(value, wanted) and isinstance(value, bool) == (wanted is bool):
            return value
        why = "Unexpected JSON type parsed"
    except JsonError as error:
        why = str(error)
    shown = text[:QUOTED_CHARACTERS_MAX]
    raise CoercionError(f"Failed to parse '{shown}' as a JSON {kind} for field '{name}': {why}")


def _read_double(name: str, value: object) -> float:
    if value == "Infinity":
        return math.inf
    if value == "-Infinity":
        return -math.inf
    return float(_read_number(name, value))


def _read_int64(name: str, value: object) -> int:
    number = int(_read_number(name, value))
    return number if _INT64_MIN <= number <= _INT64_MAX else _INT64_MIN


def _read_uint64(name: str, value: object) -> int:
    number = int(_read_number(name, value))
    return min(number % 2**64 if number < 0 else number, _INT64_MAX)


def _read_int32(name: str, value: object) -> int:
    number = _read_number(name, value)
    if isinstance(number, float) and not -(2**31) <= int(number) < 2**31:
        return -(2**31)
    return (_read_int64(name, number) + 2**31) % 2**32 - 2**31


def _read_uint32(name: str, value: object) -> int:
    return _read_int64(name, value) % 2**32


_SCALARS: dict[str, Callable[[str, object], object]] = {
    "string": _read_string,
    "bytes": _read_bytes,
    "bool": _read_bool,
    "double": _read_double,
    "int32": _read_int32,
    "int64": _read_int64,
    "uint32": _read_uint32,
    "uint64": _read_uint64,
}


def _json_kind(value: object) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    return "string" if isinstance(value, str) else "object"


def _unexpected(kind: str, name: str) -> CoercionError:
    return CoercionError(f"Not expecting a JSON {kind} for field '{name}'")


def _missing(node: _Node, prefix: str) -> Iterator[str]:
    """The paths of required fields that are not set: first the message's own, then those below by field number."""
    values = node.values
    for name in node.schema.required:
        if name not in values:
            yield prefix + name
    for field in node.schema.by_number:
        if field.message is None or field.name not in values:
            continue
        held = values[field.name]
        if isinstance(held, _Node):
            yield from _missing(held, f"{prefix}{field.name}.")
        elif isinstance(held, list):
            for index, item in enumerate(held):
                yield from _missing(item, f"{prefix}{field.name}[{index}].")
        else:
            for index, item in enumerate(held.values()):
                yield from _missing(item, f"{prefix}{field.name}[{index}].value.")


def _build(node: _Node) -> WireMessage:
    members: dict[str, Any] = {}
    for name, held in node.values.items():
        if isinstance(held, _Node):
            members[name] = _build(held)
        elif isinstance(held, list):
            members[name] = [_build(item) if isinstance(item, _Node) else item for item in held]
        elif isinstance(held, dict):
            members[name] = {key: _build(item) if isinstance(item, _Node) else item for key, item in held.items()}
        else:
            members[name] = held
    return node.schema.message(**members)

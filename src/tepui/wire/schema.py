"""The protobuf view of the message structs: what their annotations say, as tables for the codecs.

A table is made when a codec first needs it and kept for good; there is one per message type.
"""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin

import msgspec

from tepui.model.message import Proto, ProtoEnum, WireMessage

_SCALARS = {str: "string", bytes: "bytes", bool: "bool", float: "double"}


class FieldSchema(NamedTuple):
    """One field. `kind` is the protobuf type (`string`, `uint32`, ...), `enum`, `message` or `map`."""

    name: str
    number: int
    kind: str
    repeated: bool
    required: bool
    deprecated: bool
    oneof: str | None
    default: object
    """The explicit default that the struct holds while the field is unset, or None."""
    default_text: str | None
    """The explicit default as a descriptor spells it, also where the struct does not hold it."""
    message: type[WireMessage] | None
    """The type of a message field, or of a map's values where those are messages."""
    enum: type[ProtoEnum] | None
    value_kind: str
    """The kind of a map's values; `kind` for all other fields."""


class MessageSchema(NamedTuple):
    """One message type."""

    message: type[WireMessage]
    fields: tuple[FieldSchema, ...]
    """In the order of declaration, which is the order of JSON."""
    by_name: dict[str, FieldSchema]
    required: tuple[str, ...]
    by_number: tuple[FieldSchema, ...]


@cache
def schema_of(message_type: type[WireMessage]) -> MessageSchema:
    """The table of a message type."""
    fields = tuple(_field(field) for field in msgspec.structs.fields(message_type))
    return MessageSchema(
        message=message_type,
        fields=fields,
        by_name={field.name: field for field in fields},
        required=tuple(field.name for field in fields if field.required),
        by_number=tuple(sorted(fields, key=lambda field: field.number)),
    )


@cache
def recursive_fields(message_type: type[WireMessage]) -> frozenset[str]:
    """The names of the fields below this type through which a message can hold one of its own kind."""
    found: set[str] = set()
    reachable = reachable_messages(message_type)
    for message in reachable:
        for field in schema_of(message).fields:
            if field.message is not None and message in reachable_messages(field.message):
                found.add(field.name)
    return frozenset(found)


@cache
def reachable_messages(message_type: type[WireMessage]) -> frozenset[type[WireMessage]]:
    """The type itself and all types of the messages that it can hold, at any depth."""
    seen: set[type[WireMessage]] = set()
    waiting = [message_type]
    while waiting:
        message = waiting.pop()
        if message not in seen:
            seen.add(message)
            waiting.extend(field.message for field in schema_of(message).fields if field.message is not None)
    return frozenset(seen)


def _field(info: msgspec.structs.FieldInfo) -> FieldSchema:
    kind_of, *marks = get_args(info.type) if get_origin(info.type) is Annotated else (info.type,)
    mark = next(mark for mark in marks if isinstance(mark, Proto | int))
    proto = mark if isinstance(mark, Proto) else Proto(mark)
    inner = _without_none(kind_of)
    # A nested alias such as Annotated[int, "uint32"] is merged with the outer Annotated unless `| None` stands between.
    if inner is int and any(isinstance(mark, str) for mark in marks):
        inner = info.type
    repeated = get_origin(inner) is list
    kind, message, enum = _kind(get_args(inner)[0] if repeated else inner)
    value_kind = kind
    if kind == "map":
        value_kind, message, enum = _kind(get_args(inner)[1])
    default = None
    if info.default_factory not in (msgspec.NODEFAULT, list, dict):
        default = info.default_factory()
    return FieldSchema(
        name=info.name,
        number=proto.number,
        kind=kind,
        repeated=repeated,
        required=info.required,
        deprecated=proto.deprecated,
        oneof=proto.oneof,
        default=default,
        default_text=proto.default if default is None else _default_text(default),
        message=message,
        enum=enum,
        value_kind=value_kind,
    )


def _without_none(annotation: Any) -> Any:
    if get_origin(annotation) in (Union, type(int | None)):
        return next(option for option in get_args(annotation) if option is not type(None))
    return annotation


def _kind(annotation: Any) -> tuple[str, type[WireMessage] | None, type[ProtoEnum] | None]:
    if get_origin(annotation) is Annotated:
        return next(mark for mark in get_args(annotation) if isinstance(mark, str)), None, None
    if get_origin(annotation) is dict:
        return "map", None, None
    if annotation in _SCALARS:
        return _SCALARS[annotation], None, None
    if issubclass(annotation, ProtoEnum):
        return "enum", None, annotation
    return "message", annotation, None


def _default_text(default: object) -> str:
    if isinstance(default, bool):
        return "true" if default else "false"
    if isinstance(default, ProtoEnum):
        return default.name
    return str(default)

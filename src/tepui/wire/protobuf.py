"""Messages as protobuf, by the `protobuf` package and descriptors made from the same structs.

The package is loaded at the first protobuf message, because it takes some megabytes that many masters and agents never
need. Converters between structs and protobuf objects are made once for each message type.

A number that an enum does not know reads as unset, as in any proto2 reader; fields that are not known are dropped.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from tepui.model.message import ProtoEnum, WireMessage
from tepui.wire.errors import DecodeError
from tepui.wire.schema import FieldSchema, schema_of

Message = TypeVar("Message", bound=WireMessage)

_INT64_MAX = 2**63 - 1

_readers: dict[type, Callable[[bytes], Any]] = {}
_writers: dict[type, Callable[[Any], bytes]] = {}
_from_protobuf: dict[type, Callable[[Any], Any]] = {}
_to_members: dict[type, Callable[[Any], dict[str, Any]]] = {}


def file_descriptor_set() -> bytes:
    """The serialized FileDescriptorSet of all v1 packages."""
    from tepui.wire._descriptors import file_descriptor_set as make

    return make().SerializeToString(deterministic=True)


def __getattr__(name: str) -> object:
    if name == "FILE_DESCRIPTOR_SET":
        return file_descriptor_set()
    raise AttributeError(name)


def decode_protobuf(message_type: type[Message], data: bytes) -> Message:
    """The message that protobuf bytes hold. Raises `DecodeError` with Mesos's sentence."""
    reader = _readers.get(message_type) or _add_reader(message_type)
    return cast(Message, reader(data))


def encode_protobuf(message: object) -> bytes:
    """A message as protobuf bytes."""
    writer = _writers.get(type(message)) or _add_writer(cast(type[WireMessage], type(message)))
    return writer(message)


def _add_reader(message_type: type[WireMessage]) -> Callable[[bytes], Any]:
    from google.protobuf.message import DecodeError as ProtobufDecodeError

    from tepui.wire._descriptors import message_class

    parse = message_class(message_type).FromString
    convert = _from_protobuf_converter(message_type)
    sentence = f"Failed to parse body into {message_type.__name__} protobuf"

    def read(data: bytes) -> Any:
        try:
            return convert(parse(data))
        except (ProtobufDecodeError, TypeError, ValueError, RecursionError):
            # Besides malformed bytes: a required field that is missing is a TypeError of the struct.
            raise DecodeError(sentence) from None

    _readers[message_type] = read
    return read


def _from_protobuf_converter(message_type: type[WireMessage]) -> Callable[[Any], Any]:
    """The function that makes the struct of a protobuf object."""
    found = _from_protobuf.get(message_type)
    if found is not None:
        return found
    table: dict[int, tuple[str, Callable[[Any], Any] | None]] = {}

    def convert(message: Any) -> Any:
        members = {}
        for descriptor, value in message.ListFields():
            name, read = table[descriptor.number]
            members[name] = value if read is None else read(value)
        return message_type(**members)

    _from_protobuf[message_type] = convert  # Before its fields are looked at: messages may hold their own kind.
    for field in schema_of(message_type).fields:
        table[field.number] = (field.name, _field_reader(field))
    return convert


def _field_reader(field: FieldSchema) -> Callable[[Any], Any] | None:
    read = _value_reader(field)
    if field.kind == "map":
        assert read is not None  # All maps have texts or messages as values.
        return lambda entries: {key: read(value) for key, value in entries.items()}
    if not field.repeated:
        return read
    if read is None:
        return list
    return lambda items: [read(item) for item in items]


def _value_reader(field: FieldSchema) -> Callable[[Any], Any] | None:
    if field.message is not None:
        return _from_protobuf_converter(field.message)
    if field.enum is not None:
        return _members_by_number(field.enum).__getitem__
    if field.value_kind == "string":
        return _text
    if field.value_kind == "uint64":
        return lambda number: number if number <= _INT64_MAX else _INT64_MAX
    return None


def _text(value: Any) -> str:
    """A text field's value, which the package gives as bytes when it is not UTF-8; Mesos takes any bytes as text."""
    return value if value.__class__ is str else value.decode("utf-8", "replace")


def _members_by_number(enum: type[ProtoEnum]) -> dict[int, ProtoEnum]:
    return {member.number: member for member in reversed(list(enum))}


def _add_writer(message_type: type[WireMessage]) -> Callable[[Any], bytes]:
    from tepui.wire._descriptors import message_class

    make = message_class(message_type)
    members = _members_converter(message_type)

    def write(message: Any) -> bytes:
        return make(**members(message)).SerializeToString()

    _writers[message_type] = write
    return write


def _members_converter(message_type: type[WireMessage]) -> Callable[[Any], dict[str, Any]]:
    """The function that makes the keyword arguments of a protobuf object from a struct.

    It is generated as source, one statement a field, because that takes a third of the time of a loop over a table.
    """
    found = _to_members.get(message_type)
    if found is not None:
        return found
    fields = schema_of(message_type).fields
    lines = ["def members(message):", "    result = {}"]
    for field in fields:
        lines.append(f"    value = message.{field.name}")
        if field.required:
            test = "True"
        elif field.repeated or field.kind == "map":
            test = "value"
        else:
            test = "value is not None"
        lines.append(f"    if {test}: result[{field.name!r}] = {_write_expression(field)}")
    lines.append("    return result")
    names: dict[str, Any] = {}
    exec("\n".join(lines), names)
    members: Callable[[Any], dict[str, Any]] = names["members"]
    _to_members[message_type] = members  # Before its fields are looked at: messages may hold their own kind.
    for field in fields:
        if field.message is not None:
            names[f"convert_{field.name}"] = _members_converter(field.message)
    return members


def _write_expression(field: FieldSchema) -> str:
    value = "value"
    if field.repeated or field.kind == "map":
        value = "item"
    if field.message is not None:
        value = f"convert_{field.name}({value})"
    elif field.enum is not None:
        value = f"{value}.number"
    if field.kind == "map":
        return f"{{key: {value} for key, item in value.items()}}"
    return f"[{value} for item in value]" if field.repeated else value

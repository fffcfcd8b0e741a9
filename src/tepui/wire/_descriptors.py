"""Protobuf descriptors made from the message structs.

Importing this module loads the `protobuf` package (some megabytes), so it is imported when the first protobuf message
comes.
"""

from __future__ import annotations

from functools import cache
from types import ModuleType

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message as ProtobufMessage

from tepui.model.message import ProtoEnum, WireMessage
from tepui.model.v1 import agent, allocator, executor, google, maintenance, master, mesos, quota, resource_provider
from tepui.model.v1 import scheduler as scheduler_module
from tepui.wire.schema import FieldSchema, schema_of

_Field = descriptor_pb2.FieldDescriptorProto

_FILES: tuple[tuple[str, str, ModuleType], ...] = (
    ("google/protobuf/duration.proto", "google.protobuf", google),
    ("mesos/v1/mesos.proto", "mesos.v1", mesos),
    ("mesos/v1/scheduler/scheduler.proto", "mesos.v1.scheduler", scheduler_module),
    ("mesos/v1/executor/executor.proto", "mesos.v1.executor", executor),
    ("mesos/v1/allocator/allocator.proto", "mesos.v1.allocator", allocator),
    ("mesos/v1/maintenance/maintenance.proto", "mesos.v1.maintenance", maintenance),
    ("mesos/v1/quota/quota.proto", "mesos.v1.quota", quota),
    ("mesos/v1/master/master.proto", "mesos.v1.master", master),
    ("mesos/v1/agent/agent.proto", "mesos.v1.agent", agent),
    ("mesos/v1/resource_provider/resource_provider.proto", "mesos.v1.resource_provider", resource_provider),
)
_PACKAGES = {module.__name__: package for _, package, module in _FILES}
_FILE_NAMES = {module.__name__: name for name, _, module in _FILES}
_TYPES = {
    "double": _Field.TYPE_DOUBLE,
    "int32": _Field.TYPE_INT32,
    "int64": _Field.TYPE_INT64,
    "uint32": _Field.TYPE_UINT32,
    "uint64": _Field.TYPE_UINT64,
    "bool": _Field.TYPE_BOOL,
    "string": _Field.TYPE_STRING,
    "bytes": _Field.TYPE_BYTES,
    "enum": _Field.TYPE_ENUM,
    "message": _Field.TYPE_MESSAGE,
}


def full_name(kind: type[WireMessage] | type[ProtoEnum]) -> str:
    """A type's name in protobuf, such as mesos.v1.Offer.Operation."""
    return f"{_PACKAGES[kind.__module__]}.{kind.__qualname__}"


@cache
def file_descriptor_set() -> descriptor_pb2.FileDescriptorSet:
    """The descriptors of all v1 packages, and of google.protobuf.Duration, each file after those that it imports."""
    return descriptor_pb2.FileDescriptorSet(file=[_file(*entry) for entry in _FILES])


@cache
def message_class(kind: type[WireMessage]) -> type[ProtobufMessage]:
    """The protobuf class of a message type."""
    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(full_name(kind)))


@cache
def _pool() -> descriptor_pool.DescriptorPool:
    pool = descriptor_pool.DescriptorPool()
    for file in file_descriptor_set().file:
        pool.Add(file)
    return pool


def _file(name: str, package: str, module: ModuleType) -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(name=name, package=package)
    file.syntax = "proto3" if module is google else "proto2"
    imports: set[str] = set()
    for kind in vars(module).values():
        if not isinstance(kind, type) or kind.__module__ != module.__name__:
            continue
        if issubclass(kind, ProtoEnum):
            _add_enum(file.enum_type.add(), kind)
        elif issubclass(kind, WireMessage):
            _add_message(file.message_type.add(), kind, imports)
    file.dependency.extend(_FILE_NAMES[imported] for imported in _PACKAGES if imported in imports - {module.__name__})
    return file


def _add_message(target: descriptor_pb2.DescriptorProto, kind: type[WireMessage], imports: set[str]) -> None:
    target.name = kind.__name__
    oneofs: dict[str, int] = {}
    for field in schema_of(kind).fields:
        added = target.field.add(name=field.name, number=field.number)
        if field.required:
            added.label = _Field.LABEL_REQUIRED
        elif field.repeated or field.kind == "map":
            added.label = _Field.LABEL_REPEATED
        else:
            added.label = _Field.LABEL_OPTIONAL
        if field.kind == "map":
            _add_map_entry(target, kind, field, added, imports)
        else:
            _set_type(added, field, field.kind, imports)
        if field.default_text is not None:
            added.default_value = field.default_text
        if field.deprecated:
            added.options.deprecated = True
        if field.oneof is not None:
            if field.oneof not in oneofs:
                oneofs[field.oneof] = len(oneofs)
                target.oneof_decl.add(name=field.oneof)
            added.oneof_index = oneofs[field.oneof]
    for nested in vars(kind).values():
        if isinstance(nested, type) and nested.__qualname__ == f"{kind.__qualname__}.{nested.__name__}":
            if issubclass(nested, ProtoEnum):
                _add_enum(target.enum_type.add(), nested)
            elif issubclass(nested, WireMessage):
                _add_message(target.nested_type.add(), nested, imports)


def _add_map_entry(
    target: descriptor_pb2.DescriptorProto,
    kind: type[WireMessage],
    field: FieldSchema,
    added: descriptor_pb2.FieldDescriptorProto,
    imports: set[str],
) -> None:
    name = "".join(word.capitalize() for word in field.name.split("_")) + "Entry"
    entry = target.nested_type.add(name=name)
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, label=_Field.LABEL_OPTIONAL, type=_Field.TYPE_STRING)
    value = entry.field.add(name="value", number=2, label=_Field.LABEL_OPTIONAL)
    _set_type(value, field, field.value_kind, imports)
    added.type = _Field.TYPE_MESSAGE
    added.type_name = f".{full_name(kind)}.{name}"


def _set_type(added: descriptor_pb2.FieldDescriptorProto, field: FieldSchema, kind: str, imports: set[str]) -> None:
    added.type = _TYPES[kind]
    target = field.message if kind == "message" else field.enum if kind == "enum" else None
    if target is not None:
        imports.add(target.__module__)
        added.type_name = f".{full_name(target)}"


def _add_enum(target: descriptor_pb2.EnumDescriptorProto, kind: type[ProtoEnum]) -> None:
    target.name = kind.__name__
    for member in kind:
        target.value.add(name=member.name, number=member.number)

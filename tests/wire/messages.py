"""Random messages of every kind, made from the structs; a seed repeats one."""

from __future__ import annotations

import string
from random import Random
from typing import Any

from tepui.model.message import ProtoEnum, WireMessage
from tepui.model.v1 import agent, executor, maintenance, master, mesos, quota, resource_provider, scheduler
from tepui.wire.schema import FieldSchema, schema_of

# Imported so that their messages are among WireMessage's subclasses.
MODULES = (agent, executor, maintenance, master, mesos, quota, resource_provider, scheduler)


def all_kinds() -> list[type[WireMessage]]:
    """Every message type, in a fixed order."""
    return sorted(WireMessage.__subclasses__(), key=lambda kind: (kind.__module__, kind.__qualname__))


_TEXTS = ("", "a", "null", "Infinity", 'q"\\/', "é€😀", "\x00\x01\x1f\x7f", "line\nfeed\ttab", "{}", "5", "true", "a/b")
_DOUBLES = (0.0, 1.0, -1.5, 0.1, 1e-7, 5e-324, 1e15, 1e16, 1e21, 1e22, 1.7976931348623157e308, 1795223726.797806)
_INFINITE = (float("inf"), float("-inf"))
_LIMITS = {
    "int32": (-(2**31), 2**31 - 1),
    "int64": (-(2**63), 2**63 - 1),
    "uint32": (0, 2**32 - 1),
    "uint64": (0, 2**63 - 1),
}


def random_message(random: Random, kind: type[WireMessage], depth: int = 5) -> Any:
    """A message with each optional part set or not. Below `depth` levels only what is required is set."""
    members: dict[str, Any] = {}
    set_oneofs: set[str] = set()
    share = random.choice((0.05, 0.3, 0.9)) if depth > 0 else 0.0
    for field in schema_of(kind).fields:
        if field.oneof in set_oneofs:
            continue
        if field.required or random.random() < share:
            members[field.name] = _random_field(random, field, depth - 1)
            if field.oneof is not None:
                set_oneofs.add(field.oneof)
    return kind(**members)


def _random_field(random: Random, field: FieldSchema, depth: int) -> Any:
    if field.kind == "map":
        return {random_text(random): _random_value(random, field, depth) for _ in range(random.randrange(3))}
    if field.repeated:
        return [_random_value(random, field, depth) for _ in range(random.randrange(3))]
    return _random_value(random, field, depth)


def _random_value(random: Random, field: FieldSchema, depth: int) -> Any:
    kind = field.value_kind
    if field.message is not None:
        return random_message(random, field.message, depth)
    if field.enum is not None:
        return random_member(random, field.enum)
    if kind == "string":
        return random_text(random)
    if kind == "bytes":
        return random.randbytes(random.choice((0, 1, 2, 3, 16)))
    if kind == "bool":
        return random.random() < 0.5
    if kind == "double":
        return random.choice((*_DOUBLES, *_INFINITE, random.uniform(-1e6, 1e6)))
    low, high = _LIMITS[kind]
    return random.choice((low, high, 0, 1, random.randint(low, high)))


def random_member(random: Random, enum: type[ProtoEnum]) -> ProtoEnum:
    return random.choice(list(enum))


def random_text(random: Random) -> str:
    if random.random() < 0.5:
        return random.choice(_TEXTS)
    return "".join(random.choices(string.printable + "é€😀\x00", k=random.randrange(12)))

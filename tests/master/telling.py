"""How the stage tells what a master core says, in a compact form."""

from __future__ import annotations

from enum import Enum

import msgspec

from tepui.model.mirror import MirrorPart
from tepui.model.resources import Resources
from tepui.model.shell import Effect, Send
from tepui.model.v1 import mesos
from tepui.model.v1.mesos import Resource
from tests.master.spelling import BEGIN


def is_heartbeat(effect: Effect) -> bool:
    if not isinstance(effect, Send) or isinstance(effect.event, MirrorPart):
        return False
    return event_text(effect.event) == "HEARTBEAT"


def event_text(event: msgspec.Struct) -> str:
    """A stream's event: its type and the fields of its member."""
    kind = getattr(event, "type").name  # noqa: B009 - every event has one
    member = getattr(event, kind.lower(), None)
    return kind if member is None else f"{kind} {fields(member)}"


def record_text(record: msgspec.Struct) -> str:
    return f"{type(record).__name__}({fields(record)})"


def shown_named(message: msgspec.Struct) -> str:
    return f"{type(message).__name__} {fields(message)}".rstrip()


def fields(message: msgspec.Struct) -> str:
    parts = []
    for name in message.__struct_fields__:
        value = getattr(message, name)
        if value is None or value == [] or value == {} or value == "":
            continue
        parts.append(f"{name}={shown(value)}")
    return " ".join(parts)


def shown(value: object) -> str:
    if isinstance(value, list):
        if value and isinstance(value[0], Resource):
            return resources_text(value)
        return "[" + ", ".join(map(shown, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {shown(part)}" for key, part in value.items()) + "}"
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, bytes):
        return value.decode(errors="replace").rstrip(".")
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value - BEGIN:g}s" if value >= BEGIN else f"{value:g}"
    if isinstance(value, int):
        return f"{value / 1e9 - BEGIN:g}s" if value >= BEGIN * 1e9 else str(value)
    if isinstance(value, msgspec.Struct):
        return struct_text(value)
    if isinstance(value, str) and (" " in value or not value):
        return f'"{value}"'
    return str(value)


def struct_text(value: msgspec.Struct) -> str:
    """Ids and other one-field messages by their value; descriptions that the play itself spelled by their name."""
    names = value.__struct_fields__
    if names in (("value",), ("value", "parent")):
        return shown(getattr(value, "value"))  # noqa: B009
    if names == ("nanoseconds",):
        return shown(getattr(value, "nanoseconds"))  # noqa: B009
    if isinstance(value, mesos.MasterInfo):
        return f"master({value.id})"
    if isinstance(value, mesos.URL):
        address = value.address
        return f"{value.scheme}://{address.ip}({address.hostname}):{address.port}{value.path}"
    return "{" + fields(value) + "}"


def resources_text(messages: list[Resource]) -> str:
    """In the printed form; with `*` after it when the old reservation form is used."""
    text = str(Resources.of(messages))
    return f"<{text}>" + ("*" if any(message.role is not None for message in messages) else "")

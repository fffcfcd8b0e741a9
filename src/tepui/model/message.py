"""What a v1 message is in Python.

Each protobuf message of the v1 packages is a typed struct whose fields carry their protobuf numbers, so that the JSON,
protobuf and MessagePack forms all come from one definition:

    class KillPolicy(WireMessage, kw_only=True):
        grace_period: Annotated[DurationInfo | None, 1] = None

- A required field has no default. An optional field is `None` while it is unset. A repeated field is an empty list, a
  map an empty dict.
- An optional field with an explicit protobuf default holds that default while it is unset, and is always written to
  JSON, as Mesos writes it: its default comes from a factory, and msgspec leaves no factory-made value out. A deprecated
  one (`Resource.role`) is `None` and left out.
- The whole numbers of protobuf have names of their own (`uint32`, `int64`, ...): their sizes matter on the wire only.
  An unsigned 64-bit number is at most 2**63 - 1 here; a larger one is read as that.
- Of the members of a `oneof` at most one is set.
"""

from enum import Enum
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

int32 = Annotated[int, "int32", Meta(ge=-(2**31), le=2**31 - 1)]
int64 = Annotated[int, "int64", Meta(ge=-(2**63), le=2**63 - 1)]
uint32 = Annotated[int, "uint32", Meta(ge=0, le=2**32 - 1)]
uint64 = Annotated[int, "uint64", Meta(ge=0, le=2**63 - 1)]


class Proto(NamedTuple):
    """A field's number and what else its protobuf definition says; most fields are annotated by the bare number."""

    number: int
    deprecated: bool = False
    default: str | None = None
    """The explicit default of a field whose struct does not hold it: a deprecated or a required one."""
    oneof: str | None = None


class WireMessage(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False):
    """The base of all v1 messages. Messages are trees, so the garbage collector need not visit them."""


class ProtoEnum(Enum):
    """A protobuf enum: the value is the name that travels in JSON, `number` is what travels in protobuf."""

    number: int

    __hash__ = object.__hash__
    """By identity, as members compare: the hash of `Enum` is written in Python and costs ten times as much."""

    def __new__(cls, name: str, number: int) -> "ProtoEnum":
        member = object.__new__(cls)
        member._value_ = name
        member.number = number
        return member


def at_most_one(*members: object) -> None:
    """Raise ValueError when more than one of a oneof's members is set."""
    if sum(member is not None for member in members) > 1:
        raise ValueError("only one member of a oneof can be set")

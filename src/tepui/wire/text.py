"""The text forms of flags: resources, attributes, weights, minimal offers, durations.

Every parser raises `TextError` with one sentence that says what was found and what was wanted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from math import isfinite

import msgspec

from tepui.model.attributes import validate_attribute
from tepui.model.quantities import Quantities
from tepui.model.resource_validation import validate_resource, validate_scalar
from tepui.model.roles import DEFAULT_ROLE
from tepui.model.v1.mesos import Attribute, Resource, Value
from tepui.model.values import UINT64_MAX, thousandths

TEXT_LENGTH_MAX = 1_000_000
"""No text of resources or attributes may be longer."""

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?\Z")
_WHOLE = re.compile(r"\d{1,20}\Z")
_SPACE = re.compile(r"\s+")


class TextError(ValueError):
    """A text that does not say what it should; the message is one sentence."""


# Values.


def parse_number(text: str) -> float | None:
    """A plain decimal number; None when `text` is something else (`nan` and `inf` are)."""
    if not _NUMBER.match(text):
        return None
    value = float(text)
    return value if isfinite(value) else None


def _parse_ranges(text: str) -> list[Value.Range]:
    """`[1-2, 5-5]`, or bare `[1-2]` without inner spaces: each part is begin-end."""
    inner = text[1:-1]
    if not inner:
        return []
    ranges = []
    for part in inner.split(","):
        begin, dash, end = part.partition("-")
        if not dash or not _WHOLE.match(begin) or not _WHOLE.match(end):
            raise TextError(f"Expecting begin-end pairs of whole numbers in '{text}', found '{part}'")
        if int(begin) > UINT64_MAX or int(end) > UINT64_MAX:
            raise TextError(f"'{part}' in '{text}' does not fit an unsigned 64-bit number")
        ranges.append(Value.Range(begin=int(begin), end=int(end)))
    return ranges


def _pieces(text: str) -> Iterator[str]:
    for piece in text.split(";"):
        if piece:
            yield piece


# Resources.


def parse_resources(text: str, default_role: str = DEFAULT_ROLE) -> list[Resource]:
    """`cpus(role):4;mem:1024;ports:[31000-32000];zones:{a,b}`, or a JSON array of Resource messages.

    Spaces do not count in the first form. Entries without a role get `default_role`; a role other than `*` is a static
    reservation. As on Mesos's command line there are no dynamic reservations, persistent volumes, revocable or
    allocated resources, and each name has one type.
    """
    if len(text) > TEXT_LENGTH_MAX:
        raise TextError(f"Text of resources is longer than {TEXT_LENGTH_MAX} characters")
    stripped = text.strip()
    if stripped.startswith("["):
        resources = _resources_from_json(stripped, default_role)
    else:
        resources = [_parse_resource(piece, default_role) for piece in _pieces(_SPACE.sub("", stripped))]
    types: dict[str, Value.Type] = {}
    for resource in resources:
        why = validate_resource(resource) or _not_on_a_command_line(resource)
        if why is not None:
            raise TextError(f"Bad resource '{resource.name}': {why}")
        if types.setdefault(resource.name, resource.type) is not resource.type:
            raise TextError(f"Resource '{resource.name}' is given with two different types")
    return resources


def parse_revocable_resources(text: str) -> list[Resource]:
    """What an agent lends beyond its own resources: unreserved scalars in either form of `parse_resources`, which are
    revocable without saying so."""
    resources = parse_resources(text)
    for resource in resources:
        if resource.type is not Value.Type.SCALAR or resource.reservations or resource.disk or resource.shared:
            raise TextError(f"Bad resource '{resource.name}': only amounts that are not reserved can be revocable")
        resource.revocable = Resource.RevocableInfo()
    return resources


def _parse_resource(piece: str, default_role: str) -> Resource:
    head, colon, value = piece.partition(":")
    if not colon or not head or not value:
        raise TextError(f"Bad resource '{piece}': expecting name:value or name(role):value")
    name, role = head, default_role
    if "(" in head or ")" in head:
        name, _, rest = head.partition("(")
        if not name or not rest.endswith(")") or not rest[:-1] or "(" in rest or ")" in rest[:-1]:
            raise TextError(f"Bad resource '{piece}': expecting name(role):value")
        role = rest[:-1]
    resource = _parse_value(name, value)
    return _with_role(resource, role)


def _parse_value(name: str, value: str) -> Resource:
    if value.startswith("[") and value.endswith("]"):
        return Resource(name=name, type=Value.Type.RANGES, ranges=Value.Ranges(range=_parse_ranges(value)))
    if value.startswith("{") and value.endswith("}"):
        items = value[1:-1].split(",") if value != "{}" else []
        if "" in items:
            raise TextError(f"Bad resource '{name}': an empty item in '{value}'")
        return Resource(name=name, type=Value.Type.SET, set=Value.Set(item=items))
    number = parse_number(value)
    if number is None:
        raise TextError(f"Bad resource '{name}': '{value}' is not a number, [begin-end,...] or {{item,...}}")
    return Resource(name=name, type=Value.Type.SCALAR, scalar=Value.Scalar(value=number))


def _with_role(resource: Resource, role: str) -> Resource:
    if role != DEFAULT_ROLE:
        resource.reservations = [Resource.ReservationInfo(type=Resource.ReservationInfo.Type.STATIC, role=role)]
    return resource


def _resources_from_json(text: str, default_role: str) -> list[Resource]:
    try:
        resources = msgspec.json.decode(text, type=list[Resource])
    except (msgspec.MsgspecError, RecursionError, UnicodeEncodeError) as error:
        raise TextError(f"Bad JSON of resources: {error}") from None
    for resource in resources:
        if resource.role is None and not resource.reservations:
            _with_role(resource, default_role)
    return resources


def _not_on_a_command_line(resource: Resource) -> str | None:
    if resource.allocation_info is not None:
        return "'allocation_info' cannot be given here"
    if resource.reservation is not None or len(resource.reservations) > 1:
        return "a dynamic reservation cannot be given here"
    if any(layer.type is not Resource.ReservationInfo.Type.STATIC for layer in resource.reservations):
        return "a dynamic reservation cannot be given here"
    if resource.disk is not None and (resource.disk.persistence is not None or resource.disk.volume is not None):
        return "a persistent volume cannot be given here"
    if resource.revocable is not None:
        return "'revocable' cannot be given here"
    if resource.shared is not None:
        return "'shared' cannot be given here: only persistent volumes can be shared"
    if resource.disk is not None:
        return _unusable_source(resource.disk.source)
    return None


def _unusable_source(source: Resource.DiskInfo.Source | None) -> str | None:
    if source is None:
        return "'disk' is given without a 'source'"
    kinds = Resource.DiskInfo.Source.Type
    if source.type not in (kinds.PATH, kinds.MOUNT):
        return f"disks of type {source.type.value} come from resource providers, which this version does not have"
    place = source.path or source.mount
    if place is None or not place.root:
        name = source.type.value.lower()
        return f"a {source.type.value} disk needs the folder where it is: 'source.{name}.root'"
    return None


# Attributes.


def parse_attributes(text: str) -> list[Attribute]:
    """`rack:r1;zone:west;ports:[1-2]`: split at the first colon; ranges, else a number, else text. No sets."""
    if len(text) > TEXT_LENGTH_MAX:
        raise TextError(f"Text of attributes is longer than {TEXT_LENGTH_MAX} characters")
    return [_parse_attribute(piece.strip()) for piece in text.split(";") if piece.strip()]


def _parse_attribute(piece: str) -> Attribute:
    name, colon, value = piece.partition(":")
    name, value = name.strip(), value.strip()
    if not colon or not name or not value:
        raise TextError(f"Bad attribute '{piece}': expecting key:value")
    if value.startswith("{") and value.endswith("}"):
        raise TextError(f"Bad attribute '{piece}': sets are not supported")
    attribute = _parse_attribute_value(name, value)
    why = validate_attribute(attribute)
    if why is not None:
        raise TextError(f"Bad attribute '{piece}': {why}")
    return attribute


def _parse_attribute_value(name: str, value: str) -> Attribute:
    if value.startswith("[") and value.endswith("]"):
        ranges = _parse_ranges(_SPACE.sub("", value))
        return Attribute(name=name, type=Value.Type.RANGES, ranges=Value.Ranges(range=ranges))
    number = parse_number(value)
    if number is not None:
        return Attribute(name=name, type=Value.Type.SCALAR, scalar=Value.Scalar(value=number))
    return Attribute(name=name, type=Value.Type.TEXT, text=Value.Text(value=value))


# Weights and minimal offers.


def parse_weights(text: str) -> dict[str, float]:
    """`role=weight,role=weight`, each weight positive."""
    weights: dict[str, float] = {}
    for piece in text.split(","):
        if not piece.strip():
            continue
        role, _, value = piece.partition("=")
        role, number = role.strip(), parse_number(value.strip())
        if not role or number is None:
            raise TextError(f"Bad weight '{piece.strip()}': expecting role=weight")
        if number <= 0:
            raise TextError(f"Invalid weight '{value.strip()}' of role '{role}': Weights must be positive")
        if role in weights:
            raise TextError(f"Duplicate role '{role}' in the weights")
        weights[role] = number
    return weights


def parse_min_allocatable(text: str) -> list[Quantities]:
    """`cpus:0.01|mem:32`: an offer holds at least one of the sets; within a set `;` means and. Empty: anything."""
    result: list[Quantities] = []
    for group in text.split("|"):
        quantities: Quantities = {}
        for piece in _pieces(_SPACE.sub("", group)):
            name, _, value = piece.partition(":")
            number = parse_number(value)
            why = "expecting name:amount" if not name or number is None else validate_scalar(number)
            if number is None or why is not None:
                raise TextError(f"Bad minimal resource '{piece}': {why}")
            if name in quantities:
                raise TextError(f"Resource '{name}' is given twice in '{group.strip()}'")
            quantities[name] = thousandths(number)
        if quantities:
            result.append(quantities)
    return result


# Durations.

_NANOSECONDS = {
    "ns": 1,
    "us": 1_000,
    "ms": 1_000_000,
    "secs": 1_000_000_000,
    "mins": 60_000_000_000,
    "hrs": 3_600_000_000_000,
    "days": 86_400_000_000_000,
    "weeks": 604_800_000_000_000,
}
_DURATION_MAX_NANOSECONDS = 2**63 - 1
_QUANTITY = re.compile(r"\s*([+-]?(?:\d+(?:\.\d*)?|\.\d+))\s*([A-Za-z]+)\s*\Z")


def parse_duration(text: str) -> float:
    """Seconds. `15secs`, `1.5mins`; the unit is one of ns us ms secs mins hrs days weeks."""
    match = _QUANTITY.match(text)
    if match is None or match[2] not in _NANOSECONDS:
        raise TextError(f"Bad duration '{text}': expecting a number and one of {' '.join(_NANOSECONDS)}")
    value, unit = float(match[1]), _NANOSECONDS[match[2]]
    if abs(value * unit) > _DURATION_MAX_NANOSECONDS:
        raise TextError(f"Bad duration '{text}': out of range")
    return value * unit / 1e9 if unit < 1_000_000_000 else value * (unit // 1_000_000_000)


def format_duration(seconds: float) -> str:
    """`15secs`, `2mins`, `1500us`: in the largest unit not above the duration; when that gives no whole number but the
    next smaller unit does, in that one (Mesos: durations as text)."""
    nanoseconds = round(seconds * 1e9)
    if nanoseconds == 0:
        return "0ns"
    units = list(_NANOSECONDS.items())
    index = max(i for i, (_, size) in enumerate(units) if size <= abs(nanoseconds))
    name, size = units[index]
    if nanoseconds % size and index and nanoseconds % units[index - 1][1] == 0:
        name, size = units[index - 1]
    if nanoseconds % size == 0:
        return f"{nanoseconds // size}{name}"
    return f"{nanoseconds / size:.15g}{name}"

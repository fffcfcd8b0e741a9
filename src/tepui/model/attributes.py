"""Attributes of an agent: how they compare and print. They describe, and are never added or taken away."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

from tepui.model.v1.mesos import Attribute, Value
from tepui.model.values import merge_ranges, ranges_text, scalar_text, set_text, thousandths

_Type = Value.Type


def attribute_value_text(attribute: Attribute) -> str:
    if attribute.type is _Type.SCALAR and attribute.scalar is not None:
        return scalar_text(thousandths(attribute.scalar.value))
    if attribute.type is _Type.RANGES and attribute.ranges is not None:
        return ranges_text((part.begin, part.end) for part in attribute.ranges.range)
    if attribute.type is _Type.SET and attribute.set is not None:
        return set_text(attribute.set.item)
    return attribute.text.value if attribute.text is not None else ""


def attributes_key(attributes: Sequence[Attribute]) -> tuple[tuple[str, str, object], ...]:
    """What two lists of valid attributes have in common when they say the same, in whatever order."""
    parts: list[tuple[str, str, object]] = []
    for attribute in attributes:
        value: object = attribute_value_text(attribute)
        if attribute.type is _Type.RANGES and attribute.ranges is not None:
            value = str(merge_ranges((part.begin, part.end) for part in attribute.ranges.range))
        parts.append((attribute.name, attribute.type.value, value))
    return tuple(sorted(parts, key=str))


def validate_attribute(attribute: Attribute) -> str | None:
    """Why an attribute is invalid, in some words; None when it is valid."""
    if not attribute.name:
        return "empty name"
    members = {
        _Type.SCALAR: attribute.scalar,
        _Type.RANGES: attribute.ranges,
        _Type.SET: attribute.set,
        _Type.TEXT: attribute.text,
    }
    if members[attribute.type] is None:
        return f"expecting '{attribute.type.value.lower()}' to be present"
    if attribute.scalar is not None and not isfinite(attribute.scalar.value):
        return "not a finite number"
    if attribute.ranges is not None and any(part.begin > part.end for part in attribute.ranges.range):
        return "begin > end"
    return None

"""Quantities: how much of each scalar, by name, in thousandths, with all else stripped off.

A plain dict from name to a positive int; a name that is missing means 0. For sums over agents and roles, where only
amounts matter (Mesos: resource quantities).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from tepui.model.resource_validation import ResourceError, validate_scalar
from tepui.model.v1.mesos import OfferFilters, Resource, Value
from tepui.model.values import scalar_text, thousandths

Quantities: TypeAlias = dict[str, int]


def add_quantities(into: Quantities, more: Mapping[str, int]) -> None:
    """Add `more` in place."""
    for name, amount in more.items():
        into[name] = into.get(name, 0) + amount


def contains_quantities(have: Mapping[str, int], wanted: Mapping[str, int]) -> bool:
    """Whether `have` is at least `wanted` of each name."""
    return all(have.get(name, 0) >= amount for name, amount in wanted.items())


def subtract_quantities(into: Quantities, less: Mapping[str, int]) -> None:
    """Take `less` off in place; a name whose amount reaches 0 goes. Raises ValueError below 0."""
    for name, amount in less.items():
        rest = into.get(name, 0) - amount
        if rest > 0:
            into[name] = rest
        elif rest == 0:
            into.pop(name, None)
        else:
            raise ValueError(f"{quantities_text(into)} does not contain {quantities_text(less)}")


def reduce_quantities(into: Quantities, less: Mapping[str, int]) -> None:
    """Take `less` off in place, as far as there is so much; a name whose amount reaches 0 goes."""
    for name, amount in less.items():
        if into.get(name, 0) > amount:
            into[name] -= amount
        else:
            into.pop(name, None)


def quantities_from_scalars(scalars: Mapping[str, Value.Scalar]) -> Quantities:
    """From the map of a quota or an offer filter. Raises ResourceError."""
    result = {}
    for name, scalar in scalars.items():
        why = validate_scalar(scalar.value)
        if why is not None:
            raise ResourceError(f"Invalid quantity of '{name}': {why}")
        amount = thousandths(scalar.value)
        if amount:
            result[name] = amount
    return result


def scalar_quantities(resources: Iterable[Resource]) -> Quantities:
    """The sum of all scalars by name, whatever they are reserved for."""
    result: Quantities = {}
    for resource in resources:
        if resource.scalar is not None:
            add_quantities(result, {resource.name: thousandths(resource.scalar.value)})
    return result


def minimum_of(filters: OfferFilters) -> list[Quantities] | None:
    """The minimal offers that a framework asks for: any one set suffices. None when it leaves that to the master; an
    empty list, or an empty set, means anything. Raises ResourceError."""
    minimum = filters.min_allocatable_resources
    if minimum is None:
        return None
    return [quantities_from_scalars(entry.quantities) for entry in minimum.quantities]


def quantities_text(quantities: Mapping[str, int]) -> str:
    """`cpus:1.5; mem:64`, sorted by name, as Mesos prints them; `{}` when empty."""
    return "; ".join(f"{name}:{scalar_text(quantities[name])}" for name in sorted(quantities)) or "{}"

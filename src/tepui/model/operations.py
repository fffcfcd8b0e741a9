"""What the operations on resources do: pure arithmetic that the master and the agents share.

An operation consumes some resources and makes others of them (Mesos: resource conversions). The master applies it to
what is left of an offer, the agent to all that it has, and both must come to the same. What an agent has is what it was
started with, changed by its *checkpointed* resources: all that is dynamically reserved and all persistent volumes.

    consumed, converted = conversion(operation)
    left = left - consumed + converted

    total = apply_checkpointed(Resources.of(info.resources), Resources.of(snapshot.resources))
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from tepui.model.resource_kind import DYNAMIC, Kind, is_indivisible
from tepui.model.resources import ResourceError, Resources
from tepui.model.v1.mesos import Offer, Resource
from tepui.model.values import thousandths

Operation = Offer.Operation
_Type = Operation.Type

APPLICABLE = frozenset(
    {_Type.RESERVE, _Type.UNRESERVE, _Type.CREATE, _Type.DESTROY, _Type.GROW_VOLUME, _Type.SHRINK_VOLUME}
)
"""The operations that have a conversion; the master counts on their outcome before the agent has applied them."""


class Conversion(NamedTuple):
    """What an operation takes and what it gives."""

    consumed: Resources
    converted: Resources

    def unallocated(self) -> Conversion:
        """The same on resources that are allocated to nobody, as an agent sees them."""
        return Conversion(self.consumed.unallocated(), self.converted.unallocated())


def conversion(operation: Operation, allocate_to: str | None = None) -> Conversion:
    """What a validated operation does. Entries without an allocation role get `allocate_to`.

    Raises ResourceError with a sentence when a resource in it is invalid, or when it is of no type in `APPLICABLE`.
    """
    kind = None if operation.type is None else _CONVERSIONS.get(operation.type)
    result = None if kind is None else kind(operation, allocate_to)
    if result is None:
        name = "An operation without a type" if operation.type is None else operation.type.value
        raise ResourceError(f"{name} is not an operation that can be applied to an agent's resources")
    return result


def without_volumes(resources: Resources) -> Resources:
    """The disks below persistent volumes: the same without persistence, mount point and sharing."""
    return _remapped(resources, _without_volume)


def needs_checkpoint(kind: Kind) -> bool:
    """Whether an agent has to remember it: it is dynamically reserved, or a persistent volume."""
    if kind.reservations and kind.reservations[-1].type is DYNAMIC:
        return True
    return kind.disk is not None and kind.disk.persistence is not None


def checkpointed(total: Resources) -> Resources:
    """The part of an agent's resources that it has to remember."""
    return total.filter(needs_checkpoint)


def apply_checkpointed(static: Resources, remembered: Resources) -> Resources:
    """All that an agent has: `static` is what it was started with, `remembered` its checkpointed resources.

    Raises ResourceError when something is remembered that needs no checkpoint, or that `static` is too little for.
    """
    total = static
    for kind, amount in remembered.unallocated():
        made = Resources([(kind, amount)])
        if not needs_checkpoint(kind):
            raise ResourceError(f"{made} is checkpointed but neither dynamically reserved nor a persistent volume")
        raw = _remapped(made, _as_started)
        if not total.contains(raw):
            raise ResourceError(f"{made} is checkpointed but {raw} is not in what is left of the agent's own: {total}")
        total = total - raw + made
    return total


# One operation each.


def _reserve(operation: Operation, role: str | None) -> Conversion | None:
    reserve = operation.reserve
    if reserve is None:
        return None
    converted = Resources.of(reserve.resources, role)
    if reserve.source:
        return Conversion(Resources.of(reserve.source, role), converted)
    return Conversion(converted.without_last_reservation(), converted)


def _unreserve(operation: Operation, role: str | None) -> Conversion | None:
    if operation.unreserve is None:
        return None
    consumed = Resources.of(operation.unreserve.resources, role)
    return Conversion(consumed, consumed.without_last_reservation())


def _create(operation: Operation, role: str | None) -> Conversion | None:
    if operation.create is None:
        return None
    volumes = Resources.of(operation.create.volumes, role)
    return Conversion(without_volumes(volumes), volumes)


def _destroy(operation: Operation, role: str | None) -> Conversion | None:
    if operation.destroy is None:
        return None
    volumes = Resources.of(operation.destroy.volumes, role)
    return Conversion(volumes, without_volumes(volumes))


def _grow_volume(operation: Operation, role: str | None) -> Conversion | None:
    grow = operation.grow_volume
    if grow is None:
        return None
    volume = Resources.of([grow.volume], role)
    addition = Resources.of([grow.addition], role)
    return Conversion(volume + addition, _resized(volume, addition.scalar("disk")))


def _shrink_volume(operation: Operation, role: str | None) -> Conversion | None:
    shrink = operation.shrink_volume
    if shrink is None:
        return None
    volume = Resources.of([shrink.volume], role)
    less = thousandths(shrink.subtract.value)
    smaller = _resized(volume, -less)
    freed = Resources((disk, less) for disk, _ in without_volumes(volume))
    return Conversion(volume, smaller + freed)


_CONVERSIONS: dict[_Type, Callable[[Operation, str | None], Conversion | None]] = {
    _Type.RESERVE: _reserve,
    _Type.UNRESERVE: _unreserve,
    _Type.CREATE: _create,
    _Type.DESTROY: _destroy,
    _Type.GROW_VOLUME: _grow_volume,
    _Type.SHRINK_VOLUME: _shrink_volume,
}


# Kinds changed.


def _resized(volume: Resources, more: int) -> Resources:
    return Resources((kind.replaced(size=(kind.size or 0) + more), copies) for kind, copies in volume)


def _remapped(resources: Resources, change: Callable[[Kind, Any], tuple[Kind, Any]]) -> Resources:
    result = Resources.NONE
    for kind, amount in resources:
        result = result + Resources([change(kind, amount)])
    return result


def _without_volume(kind: Kind, amount: Any) -> tuple[Kind, Any]:
    if kind.disk is None or kind.disk.persistence is None:
        return kind, amount
    source = kind.disk.source
    disk = None if source is None else Resource.DiskInfo(source=source)
    if is_indivisible(disk):
        return kind.replaced(disk=disk, shared=False), amount
    return kind.replaced(disk=disk, shared=False, size=None), kind.scalar_of(amount)


def _as_started(kind: Kind, amount: Any) -> tuple[Kind, Any]:
    """Without volume and dynamic reservations; a static reservation, which is the lowest, stays."""
    kind, amount = _without_volume(kind, amount)
    static = tuple(layer for layer in kind.reservations if layer.type is not DYNAMIC)
    return kind.replaced(reservations=static), amount

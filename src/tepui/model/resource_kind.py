"""What makes two entries of resources the same sort of thing, and the way to and from v1 messages.

Two Resource messages add up only if all of these are equal: name, type, allocation role, reservation stack, disk,
revocable, provider, shared (Mesos: Resource addability). A `Kind` is that tuple as one object. Equal kinds are the same
object (they are interned as long as they are in use), so a dict from kind to amount hashes and compares by identity.

Some entries are *counted*: a persistent volume, a MOUNT or BLOCK disk and a RAW disk with an id are indivisible, and a
shared entry is used by copies. Their size is part of the kind, and their amount is a number of copies.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

import msgspec

from tepui.model.roles import DEFAULT_ROLE
from tepui.model.v1.mesos import Label, Labels, Resource, ResourceProviderID, Value, Volume
from tepui.model.values import as_float, merge_ranges, ranges_text, scalar_text, set_text, thousandths

SCALAR = Value.Type.SCALAR
RANGES = Value.Type.RANGES
SET = Value.Type.SET
DYNAMIC = Resource.ReservationInfo.Type.DYNAMIC
STATIC = Resource.ReservationInfo.Type.STATIC
_Source = Resource.DiskInfo.Source

ALLOCATIONS_REMEMBERED = 256
"""A kind remembers its allocated forms for at most so many roles."""
MESSAGES_REMEMBERED = 64
"""A kind remembers what its messages look like for at most so many amounts and forms."""


class ReservationForm(Enum):
    """How reservations are written into v1 messages."""

    STACK = "stack"
    """`reservations` alone, for frameworks with RESERVATION_REFINEMENT."""
    SINGLE = "single"
    """`role` and `reservation`, for frameworks without it. A refined reservation, which they are not offered, stays
    a stack."""
    BOTH = "both"
    """All three, for operators; a refined reservation is a stack only."""


class Reservation(NamedTuple):
    """One layer of a reservation stack."""

    type: Resource.ReservationInfo.Type
    role: str
    principal: str | None = None
    labels: tuple[tuple[str, str | None], ...] | None = None
    """Sorted: their order says nothing."""


class Kind:
    """Everything about an entry of resources but its amount. Made by `kind_of` only, immutable, equal by identity."""

    __slots__ = (
        "__weakref__",
        "_allocated",
        "_messages",
        "_text",
        "allocated_to",
        "counted",
        "disk",
        "loose",
        "name",
        "plain",
        "provider_id",
        "reservations",
        "revocable",
        "shared",
        "size",
        "type",
        "unallocated",
    )

    name: str
    type: Value.Type
    allocated_to: str | None
    """The role it is allocated (offered or given) to; None while it is free."""
    reservations: tuple[Reservation, ...]
    disk: Resource.DiskInfo | None
    revocable: bool
    shared: bool
    provider_id: str | None
    size: int | None
    """Thousandths, of a counted entry; None of any other."""
    counted: bool
    plain: bool
    """Unreserved, not revocable, no disk, not shared, of no provider: what most resources are."""
    loose: tuple[object, ...] | None
    """Of a persistent volume: its identity without the mount point, which each user of the volume chooses anew."""
    unallocated: Kind
    """The same without an allocation role."""

    def allocated(self, role: str) -> Kind:
        """The same, allocated to `role`."""
        kind = self._allocated.get(role)
        if kind is None:
            if len(self._allocated) >= ALLOCATIONS_REMEMBERED:
                self._allocated.clear()
            kind = kind_of(
                self.name,
                self.type,
                role,
                self.reservations,
                self.disk,
                self.revocable,
                self.shared,
                self.provider_id,
                self.size,
            )
            self._allocated[role] = kind
        return kind

    def scalar_of(self, amount: int) -> int:
        """Thousandths of the scalar that `amount` of this kind is; a shared entry counts once."""
        if self.size is None:
            return amount
        return self.size if self.shared else self.size * amount

    @property
    def reservation_role(self) -> str:
        """The role it is reserved for, `*` when for none."""
        return self.reservations[-1].role if self.reservations else DEFAULT_ROLE

    @property
    def refined(self) -> bool:
        return len(self.reservations) > 1

    def replaced(self, **changes: Any) -> Kind:
        """The kind with some of its parts changed; the names are those of `kind_of`."""
        parts: dict[str, Any] = {
            "name": self.name,
            "value_type": self.type,
            "allocated_to": self.allocated_to,
            "reservations": self.reservations,
            "disk": self.disk,
            "revocable": self.revocable,
            "shared": self.shared,
            "provider_id": self.provider_id,
            "size": self.size,
        }
        return kind_of(**{**parts, **changes})

    def __str__(self) -> str:
        """The printed form up to the colon."""
        text = self._text
        if text is None:
            text = self._text = _prefix(
                self.name, self.allocated_to, self.reservations, self.disk, self.revocable, self.shared
            )
        return text

    def __repr__(self) -> str:
        return f"<Kind {self}>"

    def __copy__(self) -> Kind:
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> Kind:
        return self

    def __reduce__(self) -> tuple[object, ...]:
        disk = None if self.disk is None else msgspec.msgpack.encode(self.disk)
        parts = (self.name, self.type, self.allocated_to, self.reservations, disk)
        return _unpickle, (*parts, self.revocable, self.shared, self.provider_id, self.size)

    _allocated: dict[str, Kind]
    _messages: dict[tuple[Any, ReservationForm], list[Resource]]
    _text: str | None


_kinds: WeakValueDictionary[tuple[object, ...], Kind] = WeakValueDictionary()


def kind_of(
    name: str,
    value_type: Value.Type,
    allocated_to: str | None = None,
    reservations: tuple[Reservation, ...] = (),
    disk: Resource.DiskInfo | None = None,
    revocable: bool = False,
    shared: bool = False,
    provider_id: str | None = None,
    size: int | None = None,
) -> Kind:
    """The one Kind with these parts. `disk` must not change afterwards; `size` is given exactly for counted kinds."""
    disk_key = b"" if disk is None else msgspec.msgpack.encode(disk)
    key = (name, value_type, allocated_to, reservations, disk_key, revocable, shared, provider_id, size)
    kind = _kinds.get(key)
    if kind is not None:
        return kind
    kind = Kind()
    kind.name = name
    kind.type = value_type
    kind.allocated_to = allocated_to
    kind.reservations = reservations
    kind.disk = disk
    kind.revocable = revocable
    kind.shared = shared
    kind.provider_id = provider_id
    kind.size = size
    kind.counted = size is not None
    kind.plain = not (reservations or disk_key or revocable or shared or provider_id is not None)
    kind.loose = None
    if disk is not None and disk.persistence is not None:
        bare = msgspec.msgpack.encode(Resource.DiskInfo(persistence=disk.persistence, source=disk.source))
        kind.loose = (name, value_type, allocated_to, reservations, bare, revocable, shared, provider_id, size)
    kind._allocated = {}
    kind._messages = {}
    kind._text = None
    if allocated_to is None:
        kind.unallocated = kind
    else:
        kind.unallocated = kind_of(name, value_type, None, reservations, disk, revocable, shared, provider_id, size)
    _kinds[key] = kind
    return kind


def _unpickle(
    name: str,
    value_type: Value.Type,
    allocated_to: str | None,
    reservations: tuple[Reservation, ...],
    disk: bytes | None,
    *rest: Any,
) -> Kind:
    info = None if disk is None else msgspec.msgpack.decode(disk, type=Resource.DiskInfo)
    return kind_of(name, value_type, allocated_to, reservations, info, *rest)


# From messages.


def reservation_stack(message: Resource) -> tuple[Reservation, ...]:
    """The reservations of a valid message, whichever form it has them in."""
    if message.reservations:
        return tuple(
            Reservation(info.type or DYNAMIC, info.role or "", info.principal, _labels_of(info.labels))
            for info in message.reservations
        )
    role = message.role
    if role is None or role == DEFAULT_ROLE:
        return ()
    info = message.reservation
    if info is None:
        return (Reservation(STATIC, role),)
    return (Reservation(DYNAMIC, role, info.principal, _labels_of(info.labels)),)


def _labels_of(labels: Labels | None) -> tuple[tuple[str, str | None], ...] | None:
    if labels is None:
        return None
    pairs = [(label.key, label.value) for label in labels.labels]
    return tuple(sorted(pairs, key=lambda pair: (pair[0], pair[1] is not None, pair[1] or "")))


def is_indivisible(disk: Resource.DiskInfo | None) -> bool:
    """Whether a disk can only be taken as a whole (Mesos: persistent volumes, MOUNT, BLOCK, RAW with an id)."""
    if disk is None:
        return False
    if disk.persistence is not None:
        return True
    source = disk.source
    if source is None:
        return False
    if source.type in (_Source.Type.MOUNT, _Source.Type.BLOCK):
        return True
    return source.type is _Source.Type.RAW and source.id is not None


def parse_message(message: Resource) -> tuple[Kind, Any]:
    """The kind and amount of a valid message. An empty entry has the amount 0, () or frozenset()."""
    value_type = message.type
    amount: Any
    if value_type is SCALAR:
        amount = thousandths(message.scalar.value) if message.scalar is not None else 0
    elif value_type is RANGES:
        ranges = message.ranges
        amount = () if ranges is None else merge_ranges((part.begin, part.end) for part in ranges.range)
    else:
        amount = frozenset() if message.set is None else frozenset(message.set.item)
    allocation = message.allocation_info
    provider = message.provider_id
    shared = message.shared is not None
    size = None
    if value_type is SCALAR and (shared or is_indivisible(message.disk)):
        size, amount = amount, (1 if amount else 0)
    kind = kind_of(
        message.name,
        value_type,
        None if allocation is None else allocation.role,
        reservation_stack(message),
        message.disk,
        message.revocable is not None,
        shared,
        None if provider is None else provider.value,
        size,
    )
    return kind, amount


# To messages.


def to_messages(kind: Kind, amount: Any, form: ReservationForm) -> list[Resource]:
    """The entry as v1 messages: one, or one per copy of a counted entry."""
    copies = amount if kind.counted else 1
    return [_to_message(kind, amount, form) for _ in range(copies)]


def shared_messages(kind: Kind, amount: Any, form: ReservationForm) -> list[Resource]:
    """The same for those who change nothing of them: equal entries of one kind are the same objects as a rule."""
    if kind.counted:
        return to_messages(kind, amount, form)
    found = kind._messages.get((amount, form))
    if found is None:
        if len(kind._messages) >= MESSAGES_REMEMBERED:
            kind._messages.clear()
        found = kind._messages[amount, form] = to_messages(kind, amount, form)
    return found


def _to_message(kind: Kind, amount: Any, form: ReservationForm) -> Resource:
    message = Resource(name=kind.name, type=kind.type)
    if kind.type is SCALAR:
        message.scalar = Value.Scalar(value=as_float(amount if kind.size is None else kind.size))
    elif kind.type is RANGES:
        message.ranges = Value.Ranges(range=[Value.Range(begin=begin, end=end) for begin, end in amount])
    else:
        message.set = Value.Set(item=sorted(amount))
    if kind.allocated_to is not None:
        message.allocation_info = Resource.AllocationInfo(role=kind.allocated_to)
    if kind.plain:
        if form is not ReservationForm.STACK:
            message.role = DEFAULT_ROLE
        return message
    _write_reservations(message, kind.reservations, form)
    message.disk = kind.disk
    if kind.revocable:
        message.revocable = Resource.RevocableInfo()
    if kind.shared:
        message.shared = Resource.SharedInfo()
    if kind.provider_id is not None:
        message.provider_id = ResourceProviderID(value=kind.provider_id)
    return message


def _write_reservations(message: Resource, stack: tuple[Reservation, ...], form: ReservationForm) -> None:
    if not stack:
        if form is not ReservationForm.STACK:
            message.role = DEFAULT_ROLE
        return
    if form is not ReservationForm.SINGLE or len(stack) > 1:
        message.reservations = [
            Resource.ReservationInfo(
                type=layer.type, role=layer.role, principal=layer.principal, labels=_labels_message(layer.labels)
            )
            for layer in stack
        ]
    if form is not ReservationForm.STACK and len(stack) == 1:
        layer = stack[0]
        message.role = layer.role
        if layer.type is DYNAMIC:
            message.reservation = Resource.ReservationInfo(
                principal=layer.principal, labels=_labels_message(layer.labels)
            )


def _labels_message(labels: tuple[tuple[str, str | None], ...] | None) -> Labels | None:
    if labels is None:
        return None
    return Labels(labels=[Label(key=key, value=value) for key, value in labels])


# Printing.


def amount_text(kind: Kind, amount: Any) -> str:
    """The printed form after the colon."""
    if kind.type is SCALAR:
        return scalar_text(amount if kind.size is None else kind.size)
    return ranges_text(amount) if kind.type is RANGES else set_text(sorted(amount))


def describe(message: Resource) -> str:
    """The printed form of a message, valid or not."""
    if message.type is SCALAR and message.scalar is not None:
        value = f"{message.scalar.value:.15g}"
    elif message.type is RANGES and message.ranges is not None:
        value = ranges_text((part.begin, part.end) for part in message.ranges.range)
    elif message.type is SET and message.set is not None:
        value = set_text(message.set.item)
    else:
        value = ""
    allocation = message.allocation_info
    prefix = _prefix(
        message.name,
        None if allocation is None else allocation.role,
        reservation_stack(message),
        message.disk,
        message.revocable is not None,
        message.shared is not None,
    )
    return f"{prefix}:{value}"


def _prefix(
    name: str,
    allocated_to: str | None,
    reservations: Iterable[Reservation],
    disk: Resource.DiskInfo | None,
    revocable: bool,
    shared: bool,
) -> str:
    text = name
    if allocated_to is not None:
        text += f"(allocated: {allocated_to})"
    layers = ",".join(_layer_text(layer) for layer in reservations)
    if layers:
        text += f"(reservations: [{layers}])"
    if disk is not None:
        text += f"[{_disk_text(disk)}]"
    if revocable:
        text += "{REV}"
    return text + "<SHARED>" if shared else text


def _layer_text(layer: Reservation) -> str:
    parts = [layer.type.value, layer.role]
    if layer.principal is not None:
        parts.append(layer.principal)
    if layer.labels is not None:
        parts.append("{" + ", ".join(key if value is None else f"{key}: {value}" for key, value in layer.labels) + "}")
    return "(" + ",".join(parts) + ")"


def _disk_text(disk: Resource.DiskInfo) -> str:
    parts = []
    if disk.source is not None:
        parts.append(_source_text(disk.source))
    if disk.persistence is not None:
        parts.append(disk.persistence.id)
    text = ",".join(parts)
    return text if disk.volume is None else f"{text}:{_volume_text(disk.volume)}"


def _source_text(source: Resource.DiskInfo.Source) -> str:
    text = source.type.value
    named = (source.vendor, source.id, source.profile)
    if any(part is not None for part in named):
        text += "(" + ",".join(part or "" for part in named) + ")"
    place = source.path or source.mount
    return text if place is None or place.root is None else f"{text}:{place.root}"


def _volume_text(volume: Volume) -> str:
    if volume.host_path is None:
        return volume.container_path
    return f"{volume.host_path}:{volume.container_path}:{volume.mode.value.lower()}"

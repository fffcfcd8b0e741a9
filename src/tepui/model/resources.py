"""Exact resources: immutable values that add, subtract and contain one another.

    offered = Resources.of(offer.resources)
    used = Resources.of(task.resources, allocate_to="test")
    if offered.contains(used):
        left = offered - used

A value is a dict from `Kind` (what sort of thing, see `resource_kind`) to an exact amount: whole thousandths of a
scalar, sorted and merged ranges, a set of strings, or a number of copies of an entry that is indivisible or shared.
Entries that are zero or empty vanish. Equality is exact.

Order: entries keep the order in which their kinds came in. Adding keeps the place of a kind that is already there and
puts a new one last; subtracting keeps the order of the rest. Items of a set are written sorted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, ClassVar

from tepui.model.quantities import Quantities
from tepui.model.resource_kind import (
    RANGES,
    SCALAR,
    Kind,
    Reservation,
    ReservationForm,
    amount_text,
    parse_message,
    shared_messages,
    to_messages,
)
from tepui.model.resource_validation import ResourceError, validate_resources
from tepui.model.roles import is_same_or_descendant
from tepui.model.v1.mesos import Resource
from tepui.model.values import Ranges, add_ranges, ranges_contain, subtract_ranges

__all__ = ["Kind", "Reservation", "ReservationForm", "ResourceError", "Resources"]

MEMO_ENTRIES_MAX = 4096
"""So many different lists of plain scalars are remembered; then the memory is emptied."""

Amounts = dict[Kind, Any]
"""An amount is an int, `Ranges` or a frozenset of strings, as its kind says; the arithmetic below looks at the type."""

_memo: dict[tuple[object, ...], Resources] = {}


class Resources:
    """An immutable amount of resources. Make one with `Resources.of` or by arithmetic; `Resources()` is nothing."""

    __slots__ = ("_amounts", "_quantities")

    NONE: ClassVar[Resources]
    """Nothing at all."""

    _amounts: Amounts
    _quantities: Quantities | None

    def __init__(self, amounts: Iterable[tuple[Kind, Any]] = ()) -> None:
        """From kinds and amounts, each kind once; for those who know `Kind`."""
        self._amounts = {kind: amount for kind, amount in amounts if amount}
        self._quantities = None

    # In and out.

    @classmethod
    def of(cls, messages: Sequence[Resource], allocate_to: str | None = None) -> Resources:
        """From v1 messages in either reservation form; entries without an allocation role get `allocate_to`.

        Raises ResourceError with a sentence when one of them is invalid.
        """
        parts: list[object] = [allocate_to]
        for message in messages:
            scalar = message.scalar
            if (
                scalar is None
                or message.disk is not None
                or message.reservations
                or message.revocable is not None
                or message.shared is not None
                or message.reservation is not None
                or message.provider_id is not None
                or message.ranges is not None
                or message.type is not SCALAR
            ):
                return cls._parse(messages, allocate_to)
            allocation = message.allocation_info
            parts += message.name, scalar.value, message.role, allocation and allocation.role
        key = tuple(parts)
        result = _memo.get(key)
        if result is None:
            result = cls._parse(messages, allocate_to)
            if len(_memo) >= MEMO_ENTRIES_MAX:
                _memo.clear()
            _memo[key] = result
        return result

    @classmethod
    def _parse(cls, messages: Sequence[Resource], allocate_to: str | None) -> Resources:
        why = validate_resources(messages)
        if why is not None:
            raise ResourceError(why)
        amounts: Amounts = {}
        for message in messages:
            kind, amount = parse_message(message)
            if not amount:
                continue
            if allocate_to is not None and kind.allocated_to is None:
                kind = kind.allocated(allocate_to)
            have = amounts.get(kind)
            amounts[kind] = amount if have is None else _join(have, amount)
        return _made(amounts)

    def messages(self, form: ReservationForm = ReservationForm.STACK) -> list[Resource]:
        """As v1 messages, in order."""
        result: list[Resource] = []
        for kind, amount in self._amounts.items():
            result += to_messages(kind, amount, form)
        return result

    def shared_messages(self, form: ReservationForm) -> list[Resource]:
        """The same for those who change nothing of the messages, which are found rather than made for amounts that
        occur again and again."""
        result: list[Resource] = []
        for kind, amount in self._amounts.items():
            result += shared_messages(kind, amount, form)
        return result

    def __str__(self) -> str:
        """The printed form of Mesos: `cpus(allocated: test):4; mem(allocated: test):64`; `{}` for nothing."""
        parts = []
        for kind, amount in self._amounts.items():
            text = f"{kind}:{amount_text(kind, amount)}"
            parts += [text] * (amount if kind.counted else 1)
        return "; ".join(parts) or "{}"

    def __repr__(self) -> str:
        return f"<Resources {self}>"

    # Arithmetic.

    def __bool__(self) -> bool:
        return bool(self._amounts)

    def __len__(self) -> int:
        return len(self._amounts)

    def __iter__(self) -> Iterator[tuple[Kind, Any]]:
        """The entries: kind and amount."""
        return iter(self._amounts.items())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Resources):
            return NotImplemented
        return self is other or self._amounts == other._amounts

    def __hash__(self) -> int:
        return hash(frozenset(self._amounts.items()))

    def __add__(self, other: Resources) -> Resources:
        theirs = other._amounts
        if not theirs:
            return self
        mine = self._amounts
        if not mine:
            return other
        result = mine.copy()
        for kind, amount in theirs.items():
            have = result.get(kind)
            if have is None:
                result[kind] = amount
            elif type(amount) is int:
                result[kind] = have + amount
            else:
                result[kind] = _join(have, amount)
        return _made(result)

    def __sub__(self, other: Resources) -> Resources:
        """What is left. Raises ValueError when `other` is not contained."""
        theirs = other._amounts
        if not theirs:
            return self
        result = self._amounts.copy()
        for kind, amount in theirs.items():
            have = result.get(kind)
            if have is None:
                alike = _alike(result, kind) if kind.loose is not None else None
                if alike is None:
                    raise ValueError(f"{self} does not contain {other}")
                kind = alike
                have = result[kind]
            if type(amount) is int:
                left = have - amount
                if left < 0:
                    raise ValueError(f"{self} does not contain {other}")
            elif _covers(have, amount):
                left = _cut(have, amount)
            else:
                raise ValueError(f"{self} does not contain {other}")
            if left:
                result[kind] = left
            else:
                del result[kind]
        return _made(result)

    def contains(self, other: Resources) -> bool:
        """Whether every part of `other` could be subtracted. Of a persistent volume the mount point does not matter."""
        mine = self._amounts
        for kind, amount in other._amounts.items():
            have = mine.get(kind)
            if have is None:
                alike = _alike(mine, kind) if kind.loose is not None else None
                if alike is None:
                    return False
                have = mine[alike]
            if type(amount) is int:
                if have < amount:
                    return False
            elif not _covers(have, amount):
                return False
        return True

    def without(self, other: Resources) -> Resources:
        """What is left when as much of `other` as is here has been taken off; never fails."""
        result = self._amounts.copy()
        for kind, amount in other._amounts.items():
            found = kind if kind in result else _alike(result, kind)
            if found is None:
                continue
            have = result[found]
            left = max(0, have - amount) if type(amount) is int else _cut(have, amount)
            if left:
                result[found] = left
            else:
                del result[found]
        return _made(result)

    # Allocation.

    def allocated(self, role: str) -> Resources:
        """The same, allocated to `role`."""
        return _made({kind.allocated(role): amount for kind, amount in self._amounts.items()})

    def unallocated(self) -> Resources:
        """The same, free: without allocation roles."""
        result: Amounts = {}
        for kind, amount in self._amounts.items():
            free = kind.unallocated
            have = result.get(free)
            result[free] = amount if have is None else _join(have, amount)
        return _made(result)

    @property
    def allocation_role(self) -> str | None:
        """The role that everything is allocated to; None when there is not one such role."""
        role: str | None = None
        for kind in self._amounts:
            if role is None:
                role = kind.allocated_to
            if role is None or kind.allocated_to != role:
                return None
        return role

    def allocations(self) -> dict[str | None, Resources]:
        """The parts by the role they are allocated to; most values have one part."""
        parts: dict[str | None, Amounts] = {}
        for kind, amount in self._amounts.items():
            parts.setdefault(kind.allocated_to, {})[kind] = amount
        if len(parts) == 1:
            return {next(iter(parts)): self}
        return {role: _made(amounts) for role, amounts in parts.items()}

    # Selections. Each keeps the order.

    def filter(self, predicate: Callable[[Kind], bool]) -> Resources:
        """The entries whose kind passes."""
        kept = {kind: amount for kind, amount in self._amounts.items() if predicate(kind)}
        return self if len(kept) == len(self._amounts) else _made(kept)

    def unreserved(self) -> Resources:
        return self.filter(lambda kind: not kind.reservations)

    def reserved(self, role: str | None = None) -> Resources:
        """What is reserved for exactly `role`, or for any role."""
        return self.filter(lambda kind: bool(kind.reservations) and (role is None or kind.reservation_role == role))

    def reservations(self) -> dict[str, Resources]:
        """What is reserved, by role."""
        parts: dict[str, Amounts] = {}
        for kind, amount in self._amounts.items():
            if kind.reservations:
                parts.setdefault(kind.reservation_role, {})[kind] = amount
        return {role: _made(amounts) for role, amounts in parts.items()}

    def allocatable_to(self, role: str) -> Resources:
        """What may be allocated to `role`: unreserved, or reserved for it or for a role above it."""
        return self.filter(lambda kind: not kind.reservations or is_same_or_descendant(role, kind.reservation_role))

    def revocable(self) -> Resources:
        return self.filter(lambda kind: kind.revocable)

    def non_revocable(self) -> Resources:
        return self.filter(lambda kind: not kind.revocable)

    def shared(self) -> Resources:
        return self.filter(lambda kind: kind.shared)

    def non_shared(self) -> Resources:
        return self.filter(lambda kind: not kind.shared)

    def named(self, name: str) -> Resources:
        return self.filter(lambda kind: kind.name == name)

    # Reservations.

    def with_reservation(self, reservation: Reservation) -> Resources:
        """The same with one more layer on each reservation stack."""
        return self._remapped(lambda kind: kind.replaced(reservations=(*kind.reservations, reservation)))

    def without_last_reservation(self) -> Resources:
        """The same with the last layer taken off each reservation stack."""
        return self._remapped(lambda kind: kind.replaced(reservations=kind.reservations[:-1]))

    def toned_down(self) -> Resources:
        """The same with all reservations taken off."""
        return self._remapped(lambda kind: kind.replaced(reservations=()))

    def _remapped(self, change: Callable[[Kind], Kind]) -> Resources:
        result: Amounts = {}
        for kind, amount in self._amounts.items():
            other = change(kind)
            have = result.get(other)
            result[other] = amount if have is None else _join(have, amount)
        return _made(result)

    # Amounts.

    def quantities(self) -> Quantities:
        """Thousandths of each scalar by name; a shared entry counts once. The dict is shared: do not change it."""
        result = self._quantities
        if result is None:
            result = {}
            for kind, amount in self._amounts.items():
                if kind.type is not SCALAR:
                    continue
                if kind.size is not None:
                    amount = kind.scalar_of(amount)
                name = kind.name
                result[name] = result.get(name, 0) + amount
            self._quantities = result
        return result

    def scalar(self, name: str) -> int:
        """Thousandths of the scalar `name`, over all its kinds."""
        return self.quantities().get(name, 0)

    def ranges(self, name: str) -> Ranges:
        """The ranges `name`, over all their kinds."""
        result: Ranges = ()
        for kind, amount in self._amounts.items():
            if kind.type is RANGES and kind.name == name:
                result = add_ranges(result, amount)
        return result

    def names(self) -> list[str]:
        """The names of the entries, each once, in order."""
        return list(dict.fromkeys(kind.name for kind in self._amounts))

    def select(self, kinds: Iterable[Kind], role: str) -> Resources:
        """The entries of `kinds` that are here, in the order of `kinds`, allocated to `role`."""
        mine = self._amounts
        return _made({kind.allocated(role): mine[kind] for kind in kinds if kind in mine})


def _made(amounts: Amounts) -> Resources:
    result = Resources.__new__(Resources)
    result._amounts = amounts
    result._quantities = None
    return result


def _join(left: Any, right: Any) -> Any:
    """The sum of two amounts of one kind."""
    if type(left) is tuple:
        return add_ranges(left, right)
    if type(left) is frozenset:
        return left | right
    return left + right


def _cut(left: Any, right: Any) -> Any:
    return subtract_ranges(left, right) if type(left) is tuple else left - right


def _covers(left: Any, right: Any) -> bool:
    return ranges_contain(left, right) if type(left) is tuple else left >= right


def _alike(amounts: Amounts, kind: Kind) -> Kind | None:
    """The persistent volume that is `kind` but for its mount point."""
    loose = kind.loose
    if loose is None:
        return None
    return next((other for other in amounts if other.loose == loose), None)


Resources.NONE = Resources()

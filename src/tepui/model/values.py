"""Exact values: scalars as whole thousandths, ranges as sorted tuples, sets as frozensets.

Mesos rounds every scalar to three decimals before it adds or compares; here a scalar *is* that whole number, so no sum
drifts. Floating point exists only where a value enters (`thousandths`) and leaves (`as_float`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

Ranges: TypeAlias = tuple[tuple[int, int], ...]
"""Inclusive (begin, end) pairs, ascending, with a gap of at least one number between neighbours."""

UINT64_MAX = 2**63 - 1
"""The largest number of a range: messages hold whole numbers of 63 bits, and a larger one is read as this."""

SCALAR_MAX = 2_251_799_813_685
"""The largest scalar, 2**51 thousandths: each one up to it survives the way through a double and back."""


def thousandths(value: float) -> int:
    """`value` in thousandths, half away from zero, as C's `llround(value * 1000)`.

    Raises ValueError for NaN and OverflowError for infinity; `tepui.model.resource_validation` refuses both earlier.
    """
    scaled = value * 1000
    whole = int(scaled)
    if whole != scaled:
        rest = scaled - whole  # exact: both have the same sign and nearly the same size
        if rest >= 0.5:
            return whole + 1
        if rest <= -0.5:
            return whole - 1
    return whole


def as_float(amount: int) -> float:
    """The double nearest to `amount` thousandths."""
    return amount / 1000


def scalar_text(amount: int) -> str:
    """`amount` thousandths as Mesos prints a scalar: `2.9`, `1000`, never an exponent."""
    sign = "-" if amount < 0 else ""
    whole, rest = divmod(abs(amount), 1000)
    return f"{sign}{whole}.{rest:03d}".rstrip("0") if rest else f"{sign}{whole}"


def merge_ranges(pairs: Iterable[tuple[int, int]]) -> Ranges:
    """The union of `pairs`: sorted, with overlapping and adjacent ones joined."""
    result: list[tuple[int, int]] = []
    for begin, end in sorted(pairs):
        if result and begin <= result[-1][1] + 1:
            if end > result[-1][1]:
                result[-1] = (result[-1][0], end)
        else:
            result.append((begin, end))
    return tuple(result)


def add_ranges(left: Ranges, right: Ranges) -> Ranges:
    return merge_ranges(left + right)


def subtract_ranges(left: Ranges, right: Ranges) -> Ranges:
    """What is in `left` and not in `right`; both sorted and merged, so one pass suffices."""
    result: list[tuple[int, int]] = []
    index = 0
    for begin, end in left:
        while index < len(right) and right[index][1] < begin:
            index += 1
        cut = index
        while cut < len(right) and right[cut][0] <= end:
            if right[cut][0] > begin:
                result.append((begin, right[cut][0] - 1))
            begin = right[cut][1] + 1
            cut += 1
        if begin <= end:
            result.append((begin, end))
    return tuple(result)


def ranges_contain(left: Ranges, right: Ranges) -> bool:
    """Whether each number of `right` is in `left`."""
    index = 0
    for begin, end in right:
        while index < len(left) and left[index][1] < begin:
            index += 1
        if index == len(left) or left[index][0] > begin or left[index][1] < end:
            return False
    return True


def ranges_text(ranges: Iterable[tuple[int, int]]) -> str:
    """`[31000-32000, 8080-8080]`, as Mesos prints ranges."""
    return "[" + ", ".join(f"{begin}-{end}" for begin, end in ranges) + "]"


def set_text(items: Iterable[str]) -> str:
    """`{a, b}`, as Mesos prints sets."""
    return "{" + ", ".join(items) + "}"

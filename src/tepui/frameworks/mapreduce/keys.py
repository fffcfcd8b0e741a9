"""Which part of a line is its key, and what the key's fields decide: the partition, and the order within it.

Field specifications are those of Hadoop's KeyFieldBasedPartitioner and KeyFieldBasedComparator, a part of what sort(1)
understands: `-k1,2 -k3.2,3nr`, and `-n` and `-r` for fields that do not say themselves.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, NamedTuple
from zlib import crc32

Partition = Callable[[Sequence[bytes]], list[int]]
"""Which partition each of many lines belongs to."""

_FIELD = re.compile(r"-k(\d{1,9})(?:\.(\d{1,9}))?([nr]*)(?:,(\d{1,9})(?:\.(\d{1,9}))?([nr]*))?$")
_ORDER = re.compile(r"-[nr]+$")
_NUMBER = re.compile(rb"[ \t]*(-?(?:\d+(?:\.\d*)?|\.\d+))")


class KeyField(NamedTuple):
    """A stretch of the key, from a field to a field; fields and their bytes are counted from 1."""

    first: int = 1
    first_byte: int = 1
    last: int | None = None
    """None: all the rest."""
    last_byte: int = 0
    """0: to the end of the last field."""
    is_numeric: bool = False
    is_reverse: bool = False

    def of(self, key: bytes, separator: bytes) -> bytes:
        """The stretch; what the key does not have is empty."""
        fields = key.split(separator)
        if self.first_byte == 1 and not self.last_byte:
            return separator.join(fields[self.first - 1 : self.last])
        if len(fields) < self.first:
            return b""
        starts = [0]
        for field in fields:
            starts.append(starts[-1] + len(field) + len(separator))
        end = len(key)
        if self.last is not None and self.last <= len(fields):
            length = self.last_byte or len(fields[self.last - 1])
            end = min(end, starts[self.last - 1] + length)
        return key[starts[self.first - 1] + self.first_byte - 1 : end]


def parse_fields(text: str) -> list[KeyField]:
    """Read `-k1,2 -k3nr -r`. Raises ValueError with a sentence's end, for behind the option's name."""
    fields: list[KeyField] = []
    everywhere = ""
    for word in re.sub(r"-k\s+", "-k", text).split():
        if _ORDER.match(word):
            everywhere += word
        else:
            fields.append(_parse_field(word, text))
    if not fields and not everywhere:
        raise ValueError(f"expects fields such as -k1,2 or -k2nr, not '{text}'")
    if not fields:
        fields = [KeyField()]
    return [
        field
        if field.is_numeric or field.is_reverse
        else field._replace(is_numeric="n" in everywhere, is_reverse="r" in everywhere)
        for field in fields
    ]


def _parse_field(word: str, text: str) -> KeyField:
    found = _FIELD.match(word)
    if found is None:
        raise ValueError(f"expects fields such as -k1,2 or -k2nr, not '{text}'")
    first, first_byte, last, last_byte = (None if found[n] is None else int(found[n]) for n in (1, 2, 4, 5))
    if not first or first_byte == 0 or last == 0 or (last is not None and last < first):
        raise ValueError(f"expects fields counted from 1, the last not before the first, not '{text}'")
    order = found[3] + (found[6] or "")
    return KeyField(first, first_byte or 1, last, last_byte or 0, "n" in order, "r" in order)


def key_of(line: bytes, key_fields: int) -> bytes:
    """The first `key_fields` fields of a line that has as many TABs."""
    if key_fields == 1:
        return line.partition(b"\t")[0]
    return b"\t".join(line.split(b"\t", key_fields)[:key_fields])


def divide(lines: list[bytes], key_fields: int, separator: bytes) -> list[bytes]:
    """Lines whose fields are divided by something else than TAB, as key TAB value: the separator behind the key's last
    field becomes a TAB. A line with fewer fields is all key."""
    divided = []
    for line in lines:
        fields = line.split(separator, key_fields)
        if len(fields) > key_fields:
            divided.append(line[: -len(fields[-1]) - len(separator) or None] + b"\t" + fields[-1])
        else:
            divided.append(line + b"\t")
    return divided


def make_partition(
    partitions: int, key_fields: int = 1, by_fields: str | None = None, separator: bytes = b"\t"
) -> Partition:
    """Which partitions lines belong to: by the hash of their keys, or of some of the keys' fields (`-k1,2`).

    Lines must have as many TABs as their keys have fields. Raises ValueError.
    """
    if partitions == 1:
        return lambda lines: [0] * len(lines)
    if by_fields is None:
        if key_fields == 1:
            return lambda lines: [crc32(line[: line.find(b"\t")]) % partitions for line in lines]
        return lambda lines: [crc32(key_of(line, key_fields)) % partitions for line in lines]
    fields = parse_fields(by_fields)

    def partition(line: bytes) -> int:
        key = key_of(line, key_fields)
        return crc32(separator.join(field.of(key, separator) for field in fields)) % partitions

    return lambda lines: list(map(partition, lines))


class Order:
    """Lines by fields of their keys; those that are alike there by all their bytes, so equal lines stand together."""

    def __init__(self, fields: Sequence[KeyField], key_fields: int = 1, separator: bytes = b"\t") -> None:
        self._key_fields = key_fields
        self._separator = separator
        self._passes = [(self._value_of(field), field.is_reverse) for field in fields]

    def sort(self, lines: list[bytes]) -> None:
        """In place. The last field goes first: sorting keeps what is equal as it stands."""
        lines.sort()
        for value, is_reverse in reversed(self._passes):
            lines.sort(key=value, reverse=is_reverse)

    def place(self, line: bytes) -> tuple[Any, ...]:
        """What compares as lines do in this order."""
        return (*(_Reversed(value(line)) if reverse else value(line) for value, reverse in self._passes), line)

    def _value_of(self, field: KeyField) -> Callable[[bytes], Any]:
        key_fields, separator = self._key_fields, self._separator
        if field.is_numeric:
            return lambda line: number_of(field.of(key_of(line, key_fields), separator))
        return lambda line: field.of(key_of(line, key_fields), separator)


def make_order(options: str | None, key_fields: int = 1, separator: bytes = b"\t") -> Order | None:
    """The order that `-k2,2nr` and the like ask for; None is the order of bytes. Raises ValueError."""
    return None if options is None else Order(parse_fields(options), key_fields, separator)


def number_of(text: bytes) -> Decimal:
    """The number that a text begins with, exactly; 0 when it begins with none."""
    found = _NUMBER.match(text)
    return Decimal(0) if found is None else Decimal(found[1].decode())


class _Reversed:
    """A value that compares the other way round."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Reversed) and bool(self.value == other.value)

    def __lt__(self, other: _Reversed) -> bool:
        return bool(other.value < self.value)

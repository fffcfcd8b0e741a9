"""Change records: what became true in a core, when, and because of which event, each with a number.

Everybody else's view of a core is a fold over its records: operator streams, stories, the log, and later replicas and
the standby's mirror. A record names its subjects by id and holds plain values only, so that keeping it keeps nothing
else alive.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

import msgspec

RECORDS_KEPT_MAX = 4096
"""How many of the newest records are kept. Who reads too seldom misses some, which the numbers show."""
SENTENCES_MAX = 100
"""A story is told by the last so many records about its subject."""


class Record(msgspec.Struct, kw_only=True, gc=False):
    """The base of all change records."""

    number: int = 0
    time: float = 0.0
    """Seconds since the epoch."""
    cause: str = ""
    """The name of the event that was being handled."""


RecordType = TypeVar("RecordType", bound=Record)


class Log(Generic[RecordType]):
    """The newest records of one core."""

    __slots__ = ("_kept", "number")

    def __init__(self) -> None:
        self.number = 0
        """Of the newest record."""
        self._kept: deque[RecordType] = deque(maxlen=RECORDS_KEPT_MAX)

    def __iter__(self) -> Iterator[RecordType]:
        """The records that are kept, oldest first."""
        return iter(self._kept)

    def append(self, record: RecordType, now: float, cause: str) -> None:
        """Number the record and keep it."""
        self.number += 1
        record.number = self.number
        record.time = now
        record.cause = cause
        self._kept.append(record)

    def since(self, number: int) -> list[RecordType]:
        """The records after the one with this number, oldest first. Costs as much as they are many."""
        found: list[RecordType] = []
        for record in reversed(self._kept):
            if record.number <= number:
                break
            found.append(record)
        found.reverse()
        return found

"""Deadlines of a core: one per thing, moved or dropped at will, so that their number stays that of the things."""

from __future__ import annotations

from heapq import heapify, heappop, heappush

Key = tuple[str, str]
"""What is due: its kind, and the id of whom it concerns (empty when there is only one)."""

STALE_ENTRIES_MAX = 64
"""Beyond this many (and more than the live ones) the heap is built anew without the stale entries."""


class Timers:
    """A heap in which each key has at most one live entry."""

    __slots__ = ("_heap", "_when")

    def __init__(self) -> None:
        self._when: dict[Key, float] = {}
        self._heap: list[tuple[float, Key]] = []

    def __len__(self) -> int:
        return len(self._when)

    def set(self, key: Key, when: float) -> None:
        """`key` is due at `when`, and not at the time it was due before."""
        if self._when.get(key) == when:
            return
        self._when[key] = when
        heappush(self._heap, (when, key))
        if len(self._heap) > 2 * len(self._when) + STALE_ENTRIES_MAX:
            self._heap = [(due, live) for live, due in self._when.items()]
            heapify(self._heap)

    def cancel(self, key: Key) -> None:
        """Nothing happens when it is not set."""
        self._when.pop(key, None)

    def holds(self, key: Key) -> bool:
        """Whether the key is set."""
        return key in self._when

    def next(self) -> float | None:
        """When the next key is due; None when nothing is."""
        heap = self._heap
        while heap:
            when, key = heap[0]
            if self._when.get(key) == when:
                return when
            heappop(heap)
        return None

    def due(self, now: float) -> list[Key]:
        """Take the keys that are due by `now`, earliest first."""
        ready: list[Key] = []
        heap = self._heap
        while heap and heap[0][0] <= now:
            when, key = heappop(heap)
            if self._when.get(key) == when:
                del self._when[key]
                ready.append(key)
        return ready

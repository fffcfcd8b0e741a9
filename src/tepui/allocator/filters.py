"""Filters: what a framework declined is not offered to it again for a time.

A filter belongs to one framework in one role on one agent. It suppresses an offer that its resources contain; an offer
that has anything more passes. A filter is a promise and ends only with its time or when it is cleared.

A framework that refuses for 0 seconds asks for no filter. It gets a *guard*: a filter of the shortest time, so that
declining cannot go round in circles, which also ends as soon as a task gives resources back to that agent.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

from tepui.model.resources import Resources

if TYPE_CHECKING:
    from tepui.allocator.records import AgentRecord
    from tepui.allocator.tree import Leaf

FILTERS_PER_PAIR_MAX = 64
"""So many filters that do not contain one another may hold for one framework, role and agent. Beyond, the one that ends
first ends at once."""
_COMPACT_FROM = 256


class Filter:
    """One filter, or guard, of one framework in one role on one agent."""

    __slots__ = ("agent", "freed", "leaf", "live", "resources", "until")

    def __init__(self, leaf: Leaf, agent: AgentRecord, resources: Resources, until: float, freed: int | None) -> None:
        self.leaf = leaf
        self.agent = agent
        self.resources = resources
        """Without allocation."""
        self.until = until
        self.freed = freed
        """Of a guard: the agent's count of used resources that came back; the guard holds while it is the same."""
        self.live = True

    @property
    def spent(self) -> bool:
        """Whether it is a guard that holds no longer."""
        return self.freed is not None and self.freed != self.agent.freed

    def outlasts(self, other: Filter) -> bool:
        """Whether this one suppresses whatever `other` does, and as long."""
        return (
            self.until >= other.until
            and (self.freed is None or self.freed == other.freed)
            and self.resources.contains(other.resources)
        )


class FilterBook:
    """All filters, found by framework role and agent, and by the time at which they end."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Filter]] = []
        self._made = 0
        self._live = 0

    def __len__(self) -> int:
        return self._live

    def add(self, new: Filter) -> None:
        """Make a filter hold, unless one that is there outlasts it; those that it outlasts go."""
        filters = new.leaf.filters.get(new.agent)
        if filters is None:
            filters = new.leaf.filters[new.agent] = []
            new.agent.filtered[new.leaf] = None
        else:
            if any(old.outlasts(new) for old in filters if old.until >= new.until):
                new.agent.block(new.leaf, new.resources, new.freed is not None)
                return
            kept = []
            for old in filters:
                if old.spent or new.outlasts(old):
                    self._forget(old)
                else:
                    kept.append(old)
            if len(kept) >= FILTERS_PER_PAIR_MAX:
                first = min(kept, key=lambda old: old.until)
                kept.remove(first)
                self._forget(first)
                new.agent.unblock(new.leaf)
            filters[:] = kept
        filters.append(new)
        new.leaf.filter_count += 1
        self._live += 1
        self._made += 1
        heappush(self._heap, (new.until, self._made, new))
        new.agent.block(new.leaf, new.resources, new.freed is not None)

    def _forget(self, old: Filter) -> None:
        old.live = False
        old.leaf.filter_count -= 1
        self._live -= 1
        if len(self._heap) > _COMPACT_FROM and len(self._heap) > 2 * self._live:
            self._heap = [entry for entry in self._heap if entry[2].live]
            heapify(self._heap)

    def clear_leaf(self, leaf: Leaf) -> None:
        """A framework's filters in one role end."""
        for agent, filters in leaf.filters.items():
            del agent.filtered[leaf]
            agent.unblock(leaf)
            for old in filters:
                self._forget(old)
        leaf.filters.clear()

    def clear_agent(self, agent: AgentRecord) -> None:
        """All filters on one agent end."""
        for leaf in agent.filtered:
            for old in leaf.filters.pop(agent):
                self._forget(old)
        agent.filtered.clear()
        agent.blocked = None

    def expire(self, now: float) -> Iterator[Filter]:
        """Take out the filters whose time is over."""
        heap = self._heap
        while heap and heap[0][0] <= now:
            old = heappop(heap)[2]
            if not old.live:
                continue
            old.live = False
            old.leaf.filter_count -= 1
            self._live -= 1
            filters = old.leaf.filters[old.agent]
            filters.remove(old)
            old.agent.unblock(old.leaf)
            if not filters:
                del old.leaf.filters[old.agent]
                del old.agent.filtered[old.leaf]
            yield old

    def next_end(self) -> float | None:
        """When the next filter ends; None when there is none."""
        heap = self._heap
        while heap and not heap[0][2].live:
            heappop(heap)
        return heap[0][0] if heap else None

    def check(self, live: int) -> None:
        """`live` is how many filters the leaves hold."""
        assert self._live == live == sum(entry[2].live for entry in self._heap)

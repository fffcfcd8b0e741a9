"""Answers that may be too large to be made at once: everything that a master with 80,000 tasks knows.

Such an answer is a tree of plain data (dicts, and messages at its ends) in which the long arrays are `Rows`: what is
shown is fixed when the tree is made, how each of it looks is read when its entry is written. So the tree costs one
reference an entry, each thing is in it once whatever happens meanwhile, and whoever writes it may do other work between
two parts. A small one is made whole (`Drawn.whole`).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from tepui.model.message import WireMessage

Tree = dict[str, Any]
Item = TypeVar("Item")
Value = TypeVar("Value")

ROWS_PER_PART = 50
"""Tasks are made and written so many at a time: about 50 kB, and a fraction of a millisecond."""
LOOKED_AT_PER_PART = 1000
"""So many are looked at in one step where something is counted or sorted before anything is written."""
WHOLE_PARTS_MAX = 10
"""What has no more parts is answered at once: 500 tasks, some milliseconds."""


class Rows:
    """An array whose entries are made when they are written: `make(item)` for each of `items`, in order."""

    __slots__ = ("_per_part", "_within", "items", "make", "nested")

    def __init__(
        self,
        items: Sequence[Any],
        make: Callable[[Any], object],
        per_part: int = ROWS_PER_PART,
        *,
        within: Callable[[Any], int] | None = None,
    ) -> None:
        """`per_part` is how many are little work. `within(item)` is for entries that hold rows of their own: how many
        parts those have."""
        self.items = items
        self.make = make
        self.nested = within is not None
        """Whether entries are trees with rows of their own."""
        self._per_part = per_part
        self._within = within

    def __iter__(self) -> Iterator[object]:
        return map(self.make, self.items)

    @property
    def parts(self) -> int:
        """How many pieces of little work it is."""
        items, within = self.items, self._within
        if not items:
            return 0
        own = -(-len(items) // self._per_part)
        return own if within is None else own + sum(map(within, items))

    def drawn(self) -> Iterator[list[object]]:
        """The entries, made one part at a time."""
        make = self.make
        step = 1 if self.nested else self._per_part
        for begin in range(0, len(self.items), step):
            yield [make(item) for item in self.items[begin : begin + step]]


class Drawn:
    """An answer that can be written a part at a time, once."""

    __slots__ = ("__weakref__", "_source", "message", "parts")

    def __init__(
        self,
        source: Tree | Generator[None, None, Tree],
        message: type[WireMessage] | None = None,
        parts: int | None = None,
    ) -> None:
        """`source` is the tree, or makes it in steps; then `parts` says how much work all of it is. `message` is the
        type of which the tree's names are fields; None for the legacy endpoints, which have none."""
        self._source = source
        self.message = message
        self.parts = parts_of(source) if parts is None and isinstance(source, dict) else parts or 0

    @property
    def is_small(self) -> bool:
        """Whether it may be made at once."""
        return self.parts <= WHOLE_PARTS_MAX

    def tree(self) -> Generator[None, None, Tree]:
        """The tree, made in as many steps as it takes."""
        source = self._source
        return source if isinstance(source, dict) else (yield from source)

    def whole(self) -> Tree:
        """All of it as plain data."""
        steps = self.tree()
        while True:
            try:
                next(steps)
            except StopIteration as end:
                made: Tree = _plain(end.value)
                return made


def looked_at(items: Sequence[Item], look: Callable[[Item], Value]) -> Generator[None, None, list[Value]]:
    """What `look` finds at each of many items: for a tree that is made in steps."""
    found: list[Value] = []
    while len(found) < len(items):
        found += map(look, items[len(found) : len(found) + LOOKED_AT_PER_PART])
        yield
    return found


def parts_of(tree: Mapping[str, Any]) -> int:
    """How many pieces of little work the rows of a tree are."""
    parts = 0
    for value in tree.values():
        kind = type(value)
        if kind is Rows:
            parts += value.parts
        elif kind is dict:
            parts += parts_of(value)
    return parts


def has_rows(value: object) -> bool:
    """Whether there are rows in a branch of a tree."""
    if type(value) is not dict:
        return type(value) is Rows
    for item in value.values():
        kind = type(item)
        if kind is Rows or (kind is dict and has_rows(item)):
            return True
    return False


def _plain(value: Any) -> Any:
    if type(value) is Rows:
        entries = list(map(value.make, value.items))
        return list(map(_plain, entries)) if value.nested else entries
    made: Tree = {}
    for name, item in value.items():
        kind = type(item)
        made[name] = _plain(item) if kind is Rows or kind is dict else item
    return made

"""The order of fairness: a tree of roles, and in each role its frameworks.

Siblings are ordered by share, smallest first: the largest part of any one resource of the cluster that the subtree
holds, divided by its weight; then by how often they were given something, then by name (Mesos: DRF sorter). A role with
frameworks of its own competes with its sub-roles through a virtual sub-role `.`.

Only those who take part stand in the order. A change of what somebody holds makes its entries *stale*; `settle` moves
only those, so that a grant costs a few list operations, however many frameworks there are.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from tepui.allocator.allocator import Reasons
from tepui.model.quantities import Quantities, add_quantities, subtract_quantities
from tepui.model.roles import parent

if TYPE_CHECKING:
    from tepui.allocator.constraints import Constraints
    from tepui.allocator.filters import Filter
    from tepui.allocator.records import AgentRecord, FrameworkRecord

Key = tuple[float, int, str]

_VIRTUAL = "."


class Order:
    """Entries sorted by key. Keys are unique, because siblings have different names."""

    __slots__ = ("_keys", "entries")

    def __init__(self) -> None:
        self._keys: list[Key] = []
        self.entries: list[Entry] = []

    def insert(self, entry: Entry, key: Key) -> None:
        index = bisect_left(self._keys, key)
        self._keys.insert(index, key)
        self.entries.insert(index, entry)
        entry.key = key

    def remove(self, entry: Entry) -> None:
        assert entry.key is not None
        index = bisect_left(self._keys, entry.key)
        assert self.entries[index] is entry
        del self._keys[index]
        del self.entries[index]
        entry.key = None

    def check(self) -> None:
        assert self._keys == sorted(self._keys)
        assert self._keys == [entry.key for entry in self.entries]


class Entry:
    """Something that has a share. `above` is what it is part of; None for the root."""

    __slots__ = ("above", "allocated", "allocations", "key", "name", "order", "weight")

    def __init__(self, name: str, above: Entry | None, weight: float = 1.0) -> None:
        self.name = name
        self.above = above
        self.weight = weight
        self.allocated: Quantities = {}
        self.allocations = 0
        """How many times something was given to it."""
        self.key: Key | None = None
        """Its place among its siblings; None while it does not take part."""
        self.order = Order()
        """Of what is below it."""


class Leaf(Entry):
    """One framework in one role."""

    __slots__ = (
        "agents",
        "constraints",
        "filter_count",
        "filters",
        "framework",
        "minimum",
        "reasons",
        "role",
        "subscribed",
        "suppressed",
    )

    def __init__(self, framework: FrameworkRecord, role: str, above: Entry) -> None:
        super().__init__(framework.framework_id, above)
        self.framework = framework
        self.role = role
        self.subscribed = False
        """The framework has the role now; otherwise it only holds something from before."""
        self.suppressed = False
        self.minimum: Sequence[Quantities] | None = None
        """Of the framework's own; None is the master's default."""
        self.constraints: Constraints | None = None
        self.agents: dict[AgentRecord, None] = {}
        """On which it holds something."""
        self.filters: dict[AgentRecord, list[Filter]] = {}
        self.filter_count = 0
        self.reasons = Reasons()


class Node(Entry):
    """A role: its sub-roles, and in `group` its own frameworks."""

    __slots__ = ("children", "group", "leaves", "path")

    def __init__(self, path: str, name: str, above: Entry | None, weight: float) -> None:
        super().__init__(name, above, weight)
        self.path = path
        self.children: dict[str, Node] = {}
        self.group = Entry(_VIRTUAL, self)
        self.leaves: dict[str, Leaf] = {}
        """Its own frameworks, by id."""


class RoleTree:
    """Who holds how much, and in which order they get more."""

    def __init__(self, weights: Mapping[str, float], excluded: frozenset[str]) -> None:
        self.total: Quantities = {}
        self.root = Node("", "", None, 1.0)
        self.nodes: dict[str, Node] = {}
        self.weights = dict(weights)
        self.moves = 0
        """How many entries were moved so far: what keeping the order has cost."""
        self._excluded = excluded
        self._stale: dict[Entry, None] = {}
        self._all_stale = False

    # Who is there.

    def leaf(self, framework: FrameworkRecord, role: str) -> Leaf:
        """The leaf of a framework in a role, made if it is not there."""
        node = self._node(role)
        leaf = node.leaves.get(framework.framework_id)
        if leaf is None:
            leaf = node.leaves[framework.framework_id] = Leaf(framework, role, node.group)
        return leaf

    def _node(self, path: str) -> Node:
        node = self.nodes.get(path)
        if node is None:
            upper = parent(path)
            above = self.root if upper is None else self._node(upper)
            name = path if upper is None else path[len(upper) + 1 :]
            node = self.nodes[path] = Node(path, name, above, self.weights.get(path, 1.0))
            above.children[name] = node
        return node

    def remove(self, leaf: Leaf) -> None:
        """Take out a leaf that does not take part and holds nothing; roles that are empty then go too."""
        assert leaf.key is None
        assert not leaf.agents
        node: Node = self.nodes[leaf.role]
        del node.leaves[leaf.name]
        self._stale.pop(leaf, None)
        while node is not self.root and not node.leaves and not node.children:
            above = node.above
            assert isinstance(above, Node)
            del above.children[node.name]
            del self.nodes[node.path]
            self._stale.pop(node, None)
            self._stale.pop(node.group, None)
            node = above

    def set_weights(self, weights: Mapping[str, float]) -> None:
        """Set the weights of these roles, there or not; the others keep theirs."""
        for path, weight in weights.items():
            self.weights[path] = weight
            node = self.nodes.get(path)
            if node is not None:
                node.weight = weight
                self._stale[node] = None

    # Who takes part.

    def enter(self, leaf: Leaf) -> None:
        """From now on it stands in the order."""
        entry: Entry = leaf
        while entry.key is None and entry.above is not None:
            order = entry.above.order
            if len(order.entries) == 1:
                self._stale[order.entries[0]] = None  # see `settle`
            order.insert(entry, self._key(entry))
            entry = entry.above

    def leave(self, leaf: Leaf) -> None:
        """It stands in the order no longer."""
        entry: Entry = leaf
        while entry.key is not None and entry.above is not None and not entry.order.entries:
            entry.above.order.remove(entry)
            entry = entry.above

    # Who holds what.

    def charge(self, leaf: Leaf, quantities: Mapping[str, int], given: bool) -> None:
        """It holds so much more; `given` when that is an allocation, and not what it was found to use."""
        entry: Entry | None = leaf
        while entry is not None:
            add_quantities(entry.allocated, quantities)
            if given:
                entry.allocations += 1
            self._stale[entry] = None
            entry = entry.above

    def discharge(self, leaf: Leaf, quantities: Mapping[str, int]) -> None:
        """It holds so much less."""
        entry: Entry | None = leaf
        while entry is not None:
            subtract_quantities(entry.allocated, quantities)
            self._stale[entry] = None
            entry = entry.above

    def resize(self, more: Mapping[str, int], less: Mapping[str, int]) -> None:
        """The cluster grew and shrank: everybody's share is another."""
        if more != less:
            add_quantities(self.total, more)
            subtract_quantities(self.total, less)
            self._all_stale = True

    # The order.

    def share(self, entry: Entry) -> float:
        """The largest part of any one resource of the cluster that it holds, divided by its weight."""
        result = 0.0
        total = self.total
        excluded = self._excluded
        for name, amount in entry.allocated.items():
            whole = total.get(name)
            if whole and name not in excluded:
                part = amount / whole
                if part > result:
                    result = part
        return result / entry.weight

    def _key(self, entry: Entry) -> Key:
        return (self.share(entry), entry.allocations, entry.name)

    def settle(self) -> None:
        """Bring the order up to date."""
        if self._all_stale:
            self._all_stale = False
            stale: list[Entry] = list(self._below(self.root))
            self._stale.clear()
        elif self._stale:
            stale = list(self._stale)
            self._stale.clear()
        else:
            return
        for entry in stale:
            above = entry.above
            if entry.key is None or above is None:
                continue
            order = above.order
            if len(order.entries) == 1:
                continue  # alone it needs no place; it is marked stale again when somebody joins it
            key = self._key(entry)
            if key != entry.key:
                self.moves += 1
                order.remove(entry)
                order.insert(entry, key)

    def _below(self, entry: Entry) -> Iterator[Entry]:
        for each in entry.order.entries:
            yield each
            yield from self._below(each)

    def in_order(self) -> Iterator[Leaf]:
        """Those who take part, the most deserving first. The order must not change meanwhile: call `settle` after."""
        for node in self.root.order.entries:
            yield from _leaves(node)

    def check(self) -> None:
        """Every sum is the sum of its parts, and every order is sorted."""
        self.settle()
        for node in self.nodes.values():
            own: Quantities = {}
            for leaf in node.leaves.values():
                add_quantities(own, leaf.allocated)
            assert own == node.group.allocated, node.path
            for child in node.children.values():
                add_quantities(own, child.allocated)
            assert own == node.allocated, node.path
            assert node.leaves or node.children, node.path
            node.order.check()
            node.group.order.check()
            inside = {entry.name for entry in node.group.order.entries}
            assert inside == {name for name, leaf in node.leaves.items() if leaf.key is not None}
            for order in (node.order, node.group.order):
                assert len(order.entries) == 1 or all(entry.key == self._key(entry) for entry in order.entries)
        self.root.order.check()
        everybody: Quantities = {}
        for child in self.root.children.values():
            add_quantities(everybody, child.allocated)
        assert everybody == self.root.allocated


def _leaves(entry: Entry) -> Iterator[Leaf]:
    for each in entry.order.entries:
        if isinstance(each, Leaf):
            yield each
        else:
            yield from _leaves(each)

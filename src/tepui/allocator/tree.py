"""The order of picks: a tree of roles, and in each role its frameworks.

A policy ranks siblings: the roles below one role, and the frameworks in one role. A role with frameworks of its own
competes with its sub-roles through a virtual sub-role `.` (Mesos: DRF sorter).

Only those who take part stand in the order. A change of what somebody holds makes its entries *stale*; `settle` moves
only those, so that a grant costs a few list operations, however many frameworks there are.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tepui.allocator.allocator import Reasons
from tepui.allocator.policy import Key, Policy
from tepui.model.quantities import Quantities, add_quantities, subtract_quantities
from tepui.model.roles import parent

if TYPE_CHECKING:
    from tepui.allocator.constraints import Constraints
    from tepui.allocator.filters import Filter
    from tepui.allocator.gathering import Wait
    from tepui.allocator.quota import Quota
    from tepui.allocator.records import AgentRecord, FrameworkRecord

_VIRTUAL = "."


class Order:
    """Siblings that take part, sorted by key. Keys are unique, because siblings have different names."""

    __slots__ = ("_keys", "entries", "heaviest", "policy")

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self._keys: list[Key] = []
        self.entries: list[Any] = []
        self.heaviest = 0.0
        """No entry weighs more; it may be less than that."""

    def insert(self, entry: Entry, key: Key) -> None:
        index = bisect_left(self._keys, key)
        self._keys.insert(index, key)
        self.entries.insert(index, entry)
        entry.key = key
        if entry.weight > self.heaviest:
            self.heaviest = entry.weight

    def remove(self, entry: Entry) -> None:
        assert entry.key is not None
        index = bisect_left(self._keys, entry.key)
        assert self.entries[index] is entry
        del self._keys[index]
        del self.entries[index]
        entry.key = None

    def ranked(self) -> Iterable[Any]:
        """The entries, the first to be offered first."""
        return self.policy.draw(self.entries, self.heaviest) if self.policy.drawn else self.entries

    def check(self) -> None:
        assert self._keys == sorted(self._keys)
        assert self._keys == [entry.key for entry in self.entries]
        assert all(entry.weight <= self.heaviest for entry in self.entries)


class Entry:
    """Something that has a share. `above` is what it is part of; None for the root."""

    __slots__ = ("above", "allocated", "allocations", "key", "name", "order", "priority", "weight")

    def __init__(self, name: str, above: Entry | None, policy: Policy, weight: float = 1.0, priority: int = 0) -> None:
        self.name = name
        self.above = above
        self.weight = weight
        self.priority = priority
        self.allocated: Quantities = {}
        """What is given to it and to all below it; the root keeps no such sum."""
        self.allocations = 0
        """How many times something was given to it."""
        self.key: Key | None = None
        """Its place among its siblings; None while it does not take part."""
        self.order = Order(policy)
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
        "top",
        "wait",
    )

    def __init__(self, framework: FrameworkRecord, role: str, above: Entry, top: Node, policy: Policy) -> None:
        super().__init__(framework.framework_id, above, policy, priority=framework.priority)
        self.top = top
        """The node of its top-level role."""
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
        self.wait: Wait | None = None
        """For room, of one that declared the least it can use."""
        self.reasons = Reasons()


class Node(Entry):
    """A role: its sub-roles, and in `group` its own frameworks."""

    __slots__ = ("children", "group", "leaves", "path", "quota")

    def __init__(
        self, path: str, name: str, above: Entry | None, policies: tuple[Policy, Policy], weight: float, priority: int
    ) -> None:
        super().__init__(name, above, policies[0], weight, priority)
        self.path = path
        self.children: dict[str, Node] = {}
        self.group = Entry(_VIRTUAL, self, policies[1])
        self.quota: Quota | None = None
        """Of a top-level role that has one."""
        self.leaves: dict[str, Leaf] = {}
        """Its own frameworks, by id."""


class RoleTree:
    """Who holds how much, and in which order they get more.

    `policies` rank roles, and frameworks in a role.
    """

    def __init__(
        self,
        policies: tuple[Policy, Policy],
        weights: Mapping[str, float],
        priorities: Mapping[str, int],
        excluded: frozenset[str],
    ) -> None:
        self.total: Quantities = {}
        self.root = Node("", "", None, policies, 1.0, 0)
        self.nodes: dict[str, Node] = {}
        self.weights = dict(weights)
        self.quotas: dict[str, Quota] = {}
        """By top-level role."""
        self._policies = policies
        self._priorities = priorities
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
            top = node if node.above is self.root else self.nodes[role.partition("/")[0]]
            leaf = node.leaves[framework.framework_id] = Leaf(framework, role, node.group, top, self._policies[1])
        return leaf

    def _node(self, path: str) -> Node:
        node = self.nodes.get(path)
        if node is None:
            upper = parent(path)
            above = self.root if upper is None else self._node(upper)
            name = path if upper is None else path[len(upper) + 1 :]
            weight, priority = self.weights.get(path, 1.0), self._priorities.get(path, 0)
            node = self.nodes[path] = Node(path, name, above, self._policies, weight, priority)
            node.quota = self.quotas.get(path)
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
                assert node.above is not None
                node.above.order.heaviest = max(node.above.order.heaviest, weight)

    def set_quota(self, role: str, quota: Quota | None) -> None:
        """Set or end the quota of a top-level role, there or not."""
        if quota is None:
            self.quotas.pop(role, None)
        else:
            self.quotas[role] = quota
        node = self.nodes.get(role)
        if node is not None:
            node.quota = quota

    def set_priority(self, leaf: Leaf, priority: int) -> None:
        """A framework declared another priority."""
        leaf.priority = priority
        self._stale[leaf] = None

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
        stale = self._stale
        more = quantities.items()
        entry: Entry = leaf
        while (above := entry.above) is not None:
            allocated = entry.allocated
            for name, amount in more:
                allocated[name] = allocated.get(name, 0) + amount
            if given:
                entry.allocations += 1
            stale[entry] = None
            entry = above

    def discharge(self, leaf: Leaf, quantities: Mapping[str, int]) -> None:
        """It holds so much less."""
        stale = self._stale
        less = quantities.items()
        entry: Entry = leaf
        while (above := entry.above) is not None:
            allocated = entry.allocated
            for name, amount in less:
                rest = allocated.get(name, 0) - amount
                if rest > 0:
                    allocated[name] = rest
                else:
                    subtract_quantities(allocated, {name: amount})
            stale[entry] = None
            entry = above

    def resize(self, more: Mapping[str, int], less: Mapping[str, int]) -> None:
        """The cluster grew and shrank: everybody's share is another."""
        if more != less:
            add_quantities(self.total, more)
            subtract_quantities(self.total, less)
            self._all_stale = True

    def allocated(self) -> Quantities:
        """What all hold together."""
        result: Quantities = {}
        for child in self.root.children.values():
            add_quantities(result, child.allocated)
        return result

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
        assert entry.above is not None
        return entry.above.order.policy.key(entry, self.share(entry))

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
            if len(order.entries) == 1 or order.policy.drawn:
                continue  # it needs no place; one that is alone is marked stale again when somebody joins it
            key = order.policy.key(entry, self.share(entry))
            if key != entry.key:
                self.moves += 1
                order.remove(entry)
                order.insert(entry, key)

    def _below(self, entry: Entry) -> Iterator[Entry]:
        for each in entry.order.entries:
            yield each
            yield from self._below(each)

    def in_order(self, only_unmet: bool = False) -> Iterator[Iterable[Leaf]]:
        """Those who take part, the most deserving first, in runs of frameworks of one role; perhaps of those roles only
        whose guarantee lacks something. The order must not change meanwhile: call `settle` after."""
        return _runs(self.root, only_unmet)

    def sorted(self, leaves: Iterable[Leaf]) -> list[Leaf]:
        """These few of them, the most deserving first."""
        return sorted(leaves, key=_place)

    @property
    def sortable(self) -> bool:
        """Whether `sorted` is possible: nobody draws."""
        return not any(policy.drawn for policy in self._policies)

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
                if len(order.entries) > 1 and not order.policy.drawn:
                    assert all(entry.key == self._key(entry) for entry in order.entries)
        self.root.order.check()


def _runs(node: Node, only_unmet: bool = False) -> Iterator[Iterable[Leaf]]:
    for each in node.order.ranked():
        if only_unmet and (each.quota is None or not each.quota.lacks):
            continue
        if each.name == _VIRTUAL:
            yield each.order.ranked()
        elif len(each.order.entries) == 1 and not each.children:
            yield each.group.order.ranked()
        else:
            yield from _runs(each)


def _place(leaf: Leaf) -> list[Key]:
    place: list[Key] = []
    entry: Entry | None = leaf
    while entry is not None and entry.key is not None:
        place.append(entry.key)
        entry = entry.above
    place.reverse()
    return place

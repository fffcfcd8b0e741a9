"""What a quota's guarantee means for each framework in it: its split by fair sharing (paper 3.3).

The guarantee of a top-level role is divided among its children in proportion to their weights, and so on down the tree;
the frameworks in one role have equal parts of what the role itself gets, and stand beside its sub-roles as one child of
weight 1. Only who takes part or holds something counts, so that nothing is set aside for nobody. Parts are rounded down
to thousandths.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction

from tepui.model.quantities import Quantities

Leaf = tuple[str, str]
"""A framework and the role in which it takes part."""


class _Node:
    """One role, with the frameworks in it and its sub-roles."""

    __slots__ = ("children", "frameworks", "path")

    def __init__(self, path: str) -> None:
        self.path = path
        self.frameworks: list[str] = []
        self.children: dict[str, _Node] = {}


def split(
    role: str, guarantee: Mapping[str, int], leaves: Iterable[Leaf], weights: Mapping[str, float]
) -> dict[Leaf, Quantities]:
    """What of the guarantee of the top-level `role` each of `leaves`, all in its tree, may count on."""
    root = _Node(role)
    for framework_id, path in leaves:
        node = root
        for name in path.split("/")[1:]:
            node = node.children.setdefault(name, _Node(f"{node.path}/{name}"))
        node.frameworks.append(framework_id)
    result: dict[Leaf, Quantities] = {}
    pending = [(root, Fraction(1))]
    while pending:
        node, part = pending.pop()
        weight_of = {name: Fraction(weights.get(child.path, 1.0)) for name, child in node.children.items()}
        whole = sum(weight_of.values()) + bool(node.frameworks)
        for framework_id in node.frameworks:
            share = part / whole / len(node.frameworks)
            result[framework_id, node.path] = {name: int(amount * share) for name, amount in guarantee.items()}
        pending += [(child, part * weight_of[name] / whole) for name, child in node.children.items()]
    return result

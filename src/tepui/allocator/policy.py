"""What a policy is: who among siblings is offered first what became free.

The engine keeps the books, filters, quota and all other rules; a policy only ranks. Siblings are roles below one role
(with the role's own frameworks together as one of them, named `.`) or frameworks in one role. There are two sorts:

- one that ranks by a key, as fair sharing does: write `key`; the engine keeps siblings sorted and moves only those
  whose holdings changed, so a pick costs O(log n);
- one that draws anew for every pick, as a lottery does: set `drawn` and write `draw`, lazily, for the first drawn takes
  everything as a rule.

A policy of one's own is a subclass named by an entry point of the group `tepui.allocators`
(docs/how-to/write-a-policy.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from random import Random
from typing import Any, ClassVar, Protocol

Key = tuple[Any, ...]


class Standing(Protocol):
    """What a policy may look at: a role, or a framework in a role."""

    @property
    def name(self) -> str:
        """Different from that of all siblings."""

    @property
    def weight(self) -> float:
        """As the operator set it; 1 for frameworks."""

    @property
    def priority(self) -> int:
        """As the operator set it for a role, or the framework declared it; 0 without."""

    @property
    def allocations(self) -> int:
        """How many times something was given to it."""

    @property
    def allocated(self) -> dict[str, int]:
        """What it holds (offers counted in): thousandths by name. Not to be changed."""


class Policy:
    """The base of all policies."""

    drawn: ClassVar[bool] = False
    """Whether siblings are drawn for each pick, rather than kept sorted."""

    def __init__(self, random: Random) -> None:
        self.random = random
        """The only chance a policy may use, so that a run can be repeated."""

    def key(self, standing: Standing, share: float) -> Key:  # noqa: ARG002 - of a policy that draws, the places do not matter
        """Its place, smallest first. `share`: the largest part of any one resource of the cluster that it holds,
        divided by its weight. Two siblings must not have the same key: end it with the name."""
        return (standing.name,)

    def draw(self, siblings: Sequence[Standing], heaviest: float) -> Iterable[Standing]:
        """All siblings, each once, the first to be offered first. None weighs more than `heaviest`. `siblings` must
        not be changed, nor kept."""
        raise NotImplementedError(f"{type(self).__name__} says that it draws, but has no draw()")

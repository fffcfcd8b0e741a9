"""Random: everybody has the same chance at each piece, whatever its weight and whatever it holds.

A base line to compare other policies with.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from tepui.allocator.policy import Policy, Standing


class Shuffle(Policy):
    """See the module."""

    drawn: ClassVar[bool] = True

    def draw(self, siblings: Sequence[Standing], heaviest: float) -> Iterator[Standing]:  # noqa: ARG002 - all are equal
        """Fisher and Yates, as far as it is asked for: only the places that were swapped are remembered."""
        swapped: dict[int, int] = {}
        number = len(siblings)
        for place in range(number):
            other = place + int(self.random.random() * (number - place))
            yield siblings[swapped.get(other, other)]
            swapped[other] = swapped.get(place, place)

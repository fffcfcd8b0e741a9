"""Lottery: each piece that becomes free is drawn for, with as many chances as the intended share, which is the weight.

The paper's cure (4.3) for contended preferences: in the long run everybody gets pieces of the agents that it prefers in
proportion to its intended share, and a small job does not wait until all larger ones are behind it. It looks at no
holdings, so that shares are met on average only. Mesos's `random` sorter draws like this.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from tepui.allocator.policy import Policy, Standing

TRIES_PER_SIBLING_MAX = 4


class Lottery(Policy):
    """See the module."""

    drawn: ClassVar[bool] = True

    def draw(self, siblings: Sequence[Standing], heaviest: float) -> Iterator[Standing]:
        """Without putting back: by rejection, which needs no sum over all, as long as that finds somebody soon; the
        rest by the keys of Efraimidis and Spirakis, largest first."""
        random, number = self.random.random, len(siblings)
        out: set[Standing] = set()
        for _ in range(TRIES_PER_SIBLING_MAX * number):
            if 2 * len(out) >= number:
                break
            each = siblings[int(random() * number)]
            if each not in out and random() * heaviest < each.weight:
                out.add(each)
                yield each
        rest = [each for each in siblings if each not in out]
        yield from sorted(rest, key=lambda each: random() ** (1.0 / each.weight), reverse=True)

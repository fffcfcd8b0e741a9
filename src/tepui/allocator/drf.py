"""Dominant resource fairness, weighted and hierarchical: the default, as in Mesos.

Who holds the smallest share is offered first: the largest part of any one resource of the cluster that it holds,
divided by its weight; then who was given something less often, then by name (Ghodsi et al., NSDI'11; Mesos: DRF
sorter).
"""

from __future__ import annotations

from random import Random

from tepui.allocator.allocator import AllocatorOptions
from tepui.allocator.engine import Engine
from tepui.allocator.policy import Key, Policy, Standing


class Drf(Policy):
    """See the module."""

    def key(self, standing: Standing, share: float) -> Key:
        return (share, standing.allocations, standing.name)


class DrfAllocator(Engine):
    """The engine with fair sharing among roles and among frameworks."""

    def __init__(self, options: AllocatorOptions | None = None) -> None:
        random = Random(0)
        super().__init__(Drf(random), Drf(random), options)

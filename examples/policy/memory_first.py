"""A policy of one's own: in a cluster where memory is what is short, who holds the least of it is offered first.

pip install ./examples/policy
tepui serve master --allocator=memory-first
"""

from __future__ import annotations

from tepui.allocator.policy import Key, Policy, Standing


class MemoryFirst(Policy):
    """Memory by weight, then as fair sharing breaks ties."""

    def key(self, standing: Standing, share: float) -> Key:
        memory = standing.allocated.get("mem", 0) / standing.weight
        return (memory, share, standing.allocations, standing.name)

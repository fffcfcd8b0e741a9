"""Strict priority: who has the higher priority is offered first, always; equals share fairly.

Those below starve while those above take everything that they are offered: that is what strict means. Priorities of
roles are the operator's (`--role_priorities`), those of frameworks are declared by them (label `tepui.priority`).
"""

from __future__ import annotations

from tepui.allocator.policy import Key, Policy, Standing


class Priority(Policy):
    """See the module."""

    def key(self, standing: Standing, share: float) -> Key:
        return (-standing.priority, share, standing.allocations, standing.name)

"""Allocation policies by name: those in the box, and those that other packages bring."""

from __future__ import annotations

from importlib.metadata import entry_points

from tepui.allocator.drf import Drf
from tepui.allocator.lottery import Lottery
from tepui.allocator.policy import Policy
from tepui.allocator.priority import Priority
from tepui.allocator.shuffle import Shuffle

ENTRY_POINTS = "tepui.allocators"

POLICIES: dict[str, type[Policy]] = {"drf": Drf, "priority": Priority, "lottery": Lottery, "random": Shuffle}

HIERARCHICAL = ("hierarchical", "HierarchicalDRF")
"""Mesos's names of its allocator, whose order is chosen by two more flags."""

SORTERS: dict[str, type[Policy]] = {"drf": Drf, "random": Lottery}
"""Mesos's sorters; its random one draws by weight."""


class PolicyError(ValueError):
    """There is no such policy, or it cannot be used; the text says why."""


def policy_named(name: str) -> type[Policy]:
    """The policy of that name. Raises PolicyError."""
    known = POLICIES.get(name)
    if known is not None:
        return known
    found = entry_points(group=ENTRY_POINTS)
    if name not in found.names:
        names = sorted({*HIERARCHICAL, *POLICIES, *found.names})
        raise PolicyError(f"expects one of {', '.join(names)}, not '{name}'")
    try:
        policy = found[name].load()
    except Exception as error:  # whatever another package does when it is imported
        raise PolicyError(f"'{name}' ({found[name].value}) cannot be loaded: {error}") from error
    if not isinstance(policy, type) or not issubclass(policy, Policy):
        raise PolicyError(f"'{name}' ({found[name].value}) is no subclass of tepui.allocator.policy.Policy")
    return policy

"""What the allocator knows of one agent and of one framework."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tepui.model.resource_kind import SCALAR, Kind
from tepui.model.resources import Resources

if TYPE_CHECKING:
    from tepui.allocator.tree import Leaf


class AgentRecord:
    """One agent: its resources are free or held by leaves of the role tree."""

    __slots__ = (
        "active",
        "agent_id",
        "attributes",
        "deficit",
        "filtered",
        "free",
        "freed",
        "has_gpus",
        "held",
        "kinds",
        "plain",
        "shared",
        "total",
    )

    def __init__(self, agent_id: str, total: Resources, attributes: object) -> None:
        self.agent_id = agent_id
        self.attributes = attributes
        self.active = True
        self.held: dict[Leaf, Resources] = {}
        """Allocated, with roles."""
        self.free = total
        """What can be allocated, without roles; shared entries are always in it."""
        self.freed = 0
        """How many times resources that were used came back."""
        self.filtered: dict[Leaf, None] = {}
        """Those with filters on this agent."""
        self.deficit = False
        """More is held than there is, so that what comes back is not free at once."""
        self.set_total(total)

    def set_total(self, total: Resources) -> None:
        self.total = total
        kinds = [kind for kind, _ in total]
        self.kinds: tuple[Kind, ...] = (
            *(kind for kind in kinds if not _is_plain_scalar(kind)),
            *(kind for kind in kinds if _is_plain_scalar(kind)),
        )
        """In the order in which offers list them."""
        self.plain = all(kind.plain for kind in kinds)
        self.has_gpus = total.scalar("gpus") > 0
        self.shared = any(kind.shared for kind in kinds)

    def recount(self) -> None:
        """Compute what is free from what there is and what is held."""
        held = Resources.NONE
        for resources in self.held.values():
            held = held + resources.unallocated()
        if self.shared:
            held = held.non_shared()
        self.deficit = not self.total.contains(held)
        self.free = self.total.without(held)


def _is_plain_scalar(kind: Kind) -> bool:
    return kind.type is SCALAR and not kind.reservations and not kind.revocable


class FrameworkRecord:
    """One framework: what it can take, and its leaves by role."""

    __slots__ = ("active", "framework_id", "gpus", "known", "leaves", "paused", "refined", "revocable", "shared")

    def __init__(self, framework_id: str) -> None:
        self.framework_id = framework_id
        self.known = False
        """Added by the master; otherwise only found to use something."""
        self.active = False
        self.paused = False
        self.leaves: dict[str, Leaf] = {}
        self.gpus = False
        self.revocable = False
        self.shared = False
        self.refined = False

    def can_take(self, kind: Kind) -> bool:
        """Whether its capabilities cover resources of this kind."""
        return (
            (self.revocable or not kind.revocable)
            and (self.shared or not kind.shared)
            and (self.refined or not kind.refined)
        )

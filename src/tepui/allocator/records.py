"""What the allocator knows of one agent and of one framework."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from tepui.allocator.allocator import Request
from tepui.allocator.constraints import Description
from tepui.model.attributes import attributes_key
from tepui.model.quantities import Quantities
from tepui.model.resource_kind import SCALAR, Kind
from tepui.model.resources import Resources
from tepui.model.v1.mesos import Attribute

if TYPE_CHECKING:
    from tepui.allocator.gathering import Wait
    from tepui.allocator.tree import Leaf


class AgentRecord:
    """One agent: its resources are free or held by leaves of the role tree."""

    __slots__ = (
        "active",
        "agent_id",
        "attributes",
        "basis",
        "blocked",
        "deficit",
        "description",
        "enough",
        "filtered",
        "free",
        "freed",
        "gathers_for",
        "given",
        "guarded",
        "has_gpus",
        "held",
        "kinds",
        "listed",
        "plain",
        "pooled",
        "remote",
        "shared",
        "total",
        "weighed",
    )

    def __init__(
        self,
        agent_id: str,
        total: Resources,
        attributes: Sequence[Attribute],
        hostname: str,
        domain: tuple[str, str] | None,
    ) -> None:
        self.agent_id = agent_id
        self.attributes = attributes
        self.description = Description(hostname, attributes, domain)
        self.active = True
        self.listed = True
        """The white list has it, or there is none."""
        self.remote = False
        """It is in another region than the master."""
        self.held: dict[Leaf, Resources] = {}
        """Allocated, with roles."""
        self.free = total
        """What can be allocated, without roles; shared entries are always in it."""
        self.freed = 0
        """How many times resources that were used came back."""
        self.filtered: dict[Leaf, None] = {}
        """Those with filters on this agent."""
        self.blocked: set[Leaf] | None = None
        """Those that have a filter which contains `basis`: as long as that contains what is free, they need not be
        asked. So an agent that many declined costs a look-up for each, not a comparison."""
        self.basis = Resources.NONE
        self.guarded = False
        """Some of the blocked may be so by a guard."""
        self.pooled: Quantities = {}
        """How much of it is counted as free for quotas."""
        self.given: tuple[Resources, Resources, str] | None = None
        """The newest grant, the same without its role, and the role: what comes back is the same object as a rule, and
        needs no arithmetic."""
        self.weighed: Resources | None = None
        """For what `enough` was found out."""
        self.enough = False
        """Whether that was an offer for those without a minimum of their own."""
        self.gathers_for: Wait | None = None
        """For whom room is gathered on it."""
        self.deficit = False
        """More is held than there is, so that what comes back is not free at once."""
        self.set_total(total)

    @property
    def offered(self) -> bool:
        """Whether any of it may be offered to anybody."""
        return self.active and self.listed

    def describe(
        self, attributes: Sequence[Attribute] | None, hostname: str | None, domain: tuple[str, str] | None
    ) -> bool:
        """It describes itself anew, None being as before; whether its attributes say something else now."""
        before = self.description
        if domain is None and before.region is not None and before.zone is not None:
            domain = (before.region, before.zone)
        changed = attributes is not None and attributes_key(attributes) != attributes_key(self.attributes)
        if attributes is not None:
            self.attributes = attributes
        self.description = Description(before.hostname if hostname is None else hostname, self.attributes, domain)
        return changed

    def given_as(self, resources: Resources) -> tuple[Resources, str | None]:
        """Allocated resources without their role, and the role; no role when they have several."""
        given = self.given
        if given is not None and given[0] is resources:
            return given[1], given[2]
        return resources.unallocated(), resources.allocation_role

    def block(self, leaf: Leaf, resources: Resources, guard: bool) -> None:
        """`leaf` has a filter of `resources` on it from now on."""
        basis = self.basis
        if not self.blocked:
            self.blocked = {leaf}
            self.basis = resources
        elif resources is basis or resources.contains(basis):
            self.blocked.add(leaf)
        elif basis.contains(resources):
            self.blocked.add(leaf)
            self.basis = resources
        else:
            self.blocked = {leaf}
            self.basis = resources
        if guard:
            self.guarded = True

    def unblock(self, leaf: Leaf) -> None:
        """`leaf` lost a filter."""
        if self.blocked:
            self.blocked.discard(leaf)

    def came_back(self) -> None:
        """Resources that were used came back: guards end."""
        self.freed += 1
        if self.guarded:
            self.blocked = None
            self.guarded = False

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
        held = (kind for resources in self.held.values() for kind, _ in resources)
        self.shared = any(kind.shared for kind in kinds) or any(kind.shared for kind in held)
        """Whether shared volumes are here, or held although they are gone: those count once, whoever holds copies."""

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

    __slots__ = (
        "active",
        "framework_id",
        "gpus",
        "known",
        "leaves",
        "paused",
        "priority",
        "refined",
        "region_aware",
        "requests",
        "revocable",
        "shared",
    )

    def __init__(self, framework_id: str) -> None:
        self.framework_id = framework_id
        self.known = False
        """Added by the master; otherwise only found to use something."""
        self.active = False
        self.paused = False
        self.leaves: dict[str, Leaf] = {}
        self.priority = 0
        self.requests: tuple[Request, ...] = ()
        self.gpus = False
        self.revocable = False
        self.shared = False
        self.refined = False
        self.region_aware = False

    def set_capabilities(self, names: Collection[str]) -> bool:
        """Take note of what the framework knows; whether that is something else than before."""
        before = (self.gpus, self.revocable, self.shared, self.refined, self.region_aware)
        self.gpus = "GPU_RESOURCES" in names
        self.revocable = "REVOCABLE_RESOURCES" in names
        self.shared = "SHARED_RESOURCES" in names
        self.refined = "RESERVATION_REFINEMENT" in names
        self.region_aware = "REGION_AWARE" in names
        return before != (self.gpus, self.revocable, self.shared, self.refined, self.region_aware)

    def can_take(self, kind: Kind) -> bool:
        """Whether its capabilities cover resources of this kind."""
        return (
            (self.revocable or not kind.revocable)
            and (self.shared or not kind.shared)
            and (self.refined or not kind.refined)
        )

"""What an allocator is: the part of the master that decides who gets which resources offered.

An allocator is a state machine without input or output. The master tells it of agents, frameworks and resources that
come back; `allocate` answers with grants, which the master makes into offers. Every resource of every agent is at any
time either free or allocated (offered or used) to one framework in one role; shared volumes may be allocated to many.

All resources given to and taken from it are exact (`tepui.model.resources`); those of a framework carry the role that
they are allocated to. `now` is seconds since the epoch and never goes back.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from tepui.allocator.constraints import Constraints
from tepui.model.quantities import Quantities
from tepui.model.resources import Resources
from tepui.model.v1.mesos import Attribute

REFUSE_SECONDS_DEFAULT = 5.0
"""How long a filter holds when a framework does not say, or says what is no time (Mesos: refuse_seconds)."""
REFUSE_SECONDS_MAX = 365 * 86400.0
"""The longest that a filter holds, whatever was asked for."""


class Grant(NamedTuple):
    """What one framework shall be offered of one agent in one role."""

    framework_id: str
    role: str
    agent_id: str
    resources: Resources
    """Allocated to `role`: what is not a plain scalar first, each part in the order in which the agent lists it."""


class Request(NamedTuple):
    """A framework's wish: so much of one agent, of any when none is named (Mesos: the call REQUEST)."""

    quantities: Quantities
    agent_id: str | None = None


@dataclass(slots=True)
class Reasons:
    """How often a framework got an agent in a role, or did not, and why. A suppressed role is not considered at all.

    A pair of framework and agent that was refused is not counted again until something about it changes. What quota
    refuses to a role is counted for the first of its frameworks that was asked.
    """

    granted: int = 0
    filtered: int = 0
    """A filter, made when the framework declined as much or more, holds: counted when it is made, and again when what
    is free has grown and is compared with it anew."""
    below_minimum: int = 0
    """Less is free than the smallest offer that the framework takes."""
    lacks_gpu_capability: int = 0
    """The agent has gpus and the framework does not say that it knows them."""
    nothing_for_role: int = 0
    """All that is free is reserved for other roles, or of a sort that the framework does not know."""
    constraints: int = 0
    """The framework's own offer constraints exclude the agent."""
    remote_region: int = 0
    """The agent is in another region than the master, and the framework does not say that it knows regions."""
    quota_limit: int = 0
    """Its top-level role would consume more than its quota allows."""
    headroom: int = 0
    """What is free is held back for roles whose guarantee is not met yet."""
    gathering: int = 0
    """What is free is held back for a framework that waits for a larger piece of this agent."""


class Waiting(NamedTuple):
    """A framework in one role that has waited longer than its patience for the least it can use."""

    framework_id: str
    role: str
    demands: tuple[tuple[Quantities, str | None], ...]
    """Any one of them, each on the agent named if one is."""
    since: float


class Holding(NamedTuple):
    """A framework in one role: whether it takes part, and what it holds."""

    framework_id: str
    role: str
    active: bool
    allocated: Resources
    """On all agents together, without allocation."""


@dataclass(slots=True)
class RoleStanding:
    """How a framework stands in one of its roles, for those who ask why it gets no offers."""

    role: str
    suppressed: bool
    active: bool
    """Whether it takes part: connected, reading its stream, subscribed to the role, not suppressed."""
    share: float
    """Its dominant share: the largest part of any one resource of the cluster that it holds in the role."""
    filters: int
    """How many of its filters hold now."""
    reasons: Reasons
    """Since it took the role, or came to hold something in it."""


@dataclass(slots=True)
class AllocatorOptions:
    """Under the names of Mesos's flags."""

    min_allocatable_resources: Sequence[Quantities] = ({"cpus": 10}, {"mem": 32_000})
    """Any one set suffices; empty means anything."""
    filter_gpu_resources: bool = True
    allocation_interval_seconds: float = 1.0
    """What a framework just declined is not offered to it again sooner, whatever it asked for. Nothing else waits for
    the interval (Mesos: allocations and the shortest filter)."""
    fair_sharing_excluded_resource_names: frozenset[str] = frozenset()
    weights: Mapping[str, float] = field(default_factory=dict)
    priorities: Mapping[str, int] = field(default_factory=dict)
    """Of roles, for policies that know priorities; 0 for others."""
    region: str | None = None
    """Where the master is: agents elsewhere are for frameworks with REGION_AWARE only. None: it says nothing of it."""
    gathering_share_max: float = 0.1
    """At most this part of the cluster, or one agent, is held back so that large tasks find room; 0 holds nothing."""
    gathering_patience_seconds: float = 10.0
    """So long a framework has been without an offer of the least it can use before room is gathered for it."""
    gathering_seconds: float = 120.0
    """So long one agent is tried; then another is."""


class Allocator(Protocol):
    """See the module. Calls about an agent or framework that is unknown raise KeyError, except where said otherwise."""

    # Agents.

    def add_agent(
        self,
        agent_id: str,
        total: Resources,
        used: Mapping[str, Resources],
        attributes: Sequence[Attribute] = (),
        hostname: str = "",
        domain: tuple[str, str] | None = None,
    ) -> None:
        """An agent is there, with what each framework (also one not yet added) uses of it. It is active.

        `domain` is its region and zone.
        """

    def expect_agent(self, agent_id: str, total: Quantities, consumed: Mapping[str, Quantities] | None = None) -> None:
        """An agent was there before this master led, and may come back: until it is known who uses what there, all of
        it counts as used by every role that has a limit; or, by top-level role, what is known to be `consumed`."""

    def expect_no_more(self, agent_id: str) -> None:
        """It is back and accounted for, or will not come. Nothing happens if it was not expected."""

    def update_agent(
        self,
        agent_id: str,
        total: Resources | None = None,
        attributes: Sequence[Attribute] | None = None,
        hostname: str | None = None,
        domain: tuple[str, str] | None = None,
    ) -> None:
        """What an agent has, or how it describes itself, changed; None is as before. Other attributes end all filters
        on it."""

    def remove_agent(self, agent_id: str) -> None:
        """An agent is gone, with everything allocated on it. Nothing happens if it is unknown."""

    def activate_agent(self, agent_id: str) -> None:
        """It is offered again."""

    def deactivate_agent(self, agent_id: str) -> None:
        """Nothing more is offered of it. What is allocated stays so."""

    def set_whitelist(self, hosts: frozenset[str] | None) -> None:
        """Offer only agents on these hosts; None offers all. What is allocated elsewhere stays so."""

    # Frameworks.

    def add_framework(
        self,
        framework_id: str,
        roles: Iterable[str],
        suppressed_roles: Collection[str] = (),
        capabilities: Collection[str] = (),
        minimums: Mapping[str, Sequence[Quantities]] | None = None,
        active: bool = True,
        constraints: Mapping[str, Constraints] | None = None,
        priority: int = 0,
    ) -> None:
        """A framework is there.

        `minimums`: by role, the smallest offers it takes where that is not the default; it is also the least that the
        framework can use, and room is gathered for it. `constraints`: by role, which agents it wants to see.
        `priority` is for policies that know priorities.
        """

    def update_framework(
        self,
        framework_id: str,
        roles: Iterable[str],
        suppressed_roles: Collection[str] = (),
        capabilities: Collection[str] = (),
        minimums: Mapping[str, Sequence[Quantities]] | None = None,
        constraints: Mapping[str, Constraints] | None = None,
        priority: int = 0,
    ) -> None:
        """It described itself anew. What it holds in roles that it left stays allocated until it is recovered."""

    def remove_framework(self, framework_id: str) -> None:
        """It is gone; whatever it still holds is free. Nothing happens if it is unknown."""

    def activate_framework(self, framework_id: str) -> None:
        """It gets offers again."""

    def deactivate_framework(self, framework_id: str) -> None:
        """Nothing more is offered to it, and its filters are forgotten."""

    def pause_framework(self, framework_id: str) -> None:
        """Nothing more is offered to it for now; its filters hold."""

    def resume_framework(self, framework_id: str) -> None:
        """It gets offers again, as its filters let it."""

    def suppress(self, framework_id: str, roles: Iterable[str] = ()) -> None:
        """Offer it nothing in these roles, or in none of its roles when none are named. Others' roles are ignored."""

    def revive(self, framework_id: str, roles: Iterable[str] = ()) -> None:
        """Offer it everything again in these roles, or in all: not suppressed, and no filters."""

    def request(self, framework_id: str, requests: Sequence[Request]) -> None:
        """These are the pieces that it waits for, any one of them: room is gathered for it. They replace those that it
        asked for before."""

    # Resources.

    def recover(
        self, framework_id: str, agent_id: str, resources: Resources, refuse_seconds: float | None, now: float
    ) -> None:
        """`resources` are free again. Nothing happens if the agent or the framework is unknown (it was removed).

        With `refuse_seconds` the framework declined them or left them over: nothing that they contain is offered to it
        in that role for that time, at least for the allocation interval. With None they were used: a task ended, an
        offer was rescinded. Raises ValueError when the framework does not hold them.
        """

    def add_allocated(self, framework_id: str, agent_id: str, resources: Resources) -> None:
        """The framework uses these on the agent, whatever the allocator thought. Unknown frameworks are remembered."""

    def convert(self, framework_id: str, agent_id: str, consumed: Resources, converted: Resources) -> None:
        """An operation (RESERVE, CREATE, ...) made `converted` out of `consumed`, which the framework holds."""

    def convert_free(self, agent_id: str, consumed: Resources, converted: Resources) -> None:
        """The same of free resources, for an operator. Raises ValueError when they are not free."""

    def set_weights(self, weights: Mapping[str, float]) -> None:
        """Set the weights of these roles; the others keep theirs."""

    def set_quota(self, role: str, guarantees: Quantities, limits: Quantities) -> None:
        """Set the quota of a top-level role; both empty ends it.

        As much as its guarantees is kept for it as far as it is there; more than its limits is not given to it and its
        sub-roles (names without a limit are unlimited). It takes nothing back: that is the caller's part.
        """

    # Decisions.

    def allocate(self, now: float) -> list[Grant]:
        """Give away what can be given. What is granted is allocated until it is recovered."""

    def has_work(self) -> bool:
        """Whether something changed since `allocate` that may lead to grants."""

    def next_deadline(self) -> float | None:
        """When the next filter ends: `allocate` should run then, although nothing else happened."""

    # For those who take resources back (paper 3.3).

    def waiting(self, now: float) -> list[Waiting]:
        """Who waits for more than what is free anywhere, longest first."""

    def holdings(self) -> list[Holding]:
        """Everybody who takes part or holds something. Looks at all that is held."""

    def could_be_offered(self, framework_id: str, role: str, agent_id: str, quantities: Quantities) -> bool:
        """Whether the framework would get so much of the agent if that were free: no rule and no filter of its own is
        against it."""

    def gather(self, framework_id: str, role: str, agent_id: str, quantities: Quantities, now: float) -> None:
        """Keep what becomes free of the agent together for it, up to so much. Nothing happens if it does not wait."""

    # For those who look.

    def free(self, agent_id: str) -> Resources:
        """What nobody holds of an agent."""

    def standings(self, framework_id: str) -> list[RoleStanding]:
        """By role: why a framework gets offers or does not."""

    @property
    def runs(self) -> int:
        """How many times `allocate` had work."""

    def excluded_by_constraints(self, framework_id: str) -> dict[str, list[str]]:
        """By role, the agents that the framework's own constraints keep from it. Looks at all agents."""

    def quota_consumption(self, role: str) -> Quantities:
        """What a top-level role consumes of its quota, whether it has one or not: all that is reserved for it and its
        sub-roles, and what is allocated (offered or used) to them that is neither reserved nor revocable."""

    def total_quantities(self) -> Quantities:
        """What all agents have together."""

    def allocated_quantities(self) -> Quantities:
        """What is offered or used, over all agents."""

    def filters_active(self) -> dict[str, int]:
        """The number of filters by role."""

    def roles_taking_part(self) -> set[str]:
        """Roles in which somebody would take offers."""

    def dominant_shares(self) -> dict[str, float]:
        """By role: the largest part of any one resource of the cluster that its subtree holds, divided by weight."""

    def check(self) -> None:
        """Raise AssertionError when a sum or an index is wrong. Slow: for tests and simulation."""

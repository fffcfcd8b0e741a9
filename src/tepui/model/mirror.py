"""What a leading master sends to those that mirror it: how the things that changed look now.

A part holds the newest form of everything that changed since the part before it, or that is gone since, so that folding
is replacing. A stream begins with parts that together hold everything; from the first part that is `whole` on, each one
that has a new `revision` leaves the mirror as the leader's state was then. Those in between tell a part of what changed
since, when that is much.
"""

from __future__ import annotations

from typing import Any

import msgspec

from tepui.model.v1.allocator import InverseOfferStatus
from tepui.model.v1.maintenance import Schedule
from tepui.model.v1.mesos import (
    AgentInfo,
    DrainInfo,
    ExecutorInfo,
    FrameworkInfo,
    MachineInfo,
    MasterInfo,
    Offer,
    OperationStatus,
    Resource,
    TaskInfo,
    TaskState,
    TaskStatus,
    Unavailability,
)
from tepui.model.v1.quota import QuotaConfig
from tepui.model.v1.scheduler import OfferConstraints


class _Entry(msgspec.Struct, array_like=True, kw_only=True, gc=False):
    """The base of what is mirrored. On the wire an entry is an array; new members come at its end, with a default."""


class MirroredLeader(_Entry, kw_only=True, gc=False):
    """Who leads, as far as readers are shown it."""

    info: MasterInfo
    version: str
    epoch: int
    cluster: str | None
    flags: dict[str, str]
    start_time: float
    elected_time: float
    build: dict[str, Any]
    completed_frameworks_max: int
    completed_tasks_per_framework_max: int


class MirroredFramework(_Entry, kw_only=True, gc=False):
    """One framework, running or completed; `framework_id` alone is one that is forgotten."""

    framework_id: str
    info: FrameworkInfo | None = None
    roles: list[str] = []
    connected: bool = False
    recovered: bool = False
    is_over: bool = False
    suppressed_roles: list[str] = []
    registered_at: float = 0.0
    reregistered_at: float | None = None
    unregistered_at: float | None = None
    offer_constraints: OfferConstraints | None = None


class MirroredMember(_Entry, kw_only=True, gc=False):
    """An admitted agent."""

    info: AgentInfo
    address: str
    version: str
    capabilities: list[str]
    total: list[Resource]
    connected: bool
    leaving: bool
    registered_at: float
    reregistered_at: float | None = None
    unavailability: Unavailability | None = None
    inverse_statuses: list[InverseOfferStatus] = []


class MirroredService(_Entry, kw_only=True, gc=False):
    """That an agent is out of service."""

    deactivated: bool
    drain: DrainInfo | None = None
    drain_started_at: float | None = None


class MirroredAgent(_Entry, kw_only=True, gc=False):
    """Everything that is known of one agent id, which may be nothing any more."""

    agent_id: str
    member: MirroredMember | None = None
    recovered: AgentInfo | None = None
    """Known from the registry, and not back."""
    unreachable_since: float | None = None
    gone_since: float | None = None
    service: MirroredService | None = None


class MirroredExecutor(_Entry, kw_only=True, gc=False):
    """One executor; without `info` it has ended."""

    framework_id: str
    agent_id: str
    executor_id: str
    info: ExecutorInfo | None = None


class MirroredTask(_Entry, kw_only=True, gc=False):
    """One task: running, unreachable or completed."""

    framework_id: str
    agent_id: str
    executor_id: str
    info: TaskInfo
    role: str
    state: TaskState
    statuses: list[TaskStatus]
    status_update_state: TaskState | None = None
    status_update_uuid: bytes | None = None
    released: bool = False
    unreachable: bool = False
    launched_at: float = 0.0
    user: str | None = None


class MirroredOffer(_Entry, kw_only=True, gc=False):
    """One outstanding offer."""

    offer_id: str
    framework_id: str
    agent_id: str
    role: str
    resources: list[Resource]
    made_at: float


class MirroredOperation(_Entry, kw_only=True, gc=False):
    """One operation that is under way, or whose outcome waits to be acknowledged."""

    uuid: bytes
    framework_id: str
    agent_id: str
    info: Offer.Operation
    latest: OperationStatus
    statuses: list[OperationStatus]


class MirroredSettings(_Entry, kw_only=True, gc=False):
    """What operators decided about roles and machines, all of it."""

    quota: list[QuotaConfig]
    weights: dict[str, float]
    schedule: Schedule | None
    machines: list[MachineInfo]


class MirrorPart(msgspec.Struct, omit_defaults=True, kw_only=True, gc=False):
    """See the module. A part without entries says that nothing changed."""

    revision: int
    """The number of the leader's newest change record when all that had changed had last been told."""
    time: float
    """When that was, by the leader's clock, in seconds since the epoch."""
    whole: bool = False
    leader: MirroredLeader | None = None
    """In the first part of a stream."""
    frameworks: list[MirroredFramework] = []
    agents: list[MirroredAgent] = []
    executors: list[MirroredExecutor] = []
    tasks: list[MirroredTask] = []
    """Running and unreachable ones."""
    ended_tasks: list[tuple[str, str]] = []
    """Framework and task ids that are among the running and unreachable ones no more."""
    completed_tasks: list[MirroredTask] = []
    """Those that became history, oldest first."""
    offers: list[MirroredOffer] = []
    ended_offers: list[str] = []
    operations: list[MirroredOperation] = []
    ended_operations: list[tuple[str, bytes]] = []
    """Agent ids and UUIDs."""
    settings: MirroredSettings | None = None

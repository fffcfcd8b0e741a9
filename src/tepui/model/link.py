"""The link between an agent and its master: one duplex connection, numbered batches, the agent's snapshot on connect.

The agent opens the link and speaks first: a `Hello` and its `Snapshot` in one batch. The master answers with `Welcome`
or `Refused`. After that either side sends batches when it has something to say. Each batch has a sequence number of its
direction, counted from 1, and acknowledges the highest batch received; a gap, an older epoch or silence closes the
link, and the next one begins with a snapshot again, so nothing is resent. Launches and kills are idempotent by id.

Batches travel as MessagePack arrays (`tepui.wire.frames`). `docs/reference/link.md` describes the format for people.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from tepui.model.v1.mesos import (
    AgentInfo,
    DrainConfig,
    ExecutorInfo,
    FrameworkInfo,
    KillPolicy,
    MasterInfo,
    Offer,
    Operation,
    OperationStatus,
    Resource,
    TaskInfo,
    TaskState,
    TaskStatus,
)

PROTOCOL_OLDEST = 1
PROTOCOL_NEWEST = 1
"""The range of protocol versions that this code speaks; `Welcome.protocol` is the one chosen."""


class LinkMessage(msgspec.Struct, array_like=True, tag=True, kw_only=True, gc=False):
    """The base of all messages of the link. On the wire a message is an array that begins with its class's name."""

    best_effort: ClassVar[bool] = False
    """May be dropped when too much waits to cross the link."""


# From the agent.


class Hello(LinkMessage, kw_only=True):
    """Who the agent is. `agent_id` is empty while no master has admitted it."""

    protocol_oldest: int
    protocol_newest: int
    software: str
    """The agent's version, such as 0.1.0; shown to operators."""
    agent_id: str
    incarnation: str
    """A UUID made when the agent process started."""
    link_id: str
    """A UUID made for this connection."""
    epoch: int
    """The newest election epoch that the agent has seen; 0 when none."""
    info: AgentInfo
    capabilities: list[str] = []
    draining: bool = False
    """The agent kills its tasks and takes no others, as a master told it."""


class HeldExecutor(msgspec.Struct, array_like=True, kw_only=True, gc=False):
    """One run of an executor that the agent has started and not seen to end."""

    framework_id: str
    info: ExecutorInfo
    container_id: str


class HeldTask(msgspec.Struct, array_like=True, kw_only=True, gc=False):
    """One task that is queued, running, or ended with an update unacknowledged."""

    framework_id: str
    info: TaskInfo
    state: TaskState
    """The latest state the agent knows of."""
    pending: TaskStatus | None = None
    """The oldest update that nobody has acknowledged."""
    executor_id: str = ""
    """Whose task it is, so that `info` need not repeat the executor; empty when it runs by its command."""
    statuses: list[TaskStatus] = []
    """The last update of each state, without data, for a master that never saw them."""


class Snapshot(LinkMessage, kw_only=True):
    """Everything the agent holds, so that a master that knows nothing can account for it."""

    frameworks: list[FrameworkInfo] = []
    executors: list[HeldExecutor] = []
    tasks: list[HeldTask] = []
    """Every task that is queued, running, or ended with an update unacknowledged."""
    operations: list[Operation] = []
    resources: list[Resource] = []
    """Checkpointed resources: dynamic reservations and persistent volumes."""
    more: bool = False
    """Another part follows: together they tell what the agent holds, and before the last one nothing is decided."""


class StatusUpdate(LinkMessage, kw_only=True):
    """A task's oldest unacknowledged update. `latest` is the newest state, which decides what resources are free."""

    framework_id: str
    status: TaskStatus
    latest: TaskState


class ExecutorMessage(LinkMessage, kw_only=True):
    """Data from an executor to its scheduler, best effort."""

    best_effort: ClassVar[bool] = True

    framework_id: str
    executor_id: str
    data: bytes


class ExecutorExited(LinkMessage, kw_only=True):
    """An executor ended. `status` is the raw wait status, -1 when nobody saw it."""

    framework_id: str
    executor_id: str
    status: int


class OperationUpdate(LinkMessage, kw_only=True):
    """The oldest unacknowledged status of an operation. One without `status.uuid` is not acknowledged."""

    operation_uuid: bytes
    """16 bytes, given by the master; what the operation is known by on the link."""
    framework_id: str
    """Empty for an operator's."""
    status: OperationStatus


class CheckpointedResources(LinkMessage, kw_only=True):
    """What the agent has checkpointed, said when the master counts on something else: after an operation that was not
    applied, or that took effect after the snapshot was taken.

    Operations that the agent has not answered yet are not in it.
    """

    resources: list[Resource] = []


class Oversubscribed(LinkMessage, kw_only=True):
    """What the agent lends beyond its own resources, in place of what it said before; nothing at the start of a link.

    Sent after the welcome unless it lends nothing, and whenever it changes.
    """

    resources: list[Resource] = []
    """All revocable."""


class Pong(LinkMessage, kw_only=True):
    """The answer to a `Ping`."""


class Unregister(LinkMessage, kw_only=True):
    """The agent leaves for good; its tasks are lost."""


# From the master.


class Welcome(LinkMessage, kw_only=True):
    """The agent is admitted under `agent_id` by the master of this election epoch."""

    protocol: int
    agent_id: str
    epoch: int
    master: MasterInfo
    ping_timeout_seconds: float
    """Without a ping for this long (all missed ones counted) the agent gives the link up."""


class Refused(LinkMessage, kw_only=True):
    """The agent is not admitted. With `shutdown` it must end its executors and itself; without, it may try again."""

    why: str
    shutdown: bool


class FrameworkUpdate(LinkMessage, kw_only=True):
    """A framework's description: sent before its first launch on a link, and when it changes."""

    framework: FrameworkInfo


class Launch(LinkMessage, kw_only=True):
    """Run these tasks, which all use `executor` (None: each runs by its command, without an executor of its own).

    The tasks come without their `executor` member, which would repeat the same description. A group runs whole or not
    at all.
    """

    framework_id: str
    tasks: list[TaskInfo]
    executor: ExecutorInfo | None = None
    group: bool = False


class Kill(LinkMessage, kw_only=True):
    """End the task, if it has not ended; idempotent."""

    framework_id: str
    task_id: str
    kill_policy: KillPolicy | None = None
    revoked: str = ""
    """Why the master takes back what the task uses; empty for a kill that its scheduler wants. A task that goes on
    after its grace is ended with its executor."""


class Acknowledge(LinkMessage, kw_only=True):
    """The scheduler has the update with this 16-byte uuid; the next one of the task may follow."""

    framework_id: str
    task_id: str
    uuid: bytes


class ApplyOperation(LinkMessage, kw_only=True):
    """Reserve, unreserve, create, destroy, grow or shrink: idempotent by `operation_uuid`, in the order sent.

    The master has validated it and counts on it already; the agent stores the outcome before it says so.
    """

    operation_uuid: bytes
    framework_id: str
    """Empty for an operator's."""
    info: Offer.Operation
    """Its resources carry allocation_info where they were offered."""


class AcknowledgeOperation(LinkMessage, kw_only=True):
    """Whoever asked for the operation has the status with this uuid; the agent forgets the operation."""

    operation_uuid: bytes
    status_uuid: bytes


class Drain(LinkMessage, kw_only=True):
    """End all tasks within the grace of `config` and take no more; None: the agent is in service again.

    Idempotent: the master repeats it when the agent comes back and drains, by what the master or the agent believes.
    """

    config: DrainConfig | None = None


class SchedulerMessage(LinkMessage, kw_only=True):
    """Data from a scheduler to its executor, best effort."""

    best_effort: ClassVar[bool] = True

    framework_id: str
    executor_id: str
    data: bytes


class ShutdownExecutor(LinkMessage, kw_only=True):
    """Ask the executor to end within its grace."""

    framework_id: str
    executor_id: str


class ShutdownFramework(LinkMessage, kw_only=True):
    """The framework is gone: end its executors and tasks, and forget its updates."""

    framework_id: str


class TaskName(msgspec.Struct, array_like=True, kw_only=True, gc=False):
    """A task by its ids."""

    framework_id: str
    task_id: str


class Reconcile(LinkMessage, kw_only=True):
    """Tasks that the master believes are here; the agent answers with an update for each one that it does not hold."""

    tasks: list[TaskName]


class Ping(LinkMessage, kw_only=True):
    """Asks for a `Pong`."""


class Shutdown(LinkMessage, kw_only=True):
    """End all executors and the agent."""

    why: str


FromAgent = (
    Hello
    | Snapshot
    | StatusUpdate
    | ExecutorMessage
    | ExecutorExited
    | OperationUpdate
    | CheckpointedResources
    | Oversubscribed
    | Pong
    | Unregister
)
FromMaster = (
    Welcome
    | Refused
    | FrameworkUpdate
    | Launch
    | Kill
    | Acknowledge
    | ApplyOperation
    | AcknowledgeOperation
    | Drain
    | SchedulerMessage
    | ShutdownExecutor
    | ShutdownFramework
    | Reconcile
    | Ping
    | Shutdown
)


class AgentBatch(msgspec.Struct, array_like=True, kw_only=True, gc=False):
    """One frame from an agent."""

    sequence: int
    acknowledged: int
    messages: list[FromAgent]


class MasterBatch(msgspec.Struct, array_like=True, kw_only=True, gc=False):
    """One frame from a master."""

    sequence: int
    acknowledged: int
    messages: list[FromMaster]

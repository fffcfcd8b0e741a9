"""What the agent writes down: enough to know after it was killed who it was, and to tell how tasks ended.

Only what belongs to frameworks that checkpoint is written; executors of the others end with the agent, and the master
has given their tasks up by the time it is back. Records come in the order things happened; each names its subject by
id, so that what is over can be dropped. `tepui.agent.recovery` reads them:

| record | until | recovery makes of it |
|---|---|---|
| AgentAdmitted | the next one | the agent's id and the newest epoch |
| FrameworkKnown | FrameworkForgotten, or the next one | a framework, when it has tasks that ended |
| RunBegan | RunEnded | nothing: the run is ended |
| TaskLaunched | TaskEnded | a task, when it has ended |
| UpdateReceived | TaskEnded | an update of such a task, pending unless acknowledged |
| UpdateAcknowledged | TaskEnded | the update with this uuid is not sent any more |

What frameworks count on for longer than their tasks run is written apart from these, and synced to the disk before it
is said: it outlives the machine's crash and belongs to the work directory, whatever id the agent has.

| durable record | until | recovery makes of it |
|---|---|---|
| ResourcesCheckpointed | the next one | dynamic reservations and persistent volumes |
| OperationHeld | OperationForgotten | an operation whose status is told until it is acknowledged |
| VolumeDoomed | VolumeForgotten | a destroyed volume whose directory is to be erased |
| DrainSet | the next one | the terms of a drain of the agent with that id |
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from tepui.agent.volumes import VolumeDirectory
from tepui.model.v1.mesos import (
    DrainConfig,
    ExecutorInfo,
    FrameworkInfo,
    Offer,
    OperationStatus,
    Resource,
    TaskInfo,
    TaskStatus,
)


class JournalRecord(msgspec.Struct, array_like=True, tag=True, gc=False):
    """The base of all records. A record is written as an array that begins with its class's name."""

    durable: ClassVar[bool] = False
    """Must be on the disk, not only in the operating system's memory, before it is said to be stored. The records of
    one `Store` are all durable or none is."""


class AgentAdmitted(JournalRecord):
    """A master has admitted the agent under this id, in this election epoch."""

    agent_id: str
    epoch: int


class FrameworkKnown(JournalRecord):
    framework_id: str
    info: FrameworkInfo


class FrameworkForgotten(JournalRecord):
    """Nothing of the framework is left here."""

    framework_id: str


class RunBegan(JournalRecord):
    framework_id: str
    executor_id: str
    run: str
    info: ExecutorInfo
    directory: str
    started_at: float
    kind: str = "CUSTOM"
    """Who runs its tasks: an `ExecutorKind`."""


class RunEnded(JournalRecord):
    run: str


class TaskLaunched(JournalRecord):
    """`info` comes without its executor, which is the run's. Tasks of one group carry the same `group`, a task id."""

    framework_id: str
    run: str
    info: TaskInfo
    group: str = ""
    container: str = ""
    """The run of the task itself, when the agent runs it."""


class UpdateReceived(JournalRecord):
    framework_id: str
    task_id: str
    status: TaskStatus


class UpdateAcknowledged(JournalRecord):
    framework_id: str
    task_id: str
    uuid: bytes


class TaskEnded(JournalRecord):
    """The task's terminal update is acknowledged, or nobody will: everything about the task may be dropped."""

    framework_id: str
    task_id: str


class ResourcesCheckpointed(JournalRecord):
    """All that is dynamically reserved and all persistent volumes, from now on."""

    durable: ClassVar[bool] = True

    resources: list[Resource]


class OperationHeld(JournalRecord):
    """An operation has been applied, or was not; `status` waits for its acknowledgement."""

    durable: ClassVar[bool] = True

    operation_uuid: bytes
    framework_id: str
    info: Offer.Operation
    status: OperationStatus


class OperationForgotten(JournalRecord):
    """The operation's status is acknowledged, or nobody will."""

    durable: ClassVar[bool] = True

    operation_uuid: bytes


class VolumeDoomed(JournalRecord):
    """A destroyed volume. Its directory is moved out of the way under the name `trash`, and then erased."""

    durable: ClassVar[bool] = True

    trash: str
    directory: VolumeDirectory


class VolumeForgotten(JournalRecord):
    """Nothing is left of a doomed volume."""

    durable: ClassVar[bool] = True

    trash: str


class DrainSet(JournalRecord):
    """The agent with this id drains under these terms, or drains no more."""

    durable: ClassVar[bool] = True

    agent_id: str
    config: DrainConfig | None = None
    started_at: float | None = None
    """Seconds since the epoch."""


Record = (
    AgentAdmitted
    | FrameworkKnown
    | FrameworkForgotten
    | RunBegan
    | RunEnded
    | TaskLaunched
    | UpdateReceived
    | UpdateAcknowledged
    | TaskEnded
    | ResourcesCheckpointed
    | OperationHeld
    | OperationForgotten
    | VolumeDoomed
    | VolumeForgotten
    | DrainSet
)

"""What the agent knows: plain records that the subject modules change and the views read.

Nothing here decides anything. Ids are plain text; `info` members are v1 messages with their ids filled in, and a
message that came in is never changed in place.

    framework ── executors ── tasks ── pending updates, oldest first

An *executor* here is one run of it: a container with a UUID. When it has ended, it stays among the framework's
`ended_executors` until the last update of its tasks is acknowledged, and a new run of the same executor id may exist
beside it. A framework without executors and tasks is history, until it launches again.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

from tepui.agent.volumes import VolumeDirectory, VolumeLink
from tepui.model.link import ApplyOperation
from tepui.model.resources import Resources
from tepui.model.task_states import TERMINAL_STATES
from tepui.model.v1.mesos import (
    AgentInfo,
    ContainerStatus,
    DrainConfig,
    ExecutorInfo,
    FrameworkInfo,
    KillPolicy,
    MasterInfo,
    Offer,
    OperationStatus,
    TaskInfo,
    TaskState,
    TaskStatus,
)


class ExecutorState(Enum):
    """The life of a run, in this order; a run may end from any state."""

    REGISTERING = "REGISTERING"
    """Started, and waited for: its tasks are queued."""
    RUNNING = "RUNNING"
    """Has subscribed; its stream may be gone meanwhile (`session` is None then)."""
    TERMINATING = "TERMINATING"
    """Told to shut down, or being killed: it gets no tasks any more."""
    TERMINATED = "TERMINATED"
    """Ended; some updates of its tasks may wait for their acknowledgement."""


class ExecutorKind(Enum):
    """Who runs the tasks of an executor."""

    CUSTOM = "CUSTOM"
    """The framework's own process, which the agent starts and talks to."""
    COMMAND = "COMMAND"
    """The agent: one task, by its command. Clients see an executor with the task's id, as Mesos makes one."""
    DEFAULT = "DEFAULT"
    """The agent: the tasks of groups, each by its command in a container of its own inside the executor's."""


class Ending(Enum):
    """Why the agent ends the run of a task."""

    KILLED = "KILLED"
    """Its scheduler wants it, or the end of another task of its group, or the end of its executor."""
    TIMED_OUT = "TIMED_OUT"
    """It has run for its `max_completion_time`."""


@dataclass(slots=True, eq=False)
class Task:
    """One task, from its launch until its terminal update is acknowledged, then as history."""

    framework: Framework
    task_id: str
    info: TaskInfo
    """As launched; its `executor` is the run's ExecutorInfo, the same object for all tasks of a run, and None for a
    task that runs by its command."""
    executor: Executor | None = None
    """None for a task that never had one: it was refused, or the master asked for one that is not here."""
    state: TaskState = TaskState.TASK_STAGING
    """The latest state; it decides what resources are free."""
    resources: Resources = Resources.NONE
    delivered: bool = False
    """Sent to the executor at least once; until then it is queued."""
    group: tuple[Task, ...] = ()
    """All tasks of its group, itself included; empty for a task without a group."""
    launch_token: int = 0
    """It is delivered once the journal has stored this."""
    kill: tuple[KillPolicy | None] | None = None
    """A kill that waits for the executor to connect again."""
    statuses: list[TaskStatus] = field(default_factory=list)
    """The latest update of each state, in the order they came."""
    pending: list[tuple[int, TaskStatus]] = field(default_factory=list)
    """Updates that are not acknowledged, oldest first, each with the token under which the journal stores it."""
    retry_level: int = -1
    """How often the oldest pending update was sent over, as an index of the back-off; -1: not sent yet."""
    forwarded: TaskStatus | None = None
    """The update last sent to the master."""
    seen: dict[bytes, None] = field(default_factory=dict)
    """The uuids of the newest updates, to know duplicates."""
    run: str = ""
    """The container in which the agent runs it; empty for a task of a custom executor."""
    container: ContainerStatus | None = None
    """What its updates carry as container_status, when the agent runs it."""
    ending: Ending | None = None
    """Why its run was told to end. None: it ends by itself."""
    cut_short: tuple[TaskStatus.Reason, str] | None = None
    """Why it is ended against its scheduler's will: reason and sentence of its last update."""
    volumes: tuple[VolumeLink, ...] = ()
    """The persistent volumes among its resources."""

    @property
    def framework_id(self) -> str:
        return self.framework.framework_id

    @property
    def terminal(self) -> bool:
        return self.state in TERMINAL_STATES


@dataclass(slots=True, eq=False)
class Executor:
    """One run of an executor."""

    framework: Framework
    executor_id: str
    info: ExecutorInfo
    run: str
    """The container id."""
    directory: str
    """The sandbox."""
    own_resources: Resources
    resources: Resources
    """Its own and those of its tasks that have not ended."""
    status: ContainerStatus
    """What updates of its tasks carry as container_status."""
    state: ExecutorState = ExecutorState.REGISTERING
    session: str | None = None
    backlogged: bool = False
    """It reads its stream too slowly: launches wait."""
    pid: int | None = None
    started_at: float = 0.0
    registered_at: float | None = None
    wait_status: int | None = None
    """The raw wait status of the run, None while it runs or when nobody saw it."""
    given_tasks: bool = False
    """At least one task was sent to it."""
    ending: tuple[TaskStatus.Reason, str] | None = None
    """Why the agent ends it: reason and message of its tasks' last update. None: it ends by itself."""
    tasks: dict[str, Task] = field(default_factory=dict)
    """Queued, launched, and ended but unacknowledged, in launch order."""
    queued: dict[str, Task] = field(default_factory=dict)
    """Those that were not sent to it yet, in launch order."""
    completed_tasks: deque[Task] = field(default_factory=deque)
    """The newest that are history."""
    kind: ExecutorKind = ExecutorKind.CUSTOM
    live_runs: int = 0
    """How many of its tasks' runs the agent has started and not seen to end."""
    volumes: tuple[VolumeLink, ...] = ()
    """The persistent volumes among its own resources."""

    @property
    def framework_id(self) -> str:
        return self.framework.framework_id


@dataclass(slots=True, eq=False)
class Framework:
    framework_id: str
    info: FrameworkInfo
    described: bool = True
    """False: the master never told about it, so `info` holds nothing but its id."""
    checkpoint: bool = False
    partition_aware: bool = False
    knows_killing: bool = False
    """Understands TASK_KILLING."""
    terminating: bool = False
    """Told to shut down: its updates are forgotten."""
    executors: dict[str, Executor] = field(default_factory=dict)
    """The current runs by executor id."""
    ended_executors: dict[str, Executor] = field(default_factory=dict)
    """Ended runs with unacknowledged updates, by container id."""
    completed_executors: deque[Executor] = field(default_factory=deque)
    tasks: dict[str, Task] = field(default_factory=dict)
    """All that are not history, those without an executor included."""

    @property
    def idle(self) -> bool:
        return not self.executors and not self.ended_executors and not self.tasks

    def all_executors(self) -> Iterator[Executor]:
        """Current runs, then ended ones with unacknowledged updates."""
        yield from self.executors.values()
        yield from self.ended_executors.values()


@dataclass(slots=True, eq=False)
class HeldOperation:
    """An operation on the agent's resources whose status nobody has acknowledged."""

    operation_uuid: bytes
    framework_id: str
    info: Offer.Operation
    status: OperationStatus
    """Terminal, with the uuid that its acknowledgement names."""
    retry_level: int = -1
    """How often its status was sent, as an index of the back-off; -1: not sent yet."""


@dataclass(slots=True, eq=False)
class ApplyingOperation:
    """The operation that is being applied; while there is one, nothing else is heard over the link but pings."""

    message: ApplyOperation
    status: OperationStatus
    """What is to be said at the end."""
    total: Resources | None = None
    """What the agent will have; None when the operation changes nothing."""
    doomed: dict[str, VolumeDirectory] = field(default_factory=dict)
    """Directories of volumes that it destroys, as those of `State.doomed_volumes`."""


@dataclass(slots=True, eq=False)
class Counters:
    """What happened how often since the agent started; metrics publish these."""

    tasks_ended: dict[TaskState, int] = field(default_factory=lambda: dict.fromkeys(TERMINAL_STATES, 0))
    tasks_alive: dict[TaskState, int] = field(
        default_factory=lambda: dict.fromkeys((state for state in TaskState if state not in TERMINAL_STATES), 0)
    )
    """How many tasks of executors are in each state that is not terminal, now."""
    executors: dict[ExecutorState, int] = field(default_factory=lambda: dict.fromkeys(ExecutorState, 0))
    """How many are registering, running, terminating now; how many have ended since the start."""
    valid_status_updates: int = 0
    invalid_status_updates: int = 0
    """Updates of tasks that the executor does not have, or that have ended."""
    coalesced_status_updates: int = 0
    """Updates that were replaced by a newer one because too many waited for their acknowledgement."""
    resent_status_updates: int = 0
    valid_framework_messages: int = 0
    invalid_framework_messages: int = 0
    container_launch_errors: int = 0


@dataclass(slots=True, eq=False)
class State:
    """Everything that one agent knows."""

    info: AgentInfo
    """With the agent's id as soon as a master has admitted it."""
    incarnation: str
    agent_id: str = ""
    epoch: int = 0
    """The newest election epoch seen."""
    link: str | None = None
    """The current connection to a master, None while there is none."""
    welcomed: bool = False
    """The master at the other end of the link has admitted the agent."""
    master: MasterInfo | None = None
    """The master that admitted it last."""
    registered_at: float | None = None
    """When a master first admitted this incarnation."""
    stopping: str | None = None
    """Why the agent must end itself as soon as its executors have ended."""
    frameworks: dict[str, Framework] = field(default_factory=dict)
    """Those with executors or tasks."""
    completed_frameworks: OrderedDict[str, Framework] = field(default_factory=OrderedDict)
    """The newest that are history, oldest first."""
    framework_infos: dict[str, FrameworkInfo] = field(default_factory=dict)
    """What the master has told over this link, and of frameworks that have something here also over earlier ones."""
    runs: dict[str, Executor] = field(default_factory=dict)
    """The executors whose run was started and has not been seen to end, by container id."""
    task_runs: dict[str, Task] = field(default_factory=dict)
    """The tasks that the agent itself runs, by the container id of the run, until it has ended."""
    sessions: dict[str, Executor] = field(default_factory=dict)
    """The open streams of executors."""
    total: Resources = Resources.NONE
    """All that the agent has: what it was started with, changed by what is checkpointed."""
    checkpointed: Resources = Resources.NONE
    """All that is dynamically reserved, and all persistent volumes: part of the total."""
    told_resources: Resources = Resources.NONE
    """What the last snapshot told of `checkpointed`."""
    revocable: Resources = Resources.NONE
    """What it lends beyond its total."""
    applying: ApplyingOperation | None = None
    operations: dict[bytes, HeldOperation] = field(default_factory=dict)
    """Those with an id whose status is not acknowledged, by uuid, oldest first."""
    settled_operations: OrderedDict[bytes, OperationStatus] = field(default_factory=OrderedDict)
    """What became of the newest of the others, for a master that asks again; without uuids."""
    doomed_volumes: dict[str, VolumeDirectory] = field(default_factory=dict)
    """Directories of destroyed volumes that are not erased yet, by the names under which they wait for it."""
    drain_config: DrainConfig | None = None
    drain_start_time: float | None = None
    counters: Counters = field(default_factory=Counters)

    def __post_init__(self) -> None:
        if not self.total:
            self.total = Resources.of(self.info.resources)

    def executors(self) -> Iterator[Executor]:
        """All that are not history."""
        for framework in self.frameworks.values():
            yield from framework.all_executors()

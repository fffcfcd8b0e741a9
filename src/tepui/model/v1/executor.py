"""The executor API: calls of executors, events to them. Package mesos.v1.executor."""

from __future__ import annotations

from typing import Annotated

from tepui.model.message import ProtoEnum, WireMessage
from tepui.model.v1.mesos import (
    AgentInfo,
    ContainerID,
    ExecutorID,
    ExecutorInfo,
    FrameworkID,
    FrameworkInfo,
    KillPolicy,
    TaskGroupInfo,
    TaskID,
    TaskInfo,
    TaskStatus,
)


class Event(WireMessage, kw_only=True):
    """What an agent tells an executor on its stream; the member named like `type` is set."""

    class Type(ProtoEnum):
        UNKNOWN = "UNKNOWN", 0
        SUBSCRIBED = "SUBSCRIBED", 1
        LAUNCH = "LAUNCH", 2
        LAUNCH_GROUP = "LAUNCH_GROUP", 8
        KILL = "KILL", 3
        ACKNOWLEDGED = "ACKNOWLEDGED", 4
        MESSAGE = "MESSAGE", 5
        ERROR = "ERROR", 6
        SHUTDOWN = "SHUTDOWN", 7
        HEARTBEAT = "HEARTBEAT", 9

    class Subscribed(WireMessage, kw_only=True):
        """The first event: who the executor is, and where."""

        executor_info: Annotated[ExecutorInfo, 1]
        framework_info: Annotated[FrameworkInfo, 2]
        agent_info: Annotated[AgentInfo, 3]
        container_id: Annotated[ContainerID | None, 4] = None

    class Launch(WireMessage, kw_only=True):
        """Run a task."""

        task: Annotated[TaskInfo, 1]

    class LaunchGroup(WireMessage, kw_only=True):
        """Run tasks together: all of them or none."""

        task_group: Annotated[TaskGroupInfo, 1]

    class Kill(WireMessage, kw_only=True):
        """End a task; `kill_policy` stands in for the task's own."""

        task_id: Annotated[TaskID, 1]
        kill_policy: Annotated[KillPolicy | None, 2] = None

    class Acknowledged(WireMessage, kw_only=True):
        """The agent has the update with this uuid in safe keeping; it need not be sent again."""

        task_id: Annotated[TaskID, 1]
        uuid: Annotated[bytes, 2]

    class Message(WireMessage, kw_only=True):
        """Data from the scheduler."""

        data: Annotated[bytes, 1]

    class Error(WireMessage, kw_only=True):
        message: Annotated[str, 1]

    type: Annotated[Event.Type | None, 1] = None
    subscribed: Annotated[Event.Subscribed | None, 2] = None
    acknowledged: Annotated[Event.Acknowledged | None, 3] = None
    launch: Annotated[Event.Launch | None, 4] = None
    launch_group: Annotated[Event.LaunchGroup | None, 8] = None
    kill: Annotated[Event.Kill | None, 5] = None
    message: Annotated[Event.Message | None, 6] = None
    error: Annotated[Event.Error | None, 7] = None


class Call(WireMessage, kw_only=True):
    """What an executor tells its agent; the member named like `type` is set."""

    class Type(ProtoEnum):
        UNKNOWN = "UNKNOWN", 0
        SUBSCRIBE = "SUBSCRIBE", 1
        UPDATE = "UPDATE", 2
        MESSAGE = "MESSAGE", 3
        HEARTBEAT = "HEARTBEAT", 4

    class Subscribe(WireMessage, kw_only=True):
        """Open the stream, with all that the agent has not acknowledged before."""

        unacknowledged_tasks: Annotated[list[TaskInfo], 1] = []
        unacknowledged_updates: Annotated[list[Call.Update], 2] = []

    class Update(WireMessage, kw_only=True):
        """A task has a new state."""

        status: Annotated[TaskStatus, 1]

    class Message(WireMessage, kw_only=True):
        """Data for the scheduler."""

        data: Annotated[bytes, 2]

    executor_id: Annotated[ExecutorID, 1]
    framework_id: Annotated[FrameworkID, 2]
    type: Annotated[Call.Type | None, 3] = None
    subscribe: Annotated[Call.Subscribe | None, 4] = None
    update: Annotated[Call.Update | None, 5] = None
    message: Annotated[Call.Message | None, 6] = None

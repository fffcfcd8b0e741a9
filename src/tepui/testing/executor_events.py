"""What an agent says to an executor, as short as a test wants it."""

from __future__ import annotations

from tepui.model.v1.executor import Event
from tepui.model.v1.mesos import (
    AgentID,
    AgentInfo,
    ExecutorID,
    ExecutorInfo,
    FrameworkInfo,
    TaskGroupInfo,
    TaskID,
    TaskInfo,
    TaskStatus,
)
from tepui.scheduler.tasks import kill_policy

_Type = Event.Type


def subscribed(executor_id: str = "executor", framework_name: str = "framework", hostname: str = "host") -> Event:
    """The first event on a stream."""
    message = Event.Subscribed(
        executor_info=ExecutorInfo(executor_id=ExecutorID(value=executor_id)),
        framework_info=FrameworkInfo(user="user", name=framework_name),
        agent_info=AgentInfo(hostname=hostname),
    )
    return Event(type=_Type.SUBSCRIBED, subscribed=message)


def task(task_id: str, data: bytes | None = None, name: str | None = None) -> TaskInfo:
    """A task, for `launch`."""
    return TaskInfo(name=name or task_id, task_id=TaskID(value=task_id), agent_id=AgentID(value="agent"), data=data)


def launch(*tasks: TaskInfo) -> Event:
    """Run a task, or several as a group."""
    if len(tasks) == 1:
        return Event(type=_Type.LAUNCH, launch=Event.Launch(task=tasks[0]))
    group = Event.LaunchGroup(task_group=TaskGroupInfo(tasks=list(tasks)))
    return Event(type=_Type.LAUNCH_GROUP, launch_group=group)


def kill(task_id: str, grace_seconds: float | None = None) -> Event:
    """End a task."""
    message = Event.Kill(task_id=TaskID(value=task_id), kill_policy=kill_policy(grace_seconds))
    return Event(type=_Type.KILL, kill=message)


def acknowledge(status: TaskStatus) -> Event:
    """The agent has an update in safe keeping; take it from `ExecutorTransport.updates`."""
    if status.uuid is None:
        raise ValueError("An update without a uuid is not acknowledged")
    return Event(type=_Type.ACKNOWLEDGED, acknowledged=Event.Acknowledged(task_id=status.task_id, uuid=status.uuid))


def message(data: bytes) -> Event:
    """Bytes from the scheduler."""
    return Event(type=_Type.MESSAGE, message=Event.Message(data=data))


def shutdown() -> Event:
    """End all tasks and yourself."""
    return Event(type=_Type.SHUTDOWN)

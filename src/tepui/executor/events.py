"""What an executor is told, each thing a class, made for `match`."""

from __future__ import annotations

import msgspec

from tepui.model.v1.mesos import AgentInfo, ExecutorInfo, FrameworkInfo, TaskInfo


class Subscribed(msgspec.Struct, frozen=True):
    """The executor is with its agent, for the first time or again."""

    executor: ExecutorInfo
    framework: FrameworkInfo
    agent: AgentInfo
    again: bool


class Launch(msgspec.Struct, frozen=True):
    """Run these tasks; the framework waits for their updates."""

    tasks: list[TaskInfo]
    is_group: bool
    """Whether they are to run together: all of them or none."""


class Kill(msgspec.Struct, frozen=True):
    """End a task."""

    task_id: str
    grace_seconds: float | None
    """How long it may take to end by itself; None leaves that to the task's own kill policy."""


class Message(msgspec.Struct, frozen=True):
    """Bytes from the scheduler. Messages may be lost."""

    data: bytes


class Disconnected(msgspec.Struct, frozen=True):
    """The agent is away. Tasks run on; updates are kept until it is back."""

    why: str


class Shutdown(msgspec.Struct, frozen=True):
    """End every task and leave within `grace_seconds`; then the iteration ends, and the agent kills the process."""

    why: str
    grace_seconds: float


Event = Subscribed | Launch | Kill | Message | Disconnected | Shutdown

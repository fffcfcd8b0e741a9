"""What the operator APIs of master and agent have in common."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tepui.model.addresses import host_and_port
from tepui.model.v1.mesos import (
    AgentInfo,
    ExecutorID,
    Flag,
    FrameworkID,
    Metric,
    Task,
    TaskInfo,
    TaskState,
    TaskStatus,
    TimeInfo,
    VersionInfo,
)


def task_message(
    info: TaskInfo,
    framework_id: FrameworkID,
    executor_id: str,
    state: TaskState,
    statuses: Iterable[TaskStatus],
    status_update_state: TaskState | None,
    status_update_uuid: bytes | None,
    user: str | None,
) -> Task:
    """A task as operators see it. `executor_id` is empty for one that runs by its command."""
    return Task(
        name=info.name,
        task_id=info.task_id,
        framework_id=framework_id,
        executor_id=ExecutorID(value=executor_id) if executor_id else None,
        agent_id=info.agent_id,
        state=state,
        resources=info.resources,
        statuses=list(statuses),
        status_update_state=status_update_state,
        status_update_uuid=status_update_uuid,
        labels=info.labels,
        discovery=info.discovery,
        container=info.container,
        health_check=info.health_check,
        kill_policy=info.kill_policy,
        user=user,
        limits=info.limits,
    )


def version_info(version: str, build: Mapping[str, object]) -> VersionInfo:
    """The version and what is known of the build, under the names of the message's fields."""
    info = VersionInfo(version=version)
    for name in VersionInfo.__struct_fields__:
        if name in build:
            setattr(info, name, build[name])
    return info


def flags(values: Mapping[str, str]) -> list[Flag]:
    """Flags, sorted by name."""
    return [Flag(name=name, value=value) for name, value in sorted(values.items())]


def metrics(values: Mapping[str, float]) -> list[Metric]:
    return [Metric(name=name, value=value) for name, value in values.items()]


def time_info(seconds: float) -> TimeInfo:
    """A time, given in seconds since the epoch."""
    return TimeInfo(nanoseconds=int(seconds * 1_000_000_000))


def agent_pid(address: str, port: int) -> str:
    """An agent's name as a process, as Mesos writes it: `slave(1)@ADDRESS:PORT`."""
    return f"slave(1)@{host_and_port(address, port)}"


def agent_text(agent_id: str, address: str, info: AgentInfo) -> str:
    """An agent in a sentence, as Mesos writes it: `ID at slave(1)@ADDRESS:PORT (HOSTNAME)`."""
    return f"{agent_id} at {agent_pid(address, info.port)} ({info.hostname})"


def capabilities(names: Iterable[str]) -> list[AgentInfo.Capability]:
    """An agent's capabilities as messages, in the protocol's order; names that it does not know are left out."""
    known = frozenset(names)
    return [AgentInfo.Capability(type=kind) for kind in AgentInfo.Capability.Type if kind.value in known]

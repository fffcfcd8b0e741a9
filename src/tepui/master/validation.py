"""What makes a task, a group or an executor invalid: the first rule broken, in a sentence (Mesos: task validation).

The order is part of the protocol. Nothing here changes anything; what needs the cluster's state (ids in use, executors
that run, what is left of the offers) is checked where the tasks are launched.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import copy

from tepui.model.resources import Resources
from tepui.model.v1.mesos import (
    CheckInfo,
    CommandInfo,
    ContainerInfo,
    DurationInfo,
    ExecutorInfo,
    HealthCheck,
    TaskInfo,
    Value,
    Volume,
)
from tepui.model.validation import validate_command, validate_id

EXECUTOR_CPUS_MIN = 10
"""Thousandths."""
EXECUTOR_MEM_MIN = 32_000

_Type = ExecutorInfo.Type


def invalid_before_resources(info: TaskInfo) -> str | None:
    """Kill policy, time limit and checks: what comes between the agent and the resources of a task."""
    if info.kill_policy is not None and _negative(info.kill_policy.grace_period):
        return "Task's 'kill_policy.grace_period' must be non-negative"
    if _negative(info.max_completion_time):
        return "Task's 'max_completion_time' must be non-negative"
    if info.check is not None:
        why = _invalid_check(info.check)
        if why is not None:
            return f"Task uses invalid check: {why}"
    if info.health_check is not None:
        why = _invalid_health_check(info.health_check)
        if why is not None:
            return f"Task uses invalid health check: {why}"
    return None


def invalid_after_resources(info: TaskInfo, resources: Resources, limits_allowed: bool) -> str | None:
    """Command, container and limits."""
    if info.command is not None:
        why = validate_command(info.command)
        if why is not None:
            return f"Task's 'CommandInfo' is invalid: {why}"
    if info.container is not None:
        why = _invalid_container(info.container)
        if why is not None:
            return f"Task's 'ContainerInfo' is invalid: {why}"
    return _invalid_limits(info.limits, resources, limits_allowed) if info.limits else None


def invalid_alone(info: TaskInfo) -> str | None:
    """What holds for a task outside a group."""
    if (info.command is None) == (info.executor is None):
        return "Task should have at least one (but not both) of CommandInfo or ExecutorInfo present"
    container = info.container
    if container is not None and container.linux_info is not None and not container.linux_info.share_cgroups:
        return "Only tasks of a group may set 'share_cgroups' to false"
    return None


def _negative(duration: DurationInfo | None) -> bool:
    return duration is not None and duration.nanoseconds < 0


# Checks.


def _invalid_check(check: CheckInfo) -> str | None:
    kind = check.type
    if kind is None:
        return "CheckInfo must specify 'type'"
    if kind is CheckInfo.Type.COMMAND:
        if check.command is None:
            return "Expecting 'command' to be set for COMMAND check"
        why = _invalid_check_command(check.command.command)
        if why is not None:
            return why
    elif kind is CheckInfo.Type.HTTP:
        if check.http is None:
            return "Expecting 'http' to be set for HTTP check"
        if check.http.path is not None and not check.http.path.startswith("/"):
            return f"The path '{check.http.path}' of HTTP check must start with '/'"
    elif kind is CheckInfo.Type.TCP:
        if check.tcp is None:
            return "Expecting 'tcp' to be set for TCP check"
    else:
        return f"'{kind.value}' is not a valid check type"
    return _negative_times(check, ("delay_seconds", "interval_seconds", "timeout_seconds"))


def _invalid_health_check(check: HealthCheck) -> str | None:
    kind = check.type
    if kind is None:
        return "HealthCheck must specify 'type'"
    if kind is HealthCheck.Type.COMMAND:
        if check.command is None:
            return "Expecting 'command' to be set for COMMAND health check"
        why = _invalid_check_command(check.command)
        if why is not None:
            return why
    elif kind is HealthCheck.Type.HTTP:
        if check.http is None:
            return "Expecting 'http' to be set for HTTP health check"
        if check.http.scheme not in (None, "http", "https"):
            return f"Unsupported HTTP health check scheme: '{check.http.scheme}'"
        if check.http.path is not None and not check.http.path.startswith("/"):
            return f"The path '{check.http.path}' of HTTP health check must start with '/'"
    elif kind is HealthCheck.Type.TCP:
        if check.tcp is None:
            return "Expecting 'tcp' to be set for TCP health check"
    else:
        return f"'{kind.value}' is not a valid health check type"
    return _negative_times(check, ("delay_seconds", "interval_seconds", "timeout_seconds", "grace_period_seconds"))


def _invalid_check_command(command: CommandInfo) -> str | None:
    if command.value is None:
        return f"Command check must contain {'a shell command' if command.shell else 'an executable path'}"
    why = validate_command(command)
    return None if why is None else f"Check's 'CommandInfo' is invalid: {why}"


def _negative_times(check: CheckInfo | HealthCheck, fields: Iterable[str]) -> str | None:
    for field in fields:
        if not getattr(check, field) >= 0:
            return f"Expecting '{field}' to be non-negative"
    return None


def typed_health_check(check: HealthCheck) -> HealthCheck:
    """The health check with its type, which older schedulers leave to its members."""
    if check.type is not None:
        return check
    kind = None
    if check.http is not None and check.command is None:
        kind = HealthCheck.Type.HTTP
    elif check.command is not None and check.http is None:
        kind = HealthCheck.Type.COMMAND
    elif check.tcp is not None:
        kind = HealthCheck.Type.TCP
    if kind is None:
        return check
    check = copy(check)
    check.type = kind
    return check


# Commands and containers.


def _invalid_container(container: ContainerInfo) -> str | None:
    for volume in container.volumes:
        why = _invalid_volume(volume)
        if why is not None:
            return f"Invalid volume: {why}"
    if container.type is ContainerInfo.Type.DOCKER:
        if container.docker is None:
            return "DockerInfo 'docker' is not set for DOCKER typed ContainerInfo"
        for parameter in container.docker.parameters:
            if parameter.key == "name":
                return "Parameter in DockerInfo must not be 'name'"
    return None


def _invalid_volume(volume: Volume) -> str | None:
    given = sum(part is not None for part in (volume.host_path, volume.image, volume.source))
    if given != 1:
        return "Exactly one of 'host_path', 'image' and 'source' must be set"
    source = volume.source
    if source is None:
        return None
    kinds = Volume.Source.Type
    members: dict[object, object] = {
        kinds.DOCKER_VOLUME: source.docker_volume,
        kinds.HOST_PATH: source.host_path,
        kinds.SANDBOX_PATH: source.sandbox_path,
        kinds.SECRET: source.secret,
        kinds.CSI_VOLUME: source.csi_volume,
    }
    if source.type not in members:
        return "'source.type' is unknown"
    if members[source.type] is None:
        assert source.type is not None
        return f"'source.{source.type.value.lower()}' is not set for a source of type {source.type.value}"
    return None


# Limits.


def _invalid_limits(limits: Mapping[str, Value.Scalar], resources: Resources, allowed: bool) -> str | None:
    if not allowed:
        return "The agent is not capable of 'TASK_RESOURCE_LIMITS'"
    for name, limit in limits.items():
        if name not in ("cpus", "mem"):
            return f"Resource limits are only supported for 'cpus' and 'mem', not for '{name}'"
        if not limit.value * 1000 >= resources.scalar(name):
            return f"The limit of '{name}' is less than its request"
    return None


# Executors.


def invalid_executor(info: ExecutorInfo, framework_id: str) -> str | None:
    """Why the executor of a task is invalid, but for its resources and for one that runs already."""
    if info.type is _Type.DEFAULT or info.type is _Type.UNKNOWN:
        return "'ExecutorInfo.type' must be 'CUSTOM'"
    if info.command is None:
        return "'ExecutorInfo.command' must be set for 'CUSTOM' executor"
    return _invalid_any_executor(info, framework_id)


def invalid_group_executor(info: ExecutorInfo, framework_id: str, resources: Resources) -> str | None:
    """The same for the executor of a group, whose resources have lower bounds."""
    if info.type is _Type.DEFAULT:
        if info.command is not None:
            return "'ExecutorInfo.command' must not be set for 'DEFAULT' executor"
        container = info.container
        if container is not None and container.type is not ContainerInfo.Type.MESOS:
            return "'ExecutorInfo.container.type' must be 'MESOS' for 'DEFAULT' executor"
        if container is not None and container.mesos is not None and container.mesos.image is not None:
            return "'ExecutorInfo.container.mesos.image' must not be set for 'DEFAULT' executor"
    elif info.type is _Type.CUSTOM:
        if info.command is None:
            return "'ExecutorInfo.command' must be set for 'CUSTOM' executor"
    else:
        return "'ExecutorInfo.type' must be set to either 'DEFAULT' or 'CUSTOM'"
    why = _invalid_any_executor(info, framework_id)
    if why is not None:
        return why
    name = f"Executor '{info.executor_id.value}'"
    if resources.scalar("cpus") < EXECUTOR_CPUS_MIN:
        return f"{name} uses less CPUs than the minimum required (0.01)"
    if resources.scalar("mem") < EXECUTOR_MEM_MIN:
        return f"{name} uses less memory than the minimum required (32MB)"
    if resources.scalar("disk") == 0:
        return f"{name} uses no disk, and a task group's executor must"
    return None


def _invalid_any_executor(info: ExecutorInfo, framework_id: str) -> str | None:
    why = validate_id(info.executor_id.value)
    if why is not None:
        return why
    named = "" if info.framework_id is None else info.framework_id.value
    if named != framework_id:
        return f"ExecutorInfo has an invalid FrameworkID (Actual: {named} vs Expected: {framework_id})"
    if _negative(info.shutdown_grace_period):
        return "ExecutorInfo's 'shutdown_grace_period' must be non-negative"
    if info.command is not None:
        why = validate_command(info.command)
        if why is not None:
            return f"Executor's 'CommandInfo' is invalid: {why}"
    if info.container is not None:
        why = _invalid_container(info.container)
        if why is not None:
            return f"Executor's 'ContainerInfo' is invalid: {why}"
    return None


# Groups.


def invalid_in_group(info: TaskInfo, executor: ExecutorInfo) -> str | None:
    """What holds for a task of a group beside the rules of every task; `executor` is the group's."""
    if info.executor is not None and info.executor != executor:
        return "The ExecutorInfo of the task is not that of its group"
    container = info.container
    if container is not None and container.type is ContainerInfo.Type.DOCKER:
        return "Docker ContainerInfo is not supported on the task"
    own_network = container is not None and bool(container.network_infos)
    health = info.health_check
    if own_network and health is not None and health.type in (HealthCheck.Type.HTTP, HealthCheck.Type.TCP):
        return "HTTP and TCP health checks are not supported on a task with a network of its own"
    if info.limits and shares_cgroups(container):
        return "Resource limits may only be set for tasks within a group when 'share_cgroups' is false"
    return None


def shares_cgroups(container: ContainerInfo | None) -> bool:
    return container is None or container.linux_info is None or container.linux_info.share_cgroups


def mixed_cgroups(tasks: Iterable[TaskInfo]) -> str | None:
    """All tasks of a group's executor must agree on whether they share its cgroups."""
    if len({shares_cgroups(info.container) for info in tasks}) > 1:
        return "All tasks of a group's executor must have the same value of 'share_cgroups'"
    return None

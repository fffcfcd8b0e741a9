"""The legacy JSON endpoints of the agent: plain data in Mesos's order of keys, built from the records."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from tepui.agent.metrics import Reading, snapshot
from tepui.agent.state import Executor, Framework, Task
from tepui.agent.views import Usage, container_status, containers, executor_id_of, statistics, user_of
from tepui.model.legacy import (
    Object,
    Objects,
    allocation_role,
    attributes_object,
    command_object,
    labels_array,
    version_object,
)
from tepui.model.operators import agent_pid
from tepui.model.resources import ReservationForm, Resources


def answer(reading: Reading, endpoint: str, usage: Usage) -> object | None:
    """The body of an endpoint's answer; None when there is no such endpoint. `usage` is what was measured, by run."""
    view = _READ.get(endpoint)
    return None if view is None else view(reading, usage)


# Objects.


def _task_object(task: Task, objects: Objects) -> Object:
    return objects.task(
        task.info,
        task.framework_id,
        executor_id_of(task),
        task.info.agent_id.value,
        task.state,
        task.resources,
        allocation_role(task.resources) or "*",
        task.statuses,
        user_of(task),
    )


def _queued_task_object(task: Task, objects: Objects) -> Object:
    """A task that the executor has not got yet."""
    info = task.info
    result: Object = {
        "id": task.task_id,
        "name": info.name,
        "slave_id": info.agent_id.value,
        "resources": objects.resources(task.resources),
        "role": allocation_role(task.resources) or "*",
    }
    if info.command is not None:
        result["command"] = command_object(info.command)
    if info.executor is not None:
        result["executor_id"] = info.executor.executor_id.value
    if info.discovery is not None:
        result["discovery"] = info.discovery
    return result


def _executor_object(executor: Executor, objects: Objects) -> Object:
    """One run. Tasks that ended count as completed, even while their last update is not acknowledged."""
    info = executor.info
    result: Object = {
        "id": executor.executor_id,
        "name": info.name or "",
        "source": info.source or "",
        "container": executor.run,
        "directory": executor.directory,
        "resources": objects.resources(executor.resources),
    }
    role = allocation_role(executor.own_resources) or allocation_role(executor.resources)
    if role is not None:
        result["role"] = role
    if info.labels is not None:
        result["labels"] = labels_array(info.labels)
    if info.type is not None:
        result["type"] = info.type
    tasks = executor.tasks.values()
    ended = [task for task in tasks if task.terminal]
    result["tasks"] = [_task_object(task, objects) for task in tasks if task.delivered and not task.terminal]
    result["queued_tasks"] = [_queued_task_object(task, objects) for task in executor.queued.values()]
    result["completed_tasks"] = [_task_object(task, objects) for task in (*executor.completed_tasks, *ended)]
    return result


def _framework_object(framework: Framework, objects: Objects) -> Object:
    info = framework.info
    result: Object = {
        "id": framework.framework_id,
        "name": info.name,
        "user": info.user,
        "failover_timeout": info.failover_timeout,
        "checkpoint": info.checkpoint,
        "hostname": info.hostname or "",
    }
    if info.principal is not None:
        result["principal"] = info.principal
    if info.roles:
        result["roles"] = info.roles
    else:
        result["role"] = info.role or "*"
    result["executors"] = [_executor_object(executor, objects) for executor in framework.all_executors()]
    result["completed_executors"] = [_executor_object(executor, objects) for executor in framework.completed_executors]
    return result


# Endpoints.


def _state(reading: Reading, _: Usage) -> Object:
    config, state = reading.config, reading.state
    objects = Objects()
    info = state.info
    total = state.total
    used = sum((executor.resources for executor in state.executors()), Resources.NONE)
    result = version_object(config.version, config.build)
    result["start_time"] = config.start_time
    result["id"] = state.agent_id
    result["pid"] = agent_pid(config.ip, info.port)
    result["hostname"] = info.hostname
    if info.domain is not None:
        result["domain"] = info.domain
    result["capabilities"] = list(config.capabilities)
    result["resources"] = objects.resources(total)
    result["reserved_resources"] = _by_role(total, objects)
    result["unreserved_resources"] = objects.resources(total.unreserved())
    form = ReservationForm.BOTH
    result["reserved_resources_full"] = {
        role: resources.messages(form) for role, resources in total.reservations().items()
    }
    result["unreserved_resources_full"] = total.unreserved().messages(form)
    result["reserved_resources_allocated"] = _by_role(used, objects)
    result["unreserved_resources_allocated"] = objects.resources(used.unreserved())
    result["resource_providers"] = []
    result["attributes"] = attributes_object(info.attributes)
    if state.drain_config is not None:
        result["drain_config"] = state.drain_config
    if state.drain_start_time is not None:
        result["estimated_drain_start_time_seconds"] = state.drain_start_time
    if state.master is not None:
        result["master_hostname"] = state.master.hostname or ""
    for name in ("log_dir", "external_log_file"):
        if name in config.flags:
            result[name] = config.flags[name]
    result |= _flags(reading, {})
    result["frameworks"] = [_framework_object(framework, objects) for framework in state.frameworks.values()]
    result["completed_frameworks"] = [
        _framework_object(framework, objects) for framework in state.completed_frameworks.values()
    ]
    return result


def _by_role(resources: Resources, objects: Objects) -> Mapping[str, Object]:
    """What is reserved, by role."""
    return {role: objects.resources(part) for role, part in resources.reservations().items()}


def _containers(reading: Reading, usage: Usage) -> list[Object]:
    """The containers of executors; keys are sorted, as Mesos sorts them here."""
    result = []
    for executor in containers(reading.state):
        described = _usage_object(executor, usage) | {
            "container_id": executor.run,
            "status": _sorted_object(container_status(executor)),
        }
        result.append(dict(sorted(described.items())))
    return result


def _statistics(reading: Reading, usage: Usage) -> list[Object]:
    """The same without the containers, for those that could be measured."""
    found = [_usage_object(executor, usage) for executor in containers(reading.state)]
    return [one for one in found if "statistics" in one]


def _usage_object(executor: Executor, usage: Usage) -> Object:
    result: Object = {
        "executor_id": executor.executor_id,
        "executor_name": executor.info.name or "",
        "framework_id": executor.framework_id,
        "source": executor.info.source or "",
    }
    measured = statistics(executor, usage)
    if measured is not None:
        result["statistics"] = _sorted_object(measured)
    return result


def _sorted_object(message: Any) -> Object:
    """A message as plain data, its keys sorted."""
    plain: Object = msgspec.to_builtins(message)
    return dict(sorted(plain.items()))


def _flags(reading: Reading, _: Usage) -> Object:
    return {"flags": dict(sorted(reading.config.flags.items()))}


def _version(reading: Reading, _: Usage) -> Object:
    return dict(sorted(version_object(reading.config.version, reading.config.build).items()))


def _metrics(reading: Reading, _: Usage) -> Object:
    return snapshot(reading)


_READ: dict[str, Callable[[Reading, Usage], object]] = {
    "state": _state,
    "containers": _containers,
    "monitor/statistics": _statistics,
    "flags": _flags,
    "version": _version,
    "metrics/snapshot": _metrics,
}

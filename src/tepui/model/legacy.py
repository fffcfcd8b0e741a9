"""The objects of the legacy JSON endpoints that master and agent have in common.

They are plain data in Mesos's order of keys, to be written to JSON at once. They say *slave* where v1 says *agent*.
Parts that never change (resources, container states, labels) are made once per answer and shared, so that the answer
for tens of thousands of tasks is cheap; nobody may change what is returned here. Parts that look the same in v1 stay
messages, which the JSON encoder writes as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tepui.model.resources import Resources
from tepui.model.v1.mesos import (
    Attribute,
    CommandInfo,
    ContainerStatus,
    ExecutorInfo,
    Labels,
    NetworkInfo,
    TaskInfo,
    TaskState,
    TaskStatus,
    Value,
)
from tepui.model.values import as_float, ranges_text, set_text

Object = dict[str, Any]

_RESOURCES_ALWAYS = ("disk", "mem", "gpus", "cpus")


def resources_object(resources: Resources) -> Object:
    """Sums by name: scalars as numbers (disk, mem, gpus and cpus always), ranges and sets as text; what is revocable
    under `<name>_revocable`."""
    scalars: dict[str, int] = dict.fromkeys(_RESOURCES_ALWAYS, 0)
    others: dict[str, Resources] = {}
    for kind, amount in resources:
        name = f"{kind.name}_revocable" if kind.revocable else kind.name
        if kind.type is Value.Type.SCALAR:
            scalars[name] = scalars.get(name, 0) + kind.scalar_of(amount)
        else:
            part = Resources([(kind.unallocated, amount)]).toned_down()
            others[name] = others.get(name, Resources.NONE) + part
    result: Object = {name: as_float(amount) for name, amount in scalars.items()}
    for name, part in others.items():
        for kind, amount in part:
            result[name] = ranges_text(amount) if kind.type is Value.Type.RANGES else set_text(sorted(amount))
    return result


def version_object(version: str, build: Mapping[str, object]) -> Object:
    """The head of `/state`: the version and what is known of the build."""
    names = ("git_sha", "git_branch", "git_tag", "build_date", "build_time", "build_user")
    return {"version": version} | {name: build[name] for name in names if name in build}


def attributes_object(attributes: Iterable[Attribute]) -> Object:
    """Attributes by name: scalars as numbers, the rest as text."""
    result: Object = {}
    for attribute in attributes:
        if attribute.scalar is not None:
            result[attribute.name] = attribute.scalar.value
        elif attribute.text is not None:
            result[attribute.name] = attribute.text.value
        elif attribute.ranges is not None:
            result[attribute.name] = ranges_text((part.begin, part.end) for part in attribute.ranges.range)
        elif attribute.set is not None:
            result[attribute.name] = set_text(attribute.set.item)
    return result


def labels_array(labels: Labels) -> list[Any]:
    """Labels, which stand in an array of their own in v1, without what is around it."""
    return labels.labels


def network_object(info: NetworkInfo) -> Object:
    result: Object = {}
    if info.groups:
        result["groups"] = info.groups
    if info.labels is not None:
        result["labels"] = labels_array(info.labels)
    if info.ip_addresses:
        result["ip_addresses"] = info.ip_addresses
    if info.name is not None:
        result["name"] = info.name
    if info.port_mappings:
        result["port_mappings"] = info.port_mappings
    return result


def container_status_object(status: ContainerStatus) -> Object:
    """Without the executor's process id, which Mesos leaves out here."""
    result: Object = {}
    if status.container_id is not None:
        result["container_id"] = status.container_id
    if status.network_infos:
        result["network_infos"] = [network_object(info) for info in status.network_infos]
    if status.cgroup_info is not None:
        result["cgroup_info"] = status.cgroup_info
    return result


def command_object(command: CommandInfo | None) -> Object:
    """A command; `shell` stands there only when it is false, because an unset one reads as true."""
    if command is None:
        return {"argv": [], "uris": []}
    result: Object = {}
    if not command.shell:
        result["shell"] = False
    if command.value is not None:
        result["value"] = command.value
    result["argv"] = command.arguments
    if command.environment is not None:
        result["environment"] = command.environment
    result["uris"] = [{"value": uri.value, "executable": bool(uri.executable)} for uri in command.uris]
    return result


class Objects:
    """Makes the objects of one answer and remembers the parts that recur in it."""

    __slots__ = ("_container_statuses", "_resources")

    def __init__(self) -> None:
        self._resources: dict[int, tuple[Resources, Object]] = {}
        self._container_statuses: dict[int, tuple[ContainerStatus, Object]] = {}

    def resources(self, resources: Resources) -> Object:
        """`resources_object`, made once for each object; equal resources of tasks are mostly the same object."""
        found = self._resources.get(id(resources))
        if found is None:
            found = self._resources[id(resources)] = (resources, resources_object(resources))
        return found[1]

    def _container_status(self, status: ContainerStatus) -> Object:
        found = self._container_statuses.get(id(status))
        if found is None:
            found = self._container_statuses[id(status)] = (status, container_status_object(status))
        return found[1]

    def status(self, status: TaskStatus) -> Object:
        result: Object = {"state": status.state, "timestamp": status.timestamp or 0.0}
        if status.labels is not None:
            result["labels"] = labels_array(status.labels)
        if status.container_status is not None:
            result["container_status"] = self._container_status(status.container_status)
        if status.healthy is not None:
            result["healthy"] = status.healthy
        return result

    def task(
        self,
        info: TaskInfo,
        framework_id: str,
        executor_id: str,
        agent_id: str,
        state: TaskState,
        resources: Resources,
        role: str,
        statuses: Iterable[TaskStatus],
        user: str | None = None,
    ) -> Object:
        """A task. `executor_id` is empty for one that runs by its command."""
        result: Object = {
            "id": info.task_id.value,
            "name": info.name,
            "framework_id": framework_id,
            "executor_id": executor_id,
            "slave_id": agent_id,
            "state": state,
            "resources": self.resources(resources),
        }
        if info.limits:
            result["limits"] = {name: scalar.value for name, scalar in info.limits.items()}
        result["role"] = role
        result["statuses"] = [self.status(status) for status in statuses]
        if user is not None:
            result["user"] = user
        if info.labels is not None:
            result["labels"] = labels_array(info.labels)
        if info.discovery is not None:
            result["discovery"] = info.discovery
        if info.container is not None:
            result["container"] = info.container
        if info.health_check is not None:
            result["health_check"] = info.health_check
        return result

    def executor(self, info: ExecutorInfo, framework_id: str, resources: Resources) -> Object:
        """An executor, as the master describes it."""
        result: Object = {
            "executor_id": info.executor_id.value,
            "name": info.name or "",
            "framework_id": framework_id,
            "command": command_object(info.command),
            "resources": self.resources(resources),
        }
        role = allocation_role(resources)
        if role is not None:
            result["role"] = role
        if info.labels is not None:
            result["labels"] = labels_array(info.labels)
        if info.type is not None:
            result["type"] = info.type
        return result


def allocation_role(resources: Resources) -> str | None:
    """The role that the resources are allocated to; those of one task or executor have one."""
    for kind, _ in resources:
        return kind.allocated_to
    return None

"""What makes a call, a framework's description, a role's name or an id wrong, in Mesos's words.

Each function returns the sentence, or None when all is well. They see the message alone: whether a framework is known,
or a resource there, is for the cores to say. The sentences about calls go after `Failed to validate <api>::Call: `.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable
from typing import Any

from tepui.model.message import ProtoEnum, WireMessage
from tepui.model.resource_validation import validate_resources
from tepui.model.roles import validate_role
from tepui.model.v1 import agent, executor, master, scheduler
from tepui.model.v1.mesos import (
    CheckInfo,
    CheckStatusInfo,
    CommandInfo,
    ContainerID,
    ContainerInfo,
    Environment,
    FrameworkInfo,
    OfferFilters,
    TaskState,
    TaskStatus,
)

ID_BYTES_MAX = 255
CONTAINER_ID_BYTES_MAX = 242
CONTAINER_NESTING_MAX = 32
"""How deep container ids nest. Mesos has no bound of its own; a container of 32 parents has no use."""

_DURATION_NANOSECONDS_MAX = 2**63 - 1
_ID_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f/\\]")

_MULTI_ROLE = FrameworkInfo.Capability.Type.MULTI_ROLE
_SOURCE_EXECUTOR = TaskStatus.Source.SOURCE_EXECUTOR
_TASK_STAGING = TaskState.TASK_STAGING

_SchedulerType = scheduler.Call.Type
_SUBSCRIBE = _SchedulerType.SUBSCRIBE
_UPDATE_FRAMEWORK = _SchedulerType.UPDATE_FRAMEWORK
_UPDATE = executor.Call.Type.UPDATE
_MasterType = master.Call.Type
_AgentType = agent.Call.Type

_Check = Callable[[Any], str | None]


def _member_present(name: str) -> _Check:
    sentence = f"Expecting '{name}' to be present"

    def check(call: WireMessage) -> str | None:
        return sentence if getattr(call, name) is None else None

    return check


def _members_present(call: type[WireMessage], types: type[ProtoEnum], *optional: ProtoEnum) -> dict[ProtoEnum, _Check]:
    """The check of each call type that has a member of its name: the member must be there, unless it is optional."""
    names = {kind: kind.name.lower() for kind in types if kind not in optional}
    return {kind: _member_present(name) for kind, name in names.items() if name in call.__struct_fields__}


def validate_scheduler_call(call: scheduler.Call, principal: str | None = None) -> str | None:
    """Why a scheduler's call is wrong. `principal` is who sent it, if that is known."""
    kind = call.type
    if kind is None:
        return "Expecting 'type' to be present"
    if kind is _SUBSCRIBE:
        if call.subscribe is None:
            return "Expecting 'subscribe' to be present"
        return _validate_described(call, call.subscribe.framework_info, "subscribe", principal)
    if call.framework_id is None:
        return "Expecting 'framework_id' to be present"
    if kind is _UPDATE_FRAMEWORK:
        if call.update_framework is None:
            return "Expecting 'update_framework' to be present"
        return _validate_described(call, call.update_framework.framework_info, "update_framework", principal)
    check = _SCHEDULER_CHECKS.get(kind)
    return None if check is None else check(call)


def _validate_described(call: scheduler.Call, info: FrameworkInfo, member: str, principal: str | None) -> str | None:
    named = call.framework_id.value if call.framework_id is not None else ""
    described = info.id.value if info.id is not None else ""
    if named != described:
        return f"'framework_id' differs from '{member}.framework_info.id'"
    if principal is not None and info.principal is not None and principal != info.principal:
        return (
            f"Authenticated principal '{principal}' does not match principal '{info.principal}' set in `FrameworkInfo`"
        )
    return None


def _validate_acknowledge(call: scheduler.Call) -> str | None:
    acknowledge = call.acknowledge
    if acknowledge is None:
        return "Expecting 'acknowledge' to be present"
    return validate_uuid(acknowledge.uuid)


def _validate_acknowledge_operation_status(call: scheduler.Call) -> str | None:
    acknowledge = call.acknowledge_operation_status
    if acknowledge is None:
        return "Expecting 'acknowledge_operation_status' to be present"
    why = validate_uuid(acknowledge.uuid)
    if why is None and acknowledge.agent_id is None:
        return "Expecting 'agent_id' to be present"
    return why


_SCHEDULER_CHECKS = {
    **_members_present(scheduler.Call, _SchedulerType, _SchedulerType.REVIVE, _SchedulerType.SUPPRESS),
    _SchedulerType.ACKNOWLEDGE: _validate_acknowledge,
    _SchedulerType.ACKNOWLEDGE_OPERATION_STATUS: _validate_acknowledge_operation_status,
}


def validate_uuid(uuid: bytes) -> str | None:
    """Why bytes are no UUID: 16 of them, with a version of 1 to 5 in place."""
    return None if len(uuid) == 16 and 1 <= uuid[6] >> 4 <= 5 else "Not a valid UUID"


def validate_executor_call(call: executor.Call) -> str | None:
    """Why an executor's call is wrong."""
    kind = call.type
    if kind is None:
        return "Expecting 'type' to be present"
    check = _EXECUTOR_CHECKS.get(kind)
    return None if check is None else check(call)


def _validate_update(call: executor.Call) -> str | None:
    if call.update is None:
        return "Expecting 'update' to be present"
    status = call.update.status
    if status.uuid is None:
        return "Expecting 'uuid' to be present"
    why = validate_uuid(status.uuid)
    if why is not None:
        return why
    executor_id = call.executor_id.value
    if status.executor_id is not None and status.executor_id.value != executor_id:
        return f"ExecutorID in Call: {executor_id} does not match ExecutorID in TaskStatus: {status.executor_id.value}"
    if status.source is not _SOURCE_EXECUTOR:
        return (
            f"Received Call from executor {executor_id} of framework {call.framework_id.value} "
            "with invalid source, expecting 'SOURCE_EXECUTOR'"
        )
    if status.state is _TASK_STAGING:
        return (
            f"Received TASK_STAGING from executor {executor_id} of framework {call.framework_id.value} "
            "which is not allowed"
        )
    return None if status.check_status is None else validate_check_status(status.check_status)


_EXECUTOR_CHECKS = {**_members_present(executor.Call, executor.Call.Type), _UPDATE: _validate_update}


def validate_check_status(status: CheckStatusInfo) -> str | None:
    """Why the result of a task's check is wrong: it must have the member that its type names."""
    kind = status.type
    if kind is None:
        return "CheckStatusInfo must specify 'type'"
    if kind is CheckInfo.Type.UNKNOWN:
        return "'UNKNOWN' is not a valid check's status type"
    name = kind.name.lower()
    if getattr(status, name) is None:
        return f"Expecting '{name}' to be set for {kind.name} check's status"
    return None


def validate_master_call(call: master.Call) -> str | None:
    """Why an operator's call to the master is wrong."""
    kind = call.type
    if kind is None:
        return "Expecting 'type' to be present"
    check = _MASTER_CHECKS.get(kind)
    return None if check is None else check(call)


def _validate_resize(call: master.Call) -> str | None:
    name = "grow_volume" if call.type is _MasterType.GROW_VOLUME else "shrink_volume"
    volume = call.grow_volume if call.type is _MasterType.GROW_VOLUME else call.shrink_volume
    if volume is None:
        return f"Expecting '{name}' to be present"
    if volume.agent_id is None:
        return "Expecting 'agent_id' to be present; only agent default resources are supported right now"
    return None


def _validate_reserve(call: master.Call) -> str | None:
    reserve = call.reserve_resources
    if reserve is None:
        return "Expecting 'reserve_resources' to be present"
    return validate_resources([*reserve.source, *reserve.resources])


_MASTER_CHECKS = {
    **_members_present(master.Call, _MasterType),
    _MasterType.RESERVE_RESOURCES: _validate_reserve,
    _MasterType.GROW_VOLUME: _validate_resize,
    _MasterType.SHRINK_VOLUME: _validate_resize,
}

_LaunchCall = agent.Call.LaunchNestedContainer | agent.Call.LaunchNestedContainerSession | agent.Call.LaunchContainer
_ContainerCall = (
    agent.Call.LaunchNestedContainer
    | agent.Call.WaitNestedContainer
    | agent.Call.KillNestedContainer
    | agent.Call.RemoveNestedContainer
    | agent.Call.LaunchNestedContainerSession
    | agent.Call.AttachContainerOutput
    | agent.Call.LaunchContainer
    | agent.Call.WaitContainer
    | agent.Call.KillContainer
    | agent.Call.RemoveContainer
)


def validate_agent_call(call: agent.Call) -> str | None:
    """Why an operator's call to an agent is wrong."""
    kind = call.type
    if kind is None:
        return "Expecting 'type' to be present"
    check = _AGENT_CHECKS.get(kind)
    why = None if check is None else check(call)
    if why is not None:
        return why
    name = kind.name.lower()
    member = getattr(call, name, None)
    if isinstance(member, agent.Call.AttachContainerInput):
        return _validate_attach_container_input(member)
    if isinstance(member, agent.Call.AddResourceProviderConfig | agent.Call.UpdateResourceProviderConfig):
        return None if member.info.id is None else f"Expecting '{name}.info.id' to be unset"
    return _validate_container_call(name, member) if isinstance(member, _ContainerCall) else None


_AGENT_CHECKS = _members_present(agent.Call, _AgentType, _AgentType.GET_CONTAINERS, _AgentType.PRUNE_IMAGES)


def _validate_container_call(name: str, member: _ContainerCall) -> str | None:
    why = validate_container_id(member.container_id)
    if why is not None:
        return f"'{name}.container_id' is invalid: {why}"
    if "nested" in name and member.container_id.parent is None:
        return f"Expecting '{name}.container_id.parent' to be present"
    return _validate_launch(name, member) if isinstance(member, _LaunchCall) else None


def _validate_launch(name: str, launch: _LaunchCall) -> str | None:
    why = None if launch.command is None else validate_command(launch.command)
    if why is not None:
        return f"'{name}.command' is invalid: {why}"
    if isinstance(launch, agent.Call.LaunchContainer):
        why = validate_resources(launch.resources)
        if why is not None:
            return f"Invalid resources: {why}"
    container = launch.container
    if container is not None and container.type is ContainerInfo.Type.DOCKER and container.docker is None:
        return f"'{name}.container' is invalid: DockerInfo 'docker' is not set for DOCKER typed ContainerInfo"
    parent = launch.container_id.parent
    if not isinstance(launch, agent.Call.LaunchContainer) or parent is None or parent.parent is None:
        return None
    forbidden = None
    if launch.resources:
        forbidden = "cannot specify resources"
    elif launch.limits:
        forbidden = "cannot specify resource limits"
    elif container is not None and container.linux_info is not None and not container.linux_info.share_cgroups:
        forbidden = "cannot set 'share_cgroups' to 'false'"
    if forbidden is None:
        return None
    return f"'{name}' is invalid: containers nested at the second level or greater {forbidden}"


def _validate_attach_container_input(member: agent.Call.AttachContainerInput) -> str | None:
    kind = member.type
    if kind is None:
        return "Expecting 'attach_container_input.type' to be present"
    if kind is agent.Call.AttachContainerInput.Type.UNKNOWN:
        return "'attach_container_input.type' is unknown"
    if kind is agent.Call.AttachContainerInput.Type.CONTAINER_ID:
        why = validate_container_id(member.container_id or ContainerID(value=""))
        return None if why is None else f"'attach_container_input.container_id' is invalid: {why}"
    return None


def validate_command(command: CommandInfo) -> str | None:
    """Why a command is wrong: its environment's variables must have what their type says."""
    return None if command.environment is None else validate_environment(command.environment)


def validate_environment(environment: Environment) -> str | None:
    """Why an environment is wrong."""
    types = Environment.Variable.Type
    for variable in environment.variables:
        named = f"Environment variable '{variable.name}' of type '{variable.type.name}'"
        if variable.type is types.SECRET:
            if variable.secret is None:
                return f"{named} must have a secret set"
            if variable.value is not None:
                return f"{named} must not have a value set"
            if variable.secret.value is not None and b"\0" in variable.secret.value.data:
                return (
                    f"Environment variable '{variable.name}' specifies a secret containing null bytes, "
                    "which is not allowed in the environment"
                )
        elif variable.type is types.VALUE:
            if variable.value is None:
                return f"{named} must have a value set"
            if variable.secret is not None:
                return f"{named} must not have a secret set"
        else:
            return "Environment variable of type 'UNKNOWN' is not allowed"
    return None


def validate_id(value: str) -> str | None:
    """Why a text cannot be an id of a framework, executor, task, container or operation."""
    if not value:
        return "ID must not be empty"
    if len(value) > ID_BYTES_MAX or (not value.isascii() and len(value.encode()) > ID_BYTES_MAX):
        return f"ID must not be greater than {ID_BYTES_MAX} characters"
    if value in (".", ".."):
        return f"'{value}' is disallowed"
    if _ID_FORBIDDEN.search(value) is not None:
        return f"'{value}' contains invalid characters"
    return None


def validate_container_id(container_id: ContainerID) -> str | None:
    """Why a container's id is wrong: it and those of its parents become names of directories."""
    prefix = ""
    nested: ContainerID | None = container_id
    for _ in range(CONTAINER_NESTING_MAX):
        if nested is None:
            return None
        why = _validate_container_value(nested.value)
        if why is not None:
            return prefix + why
        prefix += "'ContainerID.parent' is invalid: "
        nested = nested.parent
    return None if nested is None else f"Containers nest at most {CONTAINER_NESTING_MAX} deep"


def _validate_container_value(value: str) -> str | None:
    why = validate_id(value)
    if why is not None:
        return why
    if len(value.encode()) > CONTAINER_ID_BYTES_MAX:
        return f"'ContainerID.value' '{value}' exceeds {CONTAINER_ID_BYTES_MAX} characters"
    if "." in value or " " in value:
        return f"'ContainerID.value' '{value}' contains invalid characters"
    return None


def validate_framework_info(info: FrameworkInfo) -> str | None:
    """Why a framework cannot be as it describes itself."""
    why = _validate_framework_roles(info)
    # An empty id is the same as none: the master gives one.
    if why is None and info.id is not None and info.id.value:
        why = validate_id(info.id.value)
    if why is None:
        why = _validate_offer_filters(info.offer_filters)
    if why is None and not abs(info.failover_timeout) * 1e9 < _DURATION_NANOSECONDS_MAX:
        why = f"The framework failover_timeout ({info.failover_timeout:g}) is invalid"
    return why


def _validate_framework_roles(info: FrameworkInfo) -> str | None:
    if not any(capability.type is _MULTI_ROLE for capability in info.capabilities):
        if info.roles:
            return "'FrameworkInfo.roles' must not be set when the framework is not MULTI_ROLE capable"
        why = None if info.role is None else validate_role(info.role)
        return None if why is None else f"'FrameworkInfo.role' is not a valid role: {why}"
    if info.role is not None:
        return "'FrameworkInfo.role' must not be set when the framework is MULTI_ROLE capable"
    if len(set(info.roles)) < len(info.roles):
        seen: set[str] = set()
        twice = sorted({role for role in info.roles if role in seen or seen.add(role)})  # type: ignore[func-returns-value] # adds
        return f"'FrameworkInfo.roles' contains duplicate items: {{ {', '.join(twice)} }}"
    for role in info.roles:
        why = validate_role(role)
        if why is not None:
            return f"'FrameworkInfo.roles' contains invalid role: {why}"
    return None


def _validate_offer_filters(filters: dict[str, OfferFilters]) -> str | None:
    for filtered in filters.values():
        minimum = filtered.min_allocatable_resources
        for quantities in [] if minimum is None else minimum.quantities:
            if not quantities.quantities:
                return "Resource quantities must contain at least one quantity"
            for name in sorted(quantities.quantities):
                why = _validate_quantity(quantities.quantities[name].value)
                if why is not None:
                    return f"Invalid resource quantity for '{name}': {why}"
    return None


def _validate_quantity(value: float) -> str | None:
    if math.isnan(value):
        return "NaN not supported"
    if math.isinf(value):
        return "Infinite values not supported"
    if value < 0:
        return "Negative values not supported"
    if 0 < value < sys.float_info.min:
        return "Subnormal values not supported"
    return None


def validate_offer_constraints(constraints: scheduler.OfferConstraints) -> str | None:
    """Why constraints on a framework's offers are wrong. Whether a regular expression is one is not looked at."""
    for role in sorted(constraints.role_constraints):
        groups = constraints.role_constraints[role].groups
        if not groups:
            return f"'OfferConstraints::role_constraints' has an empty 'RoleConstraints::groups' for role {role}"
        for group in groups:
            if not group.attribute_constraints:
                return (
                    f"'OfferConstraints::RoleConstraints::groups' for role {role} "
                    "contains an empty RoleConstraints::Group"
                )
            for constraint in group.attribute_constraints:
                why = _validate_attribute_constraint(constraint)
                if why is not None:
                    return f"A role {role} has an invalid 'AttributeConstraint': {why}"
    return None


def _validate_attribute_constraint(constraint: scheduler.AttributeConstraint) -> str | None:
    selector = constraint.selector
    if selector.attribute_name is None:
        if selector.pseudoattribute_type is None:
            return (
                "Exactly one of 'AttributeConstraint::Selector::name' "
                "or 'AttributeConstraint::Selector::pseudoattribute_type' must be set"
            )
        if selector.pseudoattribute_type is scheduler.AttributeConstraint.Selector.PseudoattributeType.UNKNOWN:
            return "Unknown pseudoattribute type"
    predicate = constraint.predicate
    if all(getattr(predicate, name) is None for name in predicate.__struct_fields__):
        return "Unknown predicate type"
    return None

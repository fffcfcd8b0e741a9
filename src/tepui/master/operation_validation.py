"""What makes an operation on resources wrong, in one sentence each, in Mesos's order (Mesos: rules of operations).

`malformed` finds what no agent could make right, `invalid` what is wrong on one agent and for the one who asks. Whether
the resources are there is not judged here: that shows when the operation is applied.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from tepui.master.state import Agent, Framework
from tepui.master.sums import parts_used_on
from tepui.model.operations import APPLICABLE, Operation, without_volumes
from tepui.model.resource_kind import DYNAMIC, STATIC, describe, is_indivisible, reservation_stack
from tepui.model.resource_validation import validate_container_path, validate_disk_use, validate_resources
from tepui.model.resources import Resources
from tepui.model.v1.mesos import Resource, Volume
from tepui.model.values import thousandths

_Type = Operation.Type
_MOUNT = Resource.DiskInfo.Source.Type.MOUNT

MEMBERS: dict[Operation.Type, str] = {
    _Type.RESERVE: "reserve",
    _Type.UNRESERVE: "unreserve",
    _Type.CREATE: "create",
    _Type.DESTROY: "destroy",
    _Type.GROW_VOLUME: "grow_volume",
    _Type.SHRINK_VOLUME: "shrink_volume",
    _Type.CREATE_DISK: "create_disk",
    _Type.DESTROY_DISK: "destroy_disk",
}
"""The member that an operation of each type must have."""

_NO_PROVIDERS = "Resource providers are not supported: the resources must be the agent's own"


class Requester(NamedTuple):
    """Who asks for an operation: a framework, or an operator."""

    framework: Framework | None
    principal: str | None
    """Of an operator only when authenticated."""


def messages_of(operation: Operation) -> list[Resource]:
    """All resources that the operation names."""
    if operation.reserve is not None:
        return [*operation.reserve.source, *operation.reserve.resources]
    if operation.unreserve is not None:
        return operation.unreserve.resources
    if operation.create is not None:
        return operation.create.volumes
    if operation.destroy is not None:
        return operation.destroy.volumes
    if operation.grow_volume is not None:
        return [operation.grow_volume.volume, operation.grow_volume.addition]
    if operation.shrink_volume is not None:
        return [operation.shrink_volume.volume]
    return []


def malformed(operation: Operation) -> str | None:
    """Why the operation cannot be understood: its member is missing, or a resource in it is invalid."""
    kind = operation.type
    name = "" if kind is None else MEMBERS.get(kind, "")
    if kind is None or not name or getattr(operation, name) is None:
        shown = "" if kind is None else kind.value
        article = "An" if shown.startswith("U") else "A"
        return f"{article} {shown} offer operation must have the Offer.Operation.{name} field set."
    messages = messages_of(operation)
    why = validate_resources(messages)
    if why is not None:
        return why
    if any(message.shared is not None and not _is_volume(message) for message in messages):
        return "Only persistent volumes can be shared"
    return None


def invalid(operation: Operation, agent: Agent, requester: Requester) -> str | None:
    """Why a well-formed operation is not allowed on this agent, or not for who asks."""
    kind = operation.type
    if kind is None or kind not in APPLICABLE:
        name = "An operation without a type" if kind is None else kind.value
        return f"{name} needs a resource provider, and resource providers are not supported"
    return _RULES[kind](operation, agent, requester)


def lacks_feedback(operation: Operation, agent: Agent) -> str | None:
    """An operation with an id needs an agent that tells what becomes of it."""
    if operation.id is None or "AGENT_OPERATION_FEEDBACK" in agent.capabilities:
        return None
    return (
        f"Operation on agent default resources requested feedback, but agent {agent.agent_id} "
        "does not have the required AGENT_OPERATION_FEEDBACK capability"
    )


def _is_volume(message: Resource) -> bool:
    return message.disk is not None and message.disk.persistence is not None


def _invalid_resources(messages: Sequence[Resource]) -> str | None:
    """Why valid resources cannot be those of any operation."""
    if not messages:
        return "Invalid resources: The operation names no resources"
    if any(message.provider_id is not None for message in messages):
        return f"Invalid resources: {_NO_PROVIDERS}"
    for message in messages:
        why = validate_disk_use(message)
        if why is not None:
            part = "ReservationInfo" if why.startswith("Dynamically reserved") else "DiskInfo"
            return f"Invalid resources: Invalid {part}: {why}"
    return None


def _is_dynamic(message: Resource) -> bool:
    stack = reservation_stack(message)
    return bool(stack) and stack[-1].type is DYNAMIC


# RESERVE.


def _reserve(operation: Operation, agent: Agent, requester: Requester) -> str | None:
    assert operation.reserve is not None
    messages, source = operation.reserve.resources, operation.reserve.source
    why = _invalid_resources(messages)
    if why is None and source:
        why = _invalid_resources(source) or _invalid_exchange(source, messages)
    if why is not None:
        return why
    for message in messages:
        why = (
            _not_reservable(message, agent)
            or _foreign_reservation(message, requester.principal)
            or _misallocated(message, requester.framework)
        )
        if why is not None:
            return why
    return None


def _invalid_exchange(source: Sequence[Resource], target: Sequence[Resource]) -> str | None:
    """Why the reservation of `source` cannot become that of `target`: they must be the same but for it."""
    before, after = Resources.of(source).toned_down(), Resources.of(target).toned_down()
    if before != after:
        return f"Source and target resources should refer to identical resource quantities: {before} vs. {after}"
    for name, messages in (("source", source), ("resources", target)):
        if len({reservation_stack(message) for message in messages}) > 1:
            return f"Invalid {name}: Mixed reservations are not supported"
    if _static(source) != _static(target):
        return "Invalid source: a static reservation is the agent's own and cannot be changed"
    return None


def _static(messages: Sequence[Resource]) -> tuple[object, ...]:
    return tuple(layer for layer in reservation_stack(messages[0]) if layer.type is STATIC)


def _not_reservable(message: Resource, agent: Agent) -> str | None:
    if not _is_dynamic(message):
        return f"Resource {describe(message)} is not dynamically reserved"
    if _is_volume(message):
        return (
            f"A persistent volume {describe(message)} cannot be reserved. "
            "Please destroy the persistent volume first then reserve the resource"
        )
    stack = reservation_stack(message)
    role = stack[-1].role
    if "/" in role and "HIERARCHICAL_ROLE" not in agent.capabilities:
        return (
            f"Resource {describe(message)} with reservation for hierarchical role '{role}' "
            "cannot be reserved on an agent without HIERARCHICAL_ROLE capability"
        )
    if len(stack) > 1 and "RESERVATION_REFINEMENT" not in agent.capabilities:
        return (
            f"Resource {describe(message)} with reservation refinement "
            "cannot be reserved on an agent without RESERVATION_REFINEMENT capability"
        )
    return None


def _foreign_reservation(message: Resource, principal: str | None) -> str | None:
    if principal is None:
        return None
    reserver = reservation_stack(message)[-1].principal
    if reserver is None:
        return (
            f"A reserve operation was attempted by principal '{principal}', "
            "but there is a reserved resource in the request with no principal set"
        )
    if reserver != principal:
        return (
            f"A reserve operation was attempted by authenticated principal '{principal}', "
            f"which does not match a reserved resource in the request with principal '{reserver}'"
        )
    return None


def _misallocated(message: Resource, framework: Framework | None) -> str | None:
    """A framework reserves what was offered to one of its roles, for that role; an operator what is free."""
    allocated = None if message.allocation_info is None else message.allocation_info.role
    if framework is None:
        if allocated is None:
            return None
        return (
            "A reserve operation was attempted with an allocated resource, "
            "but the operator API only allows reservations to be made to unallocated resources"
        )
    role = reservation_stack(message)[-1].role
    if allocated not in framework.roles:
        return (
            f"A reserve operation was attempted for a resource allocated to role '{allocated}', "
            f"but the framework only has roles '{{ {', '.join(framework.roles)} }}'"
        )
    if role != allocated:
        return (
            f"A reserve operation was attempted for a resource with role '{role}', "
            f"but the resource was allocated to role '{allocated}'"
        )
    return None


# UNRESERVE.


def _unreserve(operation: Operation, _: Agent, __: Requester) -> str | None:
    assert operation.unreserve is not None
    messages = operation.unreserve.resources
    why = _invalid_resources(messages)
    if why is not None:
        return why
    for message in messages:
        if not _is_dynamic(message):
            return f"Resource {describe(message)} is not dynamically reserved"
        if _is_volume(message):
            return (
                f"A dynamically reserved persistent volume {describe(message)} cannot be unreserved directly. "
                "Please destroy the persistent volume first then unreserve the resource"
            )
    return None


# CREATE and DESTROY.


def _not_a_volume(message: Resource) -> str | None:
    disk = message.disk
    if disk is None:
        return f"Resource {describe(message)} does not have DiskInfo"
    if disk.persistence is None:
        return "'persistence' is not set in DiskInfo"
    if disk.volume is None:
        return "Expecting 'volume' to be set for persistent volume"
    if disk.volume.mode is Volume.Mode.RO:
        return "Read-only persistent volume not supported"
    return None


def _not_volumes(messages: Sequence[Resource]) -> str | None:
    for message in messages:
        why = _not_a_volume(message)
        if why is not None:
            return f"Not a persistent volume: {why}"
    return None


def _names(volumes: Iterable[Resource]) -> list[tuple[str, str]]:
    """The role and id of each persistent volume among them."""
    return [
        (reservation_stack(message)[-1].role, message.disk.persistence.id)
        for message in volumes
        if message.disk is not None and message.disk.persistence is not None
    ]


def _create(operation: Operation, agent: Agent, requester: Requester) -> str | None:
    assert operation.create is not None
    volumes = operation.create.volumes
    why = _invalid_resources(volumes) or _not_volumes(volumes)
    if why is not None:
        return why
    taken = {
        (kind.reservation_role, kind.disk.persistence.id)
        for kind, _ in agent.total
        if kind.disk is not None and kind.disk.persistence is not None
    }
    for name in _names(volumes):
        if name in taken:
            return f"Persistence ID '{name[1]}' is not unique"
        taken.add(name)
    for message in volumes:
        why = _not_creatable(message, agent, requester)
        if why is not None:
            return why
    return None


def _not_creatable(message: Resource, agent: Agent, requester: Requester) -> str | None:
    framework = requester.framework
    if message.shared is not None and framework is not None and not framework.has("SHARED_RESOURCES"):
        return (
            f"Create volume operation for '{describe(message)}' has been attempted "
            f"by framework '{framework.framework_id}' with no SHARED_RESOURCES capability"
        )
    if len(reservation_stack(message)) > 1 and "RESERVATION_REFINEMENT" not in agent.capabilities:
        return (
            f"Volume {describe(message)} with reservation refinement "
            "cannot be created on an agent without RESERVATION_REFINEMENT capability"
        )
    if message.disk is None or message.disk.persistence is None or message.disk.volume is None:
        return None
    why = validate_container_path(message.disk.volume.container_path)
    if why is not None:
        return why
    principal = requester.principal
    if principal is None:
        return None
    creator = message.disk.persistence.principal
    if creator is None:
        return (
            f"Create volume operation attempted by principal '{principal}', "
            "but there is a volume in the operation with no principal set in 'disk.persistence'"
        )
    if creator != principal:
        return (
            f"Create volume operation attempted by authenticated principal '{principal}', "
            f"which does not match a volume in the operation with principal '{creator}' set in 'disk.persistence'"
        )
    return None


def _destroy(operation: Operation, agent: Agent, _: Requester) -> str | None:
    assert operation.destroy is not None
    volumes = operation.destroy.volumes
    if not volumes:
        return _invalid_resources(volumes)
    why = _not_volumes(volumes) or _invalid_resources(volumes)
    if why is not None:
        return why
    wanted = [kind for kind, _ in Resources.of(volumes).unallocated()]
    have = {kind for kind, _ in agent.total}
    if any(kind not in have for kind in wanted):
        return "Persistent volumes not found"
    if any(used.unallocated().contains(Resources([(kind, 1)])) for used in _volumes_used(agent) for kind in wanted):
        return "Persistent volumes in use"
    return None


def _volumes_used(agent: Agent) -> Iterable[Resources]:
    """What each task and executor on the agent that has not ended uses, where it is more than plain."""
    return (used for used in parts_used_on(agent) if any(not kind.plain for kind, _ in used))


# GROW_VOLUME and SHRINK_VOLUME.


def _not_resizable(volume: Resource, agent: Agent, member: str, doing: str, done: str) -> str | None:
    why = _not_a_volume(volume) or validate_disk_use(volume)
    if why is not None:
        return f"Invalid persistent volume in the '{member}.volume' field: {why}"
    if volume.shared is not None:
        return f"{doing} a shared persistent volume is not supported"
    if volume.provider_id is not None:
        return f"{doing} a volume from a resource provider is not supported"
    if "RESIZE_VOLUME" not in agent.capabilities:
        return f"Volume {describe(volume)} cannot be {done} on an agent without RESIZE_VOLUME capability"
    return None


def _grow_volume(operation: Operation, agent: Agent, _: Requester) -> str | None:
    assert operation.grow_volume is not None
    volume, addition = operation.grow_volume.volume, operation.grow_volume.addition
    why = _not_resizable(volume, agent, "GrowVolume", "Growing", "grown")
    if why is not None:
        return why
    more = Resources.of([addition])
    if not more:
        return "The size of 'GrowVolume.addition' field must be greater than zero"
    if is_indivisible(addition.disk) or [kind for kind, _ in more] != [
        kind for kind, _ in without_volumes(Resources.of([volume]))
    ]:
        return "Incompatible resources in the 'GrowVolume.volume' and 'GrowVolume.addition' fields"
    return None


def _shrink_volume(operation: Operation, agent: Agent, _: Requester) -> str | None:
    assert operation.shrink_volume is not None
    volume, subtract = operation.shrink_volume.volume, operation.shrink_volume.subtract.value
    why = _not_resizable(volume, agent, "ShrinkVolume", "Shrinking", "shrunk")
    if why is not None:
        return why
    size = 0.0 if volume.scalar is None else volume.scalar.value
    if not subtract > 0:
        return "Value of 'ShrinkVolume.subtract' must be greater than zero"
    if subtract >= size or thousandths(subtract) >= thousandths(size):
        return "Value of 'ShrinkVolume.subtract' must be smaller than the size of 'ShrinkVolume.volume'"
    if thousandths(subtract) == 0:
        return "Value of 'ShrinkVolume.subtract' must be greater than zero"
    if volume.disk is not None and volume.disk.source is not None and volume.disk.source.type is _MOUNT:
        return "Shrinking a volume on a MOUNT disk is not supported"
    return None


_RULES: dict[Operation.Type, Callable[[Operation, Agent, Requester], str | None]] = {
    _Type.RESERVE: _reserve,
    _Type.UNRESERVE: _unreserve,
    _Type.CREATE: _create,
    _Type.DESTROY: _destroy,
    _Type.GROW_VOLUME: _grow_volume,
    _Type.SHRINK_VOLUME: _shrink_volume,
}

"""What makes a v1 Resource message wrong, in one sentence each (Mesos: rules of resource values and reservations)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import isinf, isnan

from tepui.model.resource_kind import (
    DYNAMIC,
    RANGES,
    SCALAR,
    SET,
    STATIC,
    Reservation,
    describe,
    reservation_stack,
)
from tepui.model.roles import DEFAULT_ROLE, is_descendant, validate_role
from tepui.model.v1.mesos import Resource, Value
from tepui.model.values import SCALAR_MAX, UINT64_MAX

PERSISTENCE_ID_BYTES_MAX = 255
_SMALLEST_NORMAL = 2.2250738585072014e-308
_SourceType = Resource.DiskInfo.Source.Type


class ResourceError(ValueError):
    """A resource that is not valid; the message is a sentence for the one who sent it."""


def validate_resources(messages: Sequence[Resource]) -> str | None:
    """Why the first invalid one is invalid, naming it; None when all are valid."""
    for message in messages:
        why = validate_resource(message)
        if why is not None:
            return f"Resource '{describe(message)}' is invalid: {why}"
    return None


def validate_resource(message: Resource) -> str | None:
    """Why a message is invalid; None when it is valid."""
    if not message.name:
        return "Empty resource name"
    why = _validate_value(message)
    if why is not None:
        return why
    if message.disk is not None:
        why = _validate_disk(message, message.disk)
        if why is not None:
            return why
    return _validate_reservations(message)


def _validate_value(message: Resource) -> str | None:
    value_type = message.type
    if value_type not in (SCALAR, RANGES, SET):
        return "Unsupported resource type"
    given = (message.scalar is not None, message.ranges is not None, message.set is not None)
    if given != (value_type is SCALAR, value_type is RANGES, value_type is SET):
        word = value_type.value.lower()
        return f"Invalid {word} resource: expecting exactly '{word}' to be present"
    if message.scalar is not None:
        why = validate_scalar(message.scalar.value)
        if why is not None:
            return f"Invalid scalar resource: {why}"
        if message.name == "gpus" and message.scalar.value % 1:
            return "The 'gpus' resource must be an unsigned integer"
    if message.ranges is not None:
        why = _validate_ranges(message.ranges.range)
        if why is not None:
            return f"Invalid ranges resource: {why}"
    if message.set is not None and len(set(message.set.item)) != len(message.set.item):
        return "Invalid set resource: duplicated elements"
    return None


def validate_scalar(value: float) -> str | None:
    """Why `value` cannot be an amount; None when it can."""
    if isnan(value):
        return "value is not a number"
    if value < 0:
        return "value < 0"
    if isinf(value):
        return "value is infinite"
    if 0 < value < _SMALLEST_NORMAL:
        return "value is subnormal"
    if 0 < value * 1000 < 0.5:
        return "value is not zero, but rounds to zero at a precision of 0.001"
    if value > SCALAR_MAX:
        return f"value > {SCALAR_MAX}"
    return None


def _validate_ranges(ranges: Sequence[Value.Range]) -> str | None:
    for part in ranges:
        if part.begin > part.end:
            return "begin > end"
        if part.begin < 0 or part.end > UINT64_MAX:
            return "not an unsigned 64-bit number"
    pairs = sorted((part.begin, part.end) for part in ranges)
    for before, after in pairwise(pairs):
        if after[0] <= before[1]:
            return "overlapping ranges"
    return None


def _validate_disk(message: Resource, disk: Resource.DiskInfo) -> str | None:
    if message.name != "disk":
        return f"DiskInfo should not be set for {message.name} resource"
    if message.type is not SCALAR:
        return "DiskInfo should not be set for a resource that is not a scalar"
    source = disk.source
    if source is None:
        return None
    if source.type is _SourceType.UNKNOWN:
        return f"Unsupported 'DiskInfo.Source.Type' in '{describe(message)}'"
    if source.path is not None and source.type is not _SourceType.PATH:
        return f"'path' is set for a disk source of type {source.type.value}"
    if source.mount is not None and source.type is not _SourceType.MOUNT:
        return f"'mount' is set for a disk source of type {source.type.value}"
    return None


def _validate_reservations(message: Resource) -> str | None:
    if message.reservation is None and not message.reservations and message.role in (None, DEFAULT_ROLE):
        return None
    if message.role == "":
        return "Invalid reservation: role is empty"
    if message.reservations:
        why = _validate_stack(message)
        return why if why is not None else _validate_agreement(message)
    if message.role in (None, DEFAULT_ROLE):
        return 'Invalid reservation: role "*" cannot be dynamically reserved'
    return _validate_role_name(message.role)


def _validate_stack(message: Resource) -> str | None:
    above: str | None = None
    for layer in message.reservations:
        if layer.type not in (STATIC, DYNAMIC):
            return "Invalid reservation: 'type' must be STATIC or DYNAMIC"
        if not layer.role:
            return "Invalid reservation: 'role' must be set"
        if layer.role == DEFAULT_ROLE:
            return 'Invalid reservation: role "*" cannot be reserved'
        why = _validate_role_name(layer.role)
        if why is not None:
            return why
        if above is not None:
            if layer.type is STATIC:
                return "Invalid refined reservation: a refined reservation cannot be STATIC"
            if not is_descendant(layer.role, above):
                return f"Invalid refined reservation: role '{layer.role}' is not a refinement of '{above}'"
        above = layer.role
    return None


def _validate_role_name(role: str | None) -> str | None:
    why = None if role is None else validate_role(role)
    return None if why is None else f"Invalid reservation: {why}"


def _validate_agreement(message: Resource) -> str | None:
    """`role` and `reservation`, given beside the stack, must say the same."""
    if message.role is None and message.reservation is None:
        return None
    single = Resource(name=message.name, type=message.type, role=message.role, reservation=message.reservation)
    stack = reservation_stack(message)
    said: tuple[Reservation, ...] = reservation_stack(single)
    if said != stack and not (message.role is None and said == () and len(stack) == 1):
        return "Invalid resource format: 'role' and 'reservation' do not agree with 'reservations'"
    return None


# What tasks and executors need beyond validity.


def validate_used_resources(messages: Sequence[Resource]) -> str | None:
    """Why valid resources cannot be used by one task or executor; None when they can."""
    revocable: dict[str, bool] = {}
    roles: list[str] = []
    for message in messages:
        why = validate_disk_use(message)
        if why is not None:
            return why
        is_revocable = message.revocable is not None
        if revocable.setdefault(message.name, is_revocable) != is_revocable:
            return f"Cannot use both revocable and non-revocable '{message.name}' at the same time"
        role = None if message.allocation_info is None else message.allocation_info.role
        if role is None:
            return f"The resources are not allocated to a role: {describe(message)}"
        if role not in roles:
            roles.append(role)
        if len(roles) > 1:
            return f"The resources have multiple allocation roles ('{roles[0]}' and '{roles[1]}'): only one is allowed"
    return _validate_unique_volumes(messages)


def validate_disk_use(message: Resource) -> str | None:
    """Why a valid resource is a volume, or reserved, in a way that nobody can use; None when it can be used."""
    stack = reservation_stack(message)
    if message.revocable is not None and stack and stack[-1].type is DYNAMIC:
        return f"Dynamically reserved resource {describe(message)} cannot be created from revocable resources"
    disk = message.disk
    if disk is None:
        return None if message.shared is None else "Only persistent volumes can be shared"
    if disk.persistence is not None:
        if not stack:
            return "Persistent volumes cannot be created from unreserved resources"
        if message.revocable is not None:
            return "Persistent volumes cannot be created from revocable resources"
        if disk.volume is None:
            return "Expecting 'volume' to be set for persistent volume"
        if disk.volume.host_path is not None:
            return "Expecting 'host_path' to be unset for persistent volume"
        return _validate_persistence_id(disk.persistence.id)
    if disk.volume is not None:
        return "Non-persistent volume not supported"
    if disk.source is None:
        return "DiskInfo is set but empty"
    return None if message.shared is None else "Only persistent volumes can be shared"


def _validate_persistence_id(name: str) -> str | None:
    """It is the name of a directory."""
    why = None
    if not name:
        why = "ID must not be empty"
    elif len(name.encode()) > PERSISTENCE_ID_BYTES_MAX:
        why = f"ID must not be greater than {PERSISTENCE_ID_BYTES_MAX} characters"
    elif name in (".", ".."):
        why = f"'{name}' is disallowed"
    elif any(character in "/\\" or ord(character) < 32 or ord(character) == 127 for character in name):
        why = f"'{name}' contains invalid characters"
    return None if why is None else f"Invalid persistence ID for persistent volume: {why}"


def validate_container_path(path: str) -> str | None:
    """Why no task could see a persistent volume at this path of its container. Mesos takes any: some of its agents
    mount volumes into images."""
    if "\0" not in path and all(part not in ("", ".", "..") for part in path.rstrip("/").split("/")):
        return None
    return (
        f"The container_path '{path}' of a persistent volume must be a path inside the sandbox, such as 'data': "
        "there are no container images into which it could be mounted"
    )


def _validate_unique_volumes(messages: Sequence[Resource]) -> str | None:
    seen: set[tuple[str, str]] = set()
    for message in messages:
        if message.disk is None or message.disk.persistence is None:
            continue
        name = (reservation_stack(message)[-1].role, message.disk.persistence.id)
        if name in seen:
            return f"Persistence ID '{name[1]}' is not unique"
        seen.add(name)
    return None

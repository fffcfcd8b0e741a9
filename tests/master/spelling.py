"""How plays spell resources, descriptions of frameworks and executors, and operations."""

from __future__ import annotations

import json
import re
import shlex
from typing import Any

import msgspec

from tepui.model.v1 import mesos
from tepui.model.v1.mesos import CommandInfo, ExecutorID, ExecutorInfo, FrameworkInfo, Resource, Value, Volume

BEGIN = 1_000_000_000.0
"""When plays begin, in seconds since the epoch."""
Operation = mesos.Offer.Operation
Words = list[str]
Options = dict[str, str]

_ENTRY = re.compile(
    r"(?P<name>\w+)(\((?P<stack>[^)]*)\))?(\^(?P<root>/\w+)(?P<whole>!)?)?(#(?P<volume>[^{&:]+))?(?P<shared>&)?"
    r"(\{(?P<role>[^}]*)\})?:(?P<amount>.*)"
)


def resources(text: str) -> list[Resource]:
    """`cpus:4;ports:[1-2]` as messages.

    `cpus{role}:4` names the allocation role, `cpus(a,+a/b@p):4` reservations (those with a plus are dynamic, perhaps by
    a principal), `disk^/p:9` a PATH disk and `disk^/m!:9` a MOUNT disk, `disk#v@p:9` a persistent volume of
    a creator, which is shared when `&` follows.
    """
    return [_resource(part) for part in filter(None, text.split(";"))]


def _resource(text: str) -> Resource:
    match = _ENTRY.fullmatch(text)
    assert match is not None, f"no resource: {text}"
    amount = match["amount"]
    kind = Value.Type.RANGES if amount.startswith("[") else Value.Type.SCALAR
    message = Resource(name=match["name"], type=kind)
    if kind is Value.Type.RANGES:
        pairs = [pair.split("-") for pair in amount.strip("[]").split(",")]
        message.ranges = Value.Ranges(range=[Value.Range(begin=int(a), end=int(b)) for a, b in pairs])
    else:
        message.scalar = Value.Scalar(value=float(amount))
    for layer in filter(None, (match["stack"] or "").split(",")):
        role, _, principal = layer.removeprefix("+").partition("@")
        types = Resource.ReservationInfo.Type
        message.reservations.append(
            Resource.ReservationInfo(
                type=types.DYNAMIC if layer.startswith("+") else types.STATIC, role=role, principal=principal or None
            )
        )
    if match["root"] is not None or match["volume"] is not None:
        message.disk = _disk(match["root"], match["whole"] is not None, match["volume"])
    if match["shared"] is not None:
        message.shared = Resource.SharedInfo()
    if match["role"]:
        message.allocation_info = Resource.AllocationInfo(role=match["role"])
    return message


def _disk(root: str | None, whole: bool, volume: str | None) -> Resource.DiskInfo:
    disk = Resource.DiskInfo()
    source = Resource.DiskInfo.Source
    if root is not None and whole:
        disk.source = source(type=source.Type.MOUNT, mount=source.Mount(root=root))
    elif root is not None:
        disk.source = source(type=source.Type.PATH, path=source.Path(root=root))
    if volume is not None:
        name, _, principal = volume.partition("@")
        disk.persistence = Resource.DiskInfo.Persistence(id=name, principal=principal or None)
        disk.volume = Volume(mode=Volume.Mode.RW, container_path="data")
    return disk


def parse(line: str) -> tuple[Words, Options]:
    words: Words = []
    options: Options = {}
    for part in shlex.split(line):
        name, equals, value = part.partition("=")
        if equals and name.isidentifier():
            options[name] = value
        else:
            words.append(part)
    return words, options


def merged(message: Any, text: str | None) -> Any:
    """The message with a JSON object laid over it."""
    if text is None:
        return message
    data = msgspec.to_builtins(message)
    data.update(json.loads(text))
    return msgspec.convert(data, type(message))


def machines(text: str) -> list[mesos.MachineID]:
    """`HOST@IP,...`; either part may be empty."""
    parts = [part.partition("@") for part in text.split(",") if part]
    return [mesos.MachineID(hostname=host or None, ip=ip or None) for host, _, ip in parts]


def uuid_of(name: str) -> bytes:
    return name.encode().ljust(16, b".")


def framework_info(options: Options) -> FrameworkInfo:
    kinds = FrameworkInfo.Capability.Type
    roles = options.get("roles", "a").split(",")
    capabilities = ["MULTI_ROLE", *filter(None, options.get("capabilities", "").split(","))]
    info = FrameworkInfo(
        user=options.get("user", "alice"),
        name=options.get("name", "f"),
        roles=[role for role in roles if role],
        checkpoint=options.get("checkpoint") == "yes",
        failover_timeout=float(options.get("failover_timeout", "0")),
        principal=options.get("info_principal"),
        webui_url=options.get("webui_url"),
    )
    if "role" in options:
        info.roles, info.role = [], options["role"]
        capabilities = capabilities[1:]
    info.capabilities = [FrameworkInfo.Capability(type=kinds[name]) for name in capabilities]
    if "minimum" in options:
        quantities = {
            name: Value.Scalar(value=float(amount))
            for name, amount in (part.split(":") for part in options["minimum"].split(";"))
        }
        filters = mesos.OfferFilters(
            min_allocatable_resources=mesos.OfferFilters.MinAllocatableResources(
                quantities=[mesos.OfferFilters.ResourceQuantities(quantities=quantities)]
            )
        )
        info.offer_filters = dict.fromkeys(info.roles, filters)
    return info


def executor_info(name: str, options: Options) -> ExecutorInfo:
    return ExecutorInfo(
        type=ExecutorInfo.Type[options.get("type", "CUSTOM")],
        executor_id=ExecutorID(value=name),
        command=CommandInfo(value=options.get("command", f"./{name}")) if options.get("type") != "DEFAULT" else None,
        resources=resources(options.get("executor_resources", "cpus:0.1;mem:32")),
    )


def conversion(operation: Operation, words: Words) -> Operation:
    """`reserve WHAT [FROM]`, `unreserve WHAT`, `create WHAT`, `destroy WHAT`, `grow_volume VOLUME MORE`,
    `shrink_volume VOLUME LESS`; without words the operation has no member."""
    kind, *what = words
    if not what:
        return operation
    first = resources(what[0])
    if kind == "reserve":
        source = resources(what[1]) if len(what) > 1 else []
        operation.reserve = Operation.Reserve(source=source, resources=first)
    elif kind == "unreserve":
        operation.unreserve = Operation.Unreserve(resources=first)
    elif kind == "create":
        operation.create = Operation.Create(volumes=first)
    elif kind == "destroy":
        operation.destroy = Operation.Destroy(volumes=first)
    elif kind == "grow_volume":
        operation.grow_volume = Operation.GrowVolume(volume=first[0], addition=resources(what[1])[0])
    elif kind == "shrink_volume":
        less = Value.Scalar(value=float(what[1]))
        operation.shrink_volume = Operation.ShrinkVolume(volume=first[0], subtract=less)
    return operation

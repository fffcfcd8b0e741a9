"""How plays spell resources."""

from __future__ import annotations

import re

from tepui.model.v1.mesos import Resource, Value, Volume

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

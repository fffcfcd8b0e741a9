"""Valid v1 resources for property tests: every sort of entry that combines in its own way."""

from __future__ import annotations

from hypothesis import strategies as st

from tepui.model.resources import Resources
from tepui.model.v1.mesos import Label, Labels, Resource, ResourceProviderID, Value, Volume

DYNAMIC = Resource.ReservationInfo.Type.DYNAMIC
STATIC = Resource.ReservationInfo.Type.STATIC
Source = Resource.DiskInfo.Source

scalars = st.integers(min_value=1, max_value=5_000).map(lambda thousandths: thousandths / 1000)


def scalar(name: str, value: float) -> Resource:
    return Resource(name=name, type=Value.Type.SCALAR, scalar=Value.Scalar(value=value))


def ranges(name: str, *pairs: tuple[int, int]) -> Resource:
    parts = [Value.Range(begin=begin, end=end) for begin, end in pairs]
    return Resource(name=name, type=Value.Type.RANGES, ranges=Value.Ranges(range=parts))


def items(name: str, *names: str) -> Resource:
    return Resource(name=name, type=Value.Type.SET, set=Value.Set(item=list(names)))


def reservation(
    role: str, kind: Resource.ReservationInfo.Type = DYNAMIC, principal: str | None = None, labels: Labels | None = None
) -> Resource.ReservationInfo:
    return Resource.ReservationInfo(type=kind, role=role, principal=principal, labels=labels)


def volume(name: str, value: float, role: str = "eng", path: str = "data") -> Resource:
    """A persistent volume on the root disk."""
    resource = scalar("disk", value)
    resource.reservations = [reservation(role)]
    resource.disk = Resource.DiskInfo(
        persistence=Resource.DiskInfo.Persistence(id=name),
        volume=Volume(mode=Volume.Mode.RW, container_path=path),
    )
    return resource


stacks = st.sampled_from(
    [
        [],
        [],
        [reservation("eng", STATIC)],
        [reservation("eng")],
        [reservation("eng", principal="p", labels=Labels(labels=[Label(key="k", value="v"), Label(key="a")]))],
        [reservation("eng", STATIC), reservation("eng/web")],
    ]
)


@st.composite
def plain(draw: st.DrawFn) -> Resource:
    """Divisible: a scalar, ranges or a set, perhaps reserved, revocable, of a provider."""
    which = draw(st.sampled_from(["scalar", "scalar", "ranges", "set"]))
    if which == "scalar":
        resource = scalar(draw(st.sampled_from(["cpus", "mem", "disk"])), draw(scalars))
    elif which == "ranges":
        starts = draw(st.lists(st.integers(0, 30), min_size=1, max_size=4, unique=True))
        resource = ranges("ports", *((3 * start, 3 * start + draw(st.integers(0, 2))) for start in starts))
    else:
        resource = items("zones", *draw(st.lists(st.sampled_from("abcde"), min_size=1, unique=True)))
    resource.reservations = draw(stacks)
    if draw(st.integers(0, 5)) == 0:
        resource.revocable = Resource.RevocableInfo()
    if draw(st.integers(0, 7)) == 0:
        resource.provider_id = ResourceProviderID(value="provider")
    if draw(st.integers(0, 3)) == 0:
        resource.allocation_info = Resource.AllocationInfo(role="eng/web")
    return resource


@st.composite
def disks(draw: st.DrawFn) -> Resource:
    """Disks: divisible (PATH), or only whole (MOUNT, persistent, shared)."""
    resource = scalar("disk", draw(scalars))
    resource.reservations = [reservation("eng")]
    which = draw(st.sampled_from(["path", "mount", "volume", "shared"]))
    if which == "path":
        resource.disk = Resource.DiskInfo(source=Source(type=Source.Type.PATH, path=Source.Path(root="/p")))
    elif which == "mount":
        resource.disk = Resource.DiskInfo(source=Source(type=Source.Type.MOUNT, mount=Source.Mount(root="/m")))
    else:
        resource = volume(draw(st.sampled_from("vw")), draw(scalars))
        if which == "shared":
            resource.shared = Resource.SharedInfo()
    return resource


messages = st.lists(st.one_of(plain(), plain(), plain(), disks()), max_size=6)
resources = messages.map(Resources.of)


@st.composite
def divisible(draw: st.DrawFn) -> Resources:
    """Of scalars only, for which adding never loses what was there."""
    found = draw(st.lists(plain().filter(lambda resource: resource.scalar is not None), max_size=5))
    return Resources.of(found)

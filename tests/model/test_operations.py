"""What operations do to resources, in the printed form, and that it can be undone and remembered."""

from __future__ import annotations

from copy import deepcopy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tepui.model.operations import Operation, apply_checkpointed, checkpointed, conversion, needs_checkpoint
from tepui.model.resources import ResourceError, Resources
from tepui.model.v1.mesos import Resource, Value

from .strategies import Source, reservation, resources, scalar, volume

Type = Operation.Type


def reserved(resource: Resource, *roles: str) -> Resource:
    result = deepcopy(resource)
    result.reservations = [reservation(role) for role in roles]
    return result


def shown(operation: Operation, allocate_to: str | None = None) -> str:
    consumed, converted = conversion(operation, allocate_to)
    return f"{consumed} -> {converted}"


def test_reserve_takes_what_lies_below_the_last_layer() -> None:
    plain = Operation(type=Type.RESERVE, reserve=Operation.Reserve(resources=[reserved(scalar("cpus", 2), "eng")]))
    assert shown(plain, "eng") == "cpus(allocated: eng):2 -> cpus(allocated: eng)(reservations: [(DYNAMIC,eng)]):2"
    refined = reserved(scalar("cpus", 2), "eng", "eng/web")
    assert shown(Operation(type=Type.RESERVE, reserve=Operation.Reserve(resources=[refined]))) == (
        "cpus(reservations: [(DYNAMIC,eng)]):2 -> cpus(reservations: [(DYNAMIC,eng),(DYNAMIC,eng/web)]):2"
    )
    assert shown(Operation(type=Type.UNRESERVE, unreserve=Operation.Unreserve(resources=[refined]))) == (
        "cpus(reservations: [(DYNAMIC,eng),(DYNAMIC,eng/web)]):2 -> cpus(reservations: [(DYNAMIC,eng)]):2"
    )


def test_reserve_with_a_source_exchanges_the_reservation() -> None:
    reserve = Operation.Reserve(
        source=[reserved(scalar("cpus", 2), "ops")], resources=[reserved(scalar("cpus", 2), "eng")]
    )
    assert shown(Operation(type=Type.RESERVE, reserve=reserve)) == (
        "cpus(reservations: [(DYNAMIC,ops)]):2 -> cpus(reservations: [(DYNAMIC,eng)]):2"
    )


def test_a_volume_is_made_of_the_disk_below_it() -> None:
    path, mount = volume("p", 10), volume("m", 20)
    assert path.disk is not None
    assert mount.disk is not None
    path.disk.source = Source(type=Source.Type.PATH, path=Source.Path(root="/p"))
    mount.disk.source = Source(type=Source.Type.MOUNT, mount=Source.Mount(root="/m"))
    shared = volume("s", 30)
    shared.shared = Resource.SharedInfo()
    create = Operation(type=Type.CREATE, create=Operation.Create(volumes=[path, mount, shared]))
    consumed, converted = conversion(create)
    assert str(consumed) == (
        "disk(reservations: [(DYNAMIC,eng)])[PATH:/p]:10; disk(reservations: [(DYNAMIC,eng)])[MOUNT:/m]:20; "
        "disk(reservations: [(DYNAMIC,eng)]):30"
    )
    assert str(converted) == (
        "disk(reservations: [(DYNAMIC,eng)])[PATH:/p,p:data]:10; "
        "disk(reservations: [(DYNAMIC,eng)])[MOUNT:/m,m:data]:20; "
        "disk(reservations: [(DYNAMIC,eng)])[s:data]<SHARED>:30"
    )
    destroy = Operation(type=Type.DESTROY, destroy=Operation.Destroy(volumes=[path, mount, shared]))
    assert conversion(destroy) == (converted, consumed)


def test_volumes_grow_and_shrink() -> None:
    grow = Operation.GrowVolume(volume=volume("v", 10), addition=reserved(scalar("disk", 5), "eng"))
    assert shown(Operation(type=Type.GROW_VOLUME, grow_volume=grow)) == (
        "disk(reservations: [(DYNAMIC,eng)])[v:data]:10; disk(reservations: [(DYNAMIC,eng)]):5 -> "
        "disk(reservations: [(DYNAMIC,eng)])[v:data]:15"
    )
    shrink = Operation.ShrinkVolume(volume=volume("v", 10), subtract=Value.Scalar(value=4))
    assert shown(Operation(type=Type.SHRINK_VOLUME, shrink_volume=shrink)) == (
        "disk(reservations: [(DYNAMIC,eng)])[v:data]:10 -> "
        "disk(reservations: [(DYNAMIC,eng)])[v:data]:6; disk(reservations: [(DYNAMIC,eng)]):4"
    )


@pytest.mark.parametrize("operation", [Operation(), Operation(type=Type.RESERVE), Operation(type=Type.CREATE_DISK)])
def test_other_operations_have_no_conversion(operation: Operation) -> None:
    with pytest.raises(ResourceError, match="not an operation that can be applied"):
        conversion(operation)


@given(resources)
def test_what_an_agent_remembers_gives_back_all_that_it_has(total: Resources) -> None:
    """Whatever the reservations and volumes are, the total is the static resources with what is remembered applied."""
    # Scalars: two reservations of one item of a set, or of one port, cannot be.
    total = total.filter(lambda kind: not kind.revocable and kind.type is Value.Type.SCALAR).unallocated()
    remembered = checkpointed(total)
    static = total - remembered
    for kind, amount in remembered:
        one = Resources([(kind, amount)])
        destroyed = one
        if kind.disk is not None and kind.disk.persistence is not None:
            destroyed = conversion(
                Operation(type=Type.DESTROY, destroy=Operation.Destroy(volumes=one.messages()))
            ).converted
        while any(needs_checkpoint(each) for each, _ in destroyed):
            destroyed = destroyed.without_last_reservation()
        static = static + destroyed
    assert apply_checkpointed(static, remembered).quantities() == total.quantities()
    assert checkpointed(apply_checkpointed(static, remembered)) == remembered


def test_what_is_remembered_must_fit() -> None:
    with pytest.raises(ResourceError, match=r"cpus.*:2 is checkpointed but cpus:2 is not in what is left .*: cpus:1"):
        apply_checkpointed(Resources.of([scalar("cpus", 1)]), Resources.of([reserved(scalar("cpus", 2), "eng")]))
    with pytest.raises(ResourceError, match="neither dynamically reserved nor a persistent volume"):
        apply_checkpointed(Resources.of([scalar("cpus", 1)]), Resources.of([scalar("cpus", 1)]))


@given(st.sampled_from(["eng", "eng/web"]), resources)
def test_the_agent_does_the_same_without_allocations(role: str, given: Resources) -> None:
    unreserve = Operation(
        type=Type.UNRESERVE, unreserve=Operation.Unreserve(resources=given.unallocated().reserved().messages())
    )
    assert conversion(unreserve, role).unallocated() == conversion(unreserve)

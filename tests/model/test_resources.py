"""Exact resources: the arithmetic's laws, the rules of what combines, and the forms in and out."""

from __future__ import annotations

import copy
import operator
import pickle
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tepui.model.resource_kind import Kind
from tepui.model.resources import Reservation, ReservationForm, ResourceError, Resources
from tepui.model.v1.mesos import Label, Labels, Resource, Value
from tepui.model.values import as_float, merge_ranges, ranges_contain, subtract_ranges, thousandths
from tepui.wire.text import parse_resources

from .strategies import (
    DYNAMIC,
    STATIC,
    Source,
    divisible,
    items,
    messages,
    ranges,
    reservation,
    resources,
    scalar,
    volume,
)

# Laws.


@given(divisible(), divisible())
def test_what_was_added_can_be_taken_away_again(a: Resources, b: Resources) -> None:
    assert (a + b) - b == a
    assert (a + b) - a == b


@given(resources, resources)
def test_what_was_taken_away_can_be_added_again(a: Resources, b: Resources) -> None:
    whole = a + b
    assert whole.contains(a)
    assert whole.contains(b)
    assert (whole - a) + a == whole


@given(resources, resources, resources)
def test_adding_does_not_depend_on_the_order(a: Resources, b: Resources, c: Resources) -> None:
    assert a + b == b + a
    assert (a + b) + c == a + (b + c)


@given(resources, resources, resources)
def test_containing_is_a_partial_order(a: Resources, b: Resources, c: Resources) -> None:
    assert a.contains(a)
    assert a.contains(Resources.NONE)
    if a.contains(b) and b.contains(a):
        assert a == b
    if a.contains(b) and b.contains(c):
        assert a.contains(c)


@given(resources, resources)
def test_taking_away_fails_exactly_when_it_is_not_contained(a: Resources, b: Resources) -> None:
    if a.contains(b):
        assert a - b == a.without(b)
    else:
        with pytest.raises(ValueError, match="does not contain"):
            a - b
        assert a.contains(a.without(b))


@given(resources, resources)
def test_nothing_that_is_empty_remains(a: Resources, b: Resources) -> None:
    assert all(amount for _, amount in (a + b).without(b))
    assert not (a - a)
    assert (a - a) == Resources.NONE


@given(resources)
def test_values_are_never_changed_by_what_is_done_with_them(a: Resources) -> None:
    before = str(a)
    assert (a + a).without(a) is not a
    a.without(a)
    a.allocated("r")
    a.unallocated()
    a.quantities()
    assert str(a) == before


@given(resources)
def test_selections_part_the_whole(a: Resources) -> None:
    assert a.reserved() + a.unreserved() == a
    assert a.revocable() + a.non_revocable() == a
    assert a.shared() + a.non_shared() == a
    assert sum(a.allocations().values(), Resources.NONE) == a
    assert sum(a.reservations().values(), a.unreserved()) == a


@given(st.lists(st.integers(1, 10_000), min_size=1, max_size=50))
def test_thousandths_never_drift(amounts: list[int]) -> None:
    total = Resources.NONE
    for amount in amounts:
        total += Resources.of([scalar("cpus", amount / 1000)])
    assert total.scalar("cpus") == sum(amounts)
    assert total.messages()[0].scalar == Value.Scalar(value=sum(amounts) / 1000)


@given(st.integers(-(2**51), 2**51))
def test_a_thousandth_survives_the_way_through_a_double(amount: int) -> None:
    assert thousandths(as_float(amount)) == amount


numbers = st.sets(st.integers(0, 40))


def _ranges(of: set[int]) -> tuple[tuple[int, int], ...]:
    return merge_ranges((number, number) for number in of)


@given(numbers, numbers)
def test_ranges_behave_as_the_sets_of_their_numbers(a: set[int], b: set[int]) -> None:
    assert merge_ranges(_ranges(a) + _ranges(b)) == _ranges(a | b)
    assert subtract_ranges(_ranges(a), _ranges(b)) == _ranges(a - b)
    assert ranges_contain(_ranges(a), _ranges(b)) == (a >= b)
    assert all(after[0] > before[1] + 1 for before, after in pairwise(_ranges(a)))


# Rounding.


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.0005, 1),
        (0.00049999, 0),
        (-0.0005, -1),
        (2.5, 2500),
        (0.1 + 0.2, 300),
        (1.0015, 1002),
        (3.9999, 4000),
        (2.0, 2000),
    ],
)
def test_scalars_are_rounded_half_away_from_zero(value: float, expected: int) -> None:
    assert thousandths(value) == expected


# What combines.


def _of(*given_messages: Resource) -> Resources:
    return Resources.of(given_messages)


def test_equal_entries_merge_and_keep_their_place() -> None:
    total = _of(scalar("cpus", 1), scalar("mem", 64), scalar("cpus", 0.5))
    assert str(total) == "cpus:1.5; mem:64"
    assert str(total + _of(scalar("disk", 1), scalar("cpus", 1))) == "cpus:2.5; mem:64; disk:1"
    assert str(total - _of(scalar("cpus", 1.5))) == "mem:64"


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "mem"},
        {"allocation_info": Resource.AllocationInfo(role="a")},
        {"reservations": [reservation("a")]},
        {"reservations": [reservation("a", STATIC)]},
        {"reservations": [reservation("a", principal="p")]},
        {"reservations": [reservation("a", labels=Labels(labels=[Label(key="k")]))]},
        {"revocable": Resource.RevocableInfo()},
    ],
)
def test_entries_that_differ_do_not_combine(changes: dict[str, object]) -> None:
    one = scalar("cpus", 1)
    other = msgspec.structs.replace(one, **changes)
    assert len(_of(one, other)) == 2
    assert not _of(one).contains(_of(other))


def test_the_order_of_labels_does_not_matter() -> None:
    labels = [Label(key="a", value="1"), Label(key="b")]
    one, other = scalar("cpus", 1), scalar("cpus", 1)
    one.reservations = [reservation("r", labels=Labels(labels=labels))]
    other.reservations = [reservation("r", labels=Labels(labels=labels[::-1]))]
    assert _of(one) == _of(other)


def test_a_persistent_volume_is_taken_whole_or_not_at_all() -> None:
    held = _of(volume("v", 100))
    assert not held.contains(_of(volume("v", 50)))
    assert not held.contains(_of(volume("w", 100)))
    assert held - _of(volume("v", 100)) == Resources.NONE
    assert len((held + held).messages()) == 2


def test_each_user_of_a_volume_chooses_where_to_mount_it() -> None:
    held = _of(volume("v", 100, path="data"))
    assert held.contains(_of(volume("v", 100, path="elsewhere")))
    assert held - _of(volume("v", 100, path="elsewhere")) == Resources.NONE


@pytest.mark.parametrize(
    ("source", "can_be_parted"),
    [
        (Source(type=Source.Type.PATH, path=Source.Path(root="/p")), True),
        (Source(type=Source.Type.MOUNT, mount=Source.Mount(root="/m")), False),
        (Source(type=Source.Type.BLOCK, id="b"), False),
        (Source(type=Source.Type.RAW, id="r"), False),
        (Source(type=Source.Type.RAW, profile="fast"), True),
    ],
)
def test_disks_are_divisible_by_their_source(source: Resource.DiskInfo.Source, can_be_parted: bool) -> None:
    whole, part = scalar("disk", 100), scalar("disk", 40)
    whole.disk = part.disk = Resource.DiskInfo(source=source)
    assert _of(whole).contains(_of(part)) is can_be_parted
    assert len((_of(whole) + _of(whole)).messages()) == (1 if can_be_parted else 2)
    assert (_of(whole) + _of(whole)).scalar("disk") == 200_000


def test_shared_entries_are_counted_in_copies_but_once_in_size() -> None:
    one = volume("v", 100)
    one.shared = Resource.SharedInfo()
    twice = _of(one, one)
    assert len(twice.messages()) == 2
    assert twice.scalar("disk") == 100_000
    assert twice - _of(one) == _of(one)
    assert twice.contains(_of(one))
    assert not _of(one).contains(twice)


# Allocation and selection.


def test_allocation_puts_a_role_on_everything_and_takes_it_off() -> None:
    free = _of(scalar("cpus", 1), ranges("ports", (1, 2)))
    allocated = free.allocated("eng")
    assert allocated.allocation_role == "eng"
    assert str(allocated) == "cpus(allocated: eng):1; ports(allocated: eng):[1-2]"
    assert allocated.unallocated() == free
    mixed = allocated + _of(scalar("cpus", 1)).allocated("ops")
    assert mixed.allocation_role is None
    assert mixed.unallocated() == _of(scalar("cpus", 2), ranges("ports", (1, 2)))


def test_resources_without_an_allocation_get_the_offers_role() -> None:
    with_role = scalar("mem", 64)
    with_role.allocation_info = Resource.AllocationInfo(role="own")
    parsed = Resources.of([scalar("cpus", 1), with_role], allocate_to="eng")
    assert str(parsed) == "cpus(allocated: eng):1; mem(allocated: own):64"


@pytest.mark.parametrize(
    ("role", "names"),
    [
        ("eng", ["cpus", "mem"]),
        ("eng/web", ["cpus", "mem", "disk"]),
        ("eng/web/x", ["cpus", "mem", "disk"]),
        ("ops", ["cpus"]),
        ("engine", ["cpus"]),
    ],
)
def test_a_reservation_serves_its_role_and_the_roles_below(role: str, names: list[str]) -> None:
    mem, disk = scalar("mem", 1), scalar("disk", 1)
    mem.reservations = [reservation("eng", STATIC)]
    disk.reservations = [reservation("eng", STATIC), reservation("eng/web")]
    assert _of(scalar("cpus", 1), mem, disk).allocatable_to(role).names() == names


def test_reservations_are_put_on_and_taken_off_layer_by_layer() -> None:
    free = _of(scalar("cpus", 1))
    once = free.with_reservation(Reservation(STATIC, "eng"))
    twice = once.with_reservation(Reservation(DYNAMIC, "eng/web", "p"))
    assert str(twice) == "cpus(reservations: [(STATIC,eng),(DYNAMIC,eng/web,p)]):1"
    assert twice.without_last_reservation() == once
    assert (twice + once).toned_down() == free + free


def test_quantities_strip_everything_but_name_and_amount() -> None:
    reserved = scalar("cpus", 0.5)
    reserved.reservations = [reservation("eng")]
    total = _of(scalar("cpus", 1), reserved, ranges("ports", (1, 9)), scalar("mem", 32))
    assert total.quantities() == {"cpus": 1500, "mem": 32_000}
    assert total.ranges("ports") == ((1, 9),)


# Forms.


@given(messages)
def test_resources_survive_the_way_through_messages_and_json(given_messages: list[Resource]) -> None:
    exact = Resources.of(given_messages)
    for form in ReservationForm:
        out = exact.messages(form)
        assert Resources.of(out) == exact
        text = msgspec.json.encode(out)
        assert Resources.of(msgspec.json.decode(text, type=list[Resource])) == exact


@given(messages)
def test_the_order_of_entries_is_that_of_the_input(given_messages: list[Resource]) -> None:
    exact = Resources.of(given_messages)
    seen = list(dict.fromkeys(kind for one in given_messages for kind, _ in Resources.of([one])))
    assert [kind for kind, _ in exact] == seen


def test_both_reservation_forms_are_the_same_thing() -> None:
    static, old_static = scalar("cpus", 1), scalar("cpus", 1)
    static.reservations = [reservation("eng", STATIC)]
    old_static.role = "eng"
    assert _of(static) == _of(old_static)
    dynamic, old_dynamic = scalar("cpus", 1), scalar("cpus", 1)
    dynamic.reservations = [reservation("eng", principal="p")]
    old_dynamic.role = "eng"
    old_dynamic.reservation = Resource.ReservationInfo(principal="p")
    assert _of(dynamic) == _of(old_dynamic)
    assert _of(dynamic) != _of(static)
    both = msgspec.structs.replace(dynamic, role="eng", reservation=Resource.ReservationInfo(principal="p"))
    assert _of(both) == _of(dynamic)


def _json(message: Resource, form: ReservationForm) -> str:
    return msgspec.json.encode(_of(message).messages(form)[0]).decode()


def test_reservations_are_written_as_the_reader_knows_them() -> None:
    dynamic = scalar("cpus", 1)
    dynamic.reservations = [reservation("eng", principal="p")]
    head = '{"name":"cpus","type":"SCALAR","scalar":{"value":1.0}'
    single = '"role":"eng","reservation":{"principal":"p"}'
    stack = '"reservations":[{"type":"DYNAMIC","role":"eng","principal":"p"}]'
    assert _json(dynamic, ReservationForm.STACK) == f"{head},{stack}}}"
    assert _json(dynamic, ReservationForm.SINGLE) == f"{head},{single}}}"
    assert _json(dynamic, ReservationForm.BOTH) == f"{head},{single},{stack}}}"
    assert _json(scalar("cpus", 1), ReservationForm.STACK) == f"{head}}}"
    assert _json(scalar("cpus", 1), ReservationForm.SINGLE) == f'{head},"role":"*"}}'


def test_the_printed_form_is_that_of_mesos() -> None:
    task = [scalar("cpus", 1000), scalar("mem", 64)]
    assert str(Resources.of(task, "test")) == "cpus(allocated: test):1000; mem(allocated: test):64"
    offer = [ranges("ports", (31000, 32000)), scalar("cpus", 3.9), scalar("disk", 10000)]
    assert str(Resources.of(offer, "test")) == (
        "ports(allocated: test):[31000-32000]; cpus(allocated: test):3.9; disk(allocated: test):10000"
    )
    labelled = volume("v", 1.5, path="data")
    labelled.reservations = [
        reservation("eng", principal="p", labels=Labels(labels=[Label(key="k", value="v"), Label(key="l")]))
    ]
    labelled.shared = Resource.SharedInfo()
    assert str(_of(labelled)) == "disk(reservations: [(DYNAMIC,eng,p,{k: v, l})])[v:data]<SHARED>:1.5"
    revocable = items("zones", "b", "a")
    revocable.revocable = Resource.RevocableInfo()
    assert str(_of(revocable)) == "zones{REV}:{a, b}"
    mount = scalar("disk", 7)
    mount.disk = Resource.DiskInfo(source=Source(type=Source.Type.MOUNT, mount=Source.Mount(root="/m")))
    assert str(_of(mount, mount)) == "disk[MOUNT:/m]:7; disk[MOUNT:/m]:7"
    assert str(Resources.NONE) == "{}"


def test_equal_kinds_are_one_object_also_after_a_copy() -> None:
    total = _of(volume("v", 1), scalar("cpus", 1))
    again: Resources = pickle.loads(pickle.dumps(total))
    assert again == total
    assert copy.deepcopy(total) == total
    kinds: list[Kind] = [kind for kind, _ in total]
    assert all(kind is other for kind, (other, _) in zip(kinds, again, strict=True))
    assert hash(again) == hash(total)


def test_an_invalid_list_is_refused_with_a_sentence() -> None:
    with pytest.raises(ResourceError, match=r"^Resource 'cpus:-1' is invalid: Invalid scalar resource: value < 0$"):
        _of(scalar("mem", 1), scalar("cpus", -1))


def test_shared_messages_are_equal_to_new_ones_and_one_object_for_equal_entries() -> None:
    text = "cpus:2;mem(eng):64;ports:[1-4,8-9];disk:5"
    for form in (ReservationForm.STACK, ReservationForm.SINGLE, ReservationForm.BOTH, ReservationForm.STACK):
        one, other = (Resources.of(parse_resources(text)).allocated("test") for _ in range(2))
        assert one.shared_messages(form) == one.messages(form)
        assert all(map(operator.is_, one.shared_messages(form), other.shared_messages(form)))
        assert one.messages(form)[0] is not one.messages(form)[0]

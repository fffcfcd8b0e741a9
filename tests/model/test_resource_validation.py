"""Each way in which a v1 resource can be wrong, and the sentence for it."""

from __future__ import annotations

import math

import msgspec
import pytest

from tepui.model.resource_validation import validate_resource, validate_resources, validate_used_resources
from tepui.model.v1.mesos import Resource, Value

from .strategies import DYNAMIC, STATIC, Source, items, ranges, reservation, scalar, volume


def _with(base: Resource, **changes: object) -> Resource:
    return msgspec.structs.replace(base, **changes)


_cpus = scalar("cpus", 1)
_BLANK = "Invalid reservation: Role component 'a b' is invalid because it contains backspace or whitespace"
_SCALAR_EXPECTED = "Invalid scalar resource: expecting exactly 'scalar' to be present"


@pytest.mark.parametrize(
    ("resource", "sentence"),
    [
        (scalar("", 1), "Empty resource name"),
        (scalar("cpus", -0.001), "Invalid scalar resource: value < 0"),
        (scalar("cpus", math.nan), "Invalid scalar resource: value is not a number"),
        (scalar("cpus", math.inf), "Invalid scalar resource: value is infinite"),
        (scalar("cpus", -math.inf), "Invalid scalar resource: value < 0"),
        (scalar("cpus", 1e-310), "Invalid scalar resource: value is subnormal"),
        (
            scalar("cpus", 0.0004),
            "Invalid scalar resource: value is not zero, but rounds to zero at a precision of 0.001",
        ),
        (scalar("cpus", 1e300), "Invalid scalar resource: value > 2251799813685"),
        (scalar("gpus", 0.5), "The 'gpus' resource must be an unsigned integer"),
        (Resource(name="cpus", type=Value.Type.SCALAR), _SCALAR_EXPECTED),
        (_with(_cpus, ranges=Value.Ranges()), _SCALAR_EXPECTED),
        (Resource(name="x", type=Value.Type.TEXT), "Unsupported resource type"),
        (ranges("ports", (5, 2)), "Invalid ranges resource: begin > end"),
        (ranges("ports", (1, 4), (8, 9), (4, 6)), "Invalid ranges resource: overlapping ranges"),
        (ranges("ports", (1, 2**64)), "Invalid ranges resource: not an unsigned 64-bit number"),
        (items("zones", "a", "b", "a"), "Invalid set resource: duplicated elements"),
        (_with(_cpus, disk=Resource.DiskInfo()), "DiskInfo should not be set for cpus resource"),
        (_with(_cpus, reservations=[reservation("*")]), 'Invalid reservation: role "*" cannot be reserved'),
        (
            _with(_cpus, reservation=Resource.ReservationInfo()),
            'Invalid reservation: role "*" cannot be dynamically reserved',
        ),
        (_with(_cpus, role="a b"), _BLANK),
        (_with(_cpus, reservations=[reservation("a b")]), _BLANK),
        (_with(_cpus, role=""), "Invalid reservation: role is empty"),
        (_with(_cpus, reservations=[reservation("")]), "Invalid reservation: 'role' must be set"),
        (
            _with(_cpus, reservations=[Resource.ReservationInfo(role="a")]),
            "Invalid reservation: 'type' must be STATIC or DYNAMIC",
        ),
        (
            _with(_cpus, reservations=[reservation("a"), reservation("a/b", STATIC)]),
            "Invalid refined reservation: a refined reservation cannot be STATIC",
        ),
        (
            _with(_cpus, reservations=[reservation("a"), reservation("ab")]),
            "Invalid refined reservation: role 'ab' is not a refinement of 'a'",
        ),
        (
            _with(_cpus, role="b", reservations=[reservation("a")]),
            "Invalid resource format: 'role' and 'reservation' do not agree with 'reservations'",
        ),
        (
            _with(scalar("disk", 1), disk=Resource.DiskInfo(source=Source(type=Source.Type.UNKNOWN))),
            "Unsupported 'DiskInfo.Source.Type' in 'disk[UNKNOWN]:1'",
        ),
        (
            _with(
                scalar("disk", 1),
                disk=Resource.DiskInfo(source=Source(type=Source.Type.MOUNT, path=Source.Path(root="/"))),
            ),
            "'path' is set for a disk source of type MOUNT",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(resource: Resource, sentence: str) -> None:
    assert validate_resource(resource) == sentence
    whole = validate_resources([_cpus, resource])
    assert whole is not None
    assert whole.startswith("Resource '")
    assert whole.endswith(f"' is invalid: {sentence}")


@pytest.mark.parametrize(
    "resource",
    [
        scalar("cpus", 0),
        scalar("cpus", 0.0005),
        scalar("gpus", 2),
        ranges("ports"),
        ranges("ports", (1, 2), (3, 4)),
        items("zones"),
        _with(_cpus, role="*"),
        _with(_cpus, role="a"),
        _with(_cpus, role="a", reservations=[reservation("a", STATIC)]),
        _with(_cpus, reservations=[reservation("a", DYNAMIC), reservation("a/b")]),
    ],
)
def test_what_is_right_passes(resource: Resource) -> None:
    assert validate_resource(resource) is None


def _used(resource: Resource, role: str = "eng") -> Resource:
    return _with(resource, allocation_info=Resource.AllocationInfo(role=role))


@pytest.mark.parametrize(
    ("used", "sentence"),
    [
        ([_cpus], "The resources are not allocated to a role: cpus:1"),
        (
            [_used(_cpus), _used(scalar("mem", 1), "ops")],
            "The resources have multiple allocation roles ('eng' and 'ops'): only one is allowed",
        ),
        (
            [_used(_cpus), _used(_with(_cpus, revocable=Resource.RevocableInfo()))],
            "Cannot use both revocable and non-revocable 'cpus' at the same time",
        ),
        ([_used(volume("v", 1)), _used(volume("v", 2))], "Persistence ID 'v' is not unique"),
        ([_used(volume("a/b", 1))], "Invalid persistence ID for persistent volume: 'a/b' contains invalid characters"),
        (
            [_used(_with(volume("v", 1), reservations=[]))],
            "Persistent volumes cannot be created from unreserved resources",
        ),
        ([_used(_with(_cpus, shared=Resource.SharedInfo()))], "Only persistent volumes can be shared"),
    ],
)
def test_what_one_task_cannot_use(used: list[Resource], sentence: str) -> None:
    assert validate_used_resources(used) == sentence


def test_what_one_task_can_use() -> None:
    assert validate_used_resources([_used(_cpus), _used(volume("v", 1)), _used(volume("w", 1))]) is None

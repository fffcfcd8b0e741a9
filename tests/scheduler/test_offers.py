"""Offers and what is taken from them; filters."""

from __future__ import annotations

import pytest

from tepui.model.resources import Resources
from tepui.model.v1 import mesos
from tepui.model.v1.mesos import AgentID, FrameworkID, OfferID, Resource
from tepui.model.validation import validate_offer_constraints
from tepui.scheduler import DoesNotFitError, Offer, executor_info, ports_of
from tepui.scheduler.filters import make_filters
from tepui.wire.text import parse_resources


def make_offer(resources: str = "cpus:4;mem:1024;ports:[100-101,200-210]", host: str = "h") -> Offer:
    allocated = Resources.of(parse_resources(resources), "r").messages()
    message = mesos.Offer(
        id=OfferID(value="o"),
        framework_id=FrameworkID(value="f"),
        agent_id=AgentID(value="a"),
        hostname=host,
        resources=allocated,
        allocation_info=Resource.AllocationInfo(role="r"),
    )
    return Offer(message)


def test_taking_is_exact() -> None:
    offer = make_offer()
    for _ in range(40):
        assert offer.fits(cpus=0.1)
        offer.take(cpus=0.1)
    assert offer.cpus == 0
    assert not offer.fits(cpus=0.001)
    with pytest.raises(DoesNotFitError, match="cpus are missing"):
        offer.take(cpus=0.1)


def test_nothing_is_taken_when_it_does_not_fit() -> None:
    offer = make_offer()
    before = offer.left
    with pytest.raises(DoesNotFitError):
        offer.take(cpus=1, mem=2000)
    with pytest.raises(DoesNotFitError):
        offer.task("true", cpus=1, ports=14)
    with pytest.raises(ValueError, match="cpus cannot be -1"):
        offer.fits(cpus=-1)
    assert offer.left is before


def test_ports_are_taken_from_below() -> None:
    offer = make_offer()
    assert ports_of(offer.task("true", ports=3)) == [100, 101, 200]
    assert offer.ports == 10
    assert ports_of(offer.task("true", ports=1)) == [201]


def test_what_is_reserved_goes_first() -> None:
    offer = make_offer("cpus:1;cpus(r):2;mem:10")
    taken = Resources.of(offer.take(cpus=2.5))
    assert taken.reserved("r").scalar("cpus") == 2000
    assert taken.unreserved().scalar("cpus") == 500
    assert taken.allocation_role == "r"


def test_an_executor_is_paid_for_once() -> None:
    offer = make_offer("cpus:1;mem:100")
    executor = executor_info("e", "run", cpus=0.5, mem=20)
    assert not offer.fits(cpus=0.6, executor=executor)
    offer.task(executor=executor, cpus=0.25, mem=10)
    assert (offer.cpus, offer.mem) == (0.25, 70)
    offer.task(executor=executor, cpus=0.25, mem=10)
    assert (offer.cpus, offer.mem) == (0, 60)
    with pytest.raises(ValueError, match="either a command or an executor"):
        offer.task("true", executor=executor)


def test_filters() -> None:
    filters = make_filters({"a", "b"}, {"b"}, {"cpus": 2})
    assert filters.wants(make_offer(host="a"))
    assert not filters.wants(make_offer(host="b"))
    assert not filters.wants(make_offer(host="c"))
    assert not filters.wants(make_offer("cpus:1.999", host="a"))
    constraints = filters.offer_constraints(["r"])
    assert constraints is not None
    assert validate_offer_constraints(constraints) is None
    only_never = make_filters(None, {"b"}, None)
    assert only_never.wants(make_offer())
    constraints = only_never.offer_constraints(["r"])
    assert constraints is not None
    assert validate_offer_constraints(constraints) is None
    with pytest.raises(ValueError, match="leave no agent"):
        make_filters({"a"}, {"a"}, None)

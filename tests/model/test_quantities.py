"""Quantities: sums by name."""

from __future__ import annotations

import pytest

from tepui.model.quantities import (
    Quantities,
    add_quantities,
    minimum_of,
    quantities_from_scalars,
    quantities_text,
    subtract_quantities,
)
from tepui.model.resource_validation import ResourceError
from tepui.model.v1.mesos import OfferFilters, Value


def test_sums_forget_names_that_reach_zero_and_never_go_below() -> None:
    total: Quantities = {"cpus": 1000}
    add_quantities(total, {"cpus": 500, "mem": 1})
    assert total == {"cpus": 1500, "mem": 1}
    subtract_quantities(total, {"cpus": 500, "mem": 1})
    assert total == {"cpus": 1000}
    with pytest.raises(ValueError, match=r"cpus:1 does not contain mem:0\.001"):
        subtract_quantities(total, {"mem": 1})


def test_quantities_print_sorted_by_name() -> None:
    assert quantities_text({"mem": 8_192_000, "cpus": 1001}) == "cpus:1.001; mem:8192"
    assert quantities_text({}) == "{}"


def test_minimal_offers_of_a_framework() -> None:
    def asking(*entries: dict[str, float]) -> OfferFilters:
        quantities = [
            OfferFilters.ResourceQuantities(quantities={name: Value.Scalar(value=each) for name, each in entry.items()})
            for entry in entries
        ]
        return OfferFilters(min_allocatable_resources=OfferFilters.MinAllocatableResources(quantities=quantities))

    assert minimum_of(OfferFilters()) is None
    assert minimum_of(asking()) == []
    assert minimum_of(asking({"cpus": 1, "mem": 0}, {"disk": 2})) == [{"cpus": 1000}, {"disk": 2000}]
    with pytest.raises(ResourceError, match="Invalid quantity of 'cpus': value < 0"):
        quantities_from_scalars({"cpus": Value.Scalar(value=-1)})

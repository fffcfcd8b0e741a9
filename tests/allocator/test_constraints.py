"""Offer constraints (protocol, semantics 7.3): the table of predicates, and what they keep from whom."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tepui.allocator import AllocatorOptions, ConstraintError, RegexLimits, compile_constraints
from tepui.allocator.constraints import Description
from tepui.model.v1.mesos import Attribute, Value
from tepui.model.v1.scheduler import OfferConstraints

from .cluster import Cluster, amount


def text(name: str, value: str) -> Attribute:
    return Attribute(name=name, type=Value.Type.TEXT, text=Value.Text(value=value))


def scalar(name: str, value: float) -> Attribute:
    return Attribute(name=name, type=Value.Type.SCALAR, scalar=Value.Scalar(value=value))


def of(*groups: list[dict[str, Any]], role: str = "test") -> OfferConstraints:
    """Each group as JSON constraints: {"attribute_name" or "pseudoattribute_type": ..., predicate: ...}."""
    selectors = ("attribute_name", "pseudoattribute_type")
    message = {
        "role_constraints": {
            role: {
                "groups": [
                    {
                        "attribute_constraints": [
                            {
                                "selector": {key: value for key, value in each.items() if key in selectors},
                                "predicate": {key: value for key, value in each.items() if key not in selectors},
                            }
                            for each in group
                        ]
                    }
                    for group in groups
                ]
            }
        }
    }
    return msgspec.convert(message, OfferConstraints)


def admits(constraints: OfferConstraints, agent: Description) -> bool:
    return compile_constraints(constraints)["test"].admit(agent)


@pytest.mark.parametrize(
    ("predicate", "missing", "same", "other", "number"),
    [
        ({"exists": {}}, False, True, True, True),
        ({"not_exists": {}}, True, False, False, False),
        ({"text_equals": {"value": "r1"}}, False, True, False, True),
        ({"text_not_equals": {"value": "r1"}}, True, False, True, True),
        ({"text_matches": {"regex": "r[0-9]"}}, False, True, False, True),
        ({"text_not_matches": {"regex": "r[0-9]"}}, True, False, True, True),
    ],
)
def test_the_table_of_predicates(
    predicate: dict[str, Any], missing: bool, same: bool, other: bool, number: bool
) -> None:
    for group in ([{"attribute_name": "rack", **predicate}], [{"attribute_name": "rack", **predicate}] * 2):
        constraints = of(group)
        assert admits(constraints, Description()) is missing
        assert admits(constraints, Description(attributes=[text("rack", "r1")])) is same
        assert admits(constraints, Description(attributes=[text("rack", "xr12")])) is other
        assert admits(constraints, Description(attributes=[scalar("rack", 1)])) is number


def test_groups_are_alternatives_and_their_constraints_hold_together() -> None:
    fast, near = {"attribute_name": "disk", "text_equals": {"value": "ssd"}}, {"attribute_name": "near", "exists": {}}
    one = {"pseudoattribute_type": "HOSTNAME", "text_equals": {"value": "h1"}}
    constraints = of([fast, near], [one])
    assert admits(constraints, Description("h1"))
    assert not admits(constraints, Description("h2", [text("disk", "ssd")]))
    assert admits(constraints, Description("h2", [text("disk", "ssd"), text("near", "")]))


def test_of_several_attributes_of_one_name_the_first_counts_and_pseudo_attributes_are_host_region_and_zone() -> None:
    assert admits(
        of([{"attribute_name": "a", "text_equals": {"value": "1"}}]), Description("", [text("a", "1"), text("a", "2")])
    )
    for kind, value in (("HOSTNAME", "h"), ("REGION", "r"), ("ZONE", "z")):
        constraints = of([{"pseudoattribute_type": kind, "text_equals": {"value": value}}])
        assert admits(constraints, Description("h", [], ("r", "z")))
        assert not admits(constraints, Description("x", [], ("x", "x")))
    assert not admits(of([{"pseudoattribute_type": "ZONE", "exists": {}}]), Description("h"))


@pytest.mark.parametrize(
    ("regex", "why"),
    [
        ("(", r"Failed to construct regex from pattern '\(': missing \)"),
        ("a" * 150, r"program size of \d+ is larger than the maximum of 100 allowed"),
        ("x{900}", "pattern too large"),
        (r"(a)\1", "Failed to construct regex"),
    ],
)
def test_a_regular_expression_that_is_none_or_too_large_is_refused(regex: str, why: str) -> None:
    with pytest.raises(ConstraintError, match=why):
        compile_constraints(of([{"attribute_name": "a", "text_matches": {"regex": regex}}]))


def test_the_limits_of_regular_expressions_can_be_set() -> None:
    constraints = of([{"attribute_name": "a", "text_matches": {"regex": "a" * 150}}])
    assert compile_constraints(constraints, RegexLimits(1 << 20, 1000))["test"].admit(
        Description(attributes=[text("a", "a" * 150)])
    )


def test_a_pattern_that_stalls_backtracking_engines_is_answered() -> None:
    constraints = of([{"attribute_name": "a", "text_matches": {"regex": "(x+x+)+y"}}])
    assert not admits(constraints, Description(attributes=[text("a", "x" * 50_000)]))


def test_only_agents_that_fit_are_offered_and_a_change_of_constraints_counts_at_once() -> None:
    cluster = Cluster()
    for host in ("h1", "h2"):
        cluster.allocator.add_agent(host, amount("cpus:4"), {}, hostname=host)
    only_second = compile_constraints(of([{"pseudoattribute_type": "HOSTNAME", "text_equals": {"value": "h2"}}]))
    cluster.allocator.add_framework("f", ["test", "free"], constraints=only_second, suppressed_roles=["free"])
    assert cluster.run() == ["f test h2 cpus:4"]
    assert cluster.allocator.excluded_by_constraints("f") == {"test": ["h1"], "free": []}
    assert cluster.allocator.standings("f")[1].reasons.constraints == 1
    cluster.allocator.update_framework("f", ["test", "free"], ["free"])
    assert cluster.run() == ["f test h1 cpus:4"]


def test_a_change_of_attributes_counts_at_once() -> None:
    cluster = Cluster()
    cluster.allocator.add_agent("a", amount("cpus:4"), {})
    wanted = compile_constraints(of([{"attribute_name": "gpu", "exists": {}}]))
    cluster.allocator.add_framework("f", ["test"], constraints=wanted)
    assert cluster.run() == []
    cluster.allocator.update_agent("a", attributes=[text("gpu", "a100")])
    assert cluster.run() == ["f test a cpus:4"]


def test_agents_of_another_region_are_for_those_who_know_regions() -> None:
    cluster = Cluster(AllocatorOptions(region="here"))
    cluster.allocator.add_agent("near", amount("cpus:1"), {}, domain=("here", "z1"))
    cluster.allocator.add_agent("far", amount("cpus:1"), {}, domain=("there", "z1"))
    cluster.allocator.add_agent("unknown", amount("cpus:1"), {})
    cluster.framework("f")
    assert cluster.run() == ["f test near cpus:1", "f test unknown cpus:1"]
    assert cluster.allocator.standings("f")[0].reasons.remote_region == 1
    cluster.allocator.update_framework("f", ["test"], capabilities=["REGION_AWARE"])
    assert cluster.run() == ["f test far cpus:1"]


def test_agents_that_the_white_list_does_not_name_are_not_offered() -> None:
    cluster = Cluster()
    cluster.allocator.set_whitelist(frozenset(["h2"]))
    for host in ("h1", "h2"):
        cluster.allocator.add_agent(host, amount("cpus:4"), {}, hostname=host)
    cluster.framework("f")
    assert cluster.run() == ["f test h2 cpus:4"]
    cluster.allocator.set_whitelist(frozenset(["h1", "h3"]))
    assert cluster.run() == ["f test h1 cpus:4"]
    cluster.end("f", "cpus:4", "h2")
    assert cluster.run() == []
    cluster.allocator.set_whitelist(None)
    assert cluster.run() == ["f test h2 cpus:4"]

"""Quota, sentence by sentence (protocol, semantics 9.3 and 9.4)."""

from __future__ import annotations

import pytest

from tepui.allocator import AllocatorOptions
from tepui.model.resources import Resources
from tepui.model.v1.mesos import Resource, Value

from .cluster import Cluster, amount

CPU = 1000
GB = 1024_000


def test_a_limit_chops_the_offer_and_holds_until_something_comes_back() -> None:
    cluster = Cluster()
    cluster.agent("a")
    cluster.agent("b")
    cluster.allocator.set_quota("test", {}, {"cpus": 5 * CPU, "mem": 5 * GB})
    cluster.framework("f")
    assert cluster.run() == ["f test a cpus:4; mem:4096", "f test b cpus:1; mem:1024"]
    cluster.end("f", "cpus:2", "a")
    assert cluster.run() == ["f test a cpus:2"]
    cluster.decline("f", 60)
    # What may be had rose: the rest of `b` is offered, although nothing happened there.
    assert cluster.run() == ["f test b cpus:2"]


def test_a_limit_counts_all_sub_roles_and_all_reservations_of_the_role() -> None:
    cluster = Cluster()
    cluster.agent("a", "cpus(eng):1;mem(eng/dev):1024")
    cluster.agent("b", "cpus:8;mem:8192")
    cluster.allocator.set_quota("eng", {}, {"cpus": 4 * CPU, "mem": 4 * GB})
    assert cluster.allocator.quota_consumption("eng") == {"cpus": CPU, "mem": GB}
    cluster.framework("f", ["eng/ops"])
    cluster.framework("g", ["other"])
    # Reserved for eng, what is on `a` is within the consumption already; of `b` three cpus and 3 GB are left.
    assert cluster.run() == [
        "f eng/ops a cpus(reservations: [(STATIC,eng)]):1",
        "g other b cpus:8; mem:8192",
    ]
    cluster.decline("g", 60)
    assert cluster.run() == ["f eng/ops b cpus:3; mem:3072"]
    assert cluster.allocator.quota_consumption("eng") == {"cpus": 4 * CPU, "mem": 4 * GB}


def test_what_is_not_limited_is_given_whole_and_a_limit_of_nothing_gives_nothing() -> None:
    cluster = Cluster()
    cluster.agent("a", "cpus:4;mem:4096;ports:[1-5]")
    cluster.allocator.set_quota("test", {}, {"cpus": 0})
    cluster.framework("f")
    assert cluster.run() == ["f test a ports:[1-5]; mem:4096"]
    cluster.allocator.set_quota("none", {}, {"cpus": 0, "mem": 0})
    cluster.framework("g", ["none"])
    cluster.decline("f", 60)
    assert cluster.run() == []
    assert cluster.allocator.standings("g")[0].reasons.quota_limit > 0
    cluster.allocator.set_quota("none", {}, {})
    assert cluster.run() == ["g none a ports:[1-5]; cpus:4; mem:4096"]


def test_a_mount_disk_is_given_whole_or_not_at_all() -> None:
    source = Resource.DiskInfo.Source(
        type=Resource.DiskInfo.Source.Type.MOUNT, mount=Resource.DiskInfo.Source.Mount(root="/mnt")
    )
    disk = Resource(
        name="disk", type=Value.Type.SCALAR, scalar=Value.Scalar(value=100), disk=Resource.DiskInfo(source=source)
    )
    cluster = Cluster()
    cluster.allocator.set_quota("test", {}, {"disk": 60_000})
    cluster.framework("f")
    cluster.allocator.add_agent("a", amount("cpus:1;disk:50") + Resources.of([disk]), {})
    assert cluster.run() == ["f test a cpus:1; disk:50"]
    cluster.allocator.set_quota("test", {}, {"disk": 200_000})
    cluster.end("f", "cpus:1;disk:50")
    assert cluster.run() == ["f test a cpus:1; disk:50; disk[MOUNT:/mnt]:100"]


def test_guarantees_are_served_before_fair_shares() -> None:
    cluster = Cluster()
    cluster.allocator.set_quota("late", {"cpus": 4 * CPU}, {})
    cluster.framework("early", ["early"])
    cluster.framework("late", ["late"])
    cluster.agent("a")
    cluster.agent("b")
    # By name `early` would be first.
    assert cluster.run() == ["late late a cpus:4; mem:4096", "early early b cpus:4; mem:4096"]


def test_what_a_guarantee_lacks_is_held_back_from_others_until_it_is_met() -> None:
    cluster = Cluster()
    cluster.agent("a")
    cluster.agent("b")
    cluster.allocator.set_quota("prod", {"cpus": 5 * CPU}, {})
    cluster.framework("f", ["dev"])
    assert cluster.run() == ["f dev a cpus:3; mem:4096", "f dev b mem:4096"]
    assert cluster.allocator.standings("f")[0].reasons.granted == 2
    cluster.framework("p", ["prod"])
    assert sorted(cluster.run()) == ["p prod a cpus:1", "p prod b cpus:4"]
    # Met by more than it asks for, prod's guarantee holds nothing back any more.
    cluster.allocator.set_quota("prod", {"cpus": 1 * CPU}, {})
    cluster.end("p", "cpus:4", "b", "prod")
    assert cluster.run() == ["p prod b cpus:4"]


def test_a_guarantee_that_is_missed_again_is_served_from_what_was_held_back() -> None:
    cluster = Cluster()
    cluster.allocator.set_quota("prod", {"cpus": 2 * CPU}, {"cpus": 2 * CPU, "mem": 0})
    cluster.agent("a", "cpus:2")
    cluster.agent("b", "cpus:2")
    cluster.framework("p", ["prod"])
    assert cluster.run() == ["p prod a cpus:2"]
    cluster.allocator.remove_agent("a")
    assert cluster.run() == ["p prod b cpus:2"]


def test_a_guarantee_that_nobody_asks_for_is_held_back_all_the_same() -> None:
    cluster = Cluster()
    cluster.agent("a", "cpus:4")
    cluster.allocator.set_quota("prod", {"cpus": 4 * CPU}, {})
    cluster.framework("f", ["dev"])
    assert cluster.run() == []
    assert cluster.allocator.standings("f")[0].reasons.headroom > 0
    cluster.allocator.set_quota("prod", {}, {})
    assert cluster.run() == ["f dev a cpus:4"]


def test_agents_that_are_not_offered_are_no_headroom() -> None:
    cluster = Cluster()
    cluster.agent("a", "cpus:4")
    cluster.agent("b", "cpus:4")
    cluster.allocator.deactivate_agent("b")
    cluster.allocator.set_quota("prod", {"cpus": 4 * CPU}, {})
    cluster.framework("f", ["dev"])
    assert cluster.run() == []
    cluster.allocator.activate_agent("b")
    assert len(cluster.run()) == 1


def test_idle_reservations_of_others_are_no_headroom_and_ones_own_meet_the_guarantee() -> None:
    cluster = Cluster()
    cluster.agent("a", "cpus:2;cpus(dev):2;cpus(prod):1")
    cluster.allocator.set_quota("prod", {"cpus": 2 * CPU}, {})
    cluster.framework("f", ["dev"])
    assert cluster.run() == ["f dev a cpus(reservations: [(STATIC,dev)]):2; cpus:1"]


def test_a_freed_resource_at_the_limit_costs_no_look_at_other_agents() -> None:
    """Many agents have room, none of which the role may have: what ends on one of them concerns that one."""
    cluster = Cluster()
    for number in range(200):
        cluster.allocator.add_agent(f"a{number:03}", amount("cpus:4"), {})
    cluster.allocator.set_quota("test", {}, {"cpus": 4 * CPU})
    cluster.framework("f")
    assert cluster.run() == ["f test a000 cpus:4"]
    before = cluster.allocator.visits
    for _ in range(10):
        cluster.end("f", "cpus:4", "a000")
        assert cluster.run() == ["f test a000 cpus:4"]
    assert cluster.allocator.visits - before <= 20


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_consumption_is_known_of_roles_without_quota(share: float) -> None:
    cluster = Cluster(AllocatorOptions(gathering_share_max=share))
    cluster.agent("a", "cpus:2;cpus(test):1")
    cluster.framework("f")
    cluster.run()
    assert cluster.allocator.quota_consumption("test") == {"cpus": 3 * CPU}
    assert cluster.allocator.quota_consumption("other") == {}


def test_what_meets_a_guarantee_is_no_reason_to_look_again() -> None:
    """Found by a random history: what is granted lowers what is lacking, but leaves as much less free."""
    cluster = Cluster()
    cluster.allocator.set_quota("x", {"cpus": 1000, "mem": 64_000}, {"cpus": 2000, "mem": 96_000})
    cluster.agent("a", "cpus:1;mem:64;cpus(x):1")
    cluster.agent("b", "cpus:2;mem:128")
    cluster.framework("f", ["x"])
    cluster.run()
    cluster.allocator.remove_agent("a")
    assert cluster.run() == ["f x b cpus:2; mem:64"]

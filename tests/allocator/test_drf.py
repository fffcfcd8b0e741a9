"""Who gets what: the papers' examples, filters, roles, capabilities, weights."""

from __future__ import annotations

import pytest

from tepui.allocator import AllocatorOptions
from tepui.model.resources import Resources
from tepui.model.v1.mesos import Attribute, Resource, Value
from tepui.model.values import thousandths

from ..model.strategies import items, ranges, scalar, volume
from .cluster import Cluster, amount

# The papers.


def test_dominant_resource_fairness_of_the_papers_example() -> None:
    """9 CPUs and 18 GB; tasks of <1 CPU, 4 GB> and <3 CPU, 1 GB>: three of the one and two of the other."""
    cluster = Cluster()
    cluster.agent("a", "cpus:9;mem:18")
    needs = {"A": "cpus:1;mem:4", "B": "cpus:3;mem:1"}
    tasks = dict.fromkeys(needs, 0)
    for framework_id in needs:
        cluster.framework(framework_id, minimums={"test": [{"cpus": 1}]})
    for _ in range(12):
        for _ in range(2):
            for line in cluster.run():
                framework_id = line.split()[0]
                if cluster.last(framework_id).resources.unallocated().contains(amount(needs[framework_id])):
                    tasks[framework_id] += 1
                    cluster.accept(framework_id, needs[framework_id], refuse_seconds=0)
                else:
                    cluster.decline(framework_id, refuse_seconds=0)
        cluster.now += 1.5
    assert tasks == {"A": 3, "B": 2}
    assert cluster.allocator.dominant_shares()["test"] == 1.0


def test_what_one_framework_leaves_over_goes_to_the_next_at_once() -> None:
    """The offer example of the Mesos paper: 4 CPUs and 4 GB, the first framework takes 3 CPUs and 3 GB in two tasks."""
    cluster = Cluster()
    cluster.agent("a", "cpus:4;mem:4096")
    cluster.framework("one")
    cluster.framework("two")
    assert cluster.run() == ["one test a cpus:4; mem:4096"]
    cluster.accept("one", "cpus:3;mem:3072")
    assert cluster.run() == ["two test a cpus:1; mem:1024"]


# Filters.


def test_a_filter_holds_for_its_time_and_no_longer() -> None:
    cluster = Cluster()
    cluster.agent("a")
    cluster.framework("f")
    cluster.run()
    cluster.decline("f", refuse_seconds=10)
    assert cluster.run() == []
    assert cluster.allocator.next_deadline() == cluster.now + 10
    assert cluster.allocator.filters_active() == {"test": 1}
    assert cluster.run(after_seconds=9.999) == []
    assert cluster.run(after_seconds=0.001) == ["f test a cpus:4; mem:4096"]
    assert cluster.allocator.next_deadline() is None
    assert cluster.allocator.filters_active() == {"test": 0}


def test_a_filter_is_for_equal_and_smaller_offers_only() -> None:
    cluster = Cluster()
    cluster.agent("a")
    cluster.framework("f")
    cluster.run()
    cluster.accept("f", "cpus:1;mem:64")
    assert cluster.run() == []
    cluster.end("f", "cpus:0.5")
    assert cluster.run() == ["f test a cpus:3.5; mem:4032"]
    cluster.decline("f", refuse_seconds=100)
    cluster.end("f", "mem:64")
    assert cluster.run() == ["f test a cpus:3.5; mem:4096"]


def test_two_filters_on_one_agent_do_not_add_up() -> None:
    """Of two declined halves neither contains the whole."""
    cluster = Cluster()
    cluster.agent("a", "cpus:4;mem:4096")
    cluster.framework("f")
    cluster.run()
    grant = cluster.last("f")
    first, second = amount("cpus:4", "test"), amount("mem:4096", "test")
    assert first + second == grant.resources
    cluster.allocator.recover("f", "a", first, 100, cluster.now)
    assert cluster.run() == []
    cluster.allocator.recover("f", "a", second, 100, cluster.now)
    assert cluster.run() == ["f test a cpus:4; mem:4096"]


@pytest.mark.parametrize(("seconds", "interval"), [(0.0, 1.0), (0.3, 1.0), (1.0, 1.0), (2.0, 3.0)])
def test_what_was_just_declined_is_not_offered_again_within_the_interval(seconds: float, interval: float) -> None:
    cluster = Cluster(AllocatorOptions(allocation_interval_seconds=interval))
    cluster.agent("a")
    cluster.framework("f")
    cluster.run()
    cluster.decline("f", seconds)
    assert cluster.run(after_seconds=interval - 0.001) == []
    assert cluster.run(after_seconds=0.001) == ["f test a cpus:4; mem:4096"]


@pytest.mark.parametrize(
    ("seconds", "holds_for"), [(-1.0, 5.0), (float("nan"), 5.0), (1e300, 365 * 86400.0), (float("inf"), 365 * 86400.0)]
)
def test_odd_times_of_refusal(seconds: float, holds_for: float) -> None:
    cluster = Cluster()
    cluster.agent("a")
    cluster.framework("f")
    cluster.run()
    cluster.decline("f", seconds)
    assert cluster.allocator.next_deadline() == cluster.now + holds_for


def test_refusing_for_zero_seconds_does_not_delay_what_a_task_gives_back() -> None:
    cluster = Cluster()
    cluster.agent("a")
    cluster.framework("f")
    cluster.framework("g")
    cluster.run()
    cluster.decline("f", refuse_seconds=0)
    assert cluster.run() == ["g test a cpus:4; mem:4096"]
    cluster.accept("g", "cpus:4;mem:64", refuse_seconds=100)
    assert cluster.run() == []
    cluster.end("g", "cpus:1")
    assert cluster.run() == ["f test a cpus:1; mem:4032"]


def test_two_that_decline_everything_for_zero_seconds_do_not_keep_each_other_busy() -> None:
    cluster = Cluster()
    cluster.agent("a")
    cluster.framework("f")
    cluster.framework("g")
    offers = 0
    for _ in range(50):
        for line in cluster.run(after_seconds=0.01):
            offers += 1
            cluster.decline(line.split()[0], refuse_seconds=0)
    assert offers == 2


def test_a_filter_is_forgotten_with_revive_and_deactivation_and_new_attributes_but_not_with_suppress_alone() -> None:
    cluster = Cluster()
    cluster.agent("a")
    cluster.framework("f")
    whole = ["f test a cpus:4; mem:4096"]
    assert cluster.run() == whole
    cluster.decline("f", 1000)
    cluster.allocator.suppress("f")
    assert cluster.run() == []
    cluster.allocator.update_framework("f", ["test"])
    assert cluster.run() == []
    cluster.allocator.revive("f", ["other"])
    assert cluster.run() == []
    cluster.allocator.revive("f", ["test"])
    assert cluster.run() == whole
    cluster.decline("f", 1000)
    cluster.allocator.pause_framework("f")
    cluster.allocator.resume_framework("f")
    assert cluster.run() == []
    cluster.allocator.deactivate_framework("f")
    cluster.allocator.activate_framework("f")
    assert cluster.run() == whole
    cluster.decline("f", 1000)
    cluster.allocator.update_agent("a", attributes=[])
    assert cluster.run() == []
    rack = Attribute(name="rack", type=Value.Type.TEXT, text=Value.Text(value="r"))
    cluster.allocator.update_agent("a", attributes=[rack])
    assert cluster.run() == whole
    assert cluster.allocator.standings("f")[0].filters == 0


def test_the_reasons_are_counted() -> None:
    cluster = Cluster()
    cluster.agent("a")
    cluster.framework("f")
    cluster.run()
    cluster.decline("f", 1000)
    cluster.run()
    standing = cluster.allocator.standings("f")[0]
    assert (standing.role, standing.active, standing.filters) == ("test", True, 1)
    assert (standing.reasons.granted, standing.reasons.filtered) == (1, 1)


# Who takes part.


def test_suppressed_inactive_and_paused_frameworks_get_nothing() -> None:
    cluster = Cluster()
    cluster.agent("a")
    cluster.framework("f", roles=["x", "y"], suppressed=["x", "y"])
    assert cluster.run() == []
    cluster.allocator.revive("f", ["y"])
    assert cluster.run() == ["f y a cpus:4; mem:4096"]
    cluster.allocator.pause_framework("f")
    cluster.decline("f", 0)
    assert cluster.run(after_seconds=2) == []
    cluster.allocator.resume_framework("f")
    assert cluster.run() == ["f y a cpus:4; mem:4096"]
    cluster.allocator.deactivate_framework("f")
    cluster.decline("f", 0)
    assert cluster.run(after_seconds=2) == []
    cluster.allocator.activate_framework("f")
    cluster.allocator.suppress("f")
    assert cluster.run() == []
    cluster.allocator.revive("f")
    assert cluster.run() == ["f x a cpus:4; mem:4096"]


def test_deactivated_agents_are_not_offered() -> None:
    cluster = Cluster()
    cluster.agent("a")
    cluster.framework("f")
    cluster.allocator.deactivate_agent("a")
    assert cluster.run() == []
    cluster.allocator.activate_agent("a")
    assert cluster.run() == ["f test a cpus:4; mem:4096"]
    cluster.allocator.deactivate_agent("a")
    cluster.decline("f", 0)
    assert cluster.run(after_seconds=2) == []


def test_what_a_removed_framework_held_is_free() -> None:
    cluster = Cluster()
    cluster.agent("a")
    cluster.framework("f")
    cluster.framework("g")
    cluster.run()
    cluster.accept("f", "cpus:1;mem:64")
    assert cluster.run() == ["g test a cpus:3; mem:4032"]
    cluster.allocator.remove_framework("f")
    assert cluster.run() == ["g test a cpus:1; mem:64"]
    cluster.end("f", "cpus:1;mem:64")
    assert cluster.run() == []
    cluster.allocator.remove_framework("g")
    cluster.allocator.remove_agent("a")
    cluster.allocator.remove_agent("a")
    assert cluster.allocator.total_quantities() == cluster.allocator.allocated_quantities() == {}
    assert cluster.allocator.dominant_shares() == {}


def test_a_role_that_was_left_keeps_what_it_holds() -> None:
    cluster = Cluster()
    cluster.agent("a")
    cluster.framework("f", roles=["x"])
    cluster.run()
    cluster.accept("f", "cpus:1;mem:64", refuse_seconds=0)
    cluster.allocator.update_framework("f", ["y"])
    assert cluster.run() == ["f y a cpus:3; mem:4032"]
    assert cluster.allocator.dominant_shares() == {"x": 0.25, "y": 0.984375}
    cluster.end("f", "cpus:1;mem:64", role="x")
    assert cluster.run() == ["f y a cpus:1; mem:64"]
    assert list(cluster.allocator.dominant_shares()) == ["y"]


def test_an_agent_may_come_with_tasks_of_frameworks_not_yet_known() -> None:
    cluster = Cluster()
    cluster.framework("g")
    cluster.allocator.add_agent("a", amount("cpus:4;mem:4096"), {"f": amount("cpus:1;mem:96", "test")})
    cluster.allocator.add_allocated("f", "a", amount("cpus:1", "old"))
    assert cluster.run() == ["g test a cpus:2; mem:4000"]
    cluster.framework("f")
    cluster.end("f", "cpus:1;mem:96")
    cluster.end("f", "cpus:1", role="old")
    assert cluster.run() == ["f test a cpus:2; mem:96"]


def test_an_agent_that_has_less_than_it_runs_is_offered_when_enough_ended() -> None:
    cluster = Cluster()
    cluster.framework("f")
    cluster.allocator.add_agent("a", amount("cpus:2;mem:100"), {"f": amount("cpus:3;mem:50", "test")})
    assert cluster.run() == ["f test a mem:50"]
    cluster.end("f", "cpus:1")
    assert cluster.run() == []
    cluster.end("f", "cpus:1")
    assert cluster.run() == ["f test a cpus:1"]


def test_recovering_what_is_not_held_is_an_error() -> None:
    cluster = Cluster()
    cluster.agent("a")
    cluster.framework("f")
    with pytest.raises(ValueError, match="Framework f holds nothing of"):
        cluster.end("f", "cpus:1")
    cluster.run()
    with pytest.raises(ValueError, match="does not contain"):
        cluster.end("f", "cpus:5")
    cluster.allocator.check()


# What can be offered to whom.


def test_offers_list_ports_and_reserved_resources_first_as_mesos_does() -> None:
    cluster = Cluster()
    cluster.agent("a", "cpus:4;mem:4096;disk:10000;ports:[31000-32000];cpus(test):1")
    cluster.framework("f")
    assert cluster.run() == [
        "f test a ports:[31000-32000]; cpus(reservations: [(STATIC,test)]):1; cpus:4; mem:4096; disk:10000"
    ]


def test_reserved_resources_go_to_their_role_and_the_roles_below() -> None:
    cluster = Cluster()
    cluster.agent("a", "cpus(eng):2;cpus(ops):1;mem:64")
    cluster.framework("f", roles=["web"])
    cluster.framework("g", roles=["eng/web"])
    assert cluster.run() == ["g eng/web a cpus(reservations: [(STATIC,eng)]):2; mem:64"]
    cluster.decline("g", 100)
    assert cluster.run() == ["f web a mem:64"]
    cluster.framework("h", roles=["ops"])
    assert cluster.run() == ["h ops a cpus(reservations: [(STATIC,ops)]):1"]


def test_the_smallest_offer_is_the_masters_or_the_frameworks_own() -> None:
    cluster = Cluster()
    cluster.agent("a", "cpus:0.005;mem:31.999;disk:100")
    cluster.framework("f")
    assert cluster.run() == []
    cluster.framework("g", minimums={"test": [{"cpus": 1000}, {"disk": 100_001}]})
    assert cluster.run() == []
    cluster.allocator.update_framework("g", ["test"], minimums={"test": [{"cpus": 1000}, {"disk": 100_000}]})
    assert cluster.run() == ["g test a cpus:0.005; mem:31.999; disk:100"]
    cluster.decline("g", 0)
    cluster.framework("h", minimums={"test": []})
    assert cluster.run() == ["h test a cpus:0.005; mem:31.999; disk:100"]
    assert cluster.allocator.standings("f")[0].reasons.below_minimum > 0


def test_agents_with_gpus_are_kept_for_those_who_know_gpus() -> None:
    cluster = Cluster()
    cluster.agent("a", "cpus:4;gpus:1")
    cluster.framework("f")
    assert cluster.run() == []
    assert cluster.allocator.standings("f")[0].reasons.lacks_gpu_capability == 1
    cluster.allocator.update_framework("f", ["test"], capabilities=["GPU_RESOURCES"])
    assert cluster.run() == ["f test a cpus:4; gpus:1"]
    open_to_all = Cluster(AllocatorOptions(filter_gpu_resources=False))
    open_to_all.agent("a", "cpus:4;gpus:1")
    open_to_all.framework("f")
    assert open_to_all.run() == ["f test a cpus:4; gpus:1"]


def _revocable() -> Resource:
    resource = scalar("cpus", 2)
    resource.revocable = Resource.RevocableInfo()
    return resource


def _refined() -> Resource:
    resource = volume("v", 64, role="test")
    resource.reservations.append(Resource.ReservationInfo(type=Resource.ReservationInfo.Type.DYNAMIC, role="test/sub"))
    return resource


def _shared() -> Resource:
    resource = volume("v", 64, role="test")
    resource.shared = Resource.SharedInfo()
    return resource


@pytest.mark.parametrize(
    ("special", "capability", "role"),
    [
        (_revocable(), "REVOCABLE_RESOURCES", "test"),
        (_shared(), "SHARED_RESOURCES", "test"),
        (_refined(), "RESERVATION_REFINEMENT", "test/sub"),
    ],
)
def test_special_resources_need_their_capability(special: Resource, capability: str, role: str) -> None:
    for capabilities in ([], [capability]):
        cluster = Cluster()
        cluster.allocator.add_agent("a", Resources.of([scalar("mem", 64), special]), {})
        cluster.framework("f", roles=[role], capabilities=capabilities)
        cluster.run()
        offered = cluster.last("f").resources.unallocated()
        assert offered.contains(Resources.of([special])) is bool(capabilities)
        assert offered.contains(Resources.of([scalar("mem", 64)]))


def test_a_shared_volume_is_offered_again_while_it_is_in_use() -> None:
    cluster = Cluster()
    total = Resources.of([scalar("cpus", 2), scalar("mem", 64), _shared()])
    cluster.allocator.add_agent("a", total, {})
    cluster.framework("f", capabilities=["SHARED_RESOURCES"])
    cluster.framework("g", capabilities=["SHARED_RESOURCES"])
    cluster.run()
    first = cluster.last("f")
    used = Resources.of([scalar("cpus", 1), _shared()]).allocated("test")
    assert first.resources.unallocated() == total
    cluster.allocator.recover("f", "a", first.resources - used, 5, cluster.now)
    cluster.allocator.check()
    cluster.run()
    second = cluster.last("g")
    assert second.resources.unallocated() == total - Resources.of([scalar("cpus", 1)])
    assert cluster.allocator.allocated_quantities()["disk"] == 2 * 64_000
    cluster.allocator.recover("g", "a", second.resources, None, cluster.now)
    cluster.allocator.recover("f", "a", used, None, cluster.now)
    cluster.allocator.check()
    assert cluster.allocator.allocated_quantities() == {}
    assert cluster.allocator.free("a") == total


def test_operations_change_what_is_held_and_what_there_is() -> None:
    cluster = Cluster()
    cluster.agent("a", "cpus:4;mem:4096")
    cluster.framework("f")
    cluster.run()
    consumed, converted = amount("cpus:1", "test"), amount("cpus(test):1", "test")
    cluster.allocator.convert("f", "a", consumed, converted)
    cluster.allocator.check()
    grant = cluster.last("f")
    cluster.allocator.recover("f", "a", grant.resources - consumed + converted, None, cluster.now)
    assert cluster.run() == ["f test a cpus(reservations: [(STATIC,test)]):1; cpus:3; mem:4096"]
    with pytest.raises(ValueError, match="does not contain"):
        cluster.allocator.convert_free("a", amount("cpus:1"), amount("cpus(eng):1"))
    cluster.allocator.recover("f", "a", cluster.last("f").resources, 100, cluster.now)
    cluster.allocator.convert_free("a", amount("cpus(test):1"), amount("cpus:1"))
    assert cluster.run() == ["f test a cpus:4; mem:4096"]


def test_a_new_total_is_offered_less_what_is_held() -> None:
    cluster = Cluster()
    cluster.agent("a", "cpus:4;mem:4096")
    cluster.framework("f")
    cluster.run()
    cluster.accept("f", "cpus:1;mem:64", refuse_seconds=100)
    cluster.allocator.update_agent("a", amount("cpus:5;mem:1000;ports:[1-2]"))
    assert cluster.run() == ["f test a ports:[1-2]; cpus:4; mem:936"]
    assert cluster.allocator.total_quantities() == {"cpus": 5000, "mem": 1_000_000}


def test_sets_and_ranges_are_given_whole() -> None:
    cluster = Cluster()
    total = Resources.of([scalar("cpus", 1), items("zones", "a", "b"), ranges("ports", (1, 9))])
    cluster.allocator.add_agent("a", total, {})
    cluster.framework("f")
    assert cluster.run() == ["f test a zones:{a, b}; ports:[1-9]; cpus:1"]


# Order.


def _shares_of_ten(cluster: Cluster, roles: list[str]) -> dict[str, int]:
    """How many of ten equal agents each role gets when all come at once."""
    for role in roles:
        cluster.framework(f"f-{role}", roles=[role])
    for number in range(10):
        cluster.agent(f"a{number}", "cpus:1;mem:100")
    counts = dict.fromkeys(roles, 0)
    for line in cluster.run():
        counts[line.split()[1]] += 1
    return counts


def test_equal_roles_share_equally() -> None:
    assert _shares_of_ten(Cluster(), ["x", "y"]) == {"x": 5, "y": 5}


def test_roles_share_by_weight() -> None:
    cluster = Cluster(AllocatorOptions(weights={"x": 4.0}))
    assert _shares_of_ten(cluster, ["x", "y"]) == {"x": 8, "y": 2}


def test_weights_can_change() -> None:
    cluster = Cluster()
    assert _shares_of_ten(cluster, ["x", "y"]) == {"x": 5, "y": 5}
    cluster.allocator.set_weights({"y": 1.5})
    cluster.allocator.update_agent("a0", amount("cpus:2;mem:200"))
    assert cluster.run() == ["f-y y a0 cpus:1; mem:100"]


def test_siblings_share_what_their_parent_gets() -> None:
    """The sub-roles of x share its half; x's own framework competes with them as one of three."""
    counts = _shares_of_ten(Cluster(), ["x", "x/a", "x/b", "y"])
    assert counts["y"] == 5
    assert sorted(counts[role] for role in ("x", "x/a", "x/b")) == [1, 2, 2]


def test_within_a_role_frameworks_share_equally_and_ties_go_by_name() -> None:
    cluster = Cluster()
    for name in ("c", "a", "b"):
        cluster.framework(name)
    for number in range(4):
        cluster.agent(f"a{number}")
    assert [line.split()[0] for line in cluster.run()] == ["a", "b", "c", "a"]


def test_with_equal_shares_the_one_that_got_less_often_is_first() -> None:
    cluster = Cluster()
    cluster.agent("a", "cpus:1;mem:100")
    cluster.framework("f")
    cluster.framework("g")
    assert [line.split()[0] for line in cluster.run()] == ["f"]
    cluster.end("f", "cpus:1;mem:100")
    assert [line.split()[0] for line in cluster.run()] == ["g"]
    cluster.end("g", "cpus:1;mem:100")
    assert [line.split()[0] for line in cluster.run()] == ["f"]


def test_shares_are_counted_anew_when_the_cluster_changes() -> None:
    """f holds two thirds of the cpus, g three quarters of the memory, until there is much more memory."""
    cluster = Cluster()
    cluster.framework("f")
    cluster.framework("g")
    cluster.agent("a", "cpus:4;mem:100")
    assert cluster.run() == ["f test a cpus:4; mem:100"]
    cluster.agent("b", "cpus:2;mem:300")
    assert cluster.run() == ["g test b cpus:2; mem:300"]
    cluster.agent("c", "mem:2000")
    assert cluster.run() == ["g test c mem:2000"]


def test_excluded_resources_do_not_count_for_fairness() -> None:
    cluster = Cluster(AllocatorOptions(fair_sharing_excluded_resource_names=frozenset(["gpus"])))
    cluster.framework("f", capabilities=["GPU_RESOURCES"])
    cluster.agent("a", "cpus:1;mem:100;gpus:1")
    cluster.agent("b", "cpus:9;mem:900")
    cluster.allocator.deactivate_agent("b")
    cluster.run()
    assert cluster.allocator.dominant_shares() == {"test": 0.1}
    assert cluster.allocator.allocated_quantities()["gpus"] == thousandths(1)


# Cost, counted and not timed.


def test_an_unchanged_cluster_makes_no_work() -> None:
    cluster = Cluster()
    for number in range(100):
        cluster.agent(f"a{number}")
    cluster.framework("f")
    for grant in list(cluster.allocator.allocate(cluster.now)):
        cluster.allocator.recover("f", grant.agent_id, grant.resources, 3600, cluster.now)
    assert cluster.run() == []
    visits, runs = cluster.allocator.visits, cluster.allocator.runs
    for _ in range(10):
        assert not cluster.allocator.has_work()
        assert cluster.run(after_seconds=1) == []
    assert (cluster.allocator.visits, cluster.allocator.runs) == (visits, runs)


def test_the_cost_of_a_freed_resource_does_not_grow_with_the_cluster() -> None:
    costs = []
    for agents, frameworks in ((10, 5), (1000, 50)):
        cluster = Cluster()
        for number in range(frameworks):
            cluster.framework(f"f{number:03}")
        for number in range(agents):
            cluster.agent(f"a{number}")
        grants = cluster.allocator.allocate(cluster.now)
        assert len(grants) == agents
        visits, moves = cluster.allocator.visits, cluster.allocator.moves
        for grant in grants[:5]:
            cluster.allocator.recover(grant.framework_id, grant.agent_id, grant.resources, None, cluster.now)
            assert len(cluster.allocator.allocate(cluster.now)) == 1
        costs.append(cluster.allocator.visits - visits)
        assert cluster.allocator.moves - moves <= 20
    assert costs == [5, 5]


def test_only_those_whose_filters_end_are_tried_again() -> None:
    cluster = Cluster()
    for number in range(20):
        cluster.framework(f"f{number:02}")
    cluster.agent("a")
    for seconds in range(20):
        (line,) = cluster.run()
        cluster.decline(line.split()[0], refuse_seconds=100 + seconds)
    assert cluster.run() == []
    visits = cluster.allocator.visits
    assert len(cluster.run(after_seconds=100)) == 1
    assert cluster.allocator.visits == visits + 1


def test_filters_are_bounded() -> None:
    """A framework that leaves over ever other amounts for a year keeps a bounded number of filters."""
    cluster = Cluster()
    cluster.agent("a", "cpus:1000;mem:1000")
    cluster.framework("f")
    cluster.run()
    whole = cluster.last("f").resources
    for step in range(300):
        part = amount(f"cpus:{1 + step};mem:{600 - step}", "test")
        cluster.allocator.recover("f", "a", part, 86400, cluster.now)
        cluster.allocator.add_allocated("f", "a", part)
    assert whole.contains(amount("cpus:300;mem:300", "test"))
    assert cluster.allocator.standings("f")[0].filters == 64
    cluster.allocator.check()

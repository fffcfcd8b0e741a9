"""Why somebody gets no offers: each number of an explanation in a small cluster."""

from __future__ import annotations

import pytest

from tepui.allocator.explain import Nearest, explain, ruled_out

from .cluster import Cluster, amount


def test_agents_are_counted_by_what_rules_them_out() -> None:
    cluster = Cluster()
    cluster.framework("f")
    cluster.agent("used", "cpus:1;mem:1024")
    cluster.run()
    cluster.agent("declined", "cpus:1;mem:1024")
    cluster.run()
    cluster.decline("f", 100)
    cluster.agent("off", "cpus:1;mem:1024")
    cluster.allocator.deactivate_agent("off")
    cluster.agent("tiny", "mem:16")
    cluster.allocator.add_agent("unlisted", amount("cpus:1"), {}, hostname="x")
    cluster.allocator.set_whitelist(frozenset([""]))
    cluster.agent("foreign", "cpus(other):1")
    cluster.run()
    found = explain(cluster.allocator, "f", "test")
    assert found.agents == {
        "nothing_free": 1,
        "filtered": 1,
        "inactive": 1,
        "below_minimum": 1,
        "not_on_whitelist": 1,
        "nothing_for_role": 1,
    }
    assert found.filters_until == (cluster.now + 100, cluster.now + 100)
    assert ruled_out(cluster.allocator, "f", "test", "off") == "inactive"
    with pytest.raises(KeyError):
        explain(cluster.allocator, "f", "never")


def test_the_place_in_the_order_is_told() -> None:
    cluster = Cluster()
    for framework_id in ("f", "g", "h"):
        cluster.framework(framework_id)
    cluster.agent("a")
    cluster.run()
    assert [explain(cluster.allocator, each, "test").place for each in ("f", "g", "h")] == [3, 1, 2]
    cluster.allocator.suppress("g")
    found = explain(cluster.allocator, "g", "test")
    assert (found.place, found.participants, found.suppressed, found.takes_part) == (None, 2, True, False)


def test_the_nearest_fit_and_what_no_agent_could_ever_hold() -> None:
    cluster = Cluster()
    for number, text in enumerate(["cpus:4;mem:1024", "cpus:4;mem:2048", "cpus:4;mem:2048", "cpus:1;mem:256"]):
        cluster.agent(f"a{number}", text)
    cluster.framework("f", minimums={"test": [{"cpus": 4000, "mem": 3_072_000}]})
    cluster.run()
    found = explain(cluster.allocator, "f", "test")
    assert found.could_hold == 0
    assert found.largest == {"cpus": 4000, "mem": 2_048_000}
    assert found.nearest == [Nearest("mem", 1_024_000, 2), Nearest("mem", 2_048_000, 3)]
    asked = explain(cluster.allocator, "f", "test", [{"cpus": 4000, "mem": 2_048_000}])
    assert asked.could_hold == 2
    assert asked.nearest == [Nearest("mem", 1_024_000, 1)]


def test_quota_is_told() -> None:
    cluster = Cluster()
    cluster.allocator.set_quota("test", {"cpus": 3000}, {"cpus": 5000})
    cluster.allocator.set_quota("other", {"mem": 1_024_000}, {})
    cluster.agent("a", "cpus:2;mem:1024")
    cluster.framework("f", ["test/sub"])
    cluster.run()
    found = explain(cluster.allocator, "f", "test/sub")
    assert found.quota_role == "test"
    assert found.limit_left == {"cpus": 3000}
    assert found.guarantee_lacks == {"cpus": 1000}
    assert found.held_back == {"cpus": 1000, "mem": 1_024_000}


def test_asking_changes_nothing() -> None:
    cluster = Cluster()
    cluster.allocator.set_quota("test", {}, {"cpus": 1000})
    cluster.agent("a")
    cluster.framework("f")
    cluster.run()
    before = cluster.allocator.standings("f"), cluster.allocator.visits
    explain(cluster.allocator, "f", "test")
    assert (cluster.allocator.standings("f"), cluster.allocator.visits) == before
    assert not cluster.allocator.has_work()

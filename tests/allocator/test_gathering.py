"""Large tasks do not starve: room is gathered for those who declare the least they can use, within bounds."""

from __future__ import annotations

from tepui.allocator import AllocatorOptions, Request
from tepui.allocator.explain import explain

from .cluster import Cluster, amount

LARGE = [{"cpus": 4000}]
OPTIONS = AllocatorOptions(gathering_patience_seconds=10, gathering_seconds=60)


def busy(*agents: str, options: AllocatorOptions = OPTIONS) -> Cluster:
    """Agents of four cpus, on each of which `small` runs four tasks of one cpu."""
    cluster = Cluster(options)
    cluster.framework("small", ["small"])
    for agent_id in agents:
        cluster.agent(agent_id, "cpus:4;mem:4096")
    cluster.run()
    return cluster


def ends(cluster: Cluster, agent_id: str, text: str = "cpus:1;mem:1024") -> list[str]:
    """A small task ends; what is granted upon that."""
    cluster.end("small", text, agent_id, "small")
    return cluster.run()


def test_without_it_small_tasks_take_every_piece() -> None:
    cluster = busy("a", options=AllocatorOptions(gathering_share_max=0))
    cluster.framework("large", ["large"], minimums={"large": LARGE})
    for _ in range(8):
        cluster.run(after_seconds=100)
        assert ends(cluster, "a") == ["small small a cpus:1; mem:1024"]


def test_pieces_of_one_agent_are_kept_together_for_one_who_waits_while_others_run_on() -> None:
    cluster = busy("a", "b")
    cluster.framework("large", ["large"], minimums={"large": LARGE})
    assert cluster.run() == []
    assert ends(cluster, "a") == ["small small a cpus:1; mem:1024"]  # it has not waited for long
    cluster.run(after_seconds=10)
    assert explain(cluster.allocator, "large", "large").gathers_on == "a"
    assert ends(cluster, "b") == ["small small b cpus:1; mem:1024"]
    for _ in range(3):
        assert ends(cluster, "a") == ["small small a mem:1024"]  # memory is nothing that it waits for
    assert cluster.allocator.standings("small")[0].reasons.gathering == 0
    assert ends(cluster, "a", "cpus:1;mem:3072") == ["large large a cpus:4; mem:3072"]
    assert explain(cluster.allocator, "large", "large").gathers_on is None
    cluster.end("large", "cpus:1", "a", "large")
    assert cluster.run() == ["small small a cpus:1"]


def test_who_only_wants_what_is_gathered_gets_nothing_and_is_told_so() -> None:
    cluster = Cluster(OPTIONS)
    cluster.framework("small", ["small"])
    cluster.agent("a", "cpus:4")
    cluster.run()
    cluster.framework("large", ["large"], minimums={"large": LARGE})
    cluster.run()
    cluster.run(after_seconds=10)
    assert ends(cluster, "a", "cpus:1") == []
    assert cluster.allocator.standings("small")[0].reasons.gathering == 1
    assert explain(cluster.allocator, "small", "small").agents == {"gathering": 1}


def test_a_request_is_such_a_declaration_and_may_name_the_agent() -> None:
    cluster = busy("a", "b")
    cluster.framework("large", ["large"])
    cluster.allocator.request("large", [Request({"cpus": 3000}, "b")])
    cluster.run()
    cluster.run(after_seconds=10)
    assert explain(cluster.allocator, "large", "large").gathers_on == "b"
    cluster.allocator.request("large", [])
    cluster.run()
    assert explain(cluster.allocator, "large", "large").gathers_on is None
    assert ends(cluster, "b")[0].startswith("large large b cpus:1")  # fair sharing again: it holds less


def test_an_agent_is_tried_for_a_time_then_others_then_there_is_a_rest() -> None:
    cluster = busy("a", "b", "c", "d")
    cluster.framework("large", ["large"], minimums={"large": LARGE})
    cluster.run()
    tried = []
    for seconds in (10, 60, 60, 60, 170, 10):
        cluster.run(after_seconds=seconds)
        tried.append(explain(cluster.allocator, "large", "large").gathers_on)
    assert tried[3:5] == [None, None]
    assert None not in tried[:3]
    assert len(set(tried[:3])) == 3
    assert tried[5] is not None
    # What was held back of an agent is given to others when it is given up.
    assert cluster.allocator.next_deadline() == cluster.now + 60


def test_what_is_held_back_is_bounded_but_one_may_always_be_gathered_for() -> None:
    cluster = busy(*"abcdefghij")
    for number in range(3):
        cluster.framework(f"large{number}", ["large"], minimums={"large": LARGE})
    cluster.run()
    cluster.run(after_seconds=10)
    gathered = [explain(cluster.allocator, f"large{number}", "large").gathers_on for number in range(3)]
    assert sum(agent_id is not None for agent_id in gathered) == 1  # a tenth of the cluster
    wide = busy(*"abcdefghij", options=AllocatorOptions(gathering_share_max=0.2))
    for number in range(3):
        wide.framework(f"large{number}", ["large"], minimums={"large": LARGE})
    wide.run()
    wide.run(after_seconds=10)
    gathered = [explain(wide.allocator, f"large{number}", "large").gathers_on for number in range(3)]
    assert sum(agent_id is not None for agent_id in gathered) == 2


def test_it_is_off_while_nobody_waits() -> None:
    cluster = busy("a")
    assert cluster.allocator.next_deadline() is None
    cluster.framework("large", ["large"], minimums={"large": LARGE})
    cluster.run()
    cluster.run(after_seconds=10)
    assert ends(cluster, "a") == ["small small a mem:1024"]
    cluster.allocator.suppress("large")
    assert cluster.run() == ["small small a cpus:1"]
    assert cluster.allocator.next_deadline() is None


def test_who_declines_what_was_gathered_is_not_gathered_for_while_the_filter_holds() -> None:
    cluster = busy("a")
    cluster.framework("large", ["large"], minimums={"large": LARGE})
    cluster.run()
    cluster.run(after_seconds=10)
    assert ends(cluster, "a", "cpus:4;mem:4096") == ["large large a cpus:4; mem:4096"]
    cluster.decline("large", 3600)
    assert cluster.run() == ["small small a cpus:4; mem:4096"]
    cluster.run(after_seconds=1000)
    assert explain(cluster.allocator, "large", "large").gathers_on is None
    cluster.run(after_seconds=2700)
    assert explain(cluster.allocator, "large", "large").gathers_on == "a"


def test_nothing_is_gathered_where_it_can_never_fit() -> None:
    cluster = busy("a")
    cluster.framework("huge", ["huge"], minimums={"huge": [{"cpus": 5000}]})
    cluster.framework("bound", ["bound"], minimums={"bound": LARGE})
    cluster.allocator.set_quota("bound", {}, {"cpus": 3000})
    cluster.run()
    cluster.run(after_seconds=10)
    assert explain(cluster.allocator, "huge", "huge").gathers_on is None
    assert explain(cluster.allocator, "bound", "bound").gathers_on is None
    assert ends(cluster, "a", "cpus:1") == ["small small a cpus:1"]


def test_a_guarantee_comes_before_what_is_gathered() -> None:
    cluster = busy("a")
    cluster.framework("large", ["large"], minimums={"large": LARGE})
    cluster.framework("prod", ["prod"])
    cluster.run()
    cluster.run(after_seconds=10)
    assert ends(cluster, "a", "cpus:1") == []
    cluster.allocator.set_quota("prod", {"cpus": 1000}, {})
    assert cluster.run() == ["prod prod a cpus:1"]


def test_an_agent_that_goes_is_gathered_on_no_longer() -> None:
    cluster = busy("a", "b")
    cluster.framework("large", ["large"], minimums={"large": LARGE})
    cluster.run()
    cluster.run(after_seconds=10)
    cluster.allocator.remove_agent("a")
    cluster.run(after_seconds=60)
    assert explain(cluster.allocator, "large", "large").gathers_on == "b"


def test_a_search_looks_at_a_bounded_number_of_agents() -> None:
    cluster = Cluster(OPTIONS)
    cluster.allocator.add_framework("small", ["small"])
    for number in range(6000):
        cluster.allocator.add_agent(f"a{number}", amount("cpus:4"), {})
    cluster.allocator.allocate(0.0)
    cluster.allocator.add_framework("large", ["large"], minimums={"large": LARGE})
    cluster.allocator.allocate(1.0)
    cluster.allocator.allocate(20.0)
    assert 0 < cluster.allocator.looks <= 4096

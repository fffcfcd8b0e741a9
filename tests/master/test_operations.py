"""Operations beside the plays: who may ask for them, what is counted, what operators see."""

from __future__ import annotations

from random import Random

import pytest

from tepui.allocator import DrfAllocator
from tepui.master import operations, views
from tepui.master.core import MasterCore
from tests.master.stage import Stage
from tests.master.stage_base import config

AGENT = "agent l0 resources=cpus:4;mem:4096;disk:1000 capabilities=AGENT_OPERATION_FEEDBACK,RESIZE_VOLUME"


def count(stage: Stage, name: str) -> float:
    metrics = stage.core.metrics
    return metrics.counters.get(f"master/operations/{name}", metrics.levels.get(f"master/operations/{name}", 0.0))


def test_what_the_authorizer_is_asked() -> None:
    asked: list[tuple[str | None, str, str]] = []

    def refuse(principal: str | None, action: str, subject: str) -> bool:
        asked.append((principal, action, subject))
        return action == "register_frameworks"

    stage = Stage()
    stage.core = MasterCore(config(), DrfAllocator(), Random(1), refuse)
    stage.say(AGENT)
    stage.say("subscribe s1 roles=a info_principal=p")
    asked.clear()
    said = stage.say(
        "accept s1 O0 | reserve cpus(+a@p):1 id=r | unreserve cpus(+a@q):1 | create disk(+a)#v@p:1"
        " | destroy disk(+a)#v@p:1 | grow_volume disk(+a)#v:1 disk(+a):1 | shrink_volume disk(+a)#v:9 1"
    )
    assert asked == [
        ("p", "reserve_resources", "a"),
        ("p", "unreserve_resources", "q"),
        ("p", "create_volumes", "a"),
        ("p", "destroy_volumes", "p"),
        ("p", "resize_volumes", "a"),
        ("p", "resize_volumes", "a"),
    ]
    assert "Principal 'p' not authorized to reserve resources; on agent M-S0" in said[1]
    assert not any("ApplyOperation" in line for line in said)
    said = stage.say("operator o RESERVE_RESOURCES cpus(+a):1")
    assert said[0] == "answer 403 Not authorized to reserve resources"


def test_operations_are_counted_and_shown_until_nobody_waits_for_them() -> None:
    stage = Stage()
    stage.say(AGENT)
    stage.say("subscribe s1 roles=a")
    stage.say("accept s1 O0 | reserve cpus(+a):1 id=r | reserve cpus(+b):1 | reserve mem(+a):1")
    assert [count(stage, name) for name in ("total", "pending", "error", "finished")] == [3, 2, 1, 0]
    assert [count(stage, f"reserve/{name}") for name in ("total", "pending", "error")] == [3, 2, 1]
    answer = views.get_operations(stage.core.state)
    assert [str(each.latest_status.state.value) for each in answer.operations] == ["OPERATION_PENDING"] * 2
    stage.say("applied l0 u0 id=r uuid=x")
    stage.say("applied l0 u0 id=r uuid=x")
    stage.say("applied l0 u1")
    assert [count(stage, name) for name in ("total", "pending", "error", "finished")] == [3, 0, 1, 2]
    (held,) = views.get_operations(stage.core.state).operations
    assert held.info.id is not None
    assert held.info.id.value == "r"
    stage.say("acknowledge_operation s1 r x")
    assert not views.get_operations(stage.core.state).operations
    counters = stage.core.metrics.counters
    assert counters["master/messages_operation_status_update"] == 3
    assert counters["master/valid_operation_status_updates"] == 3
    assert counters["master/valid_operation_status_update_acknowledgements"] == 1


def test_operators_can_ask_what_became_of_their_operations(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is over is remembered, up to a bound."""
    monkeypatch.setattr(operations, "SETTLED_MAX", 3)
    stage = Stage()
    stage.say(AGENT)
    for _ in range(4):
        stage.say("operator o RESERVE_RESOURCES cpus(+a):1")
    names = [uuid.hex() for uuid in stage.core.state.agents["M-S0"].operations]

    def told(name: str) -> list[str]:
        return stage.say(f"extension operation agent_id=S0 operation_id={name}")

    assert told(names[0]) == ["answer 200 {state: OPERATION_PENDING, message: None}"]
    stage.say("applied l0 u0 framework=none")
    stage.say("applied l0 u1 FAILED framework=none message=broken")
    assert told(names[0]) == ["answer 200 {state: OPERATION_FINISHED, message: None}"]
    assert told(names[1]) == ["answer 200 {state: OPERATION_FAILED, message: broken}"]
    stage.say("lose l0")
    assert told(names[2]) == ["answer 200 {state: OPERATION_PENDING, message: None}"]
    stage.say(AGENT.replace("agent l0", "agent l1 id=S0"))
    assert told(names[3]) == ['answer 200 {state: OPERATION_DROPPED, message: "The operation did not reach the agent"}']
    assert told(names[0]) == told("0" * 32) == ["answer 200 {state: OPERATION_UNKNOWN, message: None}"]
    for wrong in ("", "xyz", names[0][:-1]):
        (sentence,) = told(wrong)
        assert sentence.startswith("answer 400 Expecting 'agent_id', and as 'operation_id' ")


def test_what_several_parts_of_a_snapshot_say_of_resources_counts_together() -> None:
    stage = Stage()
    stage.say("open-link l0")
    stage.say("hello l0 resources=cpus:4")
    for resources, more in (("cpus(+a):1", " more"), ("cpus(+b):1", "")):
        stage.say(f"holds resources {resources}")
        stage.say(f"snapshot l0{more}")
    assert str(stage.core.state.agents["M-S0"].total) == (
        "cpus:2; cpus(reservations: [(DYNAMIC,a)]):1; cpus(reservations: [(DYNAMIC,b)]):1"
    )

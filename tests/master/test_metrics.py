"""The master's metrics: counting, and the snapshot under Mesos's names."""

from __future__ import annotations

import json

import pytest

from tepui.master.gauges import snapshot
from tepui.master.metrics import Metrics
from tepui.model.metrics import TIMER_SAMPLES_MAX, TIMER_WINDOW_SECONDS, Timer
from tepui.model.resources import Resources
from tepui.model.v1 import scheduler
from tepui.model.v1.mesos import Offer, Resource, TaskState, TaskStatus
from tests.master import cluster, reading, recorded

Call = scheduler.Call.Type
Source = TaskStatus.Source
Reason = TaskStatus.Reason


def published(timer: Timer, now: float) -> dict[str, float]:
    values: dict[str, float] = {}
    timer.publish("t", now, values)
    return values


def test_a_timer_tells_its_last_value_and_the_window_around_it() -> None:
    timer = Timer()
    assert published(timer, 0.0) == {}
    timer.add(4.0, 10.0)
    assert published(timer, 11.0) == {"t_ms": 4.0}
    for milliseconds in (1.0, 3.0, 2.0, 5.0):
        timer.add(milliseconds, 12.0)
    values = published(timer, 12.0)
    assert values["t_ms"] == 5.0
    assert (values["t_ms/count"], values["t_ms/min"], values["t_ms/max"]) == (5.0, 1.0, 5.0)
    assert values["t_ms/p50"] == 3.0
    assert values["t_ms/p90"] == pytest.approx(4.6)
    assert values["t_ms/p9999"] == pytest.approx(4.9996)
    assert published(timer, 10.5 + TIMER_WINDOW_SECONDS)["t_ms/count"] == 4.0, "the oldest sample is too old"
    assert published(timer, 99.0 + TIMER_WINDOW_SECONDS) == {"t_ms": 5.0}


def test_a_timer_keeps_the_newest_samples() -> None:
    timer = Timer()
    for number in range(TIMER_SAMPLES_MAX + 10):
        timer.add(float(number), 1.0)
    values = published(timer, 1.0)
    assert values["t_ms/count"] == TIMER_SAMPLES_MAX
    assert (values["t_ms/min"], values["t_ms/max"]) == (10.0, TIMER_SAMPLES_MAX + 9.0)


def test_a_misspelt_counter_is_an_error() -> None:
    with pytest.raises(KeyError):
        Metrics().counters["master/messages_kill_tasks"] += 1


def test_ended_tasks_are_counted_by_state_source_and_reason() -> None:
    metrics = Metrics()
    metrics.task_update(TaskState.TASK_FINISHED, Source.SOURCE_EXECUTOR)
    metrics.task_update(TaskState.TASK_GONE_BY_OPERATOR, Source.SOURCE_MASTER, Reason.REASON_AGENT_REMOVED_BY_OPERATOR)
    metrics.task_update(TaskState.TASK_FAILED, Source.SOURCE_AGENT, Reason.REASON_EXECUTOR_TERMINATED)
    metrics.task_update(TaskState.TASK_FAILED, Source.SOURCE_AGENT, Reason.REASON_EXECUTOR_TERMINATED)
    metrics.task_update(TaskState.TASK_UNREACHABLE, Source.SOURCE_MASTER, Reason.REASON_AGENT_REMOVED)
    assert {name: number for name, number in metrics.counters.items() if number} == {
        "master/tasks_finished": 1,
        "master/tasks_gone_by_operator": 1,
        "master/task_gone_by_operator/source_master/reason_slave_removed_by_operator": 1,
        "master/tasks_failed": 2,
        "master/task_failed/source_slave/reason_executor_terminated": 2,
        "master/task_unreachable/source_master/reason_slave_removed": 1,
    }


def test_calls_are_counted_for_the_master_and_for_the_framework() -> None:
    world = cluster.small()
    own = world.state.frameworks[cluster.FRAMEWORK].metrics
    for call in (Call.SUBSCRIBE, Call.ACCEPT, Call.ACCEPT, Call.ACKNOWLEDGE, Call.SHUTDOWN):
        world.metrics.scheduler_call(own, call)
    own.events[scheduler.Event.Type.OFFERS] += 3
    own.operations[Offer.Operation.Type.LAUNCH_GROUP] += 1
    own.terminal_tasks[TaskState.TASK_LOST] += 1
    own.offers_sent, own.offers_accepted, own.offers_declined, own.offers_rescinded = 4, 3, 2, 1
    world.state.frameworks[cluster.FRAMEWORK].suppressed_roles = {"test"}
    values = snapshot(world)
    assert values["master/messages_launch_tasks"] == 2.0
    assert values["master/messages_status_update_acknowledgement"] == 1.0
    prefix = f"master/frameworks/small%20one/{cluster.FRAMEWORK}/"
    assert {
        name.removeprefix(prefix): value for name, value in values.items() if name.startswith(prefix) and value
    } == {
        "calls": 5.0,
        "calls/accept": 2.0,
        "calls/acknowledge": 1.0,
        "calls/shutdown": 1.0,
        "calls/subscribe": 1.0,
        "events": 3.0,
        "events/offers": 3.0,
        "offers/accepted": 3.0,
        "offers/declined": 2.0,
        "offers/rescinded": 1.0,
        "offers/sent": 4.0,
        "operations": 1.0,
        "operations/launch_group": 1.0,
        "roles/test/suppressed": 1.0,
        "subscribed": 1.0,
        "tasks/active/task_running": 1.0,
        "tasks/active/task_staging": 1.0,
        "tasks/active/task_unreachable": 1.0,
        "tasks/terminal/task_lost": 1.0,
    }


def test_completed_and_unpublished_frameworks() -> None:
    world = cluster.small()
    assert any(cluster.COMPLETED in name for name in snapshot(world)), "completed frameworks are shown"
    world.config = cluster.config(per_framework_metrics=False)
    assert not any(name.startswith("master/frameworks/") for name in snapshot(world))


def test_gauges_follow_the_state() -> None:
    world = cluster.small()
    state = world.state
    revocable = cluster.scalar("cpus", 2.0)
    revocable.revocable = Resource.RevocableInfo()
    state.agents[cluster.AGENT].total += Resources.of([revocable])
    away = cluster.add_agent(world, 1)
    away.link = None
    state.unreachable_agents["lost"] = 0.0
    state.operator_streams["stream"] = None
    cluster.add_framework(world, "gone-quiet", connected=False)
    world.allocator = cluster.Numbers(
        total={"cpus": 8000, "gpus": 1000}, allocated={"cpus": 4000}, filters={"test": 2}, shares={"test": 0.5}
    )
    values = snapshot(world)
    assert list(values) == sorted(values)
    assert {name: value for name, value in values.items() if value and not name.startswith("master/frameworks/")} == {
        "allocator/mesos/allocation_runs": 7.0,
        "allocator/mesos/offer_filters/roles/test/active": 2.0,
        "allocator/mesos/quota/roles//resources/cpus/consumed": 1.1,
        "allocator/mesos/quota/roles//resources/mem/consumed": 352.0,
        "allocator/mesos/quota/roles/lr/resources/mem/consumed": 192.0,
        "allocator/mesos/quota/roles/test/resources/cpus/consumed": 1.1,
        "allocator/mesos/quota/roles/test/resources/mem/consumed": 160.0,
        "allocator/mesos/resources/cpus/offered_or_allocated": 4.0,
        "allocator/mesos/resources/cpus/total": 8.0,
        "allocator/mesos/roles/test/shares/dominant": 0.5,
        "master/cpus_percent": 0.1375,
        "master/cpus_revocable_total": 2.0,
        "master/cpus_total": 8.0,
        "master/cpus_used": 1.1,
        "master/disk_total": 20000.0,
        "master/elected": 1.0,
        "master/frameworks_active": 1.0,
        "master/frameworks_connected": 1.0,
        "master/frameworks_disconnected": 1.0,
        "master/frameworks_inactive": 1.0,
        "master/mem_percent": 160 / 8192,
        "master/mem_total": 8192.0,
        "master/mem_used": 160.0,
        "master/operator_event_stream_subscribers": 1.0,
        "master/outstanding_offers": 1.0,
        "master/slaves_active": 1.0,
        "master/slaves_connected": 1.0,
        "master/slaves_disconnected": 1.0,
        "master/slaves_inactive": 1.0,
        "master/slaves_unreachable": 1.0,
        "master/tasks_running": 1.0,
        "master/tasks_staging": 1.0,
        "master/tasks_unreachable": 1.0,
        "master/uptime_secs": 100.0,
    }


def test_a_shell_registers_gauges_of_its_own() -> None:
    world = cluster.empty()

    def broken() -> float:
        raise OSError("gone")

    world.metrics.register_gauge("tepui/streams/backlog_bytes", lambda: 12)
    world.metrics.register_gauge("system/load_1min", broken)
    world.metrics.register_gauge("master/event_queue_messages", lambda: 3)
    world.metrics.register_gauges(lambda: {"system/cpus_total": 8, "system/mem_free_bytes": 5})
    values = snapshot(world)
    assert values["tepui/streams/backlog_bytes"] == 12.0
    assert (values["system/cpus_total"], values["system/mem_free_bytes"]) == (8.0, 5.0)
    assert "system/load_1min" not in values
    assert values["master/event_queue_messages"] == 3.0


_SYSTEM = (
    "cpus_total", "load_1min", "load_5min", "load_15min", "mem_free_bytes", "mem_total_bytes",
)  # fmt: skip


def _as_recorded(world: cluster.Reading) -> dict[str, float]:
    """The snapshot of a master that has measured everything as the recorded one had."""
    for name, timer in world.metrics.timers.items():
        timer.add(1.0, world.now)
        if name != "registrar/state_fetch":
            timer.add(2.0, world.now)
    for name in _SYSTEM:
        world.metrics.register_gauge(f"system/{name}", lambda: 1.0)
    return snapshot(world)


@reading.needs_captures
def test_the_names_of_an_idle_master_are_the_recorded_ones() -> None:
    world = recorded.rebuild("oper-12-get-agents")
    wanted = json.loads(recorded.body("legacy-empty-04-metrics-snapshot"))
    assert list(_as_recorded(world)) == list(wanted)


@reading.needs_captures
def test_the_names_and_amounts_of_a_busy_master_are_the_recorded_ones() -> None:
    world = recorded.rebuild("oper-12-get-agents", "oper-11-get-state")
    world.allocator = recorded.numbers(world, {"test": 0.255})
    world.metrics.task_update(TaskState.TASK_ERROR, Source.SOURCE_MASTER, Reason.REASON_TASK_INVALID)
    world.metrics.task_update(TaskState.TASK_FAILED, Source.SOURCE_AGENT, Reason.REASON_EXECUTOR_TERMINATED)
    world.metrics.task_update(TaskState.TASK_LOST, Source.SOURCE_MASTER, Reason.REASON_INVALID_OFFERS)
    wanted = json.loads(recorded.body("legacy-busy-07-metrics-snapshot"))
    values = _as_recorded(world)
    assert list(values) == list(wanted)
    same = (
        "_total", "_used", "_percent", "/total", "/consumed", "/dominant", "_running", "_active", "_connected",
        "/subscribed", "/suppressed", "/task_running", "/task_unreachable", "_disconnected",
    )  # fmt: skip
    names = [
        name
        for name in wanted
        if name.endswith(same) and "/events/" not in name and not name.startswith(("system/", "master/operations/"))
    ]
    assert {name: values[name] for name in names} == {name: wanted[name] for name in names}

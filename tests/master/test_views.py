"""What operators read through the v1 API of the master."""

from __future__ import annotations

import pytest

from tepui.master import views
from tepui.model.v1.master import Call
from tepui.model.v1.mesos import TaskState
from tepui.wire.json import encode_hand_written
from tests.master import cluster, reading, recorded

ANSWERS = {
    "GET_HEALTH": '{"type":"GET_HEALTH","get_health":{"healthy":true}}',
    "GET_FLAGS": '{"type":"GET_FLAGS","get_flags":{"flags":[{"name":"agent_ping_timeout","value":"15secs"},'
    '{"name":"cluster","value":"small"},{"name":"port","value":"5050"}]}}',
    "GET_VERSION": '{"type":"GET_VERSION","get_version":{"version_info":{"version":"0.1.0",'
    '"build_date":"2026-11-21 00:00:00","build_time":1795219200.0,"build_user":"someone"}}}',
    "GET_ROLES": '{"type":"GET_ROLES","get_roles":{"roles":[{"name":"lr","weight":1.0},{"name":"test","weight":1.0,'
    f'"frameworks":[{{"value":"{cluster.FRAMEWORK}"}}],"resources":[{{"name":"cpus","type":"SCALAR",'
    '"scalar":{"value":4.0}},{"name":"mem","type":"SCALAR","scalar":{"value":4000.0}}]}]}}',
    "GET_WEIGHTS": '{"type":"GET_WEIGHTS"}',
    "GET_MASTER": f'{{"type":"GET_MASTER","get_master":{{"master_info":{{"id":"{cluster.MASTER}","ip":16777343,'
    '"port":5050,"pid":"master@127.0.0.1:5050","hostname":"localhost","version":"0.1.0","address":{"hostname":'
    '"localhost","ip":"127.0.0.1","port":5050},"capabilities":[{"type":"AGENT_UPDATE"}]},'
    '"start_time":1800000000.0,"elected_time":1800000000.5}}',
    "GET_OPERATIONS": '{"type":"GET_OPERATIONS","get_operations":{}}',
    "GET_QUOTA": '{"type":"GET_QUOTA","get_quota":{"status":{}}}',
    "GET_MAINTENANCE_STATUS": '{"type":"GET_MAINTENANCE_STATUS","get_maintenance_status":{"status":{}}}',
    "GET_MAINTENANCE_SCHEDULE": '{"type":"GET_MAINTENANCE_SCHEDULE","get_maintenance_schedule":{"schedule":{}}}',
}

RECORDED = {
    "oper-11-get-state": "GET_STATE",
    "oper-12-get-agents": "GET_AGENTS",
    "oper-13-get-frameworks": "GET_FRAMEWORKS",
    "oper-14-get-executors": "GET_EXECUTORS",
    "oper-15-get-tasks": "GET_TASKS",
    "oper-16-get-roles": "GET_ROLES",
    "oper-07-get-flags": "GET_FLAGS",
    "oper-08-get-version": "GET_VERSION",
}

# AgentInfo.checkpoint is a field of the unversioned API only, which Mesos shows by accident; it shows an offer's
# executors as they were when it was made, we show those of now.
NOT_OURS = frozenset({"checkpoint", "executor_ids"})


def ask(world: cluster.Reading, name: str) -> bytes:
    answer = views.answer(world, Call(type=Call.Type[name]))
    assert answer is not None
    return encode_hand_written(answer)


@pytest.mark.parametrize("name", ANSWERS)
def test_small_answers_are_to_the_letter(name: str) -> None:
    assert ask(cluster.small(), name).decode() == ANSWERS[name]


def test_the_whole_state() -> None:
    reading.assert_expected("get_state", ask(cluster.small(), "GET_STATE"))


def test_an_empty_cluster_shows_its_arrays() -> None:
    assert ask(cluster.empty(), "GET_STATE") == (
        b'{"type":"GET_STATE","get_state":{"get_tasks":{"tasks":[],"unreachable_tasks":[],"completed_tasks":[]},'
        b'"get_executors":{"executors":[]},"get_frameworks":{"frameworks":[],"completed_frameworks":[]},'
        b'"get_agents":{"agents":[],"recovered_agents":[]}}}'
    )


def test_parts_of_the_state_can_be_asked_for_alone() -> None:
    world = cluster.small()
    whole = ask(world, "GET_STATE")
    for name in ("GET_TASKS", "GET_EXECUTORS", "GET_FRAMEWORKS", "GET_AGENTS"):
        part = ask(world, name)
        assert part.removeprefix(b'{"type":"%s",' % name.encode()).removesuffix(b"}") in whole


def test_tasks_of_completed_frameworks_are_shown() -> None:
    world = cluster.small()
    (done,) = world.state.completed_frameworks.values()
    done.completed_tasks.append(cluster.make_task("old", TaskState.TASK_KILLED, []))
    assert b'"task_id":{"value":"old"}' in ask(world, "GET_TASKS")


def test_agents_and_frameworks_that_are_away() -> None:
    world = cluster.small()
    world.state.agents[cluster.AGENT].link = None
    world.state.agents[cluster.AGENT].reregistered_at = cluster.START + 7
    framework = world.state.frameworks[cluster.FRAMEWORK]
    framework.session = None
    framework.recovered = True
    agents = ask(world, "GET_AGENTS")
    assert b'"active":false,"deactivated":false' in agents
    assert b'"reregistered_time":{"nanoseconds":1800000007000000000}' in agents
    assert b'"active":false,"connected":false,"recovered":true' in ask(world, "GET_FRAMEWORKS")


def test_weights_that_are_set() -> None:
    world = cluster.small()
    world.state.weights = {"test": 2.5, "a/b": 0.5}
    assert ask(world, "GET_WEIGHTS") == (
        b'{"type":"GET_WEIGHTS","get_weights":{"weight_infos":'
        b'[{"weight":0.5,"role":"a/b"},{"weight":2.5,"role":"test"}]}}'
    )
    roles = ask(world, "GET_ROLES")
    assert b'{"name":"a","weight":1.0},{"name":"a/b","weight":0.5},{"name":"lr"' in roles
    assert b'{"name":"test","weight":2.5' in roles


def test_metrics_are_those_of_the_snapshot() -> None:
    body = ask(cluster.small(), "GET_METRICS")
    assert body.startswith(
        b'{"type":"GET_METRICS","get_metrics":{"metrics":[{"name":"allocator/event_queue_dispatches","value":0.0}'
    )
    assert b'{"name":"master/tasks_running","value":1.0}' in body


@pytest.mark.parametrize("name", ["TEARDOWN", "SUBSCRIBE", "LIST_FILES", "GET_LOGGING_LEVEL", "UNKNOWN"])
def test_other_calls_are_not_answered_here(name: str) -> None:
    assert views.answer(cluster.small(), Call(type=Call.Type[name])) is None


@reading.needs_captures
@pytest.mark.parametrize("capture", RECORDED)
def test_the_recorded_cluster_reads_as_recorded(capture: str) -> None:
    world = recorded.rebuild("oper-12-get-agents", "oper-11-get-state")
    answer = ask(world, RECORDED[capture])
    assert recorded.normal(answer, NOT_OURS) == recorded.normal(recorded.body(capture), NOT_OURS)

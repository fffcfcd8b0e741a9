"""The legacy JSON endpoints of the master."""

from __future__ import annotations

import pytest

from tepui.master import legacy
from tepui.master.metrics import Metrics
from tepui.model.legacy import Objects
from tepui.model.resources import Resources
from tepui.model.v1.mesos import FrameworkInfo, Label, Labels, Resource, TaskState, Value
from tepui.wire.json import encode_json
from tests.master import cluster, reading, recorded


def get(world: cluster.Reading, endpoint: str, **query: str) -> bytes:
    answer = legacy.answer(world, endpoint, query)
    assert answer is not None
    assert answer.status == 200
    return encode_json(answer.body)


def shown(world: cluster.Reading, **query: str) -> list[str]:
    """Ids of the tasks that /tasks shows."""
    answer = legacy.answer(world, "tasks", query)
    assert answer is not None
    assert isinstance(answer.body, dict)
    return [task["id"] for task in answer.body["tasks"]]


@pytest.mark.parametrize("endpoint", ["state", "state-summary", "slaves", "roles"])
def test_a_small_cluster(endpoint: str) -> None:
    reading.assert_expected(f"legacy_{endpoint.replace('-', '_')}", get(cluster.small(), endpoint))


@pytest.mark.parametrize(
    ("endpoint", "body"),
    [
        ("frameworks", '{"frameworks":[],"completed_frameworks":[],"unregistered_frameworks":[]}'),
        ("slaves", '{"slaves":[],"recovered_slaves":[]}'),
        ("tasks", '{"tasks":[]}'),
        ("roles", '{"roles":[]}'),
        ("weights", "[]"),
        ("quota", "{}"),
        ("maintenance/schedule", "{}"),
        ("maintenance/status", "{}"),
        ("allocator/offer_constraints_debug", '{"frameworks":{}}'),
        ("flags", '{"flags":{"agent_ping_timeout":"15secs","cluster":"small","port":"5050"}}'),
        (
            "version",
            '{"build_date":"2026-11-21 00:00:00","build_time":1795219200.0,"build_user":"someone","version":"0.1.0"}',
        ),
    ],
)
def test_an_empty_cluster(endpoint: str, body: str) -> None:
    assert get(cluster.empty(), endpoint).decode() == body


def test_weights_and_the_roles_above_weighted_ones() -> None:
    world = cluster.empty()
    world.state.weights = {"a/b": 2.5}
    assert get(world, "weights") == b'[{"weight":2.5,"role":"a/b"}]'
    assert b'{"name":"a","weight":1.0,' in get(world, "roles")
    assert b'{"name":"a/b","weight":2.5,' in get(world, "roles")


def test_a_parent_role_counts_what_is_below_it() -> None:
    world = cluster.small()
    world.state.agents[cluster.AGENT].tasks[cluster.FRAMEWORK]["t-run"].resources = Resources.of(
        cluster.resources("test/deep", cpus=2, mem=8)
    )
    roles = get(world, "roles")
    assert b'"quota":{"role":"test/deep","guarantee":{},"limit":{},"consumed":{"cpus":2.0,"mem":8.0}}' in roles
    assert b'"allocated":{"cpus":2.6,"mem":104.0}' in roles


def test_one_agent_or_framework_can_be_asked_for() -> None:
    world = cluster.small()
    cluster.add_agent(world, 1)
    everything = get(world, "slaves")
    one = get(world, "slaves", slave_id=cluster.AGENT)
    assert one.removesuffix(b'],"recovered_slaves":[]}') in everything
    assert get(world, "slaves", slave_id="none") == b'{"slaves":[],"recovered_slaves":[]}'
    recovered = get(world, "slaves", slave_id=f"{cluster.MASTER}-S7")
    assert recovered.startswith(b'{"slaves":[],"recovered_slaves":[{"id":')
    assert get(world, "frameworks", framework_id=cluster.COMPLETED).startswith(
        b'{"frameworks":[],"completed_frameworks":[{"id":"%s"' % cluster.COMPLETED.encode()
    )


def test_pages_of_tasks() -> None:
    world = cluster.small()
    newest_first = ["c-away", "c-end", "t-run", "t-done", "c-stage"]
    assert shown(world) == newest_first
    assert shown(world, order="des") == newest_first
    assert shown(world, order="asc") == ["c-stage", "t-done", "t-run", "c-end", "c-away"]
    assert shown(world, limit="2", offset="1") == ["c-end", "t-run"]
    assert shown(world, limit="0") == []
    assert shown(world, limit="many", offset="-1") == newest_first
    assert shown(world, task_id="t-run") == ["t-run"]
    assert shown(world, framework_id="other") == []


def test_a_page_holds_a_hundred_tasks_unless_told() -> None:
    world = cluster.small()
    framework = world.state.frameworks[cluster.FRAMEWORK]
    framework.completed_tasks.extend(
        cluster.make_task(f"more-{number}", TaskState.TASK_FINISHED, []) for number in range(200)
    )
    assert len(shown(world)) == 100
    assert len(shown(world, limit="1000")) == 205


def test_a_framework_with_one_role_and_labels() -> None:
    world = cluster.small()
    framework = world.state.frameworks[cluster.FRAMEWORK]
    framework.capabilities = frozenset()
    framework.info.capabilities = []
    framework.info.labels = Labels(labels=[Label(key="a", value="b")])
    framework.suppressed_roles = {"test"}
    body = get(world, "frameworks")
    assert b'"role":"test","tasks":' in body
    assert b'"labels":[{"key":"a","value":"b"}],"offer_constraints":{}}' in body
    world.allocator.excluded = {"test": ["there"]}
    assert get(world, "allocator/offer_constraints_debug") == (
        b'{"frameworks":{"%s":{"suppressed_roles":["test"],"excluded_by_attribute_constraints":{"test":["there"]}}}}'
        % cluster.FRAMEWORK.encode()
    )


def test_resources_of_all_sorts() -> None:
    revocable = cluster.scalar("cpus", 1.5)
    revocable.revocable = Resource.RevocableInfo()
    reserved = cluster.ports(5, 6)
    reserved.reservations = [
        Resource.ReservationInfo(type=Resource.ReservationInfo.Type.STATIC, role="other"),
    ]
    zones = Resource(name="zones", type=Value.Type.SET, set=Value.Set(item=["b", "a"]))
    world = cluster.small()
    world.state.agents[cluster.AGENT].total = Resources.of(
        [*cluster.resources(cpus=4, bananas=3), revocable, cluster.ports(1, 3), reserved, zones]
    )
    assert (
        b'"resources":{"disk":0.0,"mem":0.0,"gpus":0.0,"cpus":4.0,"bananas":3.0,"cpus_revocable":1.5,'
        b'"ports":"[1-3, 5-6]","zones":"{a, b}"}' in get(world, "slaves")
    )


def test_a_task_with_everything() -> None:
    task = cluster.small().state.frameworks[cluster.FRAMEWORK].tasks["t-run"]
    task.info.limits = {"mem": Value.Scalar(value=float("inf")), "cpus": Value.Scalar(value=2.0)}
    task.statuses[0].healthy = True
    body = encode_json(legacy.task_object(task, Objects()))
    assert b'"limits":{"mem":"Infinity","cpus":2.0},"role":"test","statuses"' in body
    assert b'"healthy":true}],"labels":[{"key":"k","value":"v"},{"key":"bare"}]}' in body


def test_the_registry() -> None:
    world = cluster.small()
    world.state.unreachable_agents["lost"] = cluster.START
    body = get(world, "registrar(1)/registry")
    assert body.startswith(b'{"master":{"info":{"id":')
    assert body.endswith(
        b'"unreachable":{"slaves":[{"id":{"value":"lost"},"timestamp":{"nanoseconds":1800000000000000000}}]},'
        b'"gone":{"slaves":[]}}'
    )


def test_endpoints_that_nobody_knows_have_no_answer() -> None:
    assert legacy.answer(cluster.small(), "nothing", {}) is None


def test_teardown_forms() -> None:
    state = cluster.small().state
    assert legacy.torn_down(state, {"frameworkId": cluster.FRAMEWORK}) is state.frameworks[cluster.FRAMEWORK]
    assert legacy.torn_down(state, {}) == (400, "Missing 'frameworkId' query parameter in the request body")
    assert legacy.torn_down(state, {"frameworkId": "nope"}) == (
        400,
        "No framework found with specified ID",
    )


# What is offered changed between the recordings, which follow one another within a second.
_OFFERED = frozenset({"offers", "offered_resources", "offered_resources_full"})
_HELD = _OFFERED | {"resources"}


@reading.needs_captures
@pytest.mark.parametrize(
    ("capture", "endpoint", "query", "without"),
    [
        ("legacy-busy-01-master-state", "state", {}, _HELD),
        ("legacy-busy-02-master-state-summary", "state-summary", {}, _OFFERED),
        ("legacy-busy-03-master-slaves", "slaves", {}, _OFFERED),
        ("legacy-busy-04-master-frameworks", "frameworks", {}, _HELD),
        ("legacy-busy-05-master-tasks", "tasks", {}, frozenset()),
        ("legacy-busy-08-master-slaves-slave-id", "slaves", {"slave_id": "-S0"}, _OFFERED),
        ("legacy-busy-09-master-frameworks-framework-id", "frameworks", {"framework_id": "-0002"}, _HELD),
        (
            "legacy-busy-10-master-tasks-task-id-z-run-framework-id",
            "tasks",
            {"task_id": "z-run", "framework_id": "-0002"},
            frozenset(),
        ),
        ("legacy-busy-11-master-tasks-limit", "tasks", {"limit": "1"}, frozenset()),
    ],
)
def test_the_recorded_cluster_reads_as_recorded(
    capture: str, endpoint: str, query: dict[str, str], without: frozenset[str]
) -> None:
    world = recorded.rebuild("oper-12-get-agents", "oper-11-get-state")
    master = world.config.info.id
    query = {key: master + value if value.startswith("-") else value for key, value in query.items()}
    assert recorded.normal(get(world, endpoint, **query), without) == recorded.normal(recorded.body(capture), without)


@reading.needs_captures
def test_the_recorded_roles_read_as_recorded() -> None:
    world = recorded.rebuild("oper-12-get-agents", "oper-11-get-state")
    world.state.weights = {"test": 2.5, "quotarole": 1.0}
    without = frozenset({"offered", "resources"})
    body = recorded.body("legacy-busy-06-master-roles")
    assert recorded.normal(get(world, "roles"), without) == recorded.normal(body, without)


@reading.needs_captures
@pytest.mark.parametrize(
    ("capture", "endpoint"),
    [
        ("legacy-empty-02-version", "version"),
        ("legacy-empty-03-flags", "flags"),
        ("legacy-empty-09-master-state", "state"),
        ("legacy-empty-10-master-state-summary", "state-summary"),
        ("legacy-empty-11-master-slaves", "slaves"),
        ("legacy-empty-12-master-frameworks", "frameworks"),
        ("legacy-empty-13-master-tasks", "tasks"),
        ("legacy-empty-14-master-roles", "roles"),
        ("legacy-empty-15-master-weights", "weights"),
        ("legacy-empty-16-master-quota", "quota"),
        ("legacy-empty-17-master-maintenance-schedule", "maintenance/schedule"),
        ("legacy-empty-18-master-maintenance-status", "maintenance/status"),
        ("legacy-empty-36-master-tasks-limit-1-offset-0-order-asc", "tasks"),
    ],
)
def test_the_recorded_idle_cluster_reads_as_recorded(capture: str, endpoint: str) -> None:
    world = recorded.rebuild("oper-12-get-agents")
    world.metrics = Metrics()
    assert recorded.normal(get(world, endpoint)) == recorded.normal(recorded.body(capture))


def test_principals_and_infos_are_shown_where_they_are() -> None:
    world = cluster.small()
    info: FrameworkInfo = world.state.frameworks[cluster.FRAMEWORK].info
    info.hostname, info.webui_url, info.principal = "h", "http://u", None
    body = get(world, "frameworks", framework_id=cluster.FRAMEWORK)
    assert b'"hostname":"h","webui_url":"http://u","active":true' in body
    assert b'"unregistered_time":0.0,"resources":' in body

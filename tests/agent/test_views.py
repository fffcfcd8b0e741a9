"""What operators read of an agent: through the v1 API, the legacy endpoints, and the metrics."""

from __future__ import annotations

import json
import re

import pytest

from tepui.agent import legacy, views
from tepui.agent.events import LegacyCall, LinkReceived, OperatorCall, RunExited, RunStarted
from tepui.agent.metrics import snapshot
from tepui.model.link import Acknowledge
from tepui.model.shell import Answer
from tepui.model.v1.agent import Call
from tepui.model.v1.mesos import (
    Attribute,
    CommandInfo,
    DrainConfig,
    DurationInfo,
    Environment,
    Label,
    Labels,
    ResourceStatistics,
    TaskState,
    Value,
)
from tepui.wire.json import encode_hand_written, encode_json
from tests.agent import recorded
from tests.agent.stage import BEGIN, Stage
from tests.conformance import captures

needs_captures = pytest.mark.skipif(not captures.CAPTURES_DIRECTORY.is_dir(), reason=captures.MISSING)

EMPTY_STATE = (
    b'"get_tasks":{"pending_tasks":[],"queued_tasks":[],"launched_tasks":[],"terminated_tasks":[],"completed_tasks":[]}'
    b',"get_executors":{"executors":[],"completed_executors":[]},'
    b'"get_frameworks":{"frameworks":[],"completed_frameworks":[]}'
)


def ask(reading: recorded.Reading, name: str) -> bytes:
    answer = views.answer(reading, Call(type=Call.Type[name]), recorded.usage())
    assert answer is not None
    return encode_hand_written(answer)


class Operator:
    """Asks an agent on the stage."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage

    def _answer(self, event: OperatorCall | LegacyCall) -> Answer:
        (effect,) = self.stage.core.handle(event, self.stage.now)
        assert isinstance(effect, Answer)
        return effect

    def call(self, name: str) -> Answer:
        return self._answer(OperatorCall(1, None, Call(type=Call.Type[name])))

    def read(self, name: str) -> bytes:
        answer = self.call(name)
        assert answer.status == 200
        return encode_hand_written(answer.body)

    def containers(self, **options: bool) -> list[tuple[str, str, int | None]]:
        """Executor, container and process of each in GET_CONTAINERS, nested containers with a leading slash."""
        call = Call(type=Call.Type.GET_CONTAINERS, get_containers=Call.GetContainers(**options))
        found = json.loads(encode_hand_written(self._answer(OperatorCall(1, None, call)).body))["get_containers"]
        return [
            (
                one["executor_id"]["value"],
                "/" if "parent" in one["container_id"] else "",
                one["container_status"].get("executor_pid"),
            )
            for one in found.get("containers", [])
        ]

    def get(self, endpoint: str, **usage: ResourceStatistics) -> bytes:
        answer = self._answer(LegacyCall(1, None, endpoint, {}, usage))
        assert answer.status == 200
        return encode_json(answer.body)

    def metrics(self) -> dict[str, float]:
        values: dict[str, float] = json.loads(self.get("metrics/snapshot"))
        return values


def stage_with(*commands: str) -> Operator:
    stage = Stage()
    for command in commands:
        stage.command(command)
    return Operator(stage)


def ids(body: bytes, key: str) -> dict[str, list[str]]:
    """Ids of the tasks in each list of a GET_TASKS answer."""
    return {
        name: [task["task_id"]["value"] for task in tasks] for name, tasks in json.loads(body)[key].items() if tasks
    }


@needs_captures
@pytest.mark.parametrize(
    ("capture", "name"),
    [
        ("agent-15-get-health", "GET_HEALTH"),
        ("agent-16-get-flags", "GET_FLAGS"),
        ("agent-17-get-version", "GET_VERSION"),
        ("agent-20-get-state", "GET_STATE"),
        ("agent-21-get-containers", "GET_CONTAINERS"),
        ("agent-22-get-frameworks", "GET_FRAMEWORKS"),
        ("agent-23-get-executors", "GET_EXECUTORS"),
        ("agent-24-get-tasks", "GET_TASKS"),
        ("agent-26-get-resource-providers", "GET_RESOURCE_PROVIDERS"),
        ("agent-27-get-operations", "GET_OPERATIONS"),
    ],
)
def test_the_recorded_agent_reads_as_recorded(capture: str, name: str) -> None:
    assert recorded.normal(ask(recorded.rebuild(), name)) == recorded.normal(recorded.body(capture))


@needs_captures
@pytest.mark.parametrize(
    ("capture", "endpoint", "without"),
    [
        ("agent-01-state", "state", frozenset[str]()),
        ("agent-04-slave-1-flags", "flags", frozenset[str]()),
        # Each request measures anew; of the container's process, the records of an agent know it themselves.
        ("agent-05-containers", "containers", frozenset({"timestamp", "executor_pid"})),
        ("agent-07-monitor-statistics", "monitor/statistics", frozenset({"timestamp"})),
        ("agent-10-version", "version", frozenset[str]()),
    ],
)
def test_the_recorded_agent_reads_as_recorded_by_the_legacy_endpoints(
    capture: str, endpoint: str, without: frozenset[str]
) -> None:
    answer = encode_json(legacy.answer(recorded.rebuild(), endpoint, recorded.usage()))
    assert recorded.normal(answer, without) == recorded.normal(recorded.body(capture), without)


@needs_captures
def test_the_names_of_the_metrics_are_the_recorded_ones() -> None:
    """But for those of the master inside the recorded process, and our own."""
    world = recorded.rebuild()
    for name in ("cpus_total", "load_1min", "load_5min", "load_15min", "mem_free_bytes", "mem_total_bytes"):
        world.metrics.register_gauge(f"system/{name}", lambda: 1.0)
    not_an_agents = re.compile("master/|allocator/|registrar/")
    wanted = json.loads(recorded.body("agent-09-metrics-snapshot"))
    names = [name for name in snapshot(world) if not name.startswith("tepui/")]
    assert names == [name for name in wanted if not not_an_agents.match(name)]


def test_an_agent_that_does_nothing() -> None:
    operator = stage_with("link up")
    assert operator.read("GET_STATE") == b'{"type":"GET_STATE","get_state":{' + EMPTY_STATE + b"}}"
    assert operator.read("GET_CONTAINERS") == b'{"type":"GET_CONTAINERS","get_containers":{}}'
    assert operator.get("containers") == b"[]"
    assert operator.get("monitor/statistics") == b"[]"
    assert operator.metrics()["slave/registered"] == 0.0
    state = json.loads(operator.get("state"))
    assert "master_hostname" not in state
    assert (state["id"], state["pid"]) == ("", "slave(1)@127.0.0.1:5051")


BUSY = (
    "link up",
    "welcome",
    "framework f1",
    "launch f1 e1 t1 t2 t3",
    "subscribe f1 e1 s1",
    "update f1 e1 t1 RUNNING u1",
    "update f1 e1 t2 FINISHED u2",
    "update f1 e1 t3 FAILED u3",
    "ack f1 t3 u3",
    "launch f1 e2 t4",
)


def run_of(operator: Operator, executor_id: str) -> str:
    return next(run for run, one in operator.stage.core.records.runs.items() if one.executor_id == executor_id)


def test_tasks_stand_in_the_list_of_their_state() -> None:
    operator = stage_with(*BUSY)
    tasks = operator.read("GET_TASKS")
    assert ids(tasks, "get_tasks") == {
        "queued_tasks": ["t4"],
        "launched_tasks": ["t1"],
        "terminated_tasks": ["t2"],
        "completed_tasks": ["t3"],
    }
    (launched,) = json.loads(tasks)["get_tasks"]["launched_tasks"]
    assert list(launched) == [
        "name", "task_id", "framework_id", "executor_id", "agent_id", "state", "resources", "statuses",
        "status_update_state", "status_update_uuid",
    ]  # fmt: skip
    assert (launched["state"], launched["status_update_state"]) == ("TASK_RUNNING", "TASK_RUNNING")
    assert launched["executor_id"] == {"value": "e1"}
    whole = operator.read("GET_STATE")
    assert tasks.removeprefix(b'{"type":"GET_TASKS",').removesuffix(b"}") in whole


def test_an_ended_executor_is_shown_until_its_updates_are_acknowledged() -> None:
    operator = stage_with(*BUSY)
    operator.stage.tell(RunExited(run_of(operator, "e1"), 0))
    operator.stage.command("deadline")  # its last updates were waited for
    executors = json.loads(operator.read("GET_EXECUTORS"))["get_executors"]
    assert [one["executor_info"]["executor_id"]["value"] for one in executors["executors"]] == ["e2", "e1"]
    assert executors["completed_executors"] == []
    containers = json.loads(operator.read("GET_CONTAINERS"))["get_containers"]["containers"]
    assert [one["executor_id"]["value"] for one in containers] == ["e2"], "its container is gone"
    assert ids(operator.read("GET_TASKS"), "get_tasks")["terminated_tasks"] == ["t1", "t2"]
    for command in ("ack f1 t2 u2", "ack f1 t1 u1"):
        operator.stage.command(command)
    ending = operator.stage.core.records.frameworks["f1"].tasks["t1"].pending[0][1].uuid
    assert ending is not None
    link = operator.stage.core.records.link
    assert link is not None
    operator.stage.tell(LinkReceived(link, Acknowledge(framework_id="f1", task_id="t1", uuid=ending)))
    executors = json.loads(operator.read("GET_EXECUTORS"))["get_executors"]
    assert [one["executor_info"]["executor_id"]["value"] for one in executors["completed_executors"]] == ["e1"]
    assert ids(operator.read("GET_TASKS"), "get_tasks")["completed_tasks"] == ["t3", "t2", "t1"]


def test_the_metrics_of_a_busy_agent() -> None:
    operator = stage_with(*BUSY)
    operator.stage.now += 12.0
    values = operator.metrics()
    assert list(values) == sorted(values)
    assert {name: value for name, value in values.items() if value} == {
        "slave/cpus_percent": 1.2 / 4,
        "slave/cpus_total": 4.0,
        "slave/disk_total": 10000.0,
        "slave/cpus_used": 1.2,
        "slave/executors_registering": 1.0,
        "slave/executors_running": 1.0,
        "slave/frameworks_active": 1.0,
        "slave/mem_percent": 192 / 4096,
        "slave/mem_total": 4096.0,
        "slave/mem_used": 192.0,
        "slave/registered": 1.0,
        "slave/tasks_failed": 1.0,
        "slave/tasks_finished": 1.0,
        "slave/tasks_running": 1.0,
        "slave/tasks_staging": 1.0,
        "slave/uptime_secs": BEGIN + 12.0,
        "slave/valid_status_updates": 3.0,
    }
    assert json.loads(operator.read("GET_METRICS"))["get_metrics"]["metrics"] == [
        {"name": name, "value": value} for name, value in values.items()
    ]


def test_the_legacy_state_of_a_busy_agent() -> None:
    operator = stage_with(*BUSY)
    records = operator.stage.core.records
    records.frameworks["f1"].info.principal = "p"
    records.frameworks["f1"].executors["e1"].info.labels = Labels(labels=[Label(key="k", value="v")])
    queued = records.frameworks["f1"].tasks["t4"].info
    queued.command = CommandInfo(
        value="x", shell=False, user="u", environment=Environment(variables=[Environment.Variable(name="A", value="B")])
    )
    records.info.attributes = [Attribute(name="rack", type=Value.Type.TEXT, text=Value.Text(value="r1"))]
    records.drain_config = DrainConfig(max_grace_period=DurationInfo(nanoseconds=5), mark_gone=True)
    records.drain_start_time = BEGIN
    state = json.loads(operator.get("state"))
    assert list(state) == [
        "version", "start_time", "id", "pid", "hostname", "capabilities", "resources", "reserved_resources",
        "unreserved_resources", "reserved_resources_full", "unreserved_resources_full", "reserved_resources_allocated",
        "unreserved_resources_allocated", "resource_providers", "attributes", "drain_config",
        "estimated_drain_start_time_seconds", "master_hostname", "flags", "frameworks", "completed_frameworks",
    ]  # fmt: skip
    assert state["attributes"] == {"rack": "r1"}
    assert state["drain_config"] == {"max_grace_period": {"nanoseconds": 5}, "mark_gone": True}
    assert state["unreserved_resources_allocated"] == {"disk": 0.0, "mem": 192.0, "gpus": 0.0, "cpus": 1.2}
    (framework,) = state["frameworks"]
    assert list(framework) == [
        "id", "name", "user", "failover_timeout", "checkpoint", "hostname", "principal", "role", "executors",
        "completed_executors",
    ]  # fmt: skip
    first, second = framework["executors"]
    assert list(first) == [
        "id", "name", "source", "container", "directory", "resources", "labels", "type", "tasks", "queued_tasks",
        "completed_tasks",
    ]  # fmt: skip
    assert [task["id"] for task in first["tasks"]] == ["t1"]
    assert [task["id"] for task in first["completed_tasks"]] == ["t3", "t2"]
    assert first["resources"] == {"disk": 0.0, "mem": 96.0, "gpus": 0.0, "cpus": 0.6}
    assert second["tasks"] == []
    assert second["queued_tasks"] == [
        {
            "id": "t4",
            "name": "t4",
            "slave_id": "S0",
            "resources": {"disk": 0.0, "mem": 64.0, "gpus": 0.0, "cpus": 0.5},
            "role": "*",
            "command": {
                "shell": False,
                "value": "x",
                "argv": [],
                "environment": {"variables": [{"name": "A", "type": "VALUE", "value": "B"}]},
                "uris": [],
            },
            "executor_id": "e2",
        }
    ]
    assert b'"user":"u"' in operator.read("GET_TASKS"), "whom a task runs as"


def test_usage_that_was_measured_and_usage_that_was_not() -> None:
    operator = stage_with(*BUSY)
    measured = run_of(operator, "e1")
    operator.stage.tell(RunStarted(measured, 77))
    usage = {measured: ResourceStatistics(timestamp=BEGIN, mem_rss_bytes=5, cpus_user_time_secs=0.5)}
    containers = json.loads(operator.get("containers", **usage))
    assert [list(one) for one in containers] == [
        ["container_id", "executor_id", "executor_name", "framework_id", "source", "statistics", "status"],
        ["container_id", "executor_id", "executor_name", "framework_id", "source", "status"],
    ]
    assert containers[0]["status"] == {"container_id": {"value": measured}, "executor_pid": 77}
    assert operator.get("monitor/statistics", **usage).decode() == (
        '[{"executor_id":"e1","executor_name":"","framework_id":"f1","source":"",'
        '"statistics":{"cpus_soft_limit":0.6,"cpus_user_time_secs":0.5,"mem_limit_bytes":100663296,'
        f'"mem_rss_bytes":5,"mem_soft_limit_bytes":100663296,"timestamp":{BEGIN}}}}}]'
    )
    core = operator.stage.core
    reading = recorded.Reading(core.config, core.records, core.metrics, operator.stage.now)
    answer = views.answer(reading, Call(type=Call.Type.GET_CONTAINERS), usage)
    assert answer is not None
    assert b'"executor_pid":77},"resource_statistics":{"timestamp"' in encode_hand_written(answer)


def test_what_later_features_will_answer() -> None:
    operator = stage_with("link up")
    answer = operator.call("LAUNCH_CONTAINER")
    assert (answer.status, answer.body) == (501, "Launching containers is not supported by this version.")
    answer = operator.call("UNKNOWN")
    assert (answer.status, answer.body) == (501, "")
    (effect,) = operator.stage.core.handle(LegacyCall(1, None, "nothing", {}), BEGIN)
    assert effect == Answer(1, 404, "")


def test_every_state_of_tasks_is_counted_somewhere() -> None:
    """Of states that an agent gives its tasks, all but two are shown, as in Mesos."""
    operator = stage_with("link up")
    shown = {name.removeprefix("slave/tasks_") for name in operator.metrics() if name.startswith("slave/tasks_")}
    counted = {state.value.removeprefix("TASK_").lower() for state in TaskState}
    assert shown < counted
    assert counted - shown == {"error", "dropped", "unreachable", "gone_by_operator", "unknown"}


def test_containers_of_commands_and_groups() -> None:
    operator = stage_with("link up", "welcome", "framework f1", "launch f1 - t1", "launch f1 default group t2 t3")
    operator.stage.command("started run-1 pid=11")
    operator.stage.command("started run-3 pid=13")
    executors = [("t1", "", 11), ("default", "", None)]
    assert operator.containers() == operator.containers(show_nested=False) == executors
    assert operator.containers(show_nested=True) == [*executors, ("default", "/", 13), ("default", "/", None)]
    operator.stage.command("exited run-1 status=0")
    operator.stage.command("exited run-3 status=0")
    assert operator.containers(show_nested=True) == [("default", "", None), ("default", "/", None)]
    assert ids(operator.read("GET_TASKS"), "get_tasks") == {"launched_tasks": ["t3"], "terminated_tasks": ["t2", "t1"]}

"""The sentences that invalid tasks are answered with, in their order (Mesos: task validation)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tepui.model.shell import Effect, Send, SendLink
from tepui.model.v1.mesos import TaskState, TaskStatus
from tests.master.stage import Stage

BASE = "resources=cpus:1;mem:32"


class Told(Stage):
    """A stage that keeps the statuses and launches it was told."""

    def __init__(self) -> None:
        self.statuses: list[TaskStatus] = []
        self.launched: list[str] = []
        super().__init__()
        self.command("agent l0 resources=cpus:8;mem:8192;disk:100;gpus:2;ports:[1-9] capabilities=TASK_RESOURCE_LIMITS")
        self.command("subscribe s1 failover_timeout=10 checkpoint=yes capabilities=GPU_RESOURCES")

    def tell(self, effect: Effect) -> None:
        super().tell(effect)
        if isinstance(effect, Send) and effect.event.update is not None:  # type: ignore[attr-defined]
            self.statuses.append(effect.event.update.status)  # type: ignore[attr-defined]
        if isinstance(effect, SendLink):
            self.launched += [task.task_id.value for task in getattr(effect.message, "tasks", [])]


def refused(how: str, name: str = "t") -> str | None:
    """Why the task is refused; None when it is launched."""
    stage = Told()
    stage.command(f"accept s1 all | launch {name} {how}")
    if stage.launched:
        assert not stage.statuses
        return None
    (status,) = stage.statuses
    assert status.state is TaskState.TASK_ERROR
    assert status.reason is TaskStatus.Reason.REASON_TASK_INVALID
    assert status.uuid is None
    return status.message


def with_json(**fields: Any) -> str:
    return f"{BASE} json='{json.dumps(fields)}'"


COMMAND = {"value": "true"}
TOO_LONG = "x" * 256


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("..", "'..' is disallowed"),
        (TOO_LONG, "ID must not be greater than 255 characters"),
        ("a\\\\b", "'a\\b' contains invalid characters"),
    ],
)
def test_task_ids(name: str, sentence: str) -> None:
    assert refused(BASE, name) == sentence


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"task_id": {"value": ""}}, "ID must not be empty"),
        (
            {"kill_policy": {"grace_period": {"nanoseconds": -1}}},
            "Task's 'kill_policy.grace_period' must be non-negative",
        ),
        ({"max_completion_time": {"nanoseconds": -1}}, "Task's 'max_completion_time' must be non-negative"),
        ({"check": {}}, "Task uses invalid check: CheckInfo must specify 'type'"),
        ({"check": {"type": "UNKNOWN"}}, "Task uses invalid check: 'UNKNOWN' is not a valid check type"),
        (
            {"check": {"type": "COMMAND"}},
            "Task uses invalid check: Expecting 'command' to be set for COMMAND check",
        ),
        (
            {"check": {"type": "COMMAND", "command": {"command": {}}}},
            "Task uses invalid check: Command check must contain a shell command",
        ),
        (
            {"check": {"type": "HTTP", "http": {"port": 1, "path": "x"}}},
            "Task uses invalid check: The path 'x' of HTTP check must start with '/'",
        ),
        (
            {"check": {"type": "TCP", "tcp": {"port": 1}, "delay_seconds": -1.0}},
            "Task uses invalid check: Expecting 'delay_seconds' to be non-negative",
        ),
        ({"health_check": {}}, "Task uses invalid health check: HealthCheck must specify 'type'"),
        (
            {"health_check": {"type": "HTTP", "http": {"port": 1, "scheme": "ftp"}}},
            "Task uses invalid health check: Unsupported HTTP health check scheme: 'ftp'",
        ),
        (
            {"health_check": {"tcp": {"port": 1}, "grace_period_seconds": -1.0}},
            "Task uses invalid health check: Expecting 'grace_period_seconds' to be non-negative",
        ),
        (
            {"command": {"environment": {"variables": [{"name": "A"}]}}},
            "Task's 'CommandInfo' is invalid: Environment variable 'A' of type 'VALUE' must have a value set",
        ),
        (
            {"container": {"type": "DOCKER"}},
            "Task's 'ContainerInfo' is invalid: DockerInfo 'docker' is not set for DOCKER typed ContainerInfo",
        ),
        (
            {"container": {"type": "DOCKER", "docker": {"image": "i", "parameters": [{"key": "name", "value": "v"}]}}},
            "Task's 'ContainerInfo' is invalid: Parameter in DockerInfo must not be 'name'",
        ),
        (
            {"container": {"type": "MESOS", "volumes": [{"mode": "RW", "container_path": "p"}]}},
            (
                "Task's 'ContainerInfo' is invalid: Invalid volume: "
                "Exactly one of 'host_path', 'image' and 'source' must be set"
            ),
        ),
        (
            {
                "container": {
                    "type": "MESOS",
                    "volumes": [{"mode": "RW", "container_path": "p", "source": {"type": "SECRET"}}],
                }
            },
            "Task's 'ContainerInfo' is invalid: Invalid volume: 'source.secret' is not set for a source of type SECRET",
        ),
        (
            {"limits": {"disk": {"value": 5.0}}},
            "Resource limits are only supported for 'cpus' and 'mem', not for 'disk'",
        ),
        ({"limits": {"cpus": {"value": 0.5}}}, "The limit of 'cpus' is less than its request"),
        (
            {"container": {"type": "MESOS", "linux_info": {"share_cgroups": False}}},
            "Only tasks of a group may set 'share_cgroups' to false",
        ),
        ({"kill_policy": {"grace_period": {"nanoseconds": 0}}, "limits": {"cpus": {"value": 2.0}}}, None),
        ({"container": {"type": "MESOS", "volumes": [{"mode": "RW", "container_path": "p", "host_path": "h"}]}}, None),
    ],
)
def test_task_fields(fields: dict[str, Any], sentence: str | None) -> None:
    assert refused(with_json(**fields)) == sentence


@pytest.mark.parametrize(
    ("resources", "sentence"),
    [
        ("", "Task uses no resources"),
        (
            "gpus:0.5",
            "Resource 'gpus(allocated: a):0.5' is invalid: The 'gpus' resource must be an unsigned integer",
        ),
        (
            "cpus:1;mem{b}:32",
            (
                "Task uses invalid resources: "
                "The resources have multiple allocation roles ('a' and 'b'): only one is allowed"
            ),
        ),
        (
            "ports:[3-12]",
            (
                "Total resources ports(allocated: a):[3-12] required by task and its executor is more than available "
                "ports(allocated: a):[1-9]; cpus(allocated: a):8; mem(allocated: a):8192; disk(allocated: a):100; "
                "gpus(allocated: a):2"
            ),
        ),
        ("gpus:2;ports:[3-4,7-8]", None),
    ],
)
def test_task_resources(resources: str, sentence: str | None) -> None:
    assert refused(f"resources={resources}") == sentence


@pytest.mark.parametrize(
    ("executor", "sentence"),
    [
        ({"type": "DEFAULT", "command": None}, "'ExecutorInfo.type' must be 'CUSTOM'"),
        ({"command": None}, "'ExecutorInfo.command' must be set for 'CUSTOM' executor"),
        ({"executor_id": {"value": "a/b"}}, "'a/b' contains invalid characters"),
        (
            {"framework_id": {"value": "other"}},
            "ExecutorInfo has an invalid FrameworkID (Actual: other vs Expected: M-0000)",
        ),
        (
            {"shutdown_grace_period": {"nanoseconds": -1}},
            "ExecutorInfo's 'shutdown_grace_period' must be non-negative",
        ),
        ({"framework_id": {"value": "M-0000"}, "resources": []}, None),
    ],
)
def test_executors(executor: dict[str, Any], sentence: str | None) -> None:
    assert refused(f"{BASE} executor=e executor_json='{json.dumps(executor)}'") == sentence


def group_refused(options: str) -> list[str | None]:
    stage = Told()
    stage.command(f"accept s1 all | group g1,g2 executor=e {options}")
    assert all(status.reason is TaskStatus.Reason.REASON_TASK_GROUP_INVALID for status in stage.statuses)
    return [status.message for status in stage.statuses]


DEFAULT = "type=DEFAULT executor_resources=cpus:0.1;mem:32;disk:1"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ("type=UNKNOWN", "'ExecutorInfo.type' must be set to either 'DEFAULT' or 'CUSTOM'"),
        (
            DEFAULT + """ executor_json='{"command":{"value":"x"}}'""",
            "'ExecutorInfo.command' must not be set for 'DEFAULT' executor",
        ),
        (
            DEFAULT + """ executor_json='{"container":{"type":"DOCKER"}}'""",
            "'ExecutorInfo.container.type' must be 'MESOS' for 'DEFAULT' executor",
        ),
        (
            "type=DEFAULT executor_resources=mem:32;disk:1",
            "Executor 'e' uses less CPUs than the minimum required (0.01)",
        ),
        (
            "type=DEFAULT executor_resources=cpus:1;mem:1;disk:1",
            "Executor 'e' uses less memory than the minimum required (32MB)",
        ),
        (
            DEFAULT + """ json='{"container":{"type":"DOCKER","docker":{"image":"i"}}}'""",
            "Task 'g1' is invalid: Docker ContainerInfo is not supported on the task",
        ),
        (
            DEFAULT + """ json='{"limits":{"cpus":{"value":2}}}'""",
            (
                "Task 'g1' is invalid: Resource limits may only be set for tasks within a group "
                "when 'share_cgroups' is false"
            ),
        ),
        (DEFAULT + " agent=other", "Task 'g1' is invalid: Task uses invalid agent other while agent M-S0 is expected"),
    ],
)
def test_groups_fail_as_a_whole(options: str, sentence: str) -> None:
    assert group_refused(options) == [sentence, sentence]


def test_a_valid_group_is_launched() -> None:
    assert group_refused(DEFAULT) == []


def test_a_task_that_nobody_may_run() -> None:
    stage = Told()
    stage.core.context.authorizer = lambda _, action, user: (action, user) != ("run_tasks", "root")
    user = '{"command":{"value":"x","user":"root"}}'
    stage.command(f"accept s1 all | launch t {BASE} json='{user}' | group g1,g2 executor=e {DEFAULT} json='{user}'")
    (status,) = stage.statuses[:1]
    assert status.reason is TaskStatus.Reason.REASON_TASK_UNAUTHORIZED
    assert status.message == "Not authorized to launch task t of framework M-0000 under user 'root'"
    assert [status.reason for status in stage.statuses[1:]] == [TaskStatus.Reason.REASON_TASK_GROUP_UNAUTHORIZED] * 2
    assert stage.launched == []

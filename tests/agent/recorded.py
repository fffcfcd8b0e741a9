"""The recorded agent as our records would hold it: rebuilt from what the agent of Apache Mesos answered."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import msgspec

from tepui.agent.config import AgentConfig
from tepui.agent.metrics import Metrics
from tepui.agent.state import Executor, ExecutorKind, ExecutorState, Framework, State, Task
from tepui.model.resources import Resources
from tepui.model.v1 import mesos
from tepui.model.v1.agent import Response
from tepui.model.v1.mesos import (
    ContainerID,
    ContainerStatus,
    ExecutorInfo,
    MasterInfo,
    Resource,
    ResourceStatistics,
    TaskInfo,
    TaskStatus,
)
from tepui.wire.json import decode_json
from tests.conformance import captures

NOW = 1795223748.881793


@dataclass
class Reading:
    """What readers are given."""

    config: AgentConfig
    state: State
    metrics: Metrics = field(default_factory=Metrics)
    now: float = NOW


def body(capture: str) -> bytes:
    response = captures.load(capture).response
    assert response is not None
    return response.body


def _answer(capture: str) -> Response:
    return decode_json(Response, body(capture))


def config() -> AgentConfig:
    agent = _answer("agent-25-get-agent").get_agent
    version = _answer("agent-17-get-version").get_version
    flags = _answer("agent-16-get-flags").get_flags
    assert agent is not None and agent.agent_info is not None  # noqa: PT018 - for the type checker
    assert version is not None and flags is not None  # noqa: PT018
    told = json.loads(body("agent-01-state"))
    # GET_AGENT tells the resources that the agent was started with; a reservation was made meanwhile.
    full = [*told["unreserved_resources_full"], *told["reserved_resources_full"]["lr"]]
    agent.agent_info.resources = msgspec.convert(full, list[Resource])
    info = version.version_info
    build = {name: getattr(info, name) for name in info.__struct_fields__ if name != "version"}
    return AgentConfig(
        info=agent.agent_info,
        version=info.version,
        ip="127.0.0.1",
        work_dir="/work_dir",
        start_time=told["start_time"],
        flags={flag.name: flag.value or "" for flag in flags.flags},
        build={name: value for name, value in build.items() if value is not None},
        capabilities=tuple(told["capabilities"]),
    )


def rebuild() -> Reading:
    """The agent that all captures tell of."""
    configured = config()
    info = configured.info
    assert info.id is not None
    state = State(info=info, incarnation="", agent_id=info.id.value, link="link", welcomed=True)
    state.master = MasterInfo(id="", ip=0, port=5050, hostname="localhost")
    whole = _answer("agent-20-get-state").get_state
    assert whole is not None and whole.get_frameworks is not None  # noqa: PT018
    told = {framework["id"]: framework for framework in json.loads(body("agent-01-state"))["frameworks"]}
    for message in whole.get_frameworks.frameworks:
        assert message.framework_info.id is not None
        framework_id = message.framework_info.id.value
        framework = Framework(framework_id, message.framework_info)
        state.frameworks[framework_id] = framework
        _add_executors(state, framework, told[framework_id], whole)
    for container in _containers():
        executor = state.runs.get(container.container_id.value)
        if executor is not None and container.container_status is not None:
            executor.pid = container.container_status.executor_pid
    return Reading(configured, state)


def _add_executors(state: State, framework: Framework, told: dict[str, Any], whole: Response.GetState) -> None:
    assert whole.get_executors is not None and whole.get_tasks is not None  # noqa: PT018
    infos = {
        one.executor_info.executor_id.value: one.executor_info
        for one in (*whole.get_executors.executors, *whole.get_executors.completed_executors)
    }
    tasks = whole.get_tasks
    alive = {task.task_id.value: task for task in (*tasks.queued_tasks, *tasks.launched_tasks, *tasks.terminated_tasks)}
    ended = {task.task_id.value: task for task in tasks.completed_tasks}
    for described in (*told["executors"], *told["completed_executors"]):
        executor = _executor(framework, infos[described["id"]], described)
        for shown in (*described["tasks"], *described["completed_tasks"]):
            task_id = shown["id"]
            message = alive.get(task_id) or ended[task_id]
            task = _task(framework, executor, message)
            if task_id in alive:
                framework.tasks[task_id] = executor.tasks[task_id] = task
                if not task.terminal:
                    executor.resources += task.resources
            else:
                executor.completed_tasks.append(task)
        if described in told["completed_executors"]:
            framework.completed_executors.append(executor)
        elif described["tasks"]:
            executor.state = ExecutorState.RUNNING
            framework.executors[executor.executor_id] = state.runs[executor.run] = executor
        else:
            framework.ended_executors[executor.run] = executor


def _executor(framework: Framework, info: ExecutorInfo, described: dict[str, Any]) -> Executor:
    own = Resources.of(info.resources)
    return Executor(
        framework=framework,
        executor_id=info.executor_id.value,
        info=info,
        run=described["container"],
        directory=described["directory"],
        own_resources=own,
        resources=own,
        status=ContainerStatus(container_id=ContainerID(value=described["container"])),
        state=ExecutorState.TERMINATED,
        kind=ExecutorKind.COMMAND if (info.name or "").startswith("Command Executor") else ExecutorKind.CUSTOM,
        completed_tasks=deque(maxlen=200),
    )


def _task(framework: Framework, executor: Executor, message: mesos.Task) -> Task:
    task_id = message.task_id
    info = TaskInfo(
        name=message.name,
        task_id=task_id,
        agent_id=message.agent_id,
        resources=message.resources,
        executor=None if executor.kind is ExecutorKind.COMMAND else executor.info,
    )
    forwarded = None
    if message.status_update_state is not None:
        forwarded = TaskStatus(task_id=task_id, state=message.status_update_state, uuid=message.status_update_uuid)
    return Task(
        framework=framework,
        task_id=task_id.value,
        info=info,
        executor=executor,
        state=message.state,
        resources=Resources.of(message.resources),
        delivered=True,
        statuses=message.statuses,
        forwarded=forwarded,
    )


def _containers() -> list[Response.GetContainers.Container]:
    told = _answer("agent-21-get-containers").get_containers
    assert told is not None
    return told.containers


def usage() -> dict[str, ResourceStatistics]:
    """What was measured when GET_CONTAINERS was recorded, by run."""
    return {
        container.container_id.value: container.resource_statistics
        for container in _containers()
        if container.resource_statistics is not None
    }


def normal(data: bytes, without: frozenset[str] = frozenset()) -> str:
    """JSON as text that differs when the answer does: without the keys `without`."""
    return json.dumps(_normal(json.loads(data), without), indent=1)


def _normal(value: Any, without: frozenset[str]) -> Any:
    if isinstance(value, list):
        return [_normal(item, without) for item in value]
    if isinstance(value, dict):
        result = {key: _normal(item, without) for key, item in value.items() if key not in without}
        for name in ("launched_tasks", "completed_tasks"):  # in no promised order
            if name in result:
                result[name].sort(key=str)
        return result
    return value

"""The recorded cluster as our records would hold it: rebuilt from what Apache Mesos answered to GET_STATE and others.

What our readers make of it must be what Apache Mesos answered at the same time.
"""

from __future__ import annotations

import json
from typing import Any

from tepui.master.config import MasterConfig
from tepui.master.state import Agent, Executor, Framework, Offer, State, Task
from tepui.model.resources import Resources
from tepui.model.task_states import TERMINAL_STATES
from tepui.model.v1 import mesos
from tepui.model.v1.master import Response
from tepui.model.v1.mesos import CommandInfo, ExecutorInfo, TaskInfo, TimeInfo
from tepui.wire.json import decode_json
from tests.conformance import captures
from tests.master.cluster import Numbers, Reading


def body(capture: str) -> bytes:
    """The body of a recorded answer."""
    response = captures.load(capture).response
    assert response is not None
    return response.body


def rebuild(agents_from: str, state_from: str | None = None, **changes: object) -> Reading:
    """The cluster whose agents and, if that is given, whole state are told by these captures."""
    reading = Reading(config=config(**changes))
    agents = _answer(agents_from).get_agents
    assert agents is not None
    for told in agents.agents:
        _add_agent(reading.state, told)
    if state_from is not None:
        answer = _answer(state_from).get_state
        assert answer is not None
        _add_state(reading, answer)
    return reading


def config(**changes: object) -> MasterConfig:
    """As the recorded master was configured."""
    master, version, flags = (
        _answer("oper-18-get-master").get_master,
        _answer("oper-08-get-version").get_version,
        _answer("oper-07-get-flags").get_flags,
    )
    assert master is not None and master.master_info is not None  # noqa: PT018 - for the type checker
    assert version is not None and flags is not None  # noqa: PT018
    # The recording leaves the name of the third capability out, because it was not in the v1 enum of that version.
    for capability in master.master_info.capabilities:
        capability.type = capability.type or mesos.MasterInfo.Capability.Type.QUOTA_V2
    info = version.version_info
    build = {name: getattr(info, name) for name in info.__struct_fields__ if name != "version"}
    parts: dict[str, object] = {
        "info": master.master_info,
        "version": info.version,
        "flags": {flag.name: flag.value for flag in flags.flags},
        "start_time": master.start_time,
        "elected_time": master.elected_time,
        "build": {name: value for name, value in build.items() if value is not None},
    }
    return MasterConfig(**(parts | changes))  # type: ignore[arg-type]


def _answer(capture: str) -> Response:
    return decode_json(Response, body(capture))


def _seconds(time: TimeInfo | None) -> float:
    """Mesos tells microseconds here, through a double."""
    return 0.0 if time is None else round(time.nanoseconds / 1e9, 6)


def _add_agent(state: State, told: Response.GetAgents.Agent) -> None:
    info = told.agent_info
    assert info.id is not None and told.pid is not None  # noqa: PT018
    state.agents[info.id.value] = Agent(
        agent_id=info.id.value,
        info=info,
        address=told.pid.partition("@")[2].partition(":")[0],
        version=told.version,
        capabilities=frozenset(capability.type.value for capability in told.capabilities if capability.type),
        total=Resources.of(told.total_resources),
        link="link" if told.active else None,
        registered_at=_seconds(told.registered_time),
    )


def _add_state(reading: Reading, told: Response.GetState) -> None:
    state = reading.state
    assert told.get_frameworks is not None
    for completed in told.get_frameworks.completed_frameworks:
        framework = _framework(completed)
        state.completed_frameworks[framework.framework_id] = framework
    for registered in told.get_frameworks.frameworks:
        framework = _framework(registered)
        framework.session = "session"
        state.frameworks[framework.framework_id] = framework
        for offer in registered.offers:
            _add_offer(state, framework, offer)
    assert told.get_executors is not None
    for executor in told.get_executors.executors:
        _add_executor(state, executor)
    assert told.get_tasks is not None
    for task in told.get_tasks.tasks:
        record = _task(task)
        state.frameworks[record.framework_id].tasks[record.task_id] = record
        state.agents[record.agent_id].tasks.setdefault(record.framework_id, {})[record.task_id] = record
    for task in told.get_tasks.completed_tasks:
        record = _task(task)
        state.frameworks[record.framework_id].completed_tasks.append(record)


def _framework(told: Response.GetFrameworks.Framework) -> Framework:
    info = told.framework_info
    assert info.id is not None
    registered_at, reregistered_at = _seconds(told.registered_time), _seconds(told.reregistered_time)
    return Framework(
        framework_id=info.id.value,
        info=info,
        roles=tuple(info.roles),
        capabilities=frozenset(capability.type.value for capability in info.capabilities if capability.type),
        registered_at=registered_at,
        reregistered_at=None if reregistered_at == registered_at else reregistered_at,
        unregistered_at=_seconds(told.unregistered_time) or None,
    )


def _add_offer(state: State, framework: Framework, told: mesos.Offer) -> None:
    assert told.allocation_info is not None and told.allocation_info.role is not None  # noqa: PT018
    agent = state.agents[told.agent_id.value]
    offer = Offer(
        offer_id=told.id.value,
        framework_id=framework.framework_id,
        agent_id=agent.agent_id,
        role=told.allocation_info.role,
        resources=Resources.of(told.resources),
        made_at=0.0,
    )
    state.offers[offer.offer_id] = framework.offers[offer.offer_id] = agent.offers[offer.offer_id] = offer


def _add_executor(state: State, told: Response.GetExecutors.Executor) -> None:
    info = told.executor_info
    assert info.framework_id is not None
    framework_id, agent_id, executor_id = info.framework_id.value, told.agent_id.value, info.executor_id.value
    record = Executor(framework_id, executor_id, agent_id, info, Resources.of(info.resources))
    state.frameworks[framework_id].executors.setdefault(agent_id, {})[executor_id] = record
    state.agents[agent_id].executors.setdefault(framework_id, {})[executor_id] = record


def _task(told: mesos.Task) -> Task:
    executor = None if told.executor_id is None else ExecutorInfo(executor_id=told.executor_id)
    resources = Resources.of(told.resources)
    return Task(
        framework_id=told.framework_id.value,
        task_id=told.task_id.value,
        agent_id=told.agent_id.value,
        executor_id="" if told.executor_id is None else told.executor_id.value,
        info=TaskInfo(
            name=told.name,
            task_id=told.task_id,
            agent_id=told.agent_id,
            resources=told.resources,
            executor=executor,
            command=CommandInfo() if executor is None else None,
        ),
        resources=resources,
        role=next(kind.allocated_to or "" for kind, _ in resources),
        state=told.state,
        statuses=told.statuses,
        status_update_state=told.status_update_state,
        status_update_uuid=told.status_update_uuid,
        released=told.state in TERMINAL_STATES,
    )


def numbers(reading: Reading, shares: dict[str, float]) -> Numbers:
    """An allocator that knows the recorded cluster."""
    total = sum((agent.total for agent in reading.state.agents.values()), Resources.NONE).quantities()
    return Numbers(total=total, shares=shares)


def normal(data: bytes, without: frozenset[str] = frozenset()) -> str:
    """JSON as text that differs when the answer does: without the keys `without`, lists of unordered things sorted."""
    return json.dumps(_normal(json.loads(data), without), indent=1)


_UNORDERED = frozenset({"allocated_resources", "offered_resources", "slave_ids", "executor_ids", "offers", "executors"})


def _normal(value: Any, without: frozenset[str]) -> Any:
    if isinstance(value, list):
        return [_normal(item, without) for item in value]
    if not isinstance(value, dict):
        return value
    result = {key: _normal(item, without) for key, item in value.items() if key not in without}
    for key in _UNORDERED & result.keys():
        if isinstance(result[key], list):
            result[key].sort(key=str)
    for key, item in result.items():  # of a time that went through a double, only the microseconds are told
        if key == "nanoseconds":
            result[key] = round(item, -3)
        elif key.endswith("_time") and isinstance(item, float):
            result[key] = round(item, 6)
    return result

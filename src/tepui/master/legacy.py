"""The legacy JSON endpoints of the master: plain data in Mesos's order of keys, built from the records.

`answer` serves every endpoint that only reads; `torn_down` judges the form of `/teardown`, whose effect is the core's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from tepui.master import maintenance
from tepui.master.gauges import Picture, Reading, snapshot
from tepui.master.state import Agent, Framework, Offer, State, Task
from tepui.master.sums import RoleSums, offered, role_sums, used_by, used_on
from tepui.master.views import quota_status, weight_infos
from tepui.model.legacy import Object, Objects, attributes_object, labels_array, version_object
from tepui.model.operators import agent_pid, capabilities, time_info
from tepui.model.quantities import Quantities
from tepui.model.resources import ReservationForm, Resources
from tepui.model.v1.mesos import AgentInfo, MasterInfo, TaskState, Value
from tepui.model.v1.quota import QuotaConfig
from tepui.model.values import as_float

TASKS_LIMIT_DEFAULT = 100
"""How many tasks `/tasks` shows when it is not told."""

_COUNTED_STATES: tuple[TaskState, ...] = (
    TaskState.TASK_STAGING,
    TaskState.TASK_STARTING,
    TaskState.TASK_RUNNING,
    TaskState.TASK_KILLING,
    TaskState.TASK_FINISHED,
    TaskState.TASK_KILLED,
    TaskState.TASK_FAILED,
    TaskState.TASK_LOST,
    TaskState.TASK_ERROR,
    TaskState.TASK_UNREACHABLE,
)
"""The states that `/state-summary` counts, in its order."""

_Query = Mapping[str, str]


class LegacyAnswer(NamedTuple):
    """`body` is plain data, a sentence, or None for none."""

    status: int
    body: object = None


def answer(reading: Reading, endpoint: str, query: _Query) -> LegacyAnswer | None:
    """The answer of an endpoint that reads, whatever the method; None for one that is not known here.

    Which methods an endpoint has, the shell knows.
    """
    read = _READ.get(endpoint)
    return picture_answer(reading, endpoint, query) if read is None else LegacyAnswer(200, read(reading, query))


def picture_answer(picture: Picture, endpoint: str, query: _Query) -> LegacyAnswer | None:
    """The same, of what a picture shows: without metrics and what the allocator thinks."""
    read = _READ_PICTURE.get(endpoint)
    return None if read is None else LegacyAnswer(200, read(picture, query))


def torn_down(state: State, form: _Query) -> Framework | LegacyAnswer:
    """The framework that a request to `/teardown` names, or the refusal of the request."""
    framework_id = form.get("frameworkId")
    if framework_id is None:
        return LegacyAnswer(400, "Missing 'frameworkId' query parameter in the request body")
    framework = state.frameworks.get(framework_id)
    if framework is None:
        return LegacyAnswer(400, "No framework found with specified ID")
    return framework


# Objects.


def agent_object(agent: Agent, objects: Objects, used: Resources | None = None) -> Object:
    """An agent. `used` is what is used on it, if the caller has summed it up already."""
    total = agent.total
    result = agent_info_object(agent.info)
    result["id"] = agent.agent_id
    result["pid"] = agent_pid(agent.address, agent.info.port)
    result["registered_time"] = agent.registered_at
    if agent.reregistered_at is not None:
        result["reregistered_time"] = agent.reregistered_at
    result["resources"] = objects.resources(total)
    result["used_resources"] = objects.resources(used_on(agent) if used is None else used)
    result["offered_resources"] = objects.resources(offered(agent))
    result["reserved_resources"] = {
        role: objects.resources(resources) for role, resources in total.reservations().items()
    }
    result["unreserved_resources"] = objects.resources(total.unreserved())
    service = agent.service
    result["active"] = agent.active
    result["deactivated"] = service is not None and service.deactivated
    result["version"] = agent.version
    result["capabilities"] = [capability.type for capability in capabilities(agent.capabilities)]
    if service is not None and service.drain is not None:
        result["drain_info"] = service.drain
        result["estimated_drain_start_time_seconds"] = service.drain_started_at
    return result


def agent_info_object(info: AgentInfo) -> Object:
    """What is known of an agent that has not come back yet."""
    result: Object = {
        "id": "" if info.id is None else info.id.value,
        "hostname": info.hostname,
        "port": info.port,
        "attributes": attributes_object(info.attributes),
    }
    if info.domain is not None:
        result["domain"] = info.domain
    return result


def _full_agent_object(agent: Agent, objects: Objects) -> Object:
    """An agent with its resources in the form of messages, too."""
    used = used_on(agent)
    form = ReservationForm.BOTH
    result = agent_object(agent, objects, used)
    result["reserved_resources_full"] = {
        role: resources.messages(form) for role, resources in agent.total.reservations().items()
    }
    result["unreserved_resources_full"] = agent.total.unreserved().messages(form)
    result["used_resources_full"] = used.messages(form)
    result["offered_resources_full"] = offered(agent).messages(form)
    return result


def task_object(task: Task, objects: Objects) -> Object:
    return objects.task(
        task.info,
        task.framework_id,
        task.executor_id,
        task.agent_id,
        task.state,
        task.resources,
        task.role,
        task.statuses,
        task.user,
    )


def _framework_summary(framework: Framework, used: Resources, held: Resources, objects: Objects) -> Object:
    """The head of a framework's object, which is all of it that `/state-summary` shows."""
    info = framework.info
    return {
        "id": framework.framework_id,
        "name": info.name,
        "used_resources": objects.resources(used),
        "offered_resources": objects.resources(held),
        "capabilities": [capability.type for capability in info.capabilities if capability.type is not None],
        "hostname": info.hostname or "",
        "webui_url": info.webui_url or "",
        "active": framework.connected,
        "connected": framework.connected,
        "recovered": framework.recovered,
    }


def framework_object(framework: Framework, objects: Objects) -> Object:
    """A framework with all of its tasks, offers and executors."""
    info = framework.info
    used = used_by(framework)
    held = offered(framework)
    result = _framework_summary(framework, used, held, objects)
    result["user"] = info.user
    result["failover_timeout"] = info.failover_timeout
    result["checkpoint"] = info.checkpoint
    result["registered_time"] = framework.registered_at
    result["unregistered_time"] = framework.unregistered_at or 0.0
    if info.principal is not None:
        result["principal"] = info.principal
    result["resources"] = objects.resources(used + held)
    if framework.reregistered_at not in (None, framework.registered_at):
        result["reregistered_time"] = framework.reregistered_at
    if framework.has("MULTI_ROLE"):
        result["roles"] = framework.roles
    else:
        result["role"] = framework.roles[0]
    result["tasks"] = [task_object(task, objects) for task in framework.tasks.values()]
    result["unreachable_tasks"] = [task_object(task, objects) for task in framework.unreachable_tasks.values()]
    result["completed_tasks"] = [task_object(task, objects) for task in framework.completed_tasks]
    result["offers"] = [_offer_object(offer, objects) for offer in framework.offers.values()]
    result["executors"] = [
        objects.executor(executor.info, executor.framework_id, executor.resources) | {"slave_id": executor.agent_id}
        for executors in framework.executors.values()
        for executor in executors.values()
    ]
    if info.labels is not None:
        result["labels"] = labels_array(info.labels)
    result["offer_constraints"] = framework.offer_constraints or {}
    return result


def _offer_object(offer: Offer, objects: Objects) -> Object:
    return {
        "id": offer.offer_id,
        "framework_id": offer.framework_id,
        "allocation_info": {"role": offer.role},
        "slave_id": offer.agent_id,
        "resources": objects.resources(offer.resources),
    }


# Endpoints.


def _state(reading: Picture, _: _Query) -> Object:
    config, state = reading.config, reading.state
    objects = Objects()
    active = sum(agent.active for agent in state.agents.values())
    result = version_object(config.version, config.build)
    result |= {
        "start_time": config.start_time,
        "elected_time": config.elected_time,
        "id": config.info.id,
        "pid": config.info.pid or "",
        "hostname": config.info.hostname or "",
        "capabilities": [capability.type for capability in config.info.capabilities if capability.type is not None],
        "activated_slaves": float(active),
        "deactivated_slaves": float(len(state.agents) - active),
        "unreachable_slaves": float(len(state.unreachable_agents)),
    }
    if config.info.domain is not None:
        result["domain"] = config.info.domain
    result["leader"] = config.info.pid or ""
    result["leader_info"] = _leader_info(config.info)
    if config.cluster is not None:
        result["cluster"] = config.cluster
    for name in ("log_dir", "external_log_file"):
        if name in config.flags:
            result[name] = config.flags[name]
    result |= _flags(reading, {})
    result |= _agents(state, objects)
    result["frameworks"] = [framework_object(framework, objects) for framework in state.frameworks.values()]
    result["completed_frameworks"] = [
        framework_object(framework, objects) for framework in state.completed_frameworks.values()
    ]
    result["orphan_tasks"] = []
    result["unregistered_frameworks"] = []
    return result


def _leader_info(info: MasterInfo) -> Object:
    result: Object = {"id": info.id, "pid": info.pid or "", "port": info.port, "hostname": info.hostname or ""}
    if info.domain is not None:
        result["domain"] = info.domain
    return result


def _agents(state: State, objects: Objects) -> Object:
    return {
        "slaves": [agent_object(agent, objects) for agent in state.agents.values()],
        "recovered_slaves": [agent_info_object(info) for info in state.recovered_agents.values()],
    }


def _state_summary(reading: Picture, _: _Query) -> Object:
    config, state = reading.config, reading.state
    objects = Objects()
    by_agent: dict[str, dict[TaskState, int]] = {}
    frameworks_of_agent: dict[str, dict[str, None]] = {}
    frameworks = []
    for framework in state.frameworks.values():
        own = dict.fromkeys(_COUNTED_STATES, 0)
        agents: dict[str, None] = {}
        for task in _remembered_tasks(framework):
            agent_id = task.agent_id
            if agent_id not in agents:
                agents[agent_id] = None
                by_agent.setdefault(agent_id, dict.fromkeys(_COUNTED_STATES, 0))
                frameworks_of_agent.setdefault(agent_id, {})[framework.framework_id] = None
            if task.state in own:
                own[task.state] += 1
                by_agent[agent_id][task.state] += 1
        summary = _framework_summary(framework, used_by(framework), offered(framework), objects)
        summary |= {task_state.value: number for task_state, number in own.items()}
        summary["slave_ids"] = list(agents)
        frameworks.append(summary)
    slaves = []
    for agent in state.agents.values():
        summary = agent_object(agent, objects)
        numbers = by_agent.get(agent.agent_id, {})
        summary |= {task_state.value: numbers.get(task_state, 0) for task_state in _COUNTED_STATES}
        summary["framework_ids"] = list(frameworks_of_agent.get(agent.agent_id, ()))
        slaves.append(summary)
    result: Object = {"hostname": config.info.hostname or ""}
    if config.cluster is not None:
        result["cluster"] = config.cluster
    return result | {"slaves": slaves, "frameworks": frameworks}


def _remembered_tasks(framework: Framework) -> Iterable[Task]:
    yield from framework.tasks.values()
    yield from framework.unreachable_tasks.values()
    yield from framework.completed_tasks


def _slaves(reading: Picture, query: _Query) -> Object:
    wanted = query.get("slave_id")
    state = reading.state
    objects = Objects()
    return {
        "slaves": [
            _full_agent_object(agent, objects)
            for agent in state.agents.values()
            if wanted is None or agent.agent_id == wanted
        ],
        "recovered_slaves": [
            agent_info_object(info)
            for agent_id, info in state.recovered_agents.items()
            if wanted is None or agent_id == wanted
        ],
    }


def _frameworks(reading: Picture, query: _Query) -> Object:
    wanted = query.get("framework_id")
    state = reading.state
    objects = Objects()

    def shown(frameworks: Iterable[Framework]) -> list[Object]:
        return [
            framework_object(framework, objects)
            for framework in frameworks
            if wanted is None or framework.framework_id == wanted
        ]

    return {
        "frameworks": shown(state.frameworks.values()),
        "completed_frameworks": shown(state.completed_frameworks.values()),
        "unregistered_frameworks": [],
    }


def _tasks(reading: Picture, query: _Query) -> Object:
    """A page of all remembered tasks, by the time of their first update; newest first unless `order=asc`."""
    framework_id, task_id = query.get("framework_id"), query.get("task_id")
    limit = _whole_number(query.get("limit"), TASKS_LIMIT_DEFAULT)
    offset = _whole_number(query.get("offset"), 0)
    state = reading.state
    found = [
        task
        for frameworks in (state.frameworks, state.completed_frameworks)
        for framework in frameworks.values()
        if framework_id is None or framework.framework_id == framework_id
        for task in _remembered_tasks(framework)
        if task_id is None or task.task_id == task_id
    ]
    found.sort(key=_first_heard_at, reverse=query.get("order") != "asc")
    objects = Objects()
    return {"tasks": [task_object(task, objects) for task in found[offset : offset + limit]]}


def _first_heard_at(task: Task) -> float:
    """When the first of its updates was made; tasks without one count as the oldest."""
    return task.statuses[0].timestamp or 0.0 if task.statuses else 0.0


def _whole_number(text: str | None, default: int) -> int:
    """A number in a query. Mesos takes its default for what is no number, and so do negative ones here."""
    try:
        number = int(text) if text is not None and len(text) <= 18 else default
    except ValueError:
        return default
    return number if number >= 0 else default


def _roles(reading: Picture, _: _Query) -> Object:
    weights, quota = reading.state.weights, reading.state.quota
    return {
        "roles": [
            {
                "name": name,
                "weight": weights.get(name, 1.0),
                "quota": _role_quota(name, quota.get(name), sums),
                "resources": _amounts(sums.held()),
                "allocated": _amounts(sums.allocated),
                "offered": _amounts(sums.offered),
                "reserved": _amounts(sums.reserved),
                "frameworks": sums.frameworks,
            }
            for name, sums in role_sums(reading.state).items()
        ]
    }


def _role_quota(role: str, config: QuotaConfig | None, sums: RoleSums) -> Object:
    config = config or QuotaConfig(role=role)
    return {
        "role": role,
        "guarantee": _scalars(config.guarantees),
        "limit": _scalars(config.limits),
        "consumed": _amounts(sums.consumed),
    }


def _scalars(scalars: Mapping[str, Value.Scalar]) -> dict[str, float]:
    return {name: scalar.value for name, scalar in scalars.items()}


def _amounts(quantities: Quantities) -> dict[str, float]:
    return {name: as_float(amount) for name, amount in sorted(quantities.items())}


def _flags(reading: Picture, _: _Query) -> Object:
    return {"flags": dict(sorted(reading.config.flags.items()))}


def _version(reading: Picture, _: _Query) -> Object:
    return dict(sorted(version_object(reading.config.version, reading.config.build).items()))


def _weights(reading: Picture, _: _Query) -> list[Any]:
    return weight_infos(reading)


def _metrics(reading: Reading, _: _Query) -> Object:
    return snapshot(reading)


def _quota(reading: Picture, _: _Query) -> Object:
    """As GET_QUOTA, but without what would be empty."""
    status = quota_status(reading.state)
    return {"infos": status.infos, "configs": status.configs} if status.configs else {}


def _offer_constraints_debug(reading: Reading, _: _Query) -> Object:
    """By framework and role, the agents that the framework's own constraints keep from it."""
    return {
        "frameworks": {
            framework.framework_id: {
                "suppressed_roles": sorted(framework.suppressed_roles),
                "excluded_by_attribute_constraints": reading.allocator.excluded_by_constraints(framework.framework_id),
            }
            for framework in reading.state.frameworks.values()
        }
    }


def _registry(reading: Picture, _: _Query) -> Object:
    """What the master remembers beyond its own end: itself, agents, and what operators decided about machines."""
    state = reading.state
    admitted = [*state.recovered_agents.values(), *(agent.info for agent in state.agents.values())]
    result: Object = {
        "master": {"info": reading.config.info},
        "slaves": {"slaves": [_registered(state, info) for info in admitted]},
        "unreachable": {"slaves": _noted(state.unreachable_agents)},
        "gone": {"slaves": _noted(state.gone_agents)},
    }
    if state.machines:
        result["machines"] = {"machines": [{"info": machine} for machine in state.machines.values()]}
    if state.schedule is not None:
        result["schedules"] = [state.schedule]
    return result


def _registered(state: State, info: AgentInfo) -> Object:
    result: Object = {"info": info}
    service = None if info.id is None else state.service.get(info.id.value)
    if service is not None:
        result["deactivated"] = service.deactivated
        if service.drain is not None:
            result["drain_info"] = service.drain
    return result


def _noted(times: Mapping[str, float]) -> list[Object]:
    return [{"id": {"value": agent_id}, "timestamp": time_info(seconds)} for agent_id, seconds in times.items()]


def _maintenance_schedule(reading: Picture, _: _Query) -> Object:
    schedule = reading.state.schedule
    return {"windows": schedule.windows} if schedule is not None and schedule.windows else {}


def _maintenance_status(reading: Picture, _: _Query) -> Object:
    status = maintenance.status(reading.state)
    parts: Object = {"draining_machines": status.draining_machines, "down_machines": status.down_machines}
    return {name: machines for name, machines in parts.items() if machines}


_READ_PICTURE: dict[str, Callable[[Picture, _Query], object]] = {
    "state": _state,
    "state-summary": _state_summary,
    "slaves": _slaves,
    "frameworks": _frameworks,
    "tasks": _tasks,
    "roles": _roles,
    "flags": _flags,
    "version": _version,
    "weights": _weights,
    "quota": _quota,
    "maintenance/schedule": _maintenance_schedule,
    "maintenance/status": _maintenance_status,
    "registrar(1)/registry": _registry,
}

_READ: dict[str, Callable[[Reading, _Query], object]] = {
    "metrics/snapshot": _metrics,
    "allocator/offer_constraints_debug": _offer_constraints_debug,
}

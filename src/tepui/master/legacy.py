"""The legacy JSON endpoints of the master: plain data in Mesos's order of keys, built from the records.

What may be large is a tree (`tepui.model.drawn`): its lists are those of the moment of the request, and what they hold
is shown as it is when its part is made. `answer` serves every endpoint that only reads; `torn_down` judges the form of
`/teardown`, whose effect is the core's.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from itertools import islice
from typing import Any, NamedTuple

from tepui.master import maintenance
from tepui.master.gauges import Picture, Reading, snapshot
from tepui.master.state import Agent, Executor, Framework, Offer, State, Task
from tepui.master.sums import RoleSums, offered, role_sums, used_by, used_on
from tepui.master.views import AGENTS_PER_PART, FRAMEWORKS_PER_PART, quota_status, weight_infos
from tepui.model.drawn import LOOKED_AT_PER_PART, ROWS_PER_PART, Drawn, Rows, looked_at
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
    """`body` is plain data, an answer to be drawn, a sentence, or None for none."""

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
    if read is None:
        return None
    body = read(picture, query)
    return LegacyAnswer(200, body.whole() if isinstance(body, Drawn) and body.is_small else body)


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


class _Shown(NamedTuple):
    """A framework, and the tasks that it had when somebody asked."""

    framework: Framework
    tasks: list[Task]
    unreachable: list[Task]
    completed: list[Task]

    @classmethod
    def of(cls, framework: Framework) -> _Shown:
        return cls(
            framework,
            list(framework.tasks.values()),
            list(framework.unreachable_tasks.values()),
            list(framework.completed_tasks),
        )

    @property
    def parts(self) -> int:
        return (len(self.tasks) + len(self.unreachable) + len(self.completed)) // ROWS_PER_PART


def _framework_rows(frameworks: Iterable[Framework], objects: Objects) -> Rows:
    """Whole frameworks: who is among them, and which tasks each has, is what is so now."""
    shown = [_Shown.of(framework) for framework in frameworks]
    return Rows(shown, lambda one: _framework_object(one, objects), FRAMEWORKS_PER_PART, within=lambda one: one.parts)


def _framework_object(shown: _Shown, objects: Objects) -> Object:
    """A framework with all of its tasks, offers and executors."""
    framework = shown.framework
    info = framework.info
    used = used_by(framework, shown.tasks)
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

    def task(task: Task) -> Object:
        return task_object(task, objects)

    result["tasks"] = Rows(shown.tasks, task)
    result["unreachable_tasks"] = Rows(shown.unreachable, task)
    result["completed_tasks"] = Rows(shown.completed, task)
    result["offers"] = Rows(list(framework.offers.values()), lambda offer: _offer_object(offer, objects))
    executors = [executor for of_agent in framework.executors.values() for executor in of_agent.values()]
    result["executors"] = Rows(executors, lambda executor: _executor_object(executor, objects))
    if info.labels is not None:
        result["labels"] = labels_array(info.labels)
    result["offer_constraints"] = framework.offer_constraints or {}
    return result


def _executor_object(executor: Executor, objects: Objects) -> Object:
    result = objects.executor(executor.info, executor.framework_id, executor.resources)
    result["slave_id"] = executor.agent_id
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


def _state(reading: Picture, _: _Query) -> Drawn:
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
    result["frameworks"] = _framework_rows(state.frameworks.values(), objects)
    result["completed_frameworks"] = _framework_rows(state.completed_frameworks.values(), objects)
    result["orphan_tasks"] = []
    result["unregistered_frameworks"] = []
    return Drawn(result)


def _leader_info(info: MasterInfo) -> Object:
    result: Object = {"id": info.id, "pid": info.pid or "", "port": info.port, "hostname": info.hostname or ""}
    if info.domain is not None:
        result["domain"] = info.domain
    return result


def _agents(state: State, objects: Objects) -> Object:
    return {
        "slaves": Rows(list(state.agents.values()), lambda agent: agent_object(agent, objects), AGENTS_PER_PART),
        "recovered_slaves": Rows(list(state.recovered_agents.values()), agent_info_object),
    }


def _state_summary(reading: Picture, _: _Query) -> Drawn:
    state = reading.state
    tasks = [(framework, list(_remembered_tasks(framework))) for framework in state.frameworks.values()]
    agents = list(state.agents.values())
    counted = sum(len(of_framework) for _, of_framework in tasks)
    parts = counted // LOOKED_AT_PER_PART + len(agents) // AGENTS_PER_PART
    return Drawn(_summarised(reading, tasks, agents), parts=parts)


class _Counts:
    """How many tasks are in each state, on an agent or of a framework."""

    __slots__ = ("framework_ids", "states")

    def __init__(self) -> None:
        self.states = dict.fromkeys(_COUNTED_STATES, 0)
        self.framework_ids: dict[str, None] = {}

    def members(self) -> Object:
        return {state.value: number for state, number in self.states.items()}


def _summarised(
    reading: Picture, tasks: list[tuple[Framework, list[Task]]], agents: list[Agent]
) -> Generator[None, None, Object]:
    """The tree of `/state-summary`. The counts come first, so they are made in steps of their own."""
    config, objects = reading.config, Objects()
    by_agent: dict[str, _Counts] = {}
    frameworks = []
    for framework, of_framework in tasks:
        own = _Counts()
        on_agents: dict[str, _Counts] = {}
        remaining = iter(of_framework)
        while some := list(islice(remaining, LOOKED_AT_PER_PART)):
            for task in some:
                counts = on_agents.get(task.agent_id)
                if counts is None:
                    counts = on_agents[task.agent_id] = by_agent.setdefault(task.agent_id, _Counts())
                    counts.framework_ids[framework.framework_id] = None
                if task.state in own.states:
                    own.states[task.state] += 1
                    counts.states[task.state] += 1
            yield
        summary = _framework_summary(framework, used_by(framework), offered(framework), objects)
        frameworks.append(summary | own.members() | {"slave_ids": list(on_agents)})
        yield

    def agent_summary(agent: Agent) -> Object:
        counts = by_agent.get(agent.agent_id) or _Counts()
        return agent_object(agent, objects) | counts.members() | {"framework_ids": list(counts.framework_ids)}

    result: Object = {"hostname": config.info.hostname or ""}
    if config.cluster is not None:
        result["cluster"] = config.cluster
    result["slaves"] = Rows(agents, agent_summary, AGENTS_PER_PART)
    result["frameworks"] = frameworks
    return result


def _remembered_tasks(framework: Framework) -> Iterable[Task]:
    yield from framework.tasks.values()
    yield from framework.unreachable_tasks.values()
    yield from framework.completed_tasks


def _slaves(reading: Picture, query: _Query) -> Drawn:
    wanted = query.get("slave_id")
    state = reading.state
    objects = Objects()
    agents = [agent for agent in state.agents.values() if wanted is None or agent.agent_id == wanted]
    recovered = [info for agent_id, info in state.recovered_agents.items() if wanted is None or agent_id == wanted]
    return Drawn(
        {
            "slaves": Rows(agents, lambda agent: _full_agent_object(agent, objects), AGENTS_PER_PART),
            "recovered_slaves": Rows(recovered, agent_info_object),
        }
    )


def _frameworks(reading: Picture, query: _Query) -> Drawn:
    wanted = query.get("framework_id")
    state = reading.state
    objects = Objects()

    def shown(frameworks: Iterable[Framework]) -> Rows:
        chosen = [framework for framework in frameworks if wanted is None or framework.framework_id == wanted]
        return _framework_rows(chosen, objects)

    return Drawn(
        {
            "frameworks": shown(state.frameworks.values()),
            "completed_frameworks": shown(state.completed_frameworks.values()),
            "unregistered_frameworks": [],
        }
    )


def _tasks(reading: Picture, query: _Query) -> Drawn:
    """A page of all remembered tasks, by the time of their first update; newest first unless `order=asc`."""
    framework_id, task_id = query.get("framework_id"), query.get("task_id")
    state = reading.state
    found = [
        task
        for frameworks in (state.frameworks, state.completed_frameworks)
        for framework in frameworks.values()
        if framework_id is None or framework.framework_id == framework_id
        for task in _remembered_tasks(framework)
        if task_id is None or task.task_id == task_id
    ]
    begin = _whole_number(query.get("offset"), 0)
    limit = _whole_number(query.get("limit"), TASKS_LIMIT_DEFAULT)
    parts = len(found) // LOOKED_AT_PER_PART + min(limit, len(found)) // ROWS_PER_PART
    newest_first = query.get("order") != "asc"
    return Drawn(_page_of_tasks(found, begin, limit, newest_first=newest_first), parts=parts)


def _page_of_tasks(found: list[Task], begin: int, limit: int, *, newest_first: bool) -> Generator[None, None, Object]:
    """The tree of `/tasks`. When each task was first heard of is read in steps of their own."""
    heard_at = yield from looked_at(found, _first_heard_at)
    order = sorted(range(len(found)), key=heard_at.__getitem__, reverse=newest_first)
    objects = Objects()
    shown = [found[index] for index in order[begin : begin + limit]]
    return {"tasks": Rows(shown, lambda task: task_object(task, objects))}


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

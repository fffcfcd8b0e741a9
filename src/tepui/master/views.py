"""What operators read through the v1 API: answers built from the master's records, which they never change.

The builders of one task, agent, framework or executor serve the operator's event stream too. Arrays that grow with the
cluster are `tepui.model.drawn.Rows`, of which a small answer is made whole and a large one drawn. Only
GET_LOGGING_LEVEL, LIST_FILES and READ_FILE are not here: the shell knows those.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from tepui.master import maintenance
from tepui.master.gauges import Picture, Reading, snapshot
from tepui.master.offers import message_of
from tepui.master.state import Agent, Executor, Framework, Offer, Operation, State, Task
from tepui.master.sums import offered, role_sums, used_by, used_on
from tepui.model import operators
from tepui.model.drawn import Drawn, Rows, Tree
from tepui.model.resources import ReservationForm, Resources
from tepui.model.v1 import mesos
from tepui.model.v1.maintenance import Schedule
from tepui.model.v1.master import Call, Response
from tepui.model.v1.mesos import (
    FrameworkID,
    Resource,
    Role,
    TimeInfo,
    Value,
    WeightInfo,
)
from tepui.model.v1.quota import QuotaInfo, QuotaStatus
from tepui.model.v1.scheduler import OfferConstraints
from tepui.model.values import as_float

Type = Call.Type
Answer = Response.Type

AGENTS_PER_PART = 10
"""An agent is as much work as some tasks: what runs on it is summed up."""
FRAMEWORKS_PER_PART = 10
"""The same, without its tasks."""


def answer(reading: Reading, call: Call) -> Response | Drawn | None:
    """The answer to a call that only reads; None for any other call. The call has been validated."""
    if call.type is Type.GET_METRICS:
        return _metrics(reading)
    return picture_answer(reading, call)


def picture_answer(picture: Picture, call: Call) -> Response | Drawn | None:
    """The same, of what a picture shows: without GET_METRICS."""
    view = None if call.type is None else _VIEWS.get(call.type)
    return None if view is None else view(picture)


# The builders of one thing.


def task_message(task: Task, framework_id: FrameworkID | None = None) -> mesos.Task:
    """A task as operators see it. `framework_id` is the framework's own message, to be shared by its tasks."""
    return operators.task_message(
        task.info,
        framework_id or FrameworkID(value=task.framework_id),
        task.executor_id,
        task.state,
        task.statuses,
        task.status_update_state,
        task.status_update_uuid,
        task.user,
    )


def agent_message(agent: Agent) -> Response.GetAgents.Agent:
    """An admitted agent, connected or not."""
    service = agent.service
    return Response.GetAgents.Agent(
        agent_info=agent.info,
        active=agent.active,
        deactivated=service is not None and service.deactivated,
        version=agent.version,
        pid=operators.agent_pid(agent.address, agent.info.port),
        registered_time=operators.time_info(agent.registered_at),
        reregistered_time=_time(agent.reregistered_at),
        total_resources=_resources(agent.total),
        allocated_resources=_resources(used_on(agent)),
        offered_resources=_resources(offered(agent)),
        capabilities=operators.capabilities(agent.capabilities),
        drain_info=None if service is None else service.drain,
        estimated_drain_start_time=None if service is None else _time(service.drain_started_at),
    )


def framework_message(framework: Framework, state: State) -> Response.GetFrameworks.Framework:
    """A framework, registered or completed."""
    reregistered_at = framework.reregistered_at
    return Response.GetFrameworks.Framework(
        framework_info=framework.info,
        active=framework.connected,
        connected=framework.connected,
        recovered=framework.recovered,
        registered_time=_time(framework.registered_at),
        reregistered_time=_time(framework.registered_at if reregistered_at is None else reregistered_at),
        unregistered_time=_time(framework.unregistered_at),
        offers=[offer_message(offer, framework, state.agents[offer.agent_id]) for offer in framework.offers.values()],
        allocated_resources=_resources(used_by(framework)),
        offered_resources=_resources(offered(framework)),
        offer_constraints=framework.offer_constraints or OfferConstraints(),
    )


def offer_message(offer: Offer, framework: Framework, agent: Agent) -> mesos.Offer:
    """An outstanding offer, with everything about its resources, whatever its framework is able to understand."""
    message = message_of(offer, framework, agent)
    message.resources = offer.resources.messages()
    message.allocation_info = Resource.AllocationInfo(role=offer.role)
    return message


def executor_message(executor: Executor) -> Response.GetExecutors.Executor:
    return Response.GetExecutors.Executor(executor_info=executor.info, agent_id=mesos.AgentID(value=executor.agent_id))


def operation_message(operation: Operation) -> mesos.Operation:
    """An operation that is under way, or whose outcome waits to be acknowledged."""
    framework_id = operation.framework_id
    return mesos.Operation(
        framework_id=FrameworkID(value=framework_id) if framework_id else None,
        agent_id=mesos.AgentID(value=operation.agent_id),
        info=operation.info,
        latest_status=operation.latest,
        statuses=operation.statuses,
        uuid=mesos.UUID(value=operation.uuid),
    )


def _time(seconds: float | None) -> TimeInfo | None:
    """A time, None when it never was."""
    return operators.time_info(seconds) if seconds else None


def _resources(resources: Resources) -> list[Resource]:
    return resources.messages(ReservationForm.BOTH)


# The builders of everything of a kind, without the answer around them.


def task_rows(state: State, tell: Callable[[Task], None] = lambda _: None) -> Tree:
    """All tasks that are remembered. Those that ended but whose end is not acknowledged are among `tasks`. `tell` hears
    of each when it is shown."""
    frameworks = list(_all_frameworks(state))
    own_ids = {framework.framework_id: framework.info.id for framework in frameworks}

    def make(task: Task) -> mesos.Task:
        tell(task)
        return task_message(task, own_ids[task.framework_id])

    return {
        "tasks": Rows([task for each in frameworks for task in each.tasks.values()], make),
        "unreachable_tasks": Rows([task for each in frameworks for task in each.unreachable_tasks.values()], make),
        "completed_tasks": Rows([task for each in frameworks for task in each.completed_tasks], make),
    }


def executor_rows(state: State) -> Tree:
    """All executors but those that agents themselves make for commands, which the master does not know."""
    executors = [
        executor
        for framework in state.frameworks.values()
        for executors in framework.executors.values()
        for executor in executors.values()
    ]
    return {"executors": Rows(executors, executor_message)}


def framework_rows(state: State) -> Tree:
    def make(framework: Framework) -> Response.GetFrameworks.Framework:
        return framework_message(framework, state)

    return {
        "frameworks": Rows(list(state.frameworks.values()), make, FRAMEWORKS_PER_PART),
        "completed_frameworks": Rows(list(state.completed_frameworks.values()), make, FRAMEWORKS_PER_PART),
    }


def agent_rows(state: State) -> Tree:
    return {
        "agents": Rows(list(state.agents.values()), agent_message, AGENTS_PER_PART),
        "recovered_agents": Rows(list(state.recovered_agents.values()), lambda info: info),
    }


def operation_rows(state: State) -> Tree:
    """All operations that are under way, or whose outcome waits to be acknowledged."""
    operations = [each for agent in state.agents.values() for each in agent.operations.values()]
    return {"operations": Rows(operations, operation_message)}


def get_operations(state: State) -> Response.GetOperations:
    """The same, made at once."""
    return Response.GetOperations(**_listed(operation_rows(state)))


def state_rows(state: State, tell: Callable[[Task], None] = lambda _: None) -> Tree:
    """Everything, as GET_STATE and the first event of an operator stream tell it; `tell` as in `task_rows`."""
    return {
        "get_tasks": task_rows(state, tell),
        "get_executors": executor_rows(state),
        "get_frameworks": framework_rows(state),
        "get_agents": agent_rows(state),
    }


def whole_state(rows: Tree) -> Response.GetState:
    """What `state_rows` gave, made at once."""
    return Response.GetState(
        get_tasks=Response.GetTasks(**_listed(rows["get_tasks"])),
        get_executors=Response.GetExecutors(**_listed(rows["get_executors"])),
        get_frameworks=Response.GetFrameworks(**_listed(rows["get_frameworks"])),
        get_agents=Response.GetAgents(**_listed(rows["get_agents"])),
    )


def _listed(rows: Tree) -> dict[str, list[Any]]:
    return {name: list(entries) for name, entries in rows.items()}


def _all_frameworks(state: State) -> Iterator[Framework]:
    yield from state.frameworks.values()
    yield from state.completed_frameworks.values()


# The answers.


def _health(_: Picture) -> Response:
    return Response(type=Answer.GET_HEALTH, get_health=Response.GetHealth(healthy=True))


def _flags(reading: Picture) -> Response:
    flags = operators.flags(reading.config.flags)
    return Response(type=Answer.GET_FLAGS, get_flags=Response.GetFlags(flags=flags))


def _version(reading: Picture) -> Response:
    info = operators.version_info(reading.config.version, reading.config.build)
    return Response(type=Answer.GET_VERSION, get_version=Response.GetVersion(version_info=info))


def _metrics(reading: Reading) -> Response:
    metrics = operators.metrics(snapshot(reading))
    return Response(type=Answer.GET_METRICS, get_metrics=Response.GetMetrics(metrics=metrics))


def _answered(kind: Response.Type, name: str, rows: Tree, whole: Callable[[], Any]) -> Response | Drawn:
    """Rows as the answer's member `name`: a small one as `whole` makes it, a large one drawn."""
    drawn = Drawn({"type": kind, name: rows}, Response)
    return Response(type=kind, **{name: whole()}) if drawn.is_small else drawn


def _state(reading: Picture) -> Response | Drawn:
    rows = state_rows(reading.state)
    return _answered(Answer.GET_STATE, "get_state", rows, lambda: whole_state(rows))


def _agents(reading: Picture) -> Response | Drawn:
    rows = agent_rows(reading.state)
    return _answered(Answer.GET_AGENTS, "get_agents", rows, lambda: Response.GetAgents(**_listed(rows)))


def _frameworks(reading: Picture) -> Response | Drawn:
    rows = framework_rows(reading.state)
    return _answered(Answer.GET_FRAMEWORKS, "get_frameworks", rows, lambda: Response.GetFrameworks(**_listed(rows)))


def _executors(reading: Picture) -> Response | Drawn:
    rows = executor_rows(reading.state)
    return _answered(Answer.GET_EXECUTORS, "get_executors", rows, lambda: Response.GetExecutors(**_listed(rows)))


def _tasks(reading: Picture) -> Response | Drawn:
    rows = task_rows(reading.state)
    return _answered(Answer.GET_TASKS, "get_tasks", rows, lambda: Response.GetTasks(**_listed(rows)))


def _roles(reading: Picture) -> Response:
    weights = reading.state.weights
    roles = [
        Role(
            name=name,
            weight=weights.get(name, 1.0),
            frameworks=[FrameworkID(value=framework_id) for framework_id in sums.frameworks],
            resources=_scalars(sorted(sums.held().items())),
        )
        for name, sums in role_sums(reading.state).items()
    ]
    return Response(type=Answer.GET_ROLES, get_roles=Response.GetRoles(roles=roles))


def _scalars(amounts: Iterable[tuple[str, int]]) -> list[Resource]:
    """Bare amounts, of no role."""
    return [
        Resource(name=name, type=Value.Type.SCALAR, scalar=Value.Scalar(value=as_float(amount)))
        for name, amount in amounts
    ]


def _weights(reading: Picture) -> Response:
    """Without the member when no role has a weight of its own, as Mesos answers."""
    weights = weight_infos(reading)
    return Response(type=Answer.GET_WEIGHTS, get_weights=Response.GetWeights(weight_infos=weights) if weights else None)


def weight_infos(reading: Picture) -> list[WeightInfo]:
    return [WeightInfo(weight=weight, role=role) for role, weight in sorted(reading.state.weights.items())]


def _master(reading: Picture) -> Response:
    config = reading.config
    return Response(
        type=Answer.GET_MASTER,
        get_master=Response.GetMaster(
            master_info=config.info, start_time=config.start_time, elected_time=config.elected_time
        ),
    )


def _operations(reading: Picture) -> Response | Drawn:
    rows = operation_rows(reading.state)
    return _answered(Answer.GET_OPERATIONS, "get_operations", rows, lambda: get_operations(reading.state))


def _quota(reading: Picture) -> Response:
    return Response(type=Answer.GET_QUOTA, get_quota=Response.GetQuota(status=quota_status(reading.state)))


def quota_status(state: State) -> QuotaStatus:
    """The quota of all roles that have any, by role; the guarantees also in the older form."""
    configs = [config for _, config in sorted(state.quota.items())]
    infos = [
        QuotaInfo(
            role=config.role,
            guarantee=[
                Resource(name=name, type=Value.Type.SCALAR, scalar=scalar) for name, scalar in config.guarantees.items()
            ],
        )
        for config in configs
    ]
    return QuotaStatus(infos=infos, configs=configs)


def _maintenance_status(reading: Picture) -> Response:
    return Response(
        type=Answer.GET_MAINTENANCE_STATUS,
        get_maintenance_status=Response.GetMaintenanceStatus(status=maintenance.status(reading.state)),
    )


def _maintenance_schedule(reading: Picture) -> Response:
    return Response(
        type=Answer.GET_MAINTENANCE_SCHEDULE,
        get_maintenance_schedule=Response.GetMaintenanceSchedule(schedule=reading.state.schedule or Schedule()),
    )


_VIEWS: dict[Call.Type, Callable[[Picture], Response | Drawn]] = {
    Type.GET_HEALTH: _health,
    Type.GET_FLAGS: _flags,
    Type.GET_VERSION: _version,
    Type.GET_STATE: _state,
    Type.GET_AGENTS: _agents,
    Type.GET_FRAMEWORKS: _frameworks,
    Type.GET_EXECUTORS: _executors,
    Type.GET_TASKS: _tasks,
    Type.GET_ROLES: _roles,
    Type.GET_WEIGHTS: _weights,
    Type.GET_MASTER: _master,
    Type.GET_OPERATIONS: _operations,
    Type.GET_QUOTA: _quota,
    Type.GET_MAINTENANCE_STATUS: _maintenance_status,
    Type.GET_MAINTENANCE_SCHEDULE: _maintenance_schedule,
}

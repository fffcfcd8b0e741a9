"""What operators read through the v1 API: answers built from the master's records, which they never change.

The builders of one task, agent, framework or executor serve the operator's event stream too. Only GET_LOGGING_LEVEL,
LIST_FILES and READ_FILE are not here: the shell knows those.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from tepui.master import maintenance
from tepui.master.gauges import Picture, Reading, snapshot
from tepui.master.offers import message_of
from tepui.master.state import Agent, Executor, Framework, Offer, Operation, State, Task
from tepui.master.sums import offered, role_sums, used_by, used_on
from tepui.model import operators
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


def answer(reading: Reading, call: Call) -> Response | None:
    """The answer to a call that only reads; None for any other call. The call has been validated."""
    if call.type is Type.GET_METRICS:
        return _metrics(reading)
    return picture_answer(reading, call)


def picture_answer(picture: Picture, call: Call) -> Response | None:
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


def get_tasks(state: State) -> Response.GetTasks:
    """All tasks that are remembered. Those that ended but whose end is not acknowledged are among `tasks`."""
    result = Response.GetTasks()
    for framework in _all_frameworks(state):
        own_id = framework.info.id
        result.tasks += [task_message(task, own_id) for task in framework.tasks.values()]
        result.unreachable_tasks += [task_message(task, own_id) for task in framework.unreachable_tasks.values()]
        result.completed_tasks += [task_message(task, own_id) for task in framework.completed_tasks]
    return result


def get_executors(state: State) -> Response.GetExecutors:
    """All executors but those that agents themselves make for commands, which the master does not know."""
    return Response.GetExecutors(
        executors=[
            executor_message(executor)
            for framework in state.frameworks.values()
            for executors in framework.executors.values()
            for executor in executors.values()
        ]
    )


def get_frameworks(state: State) -> Response.GetFrameworks:
    return Response.GetFrameworks(
        frameworks=[framework_message(framework, state) for framework in state.frameworks.values()],
        completed_frameworks=[framework_message(framework, state) for framework in state.completed_frameworks.values()],
    )


def get_agents(state: State) -> Response.GetAgents:
    return Response.GetAgents(
        agents=[agent_message(agent) for agent in state.agents.values()],
        recovered_agents=list(state.recovered_agents.values()),
    )


def get_operations(state: State) -> Response.GetOperations:
    """All operations that are under way, or whose outcome waits to be acknowledged."""
    return Response.GetOperations(
        operations=[operation_message(each) for agent in state.agents.values() for each in agent.operations.values()]
    )


def get_state(state: State) -> Response.GetState:
    """Everything, as GET_STATE and the first event of an operator stream tell it."""
    return Response.GetState(
        get_tasks=get_tasks(state),
        get_executors=get_executors(state),
        get_frameworks=get_frameworks(state),
        get_agents=get_agents(state),
    )


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


def _state(reading: Picture) -> Response:
    return Response(type=Answer.GET_STATE, get_state=get_state(reading.state))


def _agents(reading: Picture) -> Response:
    return Response(type=Answer.GET_AGENTS, get_agents=get_agents(reading.state))


def _frameworks(reading: Picture) -> Response:
    return Response(type=Answer.GET_FRAMEWORKS, get_frameworks=get_frameworks(reading.state))


def _executors(reading: Picture) -> Response:
    return Response(type=Answer.GET_EXECUTORS, get_executors=get_executors(reading.state))


def _tasks(reading: Picture) -> Response:
    return Response(type=Answer.GET_TASKS, get_tasks=get_tasks(reading.state))


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


def _operations(reading: Picture) -> Response:
    return Response(type=Answer.GET_OPERATIONS, get_operations=get_operations(reading.state))


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


_VIEWS: dict[Call.Type, Callable[[Picture], Response]] = {
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

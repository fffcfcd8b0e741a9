"""What operators read through the agent's v1 API: answers built from the records, which they never change.

Only GET_LOGGING_LEVEL, LIST_FILES and READ_FILE are not here: the shell knows those. Resource providers have no
records, so that they read as Mesos shows them when there are none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from copy import copy

from tepui.agent import operations
from tepui.agent.metrics import Reading, snapshot
from tepui.agent.state import Executor, ExecutorKind, ExecutorState, Framework, State, Task
from tepui.model import operators
from tepui.model.v1 import mesos
from tepui.model.v1.agent import Call, Response
from tepui.model.v1.mesos import ContainerID, ContainerStatus, ExecutorID, FrameworkID, ResourceStatistics
from tepui.model.values import as_float

Type = Call.Type
Answer = Response.Type
Container = Response.GetContainers.Container

BYTES_PER_MEBIBYTE = 1 << 20

_SUMMED = ("processes", "threads", "cpus_user_time_secs", "cpus_system_time_secs", "mem_rss_bytes")
"""What is measured of a run."""

Usage = Mapping[str, ResourceStatistics]
"""What was measured, by run."""


def answer(reading: Reading, call: Call, usage: Usage) -> Response | None:
    """The answer to a call that only reads; None for any other call. The call has been validated."""
    if call.type is Type.GET_CONTAINERS:
        nested = call.get_containers is not None and bool(call.get_containers.show_nested)
        return _containers(reading.state, usage, nested)
    view = None if call.type is None else _VIEWS.get(call.type)
    return None if view is None else view(reading)


# The builders of one thing.


def task_message(task: Task) -> mesos.Task:
    """A task as operators see it."""
    forwarded = task.forwarded
    return operators.task_message(
        task.info,
        task.framework.info.id or FrameworkID(value=task.framework_id),
        executor_id_of(task),
        task.state,
        task.statuses,
        None if forwarded is None else forwarded.state,
        None if forwarded is None else forwarded.uuid,
        user_of(task),
    )


def executor_id_of(task: Task) -> str:
    """Empty for a task that never had an executor, and for one that runs by its command."""
    executor = task.executor
    return "" if executor is None or executor.kind is ExecutorKind.COMMAND else executor.executor_id


def user_of(task: Task) -> str | None:
    """Whom the task runs as, when its command or its executor's says so."""
    info = task.info
    if info.command is not None and info.command.user:
        return info.command.user
    if info.executor is not None and info.executor.command is not None:
        return info.executor.command.user
    return None


def container_status(executor: Executor) -> ContainerStatus:
    """What operators are told of an executor's container: its id and process."""
    return ContainerStatus(container_id=executor.status.container_id, executor_pid=executor.pid)


def containers(state: State) -> Iterator[Executor]:
    """The executors whose container exists."""
    return (executor for executor in state.executors() if executor.state is not ExecutorState.TERMINATED)


def all_frameworks(state: State) -> Iterator[Framework]:
    """Current ones, then history."""
    yield from state.frameworks.values()
    yield from state.completed_frameworks.values()


# The builders of everything of a kind.


def get_tasks(state: State) -> Response.GetTasks:
    """All tasks of executors that are remembered. Nothing is ever pending: a launch is judged at once."""
    result = Response.GetTasks()
    for framework in all_frameworks(state):
        for executor in framework.all_executors():
            for task in executor.tasks.values():
                message = task_message(task)
                if task.terminal:
                    result.terminated_tasks.append(message)
                elif task.delivered:
                    result.launched_tasks.append(message)
                else:
                    result.queued_tasks.append(message)
        for executor in (*framework.completed_executors, *framework.all_executors()):
            result.completed_tasks += [task_message(task) for task in executor.completed_tasks]
    return result


def get_executors(state: State) -> Response.GetExecutors:
    """Current ones, those whose last updates are not acknowledged included, and completed ones."""
    result = Response.GetExecutors()
    for framework in all_frameworks(state):
        for executor in framework.all_executors():
            result.executors.append(Response.GetExecutors.Executor(executor_info=executor.info))
        for executor in framework.completed_executors:
            result.completed_executors.append(Response.GetExecutors.Executor(executor_info=executor.info))
    return result


def get_frameworks(state: State) -> Response.GetFrameworks:
    framework = Response.GetFrameworks.Framework
    return Response.GetFrameworks(
        frameworks=[framework(framework_info=record.info) for record in state.frameworks.values()],
        completed_frameworks=[framework(framework_info=record.info) for record in state.completed_frameworks.values()],
    )


def get_state(state: State) -> Response.GetState:
    return Response.GetState(
        get_tasks=get_tasks(state), get_executors=get_executors(state), get_frameworks=get_frameworks(state)
    )


# The answers.


def statistics(executor: Executor, usage: Usage) -> ResourceStatistics | None:
    """What its run was measured to use, with the limits that its executor and tasks give it."""
    measured = usage.get(executor.run)
    if measured is None and executor.kind is ExecutorKind.DEFAULT:
        measured = _sum([usage[task.run] for task in executor.tasks.values() if task.run in usage])
    if measured is None:
        return None
    result = copy(measured)
    result.cpus_soft_limit = as_float(executor.resources.scalar("cpus"))
    mem_bytes = int(as_float(executor.resources.scalar("mem")) * BYTES_PER_MEBIBYTE)
    result.mem_limit_bytes = result.mem_soft_limit_bytes = mem_bytes
    return result


def _sum(parts: list[ResourceStatistics]) -> ResourceStatistics | None:
    """What several runs use together; None when there are none."""
    if not parts:
        return None
    total = ResourceStatistics(timestamp=parts[0].timestamp)
    for name in _SUMMED:
        amounts = [amount for part in parts if (amount := getattr(part, name)) is not None]
        if amounts:
            setattr(total, name, sum(amounts))
    return total


def _containers(state: State, usage: Usage, nested: bool) -> Response:
    """The containers of executors and, if asked for, those of tasks inside them. There are no standalone ones."""
    found = [
        _container(executor, container_status(executor), statistics(executor, usage)) for executor in containers(state)
    ]
    if nested:
        for run, task in state.task_runs.items():
            executor, status = task.executor, task.container
            if executor is not None and status is not None and executor.run != run:
                shown = ContainerStatus(container_id=status.container_id, executor_pid=status.executor_pid)
                found.append(_container(executor, shown, usage.get(run)))
    return Response(type=Answer.GET_CONTAINERS, get_containers=Response.GetContainers(containers=found))


def _container(executor: Executor, status: ContainerStatus, measured: ResourceStatistics | None) -> Container:
    return Container(
        framework_id=FrameworkID(value=executor.framework_id),
        executor_id=ExecutorID(value=executor.executor_id),
        executor_name=executor.info.name or "",
        container_id=status.container_id or ContainerID(value=executor.run),
        container_status=status,
        resource_statistics=measured,
    )


def _health(_: Reading) -> Response:
    return Response(type=Answer.GET_HEALTH, get_health=Response.GetHealth(healthy=True))


def _flags(reading: Reading) -> Response:
    flags = operators.flags(reading.config.flags)
    return Response(type=Answer.GET_FLAGS, get_flags=Response.GetFlags(flags=flags))


def _version(reading: Reading) -> Response:
    info = operators.version_info(reading.config.version, reading.config.build)
    return Response(type=Answer.GET_VERSION, get_version=Response.GetVersion(version_info=info))


def _metrics(reading: Reading) -> Response:
    metrics = operators.metrics(snapshot(reading))
    return Response(type=Answer.GET_METRICS, get_metrics=Response.GetMetrics(metrics=metrics))


def _state(reading: Reading) -> Response:
    return Response(type=Answer.GET_STATE, get_state=get_state(reading.state))


def _frameworks(reading: Reading) -> Response:
    return Response(type=Answer.GET_FRAMEWORKS, get_frameworks=get_frameworks(reading.state))


def _executors(reading: Reading) -> Response:
    return Response(type=Answer.GET_EXECUTORS, get_executors=get_executors(reading.state))


def _tasks(reading: Reading) -> Response:
    return Response(type=Answer.GET_TASKS, get_tasks=get_tasks(reading.state))


def _agent(reading: Reading) -> Response:
    state = reading.state
    started = state.drain_start_time
    return Response(
        type=Answer.GET_AGENT,
        get_agent=Response.GetAgent(
            agent_info=state.info,
            drain_config=state.drain_config,
            estimated_drain_start_time=None if started is None else operators.time_info(started),
        ),
    )


def _operations(reading: Reading) -> Response:
    held = operations.messages(reading.state)
    return Response(type=Answer.GET_OPERATIONS, get_operations=Response.GetOperations(operations=held))


def _resource_providers(_: Reading) -> Response:
    return Response(type=Answer.GET_RESOURCE_PROVIDERS, get_resource_providers=Response.GetResourceProviders())


_VIEWS: dict[Call.Type, Callable[[Reading], Response]] = {
    Type.GET_HEALTH: _health,
    Type.GET_FLAGS: _flags,
    Type.GET_VERSION: _version,
    Type.GET_METRICS: _metrics,
    Type.GET_STATE: _state,
    Type.GET_FRAMEWORKS: _frameworks,
    Type.GET_EXECUTORS: _executors,
    Type.GET_TASKS: _tasks,
    Type.GET_AGENT: _agent,
    Type.GET_OPERATIONS: _operations,
    Type.GET_RESOURCE_PROVIDERS: _resource_providers,
}

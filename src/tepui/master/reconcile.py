"""Reconciliation: what the master believes about tasks and operations, told on demand (Mesos: the order of conditions).

All answers are made by the master, with reason RECONCILIATION and without uuid. Silence means: ask again later.
"""

from __future__ import annotations

from tepui.master import messages
from tepui.master.context import Context
from tepui.master.state import Framework, Operation, Task
from tepui.model.v1.mesos import AgentID, OperationState, OperationStatus, TaskID, TaskState, TaskStatus
from tepui.model.v1.scheduler import Call

_RECONCILIATION = TaskStatus.Reason.REASON_RECONCILIATION


def tasks(context: Context, framework: Framework, call: Call.Reconcile) -> None:
    """RECONCILE: the tasks named, or without any name all that are not yet over."""
    if not call.tasks:
        for task in list(framework.tasks.values()):
            known(context, framework, task)
        return
    for wanted in call.tasks:
        explicit(context, framework, wanted.task_id, wanted.agent_id)


def known(context: Context, framework: Framework, task: Task) -> None:
    """Tell a known task's state: that of the last update passed on, if there was one."""
    latest = task.statuses[-1] if task.statuses else None
    status = messages.status(
        task.info.task_id,
        task.status_update_state or task.state,
        _RECONCILIATION,
        "Reconciliation: Latest task state",
        context.now,
        context.agent_id_of(task),
        task.executor_id,
    )
    if latest is not None:
        status.container_status = latest.container_status
        status.healthy = latest.healthy
        status.check_status = latest.check_status
        status.labels = latest.labels
    context.send(framework, messages.update(status))


def explicit(context: Context, framework: Framework, task_id: TaskID, agent_id: AgentID | None) -> None:
    """Tell what is known of one task, be it unknown; the first condition that holds decides."""
    task = framework.tasks.get(task_id.value)
    if task is not None:
        known(context, framework, task)
        return
    state = context.state
    agent = "" if agent_id is None else agent_id.value
    if agent in state.recovered_agents or (agent_id is None and state.recovered_agents):
        return  # the agent may be about to tell of it
    unreachable_at: float | None = None
    if agent in state.agents:
        aware, sentence = TaskState.TASK_GONE, "Reconciliation: Task is unknown to the agent"
    elif agent in state.unreachable_agents:
        aware, sentence = TaskState.TASK_UNREACHABLE, "Reconciliation: Task is unreachable"
        unreachable_at = state.unreachable_agents[agent]
    elif agent in state.gone_agents:
        aware, sentence = TaskState.TASK_GONE_BY_OPERATOR, "Reconciliation: Task is gone"
    else:
        aware, sentence = TaskState.TASK_UNKNOWN, "Reconciliation: Task is unknown"
    told = aware if framework.has("PARTITION_AWARE") else TaskState.TASK_LOST
    status = messages.status(
        task_id, told, _RECONCILIATION, sentence, context.now, agent_id, unreachable_at=unreachable_at
    )
    context.send(framework, messages.update(status))


def operations(context: Context, framework: Framework, call: Call.ReconcileOperations) -> None:
    """RECONCILE_OPERATIONS: the operations named, or without any name all that the framework may still hear of."""
    if not call.operations:
        for operation in list(framework.operations.values()):
            _known_operation(context, framework, operation)
        return
    for wanted in call.operations:
        uuid = framework.operation_uuids.get(wanted.operation_id.value)
        if uuid is None:
            _unknown_operation(context, framework, wanted)
        else:
            _known_operation(context, framework, framework.operations[uuid])


def _known_operation(context: Context, framework: Framework, operation: Operation) -> None:
    latest = operation.latest
    if operation.info.id is not None:
        context.send(
            framework, messages.operation_status(operation.info.id, latest.state, latest.message, latest.agent_id)
        )


def _unknown_operation(context: Context, framework: Framework, wanted: Call.ReconcileOperations.Operation) -> None:
    """What is told depends on the agent."""
    state = context.state
    agent = "" if wanted.agent_id is None else wanted.agent_id.value
    told, sentence = OperationState.OPERATION_UNKNOWN, "Reconciliation: Both operation and agent are unknown"
    if wanted.agent_id is None:
        sentence = "Reconciliation: Operation is unknown and no 'agent_id' was provided"
    elif agent in state.recovered_agents:
        told = OperationState.OPERATION_RECOVERING
        sentence = "Reconciliation: Agent is recovered but has not re-registered"
    elif agent in state.agents:
        sentence = "Reconciliation: Operation is unknown"
    elif agent in state.unreachable_agents:
        told, sentence = OperationState.OPERATION_UNREACHABLE, "Reconciliation: Agent is unreachable"
    elif agent in state.gone_agents:
        told, sentence = OperationState.OPERATION_GONE_BY_OPERATOR, "Reconciliation: Agent marked gone by operator"
    status = OperationStatus(
        operation_id=wanted.operation_id,
        state=told,
        message=sentence,
        agent_id=wanted.agent_id,
        resource_provider_id=wanted.resource_provider_id,
    )
    context.send(framework, messages.operation_update(status))

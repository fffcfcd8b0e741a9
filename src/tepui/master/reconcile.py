"""Reconciliation: what the master believes about tasks, told on demand (Mesos: the order of conditions).

All answers are made by the master, with reason RECONCILIATION and without uuid. Silence means: ask again later.
"""

from __future__ import annotations

from tepui.master import messages
from tepui.master.context import Context
from tepui.master.state import Framework, Task
from tepui.model.v1.mesos import AgentID, OperationState, TaskID, TaskState, TaskStatus
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
    """RECONCILE_OPERATIONS: this master keeps no operations, so what is told depends on the agent alone."""
    state = context.state
    for wanted in call.operations:
        agent = "" if wanted.agent_id is None else wanted.agent_id.value
        if agent in state.recovered_agents:
            told = OperationState.OPERATION_RECOVERING
        elif agent in state.unreachable_agents:
            told = OperationState.OPERATION_UNREACHABLE
        elif agent in state.gone_agents:
            told = OperationState.OPERATION_GONE_BY_OPERATOR
        else:
            told = OperationState.OPERATION_UNKNOWN
        event = messages.operation_status(wanted.operation_id, told)
        assert event.update_operation_status is not None
        event.update_operation_status.status.agent_id = wanted.agent_id
        event.update_operation_status.status.resource_provider_id = wanted.resource_provider_id
        context.send(framework, event)

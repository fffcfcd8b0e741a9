"""Reconciliation: the master names tasks that it believes are here, the agent tells it of those that are not."""

from __future__ import annotations

from tepui.agent import history, updates
from tepui.agent.context import Context
from tepui.agent.journal import JournalRecord
from tepui.agent.state import Task
from tepui.model.link import Reconcile
from tepui.model.v1.mesos import TaskID, TaskInfo, TaskStatus


def reconcile(context: Context, message: Reconcile) -> None:
    """Tasks that are here need no answer: their updates are on their way, or nothing has happened to them."""
    unknown_tasks(
        context,
        [(name.framework_id, name.task_id) for name in message.tasks],
        TaskStatus.Reason.REASON_RECONCILIATION,
        "Reconciliation: Task is unknown to the agent",
    )


def unknown_tasks(context: Context, names: list[tuple[str, str]], reason: TaskStatus.Reason, message: str) -> None:
    """Tell the master about tasks that are not here: never launched, as far as this agent knows."""
    records: list[JournalRecord] = []
    refused: list[Task] = []
    for framework_id, task_id in names:
        framework = history.framework_of(context, framework_id)
        if task_id not in framework.tasks:
            state = updates.lost_or_dropped(framework)
            info = TaskInfo(name="", task_id=TaskID(value=task_id), agent_id=context.agent_id)
            refused.append(updates.refuse(context, framework, info, state, reason, message, records))
    updates.store_and_forward(context, refused, records)

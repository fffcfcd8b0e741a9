"""What an agent takes over from an earlier one on its work directory: the ends of tasks that nobody has acknowledged.

An executor was told ACKNOWLEDGED for an update, and a run was forgotten, because the journal had it. So what the
journal says of a task that had ended is told until it is acknowledged, whichever agent process does it. Of tasks that
had not ended nothing is taken over: their runs are ended, and the master hears that they are unknown here.
"""

from __future__ import annotations

from collections.abc import Iterable

from tepui.agent import history
from tepui.agent.context import Context
from tepui.agent.journal import (
    FrameworkForgotten,
    FrameworkKnown,
    Record,
    TaskEnded,
    TaskLaunched,
    UpdateAcknowledged,
    UpdateReceived,
)
from tepui.agent.state import Task
from tepui.model.task_states import TERMINAL_STATES
from tepui.model.v1.mesos import TaskID, TaskInfo

_OfTask = TaskLaunched | UpdateReceived | UpdateAcknowledged


def kept(records: Iterable[Record]) -> list[Record]:
    """Those of a journal's records that `recover` makes something of: of ended tasks, each framework's before them.

    What the records themselves make void is left out.
    """
    frameworks: dict[str, FrameworkKnown] = {}
    tasks: dict[tuple[str, str], list[_OfTask]] = {}
    for record in records:
        match record:
            case FrameworkKnown(framework_id=framework_id):
                frameworks[framework_id] = record
            case FrameworkForgotten(framework_id=framework_id):
                frameworks.pop(framework_id, None)
            case TaskLaunched():
                tasks[record.framework_id, record.info.task_id.value] = [record]
            case UpdateReceived() | UpdateAcknowledged():
                tasks.setdefault((record.framework_id, record.task_id), []).append(record)
            case TaskEnded():
                tasks.pop((record.framework_id, record.task_id), None)
    found: dict[str, list[Record]] = {}
    for (framework_id, _), of_task in tasks.items():
        if framework_id in frameworks and _has_ended(of_task):
            found.setdefault(framework_id, [frameworks[framework_id]]).extend(of_task)
    return [record for of_framework in found.values() for record in of_framework]


def _has_ended(of_task: list[_OfTask]) -> bool:
    return any(isinstance(one, UpdateReceived) and one.status.state in TERMINAL_STATES for one in of_task)


def recover(context: Context, records: Iterable[Record]) -> None:
    """Take over what `kept` has chosen."""
    state = context.state
    for record in records:
        match record:
            case FrameworkKnown(framework_id=framework_id):
                state.framework_infos[framework_id] = record.info
                state.frameworks[framework_id] = framework = history.new_framework(context, framework_id)
                history.describe(framework, record.info)
            case TaskLaunched():
                _task(context, record.framework_id, record.info)
            case UpdateReceived(status=status):
                unknown = TaskInfo(name="", task_id=TaskID(value=record.task_id), agent_id=context.agent_id)
                task = _task(context, record.framework_id, unknown)
                task.state = status.state
                task.pending.append((0, status))
                task.statuses = [*(one for one in task.statuses if one.state is not status.state), status]
            case UpdateAcknowledged(uuid=uuid):
                task = state.frameworks[record.framework_id].tasks[record.task_id]
                task.pending = [(token, status) for token, status in task.pending if status.uuid != uuid]


def _task(context: Context, framework_id: str, info: TaskInfo) -> Task:
    """The task's record, made of `info` when there is none. It has no executor, and holds no resources."""
    framework = context.state.frameworks[framework_id]
    task_id = info.task_id.value
    task = framework.tasks.get(task_id)
    if task is None:
        task = framework.tasks[task_id] = Task(framework=framework, task_id=task_id, info=info)
    return task

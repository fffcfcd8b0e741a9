"""How things become history: tasks, then runs, then frameworks, each into a ring of bounded length."""

from __future__ import annotations

from collections import deque
from copy import copy
from typing import TypeVar

from tepui.agent.context import Context
from tepui.agent.journal import FrameworkForgotten, JournalRecord, RunEnded, TaskEnded
from tepui.agent.state import Executor, ExecutorKind, ExecutorState, Framework, Task
from tepui.model.link import ExecutorExited
from tepui.model.v1.mesos import FrameworkID, FrameworkInfo, TaskInfo, TaskStatus

_Message = TypeVar("_Message", TaskInfo, TaskStatus)

_PARTITION_AWARE = FrameworkInfo.Capability.Type.PARTITION_AWARE
_KILLING_STATE = FrameworkInfo.Capability.Type.TASK_KILLING_STATE

COMPLETED_DATA_BYTES_MAX = 1024
"""Longer `data` of an update is not kept once its task is history."""


def framework_of(context: Context, framework_id: str) -> Framework:
    """The framework's record: the current one, else the one from history, else a new one."""
    state = context.state
    framework = state.frameworks.get(framework_id)
    if framework is not None:
        return framework
    info = state.framework_infos.get(framework_id)
    framework = state.completed_frameworks.pop(framework_id, None)
    if framework is None:
        framework = new_framework(context, framework_id)
    framework.terminating = False
    if info is not None:
        describe(framework, info)
    state.frameworks[framework_id] = framework
    context.change("framework active", framework_id)
    return framework


def new_framework(context: Context, framework_id: str) -> Framework:
    """A record of which nothing but the id is known."""
    return Framework(
        framework_id=framework_id,
        info=FrameworkInfo(user="", name="", id=FrameworkID(value=framework_id)),
        described=False,
        completed_executors=deque(maxlen=context.config.completed_executors_per_framework_max),
    )


def describe(framework: Framework, info: FrameworkInfo) -> None:
    """Take over what the master says about the framework."""
    framework.info = info
    framework.described = True
    capabilities = {capability.type for capability in info.capabilities}
    framework.partition_aware = _PARTITION_AWARE in capabilities
    framework.knows_killing = _KILLING_STATE in capabilities
    if not framework.executors:
        # Runs are journalled from their start or not at all, and their environment says which.
        framework.checkpoint = info.checkpoint


def end_task(context: Context, task: Task, records: list[JournalRecord]) -> None:
    """Nothing of the task is awaited any more. The records that say so are added to `records`."""
    framework = task.framework
    executor = task.executor
    task_id = task.task_id
    context.stop_retrying(task)
    task.pending.clear()  # what the journal has not stored yet would be forwarded when it has
    del framework.tasks[task_id]
    if framework.checkpoint:
        records.append(TaskEnded(framework.framework_id, task_id))
    if executor is not None:
        del executor.tasks[task_id]
        executor.queued.pop(task_id, None)
        _strip(task)
        executor.completed_tasks.append(task)
        if not executor.tasks:
            if executor.kind is ExecutorKind.DEFAULT and executor.state is ExecutorState.RUNNING:
                _end_idle(context, executor, records)
            elif executor.state is ExecutorState.TERMINATED:
                retire_executor(context, executor)
    context.change("task ended", framework.framework_id, executor.executor_id if executor else "", task_id)
    if not framework.tasks and framework.idle:
        retire_framework(context, framework, records)


def without_data(message: _Message) -> _Message:
    """The message, or a copy of it that has no `data`: the one field that may be as long as a request."""
    if message.data is None:
        return message
    message = copy(message)
    message.data = None
    return message


def _strip(task: Task) -> None:
    """Let go of what nobody asks of a task that is history."""
    task.pending = []
    task.seen = {}
    task.group = ()
    task.kill = None
    if task.info.data is not None:
        task.info.data = None  # `info` is the agent's own copy
    for index, status in enumerate(task.statuses):
        if status.data is not None and len(status.data) > COMPLETED_DATA_BYTES_MAX:
            task.statuses[index] = stripped = copy(status)
            stripped.data = None


def leave(context: Context, executor: Executor) -> None:
    """The executor is over. The master hears of it, unless it never knew of it: a command has none of its own there."""
    framework = executor.framework
    del context.state.runs[executor.run]
    status = executor.wait_status
    context.set_executor_state(executor, ExecutorState.TERMINATED, f"wait status {status}")
    del framework.executors[executor.executor_id]
    framework.ended_executors[executor.run] = executor
    if executor.kind is not ExecutorKind.COMMAND:
        context.tell(
            ExecutorExited(
                framework_id=framework.framework_id,
                executor_id=executor.executor_id,
                status=-1 if status is None else status,
            )
        )


def _end_idle(context: Context, executor: Executor, records: list[JournalRecord]) -> None:
    """A default executor ends when all of its tasks have ended and their schedulers know it (Mesos: default executor).

    The agent itself may be waiting for that; its executors are all told to end then, so that this one is not running.
    """
    executor.wait_status = 0
    leave(context, executor)
    retire_executor(context, executor)
    if executor.framework.checkpoint:
        records.append(RunEnded(executor.run))


def retire_executor(context: Context, executor: Executor) -> None:
    """The run has ended and all updates of its tasks are acknowledged."""
    framework = executor.framework
    framework.ended_executors.pop(executor.run, None)
    framework.completed_executors.append(executor)
    context.executor_change("executor forgotten", executor, executor.run)


def retire_framework(context: Context, framework: Framework, records: list[JournalRecord]) -> None:
    state = context.state
    del state.frameworks[framework.framework_id]
    completed = state.completed_frameworks
    completed[framework.framework_id] = framework
    while len(completed) > context.config.completed_frameworks_max:
        completed.popitem(last=False)
    if framework.checkpoint:
        records.append(FrameworkForgotten(framework.framework_id))
    context.change("framework idle", framework.framework_id)

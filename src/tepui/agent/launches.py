"""Launches: the executor of a task is started or found, and the task is queued for it.

All tasks with the same executor id share one run; a task that runs by its command gets an executor of its own. A launch
is idempotent by task id. Tasks that cannot run get their terminal state at once; a group runs whole or not at all.
"""

from __future__ import annotations

from copy import copy

from tepui.agent import commands, draining, executors, history, lifecycle, operations, updates
from tepui.agent.context import Context
from tepui.agent.journal import FrameworkKnown, JournalRecord, TaskLaunched
from tepui.agent.state import Executor, ExecutorKind, ExecutorState, Framework, Task
from tepui.agent.validation import unsupported_executor, unsupported_task
from tepui.model.link import FrameworkUpdate, Launch
from tepui.model.resources import Resources
from tepui.model.v1.mesos import ExecutorInfo, FrameworkID, TaskInfo, TaskState, TaskStatus

_Reason = TaskStatus.Reason
_UNKNOWN_TO_AGENT = "The checkpointed resources being used by the {} are unknown to the agent"
Refusal = tuple[TaskState, TaskStatus.Reason, str]


def framework_update(context: Context, message: FrameworkUpdate) -> None:
    """What the master says about a framework: before its first launch, and when its scheduler came back or changed it.

    A scheduler that is back hears at once what waited for it (Mesos: updates are resumed).
    """
    info = message.framework
    if info.id is None:
        return
    framework_id = info.id.value
    context.state.framework_infos[framework_id] = info
    framework = context.state.frameworks.get(framework_id)
    if framework is not None and not framework.terminating:
        history.describe(framework, info)
        if framework.checkpoint:
            context.store([FrameworkKnown(framework_id, info)])
        updates.resend(context, framework)


def launch(context: Context, message: Launch) -> None:
    if not message.tasks:
        return
    framework_id = message.framework_id
    state = context.state
    framework = state.frameworks.get(framework_id)
    records: list[JournalRecord] = []
    if framework is None or not framework.described:
        if framework_id not in state.framework_infos:
            # A new link begins with a snapshot and with descriptions, which mends whatever went wrong.
            context.give_up(f"The master launched tasks of framework {framework_id} without describing it")
            return
        framework = history.framework_of(context, framework_id)
        history.describe(framework, state.framework_infos[framework_id])
        if framework.checkpoint:
            records.append(FrameworkKnown(framework_id, framework.info))
    if framework.terminating:
        return
    infos = [info for info in message.tasks if info.task_id.value not in framework.tasks]
    if not infos or (message.group and len(infos) < len(message.tasks)):
        return
    refused: list[Task] = []
    queued: list[tuple[TaskInfo, Resources]] = []
    executor_id = message.executor.executor_id if message.executor is not None else None
    refusal = _refusal(context, framework, message)
    judged = [refusal or _judge(context, framework, message, info) for info in infos]
    if message.group:
        refusal = next((verdict for verdict in judged if isinstance(verdict, tuple)), None)
    for info, verdict in zip(infos, judged, strict=True):
        why = refusal or verdict
        if isinstance(why, tuple):
            refused.append(updates.refuse(context, framework, info, *why, records, executor_id))
        else:
            queued.append((info, why))
    used = _queue(context, framework, message, queued, records)
    if records:
        context.when_stored(context.store(records), _go_on, used, refused)
    else:
        _go_on(context, used, refused)


def _go_on(context: Context, used: list[Executor], refused: list[Task]) -> None:
    updates.forward_all(context, refused)
    for executor in used:
        executors.deliver(context, executor)


def _refusal(context: Context, framework: Framework, message: Launch) -> Refusal | None:
    """Why none of the tasks can run here."""
    info = message.executor
    why = None if info is None else unsupported_executor(info)
    if why is not None:
        return (TaskState.TASK_FAILED, _Reason.REASON_CONTAINER_LAUNCH_FAILED, why)
    lost = updates.lost_or_dropped(framework)
    if context.state.stopping is not None:
        return (lost, _Reason.REASON_EXECUTOR_TERMINATED, "The agent is shutting down")
    drained = draining.refusal(context, framework)
    if drained is not None:
        return drained
    if info is None:
        return None
    executor = framework.executors.get(info.executor_id.value)
    if executor is None:
        try:
            own = Resources.of(info.resources)
            operations.links(context, own)
        except ValueError as error:
            return (TaskState.TASK_ERROR, _Reason.REASON_TASK_INVALID, str(error))
        if operations.lacks(context.state, own):
            return (lost, _Reason.REASON_RESOURCES_UNKNOWN, _UNKNOWN_TO_AGENT.format("executor"))
    elif executor.kind is not _kind_of(info):
        return (lost, _Reason.REASON_TASK_INVALID, f"Another kind of executor '{executor.executor_id}' runs here")
    elif executor.state is ExecutorState.TERMINATING:
        return (lost, _Reason.REASON_EXECUTOR_TERMINATED, "The executor is terminating")
    return None


def _kind_of(info: ExecutorInfo | None) -> ExecutorKind:
    """Who runs the tasks of a launch."""
    if info is None:
        return ExecutorKind.COMMAND
    return ExecutorKind.DEFAULT if info.type is ExecutorInfo.Type.DEFAULT else ExecutorKind.CUSTOM


def _judge(context: Context, framework: Framework, message: Launch, task: TaskInfo) -> Refusal | Resources:
    """What the task holds, or why it cannot run here."""
    unauthorized = _unauthorized(context, framework, message, task)
    if unauthorized is not None:
        return unauthorized
    if _kind_of(message.executor) is not ExecutorKind.CUSTOM:
        why = unsupported_task(task)
        if why is not None:
            return (TaskState.TASK_FAILED, _Reason.REASON_CONTAINER_LAUNCH_FAILED, why)
    if message.executor is None and task.task_id.value in framework.executors:
        sentence = f"The task's id is that of an executor that runs here: '{task.task_id.value}'"
        return (updates.lost_or_dropped(framework), _Reason.REASON_TASK_INVALID, sentence)
    try:
        resources = Resources.of(task.resources)
        operations.links(context, resources)
    except ValueError as error:
        reason = _Reason.REASON_TASK_GROUP_INVALID if message.group else _Reason.REASON_TASK_INVALID
        return (TaskState.TASK_ERROR, reason, str(error))
    if operations.lacks(context.state, resources):
        sentence = _UNKNOWN_TO_AGENT.format("task or task group")
        return (updates.lost_or_dropped(framework), _Reason.REASON_RESOURCES_UNKNOWN, sentence)
    return resources


def _unauthorized(context: Context, framework: Framework, message: Launch, task: TaskInfo) -> Refusal | None:
    """Whether the framework may not run the task as the user it asks for."""
    info = message.executor
    user = framework.info.user
    if task.command is not None and task.command.user:
        user = task.command.user
    elif info is not None and info.command is not None and info.command.user:
        user = info.command.user
    if context.authorizer(framework.info.principal, "run_tasks", user):
        return None
    reason = _Reason.REASON_TASK_GROUP_UNAUTHORIZED if message.group else _Reason.REASON_TASK_UNAUTHORIZED
    return (TaskState.TASK_ERROR, reason, f"Not authorized to launch the task as user '{user}'")


def _queue(
    context: Context,
    framework: Framework,
    message: Launch,
    launched: list[tuple[TaskInfo, Resources]],
    records: list[JournalRecord],
) -> list[Executor]:
    """Queue the tasks for their executor, or each for its own; returns the executors."""
    info = message.executor
    if info is None:
        used: list[Executor] = []
        for task, resources in launched:
            executor = commands.executor_of(context, framework, task, records)
            _add(context, executor, [(task, resources)], False, records)
            used.append(executor)
        return used
    if not launched:
        return []
    executor = framework.executors.get(info.executor_id.value) or _started(context, framework, info, records)
    _add(context, executor, launched, message.group, records)
    return [executor]


def _started(context: Context, framework: Framework, info: ExecutorInfo, records: list[JournalRecord]) -> Executor:
    """A new run of the executor, whose description names its framework."""
    if info.framework_id is None:
        info = copy(info)
        info.framework_id = FrameworkID(value=framework.framework_id)
    own = Resources.of(info.resources)
    if _kind_of(info) is ExecutorKind.DEFAULT:
        return lifecycle.begin(context, framework, info, own, ExecutorKind.DEFAULT, records)
    return executors.start(context, framework, info, own, records)


def _add(
    context: Context,
    executor: Executor,
    launched: list[tuple[TaskInfo, Resources]],
    group: bool,
    records: list[JournalRecord],
) -> None:
    framework = executor.framework
    checkpoint = framework.checkpoint
    staging = context.state.counters.tasks_alive
    first = launched[0][0].task_id.value if group else ""
    token = context.store_token + 1 if checkpoint else 0
    tasks: list[Task] = []
    for message, resources in launched:
        info = copy(message)
        info.agent_id = context.agent_id
        if executor.kind is not ExecutorKind.COMMAND:
            info.executor = executor.info
        task_id = info.task_id.value
        task = Task(framework, task_id, info, executor, TaskState.TASK_STAGING, resources, launch_token=token)
        task.volumes = operations.links(context, resources)
        if executor.kind is not ExecutorKind.CUSTOM:
            commands.assign_run(context, executor, task)
        if checkpoint:
            records.append(TaskLaunched(framework.framework_id, executor.run, message, first, task.run))
        framework.tasks[task_id] = task
        executor.tasks[task_id] = task
        executor.queued[task_id] = task
        executor.resources += resources
        staging[TaskState.TASK_STAGING] += 1
        tasks.append(task)
        context.change("task launched", framework.framework_id, executor.executor_id, task_id)
    if group:
        members = tuple(tasks)
        for task in tasks:
            task.group = members

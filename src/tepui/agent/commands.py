"""Tasks that the agent runs itself, as processes of their own under the supervisor.

Two kinds of executors need no process: that of a task with a `command`, which runs one task, and the default executor,
which runs the tasks of groups. Clients see what Mesos's own executors would tell them:

    launched ──started──> STARTING, RUNNING ──exited──> FINISHED: status 0
       │                          │                     FAILED: any other status, or time over
       └──────── failed ──────────┴─────── kill ──────> KILLED: whatever the status is

A command's executor ends with its task. The default executor ends when all of its tasks have ended and are
acknowledged; a task of a group that ends otherwise than FINISHED takes the others of its group with it.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from tepui.agent import environment, lifecycle, updates
from tepui.agent.context import Context
from tepui.agent.events import KillRun, StartRun
from tepui.agent.journal import JournalRecord
from tepui.agent.state import Ending, Executor, ExecutorKind, ExecutorState, Framework, Task
from tepui.model.resources import Resources
from tepui.model.v1.mesos import (
    CommandInfo,
    ContainerID,
    ContainerStatus,
    ExecutorID,
    ExecutorInfo,
    FrameworkID,
    KillPolicy,
    Resource,
    TaskInfo,
    TaskState,
    TaskStatus,
    Value,
)
from tepui.model.wait_status import describe_wait_status, exit_code

KILL_GRACE_SECONDS = 3.0
"""Between SIGTERM and SIGKILL when nobody says (Mesos: kill policy)."""

COMPLETION = "completion"
"""The kind of the deadline by which a task must have ended. The subject is a run."""

COMMAND_EXECUTOR_RESOURCES = {"cpus": 0.1, "mem": 32.0}
"""What an executor of a command is shown to use beside its task, in the agent's answers alone (Mesos: the same)."""
_NAME_LENGTH_MAX = 15
_NAME_LENGTH_CUT = 12
"""Commands longer than the first are shown by their beginning."""

_LAUNCHER_DIRECTORY = "/usr/local/libexec/mesos"
_EXECUTOR_COMMAND = CommandInfo(
    shell=False,
    value=f"{_LAUNCHER_DIRECTORY}/mesos-executor",
    arguments=["mesos-executor", f"--launcher_dir={_LAUNCHER_DIRECTORY}"],
)
"""What clients are shown as the command of such an executor: the name that Mesos's own has. Nobody runs it."""

_UNSEEN = "The exit status is unknown"
_Reason = TaskStatus.Reason


# The executors that clients see.


def executor_of(context: Context, framework: Framework, task: TaskInfo, records: list[JournalRecord]) -> Executor:
    """A new executor for a task that runs by its command."""
    role = environment.allocated_to(task)
    messages, own = _own_resources(role)
    info = ExecutorInfo(
        executor_id=ExecutorID(value=task.task_id.value),
        framework_id=FrameworkID(value=framework.framework_id),
        command=_EXECUTOR_COMMAND,
        container=task.container,
        resources=messages,
        name=executor_name(task),
        source=task.task_id.value,
    )
    return lifecycle.begin(context, framework, info, own, ExecutorKind.COMMAND, records)


@lru_cache(maxsize=256)
def _own_resources(role: str | None) -> tuple[list[Resource], Resources]:
    allocation = None if role is None else Resource.AllocationInfo(role=role)
    messages = [
        Resource(name=name, type=Value.Type.SCALAR, scalar=Value.Scalar(value=amount), allocation_info=allocation)
        for name, amount in COMMAND_EXECUTOR_RESOURCES.items()
    ]
    return messages, Resources.of(messages)


def executor_name(task: TaskInfo) -> str:
    """What the executor of a command is called (Mesos: command executor)."""
    command = task.command
    assert command is not None, "validated"
    if command.shell:
        shown = f"sh -c '{_shortened(command.value or '')}'"
    else:
        shown = f"[{_shortened(', '.join([command.value or '', *command.arguments]))}]"
    return f"Command Executor (Task: {task.task_id.value}) (Command: {shown})"


def _shortened(command: str) -> str:
    return command if len(command) <= _NAME_LENGTH_MAX else f"{command[:_NAME_LENGTH_CUT]}..."


def assign_run(context: Context, executor: Executor, task: Task) -> None:
    """Give a task of one of these executors its container: the executor's own, or one inside it."""
    if executor.kind is ExecutorKind.COMMAND:
        task.run = executor.run
        task.container = executor.status
    else:
        task.run = context.ids.text()
        task.container = ContainerStatus(
            container_id=ContainerID(value=task.run, parent=executor.status.container_id),
            network_infos=executor.status.network_infos,
        )


# The start.


def deliver(context: Context, executor: Executor) -> None:
    """Start the queued tasks that the journal has, in order."""
    if executor.state is not ExecutorState.RUNNING:
        return
    for task in list(executor.queued.values()):
        if task.launch_token > context.stored_token:
            return
        del executor.queued[task.task_id]
        task.delivered = True
        executor.given_tasks = True
        _start(context, executor, task)


def _start(context: Context, executor: Executor, task: Task) -> None:
    config = context.config
    state = context.state
    framework = executor.framework
    command = task.info.command
    assert command is not None, "judged at the launch"
    nested = executor.kind is ExecutorKind.DEFAULT
    directory = f"{executor.directory}/containers/{task.run}" if nested else executor.directory
    state.task_runs[task.run] = task
    executor.live_runs += 1
    executable, argv = environment.command_line(command)
    context.effects.append(
        StartRun(
            run=task.run,
            framework_id=framework.framework_id,
            executor_id=executor.executor_id,
            executable=executable,
            argv=argv,
            environment=environment.task_environment(
                config,
                agent_id=state.agent_id,
                port=state.info.port,
                framework_id=framework.framework_id,
                framework=framework.info,
                executor=executor.info,
                task=task.info,
                directory=directory,
            ),
            directory=directory,
            user=environment.user_of(config, framework.info, command),
            orphan_timeout_seconds=environment.orphan_timeout_seconds(config, framework.checkpoint),
            parent=executor.run if nested else "",
            parent_user=environment.user_of(config, framework.info, None) if nested else None,
            task_id=task.task_id if nested else "",
            volumes=task.volumes,
            parent_volumes=executor.volumes if nested else (),
        )
    )


def started(context: Context, task: Task, pid: int) -> None:
    """The task's process runs. Said again after the supervisor was lost, which changes nothing."""
    executor, container = _parts(task)
    container.executor_pid = pid
    if executor.kind is ExecutorKind.COMMAND:
        executor.pid = pid
    if task.ending is not None or task.state is not TaskState.TASK_STAGING or task.framework.terminating:
        return
    records: list[JournalRecord] = []
    updates.add(context, task, _status(context, task, TaskState.TASK_STARTING), records)
    updates.add(context, task, _status(context, task, TaskState.TASK_RUNNING), records)
    limit = task.info.max_completion_time
    if limit is not None:
        context.timers.set((COMPLETION, task.run), context.now + environment.seconds_of(limit, 0.0))
    updates.store_and_forward(context, [task], records)


def _parts(task: Task) -> tuple[Executor, ContainerStatus]:
    assert task.executor is not None
    assert task.container is not None, "the agent runs it"
    return task.executor, task.container


def _status(
    context: Context,
    task: Task,
    state: TaskState,
    message: str | None = None,
    reason: TaskStatus.Reason | None = None,
) -> TaskStatus:
    """An update that the task's executor would send if it had a process."""
    return TaskStatus(
        task_id=task.info.task_id,
        state=state,
        message=message,
        source=TaskStatus.Source.SOURCE_EXECUTOR,
        reason=reason,
        agent_id=context.agent_id,
        timestamp=context.now,
        uuid=context.ids.bytes(),
        container_status=task.container,
    )


# Kills.


def kill(context: Context, task: Task, policy: KillPolicy | None) -> None:
    """SIGTERM, and SIGKILL after the grace of the call, else of the task. Again: the SIGKILL can only come sooner."""
    _end_runs(context, [(task, grace_seconds(task, policy))])


def completion_due(context: Context, run: str) -> None:
    """The task has run for as long as it may: it is killed without grace."""
    task = context.state.task_runs.get(run)
    if task is not None and task.ending is None:
        task.ending = Ending.TIMED_OUT
        context.effects.append(KillRun(run, 0.0))


def shutdown(context: Context, executor: Executor, ending: tuple[TaskStatus.Reason, str] | None) -> None:
    """End an executor with all that it runs; tasks that have not been started fail."""
    lifecycle.terminate(context, executor, ending)
    if not executor.live_runs:
        lifecycle.end(context, executor, 0, [], [])
        return
    limit_seconds = float("inf")
    if executor.kind is ExecutorKind.DEFAULT:
        limit_seconds = environment.shutdown_grace_seconds(context.config, executor.info)
    alive = [task for task in executor.tasks.values() if task.run in context.state.task_runs]
    _end_runs(context, [(task, min(limit_seconds, grace_seconds(task, None))) for task in alive])


def grace_seconds(task: Task, policy: KillPolicy | None) -> float:
    """The grace of a kill: the call's, else the task's, else the default."""
    for one in (policy, task.info.kill_policy):
        if one is not None and one.grace_period is not None:
            return environment.seconds_of(one.grace_period, KILL_GRACE_SECONDS)
    return KILL_GRACE_SECONDS


def _end_runs(context: Context, graces: Iterable[tuple[Task, float]]) -> None:
    """Kill the runs of tasks, each within its grace in seconds."""
    records: list[JournalRecord] = []
    updated: list[Task] = []
    for task, seconds in graces:
        context.effects.append(KillRun(task.run, seconds))
        if task.ending is not None:
            continue
        task.ending = Ending.KILLED
        context.timers.cancel((COMPLETION, task.run))
        framework = task.framework
        if framework.knows_killing and not framework.terminating:
            updates.add(context, task, _status(context, task, TaskState.TASK_KILLING), records)
            updated.append(task)
    updates.store_and_forward(context, updated, records)


# The end.


def failed(context: Context, task: Task, why: str) -> None:
    """The task's process never began, or the supervisor does not know it when it is to be killed."""
    context.state.counters.container_launch_errors += task.ending is None
    if task.ending is not None:
        _over(context, task, None, _status(context, task, TaskState.TASK_KILLED, why))
        return
    sentence = f"Failed to launch the container: {why}"
    _over(context, task, None, _agent_status(context, task, _Reason.REASON_CONTAINER_LAUNCH_FAILED, sentence))


def exited(context: Context, task: Task, wait_status: int | None, why: str) -> None:
    """Nothing is left of the task's processes. `why` is what the supervisor has to say beside the status."""
    if wait_status is None:
        message = why or _UNSEEN
    else:
        message = f"Command {describe_wait_status(wait_status)}"
        if why:
            message = f"{message}. {why}"
    if task.ending is Ending.TIMED_OUT:
        reason = _Reason.REASON_MAX_COMPLETION_TIME_REACHED
        status = _status(context, task, TaskState.TASK_FAILED, message, reason)
    elif task.ending is Ending.KILLED:
        status = _status(context, task, TaskState.TASK_KILLED, message)
    elif wait_status is None:
        status = _agent_status(context, task, _Reason.REASON_EXECUTOR_TERMINATED, message)
    else:
        state = TaskState.TASK_FAILED if exit_code(wait_status) != 0 else TaskState.TASK_FINISHED
        status = _status(context, task, state, message)
    _over(context, task, wait_status, status)


def _agent_status(context: Context, task: Task, reason: TaskStatus.Reason, message: str) -> TaskStatus:
    """What the agent says itself, as of an executor that cannot any more."""
    executor, _ = _parts(task)
    return updates.agent_status(
        context, executor.info.executor_id, task.info.task_id, TaskState.TASK_FAILED, reason, message
    )


def _over(context: Context, task: Task, wait_status: int | None, status: TaskStatus) -> None:
    """The run of a task is over, and with it perhaps its group or its executor."""
    executor, _ = _parts(task)
    run = task.run
    del context.state.task_runs[run]
    executor.live_runs -= 1
    context.timers.cancel((COMPLETION, run))
    records: list[JournalRecord] = []
    updated: list[Task] = []
    if not task.framework.terminating:
        updates.add(context, task, status, records)
        updated.append(task)
    if executor.kind is ExecutorKind.COMMAND:
        lifecycle.end(context, executor, wait_status, records, updated, run)
    elif executor.state is ExecutorState.TERMINATING and not executor.live_runs:
        lifecycle.end(context, executor, 0, records, updated, run)
    else:
        token = context.store(records) if records else 0
        context.when_stored(token, lifecycle.accounted, updated, run)
        if status.state is not TaskState.TASK_FINISHED:
            _end_group(context, task)


def _end_group(context: Context, task: Task) -> None:
    """A task of the group has ended badly: the others are killed, each within its own grace."""
    runs = context.state.task_runs
    others = [other for other in task.group if other.run in runs and other.ending is None]
    _end_runs(context, [(other, grace_seconds(other, None)) for other in others])

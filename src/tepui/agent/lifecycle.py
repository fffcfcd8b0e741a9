"""The records of executors: how a run begins, and how it ends, whoever runs the tasks.

The agent starts the process of a custom executor, and none for the others: their tasks are processes of their own
(`tepui.agent.commands`).
"""

from __future__ import annotations

from collections import deque

from tepui.agent import environment, history, operations, updates
from tepui.agent.context import Context
from tepui.agent.events import ForgetRun, Stop
from tepui.agent.journal import JournalRecord, RunBegan, RunEnded
from tepui.agent.state import Executor, ExecutorKind, ExecutorState, Framework, Task
from tepui.model.resources import Resources
from tepui.model.shell import CloseSession
from tepui.model.task_states import TERMINAL_STATES
from tepui.model.v1.mesos import ContainerID, ContainerStatus, ExecutorInfo, NetworkInfo, TaskState, TaskStatus

REGISTRATION = "registration"
DESTROY = "destroy"
RETURN = "return"
EXIT = "exit"
HEARTBEAT = "heartbeat"
"""Kinds of deadlines. The subject of a heartbeat is a session, of the others a run."""

_Reason = TaskStatus.Reason
TERMINATED = (_Reason.REASON_EXECUTOR_TERMINATED, "Executor terminated")
"""Why the tasks of an executor that ended end, when there is nothing better to say."""


def begin(
    context: Context,
    framework: Framework,
    info: ExecutorInfo,
    resources: Resources,
    kind: ExecutorKind,
    records: list[JournalRecord],
) -> Executor:
    """The record of a new run; `info` names the executor and its framework. Nothing is started yet."""
    config = context.config
    state = context.state
    executor_id = info.executor_id.value
    run = context.ids.text()
    directory = environment.sandbox(config, state.agent_id, framework.framework_id, executor_id, run)
    executor = Executor(
        framework=framework,
        executor_id=executor_id,
        info=info,
        run=run,
        directory=directory,
        own_resources=resources,
        resources=resources,
        status=ContainerStatus(
            container_id=ContainerID(value=run),
            network_infos=[NetworkInfo(ip_addresses=[NetworkInfo.IPAddress(ip_address=config.ip)])],
        ),
        state=ExecutorState.REGISTERING if kind is ExecutorKind.CUSTOM else ExecutorState.RUNNING,
        started_at=context.now,
        completed_tasks=deque(maxlen=config.completed_tasks_per_executor_max),
        kind=kind,
    )
    executor.volumes = operations.links(context, resources)
    framework.executors[executor_id] = executor
    state.runs[run] = executor
    state.counters.executors[executor.state] += 1
    context.executor_change("executor started", executor, run)
    if framework.checkpoint:
        records.append(RunBegan(framework.framework_id, executor_id, run, info, directory, context.now, kind.value))
    return executor


def close(context: Context, executor: Executor) -> None:
    """End the executor's stream, if it has one."""
    session = executor.session
    if session is not None:
        context.effects.append(CloseSession(session))
        detach(context, executor, session)


def detach(context: Context, executor: Executor, session: str) -> None:
    """The executor's stream is gone."""
    executor.session = None
    del context.state.sessions[session]
    context.timers.cancel((HEARTBEAT, session))


def terminate(context: Context, executor: Executor, ending: tuple[TaskStatus.Reason, str] | None) -> None:
    """The executor is told to end, or is being killed: it gets no tasks any more."""
    context.timers.cancel((REGISTRATION, executor.run))
    context.timers.cancel((RETURN, executor.run))
    executor.ending = ending
    detail = ending[1] if ending is not None else ""
    context.set_executor_state(executor, ExecutorState.TERMINATING, detail)


def end(
    context: Context,
    executor: Executor,
    status: int | None,
    records: list[JournalRecord],
    updated: list[Task],
    run: str = "",
) -> None:
    """The executor is over: the master hears of that first, then of its tasks.

    `records` and `updated` are of updates that were added just before; `run` is what the supervisor may forget once all
    is stored. `status` is the raw wait status, None when nobody saw it.
    """
    framework = executor.framework
    for kind in (REGISTRATION, DESTROY, RETURN, EXIT):
        context.timers.cancel((kind, executor.run))
    close(context, executor)
    executor.wait_status = status
    history.leave(context, executor)
    failed = _fail_tasks(context, executor, records)
    if not executor.tasks and executor.run in framework.ended_executors:
        history.retire_executor(context, executor)
        if framework.idle:
            history.retire_framework(context, framework, records)
    if framework.checkpoint:
        records.append(RunEnded(executor.run))
    token = context.store(records) if records else 0
    context.when_stored(token, accounted, [*updated, *failed], run)
    stop_when_done(context)


def _fail_tasks(context: Context, executor: Executor, records: list[JournalRecord]) -> list[Task]:
    """Give each task that has not ended its last state. Nobody hears of those of a framework that is gone."""
    reason, message = executor.ending or TERMINATED
    executor.queued.clear()
    failed: list[Task] = []
    for task in list(executor.tasks.values()):
        if executor.framework.terminating:
            updates.enter(context, task, TaskState.TASK_KILLED)
            history.end_task(context, task, records)
        elif task.state not in TERMINAL_STATES:
            status = updates.agent_status(
                context, executor.info.executor_id, task.info.task_id, TaskState.TASK_FAILED, reason, message
            )
            updates.add(context, task, status, records)
            failed.append(task)
    return failed


def accounted(context: Context, updated: list[Task], run: str) -> None:
    """The updates are stored, and with them the end of the run, if one has ended."""
    updates.forward_all(context, updated)
    if run:
        context.effects.append(ForgetRun(run))


def stop_when_done(context: Context) -> None:
    """End the agent if it is to end and nothing runs any more."""
    why = context.state.stopping
    if why is not None and not context.state.runs:
        context.effects.append(Stop(why))

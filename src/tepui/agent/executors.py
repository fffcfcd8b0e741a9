"""Executors: from the start of a run, through subscriptions and the events they bring, to its end.

    REGISTERING ──SUBSCRIBE──> RUNNING ──shutdown──> TERMINATING ──run exited──> TERMINATED
         └──────────── timeout, kill before delivery ────┘

A run may exit in any state. Tasks that have not ended by then fail; why, says whatever made the run end. An executor
that loses its stream may come back: for as long as it is asked to try when its framework checkpoints, else for its
shutdown grace; then it is destroyed.
"""

from __future__ import annotations

from tepui.agent import commands, environment, history, lifecycle, operations, updates
from tepui.agent.context import Context
from tepui.agent.events import (
    ExecutorCall,
    ExecutorSubscribe,
    ForgetRun,
    KillRun,
    LinkingFailed,
    LinkVolumes,
    RunExited,
    RunFailed,
    RunStarted,
    StartRun,
)
from tepui.agent.journal import JournalRecord
from tepui.agent.lifecycle import DESTROY, EXIT, HEARTBEAT, REGISTRATION, RETURN, TERMINATED
from tepui.agent.reconcile import unknown_tasks
from tepui.agent.state import Executor, ExecutorKind, ExecutorState, Framework, Task
from tepui.model import link
from tepui.model.resources import Resources
from tepui.model.shell import CloseSession, OpenSession, Send, SessionBacklog, SessionClosed
from tepui.model.short_tasks import short_tasks_of, uses_kept
from tepui.model.task_states import TERMINAL_STATES
from tepui.model.v1.executor import Call, Event
from tepui.model.v1.mesos import (
    ExecutorInfo,
    KillPolicy,
    TaskGroupInfo,
    TaskInfo,
    TaskState,
    TaskStatus,
)
from tepui.model.validation import validate_executor_call
from tepui.wire.text import format_duration

EXIT_SETTLE_SECONDS = 0.05
"""How long after an exit the last updates of an executor are still waited for: they come on another way than the news
of the exit. Only a run that leaves unfinished tasks behind is waited for."""

INSIST = "insist"
"""The deadline by which a task ends that is cut short, before its executor is."""
LIMIT = "limit"
"""The deadline of a short task in a custom executor."""

_Reason = TaskStatus.Reason
_SHUTDOWN = Event(type=Event.Type.SHUTDOWN)
_HEARTBEAT = Event(type=Event.Type.HEARTBEAT)


# The start.


def start(
    context: Context, framework: Framework, info: ExecutorInfo, resources: Resources, records: list[JournalRecord]
) -> Executor:
    """Start a run of a custom executor; `info` names it and its framework."""
    config = context.config
    state = context.state
    executor = lifecycle.begin(context, framework, info, resources, ExecutorKind.CUSTOM, records)
    context.timers.set((REGISTRATION, executor.run), context.now + config.executor_registration_timeout_seconds)
    command = info.command
    assert command is not None, "validated"
    executable, argv = environment.command_line(command)
    context.effects.append(
        StartRun(
            run=executor.run,
            framework_id=framework.framework_id,
            executor_id=executor.executor_id,
            executable=executable,
            argv=argv,
            environment=environment.executor_environment(
                config,
                agent_id=state.agent_id,
                port=state.info.port,
                framework_id=framework.framework_id,
                framework=framework.info,
                info=info,
                directory=executor.directory,
            ),
            directory=executor.directory,
            user=environment.user_of(config, framework.info, command),
            orphan_timeout_seconds=environment.orphan_timeout_seconds(config, framework.checkpoint),
            volumes=executor.volumes,
        )
    )
    return executor


def run_started(context: Context, event: RunStarted) -> None:
    task = context.state.task_runs.get(event.run)
    if task is not None:
        commands.started(context, task, event.pid)
        return
    executor = context.state.runs.get(event.run)
    if executor is not None:
        executor.pid = event.pid
        executor.status.executor_pid = event.pid


# Calls.


def _caller(context: Context, request: int, call: Call) -> Executor | None:
    """The executor that calls; None after answering that there is none."""
    framework = context.state.frameworks.get(call.framework_id.value)
    if framework is None:
        context.answer(request, 400, "Framework cannot be found")
        return None
    executor = framework.executors.get(call.executor_id.value)
    if executor is None or executor.kind is not ExecutorKind.CUSTOM:
        context.answer(request, 400, "Executor cannot be found")
        return None
    return executor


def subscribe(context: Context, event: ExecutorSubscribe) -> None:
    call = event.call
    executor = _caller(context, event.request, call)
    if executor is None:
        return
    context.effects.append(OpenSession(event.request, event.session))
    if executor.state is ExecutorState.TERMINATING:
        context.effects.append(Send(event.session, _SHUTDOWN))
        context.effects.append(CloseSession(event.session))
        return
    _open(context, executor, event.session)
    records: list[JournalRecord] = []
    received, lost = _reconcile(context, executor, call, records)
    agent_info = context.state.info
    subscribed = Event.Subscribed(
        executor_info=executor.info,
        framework_info=executor.framework.info,
        agent_info=agent_info,
        container_id=executor.status.container_id,
    )
    context.send(executor, Event(type=Event.Type.SUBSCRIBED, subscribed=subscribed))
    token = context.store(records) if records else 0
    for received_task, stored_by, status in received:
        context.when_stored(stored_by, updates.finish, executor, received_task, status)
    context.when_stored(token, updates.forward_all, lost)
    deliver(context, executor)
    for task in executor.tasks.values():
        if task.kill is not None and task.delivered:
            (policy,) = task.kill
            task.kill = None
            _send_kill(context, executor, task, policy)


def _open(context: Context, executor: Executor, session: str) -> None:
    """The stream is the executor's now; an earlier one ends."""
    lifecycle.close(context, executor)
    executor.session = session
    executor.backlogged = False
    context.state.sessions[session] = executor
    context.timers.set((HEARTBEAT, session), context.now + context.config.executor_heartbeat_seconds)
    context.timers.cancel((REGISTRATION, executor.run))
    context.timers.cancel((RETURN, executor.run))
    if executor.registered_at is None:
        executor.registered_at = context.now
    if executor.state is ExecutorState.REGISTERING:
        context.set_executor_state(executor, ExecutorState.RUNNING)
    else:
        context.change("executor resubscribed", executor.framework_id, executor.executor_id)


def _reconcile(
    context: Context, executor: Executor, call: Call, records: list[JournalRecord]
) -> tuple[list[tuple[Task | None, int, TaskStatus]], list[Task]]:
    """Take what the executor still holds unacknowledged; tasks that were sent to it and did not arrive are lost.

    Returns the updates taken, each with its task and token as `updates.accept_from_executor` does, and the lost tasks.
    """
    assert call.subscribe is not None, "validated"
    framework = executor.framework
    received: list[tuple[Task | None, int, TaskStatus]] = []
    for update in call.subscribe.unacknowledged_updates:
        if validate_executor_call(_update_call(call, update)) is not None:
            context.state.counters.invalid_status_updates += 1
            continue
        status = updates.own(update.status)
        received.append((*updates.accept_from_executor(context, executor, status, records), status))
    held = {task.task_id.value for task in call.subscribe.unacknowledged_tasks}
    lost: list[Task] = []
    for task in executor.tasks.values():
        if task.delivered and task.state is TaskState.TASK_STAGING and task.task_id not in held:
            status = updates.agent_status(
                context,
                executor.info.executor_id,
                task.info.task_id,
                updates.lost_or_dropped(framework),
                _Reason.REASON_AGENT_RESTARTED,
                "The executor does not know the task, which was sent to it before its connection was lost",
            )
            updates.add(context, task, status, records)
            lost.append(task)
    return received, lost


def _update_call(subscribe: Call, update: Call.Update) -> Call:
    """The call that would have brought the update alone."""
    return Call(
        framework_id=subscribe.framework_id, executor_id=subscribe.executor_id, type=Call.Type.UPDATE, update=update
    )


def call(context: Context, event: ExecutorCall) -> None:
    """UPDATE or MESSAGE, well-formed: the shell has validated it."""
    call = event.call
    executor = _caller(context, event.request, call)
    if executor is None:
        return
    if executor.registered_at is None:
        context.answer(event.request, 403, "Executor is not subscribed")
        return
    if call.update is not None and call.type is Call.Type.UPDATE:
        context.answer(event.request, 202)
        updates.receive(context, executor, updates.own(call.update.status))
    elif call.message is not None and call.type is Call.Type.MESSAGE:
        context.answer(event.request, 202)
        context.state.counters.valid_framework_messages += 1
        context.tell(
            link.ExecutorMessage(
                framework_id=executor.framework_id, executor_id=executor.executor_id, data=call.message.data
            )
        )
    else:
        context.answer(event.request, 501)


# Events to executors.


def deliver(context: Context, executor: Executor) -> None:
    """Send the queued tasks that the journal has, in order, if the executor can take them.

    Those that need no executor process are started.
    """
    if executor.kind is not ExecutorKind.CUSTOM:
        commands.deliver(context, executor)
        return
    session = executor.session
    if session is None or executor.backlogged or executor.state is not ExecutorState.RUNNING:
        return
    queued = executor.queued
    for task in list(queued.values()):
        if task.delivered:
            continue  # with its group
        if task.launch_token > context.stored_token:
            return
        executor.given_tasks = True
        group = task.group or (task,)
        infos: list[TaskInfo] = []
        for member in group:
            del queued[member.task_id]
            member.delivered = True
            if member.volumes:
                user = environment.user_of(context.config, executor.framework.info, executor.info.command)
                context.effects.append(LinkVolumes(executor.run, executor.directory, member.volumes, user))
            infos.append(member.info)
            if member.info.max_completion_time is not None:
                _limit(context, member)
            member.info = history.without_data(member.info)  # the executor has it now, and nobody else asks for it
        if task.group:
            event = Event(
                type=Event.Type.LAUNCH_GROUP,
                launch_group=Event.LaunchGroup(task_group=TaskGroupInfo(tasks=infos)),
            )
        else:
            event = Event(type=Event.Type.LAUNCH, launch=Event.Launch(task=infos[0]))
        context.effects.append(Send(session, event))


def kill(context: Context, message: link.Kill) -> None:
    state = context.state
    framework = state.frameworks.get(message.framework_id)
    task = framework.tasks.get(message.task_id) if framework is not None else None
    if task is None:
        unknown_tasks(
            context,
            [(message.framework_id, message.task_id)],
            _Reason.REASON_EXECUTOR_TERMINATED,
            "The task to be killed has no executor on this agent",
        )
        return
    if message.revoked:
        _cut_short(context, task, message.kill_policy, (_Reason.REASON_CONTAINER_PREEMPTED, message.revoked))
    else:
        kill_task(context, task, message.kill_policy)


def _cut_short(context: Context, task: Task, policy: KillPolicy | None, why: tuple[TaskStatus.Reason, str]) -> None:
    """The task ends against its scheduler's will: its executor is asked first, and ended when that does not help.

    For a task that the agent itself runs the supervisor sees to the end of its grace (paper 3.3).
    """
    if task.cut_short is None and task.state not in TERMINAL_STATES:
        task.cut_short = why
        executor = task.executor
        if executor is not None and executor.kind is ExecutorKind.CUSTOM:
            grace_seconds = commands.grace_seconds(task, policy)
            context.timers.set((INSIST, _key(task)), context.now + grace_seconds)
    kill_task(context, task, policy)


def _key(task: Task) -> str:
    return f"{task.framework_id} {task.task_id}"


def _task(context: Context, key: str) -> Task | None:
    """The task with this key, while it is alive."""
    framework_id, _, task_id = key.partition(" ")
    framework = context.state.frameworks.get(framework_id)
    task = framework.tasks.get(task_id) if framework is not None else None
    return None if task is None or task.state in TERMINAL_STATES else task


def _insist(context: Context, key: str) -> None:
    task = _task(context, key)
    if task is not None and task.cut_short is not None and task.executor is not None:
        shutdown(context, task.executor, task.cut_short)


def _limit(context: Context, task: Task) -> None:
    """A task on resources that are kept for short ones has begun (paper 4.4)."""
    limit = task.info.max_completion_time
    short = short_tasks_of(context.state.info.attributes)
    if limit is not None and short is not None and uses_kept(short, task.resources):
        context.timers.set((LIMIT, _key(task)), context.now + limit.nanoseconds / 1e9)


def _limit_due(context: Context, key: str) -> None:
    task = _task(context, key)
    if task is not None:
        why = "The task went on for longer than its max_completion_time"
        _cut_short(context, task, None, (_Reason.REASON_MAX_COMPLETION_TIME_REACHED, why))


def kill_task(context: Context, task: Task, policy: KillPolicy | None) -> None:
    """End the task, unless it has ended or its executor is about to."""
    executor = task.executor
    if executor is None or task.state in TERMINAL_STATES or executor.state is ExecutorState.TERMINATING:
        return
    context.change("kill", task.framework_id, executor.executor_id, task.task_id)
    if task.task_id in executor.queued:
        _kill_queued(context, executor, task)
    elif executor.kind is not ExecutorKind.CUSTOM:
        commands.kill(context, task, policy)
    elif executor.session is None:
        task.kill = (policy,)
    else:
        _send_kill(context, executor, task, policy)


def _send_kill(context: Context, executor: Executor, task: Task, policy: KillPolicy | None) -> None:
    kill_event = Event.Kill(task_id=task.info.task_id, kill_policy=policy)
    context.send(executor, Event(type=Event.Type.KILL, kill=kill_event))


def _kill_queued(context: Context, executor: Executor, task: Task) -> None:
    """The task, and its whole group, never reaches the executor; one that never got a task is not needed any more."""
    records: list[JournalRecord] = []
    killed = list(task.group or (task,))
    for member in killed:
        del executor.queued[member.task_id]
        status = updates.agent_status(
            context,
            executor.info.executor_id,
            member.info.task_id,
            TaskState.TASK_KILLED,
            _Reason.REASON_TASK_KILLED_DURING_LAUNCH,
            "Killed before delivery to the executor",
        )
        updates.add(context, member, status, records)
    updates.store_and_forward(context, killed, records)
    if not executor.given_tasks and not executor.queued:
        shutdown(context, executor)


def scheduler_message(context: Context, message: link.SchedulerMessage) -> None:
    framework = context.state.frameworks.get(message.framework_id)
    executor = framework.executors.get(message.executor_id) if framework is not None else None
    if (
        executor is None
        or executor.session is None
        or executor.backlogged  # what it does not read would cost it its stream, and with that its tasks
        or executor.state is not ExecutorState.RUNNING
    ):
        context.state.counters.invalid_framework_messages += 1
        return
    context.state.counters.valid_framework_messages += 1
    context.send(executor, Event(type=Event.Type.MESSAGE, message=Event.Message(data=message.data)))


# The end.


def shutdown(context: Context, executor: Executor, ending: tuple[TaskStatus.Reason, str] | None = None) -> None:
    """Ask the executor to end within its grace; it is destroyed when it does not. Idempotent."""
    if executor.state not in (ExecutorState.REGISTERING, ExecutorState.RUNNING):
        return
    if executor.kind is not ExecutorKind.CUSTOM:
        commands.shutdown(context, executor, ending)
        return
    grace_seconds = environment.shutdown_grace_seconds(context.config, executor.info)
    lifecycle.terminate(context, executor, ending)
    if executor.session is not None:
        context.send(executor, _SHUTDOWN)
        context.timers.set((DESTROY, executor.run), context.now + grace_seconds)
    else:
        context.effects.append(KillRun(executor.run, grace_seconds))


def destroy(context: Context, executor: Executor, ending: tuple[TaskStatus.Reason, str]) -> None:
    """End the run without asking the executor."""
    lifecycle.terminate(context, executor, ending)
    context.effects.append(KillRun(executor.run, 0.0))


def shutdown_executor(context: Context, message: link.ShutdownExecutor) -> None:
    framework = context.state.frameworks.get(message.framework_id)
    executor = framework.executors.get(message.executor_id) if framework is not None else None
    if executor is not None:
        shutdown(context, executor)


def run_failed(context: Context, event: RunFailed) -> None:
    state = context.state
    task = state.task_runs.get(event.run)
    if task is not None:
        commands.failed(context, task, event.why)
        return
    executor = state.runs.get(event.run)
    if executor is None:
        context.effects.append(ForgetRun(event.run))
        return
    state.counters.container_launch_errors += 1
    if executor.ending is None:
        why = f"Failed to launch the container: {event.why}"
        executor.ending = (_Reason.REASON_CONTAINER_LAUNCH_FAILED, why)
    lifecycle.end(context, executor, None, [], [], event.run)


def linking_failed(context: Context, event: LinkingFailed) -> None:
    """A task of the executor has not got its volume (Mesos: failed update of a container)."""
    executor = context.state.runs.get(event.run)
    if executor is not None and executor.state is not ExecutorState.TERMINATING:
        destroy(context, executor, (_Reason.REASON_CONTAINER_UPDATE_FAILED, event.why))


def run_exited(context: Context, event: RunExited) -> None:
    state = context.state
    task = state.task_runs.get(event.run)
    if task is not None:
        commands.exited(context, task, event.status, event.why)
        return
    executor = state.runs.get(event.run)
    if executor is None:
        context.effects.append(ForgetRun(event.run))
        return
    if executor.ending is None and event.status is None and event.why:
        executor.ending = (_Reason.REASON_EXECUTOR_TERMINATED, f"Executor terminated: {event.why}")
    if any(task.delivered and task.state not in TERMINAL_STATES for task in executor.tasks.values()):
        executor.wait_status = event.status
        if executor.state is not ExecutorState.TERMINATING:
            lifecycle.terminate(context, executor, executor.ending)
        context.timers.cancel((DESTROY, event.run))
        context.timers.set((EXIT, event.run), context.now + EXIT_SETTLE_SECONDS)
    else:
        lifecycle.end(context, executor, event.status, [], [], event.run)


def shutdown_framework(context: Context, message: link.ShutdownFramework) -> None:
    """The framework is gone: end its executors, forget its updates."""
    state = context.state
    state.framework_infos.pop(message.framework_id, None)
    operations.forget_framework(context, message.framework_id)
    framework = state.frameworks.get(message.framework_id)
    if framework is None or framework.terminating:
        return
    framework.terminating = True
    context.change("framework shut down", framework.framework_id)
    records: list[JournalRecord] = []
    for task in list(framework.tasks.values()):
        if task.executor is None or task.state in TERMINAL_STATES:
            history.end_task(context, task, records)
        else:
            updates.forget(context, task)
    if records:
        context.store(records)
    for executor in list(framework.executors.values()):
        shutdown(context, executor)


def shutdown_all(context: Context, why: str) -> None:
    """End every executor, then the agent."""
    if context.state.stopping is None:
        context.state.stopping = why
        context.change("stopping", detail=why)
        for executor in list(context.state.runs.values()):
            shutdown(context, executor)
        lifecycle.stop_when_done(context)


# Streams and time.


def session_closed(context: Context, event: SessionClosed) -> None:
    """The executor's stream broke. It may come back; one that does not is destroyed."""
    executor = context.state.sessions.get(event.session)
    if executor is None:
        return
    lifecycle.detach(context, executor, event.session)
    context.change("executor disconnected", executor.framework_id, executor.executor_id, detail=event.why)
    if executor.state is ExecutorState.RUNNING:
        if executor.framework.checkpoint:
            wait_seconds = context.config.recovery_timeout_seconds
        else:
            wait_seconds = environment.shutdown_grace_seconds(context.config, executor.info)
        context.timers.set((RETURN, executor.run), context.now + wait_seconds)


def session_backlog(context: Context, event: SessionBacklog) -> None:
    executor = context.state.sessions.get(event.session)
    if executor is not None:
        executor.backlogged = event.full
        deliver(context, executor)


def due(context: Context, kind: str, subject: str) -> None:
    """A deadline of an executor has come."""
    state = context.state
    if kind == commands.COMPLETION:
        commands.completion_due(context, subject)
        return
    if kind == HEARTBEAT:
        if subject in state.sessions:
            context.effects.append(Send(subject, _HEARTBEAT))
            context.timers.set((HEARTBEAT, subject), context.now + context.config.executor_heartbeat_seconds)
        return
    if kind == INSIST:
        _insist(context, subject)
        return
    if kind == LIMIT:
        _limit_due(context, subject)
        return
    executor = state.runs.get(subject)
    if executor is None:
        return
    if kind == REGISTRATION:
        timeout = format_duration(context.config.executor_registration_timeout_seconds)
        why = f"Executor did not register within {timeout}"
        destroy(context, executor, (_Reason.REASON_EXECUTOR_REGISTRATION_TIMEOUT, why))
    elif kind == RETURN:
        destroy(context, executor, TERMINATED)
    elif kind == EXIT:
        lifecycle.end(context, executor, executor.wait_status, [], [], subject)
    elif kind == DESTROY:
        context.effects.append(KillRun(subject, 0.0))

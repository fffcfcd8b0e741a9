"""Tasks and their executors: what agents and schedulers say about them, and how they end.

The agent holds a task's updates and sends the oldest unacknowledged one, over and over; the master passes it on and
keeps what it learns. Two states matter: the *latest* one, which the agent attaches to each update and which decides
whose the resources are, and the one *told* to the scheduler, whose acknowledgement, when it is terminal, ends the task
here (Mesos: status updates and acknowledgement). A terminal state is never left.
"""

from __future__ import annotations

from copy import copy

from tepui.master import messages, reconcile
from tepui.master.context import Context
from tepui.master.records import ExecutorAdded, ExecutorRemoved, TaskAdded, TaskRemoved, TaskUpdated
from tepui.master.state import Agent, Executor, Framework, Task
from tepui.model import link
from tepui.model.resources import Resources
from tepui.model.shell import Send, SendLink
from tepui.model.task_states import TERMINAL_STATES
from tepui.model.v1 import scheduler
from tepui.model.v1.mesos import ExecutorInfo, TaskInfo, TaskState, TaskStatus

_CHECKED = frozenset(
    {
        TaskStatus.Reason.REASON_TASK_CHECK_STATUS_UPDATED,
        TaskStatus.Reason.REASON_TASK_HEALTH_CHECK_STATUS_UPDATED,
    }
)
"""Updates that are news although the state is the same."""

_UPDATE = scheduler.Event.Type.UPDATE
_Event = scheduler.Event
_Update = scheduler.Event.Update


# Coming to be.


def user_of(info: TaskInfo, executor: ExecutorInfo | None) -> str | None:
    """Whom the task runs as, when its own command or its executor's says so."""
    if info.command is not None and info.command.user is not None:
        return info.command.user
    return None if executor is None or executor.command is None else executor.command.user


def add(
    context: Context,
    framework: Framework,
    agent: Agent,
    info: TaskInfo,
    resources: Resources,
    role: str,
    state: TaskState = TaskState.TASK_STAGING,
    executor_id: str = "",
) -> Task:
    """Make a task known. `info` is the record's own copy; without an executor in it `executor_id` says whose it is."""
    executor = info.executor
    name = info.task_id.value
    if info.name == name:
        info.name = name  # two equal strings of a million tasks
    task = Task(
        framework_id=framework.framework_id,
        task_id=name,
        agent_id=agent.agent_id,
        executor_id=executor_id if executor is None else executor.executor_id.value,
        info=info,
        resources=resources,
        role=role,
        state=state,
        launched_at=context.now,
        user=user_of(info, executor),
    )
    framework.tasks[name] = task
    of_framework = agent.tasks.get(framework.framework_id)
    if of_framework is None:
        of_framework = agent.tasks[framework.framework_id] = {}
    of_framework[name] = task
    context.record(TaskAdded(framework.framework_id, name, agent.agent_id, state), task)
    return task


def add_executor(
    context: Context,
    framework: Framework,
    agent: Agent,
    info: ExecutorInfo,
    resources: Resources,
    as_given: ExecutorInfo | None = None,
) -> Executor:
    """Make an executor known on its agent."""
    executor_id = info.executor_id.value
    executor = Executor(framework.framework_id, executor_id, agent.agent_id, info, resources, as_given)
    framework.executors.setdefault(agent.agent_id, {})[executor_id] = executor
    agent.executors.setdefault(framework.framework_id, {})[executor_id] = executor
    context.record(ExecutorAdded(framework.framework_id, executor_id, agent.agent_id), executor)
    return executor


# Updates.


def update(context: Context, agent: Agent, message: link.StatusUpdate) -> None:
    """An agent tells a task's oldest unacknowledged update: pass it on, and keep what it says."""
    counters = context.metrics.counters
    counters["master/messages_status_update"] += 1
    framework = context.state.frameworks.get(message.framework_id)
    if framework is None:
        counters["master/invalid_status_updates"] += 1
        if message.framework_id in context.state.completed_frameworks:
            context.tell(agent, link.ShutdownFramework(framework_id=message.framework_id))
        return
    status = message.status
    task = framework.tasks.get(status.task_id.value)
    if task is not None and task.agent_id == agent.agent_id:
        counters["master/valid_status_updates"] += 1
        _share(agent, task, status)
    else:
        counters["master/invalid_status_updates"] += 1
        task = None
    session = framework.session
    if session is not None and not framework.backlogged:
        framework.metrics.events[_UPDATE] += 1
        context.effects.append(Send(session, _Event(type=_UPDATE, update=_Update(status=status))))
        if task is not None and status.uuid is not None:
            task.status_update_state = status.state
            task.status_update_uuid = status.uuid
    if task is not None:
        apply(context, framework, task, status, message.latest)
        if context.followers:
            context.followers.task(task.framework_id, task.task_id)


def _share(agent: Agent, task: Task, status: TaskStatus) -> None:
    """Let the status use the objects that are here already: it stays with the task, perhaps for long."""
    status.task_id = task.info.task_id
    status.agent_id = agent.info.id
    executor = task.info.executor
    if executor is not None and status.executor_id == executor.executor_id:
        status.executor_id = executor.executor_id
    container = status.container_status
    if container is not None:
        if container == agent.container_status:
            status.container_status = agent.container_status
        elif task.statuses and container == task.statuses[-1].container_status:
            status.container_status = task.statuses[-1].container_status
        else:
            agent.container_status = container


def apply(context: Context, framework: Framework, task: Task, status: TaskStatus, latest: TaskState) -> None:
    """Keep what a status says; free the resources when the latest state is an end."""
    kept = status
    if status.data is not None:
        kept = copy(status)
        kept.data = None
    state = status.state
    if state in TERMINAL_STATES and latest not in TERMINAL_STATES:
        latest = state  # nothing comes after an end, whatever an agent says
    news = True
    for index, earlier in enumerate(task.statuses):
        if earlier.state is state:
            news = index + 1 < len(task.statuses)
            task.statuses[index] = kept
            break
    else:
        task.statuses.append(kept)
    if task.state is not latest and task.state not in TERMINAL_STATES:
        task.state = latest
        if latest in TERMINAL_STATES or latest is TaskState.TASK_UNREACHABLE:
            context.metrics.task_update(latest, status.source, status.reason)
            if latest is not TaskState.TASK_UNREACHABLE:
                framework.metrics.terminal_tasks[latest] += 1
            release(context, task)
        news = True
    if news or status.reason in _CHECKED:
        context.record(
            TaskUpdated(task.framework_id, task.task_id, task.agent_id, task.state, state, status.reason), status
        )


def settle(context: Context, framework: Framework, task: Task, latest: TaskState) -> None:
    """An agent that came back says the task's latest state; the update that says the same follows."""
    if task.state is not latest and task.state not in TERMINAL_STATES:
        task.state = latest
        if latest in TERMINAL_STATES:
            context.metrics.task_update(latest)
            framework.metrics.terminal_tasks[latest] += 1
            release(context, task)
        context.followers.task(task.framework_id, task.task_id)


def release(context: Context, task: Task) -> None:
    """Give its resources back, once; it need not be killed any more."""
    if not task.released:
        task.released = True
        agent = context.state.agents.get(task.agent_id)
        if agent is not None and agent.pending_kills:
            agent.pending_kills.pop((task.framework_id, task.task_id), None)
        context.allocator.recover(task.framework_id, task.agent_id, task.resources, None, context.now)


def acknowledge(context: Context, framework: Framework, call: scheduler.Call.Acknowledge) -> None:
    """The scheduler has an update: its agent may send the next one, and the end of a task is the end of its record."""
    agent = context.state.agents.get(call.agent_id.value)
    counters = context.metrics.counters
    if agent is None or agent.link is None:
        counters["master/invalid_status_update_acknowledgements"] += 1
        return
    name = call.task_id.value
    task = framework.tasks.get(name)
    if task is not None and task.agent_id == agent.agent_id:
        if task.status_update_uuid is None:  # this master has not passed any on; the agent will repeat it
            counters["master/invalid_status_update_acknowledgements"] += 1
            return
        if task.status_update_state in TERMINAL_STATES and task.status_update_uuid == call.uuid:
            forget(context, framework, task)
    counters["master/valid_status_update_acknowledgements"] += 1
    context.effects.append(
        SendLink(agent.link, link.Acknowledge(framework_id=framework.framework_id, task_id=name, uuid=call.uuid))
    )


# The end.


def forget(context: Context, framework: Framework, task: Task) -> None:
    """The task becomes history: it leaves its agent, and only what is shown of completed tasks stays."""
    release(context, task)
    _detach(context, framework, task)
    shrink(task)
    framework.completed_tasks.append(task)
    context.record(TaskRemoved(task.framework_id, task.task_id, task.agent_id), task)


def _detach(context: Context, framework: Framework, task: Task) -> None:
    framework.tasks.pop(task.task_id, None)
    agent = context.state.agents.get(task.agent_id)
    if agent is None:
        return
    of_framework = agent.tasks.get(task.framework_id)
    if of_framework is not None:
        of_framework.pop(task.task_id, None)
        if not of_framework:
            del agent.tasks[task.framework_id]
            if agent.service is not None and not agent.tasks:
                context.emptied.append(agent.agent_id)


def shrink(task: Task) -> None:
    """Drop what nobody is shown of a task that has ended: there may be fifty thousand of them."""
    info = task.info
    info.executor = None
    info.command = None
    info.check = None


def strand(context: Context, framework: Framework, task: Task) -> None:
    """The task's agent cannot be reached: it is kept apart until the agent comes back."""
    release(context, task)
    _detach(context, framework, task)
    framework.unreachable_tasks[task.task_id] = task
    context.state.stranded.setdefault(task.agent_id, {})[(task.framework_id, task.task_id)] = None
    while len(framework.unreachable_tasks) > context.config.unreachable_tasks_per_framework_max:
        rescue(context, framework, next(iter(framework.unreachable_tasks)))


def rescue(context: Context, framework: Framework, task_id: str) -> Task | None:
    """Take a task, if it is one of them, from those that are kept apart."""
    task = framework.unreachable_tasks.pop(task_id, None)
    if task is not None:
        on_agent = context.state.stranded[task.agent_id]
        del on_agent[(task.framework_id, task_id)]
        if not on_agent:
            del context.state.stranded[task.agent_id]
        context.followers.task(framework.framework_id, task_id)
    return task


def end_all(context: Context, framework: Framework, why: str) -> None:
    """The framework is gone: its tasks end in the record, nobody is told (Mesos: removal of a framework)."""
    sentence = f"Framework {framework.framework_id} removed: {why}"
    for task in [*framework.tasks.values(), *framework.unreachable_tasks.values()]:
        if task.state not in TERMINAL_STATES:
            status = messages.status(
                task.info.task_id,
                TaskState.TASK_KILLED,
                messages.Reason.REASON_FRAMEWORK_REMOVED,
                sentence,
                context.now,
                context.agent_id_of(task),
            )
            apply(context, framework, task, status, TaskState.TASK_KILLED)
        rescue(context, framework, task.task_id)
        forget(context, framework, task)
    for executors in list(framework.executors.values()):
        for executor in list(executors.values()):
            remove_executor(context, framework, executor, None)


# Executors.


def remove_executor(context: Context, framework: Framework, executor: Executor, status: int | None) -> None:
    """The executor ended: what it held is free."""
    agent_id = executor.agent_id
    of_agent = framework.executors[agent_id]
    del of_agent[executor.executor_id]
    if not of_agent:
        del framework.executors[agent_id]
    agent = context.state.agents[agent_id]
    of_framework = agent.executors[executor.framework_id]
    del of_framework[executor.executor_id]
    if not of_framework:
        del agent.executors[executor.framework_id]
    if executor.resources:
        context.allocator.recover(executor.framework_id, agent_id, executor.resources, None, context.now)
    context.record(ExecutorRemoved(executor.framework_id, executor.executor_id, agent_id, status), executor)


def executor_exited(context: Context, agent: Agent, message: link.ExecutorExited) -> None:
    """Tell the scheduler with a FAILURE; the updates of its tasks come from the agent, after this."""
    context.metrics.counters["master/messages_exited_executor"] += 1
    framework = context.state.frameworks.get(message.framework_id)
    executor = agent.executors.get(message.framework_id, {}).get(message.executor_id)
    if framework is None or executor is None:
        return
    remove_executor(context, framework, executor, message.status)
    context.send(framework, messages.failure(agent.info.id, executor.info.executor_id, message.status))


def executor_message(context: Context, agent: Agent, message: link.ExecutorMessage) -> None:
    """Data from an executor: passed on if its scheduler is there, else lost."""
    counters = context.metrics.counters
    counters["master/messages_executor_to_framework"] += 1
    framework = context.state.frameworks.get(message.framework_id)
    if framework is None or framework.session is None or framework.backlogged:
        counters["master/invalid_executor_to_framework_messages"] += 1
        return
    counters["master/valid_executor_to_framework_messages"] += 1
    context.send(framework, messages.message(agent.info.id, message.executor_id, message.data))


def scheduler_message(context: Context, framework: Framework, call: scheduler.Call.Message) -> None:
    """Data from a scheduler: passed on if the agent is there, else lost."""
    agent = context.state.agents.get(call.agent_id.value)
    counters = context.metrics.counters
    if agent is None or agent.link is None:
        counters["master/invalid_framework_to_executor_messages"] += 1
        return
    counters["master/valid_framework_to_executor_messages"] += 1
    context.tell(
        agent,
        link.SchedulerMessage(framework_id=framework.framework_id, executor_id=call.executor_id.value, data=call.data),
    )


def shutdown_executor(context: Context, framework: Framework, call: scheduler.Call.Shutdown) -> None:
    """SHUTDOWN: its agent ends the executor; an unknown agent is ignored."""
    agent = context.state.agents.get(call.agent_id.value)
    if agent is not None:
        context.tell(
            agent,
            link.ShutdownExecutor(framework_id=framework.framework_id, executor_id=call.executor_id.value),
        )


# Killing.


def kill(context: Context, framework: Framework, call: scheduler.Call.Kill) -> None:
    """KILL: the task's agent is told, again when it comes back. An unknown task is answered by reconciliation."""
    task = framework.tasks.get(call.task_id.value)
    if task is None:
        reconcile.explicit(context, framework, call.task_id, call.agent_id)
        return
    if call.agent_id is not None and call.agent_id.value != task.agent_id:
        return
    agent = context.state.agents[task.agent_id]
    message = link.Kill(framework_id=task.framework_id, task_id=task.task_id, kill_policy=call.kill_policy)
    if task.state not in TERMINAL_STATES:
        agent.pending_kills[(task.framework_id, task.task_id)] = message
    context.tell(agent, message)

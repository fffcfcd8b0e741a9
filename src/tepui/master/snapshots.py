"""What an agent says it holds, taken into the master's own knowledge, and the difference answered."""

from __future__ import annotations

from copy import copy

from tepui.master import agents, frameworks, messages, tasks
from tepui.master.context import Context
from tepui.master.state import Agent, Executor, Framework, held_resources
from tepui.model import link
from tepui.model.resources import Resources
from tepui.model.task_states import TERMINAL_STATES
from tepui.model.v1.mesos import TaskState, TaskStatus

_Held = dict[str, Framework]
"""The frameworks of a snapshot that are not over, by id."""
_Used = dict[str, Resources]
"""What the allocator does not know yet that frameworks use, by their ids: it is told of each agent once."""


def take_in(context: Context, agent: Agent, snapshot: link.Snapshot, sentence: str | None) -> None:
    """Learn what the agent holds. With a `sentence` the scheduler of each task that was not known here is told of it:
    it may believe the task lost or out of reach (Mesos: updates of reregistered agents)."""
    held = _take_frameworks(context, agent, snapshot)
    used: _Used = {}
    _take_executors(context, agent, snapshot, held, used)
    seen: set[tuple[str, str]] = set()
    for task in snapshot.tasks:
        framework = held.get(task.framework_id)
        if framework is not None:
            seen.add((task.framework_id, task.info.task_id.value))
            _take_task(context, agent, framework, task, sentence, used)
    for framework_id, resources in used.items():
        context.allocator.add_allocated(framework_id, agent.agent_id, resources)
    _give_up_stranded(context, agent)
    missing = [
        link.TaskName(framework_id=framework_id, task_id=task_id)
        for framework_id, of_framework in agent.tasks.items()
        for task_id in of_framework
        if (framework_id, task_id) not in seen
    ]
    if missing:
        for framework_id in dict.fromkeys(name.framework_id for name in missing):
            # The agent may have forgotten it, and must know what its schedulers call a task that is not there.
            agents.introduce(context, context.state.frameworks[framework_id], agent)
        context.tell(agent, link.Reconcile(tasks=missing))


def _give_up_stranded(context: Context, agent: Agent) -> None:
    """The agent is back without these tasks: they are gone for sure. Who believes them unreachable is told."""
    for framework_id, task_id in list(context.state.stranded.get(agent.agent_id, ())):
        framework = context.state.frameworks[framework_id]
        task = tasks.rescue(context, framework, task_id)
        if task is None:
            continue
        if task.state not in TERMINAL_STATES:
            status = messages.status(
                task.info.task_id,
                TaskState.TASK_GONE,
                TaskStatus.Reason.REASON_RECONCILIATION,
                "Reconciliation: Task is unknown to the agent",
                context.now,
                agent.info.id,
                task.executor_id,
            )
            tasks.apply(context, framework, task, status, TaskState.TASK_GONE)
            context.send(framework, messages.update(status))
        tasks.forget(context, framework, task)


def _take_frameworks(context: Context, agent: Agent, snapshot: link.Snapshot) -> _Held:
    """Frameworks that are over are shut down; unknown ones are recovered; changed ones are told anew."""
    state = context.state
    held: _Held = {}
    over: dict[str, None] = {}
    for info in snapshot.frameworks:
        if info.id is None:
            continue
        name = info.id.value
        if name in state.completed_frameworks:
            over[name] = None
            continue
        framework = state.frameworks.get(name)
        if framework is None:
            framework = frameworks.recover(context, info)
        held[name] = framework
        agent.known_frameworks.add(name)
        framework.agents.add(agent.agent_id)
        if framework.info != info:
            context.tell(agent, link.FrameworkUpdate(framework=framework.info))
    names = (*(held.framework_id for held in snapshot.executors), *(held.framework_id for held in snapshot.tasks))
    for name in names:
        if name in state.completed_frameworks:
            over[name] = None
        elif name not in held:
            known = state.frameworks.get(name)
            if known is None:  # it ended while the agent's admission was being stored
                over[name] = None
            else:
                held[name] = known
    for name in over:
        context.tell(agent, link.ShutdownFramework(framework_id=name))
    return held


def _use(used: _Used, framework: Framework, resources: Resources) -> None:
    name = framework.framework_id
    before = used.get(name)
    used[name] = resources if before is None else before + resources


def _take_executors(context: Context, agent: Agent, snapshot: link.Snapshot, held: _Held, used: _Used) -> None:
    seen: set[tuple[str, str]] = set()
    for executor in snapshot.executors:
        framework = held.get(executor.framework_id)
        if framework is None:
            continue
        name = executor.info.executor_id.value
        seen.add((executor.framework_id, name))
        if name not in agent.executors.get(executor.framework_id, {}):
            resources = held_resources(executor.info.resources, framework.first_role)
            tasks.add_executor(context, framework, agent, executor.info, resources)
            _use(used, framework, resources)
    ended: list[Executor] = [
        known
        for framework_id, of_framework in agent.executors.items()
        for name, known in of_framework.items()
        if (framework_id, name) not in seen
    ]
    for known in ended:
        tasks.remove_executor(context, context.state.frameworks[known.framework_id], known, None)


def _take_task(
    context: Context, agent: Agent, framework: Framework, held: link.HeldTask, sentence: str | None, used: _Used
) -> None:
    name = held.info.task_id.value
    known = framework.tasks.get(name)
    if known is not None and known.agent_id != agent.agent_id:
        # The id was used again while this agent was away: the newer task keeps it.
        context.tell(agent, link.Kill(framework_id=framework.framework_id, task_id=name))
        return
    if known is not None:
        tasks.settle(context, framework, known, held.state)
        return
    info = copy(held.info)
    info.agent_id = agent.info.id or info.agent_id
    info.data = None
    if held.executor_id and info.executor is None:
        executor = agent.executors.get(framework.framework_id, {}).get(held.executor_id)
        info.executor = None if executor is None else executor.info
    resources = held_resources(info.resources, framework.first_role)
    role = resources.allocation_role or framework.first_role
    task = tasks.add(context, framework, agent, info, resources, role, held.state, held.executor_id)
    task.statuses = list(held.statuses)
    if not task.statuses and held.pending is not None:
        task.statuses.append(held.pending)
    was = tasks.rescue(context, framework, name)
    if was is not None:
        task.launched_at = was.launched_at
        task.statuses = task.statuses or [kept for kept in was.statuses if kept.state is not was.state]
        task.status_update_state, task.status_update_uuid = was.status_update_state, was.status_update_uuid
    elif held.pending is None and task.statuses and task.statuses[-1].state is held.state:
        # All that was said of it is acknowledged: its last update is the one that counts.
        task.status_update_state, task.status_update_uuid = held.state, task.statuses[-1].uuid
    elif held.pending is not None and held.pending.state not in TERMINAL_STATES:
        # The update on its way: reconciliation is not to be ahead of what its scheduler has yet to acknowledge.
        task.status_update_state, task.status_update_uuid = held.pending.state, held.pending.uuid
    if held.state in TERMINAL_STATES:
        task.released = True
    else:
        _use(used, framework, resources)
    if sentence is not None:
        status = messages.status(
            info.task_id,
            held.state,
            TaskStatus.Reason.REASON_AGENT_REREGISTERED,
            sentence,
            context.now,
            agent.info.id,
            task.executor_id,
        )
        context.send(framework, messages.update(status))

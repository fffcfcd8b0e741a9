"""Agents after their admission: a lost link, leaving, and what becomes of all that was on them.

    registered --link closes--> disconnected --new link--> registered
    registered, disconnected --pings unanswered, or not back in time--> unreachable --new link--> registered
    registered, disconnected --leaves, is replaced at its address, or its machine is taken down--> removed
    any --an operator says so--> gone

Being unreachable and being gone have modules of their own. An agent whose membership changes in the registry is
`leaving` until that is stored: it gets no offers, and whoever connects under its id is told to try again. What becomes
of its tasks depends on the transition and on whether their framework is partition-aware (Mesos: states of an agent in
the master).
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from functools import partial

from tepui.master import inverse_offers, messages, offers, operations, tasks
from tepui.master.context import Context, Link
from tepui.master.records import AgentRemoved, AgentUpdated
from tepui.master.registry import AgentRemoved as RemovedFromRegistry
from tepui.master.state import Agent, Framework, Task
from tepui.model import link as wire
from tepui.model.task_states import TERMINAL_STATES
from tepui.model.v1.mesos import AgentID, ExecutorID, OperationState, TaskState, TaskStatus

REREGISTER = "agent reregistration"
"""The kind of timer of a disconnected agent."""


# Losing the link.


def link_closed(context: Context, link: Link) -> None:
    """A link is gone. That of an agent which has a newer one means nothing."""
    agent = link.agent
    if agent is None or agent.link != link.name:
        return
    if agent.leaving:
        agent.link = None
    else:
        disconnect(context, agent)


def break_off(context: Context, agent: Agent, why: str) -> None:
    """Close the link of an agent that breaks the rules; it may come back over another."""
    link = context.links.get(agent.link or "")
    if link is not None:
        context.close_link(link.name, why)
        link_closed(context, link)


def disconnect(context: Context, agent: Agent) -> None:
    """The link is gone: no more offers; what runs without checkpointing is lost at once; the rest waits."""
    _unplug(context, agent)
    context.timers.set((REREGISTER, agent.agent_id), context.now + context.config.agent_reregister_timeout_seconds)
    context.record(AgentUpdated(agent.agent_id, "disconnected"), agent)
    sentence = f"Agent {agent.info.hostname} disconnected"
    for framework in frameworks_on(context, agent):
        if not framework.info.checkpoint:
            lose_tasks(context, framework, agent, TaskState.TASK_LOST, _Reason.REASON_AGENT_DISCONNECTED, sentence)
            lose_executors(context, framework, agent)


def _unplug(context: Context, agent: Agent) -> None:
    """No link, no offers; idempotent."""
    agent.link = None
    take_out_of_service(context, agent, "agent disconnected")
    forget_frameworks(context, agent)


def take_out_of_service(context: Context, agent: Agent, why: str) -> None:
    """Offers of it end, and no new ones are made; idempotent."""
    offers.rescind_all(context, agent, why)
    inverse_offers.rescind_all(context, agent)
    context.allocator.deactivate_agent(agent.agent_id)


def forget_frameworks(context: Context, agent: Agent) -> None:
    """What the agent knew of frameworks went with its link."""
    for framework_id in agent.known_frameworks:
        framework = context.state.frameworks.get(framework_id)
        if framework is not None:
            framework.agents.discard(agent.agent_id)
    agent.known_frameworks.clear()


def introduce(context: Context, framework: Framework, agent: Agent) -> None:
    """Tell the agent the framework's description, unless it went over this link before."""
    if framework.framework_id not in agent.known_frameworks:
        agent.known_frameworks.add(framework.framework_id)
        framework.agents.add(agent.agent_id)
        context.tell(agent, wire.FrameworkUpdate(framework=framework.info))


# Leaving.


def unregister(context: Context, agent: Agent, _: wire.Unregister) -> None:
    """The agent leaves for good."""
    context.metrics.counters["master/messages_unregister_slave"] += 1
    remove(context, agent, "the agent unregistered", "unregistered")


def remove(context: Context, agent: Agent, why: str, reason: str = "") -> None:
    """Have it stored that the agent is no member any more; `reason` is how metrics call it, if they do."""
    begin_leaving(context, agent)
    drop_link(context, agent, why)
    context.store([RemovedFromRegistry(agent.agent_id)], partial(removed, context, agent, why, reason))


def begin_leaving(context: Context, agent: Agent) -> None:
    """The agent's end is to be stored. It keeps its link, over which it may have to be told why."""
    agent.leaving = True
    context.followers.agent(agent.agent_id)
    take_out_of_service(context, agent, "agent leaving")
    forget_frameworks(context, agent)
    context.timers.cancel((REREGISTER, agent.agent_id))
    context.removals.pop(agent.agent_id, None)


def drop_link(context: Context, agent: Agent, why: str) -> None:
    """Close its link, if it has one."""
    if agent.link is not None:
        context.close_link(agent.link, why)
        agent.link = None


def shut_down(context: Context, agent: Agent, why: str) -> None:
    """Tell the agent to end everything and itself, and close its link."""
    context.tell(agent, wire.Shutdown(why=why))
    drop_link(context, agent, why)


def removed(context: Context, agent: Agent, why: str, reason: str = "") -> None:
    """The registry has forgotten the agent: what was on it is lost."""
    context.metrics.counters["master/slave_removals"] += 1
    if reason:
        context.metrics.counters[f"master/slave_removals/reason_{reason}"] += 1
    sentence = f"Agent {agent.info.hostname} removed: {why}"
    lose_everything(context, agent, lambda _: (TaskState.TASK_LOST, _Reason.REASON_AGENT_REMOVED), sentence)
    operations.lose(context, agent, OperationState.OPERATION_UNKNOWN, sentence)
    drop(context, agent)
    context.state.service.pop(agent.agent_id, None)
    context.record(AgentRemoved(agent.agent_id, why), agent)
    tell_failure(context, agent.info.id)


def drop(context: Context, agent: Agent) -> None:
    """Take the agent, which holds nothing any more, out of the state."""
    state = context.state
    context.allocator.remove_agent(agent.agent_id)
    del state.agents[agent.agent_id]
    state.unavailable.pop(agent.agent_id, None)
    address = (agent.address, agent.info.port)
    if state.agents_by_address.get(address) == agent.agent_id:
        del state.agents_by_address[address]


def tell_failure(context: Context, agent_id: AgentID | None) -> None:
    """FAILURE to all frameworks: an agent is lost."""
    event = messages.failure(agent_id)
    for framework in list(context.state.frameworks.values()):
        context.send(framework, event)


# What was on it.

_Reason = TaskStatus.Reason


Fate = Callable[[Framework], tuple[TaskState, TaskStatus.Reason]]
"""What the tasks of a framework become, and why."""


def frameworks_on(context: Context, agent: Agent) -> list[Framework]:
    """The frameworks that have something on the agent."""
    names = dict.fromkeys((*agent.tasks, *agent.executors))
    return [context.state.frameworks[name] for name in names]


def lose_everything(
    context: Context, agent: Agent, fate: Fate, sentence: str, unreachable_at: float | None = None
) -> None:
    """All tasks and executors on the agent are lost, or out of reach since `unreachable_at`."""
    for framework in frameworks_on(context, agent):
        state, reason = fate(framework)
        lose_tasks(context, framework, agent, state, reason, sentence, unreachable_at)
        lose_executors(context, framework, agent)


def lose_tasks(
    context: Context,
    framework: Framework,
    agent: Agent,
    state: TaskState,
    reason: TaskStatus.Reason,
    sentence: str,
    unreachable_at: float | None = None,
) -> None:
    """The framework's tasks on the agent are lost or out of reach; a connected scheduler is told of each.

    A task that has ended keeps its state; its scheduler is told only if it has not heard of the end.
    """
    for task in list(agent.tasks.get(framework.framework_id, {}).values()):
        if task.status_update_state in TERMINAL_STATES:
            tasks.forget(context, framework, task)
            continue
        ended = task.state in TERMINAL_STATES
        status = messages.status(
            task.info.task_id,
            state,
            reason,
            sentence,
            context.now,
            agent.info.id,
            unreachable_at=unreachable_at,
        )
        tasks.apply(context, framework, task, status, state)
        if unreachable_at is not None and not ended:
            tasks.strand(context, framework, task)
        else:
            tasks.forget(context, framework, task)
        tell_loss(context, framework, task, status)


def tell_loss(context: Context, framework: Framework, task: Task, status: TaskStatus) -> None:
    """Tell a scheduler of a lost task, and whose it was, which the record of the task says anyway."""
    told = status
    if task.executor_id:
        told = copy(status)
        told.executor_id = ExecutorID(value=task.executor_id)
    context.send(framework, messages.update(told))


def lose_executors(context: Context, framework: Framework, agent: Agent) -> None:
    for executor in list(agent.executors.get(framework.framework_id, {}).values()):
        tasks.remove_executor(context, framework, executor, None)

"""Agents after their admission: pings, a lost link, being unreachable, leaving.

    registered --link closes--> disconnected --new link--> registered
    registered, disconnected --pings unanswered, or not back in time--> unreachable --new link--> registered
    registered, disconnected --leaves, or is replaced at its address--> removed

An agent whose membership changes in the registry is `leaving` until that is stored: it gets no offers, and whoever
connects under its id is told to try again. What becomes of its tasks depends on the transition and on whether their
framework is partition-aware (Mesos: states of an agent in the master).
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from functools import partial

from tepui.master import messages, offers, tasks
from tepui.master.context import PINGS, RECOVERY, Context, Link
from tepui.master.records import AgentRemoved, AgentUpdated
from tepui.master.registry import AgentRemoved as RemovedFromRegistry
from tepui.master.registry import AgentUnreachable, Registry
from tepui.master.state import Agent, Framework
from tepui.model import link as wire
from tepui.model.task_states import TERMINAL_STATES
from tepui.model.v1.mesos import AgentID, ExecutorID, TaskState, TaskStatus

REREGISTER = "agent reregistration"
"""The kind of timer of a disconnected agent."""

UNREACHABLE_AGENTS_MAX = 102400
"""The oldest unreachable or gone agents beyond this number are forgotten."""

_PING = wire.Ping()


# Being alive.


def ping_later(context: Context, agent: Agent) -> None:
    """The next ping of the agent is due after the interval."""
    due = context.now + context.config.agent_ping_timeout_seconds
    context.pings.append((due, agent))
    if len(context.pings) == 1:
        context.timers.set(PINGS, due)


def ping_due(context: Context) -> None:
    """Ping everyone whose time it is; who left too many pings unanswered is unreachable.

    A disconnected agent cannot answer, so its pings count as unanswered too.
    """
    queue = context.pings
    while queue and queue[0][0] <= context.now:
        _, agent = queue.popleft()
        if context.state.agents.get(agent.agent_id) is not agent or agent.leaving:
            continue
        if agent.pings_missed >= context.config.agent_pings_missed_max:
            mark_unreachable(context, agent, "health check timed out")
            continue
        agent.pings_missed += 1
        context.tell(agent, _PING)
        ping_later(context, agent)
    if queue:
        context.timers.set(PINGS, queue[0][0])


# Losing the link.


def link_closed(context: Context, link: Link) -> None:
    """A link is gone. That of an agent which has a newer one means nothing."""
    agent = link.agent
    if agent is not None and agent.link == link.name:
        disconnect(context, agent)


def disconnect(context: Context, agent: Agent) -> None:
    """The link is gone: no more offers; what runs without checkpointing is lost at once; the rest waits."""
    _unplug(context, agent)
    context.timers.set((REREGISTER, agent.agent_id), context.now + context.config.agent_reregister_timeout_seconds)
    context.record(AgentUpdated(agent.agent_id, "disconnected"), agent)
    sentence = f"Agent {agent.info.hostname} disconnected"
    for framework in _frameworks_on(context, agent):
        if not framework.info.checkpoint:
            lose_tasks(
                context, framework, agent, lambda _: TaskState.TASK_LOST, _Reason.REASON_AGENT_DISCONNECTED, sentence
            )
            _lose_executors(context, framework, agent)


def _unplug(context: Context, agent: Agent) -> None:
    """No link, no offers; idempotent."""
    agent.link = None
    offers.rescind_all(context, agent, "agent disconnected")
    context.allocator.deactivate_agent(agent.agent_id)
    forget_frameworks(context, agent)


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


def reregistration_due(context: Context, agent_id: str) -> None:
    """A disconnected agent did not come back in time."""
    agent = context.state.agents.get(agent_id)
    if agent is not None and agent.link is None and not agent.leaving:
        seconds = context.config.agent_reregister_timeout_seconds
        mark_unreachable(context, agent, f"agent did not re-register within {seconds:g}secs after disconnecting")


# After a failover of the master.


def recover(context: Context, registry: Registry) -> None:
    """A starting master knows who was admitted, and waits for them."""
    context.state.recovered_agents.update(registry.admitted)
    context.state.unreachable_agents.update(registry.unreachable)
    if registry.admitted:
        due = context.config.elected_time + context.config.agent_reregister_timeout_seconds
        context.timers.set(RECOVERY, due)


def recovery_due(context: Context) -> None:
    """Who has not come back by now cannot be reached."""
    for agent_id in list(context.state.recovered_agents):
        if agent_id in context.admissions:
            continue  # it is just coming back
        since = context.now
        context.store([AgentUnreachable(agent_id, since)], partial(_not_back, context, agent_id, since))


def _not_back(context: Context, agent_id: str, since: float) -> None:
    info = context.state.recovered_agents.pop(agent_id, None)
    if info is None:
        return
    context.metrics.counters["master/recovery_slave_removals"] += 1
    context.metrics.counters["master/slave_unreachable_completed"] += 1
    note_unreachable(context, agent_id, since)
    context.record(AgentRemoved(agent_id, "not back after the master's failover", unreachable=True))
    tell_failure(context, info.id)


# Leaving.


def unregister(context: Context, agent: Agent, _: wire.Unregister) -> None:
    """The agent leaves for good."""
    context.metrics.counters["master/messages_unregister_slave"] += 1
    remove(context, agent, "the agent unregistered", "unregistered")


def mark_unreachable(context: Context, agent: Agent, why: str) -> None:
    """Have it stored that the agent cannot be reached; then its tasks follow."""
    context.metrics.counters["master/slave_unreachable_scheduled"] += 1
    _begin_leaving(context, agent, why)
    since = context.now
    context.store([AgentUnreachable(agent.agent_id, since)], partial(_unreachable, context, agent, since, why))


def remove(context: Context, agent: Agent, why: str, reason: str, then: Callable[[], None] | None = None) -> None:
    """Have it stored that the agent is no member any more; `reason` is how metrics call it."""
    _begin_leaving(context, agent, why)
    context.store([RemovedFromRegistry(agent.agent_id)], partial(_removed, context, agent, why, reason, then))


def _begin_leaving(context: Context, agent: Agent, why: str) -> None:
    agent.leaving = True
    if agent.link is not None:
        context.close_link(agent.link, why)
    _unplug(context, agent)
    context.timers.cancel((REREGISTER, agent.agent_id))


def _unreachable(context: Context, agent: Agent, since: float, why: str) -> None:
    context.metrics.counters["master/slave_unreachable_completed"] += 1
    context.metrics.counters["master/slave_removals"] += 1
    context.metrics.counters["master/slave_removals/reason_unhealthy"] += 1
    for framework in _frameworks_on(context, agent):
        lose_tasks(
            context, framework, agent, _unreachable_state, _Reason.REASON_AGENT_REMOVED, why, unreachable_at=since
        )
        _lose_executors(context, framework, agent)
    _drop(context, agent)
    note_unreachable(context, agent.agent_id, since)
    context.record(AgentRemoved(agent.agent_id, why, unreachable=True), agent)
    tell_failure(context, agent.info.id)


def note_unreachable(context: Context, agent_id: str, since: float) -> None:
    """Remember since when the agent cannot be reached, for reconciliation."""
    unreachable = context.state.unreachable_agents
    unreachable[agent_id] = since
    while len(unreachable) > UNREACHABLE_AGENTS_MAX:
        unreachable.popitem(last=False)


def _removed(context: Context, agent: Agent, why: str, reason: str, then: Callable[[], None] | None) -> None:
    context.metrics.counters["master/slave_removals"] += 1
    context.metrics.counters[f"master/slave_removals/reason_{reason}"] += 1
    sentence = f"Agent {agent.info.hostname} removed: {why}"
    for framework in _frameworks_on(context, agent):
        lose_tasks(context, framework, agent, lambda _: TaskState.TASK_LOST, _Reason.REASON_AGENT_REMOVED, sentence)
        _lose_executors(context, framework, agent)
    _drop(context, agent)
    context.record(AgentRemoved(agent.agent_id, why), agent)
    tell_failure(context, agent.info.id)
    if then is not None:
        then()


def _drop(context: Context, agent: Agent) -> None:
    """Take the agent, which holds nothing any more, out of the state."""
    state = context.state
    context.allocator.remove_agent(agent.agent_id)
    del state.agents[agent.agent_id]
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


def _unreachable_state(framework: Framework) -> TaskState:
    return TaskState.TASK_UNREACHABLE if framework.has("PARTITION_AWARE") else TaskState.TASK_LOST


def _frameworks_on(context: Context, agent: Agent) -> list[Framework]:
    """The frameworks that have something on the agent."""
    names = dict.fromkeys((*agent.tasks, *agent.executors))
    return [context.state.frameworks[name] for name in names]


def lose_tasks(
    context: Context,
    framework: Framework,
    agent: Agent,
    state_for: Callable[[Framework], TaskState],
    reason: TaskStatus.Reason,
    sentence: str,
    unreachable_at: float | None = None,
) -> None:
    """The framework's tasks on the agent are lost or out of reach; a connected scheduler is told of each.

    A task that has ended keeps its state; its scheduler is told only if it has not heard of the end.
    """
    state = state_for(framework)
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
        told = status
        if task.executor_id:
            told = copy(status)
            told.executor_id = ExecutorID(value=task.executor_id)
        context.send(framework, messages.update(told))


def _lose_executors(context: Context, framework: Framework, agent: Agent) -> None:
    for executor in list(agent.executors.get(framework.framework_id, {}).values()):
        tasks.remove_executor(context, framework, executor, None)

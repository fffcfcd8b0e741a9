"""Agents that an operator says are gone for good: their tasks are gone with them, and who comes back is turned away.

It holds for agents that are registered, recovered or unreachable. Partition-aware frameworks hear
TASK_GONE_BY_OPERATOR, the others TASK_LOST, unless they have heard that already (Mesos: MARK_AGENT_GONE).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from tepui.master import agents, messages, operations, pruning, tasks
from tepui.master.context import Context
from tepui.master.records import AgentRemoved
from tepui.master.registry import AgentGone
from tepui.master.state import Framework
from tepui.model.task_states import TERMINAL_STATES
from tepui.model.v1.mesos import OperationState, TaskState, TaskStatus

SENTENCE = "Agent has been marked gone"
"""What frameworks are told, as by Mesos."""
REFUSAL = f"{SENTENCE}; with an empty work folder it would be a new one"
"""What the agent is told."""

_Reason = TaskStatus.Reason


def mark(context: Context, request: int, principal: str | None, agent_id: str) -> None:
    """MARK_AGENT_GONE, answered when it is stored; again and again if need be."""
    state = context.state
    if not context.authorizer(principal, "mark_agents_gone", agent_id):
        context.answer(request, 403, "")
    elif agent_id in state.gone_agents:
        context.answer(request, 200)
    elif state.is_known(agent_id):
        if in_transition(context, agent_id):
            context.answer(request, 503, f"Another change of agent '{agent_id}' is being stored; try again")
        else:
            begin(context, agent_id, partial(context.answer, request, 200))
    else:
        context.answer(request, 404, f"Agent '{agent_id}' not found")


def in_transition(context: Context, agent_id: str) -> bool:
    """Whether a change of the agent's entry in the registry is under way."""
    agent = context.state.agents.get(agent_id)
    leaving = agent is not None and agent.leaving
    return leaving or agent_id in context.changing or agent_id in context.admissions


def begin(context: Context, agent_id: str, then: Callable[[], None] | None = None) -> None:
    """Have it stored that the agent is gone; then its tasks follow, and `then` is called."""
    context.changing.add(agent_id)
    context.removals.pop(agent_id, None)
    agent = context.state.agents.get(agent_id)
    if agent is not None:
        agents.begin_leaving(context, agent)
    since = context.now
    context.store([AgentGone(agent_id, since)], partial(_gone, context, agent_id, since, then))


def _gone(context: Context, agent_id: str, since: float, then: Callable[[], None] | None) -> None:
    state = context.state
    context.changing.discard(agent_id)
    agent = state.agents.get(agent_id)
    recovered = state.recovered_agents.pop(agent_id, None)
    state.unreachable_agents.pop(agent_id, None)
    state.service.pop(agent_id, None)
    state.gone_agents[agent_id] = since
    pruning.wait(context, context.now)
    if agent is not None:
        context.metrics.counters["master/slave_removals"] += 1
        agents.shut_down(context, agent, REFUSAL)
        agents.lose_everything(context, agent, _fate, SENTENCE)
        operations.lose(context, agent, OperationState.OPERATION_GONE_BY_OPERATOR, SENTENCE)
        agents.drop(context, agent)
        agents.tell_failure(context, agent.info.id)
    elif recovered is not None:
        context.allocator.expect_no_more(agent_id)
        agents.tell_failure(context, recovered.id)
    _end_stranded(context, agent_id)
    # Operator streams hear of tasks alone, as when an agent is unreachable (Mesos: operator events).
    context.record(AgentRemoved(agent_id, "marked gone", unreachable=True), agent)
    if then is not None:
        then()


def _fate(framework: Framework) -> tuple[TaskState, TaskStatus.Reason]:
    if framework.has("PARTITION_AWARE"):
        return TaskState.TASK_GONE_BY_OPERATOR, _Reason.REASON_AGENT_REMOVED_BY_OPERATOR
    return TaskState.TASK_LOST, _Reason.REASON_AGENT_REMOVED


def _end_stranded(context: Context, agent_id: str) -> None:
    """Tasks that were out of reach are over now. Those that were called lost are so already."""
    for framework_id, task_id in list(context.state.stranded.get(agent_id, ())):
        framework = context.state.frameworks[framework_id]
        task = tasks.rescue(context, framework, task_id)
        if task is None:
            continue
        if task.state not in TERMINAL_STATES:
            state, reason = _fate(framework)
            status = messages.status(task.info.task_id, state, reason, SENTENCE, context.now, task.info.agent_id)
            tasks.apply(context, framework, task, status, state)
            agents.tell_loss(context, framework, task, status)
        tasks.forget(context, framework, task)

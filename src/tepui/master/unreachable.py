"""Agents that cannot be reached: pings, time limits, the rate at which agents may be given up, and back again.

    registered --pings unanswered, or disconnected for too long--> unreachable --new link--> registered
    recovered --not back in time after the master's failover--> unreachable

An operator may bound the rate: then an agent waits for its turn, and any sign of life takes it out of the queue. After
a failover an operator may also bound the part of the agents that is given up: beyond it the master ends itself, because
something other than the agents is wrong then (Mesos: liveness of agents).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from tepui.master import agents, operations, pruning
from tepui.master.context import PINGS, RECOVERY, Context
from tepui.master.events import Stop
from tepui.master.records import AgentRemoved
from tepui.master.registry import AgentUnreachable, Registry
from tepui.master.state import Agent, Framework
from tepui.model import link as wire
from tepui.model.quantities import Quantities, scalar_quantities
from tepui.model.timers import Key
from tepui.model.v1.mesos import OperationState, TaskState, TaskStatus

REMOVALS: Key = ("removals", "")
"""The timer of the next agent that may be given up, when their rate is limited."""
CHANGING_SECONDS = 1.0
"""An agent that an operator is just deciding about is looked at again after this time."""
AGENTS_NAMED_MAX = 20
"""How many agents the sentence about too many lost ones names."""

_PING = wire.Ping()


# Being alive.


def ping_later(context: Context, agent: Agent) -> None:
    """The next ping of the agent is due after the interval."""
    due = context.now + context.config.agent_ping_timeout_seconds
    context.pings.append((due, agent))
    if len(context.pings) == 1:
        context.timers.set(PINGS, due)


def ping_due(context: Context) -> None:
    """Ping everyone whose time it is; who left too many pings unanswered is to become unreachable.

    A disconnected agent cannot answer, so its pings count as unanswered too.
    """
    queue = context.pings
    while queue and queue[0][0] <= context.now:
        _, agent = queue.popleft()
        if context.state.agents.get(agent.agent_id) is not agent or agent.leaving:
            continue
        too_many = agent.pings_missed >= context.config.agent_pings_missed_max
        if too_many and give_up(context, agent.agent_id, "health check timed out"):
            continue
        agent.pings_missed += 1
        context.tell(agent, _PING)
        ping_later(context, agent)
    if queue:
        context.timers.set(PINGS, queue[0][0])


def reregistration_due(context: Context, agent_id: str) -> None:
    """A disconnected agent did not come back in time."""
    agent = context.state.agents.get(agent_id)
    if agent is not None and agent.link is None and not agent.leaving:
        seconds = context.config.agent_reregister_timeout_seconds
        give_up(context, agent_id, f"agent did not re-register within {seconds:g}secs after disconnecting")


# After a failover of the master.


def recover(context: Context, registry: Registry, consumption: Mapping[str, Mapping[str, Quantities]]) -> None:
    """A starting master knows who was admitted, unreachable, gone and out of service, and waits for its agents.

    `consumption` is what top-level roles consume of their quota on each agent, as far as that is known.
    """
    state = context.state
    state.recovered_agents.update(registry.admitted)
    state.unreachable_agents.update(sorted(registry.unreachable.items(), key=lambda entry: entry[1]))
    state.gone_agents.update(sorted(registry.gone.items(), key=lambda entry: entry[1]))
    state.service.update(registry.service)
    context.recovered_total = len(registry.admitted)
    for agent_id, info in registry.admitted.items():
        context.allocator.expect_agent(agent_id, scalar_quantities(info.resources), consumption.get(agent_id))
    if registry.admitted:
        due = context.config.elected_time + context.config.agent_reregister_timeout_seconds
        context.timers.set(RECOVERY, due)
    pruning.wait(context, context.config.elected_time)


def recovery_due(context: Context) -> None:
    """Who has not come back by now cannot be reached; or are they too many?"""
    missing = [name for name in context.state.recovered_agents if name not in context.admissions]
    limit = context.config.recovery_agent_removal_limit
    if len(missing) > limit * context.recovered_total:
        context.effects.append(Stop(_too_many(context, missing)))
        return
    for agent_id in missing:
        give_up(context, agent_id, "not back after the master's failover")


def _too_many(context: Context, missing: list[str]) -> str:
    config = context.config
    share = len(missing) / context.recovered_total
    named = ", ".join(missing[:AGENTS_NAMED_MAX]) + (", ..." if len(missing) > AGENTS_NAMED_MAX else "")
    return (
        f"{len(missing)} of {context.recovered_total} agents ({share:.0%}) did not come back within "
        f"{config.agent_reregister_timeout_seconds:g} seconds after the failover, and "
        f"--recovery_agent_removal_limit allows {config.recovery_agent_removal_limit:.0%}: {named}. "
        "Find out why they are away, or raise the limit, and start the master again"
    )


# Giving agents up.


def give_up(context: Context, agent_id: str, why: str) -> bool:
    """Let the agent become unreachable as soon as the rate of removals allows it; returns whether that is now."""
    if agent_id in context.removals:
        return False
    context.metrics.counters["master/slave_unreachable_scheduled"] += 1
    context.removals[agent_id] = why
    removal_due(context)
    return agent_id not in context.removals


def alive(context: Context, agent_id: str) -> None:
    """The agent gave a sign of life: if it waits for being given up, it does no more."""
    if context.removals.pop(agent_id, None) is not None:
        context.metrics.counters["master/slave_unreachable_canceled"] += 1


def removal_due(context: Context) -> None:
    """Give up who waits, as many as may be now."""
    interval_seconds = context.config.agent_removal_interval_seconds
    removals = context.removals
    while removals and context.now >= context.removal_not_before:
        agent_id = next(iter(removals))
        why = removals.pop(agent_id)
        if _mark(context, agent_id, why) and interval_seconds is not None:
            context.removal_not_before = context.now + interval_seconds
    if removals:
        context.timers.set(REMOVALS, context.removal_not_before)


def _mark(context: Context, agent_id: str, why: str) -> bool:
    """Have it stored that the agent cannot be reached, if it is still one that should be; then its tasks follow."""
    since = context.now
    agent = context.state.agents.get(agent_id)
    if agent is not None and not agent.leaving:
        agents.begin_leaving(context, agent)
        agents.drop_link(context, agent, why)
        context.store([AgentUnreachable(agent_id, since)], partial(_unreachable, context, agent, since, why))
        return True
    if agent_id in context.state.recovered_agents and agent_id not in context.admissions:
        if agent_id in context.changing:
            context.timers.set(RECOVERY, context.now + CHANGING_SECONDS)
            return False
        context.changing.add(agent_id)  # if it comes back just now, it is to try again
        context.store([AgentUnreachable(agent_id, since)], partial(_not_back, context, agent_id, since, why))
        return True
    return False


def _fate(framework: Framework) -> tuple[TaskState, TaskStatus.Reason]:
    state = TaskState.TASK_UNREACHABLE if framework.has("PARTITION_AWARE") else TaskState.TASK_LOST
    return state, TaskStatus.Reason.REASON_AGENT_REMOVED


def _unreachable(context: Context, agent: Agent, since: float, why: str) -> None:
    context.metrics.counters["master/slave_unreachable_completed"] += 1
    context.metrics.counters["master/slave_removals"] += 1
    context.metrics.counters["master/slave_removals/reason_unhealthy"] += 1
    agents.lose_everything(context, agent, _fate, why, unreachable_at=since)
    operations.lose(context, agent, OperationState.OPERATION_UNREACHABLE, "Agent was marked unreachable")
    agents.drop(context, agent)
    _note(context, agent.agent_id, since)
    context.record(AgentRemoved(agent.agent_id, why, unreachable=True), agent)
    agents.tell_failure(context, agent.info.id)


def _not_back(context: Context, agent_id: str, since: float, why: str) -> None:
    context.changing.discard(agent_id)
    info = context.state.recovered_agents.pop(agent_id)
    context.allocator.expect_no_more(agent_id)
    context.metrics.counters["master/recovery_slave_removals"] += 1
    context.metrics.counters["master/slave_unreachable_completed"] += 1
    _note(context, agent_id, since)
    context.record(AgentRemoved(agent_id, why, unreachable=True))
    agents.tell_failure(context, info.id)


def _note(context: Context, agent_id: str, since: float) -> None:
    """Remember since when the agent cannot be reached, for reconciliation."""
    context.state.unreachable_agents[agent_id] = since
    pruning.wait(context, context.now)

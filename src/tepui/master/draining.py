"""Agents out of service: deactivated ones get no offers, draining ones are emptied as well.

    in service --DEACTIVATE_AGENT--> deactivated --REACTIVATE_AGENT--> in service
    in service, deactivated --DRAIN_AGENT--> DRAINING --no tasks left--> DRAINED --REACTIVATE_AGENT--> in service
                                                       or, with mark_gone--> gone

Each step is stored before it is acted on or answered, so that a drain goes on under the next master. It is the agent
that kills its tasks, within the drain's grace, and that keeps away what may still be launched; the master tells it at
once and whenever it comes back, and counts a task as left until its end is acknowledged (Mesos: draining of agents).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from tepui.master import agents, gone, inverse_offers
from tepui.master.context import Context
from tepui.master.records import AgentUpdated
from tepui.master.registry import AgentService
from tepui.master.state import Agent
from tepui.model import link as wire
from tepui.model.v1.google import Duration
from tepui.model.v1.master import Call
from tepui.model.v1.mesos import DrainConfig, DrainInfo, DrainState, DurationInfo

CAPABILITY = "AGENT_DRAINING"
"""What an agent says that knows how to drain."""
NANOSECONDS_MAX = (1 << 63) - 1
WAITING_CALLS_MAX = 100
"""So many calls about one agent wait for the one before them; further ones are refused."""


# Calls.


def drain(context: Context, request: int, principal: str | None, call: Call.DrainAgent) -> None:
    """DRAIN_AGENT: answered when it is stored. A second one replaces the first one's terms."""
    agent_id = call.agent_id.value
    if _waits(context, agent_id, partial(drain, context, request, principal, call)):
        return
    grace = _duration(call.max_grace_period)
    why = _refused_drain(context, agent_id)
    if not context.authorizer(principal, "drain_agents", agent_id):
        context.answer(request, 403, "")
    elif why is not None:
        context.answer(request, 400, why)
    elif grace is not None and not 0 <= grace.nanoseconds <= NANOSECONDS_MAX:
        context.answer(request, 400, "'max_grace_period' must be from 0 to 292 years")
    else:
        info = DrainInfo(
            state=DrainState.DRAINING, config=DrainConfig(max_grace_period=grace, mark_gone=call.mark_gone)
        )
        # Mesos tells the time in whole seconds, too.
        _begin(context, request, AgentService(agent_id, True, info, float(int(context.now))), "draining")


def _duration(period: Duration | None) -> DurationInfo | None:
    return None if period is None else DurationInfo(nanoseconds=period.seconds * 10**9 + period.nanos)


def _refused_drain(context: Context, agent_id: str) -> str | None:
    if not context.state.is_known(agent_id):
        return "Unknown agent"
    agent = context.state.agents.get(agent_id)
    if agent is None:
        return None
    if agent.machine in context.state.machines:
        return (
            f"Agent {agent_id} is part of a maintenance schedule under Machine {agent.info.hostname} ({agent.address})"
        )
    if CAPABILITY not in agent.capabilities:
        return f"Agent {agent_id} is not capable of draining"
    return None


def deactivate(context: Context, request: int, principal: str | None, agent_id: str) -> None:
    """DEACTIVATE_AGENT: no more offers of it; its tasks go on."""
    if _waits(context, agent_id, partial(deactivate, context, request, principal, agent_id)):
        return
    service = context.state.service.get(agent_id)
    if not context.authorizer(principal, "deactivate_agents", agent_id):
        context.answer(request, 403, "")
    elif not context.state.is_known(agent_id):
        context.answer(request, 400, "Unknown agent")
    elif service is not None:
        context.answer(request, 200)
    else:
        _begin(context, request, AgentService(agent_id, True), "deactivated")


def reactivate(context: Context, request: int, principal: str | None, agent_id: str) -> None:
    """REACTIVATE_AGENT: in service again, which a draining agent cannot be before it is drained."""
    if _waits(context, agent_id, partial(reactivate, context, request, principal, agent_id)):
        return
    service = context.state.service.get(agent_id)
    if not context.authorizer(principal, "reactivate_agents", agent_id):
        context.answer(request, 403, "")
    elif service is None or not context.state.is_known(agent_id):
        context.answer(request, 400, "Agent is not deactivated")
    elif service.drain is not None and service.drain.state is DrainState.DRAINING:
        context.answer(request, 400, "Agent is still in the DRAINING state")
    else:
        _begin(context, request, AgentService(agent_id, False), "reactivated")


def _waits(context: Context, agent_id: str, then: Callable[[], None]) -> bool:
    """Whether the call must wait for one before it, to be judged by what that leaves."""
    waiting = context.service_waits.get(agent_id)
    if waiting is None or len(waiting) >= WAITING_CALLS_MAX:
        return False
    waiting.append(then)
    return True


def _begin(context: Context, request: int, service: AgentService, why: str) -> None:
    agent_id = service.agent_id
    if gone.in_transition(context, agent_id):
        context.answer(request, 409, f"Another change of agent '{agent_id}' is being stored; try again")
        return
    _store(context, service, why, request)


def _store(context: Context, service: AgentService, why: str, request: int | None) -> None:
    context.changing.add(service.agent_id)
    context.service_waits[service.agent_id] = []
    context.store([service], partial(_stored, context, service, why, request))


def _stored(context: Context, service: AgentService, why: str, request: int | None) -> None:
    agent_id = service.agent_id
    context.changing.discard(agent_id)
    state = context.state
    if state.is_known(agent_id) or agent_id in context.admissions:
        if service.deactivated:
            state.service[agent_id] = service
        else:
            state.service.pop(agent_id, None)
        context.followers.agent(agent_id)
        agent = state.agents.get(agent_id)
        if agent is not None and agent.leaving:
            agent.service = state.service.get(agent_id)  # it will count when the agent is back
        elif agent is not None:
            _act(context, agent, why)
    if request is not None:
        context.answer(request, 200)
    for call in context.service_waits.pop(agent_id, ()):
        if not _waits(context, agent_id, call):
            call()


def _act(context: Context, agent: Agent, why: str) -> None:
    """What is stored of its service takes effect."""
    before, agent.service = agent.service, context.state.service.get(agent.agent_id)
    context.record(AgentUpdated(agent.agent_id, why), agent)
    if agent.service is None:
        if agent.link is not None:
            context.allocator.activate_agent(agent.agent_id)
            if before is not None and before.drain is not None:
                context.tell(agent, wire.Drain())
            inverse_offers.look_at(context, agent)
        return
    agents.take_out_of_service(context, agent, f"agent {why}")
    drain_info = agent.service.drain
    if drain_info is not None and drain_info.state is DrainState.DRAINING:
        if before is None or before.drain != drain_info:
            context.tell(agent, wire.Drain(config=drain_info.config))
        context.emptied.append(agent.agent_id)


# On the way.


def connected(context: Context, agent: Agent, believes: bool) -> None:
    """The agent came back, and `believes` that it is to drain or not, which may have changed while it was away."""
    drain_info = None if agent.service is None else agent.service.drain
    if drain_info is not None:
        context.tell(agent, wire.Drain(config=drain_info.config))
        context.emptied.append(agent.agent_id)
    elif believes:
        context.tell(agent, wire.Drain())


def emptied(context: Context) -> None:
    """Agents out of service that may have nothing left: those that were to drain are drained, or gone."""
    names, context.emptied = context.emptied, []
    for agent_id in dict.fromkeys(names):
        agent = context.state.agents.get(agent_id)
        if agent is None or agent.service is None or agent.tasks or agent.operations:
            continue
        drain_info = agent.service.drain
        if drain_info is None or drain_info.state is not DrainState.DRAINING:
            continue
        if gone.in_transition(context, agent_id):
            continue  # what is being stored leads here again
        if drain_info.config.mark_gone:
            gone.begin(context, agent_id)
        else:
            drained = DrainInfo(state=DrainState.DRAINED, config=drain_info.config)
            service = AgentService(agent_id, True, drained, agent.service.drain_started_at)
            _store(context, service, "drained", None)

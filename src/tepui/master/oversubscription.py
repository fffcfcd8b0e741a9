"""Revocable resources that agents lend beyond their own: part of an agent's total for as long as it says so."""

from __future__ import annotations

from tepui.master import agents, offers, revocation
from tepui.master.context import Context
from tepui.master.records import AgentUpdated
from tepui.master.state import Agent
from tepui.model import link as wire
from tepui.model.resources import ResourceError, Resources


def oversubscribed(context: Context, agent: Agent, message: wire.Oversubscribed) -> None:
    """The agent lends this from now on, in place of what it lent. What is not revocable is none of it."""
    try:
        lent = Resources.of(message.resources).revocable()
    except ResourceError as error:
        agents.break_off(context, agent, f"Invalid oversubscribed resources: {error}")
        return
    lend(context, agent, lent)


def lend(context: Context, agent: Agent, lent: Resources) -> None:
    """Offers with revocable resources that were made before are void (Mesos: the same)."""
    if lent == agent.total.revocable():
        return
    for offer in list(agent.offers.values()):
        if offer.resources.revocable():
            offers.rescind(context, offer, "the agent's revocable resources changed")
    agent.total = agent.total.non_revocable() + lent
    context.allocator.update_agent(agent.agent_id, agent.total)
    context.record(AgentUpdated(agent.agent_id, f"lends {lent}"), agent)
    revocation.fit_revocable(context, agent)

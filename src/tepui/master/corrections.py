"""What an agent has, when that is not what the master counted on: an operation failed there, or took effect unseen."""

from __future__ import annotations

from tepui.master import agents, offers
from tepui.master.context import Context
from tepui.master.operations import TERMINAL
from tepui.master.records import AgentUpdated
from tepui.master.state import Agent
from tepui.model import link as wire
from tepui.model.operations import apply_checkpointed, conversion
from tepui.model.resources import ResourceError, Resources


def corrected(context: Context, agent: Agent, message: wire.CheckpointedResources) -> None:
    """Believe the agent; operations that it has not answered come on top. Offers made under the old belief are void.

    Tasks that were launched on what is not there the agent refuses itself.
    """
    try:
        total = apply_checkpointed(Resources.of(agent.info.resources), Resources.of(message.resources))
    except ResourceError as error:
        agents.break_off(context, agent, f"Invalid checkpointed resources: {error}")
        return
    for operation in agent.operations.values():
        if operation.latest.state not in TERMINAL:
            consumed, converted = conversion(operation.info).unallocated()
            if total.contains(consumed):
                total = total - consumed + converted
    total += agent.total.revocable()
    if total == agent.total:
        return
    offers.rescind_all(context, agent, "the agent's resources are not what they were believed to be")
    agent.total = total
    context.allocator.update_agent(agent.agent_id, total)
    context.record(AgentUpdated(agent.agent_id, f"corrected its resources: {total}"), agent)

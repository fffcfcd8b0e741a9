"""The agent and its master: a link comes up, the agent says all it holds, the master admits or refuses it.

Fencing is here: a master of an older election epoch than the newest one seen is not obeyed. Nothing but a `Welcome` is
listened to before the master has admitted the agent.
"""

from __future__ import annotations

from copy import copy

from tepui.agent import executors, operations, oversubscription, snapshots, updates
from tepui.agent.context import PING, Context
from tepui.agent.events import Leave, LinkDown, LinkUp
from tepui.agent.journal import AgentAdmitted
from tepui.model.link import (
    PROTOCOL_NEWEST,
    PROTOCOL_OLDEST,
    Hello,
    Ping,
    Pong,
    Refused,
    Shutdown,
    Unregister,
    Welcome,
)
from tepui.model.shell import CloseLink, SendLink
from tepui.model.v1.mesos import AgentID
from tepui.wire.text import format_duration


def link_up(context: Context, event: LinkUp) -> None:
    """Say who the agent is and what it holds."""
    state = context.state
    if state.stopping is not None:
        context.effects.append(CloseLink(event.link, state.stopping))
        return
    if state.link is not None:
        context.effects.append(CloseLink(state.link, "Another link has taken its place"))
    state.link = event.link
    state.welcomed = False
    context.timers.cancel((PING, ""))
    # A master describes frameworks anew over each link; of those that ended meanwhile it says nothing.
    for framework_id in state.framework_infos.keys() - state.frameworks.keys():
        del state.framework_infos[framework_id]
    hello = Hello(
        protocol_oldest=PROTOCOL_OLDEST,
        protocol_newest=PROTOCOL_NEWEST,
        software=context.config.version,
        agent_id=state.agent_id,
        incarnation=state.incarnation,
        link_id=context.ids.text(),
        epoch=state.epoch,
        info=state.info,
        capabilities=list(context.config.capabilities),
        draining=state.drain_config is not None,
    )
    context.effects.append(SendLink(event.link, hello))
    snapshots.begin(context, event.link)


def link_down(context: Context, event: LinkDown) -> None:
    if context.state.link == event.link:
        context.state.link = None
        context.state.welcomed = False
        context.timers.cancel((PING, ""))
        snapshots.give_up(context)
        context.change("link down", detail=event.why)


def welcome(context: Context, message: Welcome) -> None:
    """The master has admitted the agent."""
    state = context.state
    if message.epoch < state.epoch:
        context.give_up(f"The master's epoch {message.epoch} is older than epoch {state.epoch}, which was seen before")
        return
    if not PROTOCOL_OLDEST <= message.protocol <= PROTOCOL_NEWEST:
        context.give_up(f"The master chose protocol {message.protocol}, which this agent does not speak")
        return
    if state.agent_id and message.agent_id != state.agent_id:
        executors.shutdown_all(
            context, f"The master knows the agent as {message.agent_id}, which has been {state.agent_id} so far"
        )
        return
    if message.epoch != state.epoch or message.agent_id != state.agent_id:
        context.store([AgentAdmitted(message.agent_id, message.epoch)])
    state.epoch = message.epoch
    state.master = message.master
    if not state.agent_id:
        set_agent_id(context, message.agent_id)
    if state.registered_at is None:
        state.registered_at = context.now
    state.welcomed = True
    context.ping_timeout_seconds = message.ping_timeout_seconds
    context.timers.set((PING, ""), context.now + message.ping_timeout_seconds)
    context.change("admitted", detail=f"{message.agent_id} by epoch {message.epoch}")
    oversubscription.tell(context)
    updates.resend_all(context)
    operations.resend_all(context)


def set_agent_id(context: Context, agent_id: str) -> None:
    state = context.state
    state.agent_id = agent_id
    context.agent_id = AgentID(value=agent_id)
    state.info = copy(state.info)
    state.info.id = context.agent_id


def refused(context: Context, message: Refused) -> None:
    if message.shutdown:
        executors.shutdown_all(context, message.why)
    else:
        context.give_up(message.why)


def shutdown(context: Context, message: Shutdown) -> None:
    executors.shutdown_all(context, message.why)


def leave(context: Context, _: Leave) -> None:
    """Unregister, so that the master tells frameworks of the loss at once, and end everything."""
    if context.state.stopping is not None:
        return
    context.tell(Unregister())
    executors.shutdown_all(context, "The agent leaves the cluster")


def ping(context: Context, message: Ping) -> None:  # noqa: ARG001 - every message's handler has it
    context.timers.set((PING, ""), context.now + context.ping_timeout_seconds)
    context.tell(Pong())


def ping_missed(context: Context) -> None:
    context.give_up(f"No ping from the master for {format_duration(context.ping_timeout_seconds)}")

"""How an agent becomes a member, or comes back: its `Hello`, its `Snapshot`, and what they change here.

An agent without an id is new: it is admitted when the registry has it. One with an id comes back, be it to a master
that knows it, knew it, or never saw it; its snapshot says what it holds, and the master answers with the difference:
tasks that it should hold are asked for, kills are repeated, frameworks that are over are shut down, the rest becomes
the master's own knowledge (Mesos: registration of agents).
"""

from __future__ import annotations

from copy import copy
from functools import partial

from tepui.master import agents, draining, gone, inverse_offers, maintenance, offers, operations, snapshots, unreachable
from tepui.master.context import Admission, Context, Link
from tepui.master.records import AgentAdded, AgentRefused, AgentUpdated
from tepui.master.registry import AgentAdmitted, too_large
from tepui.master.state import Agent
from tepui.model import link as wire
from tepui.model.attributes import validate_attribute
from tepui.model.resources import ResourceError, Resources
from tepui.model.v1.mesos import AgentID, AgentInfo
from tepui.model.validation import validate_id

HOSTNAME_CHARACTERS_MAX = 255
GREETING = "greeting"
"""The timer of a link over which no whole snapshot came yet; its subject is the link's name."""


def await_greeting(context: Context, link: Link) -> None:
    """Give the link up unless more of hello and snapshot comes in time. Nobody pings it yet, so that a host which died
    just now would keep its connection for ever. The time is that of a member which does not answer."""
    context.timers.set((GREETING, link.name), context.now + _silence_seconds_max(context))


def _silence_seconds_max(context: Context) -> float:
    config = context.config
    # With one ping to miss, the next one that is a moment late would cost a healthy agent its link.
    return config.agent_ping_timeout_seconds * max(config.agent_pings_missed_max, 2)


def greeting_due(context: Context, name: str) -> None:
    """The time is over."""
    if name in context.links:
        context.close_link(name, "no Hello and Snapshot came in time")


def hello(context: Context, link: Link, message: wire.Hello) -> None:
    """An agent says who it is; its snapshot follows. Refused is what no later message could mend."""
    if link.hello is not None:
        context.close_link(link.name, "a second Hello on one link")
        return
    why = _refusal(context, message)
    if why is not None:
        refuse(context, link, why, shutdown=False)
        return
    link.hello = message
    await_greeting(context, link)


def refuse(context: Context, link: Link, why: str, shutdown: bool) -> None:
    """Say why the agent is not admitted, and close its link. With `shutdown` it must end."""
    agent_id = "" if link.hello is None else link.hello.agent_id
    context.record(AgentRefused(agent_id, link.address, why))
    context.tell_link(link.name, wire.Refused(why=why, shutdown=shutdown))
    context.close_link(link.name, why)


def _refusal(context: Context, message: wire.Hello) -> str | None:
    config = context.config
    if message.protocol_newest < wire.PROTOCOL_OLDEST or message.protocol_oldest > wire.PROTOCOL_NEWEST:
        return (
            f"The agent speaks link protocols {message.protocol_oldest} to {message.protocol_newest}, "
            f"the master {wire.PROTOCOL_OLDEST} to {wire.PROTOCOL_NEWEST}"
        )
    if message.epoch > config.epoch:
        return (
            f"The agent has seen a master of epoch {message.epoch}, this one is of epoch {config.epoch}: restore the "
            "registry from a snapshot, or start the agent on an empty work folder"
        )
    why = validate_id(message.agent_id) if message.agent_id else None
    if why is not None:
        return f"Invalid agent id: {why}"
    hostname = message.info.hostname
    if not 0 < len(hostname) <= HOSTNAME_CHARACTERS_MAX or not hostname.isprintable() or " " in hostname:
        return "Invalid hostname: it is empty, too long, or holds what no host's name does"
    if not 0 < message.info.port < 65536:
        return f"Invalid port: {message.info.port}"
    if message.info.domain is not None and config.info.domain is None:
        return "The agent has a domain, but the master has none"
    if message.info.domain is None and config.require_agent_domain:
        return "The master requires agents to have a domain"
    try:
        Resources.of(message.info.resources)
    except ResourceError as error:
        return f"Invalid resources: {error}"
    for attribute in message.info.attributes:
        why = validate_attribute(attribute)
        if why is not None:
            return f"Invalid attribute '{attribute.name}': {why}"
    return too_large([AgentAdmitted(identified(message.info, message.agent_id))])


def snapshot(context: Context, link: Link, message: wire.Snapshot) -> None:
    """What the agent holds. With it, it is known, admitted, or refused."""
    if link.hello is None or link.agent is not None:
        context.close_link(link.name, "a Snapshot must follow the link's Hello")
        return
    message, link.parts = _joined(link.parts, message), None
    if message.more:
        link.parts = message
        await_greeting(context, link)
        return
    context.timers.cancel((GREETING, link.name))
    why = _unexplained(context, message)
    if why is not None:
        context.close_link(link.name, why)
        return
    why = operations.invalid_snapshot(link.hello.info, message)
    if why is not None:
        refuse(context, link, why, shutdown=False)
        return
    state = context.state
    agent_id = link.hello.agent_id
    if maintenance.is_down(state, (link.hello.info.hostname.lower(), link.address)):
        refuse(context, link, f"{maintenance.DOWN_SENTENCE}; end its maintenance first", shutdown=True)
        return
    if not agent_id:
        _register(context, link, link.hello, message)
        return
    context.metrics.counters["master/messages_reregister_slave"] += 1
    if agent_id in state.gone_agents:
        refuse(context, link, gone.REFUSAL, shutdown=True)
        return
    agent = state.agents.get(agent_id)
    if (agent is None and agent_id in context.changing) or (agent is not None and agent.leaving):
        refuse(context, link, "A change of the agent's membership is being stored; try again", shutdown=False)
    elif agent is None:
        _admit(context, link, link.hello, message, agent_id)
    elif (agent.address, agent.info.hostname) != (link.address, link.hello.info.hostname):
        refuse(
            context,
            link,
            f"Agent {agent_id} was at {agent.address} ({agent.info.hostname}), "
            f"and is at {link.address} ({link.hello.info.hostname}) now; "
            "start it with --ip and --hostname as they were, or with an empty work folder as a new one",
            shutdown=True,
        )
    elif link.hello.incarnation == agent.incarnation_before != "":
        # A process that was replaced does not live: this one runs on a copy of the other's folder.
        refuse(context, link, _twice(agent_id), shutdown=False)
    else:
        _return(context, agent, link, link.hello, message)


def _twice(agent_id: str) -> str:
    return (
        f"Two agents run as {agent_id}, and this one was there before the other: their work folders are copies; empty "
        "one of them and start its agent again"
    )


def _joined(parts: wire.Snapshot | None, part: wire.Snapshot) -> wire.Snapshot:
    """What the agent has told so far."""
    if parts is None:
        return part
    parts.frameworks += part.frameworks
    parts.executors += part.executors
    parts.tasks += part.tasks
    parts.operations += part.operations
    parts.resources += part.resources
    parts.more = part.more
    return parts


def _unexplained(context: Context, message: wire.Snapshot) -> str | None:
    """The snapshot must describe every framework that it names and that this master does not know."""
    described = {info.id.value for info in message.frameworks if info.id is not None}
    names = (*(held.framework_id for held in message.tasks), *(held.framework_id for held in message.executors))
    for name in names:
        if (
            name not in described
            and name not in context.state.frameworks
            and name not in context.state.completed_frameworks
        ):
            return f"The snapshot does not describe framework {name}"
    return None


# Becoming a member.


def _register(context: Context, link: Link, hello: wire.Hello, message: wire.Snapshot) -> None:
    """A new agent, or one that never heard that it was admitted."""
    context.metrics.counters["master/messages_register_slave"] += 1
    state = context.state
    old = state.agents.get(state.agents_by_address.get((link.address, hello.info.port), ""))
    if old is not None and old.incarnation == hello.incarnation and not old.leaving:
        _return(context, old, link, hello, message)
        return
    pending = context.admissions.get(context.admitting.get(hello.incarnation, ""))
    if pending is not None:
        _newer(context, pending, link, hello, message)
        return
    agent_id = _new_id(context)
    if old is not None and not old.leaving:
        why = "a new agent registered at the same address"
        agents.remove(context, old, why, "registered")
    _admit(context, link, hello, message, agent_id)


def _new_id(context: Context) -> str:
    """The next id that nobody has; somebody may have come with one that looks like this master's."""
    state = context.state
    while True:
        agent_id = f"{context.master_id}-S{context.next_agent}"
        context.next_agent += 1
        known = (context.admissions, state.agents, state.unreachable_agents, state.recovered_agents, state.gone_agents)
        if not any(agent_id in ids for ids in known):
            return agent_id


def _newer(context: Context, pending: Admission, link: Link, hello: wire.Hello, message: wire.Snapshot) -> None:
    """The agent connected again before the registry had it: its newest link and snapshot count."""
    if pending.link.name in context.links:
        context.close_link(pending.link.name, "the agent has a newer link")
    pending.link, pending.hello, pending.snapshot = link, hello, message


def identified(info: AgentInfo, agent_id: str) -> AgentInfo:
    """The description with the agent's id in it."""
    info = copy(info)
    info.id = AgentID(value=agent_id)
    return info


def _admit(
    context: Context,
    link: Link,
    hello: wire.Hello,
    message: wire.Snapshot,
    agent_id: str,
) -> None:
    """Have the agent stored; then it is a member. One that the registry knows just so is stored already."""
    pending = context.admissions.get(agent_id)
    if pending is not None:
        _newer(context, pending, link, hello, message)
        return
    context.admissions[agent_id] = Admission(agent_id, link, hello, message)
    unreachable.alive(context, agent_id)
    if not hello.agent_id:
        context.admitting[hello.incarnation] = agent_id
    info = identified(hello.info, agent_id)
    if context.state.recovered_agents.get(agent_id) == info:
        _admitted(context, agent_id)
    else:
        context.store([AgentAdmitted(info)], partial(_admitted, context, agent_id))


def _admitted(context: Context, agent_id: str) -> None:
    admission = context.admissions.pop(agent_id)
    context.admitting.pop(admission.hello.incarnation, None)
    state = context.state
    was_unreachable = state.unreachable_agents.pop(agent_id, None) is not None
    was_recovered = state.recovered_agents.pop(agent_id, None) is not None
    is_new = not admission.hello.agent_id
    link, hello = admission.link, admission.hello
    info = identified(hello.info, agent_id)
    agent = Agent(
        agent_id=agent_id,
        info=info,
        address=link.address,
        version=hello.software,
        capabilities=frozenset(hello.capabilities),
        total=operations.total_of(info, admission.snapshot),
        incarnation=hello.incarnation,
        registered_at=context.now,
        reregistered_at=None if is_new else context.now,
        service=state.service.get(agent_id),
    )
    state.agents[agent_id] = agent
    state.agents_by_address[(agent.address, info.port)] = agent_id
    context.metrics.counters["master/slave_registrations" if is_new else "master/slave_reregistrations"] += 1
    context.allocator.add_agent(agent_id, agent.total, {}, info.attributes, info.hostname, domain_of(info))
    unreachable.ping_later(context, agent)
    _connect(context, agent, link, hello)
    context.record(AgentAdded(agent_id), agent)
    if is_new:
        sentence = None
    elif was_unreachable:
        sentence = "Unreachable agent re-registered"
    else:
        sentence = None if was_recovered else "Unknown agent re-registered"
    snapshots.take_in(context, agent, admission.snapshot, sentence)
    operations.take_in(context, agent, admission.snapshot)
    context.allocator.expect_no_more(agent_id)
    inverse_offers.set_unavailability(context, agent, maintenance.unavailability_of(state, agent.machine))
    draining.connected(context, agent, hello.draining)
    if maintenance.is_down(state, agent.machine):
        maintenance.turn_away(context, agent)
    elif agent.link is None:  # it ended meanwhile
        agents.disconnect(context, agent)


def domain_of(info: AgentInfo) -> tuple[str, str] | None:
    """Region and zone; None when it does not say."""
    where = None if info.domain is None else info.domain.fault_domain
    return None if where is None else (where.region.name, where.zone.name)


def _return(context: Context, agent: Agent, link: Link, hello: wire.Hello, message: wire.Snapshot) -> None:
    """A member has a new link."""
    context.metrics.counters["master/slave_reregistrations"] += 1
    if agent.link is not None:
        context.close_link(agent.link, "the agent has a newer link")
    agents.forget_frameworks(context, agent)
    if hello.incarnation != agent.incarnation:
        agent.incarnation_before, agent.incarnation = agent.incarnation, hello.incarnation
    agent.version = hello.software
    agent.reregistered_at = context.now
    context.timers.cancel((agents.REREGISTER, agent.agent_id))
    info = identified(hello.info, agent.agent_id)
    capabilities = frozenset(hello.capabilities)
    total, again = operations.unfinished(context, agent, operations.total_of(info, message), message)
    if info != agent.info or capabilities != agent.capabilities or total != agent.total:
        _change(context, agent, info, capabilities, total)
    _connect(context, agent, link, hello)
    context.record(AgentUpdated(agent.agent_id, "re-registered"), agent)
    snapshots.take_in(context, agent, message, "Disconnected agent re-registered")
    operations.take_in(context, agent, message, again)
    for kill in agent.pending_kills.values():
        context.tell(agent, kill)
    draining.connected(context, agent, hello.draining)
    inverse_offers.look_at(context, agent)


def _change(context: Context, agent: Agent, info: AgentInfo, capabilities: frozenset[str], total: Resources) -> None:
    """Its description or its resources changed: offers made under the old ones are void."""
    state = context.state
    offers.rescind_all(context, agent, "the agent's description changed")
    if info.port != agent.info.port:
        state.agents_by_address.pop((agent.address, agent.info.port), None)
        state.agents_by_address[(agent.address, info.port)] = agent.agent_id
    agent.info = info
    agent.capabilities = capabilities
    agent.total = total
    agent.url = None
    context.allocator.update_agent(agent.agent_id, agent.total, info.attributes, info.hostname, domain_of(info))


def _connect(context: Context, agent: Agent, link: Link, hello: wire.Hello) -> None:
    config = context.config
    link.agent = agent
    link.hello = None
    agent.link = link.name if link.name in context.links else None
    agent.pings_missed = 0
    unreachable.alive(context, agent.agent_id)
    if agent.active:
        context.allocator.activate_agent(agent.agent_id)
    else:
        context.allocator.deactivate_agent(agent.agent_id)
    context.tell(
        agent,
        wire.Welcome(
            protocol=min(hello.protocol_newest, wire.PROTOCOL_NEWEST),
            agent_id=agent.agent_id,
            epoch=config.epoch,
            master=config.info,
            ping_timeout_seconds=_silence_seconds_max(context),
        ),
    )

"""Inverse offers: frameworks are asked to leave agents whose machines are planned to be away.

Each framework that holds something on such an agent, offers counted in, has at most one inverse offer about it. Its
answer is kept for operators and binds nobody. After the answer, and after the time its filters say, the next inverse
offer follows for as long as the framework holds something there (Mesos: inverse offers).
"""

from __future__ import annotations

from collections.abc import Iterable

from tepui.allocator.allocator import REFUSE_SECONDS_DEFAULT, REFUSE_SECONDS_MAX
from tepui.master import messages
from tepui.master.context import Context
from tepui.master.offers import url_of
from tepui.master.state import Agent, Framework, InverseOffer
from tepui.model.operators import time_info
from tepui.model.timers import Key
from tepui.model.v1 import mesos
from tepui.model.v1.allocator import InverseOfferStatus
from tepui.model.v1.mesos import Filters, OfferID, Unavailability

WANTED: Key = ("inverse offers wanted", "")
"""The timer that says that there are agents to look at."""
EXPIRY: Key = ("inverse offer expiry", "")
"""The timer of the oldest inverse offer, or of one that was the oldest."""
FILTER = "inverse offer filter"
"""The kind of timer of a framework that answered about an agent; the subject is both ids."""

FILTER_SECONDS_MIN = 1.0
"""No framework is asked again about an agent sooner."""
OFFERS_PER_EVENT_MAX = 500

Answer = InverseOfferStatus.Status


# When to ask.


def look_at(context: Context, agent: Agent) -> None:
    """Something changed on an agent: frameworks that hold something there may have to be asked."""
    if agent.unavailability is not None:
        context.inverse_due[agent.agent_id] = None
        context.timers.set(WANTED, context.now)


def look_for(context: Context, framework: Framework) -> None:
    """The framework reads its stream again, or wants to be asked again."""
    agents = context.state.agents
    for agent_id in context.state.unavailable:
        if _holds(framework, agents[agent_id]):
            look_at(context, agents[agent_id])


def forget_filters(context: Context, framework: Framework) -> None:
    """REVIVE: the framework wants to be asked again."""
    _end_filters(context, framework)
    look_for(context, framework)


def _filter_of(framework: Framework, agent_id: str) -> Key:
    return FILTER, f"{framework.framework_id}/{agent_id}"


def _end_filters(context: Context, framework: Framework) -> None:
    for agent_id in framework.inverse_filters:
        context.timers.cancel(_filter_of(framework, agent_id))
    framework.inverse_filters.clear()


def filter_due(context: Context, subject: str) -> None:
    """What a framework answered about an agent does not count any more."""
    framework_id, _, agent_id = subject.partition("/")
    framework = context.state.frameworks.get(framework_id)
    if framework is not None:
        framework.inverse_filters.discard(agent_id)
    agent = context.state.agents.get(agent_id)
    if agent is not None:
        look_at(context, agent)


def set_unavailability(context: Context, agent: Agent, unavailability: Unavailability | None) -> None:
    """The plans for its machine changed: what was asked and answered is void."""
    agent.unavailability = unavailability
    if unavailability is None:
        context.state.unavailable.pop(agent.agent_id, None)
    else:
        context.state.unavailable[agent.agent_id] = None
    rescind_all(context, agent)
    agent.inverse_statuses.clear()
    context.followers.agent(agent.agent_id)
    for framework in context.state.frameworks.values():
        if agent.agent_id in framework.inverse_filters:
            framework.inverse_filters.discard(agent.agent_id)
            context.timers.cancel(_filter_of(framework, agent.agent_id))
    look_at(context, agent)


# Asking.


def make(context: Context) -> None:
    """Ask whoever must be asked about the agents that were marked."""
    state = context.state
    due, context.inverse_due = context.inverse_due, {}
    context.timers.cancel(WANTED)
    batches: dict[str, list[mesos.InverseOffer]] = {}
    for agent_id in due:
        agent = state.agents.get(agent_id)
        if agent is None or agent.unavailability is None or not agent.active:
            continue
        for framework_id in dict.fromkeys(
            (*agent.tasks, *agent.executors, *(offer.framework_id for offer in agent.offers.values()))
        ):
            framework = state.frameworks[framework_id]
            if _may_be_asked(framework, agent) and _holds(framework, agent):
                batches.setdefault(framework_id, []).append(_make_one(context, framework, agent, agent.unavailability))
    for framework_id, batch in batches.items():
        framework = state.frameworks[framework_id]
        for start in range(0, len(batch), OFFERS_PER_EVENT_MAX):
            context.send(framework, messages.inverse_offers(batch[start : start + OFFERS_PER_EVENT_MAX]))
    timeout_seconds = context.config.offer_timeout_seconds
    if batches and timeout_seconds is not None and not context.timers.holds(EXPIRY):
        context.timers.set(EXPIRY, context.now + timeout_seconds)


def _may_be_asked(framework: Framework, agent: Agent) -> bool:
    return (
        framework.session is not None
        and not framework.backlogged
        and framework.framework_id not in agent.inverse_offers
        and agent.agent_id not in framework.inverse_filters
    )


def _holds(framework: Framework, agent: Agent) -> bool:
    """Whether the framework uses something of the agent, or has it offered."""
    framework_id = framework.framework_id
    return (
        framework_id in agent.executors
        or any(not task.released for task in agent.tasks.get(framework_id, {}).values())
        or any(offer.framework_id == framework_id for offer in agent.offers.values())
    )


def _make_one(
    context: Context, framework: Framework, agent: Agent, unavailability: Unavailability
) -> mesos.InverseOffer:
    offer = InverseOffer(
        offer_id=f"{context.master_id}-O{context.next_offer}",
        framework_id=framework.framework_id,
        agent_id=agent.agent_id,
        unavailability=unavailability,
        made_at=context.now,
    )
    context.next_offer += 1
    context.state.inverse_offers[offer.offer_id] = offer
    framework.inverse_offers[offer.offer_id] = offer
    agent.inverse_offers[framework.framework_id] = offer
    assert framework.info.id is not None
    return mesos.InverseOffer(
        id=OfferID(value=offer.offer_id),
        url=url_of(agent),
        framework_id=framework.info.id,
        agent_id=agent.info.id,
        unavailability=unavailability,
    )


# The end of an inverse offer.


def answer(
    context: Context, framework: Framework, offer_ids: Iterable[OfferID], told: Answer, filters: Filters | None
) -> None:
    """ACCEPT_INVERSE_OFFERS or DECLINE_INVERSE_OFFERS: those that are still valid are over, others are ignored."""
    refuse_seconds = REFUSE_SECONDS_DEFAULT if filters is None else filters.refuse_seconds
    if not 0 <= refuse_seconds <= REFUSE_SECONDS_MAX:
        refuse_seconds = REFUSE_SECONDS_DEFAULT
    assert framework.info.id is not None
    for offer_id in offer_ids:
        offer = framework.inverse_offers.get(offer_id.value)
        if offer is None:
            continue
        agent = context.state.agents[offer.agent_id]
        _remove(context, offer)
        agent.inverse_statuses[framework.framework_id] = InverseOfferStatus(
            status=told, framework_id=framework.info.id, timestamp=time_info(context.now)
        )
        context.followers.agent(agent.agent_id)
        framework.inverse_filters.add(agent.agent_id)
        context.timers.set(
            _filter_of(framework, agent.agent_id),
            context.now + max(refuse_seconds, FILTER_SECONDS_MIN),
        )


def _remove(context: Context, offer: InverseOffer) -> None:
    state = context.state
    del state.inverse_offers[offer.offer_id]
    del state.frameworks[offer.framework_id].inverse_offers[offer.offer_id]
    del state.agents[offer.agent_id].inverse_offers[offer.framework_id]


def _rescind(context: Context, offer: InverseOffer) -> None:
    _remove(context, offer)
    context.send(context.state.frameworks[offer.framework_id], messages.rescind_inverse(offer.offer_id))


def rescind_all(context: Context, agent: Agent) -> None:
    """End the inverse offers about an agent, and say so."""
    for offer in list(agent.inverse_offers.values()):
        _rescind(context, offer)


def forget_framework(context: Context, framework: Framework) -> None:
    """Its scheduler is gone: what it was asked ends without a word, and its filters with it."""
    for offer in list(framework.inverse_offers.values()):
        _remove(context, offer)
    _end_filters(context, framework)


def forget_answers(context: Context, framework: Framework) -> None:
    """It is removed: operators are not shown its answers any more."""
    for agent_id in context.state.unavailable:
        if context.state.agents[agent_id].inverse_statuses.pop(framework.framework_id, None) is not None:
            context.followers.agent(agent_id)


def expire(context: Context) -> None:
    """Rescind what was held too long, and ask again; wait for the next one."""
    timeout_seconds = context.config.offer_timeout_seconds
    if timeout_seconds is None:
        return
    for offer in list(context.state.inverse_offers.values()):
        due = offer.made_at + timeout_seconds
        if due > context.now:
            context.timers.set(EXPIRY, due)
            return
        agent = context.state.agents[offer.agent_id]
        _rescind(context, offer)
        look_at(context, agent)

"""Offers: made from the allocator's grants, held by a framework, and ended by an answer, a rescission or its time.

While an offer is out its resources count as allocated to the framework's role. An allocation run makes one offer for
each agent and role, so that an agent may have several outstanding ones of disjoint resources (Mesos: life of an offer).
"""

from __future__ import annotations

from collections.abc import Iterable

from tepui.allocator import Grant
from tepui.allocator.allocator import REFUSE_SECONDS_DEFAULT
from tepui.master import messages
from tepui.master.context import OFFERS, Context
from tepui.master.records import OfferAdded, OfferRemoved
from tepui.master.state import Agent, Framework, Offer
from tepui.model.resources import ReservationForm
from tepui.model.v1 import mesos
from tepui.model.v1.mesos import URL, Address, ExecutorID, OfferID, Resource
from tepui.model.v1.scheduler import Call

OFFERS_PER_EVENT_MAX = 500
"""More offers to one framework go out in further events."""


def make(context: Context, grants: Iterable[Grant]) -> None:
    """Offer what the allocator granted, one event per framework (or several, of bounded size)."""
    state = context.state
    batches: dict[str, list[mesos.Offer]] = {}
    for grant in grants:
        framework = state.frameworks[grant.framework_id]
        agent = state.agents[grant.agent_id]
        offer = Offer(
            offer_id=f"{context.master_id}-O{context.next_offer}",
            framework_id=grant.framework_id,
            agent_id=grant.agent_id,
            role=grant.role,
            resources=grant.resources,
            made_at=context.now,
        )
        context.next_offer += 1
        state.offers[offer.offer_id] = framework.offers[offer.offer_id] = agent.offers[offer.offer_id] = offer
        context.record(OfferAdded(offer.offer_id, offer.framework_id, offer.agent_id), offer)
        batches.setdefault(grant.framework_id, []).append(message_of(offer, framework, agent))
        if agent.unavailability is not None:
            context.inverse_due[agent.agent_id] = None  # whoever holds offers is asked to leave, too
    for framework_id, batch in batches.items():
        framework = state.frameworks[framework_id]
        framework.metrics.offers_sent += len(batch)
        for start in range(0, len(batch), OFFERS_PER_EVENT_MAX):
            context.send(framework, messages.offers(batch[start : start + OFFERS_PER_EVENT_MAX]))
    timeout_seconds = context.config.offer_timeout_seconds
    if batches and timeout_seconds is not None and not context.timers.holds(OFFERS):
        context.timers.set(OFFERS, context.now + timeout_seconds)


def message_of(offer: Offer, framework: Framework, agent: Agent) -> mesos.Offer:
    """The offer as its framework sees it, in the forms that the framework's capabilities allow."""
    info = agent.info
    multi_role = framework.has("MULTI_ROLE")
    form = ReservationForm.STACK if framework.has("RESERVATION_REFINEMENT") else ReservationForm.SINGLE
    resources = offer.resources if multi_role else offer.resources.unallocated()
    executors = agent.executors.get(framework.framework_id)
    assert info.id is not None
    assert framework.info.id is not None
    return mesos.Offer(
        id=OfferID(value=offer.offer_id),
        framework_id=framework.info.id,
        agent_id=info.id,
        hostname=info.hostname,
        url=url_of(agent),
        domain=info.domain,
        resources=resources.shared_messages(form),
        attributes=info.attributes,
        executor_ids=[ExecutorID(value=executor_id) for executor_id in executors] if executors else [],
        unavailability=agent.unavailability,
        allocation_info=Resource.AllocationInfo(role=offer.role) if multi_role else None,
    )


def url_of(agent: Agent) -> URL:
    """Where the agent's own API is."""
    if agent.url is None:
        agent.url = URL(
            scheme="http",
            address=Address(hostname=agent.info.hostname, ip=agent.address, port=agent.info.port),
            path="/slave(1)",
        )
    return agent.url


def refuse_seconds_of(filters: mesos.Filters | None) -> float:
    """How long what is declined shall not be offered again; the allocator keeps it within its bounds."""
    return REFUSE_SECONDS_DEFAULT if filters is None else filters.refuse_seconds


def decline(context: Context, framework: Framework, call: Call.Decline) -> None:
    """Give back the offers that are still valid, with a filter; others are ignored."""
    refuse_seconds = refuse_seconds_of(call.filters)
    for offer_id in call.offer_ids:
        offer = framework.offers.get(offer_id.value)
        if offer is not None:
            framework.metrics.offers_declined += 1
            remove(context, offer, "declined")
            context.allocator.recover(
                framework.framework_id, offer.agent_id, offer.resources, refuse_seconds, context.now
            )


def remove(context: Context, offer: Offer, why: str) -> None:
    """The offer is over. What becomes of its resources is the caller's part."""
    state = context.state
    del state.offers[offer.offer_id]
    del state.frameworks[offer.framework_id].offers[offer.offer_id]
    del state.agents[offer.agent_id].offers[offer.offer_id]
    context.record(OfferRemoved(offer.offer_id, offer.framework_id, offer.agent_id, why), offer)


def withdraw(context: Context, offer: Offer, why: str) -> None:
    """End the offer without a word: its scheduler is gone, or never knew it. Its resources are free, no filter."""
    remove(context, offer, why)
    context.allocator.recover(offer.framework_id, offer.agent_id, offer.resources, None, context.now)


def rescind(context: Context, offer: Offer, why: str) -> None:
    """End the offer and tell its scheduler."""
    framework = context.state.frameworks[offer.framework_id]
    framework.metrics.offers_rescinded += 1
    context.send(framework, messages.rescind(offer.offer_id))
    withdraw(context, offer, why)


def remove_all(context: Context, framework: Framework, why: str) -> None:
    """Withdraw all offers of a framework."""
    for offer in list(framework.offers.values()):
        withdraw(context, offer, why)


def rescind_all(context: Context, agent: Agent, why: str) -> None:
    """Rescind all offers of an agent."""
    for offer in list(agent.offers.values()):
        rescind(context, offer, why)


def expire(context: Context) -> None:
    """Rescind what was held too long, and wait for the next one."""
    timeout_seconds = context.config.offer_timeout_seconds
    if timeout_seconds is None:
        return
    for offer in list(context.state.offers.values()):
        due = offer.made_at + timeout_seconds
        if due > context.now:
            context.timers.set(OFFERS, due)
            return
        rescind(context, offer, "offer timeout")

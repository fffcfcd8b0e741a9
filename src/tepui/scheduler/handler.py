"""Events as methods: derive from `Handler`, override what interests you, give it to `Scheduler.run`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from tepui.scheduler import events
from tepui.scheduler.client import Scheduler
from tepui.session.errors import CallRefusedError

Done = Awaitable[None] | None
"""Methods may be plain or coroutines. An exception in one ends `Scheduler.run`, which raises it."""


class Handler:
    """What a framework does about each event. `scheduler` is set before the first."""

    scheduler: Scheduler

    def subscribed(self, event: events.Subscribed) -> Done:
        """The framework is with a master."""

    def offers(self, event: events.Offers) -> Done:
        """Use each offer or decline it; here all are declined."""
        self.scheduler.decline(event.offers)
        return None

    def rescinded(self, event: events.Rescinded) -> Done:
        """An offer is void."""

    def inverse_offers(self, event: events.InverseOffers) -> Done:
        """Agents are to be left for maintenance."""

    def inverse_rescinded(self, event: events.InverseRescinded) -> Done:
        """Such a request is void."""

    def update(self, event: events.Update) -> Done:
        """A task's state. It is acknowledged when this returns."""

    def operation_update(self, event: events.OperationUpdate) -> Done:
        """An operation's state. It is acknowledged when this returns."""

    def message(self, event: events.Message) -> Done:
        """An executor says something."""

    def failure(self, event: events.Failure) -> Done:
        """An agent or an executor is gone."""

    def disconnected(self, event: events.Disconnected) -> Done:
        """The master is lost; the library tries to come back."""

    def call_lost(self, event: events.CallLost) -> Done:
        """An ACCEPT or a message did not get through."""

    def call_refused(self, error: CallRefusedError) -> Done:
        """A call was invalid; here that ends the framework."""
        raise error


METHODS: dict[type, Callable[[Handler, Any], Done]] = {
    events.Subscribed: lambda handler, event: handler.subscribed(event),
    events.Offers: lambda handler, event: handler.offers(event),
    events.Rescinded: lambda handler, event: handler.rescinded(event),
    events.InverseOffers: lambda handler, event: handler.inverse_offers(event),
    events.InverseRescinded: lambda handler, event: handler.inverse_rescinded(event),
    events.Update: lambda handler, event: handler.update(event),
    events.OperationUpdate: lambda handler, event: handler.operation_update(event),
    events.Message: lambda handler, event: handler.message(event),
    events.Failure: lambda handler, event: handler.failure(event),
    events.Disconnected: lambda handler, event: handler.disconnected(event),
    events.CallLost: lambda handler, event: handler.call_lost(event),
}


async def run(scheduler: Scheduler, handler: Handler) -> None:
    """Be the framework until `scheduler.stop()` is called, in a handler or elsewhere. Raises what ended it otherwise,
    an exception of a handler unchanged."""
    handler.scheduler = scheduler

    async def refused(error: CallRefusedError) -> None:
        done = handler.call_refused(error)
        if done is not None:
            await done

    scheduler.on_refusal = refused
    async with scheduler:
        async for event in scheduler:
            done = METHODS[type(event)](handler, event)
            if done is not None:
                await done

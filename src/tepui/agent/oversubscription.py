"""Resources that the agent lends beyond its own: revocable, because whoever owns them may want them back.

The shell says how much that is, now and whenever it changes; the master hears it over each link anew.
"""

from __future__ import annotations

from tepui.agent.context import Context
from tepui.agent.events import Oversubscribe
from tepui.model.link import Oversubscribed
from tepui.model.resources import Resources


def oversubscribe(context: Context, event: Oversubscribe) -> None:
    """The agent lends this from now on. The shell has validated it."""
    resources = Resources.of(event.resources)
    if resources != context.state.revocable:
        context.state.revocable = resources
        context.change("oversubscribed", detail=str(resources))
        context.tell(Oversubscribed(resources=resources.messages()))


def tell(context: Context) -> None:
    """A master has just admitted the agent; it believes that nothing is lent until it hears otherwise."""
    revocable = context.state.revocable
    if revocable:
        context.tell(Oversubscribed(resources=revocable.messages()))

"""The step both servers repeat: an event into the core, its effects to the sockets."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from tepui.model.shell import Answer, CloseLink, Effect, Event

log = logging.getLogger(__name__)


class Core(Protocol):
    """What every core has."""

    def handle(self, event: Event, now: float) -> list[Effect]:
        """Take an event in at `now` (seconds since the epoch); what is to be done for it, in order."""

    def next_deadline(self) -> float | None:
        """When a `Tick` is wanted, in seconds since the epoch; None when nothing waits for time."""


class Engine:
    """Drives one core. `appliers` carry out the effects, by their type."""

    def __init__(self, core: Core, appliers: Mapping[type[Effect], Callable[[Any], None]]) -> None:
        self._core = core
        self._appliers = dict(appliers)
        self.failures = 0
        """Events whose handling failed: each is a fault of this program, logged with its traceback."""

    def next_deadline(self) -> float | None:
        """When the core wants a `Tick`, None when nothing waits for time."""
        return self._core.next_deadline()

    def step(self, event: Event, now: float) -> None:
        """Handle one event. A fault is logged and stops nobody else; its request gets a 500, its link is closed."""
        appliers = self._appliers
        try:
            for effect in self._core.handle(event, now):
                appliers[type(effect)](effect)
        except Exception:
            self.failures += 1
            log.exception("handling %s failed", type(event).__name__)
            request = getattr(event, "request", None)
            if request is not None:
                appliers[Answer](Answer(request, 500, ""))
            link = getattr(event, "link", None)
            if link is not None:
                # The next link begins with a snapshot, which mends what this fault left undone.
                appliers[CloseLink](CloseLink(link, "a fault while a message was handled; the log tells it"))

"""What an agent lends beyond its own resources, read from its flag: fixed, or a file that some estimator writes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from tepui.agent.events import Oversubscribe
from tepui.model.shell import Event
from tepui.model.v1.mesos import Resource
from tepui.server.flags import FlagError, Flags, read_revocable

log = logging.getLogger(__name__)


class Oversubscription:
    """Tells the core what `--oversubscribed_resources` says, again whenever its file says something else."""

    def __init__(self, flags: Flags, post: Callable[[Event], None]) -> None:
        self._text = flags.text("oversubscribed_resources")
        self._interval_seconds = flags.seconds("oversubscribed_resources_interval")
        self._post = post
        self._told: list[Resource] = []
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Tell it for the first time."""
        if self._text is None:
            return
        try:
            found = read_revocable(self._text)
        except FlagError as error:
            log.warning("--oversubscribed_resources %s; what was lent before stays so", error)
        else:
            if found != self._told:
                self._told = found
                self._post(Oversubscribe(found))
        if self._text.startswith(("file://", "/")):
            self._timer = asyncio.get_running_loop().call_later(self._interval_seconds, self.start)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

"""Runs that an earlier agent on this work folder left, and that nobody accounts for: ended before the agent offers
the resources that they hold."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable

log = logging.getLogger(__name__)

GRACE_SECONDS = 5.0
"""Between SIGTERM and SIGKILL."""
WAIT_SECONDS_MAX = 20.0
"""A process that even SIGKILL does not end, as one that waits for a disk, holds the agent up no longer than this."""


class Strays:
    """Ends strays by `kill(run, grace_seconds)`, and knows when the last is over."""

    def __init__(self, kill: Callable[[str, float], None]) -> None:
        self._kill = kill
        self._runs: set[str] = set()
        self._over = asyncio.Event()

    def end(self, runs: Iterable[str]) -> None:
        """These are all that there are: said each time that a supervisor has told what it has on record."""
        self._runs = set(runs)
        for run in sorted(self._runs):
            log.warning("killing run %s of an earlier agent", run)
            self._kill(run, GRACE_SECONDS)
        self._look()

    def ended(self, run: str) -> None:
        """Nothing is left of a run, which may be a stray."""
        self._runs.discard(run)
        self._look()

    def _look(self) -> None:
        if not self._runs:
            self._over.set()

    async def wait(self, seconds_max: float = WAIT_SECONDS_MAX) -> None:
        """Return when the strays that were found first are over, or after `seconds_max`, with a warning."""
        try:
            async with asyncio.timeout(seconds_max):
                await self._over.wait()
        except TimeoutError:
            log.warning("%d runs of an earlier agent do not end; the agent goes on beside them", len(self._runs))

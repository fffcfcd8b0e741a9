"""A line before the door: who comes with thousands of others is let through a few in each turn of the loop.

After a failover all agents come in the same second, and each costs the master half a millisecond until it is a member.
Taken as they come, they would be one turn of seconds, in which nobody else is answered. Here they wait, cheaply, in the
order in which they came; a turn that takes long lets in as many as a short one, so the pace follows the work by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

PER_TURN = 16
"""How many are let through in one turn of the loop."""


class Line:
    """Those that wait. `hold` keeps them waiting, for a time, whatever the pace."""

    __slots__ = ("_held", "_loop", "_per_turn", "_scheduled", "_waiting")

    def __init__(self, loop: asyncio.AbstractEventLoop, per_turn: int = PER_TURN) -> None:
        self._loop = loop
        self._per_turn = per_turn
        self._waiting: dict[object, Callable[[], None]] = {}
        self._held: asyncio.TimerHandle | None = None
        self._scheduled = False

    def __len__(self) -> int:
        return len(self._waiting)

    def join(self, who: object, enter: Callable[[], None]) -> None:
        """Wait at the end of the line, unless `who` stands in it already; `enter()` is called when it is their turn."""
        self._waiting.setdefault(who, enter)
        self._schedule()

    def leave(self, who: object) -> None:
        """Wait no more."""
        self._waiting.pop(who, None)

    def hold(self, seconds_max: float) -> None:
        """Let nobody through until `release`, or until this time is over."""
        self.release()
        self._held = self._loop.call_later(seconds_max, self.release)

    def release(self) -> None:
        """Go on, if the line was held."""
        if self._held is not None:
            self._held.cancel()
            self._held = None
            self._schedule()

    def _schedule(self) -> None:
        if self._waiting and not self._scheduled and self._held is None:
            self._scheduled = True
            self._loop.call_soon(self._let_through)

    def _let_through(self) -> None:
        self._scheduled = False
        if self._held is not None:
            return
        waiting = self._waiting
        try:
            for _ in range(min(self._per_turn, len(waiting))):
                waiting.pop(next(iter(waiting)))()
        finally:
            self._schedule()

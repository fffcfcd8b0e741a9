"""Long work in slices: a little of it in each turn of the loop, and everybody else in between.

All that is under way takes turns, so its number changes how long each takes, and not how long others wait.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Iterator
from typing import Protocol

log = logging.getLogger(__name__)

SLICE_SECONDS = 0.005
"""So long is worked in one turn of the loop, and one step longer."""
BLOCKED_SECONDS = 0.02
"""How often it is looked whether a slow reader has taken what it was given."""
WORK_SECONDS_MAX = 600.0
"""Work that is not done by then ends: its reader takes a byte now and then, and holds what is kept for it."""


class Work(Protocol):
    """Something that can be done in steps of about a millisecond."""

    @property
    def over(self) -> bool:
        """Whether nobody waits for it any more."""

    @property
    def blocked(self) -> bool:
        """Whether the next step has to wait for the reader."""

    def step(self) -> bool:
        """Do a little; False when all is done."""

    def fail(self, why: str) -> None:
        """It cannot be finished: let its reader know as well as may be."""


class Slices:
    """All work that is under way."""

    __slots__ = ("_blocked", "_loop", "_ready", "_scheduled", "_since", "_timer")

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ready: deque[Work] = deque()
        self._blocked: list[Work] = []
        self._since: dict[Work, float] = {}
        self._scheduled = False
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        """How much is under way."""
        return len(self._since)

    def __iter__(self) -> Iterator[Work]:
        """What is under way."""
        return iter(self._since)

    def add(self, work: Work) -> None:
        """Do it from the next turn of the loop on."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        self._since[work] = self._loop.time()
        self._ready.append(work)
        self._schedule()

    def _schedule(self) -> None:
        assert self._loop is not None
        if self._ready and not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._run)
        if self._blocked and self._timer is None:
            self._timer = self._loop.call_later(BLOCKED_SECONDS, self._look)

    def _run(self) -> None:
        """One slice."""
        assert self._loop is not None
        self._scheduled = False
        now = self._loop.time()
        until = now + SLICE_SECONDS
        ready = self._ready
        while ready:
            work = ready.popleft()
            if not self._goes_on(work, now):
                del self._since[work]
            elif work.blocked:
                self._blocked.append(work)
            else:
                ready.append(work)
            now = self._loop.time()
            if now >= until:
                break
        self._schedule()

    def _goes_on(self, work: Work, now: float) -> bool:
        """Do a step, if it still makes sense; whether there is more to do."""
        try:
            if work.over:
                return False
            if now - self._since[work] > WORK_SECONDS_MAX:
                self._fail(work, "it took too long")
                return False
            return work.blocked or work.step()
        except Exception:
            log.exception("a long answer failed")
            self._fail(work, "a fault of this server; its log tells it")
            return False

    @staticmethod
    def _fail(work: Work, why: str) -> None:
        try:
            work.fail(why)
        except Exception:  # others wait for their turn
            log.exception("nobody could be told that a long answer failed")

    def _look(self) -> None:
        """Whose reader has caught up, or is gone, is ready."""
        self._timer = None
        blocked, self._blocked = self._blocked, []
        assert self._loop is not None
        late = self._loop.time() - WORK_SECONDS_MAX
        for work in blocked:
            if work.over or not work.blocked or self._since[work] < late:
                self._ready.append(work)
            else:
                self._blocked.append(work)
        self._schedule()

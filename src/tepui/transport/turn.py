"""The turn of the loop: events gather, the core runs once over all of them, what it said is written once.

A socket that becomes readable posts events; the run follows at the end of the same turn of the loop. Each stream, link
and connection that has something to write registers once with the `Flusher`, so a hundred records cost one system call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from tepui.model.shell import Event, Tick
from tepui.transport.clock import Clock

BATCH_EVENTS_MAX = 5000
"""Events of one run. What is left waits for the next turn, so that sockets are served in between."""
INBOX_EVENTS_MAX = 50_000
"""While so many wait, the run goes on without serving sockets: what is not read cannot make the inbox longer."""


class Flushable(Protocol):
    """Something that gathers what is to be written."""

    def flush(self) -> None:
        """Write what has gathered."""


class Flusher:
    """Those that have something to write; each is flushed once, at the latest in the next turn of the loop.

    A flushable adds itself when it becomes dirty, and not again before its `flush()` was called.
    """

    __slots__ = ("_dirty", "_loop", "_scheduled")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._dirty: list[Flushable] = []
        self._scheduled = False

    def add(self, item: Flushable) -> None:
        """Have the item flushed at the end of this turn of the loop."""
        self._dirty.append(item)
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._run)

    def flush(self) -> None:
        """Flush all that are dirty now, and those that become dirty by it."""
        while self._dirty:
            dirty, self._dirty = self._dirty, []
            for index, item in enumerate(dirty):
                try:
                    item.flush()
                except BaseException:
                    # One that fails must not keep the others from being written.
                    for rest in dirty[index + 1 :]:
                        self.add(rest)
                    raise

    def _run(self) -> None:
        self._scheduled = False
        self.flush()


class Turn:
    """Gathers events and hands them to `process` in batches, once a turn of the loop.

    `process(events)` is called outside of any socket's callback. `next_deadline()` says when (seconds since the epoch,
    by `clock`) a `Tick` is wanted, or None. An exception out of `process` goes to the loop's exception handler; the
    turn itself goes on.
    """

    __slots__ = (
        "_armed",
        "_clock",
        "_flusher",
        "_inbox",
        "_loop",
        "_next_deadline",
        "_process",
        "_scheduled",
        "_stopped",
        "_timer",
    )

    def __init__(
        self,
        process: Callable[[list[Event]], None],
        next_deadline: Callable[[], float | None],
        *,
        clock: Clock,
        flusher: Flusher,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._process = process
        self._next_deadline = next_deadline
        self._clock = clock
        self._flusher = flusher
        self._loop = loop
        self._inbox: list[Event] = []
        self._scheduled = False
        self._stopped = False
        self._timer: asyncio.TimerHandle | None = None
        self._armed: float | None = None

    @property
    def waiting(self) -> int:
        """How many events wait for the next run."""
        return len(self._inbox)

    def start(self) -> None:
        """Look at the core's first deadline, before any event has come."""
        self._arm()

    def stop(self) -> None:
        """No more ticks. What was posted is still processed."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._armed = None

    def post(self, event: Event) -> None:
        """Have an event processed at the end of this turn of the loop."""
        self._inbox.append(event)
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._run)

    def post_all(self, events: Sequence[Event]) -> None:
        """The same for several, in their order."""
        self._inbox.extend(events)
        if self._inbox and not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._run)

    def put_back(self, events: Sequence[Event]) -> None:
        """The last events of the batch that is being processed come first in the next: they took too long for one."""
        self._inbox[:0] = events

    def _run(self) -> None:
        self._scheduled = False
        try:
            self._process_batch()
            while len(self._inbox) >= INBOX_EVENTS_MAX:
                self._flusher.flush()
                self._process_batch()
        finally:
            if self._inbox and not self._scheduled:
                self._scheduled = True
                self._loop.call_soon(self._run)
            self._flusher.flush()
            self._arm()

    def _process_batch(self) -> None:
        batch, self._inbox = self._inbox[:BATCH_EVENTS_MAX], self._inbox[BATCH_EVENTS_MAX:]
        self._process(batch)

    def _arm(self) -> None:
        deadline = self._next_deadline()
        if deadline == self._armed or self._stopped:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._armed = deadline
        if deadline is not None:
            self._timer = self._loop.call_later(max(0.0, deadline - self._clock.now()), self._due)

    def _due(self) -> None:
        self._timer = None
        self._armed = None
        self.post(Tick())

"""The garbage collector, set up for a server that keeps millions of small objects which hardly ever form cycles.

With CPython's own settings the collector looks at every young object after each 700 allocations, and at all old ones
whenever a quarter more have come: with 50,000 agents that was over half the time of a first full allocation, in pauses
of seconds. Here the young are looked at less often, and the old by a clock: what was there at the last look is frozen,
so that a look costs what came since, not what there is. Objects without cycles are freed at once as ever.
"""

from __future__ import annotations

import asyncio
import gc

THRESHOLDS = (50_000, 20, 1_000_000)
"""Allocations before the youngest are looked at; looks before the middle ones are; so many that the old never are."""
LOOK_SECONDS = 600.0
"""Between looks at everything that came since the last one."""


def tune() -> None:
    """From now on: rare looks at young objects, none at those that are here now."""
    gc.set_threshold(*THRESHOLDS)
    _look()


def keep_looking(loop: asyncio.AbstractEventLoop) -> asyncio.TimerHandle:
    """Look again and again as long as the loop runs; cancel what is returned to end that before the first look."""

    def look() -> None:
        _look()
        loop.call_later(LOOK_SECONDS, look)

    return loop.call_later(LOOK_SECONDS, look)


def _look() -> None:
    gc.collect()
    gc.freeze()

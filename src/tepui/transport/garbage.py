"""The garbage collector, set up for a server that keeps millions of small objects which hardly ever form cycles.

With CPython's own settings the collector looks at every young object after each 700 allocations, and at all old ones
whenever a quarter more have come: with 50,000 agents that was over half the time of a first full allocation, and with
80,000 tasks a standby stood still for half a second again and again. Here only the young are looked at by themselves.
What has survived that is looked at by a clock, and frozen: never looked at again. A look is for a calm minute; when
more has come than it may cost, that is the state of a cluster that has just arrived, and is frozen unseen. Objects
without cycles are freed at once as ever, frozen or not; so what lives long, as connections do, must not leave any.
"""

from __future__ import annotations

import asyncio
import gc

YOUNG_MAX = 20_000
"""So many more objects than before are there when the young are looked at: a pause of milliseconds."""
NEVER = 1_000_000
LOOK_SECONDS = 60.0
LOOK_OBJECTS_MAX = 200_000
"""Objects that one look may cost: some tens of milliseconds."""


def tune() -> None:
    """From now on: quick looks at young objects, and none at those that are here now."""
    gc.set_threshold(YOUNG_MAX, NEVER, NEVER)
    gc.collect()
    gc.freeze()


def keep_looking(loop: asyncio.AbstractEventLoop) -> None:
    """Look by the clock as long as the loop runs."""

    def again() -> None:
        look()
        loop.call_later(LOOK_SECONDS, again)

    loop.call_later(LOOK_SECONDS, again)


def look() -> bool:
    """Free what is garbage among the objects that came since the last look, and freeze the others; returns whether
    they were few enough to be looked at."""
    young, times, _ = gc.get_count()
    few = young + times * YOUNG_MAX <= LOOK_OBJECTS_MAX
    if few:
        gc.collect(1)
    gc.freeze()
    return few

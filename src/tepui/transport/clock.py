"""The wall clock as cores need it: seconds since the epoch that never go back."""

from __future__ import annotations

import time


class Clock:
    """Wall time when the process started plus what the monotonic clock counted since.

    A step of the system's clock (a correction, a leap second) does not reach the cores, whose deadlines would otherwise
    fire early or never; a process that runs for months drifts from the wall by what its clock is corrected by.
    """

    __slots__ = ("_offset_seconds",)

    def __init__(self) -> None:
        self._offset_seconds = time.time() - time.monotonic()

    def now(self) -> float:
        """Seconds since the epoch; never less than at the call before."""
        return self._offset_seconds + time.monotonic()

"""Children that the supervisor did not start: what they are, and to which runs they belong."""

from __future__ import annotations

import os
import time

from .processes import process_stat, run_marker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .journal import Run
    from .processes import Processes

BARE_SECONDS = 0.1
"""So long a stray must show no environment until it is believed that it was begun without one."""


class Strays:
    """Descendants of runs whose parents ended: they became children of the supervisor, their reaper.

    A stray belongs to a run by its session, else by its marker. Once known, its owner stays known.
    """

    def __init__(
        self,
        processes: Processes,
        mains: dict[int, Run],
        sessions: dict[int, Run],
        run_of: Callable[[str], Run | None],
    ) -> None:
        """`mains` and `sessions` are the runs by their main processes that are children, and by their sessions; both
        stay their keeper's. `run_of` gives the run of a marker."""
        self.expected = True
        """Whether there may be strays that were not looked at yet."""
        self.unknown = False
        """Of some stray it cannot be told yet whose it is; or it ended just now, and may have left us children."""
        self._processes = processes
        self._mains = mains
        self._sessions = sessions
        self._run_of = run_of
        self._known: dict[int, tuple[Run | None, int]] = {}
        """With the run they belong to, and their start."""
        self._bare_since: dict[int, float] = {}
        """Strays that showed no environment, and when they did first."""

    def reaped(self, pid: int) -> None:
        """A child is gone. If it had children, they are strays now."""
        self._known.pop(pid, None)
        self.expected = True

    def find(self) -> None:
        """Look which children are strays, and whose."""
        self.expected = self.unknown = False
        strays = {pid for pid in self._processes.children(os.getpid()) if pid not in self._mains}
        for pid in self._known.keys() - strays:
            del self._known[pid]
        for pid in self._bare_since.keys() - strays:
            del self._bare_since[pid]
        for pid in strays:
            if pid not in self._known or pid in self._bare_since:
                self._find_owner(pid)

    def of(self, run: Run) -> list[int]:
        """The strays of one run, as of the last `find`."""
        return [pid for pid, (owner, _) in self._known.items() if owner is run]

    def ownerless(self, runs: Iterable[Run]) -> list[int]:
        """Strays of settled runs, and of none of `runs`: those older than every one that is not settled."""
        found: list[int] = []
        for pid, (owner, ticks) in self._known.items():
            if owner is None:
                if not any(not run.settled and run.ticks <= ticks for run in runs):
                    found.append(pid)
            elif owner.settled:
                found.append(pid)
        return found

    def _find_owner(self, pid: int) -> None:
        process = process_stat(pid)
        if process is None or process.dead:
            self.unknown = True
            return
        owner = self._sessions.get(process.session)
        marker = run_marker(pid) if owner is None else None
        if marker == "" and not self._is_bare(pid):
            self.unknown = True
            return
        if marker != "":
            self._bare_since.pop(pid, None)
        if marker:
            owner = self._run_of(marker)
        self._known[pid] = (owner, process.ticks)

    def _is_bare(self, pid: int) -> bool:
        """Whether a stray that shows no environment was begun without one, as far as one can tell.

        It has none either while it ends, and for a moment while it begins another program.
        """
        process = process_stat(pid)
        if process is None or process.exiting:
            return False
        now = time.monotonic()
        return now - self._bare_since.setdefault(pid, now) >= BARE_SECONDS

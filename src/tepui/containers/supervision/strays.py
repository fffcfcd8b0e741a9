"""Children that the supervisor did not start: what they are, and to which runs they belong."""

from __future__ import annotations

import os

from .processes import HIDDEN_TICKS, Bare, may_be, process_stat, run_marker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .journal import Run
    from .processes import Processes


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
        self._bare = Bare()

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
        for pid in strays:
            if pid not in self._known or pid in self._bare or self._known[pid][1] == HIDDEN_TICKS:
                self._find_owner(pid)
        self._bare.keep(strays)

    def of(self, run: Run) -> list[tuple[int, int]]:
        """The strays of one run, as of the last `find`: pids and starts."""
        return [(pid, ticks) for pid, (owner, ticks) in self._known.items() if owner is run]

    def ownerless(self, runs: Iterable[Run]) -> list[tuple[int, int]]:
        """Strays of settled runs, and of none of `runs`: those older than every one that is not settled."""
        found: list[tuple[int, int]] = []
        for pid, (owner, ticks) in self._known.items():
            if owner is None:
                if not any(not run.settled and (ticks == HIDDEN_TICKS or run.ticks <= ticks) for run in runs):
                    found.append((pid, ticks))
            elif owner.settled:
                found.append((pid, ticks))
        return found

    def _find_owner(self, pid: int) -> None:
        process = process_stat(pid)
        if process is None:
            self._know_hidden(pid)
            return
        if process.dead:
            self.unknown = True
            return
        owner = self._session_owner(process.session)
        marker = run_marker(pid) if owner is None else None
        if marker == "" and not self._bare.was_begun_so(pid, process.ticks):
            self.unknown = True
            return
        if marker != "":
            self._bare.forget(pid)
        if marker:
            owner = self._run_of(marker)
        self._known[pid] = (owner, process.ticks)

    def _session_owner(self, session: int) -> Run | None:
        run = self._sessions.get(session)
        # When all of a session are gone its number may become another's.
        return run if run is not None and may_be(session, run.ticks) else None

    def _know_hidden(self, pid: int) -> None:
        """It is there, for who ended stays to be seen until reaped: /proc does not show other users' processes."""
        try:
            self._known[pid] = (self._session_owner(os.getsid(pid)), HIDDEN_TICKS)
        except OSError:
            self.unknown = True

"""What runs use of the machine, as /proc tells: CPU time, memory, processes and threads."""

from __future__ import annotations

import os
from collections.abc import Mapping

from msgspec import Struct

from tepui.containers.supervision.processes import read_small, run_marker, threads_of

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Usage(Struct, frozen=True):
    """One run's use. CPU times are totals since its start; the rest is of this moment.

    Memory that processes share is counted for each of them. CPU time of processes whose parents ended before them
    counts only while they live: nobody in the run is left to remember it.
    """

    cpu_user_seconds: float
    cpu_system_seconds: float
    rss_bytes: int
    processes: int
    threads: int


class _Process:
    __slots__ = ("parent", "rss_pages", "session", "start", "system_ticks", "threads", "user_ticks")

    def __init__(self, fields: list[bytes]) -> None:
        # The numbers are those of proc(5) less three: state, the third field, is the first after the command's name.
        self.parent = int(fields[1])
        self.session = int(fields[3])
        self.user_ticks = int(fields[11]) + int(fields[13])  # its own, and of its children that it waited for
        self.system_ticks = int(fields[12]) + int(fields[14])
        self.threads = int(fields[17])
        self.start = int(fields[19])
        self.rss_pages = int(fields[21])


class UsageSampler:
    """Samples all runs in one walk over /proc. Keeps what it must between samples, for the runs of the last one."""

    def __init__(self) -> None:
        self._totals: dict[str, tuple[int, int]] = {}
        self._markers: dict[tuple[int, int], str | None] = {}

    def sample(self, runs: Mapping[str, int], supervisor_pid: int | None = None) -> dict[str, Usage]:
        """The use of each run, given with its main process; a run without any process left is missing.

        `supervisor_pid` tells where descendants are found that left the run's session and lost their parents.
        """
        processes = _all_processes()
        owners: dict[int, str | None] = {pid: run for run, pid in runs.items() if pid > 1 and pid in processes}
        # Session 0 is that of the kernel's threads, 1 that of the machine's first process.
        sessions = {pid: run for run, pid in runs.items() if pid > 1}
        markers: dict[tuple[int, int], str | None] = {}
        members: dict[str, list[_Process]] = {}
        for pid, process in processes.items():
            path: list[int] = []
            at = pid
            while at not in owners and at in processes:
                here = processes[at]
                owner = sessions.get(here.session)
                if owner is None and here.parent == supervisor_pid:
                    key = (at, here.start)
                    marker = self._markers[key] if key in self._markers else run_marker(at)
                    if marker != "":  # else it may be beginning another program, and is asked again
                        markers[key] = marker
                    run = "" if marker is None else marker.partition("/")[2]
                    owner = run if run in runs else None
                owners[at] = owner  # None: nobody's, unless a process further up is somebody's
                if owner is not None:
                    break
                path.append(at)
                at = here.parent
            owner = owners.get(at)
            owners.update(dict.fromkeys(path, owner))
            if owner is not None:
                members.setdefault(owner, []).append(process)
        self._markers = markers
        return self._sums(members)

    def _sums(self, members: Mapping[str, list[_Process]]) -> dict[str, Usage]:
        totals: dict[str, tuple[int, int]] = {}
        usages: dict[str, Usage] = {}
        for run, tree in members.items():
            user_before, system_before = self._totals.get(run, (0, 0))
            # A process that ends takes its time with it unless its parent waits for it; a total must not shrink.
            user = max(user_before, sum(process.user_ticks for process in tree))
            system = max(system_before, sum(process.system_ticks for process in tree))
            totals[run] = (user, system)
            usages[run] = Usage(
                cpu_user_seconds=user / _TICKS_PER_SECOND,
                cpu_system_seconds=system / _TICKS_PER_SECOND,
                rss_bytes=sum(process.rss_pages for process in tree) * _PAGE_BYTES,
                processes=len(tree),
                threads=sum(process.threads for process in tree),
            )
        self._totals = totals
        return usages


def _all_processes() -> dict[int, _Process]:
    processes: dict[int, _Process] = {}
    for name in os.listdir("/proc"):  # noqa: PTH208 -- a Path for each process of the machine is not free
        if name.isdecimal():
            content = read_small(f"/proc/{name}/stat")
            # The command's name may hold spaces and parentheses: the fields begin after the last one.
            fields = content[content.rfind(b")") + 2 :].split()
            if len(fields) < 22:
                continue
            process = _Process(fields)
            if fields[0] in (b"Z", b"X"):
                if process.threads <= 1:
                    continue
                # Just its first thread has ended; the memory is that of the others.
                process.rss_pages = _rss_pages_of_threads(name)
            processes[int(name)] = process
    return processes


def _rss_pages_of_threads(pid: str) -> int:
    for thread in threads_of(int(pid)):
        pages = read_small(f"/proc/{pid}/task/{thread}/statm").split()[1:2]
        if pages and pages != [b"0"]:
            return int(pages[0])
    return 0

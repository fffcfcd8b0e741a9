"""What /proc tells about processes: the trees of runs, and signals to whole trees."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

RUN_MARKER = "TEPUI_RUN"
"""Variable added to each run's environment: by it processes are recognised that left session and parents behind.

Its value is `<state directory's own id>/<run id>`, for another agent may have runs of the same names.
"""

ENVIRONMENT_BYTES_MAX = 256 * 1024
FLAG_EXITING = 0x4
"""PF_EXITING among the kernel's flags of a process."""


class ProcessStat:
    """One process as /proc/PID/stat shows it. `ticks` is its start time since boot and tells reused pids apart."""

    __slots__ = ("exiting", "parent", "session", "state", "threads", "ticks")

    def __init__(self, fields: list[bytes]) -> None:
        """Of the fields behind the command's name."""
        self.state = fields[0]
        self.parent = int(fields[1])
        self.session = int(fields[3])
        self.exiting = bool(int(fields[6]) & FLAG_EXITING)
        """Its first thread gives its memory back, and with it the environment; soon it is dead."""
        self.threads = int(fields[17])
        self.ticks = int(fields[19])

    @property
    def dead(self) -> bool:
        """Whether it only waits to be reaped. If just its first thread ended, it looks like that and is alive."""
        return self.state in (b"Z", b"X") and self.threads <= 1


def read_small(path: str, limit: int = 1 << 20) -> bytes:
    """The content of a small file; empty when the file, or the process it is about, is gone or not ours to see."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        content = b""
        while len(content) < limit:
            piece = os.read(descriptor, 65536)
            if not piece:
                break
            content += piece
        return content
    except OSError:
        return b""
    finally:
        os.close(descriptor)


def process_stat(pid: int) -> ProcessStat | None:
    content = read_small(f"/proc/{pid}/stat")
    # The command's name may hold spaces and parentheses: the fields begin after the last one.
    fields = content[content.rfind(b")") + 2 :].split()
    if len(fields) < 20:
        return None
    return ProcessStat(fields)


def run_marker(pid: int) -> str | None:
    """The value of RUN_MARKER in the environment with which the process began.

    Empty when there is no environment at all: it was begun without one, or cannot be asked at this moment because it
    ends or is just beginning another program.
    """
    prefix = RUN_MARKER.encode() + b"="
    environment = read_small(f"/proc/{pid}/environ", ENVIRONMENT_BYTES_MAX)
    if not environment:
        # The first thread may have ended before the others: they still have the memory.
        for thread in threads_of(pid):
            environment = environment or read_small(f"/proc/{pid}/task/{thread}/environ", ENVIRONMENT_BYTES_MAX)
    if not environment:
        return ""
    for entry in environment.split(b"\0"):
        if entry.startswith(prefix):
            return entry[len(prefix) :].decode("utf-8", "surrogateescape")
    return None


def threads_of(pid: int) -> list[str]:
    try:
        return os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []


class Processes:
    """The process tree. Where /proc must be read whole, that is done once a loop turn, whoever asks."""

    def __init__(self) -> None:
        own = os.getpid()
        # Not every kernel is built with the files that list a thread's children.
        self.has_children_files = os.path.exists(f"/proc/{own}/task/{own}/children")
        self._table: dict[int, ProcessStat] | None = None
        self._children: dict[int, list[int]] = {}
        self._by_session: dict[int, list[int]] | None = None
        self._by_marker: dict[str, list[int]] = {}
        self._markers: dict[tuple[int, int], str | None] = {}

    def new_turn(self) -> None:
        if self._table is not None:
            self._table = None
            self._children = {}
            self._by_session = None
            self._by_marker = {}

    def children(self, pid: int) -> list[int]:
        if not self.has_children_files:
            self._read_table()
            return self._children.get(pid, [])
        found: list[int] = []
        for thread in threads_of(pid):
            found += map(int, read_small(f"/proc/{pid}/task/{thread}/children").split())
        return found

    def tree(self, roots: Iterable[int]) -> set[int]:
        """`roots` and all that descends from them, as far as parents tell.

        Whatever the roots are, this process, those that it descends from and the first of the machine are left out:
        they are in no run, and what is in a tree is going to be killed.
        """
        excluded = {0, 1, 2}
        ancestor = os.getpid()
        while ancestor not in excluded:
            excluded.add(ancestor)
            process = process_stat(ancestor)
            ancestor = 0 if process is None else process.parent
        seen = set(excluded)
        pending = list(roots)
        while pending:
            pid = pending.pop()
            if pid not in seen:
                seen.add(pid)
                pending += self.children(pid)
        return seen - excluded

    def belonging(self, marker: str, session: int | None) -> list[int]:
        """Live processes of a session, and those that have the marker in their environment."""
        table = self._read_table()
        if self._by_session is None:
            self._by_session = {}
            self._index(table)
        found = list(self._by_marker.get(marker, ()))
        if session is not None:
            found += self._by_session.get(session, ())
        return found

    def _index(self, table: dict[int, ProcessStat]) -> None:
        assert self._by_session is not None
        own = os.getpid()
        markers: dict[tuple[int, int], str | None] = {}
        for pid, process in table.items():
            # Session 0: kernel threads, and in a container what was put into it from outside.
            if pid == own or process.dead or process.session <= 1:
                continue
            self._by_session.setdefault(process.session, []).append(pid)
            key = (pid, process.ticks)
            marker = self._markers[key] if key in self._markers else run_marker(pid)
            if marker != "":
                markers[key] = marker
            if marker:
                self._by_marker.setdefault(marker, []).append(pid)
        self._markers = markers

    def _read_table(self) -> dict[int, ProcessStat]:
        if self._table is None:
            self._table = {}
            for name in os.listdir("/proc"):
                if name.isdecimal():
                    process = process_stat(int(name))
                    if process is not None:
                        self._table[int(name)] = process
                        self._children.setdefault(process.parent, []).append(int(name))
        return self._table


def signal_processes(pids: set[int], number: int) -> bool:
    """Send a signal to all of `pids`; false when nothing was there that may be signalled.

    Where the leader of a process group is among them the signal goes to the group, for the kernel signals a group at
    once: a process in it cannot escape by forking meanwhile. Other groups might reach beyond `pids`.
    """
    targets: set[int] = set()
    for pid in pids:
        try:
            group = os.getpgid(pid)
        except OSError:
            continue
        targets.add(-group if group in pids and group > 1 else pid)
    reached = False
    for target in targets:
        try:
            os.kill(target, number)
            reached = True
        except OSError:
            continue
    return reached

"""What /proc tells about processes: the trees of runs, and signals to whole trees.

A process is known by its pid and its start, for the kernel gives pids anew. Nothing in /proc is one moment's picture:
processes fork, end and lose their parents while it is read.
"""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container, Iterable

RUN_MARKER = "TEPUI_RUN"
"""Variable added to each run's environment: by it processes are recognised that left session and parents behind.

Its value is `<state directory's own id>/<run id>`, for another agent may have runs of the same names.
"""

ENVIRONMENT_BYTES_MAX = 256 * 1024
FLAG_EXITING = 0x4
"""PF_EXITING among the kernel's flags of a process."""
HIDDEN_TICKS = 0
"""In place of the start of a process that /proc does not show: with `hidepid` others' processes are not to be seen."""
BARE_SECONDS = 0.1
"""So long a process must show no environment until it is believed that it was begun without one."""
EXITING_SECONDS_MAX = 10.0
"""One that is ending is not waited for longer: it may hang there."""
LISTINGS_MAX = 10
"""So often all processes are listed, until nothing is new; after that it is said that some may be missing."""
WALKS_MAX = 5
"""So often a tree is walked, until nothing is new; who is killing it walks it again a moment later."""


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


class Bare:
    """Since when processes show no environment. Some were begun so; others end, or are just beginning a program."""

    def __init__(self) -> None:
        self._since: dict[int, tuple[int, float]] = {}
        """With their starts."""

    def __contains__(self, pid: int) -> bool:
        return pid in self._since

    def was_begun_so(self, pid: int, ticks: int) -> bool:
        """Whether a process that shows no environment was begun without one, as far as one can tell by now."""
        process = process_stat(pid)
        if process is None:
            return False
        now = time.monotonic()
        if self._since.get(pid, (-1, now))[0] != ticks:
            self._since[pid] = (ticks, now)
        return now - self._since[pid][1] >= (EXITING_SECONDS_MAX if process.exiting else BARE_SECONDS)

    def forget(self, pid: int) -> None:
        self._since.pop(pid, None)

    def keep(self, pids: Container[int]) -> None:
        """Forget the others."""
        self._since = {pid: since for pid, since in self._since.items() if pid in pids}


class Processes:
    """The process tree. Where /proc must be read whole, that is done once a loop turn, whoever asks."""

    def __init__(self) -> None:
        own = os.getpid()
        # Not every kernel is built with the files that list a thread's children.
        self.has_children_files = os.path.exists(f"/proc/{own}/task/{own}/children")
        self.unknown = False
        """Whether `belonging` may have missed a process this turn; its owner is then to be asked again later."""
        self._table: dict[int, ProcessStat] | None = None
        self._children: dict[int, list[int]] = {}
        self._by_session: dict[int, list[tuple[int, int]]] = {}
        self._by_marker: dict[str, list[tuple[int, int]]] = {}
        self._markers: dict[tuple[int, int], str | None] = {}
        self._bare = Bare()

    def new_turn(self) -> None:
        if self._table is not None:
            self._table = None
            self.unknown = False
            self._children = {}
            self._by_session = {}
            self._by_marker = {}

    def children(self, pid: int) -> list[int]:
        """Of this process all; of others some may be missing while children of theirs end (proc(5))."""
        if not self.has_children_files:
            self._read_table()
            return self._children.get(pid, [])
        found: list[int] = []
        for thread in threads_of(pid):
            found += map(int, read_small(f"/proc/{pid}/task/{thread}/children").split())
        return found

    def tree(self, roots: Iterable[tuple[int, int]]) -> dict[int, int]:
        """`roots` and all that descends from them, as far as parents tell: pids with starts.

        Whatever the roots are, this process, those that it descends from and the first of the machine are left out:
        they are in no run, and what is in a tree is going to be killed.
        """
        excluded = {0, 1, 2}
        ancestor = os.getpid()
        while ancestor not in excluded:
            excluded.add(ancestor)
            process = process_stat(ancestor)
            ancestor = 0 if process is None else process.parent
        found = {pid: ticks for pid, ticks in roots if pid not in excluded}
        # Again until nothing new is seen, for a list of children that is read while one of them ends may lack others.
        for _ in range(WALKS_MAX):
            count = len(found)
            pending = list(found)
            while pending:
                pid = pending.pop()
                for child, ticks in self._children_of(pid, found[pid], excluded):
                    if child not in found:
                        found[child] = ticks
                        pending.append(child)
            if len(found) == count:
                break
        return found

    def _children_of(self, parent: int, ticks: int, excluded: set[int]) -> list[tuple[int, int]]:
        """With their starts; without those whose pids are meanwhile other processes'."""
        found: list[tuple[int, int]] = []
        for pid in self.children(parent):
            if pid not in excluded:
                process = process_stat(pid)
                if process is None:
                    if is_hidden(pid):
                        found.append((pid, HIDDEN_TICKS))
                elif process.parent in (parent, os.getpid()):  # ours, if the parent has just ended
                    found.append((pid, process.ticks))
        return found if found and may_be(parent, ticks) else []

    def belonging(self, marker: str, session: int | None) -> list[tuple[int, int]]:
        """Live processes of a session, and those that have the marker in their environment: pids and starts."""
        self._read_table()
        found = list(self._by_marker.get(marker, ()))
        if session is not None:
            found += self._by_session.get(session, ())
        return found

    def _read_table(self) -> None:
        if self._table is not None:
            return
        table = self._table = {}
        markers: dict[tuple[int, int], str | None] = {}
        listed: set[str] = set()
        for _ in range(LISTINGS_MAX):
            new = [name for name in os.listdir("/proc") if name.isdecimal() and name not in listed]
            if not new:
                break
            # Again until there is nothing new: a process may fork after the listing and end before it is looked at.
            listed.update(new)
            for pid in map(int, new):
                process = process_stat(pid)
                if process is not None:
                    table[pid] = process
                    self._index(pid, process, markers)
        else:
            self.unknown = True
        self._markers = markers
        self._bare.keep(table)
        for pid, process in table.items():
            self._children.setdefault(process.parent, []).append(pid)

    def _index(self, pid: int, process: ProcessStat, markers: dict[tuple[int, int], str | None]) -> None:
        # Session 0: kernel threads, and in a container what was put into it from outside.
        if pid == os.getpid() or process.dead or process.session <= 1:
            return
        key = (pid, process.ticks)
        self._by_session.setdefault(process.session, []).append(key)
        marker = self._markers[key] if key in self._markers else run_marker(pid)
        if marker != "":
            markers[key] = marker
            if marker is not None:
                self._by_marker.setdefault(marker, []).append(key)
        elif not is_foreign(pid) and not self._bare.was_begun_so(pid, process.ticks):
            self.unknown = True


def is_hidden(pid: int) -> bool:
    """Whether a process that /proc does not show exists all the same."""
    try:
        os.getpgid(pid)
    except OSError:
        return False
    return True


def is_foreign(pid: int) -> bool:
    """Whether a process is of another user, who may not be asked for its environment."""
    try:
        return os.geteuid() not in (0, os.stat(f"/proc/{pid}").st_uid)
    except OSError:
        return False


def may_be(pid: int, ticks: int) -> bool:
    """False when the pid has become that of another process. True also when there is none any more."""
    process = process_stat(pid)
    return process is None or ticks in (HIDDEN_TICKS, process.ticks)


def signal_processes(processes: dict[int, int], number: int) -> bool:
    """Send a signal to all of these pids with their starts; false when nothing was there that may be signalled.

    Where the leader of a process group is among them the signal goes to the group, for the kernel signals a group at
    once: a process in it cannot escape by forking meanwhile. Other groups might reach beyond `processes`.
    """
    reached = False
    groups: set[int] = set()
    for pid, ticks in processes.items():
        try:
            group = os.getpgid(pid)
            if group not in processes or group <= 1:
                target = pid
            elif group not in groups:
                groups.add(group)
                pid, ticks, target = group, processes[group], -group
            else:
                continue
            # A pid is given anew only after all others were: not between these two lines.
            if may_be(pid, ticks):
                os.kill(target, number)
                reached = True
        except OSError:
            continue
    return reached

"""What may be signalled, and how long is waited: never the supervisor's own line or the machine's, never for ever."""

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from tepui.containers.supervision import processes
from tepui.containers.supervision.processes import Bare, Processes, process_stat


def test_own_ancestors_and_the_first_processes_are_in_no_tree() -> None:
    processes = Processes()
    line = {0, 1, 2, os.getpid()}
    ancestor: int = os.getpid()
    while ancestor > 1:
        line.add(ancestor)
        stat = process_stat(ancestor)
        ancestor = 0 if stat is None else stat.parent
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        stat = process_stat(child.pid)
        assert stat is not None
        assert processes.tree([(pid, 0) for pid in line]).keys() & line == set()
        assert processes.tree([(child.pid, stat.ticks)]) == {child.pid: stat.ticks}
        child.communicate(b"\n")


def test_the_sessions_of_kernel_and_machine_are_nobodys() -> None:
    processes = Processes()
    assert processes.belonging("no/run", 0) == []
    assert processes.belonging("no/run", 1) == []
    assert processes.belonging("no/run", None) == []
    assert os.getpid() not in [pid for pid, _ in processes.belonging("no/run", os.getsid(0))]


def test_who_has_no_environment_and_ends_is_waited_for_longer_but_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    stat = process_stat(os.getpid())
    assert stat is not None
    seconds = 0.0
    monkeypatch.setattr(processes, "process_stat", lambda _: stat)
    monkeypatch.setattr(processes, "time", SimpleNamespace(monotonic=lambda: seconds))
    bare = Bare()
    believed: list[float] = []
    for stat.exiting in (False, True):
        for seconds in (0.0, processes.BARE_SECONDS, processes.EXITING_SECONDS_MAX):
            if bare.was_begun_so(1, stat.ticks):
                believed.append(seconds)
                break
        bare.forget(1)
    assert believed == [processes.BARE_SECONDS, processes.EXITING_SECONDS_MAX]
    # Another process with the same pid is another matter.
    assert not bare.was_begun_so(1, stat.ticks)
    seconds += processes.EXITING_SECONDS_MAX
    assert not bare.was_begun_so(1, stat.ticks + 1)

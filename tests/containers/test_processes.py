"""What may be signalled: however wrong the roots are, never the supervisor's own line or the machine's."""

import os
import subprocess
import sys

from tepui.containers.supervision.processes import Processes, process_stat


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

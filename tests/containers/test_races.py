"""Processes come, go and change while the supervisor looks at them: each race is played with a changed supervisor."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tepui.containers.events import RunExited, SupervisorLost, SupervisorReady
from tepui.containers.supervision.journal import Run
from tepui.containers.supervision.loop import WHY_ADOPTED, WHY_UNFINISHED_START
from tepui.containers.supervision.processes import Processes, process_stat, signal_processes
from tepui.containers.supervision.strays import Strays
from tests.containers.harness import DAEMON, WAIT_FOR_DAEMON, Agent, Play, until
from tests.processes import alive

Changed = Callable[[str, Play], None]

UNTIL_GO = "until [ -e go ]; do sleep 0.01; done\n"

# Whenever the supervisor looks at a process first, that is just beginning another program.
LATE_ENVIRONMENT = """
seen = set()
real = processes.run_marker
def run_marker(pid):
    if pid in seen:
        return real(pid)
    seen.add(pid)
    return ""
processes.run_marker = strays.run_marker = run_marker
"""

# When /proc has been listed for the first time, what was listed makes a child and ends.
FORK_AFTER_LISTING = """
real = os.listdir
def listdir(path):
    names = real(path)
    if path == "/proc" and not os.path.exists(folder + "/fork"):
        open(folder + "/fork", "w").close()
        pid = int(open(folder + "/parent.pid").read())
        while (process := processes.process_stat(pid)) is not None and not process.dead:
            pass
    return names
os.listdir = listdir
"""

# As with `hidepid`, for processes by their name.
HIDDEN = """
real = processes.process_stat
def process_stat(pid):
    return None if processes.read_small("/proc/%d/comm" % pid) == b"hidden\\n" else real(pid)
processes.process_stat = strays.process_stat = loop.process_stat = process_stat
"""

# Each process of a run had a child whose pid is already that of a stranger.
REUSED_PID = """
class Late(processes.Processes):
    def children(self, pid):
        found = super().children(pid)
        return found if pid == os.getpid() else [*found, int(open(folder + "/stranger.pid").read())]
loop.Processes = Late
"""

# The main process ends, and a stranger gets its pid, between the look at it and the opening of its pidfd.
REUSED_PIDFD = """
real = os.pidfd_open
def pidfd_open(pid):
    os.kill(pid, 9)
    while (process := processes.process_stat(pid)) is not None and not process.dead:
        pass
    return real(int(open(folder + "/stranger.pid").read()))
os.pidfd_open = pidfd_open
"""

FEW_FILES = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (48, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
"""

# The first supervisor is killed when it is about to send the first SIGTERM.
KILLED_BEFORE_SIGTERM = """
real = loop.signal_processes
def signal_processes(processes, number):
    if number == 15 and not os.path.exists(folder + "/killed"):
        open(folder + "/killed", "w").close()
        os.kill(os.getpid(), 9)
    return real(processes, number)
loop.signal_processes = signal_processes
"""

# The first supervisor is killed while the run's process is just before its program, and stays there until `go`.
KILLED_IN_START = """
import subprocess, time
class Popen(subprocess.Popen):
    def __init__(self, argv, close_fds=True, **options):
        def before_program():
            if close_fds:
                os.closerange(3, 256)
            os.kill(os.getppid(), 9)
            with open(folder + "/killed", "w") as file:
                file.write("%d\\n" % os.getpid())
            end = time.monotonic() + 60
            while not os.path.exists(folder + "/go") and time.monotonic() < end:
                pass
        late = None if os.path.exists(folder + "/killed") else before_program
        super().__init__(argv, close_fds=close_fds, preexec_fn=late, **options)
subprocess.Popen = Popen
"""


# Whose a process is cannot be told before `go`.
NO_ENVIRONMENT_UNTIL_GO = """
real = processes.run_marker
processes.run_marker = lambda pid: real(pid) if os.path.exists(folder + "/go") else ""
processes.BARE_SECONDS = 600
"""


@contextmanager
def stranger(folder: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A process that is in no run."""
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as process:
        try:
            (folder / "stranger.pid").write_text(f"{process.pid}\n")
            yield process
        finally:
            process.kill()


def test_a_daemon_whose_environment_cannot_be_read_at_first_dies_with_its_run(changed: Changed) -> None:
    async def scene(agent: Agent) -> None:
        await agent.shell("older", "sleep 600")
        await agent.shell("a", DAEMON + WAIT_FOR_DAEMON + "exit 4")
        await agent.exit("a")
        assert not alive(await agent.pid_in("daemon.pid"))

    changed(LATE_ENVIRONMENT, scene)


def test_nor_does_it_outlive_a_run_that_was_taken_over(changed: Changed) -> None:
    async def scene(agent: Agent) -> None:
        await agent.shell("a", DAEMON + WAIT_FOR_DAEMON + UNTIL_GO)
        daemon = await agent.pid_in("daemon.pid")
        await agent.kill_supervisor()
        (agent.directory / "go").touch()
        await agent.exit("a")
        assert not alive(daemon)

    changed(LATE_ENVIRONMENT, scene)


def test_a_run_is_forgotten_also_by_a_supervisor_that_is_not_sure_yet_that_nothing_is_left(changed: Changed) -> None:
    async def scene(agent: Agent) -> None:
        await agent.shell("a", "exec sleep 600")
        for run in ("ended", "other"):
            agent.start(run, ["echo", "once"])
            await agent.exit(run)
        os.kill(agent.supervisor, signal.SIGKILL)
        await agent.event(SupervisorLost)
        agent.client.forget("ended")
        agent.client.forget("other")
        agent.start("other", ["echo", "twice"])
        ready = await agent.event(SupervisorReady)
        assert [run.run for run in ready.runs] == ["a"]
        (agent.directory / "go").touch()
        assert (await agent.exit("other")).status == 0
        assert agent.output("other") == "once\ntwice\n"
        assert [event.run for event in agent.history if isinstance(event, RunExited)] == ["ended", "other", "other"]
        assert '{"run": "ended", "gone": true}' in (agent.state_dir / "runs").read_text()

    changed(NO_ENVIRONMENT_UNTIL_GO, scene)


def test_a_process_that_forks_while_all_are_listed_does_not_outlive_its_run(changed: Changed) -> None:
    async def scene(agent: Agent) -> None:
        forker = "until [ -e fork ]; do :; done; sleep 600 & echo $! > child.pid"
        await agent.shell("a", f"setsid sh -c 'echo $$ > parent.pid; {forker}' &\n" + UNTIL_GO)
        await agent.pid_in("parent.pid")
        await agent.kill_supervisor()
        (agent.directory / "go").touch()
        await agent.exit("a")
        assert not alive(await agent.pid_in("child.pid"))

    changed(FORK_AFTER_LISTING, scene)


def test_a_process_that_may_not_be_seen_holds_up_no_other_run(changed: Changed) -> None:
    async def scene(agent: Agent) -> None:
        (agent.directory / "hidden").symlink_to("/bin/sleep")
        await agent.shell("a", "(setsid ./hidden 600 & echo $! > hidden.pid); exec sleep 600")
        hidden = await agent.pid_in("hidden.pid")
        await until(lambda: Path(f"/proc/{hidden}/comm").read_text() == "hidden\n")
        await agent.shell("b", "exit 3")
        assert (await agent.exit("b")).status == 3 << 8
        assert alive(hidden)  # it might be of the other run
        agent.client.kill("a", 0)
        await agent.exit("a")
        await until(lambda: not alive(hidden))

    changed(HIDDEN, scene)


def test_who_has_the_pid_of_a_child_that_ended_is_left_alone(changed: Changed) -> None:
    async def scene(agent: Agent) -> None:
        with stranger(agent.directory) as process:
            await agent.shell("a", "exec sleep 600")
            agent.client.kill("a", 0)
            await agent.exit("a")
            assert process.poll() is None

    changed(REUSED_PID, scene)


def test_who_has_the_pid_of_a_main_process_that_ended_is_left_alone(changed: Changed) -> None:
    async def scene(agent: Agent) -> None:
        with stranger(agent.directory) as process:
            await agent.shell("a", "exec sleep 600")
            await agent.kill_supervisor()
            exited = await agent.exit("a")
            assert (exited.status, exited.why) == (None, WHY_ADOPTED)
            assert process.poll() is None

    changed(REUSED_PIDFD, scene)


def test_with_few_files_to_open_no_run_is_taken_for_dead(changed: Changed) -> None:
    async def scene(agent: Agent) -> None:
        for number in range(40):
            await agent.shell(f"r{number}", "exec sleep 600", stdout=None, stderr=None)
        await agent.kill_supervisor()
        await agent.shell("late", "exit 3")
        assert (await agent.exit("late")).status == 3 << 8
        assert agent.count(RunExited) == 1

    changed(FEW_FILES, scene)


def test_a_sigterm_that_the_supervisor_did_not_live_to_send_is_sent_by_the_next(changed: Changed) -> None:
    async def scene(agent: Agent) -> None:
        await agent.shell("a", "trap 'echo bye; exit' TERM; echo $$ > main.pid; while :; do sleep 0.05; done")
        await agent.pid_in("main.pid")
        agent.client.kill("a", 600)
        await agent.event(SupervisorReady)
        await agent.exit("a")
        assert agent.output("a") == "bye\n"

    changed(KILLED_BEFORE_SIGTERM, scene)


def test_a_process_just_before_its_program_when_the_supervisor_is_killed_is_found(changed: Changed) -> None:
    async def scene(agent: Agent) -> None:
        agent.start("a", ["sleep", "600"])
        pid = await agent.pid_in("killed")
        # No other supervisor can begin before the program does.
        files = [file.readlink() for file in Path(f"/proc/{pid}/fd").iterdir()]
        assert agent.state_dir / "lock" in files
        (agent.directory / "go").touch()
        assert (await agent.exit("a")).why == WHY_UNFINISHED_START
        assert not alive(pid)

    changed(KILLED_IN_START, scene)


def test_a_session_whose_number_was_another_runs_is_not_its() -> None:
    run = Run("a", None)
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as child:
        try:
            stat = process_stat(child.pid)
            assert stat is not None
            run.pid, run.ticks = child.pid, stat.ticks
            strays = Strays(Processes(), {}, {child.pid: run}, lambda _: None)
            strays.find()
            assert strays.of(run) == [(child.pid, stat.ticks)]
            run.ticks -= 1
            strays = Strays(Processes(), {}, {child.pid: run}, lambda _: None)
            strays.find()
            assert strays.of(run) == []
        finally:
            child.kill()


def test_no_signal_goes_to_a_pid_that_is_another_processs_now() -> None:
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as child:
        try:
            stat = process_stat(child.pid)
            assert stat is not None
            assert not signal_processes({child.pid: stat.ticks - 1}, signal.SIGKILL)
            assert child.poll() is None
            assert signal_processes({child.pid: stat.ticks}, signal.SIGKILL)
            assert child.wait() == -signal.SIGKILL
        finally:
            child.kill()


def test_a_list_of_children_that_lacks_one_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    lists = 0
    complete = Processes.children

    def children(processes: Processes, pid: int) -> list[int]:
        nonlocal lists
        lists += pid == parent.pid
        return complete(processes, pid)[lists == 1 :]

    program = "import os, time\nfor _ in range(2):\n  if not os.fork(): time.sleep(600)\nprint(flush=True)\ninput()"
    monkeypatch.setattr(Processes, "children", children)
    with subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as parent:
        try:
            assert parent.stdout is not None
            parent.stdout.readline()
            stat = process_stat(parent.pid)
            assert stat is not None
            assert len(Processes().tree([(parent.pid, stat.ticks)])) == 3
        finally:
            os.killpg(parent.pid, signal.SIGKILL)

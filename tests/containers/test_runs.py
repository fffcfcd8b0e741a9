"""Life and death of runs under one supervisor, with real processes."""

import errno
import json
import os
import pwd
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tepui.containers.events import RunExited, RunFailed, RunStarted
from tests.containers.harness import DAEMON, HEADLESS_DAEMON, WAIT_FOR_DAEMON, Agent, Play, until
from tests.processes import alive

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can switch to another user")


@pytest.mark.parametrize(
    ("script", "status"),
    [("exit 0", 0), ("exit 3", 3 << 8), ("kill -9 $$", 9), ("kill -TERM $$", 15)],
)
def test_the_raw_wait_status_is_reported(play: Callable[[Play], None], script: str, status: int) -> None:
    async def scene(agent: Agent) -> None:
        agent.start("a", ["sh", "-c", script])
        exited = await agent.exit("a")
        assert (exited.status, exited.why) == (status, "")
        assert exited.at > 1.7e9

    play(scene)


def test_a_run_gets_its_environment_directory_files_and_session_and_nothing_else(play: Callable[[Play], None]) -> None:
    async def scene(agent: Agent) -> None:
        report = (
            "import os, signal, sys\n"
            "blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [])\n"
            "ignored = [s for s in signal.valid_signals() if signal.getsignal(s) == signal.SIG_IGN]\n"
            "open_files = sorted(fd for fd in map(int, os.listdir('/proc/self/fd')) if fd > 2)[:-1]\n"
            "environment = {k: v for k, v in os.environ.items() if k != 'LC_CTYPE'}\n"
            "print([environment, os.getcwd(), os.umask(0), os.getsid(0) == os.getpgrp() == os.getpid(),\n"
            "  os.readlink('/proc/self/fd/0'), blocked, [int(s) for s in ignored], open_files])\n"
            "print('oops', file=sys.stderr)\n"
        )
        (agent.directory / "a.out").write_text("before\n")
        agent.start("a", [sys.executable, "-I", "-S", "-c", report], environment={"X": "ü=\n", "TEPUI_RUN": "outer"})
        assert (await agent.exit("a")).status == 0
        before, line = agent.output("a").splitlines()
        assert before == "before"
        # Python itself ignores SIGPIPE and SIGXFSZ.
        ignored = [int(signal.SIGPIPE), int(signal.SIGXFSZ)]
        instance = json.loads((agent.state_dir / "runs").read_text().split("\n")[1])["instance"]
        environment = {"TEPUI_RUN": f"{instance}/a", "PATH": "/usr/bin:/bin", "X": "ü=\n"}
        assert eval(line, {"set": set}) == [
            environment, str(agent.directory), 0o22, True, "/dev/null", set(), ignored, [],
        ]  # fmt: skip
        assert (agent.directory / "a.err").read_text() == "oops\n"

    play(scene)


def test_executable_and_argv_may_differ_and_scripts_need_no_interpreter_line(play: Callable[[Play], None]) -> None:
    async def scene(agent: Agent) -> None:
        agent.start("a", ["other", "-c", "echo $0"], executable="/bin/sh")
        await agent.exit("a")
        assert agent.output("a") == "other\n"
        script = agent.directory / "script"
        script.write_text('echo "script $1"\n')
        script.chmod(0o755)
        agent.start("b", ["./script", "x"], stdout=None)
        assert (await agent.exit("b")).status == 0
        agent.start("c", ["./script", "x"])
        await agent.exit("c")
        assert (agent.output("b"), agent.output("c")) == ("", "script x\n")

    play(scene)


def test_what_cannot_be_started_fails_with_a_sentence(play: Callable[[Play], None]) -> None:
    async def scene(agent: Agent) -> None:
        os.mkfifo(agent.directory / "fifo")
        (agent.directory / "link").symlink_to("elsewhere")
        plain = agent.directory / "plain"
        plain.write_text("")
        at = agent.directory
        no_reader, loop = os.strerror(errno.ENXIO), os.strerror(errno.ELOOP)
        nothing = "No such file or directory"
        cases = [
            ({"argv": ["no-such-program"]}, "Cannot run 'no-such-program': No such file or directory"),
            ({"argv": ["./plain"]}, "Cannot run './plain': Permission denied"),
            ({"argv": ["true", "x" * 200_000]}, "Cannot run 'true': Argument list too long"),
            ({"argv": []}, "argv must not be empty"),
            ({"argv": ["a\0b"]}, "argv must be a list of texts without NUL"),
            ({"argv": ["true"], "environment": {"A=B": "x"}}, "The environment variable 'A=B' cannot be set"),
            ({"argv": ["true"], "directory": "/no/such"}, f"Cannot enter the directory '/no/such': {nothing}"),
            ({"argv": ["true"], "directory": str(plain)}, f"Cannot enter the directory '{plain}': Not a directory"),
            ({"argv": ["true"], "user": "no-such-user"}, "There is no user 'no-such-user' on this machine"),
            ({"argv": ["true"], "stdout": "no/such"}, f"Cannot open '{at}/no/such' for the output: {nothing}"),
            ({"argv": ["true"], "stdout": "fifo"}, f"Cannot open '{at}/fifo' for the output: {no_reader}"),
            ({"argv": ["true"], "stderr": "link"}, f"Cannot open '{at}/link' for the output: {loop}"),
            ({"argv": ["true"], "stdout": "."}, f"Cannot open '{at}/.' for the output: Is a directory"),
            ({"argv": ["true"], "orphan_timeout_seconds": -1}, "orphan_timeout_seconds must be a number of seconds"),
        ]  # fmt: skip
        for number, (options, sentence) in enumerate(cases):
            agent.start(f"r{number}", **options)  # type: ignore[arg-type]
            assert await agent.refusal(f"r{number}") == sentence
        # Nothing is left on record, and the supervisor is none the worse.
        agent.start("r0", ["true"])
        assert (await agent.exit("r0")).status == 0

    play(scene)


def test_a_run_is_started_once_however_often_it_is_asked_for(play: Callable[[Play], None]) -> None:
    async def scene(agent: Agent) -> None:
        pid = await agent.shell("a", "echo once; cat; exec sleep 600")
        await until(lambda: agent.output("a") == "once\n")
        agent.start("a", ["sh", "-c", "echo twice"])
        assert (await agent.event(RunStarted, run="a")).pid == pid
        agent.client.kill("a", 0)
        assert (await agent.exit("a")).status == 9
        agent.start("a", ["sh", "-c", "echo thrice"])
        assert (await agent.exit("a")).status == 9
        assert agent.output("a") == "once\n"
        agent.client.forget("a")
        agent.start("a", ["sh", "-c", "echo again"])
        assert (await agent.exit("a")).status == 0
        assert agent.output("a") == "once\nagain\n"

    play(scene)


def test_kill_is_polite_first_and_reaches_the_whole_tree(play: Callable[[Play], None]) -> None:
    async def scene(agent: Agent) -> None:
        # The main process ends only after its child, in a session of its own, has heard the signal too.
        pause = "while :; do sleep 0.02; done"
        child = f"trap ': > heard; exit' TERM; echo $$ > child.pid; {pause}"
        await agent.shell(
            "a",
            f'setsid sh -c "{child.replace("$", chr(92) + "$")}" &\n'
            "trap 'until [ -e heard ]; do sleep 0.02; done; exit 7' TERM\n"
            f"echo $$ > main.pid; {pause}",
        )
        await agent.pid_in("child.pid")
        await agent.pid_in("main.pid")
        agent.client.kill("a", 600)
        assert (await agent.exit("a")).status == 7 << 8

    play(scene)


def test_after_the_grace_everything_is_killed(any_kernel: Callable[[Play], None]) -> None:
    async def scene(agent: Agent) -> None:
        pid = await agent.shell("a", "trap 'echo no' TERM; setsid sh -c 'trap : TERM; echo $$ > child.pid; "
                                "while :; do sleep 1; done' & while :; do sleep 1; done")  # fmt: skip
        child = await agent.pid_in("child.pid")
        agent.client.kill("a", 0.1)
        assert (await agent.exit("a")).status == 9
        assert not alive(pid)
        assert not alive(child)

    any_kernel(scene)


def test_a_stopped_run_hears_the_polite_signal(play: Callable[[Play], None]) -> None:
    async def scene(agent: Agent) -> None:
        pid = await agent.shell("a", "trap 'echo bye; exit 6' TERM; kill -STOP $$; while :; do sleep 1; done")
        await until(lambda: ") T " in Path(f"/proc/{pid}/stat").read_text())
        agent.client.kill("a", 600)
        assert (await agent.exit("a")).status == 6 << 8
        assert agent.output("a") == "bye\n"

    play(scene)


def test_a_repeated_kill_only_shortens_the_grace(play: Callable[[Play], None]) -> None:
    async def scene(agent: Agent) -> None:
        await agent.shell("a", "trap 'echo no' TERM; echo $$ > main.pid; while :; do sleep 1; done")
        await agent.pid_in("main.pid")
        agent.client.kill("a", 600)
        await until(lambda: agent.output("a") == "no\n")
        agent.client.kill("a", 0.1)
        agent.client.kill("a", 600)
        assert (await agent.exit("a")).status == 9
        assert agent.output("a") == "no\n"

    play(scene)


def test_a_kill_of_nothing_is_answered(play: Callable[[Play], None]) -> None:
    async def scene(agent: Agent) -> None:
        agent.client.kill("never", 1)
        assert await agent.refusal("never") == "The supervisor knows no such run"

    play(scene)


def test_a_signal_goes_to_the_main_process_alone(play: Callable[[Play], None]) -> None:
    async def scene(agent: Agent) -> None:
        script = "sh -c 'trap \"echo child\" USR1; echo $$ > child.pid; while :; do sleep 0.05; done' & "
        await agent.shell("a", script + "trap 'echo main; exit 5' USR1; while :; do sleep 0.05; done")
        await agent.pid_in("child.pid")
        agent.client.signal("never", signal.SIGUSR1)
        agent.client.signal("a", signal.SIGUSR1)
        assert (await agent.exit("a")).status == 5 << 8
        assert agent.output("a") == "main\n"

    play(scene)


def test_what_a_run_leaves_behind_dies_with_it_daemons_included(any_kernel: Callable[[Play], None]) -> None:
    async def scene(agent: Agent) -> None:
        other = await agent.shell("other", DAEMON.replace("daemon.pid", "other.pid") + "sleep 600")
        other_daemon = await agent.pid_in("other.pid")
        await agent.shell("a", "sleep 600 & echo $! > child.pid\n" + DAEMON + WAIT_FOR_DAEMON + "exit 4")
        exited = await agent.exit("a")
        assert exited.status == 4 << 8
        assert not alive(await agent.pid_in("daemon.pid"))
        assert not alive(await agent.pid_in("child.pid"))
        assert alive(other)
        assert alive(other_daemon)

    any_kernel(scene)


def test_a_daemon_whose_first_thread_ended_dies_with_its_run(any_kernel: Callable[[Play], None]) -> None:
    async def scene(agent: Agent) -> None:
        await agent.shell("a", HEADLESS_DAEMON + WAIT_FOR_DAEMON + "exit 4")
        await agent.exit("a")
        assert not Path(f"/proc/{await agent.pid_in('daemon.pid')}").exists()

    any_kernel(scene)


def test_a_daemon_without_environment_goes_when_no_run_can_own_it(any_kernel: Callable[[Play], None]) -> None:
    async def scene(agent: Agent) -> None:
        await agent.shell("old", "sleep 600")
        await agent.shell(
            "a", "env -i PATH=/usr/bin:/bin sh -c '" + DAEMON.replace("'", "'\\''") + "'\n" + WAIT_FOR_DAEMON
        )
        await agent.exit("a")
        daemon = await agent.pid_in("daemon.pid")
        assert alive(daemon)  # it might be of the older run
        agent.client.kill("old", 0)
        await agent.exit("old")
        await until(lambda: not alive(daemon))

    any_kernel(scene)


def test_a_little_fork_bomb_is_killed_to_the_last_process(any_kernel: Callable[[Play], None]) -> None:
    async def scene(agent: Agent) -> None:
        nest = "setsid sh -c 'sleep 600 & echo $$ $! >> pids; trap : TERM; while :; do sleep 1; done' &\n"
        await agent.shell("a", nest * 20 + "wait")
        pids_file = agent.directory / "pids"
        await until(lambda: pids_file.exists() and len(pids_file.read_text().split()) == 40)
        pids = [int(word) for word in pids_file.read_text().split()]
        agent.client.kill("a", 0)
        await agent.exit("a")
        assert [pid for pid in pids if alive(pid)] == []

    any_kernel(scene)


def test_runs_end_and_are_forgotten_by_the_hundred(play: Callable[[Play], None]) -> None:
    async def scene(agent: Agent) -> None:
        for number in range(300):
            agent.start(f"r{number}", ["sh", "-c", f"exit {number % 7}"])
        statuses: dict[str, int | None] = {}
        while len(statuses) < 300:
            exited = await agent.event(RunExited)
            statuses[exited.run] = exited.status
            agent.client.forget(exited.run)
        assert statuses == {f"r{number}": (number % 7) << 8 for number in range(300)}
        assert agent.count(RunFailed) == 0

    play(scene)


def test_the_supervisor_is_small(play: Callable[[Play], None]) -> None:
    async def scene(agent: Agent) -> None:
        for number in range(50):
            await agent.shell(f"r{number}", "sleep 600")
        status = Path(f"/proc/{agent.supervisor}/status").read_text()
        assert int(status.split("VmRSS:")[1].split()[0]) <= 18 * 1024
        assert Path(f"/proc/{agent.supervisor}/comm").read_text() == "tepui-superv\n"

    play(scene)


@needs_root
def test_root_switches_to_the_user_with_all_groups(play: Callable[[Play], None]) -> None:
    async def scene(agent: Agent) -> None:
        nobody = pwd.getpwnam("nobody")
        sandbox = agent.directory / "sandbox"
        sandbox.mkdir()
        os.chown(sandbox, nobody.pw_uid, nobody.pw_gid)
        for parent in sandbox.parents:
            if parent.stat().st_uid == os.geteuid() and parent.is_relative_to(agent.directory.parents[2]):
                parent.chmod(0o755)
        agent.start("a", ["sh", "-c", "id -u; id -g; id -G"], user="nobody", directory=str(sandbox))
        exited = await agent.exit("a")
        output = sandbox / "a.out"
        assert exited.status == 0
        groups = " ".join(map(str, os.getgrouplist("nobody", nobody.pw_gid)))
        assert output.read_text() == f"{nobody.pw_uid}\n{nobody.pw_gid}\n{groups}\n"
        assert output.stat().st_uid == nobody.pw_uid
        # Files are opened with the user's rights: what only root may write stays closed, also behind a link.
        secret = agent.directory / "secret"
        secret.mkdir(mode=0o700)
        (sandbox / "trap").symlink_to(secret)
        agent.start("b", ["echo", "gotcha"], user="nobody", directory=str(sandbox), stdout="trap/file")
        assert (await agent.refusal("b")).endswith("for the output: Permission denied")
        assert list(secret.iterdir()) == []
        # And the supervisor is root as before.
        agent.start("c", ["id", "-u"])
        await agent.exit("c")
        assert agent.output("c") == "0\n"

    play(scene)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may switch to any user")
def test_others_than_root_only_run_as_themselves(play: Callable[[Play], None]) -> None:
    async def scene(agent: Agent) -> None:
        agent.start("a", ["id", "-un"], user=pwd.getpwuid(os.geteuid()).pw_name)
        assert (await agent.exit("a")).status == 0
        agent.start("b", ["true"], user="root")
        assert await agent.refusal("b") == "Only root can start a run as another user ('root')"

    play(scene)

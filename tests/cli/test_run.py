"""`tepui run`: a command's output and exit code, as if it ran here."""

from __future__ import annotations

import io
import re
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tepui.cli.running import CODE_LOST, LINE_BYTES_MAX, Prefixed, exit_code
from tepui.model.v1.mesos import TaskID, TaskState, TaskStatus
from tepui.model.wait_status import describe_wait_status
from tests.cli.commands import DEADLINE_SECONDS, Commands, environment, tepui
from tests.conformance.cluster import wait_until
from tests.scheduler.real import running_cluster


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Commands]:
    """One agent of 4 cpus."""
    with running_cluster(tmp_path_factory.mktemp("run")) as cluster:
        yield Commands(cluster)


def run(commands: Commands, *arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output, standard error. The command's name does not depend on what it is."""
    done = tepui("run", f"--master={commands.master}", "--name=job", *arguments)
    return done.returncode, done.stdout, done.stderr


def start(commands: Commands, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tepui", f"--master={commands.master}", "run", "--name=job", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )


def test_output_and_exit_code_are_the_commands(commands: Commands) -> None:
    assert run(commands, "echo out; echo err >&2; exit 3") == (
        3,
        "out\n",
        "err\ntepui: job: Command exited with status 3.\n",
    )
    assert run(commands, "true") == (0, "", "")
    assert run(commands, "kill -9 $$") == (137, "", "tepui: job: Command terminated with signal Killed.\n")


def test_several_arguments_are_taken_as_they_are(commands: Commands) -> None:
    assert run(commands, "--env=A=x=1", "sh", "-c", 'printf "%s " "$A" "$@"', "-", "*", "--cpus") == (
        0,
        "x=1 * --cpus ",
        "",
    )


def test_all_that_was_written_comes_before_the_end(commands: Commands) -> None:
    code, out, _ = run(commands, "seq 1 100000")
    assert (code, out) == (0, "".join(f"{number}\n" for number in range(1, 100_001)))


def test_more_instances_than_fit_at_once_all_run(commands: Commands) -> None:
    code, out, errors = run(
        commands, "--instances=12", "--cpus=1.5", "echo $TEPUI_INSTANCE of $TEPUI_INSTANCES; printf end"
    )
    assert code == 0
    assert sorted(out.splitlines()) == sorted(
        line for number in range(12) for line in (f"{number:>2} | {number} of 12", f"{number:>2} | end")
    )
    assert re.fullmatch(
        r"tepui: 10 of 12 wait for an offer of cpus 1.5, mem 64M; the best one left now has .*\n", errors
    )


def test_the_highest_exit_code_of_several_is_the_commands(commands: Commands) -> None:
    code, _, errors = run(commands, "--instances=3", "exit $TEPUI_INSTANCE")
    assert code == 2
    assert sorted(errors.splitlines()) == [
        "tepui: job-1: Command exited with status 1.",
        "tepui: job-2: Command exited with status 2.",
    ]


def test_what_cannot_be_started_or_takes_too_long_has_failed(commands: Commands) -> None:
    code, _, errors = run(commands, "/no/such/program", "x")
    assert (code, "No such file or directory." in errors) == (1, True)
    code, _, errors = run(commands, "--time-limit=0.2", "sleep 1000")
    assert (code, errors) == (137, "tepui: job: Command terminated with signal Killed.\n")


def test_an_interrupt_ends_what_runs(commands: Commands) -> None:
    running = start(commands, "echo begun; exec sleep 1000")
    assert running.stdout is not None
    assert running.stdout.readline() == "begun\n"
    # Whoever wants no more holds nothing that others could use.
    wait_until(lambda: commands.json("offer", "list") == [], "no offers are made to it any more")
    assert commands.json("framework", "list")[0]["suppressed_roles"] == ["*"]
    running.send_signal(signal.SIGINT)
    assert running.communicate(timeout=DEADLINE_SECONDS) == ("", "")
    assert running.returncode == 130
    assert commands.json("framework", "list") == []
    wait_until(lambda: commands.json("status")["resources"]["cpus"]["used"] == 0, "its resources are free")


def test_what_fits_nowhere_says_so_and_waits(commands: Commands) -> None:
    running = start(commands, "--cpus=5", "true")
    assert running.stderr is not None
    told = running.stderr.readline()
    assert told.startswith(
        "tepui: 1 of 1 wait for an offer of cpus 5, mem 64M; the best one left now has cpus 4, mem 4G, "
    )
    assert running.poll() is None
    running.send_signal(signal.SIGTERM)
    running.communicate(timeout=DEADLINE_SECONDS)
    assert running.returncode == 130


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["--role=a b", "true"], 1, r".* invalid role: .*"),
        (["--env=1=2", "true"], 2, r"Invalid value for '-e' / '--env': expects NAME=VALUE, not '1=2'\."),
        (["--master=127.0.0.1:1", "true"], 4, r"There is no master at 127.0.0.1:1 \(connection refused\)\. .*"),
        ([], 2, r"Missing argument 'COMMAND\.\.\.'\."),
    ],
)
def test_what_cannot_be_run_is_one_sentence(commands: Commands, arguments: list[str], code: int, sentence: str) -> None:
    found, out, errors = run(commands, *arguments)
    assert (found, out) == (code, "")
    assert re.fullmatch(f"tepui: {sentence}\n", errors), errors


@pytest.mark.parametrize(
    ("state", "message", "code"),
    [
        (TaskState.TASK_FINISHED, "Command exited with status 0", 0),
        (TaskState.TASK_FAILED, "Command exited with status 7. More.", 7),
        (TaskState.TASK_FAILED, "Command terminated with signal Segmentation fault (core dumped)", 139),
        (TaskState.TASK_KILLED, "Command terminated with signal Terminated. More.", 143),
        (TaskState.TASK_KILLED, "Command exited with status 0", CODE_LOST),
        (TaskState.TASK_LOST, None, CODE_LOST),
    ],
)
def test_exit_codes(state: TaskState, message: str | None, code: int) -> None:
    assert exit_code(TaskStatus(task_id=TaskID(value="t"), state=state, message=message)) == code


def test_what_an_agent_says_of_an_end_is_understood() -> None:
    """The exit code travels in words only: every end that a process can have, as the agent words it, gives the code
    that a shell gives. That agents say `Command` and these words is held by tests/conformance/test_commands.py."""
    ends = [(code << 8, code) for code in range(256)]
    ends += [(number | dumped, 128 + number) for number in sorted(signal.valid_signals()) for dumped in (0, 0x80)]
    for wait_status, code in ends:
        state = TaskState.TASK_FAILED if wait_status else TaskState.TASK_FINISHED
        message = f"Command {describe_wait_status(wait_status)}"
        assert exit_code(TaskStatus(task_id=TaskID(value="t"), state=state, message=message)) == code, message


def test_lines_are_marked_whole_and_long_ones_are_cut() -> None:
    sink = io.BytesIO()
    prefixed = Prefixed(b"1 | ", sink)
    for part in (b"a\nb", b"c\n\n", b"d"):
        prefixed.write(part)
    assert sink.getvalue() == b"1 | a\n1 | bc\n1 | \n"
    prefixed.end()
    assert sink.getvalue().endswith(b"\n1 | d\n")
    prefixed.write(b"x" * LINE_BYTES_MAX)
    assert sink.getvalue().endswith(b"d\n")
    prefixed.write(b"x")
    assert sink.getvalue().endswith(b"d\n1 | " + b"x" * (LINE_BYTES_MAX + 1) + b"\n")

"""`tepui local`: a cluster that begins at once and leaves nothing."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tepui.cli.servers import split_resources
from tepui.containers.ending import end_supervisor
from tests.cli.commands import DEADLINE_SECONDS, EXECUTOR, Commands, environment, launch, subscribe, tepui
from tests.conformance.cluster import OURS, Cluster, processes_of, wait_until
from tests.processes import alive

HOST = "127.0.0.1"


@contextmanager
def local(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], Cluster, Path]]:
    """A local cluster that is ready, with where it says that it is and keeps its files."""
    running = subprocess.Popen(
        [sys.executable, "-m", "tepui", "local", "--port=0", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    try:
        assert running.stdout is not None
        head = [running.stdout.readline() for _ in range(4)]
        found = re.search(rf"a master at {HOST}:(\d+) ", head[0])
        kept = re.search(r"^Logs and sandboxes are in (.+?)( until the end)?\. ", head[3])
        assert found is not None, running.communicate(timeout=DEADLINE_SECONDS)
        assert kept is not None, head
        folder = Path(kept[1])
        yield running, Cluster(OURS, folder, master_address=(HOST, int(found[1]))), folder
    finally:
        if running.poll() is None:
            running.send_signal(signal.SIGTERM)
        running.communicate(timeout=DEADLINE_SECONDS)


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_it_is_ready_when_it_says_so_and_ends_with_all_that_ran_on_it() -> None:
    with local("--agents=3", "--resources=cpus:2") as (running, cluster, folder):
        commands = Commands(cluster)
        agents = commands.json("agent", "list")
        assert [agent["state"] for agent in agents] == ["active"] * 3
        ports = sorted(agent["resources"]["ports"] for agent in agents)
        assert ports == ["[31000-31332]", "[31333-31665]", "[31666-31998]"]

        framework = subscribe(cluster, "visitor")
        launch(framework, agents[0]["id"], "e", f"exec {sys.executable} {EXECUTOR}", t1="stubborn", t2="tree")
        assert framework.wait_states(("t1", "TASK_RUNNING"), ("t2", "TASK_RUNNING"))
        assert commands.json("status")["tasks"]["running"] == 2

        running.send_signal(signal.SIGINT)
        assert running.wait(DEADLINE_SECONDS) == 0
        framework.stream.close()
        assert not processes_of(folder)
        assert not folder.exists()


def test_every_agent_can_hold_a_task_of_one_cpu_however_many_agents_share_the_machine(tmp_path: Path) -> None:
    agents = 2 * (os.cpu_count() or 1)
    shares = [split_resources(tmp_path, agents, number, None).split(";") for number in range(agents)]
    assert all("cpus:1" in share for share in shares)


def test_a_given_folder_and_given_resources_are_kept(tmp_path: Path) -> None:
    given = ["--resources=cpus:2;mem:64", f"--work-dir={tmp_path}/w", "--agent-flag=attributes=rack:r1"]
    with local("--agents=2", *given) as (running, cluster, folder):
        assert folder == tmp_path / "w"
        for agent in Commands(cluster).json("agent", "list"):
            assert (agent["resources"]["cpus"], agent["resources"]["mem"]) == (2.0, 64.0)
            assert agent["attributes"] == {"rack": "r1"}
        running.send_signal(signal.SIGTERM)
        assert running.wait(DEADLINE_SECONDS) == 0
    assert "serves http://" in (folder / "master.log").read_text()
    assert not processes_of(folder)


def test_a_server_that_ends_ends_everything_with_its_last_words(tmp_path: Path) -> None:
    with local("--agents=1", f"--work-dir={tmp_path}/w") as (running, _, folder):
        os.kill(children(running.pid)[0], signal.SIGKILL)
        _, errors = running.communicate(timeout=DEADLINE_SECONDS)
        assert running.returncode == 1
        assert re.match(r"tepui: The (master|agent1) has ended: ", errors), errors
    assert not processes_of(folder)


def test_nothing_stays_when_the_command_itself_is_killed(tmp_path: Path) -> None:
    with local("--agents=1", f"--work-dir={tmp_path}/w") as (running, _, folder):
        servers = children(running.pid)
        assert len(servers) == 2
        running.kill()
        wait_until(lambda: not any(alive(pid) for pid in servers), "the servers follow")
        # The supervisor would leave by itself once it has had no agent for a while.
        assert end_supervisor(folder / "agent1" / "run", DEADLINE_SECONDS)
        wait_until(lambda: not processes_of(folder), "everything has ended")


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["--resources=cpus"], 2, "--resources .*"),
        (
            ["--agent-flag=attribute=x"],
            2,
            "--agent-flag names 'attribute'; `tepui serve agent --help` shows which there are.",
        ),
        (["--master-flag=offer_timeout=soon"], 2, "--offer_timeout .*"),
        (["--agents=101"], 2, "Invalid value for '--agents': 101 is not in the range .*"),
    ],
)
def test_what_cannot_begin_is_one_sentence(arguments: list[str], code: int, sentence: str) -> None:
    done = tepui("local", "--port=0", *arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert re.fullmatch(f"tepui: {sentence}\n", done.stderr), done.stderr


def test_a_port_in_use_is_one_sentence() -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        done = tepui("local", f"--port={port}")
    assert done.returncode == 1
    assert done.stderr == (
        f"tepui: The master has ended: Port {port} cannot be listened on: Address already in use. "
        "Say --port=0 for a free one.\n"
    )

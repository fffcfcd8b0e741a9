"""`tepui serve`: how servers begin and end, as whoever starts them sees it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.conformance.cluster import Server, free_port, wait_until
from tests.scheduler.real import running_cluster

HOST = "127.0.0.1"
DEADLINE_SECONDS = 30


def tepui(*arguments: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tepui", *arguments],
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        env={**os.environ, **(environment or {})},
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["serve", "maser"], "tepui: No such command 'maser'. Did you mean 'master'?"),
        (["serve", "master", "--prt=1"], "tepui: No such option '--prt'. (Did you mean one of: '--ip', '--port'?)"),
        (["serve", "master", "--port=x"], "tepui: --port expects a whole number, not 'x'."),
        (
            ["serve", "master"],
            (
                "tepui: --work_dir is missing: name the folder for the registry, such as --work_dir=/var/lib/tepui "
                "(or say --registry=in_memory, and a master that starts again remembers nothing)."
            ),
        ),
        (
            ["serve", "agent", "--work_dir=/nowhere"],
            "tepui: --master is missing: say where the master is, such as --master=127.0.0.1:5050.",
        ),
        (
            ["serve", "agent", "--work-dir=/nowhere", "--master=a:b"],
            "tepui: --master expects HOST:PORT, such as 127.0.0.1:5050, not 'a:b'.",
        ),
        (
            ["serve", "master", "--no-quiet", "--acls={}"],
            "tepui: --acls asks for authorization, which this version does not have.",
        ),
    ],
)
def test_a_wrong_command_line_is_one_sentence_and_exit_code_2(arguments: list[str], sentence: str) -> None:
    done = tepui(*arguments)
    assert (done.returncode, done.stderr.strip()) == (2, sentence)


def test_a_wrong_environment_variable_is_named() -> None:
    done = tepui("serve", "master", environment={"MESOS_OFFER_TIMEOUT": "soon"})
    assert done.returncode == 2
    assert done.stderr.startswith("tepui: --offer_timeout (from MESOS_OFFER_TIMEOUT) ")


def test_a_port_in_use_is_one_sentence_and_exit_code_1(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = tepui("serve", "master", f"--ip={HOST}", f"--port={port}", f"--work_dir={tmp_path}")
    assert done.returncode == 1
    assert done.stderr.strip() == f"tepui: Port {port} cannot be listened on: Address already in use."


def test_an_address_of_another_machine_is_named() -> None:
    done = tepui("serve", "master", "--ip=192.0.2.1", "--port=0", "--registry=in_memory")
    assert (done.returncode, done.stderr.strip()) == (1, "tepui: --ip=192.0.2.1 is no address of this machine.")


def test_a_master_serves_more_connections_than_the_soft_limit_of_open_files(tmp_path: Path) -> None:
    limited = ["sh", "-c", 'ulimit -Sn 64; exec "$@"', "sh"]
    port = free_port()
    command = [sys.executable, "-m", "tepui", "serve", "master", f"--port={port}", "--ip=127.0.0.1"]
    master = Server("master", [*limited, *command, "--registry=in_memory"], tmp_path / "master.log")
    with contextlib.ExitStack() as open_connections:
        master.start()
        open_connections.callback(master.kill)
        wait_until(lambda: answers(port), "the master answers")
        for _ in range(100):
            open_connections.enter_context(socket.create_connection(("127.0.0.1", port)))
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=10) as answer:
            assert answer.status == 200


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_master_and_an_agent_begin_and_end_by_sigterm(tmp_path: Path) -> None:
    master_port, agent_port = free_port(), free_port()
    master = subprocess.Popen(
        [sys.executable, "-m", "tepui", "serve", "master", f"--ip={HOST}", f"--port={master_port}",
         f"--work_dir={tmp_path}/m", f"--log_dir={tmp_path}/log"],
        stderr=subprocess.PIPE,
    )  # fmt: skip
    agent_command = [
        sys.executable, "-m", "tepui", "serve", "agent", f"--ip={HOST}", f"--port={agent_port}",
        f"--work_dir={tmp_path}/a", f"--master={HOST}:{master_port}", "--resources=cpus:2;mem:64",
        "--registration-backoff-factor=10ms", "--attributes=rack:r1",
    ]  # fmt: skip
    agent = subprocess.Popen(agent_command, stderr=subprocess.PIPE)
    try:

        def agents() -> object:
            with urllib.request.urlopen(f"http://{HOST}:{master_port}/slaves", timeout=5) as answer:
                return json.load(answer)["slaves"]

        (found,) = wait_until(agents, "the agent is admitted")
        assert found["attributes"] == {"rack": "r1"}
        assert found["resources"]["cpus"] == 2.0
        assert found["resources"]["ports"] == "[31000-32000]"

        second = subprocess.run(agent_command, capture_output=True, text=True, timeout=DEADLINE_SECONDS, check=False)
        assert second.returncode == 1
        assert second.stderr.strip().endswith("is in use by another agent; give each one its own.")

        with urllib.request.urlopen(f"http://{HOST}:{master_port}/files/read?path=/master/log&offset=0") as answer:
            assert "serves http://" in json.load(answer)["data"]
    finally:
        for server in (agent, master):
            server.send_signal(signal.SIGTERM)
        ended = [server.communicate(timeout=DEADLINE_SECONDS) for server in (agent, master)]
    assert [server.returncode for server in (agent, master)] == [0, 0], ended
    assert not any(b"Traceback" in errors for _, errors in ended), ended


def test_sigusr1_takes_an_agent_out_of_the_cluster_and_makes_the_next_one_another(tmp_path: Path) -> None:
    with running_cluster(tmp_path / "cluster") as cluster:
        (agent,) = cluster.agents
        before = cluster.agent_id(agent)
        agent.server.signal(signal.SIGUSR1)
        assert agent.server.wait() == 0
        wait_until(lambda: not cluster.agent_entries(), "the agent is removed")
        cluster.start_agent(agent)
        assert cluster.agent_id(agent) != before

        # SIGTERM is different: the agent comes back as the one it was.
        before = cluster.agent_id(agent)
        agent.server.stop()
        cluster.start_agent(agent)
        assert cluster.agent_id(agent) == before

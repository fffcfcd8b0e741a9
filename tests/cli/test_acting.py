"""Commands that change something, and those that wait for it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.commands import ROLE, Commands, environment, launch, subscribe
from tests.cli.conftest import WRITING
from tests.conformance.cluster import Cluster, wait_until
from tests.conformance.scenario import Framework, scalars, task_info
from tests.scheduler.real import running_cluster


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running_cluster(tmp_path_factory.mktemp("cli")) as cluster:
        yield cluster


@pytest.fixture
def framework(cluster: Cluster) -> Iterator[Framework]:
    framework = subscribe(cluster, "changing")
    yield framework
    framework.stream.close()


def sandbox_file(cluster: Cluster, name: str) -> Path:
    (found,) = cluster.agents[0].sandbox_root.glob(f"slaves/*/frameworks/*/executors/*/runs/latest/{name}")
    return found


def test_a_killed_task_is_told_to_its_framework(cluster: Cluster, framework: Framework) -> None:
    commands = Commands(cluster)
    launch(framework, cluster.agent_id(cluster.agents[0]), "k", WRITING, doomed="run", spared="run")
    assert framework.wait_states(("doomed", "TASK_RUNNING"), ("spared", "TASK_RUNNING"))
    told = commands.text("task", "kill", "doo", "--grace=1secs")
    assert told == f"Killing task doomed of framework changing ({framework.framework_id}).\n"
    assert framework.wait_states(("doomed", "TASK_KILLED"))
    assert [entry["id"] for entry in commands.json("task", "list", "--state=running")] == ["spared"]


def test_a_framework_is_ended_with_its_tasks(cluster: Cluster, framework: Framework) -> None:
    commands = Commands(cluster)
    launch(framework, cluster.agent_id(cluster.agents[0]), "t", WRITING, last="run")
    assert framework.wait_states(("last", "TASK_RUNNING"))
    told = commands.text("framework", "teardown", framework.framework_id)
    assert told == f"Ended framework {framework.framework_id} (changing) and its 1 task.\n"
    assert framework.stream.wait_closed()
    states = {entry["id"]: entry["state"] for entry in commands.json("framework", "list", "--all")}
    assert states[framework.framework_id] == "completed"
    done = commands.run("framework", "teardown", framework.framework_id)
    assert done.returncode == 3, done


def test_logs_are_followed_until_the_task_ends(cluster: Cluster, framework: Framework) -> None:
    agent_id = cluster.agent_id(cluster.agents[0])
    launch(framework, agent_id, "f", WRITING, talking="run")
    assert framework.wait_states(("talking", "TASK_RUNNING"))
    following = subprocess.Popen(
        [sys.executable, "-m", "tepui", "task", "logs", "-f", "talking", f"--master={Commands(cluster).master}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    )
    assert following.stdout is not None
    assert following.stdout.readline() == b"out of f\n"
    # Longer than one read, and cut within a character.
    long = "é" * 100_000 + "\n"
    path = next(iter(cluster.agents[0].sandbox_root.glob("slaves/*/frameworks/*/executors/f/runs/latest/stdout")))
    with path.open("a") as written:
        written.write(long)
    assert following.stdout.readline() == long.encode()
    assert following.poll() is None
    Commands(cluster).text("task", "kill", "talking")
    rest, errors = following.communicate(timeout=30)
    assert (following.returncode, rest, errors) == (0, b"", b"err of f\n")


def test_last_lines_are_found_from_the_end(cluster: Cluster, framework: Framework) -> None:
    commands = Commands(cluster)
    launch(framework, cluster.agent_id(cluster.agents[0]), "l", WRITING, long="run")
    assert framework.wait_states(("long", "TASK_RUNNING"))
    path = next(iter(cluster.agents[0].sandbox_root.glob("slaves/*/frameworks/*/executors/l/runs/latest/stdout")))
    path.write_text("".join(f"line {number}\n" for number in range(30_000)))
    assert commands.text("task", "logs", "long", "--stdout", "--tail=2") == "line 29998\nline 29999\n"
    assert len(commands.text("task", "logs", "long", "--stdout", "--tail=20000").splitlines()) == 20_000
    assert len(commands.text("task", "logs", "long", "--stdout", "--tail=40000").splitlines()) == 30_000


def test_what_the_agent_kept_is_asked_of_the_agent(cluster: Cluster, framework: Framework) -> None:
    commands = Commands(cluster)
    agent = cluster.agents[0]
    launch(framework, cluster.agent_id(agent), "g", WRITING, gone="run")
    assert framework.wait_states(("gone", "TASK_RUNNING"))
    agent.server.kill()
    wait_until(lambda: commands.json("agent", "list")[0]["state"] == "disconnected", "the master sees that it is gone")
    done = commands.run("task", "logs", "gone")
    assert done.returncode == 4
    assert done.stderr.startswith("tepui: There is no agent at ")
    story = commands.text("task", "story", "gone")
    assert "\nOnly the master's part: There is no agent at " in story
    cluster.start_agent(agent)


def test_each_task_of_a_group_has_its_own_logs(cluster: Cluster, framework: Framework) -> None:
    commands = Commands(cluster)
    agent_id = cluster.agent_id(cluster.agents[0])
    assert framework.wait(lambda: framework.best_offer(agent_id) is not None)
    offer = framework.best_offer(agent_id)
    assert offer is not None
    executor = {
        "type": "DEFAULT",
        "executor_id": {"value": "pod"},
        "framework_id": {"value": framework.framework_id},
        "resources": scalars(ROLE, cpus=0.1, mem=32, disk=1),
    }
    tasks = [
        task_info(name, agent_id, ROLE, None, command={"value": f"echo {name}; exec sleep 1000"})
        for name in ("left", "right")
    ]
    launch_group = {"executor": executor, "task_group": {"tasks": tasks}}
    accept = {
        "offer_ids": [{"value": framework.take(offer)}],
        "operations": [{"type": "LAUNCH_GROUP", "launch_group": launch_group}],
    }
    assert framework.call("ACCEPT", accept=accept).status == 202
    assert framework.wait_states(("left", "TASK_RUNNING"), ("right", "TASK_RUNNING"))
    for name in ("left", "right"):
        wait_until(lambda: commands.run("task", "logs", name, "--stdout").stdout == f"{name}\n", name)  # noqa: B023

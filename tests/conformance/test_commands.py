"""Tasks by their command and task groups, with real processes: what runs, where, and what is told about its end."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.client import Event, EventStream, get_json, json_call, operator_call
from tests.conformance.cluster import OURS, REFERENCE, Cluster, processes_of, target, wait_until
from tests.conformance.conftest import ClusterFactory, show_on_failure
from tests.conformance.scenario import Framework, scalars
from tests.processes import alive

ROLE = "commands"
SECOND = 10**9
TERMINAL = frozenset({"TASK_FINISHED", "TASK_FAILED", "TASK_KILLED", "TASK_ERROR", "TASK_LOST"})
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")

pytestmark = [
    pytest.mark.xdist_group("commands"),
    pytest.mark.timeout(120),
    pytest.mark.skipif(target() == REFERENCE, reason="the module of Apache Mesos carries no command executor"),
]


class Runner(Framework):
    """A framework that runs commands on the one agent of a cluster."""

    def __init__(self, cluster: Cluster, *capabilities: str, **info: Any) -> None:
        self.cluster = cluster
        self.agent = cluster.agents[0]
        self.agent_id = cluster.agent_id(self.agent)
        info = {
            "user": getpass.getuser(),
            "name": "commands",
            "roles": [ROLE],
            "capabilities": [{"type": kind} for kind in ("MULTI_ROLE", *capabilities)],
            **info,
        }
        message: Event = {"type": "SUBSCRIBE", "subscribe": {"framework_info": info}}
        if "id" in info:
            message["framework_id"] = info["id"]
        call = json_call("/api/v1/scheduler", message)
        super().__init__(cluster.master_address, EventStream(cluster.master_address, call))

    def task(self, task_id: str, command: str | Event, **more: Any) -> Event:
        return {
            "name": task_id,
            "task_id": {"value": task_id},
            "agent_id": {"value": self.agent_id},
            "resources": scalars(ROLE, cpus=0.01, mem=1),
            "command": {"value": command} if isinstance(command, str) else command,
            **more,
        }

    def launch(self, *tasks: Event) -> None:
        self._accept({"type": "LAUNCH", "launch": {"task_infos": tasks}})

    def launch_group(self, *tasks: Event) -> None:
        executor = {
            "type": "DEFAULT",
            "executor_id": {"value": "pod"},
            "framework_id": {"value": self.framework_id},
            "resources": scalars(ROLE, cpus=0.1, mem=32, disk=1),
        }
        group = {"executor": executor, "task_group": {"tasks": tasks}}
        self._accept({"type": "LAUNCH_GROUP", "launch_group": group})

    def _accept(self, operation: Event) -> None:
        assert self.wait(lambda: self.best_offer(self.agent_id) is not None), "no offer"
        offer = self.best_offer(self.agent_id)
        assert offer is not None
        accept = {
            "offer_ids": [{"value": self.take(offer)}],
            "filters": {"refuse_seconds": 0},
            "operations": [operation],
        }
        self.call("ACCEPT", accept=accept)

    def kill(self, task_id: str, **policy: Any) -> None:
        self.call("KILL", kill={"task_id": {"value": task_id}, **policy})

    def updates(self, task_id: str) -> list[Event]:
        updates = (event["update"]["status"] for event in self.stream.events if event["type"] == "UPDATE")
        return [status for status in updates if status["task_id"]["value"] == task_id]

    def states(self, task_id: str) -> list[str]:
        return [status["state"] for status in self.updates(task_id)]

    def until(self, task_id: str, state: str) -> Event:
        assert self.wait(lambda: state in self.states(task_id)), f"no {state}: {self.updates(task_id)}"
        return next(status for status in self.updates(task_id) if status["state"] == state)

    def end(self, task_id: str) -> Event:
        """The task's terminal update."""
        assert self.wait(lambda: not TERMINAL.isdisjoint(self.states(task_id))), self.updates(task_id)
        return self.updates(task_id)[-1]

    def run(self, task_id: str, command: str | Event, **more: Any) -> Event:
        self.launch(self.task(task_id, command, **more))
        return self.end(task_id)

    def sandbox(self, executor_id: str) -> Path:
        executors = self.agent.sandbox_root / "slaves" / self.agent_id / "frameworks" / self.framework_id / "executors"
        return executors / executor_id / "runs" / "latest"

    def wait_file(self, path: Path) -> None:
        """Until a task has written something there."""
        wait_until(lambda: path.exists() and path.read_text(), f"{path} is written")


@pytest.fixture(scope="module")
def cluster(make_cluster: ClusterFactory) -> Cluster:
    cluster = make_cluster()
    cluster.start(agents=1)
    return cluster


@pytest.fixture
def runner(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[Runner]:
    show_on_failure(request, "cluster", cluster.logs)
    runner = Runner(cluster, "TASK_KILLING_STATE")
    yield runner
    runner.call("TEARDOWN")
    runner.stream.close()
    wait_until(lambda: get_json(runner.agent.address, "/containers") == [], "the agent has no container left")


def test_the_status_of_a_command_decides_and_is_told(runner: Runner) -> None:
    commands = {
        "zero": ("true", "TASK_FINISHED", "Command exited with status 0"),
        "seven": ("exit 7", "TASK_FAILED", "Command exited with status 7"),
        "unknown": ("no-such-command", "TASK_FAILED", "Command exited with status 127"),
        "killed": ("kill -KILL $$", "TASK_FAILED", "Command terminated with signal Killed"),
        "hup": ("kill -HUP $$", "TASK_FAILED", "Command terminated with signal Hangup"),
    }
    runner.launch(*(runner.task(task_id, command) for task_id, (command, _, _) in commands.items()))
    for task_id, (_, state, message) in commands.items():
        status = runner.end(task_id)
        assert runner.states(task_id) == ["TASK_STARTING", "TASK_RUNNING", state]
        assert (status["message"], status["source"]) == (message, "SOURCE_EXECUTOR")
        assert "reason" not in status
        assert len({status["container_status"]["executor_pid"] for status in runner.updates(task_id)}) == 1


def test_a_program_that_is_not_there_is_not_started(runner: Runner) -> None:
    status = runner.run("missing", {"shell": False, "value": "/no/such/program", "arguments": ["program"]})
    assert runner.states("missing") == ["TASK_FAILED"]
    assert status["reason"] == "REASON_CONTAINER_LAUNCH_FAILED"
    assert (
        status["message"] == "Failed to launch the container: Cannot run '/no/such/program': No such file or directory"
    )


def test_a_command_runs_in_its_sandbox_with_its_output_there(runner: Runner) -> None:
    variables = [{"name": "GREETING", "value": "hello"}, {"name": "MESOS_SANDBOX", "value": "mine"}]
    script = "pwd -P; echo $GREETING $MESOS_SANDBOX $MESOS_ALLOCATION_ROLE; echo oops >&2; echo made > file"
    runner.run("shell", {"value": script, "environment": {"variables": variables}})
    sandbox = runner.sandbox("shell")
    assert (sandbox / "stdout").read_text() == f"{sandbox.resolve()}\nhello mine {ROLE}\n"
    assert (sandbox / "stderr").read_text() == "oops\n"
    assert (sandbox / "file").read_text() == "made\n"
    arguments = ["echo", "a  b", "$HOME", "*"]
    assert (
        runner.run("argv", {"shell": False, "value": "/bin/echo", "arguments": arguments})["state"] == "TASK_FINISHED"
    )
    assert (runner.sandbox("argv") / "stdout").read_text() == "a  b $HOME *\n"
    path = f"/frameworks/{runner.framework_id}/executors/argv/runs/latest/stdout"
    assert get_json(runner.agent.address, f"/files/read?path={path}&offset=0")["data"] == "a  b $HOME *\n"


@pytest.fixture
def open_runner(request: pytest.FixtureRequest) -> Iterator[Runner]:
    """On a cluster whose directories other users may pass, unlike those that tests are given."""
    with tempfile.TemporaryDirectory(prefix="tepui-commands-") as directory:
        Path(directory).chmod(0o755)
        cluster = Cluster(OURS, Path(directory) / "cluster")
        show_on_failure(request, "cluster", cluster.logs)
        try:
            cluster.start(agents=1)
            runner = Runner(cluster)
            with runner.stream:
                yield runner
        finally:
            cluster.stop()


@needs_root
def test_a_command_runs_as_the_user_it_names(open_runner: Runner) -> None:
    runner = open_runner
    theirs = {"value": "id -un; touch mine", "user": "nobody"}
    runner.run("nobody", theirs)
    assert (runner.sandbox("nobody") / "stdout").read_text() == "nobody\n"
    assert (runner.sandbox("nobody") / "mine").owner() == "nobody"
    status = runner.run("stranger", {"value": "true", "user": "no-such-user"})
    assert "There is no user 'no-such-user' on this machine" in status["message"]
    runner.launch_group(runner.task("ours", "id -un"), runner.task("theirs", theirs))
    assert [runner.end(task_id)["state"] for task_id in ("ours", "theirs")] == 2 * ["TASK_FINISHED"]
    sandboxes = [runner.sandbox("pod") / "tasks" / task_id for task_id in ("ours", "theirs")]
    assert [(one / "stdout").read_text() for one in sandboxes] == ["root\n", "nobody\n"]
    assert (sandboxes[1] / "mine").owner() == "nobody"


def test_a_command_that_is_killed_is_killed_whatever_its_status_is(runner: Runner) -> None:
    runner.launch(runner.task("polite", "trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.01; done"))
    runner.wait_file(runner.sandbox("polite") / "stdout")
    runner.kill("polite")
    assert runner.end("polite")["message"] == "Command exited with status 0"
    assert runner.states("polite") == ["TASK_STARTING", "TASK_RUNNING", "TASK_KILLING", "TASK_KILLED"]
    assert (runner.sandbox("polite") / "stdout").read_text() == "ready\nbye\n"


def test_a_command_that_does_not_heed_is_destroyed_with_all_its_processes(runner: Runner) -> None:
    script = "trap '' TERM; setsid sleep 1000 & echo $!; while :; do sleep 0.01; done"
    grace = {"kill_policy": {"grace_period": {"nanoseconds": SECOND // 5}}}
    runner.launch(runner.task("deaf", script, **grace), runner.task("called", script))
    for task_id, policy in (("deaf", {}), ("called", grace)):
        stdout = runner.sandbox(task_id) / "stdout"
        runner.wait_file(stdout)
        runner.kill(task_id, **policy)
        assert runner.end(task_id)["message"] == "Command terminated with signal Killed"
        assert not alive(int(stdout.read_text()))


def test_a_command_ends_when_its_time_is_over(runner: Runner) -> None:
    status = runner.run("late", "sleep 1000", max_completion_time={"nanoseconds": SECOND // 5})
    assert runner.states("late") == ["TASK_STARTING", "TASK_RUNNING", "TASK_FAILED"]
    assert (status["reason"], status["source"]) == ("REASON_MAX_COMPLETION_TIME_REACHED", "SOURCE_EXECUTOR")


def test_a_failure_in_a_group_kills_the_rest_of_it(runner: Runner) -> None:
    runner.launch_group(runner.task("done", "true"), runner.task("stays", "echo up; exec sleep 1000"))
    runner.launch_group(
        runner.task("fails", "while [ ! -e go ]; do sleep 0.01; done; exit 3"), runner.task("dies", "sleep 1000")
    )
    assert runner.end("done")["state"] == "TASK_FINISHED"
    for task_id in ("stays", "fails", "dies"):
        runner.until(task_id, "TASK_RUNNING")
    containers = {
        task_id: runner.updates(task_id)[-1]["container_status"]["container_id"] for task_id in ("fails", "stays")
    }
    assert containers["fails"]["parent"] == containers["stays"]["parent"], "one executor"
    sandbox = runner.sandbox("pod")
    assert sandbox.resolve().name == containers["fails"]["parent"]["value"]
    own = sandbox / "tasks" / "fails"
    assert own.resolve() == (sandbox / "containers" / containers["fails"]["value"]).resolve()
    executors = runner.cluster.operator({"type": "GET_EXECUTORS"})["get_executors"]["executors"]
    assert [one["executor_info"]["executor_id"]["value"] for one in executors] == ["pod"]
    (own / "go").touch()
    assert runner.end("fails")["message"] == "Command exited with status 3"
    assert runner.end("dies")["message"] == "Command terminated with signal Terminated"
    assert runner.states("dies") == ["TASK_STARTING", "TASK_RUNNING", "TASK_KILLING", "TASK_KILLED"]
    assert runner.states("stays") == ["TASK_STARTING", "TASK_RUNNING"]
    assert (sandbox / "tasks" / "stays" / "stdout").read_text() == "up\n"
    path = f"/frameworks/{runner.framework_id}/executors/pod/runs/latest/tasks/stays/stdout"
    assert get_json(runner.agent.address, f"/files/read?path={path}&offset=0")["data"] == "up\n"
    runner.kill("stays")
    assert runner.end("stays")["state"] == "TASK_KILLED"
    failure = runner.stream.wait(lambda event: event["type"] == "FAILURE")["failure"]
    assert (failure["executor_id"]["value"], failure["status"]) == ("pod", 0)


def test_the_agent_shows_the_executor_that_there_would_be(runner: Runner) -> None:
    runner.launch(runner.task("shown", "exec sleep 10000"))
    runner.until("shown", "TASK_RUNNING")
    state = get_json(runner.agent.address, "/state")
    (framework,) = (one for one in state["frameworks"] if one["id"] == runner.framework_id)
    (executor,) = framework["executors"]
    assert (executor["id"], executor["source"]) == ("shown", "shown")
    assert executor["name"] == "Command Executor (Task: shown) (Command: sh -c 'exec sleep 1...')"
    assert (executor["resources"]["cpus"], executor["resources"]["mem"]) == (0.11, 33.0)
    assert [task["executor_id"] for task in executor["tasks"]] == [""]
    answer = operator_call(runner.agent.address, {"type": "GET_CONTAINERS", "get_containers": {}})
    (container,) = answer["get_containers"]["containers"]
    assert (
        container["container_status"]["executor_pid"] == runner.updates("shown")[0]["container_status"]["executor_pid"]
    )
    assert runner.cluster.operator({"type": "GET_EXECUTORS"})["get_executors"]["executors"] == []
    (task,) = get_json(runner.cluster.master_address, "/tasks?task_id=shown")["tasks"]
    assert (task["executor_id"], task["resources"]["cpus"]) == ("", 0.01)


def test_commands_and_groups_outlive_their_master(make_cluster: ClusterFactory, request: pytest.FixtureRequest) -> None:
    """The next one learns of them from the agent, and of no executor that it did not know before."""
    cluster = make_cluster(is_durable=True)
    show_on_failure(request, "cluster", cluster.logs)
    cluster.start(agents=1)
    runner = Runner(cluster, failover_timeout=3600)
    with runner.stream:
        runner.launch(runner.task("command", "exec sleep 1000"))
        runner.launch_group(runner.task("member", "exec sleep 1000"))
        pids = [runner.until(one, "TASK_RUNNING")["container_status"]["executor_pid"] for one in ("command", "member")]
        cluster.master.kill()
        assert runner.stream.wait_closed()
    cluster.start_master()
    wait_until(lambda: any(entry["active"] for entry in cluster.agent_entries()), "the agent is back")
    tasks = cluster.operator({"type": "GET_TASKS"})["get_tasks"]["tasks"]
    owners = {task["name"]: task.get("executor_id", {}).get("value") for task in tasks}
    assert owners == {"command": None, "member": "pod"}
    executors = cluster.operator({"type": "GET_EXECUTORS"})["get_executors"]["executors"]
    assert [one["executor_info"]["executor_id"]["value"] for one in executors] == ["pod"]
    assert all(alive(pid) for pid in pids)
    again = Runner(cluster, id={"value": runner.framework_id}, failover_timeout=3600)
    with again.stream:
        for task_id in ("command", "member"):
            again.kill(task_id)
            assert again.end(task_id)["state"] == "TASK_KILLED"
        failure = again.stream.wait(lambda event: event["type"] == "FAILURE")["failure"]
        assert failure["executor_id"]["value"] == "pod"


def test_an_exit_that_nobody_saw_is_a_failure(fresh_cluster: Cluster) -> None:
    """The supervisor is killed: once its successor knows the command from disk, once there is no disk."""
    fresh_cluster.start(agents=1)
    runner = Runner(fresh_cluster)
    with runner.stream:
        runner.launch(runner.task("adopted", "exec sleep 1000"), runner.task("lost", "exec sleep 1000"))
        pids = {
            one: runner.until(one, "TASK_RUNNING")["container_status"]["executor_pid"] for one in ("adopted", "lost")
        }
        kill_supervisor(fresh_cluster)
        os.kill(pids["adopted"], signal.SIGTERM)
        status = runner.end("adopted")
        assert (status["state"], status["reason"]) == ("TASK_FAILED", "REASON_EXECUTOR_TERMINATED")
        assert status["message"].startswith("The exit status is unknown: ")
        shutil.rmtree(runner.agent.work_directory / "run")
        kill_supervisor(fresh_cluster)
        status = runner.end("lost")
        assert status["message"] == "The exit status is unknown: the supervisor has lost its record of the run"
        os.kill(pids["lost"], signal.SIGKILL)
        assert runner.run("next", "true")["state"] == "TASK_FINISHED"


def kill_supervisor(cluster: Cluster) -> None:
    """Returns when there is another."""

    def supervisors() -> list[int]:
        return [
            pid
            for pid in processes_of(cluster.directory)
            if b"supervisor.py" in Path(f"/proc/{pid}/cmdline").read_bytes()
        ]

    (old,) = supervisors()
    os.kill(old, signal.SIGKILL)
    wait_until(lambda: supervisors() not in ([], [old]), "there is another supervisor")

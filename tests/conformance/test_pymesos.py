"""A client nobody here wrote: pymesos's scheduler, executor and operator drivers live a whole life."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.client import get_json
from tests.conformance.cluster import Cluster
from tests.conformance.conftest import ClusterFactory, show_on_failure
from tests.server.masters import running_masters
from tests.zookeeper import ZooKeeperServer

REQUIREMENTS = ("pymesos==0.3.15", "six==1.17.0", "addict==2.4.0", "kazoo==2.11.0")
PARSER = "http-parser==0.9.0"
CACHE_DIRECTORY = Path(__file__).resolve().parents[2] / ".cache" / "pymesos-0.3.15"
CLIENTS_DIRECTORY = Path(__file__).with_name("pymesos_clients")
INSTALL_TIMEOUT_SECONDS = 120
LINE_TIMEOUT_SECONDS = 20.0

pytestmark = [pytest.mark.xdist_group("pymesos"), pytest.mark.timeout(180)]

Line = dict[str, Any]


def install(target: Path) -> None:
    """Put pymesos into `target`, with the pure-Python part of its parser: the C part does not build on 3.11."""
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    with tempfile.TemporaryDirectory(dir=target.parent) as text:
        scratch = Path(text)
        library = scratch / "library"
        commands = [
            [*pip, "install", "--no-deps", "--target", str(library), *REQUIREMENTS],
            [*pip, "download", "--no-deps", "--no-build-isolation", "--no-binary", ":all:", "--dest", text, PARSER],
        ]
        for command in commands:
            subprocess.run(command, check=True, capture_output=True, timeout=INSTALL_TIMEOUT_SECONDS)
        (archive,) = scratch.glob("http-parser-*.tar.gz")
        with tarfile.open(archive) as members:
            for member in members.getmembers():
                parts = Path(member.name).parts
                if parts[1:2] == ("http_parser",) and member.name.endswith(".py"):
                    source = members.extractfile(member)
                    assert source is not None
                    path = library.joinpath(*parts[1:])
                    path.parent.mkdir(exist_ok=True)
                    path.write_bytes(source.read())
        shutil.move(library, target)


@pytest.fixture(scope="session")
def library() -> Path:
    """Where pymesos is; installed once into a folder that git ignores."""
    if sys.version_info >= (3, 12):
        pytest.skip("pymesos 0.3.15 and its parser do not work on Python 3.12 and later")
    CACHE_DIRECTORY.parent.mkdir(exist_ok=True)
    with CACHE_DIRECTORY.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not CACHE_DIRECTORY.exists():
            try:
                install(CACHE_DIRECTORY)
            except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
                output = (error.stderr or b"").decode(errors="replace")
                pytest.skip(f"pip could not fetch pymesos: {output[-300:]}")
    return CACHE_DIRECTORY


class Client:
    """A pymesos process that prints lines of JSON and reads commands."""

    def __init__(self, library: Path, script: str, arguments: list[str], directory: Path) -> None:
        self._errors = (directory / f"pymesos-{script}.log").open("ab")
        self._process = subprocess.Popen(
            [sys.executable, str(CLIENTS_DIRECTORY / script), *arguments],
            env={**os.environ, "PYTHONPATH": str(library)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
        )
        self.lines: list[Line] = []
        self._condition = threading.Condition()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._condition:
                self.lines.append(json.loads(line))
                self._condition.notify_all()

    def send(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()

    def wait(self, test: Callable[[Line], bool], since: int = 0) -> Line:
        with self._condition:
            came = self._condition.wait_for(lambda: any(map(test, self.lines[since:])), LINE_TIMEOUT_SECONDS)
            assert came, f"no such line among {self.lines[since:]}"
            return next(filter(test, self.lines[since:]))

    def wait_callback(self, name: str, since: int = 0) -> Line:
        return self.wait(lambda line: line["callback"] == name, since)

    def wait_update(self, task_id: str, state: str, since: int = 0) -> Line:
        def is_wanted(line: Line) -> bool:
            status = line.get("status")
            return isinstance(status, dict) and (status["task_id"]["value"], status["state"]) == (task_id, state)

        status: Line = self.wait(is_wanted, since)["status"]
        return status

    def ask(self, who: str, method: str, *arguments: object) -> Any:
        since = len(self.lines)
        self.send(json.dumps([who, method, *arguments]))
        return self.wait(lambda line: line.get("method") == method, since)["answer"]

    def finish(self) -> int:
        """Wait for the process to end by itself."""
        return self._process.wait(LINE_TIMEOUT_SECONDS)

    def close(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._thread.join()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        self._errors.close()


ClientFactory = Callable[..., Client]


@pytest.fixture(scope="module")
def cluster(make_cluster: ClusterFactory) -> Cluster:
    cluster = make_cluster()
    cluster.start(agents=1)
    return cluster


@pytest.fixture
def start(cluster: Cluster, library: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[ClientFactory]:
    clients: list[Client] = []

    def logs() -> str:
        return "\n".join(path.read_text(errors="replace")[-4000:] for path in tmp_path.glob("pymesos-*.log"))

    show_on_failure(request, "pymesos", logs)
    show_on_failure(request, "cluster", cluster.logs)
    address = f"{cluster.master_address[0]}:{cluster.master_address[1]}"
    agent = cluster.agents[0].address
    command = f"PYTHONPATH={library} exec {sys.executable} {CLIENTS_DIRECTORY / 'run_executor.py'}"

    def make(script: str, *more: str) -> Client:
        arguments = [address, f"{agent[0]}:{agent[1]}"] if script == "run_operator.py" else [address, command, *more]
        client = Client(library, script, arguments, tmp_path)
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.close()


def test_a_schedulers_life(start: ClientFactory) -> None:
    """Launch, update, message, failover, reconcile, kill, teardown."""
    first = start("run_scheduler.py")
    framework_id = first.wait_callback("registered")["framework_id"]
    agent_id = first.wait_callback("offer")["agent_id"]
    first.send("launch short finish")
    assert first.wait_update("short", "TASK_RUNNING")["source"] == "SOURCE_EXECUTOR"
    assert first.wait_update("short", "TASK_FINISHED")["data"] == "cmVzdWx0"
    first.send("launch long run")
    first.wait_update("long", "TASK_RUNNING")
    first.send(f"message {agent_id} hello")
    assert first.wait_callback("message")["text"] == "echo hello"
    first.send("die")
    first.finish()

    second = start("run_scheduler.py", framework_id)
    second.wait_callback("reregistered")
    second.send("reconcile long never")
    known = second.wait_update("long", "TASK_RUNNING")
    assert (known["source"], known["reason"]) == ("SOURCE_MASTER", "REASON_RECONCILIATION")
    assert second.wait_update("never", "TASK_LOST")["reason"] == "REASON_RECONCILIATION"
    second.send("kill long")
    assert second.wait_update("long", "TASK_KILLED")["message"] == "killed as asked"
    second.send("stop")
    assert second.finish() == 0


def test_an_old_scheduler_is_told_that_it_was_replaced(start: ClientFactory) -> None:
    first = start("run_scheduler.py")
    framework_id = first.wait_callback("registered")["framework_id"]
    second = start("run_scheduler.py", framework_id)
    second.wait_callback("reregistered")
    assert first.wait_callback("error")["message"] == "Framework failed over"
    second.send("stop")
    assert second.finish() == 0


def test_a_scheduler_finds_the_leader_by_zookeeper_and_the_next_one(
    library: Path,
    zookeeper: ZooKeeperServer,
    tmp_path: Path,
) -> None:
    """pymesos reads Mesos's nodes: the lowest `json.info_` leads, its content says where."""
    with running_masters(tmp_path / "cluster", zookeeper.url()) as masters:
        old = masters.add_master()
        masters.leader()
        masters.add_master()
        scheduler = Client(library, "run_scheduler.py", [masters.url, "true"], tmp_path)
        try:
            framework_id = scheduler.wait_callback("registered")["framework_id"]
            heard = len(scheduler.lines)
            old.server.kill()
            new = masters.leader(not_this=old)
            scheduler.wait_callback("reregistered", heard)
            frameworks = get_json(new.address, "/frameworks")["frameworks"]
            assert [(entry["id"], entry["connected"]) for entry in frameworks] == [(framework_id, True)]
            scheduler.send("stop")
            assert scheduler.finish() == 0
        finally:
            scheduler.close()


def test_an_operator_sees_the_whole_life(start: ClientFactory, cluster: Cluster) -> None:
    """The event stream, and the calls that read."""
    operator = start("run_operator.py")
    assert operator.ask("master", "getHealth")["get_health"] == {"healthy": True}
    assert operator.ask("master", "getVersion")["get_version"]["version_info"]["version"].count(".") >= 2
    agents = operator.ask("master", "getAgents")["get_agents"]["agents"]
    assert [agent["active"] for agent in agents] == [True]

    scheduler = start("run_scheduler.py")
    framework_id = scheduler.wait_callback("registered")["framework_id"]
    operator.wait_callback("frameworkAdded")
    scheduler.send("launch watched run")
    scheduler.wait_update("watched", "TASK_RUNNING")
    added = operator.wait(lambda line: line["callback"] == "taskAdded" and line["task"]["name"] == "watched")
    assert added["task"]["framework_id"]["value"] == framework_id
    operator.wait(lambda line: line["callback"] == "taskUpdated" and line["event"]["state"] == "TASK_RUNNING")
    tasks = operator.ask("master", "getTasks")["get_tasks"]["tasks"]
    assert [(task["name"], task["state"]) for task in tasks] == [("watched", "TASK_RUNNING")]
    executors = operator.ask("master", "getExecutors")["get_executors"]["executors"]
    assert [entry["executor_info"]["executor_id"]["value"] for entry in executors] == ["pymesos"]
    containers = operator.ask("agent", "getContainers")["get_containers"]["containers"]
    assert [entry["framework_id"]["value"] for entry in containers] == [framework_id]
    sandbox = cluster.agents[0].sandbox_root
    paths = list(sandbox.glob(f"slaves/*/frameworks/{framework_id}/executors/pymesos/runs/latest"))
    listed = operator.ask("agent", "listFiles", str(paths[0].resolve()))["list_files"]["file_infos"]
    assert {Path(info["path"]).name for info in listed} >= {"stdout", "stderr"}
    for method in ("getState", "getFrameworks", "getRoles", "getWeights", "getMaster", "getQuota", "getFlags"):
        assert operator.ask("master", method)["type"] == "GET_" + method[3:].upper()
    metrics = operator.ask("master", "getMetrics", 5 * 10**9)["get_metrics"]["metrics"]
    assert "master/tasks_running" in {metric["name"] for metric in metrics}
    scheduler.send("stop")
    assert scheduler.finish() == 0
    operator.wait_callback("frameworkRemoved")

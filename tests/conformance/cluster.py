"""Starts and stops the cluster under test: ours, or Apache Mesos itself.

``TEPUI_CONFORMANCE_TARGET=reference`` points the whole suite at Apache Mesos 1.11.0 (in the folder that
``REFERENCE_MESOS`` names), which proves the tests; without it they test ours.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from tests.conformance.client import Address, call, get_json, make_request, operator_call

HOST = "127.0.0.1"
OURS = "tepui"
REFERENCE = "reference"
REFERENCE_DIRECTORY = Path(os.environ["REFERENCE_MESOS"]) if os.environ.get("REFERENCE_MESOS") else None
"""Where Apache Mesos is; its programs are in `bin`."""
RESOURCES = "cpus:4;mem:4096;disk:10000;ports:[31000-32000]"

START_TIMEOUT_SECONDS = 40.0
STOP_TIMEOUT_SECONDS = 10.0
POLL_SECONDS = 0.02
LOG_TAIL_BYTES = 6000


def target() -> str:
    """Which cluster is tested: `OURS` or `REFERENCE`."""
    name = os.environ.get("TEPUI_CONFORMANCE_TARGET", OURS)
    assert name in (OURS, REFERENCE), f"TEPUI_CONFORMANCE_TARGET is {name!r}"
    return name


def missing_reason(kind: str) -> str | None:
    """Why a cluster of this kind cannot be started, or None."""
    if kind != REFERENCE:
        return None
    if REFERENCE_DIRECTORY is None:
        return "The variable REFERENCE_MESOS does not say in which folder Apache Mesos is"
    if not (REFERENCE_DIRECTORY / "bin" / "mesos-master").exists():
        return f"There is no bin/mesos-master in {REFERENCE_DIRECTORY}, which REFERENCE_MESOS names"
    return None


def reference_program(name: str) -> str:
    assert REFERENCE_DIRECTORY is not None, missing_reason(REFERENCE)
    return str(REFERENCE_DIRECTORY / "bin" / name)


def free_port() -> int:
    """A port that nobody listens on just now, picked by the system."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def wait_until(condition: Callable[[], Any], what: str, timeout_seconds: float = START_TIMEOUT_SECONDS) -> Any:
    """Poll until `condition` gives something true, and return that."""
    deadline = time.monotonic() + timeout_seconds
    while True:
        with contextlib.suppress(OSError):
            if value := condition():
                return value
        assert time.monotonic() < deadline, f"waited {timeout_seconds} s in vain: {what}"
        time.sleep(POLL_SECONDS)


class Server:
    """One server process with its log file."""

    def __init__(self, name: str, command: Sequence[str], log_path: Path) -> None:
        self.name = name
        self.command = list(command)
        self.log_path = log_path
        self._log: IO[bytes] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def has_ended(self) -> bool:
        """Whether it was started and runs no more."""
        return self._process is not None and self._process.poll() is not None

    def start(self) -> None:
        self._log = self.log_path.open("ab")
        self._process = subprocess.Popen(
            self.command,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)

    def wait(self, timeout_seconds: float = STOP_TIMEOUT_SECONDS) -> int:
        """The exit status."""
        assert self._process is not None
        status = self._process.wait(timeout_seconds)
        if self._log is not None:
            self._log.close()
            self._log = None
        return status

    def stop(self) -> None:
        """SIGTERM, and SIGKILL when that does not end it."""
        if self._process is None:
            return
        self.signal(signal.SIGTERM)
        try:
            self.wait()
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """SIGKILL, and wait."""
        self.signal(signal.SIGKILL)
        self.wait()

    def log_tail(self) -> str:
        data = self.log_path.read_bytes() if self.log_path.exists() else b""
        return f"--- {self.name}: {' '.join(self.command)}\n{data[-LOG_TAIL_BYTES:].decode(errors='replace')}"

    def check_running(self) -> None:
        assert self.is_running, f"{self.name} ended\n{self.log_tail()}"


@dataclass
class Agent:
    """One agent: its process, address and directories."""

    server: Server
    address: Address
    work_directory: Path
    sandbox_root: Path  # below it: slaves/<id>/frameworks/...


@dataclass
class Cluster:
    """A master and its agents in one directory."""

    kind: str
    directory: Path
    master_flags: Sequence[str] = ()
    agent_flags: Sequence[str] = ()
    is_durable: bool = False
    master_address: Address = (HOST, 0)
    agents: list[Agent] = field(default_factory=list)
    _master: Server | None = None

    @property
    def is_reference(self) -> bool:
        return self.kind == REFERENCE

    @property
    def master(self) -> Server:
        assert self._master is not None
        return self._master

    def start(self, agents: int = 2) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        self.start_master()
        for _ in range(agents):
            self.add_agent()

    def start_master(self) -> None:
        """Start the master, or start it again at its address."""
        if self._master is None:
            self.master_address = (HOST, free_port())
            self._master = Server("master", self._master_command(), self.directory / "master.log")
        self._master.start()
        wait_until(self._master_answers, "the master answers", START_TIMEOUT_SECONDS)

    def _master_answers(self) -> bool:
        self.master.check_running()
        return call(self.master_address, make_request("GET", "/state")).status == 200

    def _master_command(self) -> list[str]:
        _, port = self.master_address
        flags = [f"--ip={HOST}", f"--port={port}", f"--work_dir={self.directory / 'master'}", *self.master_flags]
        if self.kind == REFERENCE:
            registry = ["--registry=replicated_log", "--quorum=1"] if self.is_durable else ["--registry=in_memory"]
            return [reference_program("mesos-master"), *flags, *registry]
        return [sys.executable, "-m", "tepui", "serve", "master", *flags]

    def add_agent(self, resources: str = RESOURCES, flags: Sequence[str] = ()) -> Agent:
        """Start one more agent and wait for it to be registered."""
        number = len(self.agents) + 1
        address = (HOST, free_port())
        work_directory = self.directory / f"agent{number}"
        every = [
            f"--master={self.master_address[0]}:{self.master_address[1]}",
            f"--ip={HOST}",
            f"--port={address[1]}",
            f"--work_dir={work_directory}",
            f"--resources={resources}",
            *self.agent_flags,
            *flags,
        ]
        if self.kind == REFERENCE:
            command = [reference_program("mesos-agent"), *every]
            sandbox_root = work_directory / "agents" / "0" / "work"
        else:
            command = [sys.executable, "-m", "tepui", "serve", "agent", *every]
            sandbox_root = work_directory
        agent = Agent(
            Server(f"agent{number}", command, self.directory / f"agent{number}.log"),
            address,
            work_directory,
            sandbox_root,
        )
        self.agents.append(agent)
        self.start_agent(agent)
        return agent

    def start_agent(self, agent: Agent) -> None:
        """Start an agent, or start it again, and wait for it to be registered."""
        agent.server.start()
        wait_until(lambda: self._agent_is_active(agent), f"{agent.server.name} registers")

    def _agent_is_active(self, agent: Agent) -> bool:
        self.master.check_running()
        agent.server.check_running()
        return any(entry["active"] for entry in self.agent_entries() if entry["port"] == agent.address[1])

    def agent_entries(self) -> list[dict[str, Any]]:
        """What the master's /slaves says."""
        entries: list[dict[str, Any]] = get_json(self.master_address, "/slaves")["slaves"]
        return entries

    def agent_id(self, agent: Agent) -> str:
        return next(str(entry["id"]) for entry in self.agent_entries() if entry["port"] == agent.address[1])

    def operator(self, message: dict[str, Any]) -> Any:
        """An operator call to the master."""
        return operator_call(self.master_address, message)

    def logs(self) -> str:
        """The ends of all logs, for failures."""
        servers = [self.master, *(agent.server for agent in self.agents)]
        return "\n".join(server.log_tail() for server in servers)

    def stop(self) -> None:
        """End every process of this cluster: servers by SIGTERM, what they left by SIGKILL."""
        for server in [*(agent.server for agent in self.agents), *([self._master] if self._master else [])]:
            server.stop()
        for pid in processes_of(self.directory):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not processes_of(self.directory), "all processes of the cluster end", STOP_TIMEOUT_SECONDS)


def processes_of(directory: Path) -> list[int]:
    """Processes that name `directory` in their command line, environment or working directory."""
    mark = str(directory).encode() + b"/"
    return [pid for pid in _pids() if pid != os.getpid() and mark in _traces(pid)]


def _pids() -> Iterator[int]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            yield int(entry.name)


def _traces(pid: int) -> bytes:
    process = Path(f"/proc/{pid}")
    with contextlib.suppress(OSError):
        if b"\nState:\tZ" in (process / "status").read_bytes():
            return b""
        traces = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
        return traces + str((process / "cwd").readlink()).encode() + b"/"
    return b""


def resident_bytes(pid: int) -> int:
    """Resident memory of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0

"""Several masters that one ZooKeeper elects from, and agents that find the leader by it, as processes."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.conformance.client import Address, get_json
from tests.conformance.cluster import HOST, Server, free_port, processes_of, wait_until

SESSION_TIMEOUT = "4secs"
"""Short, but not so short that a busy machine costs a healthy leader its session."""


class Member:
    """One master: its process and where it listens."""

    def __init__(self, server: Server, port: int) -> None:
        self.server = server
        self.address: Address = (HOST, port)

    def ask(self, path: str, method: str = "GET", body: str | None = None) -> tuple[int, str, str]:
        """Status, Location and body of the answer; redirects are not followed."""
        connection = http.client.HTTPConnection(*self.address, timeout=10)
        try:
            connection.request(method, path, body, {} if body is None else {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.getheader("Location", ""), answer.read().decode()
        finally:
            connection.close()

    def read_stale(self, path: str) -> tuple[int, str, float, Any]:
        """Status, revision, age in seconds and decoded body of the answer to a read that may be old."""
        connection = http.client.HTTPConnection(*self.address, timeout=10)
        try:
            connection.request("GET", path, headers={"Tepui-Allow-Stale": "1"})
            answer = connection.getresponse()
            body = answer.read()
            age = float(answer.getheader("Tepui-Age-Seconds", "-1"))
            shown = json.loads(body) if answer.status == 200 else body.decode()
            return answer.status, answer.getheader("Tepui-Revision", ""), age, shown
        finally:
            connection.close()

    def leads(self) -> bool:
        """Whether it leads, and has read the registry."""
        return self.server.is_running and self.ask("/state")[0] == 200

    def answers(self) -> bool:
        self.server.check_running()
        return self.ask("/health")[0] == 200

    def log(self) -> str:
        return self.server.log_path.read_text(errors="replace")


class Masters:
    """Masters and agents in one folder."""

    def __init__(self, directory: Path, url: str) -> None:
        self.directory = directory
        self.url = url
        self.members: list[Member] = []
        self.agents: list[Server] = []
        directory.mkdir(parents=True)

    def add_master(self, *flags: str) -> Member:
        port = free_port()
        name = f"master{len(self.members) + 1}"
        command = [
            sys.executable, "-m", "tepui", "serve", "master", f"--ip={HOST}", f"--port={port}",
            f"--work_dir={self.directory}/{name}", f"--zk={self.url}", f"--zk_session_timeout={SESSION_TIMEOUT}",
            "--quorum=1", f"--hostname={HOST}", *flags,
        ]  # fmt: skip
        member = Member(Server(name, command, self.directory / f"{name}.log"), port)
        self.members.append(member)
        member.server.start()
        return member

    def add_agent(self, master: str | None = None) -> None:
        name = f"agent{len(self.agents) + 1}"
        command = [
            sys.executable, "-m", "tepui", "serve", "agent", f"--ip={HOST}", f"--port={free_port()}",
            f"--work_dir={self.directory}/{name}", f"--master={master or self.url}",
            "--registration_backoff_factor=200ms", "--resources=cpus:2;mem:512;disk:100;ports:[31000-31100]",
        ]  # fmt: skip
        server = Server(name, command, self.directory / f"{name}.log")
        self.agents.append(server)
        server.start()

    def leader(self, *, not_this: Member | None = None) -> Member:
        """Wait until a master leads."""
        others = [member for member in self.members if member is not not_this]

        def find() -> Member | None:
            assert any(member.server.is_running for member in others), "all masters have ended"
            for member in others:
                with contextlib.suppress(OSError):
                    if member.leads():
                        return member
            return None

        found = wait_until(find, "a master leads")
        assert isinstance(found, Member)
        return found

    def wait_for_agents(self, leader: Member) -> list[str]:
        """Wait until all agents are connected to this leader; returns their ids."""

        def connected() -> list[str]:
            entries: list[dict[str, Any]] = get_json(leader.address, "/slaves")["slaves"]
            active = sorted(entry["id"] for entry in entries if entry["active"])
            return active if len(active) == len(self.agents) else []

        found: list[str] = wait_until(connected, "the agents are connected")
        return found

    def logs(self) -> str:
        return "\n".join(server.log_tail() for server in [*(one.server for one in self.members), *self.agents])

    def stop(self) -> None:
        for server in [*(member.server for member in self.members), *self.agents]:
            with contextlib.suppress(ProcessLookupError):
                if server.is_running:
                    server.signal(signal.SIGCONT)
            server.stop()
        for pid in processes_of(self.directory):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@contextlib.contextmanager
def running_masters(directory: Path, url: str) -> Iterator[Masters]:
    """Ended at the end; a failure shows their logs."""
    masters = Masters(directory, url)
    try:
        yield masters
    except BaseException as error:
        error.add_note(masters.logs())
        raise
    finally:
        masters.stop()


def metrics(member: Member) -> dict[str, float]:
    found: dict[str, float] = json.loads(member.ask("/metrics/snapshot")[2])
    return found

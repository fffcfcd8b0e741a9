"""A cluster whose servers listen on IPv6 addresses: everything that carries an address writes it in brackets."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.commands import tepui
from tests.conformance.cluster import Server, wait_until

PRIMES = Path(__file__).parents[2] / "examples" / "primes.py"


def has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


def server(folder: Path, name: str, *flags: str) -> Server:
    command = [sys.executable, "-m", "tepui", "serve", name, "--ip=::1", "--port=0", f"--work_dir={folder}/{name}"]
    return Server(name, [*command, *flags], folder / f"{name}.log")


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
def test_frameworks_and_commands_find_masters_agents_and_executors_by_ipv6(tmp_path: Path) -> None:
    master = server(tmp_path, "master")
    servers = [master]
    try:
        master.start()
        where = wait_until(lambda: re.search(r"serves http://\S+:(\d+)", master.log_path.read_text()), "it serves")
        address = f"[::1]:{where[1]}"
        agent = server(tmp_path, "agent", f"--master={address}", "--resources=cpus:2;mem:512;disk:100")
        servers.append(agent)
        agent.start()
        command = [sys.executable, str(PRIMES), address, "30"]
        primes = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert (primes.returncode, primes.stdout) == (0, "10 primes below 30\n"), primes.stderr
        ran = tepui("run", f"--master={address}", "echo hello")
        assert (ran.returncode, ran.stdout) == (0, "hello\n"), ran.stderr
        (agent_shown,) = json.loads(tepui("agent", "list", f"--master={address}", "-o", "json").stdout)
        assert re.fullmatch(r"\[::1\]:\d+", agent_shown["address"])
        newest = json.loads(tepui("task", "list", f"--master={address}", "-o", "json").stdout)[0]
        logs = tepui("task", "logs", f"--master={address}", "--framework", newest["framework_id"], newest["id"])
        assert (logs.returncode, logs.stdout) == (0, "hello\n"), logs.stderr
    finally:
        for one in reversed(servers):
            one.stop()

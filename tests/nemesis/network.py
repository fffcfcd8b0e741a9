"""Where the servers run: each on a machine of its own that is a network namespace, or all on loopback ports.

The namespaces hang on one bridge. A machine is cut off from others by moving its cable to another bridge, so nobody is
told: packets are lost. They belong to processes and end with them; nothing stays on the host.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from typing import Protocol

from tests.conformance.cluster import free_port

NETWORK = "10.9.0"
NOBODY = "02:00:00:00:00:01"
_TOOLS = ("ip", "unshare", "nsenter")


class Network(Protocol):
    """Machines by name."""

    has_partitions: bool

    def add(self, machine: str) -> str:
        """A new machine; returns its address."""

    def port(self, usual: int) -> int:
        """A port that is free on a machine that serves one thing."""

    def command(self, machine: str, command: Sequence[str]) -> list[str]:
        """The command, made to run on the machine."""

    def cut(self, machines: Sequence[str]) -> None:
        """These machines reach each other and nobody else, and nobody else reaches them."""

    def part(self, machine: str, others: Sequence[str]) -> None:
        """The machine and the others do not reach each other; all else is as it was."""

    def heal(self) -> None:
        """All reach all."""

    def close(self) -> None: ...


class Loopback:
    """One machine for all."""

    has_partitions = False

    def add(self, machine: str) -> str:  # noqa: ARG002 - all are the same
        return "127.0.0.1"

    def port(self, usual: int) -> int:  # noqa: ARG002
        return free_port()

    def command(self, machine: str, command: Sequence[str]) -> list[str]:  # noqa: ARG002
        return list(command)

    def cut(self, machines: Sequence[str]) -> None:
        raise NotImplementedError("machines on loopback cannot be cut off")

    def part(self, machine: str, others: Sequence[str]) -> None:
        raise NotImplementedError("machines on loopback cannot be cut off")

    def heal(self) -> None:
        pass

    def close(self) -> None:
        pass


class Namespaces:
    """To be used in a network namespace of the caller's own."""

    has_partitions = True

    def __init__(self) -> None:
        self._holders: dict[str, subprocess.Popen[bytes]] = {}
        self._addresses: dict[str, str] = {}
        self._away: list[str] = []
        self._parted: list[tuple[str, str]] = []
        """Who does not know any more where to send what is for whom."""
        _ip("link set lo up")
        for bridge in ("near", "far"):
            _ip(f"link add {bridge} type bridge")
            _ip(f"link set {bridge} up")
        _ip(f"addr add {NETWORK}.1/24 dev near")

    def add(self, machine: str) -> str:
        address = f"{NETWORK}.{len(self._holders) + 10}"
        holder = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", "echo; exec cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert holder.stdout is not None
        holder.stdout.readline()  # from now on it has the namespace
        self._holders[machine] = holder
        self._addresses[machine] = address
        _ip(f"link add {machine} type veth peer name eth0 netns {holder.pid}")
        _ip(f"link set {machine} master near up")
        for words in ("link set lo up", f"addr add {address}/24 dev eth0", "link set eth0 up"):
            self._on(machine, words)
        return address

    def port(self, usual: int) -> int:
        return usual

    def command(self, machine: str, command: Sequence[str]) -> list[str]:
        return ["nsenter", f"--net=/proc/{self._holders[machine].pid}/ns/net", *command]

    def cut(self, machines: Sequence[str]) -> None:
        self.heal()
        self._away = list(machines)
        for machine in machines:
            _ip(f"link set {machine} master far")

    def part(self, machine: str, others: Sequence[str]) -> None:
        """Each believes the other at a hardware address that nobody has: packets are lost, and nobody is told."""
        self._parted += [pair for other in others for pair in ((machine, other), (other, machine))]
        for one, other in self._parted:
            self._on(one, f"neigh replace {self._addresses[other]} lladdr {NOBODY} nud permanent dev eth0")

    def heal(self) -> None:
        for machine in self._away:
            _ip(f"link set {machine} master near")
        self._away = []
        for one, other in self._parted:
            self._on(one, f"neigh del {self._addresses[other]} dev eth0")
        self._parted = []

    def _on(self, machine: str, words: str) -> None:
        subprocess.run(self.command(machine, ["ip", *words.split()]), check=True)

    def close(self) -> None:
        for holder in self._holders.values():
            holder.kill()
            holder.wait()
            for stream in (holder.stdin, holder.stdout):
                if stream is not None:
                    stream.close()


def _ip(words: str) -> None:
    subprocess.run(["ip", *words.split()], check=True)


def own_namespace() -> list[str]:
    """What to put before a command that uses `Namespaces`; empty where they cannot be had."""
    if os.geteuid() != 0 or not all(shutil.which(tool) for tool in _TOOLS):
        return []
    trial = "ip link add near type bridge && ip link add one type veth peer name two"
    tried = subprocess.run(["unshare", "--net", "sh", "-c", trial], capture_output=True, check=False)
    return [] if tried.returncode else ["unshare", "--net"]

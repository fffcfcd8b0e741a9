"""How long a cluster is without its master: from `kill -9` of the leader until all are with the next one.

    python -m benchmarks.failover [--agents 2000] [--tasks 200] [--frameworks 20] [--runs 10]

One ZooKeeper server, two masters with sessions of one second, agents and schedulers as `benchmarks.fleet` has them.
Printed are the parts: *detection* (until ZooKeeper names the next master), *takeover* (until that one has read the
registry and leads), *re-registration* (until the last agent and the last framework are with it), and the slowest answer
to `GET /health` that the next master gave meanwhile. *Processor time* is the next master's, which tells more than the
others where the machine has other work.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from tests.conformance.client import Address
from tests.conformance.cluster import wait_until
from tests.server.masters import Masters, Member, running_masters
from tests.zookeeper import ZooKeeperServer

from benchmarks.servers import cpu_seconds

WAIT_SECONDS_MAX = 180.0
HEALTH_PAUSE_SECONDS = 0.01
SESSION = "1secs"
CALM_SECONDS = 2.0
"""Between two runs, so that what the last one left to do is done."""
STUDENT_95 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)
"""Factors of 95 % intervals for 2 to 10 values; beyond, that of the normal distribution is near enough."""
PARTS = ("detection", "takeover", "re-registration", "total")

_LEADS = re.compile(r"^(\S+ \S+) I tepui\.server\.master: master \S+ leads epoch", re.MULTILINE)


class Group:
    """A process of `benchmarks.fleet`, and what it has said."""

    def __init__(self, *words: str | int) -> None:
        command = [sys.executable, "-m", "benchmarks.fleet", *map(str, words)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
        self._said: list[tuple[int, float]] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            found = json.loads(line)
            self._said.append((found["port"], found["time"]))

    def all_with(self, port: int, since: float) -> float:
        """When the last one of them came to the master that listens there."""

        def find() -> float | None:
            assert self._process.poll() is None, "the emulated cluster ended"
            return next((moment for where, moment in self._said if where == port and moment >= since), None)

        return float(wait_until(find, "all are with the master", WAIT_SECONDS_MAX))

    def stop(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        self._reader.join()
        if self._process.stdout is not None:
            self._process.stdout.close()


class Health:
    """Asks a master for /health again and again, and keeps how long it waited."""

    def __init__(self, address: Address) -> None:
        self.waits: list[float] = []
        """In seconds."""
        self._address = address
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self._thread.start()

    def _ask(self) -> None:
        connection = http.client.HTTPConnection(*self._address, timeout=WAIT_SECONDS_MAX)
        with contextlib.closing(connection):
            while not self._over.wait(HEALTH_PAUSE_SECONDS):
                begun = time.monotonic()
                connection.request("GET", "/health")
                answer = connection.getresponse()
                answer.read()
                assert answer.status == 200
                self.waits.append(time.monotonic() - begun)

    def stop(self) -> float:
        """Ask no more; returns the longest wait in seconds."""
        self._over.set()
        self._thread.join()
        return max(self.waits, default=0.0)


@dataclass
class Measured:
    """Seconds of each run: its parts, the slowest answer to /health, and the next master's processor time."""

    detection: list[float] = field(default_factory=list)
    takeover: list[float] = field(default_factory=list)
    registration: list[float] = field(default_factory=list)
    total: list[float] = field(default_factory=list)
    health: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def add(self, killed: float, named: float, led: float, last: float, health: float, cpu: float) -> None:
        """One run, by the moments (seconds since the epoch) at which its parts ended."""
        self.detection.append(named - killed)
        self.takeover.append(led - named)
        self.registration.append(last - led)
        self.total.append(last - killed)
        self.health.append(health)
        self.cpu.append(cpu)

    def parts(self) -> Iterator[tuple[str, list[float]]]:
        """Name and values of each part, and of the whole."""
        return zip(PARTS, (self.detection, self.takeover, self.registration, self.total), strict=True)

    def lines(self) -> Iterator[str]:
        """What is printed in the end."""
        for name, values in (*self.parts(), ("processor time", self.cpu)):
            yield f"{name:16} {interval(values)}"
        yield f"{'worst /health':16} {max(self.health) * 1e3:.0f} ms"


def interval(values: Sequence[float]) -> str:
    """The mean with its 95 % interval."""
    mean = statistics.mean(values)
    if len(values) < 2:
        return f"{mean:.2f} s"
    factor = STUDENT_95[len(values) - 2] if len(values) - 2 < len(STUDENT_95) else 1.96
    return f"{mean:.2f} s ± {factor * statistics.stdev(values) / len(values) ** 0.5:.2f}"


def led_at(member: Member, since: float) -> float:
    """When the master's log says that it leads."""

    def find() -> float | None:
        moments = [datetime.strptime(text, "%Y-%m-%d %H:%M:%S,%f").timestamp() for text in _LEADS.findall(member.log())]
        return next((moment for moment in moments if moment >= since), None)

    return float(wait_until(find, "the next master leads", WAIT_SECONDS_MAX))


def named_at(standby: Member) -> float:
    """When the standby knows from ZooKeeper that it is the one: it no longer redirects to the old leader."""
    before = standby.ask("/redirect")

    def changed() -> float | None:
        return time.time() if standby.ask("/redirect") != before else None

    return float(wait_until(changed, "ZooKeeper names the next master", WAIT_SECONDS_MAX))


def fail_over(masters: Masters, agents: Group, frameworks: Group, measured: Measured) -> None:
    """One run: the leader is killed, all come to the standby, and the killed master stands by in its place."""
    leader = masters.leader()
    (standby,) = [member for member in masters.members if member is not leader]
    wait_until(lambda: standby.ask("/redirect")[0] == 307, "the standby knows the leader")
    time.sleep(CALM_SECONDS)
    health = Health(standby.address)
    used = cpu_seconds(standby.server.pid)
    killed = time.time()
    os.kill(leader.server.pid, signal.SIGKILL)
    named = named_at(standby)
    port = standby.address[1]
    last = max(agents.all_with(port, killed), frameworks.all_with(port, killed))
    worst = health.stop()
    measured.add(killed, named, led_at(standby, killed), last, worst, cpu_seconds(standby.server.pid) - used)
    leader.server.wait()
    leader.server.start()
    wait_until(leader.answers, "the killed master stands by")


def measure(agents: int, tasks: int, frameworks: int, runs: int, session: str = SESSION) -> Measured:
    """So many runs on one cluster, which changes its master each time."""
    measured = Measured()
    with tempfile.TemporaryDirectory(prefix="tepui-benchmark-") as name:
        server = ZooKeeperServer(Path(name) / "zookeeper")
        groups: list[Group] = []
        try:
            server.start()
            with running_masters(Path(name) / "cluster", server.url()) as masters:
                for _ in range(2):
                    masters.add_master(f"--zk_session_timeout={session}")
                leader = masters.leader()
                begun = time.time()
                groups += [Group("frameworks", masters.url, frameworks)]
                groups[0].all_with(leader.address[1], 0)
                groups += [Group("agents", masters.url, agents, tasks, frameworks)]
                groups[1].all_with(leader.address[1], 0)
                print(f"{agents} agents and {frameworks} frameworks came in {time.time() - begun:.1f} s", flush=True)
                for number in range(runs):
                    fail_over(masters, groups[1], groups[0], measured)
                    print(
                        f"run {number + 1}: {measured.detection[-1]:.2f} + {measured.takeover[-1]:.2f} + "
                        f"{measured.registration[-1]:.2f} = {measured.total[-1]:.2f} s, of which "
                        f"{measured.cpu[-1]:.2f} s of the master's processor; /health at most "
                        f"{measured.health[-1] * 1e3:.0f} ms; load {os.getloadavg()[0]:.1f}",
                        flush=True,
                    )
        finally:
            for group in groups:
                group.stop()
            server.kill()
    return measured


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.failover", description=__doc__)
    parser.add_argument("--agents", type=int, default=2000)
    parser.add_argument("--tasks", type=int, default=200, help="of all agents together")
    parser.add_argument("--frameworks", type=int, default=20)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--session", default=SESSION, help="--zk_session_timeout of the masters")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # the cluster is stopped, too
    measured = measure(arguments.agents, arguments.tasks, arguments.frameworks, arguments.runs, arguments.session)
    for line in measured.lines():
        print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""What it costs to read everything, and how long others wait meanwhile.

    python -m benchmarks.large_reads [--agents 1000] [--tasks 80000] [--readers 4] [--seconds 10]

Emulated agents (`benchmarks.fleet`) tell a master of many tasks. Measured are the master's processor time for each
answer, by task; and the waits of somebody who asks for `/health` again and again, while several clients ask for
`/state` as fast as it comes.
"""

from __future__ import annotations

import argparse
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.conformance.client import Address, get_json
from tests.conformance.cluster import OURS, wait_until

from benchmarks.failover import Group, Health
from benchmarks.servers import cpu_seconds, running

READ_BYTES = 1 << 20
READS = 3
"""So many of each kind for one figure."""


def _request(method: str, target: str, call: str = "", accept: str = "application/json") -> bytes:
    body = json.dumps({"type": call}).encode() if call else b""
    head = f"{method} {target} HTTP/1.1\r\nHost: master\r\nAccept: {accept}\r\nConnection: close\r\n"
    return f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


REQUESTS = {
    "/state": _request("GET", "/state"),
    "GET_STATE": _request("POST", "/api/v1", "GET_STATE"),
    "GET_STATE as protobuf": _request("POST", "/api/v1", "GET_STATE", "application/x-protobuf"),
}


def read(address: Address, request: bytes) -> int:
    """Ask, and take all of the answer; returns its length."""
    length = 0
    with socket.create_connection(address) as connection:
        connection.sendall(request)
        while piece := connection.recv(READ_BYTES):
            length += len(piece)
    return length


@dataclass
class Measured:
    """Of one master: what each kind of answer costs, how many are made a second, and the waits for /health."""

    microseconds_per_task: dict[str, float] = field(default_factory=dict)
    bytes_per_task: dict[str, float] = field(default_factory=dict)
    answers_per_second: float = 0.0
    health_milliseconds: list[float] = field(default_factory=list)

    def lines(self) -> Iterator[str]:
        """What is printed in the end."""
        for name, cost in self.microseconds_per_task.items():
            yield f"{name:22} {cost:.1f} us of the master's processor a task, {self.bytes_per_task[name]:.0f} bytes"
        waits = sorted(self.health_milliseconds)
        yield f"answers to /state      {self.answers_per_second:.2f} a second"
        yield f"/health meanwhile      median {waits[len(waits) // 2]:.1f} ms, longest {waits[-1]:.1f} ms"


@contextmanager
def _readers(address: Address, count: int) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "benchmarks.large_reads", "--read", *map(str, (*address, count))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def measure(agents: int, tasks: int, readers: int, seconds: float) -> Measured:
    """One master, first alone with one reader, then with several."""
    measured = Measured()
    with running(OURS, 0) as cluster:
        address = cluster.master_address
        fleet = Group("agents", f"{address[0]}:{address[1]}", agents, tasks, 20)
        try:
            fleet.all_with(address[1], 0)
            metrics = "/metrics/snapshot"
            wait_until(lambda: get_json(address, metrics)["master/tasks_running"] == tasks, "it knows all tasks")
            for name, request in REQUESTS.items():
                length = read(address, request)
                before = cpu_seconds(cluster.master.pid)
                for _ in range(READS):
                    read(address, request)
                used = cpu_seconds(cluster.master.pid) - before
                measured.microseconds_per_task[name] = used / READS / tasks * 1e6
                measured.bytes_per_task[name] = length / tasks
            with _readers(address, readers) as process:
                assert process.stdout is not None
                process.stdout.readline()  # all have had an answer
                health = Health(address)
                begun = time.monotonic()
                answers = 0
                while time.monotonic() < begun + seconds:
                    process.stdout.readline()
                    answers += 1
                measured.answers_per_second = answers / (time.monotonic() - begun)
                health.stop()
                measured.health_milliseconds = [1e3 * wait for wait in health.waits]
        finally:
            fleet.stop()
    return measured


def _read_for_ever(address: Address, count: int) -> None:
    """Say a line when every reader has had an answer, then one for each answer."""
    everybody = threading.Barrier(count, lambda: print("begun", flush=True))

    def ask() -> None:
        read(address, REQUESTS["/state"])
        everybody.wait()
        while True:
            read(address, REQUESTS["/state"])
            print("read", flush=True)

    threads = [threading.Thread(target=ask) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.large_reads", description=__doc__)
    parser.add_argument("--agents", type=int, default=1000)
    parser.add_argument("--tasks", type=int, default=80_000, help="of all agents together")
    parser.add_argument("--readers", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=10.0, help="with all readers")
    parser.add_argument("--read", nargs=3, metavar=("HOST", "PORT", "COUNT"), help="be the readers")
    arguments = parser.parse_args()
    if arguments.read is not None:
        host, port, count = arguments.read
        _read_for_ever((host, int(port)), int(count))
        return 0
    for line in measure(arguments.agents, arguments.tasks, arguments.readers, arguments.seconds).lines():
        print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())

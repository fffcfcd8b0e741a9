"""Starts the clusters that are measured, and reads what their processes used."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conformance.cluster import OURS, REFERENCE, Cluster, missing_reason, processes_of, resident_bytes

NAMES = {OURS: "Tepui", REFERENCE: "Apache Mesos 1.11.0"}
# Apache Mesos writes a line of log for each call unless it is told not to; both are measured silent.
QUIET_FLAGS = {OURS: (), REFERENCE: ("--quiet",)}
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


def kinds() -> list[str]:
    """The clusters that can be measured here, ours first."""
    return [OURS, *([] if missing_reason(REFERENCE) else [REFERENCE])]


@contextmanager
def running(kind: str, agents: int) -> Iterator[Cluster]:
    """A cluster of that kind, stopped afterwards with all it left."""
    with tempfile.TemporaryDirectory(prefix="tepui-benchmark-") as directory:
        flags = QUIET_FLAGS[kind]
        cluster = Cluster(kind, Path(directory) / "cluster", flags, flags)
        try:
            cluster.start(agents)
            yield cluster
        except BaseException:
            print(cluster.logs())
            raise
        finally:
            cluster.stop()


def cpu_seconds(pid: int) -> float:
    """Processor time of a process so far."""
    return _ticks(pid, 11) / CLOCK_TICKS


def children_cpu_seconds(pid: int) -> float:
    """Processor time of a process's children that have ended."""
    return _ticks(pid, 13) / CLOCK_TICKS


def _ticks(pid: int, first: int) -> int:
    """The sum of two neighbours among the fields behind the name (proc(5): 11 is `utime`, 13 is `cutime`)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[first]) + int(fields[first + 1])


def supervisor_pids(cluster: Cluster) -> list[int]:
    """The supervisors of our agents."""
    every = processes_of(cluster.directory)
    return [pid for pid in every if b"supervisor.py" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def megabytes(pid: int) -> float:
    """Resident memory of a process in units of 2**20 bytes."""
    return resident_bytes(pid) / (1 << 20)

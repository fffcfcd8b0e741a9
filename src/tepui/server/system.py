"""What a server tells of the machine it runs on, and what an agent finds there."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

_MEGABYTE = 1 << 20


def _memory_bytes() -> tuple[int, int]:
    """Total and free memory; zeros where /proc does not say."""
    found = {"MemTotal": 0, "MemFree": 0}
    try:
        with Path("/proc/meminfo").open() as file:
            for line in file:
                name, _, rest = line.partition(":")
                if name in found:
                    found[name] = int(rest.split()[0]) * 1024
    except OSError:
        pass
    return found["MemTotal"], found["MemFree"]


def _loads() -> tuple[float, float, float]:
    try:
        return os.getloadavg()
    except OSError:
        return (0.0, 0.0, 0.0)


def system_metrics() -> dict[str, float]:
    """The `system/*` gauges of /metrics/snapshot."""
    total, free = _memory_bytes()
    one, five, fifteen = _loads()
    return {
        "system/cpus_total": float(os.cpu_count() or 1),
        "system/load_1min": one,
        "system/load_5min": five,
        "system/load_15min": fifteen,
        "system/mem_free_bytes": float(free),
        "system/mem_total_bytes": float(total),
    }


def system_stats() -> dict[str, float]:
    """The answer of /system/stats.json."""
    total, free = _memory_bytes()
    one, five, fifteen = _loads()
    return {
        "avg_load_15min": fifteen,
        "avg_load_1min": one,
        "avg_load_5min": five,
        "cpus_total": os.cpu_count() or 1,
        "mem_free_bytes": free,
        "mem_total_bytes": total,
    }


def detected_resources(work_dir: str) -> dict[str, str]:
    """Resources that an agent offers when its flags name none, as Mesos counts them: text values by name.

    cpus: all; mem: all but 1 GB (half when there is less than 2 GB); disk of the work folder's file system: all but
    5 GB (half when there is less than 10 GB), both in MB; ports 31000 to 32000.
    """
    cpus = os.cpu_count() or 1
    memory = _memory_bytes()[0] // _MEGABYTE
    disk = shutil.disk_usage(work_dir).total // _MEGABYTE
    return {
        "cpus": str(cpus),
        "mem": str(memory - 1024 if memory >= 2048 else memory // 2),
        "disk": str(disk - 5120 if disk >= 10240 else disk // 2),
        "ports": "[31000-32000]",
    }

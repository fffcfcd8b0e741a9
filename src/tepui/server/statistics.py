"""Usage of runs, in the words of v1."""

from __future__ import annotations

from collections.abc import Mapping

from tepui.containers.usage import UsageSampler
from tepui.model.v1.mesos import ResourceStatistics


class RunStatistics:
    """Measures all runs in one walk over /proc, at most once a second however often it is asked."""

    SECONDS_MIN = 1.0

    def __init__(self) -> None:
        self._sampler = UsageSampler()
        self._measured: dict[str, ResourceStatistics] = {}
        self._at = 0.0

    def measure(self, runs: Mapping[str, int], supervisor_pid: int | None, now: float) -> dict[str, ResourceStatistics]:
        """Statistics by run; `runs` gives the main process of each."""
        if now - self._at >= self.SECONDS_MIN:
            self._at = now
            self._measured = {
                run: ResourceStatistics(
                    timestamp=now,
                    processes=usage.processes,
                    threads=usage.threads,
                    cpus_user_time_secs=usage.cpu_user_seconds,
                    cpus_system_time_secs=usage.cpu_system_seconds,
                    mem_rss_bytes=usage.rss_bytes,
                )
                for run, usage in self._sampler.sample(runs, supervisor_pid).items()
            }
        return self._measured

"""What the grids of the allocator and of the master have in common: which clusters, and how time is taken."""

from __future__ import annotations

import time
from typing import NamedTuple

from tepui.transport import garbage

AGENT = "cpus:4;mem:4096;disk:10000;ports:[31000-32000]"

AGENTS = (1_000, 10_000, 50_000)
FRAMEWORKS = (1, 50, 200, 1_000)
SHAPES = ("one", "each", "tree")

FREED_PER_SECOND = 1 / 30
RUNS_PER_SECOND = 100
STEADY_SECONDS = 2
HOUR = 3600.0


class Cell(NamedTuple):
    """One line of a grid."""

    agents: int
    frameworks: int
    shape: str

    def role(self, number: int) -> str:
        """The role of a framework."""
        if self.shape == "one":
            return "test"
        if self.shape == "each":
            return f"role{number}"
        return f"org{number % 4}/team{number % 16}/job{number % 64}"

    def top_roles(self) -> list[str]:
        return sorted({self.role(number).partition("/")[0] for number in range(self.frameworks)})


class Clock:
    """CPU seconds since it was made or last read."""

    def __init__(self) -> None:
        garbage.tune()  # as the servers do
        self._begin = time.process_time()

    def read(self) -> float:
        now = time.process_time()
        seconds, self._begin = now - self._begin, now
        return seconds

"""What a server counts and measures, under the names that Mesos publishes at `/metrics/snapshot`.

Counting is on the hottest paths, so a counter is an entry of a plain dictionary: `registry.counters[name] += 1`. All
names that Mesos always shows stand in it from the start; a misspelt one is a `KeyError`, not a new metric.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Mapping

from tepui.model.v1.mesos import TaskState
from tepui.model.values import as_float

TIMER_SAMPLES_MAX = 1000
"""How many of its newest samples a timer keeps."""
TIMER_WINDOW_SECONDS = 3600.0
"""Older samples do not count."""

_RESOURCES = ("cpus", "gpus", "mem", "disk")
_PERCENTILES = (("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99), ("p999", 0.999), ("p9999", 0.9999))


class Timer:
    """How long something took, in milliseconds: the last value, and statistics over the samples of the last hour."""

    __slots__ = ("_next", "_times", "_values", "last")

    def __init__(self) -> None:
        self.last: float | None = None
        self._times = array("d")
        self._values = array("d")
        self._next = 0

    def add(self, milliseconds: float, now: float) -> None:
        """Take a sample made at `now` (seconds since the epoch)."""
        self.last = milliseconds
        if len(self._values) < TIMER_SAMPLES_MAX:
            self._times.append(now)
            self._values.append(milliseconds)
            return
        self._times[self._next] = now
        self._values[self._next] = milliseconds
        self._next = (self._next + 1) % TIMER_SAMPLES_MAX

    def publish(self, name: str, now: float, into: dict[str, float]) -> None:
        """Write `<name>_ms` and, when the window holds two samples or more, its statistics. No sample: nothing."""
        if self.last is None:
            return
        name += "_ms"
        into[name] = self.last
        oldest = now - TIMER_WINDOW_SECONDS
        values = sorted(v for t, v in zip(self._times, self._values, strict=True) if t >= oldest)
        if len(values) < 2:
            return
        into[name + "/count"] = float(len(values))
        into[name + "/min"] = values[0]
        into[name + "/max"] = values[-1]
        for label, fraction in _PERCENTILES:
            into[f"{name}/{label}"] = _percentile(values, fraction)


def _percentile(values: list[float], fraction: float) -> float:
    """The value below which `fraction` of the sorted `values` lie, interpolated between neighbours as Mesos does."""
    position = fraction * (len(values) - 1)
    index = int(position)
    if index + 1 == len(values):
        return values[index]
    return values[index] + (position - index) * (values[index + 1] - values[index])


def tasks_metric(server: str, state: TaskState) -> str:
    """How the tasks of a state are counted: `master/tasks_running`, `slave/tasks_failed`."""
    return f"{server}/{state.value.lower().replace('task_', 'tasks_', 1)}"


def resource_gauges(
    server: str, suffix: str, total: Mapping[str, int], used: Mapping[str, int], into: dict[str, float]
) -> None:
    """Write `<server>/<resource><suffix>_total`, `_used` and `_percent` from quantities in thousandths."""
    for name in _RESOURCES:
        have, taken = total.get(name, 0), used.get(name, 0)
        into[f"{server}/{name}{suffix}_total"] = as_float(have)
        into[f"{server}/{name}{suffix}_used"] = as_float(taken)
        into[f"{server}/{name}{suffix}_percent"] = taken / have if have else 0.0


class Registry:
    """The metrics of one server: counters, levels, timers, and gauges that are read when somebody asks."""

    def __init__(self, counters: Iterable[str], levels: Iterable[str] = (), timers: Iterable[str] = ()) -> None:
        self.counters: dict[str, int] = dict.fromkeys(counters, 0)
        """What happened how often: `counters[name] += 1`."""
        self.levels: dict[str, float] = dict.fromkeys(levels, 0.0)
        """Gauges that are set when they change: `levels[name] = value`."""
        self.timers: dict[str, Timer] = {name: Timer() for name in timers}
        """By name without `_ms`: `timers[name].add(milliseconds, now)`."""
        self._gauges: dict[str, Callable[[], float]] = {}
        self._gauge_groups: list[Callable[[], Mapping[str, float]]] = []

    def register_gauge(self, name: str, read: Callable[[], float]) -> None:
        """Publish what `read` returns, anew at each snapshot. This is how a shell shows its own bounds (`tepui/...`)
        and the machine (`system/...`). A gauge hides a level or counter of the same name; a later one replaces an
        earlier one."""
        self._gauges[name] = read

    def register_gauges(self, read: Callable[[], Mapping[str, float]]) -> None:
        """Publish all that `read` returns by name, anew at each snapshot: for gauges that are read together."""
        self._gauge_groups.append(read)

    def publish(self, now: float) -> dict[str, float]:
        """All values by name, in no order. A gauge that cannot be read (OSError, ArithmeticError) is left out."""
        into: dict[str, float] = {name: float(value) for name, value in self.counters.items()}
        into.update(self.levels)
        for name, timer in self.timers.items():
            timer.publish(name, now, into)
        for read_group in self._gauge_groups:
            into.update(read_group())
        for name, read in self._gauges.items():
            try:
                into[name] = float(read())
            except (OSError, ArithmeticError):
                into.pop(name, None)
        return into

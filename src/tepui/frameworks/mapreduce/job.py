"""What a MapReduce job decides: which tasks to run, to run again, to run twice, and whose output counts. No I/O.

    map:     waiting ──launched──► running ──ended well──► done ──its output is lost──► waiting
    reduce:  waiting ──launched──► running ──ended well──► committed
             (reduces wait only while all maps are done)

- An attempt that fails by itself is tried again, `attempts_max` times in all; then the job fails. An attempt that its
  agent took with it, or that could not read a lost map's output, does not count, but there is a bound to that, too.
- The first attempt of a task that ends well is the one that counts, and the others are killed. A reduce, or a map of a
  job without reduces, is committed then: once.
- When nothing waits and half of the phase is done, a task that runs much longer than the median gets a second attempt.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import median

ATTEMPTS_MAX_DEFAULT = 4
LOSSES_MAX = 20
"""So often may one task be lost, through no fault of its own."""
STRAGGLER_FACTOR = 1.5
STRAGGLER_SECONDS_MIN = 5.0
STRAGGLER_SHARE = 10
"""At most one in so many tasks of a phase runs twice at a time, and at least one may."""

MAP, REDUCE = "map", "reduce"


@dataclass(frozen=True, order=True)
class TaskKey:
    """A task of the job: `kind` is MAP or REDUCE."""

    kind: str
    number: int

    def __str__(self) -> str:
        return f"{self.kind}-{self.number:05d}"


# Decisions.


@dataclass(frozen=True)
class Want:
    """Find a place for the task; with `twice` not on `elsewhere`, where its first attempt runs."""

    task: TaskKey
    elsewhere: str | None = None


@dataclass(frozen=True)
class Unwant:
    """The task needs no place any more."""

    task: TaskKey


@dataclass(frozen=True)
class Kill:
    """An attempt is of no use."""

    attempt: str


@dataclass(frozen=True)
class Commit:
    """The attempt's output is the task's part of the job's output. Decided once for each task."""

    task: TaskKey
    attempt: str


@dataclass(frozen=True)
class Done:
    """Everything is committed."""


@dataclass(frozen=True)
class Fail:
    """The job has failed."""

    why: str


Decision = Want | Unwant | Kill | Commit | Done | Fail


@dataclass
class Attempt:
    """One try at a task."""

    name: str
    task: TaskKey
    agent: str
    since: float


@dataclass
class TaskState:
    """What is known of a task. `winner` is the attempt that counts."""

    attempts: int = 0
    failures: int = 0
    losses: int = 0
    wanted: bool = False
    running: dict[str, Attempt] = field(default_factory=dict)
    winner: Attempt | None = None


class Job:
    """The machine. Each event returns what to do now. After `Done` or `Fail` nothing is decided any more."""

    def __init__(self, maps: int, reduces: int, *, attempts_max: int = ATTEMPTS_MAX_DEFAULT, speculate: bool = True):
        self.reduces = reduces
        self.tasks = {TaskKey(MAP, number): TaskState() for number in range(maps)}
        self.tasks |= {TaskKey(REDUCE, number): TaskState() for number in range(reduces)}
        self.ended = False
        self.done = {MAP: 0, REDUCE: 0}
        self._total = {MAP: maps, REDUCE: reduces}
        self._attempts_max = attempts_max
        self._speculate = speculate
        self._attempts: dict[str, Attempt] = {}
        """Those that run."""
        self._seconds: dict[str, list[float]] = {MAP: [], REDUCE: []}
        """How long attempts that ended well ran."""
        self._reducing = False
        self._why_lost: str | None = None
        self._idle: dict[str, dict[TaskKey, None]] = {MAP: {}, REDUCE: {}}
        for task in self.tasks:
            self._idle[task.kind][task] = None
        """Tasks without winner or attempt, that are not wanted either."""

    # Events.

    def start(self) -> list[Decision]:
        return self._then([])

    def launched(self, task: TaskKey, agent: str, now: float) -> Attempt:
        """A place was found. Returns the attempt, whose name is unique in the job."""
        state = self.tasks[task]
        state.wanted = False
        attempt = Attempt(f"{task}-{state.attempts}", task, agent, now)
        state.attempts += 1
        state.running[attempt.name] = attempt
        self._attempts[attempt.name] = attempt
        return attempt

    def finished(self, name: str, now: float) -> list[Decision]:
        """An attempt ended well."""
        attempt = self._take(name)
        if attempt is None:
            return []
        state = self.tasks[attempt.task]
        if state.winner is not None:
            return []
        state.winner = attempt
        self.done[attempt.task.kind] += 1
        self._seconds[attempt.task.kind].append(now - attempt.since)
        decisions: list[Decision] = [Kill(other) for other in state.running]
        if state.wanted:
            state.wanted = False
            decisions.append(Unwant(attempt.task))
        if attempt.task.kind == REDUCE or not self.reduces:
            decisions.append(Commit(attempt.task, name))
        return self._then(decisions)

    def failed(self, name: str, why: str) -> list[Decision]:
        """An attempt ended by its own fault."""
        attempt = self._take(name)
        if attempt is None:
            return []
        state = self.tasks[attempt.task]
        if state.winner is not None:
            return []
        state.failures += 1
        if state.failures >= self._attempts_max:
            times = "once" if state.failures == 1 else f"{state.failures} times"
            return self._fail(f"{attempt.task} has failed {times}; at last: {why}")
        return self._then([])

    def lost(self, name: str, why: str, lost_maps: Iterable[str] = ()) -> list[Decision]:
        """An attempt ended, or never began, by no fault of its own; or because the output of the attempts `lost_maps`
        cannot be read any more."""
        attempt = self._take(name)
        for lost in lost_maps:
            self._lose_output(lost)
        if attempt is not None and self.tasks[attempt.task].winner is None:
            self._count_loss(attempt.task, why)
        return self._then([])

    def agent_lost(self, agent: str, why: str) -> list[Decision]:
        """An agent is gone, with what ran there and with the output of its maps."""
        here = [attempt for attempt in self._attempts.values() if attempt.agent == agent]
        for attempt in here:
            self._take(attempt.name)
            self._count_loss(attempt.task, why)
        for attempt in self.winners(MAP):
            if attempt.agent == agent:
                self._lose_output(attempt.name)
        return self._then([Kill(attempt.name) for attempt in here])  # should they come back

    def tick(self, now: float) -> list[Decision]:
        """Time has passed: look for stragglers."""
        if self.ended or not self._speculate:
            return []
        kind = REDUCE if self.reduces and self.done[MAP] == self._total[MAP] else MAP
        seconds = self._seconds[kind]
        if not seconds or 2 * self.done[kind] < self._total[kind]:
            return []
        states = [(task, state) for task, state in self.tasks.items() if task.kind == kind and state.winner is None]
        if any(not state.running for _, state in states):
            return []
        limit = max(STRAGGLER_SECONDS_MIN, STRAGGLER_FACTOR * median(seconds))
        twice = sum(state.wanted or len(state.running) > 1 for _, state in states)
        decisions: list[Decision] = []
        for task, state in states:
            if twice >= max(1, self._total[kind] // STRAGGLER_SHARE):
                break
            first = next(iter(state.running.values()))
            if not state.wanted and len(state.running) == 1 and now - first.since > limit:
                state.wanted = True
                twice += 1
                decisions.append(Want(task, first.agent))
        return decisions

    # Answers.

    def is_running(self, name: str) -> bool:
        return name in self._attempts

    def winners(self, kind: str) -> list[Attempt]:
        """The attempts that count, in the order of their tasks."""
        states = (state for task, state in self.tasks.items() if task.kind == kind)
        return [state.winner for state in states if state.winner is not None]

    @property
    def running(self) -> int:
        return len(self._attempts)

    # Inside.

    def _take(self, name: str) -> Attempt | None:
        """An attempt runs no more."""
        attempt = self._attempts.pop(name, None)
        if attempt is None or self.ended:
            return None
        state = self.tasks[attempt.task]
        del state.running[name]
        if state.winner is None and not state.running and not state.wanted:
            self._idle[attempt.task.kind][attempt.task] = None
        return attempt

    def _lose_output(self, name: str) -> None:
        """A map that was done is not, if reduces still need it. A second word about an attempt changes nothing."""
        task = _map_of(name)
        state = None if task is None else self.tasks.get(task)
        if task is None or state is None or not self.reduces or self.done[REDUCE] == self.reduces:
            return
        if state.winner is None or state.winner.name != name:
            return
        state.winner = None
        self.done[MAP] -= 1
        if not state.running and not state.wanted:
            self._idle[task.kind][task] = None
        self._count_loss(task, "its output cannot be read any more")

    def _count_loss(self, task: TaskKey, why: str) -> None:
        state = self.tasks[task]
        state.losses += 1
        if state.losses > LOSSES_MAX and self._why_lost is None:
            self._why_lost = f"{task} was lost {state.losses} times; at last: {why}"

    def _then(self, decisions: list[Decision]) -> list[Decision]:
        """What follows from where things stand: tasks that must be wanted or must not, or the end."""
        if self.ended:
            return decisions
        if self._why_lost is not None:
            return self._fail(self._why_lost)
        maps_done = self.done[MAP] == self._total[MAP]
        if maps_done and self.done[REDUCE] == self._total[REDUCE]:
            self.ended = True
            return [*decisions, Done()]
        if self._reducing and not maps_done:
            decisions += self._hold_reduces()
        self._reducing = maps_done
        ready = [*self._idle[MAP], *(self._idle[REDUCE] if maps_done else ())]
        for task in ready:
            del self._idle[task.kind][task]
            state = self.tasks[task]
            if state.winner is None:
                state.wanted = True
                decisions.append(Want(task))
        return decisions

    def _hold_reduces(self) -> list[Decision]:
        """Reduces that have no place yet wait for the maps again."""
        held: list[Decision] = []
        for task, state in self.tasks.items():
            if task.kind == REDUCE and state.wanted:
                state.wanted = False
                held.append(Unwant(task))
                if not state.running:
                    self._idle[task.kind][task] = None
        return held

    def _fail(self, why: str) -> list[Decision]:
        self.ended = True
        return [Fail(why)]


def _map_of(name: str) -> TaskKey | None:
    """The task of a map's attempt, which is named `map-NUMBER-ATTEMPT`."""
    kind, _, rest = name.partition("-")
    number = rest.partition("-")[0]
    return TaskKey(MAP, int(number)) if kind == MAP and number.isascii() and number.isdigit() else None

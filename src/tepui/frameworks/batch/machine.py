"""What runs, and what becomes of it: events in, decisions out.

A command is
    waiting    until all that it comes after has succeeded,
    ready      until there is an offer for it,
    running    as one task, its *run*; then
    succeeded, or ready again while it may be tried again, else failed;
    skipped    when something that it comes after has failed or was skipped.

- A run that failed by itself counts against the command's retries. A run that was lost (its agent went away, it was
  dropped on its way) does not; only `LOST_RUNS_MAX` such runs in a row of one command count as its failure.
- A run whose agent is unreachable is given up, and its command becomes ready. Should the agent come back the old run is
  killed; when it had succeeded already that counts, and the newer run is killed. A command succeeds once.
- A run that the master does not know of, though its agent may be on its way back, is given up after
  `UNKNOWN_SECONDS_MAX`.
- `Launched` and `Ended` are decisions and history at once: whoever keeps them can give them to `replay` in the next
  life, and the batch goes on from there. Task ids (`name.3` is the third run of `name`) are never used twice.
"""

from __future__ import annotations

import heapq
from collections import Counter, deque
from collections.abc import Callable
from enum import Enum

import msgspec

from tepui.frameworks.batch.graph import Command, Graph, Needs

LOST_RUNS_MAX = 10
UNKNOWN_SECONDS_MAX = 60.0


class State(Enum):
    """Where a command is."""

    WAITING = "waiting"
    READY = "ready"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"


OPEN_STATES = frozenset({State.WAITING, State.READY, State.RUNNING})


class Verdict(Enum):
    """What is heard of a run."""

    ALIVE = "alive"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    INVALID = "invalid"
    """It can never run: trying again makes no sense."""
    LOST = "lost"
    AWAY = "away"
    """Nobody can say whether it runs; it may come back."""
    UNKNOWN = "unknown"
    """The master does not know of it now."""
    STOPPED = "stopped"
    """It was killed because the batch was interrupted, or never launched."""


class Launched(msgspec.Struct, frozen=True, tag="launched", tag_field="event"):
    """A run begins."""

    task: str
    agent: str
    digest: str


class Ended(msgspec.Struct, frozen=True, tag="ended", tag_field="event"):
    """A run ended, or is given up (AWAY)."""

    task: str
    verdict: Verdict
    why: str = ""


class Kill(msgspec.Struct, frozen=True):
    """This task is not wanted any more."""

    task: str
    agent: str


Decision = Launched | Ended | Kill
Record = Launched | Ended


class Run(msgspec.Struct):
    """One task. `index` is its command's; None when that is not in the file any more."""

    task: str
    agent: str
    index: int | None
    is_heard: bool = True
    """Whether it was heard of in this life."""
    unknown_since: float | None = None


class Status(msgspec.Struct):
    """One command's progress."""

    state: State = State.WAITING
    missing: int = 0
    """How many of the commands that it comes after have not succeeded."""
    failures: int = 0
    lost: int = 0
    runs: int = 0
    run: Run | None = None
    last_task: str = ""
    last_agent: str = ""
    why: str = ""
    """Why it failed, was lost or is skipped."""


class Batch:
    """A graph under way."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.status = [Status(missing=len(needed)) for needed in graph.dependencies]
        self.counts = Counter({State.WAITING: len(self.status)})
        """Commands by state."""
        self.runs: dict[str, Run] = {}
        """Those that count."""
        self.away: dict[str, Run] = {}
        """Those that were given up and are not known to have ended."""
        self.lost_runs = 0
        self.is_stopping = False
        self._news: deque[int] = deque()
        self._numbers: dict[str, int] = {}
        self._ready: dict[Needs, list[int]] = {}
        self._digests: dict[int, str] = {}
        for index, status in enumerate(self.status):
            if not status.missing:
                self._release(index)

    # Looking.

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to do."""
        if self.runs:
            return False
        return self.is_stopping or self.is_finished

    @property
    def is_finished(self) -> bool:
        """Whether every command has ended."""
        return not any(self.counts[state] for state in OPEN_STATES)

    def take_news(self) -> list[int]:
        """Commands that ended since somebody took the news."""
        news = list(self._news)
        self._news.clear()
        return news

    @property
    def wants_offers(self) -> bool:
        return bool(self.counts[State.READY]) and not self.is_stopping

    def waiting_needs(self) -> Needs | None:
        """What the first command that is ready needs."""
        heads = [(at, needs) for needs in self._ready if (at := self._head(needs)) is not None]
        return min(heads)[1] if heads else None

    def unheard(self) -> list[Run]:
        """Runs of an earlier life that nothing was heard of in this one, or that the master did not know."""
        every = [*self.runs.values(), *self.away.values()]
        return [run for run in every if not run.is_heard or run.unknown_since is not None]

    # Events.

    def fill(self, agent: str, take: Callable[[Command, str], bool]) -> list[Launched]:
        """Use an offer: `take(command, task)` says whether the command still fits, and if so crosses it off. Commands
        are tried in the file's order."""
        launched: list[Launched] = []
        if not self.wants_offers:
            return launched
        heads = [(at, needs) for needs in self._ready if (at := self._head(needs)) is not None]
        heapq.heapify(heads)
        while heads:
            index, needs = heapq.heappop(heads)
            command = self.graph.commands[index]
            task = f"{command.name}.{self._numbers.get(command.name, 0) + 1}"
            if not take(command, task):
                continue
            record = Launched(task, agent, self._digest(index))
            self._launch(record)
            launched.append(record)
            following = self._head(needs)
            if following is not None:
                heapq.heappush(heads, (following, needs))
        return launched

    def hear(self, task: str, verdict: Verdict, why: str, now: float) -> list[Decision]:
        """Something is heard of a run. `now` is any clock that never goes back, in seconds."""
        run = self.runs.get(task)
        if run is None:
            return self._hear_away(task, verdict, why)
        run.is_heard = True
        if verdict is Verdict.UNKNOWN:
            run.unknown_since = now if run.unknown_since is None else run.unknown_since
            return []
        run.unknown_since = None
        if verdict is Verdict.ALIVE:
            return []
        if self.is_stopping and verdict is Verdict.FAILED:
            verdict = Verdict.STOPPED
        record = Ended(task, verdict, why)
        return [record, *self._end(record)]

    def tick(self, now: float) -> list[Decision]:
        """Time passes."""
        decisions: list[Decision] = []
        for run in list(self.runs.values()):
            if run.unknown_since is not None and now - run.unknown_since >= UNKNOWN_SECONDS_MAX:
                record = Ended(run.task, Verdict.AWAY, "the master does not know of it")
                decisions += [record, *self._end(record)]
        return decisions

    def lose_all(self, verdict: Verdict, why: str) -> list[Decision]:
        """The framework is no more, and with it all that ran."""
        decisions: list[Decision] = []
        for task in [*self.away, *self.runs]:
            record = Ended(task, verdict, why)
            decisions += [record, *self._end(record)]
        return decisions

    def stop(self) -> list[Decision]:
        """Begin nothing more, and end what runs."""
        self.is_stopping = True
        return [Kill(run.task, run.agent) for run in self.runs.values()]

    # History.

    def replay(self, record: Record) -> None:
        """Take in what was decided in an earlier life."""
        if isinstance(record, Launched):
            name, _, number = record.task.rpartition(".")
            index = self.graph.index.get(name)
            if index is not None and (self._digest(index) != record.digest or self._is_ended(index)):
                index = None
            if index is None:
                self._numbers[name] = int(number)
                self.away[record.task] = Run(record.task, record.agent, None, is_heard=False)
            else:
                self._launch(record)
                self.runs[record.task].is_heard = False
        else:
            self._end(record)
        self._news.clear()

    def forgive(self) -> None:
        """Give what failed, and what was skipped for it, all of its tries again."""
        for index, status in enumerate(self.status):
            if status.state in (State.FAILED, State.SKIPPED):
                status.failures = status.lost = 0
                status.why = ""
                self._set(index, State.WAITING)
        for index, status in enumerate(self.status):
            if status.state is State.WAITING:
                self._release(index)

    def anew(self) -> Batch:
        """The same commands, of which none has succeeded. What runs is not wanted any more."""
        batch = Batch(self.graph)
        batch._numbers = self._numbers
        batch.away = {**self.away, **self.runs}
        for run in batch.away.values():
            run.index = None
        return batch

    # Transitions.

    def _launch(self, record: Launched) -> None:
        name, _, number = record.task.rpartition(".")
        index = self.graph.index[name]
        self._numbers[name] = int(number)
        status = self.status[index]
        status.run = self.runs[record.task] = Run(record.task, record.agent, index)
        status.runs += 1
        status.last_task, status.last_agent = record.task, record.agent
        self._set(index, State.RUNNING)

    def _end(self, record: Ended) -> list[Decision]:
        run = self.runs.pop(record.task, None)
        if run is None or run.index is None:
            return self._end_away(record)
        index, status = run.index, self.status[run.index]
        status.run = None
        status.why = record.why
        match record.verdict:
            case Verdict.SUCCEEDED:
                self._succeed(index)
            case Verdict.STOPPED:
                status.why = ""
                self._release(index)
            case Verdict.LOST | Verdict.AWAY:
                if record.verdict is Verdict.AWAY:
                    self.away[run.task] = run
                self.lost_runs += 1
                status.lost += 1
                if status.lost >= LOST_RUNS_MAX:
                    status.why = f"it was lost {status.lost} times, the last time because {record.why}"
                    self._fail(index)
                else:
                    self._release(index)
            case _:
                status.failures += 1
                status.lost = 0
                if record.verdict is Verdict.INVALID or status.failures > self.graph.commands[index].retries:
                    self._fail(index)
                else:
                    self._release(index)
        return []

    def _hear_away(self, task: str, verdict: Verdict, why: str) -> list[Decision]:
        run = self.away.get(task)
        if run is None:
            return []
        run.is_heard = True
        if verdict in (Verdict.AWAY, Verdict.UNKNOWN):
            return []
        if verdict is Verdict.ALIVE:
            return [Kill(run.task, run.agent)]
        record = Ended(task, verdict, why)
        return [record, *self._end_away(record)]

    def _end_away(self, record: Ended) -> list[Decision]:
        """A run that was given up ended after all. Its success counts unless there is one."""
        if record.verdict is Verdict.AWAY:
            return []
        run = self.away.pop(record.task, None)
        if run is None or run.index is None or record.verdict is not Verdict.SUCCEEDED or self._is_ended(run.index):
            return []
        status = self.status[run.index]
        decisions: list[Decision] = []
        newer, status.run = status.run, None
        if newer is not None:
            self.away[newer.task] = self.runs.pop(newer.task)
            decisions.append(Kill(newer.task, newer.agent))
        self._succeed(run.index)
        return decisions

    def _succeed(self, index: int) -> None:
        status = self.status[index]
        status.why = ""
        self._set(index, State.SUCCEEDED)
        self._news.append(index)
        for dependent in self.graph.dependents[index]:
            other = self.status[dependent]
            other.missing -= 1
            if other.state is State.WAITING:
                self._release(dependent)

    def _fail(self, index: int) -> None:
        self._set(index, State.FAILED)
        self._news.append(index)
        name = self.graph.commands[index].name
        skipped = [other for other in self.graph.dependents[index] if self.status[other].state is State.WAITING]
        while skipped:
            other = skipped.pop()
            if self.status[other].state is not State.WAITING:
                continue
            self.status[other].why = f"'{name}' failed"
            self._set(other, State.SKIPPED)
            self._news.append(other)
            skipped += self.graph.dependents[other]

    def _release(self, index: int) -> None:
        """Let a command run as soon as all that it comes after has succeeded."""
        if self.status[index].missing:  # of an earlier life that the file has changed since
            self._set(index, State.WAITING)
            return
        self._set(index, State.READY)
        heapq.heappush(self._ready.setdefault(self.graph.commands[index].needs, []), index)

    def _head(self, needs: Needs) -> int | None:
        """The first command of these needs that is ready. What was taken otherwise is still in the heap."""
        heap = self._ready[needs]
        while heap and self.status[heap[0]].state is not State.READY:
            heapq.heappop(heap)
        return heap[0] if heap else None

    def _set(self, index: int, state: State) -> None:
        status = self.status[index]
        self.counts[status.state] -= 1
        self.counts[state] += 1
        status.state = state

    def _is_ended(self, index: int) -> bool:
        return self.status[index].state not in OPEN_STATES

    def _digest(self, index: int) -> str:
        found = self._digests.get(index)
        if found is None:
            found = self._digests[index] = self.graph.commands[index].digest()
        return found

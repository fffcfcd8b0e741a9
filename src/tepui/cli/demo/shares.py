"""What each framework holds over time, told by the master's operator events. No input or output.

A task holds its cpus from the moment the master has launched it until its last update has come to the master.
Offers do not count: what is offered is not used.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from tepui.model.task_states import TERMINAL_STATES
from tepui.model.v1.master import Event
from tepui.model.v1.mesos import AgentInfo, Resource, Task


@dataclass(frozen=True)
class Moment:
    """From this time on, until the next moment, each framework holds so many cpus."""

    time: float
    cpus: dict[str, float]

    @property
    def total(self) -> float:
        return sum(self.cpus.values())


@dataclass
class _Held:
    framework: str
    agent: str
    cpus: float


@dataclass
class FrameworkTimes:
    """When something happened to a framework, in seconds."""

    registered_at: float
    last_launch_at: float
    removed_at: float | None = None
    tasks: int = 0
    """Launched so far."""


@dataclass
class Shares:
    """A fold over events; give each with the time when it came. Frameworks and agents go by their names.

    It grows by two moments for each task.
    """

    moments: list[Moment] = field(default_factory=list)
    frameworks: dict[str, FrameworkTimes] = field(default_factory=dict)
    agents: dict[str, dict[str, float]] = field(default_factory=dict)
    """On each agent, how many cpus each framework holds."""
    _names: dict[str, str] = field(default_factory=dict)
    _hosts: dict[str, str] = field(default_factory=dict)
    _tasks: dict[tuple[str, str], _Held] = field(default_factory=dict)

    def handle(self, event: Event, now: float) -> None:
        """Take one event in."""
        if event.subscribed is not None and event.subscribed.get_state is not None:
            agents = event.subscribed.get_state.get_agents
            for agent in agents.agents if agents is not None else []:
                self._add_agent(agent.agent_info)
        if event.framework_added is not None:
            info = event.framework_added.framework.framework_info
            if info.id is not None:
                self._names[info.id.value] = info.name
                self.frameworks[info.name] = FrameworkTimes(now, now)
        elif event.framework_removed is not None:
            self._remove(event.framework_removed.framework_info.name, now)
        elif event.task_added is not None:
            self._launch(event.task_added.task, now)
        elif event.task_updated is not None and event.task_updated.state in TERMINAL_STATES:
            updated = event.task_updated
            self._end((updated.framework_id.value, updated.status.task_id.value), now)

    def _add_agent(self, info: AgentInfo) -> None:
        if info.id is not None:
            self._hosts[info.id.value] = info.hostname
            self.agents[info.hostname] = {}

    def _launch(self, task: Task, now: float) -> None:
        framework = self._names.get(task.framework_id.value)
        if framework is None:
            return
        held = _Held(framework, self._hosts.get(task.agent_id.value, ""), _cpus(task.resources))
        self._tasks[task.framework_id.value, task.task_id.value] = held
        on_agent = self.agents.setdefault(held.agent, {})
        on_agent[framework] = on_agent.get(framework, 0.0) + held.cpus
        times = self.frameworks[framework]
        times.tasks += 1
        times.last_launch_at = now
        self._mark(now, framework, held.cpus)

    def _end(self, key: tuple[str, str], now: float) -> None:
        held = self._tasks.pop(key, None)
        if held is not None:
            self.agents[held.agent][held.framework] -= held.cpus
            self._mark(now, held.framework, -held.cpus)

    def _remove(self, name: str, now: float) -> None:
        for key in [key for key, held in self._tasks.items() if held.framework == name]:
            self._end(key, now)
        if name in self.frameworks:
            self.frameworks[name].removed_at = now

    def _mark(self, now: float, framework: str, change: float) -> None:
        cpus = dict(self.moments[-1].cpus) if self.moments else {}
        cpus[framework] = max(0.0, round(cpus.get(framework, 0.0) + change, 3))
        if self.moments and self.moments[-1].time == now:
            self.moments.pop()
        self.moments.append(Moment(now, cpus))

    # Questions.

    @property
    def now(self) -> dict[str, float]:
        """The cpus that each framework holds now."""
        return self.moments[-1].cpus if self.moments else {}

    def at(self, time: float) -> dict[str, float]:
        """The cpus that each framework held at a time."""
        index = bisect_right(self.moments, time, key=lambda moment: moment.time)
        return self.moments[index - 1].cpus if index else {}

    def full_phase(self) -> tuple[float, float] | None:
        """While all frameworks have work that waits for a place: from when the last one registered until the first one
        has launched its last task. None when there was no such time."""
        begin = max((times.registered_at for times in self.frameworks.values()), default=0.0)
        end = min((times.last_launch_at for times in self.frameworks.values()), default=0.0)
        return (begin, end) if end > begin else None

    def mean(self, begin: float, end: float, framework: str | None = None) -> float:
        """Cpus held between two times, on average: of one framework, or of all."""
        held = 0.0
        for since, until, cpus in self._spans(begin, end):
            held += (until - since) * (sum(cpus.values()) if framework is None else cpus.get(framework, 0.0))
        return held / (end - begin)

    def ramp_up(self, framework: str, cpus: float) -> float | None:
        """Seconds from when the framework registered until it first held so many cpus; None when it never did."""
        times = self.frameworks.get(framework)
        if times is None:
            return None
        reached = (moment.time for moment in self.moments if moment.cpus.get(framework, 0.0) >= cpus)
        first = next(reached, None)
        return None if first is None else first - times.registered_at

    def _spans(self, begin: float, end: float) -> Iterator[tuple[float, float, dict[str, float]]]:
        last = Moment(max(end, self.moments[-1].time if self.moments else end), {})
        for moment, following in pairwise([*self.moments, last]):
            since, until = max(begin, moment.time), min(end, following.time)
            if since < until:
                yield since, until, moment.cpus


def _cpus(resources: list[Resource]) -> float:
    return sum(found.scalar.value for found in resources if found.name == "cpus" and found.scalar is not None)

"""A standby's picture of the cluster: the fold over the parts that the leader sends (`tepui.model.mirror`).

It serves reads that may be old, and one more thing: what roles were using on each agent when the leader was lost, for
quota limits while agents are not back. Nothing else of it counts when the standby takes over: tasks and frameworks are
what agents and schedulers say (DESIGN 3, state is soft).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, MutableMapping
from itertools import islice
from typing import TypeVar
from weakref import WeakSet

from tepui.master import extensions, legacy, mirrored, views
from tepui.master.config import MasterConfig
from tepui.master.events import LegacyCall, OperatorCall
from tepui.master.state import Agent, Framework, State, Task
from tepui.master.sums import consumed_on
from tepui.model.drawn import Drawn
from tepui.model.mirror import (
    MirroredAgent,
    MirroredExecutor,
    MirroredFramework,
    MirroredMember,
    MirroredOffer,
    MirroredOperation,
    MirroredTask,
    MirrorPart,
)
from tepui.model.quantities import Quantities
from tepui.model.resources import Resources
from tepui.model.shell import Event, ExtensionCall

WARM_SECONDS_MAX = 60.0
"""What roles used according to an older picture does not count."""

FREED_PER_STEP = 200
"""Tasks that `Mirror.empty` gives back at a time: about a millisecond."""

Value = TypeVar("Value")


class Mirror:
    """One leader's state, from the first part of a stream on. Also a `tepui.master.gauges.Picture`."""

    def __init__(self) -> None:
        self.state = State()
        self.revision = 0
        self.whole = False
        """Everything has been told; not before is there anything to read."""
        self.now = 0.0
        """When somebody reads it, by the leader's clock."""
        self._config: MasterConfig | None = None
        self._drawn: WeakSet[Drawn] = WeakSet()
        """Large answers from it that are still being made."""
        self._told_at = 0.0
        self._ahead: float | None = None
        """By how much this master's clock is ahead of the leader's, and the part that travelled fastest was late."""

    @property
    def config(self) -> MasterConfig:
        """The leader's, as far as readers are shown it. Only for a mirror that is whole."""
        assert self._config is not None, "the first part of a stream tells who leads"
        return self._config

    @property
    def revision_text(self) -> str:
        """EPOCH.NUMBER: of which leader, and up to which of its change records."""
        return f"{self.config.epoch}.{self.revision}"

    def age_seconds(self, now: float) -> float:
        """How long ago the leader's state was seen to be this. The clocks of the two machines need not agree; they are
        taken to run equally fast."""
        return max(0.0, now - (self._ahead or 0.0) - self._told_at)

    def read_at(self, now: float) -> None:
        """From now on it is read at this time."""
        self.now = now - (self._ahead or 0.0)

    # The fold.

    def apply(self, part: MirrorPart, now: float) -> None:
        """Take over a part that arrived `now` (seconds since the epoch)."""
        if part.leader is not None:
            self._config = mirrored.config_of(part.leader)
        if part.settings is not None:
            mirrored.take_settings(self.state, part.settings)
        for framework in part.frameworks:
            self._apply_framework(framework)
        for agent in part.agents:
            self._apply_agent(agent)
        for executor in part.executors:
            self._apply_executor(executor)
        for key in part.ended_tasks:
            self._end_task(*key)
        for task in part.tasks:
            self._apply_task(task)
        for task in part.completed_tasks:
            framework_ = self._framework(task.framework_id)
            if framework_ is not None:
                framework_.completed_tasks.append(mirrored.task_of(task))
        for offer_id in part.ended_offers:
            self._end_offer(offer_id)
        for offer in part.offers:
            self._apply_offer(offer)
        for agent_id, uuid in part.ended_operations:
            known = self.state.agents.get(agent_id)
            if known is not None:
                known.operations.pop(uuid, None)
        for operation in part.operations:
            self._apply_operation(operation)
        self._forget_frameworks(part)
        self.revision = part.revision
        self.whole = part.whole
        self._told_at = part.time
        ahead = now - part.time
        self._ahead = ahead if self._ahead is None else min(ahead, self._ahead)

    def _framework(self, framework_id: str) -> Framework | None:
        return self.state.frameworks.get(framework_id) or self.state.completed_frameworks.get(framework_id)

    def _apply_framework(self, entry: MirroredFramework) -> None:
        state, name = self.state, entry.framework_id
        if entry.info is None:
            return  # forgotten, once what was its own is
        framework = self._framework(name)
        if entry.is_over:
            state.frameworks.pop(name, None)
        if framework is None:
            completed = deque[Task](maxlen=self.config.completed_tasks_per_framework_max)
            framework = Framework(name, entry.info, (), frozenset(), completed_tasks=completed)
        mirrored.take_framework(framework, entry)
        if entry.is_over:
            state.completed_frameworks[name] = framework
        else:
            state.frameworks[name] = framework

    def _forget_frameworks(self, part: MirrorPart) -> None:
        completed = self.state.completed_frameworks
        for framework in part.frameworks:
            if framework.info is None:
                self.state.frameworks.pop(framework.framework_id, None)
                completed.pop(framework.framework_id, None)
        while len(completed) > self.config.completed_frameworks_max:
            completed.popitem(last=False)

    def _apply_agent(self, entry: MirroredAgent) -> None:
        state, name = self.state, entry.agent_id
        _set(state.recovered_agents, name, entry.recovered)
        _set(state.unreachable_agents, name, entry.unreachable_since)
        _set(state.gone_agents, name, entry.gone_since)
        _set(state.service, name, mirrored.service_of(name, entry.service))
        if entry.member is None:
            state.agents.pop(name, None)
            state.unavailable.pop(name, None)
            return
        self._apply_member(name, entry.member)

    def _apply_member(self, name: str, entry: MirroredMember) -> None:
        state = self.state
        agent = state.agents.get(name)
        if agent is None:
            agent = Agent(name, entry.info, "", "", frozenset(), Resources.NONE)
            state.agents[name] = agent
        mirrored.take_member(agent, entry)
        agent.service = state.service.get(name)
        if entry.unavailability is None:
            state.unavailable.pop(name, None)
        else:
            state.unavailable[name] = None

    def _apply_executor(self, entry: MirroredExecutor) -> None:
        framework, agent = self._framework(entry.framework_id), self.state.agents.get(entry.agent_id)
        executor = None if framework is None else mirrored.executor_of(framework, entry)
        if framework is not None:
            _set_in(framework.executors, entry.agent_id, entry.executor_id, executor)
        if agent is not None:
            _set_in(agent.executors, entry.framework_id, entry.executor_id, executor)

    def _end_task(self, framework_id: str, task_id: str) -> None:
        framework = self._framework(framework_id)
        if framework is None:
            return
        framework.unreachable_tasks.pop(task_id, None)
        task = framework.tasks.pop(task_id, None)
        agent = None if task is None else self.state.agents.get(task.agent_id)
        if agent is not None:
            _set_in(agent.tasks, framework_id, task_id, None)

    def _apply_task(self, entry: MirroredTask) -> None:
        framework = self._framework(entry.framework_id)
        if framework is None:
            return
        name = entry.info.task_id.value
        known = framework.tasks.get(name)
        if entry.unreachable or known is None or known.agent_id != entry.agent_id:
            self._end_task(entry.framework_id, name)
        task = mirrored.task_of(entry, framework.first_role)
        if entry.unreachable:
            framework.unreachable_tasks[name] = task
            return
        framework.tasks[name] = task
        agent = self.state.agents.get(entry.agent_id)
        if agent is not None:
            agent.tasks.setdefault(entry.framework_id, {})[name] = task

    def _end_offer(self, offer_id: str) -> None:
        offer = self.state.offers.pop(offer_id, None)
        if offer is None:
            return
        for holder in (self._framework(offer.framework_id), self.state.agents.get(offer.agent_id)):
            if holder is not None:
                holder.offers.pop(offer_id, None)

    def _apply_offer(self, entry: MirroredOffer) -> None:
        framework, agent = self._framework(entry.framework_id), self.state.agents.get(entry.agent_id)
        if framework is None or agent is None:
            return
        offer = mirrored.offer_of(entry)
        self.state.offers[offer.offer_id] = offer
        framework.offers[offer.offer_id] = offer
        agent.offers[offer.offer_id] = offer

    def _apply_operation(self, entry: MirroredOperation) -> None:
        agent = self.state.agents.get(entry.agent_id)
        if agent is not None:
            agent.operations[entry.uuid] = mirrored.operation_of(entry)

    # Readers.

    def answer(self, event: Event, now: float) -> tuple[int, object] | None:
        """Status and body for a request that only reads; None for any other, and for what only the leader knows."""
        self.read_at(now)
        found = self._answer(event)
        if found is not None and isinstance(found[1], Drawn):
            self._drawn.add(found[1])
        return found

    def _answer(self, event: Event) -> tuple[int, object] | None:
        match event:
            case OperatorCall():
                response = views.picture_answer(self, event.call)
                return None if response is None else (200, response)
            case LegacyCall() if event.method in ("GET", "HEAD"):
                return legacy.picture_answer(self, event.endpoint, event.query)
            case ExtensionCall():
                return extensions.picture_answer(self, event.name, event.arguments)
            case _:
                return None

    def consumption(self, now: float) -> dict[str, dict[str, Quantities]]:
        """By agent and top-level role, what the role consumed there of its quota, with what it was offered and may
        have accepted since. Empty when the picture is not whole, or too old to say."""
        if not self.whole or self.age_seconds(now) > WARM_SECONDS_MAX:
            return {}
        return {agent.agent_id: consumed_on(agent) for agent in self.state.agents.values()}

    def empty(self) -> Iterator[None]:
        """Give back what the picture holds, a part with each step, when nobody reads it any more. That of a large
        cluster takes a second to free, which nobody can wait for at once. Before that answers that are under way are
        made."""
        while self._drawn:
            yield
        agents = self.state.agents
        for agent in agents.values():
            agent.tasks.clear()
        yield
        frameworks = (*self.state.frameworks.values(), *self.state.completed_frameworks.values())
        for framework in frameworks:
            for tasks in (framework.tasks, framework.unreachable_tasks):
                while tasks:
                    for name in list(islice(tasks, FREED_PER_STEP)):
                        del tasks[name]
                    yield
        while agents:
            for name in list(islice(agents, FREED_PER_STEP)):
                del agents[name]
            yield


def _set(entries: MutableMapping[str, Value], name: str, value: Value | None) -> None:
    """None takes the entry out."""
    if value is None:
        entries.pop(name, None)
    else:
        entries[name] = value


def _set_in(groups: dict[str, dict[str, Value]], group: str, name: str, value: Value | None) -> None:
    """The same in a group, which exists while it has something in it."""
    entries = groups.setdefault(group, {})
    _set(entries, name, value)
    if not entries:
        del groups[group]

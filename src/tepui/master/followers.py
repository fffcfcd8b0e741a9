"""What changed since each of the masters that mirror this one was last told. Only ids: how things look is read later.

So many changes of one thing between two parts cost as much as one, and what a slow reader makes wait is bounded by what
there is. Masters that have been told everything are told the same from then on, so they share one record of what they
were not told, and their parts, until one of them reads too slowly.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy

from tepui.master.records import (
    AgentAdded,
    AgentRemoved,
    AgentUpdated,
    ExecutorAdded,
    ExecutorRemoved,
    FrameworkAdded,
    FrameworkRemoved,
    FrameworkUpdated,
    OfferAdded,
    OfferRemoved,
    OperationAdded,
    OperationRemoved,
    OperationUpdated,
    QuotaUpdated,
    Record,
    TaskAdded,
    TaskRemoved,
    TaskUpdated,
    WeightsUpdated,
)
from tepui.master.state import State

_UNTOLD = ("frameworks", "agents", "executors", "tasks", "completed", "offers", "operations")
"""The members of a follower that hold what it has not been told, by its ids."""


class Follower:
    """One of them, or several in step, and what they have not been told."""

    __slots__ = (*_UNTOLD, "introduced", "paused", "revision", "sessions", "settings", "told_at", "whole")

    def __init__(self, state: State, session: str) -> None:
        """A new one has been told nothing."""
        self.sessions: dict[str, None] = {session: None}
        """The names of their streams."""
        running = list(state.frameworks.values())
        everyone = [*state.completed_frameworks.values(), *running]
        self.frameworks = dict.fromkeys(framework.framework_id for framework in everyone)
        self.agents = dict.fromkeys(
            (
                *state.recovered_agents,
                *state.unreachable_agents,
                *state.gone_agents,
                *state.service,
                *state.agents,
            )
        )
        self.executors: dict[tuple[str, str, str], None] = dict.fromkeys(
            (framework.framework_id, agent_id, executor_id)
            for framework in running
            for agent_id, executors in framework.executors.items()
            for executor_id in executors
        )
        self.tasks: dict[tuple[str, str], None] = dict.fromkeys(
            (framework.framework_id, task_id)
            for framework in running
            for task_id in (*framework.tasks, *framework.unreachable_tasks)
        )
        self.completed = {framework.framework_id: len(framework.completed_tasks) for framework in everyone}
        """How many of each framework's newest completed tasks it has not been told."""
        self.offers: dict[str, None] = dict.fromkeys(state.offers)
        self.operations: dict[tuple[str, bytes], None] = dict.fromkeys(
            (agent.agent_id, uuid) for agent in state.agents.values() for uuid in agent.operations
        )
        self.settings = True
        self.introduced = False
        self.whole = False
        """It has once been told everything."""
        self.paused = False
        """It reads too slowly."""
        self.told_at = 0.0
        self.revision = 0
        """When it last had been told everything, and the number of the newest record then."""

    def left_behind(self, session: str) -> Follower:
        """The one with this stream, that was in step until now."""
        one = copy(self)
        one.sessions = {session: None}
        for name in _UNTOLD:
            setattr(one, name, dict(getattr(self, name)))
        return one

    @property
    def up_to_date(self) -> bool:
        """Whether it has been told everything."""
        return not self.settings and not any(getattr(self, name) for name in _UNTOLD)


class Followers:
    """All of them. What changes is noted for each."""

    __slots__ = ("_all", "_of_session")

    def __init__(self) -> None:
        self._all: list[Follower] = []
        self._of_session: dict[str, Follower] = {}

    def __bool__(self) -> bool:
        return bool(self._all)

    def __iter__(self) -> Iterator[Follower]:
        return iter(self._all)

    @property
    def sessions(self) -> list[str]:
        """The names of all streams, oldest first."""
        return list(self._of_session)

    def add(self, state: State, session: str) -> None:
        """A new one, by its stream."""
        follower = self._of_session[session] = Follower(state, session)
        self._all.append(follower)

    def remove(self, session: str) -> None:
        """The stream has ended, if there was one of this name."""
        follower = self._of_session.pop(session, None)
        if follower is not None:
            del follower.sessions[session]
            if not follower.sessions:
                self._all.remove(follower)

    def pause(self, session: str) -> None:
        """The stream's reader is slow: it waits alone, and those in step with it go on."""
        follower = self._of_session.get(session)
        if follower is None:
            return
        if len(follower.sessions) > 1:
            del follower.sessions[session]
            follower = self._of_session[session] = follower.left_behind(session)
            self._all.append(follower)
        follower.paused = True

    def resume(self, session: str) -> bool:
        """It has caught up; returns whether there is such a stream."""
        follower = self._of_session.get(session)
        if follower is not None:
            follower.paused = False
        return follower is not None

    def join(self) -> None:
        """Bring those into step that have been told everything."""
        level = [follower for follower in self._all if follower.whole and follower.up_to_date and not follower.paused]
        for follower in level[1:]:
            first = level[0]
            first.sessions.update(follower.sessions)
            first.told_at = min(first.told_at, follower.told_at)
            first.revision = min(first.revision, follower.revision)
            for session in follower.sessions:
                self._of_session[session] = first
            self._all.remove(follower)

    # What changed without a record.

    def task(self, framework_id: str, task_id: str) -> None:
        """A task, running or unreachable, looks different, or is no such one any more."""
        for follower in self._all:
            follower.tasks[(framework_id, task_id)] = None

    def framework(self, framework_id: str) -> None:
        """A framework looks different, or is forgotten. They are told in the order of their last changes, so that a
        mirror forgets them in the order in which the leader does."""
        for follower in self._all:
            follower.frameworks.pop(framework_id, None)
            follower.frameworks[framework_id] = None

    def agent(self, agent_id: str) -> None:
        """What is known of an agent's id changed, beside what runs there."""
        for follower in self._all:
            follower.agents[agent_id] = None

    def settings(self) -> None:
        """Quota, weights or maintenance changed."""
        for follower in self._all:
            follower.settings = True

    # What changed with one.

    def note(self, record: Record) -> None:
        """Something became true."""
        match record:
            case TaskUpdated() | TaskAdded():
                self.task(record.framework_id, record.task_id)
            case OfferAdded() | OfferRemoved():
                for follower in self._all:
                    follower.offers[record.offer_id] = None
            case TaskRemoved():
                for follower in self._all:
                    follower.tasks[(record.framework_id, record.task_id)] = None
                    completed = follower.completed
                    completed[record.framework_id] = completed.get(record.framework_id, 0) + 1
            case ExecutorAdded() | ExecutorRemoved():
                for follower in self._all:
                    follower.executors[(record.framework_id, record.agent_id, record.executor_id)] = None
            case FrameworkAdded() | FrameworkUpdated() | FrameworkRemoved():
                self.framework(record.framework_id)
            case AgentAdded() | AgentUpdated() | AgentRemoved():
                self.agent(record.agent_id)
            case OperationAdded() | OperationUpdated() | OperationRemoved():
                self.agent(record.agent_id)  # what it has changed, too
                for follower in self._all:
                    follower.operations[(record.agent_id, bytes.fromhex(record.operation_id))] = None
            case QuotaUpdated() | WeightsUpdated():
                self.settings()

"""What changed since each of the masters that mirror this one was last told. Only ids: how things look is read later.

So many changes of one thing between two parts cost as much as one, and what a slow reader makes wait is bounded by what
there is.
"""

from __future__ import annotations

from collections.abc import Iterator

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


class Follower:
    """One of them, and what it has not been told."""

    __slots__ = (
        "agents",
        "completed",
        "executors",
        "frameworks",
        "introduced",
        "offers",
        "operations",
        "paused",
        "revision",
        "settings",
        "tasks",
        "told_at",
        "whole",
    )

    def __init__(self, state: State) -> None:
        """A new one has been told nothing."""
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

    @property
    def up_to_date(self) -> bool:
        """Whether it has been told everything."""
        return not (
            self.frameworks
            or self.agents
            or self.executors
            or self.tasks
            or self.completed
            or self.offers
            or self.operations
            or self.settings
        )


class Followers:
    """All of them, by the name of their stream. What changes is noted for each."""

    __slots__ = ("streams",)

    def __init__(self) -> None:
        self.streams: dict[str, Follower] = {}

    def __bool__(self) -> bool:
        return bool(self.streams)

    def __iter__(self) -> Iterator[Follower]:
        return iter(self.streams.values())

    # What changed without a record.

    def task(self, framework_id: str, task_id: str) -> None:
        for follower in self.streams.values():
            follower.tasks[(framework_id, task_id)] = None

    def framework(self, framework_id: str) -> None:
        """The order of frameworks is that of their last change, so that they are forgotten in the same order."""
        for follower in self.streams.values():
            follower.frameworks.pop(framework_id, None)
            follower.frameworks[framework_id] = None

    def agent(self, agent_id: str) -> None:
        for follower in self.streams.values():
            follower.agents[agent_id] = None

    def settings(self) -> None:
        for follower in self.streams.values():
            follower.settings = True

    # What changed with one.

    def note(self, record: Record) -> None:
        """Something became true."""
        match record:
            case TaskUpdated() | TaskAdded():
                self.task(record.framework_id, record.task_id)
            case OfferAdded() | OfferRemoved():
                for follower in self.streams.values():
                    follower.offers[record.offer_id] = None
            case TaskRemoved():
                for follower in self.streams.values():
                    follower.tasks[(record.framework_id, record.task_id)] = None
                    completed = follower.completed
                    completed[record.framework_id] = completed.get(record.framework_id, 0) + 1
            case ExecutorAdded() | ExecutorRemoved():
                for follower in self.streams.values():
                    follower.executors[(record.framework_id, record.agent_id, record.executor_id)] = None
            case FrameworkAdded() | FrameworkUpdated() | FrameworkRemoved():
                self.framework(record.framework_id)
            case AgentAdded() | AgentUpdated() | AgentRemoved():
                self.agent(record.agent_id)
            case OperationAdded() | OperationUpdated() | OperationRemoved():
                self.agent(record.agent_id)  # what it has changed, too
                for follower in self.streams.values():
                    follower.operations[(record.agent_id, bytes.fromhex(record.operation_id))] = None
            case QuotaUpdated() | WeightsUpdated():
                self.settings()

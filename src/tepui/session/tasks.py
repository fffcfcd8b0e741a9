"""What a scheduler's session remembers of tasks: which live, which updates were seen, whom to ask the master about.

Reconciliation comes in rounds. A round asks for every living task; a task that is not heard of is asked for again
after growing waits (a master that has just taken over says nothing about tasks of agents that are not back yet).
Answers that bring nothing new are not shown to the framework, and neither are answers FINISHED, FAILED or KILLED: a
master knows such a task only as long as its update is not acknowledged, so the update itself follows, with its data.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import TypeVar

import msgspec

from tepui.model.task_states import TERMINAL_STATES
from tepui.model.v1.mesos import TaskState, TaskStatus

UPDATES_REMEMBERED_MAX = 16384
"""So many updates that were handled are recognised when they come again."""

ENDED_TASKS_REMEMBERED_MAX = 16384
"""Of so many tasks that ended late answers about them are recognised as such."""

Key = TypeVar("Key", str, bytes)

_RECONCILIATION = TaskStatus.Reason.REASON_RECONCILIATION
_UPDATE_FOLLOWS = frozenset({TaskState.TASK_FINISHED, TaskState.TASK_FAILED, TaskState.TASK_KILLED})


class LiveTask(msgspec.Struct, gc=False):
    agent_id: str | None
    shown: TaskState | None
    """The state that the framework was told last; None when it was told none."""


class TaskMemory:
    """The tasks of one framework, as far as its session needs them."""

    def __init__(self) -> None:
        self.live: dict[str, LiveTask] = {}
        self._unanswered: dict[str, None] = {}
        self._ended: OrderedDict[str, None] = OrderedDict()
        self._handled: OrderedDict[bytes, None] = OrderedDict()
        self._with_framework: set[bytes] = set()

    # Updates.

    def launched(self, task_id: str, agent_id: str) -> None:
        self.live[task_id] = LiveTask(agent_id, TaskState.TASK_STAGING)

    def forget_shown(self, task_ids: Iterable[str]) -> None:
        """The framework asks for these tasks: it shall see the answers, new or not."""
        for task_id in task_ids:
            task = self.live.get(task_id)
            if task is not None:
                task.shown = None
            self._ended.pop(task_id, None)

    def is_news(self, status: TaskStatus) -> bool:
        """Take an update in, and say whether the framework is to see it."""
        task_id = status.task_id.value
        if status.uuid is not None and (status.uuid in self._with_framework or status.uuid in self._handled):
            return False
        if status.reason is _RECONCILIATION and status.uuid is None:
            # The master's answer. One of an agent has a uuid, and comes until the framework has seen it.
            if status.state is not TaskState.TASK_UNKNOWN:  # its agent may still come back
                self._unanswered.pop(task_id, None)
            if status.state in _UPDATE_FOLLOWS or task_id in self._ended:
                return False
            task = self.live.get(task_id)
            if task is not None and task.shown is status.state:
                return False
        if status.uuid is not None:
            self._with_framework.add(status.uuid)
        self._record(task_id, status)
        return True

    def is_handled(self, uuid: bytes) -> bool:
        """Whether the framework has dealt with the update, so that it can be acknowledged again at once."""
        return uuid in self._handled

    def handled(self, uuid: bytes) -> None:
        """The framework is done with the update."""
        self._with_framework.discard(uuid)
        _remember(self._handled, uuid, UPDATES_REMEMBERED_MAX)

    def _record(self, task_id: str, status: TaskStatus) -> None:
        if status.state is not TaskState.TASK_UNKNOWN:
            self._unanswered.pop(task_id, None)
        if status.state in TERMINAL_STATES:
            self.live.pop(task_id, None)
            _remember(self._ended, task_id, ENDED_TASKS_REMEMBERED_MAX)
            return
        self._ended.pop(task_id, None)
        agent_id = None if status.agent_id is None else status.agent_id.value
        task = self.live.get(task_id)
        if task is None:
            self.live[task_id] = LiveTask(agent_id, status.state)
        else:
            task.shown = status.state
            task.agent_id = agent_id or task.agent_id

    # Reconciliation.

    def begin_round(self) -> None:
        """From now on every living task is to be heard of."""
        self._unanswered = dict.fromkeys(self.live)

    def expect(self, task_ids: Iterable[str]) -> None:
        """These tasks too are to be heard of in this round."""
        self._unanswered.update(dict.fromkeys(task_ids))

    def unanswered(self) -> list[tuple[str, str | None]]:
        """Tasks of this round that nothing was heard of, with their agents."""
        return [(name, task.agent_id) for name in self._unanswered if (task := self.live.get(name)) is not None]


def _remember(memory: OrderedDict[Key, None], key: Key, most: int) -> None:
    memory[key] = None
    if len(memory) > most:
        memory.popitem(last=False)

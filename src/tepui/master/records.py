"""The master's change records (see `tepui.model.records`)."""

from __future__ import annotations

from collections.abc import Iterator

from tepui.model import records
from tepui.model.v1.mesos import Offer, OperationState, TaskState, TaskStatus


class Record(records.Record, gc=False, tag=True):
    """The base of the master's change records."""

    def names(self, subject: str) -> bool:
        """Whether the record is about the task, agent, framework or offer with this id."""
        return any(getattr(self, field) == subject for field in self.__struct_fields__ if field.endswith("_id"))


class FrameworkAdded(Record):
    """A framework is known: it subscribed, or an agent told of it."""

    framework_id: str


class FrameworkUpdated(Record):
    """It subscribed again, lost its stream, or described itself anew (`why`)."""

    framework_id: str
    why: str


class FrameworkRemoved(Record):
    """Its id is never taken again."""

    framework_id: str
    why: str


class AgentAdded(Record):
    """An agent is admitted, new or back from being unreachable."""

    agent_id: str


class AgentUpdated(Record):
    """It lost its link or is back (`why`)."""

    agent_id: str
    why: str


class AgentRefused(Record):
    """An agent at this address may not be a member (`why`). Without an id: it is new, or was refused at once."""

    agent_id: str
    address: str
    why: str


class AgentRemoved(Record):
    """The agent is not a member any more: it left, was replaced, or cannot be reached."""

    agent_id: str
    why: str
    unreachable: bool = False


class ExecutorAdded(Record):
    """An executor is known on an agent."""

    framework_id: str
    executor_id: str
    agent_id: str


class ExecutorRemoved(Record):
    """The executor ended, or its agent is gone."""

    framework_id: str
    executor_id: str
    agent_id: str
    status: int | None = None
    """The raw wait status, where somebody saw it."""


class TaskAdded(Record):
    """A task is known: it was launched, or an agent told of it."""

    framework_id: str
    task_id: str
    agent_id: str
    state: TaskState


class TaskUpdated(Record):
    """An update arrived or was made: `told` is its state, `state` the latest one that is known."""

    framework_id: str
    task_id: str
    agent_id: str
    state: TaskState
    told: TaskState
    reason: TaskStatus.Reason | None = None


class TaskRemoved(Record):
    """The task is history: its terminal state was acknowledged, or nobody will."""

    framework_id: str
    task_id: str
    agent_id: str


class TaskRevoked(Record):
    """What the task uses is taken back (`why`); its last update follows when its executor has ended it."""

    framework_id: str
    task_id: str
    agent_id: str
    why: str


class OfferAdded(Record):
    """An offer is out."""

    offer_id: str
    framework_id: str
    agent_id: str


class OfferRemoved(Record):
    """The offer was answered, or withdrawn (`why`)."""

    offer_id: str
    framework_id: str
    agent_id: str
    why: str


class QuotaUpdated(Record):
    """An operator changed the quota of a role; the amounts are text, and `{}` is none."""

    role: str
    guarantees: str
    limits: str


class WeightsUpdated(Record):
    """An operator changed weights: `role=weight, ...`."""

    weights: str


class OperationAdded(Record):
    """An operation is known: it was applied here, or an agent told of it. Its id here is its UUID in hexadecimal."""

    operation_id: str
    framework_id: str
    """Empty for an operator's."""
    agent_id: str
    kind: Offer.Operation.Type | None


class OperationUpdated(Record):
    """A status of the operation arrived."""

    operation_id: str
    framework_id: str
    agent_id: str
    state: OperationState


class OperationRemoved(Record):
    """Nobody waits for the operation any more (`why`)."""

    operation_id: str
    framework_id: str
    agent_id: str
    why: str


class Log(records.Log[Record]):
    """The newest records of a master."""

    __slots__ = ("_drained",)

    def __init__(self) -> None:
        super().__init__()
        self._drained = 0

    def drain(self) -> list[Record]:
        """The records since the last call, oldest first."""
        fresh = self.since(self._drained)
        self._drained = self.number
        return fresh

    def about(self, *subjects: str) -> Iterator[Record]:
        """The kept records that name all of the ids, oldest first."""
        return (record for record in self if all(record.names(subject) for subject in subjects))

"""What a scheduler is told, each thing a class, made for `match`:

match event:
    case Offers(offers): ...
    case Update(status): ...
"""

from __future__ import annotations

import msgspec

from tepui.model.task_states import TERMINAL_STATES
from tepui.model.v1.mesos import InverseOffer, MasterInfo, OperationStatus, TaskState, TaskStatus
from tepui.scheduler.offers import Offer
from tepui.session.scheduler import CallLost, Disconnected

__all__ = [
    "CallLost",
    "Disconnected",
    "Event",
    "Failure",
    "InverseOffers",
    "InverseRescinded",
    "Message",
    "Offers",
    "OperationUpdate",
    "Rescinded",
    "Subscribed",
    "Update",
]


class Subscribed(msgspec.Struct, frozen=True):
    """The framework is with a master, for the first time or again."""

    framework_id: str
    again: bool
    """Whether the framework existed before, so that tasks of it may be running."""
    master: MasterInfo | None


class Offers(msgspec.Struct, frozen=True):
    """Resources to use or to decline; until then they count as the framework's."""

    offers: list[Offer]


class Rescinded(msgspec.Struct, frozen=True):
    """An offer is no longer valid."""

    offer_id: str


class InverseOffers(msgspec.Struct, frozen=True):
    """The operator wants agents back for maintenance."""

    offers: list[InverseOffer]


class InverseRescinded(msgspec.Struct, frozen=True):
    """A request of the operator is void."""

    offer_id: str


class Update(msgspec.Struct, frozen=True):
    """A task's state. It is acknowledged for you once you ask for the next event, or your handler has returned."""

    status: TaskStatus

    @property
    def task_id(self) -> str:
        return self.status.task_id.value

    @property
    def state(self) -> TaskState:
        return self.status.state

    @property
    def is_terminal(self) -> bool:
        """Whether the task has ended, one way or another."""
        return self.status.state in TERMINAL_STATES


class OperationUpdate(msgspec.Struct, frozen=True):
    """The state of an operation that was given an id. Acknowledged like `Update`."""

    status: OperationStatus


class Message(msgspec.Struct, frozen=True):
    """Bytes from an executor. Messages may be lost."""

    agent_id: str
    executor_id: str
    data: bytes


class Failure(msgspec.Struct, frozen=True):
    """An agent is lost, or with `executor_id` an executor ended. Updates of its tasks come besides."""

    agent_id: str | None
    executor_id: str | None
    status: int | None
    """The raw wait status of an executor."""


Event = (
    Subscribed
    | Offers
    | Rescinded
    | InverseOffers
    | InverseRescinded
    | Update
    | OperationUpdate
    | Message
    | Failure
    | Disconnected
    | CallLost
)

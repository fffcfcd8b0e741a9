"""How the core words what it sends: scheduler events, and the task statuses that the master itself makes."""

from __future__ import annotations

from tepui.model.operators import time_info
from tepui.model.v1 import master, scheduler
from tepui.model.v1.mesos import (
    AgentID,
    ExecutorID,
    FrameworkID,
    InverseOffer,
    MasterInfo,
    Offer,
    OfferID,
    OperationID,
    OperationState,
    OperationStatus,
    TaskID,
    TaskState,
    TaskStatus,
)

Event = scheduler.Event
Type = scheduler.Event.Type
Reason = TaskStatus.Reason
SOURCE_MASTER = TaskStatus.Source.SOURCE_MASTER

HEARTBEAT = Event(type=Type.HEARTBEAT)
OPERATOR_HEARTBEAT = master.Event(type=master.Event.Type.HEARTBEAT)
"""One object for all streams, so that a shell can encode it once."""

_UPDATE = Type.UPDATE
_Update = Event.Update


def subscribed(framework_id: FrameworkID, heartbeat_seconds: float, info: MasterInfo) -> Event:
    return Event(
        type=Type.SUBSCRIBED,
        subscribed=Event.Subscribed(
            framework_id=framework_id, heartbeat_interval_seconds=heartbeat_seconds, master_info=info
        ),
    )


def offers(batch: list[Offer]) -> Event:
    return Event(type=Type.OFFERS, offers=Event.Offers(offers=batch))


def rescind(offer_id: str) -> Event:
    return Event(type=Type.RESCIND, rescind=Event.Rescind(offer_id=OfferID(value=offer_id)))


def inverse_offers(batch: list[InverseOffer]) -> Event:
    return Event(type=Type.INVERSE_OFFERS, inverse_offers=Event.InverseOffers(inverse_offers=batch))


def rescind_inverse(offer_id: str) -> Event:
    rescinded = Event.RescindInverseOffer(inverse_offer_id=OfferID(value=offer_id))
    return Event(type=Type.RESCIND_INVERSE_OFFER, rescind_inverse_offer=rescinded)


def update(status: TaskStatus) -> Event:
    return Event(type=_UPDATE, update=_Update(status=status))


def failure(agent_id: AgentID | None, executor_id: ExecutorID | None = None, status: int | None = None) -> Event:
    return Event(type=Type.FAILURE, failure=Event.Failure(agent_id=agent_id, executor_id=executor_id, status=status))


def message(agent_id: AgentID | None, executor_id: str, data: bytes) -> Event:
    assert agent_id is not None, "an admitted agent has an id"
    return Event(
        type=Type.MESSAGE,
        message=Event.Message(agent_id=agent_id, executor_id=ExecutorID(value=executor_id), data=data),
    )


def error(sentence: str) -> Event:
    return Event(type=Type.ERROR, error=Event.Error(message=sentence))


def operation_status(
    operation_id: OperationID, state: OperationState, sentence: str | None = None, agent_id: AgentID | None = None
) -> Event:
    """An operation status that the master makes; it has no uuid and wants no acknowledgement."""
    return operation_update(
        OperationStatus(operation_id=operation_id, state=state, message=sentence, agent_id=agent_id)
    )


def operation_update(status: OperationStatus) -> Event:
    return Event(type=Type.UPDATE_OPERATION_STATUS, update_operation_status=Event.UpdateOperationStatus(status=status))


def status(
    task_id: TaskID,
    state: TaskState,
    reason: TaskStatus.Reason | None,
    sentence: str | None,
    now: float,
    agent_id: AgentID | None = None,
    executor_id: str = "",
    unreachable_at: float | None = None,
) -> TaskStatus:
    """A status that the master itself makes: source MASTER, no uuid, so that nobody acknowledges it."""
    return TaskStatus(
        task_id=task_id,
        state=state,
        message=sentence,
        source=SOURCE_MASTER,
        reason=reason,
        agent_id=agent_id,
        executor_id=ExecutorID(value=executor_id) if executor_id else None,
        timestamp=now,
        unreachable_time=None if unreachable_at is None else time_info(unreachable_at),
    )

"""What a master says to a scheduler, as short as a test wants it."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import NAMESPACE_OID, uuid5

from tepui.model.v1 import mesos
from tepui.model.v1.mesos import (
    AgentID,
    Attribute,
    ExecutorID,
    FrameworkID,
    OfferID,
    Resource,
    TaskID,
    TaskState,
    Value,
)
from tepui.model.v1.scheduler import Event
from tepui.scheduler.tasks import scalars

FRAMEWORK_ID = "framework"
AGENT_ID = "agent"
HOSTNAME = "host"

_Type = Event.Type


def subscribed(framework_id: str = FRAMEWORK_ID, heartbeat_seconds: float = 15.0) -> Event:
    """The first event on a stream."""
    message = Event.Subscribed(
        framework_id=FrameworkID(value=framework_id), heartbeat_interval_seconds=heartbeat_seconds
    )
    return Event(type=_Type.SUBSCRIBED, subscribed=message)


def heartbeat() -> Event:
    return Event(type=_Type.HEARTBEAT)


def offer(
    offer_id: str,
    *,
    agent_id: str = AGENT_ID,
    hostname: str = HOSTNAME,
    cpus: float = 4,
    mem: float = 4096,
    disk: float = 0,
    gpus: float = 0,
    ports: tuple[int, int] | None = None,
    role: str = "*",
    attributes: Mapping[str, str | float] | None = None,
    framework_id: str = FRAMEWORK_ID,
) -> mesos.Offer:
    """One offer, for `offers`. `ports` are the first and the last."""
    resources = scalars({"cpus": cpus, "mem": mem, "disk": disk, "gpus": gpus})
    if ports is not None:
        ranges = Value.Ranges(range=[Value.Range(begin=ports[0], end=ports[1])])
        resources.append(Resource(name="ports", type=Value.Type.RANGES, ranges=ranges))
    allocation = Resource.AllocationInfo(role=role)
    for resource in resources:
        resource.allocation_info = allocation
    return mesos.Offer(
        id=OfferID(value=offer_id),
        framework_id=FrameworkID(value=framework_id),
        agent_id=AgentID(value=agent_id),
        hostname=hostname,
        resources=resources,
        attributes=[_attribute(name, value) for name, value in (attributes or {}).items()],
        allocation_info=allocation,
    )


def offers(*some: mesos.Offer) -> Event:
    """An event of several offers."""
    return Event(type=_Type.OFFERS, offers=Event.Offers(offers=list(some)))


def rescind(offer_id: str) -> Event:
    """An offer is void."""
    return Event(type=_Type.RESCIND, rescind=Event.Rescind(offer_id=OfferID(value=offer_id)))


def update(
    task_id: str,
    state: TaskState = TaskState.TASK_RUNNING,
    *,
    message: str | None = None,
    data: bytes | None = None,
    agent_id: str = AGENT_ID,
    reason: mesos.TaskStatus.Reason | None = None,
    acknowledged: bool = True,
) -> Event:
    """A task's state. To be acknowledged, unless the test says otherwise: as an answer to a reconciliation. Its uuid
    depends on task and state alone, so the same update made again is a repetition of the first."""
    status = mesos.TaskStatus(
        task_id=TaskID(value=task_id),
        state=state,
        agent_id=AgentID(value=agent_id),
        message=message,
        data=data,
        reason=reason,
        uuid=uuid5(NAMESPACE_OID, f"{task_id} {state.value}").bytes if acknowledged else None,
    )
    return Event(type=_Type.UPDATE, update=Event.Update(status=status))


def message(data: bytes, executor_id: str = "executor", agent_id: str = AGENT_ID) -> Event:
    """Bytes from an executor."""
    content = Event.Message(agent_id=AgentID(value=agent_id), executor_id=ExecutorID(value=executor_id), data=data)
    return Event(type=_Type.MESSAGE, message=content)


def failure(agent_id: str = AGENT_ID, executor_id: str | None = None, status: int | None = None) -> Event:
    """An agent is gone, or an executor has ended with a wait status."""
    executor = None if executor_id is None else ExecutorID(value=executor_id)
    content = Event.Failure(agent_id=AgentID(value=agent_id), executor_id=executor, status=status)
    return Event(type=_Type.FAILURE, failure=content)


def error(sentence: str) -> Event:
    """The master wants no more of the framework."""
    return Event(type=_Type.ERROR, error=Event.Error(message=sentence))


def _attribute(name: str, value: str | float) -> Attribute:
    if isinstance(value, str):
        return Attribute(name=name, type=Value.Type.TEXT, text=Value.Text(value=value))
    return Attribute(name=name, type=Value.Type.SCALAR, scalar=Value.Scalar(value=value))

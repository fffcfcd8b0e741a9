"""Room for short tasks: a part of an agent that only tasks of limited length may use (paper 4.4).

Where long tasks fill every slot, short ones wait for as long as those last. So an agent may keep part of its resources
for tasks that promise to end soon: it is reserved for a role of its own, in which frameworks with such tasks subscribe,
and the agent's attributes, shown in each offer, say what must be promised:

    tepui.short_task_role: short        tepui.short_task_seconds: 30

A task that uses anything reserved for that role must have a `max_completion_time` of at most so many seconds, and is
ended when it goes on for longer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tepui.model.resources import Resources
from tepui.model.v1.mesos import Attribute, TaskInfo, Value

ROLE = "tepui.short_task_role"
SECONDS = "tepui.short_task_seconds"


class ShortTasks(NamedTuple):
    """What an agent keeps for short tasks is reserved for `role`; they last at most `seconds`."""

    role: str
    seconds: float


def attributes_of(short: ShortTasks) -> list[Attribute]:
    """What an agent says of it."""
    return [
        Attribute(name=ROLE, type=Value.Type.TEXT, text=Value.Text(value=short.role)),
        Attribute(name=SECONDS, type=Value.Type.SCALAR, scalar=Value.Scalar(value=short.seconds)),
    ]


def short_tasks_of(attributes: Sequence[Attribute]) -> ShortTasks | None:
    """What an agent with these attributes keeps; None when it keeps nothing."""
    role, seconds = None, None
    for attribute in attributes:
        if attribute.name == ROLE and attribute.text is not None:
            role = attribute.text.value
        elif attribute.name == SECONDS and attribute.scalar is not None:
            seconds = attribute.scalar.value
    return None if role is None or seconds is None else ShortTasks(role, seconds)


def uses_kept(short: ShortTasks, resources: Resources) -> bool:
    """Whether some of these are kept for short tasks."""
    return any(reservation.role == short.role for kind, _ in resources for reservation in kind.reservations)


def refused_task(attributes: Sequence[Attribute], info: TaskInfo, resources: Resources) -> str | None:
    """Why a task may not use these resources of an agent with these attributes; None when it may."""
    if not attributes:
        return None
    short = short_tasks_of(attributes)
    if short is None or not uses_kept(short, resources):
        return None
    limit = info.max_completion_time
    if limit is not None and limit.nanoseconds <= short.seconds * 1e9:
        return None
    return (
        f"Task uses resources that agent {info.agent_id.value} keeps for short tasks (role '{short.role}'): "
        f"its 'max_completion_time' must be set, to at most {short.seconds:g} seconds"
    )


def refused_executor(attributes: Sequence[Attribute], resources: Resources) -> str | None:
    """The same of an executor, which may live for any time."""
    short = short_tasks_of(attributes) if attributes else None
    if short is None or not uses_kept(short, resources):
        return None
    return f"Executor uses resources that are kept for short tasks (role '{short.role}'); only tasks may"

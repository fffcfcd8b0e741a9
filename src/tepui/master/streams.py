"""Operator event streams: folds over the change records, from a whole picture at the beginning.

A large picture is drawn in parts while the cluster goes on. What happens to a task before its part is made is seen in
the picture, so its updates until then are not told: a stream shows each change once, in the picture or after it.
"""

from __future__ import annotations

from tepui.master import messages, views
from tepui.master.context import Context
from tepui.master.events import OperatorCall
from tepui.master.records import (
    AgentAdded,
    AgentRemoved,
    FrameworkAdded,
    FrameworkRemoved,
    FrameworkUpdated,
    Record,
    TaskAdded,
    TaskUpdated,
)
from tepui.master.state import Agent, Framework, Task
from tepui.model.drawn import Drawn
from tepui.model.operators import time_info
from tepui.model.shell import OpenSession, SendDrawn
from tepui.model.v1.master import Event, Response
from tepui.model.v1.mesos import AgentID, FrameworkID, TaskStatus

_Type = Event.Type

_FRAMEWORK_UPDATES = ("subscribed", "updated")
"""What of `FrameworkUpdated` operators hear of (Mesos: a lost stream sends nothing)."""


def subscribe(context: Context, event: OperatorCall) -> None:
    """SUBSCRIBE: the whole state, a heartbeat, then what changes. The oldest stream makes room for one too many."""
    streams = context.state.operator_streams
    while len(streams) >= max(1, context.config.operator_streams_max):
        oldest, _ = streams.popitem(last=False)
        context.undrawn.pop(oldest, None)
        context.close_stream(oldest)
    streams[event.session] = event.principal
    context.effects.append(OpenSession(event.request, event.session))
    picture = _picture(context, event.session)
    if isinstance(picture, Drawn):
        context.effects.append(SendDrawn(event.session, picture))
    else:
        context.send_stream(event.session, picture)
    context.send_stream(event.session, messages.OPERATOR_HEARTBEAT)
    context.beat_later(event.session)


def _picture(context: Context, session: str) -> Event | Drawn:
    """The first event of a stream: everything."""
    state = context.state
    heartbeat = context.config.heartbeat_seconds
    undrawn: dict[str, set[str]] = {}

    def drawn(task: Task) -> None:
        of_framework = undrawn.get(task.framework_id)
        if of_framework is not None:
            of_framework.discard(task.task_id)
            if not of_framework:
                del undrawn[task.framework_id]
                if not undrawn:
                    context.undrawn.pop(session, None)

    rows = views.state_rows(state, drawn)
    tree = {"type": _Type.SUBSCRIBED, "subscribed": {"get_state": rows, "heartbeat_interval_seconds": heartbeat}}
    picture = Drawn(tree, Event)
    if picture.is_small:
        told = Event.Subscribed(get_state=views.whole_state(rows), heartbeat_interval_seconds=heartbeat)
        return Event(type=_Type.SUBSCRIBED, subscribed=told)
    for framework in state.frameworks.values():
        if framework.tasks or framework.unreachable_tasks:
            undrawn[framework.framework_id] = {*framework.tasks, *framework.unreachable_tasks}
    if undrawn:
        context.undrawn[session] = undrawn
    return picture


def closed(context: Context, session: str) -> None:
    context.state.operator_streams.pop(session, None)
    context.undrawn.pop(session, None)


def fold(context: Context, record: Record, subject: object) -> None:
    """Tell every stream whose principal may know it, unless its picture will show it."""
    event = _event_of(context, record, subject)
    if event is None:
        return
    undrawn = context.undrawn
    if undrawn and isinstance(record, TaskAdded):
        # Another task with its id is shown as it ended; this one is told by events from the beginning.
        for of_session in undrawn.values():
            of_session.get(record.framework_id, set()).discard(record.task_id)
    for session, principal in list(context.state.operator_streams.items()):
        if undrawn and session in undrawn and _is_in_picture(undrawn[session], record):
            continue
        if _may_see(context, principal, record, subject):
            context.send_stream(session, event)


def _is_in_picture(undrawn: dict[str, set[str]], record: Record) -> bool:
    """Whether the part of a picture that is still to be made will show what the record says."""
    return isinstance(record, TaskUpdated) and record.task_id in undrawn.get(record.framework_id, ())


def _event_of(context: Context, record: Record, subject: object) -> Event | None:
    match record:
        case TaskAdded() if isinstance(subject, Task):
            return Event(type=_Type.TASK_ADDED, task_added=Event.TaskAdded(task=views.task_message(subject)))
        case TaskUpdated() if isinstance(subject, TaskStatus):
            return Event(
                type=_Type.TASK_UPDATED,
                task_updated=Event.TaskUpdated(
                    framework_id=FrameworkID(value=record.framework_id), status=subject, state=record.state
                ),
            )
        case AgentAdded() if isinstance(subject, Agent):
            return Event(type=_Type.AGENT_ADDED, agent_added=Event.AgentAdded(agent=views.agent_message(subject)))
        case AgentRemoved(unreachable=False):
            agent_id = AgentID(value=record.agent_id)
            return Event(type=_Type.AGENT_REMOVED, agent_removed=Event.AgentRemoved(agent_id=agent_id))
        case FrameworkAdded() if isinstance(subject, Framework):
            added = Event.FrameworkAdded(framework=_framework(context, subject))
            return Event(type=_Type.FRAMEWORK_ADDED, framework_added=added)
        case FrameworkUpdated() if isinstance(subject, Framework) and record.why in _FRAMEWORK_UPDATES:
            updated = Event.FrameworkUpdated(framework=_framework(context, subject))
            return Event(type=_Type.FRAMEWORK_UPDATED, framework_updated=updated)
        case FrameworkRemoved() if isinstance(subject, Framework):
            removed = Event.FrameworkRemoved(framework_info=subject.info)
            return Event(type=_Type.FRAMEWORK_REMOVED, framework_removed=removed)
        case _:
            return None


def _framework(context: Context, framework: Framework) -> Response.GetFrameworks.Framework:
    """In events a framework shows who it is, not what it holds; its time of removal is 0 (Mesos: framework events)."""
    message = views.framework_message(framework, context.state)
    message.offers = []
    message.allocated_resources = []
    message.offered_resources = []
    message.offer_constraints = framework.offer_constraints
    message.unregistered_time = time_info(framework.unregistered_at or 0.0)
    return message


def _may_see(context: Context, principal: str | None, record: Record, subject: object) -> bool:
    authorizer = context.authorizer
    match record:
        case TaskAdded() | TaskUpdated():
            framework = context.state.frameworks.get(record.framework_id)
            task = None if framework is None else framework.tasks.get(record.task_id)
            user = None if task is None else task.user
            if user is None:
                user = "" if framework is None else framework.info.user
            return authorizer(principal, "view_tasks", user)
        case FrameworkAdded() | FrameworkUpdated() | FrameworkRemoved() if isinstance(subject, Framework):
            return authorizer(principal, "view_frameworks", subject.info.user)
        case _:
            return True

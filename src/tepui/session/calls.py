"""A scheduler's calls: what becomes of them when their stream is lost, what they launch, why they are refused."""

from __future__ import annotations

from enum import Enum

from tepui.model.v1.scheduler import Call
from tepui.session.steps import Answered

_Type = Call.Type


class Fate(Enum):
    """What becomes of a call when its stream is lost before it was answered."""

    RESEND = "sent again after the next subscription: doing it twice does no harm"
    RESTORE = "part of each subscription"
    VOID = "without meaning: the offers are the master's again"
    LOST = "reported to the framework, never sent again"


FATES = {
    _Type.KILL: Fate.RESEND,
    _Type.SHUTDOWN: Fate.RESEND,
    _Type.TEARDOWN: Fate.RESEND,
    _Type.ACKNOWLEDGE: Fate.RESEND,
    _Type.ACKNOWLEDGE_OPERATION_STATUS: Fate.RESEND,
    _Type.RECONCILE: Fate.RESEND,
    _Type.RECONCILE_OPERATIONS: Fate.RESEND,
    _Type.SUPPRESS: Fate.RESTORE,
    _Type.REVIVE: Fate.RESTORE,
    _Type.UPDATE_FRAMEWORK: Fate.RESTORE,
    _Type.DECLINE: Fate.VOID,
    _Type.ACCEPT_INVERSE_OFFERS: Fate.VOID,
    _Type.DECLINE_INVERSE_OFFERS: Fate.VOID,
    _Type.REQUEST: Fate.VOID,
    _Type.ACCEPT: Fate.LOST,
    _Type.MESSAGE: Fate.LOST,
}
"""By the type of call. SUBSCRIBE is not among them: no framework makes it."""


def launched_tasks(call: Call) -> list[tuple[str, str]]:
    """The tasks that a call launches, with their agents."""
    if call.accept is None:
        return []
    found = []
    for operation in call.accept.operations:
        if operation.launch is not None:
            found += operation.launch.task_infos
        if operation.launch_group is not None:
            found += operation.launch_group.task_group.tasks
    return [(task.task_id.value, task.agent_id.value) for task in found]


def is_about_stream(step: Answered) -> bool:
    """Whether a refusal says that the master does not have us as subscribed, rather than that the call is bad."""
    sentence = step.sentence
    return (
        (step.status == 403 and sentence.startswith("Framework is not subscribed"))
        or (step.status == 400 and sentence.startswith("The stream ID"))
        or (step.status == 400 and sentence.startswith("Framework cannot be found"))
    )

"""Calls of operators: what changes something or subscribes; what only reads is answered by the views."""

from __future__ import annotations

from tepui.master import frameworks, legacy, streams, views
from tepui.master.context import Context
from tepui.master.events import LegacyCall, OperatorCall
from tepui.master.state import Framework
from tepui.model.v1.master import Call

_Type = Call.Type

_FEATURES: dict[Call.Type, str] = {
    _Type.UPDATE_WEIGHTS: "Changing weights",
    _Type.RESERVE_RESOURCES: "Dynamic reservation",
    _Type.UNRESERVE_RESOURCES: "Dynamic reservation",
    _Type.CREATE_VOLUMES: "Persistent volumes",
    _Type.DESTROY_VOLUMES: "Persistent volumes",
    _Type.GROW_VOLUME: "Persistent volumes",
    _Type.SHRINK_VOLUME: "Persistent volumes",
    _Type.UPDATE_MAINTENANCE_SCHEDULE: "Maintenance",
    _Type.START_MAINTENANCE: "Maintenance",
    _Type.STOP_MAINTENANCE: "Maintenance",
    _Type.DRAIN_AGENT: "Draining agents",
    _Type.DEACTIVATE_AGENT: "Deactivating agents",
    _Type.REACTIVATE_AGENT: "Deactivating agents",
    _Type.UPDATE_QUOTA: "Quota",
    _Type.SET_QUOTA: "Quota",
    _Type.REMOVE_QUOTA: "Quota",
    _Type.MARK_AGENT_GONE: "Marking agents gone",
}
"""Features that this version does not have."""


def call(context: Context, event: OperatorCall) -> None:
    """Answer a call of the operator API that passed the shell's checks."""
    kind = event.call.type
    if kind is _Type.SUBSCRIBE:
        streams.subscribe(context, event)
        return
    if kind is _Type.TEARDOWN and event.call.teardown is not None:
        framework = context.state.frameworks.get(event.call.teardown.framework_id.value)
        if framework is None:
            context.answer(event.request, 400, "No framework found with specified ID")
        else:
            _teardown(context, event.request, event.principal, framework)
        return
    answer = views.answer(context, event.call)
    if answer is not None:
        context.answer(event.request, 200, answer)
    elif kind is not None and kind in _FEATURES:
        context.answer(event.request, 501, f"{_FEATURES[kind]} is not supported by this version.")
    else:
        context.answer(event.request, 501, "")


def legacy_call(context: Context, event: LegacyCall) -> None:
    """Answer a request to a legacy endpoint."""
    if event.endpoint == "teardown":
        framework = legacy.torn_down(context.state, event.form)
        if isinstance(framework, Framework):
            _teardown(context, event.request, event.principal, framework)
            return
        answer: legacy.LegacyAnswer | None = framework
    else:
        answer = legacy.answer(context, event.method, event.endpoint, event.query)
    if answer is None:
        context.answer(event.request, 404)
    else:
        context.answer(event.request, answer.status, answer.body)


def _teardown(context: Context, request: int, principal: str | None, framework: Framework) -> None:
    if not context.authorizer(principal, "teardown_frameworks", framework.info.principal or ""):
        context.answer(request, 403, "")
        return
    frameworks.remove(context, framework, "torn down by an operator")
    context.answer(request, 200)

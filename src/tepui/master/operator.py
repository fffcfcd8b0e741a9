"""Calls of operators: what changes something or subscribes; what only reads is answered by the views."""

from __future__ import annotations

from collections.abc import Callable

from tepui.master import frameworks, legacy, quota, streams, views, weights
from tepui.master.context import Context
from tepui.master.events import LegacyCall, OperatorCall
from tepui.master.state import Framework
from tepui.model.v1.master import Call

_Type = Call.Type

_FEATURES: dict[Call.Type, str] = {
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
    change = None if kind is None else _CHANGES.get(kind)
    if change is not None:
        change(context, event)
        return
    answer = views.answer(context, event.call)
    if answer is not None:
        context.answer(event.request, 200, answer)
    elif kind is not None and kind in _FEATURES:
        context.answer(event.request, 501, f"{_FEATURES[kind]} is not supported by this version.")
    else:
        context.answer(event.request, 501, "")


def _update_weights(context: Context, event: OperatorCall) -> None:
    if event.call.update_weights is not None:
        weights.update(context, event.request, event.principal, event.call.update_weights.weight_infos)


def _update_quota(context: Context, event: OperatorCall) -> None:
    wanted = event.call.update_quota
    if wanted is not None:
        quota.update(context, event.request, event.principal, wanted.quota_configs, bool(wanted.force))


def _set_quota(context: Context, event: OperatorCall) -> None:
    if event.call.set_quota is not None:
        quota.set_(context, event.request, event.principal, event.call.set_quota.quota_request)


def _remove_quota(context: Context, event: OperatorCall) -> None:
    if event.call.remove_quota is not None:
        quota.remove(context, event.request, event.principal, event.call.remove_quota.role)


_CHANGES: dict[Call.Type, Callable[[Context, OperatorCall], None]] = {
    _Type.UPDATE_WEIGHTS: _update_weights,
    _Type.UPDATE_QUOTA: _update_quota,
    _Type.SET_QUOTA: _set_quota,
    _Type.REMOVE_QUOTA: _remove_quota,
}
"""Calls whose members the shell has checked to be there."""


def legacy_call(context: Context, event: LegacyCall) -> None:
    """Answer a request to a legacy endpoint."""
    if event.endpoint == "quota" and event.method == "DELETE":
        quota.remove_at(context, event.request, event.principal, event.path)
        return
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

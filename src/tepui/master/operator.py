"""Calls of operators: what changes something or subscribes; what only reads is answered by the views."""

from __future__ import annotations

from collections.abc import Callable

from tepui.master import (
    draining,
    frameworks,
    gone,
    legacy,
    maintenance,
    operator_operations,
    quota,
    streams,
    views,
    weights,
)
from tepui.master.context import Context
from tepui.master.events import LegacyCall, OperatorCall
from tepui.master.state import Framework
from tepui.model.v1.master import Call

_Type = Call.Type


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


def _update_maintenance_schedule(context: Context, event: OperatorCall) -> None:
    wanted = event.call.update_maintenance_schedule
    if wanted is not None:
        maintenance.update_schedule(context, event.request, event.principal, wanted.schedule)


def _start_maintenance(context: Context, event: OperatorCall) -> None:
    if event.call.start_maintenance is not None:
        maintenance.start(context, event.request, event.principal, event.call.start_maintenance.machines)


def _stop_maintenance(context: Context, event: OperatorCall) -> None:
    if event.call.stop_maintenance is not None:
        maintenance.stop(context, event.request, event.principal, event.call.stop_maintenance.machines)


def _drain_agent(context: Context, event: OperatorCall) -> None:
    if event.call.drain_agent is not None:
        draining.drain(context, event.request, event.principal, event.call.drain_agent)


def _deactivate_agent(context: Context, event: OperatorCall) -> None:
    wanted = event.call.deactivate_agent
    if wanted is not None:
        draining.deactivate(context, event.request, event.principal, wanted.agent_id.value)


def _reactivate_agent(context: Context, event: OperatorCall) -> None:
    wanted = event.call.reactivate_agent
    if wanted is not None:
        draining.reactivate(context, event.request, event.principal, wanted.agent_id.value)


def _mark_agent_gone(context: Context, event: OperatorCall) -> None:
    wanted = event.call.mark_agent_gone
    if wanted is not None:
        gone.mark(context, event.request, event.principal, wanted.agent_id.value)


_CHANGES: dict[Call.Type, Callable[[Context, OperatorCall], None]] = {
    _Type.UPDATE_WEIGHTS: _update_weights,
    _Type.UPDATE_QUOTA: _update_quota,
    _Type.SET_QUOTA: _set_quota,
    _Type.REMOVE_QUOTA: _remove_quota,
    _Type.UPDATE_MAINTENANCE_SCHEDULE: _update_maintenance_schedule,
    _Type.START_MAINTENANCE: _start_maintenance,
    _Type.STOP_MAINTENANCE: _stop_maintenance,
    _Type.DRAIN_AGENT: _drain_agent,
    _Type.DEACTIVATE_AGENT: _deactivate_agent,
    _Type.REACTIVATE_AGENT: _reactivate_agent,
    _Type.MARK_AGENT_GONE: _mark_agent_gone,
    _Type.RESERVE_RESOURCES: operator_operations.call,
    _Type.UNRESERVE_RESOURCES: operator_operations.call,
    _Type.CREATE_VOLUMES: operator_operations.call,
    _Type.DESTROY_VOLUMES: operator_operations.call,
    _Type.GROW_VOLUME: operator_operations.call,
    _Type.SHRINK_VOLUME: operator_operations.call,
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
        answer = legacy.answer(context, event.endpoint, event.query)
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

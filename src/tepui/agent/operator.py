"""Calls of operators to the agent: what only reads is answered by the views, the rest belongs to later features."""

from __future__ import annotations

from tepui.agent import legacy, views
from tepui.agent.context import Context
from tepui.agent.events import LegacyCall, OperatorCall
from tepui.model.v1.agent import Call

_Type = Call.Type

_FEATURES: dict[Call.Type, str] = {
    _Type.LAUNCH_CONTAINER: "Launching containers",
    _Type.WAIT_CONTAINER: "Waiting for containers",
    _Type.KILL_CONTAINER: "Killing containers",
    _Type.REMOVE_CONTAINER: "Removing containers",
    _Type.LAUNCH_NESTED_CONTAINER: "Launching nested containers",
    _Type.WAIT_NESTED_CONTAINER: "Waiting for nested containers",
    _Type.KILL_NESTED_CONTAINER: "Killing nested containers",
    _Type.REMOVE_NESTED_CONTAINER: "Removing nested containers",
    _Type.LAUNCH_NESTED_CONTAINER_SESSION: "A session in a nested container",
    _Type.ATTACH_CONTAINER_INPUT: "Attaching to a container",
    _Type.ATTACH_CONTAINER_OUTPUT: "Attaching to a container",
    _Type.ADD_RESOURCE_PROVIDER_CONFIG: "Resource provider configuration",
    _Type.UPDATE_RESOURCE_PROVIDER_CONFIG: "Resource provider configuration",
    _Type.REMOVE_RESOURCE_PROVIDER_CONFIG: "Resource provider configuration",
    _Type.MARK_RESOURCE_PROVIDER_GONE: "Marking resource providers gone",
    _Type.PRUNE_IMAGES: "Pruning images",
}
"""Features that this version does not have."""


def call(context: Context, event: OperatorCall) -> None:
    """Answer a call of the operator API that passed the shell's checks."""
    kind = event.call.type
    answer = views.answer(context, event.call, event.statistics)
    if answer is not None:
        context.answer(event.request, 200, answer)
    elif kind is not None and kind in _FEATURES:
        context.answer(event.request, 501, f"{_FEATURES[kind]} is not supported by this version.")
    else:
        context.answer(event.request, 501, "")


def legacy_call(context: Context, event: LegacyCall) -> None:
    """Answer a request to a legacy endpoint."""
    answer = legacy.answer(context, event.endpoint, event.statistics)
    context.answer(event.request, 404 if answer is None else 200, "" if answer is None else answer)

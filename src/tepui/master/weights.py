"""Weights of roles: how much of the cluster each may hold before others of its siblings come first.

The flag `--weights` is what a cluster starts with. It is stored with the first change an operator makes; from then on
the registry decides and the flag is ignored (Mesos: weights).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from math import isfinite

from tepui.master import offers
from tepui.master.context import Context
from tepui.master.records import WeightsUpdated
from tepui.master.registry import Registry, WeightSet, too_large
from tepui.model.roles import is_same_or_descendant, validate_role
from tepui.model.v1.mesos import WeightInfo

WEIGHT_DEFAULT = 1.0


def recover(context: Context, registry: Registry | None) -> None:
    """A master starts with what the registry says or, when that never had weights, with those of the flag."""
    state = context.state
    if registry is not None and registry.weights:
        state.weights = dict(registry.weights)
        context.allocator.set_weights({**dict.fromkeys(context.config.weights, WEIGHT_DEFAULT), **state.weights})
    else:
        state.weights = dict(context.config.weights)
        state.unstored_weights = dict(context.config.weights)


def update(context: Context, request: int, principal: str | None, infos: Sequence[WeightInfo]) -> None:
    """UPDATE_WEIGHTS, `PUT /weights`: all of `infos` or, when one of them is wrong, nothing."""
    changes: dict[str, float] = {}
    for info in infos:
        role = (info.role or "").strip()
        why = _refused(context, role, info.weight)
        if why is not None:
            context.answer(request, 400, f"Failed to validate update weights request JSON{why}")
            return
        changes[role] = info.weight
    if not all(context.authorizer(principal, "update_weights", role) for role in changes):
        context.answer(request, 403, "")
        return
    if not changes:
        context.answer(request, 200)
        return
    stored = {**context.state.unstored_weights, **changes}
    records = [WeightSet(role, weight) for role, weight in stored.items()]
    why = too_large(records)
    if why is not None:
        context.answer(request, 400, f"Failed to validate update weights request JSON: {why}")
        return
    context.state.unstored_weights = {}
    context.store(records, partial(_updated, context, request, changes))


def _refused(context: Context, role: str, weight: float) -> str | None:
    """The rest of the sentence that refuses a weight."""
    why = validate_role(role)
    if why is not None:
        return f": Invalid role '{role}': {why}"
    if context.config.roles is not None and role not in context.config.roles:
        return f": Unknown role '{role}'"
    if not weight > 0:
        return f" for role '{role}': Invalid weight '{weight:g}': Weights must be positive"
    if not isfinite(weight):
        return f" for role '{role}': Invalid weight '{weight:g}': Weights must be finite"
    return None


def _updated(context: Context, request: int, changes: dict[str, float]) -> None:
    """The weights are stored: they hold, and what is offered is dealt out anew where somebody may gain by it."""
    state = context.state
    state.weights.update(changes)
    context.allocator.set_weights(changes)
    context.record(WeightsUpdated(", ".join(f"{role}={weight:g}" for role, weight in changes.items())))
    if any(
        is_same_or_descendant(subscribed, role)
        for framework in state.frameworks.values()
        for subscribed in framework.roles
        for role in changes
    ):
        for offer in list(state.offers.values()):
            offers.rescind(context, offer, "weights updated")
    context.answer(request, 200)

"""Quota of top-level roles: what is guaranteed to them, and what they may hold at most.

A change is judged, stored, and then applied: to what readers see, to the allocator, and to offers that stand in its
way. Further changes are judged by what is being stored already, so that two at once cannot overcommit the cluster.
A guarantee that is missing is 0; a limit that is missing is none (Mesos: quota).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from math import isfinite, isnan

from tepui.master import offers
from tepui.master.context import Context
from tepui.master.records import QuotaUpdated
from tepui.master.registry import QuotaSet, Registry, note_quota, too_large
from tepui.master.state import Offer, State
from tepui.master.sums import quantities_of
from tepui.model.quantities import Quantities, add_quantities, quantities_text, reduce_quantities, subtract_quantities
from tepui.model.resource_validation import ResourceError
from tepui.model.resources import Resources
from tepui.model.roles import is_same_or_descendant, validate_role
from tepui.model.v1.mesos import Resource, Value
from tepui.model.v1.quota import QuotaConfig, QuotaRequest
from tepui.model.values import as_float, scalar_text, thousandths

MEGABYTES_MAX = 1 << 40
"""The largest amount of memory and of disk: an exabyte."""
AMOUNT_MAX = 10**12
"""The largest amount of anything else."""


# Amounts.


def guarantees_of(config: QuotaConfig) -> Quantities:
    """What is guaranteed, in thousandths."""
    amounts = {name: thousandths(scalar.value) for name, scalar in config.guarantees.items()}
    return {name: amount for name, amount in amounts.items() if amount}


def limits_of(config: QuotaConfig) -> Quantities:
    """What the role may hold at most, in thousandths. A limit of 0 is one; a name that is missing has no limit."""
    return {name: thousandths(scalar.value) for name, scalar in config.limits.items()}


def within(limits: Mapping[str, int], held: Mapping[str, int]) -> bool:
    """Whether nothing in `held` is more than its limit."""
    return all(held.get(name, 0) <= limit for name, limit in limits.items())


def covered(resources: Resources) -> Quantities:
    """What of resources that are offered or allocated counts for quota, reservations apart."""
    return resources.unreserved().non_revocable().quantities()


def _config(role: str, guarantees: Mapping[str, int], limits: Mapping[str, int]) -> QuotaConfig:
    def scalars(amounts: Mapping[str, int]) -> dict[str, Value.Scalar]:
        return {name: Value.Scalar(value=as_float(amount)) for name, amount in sorted(amounts.items())}

    return QuotaConfig(role=role, guarantees=scalars(guarantees), limits=scalars(limits))


# What holds.


def recover(context: Context, registry: Registry) -> None:
    """A starting master applies what the registry says."""
    for config in registry.quota.values():
        context.state.wanted_quota[config.role] = config
        _apply(context, config)


# Changes.


def update(context: Context, request: int, principal: str | None, configs: Sequence[QuotaConfig], force: bool) -> None:
    """UPDATE_QUOTA: all of `configs` or, when one of them is wrong, nothing. `force` skips the checks against the
    cluster: what the roles consume now, and what there is."""
    for config in configs:
        why = _invalid(context, config)
        if why is not None:
            context.answer(request, 400, why)
            return
    wanted = [_config(config.role, guarantees_of(config), limits_of(config)) for config in configs]
    if not force:
        why = _over_limit(context, wanted) or _overcommitted(context.state, wanted)
        if why is not None:
            context.answer(request, 400, f"Invalid QuotaConfig: {why} (use 'force' flag to bypass this check)")
            return
    if not all(context.authorizer(principal, "update_quotas", config.role) for config in wanted):
        context.answer(request, 403, "")
        return
    _store(context, request, wanted)


def set_(context: Context, request: int, principal: str | None, wanted: QuotaRequest) -> None:
    """SET_QUOTA, `POST /quota`, the older call: a guarantee that is the limit, too, for a role that has no quota."""
    role = wanted.role or ""
    why = _invalid_request(context, role, wanted.guarantee)
    if why is not None:
        context.answer(request, 400, why)
        return
    amounts = {
        message.name: thousandths(message.scalar.value) for message in wanted.guarantee if message.scalar is not None
    }
    config = _config(role, {name: amount for name, amount in amounts.items() if amount}, amounts)
    if not context.authorizer(principal, "update_quotas", role):
        context.answer(request, 403, "")
        return
    why = None if wanted.force else _overcommitted(context.state, [config])
    if why is not None:
        hint = "Quota guarantees overcommit the cluster (use 'force' to bypass this check)"
        context.answer(request, 409, f"{hint}: {why[:1].upper()}{why[1:]}")
        return
    _store(context, request, [config])


def remove(context: Context, request: int, principal: str | None, role: str, path: str | None = None) -> None:
    """REMOVE_QUOTA and, with its `path`, `DELETE /quota/ROLE`."""
    for_path = "" if path is None else f" for path '{path}'"
    allowed = context.config.roles
    if path is not None and allowed is not None and role not in allowed:
        sentence = f"Failed to validate remove quota request{for_path}: Unknown role '{role}'"
        context.answer(request, 400, sentence)
    elif role not in context.state.wanted_quota:
        context.answer(request, 400, f"Failed to remove quota{for_path}: Role '{role}' has no quota set")
    elif not context.authorizer(principal, "update_quotas", role):
        context.answer(request, 403, "")
    else:
        _store(context, request, [QuotaConfig(role=role)])


def remove_at(context: Context, request: int, principal: str | None, path: str) -> None:
    """`DELETE /master/quota/ROLE`; a role may have slashes."""
    role = path.removeprefix("/master/quota").strip("/")
    if role:
        remove(context, request, principal, role, path)
    else:
        why = "expected 3 tokens, found 2 tokens"
        context.answer(request, 400, f"Failed to parse remove quota request for path '{path}': {why}")


def _store(context: Context, request: int, configs: Sequence[QuotaConfig]) -> None:
    if not configs:
        context.answer(request, 200)
        return
    records = [QuotaSet(config) for config in configs]
    why = too_large(records)
    if why is not None:
        context.answer(request, 400, why)
        return
    wanted = context.state.wanted_quota
    for config in configs:
        note_quota(wanted, config)
    context.store(records, partial(_stored, context, request, configs))


def _apply(context: Context, config: QuotaConfig) -> None:
    note_quota(context.state.quota, config)
    context.allocator.set_quota(config.role, guarantees_of(config), limits_of(config))


def _stored(context: Context, request: int, configs: Sequence[QuotaConfig]) -> None:
    for config in configs:
        _apply(context, config)
        guarantees, limits = quantities_text(guarantees_of(config)), quantities_text(limits_of(config))
        context.record(QuotaUpdated(config.role, guarantees, limits))
    for config in configs:
        _make_room(context, config)
    context.answer(request, 200)


# Checks.


def _invalid(context: Context, config: QuotaConfig) -> str | None:
    """Why a configuration is wrong, whatever else there is."""
    role = config.role
    if context.config.roles is not None and role not in context.config.roles:
        return f"Invalid QuotaConfig: '{role}' is not on the roles whitelist"
    if "/" in role:
        return f"Updating quota on nested role '{role}' is not supported yet"
    why = validate_role(role)
    if why is not None:
        return f"Invalid QuotaConfig: Invalid 'QuotaConfig.role': {why}"
    for what, scalars in (("guarantees", config.guarantees), ("limits", config.limits)):
        why = _first(scalars, _too_large)
        if why is not None:
            return f"Invalid QuotaConfig: Invalid 'QuotaConfig.{what}': {why}"
    for what, scalars in (("guarantee", config.guarantees), ("limit", config.limits)):
        why = _first(scalars, _no_amount)
        if why is not None:
            return f"Invalid QuotaConfig: Invalid {what} configuration {why}"
    if not within(limits_of(config), guarantees_of(config)):
        return (
            f"Invalid QuotaConfig: 'QuotaConfig.guarantees' {_scalars_text(config.guarantees)} is not contained "
            f"within the 'QuotaConfig.limits' {_scalars_text(config.limits)}"
        )
    return None


def _first(scalars: Mapping[str, Value.Scalar], check: Callable[[str, float], str | None]) -> str | None:
    for name, scalar in scalars.items():
        why = check(name, scalar.value)
        if why is not None:
            return why
    return None


def _too_large(name: str, value: float) -> str | None:
    in_megabytes = name in ("mem", "disk")
    most, words = (MEGABYTES_MAX, "1 exabyte") if in_megabytes else (AMOUNT_MAX, "1 trillion")
    if value <= most or isnan(value):
        return None
    return f"{{'{name}': {_number(value)}}} is invalid: values greater than {words} ({most}) are not supported"


def _no_amount(name: str, value: float) -> str | None:
    if isnan(value):
        return f"{{'{name}': nan}}: NaN not supported"
    if value < 0:
        return f"{{'{name}': {_number(value)}}}: Negative values not supported"
    return None


def _number(value: float) -> str:
    return scalar_text(thousandths(value)) if isfinite(value) else str(value)


def _scalars_text(scalars: Mapping[str, Value.Scalar]) -> str:
    if not scalars:
        return "{}"
    return "{ " + ", ".join(f"{name}: {_number(scalar.value)}" for name, scalar in scalars.items()) + " }"


def _invalid_request(context: Context, role: str, guarantee: Sequence[Resource]) -> str | None:
    """Why a request to set quota is wrong (Mesos: quota info)."""
    prefix = "Failed to validate set quota request"
    try:
        Resources.of(guarantee)
    except ResourceError as error:
        return f"{prefix}: QuotaInfo with invalid resource: {error}"
    why = validate_role(role)
    if why is not None:
        return f"{prefix}: QuotaInfo with invalid role: {why}"
    why = _invalid_guarantee(guarantee)
    if why is not None:
        return f"{prefix}: {why}"
    if context.config.roles is not None and role not in context.config.roles:
        return f"{prefix}: Unknown role '{role}'"
    if role in context.state.wanted_quota:
        return f"{prefix}: Cannot set quota for role '{role}' which already has quota"
    if "/" in role:
        return f"Setting quota on nested role '{role}' is not supported yet"
    return None


def _invalid_guarantee(guarantee: Sequence[Resource]) -> str | None:
    if not guarantee:
        return "QuotaInfo with empty 'guarantee'"
    names = set()
    for message in guarantee:
        if message.reservations or message.reservation is not None or message.role not in (None, "*"):
            return "QuotaInfo must not contain any ReservationInfo"
        if message.disk is not None:
            return "QuotaInfo must not contain DiskInfo"
        if message.revocable is not None:
            return "QuotaInfo must not contain RevocableInfo"
        if message.scalar is None:
            return "QuotaInfo must not include non-scalar resources"
        why = _too_large(message.name, message.scalar.value)
        if why is not None:
            return f"QuotaInfo with invalid amount: {why}"
        if message.name in names:
            return f"QuotaInfo contains duplicate resource name '{message.name}'"
        names.add(message.name)
    return None


def _over_limit(context: Context, configs: Sequence[QuotaConfig]) -> str | None:
    """Which role consumes more than it shall, offers not counted in."""
    for config in configs:
        limits = limits_of(config)
        consumed = dict(context.allocator.quota_consumption(config.role)) if limits else {}
        if within(limits, consumed):
            continue
        for offer in _split(context.state.offers.values(), config.role)[0]:
            subtract_quantities(consumed, covered(offer.resources))
        if not within(limits, consumed):
            return (
                f"Role '{config.role}' is already consuming '{quantities_text(consumed)}'; "
                f"this is more than the requested limits '{quantities_text(limits)}'"
            )
    return None


def _overcommitted(state: State, configs: Sequence[QuotaConfig]) -> str | None:
    """Whether more is guaranteed than there is, on agents that are connected or may come back any moment."""
    quota = dict(state.wanted_quota)
    for config in configs:
        quota[config.role] = config
    guaranteed: Quantities = {}
    for config in quota.values():
        add_quantities(guaranteed, guarantees_of(config))
    capacity = quantities_of(agent.total.non_revocable() for agent in state.agents.values())
    if within(capacity, guaranteed) and guaranteed.keys() <= capacity.keys():
        return None
    return (
        f"total quota guarantees '{quantities_text(guaranteed)}' exceed cluster capacity '{quantities_text(capacity)}'"
    )


# Offers in the way.


def _make_room(context: Context, config: QuotaConfig) -> None:
    """Rescind offers of the role beyond its limits, newest first; then others', oldest first, until its guarantees
    could be met from them.

    What is free is not counted: it may be in pieces too small, or be meant for another guarantee.
    """
    state, role = context.state, config.role
    limits, guarantees = limits_of(config), guarantees_of(config)
    if not state.offers or not (limits or guarantees):
        return
    held = dict(context.allocator.quota_consumption(role))
    own, others = _split(state.offers.values(), role)
    for offer in reversed(own):
        amounts = covered(offer.resources)
        if any(amounts.get(name) and held.get(name, 0) > limit for name, limit in limits.items()):
            reduce_quantities(held, amounts)
            offers.rescind(context, offer, "quota updated")
    missing = {name: amount - held.get(name, 0) for name, amount in guarantees.items() if amount > held.get(name, 0)}
    for offer in others:
        if not missing:
            return
        amounts = covered(offer.resources)
        if any(amounts.get(name) for name in missing):
            reduce_quantities(missing, amounts)
            offers.rescind(context, offer, "quota updated")


def _split(every: Iterable[Offer], role: str) -> tuple[list[Offer], list[Offer]]:
    """The offers to the role and those below it, and the others."""
    own: list[Offer] = []
    others: list[Offer] = []
    for offer in every:
        (own if is_same_or_descendant(offer.role, role) else others).append(offer)
    return own, others

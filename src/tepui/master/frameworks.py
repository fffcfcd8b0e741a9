"""Frameworks: they subscribe, fail over, lose their stream, come back or run out of time, and are removed.

    (none) --SUBSCRIBE--> connected --stream closes--> disconnected --failover_timeout--> removed
    (none) --an agent tells of it--> recovered --SUBSCRIBE--> connected
    connected, disconnected --SUBSCRIBE with its id--> connected (an older stream ends with an ERROR)
    any --TEARDOWN--> removed

A recovered framework has no timer: its tasks run until its scheduler comes back or an operator ends it. A removed id is
refused as long as it is among the completed frameworks (Mesos: framework life cycle).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from copy import copy

from tepui.allocator import ConstraintError, Request, compile_constraints
from tepui.allocator.constraints import Constraints
from tepui.master import inverse_offers, messages, offers, operations, tasks
from tepui.master.context import Context
from tepui.master.events import SchedulerSubscribe
from tepui.master.records import FrameworkAdded, FrameworkRemoved, FrameworkUpdated
from tepui.master.state import Framework
from tepui.model.link import FrameworkUpdate, ShutdownFramework
from tepui.model.quantities import Quantities, minimum_of
from tepui.model.resource_validation import ResourceError
from tepui.model.resources import Resources
from tepui.model.shell import OpenSession
from tepui.model.v1 import mesos
from tepui.model.v1.mesos import FrameworkID, FrameworkInfo
from tepui.model.v1.scheduler import Call, OfferConstraints
from tepui.model.validation import validate_framework_info, validate_offer_constraints

REQUESTS_PER_FRAMEWORK_MAX = 16
"""Further ones in a REQUEST are not looked at."""
FAILOVER = "framework failover"
"""The kind of timer of a disconnected framework."""


def roles_of(info: FrameworkInfo) -> tuple[str, ...]:
    """The roles it subscribes to: `roles` with MULTI_ROLE, else the single `role`."""
    if any(c.type is FrameworkInfo.Capability.Type.MULTI_ROLE for c in info.capabilities):
        return tuple(info.roles)
    return (info.role or "*",)


def capabilities_of(info: FrameworkInfo) -> frozenset[str]:
    """The names of its capabilities; those that this version does not know are left out."""
    return frozenset(c.type.value for c in info.capabilities if c.type is not None)


def _minimums(info: FrameworkInfo) -> dict[str, list[Quantities]]:
    """By role, the smallest offers that it takes, where it says so. Raises ResourceError."""
    minimums: dict[str, list[Quantities]] = {}
    for role, filters in info.offer_filters.items():
        minimum = minimum_of(filters)
        if minimum is not None:
            minimums[role] = minimum
    return minimums


PRIORITY_LABEL = "tepui.priority"


def priority_of(info: FrameworkInfo) -> int:
    """A framework's priority, for policies that know priorities: a whole number in the label `tepui.priority`. 0 when
    there is none, or no number."""
    for label in () if info.labels is None else info.labels.labels:
        if label.key == PRIORITY_LABEL:
            try:
                return int(label.value or "")
            except ValueError:
                return 0
    return 0


def _constraints_of(context: Context, constraints: OfferConstraints | None) -> dict[str, Constraints]:
    """Raises ConstraintError."""
    return compile_constraints(constraints, context.config.regex_limits)


def identified(info: FrameworkInfo, framework_id: str) -> FrameworkInfo:
    """The description with the framework's id in it."""
    info = copy(info)
    info.id = FrameworkID(value=framework_id)
    return info


def set_text(items: Iterable[str]) -> str:
    """As Mesos prints a set: `{ a, b }`."""
    return "{ " + ", ".join(items) + " }"


# SUBSCRIBE.


def subscribe(context: Context, event: SchedulerSubscribe) -> None:
    """Open the stream; what is wrong with the framework is said on it, and ends it."""
    call = event.call.subscribe
    assert call is not None, "the shell lets no SUBSCRIBE without its member through"
    context.effects.append(OpenSession(event.request, event.session))
    info = call.framework_info
    if info.principal is None and event.principal is not None:
        info = copy(info)
        info.principal = event.principal
    framework_id = info.id.value if info.id is not None else ""
    known = context.state.frameworks.get(framework_id) if framework_id else None
    why = _refusal(context, info, call, event.principal)
    if why is None and known is not None and known.info.principal != info.principal and not known.recovered:
        why = "Changing framework's principal is not allowed."
    if why is not None:
        context.send_stream(event.session, messages.error(why))
        context.close_stream(event.session)
        return
    if known is None:
        _register(context, info, framework_id, call, event.session)
    else:
        _reregister(context, known, info, call, event.session)


def _refusal(context: Context, info: FrameworkInfo, call: Call.Subscribe, principal: str | None) -> str | None:
    """Why this framework cannot subscribe; None when it can."""
    why = _invalid(info)
    if why is not None:
        return why
    roles = roles_of(info)
    why = _refused_roles(context, roles)
    if why is not None:
        return why
    if info.user == "root" and not context.config.root_submissions:
        return "User 'root' is not allowed to run frameworks without --root_submissions set"
    if info.id is not None and info.id.value in context.state.completed_frameworks:
        return "Framework has been removed"
    why = _refused_details(context, roles, call)
    if why is not None:
        return why
    if not _may_use(context, principal, roles):
        framework_id = info.id.value if info.id is not None else ""
        return f"Not authorized to register framework {framework_id} with roles {set_text(roles)}"
    return None


def _invalid(info: FrameworkInfo) -> str | None:
    why = validate_framework_info(info)
    if why is None:
        try:
            _minimums(info)
        except ResourceError as error:
            why = str(error)
    return why


def _refused_roles(context: Context, roles: tuple[str, ...]) -> str | None:
    allowed = context.config.roles
    if allowed is None:
        return None
    strangers = sorted(role for role in roles if role not in allowed and role != "*")
    return f"Roles {set_text(strangers)} are not present in the master's --roles" if strangers else None


def _refused_details(
    context: Context, roles: tuple[str, ...], call: Call.Subscribe | Call.UpdateFramework
) -> str | None:
    """Suppression and offer constraints must be of its roles, and valid."""
    for role in call.suppressed_roles:
        if role not in roles:
            return f"Suppressed role '{role}' is not contained in the list of roles"
    if call.offer_constraints is None:
        return None
    for role in call.offer_constraints.role_constraints:
        if role not in roles:
            return f"Offer constraints specify role '{role}' which is not contained in the list of roles"
    why = validate_offer_constraints(call.offer_constraints)
    if why is None:
        try:
            _constraints_of(context, call.offer_constraints)
        except ConstraintError as error:
            why = f"Offer constraints are not valid: {error}"
    return why


def _may_use(context: Context, principal: str | None, roles: tuple[str, ...]) -> bool:
    return all(context.authorizer(principal, "register_frameworks", role) for role in roles)


def _register(context: Context, info: FrameworkInfo, framework_id: str, call: Call.Subscribe, session: str) -> None:
    context.metrics.counters["master/messages_register_framework"] += 1
    if not framework_id:
        framework_id = _new_id(context)
    framework = add(context, identified(info, framework_id), set(call.suppressed_roles), call.offer_constraints)
    framework.registered_at = context.now
    _connect(context, framework, session)
    context.record(FrameworkAdded(framework_id), framework)


def _new_id(context: Context) -> str:
    """The next id that nobody has; somebody may have come with one that looks like this master's."""
    state = context.state
    while True:
        framework_id = f"{context.master_id}-{context.next_framework:04d}"
        context.next_framework += 1
        if framework_id not in state.frameworks and framework_id not in state.completed_frameworks:
            return framework_id


def add(
    context: Context, info: FrameworkInfo, suppressed: set[str], constraints: OfferConstraints | None = None
) -> Framework:
    """Make the framework known, not active yet."""
    assert info.id is not None
    framework_id = info.id.value
    framework = Framework(
        framework_id=framework_id,
        info=info,
        roles=roles_of(info),
        capabilities=capabilities_of(info),
        suppressed_roles=suppressed,
        offer_constraints=constraints,
        completed_tasks=deque(maxlen=context.config.completed_tasks_per_framework_max),
    )
    context.state.frameworks[framework_id] = framework
    operations.adopt(context, framework)
    context.allocator.add_framework(
        framework_id,
        framework.roles,
        suppressed,
        framework.capabilities,
        _minimums(info),
        active=False,
        constraints=_constraints_of(context, constraints),
        priority=priority_of(info),
    )
    return framework


def recover(context: Context, info: FrameworkInfo) -> Framework:
    """An agent tells of a framework that has not subscribed to this master.

    What its scheduler was once allowed to say may not be valid any more; it will have to say it anew.
    """
    if _invalid(info) is not None:
        info = copy(info)
        info.offer_filters = {}
    framework = add(context, info, set())
    framework.recovered = True
    framework.registered_at = context.now
    context.record(FrameworkAdded(framework.framework_id), framework)
    return framework


def _reregister(
    context: Context, framework: Framework, info: FrameworkInfo, call: Call.Subscribe, session: str
) -> None:
    context.metrics.counters["master/messages_reregister_framework"] += 1
    old = framework.session
    if old is not None:
        context.send(framework, messages.error("Framework failed over"))
        context.close_stream(old)
        del context.state.sessions[old]
    offers.remove_all(context, framework, "framework failed over")
    inverse_offers.forget_framework(context, framework)
    info = identified(info, framework.framework_id)
    if not framework.recovered:
        info.user, info.checkpoint = framework.info.user, framework.info.checkpoint
    framework.offer_constraints = call.offer_constraints
    _change(context, framework, info, set(call.suppressed_roles))
    context.timers.cancel((FAILOVER, framework.framework_id))
    _connect(context, framework, session)
    context.record(FrameworkUpdated(framework.framework_id, "subscribed"), framework)


def _change(context: Context, framework: Framework, info: FrameworkInfo, suppressed: set[str]) -> None:
    """Replace its description; agents that know it hear of it, and send again what waits for the scheduler."""
    framework.info = info
    framework.roles = roles_of(info)
    framework.capabilities = capabilities_of(info)
    framework.suppressed_roles = suppressed
    context.allocator.update_framework(
        framework.framework_id,
        framework.roles,
        suppressed,
        framework.capabilities,
        _minimums(info),
        _constraints_of(context, framework.offer_constraints),
        priority_of(info),
    )
    _describe(context, framework)


def _describe(context: Context, framework: Framework) -> None:
    """Tell its description to the agents that know it; they send again what waits for its scheduler."""
    for agent_id in sorted(framework.agents):
        agent = context.state.agents.get(agent_id)
        if agent is not None:
            context.tell(agent, FrameworkUpdate(framework=framework.info))


def _connect(context: Context, framework: Framework, session: str) -> None:
    framework.session = session
    framework.recovered = False
    framework.reregistered_at = context.now
    context.state.sessions[session] = framework.framework_id
    framework.metrics.calls[Call.Type.SUBSCRIBE] += 1
    assert framework.info.id is not None
    context.send(
        framework, messages.subscribed(framework.info.id, context.config.heartbeat_seconds, context.config.info)
    )
    context.send(framework, messages.HEARTBEAT)
    context.beat_later(session)
    context.allocator.activate_framework(framework.framework_id)
    inverse_offers.look_for(context, framework)


# The stream.


def stream_closed(context: Context, framework: Framework) -> None:
    """Its scheduler is gone: offers end, and it has its failover timeout to come back."""
    _unplug(context, framework)
    offers.remove_all(context, framework, "framework disconnected")
    inverse_offers.forget_framework(context, framework)
    context.allocator.deactivate_framework(framework.framework_id)
    context.record(FrameworkUpdated(framework.framework_id, "disconnected"), framework)
    timeout_seconds = framework.info.failover_timeout
    if timeout_seconds <= 0:
        remove(context, framework, "failover timeout")
    else:
        context.timers.set((FAILOVER, framework.framework_id), context.now + timeout_seconds)


def _unplug(context: Context, framework: Framework) -> None:
    if framework.session is not None:
        context.state.sessions.pop(framework.session, None)
    framework.session = None
    backlog(context, framework, full=False)


def failover_due(context: Context, framework_id: str) -> None:
    """The scheduler did not come back in time."""
    framework = context.state.frameworks.get(framework_id)
    if framework is not None and framework.session is None and not framework.recovered:
        remove(context, framework, "failover timeout")


def backlog(context: Context, framework: Framework, full: bool) -> None:
    """While much waits for its scheduler to read, it gets no offers, and its updates stay at the agents."""
    if framework.backlogged is full:
        return
    framework.backlogged = full
    if full:
        context.allocator.pause_framework(framework.framework_id)
    else:
        context.allocator.resume_framework(framework.framework_id)
        if framework.session is not None:
            _describe(context, framework)
            inverse_offers.look_for(context, framework)


# Calls.


def update_framework(context: Context, framework: Framework, principal: str | None, request: int, call: Call) -> None:
    """UPDATE_FRAMEWORK: all of the description but principal, user and checkpoint; answered when it is done."""
    update = call.update_framework
    assert update is not None
    info = update.framework_info
    if info.principal is None and framework.info.principal is not None:
        info = copy(info)
        info.principal = framework.info.principal
    why = _invalid(info)
    if why is not None:
        context.answer(request, 400, f"Supplied FrameworkInfo is not valid: {why}")
        return
    roles = roles_of(info)
    why = _refused_roles(context, roles) or _refused_change(framework.info, info)
    if why is not None:
        context.answer(request, 400, f"FrameworkInfo update is not valid: {why}")
        return
    why = _refused_details(context, roles, update)
    if why is not None:
        context.answer(request, 400, f"'UpdateFramework' call is not valid: {why}")
        return
    if not _may_use(context, principal, roles):
        context.answer(request, 403, f"Not authorized to use roles {set_text(roles)}")
        return
    for offer in [offer for offer in framework.offers.values() if offer.role not in roles]:
        offers.rescind(context, offer, "role removed")
    framework.offer_constraints = update.offer_constraints
    _change(context, framework, identified(info, framework.framework_id), set(update.suppressed_roles))
    context.record(FrameworkUpdated(framework.framework_id, "updated"), framework)
    context.answer(request, 200)


def _refused_change(old: FrameworkInfo, new: FrameworkInfo) -> str | None:
    for field in ("principal", "user", "checkpoint"):
        before, after = getattr(old, field), getattr(new, field)
        if before != after:
            return (
                f"Updating 'FrameworkInfo.{field}' is unsupported; "
                f"attempted to update from '{_value_text(before)}' to '{_value_text(after)}'"
            )
    return None


def _value_text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value or "")


def suppress(context: Context, framework: Framework, roles: list[str]) -> None:
    """No more offers for these roles (none named: all); one that is not subscribed voids the call."""
    chosen = _subscribed(framework, roles)
    if chosen:
        framework.suppressed_roles |= chosen
        context.followers.framework(framework.framework_id)
        context.allocator.suppress(framework.framework_id, chosen)


def revive(context: Context, framework: Framework, roles: list[str]) -> None:
    """End the filters and the suppression of these roles (none named: all), with the same rule."""
    chosen = _subscribed(framework, roles)
    if chosen:
        framework.suppressed_roles -= chosen
        context.followers.framework(framework.framework_id)
        context.allocator.revive(framework.framework_id, chosen)
        inverse_offers.forget_filters(context, framework)


def request(context: Context, framework: Framework, wishes: list[mesos.Request]) -> None:
    """REQUEST: the pieces that it waits for. Those that are no resources void the call."""
    try:
        asked = [
            Request(
                Resources.of(wish.resources).quantities(),
                None if wish.agent_id is None else wish.agent_id.value,
            )
            for wish in wishes[:REQUESTS_PER_FRAMEWORK_MAX]
        ]
    except ResourceError:
        return
    context.allocator.request(framework.framework_id, [each for each in asked if each.quantities])


def _subscribed(framework: Framework, roles: list[str]) -> set[str]:
    if not roles:
        return set(framework.roles)
    return set(roles) if all(role in framework.roles for role in roles) else set()


# The end.


def remove(context: Context, framework: Framework, why: str) -> None:
    """The framework is over: its tasks end in the record, its agents shut it down, its id is never taken again."""
    framework_id = framework.framework_id
    if framework.session is not None:
        context.close_stream(framework.session)
    _unplug(context, framework)
    framework.recovered = False
    framework.unregistered_at = context.now
    context.timers.cancel((FAILOVER, framework_id))
    offers.remove_all(context, framework, "framework removed")
    inverse_offers.forget_framework(context, framework)
    inverse_offers.forget_answers(context, framework)
    context.allocator.deactivate_framework(framework_id)
    for agent_id in sorted(framework.agents):
        agent = context.state.agents.get(agent_id)
        if agent is not None and framework_id in agent.known_frameworks:
            context.tell(agent, ShutdownFramework(framework_id=framework_id))
            agent.known_frameworks.discard(framework_id)
    framework.agents.clear()
    tasks.end_all(context, framework, why)
    operations.framework_removed(context, framework)
    context.allocator.remove_framework(framework_id)
    state = context.state
    del state.frameworks[framework_id]
    state.completed_frameworks[framework_id] = framework
    while len(state.completed_frameworks) > context.config.completed_frameworks_max:
        state.completed_frameworks.popitem(last=False)
    context.record(FrameworkRemoved(framework_id, why), framework)

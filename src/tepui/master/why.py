"""Why does it get nothing? The answer for a framework, a role or a task, in sentences and as data.

The allocator explains how a framework stands in a role (`tepui.allocator.explain`); here that is put into words, with
what only the master knows: who holds offers and for how long, and what became of a task.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from tepui.allocator import Engine
from tepui.allocator.explain import AVAILABLE, INACTIVE, NOT_LISTED, NOTHING_FREE, Explanation, explain
from tepui.master.context import Context
from tepui.master.state import Framework, Offer, Task
from tepui.model.legacy import Object
from tepui.model.quantities import Quantities
from tepui.model.resource_validation import validate_scalar
from tepui.model.roles import is_same_or_descendant
from tepui.model.task_states import TERMINAL_STATES
from tepui.model.values import as_float, thousandths

SUBJECTS_NAMED_MAX = 5
"""So many of those that a text might mean are named."""
FRAMEWORKS_OF_ROLE_MAX = 100
"""So many frameworks of a role are explained, in the order of their ids."""

_RULED_OUT = {
    NOTHING_FREE: "{} nothing free{}",
    INACTIVE: "{} not offered to anybody (disconnected, deactivated or draining)",
    NOT_LISTED: "{} not on the white list",
    "filtered": "{} ruled out by filters of its own, which end {}",
    "below_minimum": "{} less free than the least it takes",
    "nothing_for_role": "{} only what is reserved for others or of a sort that it does not take",
    "constraints": "{} excluded by its own offer constraints",
    "remote_region": "{} in another region, which it does not say it knows (REGION_AWARE)",
    "lacks_gpu_capability": "{} with gpus, which it does not say it knows (GPU_RESOURCES)",
    "quota_limit": "{} beyond its role's quota limit",
    "headroom": "{} held back for guarantees of other roles",
    "gathering": "{} held back for a framework that waits for a larger piece",
    AVAILABLE: "{} to be offered in the next allocation",
}
"""What to say of so many agents, by what rules them out."""


def why(context: Context, arguments: Mapping[str, str]) -> Object | str:
    """`subject` is the id of a framework (or the end of it, or its name), a role, or the id of a task. Amounts such as
    `cpus=2` ask about other needs than those that the framework declared."""
    subject = arguments.get("subject", "")
    if not subject:
        return "Expecting 'subject': the id of a framework, a role, or the id of a task."
    wanted = _amounts(arguments)
    if isinstance(wanted, str):
        return wanted
    state = context.state
    framework = state.frameworks.get(subject) or state.completed_frameworks.get(subject)
    if framework is not None:
        return _framework(context, framework, wanted)
    if _is_role(context, subject):
        return _role(context, subject, wanted)
    tasks = list(_tasks(context, subject))
    if tasks:
        return _task(context, *tasks[-1])
    meant = [
        one
        for one in state.frameworks.values()
        if one.framework_id.endswith(subject) or one.info.name == subject or one.framework_id.startswith(subject)
    ]
    if len(meant) == 1:
        return _framework(context, meant[0], wanted)
    if meant:
        names = ", ".join(one.framework_id for one in meant[:SUBJECTS_NAMED_MAX])
        more = ", ..." if len(meant) > SUBJECTS_NAMED_MAX else ""
        return f"'{subject}' may mean {len(meant)} frameworks: {names}{more}."
    return (
        f"There is no framework, role or task '{subject}'. A task that no framework has launched is unknown to the "
        "master: it waits in its framework, so ask about that."
    )


def _amounts(arguments: Mapping[str, str]) -> Quantities | str:
    amounts: Quantities = {}
    for name, text in arguments.items():
        if name in ("subject", "role"):
            continue
        try:
            value = float(text)
        except ValueError:
            return f"Expecting a number as '{name}', not '{text}'."
        why_not = validate_scalar(value)
        if why_not is not None:
            return f"Expecting an amount as '{name}': {why_not}."
        amounts[name] = thousandths(value)
    return amounts


# Frameworks.


def _framework(context: Context, framework: Framework, wanted: Quantities) -> Object:
    sentences = list(_condition(framework))
    explanations = [] if framework.unregistered_at is not None else _explanations(context, framework, wanted)
    for explanation in explanations:
        sentences += _sentences(context, explanation)
    if framework.offers:
        sentences.append(f"It holds {_offers_text(context, list(framework.offers.values()))}; it may use them now.")
    if explanations:
        sentences += _held_by_others(context, framework.framework_id)
    return {
        "kind": "framework",
        "framework_id": framework.framework_id,
        "name": framework.info.name,
        "sentences": sentences,
        "roles": [_explanation_object(each) for each in explanations],
        "held_offers": _ledger(context),
    }


def _condition(framework: Framework) -> Iterator[str]:
    """Whether it takes part at all."""
    name = f"Framework {framework.framework_id} ({framework.info.name})"
    if framework.unregistered_at is not None:
        yield f"{name} is over since {_time(framework.unregistered_at)}; it gets nothing any more."
    elif framework.recovered:
        yield f"{name} is known from agents only: its scheduler has not subscribed since this master leads."
    elif not framework.connected:
        timeout = framework.info.failover_timeout
        yield f"{name} is disconnected: it gets no offers, and is removed after its failover timeout of {timeout:g} s."
    elif framework.backlogged:
        yield f"{name} reads its events too slowly: it gets no offers until it has caught up."
    else:
        running = sum(task.state not in TERMINAL_STATES for task in framework.tasks.values())
        yield f"{name} is connected, with {_count(running, 'task')} that run or start."


def _explanations(context: Context, framework: Framework, wanted: Quantities) -> list[Explanation]:
    engine = context.allocator
    if not isinstance(engine, Engine):
        return []
    found = []
    for role in framework.roles:
        try:
            found.append(explain(engine, framework.framework_id, role, [wanted] if wanted else None))
        except KeyError:
            continue  # it is just leaving
    return found


def _sentences(context: Context, told: Explanation) -> Iterator[str]:
    """How it stands in one role."""
    role = f"In role '{told.role}'"
    if told.suppressed:
        yield f"{role} it asked for no offers (SUPPRESS); REVIVE ends that."
        return
    if not told.takes_part:
        return
    place = "" if told.place is None else f"; it is number {told.place} of {told.participants} in the order"
    yield f"{role} its dominant share is {_percent(told.share)}{place}."
    if told.quota_role is not None:
        yield from _quota_sentences(told)
    total = sum(told.agents.values())
    if not total:
        yield "There are no agents."
        return
    parts = []
    for reason, number in sorted(told.agents.items(), key=lambda item: (-item[1], item[0])):
        detail = _in_offers(context, told) if reason == NOTHING_FREE else _until(context, told)
        parts.append(_RULED_OUT.get(reason, "{} ruled out: " + reason).format(number, detail))
    yield f"Of {_count(total, 'agent')}: {'; '.join(parts)}."
    if told.wanted and not told.could_hold:
        most = ", ".join(_amount(name, amount) for name, amount in sorted(told.largest.items())) or "nothing"
        yield f"No agent could ever hold {_wanted(told)}, even if it were empty: the most that one has is {most}."
    elif told.wanted:
        yield f"{_count(told.could_hold, 'agent')} could hold {_wanted(told)} if enough of what they do ended."
    for near in told.nearest:
        if any(near.less >= entry.get(near.name, near.less) for entry in told.wanted):
            continue  # less than nothing is no advice
        yield f"{_count(near.agents, 'agent')} would fit with {_amount(near.name, near.less)} less."
    if told.gathers_on is not None:
        yield f"Room is being gathered for it on agent {told.gathers_on}."


def _quota_sentences(told: Explanation) -> Iterator[str]:
    if told.limit_left:
        left = ", ".join(_amount(name, amount) for name, amount in sorted(told.limit_left.items()))
        yield f"The quota limit of role '{told.quota_role}' leaves {left}."
    if told.guarantee_lacks:
        lacks = ", ".join(_amount(name, amount) for name, amount in sorted(told.guarantee_lacks.items()))
        yield f"The guarantee of role '{told.quota_role}' lacks {lacks}: it comes before others."


def _in_offers(context: Context, told: Explanation) -> str:
    """How many agents with nothing free are in offers to others."""
    free = context.allocator.free
    held = sum(
        not free(agent.agent_id) and any(offer.framework_id != told.framework_id for offer in agent.offers.values())
        for agent in context.state.agents.values()
        if agent.offers
    )
    return f" ({held} of them in offers that others hold)" if held else ""


def _until(context: Context, told: Explanation) -> str:
    """When filters end, from now."""
    if told.filters_until is None:
        return ""
    first, last = (max(0.0, until - context.now) for until in told.filters_until)
    return f"in {_seconds(first)}" if last - first < 1.0 else f"in {_seconds(first)} to {_seconds(last)}"


def _wanted(told: Explanation) -> str:
    sets = [", ".join(_amount(name, amount) for name, amount in sorted(each.items())) for each in told.wanted]
    return " or ".join(sets) or "anything"


def _explanation_object(told: Explanation) -> Object:
    return {
        "role": told.role,
        "takes_part": told.takes_part,
        "suppressed": told.suppressed,
        "dominant_share": told.share,
        "place": told.place,
        "participants": told.participants,
        "wanted": [_numbers(each) for each in told.wanted],
        "agents": dict(sorted(told.agents.items())),
        "filters_until": None if told.filters_until is None else list(told.filters_until),
        "could_hold": told.could_hold,
        "largest": _numbers(told.largest),
        "nearest": [{"name": near.name, "less": as_float(near.less), "agents": near.agents} for near in told.nearest],
        "quota_role": told.quota_role,
        "limit_left": _numbers(told.limit_left),
        "guarantee_lacks": _numbers(told.guarantee_lacks),
        "held_back": _numbers(told.held_back),
        "gathers_on": told.gathers_on,
    }


# Roles.


def _is_role(context: Context, subject: str) -> bool:
    state = context.state
    return (
        subject in state.quota
        or subject in state.weights
        or any(is_same_or_descendant(role, subject) for one in state.frameworks.values() for role in one.roles)
    )


def _role(context: Context, role: str, wanted: Quantities) -> Object:
    frameworks = [
        one for one in context.state.frameworks.values() if any(is_same_or_descendant(each, role) for each in one.roles)
    ]
    shares = context.allocator.dominant_shares()
    weight = context.state.weights.get(role, 1.0)
    share = _percent(shares.get(role, 0.0) * weight)
    users = _count(len(frameworks), "framework")
    sentences = [f"Role '{role}' has weight {weight:g} and a dominant share of {share}; {users} in it or below it."]
    found = []
    for framework in sorted(frameworks, key=lambda one: one.framework_id)[:FRAMEWORKS_OF_ROLE_MAX]:
        sentences += _condition(framework)
        for explanation in _explanations(context, framework, wanted):
            if is_same_or_descendant(explanation.role, role):
                sentences += _sentences(context, explanation)
                found.append({"framework_id": framework.framework_id, **_explanation_object(explanation)})
    if not frameworks:
        sentences.append("Nobody subscribes to it, so nobody is offered anything in it.")
    return {"kind": "role", "role": role, "sentences": sentences, "roles": found, "held_offers": _ledger(context)}


# Tasks.


def _tasks(context: Context, task_id: str) -> Iterator[tuple[Framework, Task]]:
    """All tasks with this id, the last the one that is most likely meant: of a framework that is here, and alive."""
    for framework in (*context.state.completed_frameworks.values(), *context.state.frameworks.values()):
        yield from ((framework, task) for task in framework.completed_tasks if task.task_id == task_id)
    for framework in context.state.frameworks.values():
        for kept in (framework.unreachable_tasks, framework.tasks):
            if task_id in kept:
                yield framework, kept[task_id]


def _task(context: Context, framework: Framework, task: Task) -> Object:
    last = max(task.statuses, key=lambda status: status.timestamp or 0.0, default=None)
    name = f"Task {task.task_id} of framework {framework.framework_id} ({framework.info.name})"
    place = f"on agent {task.agent_id}"
    if last is None:
        begun = f"launched {_seconds(context.now - task.launched_at)} ago {place}"
        sentences = [f"{name} was {begun}; the agent has said nothing of it yet."]
    else:
        said = f": {last.message}" if last.message else ""
        because = f" ({last.reason.value})" if last.reason is not None else ""
        what = "ended as" if task.state in TERMINAL_STATES else "is"
        sentences = [f"{name} {what} {task.state.value} {place} since {_time(last.timestamp or 0.0)}{because}{said}."]
    if task.state in TERMINAL_STATES and task.task_id in framework.tasks:
        sentences.append("Its scheduler has not acknowledged the end yet, so it is still listed.")
    if (task.framework_id, task.task_id) in getattr(context.state.agents.get(task.agent_id), "pending_kills", {}):
        sentences.append("It was told to end, and has not done so yet.")
    return {
        "kind": "task",
        "task_id": task.task_id,
        "framework_id": framework.framework_id,
        "state": task.state.value,
        "sentences": sentences,
    }


# Offers that are held.


def _held_by_others(context: Context, framework_id: str) -> Iterator[str]:
    others = [offer for offer in context.state.offers.values() if offer.framework_id != framework_id]
    if others:
        yield f"Others hold {_offers_text(context, others)}."


def _offers_text(context: Context, offers: list[Offer]) -> str:
    oldest = min(offers, key=lambda offer: offer.made_at)
    whose = context.state.frameworks[oldest.framework_id].info.name
    return f"{_count(len(offers), 'offer')}, the oldest for {_seconds(context.now - oldest.made_at)} by '{whose}'"


def _ledger(context: Context) -> list[Object]:
    """Who holds how many offers, and for how long."""
    result: dict[str, Object] = {}
    for offer in context.state.offers.values():
        framework = context.state.frameworks[offer.framework_id]
        entry = result.setdefault(
            offer.framework_id,
            {"framework_id": offer.framework_id, "name": framework.info.name, "offers": 0, "oldest_seconds": 0.0},
        )
        entry["offers"] += 1
        entry["oldest_seconds"] = max(entry["oldest_seconds"], context.now - offer.made_at)
    return sorted(result.values(), key=lambda entry: -entry["oldest_seconds"])


# Words.


def _amount(name: str, amount: int) -> str:
    value = as_float(amount)
    if name in ("mem", "disk"):
        what = "memory" if name == "mem" else "disk"
        return f"{value / 1024:.3g} GB of {what}" if value >= 1024 else f"{value:g} MB of {what}"
    return f"{value:g} {name}"


def _numbers(quantities: Mapping[str, int]) -> Object:
    return {name: as_float(amount) for name, amount in sorted(quantities.items())}


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _seconds(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"


def _time(when: float) -> str:
    return datetime.fromtimestamp(when, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")

"""Why somebody gets no offers: looked up in the engine's books when it is asked, and noted nowhere.

Asking costs a look at every agent; the deciding costs nothing more for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from tepui.allocator.engine import Engine, visible
from tepui.allocator.records import AgentRecord
from tepui.allocator.tree import Leaf
from tepui.model.quantities import Quantities
from tepui.model.resources import Resources

AVAILABLE = "available"
"""Nothing rules the agent out: the next allocation offers it to this or another framework."""
INACTIVE = "inactive"
NOT_LISTED = "not_on_whitelist"
NOTHING_FREE = "nothing_free"


class Nearest(NamedTuple):
    """`agents` agents would fit if so much less of `name` were wanted, and nothing else."""

    name: str
    less: int
    """Thousandths."""
    agents: int


@dataclass(slots=True)
class Explanation:
    """How one framework stands in one of its roles."""

    framework_id: str
    role: str
    subscribed: bool
    active: bool
    """The framework is connected."""
    paused: bool
    """It does not read what waits for it."""
    suppressed: bool
    takes_part: bool
    share: float
    """Its own dominant share."""
    place: int | None
    """Its place in the order of all who take part, 1 is offered first; None when it takes no part or the policy draws.
    """
    participants: int
    wanted: Sequence[Quantities]
    """Any one of these sets is the least that it takes (or that was asked about)."""
    agents: dict[str, int] = field(default_factory=dict)
    """The number of agents by what rules them out: a field of `Reasons`, or one of the constants of this module."""
    filters_until: tuple[float, float] | None = None
    """When the first and the last of its filters end, where filters rule agents out."""
    could_hold: int = 0
    """How many agents have enough in all for what is wanted, whatever they do now."""
    largest: Quantities = field(default_factory=dict)
    """The most of each scalar that any one agent has which it may be offered."""
    nearest: list[Nearest] = field(default_factory=list)
    """Of agents that lack one thing only: by name, the smallest step down that helps, and the one that helps all."""
    quota_role: str | None = None
    """Its top-level role, when that has a quota, and what is left up to its limits and lacks of its guarantees."""
    limit_left: Quantities = field(default_factory=dict)
    guarantee_lacks: Quantities = field(default_factory=dict)
    held_back: Quantities = field(default_factory=dict)
    """What all guarantees lack together, and is kept for them."""
    gathers_on: str | None = None
    """The agent on which room is gathered for it."""


def explain(engine: Engine, framework_id: str, role: str, wanted: Sequence[Quantities] | None = None) -> Explanation:
    """Why a framework gets offers in a role, or none; `wanted` asks about other amounts than the least it declared.

    Raises KeyError when there is no such framework, or it has never had the role.
    """
    leaf = engine._frameworks[framework_id].leaves[role]
    framework, book = leaf.framework, engine._quota
    result = Explanation(
        framework_id=framework_id,
        role=role,
        subscribed=leaf.subscribed,
        active=framework.active,
        paused=framework.paused,
        suppressed=leaf.suppressed,
        takes_part=leaf in engine._participants,
        share=engine._tree.share(leaf),
        place=_place(engine, leaf),
        participants=len(engine._participants),
        wanted=_wanted(engine, leaf) if wanted is None else wanted,
    )
    quota = leaf.top.quota
    if quota is not None:
        result.quota_role = quota.role
        result.limit_left = {name: max(0, limit - quota.consumed(name)) for name, limit in quota.limits.items()}
        result.guarantee_lacks = dict(quota.lacks)
    result.held_back = dict(book.required)
    if leaf.wait is not None and leaf.wait.agent is not None:
        result.gathers_on = leaf.wait.agent.agent_id
    _look_at_agents(engine, leaf, result)
    return result


def ruled_out(engine: Engine, framework_id: str, role: str, agent_id: str) -> str:
    """What rules an agent out for a framework in a role: a key of `Explanation.agents`. Raises KeyError."""
    return _reason(engine, engine._agents[agent_id], engine._frameworks[framework_id].leaves[role])


def _reason(engine: Engine, agent: AgentRecord, leaf: Leaf) -> str:
    if not agent.active:
        return INACTIVE
    if not agent.listed:
        return NOT_LISTED
    if not agent.free:
        return NOTHING_FREE
    verdict = engine._judge(agent, leaf, (), deciding=False)
    return AVAILABLE if isinstance(verdict, Resources) else verdict


def _wanted(engine: Engine, leaf: Leaf) -> Sequence[Quantities]:
    asked = [request.quantities for request in leaf.framework.requests]
    return asked or (engine._minimum if leaf.minimum is None else leaf.minimum)


def _place(engine: Engine, leaf: Leaf) -> int | None:
    tree = engine._tree
    if leaf not in engine._participants or not tree.sortable:
        return None
    tree.settle()
    place = 0
    for run in tree.in_order():
        for each in run:
            place += 1
            if each is leaf:
                return place
    return None


def _look_at_agents(engine: Engine, leaf: Leaf, result: Explanation) -> None:
    lacking: dict[str, list[int]] = {}
    ends: list[float] = []
    for agent in engine._agents.values():
        reason = _reason(engine, agent, leaf)
        result.agents[reason] = result.agents.get(reason, 0) + 1
        if reason == "filtered":
            ends += [each.until for each in leaf.filters[agent]]
        total = engine._could_hold(agent, leaf)
        if total is None:
            continue
        for name, amount in total.items():
            result.largest[name] = max(amount, result.largest.get(name, 0))
        if any(_lacks(entry, total) == {} for entry in result.wanted) or not result.wanted:
            result.could_hold += 1
        shortest = _lacks_one_thing(result.wanted, visible(agent.free, leaf).quantities())
        if shortest is not None:
            name, amount = shortest
            lacking.setdefault(name, []).append(amount)
    if ends:
        result.filters_until = min(ends), max(ends)
    for name, amounts in sorted(lacking.items()):
        least, most = min(amounts), max(amounts)
        result.nearest.append(Nearest(name, least, amounts.count(least)))
        if most > least:
            result.nearest.append(Nearest(name, most, len(amounts)))


def _lacks(wanted: Mapping[str, int], have: Mapping[str, int]) -> Quantities:
    return {name: amount - have.get(name, 0) for name, amount in wanted.items() if amount > have.get(name, 0)}


def _lacks_one_thing(wanted: Sequence[Quantities], have: Mapping[str, int]) -> tuple[str, int] | None:
    """What single step down would make one of the sets fit; None when one fits already, or none does by one step."""
    steps: list[tuple[str, int]] = []
    for entry in wanted:
        lacks = _lacks(entry, have)
        if not lacks:
            return None
        if len(lacks) == 1:
            steps += lacks.items()
    return min(steps, key=lambda step: step[1], default=None)

"""Revocation: room is made for a framework below its guarantee, at the cost of those above theirs (paper 3.3).

Off by default (`--revocation`). A framework's guarantee is its split of its top-level role's quota guarantee. It wants
when the allocator says that it waits for the least it can use (so it takes part, declared a minimum, and declined no
such thing a moment ago) and its guarantee has room for that. Then one agent is chosen on which enough can be had:

1. offers of that agent to frameworks above their guarantee are rescinded;
2. if that is not enough, tasks there are ended: those of the top-level role that is furthest above its guarantee first;
   in it those that run on revocable resources or say `tepui.revocable=true` in a label, then the youngest. No framework
   is taken below its guarantee, nor one that is at or below it touched at all.

The agent that asks for the least is chosen: the fewest tasks, those of roles further above their guarantee. The agent's
part is to ask the executor, and to end it when the task goes on after its grace; the allocator's is to keep what
becomes free there together. While one revocation is under way for a framework no other begins for it.

Tasks on revocable resources that an agent reports no longer end too, the youngest first, whatever the flag says.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from tepui.allocator import Waiting
from tepui.allocator.guarantees import Leaf, split
from tepui.master import offers, quota
from tepui.master.context import Context
from tepui.master.records import TaskRevoked
from tepui.master.state import Agent, Offer, Revocation, Task
from tepui.model import link
from tepui.model.quantities import (
    Quantities,
    add_quantities,
    contains_quantities,
    quantities_text,
    reduce_quantities,
    subtract_quantities,
)
from tepui.model.resources import Resources
from tepui.model.task_states import TERMINAL_STATES
from tepui.model.timers import Key
from tepui.model.v1.mesos import DurationInfo, KillPolicy

REVOCATION: Key = ("revocation", "")
"""The timer of the next look at who wants."""
LOOK_SECONDS = 1.0
MARGIN_SECONDS = 30.0
"""So long after the grace a revocation counts as under way: executors are ended, updates come."""
AGENTS_LOOKED_AT_MAX = 4096
"""So many agents are looked at for one framework; the next search goes on behind them."""
REVOKED = "tepui/master/tasks_revoked"
"""The metric, which is there from the first one on."""
LABEL = "tepui.revocable"


def begin(context: Context) -> None:
    """A master that starts looks after a while, and then again and again."""
    if context.config.revocation:
        context.timers.set(REVOCATION, context.config.elected_time + LOOK_SECONDS)


def due(context: Context) -> None:
    """Look at who wants, and make room."""
    context.timers.set(REVOCATION, context.now + LOOK_SECONDS)
    running = context.state.revocations
    for key in [key for key, revocation in running.items() if revocation.until <= context.now]:
        del running[key]
    waiting = [one for one in context.allocator.waiting(context.now) if (one.framework_id, one.role) not in running]
    if not any(_guarantee(context, one.role) for one in waiting):
        return
    view = _View(context)
    for one in waiting:
        for demand, where in one.demands:
            if view.entitled(one, demand) and _make_room(context, view, one, demand, where):
                break


def _guarantee(context: Context, role: str) -> Quantities:
    config = context.state.quota.get(_top(role))
    return {} if config is None else quota.guarantees_of(config)


def _top(role: str) -> str:
    return role.partition("/")[0]


@dataclass(slots=True)
class _Plan:
    """What would have to end on one agent."""

    agent: Agent
    offers: list[Offer]
    tasks: list[Task]
    cost: tuple[int, int, int]
    """The place of the best protected role that loses something, tasks that nobody declared revocable, tasks."""


class _View:
    """Who holds what and may count on what, while room is being made; what is decided is taken off at once."""

    def __init__(self, context: Context) -> None:
        self.held: dict[Leaf, Quantities] = {}
        """What counts for the guarantee: what is not revocable."""
        takers: dict[str, list[Leaf]] = {}
        self.by_top: dict[str, Quantities] = {}
        for holding in context.allocator.holdings():
            leaf = (holding.framework_id, holding.role)
            held = holding.allocated.non_revocable().quantities()
            self.held[leaf] = dict(held)
            add_quantities(self.by_top.setdefault(_top(holding.role), {}), held)
            if holding.active or holding.allocated:
                takers.setdefault(_top(holding.role), []).append(leaf)
        self.guarantees: dict[Leaf, Quantities] = {}
        self._of_top: dict[str, Quantities] = {}
        for top, leaves in takers.items():
            guarantee = self._of_top[top] = _guarantee(context, top)
            self.guarantees |= split(top, guarantee, leaves, context.state.weights)
        self._total = context.allocator.total_quantities()

    def entitled(self, one: Waiting, demand: Mapping[str, int]) -> bool:
        """Whether its guarantee has room for so much more."""
        leaf = (one.framework_id, one.role)
        wanted = dict(self.held.get(leaf, {}))
        add_quantities(wanted, demand)
        guarantee = self.guarantees.get(leaf, {})
        return all(wanted[name] <= guarantee.get(name, 0) for name in demand)

    def ranks(self) -> dict[str, int]:
        """The places of top-level roles, the one furthest above its guarantee first."""

        def excess(top: str) -> float:
            held, guarantee = self.by_top[top], self._of_top.get(top, {})
            return max(
                ((held[name] - guarantee.get(name, 0)) / self._total[name] for name in held if self._total.get(name)),
                default=0.0,
            )

        return {top: rank for rank, top in enumerate(sorted(self.by_top, key=lambda top: (-excess(top), top)))}

    def spares(self, leaf: Leaf, taken: Mapping[str, int], less: Mapping[str, int]) -> bool:
        """Whether `leaf`, of which `taken` goes already, stays at or above its guarantee without `less`."""
        held, guarantee = self.held.get(leaf, {}), self.guarantees.get(leaf, {})
        return all(
            held.get(name, 0) - taken.get(name, 0) - amount >= guarantee.get(name, 0) for name, amount in less.items()
        )

    def take(self, leaf: Leaf, resources: Resources) -> None:
        """It is decided that `leaf` loses these."""
        less = resources.non_revocable().quantities()
        subtract_quantities(self.held[leaf], less)
        subtract_quantities(self.by_top[_top(leaf[1])], less)


def _make_room(context: Context, view: _View, one: Waiting, demand: Quantities, where: str | None) -> bool:
    """Choose an agent and end there what is in the way; whether there is one."""
    ranks = view.ranks()
    best: _Plan | None = None
    for agent in _candidates(context, where):
        plan = _plan(context, view, one, demand, agent, ranks)
        if plan is not None and (best is None or plan.cost < best.cost):
            best = plan
    if best is None:
        return False
    config = context.config
    sentence = (
        f"Revoked: framework {one.framework_id} waits in role '{one.role}' for {quantities_text(demand)}, "
        "which its guarantee covers"
    )
    context.allocator.gather(one.framework_id, one.role, best.agent.agent_id, demand, context.now)
    for offer in best.offers:
        view.take((offer.framework_id, offer.role), offer.resources)
        offers.rescind(context, offer, "revoked for a framework below its guarantee")
    for task in best.tasks:
        view.take((task.framework_id, task.role), task.resources)
        revoke(context, best.agent, task, sentence)
    until = context.now + config.revocation_grace_seconds + MARGIN_SECONDS
    context.state.revocations[one.framework_id, one.role] = Revocation(best.agent.agent_id, demand, until)
    return True


def _candidates(context: Context, where: str | None) -> Iterator[Agent]:
    """Agents that may be offered, from where the last search ended."""
    agents = context.state.agents
    if where is not None:
        names: Iterable[str] = (where,)
    else:
        everyone = list(agents)
        begin = context.state.revocation_cursor % len(everyone) if everyone else 0
        names = (everyone[begin:] + everyone[:begin])[:AGENTS_LOOKED_AT_MAX]
        context.state.revocation_cursor = begin + AGENTS_LOOKED_AT_MAX
    return (agents[name] for name in names if name in agents and agents[name].active)


def _plan(
    context: Context, view: _View, one: Waiting, demand: Quantities, agent: Agent, ranks: Mapping[str, int]
) -> _Plan | None:
    """What must end so that the agent has room; None when that is not enough or not allowed."""
    if not context.allocator.could_be_offered(one.framework_id, one.role, agent.agent_id, demand):
        return None
    missing = _missing(demand, context.allocator.free(agent.agent_id))
    plan = _Plan(agent, [], [], (-1, 0, 0))
    taken: dict[Leaf, Quantities] = {}
    for task in _ending(context, agent):
        reduce_quantities(missing, _usable(task.resources))
        add_quantities(taken.setdefault((task.framework_id, task.role), {}), task.resources.quantities())
    for offer in agent.offers.values():
        leaf = (offer.framework_id, offer.role)
        if missing and _helps(missing, offer.resources) and leaf != (one.framework_id, one.role):
            less = offer.resources.non_revocable().quantities()
            if view.spares(leaf, taken.get(leaf, {}), less):
                plan.offers.append(offer)
                add_quantities(taken.setdefault(leaf, {}), less)
                reduce_quantities(missing, _usable(offer.resources))
    lacking = dict(missing)
    for task in sorted(_living(agent), key=lambda task: _order(task, ranks)):
        if not missing:
            break
        leaf = (task.framework_id, task.role)
        less = task.resources.non_revocable().quantities()
        if (
            leaf == (one.framework_id, one.role)
            or not _helps(missing, task.resources)
            or not view.spares(leaf, taken.get(leaf, {}), less)
        ):
            continue
        plan.tasks.append(task)
        add_quantities(taken.setdefault(leaf, {}), less)
        reduce_quantities(missing, _usable(task.resources))
    if missing:
        return None
    for task in list(plan.tasks):
        others = dict(lacking)
        for other in plan.tasks:
            if other is not task:
                reduce_quantities(others, _usable(other.resources))
        if not others:
            plan.tasks.remove(task)  # the larger ones after it suffice
    worst = max((ranks.get(_top(task.role), 0) for task in plan.tasks), default=-1)
    plan.cost = (worst, sum(not _is_revocable(task) for task in plan.tasks), len(plan.tasks))
    return plan


def _order(task: Task, ranks: Mapping[str, int]) -> tuple[int, bool, float, str]:
    return ranks.get(_top(task.role), 0), not _is_revocable(task), -task.launched_at, task.task_id


def _is_revocable(task: Task) -> bool:
    """Whether it runs on revocable resources, or its scheduler says that it may go first."""
    if task.resources.revocable():
        return True
    labels = task.info.labels
    return labels is not None and any(label.key == LABEL and label.value == "true" for label in labels.labels)


def _living(agent: Agent) -> Iterator[Task]:
    """Tasks that hold something and are not told to end yet."""
    for framework_id, of_framework in agent.tasks.items():
        for task_id, task in of_framework.items():
            if not task.released and (framework_id, task_id) not in agent.pending_kills:
                yield task


def _ending(context: Context, agent: Agent) -> Iterator[Task]:
    """Tasks that will end by themselves, for somebody asked for that."""
    for framework_id, task_id in agent.pending_kills:
        framework = context.state.frameworks.get(framework_id)
        task = None if framework is None else framework.tasks.get(task_id)
        if task is not None and not task.released and task.state not in TERMINAL_STATES:
            yield task


def _usable(resources: Resources) -> Quantities:
    """What everybody could use of it: neither reserved nor revocable."""
    return resources.unallocated().unreserved().non_revocable().quantities()


def _missing(demand: Mapping[str, int], free: Resources) -> Quantities:
    have = _usable(free)
    return {name: amount - have.get(name, 0) for name, amount in demand.items() if amount > have.get(name, 0)}


def _helps(missing: Mapping[str, int], resources: Resources) -> bool:
    usable = _usable(resources)
    return any(usable.get(name) for name in missing)


def revoke(context: Context, agent: Agent, task: Task, sentence: str) -> None:
    """Take back what the task uses: its executor has the grace that the flag gives to end it."""
    nanoseconds = round(context.config.revocation_grace_seconds * 1e9)
    kill = link.Kill(
        framework_id=task.framework_id,
        task_id=task.task_id,
        kill_policy=KillPolicy(grace_period=DurationInfo(nanoseconds=nanoseconds)),
        revoked=sentence,
    )
    agent.pending_kills[task.framework_id, task.task_id] = kill
    counters = context.metrics.counters
    counters[REVOKED] = counters.get(REVOKED, 0) + 1
    context.record(TaskRevoked(task.framework_id, task.task_id, agent.agent_id, sentence), task)
    context.tell(agent, kill)


def fit_revocable(context: Context, agent: Agent) -> None:
    """The agent reports other revocable resources than before: what uses more than there are ends, youngest first."""
    total = agent.total.revocable().quantities()
    tasks = sorted(
        (task for task in _living(agent) if task.resources.revocable()),
        key=lambda task: (task.launched_at, task.task_id),
    )
    used: Quantities = {}
    for task in tasks:
        add_quantities(used, task.resources.revocable().quantities())
    while tasks and not contains_quantities(total, used):
        task = tasks.pop()
        subtract_quantities(used, task.resources.revocable().quantities())
        revoke(context, agent, task, "Revoked: the agent reports fewer revocable resources than are in use")

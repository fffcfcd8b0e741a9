"""Room for large tasks: pieces of one agent are kept together until somebody who waits for so much can have them.

A framework says what is the least that it can use: the minimum of its role's offer filter, or a REQUEST. If it takes
part and has not been offered that much for a time (its *patience*), an agent is chosen that could hold it, and of what
becomes free there as much as it needs is held back from everybody else: the paper's minimum offer size (3.5), but for
one demand and one agent, while small tasks run on the others. Bounds:

- what is held back at any time is at most a share of the cluster, or one demand;
- an agent is tried for a time, then another; after `AGENTS_TRIED_MAX` the framework waits `REST_FACTOR` times as long;
- who declines what it waited for is not gathered for while its filter holds;
- guarantees come first: a role whose guarantee lacks something takes from what is held back.

Nothing is held back, and nothing is looked at, while nobody waits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from heapq import heappop, heappush
from typing import TYPE_CHECKING

from tepui.allocator.records import AgentRecord
from tepui.model.quantities import Quantities, add_quantities, contains_quantities, subtract_quantities

if TYPE_CHECKING:
    from tepui.allocator.tree import Leaf

AGENTS_TRIED_MAX = 3
REST_FACTOR = 3.0
AGENTS_LOOKED_AT_MAX = 4096
"""So many agents are looked at to choose one; the next search goes on behind them."""


class Wait:
    """One framework in one role that declared the least it can use."""

    __slots__ = ("agent", "demands", "due", "held", "leaf", "since", "tried")

    def __init__(self, leaf: Leaf, demands: Sequence[tuple[Quantities, str | None]]) -> None:
        self.leaf = leaf
        self.demands = tuple(demands)
        """Any one of them, each on the agent named if one is."""
        self.since = 0.0
        """Since when it takes part and has not been offered so much."""
        self.due = 0.0
        """When to look at it again: its patience or the time of the agent ends, or its rest."""
        self.agent: AgentRecord | None = None
        """On which room is gathered for it."""
        self.held: Quantities = {}
        """Which demand that is."""
        self.tried: list[AgentRecord] = []

    def met_by(self, have: Mapping[str, int], agent: AgentRecord) -> bool:
        """Whether so much of that agent is what it waits for."""
        return any(
            contains_quantities(have, demand) for demand, where in self.demands if where in (None, agent.agent_id)
        )


class Gathering:
    """All who wait. `fits` says whether a leaf may be offered an agent at all, and how much it may have of it."""

    def __init__(
        self,
        share_max: float,
        patience_seconds: float,
        seconds: float,
        cluster: Quantities,
        fits: Callable[[AgentRecord, Leaf], Mapping[str, int] | None],
        allows: Callable[[Leaf, Quantities], bool],
        release: Callable[[AgentRecord], None],
    ) -> None:
        self._share_max = share_max
        self._patience_seconds = patience_seconds
        self._seconds = seconds
        self._cluster = cluster
        self._fits = fits
        self._allows = allows
        self._release = release
        self._heap: list[tuple[float, int, Wait]] = []
        self._made = 0
        self._cursor = 0
        self.held: Quantities = {}
        """What all demands that are gathered for amount to."""
        self.running: dict[Wait, None] = {}
        self.looks = 0
        """How many agents were looked at so far."""

    def enter(self, leaf: Leaf, demands: Sequence[tuple[Quantities, str | None]], now: float) -> None:
        """A leaf that takes part waits from now on, unless it does so already for the same."""
        if self._share_max <= 0:
            return
        old = leaf.wait
        if old is not None:
            if old.demands == tuple(demands):
                return
            self.leave(leaf)
        wait = leaf.wait = Wait(leaf, demands)
        wait.since = now
        self._at(wait, now + self._patience_seconds)

    def leave(self, leaf: Leaf) -> None:
        """It takes part no longer, or waits no longer."""
        wait, leaf.wait = leaf.wait, None
        if wait is not None and wait.agent is not None:
            self._end(wait)

    def granted(self, wait: Wait, have: Mapping[str, int], agent: AgentRecord, now: float) -> bool:
        """It is offered so much of an agent; whether that is what was gathered there."""
        if not wait.met_by(have, agent):
            return False
        wait.since = now
        wait.tried.clear()
        gathered_on = wait.agent
        if gathered_on is not None:
            self._end(wait, release=gathered_on is not agent)
            self._at(wait, now + self._patience_seconds)
        return gathered_on is agent

    def declined(self, wait: Wait, have: Mapping[str, int], agent: AgentRecord, until: float) -> None:
        """It does not want so much of an agent until then."""
        if wait.met_by(have, agent):
            wait.since = max(wait.since, until)

    def gone(self, agent: AgentRecord) -> None:
        """The agent is not offered any more."""
        wait = agent.gathers_for
        if wait is not None:
            self._end(wait)
            self._at(wait, wait.due)

    def next_due(self) -> float | None:
        heap = self._heap
        while heap and not self._current(heap[0]):
            heappop(heap)
        return heap[0][0] if heap else None

    def run(self, now: float, agents: Mapping[str, AgentRecord]) -> None:
        """Begin, end and go on with what is due."""
        while (due := self.next_due()) is not None and due <= now:
            wait = heappop(self._heap)[2]
            if wait.agent is not None:
                self._end(wait)
                if len(wait.tried) >= AGENTS_TRIED_MAX:
                    wait.tried.clear()
                    self._at(wait, now + REST_FACTOR * self._seconds)
                    continue
            ripe = wait.since + self._patience_seconds
            if ripe > now:
                self._at(wait, ripe)
            elif self.running and any(self._too_much(demand) for demand, _ in wait.demands):
                self._at(wait, now + self._patience_seconds)
            elif not self._begin(wait, now, agents):
                self._at(wait, now + self._seconds)

    def _begin(self, wait: Wait, now: float, agents: Mapping[str, AgentRecord]) -> bool:
        """Choose the agent that lacks the smallest part; whether there is one."""
        best: tuple[float, AgentRecord, Quantities] | None = None
        for agent in self._candidates(wait, agents):
            if agent.gathers_for is not None or agent in wait.tried:
                continue
            total = self._fits(agent, wait.leaf)
            if total is None:
                continue
            free = agent.free.quantities()
            for demand, where in wait.demands:
                if where not in (None, agent.agent_id) or not contains_quantities(total, demand):
                    continue
                missing = max((amount - free.get(name, 0)) / total[name] for name, amount in demand.items())
                if missing > 0 and self._allows(wait.leaf, demand) and (best is None or missing < best[0]):
                    best = missing, agent, demand
        if best is None:
            return False
        self._hold(wait, best[1], best[2], now)
        return True

    def _hold(self, wait: Wait, agent: AgentRecord, demand: Quantities, now: float) -> None:
        wait.agent, wait.held = agent, demand
        wait.tried.append(agent)
        agent.gathers_for = wait
        add_quantities(self.held, demand)
        self.running[wait] = None
        self._at(wait, now + self._seconds)

    def is_ripe(self, wait: Wait, now: float) -> bool:
        """Whether it has waited for as long as its patience lasts."""
        return wait.since + self._patience_seconds <= now

    def gather_on(self, wait: Wait, agent: AgentRecord, demand: Quantities, now: float) -> None:
        """Somebody makes room for it there: this agent it is, whatever was tried before."""
        if wait.agent is agent:
            return
        if wait.agent is not None:
            self._end(wait)
        self.gone(agent)
        self._hold(wait, agent, demand, now)

    def _too_much(self, demand: Quantities) -> bool:
        return any(
            self.held.get(name, 0) + amount > self._share_max * self._cluster.get(name, 0)
            for name, amount in demand.items()
        )

    def _candidates(self, wait: Wait, agents: Mapping[str, AgentRecord]) -> Iterable[AgentRecord]:
        if all(where is not None for _, where in wait.demands):
            named = [agents.get(where) for _, where in wait.demands if where is not None]
            return [agent for agent in named if agent is not None]
        everyone = list(agents.values())
        begin = self._cursor % len(everyone) if everyone else 0
        chosen = everyone[begin : begin + AGENTS_LOOKED_AT_MAX]
        chosen += everyone[: min(begin, AGENTS_LOOKED_AT_MAX - len(chosen))]
        self._cursor = begin + len(chosen)
        self.looks += len(chosen)
        return chosen

    def _end(self, wait: Wait, release: bool = True) -> None:
        agent = wait.agent
        assert agent is not None
        agent.gathers_for = wait.agent = None
        subtract_quantities(self.held, wait.held)
        wait.held = {}
        del self.running[wait]
        if release:
            self._release(agent)

    def _at(self, wait: Wait, due: float) -> None:
        wait.due = due
        self._made += 1
        heappush(self._heap, (due, self._made, wait))

    @staticmethod
    def _current(entry: tuple[float, int, Wait]) -> bool:
        due, _, wait = entry
        return wait.due == due and wait.leaf.wait is wait

    def check(self, agents: Iterable[AgentRecord]) -> None:
        """Agents and waits agree, and the sum is the sum of its parts."""
        gathered = {agent.gathers_for for agent in agents} - {None}
        assert gathered == set(self.running)
        held: Quantities = {}
        for wait in self.running:
            assert wait.agent is not None
            assert wait.agent.gathers_for is wait
            assert wait.leaf.wait is wait
            add_quantities(held, wait.held)
        assert held == self.held

"""A world in which one thing breaks, at one moment of a history that is the same each time until then.

A history is a function that has the world do one thing after another. `moments` tells how many moments of each kind it
has; a `Trial` with a `Fault` replays it up to one of them, breaks there, and goes on with what is left of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from enum import Enum
from typing import Any, NamedTuple

from tepui.model.task_states import TERMINAL_STATES
from tepui.model.v1.mesos import DrainState, OperationState, TaskState
from tests.together import operators
from tests.together.agent import Agent
from tests.together.master import Master
from tests.together.moments import Moment
from tests.together.operators import Change, Wish
from tests.together.scheduler import OPERATION_ENDS, RESERVED_MEGABYTES, Scheduler
from tests.together.world import World

CALM_STEPS_MAX = 20_000
ATTEMPTS_MAX = 3
"""So often an operator asks who gets no answer."""


class What(Enum):
    LOSS = "the link breaks, and with it goes the message"
    KILL = "the master is killed, and another one takes the lead"
    CRASH = "the agent's process is killed, and starts again: its tasks are over"
    PAUSE = "the master is stopped, and goes on when another one leads"


class Fault(NamedTuple):
    moment: Moment
    number: int
    """Which of the moments of that kind, counted from 0."""
    what: What
    arrives: bool = False
    """What was under way in the other direction, or what the dead had said, still arrives; else it is lost."""


class Trial(World):
    """See the module."""

    def __init__(self, fault: Fault | None = None, seed: int = 0, **master_settings: Any) -> None:
        self.fault_to_come = fault
        self.fault_arrives = fault is not None and fault.arrives
        self.seen: Counter[Moment] = Counter()
        self.away: set[Agent] = set()
        """Agents that nothing reaches, and that reach nobody."""
        self.crashed: set[Agent] = set()
        self.traffic: set[type] = set()
        """The messages that crossed links, or were about to."""
        self.to_lose: type | None = None
        """The history itself has the next message of this kind to an agent lost."""
        super().__init__(seed, leases=False, **master_settings)
        self.calls_lost = 0.0
        self.forgets = False
        for scheduler in self.schedulers:
            scheduler.tasks_max = 0
            scheduler.refuse_seconds = 100.0

    def spared(self) -> int:
        return 1 << 30 if self.fault_arrives else 0

    def strikes(self, moment: Moment, where: Master | Agent, message: object = None) -> bool:
        fault = self.fault_to_come
        if message is not None:
            self.traffic.add(type(message))
        number = self.seen[moment]
        self.seen[moment] += 1
        if type(message) is self.to_lose and moment is Moment.TO_AGENT:
            self.to_lose = None
            self._lose(moment, where)
            if fault == (moment, number, What.LOSS, self.fault_arrives):
                self.fault_to_come = None
            return True
        if fault is None or (moment, number) != (fault.moment, fault.number):
            return False
        self.fault_to_come = None
        if fault.what is What.CRASH:
            assert isinstance(where, Agent)
            self.crashed.add(where)
            if where.lives:
                where.crash()
            return True  # also when it was about to end by itself: what it had not written is lost
        master = where if isinstance(where, Master) else where.master or self.leader
        assert master is not None
        if fault.what is What.LOSS:
            self._lose(moment, where)
        elif fault.what is What.KILL:
            self.kill(master)
        else:
            master.paused = True
            self.elect()
            return moment is Moment.STORE
        return True

    def _lose(self, moment: Moment, where: Master | Agent) -> None:
        """The message is lost, with all that follows it in its direction."""
        assert isinstance(where, Agent)
        self.drop(("up" if moment is Moment.TO_MASTER else "down", where.link))
        self.break_link(where)

    # What a history says.

    def calm(self, done: Callable[[], bool] = lambda: True) -> None:
        """Let everything happen that must, until all rest and it is `done`. Time passes where nothing else does."""
        for _ in range(CALM_STEPS_MAX):
            if self.leader is None:
                self.elect()
            self._find_leader()
            if not self.deliver():
                if self._rests() and done():
                    if not self.old:
                        return
                    self._meet_deposed(self.old[0])
                self.pass_time()
            self.check()
        raise AssertionError("it never rests")

    def operator(self, change: Change) -> None:
        """An operator asks for the change until there is an answer."""
        for _ in range(ATTEMPTS_MAX):
            assert self.leader is not None
            wish = self.ask(change, self.leader)
            self.calm()
            self.check_wishes()
            if wish.answered:
                return
        raise AssertionError(f"nobody answers whether {change.subject} is {change.value}")

    def launch(self, tasks: int) -> None:
        """Each framework launches so many tasks, and they run."""
        for scheduler in self.schedulers:
            scheduler.tasks_max += tasks
        self.calm(lambda: all(one.has_all_running for one in self.schedulers))

    def kill_tasks(self) -> None:
        """Each framework has a task killed, and hears of its end."""
        for scheduler in self.schedulers:
            scheduler.kill_a_task()
        self.calm(lambda: all(one.launched[name] in TERMINAL_STATES for one in self.schedulers for name in one.killed))

    def end_tasks(self) -> None:
        """Each agent has a task that ends by itself, and all hear of it."""
        for agent in self.agents:
            agent.end_a_task()
        self.calm(
            lambda: all(
                one.launched[name] in TERMINAL_STATES for one in self.schedulers for name in self.has_ended(one)
            )
        )

    def tear_down(self, scheduler: Scheduler) -> None:
        """The framework ends for good: so do its tasks."""
        scheduler.tear_down()
        self.calm(lambda: scheduler.finished)
        self.calm(lambda: not any(self.has_framework(agent, scheduler) for agent in self.agents))

    def reserve(self, scheduler: Scheduler) -> None:
        """The framework reserves memory of some agent, and asks until it knows what came of it."""
        scheduler.must_reserve = True
        self.calm(lambda: not scheduler.must_reserve)
        for _ in range(ATTEMPTS_MAX):
            if all(state in OPERATION_ENDS for state in scheduler.operations.values()):
                return
            scheduler.ask_of_operations()
            self.calm()
        raise AssertionError(f"what came of {scheduler.operations} cannot be found out")

    def leave(self, agent: Agent) -> None:
        """The agent is cut off."""
        self.away.add(agent)
        self.cut_link(agent)

    def come_back(self, agent: Agent) -> None:
        self.away.discard(agent)

    def take_over(self) -> None:
        """The master that leads is killed by the history itself, and another one leads."""
        if self.leader is not None:
            self.kill(self.leader)
        self.calm()

    def finish(self) -> None:
        """All comes to its end, and is judged."""
        assert self.fault_to_come is None, f"the history has no {self.fault_to_come}"
        self.away.clear()
        self.settle()
        leader = self.leader
        assert leader is not None
        state = leader.core.state
        lasting = {agent.core.agent_id for agent in self.agents if agent.lives and agent not in self.crashed}
        for scheduler in [one for one in self.schedulers if not one.finished]:
            for name, last in scheduler.launched.items():
                if name in scheduler.never_sent:
                    continue
                place = scheduler.places[name]
                # Agents that left or were taken down are forgotten, be it before all frameworks have heard of it.
                forgotten = last is TaskState.TASK_UNKNOWN and not state.is_known(place)
                unreachable = last is TaskState.TASK_UNREACHABLE and place in state.unreachable_agents
                assert last in TERMINAL_STATES or forgotten or unreachable, f"{name} is {last} in the end"
                may_miss = place not in lasting
                ran = (framework_of(scheduler), name) in self.ran
                assert name in scheduler.ended or may_miss or not ran, f"{name} ran, and its end was not told: {last}"
        reserved = sum(agent.core.records.checkpointed.quantities().get("mem", 0) for agent in self.agents)
        ends = [state for one in self.schedulers for state in one.operations.values()]
        finished = ends.count(OperationState.OPERATION_FINISHED)
        assert reserved == finished * RESERVED_MEGABYTES * 1000, f"{reserved} are reserved, and told was {ends}"
        leader.core.check()
        self.kill(leader)
        self.elect()
        self.check_wishes()

    # What a history waits for.

    def is_unreachable(self, agent_id: str) -> bool:
        return self.leader is not None and agent_id in self.leader.core.state.unreachable_agents

    def has_ended(self, scheduler: Scheduler) -> list[str]:
        """The framework's tasks that were started, and run no more."""
        running = [task for agent in self.agents for task in agent.runs.values()]
        owner = framework_of(scheduler)
        return [name for other, name in self.ran if other == owner and (owner, name) not in running]

    def has_framework(self, agent: Agent, scheduler: Scheduler) -> bool:
        return framework_of(scheduler) in agent.core.records.frameworks

    def has_forgotten(self, agent_id: str) -> bool:
        return self.leader is not None and operators.found(self.leader.core.state, f" {agent_id}") == operators.UNKNOWN

    def is_drained(self, agent_id: str) -> bool:
        service = None if self.leader is None else self.leader.core.state.service.get(agent_id)
        return service is not None and service.drain is not None and service.drain.state is DrainState.DRAINED

    # How it goes on.

    def connect(self, agent: Agent) -> None:
        if agent not in self.away:
            super().connect(agent)

    def _find_leader(self) -> None:
        """Agents hear who leads, each in its own time."""
        for agent in self.agents:
            if agent.link is not None and agent.master is not self.leader and self.random.random() < 0.2:
                self.cut_link(agent)
            if agent.link is None and agent.lives:
                self.connect(agent)

    def _rests(self) -> bool:
        return all(
            agent.master is self.leader and agent.core.records.welcomed
            for agent in self.agents
            if agent.lives and agent not in self.away
        ) and all(
            one.finished or (one.master is self.leader and not one.session.calls_waiting) for one in self.schedulers
        )

    def _meet_deposed(self, master: Master) -> None:
        """A master goes on that does not know that another one leads: agents come to it, and an operator."""
        master.paused = False
        for agent in self.agents:
            if agent.lives and agent not in self.away:
                self.cut_link(agent)
                self.connect_to(agent, master)
        for _ in range(CALM_STEPS_MAX):
            if not self.deliver():
                break
        refused = self.refused_writes
        wish = Wish(None)
        if master in self.old:
            wish = self.ask(operators.weights(0.5, 0.25), master)
            while self.deliver():
                pass
            assert self.refused_writes == refused + 1, "a deposed master's write is refused"
        assert not wish.acknowledged, "a deposed master answers that something is stored"
        assert not self.old
        self.check_wishes()


def framework_of(scheduler: Scheduler) -> str:
    """Its id; empty before it has one."""
    framework_id = scheduler.session.info.id
    return "" if framework_id is None else framework_id.value


def moments(
    history: Callable[[Trial], None], seed: int = 0, **master_settings: Any
) -> tuple[Counter[Moment], set[type]]:
    """How many moments of each kind a history has in which nothing breaks, and the messages that cross its links."""
    world = Trial(None, seed, **master_settings)
    history(world)
    found = world.seen.copy(), world.traffic.copy()
    world.finish()
    return found


def replay(history: Callable[[Trial], None], fault: Fault, seed: int = 0, **master_settings: Any) -> None:
    """The history with that fault. Raises AssertionError that names it when something is not as it must be."""
    world = Trial(fault, seed, **master_settings)
    try:
        history(world)
        world.finish()
    except AssertionError as error:
        raise AssertionError(f"{fault}: {error}") from error

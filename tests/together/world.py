"""A whole cluster in memory: masters, agents and schedulers, all pure cores, wired together by a seeded shuffle.

Whatever one says to another waits in a channel, first in, first out; the seed decides which channel delivers next, when
time passes, and what breaks: connections (with any part of what was under way on them), masters (killed, or paused and
continued when another one leads), agents' processes, stores between their two ends. `World.step` does one such thing
and checks what must hold after it; `World.settle` ends all faults and goes on until nothing is left to say.

The shells of the three kinds are in modules of their own, and so is what operators ask for.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable
from random import Random
from typing import Any

from tepui.agent.events import LinkDown, LinkUp
from tepui.master.events import LinkClosed, LinkOpened, LinkReceived, OperatorCall
from tepui.master.registry import RegistryRecord
from tepui.model.resources import Resources
from tepui.model.shell import SessionClosed, Tick
from tepui.session.steps import TimePassed
from tests.together import operators
from tests.together.agent import CPUS_OF_AGENT, Agent
from tests.together.master import Master
from tests.together.moments import Moment
from tests.together.operators import Change, Wish
from tests.together.scheduler import Scheduler

BEGIN = 1_795_223_677.0
SETTLE_STEPS_MAX = 60_000


class World:
    """See the module."""

    def __init__(
        self, seed: int, agents: int = 3, schedulers: int = 2, *, leases: bool = True, **master_settings: Any
    ) -> None:
        """`leases`: a master that was paused for too long knows by its clock that it leads no more before it does
        anything else. Without, it goes on until a write of its is refused; what it tells schedulers may be wrong then.
        """
        self.random = Random(seed)
        self.leases = leases
        self.master_settings = master_settings
        self.forgets = True
        """Agents may be replaced by others, and what was known of them is gone then."""
        self.calls_lost = 0.05
        """How many of the schedulers' calls, while anything breaks."""
        self.now = BEGIN
        self.names = ("m1", "m2")
        self.channels: dict[Hashable, deque[Callable[[], None]]] = {}
        self.registry: list[RegistryRecord] = []
        self.epoch = 0
        self.masters: dict[str, Master] = {}
        self.old: list[Master] = []
        """Masters that were paused when another one was elected, and believe that they lead."""
        self.faulty = True
        self.refused_writes = 0
        self.wishes: dict[str, list[Wish]] = {}
        """What operators asked for, by what it is about, in order."""
        self.ran: dict[tuple[str, str], int] = {}
        """How often each task was started."""
        self.schedulers: list[Scheduler] = []
        self._number = 0
        self.elect()
        self.agents = [Agent(self, f"a{number}") for number in range(agents)]
        self.schedulers = [
            Scheduler(self, f"f{number}", partition_aware=number % 2 == 0) for number in range(schedulers)
        ]

    def number(self) -> int:
        self._number += 1
        return self._number

    # Channels.

    def post(self, channel: Hashable, thunk: Callable[[], None]) -> None:
        self.channels.setdefault(channel, deque()).append(thunk)

    def post_first(self, channel: Hashable, thunk: Callable[[], None]) -> None:
        """What was delivered is under way again."""
        self.channels.setdefault(channel, deque()).appendleft(thunk)

    def spared(self) -> int:
        """How much of what is under way on a connection that breaks still arrives, in one direction."""
        return self.random.randint(0, 3)

    def strikes(self, moment: Moment, where: Master | Agent, message: object = None) -> bool:  # noqa: ARG002
        """Whether something breaks in this moment, so that what was to happen does not. For worlds of single faults."""
        return False

    def drop(self, channel: Hashable, keep: int = 0) -> None:
        """What is under way is lost, but for the first few."""
        waiting = self.channels.get(channel)
        while waiting is not None and len(waiting) > keep:
            waiting.pop()

    def deliver(self) -> bool:
        ready = [channel for channel, waiting in self.channels.items() if waiting and not self._stalled(channel)]
        if not ready:
            return False
        channel = self.random.choice(ready)
        thunk = self.channels[channel].popleft()
        if not self.channels[channel]:
            del self.channels[channel]
        thunk()
        return True

    def _stalled(self, channel: Hashable) -> bool:
        """A paused master takes nothing in."""
        if isinstance(channel, tuple):
            if channel[0] == "up":
                return any(master.paused and channel[1] in master.links for master in self._living())
            return any(isinstance(part, Master) and part.paused for part in channel)
        return False

    def pass_time(self) -> bool:
        deadlines: list[tuple[float, int, Callable[[], None]]] = []
        for master in self._living():
            due = master.core.next_deadline()
            if due is not None and not master.paused:
                deadlines.append((due, len(deadlines), lambda master=master: master.tell(Tick())))  # type: ignore[misc]
        for agent in self.agents:
            due = agent.core.next_deadline()
            if due is not None and agent.lives:
                deadlines.append((due, len(deadlines), lambda agent=agent: agent.tell(Tick())))  # type: ignore[misc]
        for scheduler in self.schedulers:
            due = scheduler.session.next_deadline()
            if due is not None:
                deadlines.append((due, len(deadlines), lambda one=scheduler: one.tell(TimePassed())))  # type: ignore[misc]
        if not deadlines:
            return False
        due, _, act = min(deadlines)
        self.now = max(self.now, due)
        act()
        return True

    # Who leads.

    @property
    def leader(self) -> Master | None:
        for master in self.masters.values():
            if master.epoch == self.epoch:
                return master
        return None

    def _living(self) -> list[Master]:
        return [*self.masters.values(), *self.old]

    def serving(self, name: str) -> Master | None:
        """Who answers under this name as a leader, be it one that only believes it leads."""
        master = self.masters.get(name)
        if master is None:
            master = next((one for one in self.old if one.name == name), None)
        return None if master is None or master.paused else master

    def elect(self) -> None:
        """Another master takes the lead; the one that led is killed, or paused and believes that it still leads."""
        before = self.leader
        if before is not None:
            del self.masters[before.name]
            if before.paused:
                self.old.append(before)
            else:
                self.kill(before)
        free = [name for name in self.names if all(name != one.name for one in self.old)]
        if not free:
            self.kill(self.old[0])
            self.elect()
            return
        self.epoch += 1
        name = self.random.choice(free)
        self.masters[name] = Master(self, name, self.epoch)

    def kill(self, master: Master) -> None:
        """kill -9: what it has sent arrives or not, its connections end."""
        if self.masters.get(master.name) is master:
            del self.masters[master.name]
        if master in self.old:
            self.old.remove(master)
        for channel in [channel for channel in self.channels if isinstance(channel, tuple) and master in channel]:
            del self.channels[channel]
        for link, agent in list(master.links.items()):
            self.drop(("up", link))
            self._break_down(link, agent)
        for session, scheduler in list(master.sessions.items()):
            self.drop(("stream", session), self.spared())
            scheduler.stream_ends(session, "connection lost")
        master.links.clear()
        master.sessions.clear()
        # Its answers to calls are lost.
        for scheduler in self.schedulers:
            if scheduler.session.calls_waiting and scheduler.master is master:
                scheduler.stream_ends(scheduler.stream_name or "", "connection lost")

    def _break_down(self, link: str, agent: Agent) -> None:
        self.drop(("down", link), self.spared())
        self.post(("down", link), lambda: agent.loses(link))

    # Links.

    def connect(self, agent: Agent) -> None:
        master = self.leader
        if self.old and self.random.random() < 0.3:
            master = self.random.choice(self.old)  # it has not heard of the newer one
        if master is not None and not master.paused and agent.link is None and agent.lives:
            self.connect_to(agent, master)

    def connect_to(self, agent: Agent, master: Master) -> None:
        link = f"link-{self.number()}"
        master.links[link] = agent
        agent.link, agent.master = link, master
        master.tell(LinkOpened(link, f"10.0.0.{self.agents.index(agent)}"))
        agent.tell(LinkUp(link))

    def reaches(self, master: Master, link: str, message: Any) -> None:
        agent = master.links.get(link)
        if master in self._living() and agent is not None and not self.strikes(Moment.TO_MASTER, agent, message):
            master.tell(LinkReceived(link, message))
            self.strikes(Moment.RECEIVED, agent, message)

    def cut_link(self, agent: Agent) -> None:
        link, master = agent.link, agent.master
        if link is None or master is None:
            return
        agent.link = agent.master = None
        self.drop(("down", link))
        self._break_up(link, master)
        agent.tell(LinkDown(link, "cut"))

    def _break_up(self, link: str, master: Master) -> None:
        def closed() -> None:
            if master in self._living() and master.links.pop(link, None) is not None:
                master.tell(LinkClosed(link, "cut"))

        self.drop(("up", link), self.spared())
        self.post(("up", link), closed)

    def break_link(self, agent: Agent) -> None:
        """As `cut_link`, but the agent hears of it after what was under way to it and is spared."""
        link, master = agent.link, agent.master
        if link is not None and master is not None:
            self._break_up(link, master)
            self._break_down(link, agent)

    def hangs_up(self, master: Master, session: str) -> None:
        if master in self._living():
            master.tell(SessionClosed(session, "hung up"))

    def cut_stream(self, scheduler: Scheduler) -> None:
        master, session = scheduler.master, scheduler.stream_name
        if master is None or session is None:
            return
        self.drop(("stream", session), self.spared())
        master.sessions.pop(session, None)
        scheduler.stream_ends(session, "cut")
        self.post(("hangup", session), lambda: self.hangs_up(master, session))

    # Operators.

    def operate(self) -> None:
        """An operator changes something, at whoever answers as a leader, and remembers what was acknowledged."""
        believers = [master for master in self._living() if not master.paused]
        if not believers:
            return
        master = self.random.choice(believers)
        kind = self.random.choice(("weight", "quota", "service"))
        if kind == "service":
            known = [*master.core.state.agents]
            if known:
                change = operators.deactivate if self.random.random() < 0.4 else operators.reactivate
                self.ask(change(min(known)), master)
            return
        numbers = float(self.random.randint(1, 9)), float(self.random.randint(1, 9))
        self.ask(operators.weights(*numbers) if kind == "weight" else operators.quota(*numbers), master)

    def ask(self, change: Change, master: Master) -> Wish:
        """An operator asks this master for a change."""
        wish = Wish(change.value)
        if change.subject not in self.wishes:
            before = operators.found(master.core.state, change.subject)
            self.wishes[change.subject] = [Wish(before, acknowledged=True)]
        self.wishes[change.subject].append(wish)

        at_once = True

        def answered(status: int, _: object) -> None:
            # Without a lease, who was deposed may say that all is as it should be, and stores nothing.
            believed = self.leases or not at_once or master is self.leader
            wish.refused = status != 200 and believed
            wish.acknowledged = status == 200 and believed

        session = f"operator-{self.number()}"
        master.ask(lambda request: OperatorCall(request, session, None, change.call), answered)
        at_once = False
        return wish

    def check_wishes(self) -> None:
        """What was acknowledged holds, or something that was asked for later does, whole."""
        assert self.leader is not None
        state = self.leader.core.state
        for subject, wishes in self.wishes.items():
            found = operators.found(state, subject)
            if found == operators.UNKNOWN and self.forgets:
                continue
            asked = [wish for wish in wishes if not wish.refused]
            last = max(index for index, wish in enumerate(asked) if wish.acknowledged)
            possible = [wish.value for wish in asked[last:]]
            assert found in possible, f"{subject} is {found}, and was acknowledged to be one of {possible}"

    def check_owed(self) -> None:
        """What an agent's process left to tell was told by the next one."""
        heard = {told for scheduler in self.schedulers for told in scheduler.heard}
        for agent in self.agents:
            for owed in agent.owed.items():
                assert owed in heard, f"{owed} is not told"

    # What happens.

    def step(self) -> None:
        """One thing happens, a fault now and then."""
        roll = self.random.random()
        if self.faulty and roll < 0.03:
            self.fault()
        elif self.leader is None and self.random.random() < 0.05:
            self.elect()
        elif roll < 0.12:
            idle = [agent for agent in self.agents if agent.link is None]
            if idle:
                self.connect(self.random.choice(idle))
        elif roll < 0.18:
            self.random.choice(self.agents).end_a_task()
        elif roll < 0.2 and self.faulty:
            self.random.choice(self.schedulers).kill_a_task()
        elif roll < 0.21 and self.faulty:
            self.operate()
        elif roll < 0.23 or not self.deliver():
            self.pass_time()
        self.check()

    def fault(self) -> None:
        kind = self.random.choice(("link", "link", "stream", "kill", "pause", "continue", "elect", "agent"))
        leader = self.leader
        if kind == "link":
            self.cut_link(self.random.choice(self.agents))
        elif kind == "stream":
            self.cut_stream(self.random.choice(self.schedulers))
        elif kind == "agent":
            self.random.choice(self.agents).crash()
        elif kind == "kill" and leader is not None:
            self.kill(leader)
        elif kind == "pause" and leader is not None:
            leader.paused = True
        elif kind == "continue":
            self.go_on()
        elif kind == "elect":
            self.elect()

    def go_on(self) -> None:
        """Whoever was paused runs again."""
        for master in self._living():
            master.paused = False
            if self.leases and master in self.old:
                self.kill(master)

    def check(self) -> None:
        for task, times in self.ran.items():
            assert times == 1, f"{task} ran {times} times"
        for agent in self.agents:
            used = Resources.NONE
            for framework in agent.core.records.frameworks.values():
                for one in framework.tasks.values():
                    if not one.terminal:
                        used = used + one.resources.unallocated()
            amount = used.quantities().get("cpus", 0)
            assert amount <= CPUS_OF_AGENT * 1000, f"{agent.name} runs {amount} thousandths of {CPUS_OF_AGENT} cpus"

    def settle(self) -> None:
        """No more faults, and no more launches: everything that began comes to its end."""
        self.faulty = False
        self.go_on()
        for _ in range(SETTLE_STEPS_MAX):
            if self.leader is None:
                self.elect()
            for master in list(self.old):
                self.kill(master)  # it hears at last that another one leads
            self.step()
            if self._settled():
                self.check_wishes()
                self.check_owed()
                return
        waiting = {one.name: one.unsettled for one in self.schedulers}
        raise AssertionError(f"it does not settle, schedulers wait for {waiting}")

    def _settled(self) -> bool:
        return (
            all(agent.link is not None or not agent.lives for agent in self.agents)
            and all(not agent.runs for agent in self.agents)
            and all(scheduler.settled for scheduler in self.schedulers)
            and all(
                not framework.tasks
                for agent in self.agents
                if agent.lives
                for framework in agent.core.records.frameworks.values()
            )
        )

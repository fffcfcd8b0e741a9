"""A whole cluster in memory: masters, agents and schedulers, all pure cores, wired together by a seeded shuffle.

Whatever one says to another waits in a channel, first in, first out; the seed decides which channel delivers next, when
time passes, and what breaks: connections (with any part of what was under way on them), masters (killed, or paused and
continued when another one leads), agents' processes, stores between their two ends. `World.step` does one such thing
and checks what must hold after it; `World.settle` ends all faults and goes on until nothing is left to say.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Sequence
from random import Random
from typing import Any

from tepui.agent import invariants as agent_invariants
from tepui.agent.config import AgentConfig
from tepui.agent.core import AgentCore
from tepui.agent.events import (
    KillRun,
    LinkDown,
    LinkUp,
    Reconnect,
    RunExited,
    RunStarted,
    StartRun,
    Stop,
)
from tepui.agent.events import LinkReceived as AgentReceived
from tepui.agent.journal import AgentAdmitted as AdmissionKnown
from tepui.agent.journal import Record as JournalRecord
from tepui.allocator import DrfAllocator
from tepui.master.config import MasterConfig
from tepui.master.core import MasterCore
from tepui.master.events import LinkClosed, LinkOpened, LinkReceived, OperatorCall, SchedulerCall, SchedulerSubscribe
from tepui.master.registry import Registry, RegistryRecord
from tepui.model.link import Welcome
from tepui.model.resources import Resources
from tepui.model.shell import (
    Answer,
    CloseLink,
    CloseSession,
    Event,
    OpenSession,
    Send,
    SendLink,
    SessionClosed,
    Store,
    Stored,
    Tick,
)
from tepui.model.task_states import TERMINAL_STATES
from tepui.model.v1 import master as operator_api
from tepui.model.v1 import scheduler as scheduler_api
from tepui.model.v1.mesos import (
    AgentID,
    AgentInfo,
    CommandInfo,
    Filters,
    FrameworkInfo,
    MasterInfo,
    Offer,
    Resource,
    TaskID,
    TaskInfo,
    TaskState,
    TaskStatus,
    Value,
    WeightInfo,
)
from tepui.model.v1.quota import QuotaConfig
from tepui.session.scheduler import CallLost, SchedulerSession
from tepui.session.steps import (
    Answered,
    Ask,
    CallCut,
    Connect,
    Deliver,
    Disconnect,
    Ended,
    Finished,
    Handled,
    Opened,
    Post,
    Received,
    Start,
    Step,
    TimePassed,
)

BEGIN = 1_795_223_677.0
CPUS_OF_AGENT = 4
TASKS_OF_FRAMEWORK_MAX = 12
SETTLE_STEPS_MAX = 60_000

_Type = operator_api.Call.Type

FINAL_STATES = TERMINAL_STATES - {TaskState.TASK_LOST}
_GONE = TERMINAL_STATES | {TaskState.TASK_UNKNOWN}


def scalar(name: str, amount: float) -> Resource:
    return Resource(name=name, type=Value.Type.SCALAR, scalar=Value.Scalar(value=amount))


class Master:
    """The shell of one master: its core while it lives, and what it believes."""

    def __init__(self, world: World, name: str, epoch: int) -> None:
        self.world = world
        self.name = name
        self.epoch = epoch
        self.paused = False
        info = MasterInfo(id=f"{name}e{epoch}", ip=1, port=5050, hostname=name)
        config = MasterConfig(info=info, version="0.1.0", epoch=epoch, elected_time=world.now, start_time=world.now)
        self.core = MasterCore(config, DrfAllocator(), Random(world.random.random()), registry=Registry(world.registry))
        self.links: dict[str, Agent] = {}
        self.sessions: dict[str, Scheduler] = {}
        self.requests: dict[int, Callable[[int, object], None]] = {}

    def tell(self, event: Event) -> None:
        effects = self.core.handle(event, self.world.now)
        self.core.check_touched()
        for effect in effects:
            self._apply(effect)
        due = self.core.next_deadline()
        if due is not None and due <= self.world.now and not isinstance(event, Tick):
            self.tell(Tick())

    def ask(self, event: Callable[[int], Event], answered: Callable[[int, object], None]) -> None:
        request = self.world.number()
        self.requests[request] = answered
        self.tell(event(request))

    def _apply(self, effect: object) -> None:  # one arm for each effect
        world = self.world
        match effect:
            case Answer(request=request, status=status, body=body):
                self.requests.pop(request)(status, body)
            case OpenSession(request=request, session=session):
                self.requests.pop(request)(200, session)
            case Send(session=session, event=event):
                scheduler = self.sessions.get(session)
                if scheduler is not None:
                    scheduler.hears(session, event)
            case CloseSession(session=session):
                scheduler = self.sessions.pop(session, None)
                if scheduler is not None:
                    scheduler.stream_ends(session, "closed by the master")
            case SendLink(link=link, message=message):
                if link in self.links:
                    receive, epoch = self.links[link].receive, self.epoch
                    world.post(("down", link), lambda: receive(link, message, epoch))
            case CloseLink(link=link):
                agent = self.links.pop(link, None)
                if agent is not None:
                    world.post(("down", link), lambda: agent.loses(link))
            case Store(token=token, records=records):
                world.post(("store", self), lambda: self._store(token, records))  # type: ignore[arg-type]
            case _:
                raise AssertionError(f"nobody applies {effect}")

    def _store(self, token: int, records: Sequence[RegistryRecord]) -> None:
        """Conditional on the epoch: a deposed master's write is refused, and it steps down."""
        if self.epoch != self.world.epoch:
            self.world.refused_writes += 1
            self.world.kill(self)
            return
        self.world.registry += records
        self.world.post(("stored", self), lambda: self.tell(Stored(token)))


class Agent:
    """The shell of one agent, with its supervisor and its journal."""

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.name = name
        self.journal: list[JournalRecord] = []
        self.stopped = False
        self._boot()

    def _boot(self) -> None:
        info = AgentInfo(hostname=self.name, port=5051, resources=[scalar("cpus", CPUS_OF_AGENT), scalar("mem", 4096)])
        config = AgentConfig(info=info, version="0.1.0", ip="127.0.0.1", work_dir="/work")
        admitted = [record for record in self.journal if isinstance(record, AdmissionKnown)]
        known = {"agent_id": admitted[-1].agent_id, "epoch": admitted[-1].epoch} if admitted else {}
        self.core = AgentCore(config, Random(self.world.random.random()), **known)  # type: ignore[arg-type]
        self.seen = admitted[-1].epoch if admitted else 0
        """The newest election epoch that it was told and did not lose in a crash."""
        self.link: str | None = None
        self.master: Master | None = None
        self.runs: dict[str, tuple[str, str]] = {}
        """Runs that the supervisor holds: framework and task."""

    @property
    def lives(self) -> bool:
        return not self.stopped

    def tell(self, event: Event) -> None:
        effects = self.core.handle(event, self.world.now)
        agent_invariants.check(self.core.records)
        for effect in effects:
            self._apply(effect)

    def receive(self, link: str, message: Any, epoch: int) -> None:
        if self.link == link and self.lives:
            if isinstance(message, Welcome):
                self.seen = max(self.seen, message.epoch)
            self.tell(AgentReceived(link, message))
            records = self.core.records
            obeyed = records.welcomed and records.link == link
            assert epoch >= self.seen or not obeyed, "no agent obeys an older epoch than it has seen"

    def loses(self, link: str) -> None:
        if self.link == link and self.lives:
            self.link = self.master = None
            self.tell(LinkDown(link, "closed"))

    def _apply(self, effect: object) -> None:
        world = self.world
        match effect:
            case SendLink(link=link, message=message):
                master = self.master
                if link == self.link and master is not None:
                    world.post(("up", link), lambda: world.reaches(master, link, message))
            case CloseLink(link=link):
                if link == self.link:
                    world.cut_link(self)
            case Reconnect():
                world.cut_link(self)
            case Store(token=token, records=records):
                world.post(("disk", self), lambda: self._store(self.core, token, records))  # type: ignore[arg-type]
            case StartRun(run=run, framework_id=framework_id):
                task = (framework_id, effect.task_id or effect.executor_id)
                core = self.core
                world.post(("start", self, run), lambda: self._started(core, run, task))
            case KillRun(run=run):
                core = self.core
                world.post(("start", self, run), lambda: self._exited(core, run, 15))
            case Stop():
                self.stopped = True
                world.cut_link(self)
            case _:
                pass  # ForgetRun, records of files: nothing follows here

    def _store(self, core: AgentCore, token: int, records: list[JournalRecord]) -> None:
        self.journal += records
        if core is self.core and self.lives:
            world = self.world
            world.post(("disk done", self), lambda: self.tell(Stored(token)) if core is self.core else None)

    def _started(self, core: AgentCore, run: str, task: tuple[str, str]) -> None:
        if core is not self.core or not self.lives:
            return
        self.world.ran[task] = self.world.ran.get(task, 0) + 1
        self.runs[run] = task
        self.tell(RunStarted(run, 4711))

    def _exited(self, core: AgentCore, run: str, status: int) -> None:
        if core is self.core and self.lives and self.runs.pop(run, None) is not None:
            self.tell(RunExited(run, status))

    def end_a_task(self) -> None:
        if self.runs and self.lives:
            run = self.world.random.choice(sorted(self.runs))
            status = self.world.random.choice((0, 0, 0, 256, 9))
            self._exited(self.core, run, status)

    def crash(self) -> None:
        """kill -9, and start again: what ran is ended, the id and what else the journal holds is there."""
        self.world.cut_link(self)
        self._boot()
        self.stopped = False


class Scheduler:
    """A framework that launches tasks on whatever it is offered, up to a number, and now and then kills one."""

    def __init__(self, world: World, name: str, *, partition_aware: bool) -> None:
        self.world = world
        self.name = name
        capability = FrameworkInfo.Capability
        kinds = [capability.Type.MULTI_ROLE] + [capability.Type.PARTITION_AWARE] * partition_aware
        info = FrameworkInfo(
            user="u",
            name=name,
            roles=[name],
            checkpoint=True,
            failover_timeout=1e6,
            capabilities=[capability(type=kind) for kind in kinds],
        )
        self.session = SchedulerSession(info, list(world.names), Random(world.random.random()))
        self.stream = 0
        self.stream_name: str | None = None
        self.master: Master | None = None
        self.launched: dict[str, TaskState | None] = {}
        """Tasks in ACCEPT calls, with the last state heard."""
        self.places: dict[str, str] = {}
        """The agent of each task."""
        self.ended: set[str] = set()
        """Tasks after whose last update none may tell of a living task. LOST is no end: the agent may come back."""
        self.never_sent: set[str] = set()
        self.tell(Start())

    def tell(self, step: Step) -> None:
        for effect in self.session.handle(step, self.world.now):
            self._apply(effect)

    def _apply(self, effect: object) -> None:
        world = self.world
        match effect:
            case Connect(stream=stream, url=url, call=call):
                self._leave()
                self.stream = stream
                name = url.partition("//")[2].partition("/")[0]
                world.post(("call", self), lambda: self._connect(stream, name, call))
            case Disconnect():
                self._leave()
            case Post(number=number, url=url, call=call, stream_id=stream_id):
                name = url.partition("//")[2].partition("/")[0]
                world.post(("call", self), lambda: self._call(number, name, call, stream_id))
            case Deliver(item=item):
                world.post(("app", self), lambda: self._handle(item))
            case Finished(error=error):
                raise AssertionError(f"{self.name} ended: {error}")

    def _leave(self) -> None:
        """Its end of the stream is closed; the master hears of it some time."""
        master, name = self.master, self.stream_name
        self.master = self.stream_name = None
        if master is not None and name is not None:
            master.sessions.pop(name, None)
            self.world.drop(("stream", name))
            self.world.post(("hangup", name), lambda: self.world.hangs_up(master, name))

    def _connect(self, stream: int, name: str, call: Any) -> None:
        world = self.world
        master = world.serving(name)
        if stream != self.stream:
            return
        if master is None:
            leader = world.leader
            if name not in world.masters:
                self.tell(Ended(stream, "connection refused"))
            elif leader is None or leader.name == name:
                self.tell(Opened(stream, 503, "no leader"))
            else:
                self.tell(Opened(stream, 307, location=f"//{leader.name}/api/v1/scheduler"))
            return
        session = f"session-{world.number()}"

        def answered(status: int, body: object) -> None:
            if status == 200:
                master.sessions[session] = self
                self.master, self.stream_name = master, session
            sentence = body if isinstance(body, str) and status != 200 else ""
            world.post(("stream", session), lambda: self._opened(stream, status, sentence, session))

        master.ask(lambda request: SchedulerSubscribe(request, session, None, call), answered)

    def _opened(self, stream: int, status: int, sentence: str, session: str) -> None:
        if stream == self.stream:
            self.tell(Opened(stream, status, sentence, session if status == 200 else None))

    def hears(self, session: str, event: Any) -> None:
        stream = self.stream

        def receive() -> None:
            if session == self.stream_name:
                self.tell(Received(stream, event))

        self.world.post(("stream", session), receive)

    def stream_ends(self, session: str, why: str) -> None:
        stream = self.stream

        def end() -> None:
            if session == self.stream_name:
                self.master = self.stream_name = None
                self.tell(Ended(stream, why))

        self.world.post(("stream", session), end)

    def _call(self, number: int, name: str, call: Any, stream_id: str | None) -> None:
        world = self.world
        master = world.serving(name)
        cut = world.faulty and world.random.random() < 0.05
        if master is None or (cut and world.random.random() < 0.5):
            self.tell(CallCut(number, "connection lost before the call"))
            return

        def answered(status: int, body: object) -> None:
            sentence = body if isinstance(body, str) else ""
            step: Step = CallCut(number, "cut after") if cut else Answered(number, status, sentence)
            world.post(("call", self), lambda: self.tell(step))

        master.ask(lambda request: SchedulerCall(request, stream_id, None, call), answered)

    # The framework.

    def _handle(self, item: object) -> None:
        match item:
            case scheduler_api.Event(offers=scheduler_api.Event.Offers(offers=offers)):
                for offer in offers:
                    self._answer(offer)
            case scheduler_api.Event(update=scheduler_api.Event.Update(status=status)):
                self._update(status)
            case CallLost(sent=False):
                self.never_sent.update(item.task_ids)
            case _:
                pass
        self.tell(Handled(item))

    def _answer(self, offer: Offer) -> None:
        assert offer.id is not None
        if offer.id.value not in self.session.offers:
            return
        cpus = next((one.scalar.value for one in offer.resources if one.name == "cpus" and one.scalar), 0.0)
        wanted = min(int(cpus), TASKS_OF_FRAMEWORK_MAX - len(self.launched)) if self.world.faulty else 0
        if wanted <= 0:
            decline = scheduler_api.Call.Decline(offer_ids=[offer.id], filters=Filters(refuse_seconds=5.0))
            self.tell(Ask(scheduler_api.Call(type=scheduler_api.Call.Type.DECLINE, decline=decline)))
            return
        tasks = [self._task(offer) for _ in range(self.world.random.randint(1, wanted))]
        launch = Offer.Operation(type=Offer.Operation.Type.LAUNCH, launch=Offer.Operation.Launch(task_infos=tasks))
        accept = scheduler_api.Call.Accept(offer_ids=[offer.id], operations=[launch], filters=Filters())
        self.tell(Ask(scheduler_api.Call(type=scheduler_api.Call.Type.ACCEPT, accept=accept)))

    def _task(self, offer: Offer) -> TaskInfo:
        task_id = f"{self.name}-t{len(self.launched)}"
        self.launched[task_id] = None
        self.places[task_id] = offer.agent_id.value
        return TaskInfo(
            name=task_id,
            task_id=TaskID(value=task_id),
            agent_id=offer.agent_id,
            resources=[scalar("cpus", 1), scalar("mem", 64)],
            command=CommandInfo(value="true"),
        )

    def _update(self, status: TaskStatus) -> None:
        name = status.task_id.value
        if status.uuid is not None:
            if name in self.ended:
                assert status.state in TERMINAL_STATES, f"{name} had ended, and then came {status.state}"
            if status.state in FINAL_STATES:
                self.ended.add(name)
        elif status.state is TaskState.TASK_GONE and self.world.leases:
            self.ended.add(name)
        self.launched[name] = status.state

    def kill_a_task(self) -> None:
        living = [name for name, state in self.launched.items() if state not in _GONE]
        if living:
            task_id = TaskID(value=self.world.random.choice(living))
            kill = scheduler_api.Call.Kill(task_id=task_id)
            self.tell(Ask(scheduler_api.Call(type=scheduler_api.Call.Type.KILL, kill=kill)))

    @property
    def settled(self) -> bool:
        return not self.unsettled and not self.session.calls_waiting

    @property
    def unsettled(self) -> list[str]:
        """Tasks of which something is still to be heard; that of an agent which forgot its id is away for good."""
        leader = self.world.leader
        away = leader.core.state.unreachable_agents if leader is not None else {}
        return [
            name
            for name, state in self.launched.items()
            if state not in _GONE
            and name not in self.never_sent
            and not (state is TaskState.TASK_UNREACHABLE and self.places[name] in away)
        ]


class Wish:
    """What an operator asked for, and what came of it."""

    def __init__(self, value: object) -> None:
        self.value = value
        self.acknowledged = False
        self.refused = False


class World:
    """See the module."""

    def __init__(self, seed: int, agents: int = 3, schedulers: int = 2, *, leases: bool = True) -> None:
        """`leases`: a master that was paused for too long knows by its clock that it leads no more before it does
        anything else. Without, it goes on until a write of its is refused; what it tells schedulers may be wrong then.
        """
        self.random = Random(seed)
        self.leases = leases
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
            self.drop(("stream", session), self.random.randint(0, 3))
            scheduler.stream_ends(session, "connection lost")
        master.links.clear()
        master.sessions.clear()
        # Its answers to calls are lost.
        for scheduler in self.schedulers if hasattr(self, "schedulers") else []:
            if scheduler.session.calls_waiting and scheduler.master is master:
                scheduler.stream_ends(scheduler.stream_name or "", "connection lost")

    def _break_down(self, link: str, agent: Agent) -> None:
        self.drop(("down", link), self.random.randint(0, 3))
        self.post(("down", link), lambda: agent.loses(link))

    # Links.

    def connect(self, agent: Agent) -> None:
        master = self.leader
        if self.old and self.random.random() < 0.3:
            master = self.random.choice(self.old)  # it has not heard of the newer one
        if master is None or master.paused or agent.link is not None or not agent.lives:
            return
        link = f"link-{self.number()}"
        master.links[link] = agent
        agent.link, agent.master = link, master
        master.tell(LinkOpened(link, f"10.0.0.{self.agents.index(agent)}"))
        agent.tell(LinkUp(link))

    def reaches(self, master: Master, link: str, message: Any) -> None:
        if master in self._living() and link in master.links:
            master.tell(LinkReceived(link, message))

    def cut_link(self, agent: Agent) -> None:
        link, master = agent.link, agent.master
        if link is None or master is None:
            return
        agent.link = agent.master = None
        self.drop(("down", link))
        self.drop(("up", link), self.random.randint(0, 3))

        def closed() -> None:
            if master in self._living() and master.links.pop(link, None) is not None:
                master.tell(LinkClosed(link, "cut"))

        self.post(("up", link), closed)
        agent.tell(LinkDown(link, "cut"))

    def hangs_up(self, master: Master, session: str) -> None:
        if master in self._living():
            master.tell(SessionClosed(session, "hung up"))

    def cut_stream(self, scheduler: Scheduler) -> None:
        master, session = scheduler.master, scheduler.stream_name
        if master is None or session is None:
            return
        self.drop(("stream", session), self.random.randint(0, 3))
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
        name = self.random.choice(("weight", "quota", "service"))
        value: object
        call = operator_api.Call(type=_Type.UNKNOWN)
        if name == "weight":
            value = float(self.random.randint(1, 9))
            call.type = _Type.UPDATE_WEIGHTS
            call.update_weights = operator_api.Call.UpdateWeights(weight_infos=[WeightInfo(role="f0", weight=value)])
        elif name == "quota":
            value = float(self.random.randint(1, 9))
            config = QuotaConfig(role="f1", limits={"disk": Value.Scalar(value=value)})
            call.type = _Type.UPDATE_QUOTA
            call.update_quota = operator_api.Call.UpdateQuota(force=True, quota_configs=[config])
        else:
            known = [*master.core.state.agents]
            if not known:
                return
            agent_id = AgentID(value=min(known))
            name, value = f"service of {agent_id.value}", self.random.random() < 0.4
            if value:
                call.type = _Type.DEACTIVATE_AGENT
                call.deactivate_agent = operator_api.Call.DeactivateAgent(agent_id=agent_id)
            else:
                call.type = _Type.REACTIVATE_AGENT
                call.reactivate_agent = operator_api.Call.ReactivateAgent(agent_id=agent_id)
        wish = Wish(value)
        self.wishes.setdefault(name, []).append(wish)

        def answered(status: int, _: object) -> None:
            wish.refused = status != 200
            wish.acknowledged = status == 200

        session = f"operator-{self.number()}"
        master.ask(lambda request: OperatorCall(request, session, None, call), answered)

    def check_wishes(self) -> None:
        """What was acknowledged holds, unless something that was asked for later does."""
        assert self.leader is not None
        state = self.leader.core.state
        for name, wishes in self.wishes.items():
            asked = [wish for wish in wishes if not wish.refused]
            last = max((index for index, wish in enumerate(asked) if wish.acknowledged), default=None)
            if last is None:
                continue
            found: object
            if name == "weight":
                found = state.weights.get("f0")
            elif name == "quota":
                found = state.quota["f1"].limits["disk"].value if "f1" in state.quota else None
            else:
                agent_id = name.rpartition(" ")[2]
                if agent_id not in state.agents and agent_id not in state.recovered_agents:
                    continue  # it was replaced, or cannot be reached
                found = agent_id in state.service
            possible = [wish.value for wish in asked[last:]]
            assert found in possible, f"{name} is {found}, and was acknowledged to be one of {possible}"

    # What happens.

    def step(self) -> None:
        """One thing happens, a fault now and then."""
        roll = self.random.random()
        if self.faulty and roll < 0.03:
            self.fault()
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
                return
        waiting = {one.name: one.unsettled for one in self.schedulers}
        raise AssertionError(f"it does not settle, schedulers wait for {waiting}")

    def _settled(self) -> bool:
        return (
            all(agent.link is not None or not agent.lives for agent in self.agents)
            and all(not agent.runs for agent in self.agents)
            and all(scheduler.settled for scheduler in self.schedulers)
            and all(
                not framework.tasks for agent in self.agents for framework in agent.core.records.frameworks.values()
            )
        )

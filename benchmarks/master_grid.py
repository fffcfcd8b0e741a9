"""The grid of `benchmarks.allocator` through the core of the master: no sockets, no encoding.

Times are CPU time of this process. The columns:

add       all agents join and all schedulers subscribe: ms
first     everything is offered for the first time, with the messages of all offers: ms
steady    each framework runs one task on the whole of every agent that it was offered; a thirtieth of them end each
          second, and others take their place, in 100 turns: share of one core. With each come two acknowledged updates,
          the offer, and the ACCEPT with its LAUNCH
decline   each framework in turn declines all that it was offered, for an hour, and it is offered to others: ms
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from benchmarks.clusters import AGENT, FREED_PER_SECOND, HOUR, RUNS_PER_SECOND, STEADY_SECONDS, Cell, Clock
from tepui.allocator import DrfAllocator
from tepui.master.config import MasterConfig
from tepui.master.core import MasterCore
from tepui.master.events import AllocationTook, LinkOpened, LinkReceived, SchedulerCall, SchedulerSubscribe
from tepui.model import link
from tepui.model.shell import Effect, Send, SendLink, Store, Stored, Tick
from tepui.model.v1 import mesos, scheduler
from tepui.model.v1.mesos import TaskState
from tepui.wire.text import parse_resources

Call = scheduler.Call


@dataclass
class Running:
    """A task: where it runs, and whose it is."""

    link: str
    session: str
    info: mesos.TaskInfo


@dataclass
class Load:
    """Agents and schedulers, played against the core."""

    cell: Cell
    core: MasterCore
    now: float = 1e9
    offers: dict[str, list[mesos.Offer]] = field(default_factory=dict)
    """By session."""
    frameworks: dict[str, mesos.FrameworkID] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    """By agent id."""
    tasks: int = 0

    def do(self, event: Any) -> list[Effect]:
        return self.core.handle(event, self.now)

    def join(self, number: int) -> None:
        name = f"link-{number}"
        info = mesos.AgentInfo(hostname=f"agent-{number}", resources=parse_resources(AGENT))
        self.do(LinkOpened(name, f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"))
        hello = link.Hello(
            protocol_oldest=1,
            protocol_newest=1,
            software="1.0.0",
            agent_id="",
            incarnation=f"run-{number}",
            link_id=name,
            epoch=0,
            info=info,
        )
        effects = [*self.do(LinkReceived(name, hello)), *self.do(LinkReceived(name, link.Snapshot()))]
        for effect in effects:
            if isinstance(effect, Store):
                effects += self.do(Stored(effect.token))
            elif isinstance(effect, SendLink) and isinstance(effect.message, link.Welcome):
                self.links[effect.message.agent_id] = name

    def subscribe(self, number: int) -> None:
        info = mesos.FrameworkInfo(
            user="root",
            name=f"framework-{number}",
            roles=[self.cell.role(number)],
            capabilities=[mesos.FrameworkInfo.Capability(type=mesos.FrameworkInfo.Capability.Type.MULTI_ROLE)],
            checkpoint=True,
            failover_timeout=60.0,
        )
        session = f"11111111-1111-4111-8111-{number:012}"
        call = Call(type=Call.Type.SUBSCRIBE, subscribe=Call.Subscribe(framework_info=info))
        for effect in self.do(SchedulerSubscribe(1, session, None, call)):
            event: Any = effect.event if isinstance(effect, Send) else None
            if event is not None and event.subscribed is not None:
                self.frameworks[session] = event.subscribed.framework_id

    def tick(self) -> None:
        for effect in self.do(Tick()):
            event: Any = effect.event if isinstance(effect, Send) else None
            if event is not None and event.offers is not None:
                assert isinstance(effect, Send)
                self.offers.setdefault(effect.session, []).extend(event.offers.offers)
        self.do(AllocationTook(0.0))
        self.core.drain_records()

    def call(self, session: str, call: scheduler.Call) -> list[Effect]:
        call.framework_id = self.frameworks[session]
        return self.do(SchedulerCall(2, session, None, call))

    def launch_everywhere(self, running: list[Running]) -> None:
        """Run one task on the whole of each offer."""
        offers, self.offers = self.offers, {}
        for session, held in offers.items():
            running += [self.launch(session, offer) for offer in held]

    def launch(self, session: str, offer: mesos.Offer) -> Running:
        self.tasks += 1
        info = mesos.TaskInfo(
            name="t",
            task_id=mesos.TaskID(value=f"t{self.tasks}"),
            agent_id=offer.agent_id,
            resources=offer.resources,
            command=mesos.CommandInfo(value="true"),
        )
        launch = mesos.Offer.Operation.Launch(task_infos=[info])
        operation = mesos.Offer.Operation(type=mesos.Offer.Operation.Type.LAUNCH, launch=launch)
        accept = Call.Accept(offer_ids=[offer.id], operations=[operation])
        self.call(session, Call(type=Call.Type.ACCEPT, accept=accept))
        return Running(self.links[offer.agent_id.value], session, info)

    def update(self, running: Running, state: TaskState) -> None:
        uuid = self.core.context.ids.bytes()
        status = mesos.TaskStatus(
            task_id=running.info.task_id,
            state=state,
            source=mesos.TaskStatus.Source.SOURCE_EXECUTOR,
            agent_id=running.info.agent_id,
            timestamp=self.now,
            uuid=uuid,
        )
        framework_id = self.frameworks[running.session].value
        self.do(LinkReceived(running.link, link.StatusUpdate(framework_id=framework_id, status=status, latest=state)))
        acknowledge = Call.Acknowledge(agent_id=running.info.agent_id, task_id=running.info.task_id, uuid=uuid)
        self.call(running.session, Call(type=Call.Type.ACKNOWLEDGE, acknowledge=acknowledge))


def _measure(cell: Cell) -> tuple[float, float, float, float]:
    """Seconds to add, for the first allocation, share of a core, seconds of a round of declines."""
    info = mesos.MasterInfo(id="a-master-id-of-usual-length-0123456789", ip=16777343, port=5050)
    config = MasterConfig(info=info, version="1.0.0", offer_timeout_seconds=None)
    load = Load(cell, MasterCore(config, DrfAllocator(), Random(1)))
    clock = Clock()
    for number in range(cell.agents):
        load.join(number)
    for number in range(cell.frameworks):
        load.subscribe(number)
    add = clock.read()
    load.tick()
    first = clock.read()
    offers, load.offers = load.offers, {}
    clock.read()
    for session, held in offers.items():
        load.now += 0.001
        ids = [offer.id for offer in held]
        decline = Call.Decline(offer_ids=ids, filters=mesos.Filters(refuse_seconds=HOUR))
        load.call(session, Call(type=Call.Type.DECLINE, decline=decline))
        load.tick()
    declined = clock.read()
    return add, first, _steady(load, clock), declined


def _steady(load: Load, clock: Clock) -> float:
    for session in load.frameworks:
        load.call(session, Call(type=Call.Type.REVIVE))
    load.tick()
    random, running = Random(1), list[Running]()
    load.launch_everywhere(running)
    assert len(running) == load.cell.agents
    for task in running:
        load.update(task, TaskState.TASK_RUNNING)
    freed = round(load.cell.agents * FREED_PER_SECOND * STEADY_SECONDS)
    turns = RUNS_PER_SECOND * STEADY_SECONDS
    clock.read()
    for turn in range(turns):
        load.now += 1 / RUNS_PER_SECOND
        fresh: list[Running] = []
        for _ in range(freed * turn // turns, freed * (turn + 1) // turns):
            index = random.randrange(len(running))
            running[index], running[-1] = running[-1], running[index]
            load.update(running.pop(), TaskState.TASK_FINISHED)
        load.tick()
        load.launch_everywhere(fresh)
        for task in fresh:
            load.update(task, TaskState.TASK_RUNNING)
        running += fresh
    return clock.read() / STEADY_SECONDS


def master_grid(cells: Iterable[Cell]) -> None:
    """Measure the cells and print a line for each."""
    print(f"{'agents':>7} {'frameworks':>10} {'roles':>5} {'add':>8} {'first':>8} {'steady':>8} {'decline':>8}")
    for cell in cells:
        add, first, steady, declined = _measure(cell)
        print(
            f"{cell.agents:>7,} {cell.frameworks:>10,} {cell.shape:>5} {add * 1e3:>8,.0f} {first * 1e3:>8,.0f}"
            f" {steady:>8.1%} {declined * 1e3:>8,.0f}",
            flush=True,
        )

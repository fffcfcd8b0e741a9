"""A connection that is cut at every point, before and after whatever happens there.

A small master is played on the scripted transport: it numbers everything that passes between it and the library, and at
one number the connection breaks, either before the thing arrives or after. The play is repeated for each number: with a
master that is near, and with one whose answers take their time, so that several calls are on their way and cut.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count

import pytest

from tepui.model.v1.mesos import TaskState
from tepui.model.v1.scheduler import Call, Event
from tepui.scheduler import CallLost, Offers, Scheduler, Settings, Subscribed, Update, framework_info
from tepui.testing import (
    ACCEPTED,
    CUT,
    TEST_SECONDS_MAX,
    Answer,
    SchedulerTransport,
    ScriptedStream,
    TransportError,
    scheduler_events,
)

SETTINGS = Settings(backoff_seconds_first=0.001, backoff_seconds_max=0.002)
TASKS = 3
POINTS_MIN = 15
"""So many things happen at least when nothing goes wrong."""
LAG_TURNS = 8
"""So many turns of the loop later a far master's answers arrive."""
IN_FLIGHT_MIN = 5
"""So many calls are on their way to it at some time."""


class FarTransport(SchedulerTransport):
    """Calls arrive in order at once, answers in order but late. When the connection of a call is cut, no answer that is
    under way comes back, and no call arrives until the library hears of it."""

    def __init__(self) -> None:
        super().__init__()
        self.in_flight: list[asyncio.Future[Answer]] = []
        self.in_flight_max = 0
        self.cuts: list[int] = []
        """How many calls were on their way in each cut."""
        self._is_cut = False

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.in_flight.append(future)
        self.in_flight_max = max(self.in_flight_max, len(self.in_flight))
        if not self._is_cut:
            try:
                self._later(LAG_TURNS, self._bring, future, await super().post(url, body, headers))
            except TransportError:
                self._is_cut = True
                self._later(LAG_TURNS, self._cut)
        return await future

    def _later(self, turns: int, what: Callable[..., None], *arguments: object) -> None:
        loop = asyncio.get_running_loop()
        if turns:
            loop.call_soon(lambda: self._later(turns - 1, what, *arguments))
        else:
            what(*arguments)

    def _bring(self, future: asyncio.Future[Answer], answer: Answer) -> None:
        if future in self.in_flight and not self._is_cut:
            self.in_flight.remove(future)
            future.set_result(answer)

    def _cut(self) -> None:
        self.cuts.append(len(self.in_flight))
        for future in self.in_flight:
            future.set_exception(CUT)
        self.in_flight.clear()
        self._is_cut = False


@dataclass
class Master:
    """What a master does for one framework, as far as this play goes. Updates wait for each acknowledgement."""

    transport: SchedulerTransport
    cut_at: int
    cut_after: bool
    point: int = 0
    offers_made: int = 0
    open_offers: set[str] = field(default_factory=set)
    tasks: dict[str, list[TaskState]] = field(default_factory=dict)
    """The states of each task that are not acknowledged yet, the oldest first; the last stays."""
    seen: Counter[str] = field(default_factory=Counter)
    """Calls that arrived, by what they are about."""
    reconciliations: int = 0
    is_cut: bool = False

    def __post_init__(self) -> None:
        self.transport.answer = self.answer
        self.transport.on_stream = self.subscribe

    @property
    def stream(self) -> ScriptedStream:
        return self.transport.streams[-1]

    def passes(self) -> tuple[bool, bool]:
        """Something passes: does it arrive, and does the connection hold afterwards?"""
        self.point += 1
        if self.point != self.cut_at:
            return True, True
        self.is_cut = True
        return self.cut_after, False

    def send(self, event: Event) -> None:
        arrives, holds = self.passes()
        if arrives:
            self.stream.send(event)
        if not holds:
            self.stream.cut()

    def subscribe(self, _: ScriptedStream) -> None:
        self.open_offers.clear()
        self.send(scheduler_events.subscribed())
        for task_id in self.tasks:
            self.send_update(task_id)
        self.make_offer()

    def make_offer(self) -> None:
        self.offers_made += 1
        offer_id = f"o{self.offers_made}"
        self.open_offers.add(offer_id)
        self.send(scheduler_events.offers(scheduler_events.offer(offer_id, cpus=TASKS)))

    def send_update(self, task_id: str) -> None:
        states = self.tasks[task_id]
        if states:
            self.send(scheduler_events.update(task_id, states[0]))

    def answer(self, call: Call) -> Answer | TransportError:
        arrives, holds = self.passes()
        if arrives:
            self.handle(call)
        return ACCEPTED if holds else CUT

    def handle(self, call: Call) -> None:
        if call.accept is not None:
            self.accept(call.accept)
        elif call.decline is not None:
            self.open_offers -= {offer_id.value for offer_id in call.decline.offer_ids}
        elif call.acknowledge is not None:
            self.acknowledge(call.acknowledge)
        elif call.kill is not None:
            task_id = call.kill.task_id.value
            self.seen[f"KILL {task_id}"] += 1
            if self.tasks.get(task_id) == [TaskState.TASK_RUNNING] or self.tasks.get(task_id) == []:
                self.end(task_id)
        elif call.reconcile is not None:
            self.reconciliations += 1
            for wanted in call.reconcile.tasks:
                if wanted.task_id.value not in self.tasks:
                    lost = TaskState.TASK_UNKNOWN
                    self.send(scheduler_events.update(wanted.task_id.value, lost, acknowledged=False))
        elif call.type is not None:
            self.seen[call.type.value] += 1

    def accept(self, accept: Call.Accept) -> None:
        offer_ids = {offer_id.value for offer_id in accept.offer_ids}
        for offer_id in offer_ids:
            self.seen[f"ACCEPT {offer_id}"] += 1
        if not offer_ids <= self.open_offers:
            return
        self.open_offers -= offer_ids
        for operation in accept.operations:
            if operation.launch is not None:
                for task in operation.launch.task_infos:
                    self.tasks[task.task_id.value] = [TaskState.TASK_RUNNING]
                    self.send_update(task.task_id.value)

    def acknowledge(self, acknowledge: Call.Acknowledge) -> None:
        task_id = acknowledge.task_id.value
        states = self.tasks[task_id]
        if states:
            expected = scheduler_events.update(task_id, states[0]).update
            assert expected is not None
            if acknowledge.uuid == expected.status.uuid:
                self.seen[f"ACKNOWLEDGE {task_id} {states.pop(0).value}"] += 1
                if states:
                    self.send_update(task_id)
                elif self.seen[f"KILL {task_id}"] and not self.seen[f"ACKNOWLEDGE {task_id} TASK_KILLED"]:
                    self.end(task_id)

    def end(self, task_id: str) -> None:
        states = self.tasks[task_id]
        if TaskState.TASK_KILLED not in states:
            states.append(TaskState.TASK_KILLED)
            if len(states) == 1:
                self.send_update(task_id)


@dataclass
class Framework:
    """Launches tasks, kills each that runs, and ends when it knows of every one how it ended."""

    shown: Counter[tuple[str, TaskState]] = field(default_factory=Counter)
    lost: list[CallLost] = field(default_factory=list)
    ended: set[str] = field(default_factory=set)
    launched: set[str] = field(default_factory=set)
    framework_ids: set[str] = field(default_factory=set)
    came_back: bool = False

    async def run(self, scheduler: Scheduler) -> None:
        names = (f"t{number}" for number in count())
        async for event in scheduler:
            match event:
                case Subscribed(framework_id, again):
                    self.framework_ids.add(framework_id)
                    self.came_back |= again
                case Offers(offers):
                    missing = TASKS - len(self.launched)
                    tasks = [offers[0].task("true", cpus=1, task_id=next(names)) for _ in range(missing)]
                    self.launched |= {task.task_id.value for task in tasks}
                    scheduler.launch(offers[0], tasks)
                case CallLost():
                    self.lost.append(event)
                    if not event.sent:  # nothing was launched, for certain
                        self.launched -= set(event.task_ids)
                case Update():
                    if event.status.uuid is not None:
                        self.shown[event.task_id, event.state] += 1
                    if event.state is TaskState.TASK_RUNNING:
                        scheduler.kill(event.task_id)
                    else:
                        self.ended.add(event.task_id)
            if len(self.launched) == TASKS and self.launched <= self.ended:
                scheduler.stop()


async def play(transport: SchedulerTransport, cut_at: int, *, cut_after: bool) -> tuple[Master, Framework]:
    master = Master(transport, cut_at, cut_after)
    framework = Framework()
    info = framework_info("every failure", failover_timeout_seconds=60)
    async with (
        asyncio.timeout(TEST_SECONDS_MAX),
        Scheduler("m:1", info, settings=SETTINGS, transport=transport) as scheduler,
    ):
        await framework.run(scheduler)
    assert scheduler.is_torn_down
    return master, framework


def test_nothing_goes_wrong() -> None:
    for transport in (SchedulerTransport(), far := FarTransport()):
        master, framework = asyncio.run(play(transport, 0, cut_after=False))
        assert master.point >= POINTS_MIN
        assert framework.lost == []
        assert len(transport.streams) == 1
    assert far.in_flight_max >= IN_FLIGHT_MIN


@pytest.mark.parametrize("cut_after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("kind", [SchedulerTransport, FarTransport], ids=["near", "far"])
def test_the_connection_is_cut_at_every_point(kind: type[SchedulerTransport], cut_after: bool) -> None:
    points, cut_at_once = 0, 0
    for cut_at in count(1):
        transport = kind()
        master, framework = asyncio.run(play(transport, cut_at, cut_after=cut_after))
        if isinstance(transport, FarTransport):
            cut_at_once = max([cut_at_once, *transport.cuts])
        if not master.is_cut:
            break
        points += 1
        try:
            check(master, framework)
        except AssertionError as error:
            error.add_note(f"cut {'after' if cut_after else 'before'} point {cut_at}; calls: {master.transport.kinds}")
            raise
    assert points >= POINTS_MIN
    assert kind is not FarTransport or cut_at_once >= IN_FLIGHT_MIN


def check(master: Master, framework: Framework) -> None:
    """What holds wherever the cut was."""
    transport, seen = master.transport, master.seen
    assert framework.framework_ids == {scheduler_events.FRAMEWORK_ID}, "its identity is kept"
    subscriptions = [call.framework_id for call in transport.subscriptions]
    assert all(one is not None for one in subscriptions[2:]), "and told"
    offers = Counter(offer.value for call in transport.calls if call.accept for offer in call.accept.offer_ids)
    assert max(offers.values()) == 1, "an ACCEPT is never sent twice"
    assert set(framework.shown.values()) <= {1}, "an update is shown once"
    for task_id, states in master.tasks.items():
        assert states == [], f"all updates of {task_id} are acknowledged"
        assert seen[f"KILL {task_id}"] >= 1, f"the KILL of {task_id} arrives"
        assert {(task_id, TaskState.TASK_RUNNING), (task_id, TaskState.TASK_KILLED)} <= set(framework.shown)
    reported = {task_id for lost in framework.lost for task_id in lost.task_ids}
    for task_id in {task.task_id.value for task in transport.launched} - set(master.tasks):
        assert task_id in reported, f"the lost launch of {task_id} is told"
    if framework.came_back:
        assert "RECONCILE" in transport.kinds, "after a new subscription states are asked for"
    assert seen["TEARDOWN"] >= 1, "with a failover timeout the master would keep it"

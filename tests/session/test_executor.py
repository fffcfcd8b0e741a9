"""The executor's session: random histories, then one rule a test."""

from __future__ import annotations

from collections import deque
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tepui.model.v1.executor import Call, Event
from tepui.model.v1.mesos import (
    AgentID,
    AgentInfo,
    ExecutorID,
    ExecutorInfo,
    FrameworkID,
    FrameworkInfo,
    TaskID,
    TaskInfo,
    TaskState,
    TaskStatus,
)
from tepui.session.errors import SubscriptionError
from tepui.session.executor import Attached, Detached, ExecutorSession, Settings, ShutDown
from tepui.session.steps import (
    Answered,
    Ask,
    CallCut,
    CallRefused,
    Connect,
    Deliver,
    Disconnect,
    Ended,
    Finished,
    Opened,
    Post,
    Received,
    Start,
    Step,
    Stop,
    TimePassed,
)

SUBSCRIBED = Event.Subscribed(
    executor_info=ExecutorInfo(executor_id=ExecutorID(value="e")),
    framework_info=FrameworkInfo(user="u", name="n"),
    agent_info=AgentInfo(hostname="h"),
)
ACTIONS = (
    "subscribe",
    "answer",
    "acknowledge",
    "update",
    "launch",
    "time",
    "open 503",
    "open cut",
    "stream cut",
    "call cut before",
    "call cut after",
    "call 503",
    "call 403",
)


class Stage:
    """One session and its agent; the test is network and clock."""

    def __init__(self, settings: Settings | None = None, seed: int = 0) -> None:
        self.session = ExecutorSession("f", "e", "a:1", Random(seed), settings or Settings(checkpoint=True))
        self.now = 100.0
        self.connect: Connect | None = None
        self.stream: int | None = None
        self.post: Post | None = None
        self.delivered: list[object] = []
        self.finished: Finished | None = None
        self.updates: dict[bytes, None] = {}
        """What the agent has, in the order in which it came."""
        self.waiting: deque[tuple[str, bytes]] = deque()
        """What the agent has to acknowledge."""
        self.tasks: set[str] = set()
        self.counter = 0
        self.tell(Start())

    def tell(self, step: Step) -> None:
        for effect in self.session.handle(step, self.now):
            match effect:
                case Connect():
                    self.connect = effect
                case Disconnect():
                    self.connect = self.stream = self.post = None
                case Post():
                    assert self.post is None
                    assert self.stream is not None
                    self.post = effect
                case Deliver(item):
                    self.delivered.append(item)
                case Finished():
                    self.finished = effect

    @property
    def is_finished(self) -> bool:
        return self.finished is not None

    def open(self, status: int = 200) -> None:
        assert self.connect is not None
        number, call = self.connect.stream, self.connect.call
        self.connect = None
        if status != 200:
            self.tell(Opened(number, status, "why"))
            return
        assert isinstance(call, Call)
        assert call.subscribe is not None
        self.stream = number
        self.tasks = {task.task_id.value for task in call.subscribe.unacknowledged_tasks}
        for update in call.subscribe.unacknowledged_updates:
            self.take_update(update)
        self.tell(Opened(number, 200))
        self.send(Event(type=Event.Type.SUBSCRIBED, subscribed=SUBSCRIBED))

    def take_update(self, update: Call.Update) -> None:
        assert update.status.uuid is not None
        self.updates.setdefault(update.status.uuid)
        self.waiting.append((update.status.task_id.value, update.status.uuid))

    def answer(self, action: str = "answer") -> None:
        assert self.post is not None
        post, self.post = self.post, None
        assert isinstance(post.call, Call)
        if action in ("answer", "call cut after") and post.call.update is not None:
            self.take_update(post.call.update)
        if action.startswith("call cut"):
            self.tell(CallCut(post.number, "cut"))
        elif action == "call 403":
            self.tell(Answered(post.number, 403, "Executor is not subscribed"))
        else:
            self.tell(Answered(post.number, 503 if action == "call 503" else 202))

    def send(self, event: Event) -> None:
        assert self.stream is not None
        self.tell(Received(self.stream, event))

    def acknowledge(self) -> None:
        task_id, uuid = self.waiting.popleft()
        acknowledged = Event.Acknowledged(task_id=TaskID(value=task_id), uuid=uuid)
        self.send(Event(type=Event.Type.ACKNOWLEDGED, acknowledged=acknowledged))

    def launch(self) -> None:
        self.counter += 1
        task = TaskInfo(name="t", task_id=TaskID(value=f"t{self.counter}"), agent_id=AgentID(value="a"))
        self.send(Event(type=Event.Type.LAUNCH, launch=Event.Launch(task=task)))

    def update(self, task_id: str = "t1") -> bytes:
        self.counter += 1
        uuid = self.counter.to_bytes(16, "big")
        status = TaskStatus(task_id=TaskID(value=task_id), state=TaskState.TASK_RUNNING, uuid=uuid)
        update = Call.Update(status=status)
        executor_id, framework_id = ExecutorID(value="e"), FrameworkID(value="f")
        call = Call(executor_id=executor_id, framework_id=framework_id, type=Call.Type.UPDATE, update=update)
        self.tell(Ask(call))
        return uuid

    def cut(self) -> None:
        assert self.stream is not None
        number, self.stream = self.stream, None
        self.waiting.clear()
        self.tell(Ended(number, "cut"))

    def pass_time(self) -> None:
        deadline = self.session.next_deadline()
        assert deadline is not None
        self.now = max(self.now, deadline)
        self.tell(TimePassed())

    def do(self, action: str) -> None:
        """One thing that happens, when it can."""
        if self.connect is not None and action in ("subscribe", "open 503"):
            self.open(200 if action == "subscribe" else 503)
        elif self.connect is not None and action == "open cut":
            number, self.connect = self.connect.stream, None
            self.tell(Ended(number, "refused"))
        elif self.post is not None and (action == "answer" or action.startswith("call")):
            self.answer(action)
        elif action == "update":
            self.update(f"t{self.counter}")
        elif action == "time" and self.session.next_deadline() is not None:
            self.pass_time()
        elif self.session.is_subscribed and action == "launch":
            self.launch()
        elif self.session.is_subscribed and action == "acknowledge" and self.waiting:
            self.acknowledge()
        elif self.stream is not None and action == "stream cut":
            self.cut()

    def settle(self) -> None:
        for _ in range(10_000):
            if self.connect is not None:
                self.open()
            elif self.post is not None:
                self.answer()
            elif self.waiting and self.session.is_subscribed:
                self.acknowledge()
            elif self.session.is_subscribed and not self.session.unacknowledged_updates:
                return
            else:
                self.pass_time()
        raise AssertionError("it never settles")


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32), st.lists(st.sampled_from(ACTIONS), min_size=10, max_size=100))
def test_every_update_arrives_in_order(seed: int, actions: list[str]) -> None:
    """However often connections break; and at each subscription the agent learns which launches were seen."""
    stage = Stage(Settings(checkpoint=True, recovery_seconds=1e9), seed)
    asked: list[bytes] = []
    for action in ["subscribe", *actions]:
        before = set(stage.session.unacknowledged_updates)
        stage.do(action)
        asked += [uuid for uuid in stage.session.unacknowledged_updates if uuid not in before]
    stage.settle()
    assert list(stage.updates) == asked
    assert not any(isinstance(item, ShutDown) for item in stage.delivered)


def test_an_update_that_did_not_get_through_is_sent_again() -> None:
    for failure in ("call cut before", "call cut after", "call 503", "call 403"):
        stage = Stage()
        stage.open()
        uuid = stage.update()
        stage.answer(failure)
        stage.settle()
        assert list(stage.updates) == [uuid]


def test_tasks_are_told_until_an_update_of_theirs_is_acknowledged() -> None:
    stage = Stage()
    stage.open()
    stage.launch()
    stage.launch()
    stage.update("t1")
    stage.answer()
    stage.acknowledge()
    stage.cut()
    stage.pass_time()
    stage.open()
    assert stage.tasks == {"t2"}
    assert [type(item) for item in stage.delivered] == [Attached, Event, Event, Detached, Attached]


def test_without_checkpointing_the_loss_of_the_agent_is_the_end() -> None:
    stage = Stage(Settings(checkpoint=False, shutdown_grace_seconds=3))
    stage.open()
    stage.cut()
    assert stage.delivered[-1] == ShutDown("cut", 3)
    assert not stage.is_finished
    before = stage.now
    stage.pass_time()
    assert stage.finished is not None
    assert stage.now - before == 3


def test_an_agent_is_waited_for_as_long_as_its_recovery_may_take() -> None:
    stage = Stage(Settings(checkpoint=True, recovery_seconds=60, backoff_seconds_max=2))
    stage.open()
    stage.cut()
    before, tries = stage.now, 0
    while not any(isinstance(item, ShutDown) for item in stage.delivered):
        if stage.connect is not None:
            number, stage.connect = stage.connect.stream, None
            stage.tell(Ended(number, "refused"))
            tries += 1
        stage.pass_time()
    assert stage.now - before == 60
    assert tries >= 30, "at random moments, at most two seconds apart"


def test_shutdown_has_its_grace() -> None:
    stage = Stage(Settings(shutdown_grace_seconds=3))
    stage.open()
    stage.send(Event(type=Event.Type.SHUTDOWN))
    assert stage.delivered[-1] == ShutDown("the agent said so", 3)
    stage.update()
    stage.answer()
    assert len(stage.updates) == 1
    stage.pass_time()
    assert stage.finished == Finished(None)


@pytest.mark.parametrize("is_away", [False, True])
def test_the_end_waits_for_acknowledgements(is_away: bool) -> None:
    stage = Stage()
    stage.open()
    stage.update()
    if is_away:
        stage.cut()
        stage.tell(Stop())
        stage.pass_time()
        stage.open()
    else:
        stage.tell(Stop())
        stage.answer()
    assert not stage.is_finished
    stage.acknowledge()
    assert stage.finished == Finished(None)


def test_what_the_agent_refuses() -> None:
    stage = Stage()
    stage.open(503)
    stage.pass_time()
    stage.open()
    stage.update()
    assert stage.post is not None
    stage.tell(Answered(stage.post.number, 400, "bad"))
    assert isinstance(stage.delivered[-1], CallRefused)
    assert not stage.session.unacknowledged_updates
    refused = Stage()
    refused.open(403)
    assert refused.finished is not None
    assert isinstance(refused.finished.error, SubscriptionError)

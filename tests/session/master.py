"""A master as a scheduler's session sees it, with a network that breaks where the test wants."""

from __future__ import annotations

from collections import deque
from random import Random

from tepui.model.v1.mesos import AgentID, FrameworkID, FrameworkInfo, Offer, OfferID, TaskID, TaskState, TaskStatus
from tepui.model.v1.scheduler import Call, Event
from tepui.session.scheduler import SchedulerSession
from tepui.session.steps import (
    Answered,
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
    Step,
    TimePassed,
)
from tepui.session.window import CALLS_IN_FLIGHT_MAX

FRAMEWORK_ID = "f"
AGENT_ID = AgentID(value="a")
ROLES = ["r1", "r2"]


def make_session(
    random: Random | None = None, framework_id: str | None = None, masters: str = "m1"
) -> SchedulerSession:
    info = FrameworkInfo(
        user="u", name="n", roles=ROLES, id=None if framework_id is None else FrameworkID(value=framework_id)
    )
    return SchedulerSession(info, masters.split(","), random or Random(0))


class Stage:
    """One session and its master. The test is network, clock and framework."""

    def __init__(self, session: SchedulerSession) -> None:
        self.session = session
        self.now = 100.0
        self.connect: Connect | None = None
        """The subscription that waits for its answer."""
        self.stream: int | None = None
        """The open stream as the session names it."""
        self.stream_id = ""
        """The stream as the master names it: the newest subscription wins."""
        self.posts: deque[Post] = deque()
        """The calls on their way, the oldest first."""
        self.items: deque[object] = deque()
        self.delivered: list[object] = []
        self.finished: Finished | None = None
        # What the master knows.
        self.calls: list[Call] = []
        self.suppressed: set[str] = set()
        self.offers: set[str] = set()
        self.unacknowledged: dict[str, deque[TaskStatus]] = {}
        self.counter = 0

    def tell(self, step: Step) -> None:
        for effect in self.session.handle(step, self.now):
            assert self.finished is None, f"{effect} after the end"
            match effect:
                case Connect():
                    assert self.connect is None
                    assert self.stream is None
                    self.connect = effect
                case Disconnect():
                    self.connect = self.stream = None
                case Post():
                    assert len(self.posts) < CALLS_IN_FLIGHT_MAX
                    assert self.stream is not None, "calls go beside an open stream"
                    self.posts.append(effect)
                case Deliver(item):
                    self.items.append(item)
                    self.delivered.append(item)
                case Finished():
                    self.finished = effect
        if not self.session.is_subscribed:
            self.posts.clear()

    @property
    def post(self) -> Post | None:
        """The oldest call on its way."""
        return self.posts[0] if self.posts else None

    @property
    def is_connecting(self) -> bool:
        return self.connect is not None

    @property
    def is_open(self) -> bool:
        return self.stream is not None

    @property
    def is_finished(self) -> bool:
        return self.finished is not None

    # The network and the clock.

    def answer_subscription(self, status: int = 200, location: str | None = None) -> None:
        assert self.connect is not None
        number, call = self.connect.stream, self.connect.call
        self.connect = None
        if status != 200:
            self.tell(Opened(number, status, "why", None, location))
            return
        assert isinstance(call, Call)
        assert call.subscribe is not None
        self.counter += 1
        self.stream, self.stream_id = number, f"s{self.counter}"
        self.suppressed = set(call.subscribe.suppressed_roles)
        self.offers = set()
        self.tell(Opened(number, 200, "", self.stream_id))
        subscribed = Event.Subscribed(framework_id=FrameworkID(value=FRAMEWORK_ID), heartbeat_interval_seconds=15.0)
        self.send(Event(type=Event.Type.SUBSCRIBED, subscribed=subscribed))
        for task_id in self.unacknowledged:
            self.send_update(task_id)

    def cut_subscription(self) -> None:
        assert self.connect is not None
        number, self.connect = self.connect.stream, None
        self.tell(Ended(number, "connection refused"))

    def cut_stream(self, processed: int = 0) -> None:
        """And the connection of the calls, of which the master has taken the first ones."""
        assert self.stream is not None
        number, self.stream = self.stream, None
        for _ in range(processed):
            self.process(self.take_post())
        self.posts.clear()
        self.tell(Ended(number, "cut"))

    def answer(self) -> None:
        """The master takes the call and says so."""
        post = self.take_post()
        assert post.stream_id == self.stream_id
        self.process(post)
        self.tell(Answered(post.number, 202))

    def cut_calls(self, processed: int = 0) -> None:
        """The connection of the calls is cut; the master has taken the first ones."""
        numbers = [post.number for post in self.posts]
        for _ in range(processed):
            self.process(self.take_post())
        self.posts.clear()
        for number in numbers:
            self.tell(CallCut(number, "cut"))

    def refuse(self, status: int, sentence: str = "") -> None:
        self.tell(Answered(self.take_post().number, status, sentence))

    def take_post(self) -> Post:
        return self.posts.popleft()

    def pass_time(self) -> bool:
        deadline = self.session.next_deadline()
        if deadline is None:
            return False
        self.now = max(self.now, deadline)
        self.tell(TimePassed())
        return True

    # The master.

    def process(self, post: Post) -> None:
        call = post.call
        assert isinstance(call, Call)
        assert call.framework_id is not None
        self.calls.append(call)
        roles = set(ROLES)
        if call.suppress is not None:
            self.suppressed |= set(call.suppress.roles) or roles
        elif call.revive is not None:
            self.suppressed -= set(call.revive.roles) or roles
        elif call.accept is not None:
            self.offers -= {offer_id.value for offer_id in call.accept.offer_ids}
        elif call.decline is not None:
            self.offers -= {offer_id.value for offer_id in call.decline.offer_ids}
        elif call.acknowledge is not None:
            waiting = self.unacknowledged.get(call.acknowledge.task_id.value)
            if waiting and waiting[0].uuid == call.acknowledge.uuid:
                waiting.popleft()
                self.send_update(call.acknowledge.task_id.value)

    def send(self, event: Event) -> None:
        if self.stream is not None:
            self.tell(Received(self.stream, event))

    def send_update(self, task_id: str) -> None:
        """The agent repeats the oldest update that is not acknowledged."""
        waiting = self.unacknowledged.get(task_id)
        if waiting:
            self.send(Event(type=Event.Type.UPDATE, update=Event.Update(status=waiting[0])))

    def update(self, task_id: str, state: TaskState) -> None:
        """The agent has a new update of a task."""
        self.counter += 1
        status = make_status(task_id, state, uuid=self.counter.to_bytes(16, "big"))
        waiting = self.unacknowledged.setdefault(task_id, deque())
        waiting.append(status)
        if len(waiting) == 1:
            self.send_update(task_id)

    def offer(self) -> str:
        self.counter += 1
        offer_id = f"o{self.counter}"
        if self.stream is not None:
            self.offers.add(offer_id)
        offer = Offer(
            id=OfferID(value=offer_id), framework_id=FrameworkID(value=FRAMEWORK_ID), agent_id=AGENT_ID, hostname="h"
        )
        self.send(Event(type=Event.Type.OFFERS, offers=Event.Offers(offers=[offer])))
        return offer_id

    # The framework.

    def handle_item(self) -> object:
        item = self.items.popleft()
        self.tell(Handled(item))
        return item

    def kinds(self) -> list[str]:
        """The types of the calls that the master has taken."""
        return [call.type.value for call in self.calls if call.type is not None]

    def settle(self) -> None:
        """From now on nothing breaks: go on until all is said."""
        for _ in range(10_000):
            if self.connect is not None:
                self.answer_subscription()
            elif self.posts:
                self.answer()
            elif self.items:
                self.handle_item()
            elif self.stream is None or self.session.calls_waiting:
                assert self.pass_time(), "the session has given up"
            else:
                return
        raise AssertionError("it never settles")


def make_status(
    task_id: str,
    state: TaskState,
    uuid: bytes | None = None,
    reason: TaskStatus.Reason | None = None,
) -> TaskStatus:
    return TaskStatus(task_id=TaskID(value=task_id), state=state, agent_id=AGENT_ID, uuid=uuid, reason=reason)

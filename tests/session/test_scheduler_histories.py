"""What holds for a scheduler's session however the network breaks, wherever it breaks."""

from __future__ import annotations

from collections import Counter
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from tepui.model.v1.mesos import Offer as OfferMessage
from tepui.model.v1.mesos import OfferID, TaskID, TaskInfo, TaskState
from tepui.model.v1.scheduler import Call, Event
from tepui.session.scheduler import CallLost, SchedulerSession
from tepui.session.steps import Ask, Ended, Start
from tests.session.master import AGENT_ID, ROLES, Stage, make_session

ACTIONS = (
    "subscribe",
    "answer",
    "handle",
    "offer",
    "accept",
    "decline",
    "update",
    "end task",
    "repeat updates",
    "kill",
    "suppress",
    "revive",
    "time",
    "open 503",
    "open 307",
    "open cut",
    "stream cut",
    "stale end",
    "calls cut before",
    "calls cut after",
    "call 503",
    "call wrong stream",
    "call 500",
)


class History:
    """Does one action after another, as far as each is possible, and writes down what the framework asked for."""

    def __init__(self, seed: int) -> None:
        self.stage = Stage(make_session(Random(seed)))
        self.random = Random(seed)
        self.launched: list[str] = []
        self.killed: list[str] = []
        self.answers: dict[str, bool] = {}
        self.stage.tell(Start())

    def do(self, action: str) -> None:
        stage = self.stage
        if action in ("subscribe", "open 503", "open 307", "open cut"):
            if stage.connect is not None:
                self.open(action)
        elif action in ("answer", "calls cut before", "calls cut after", "call 503", "call wrong stream", "call 500"):
            if stage.post is not None:
                self.answer(action)
        elif action == "handle":
            if stage.items:
                stage.handle_item()
        elif action == "stream cut":
            if stage.stream is not None:
                stage.cut_stream(self.random.randint(0, len(stage.posts)))
        elif action == "stale end":
            if stage.stream is not None:
                stage.tell(Ended(stage.stream - 1, "an older stream"))
        elif action == "time":
            stage.pass_time()
        else:
            self.ask(action)

    def open(self, action: str) -> None:
        if action == "subscribe":
            self.stage.answer_subscription()
        elif action == "open cut":
            self.stage.cut_subscription()
        else:
            self.stage.answer_subscription(int(action[-3:]), "//m2:5050/api/v1/scheduler")

    def answer(self, action: str) -> None:
        stage = self.stage
        if action == "answer":
            stage.answer()
        elif action == "call wrong stream":
            while stage.posts:  # it is wrong for all of them
                stage.refuse(400, "The stream ID 'x' included in this request didn't match")
        elif action in ("call 503", "call 500"):
            stage.refuse(int(action[-3:]), "trouble")
        else:
            stage.cut_calls(self.random.randint(1, len(stage.posts)) if action == "calls cut after" else 0)

    def ask(self, action: str) -> None:
        stage, session = self.stage, self.stage.session
        name = f"t{self.random.randrange(4)}"
        if action == "offer":
            stage.offer()
        elif action == "update":
            stage.update(name, TaskState.TASK_RUNNING)
        elif action == "end task":
            stage.update(name, TaskState.TASK_FINISHED)
        elif action == "repeat updates":
            for task_id in list(stage.unacknowledged):
                stage.send_update(task_id)
        elif action == "accept":
            if session.offers:
                task_id = f"launched{len(self.launched)}"
                self.launched.append(task_id)
                stage.tell(Ask(accept(next(iter(session.offers)), task_id)))
        elif action == "decline":
            if session.offers:
                decline = Call.Decline(offer_ids=[OfferID(value=next(iter(session.offers)))])
                stage.tell(Ask(Call(type=Call.Type.DECLINE, decline=decline)))
        elif action == "kill":
            self.killed.append(f"k{len(self.killed)}")
            kill = Call.Kill(task_id=TaskID(value=self.killed[-1]))
            stage.tell(Ask(Call(type=Call.Type.KILL, kill=kill)))
        elif action == "suppress":
            roles = self.random.sample(ROLES, self.random.randrange(3))
            stage.tell(Ask(Call(type=Call.Type.SUPPRESS, suppress=Call.Suppress(roles=roles))))
        elif action == "revive":
            roles = self.random.sample(ROLES, self.random.randrange(3))
            stage.tell(Ask(Call(type=Call.Type.REVIVE, revive=Call.Revive(roles=roles))))


def accept(offer_id: str, task_id: str) -> Call:
    operation = OfferMessage.Operation
    task = TaskInfo(name=task_id, task_id=TaskID(value=task_id), agent_id=AGENT_ID)
    launch = operation(type=operation.Type.LAUNCH, launch=operation.Launch(task_infos=[task]))
    return Call(type=Call.Type.ACCEPT, accept=Call.Accept(offer_ids=[OfferID(value=offer_id)], operations=[launch]))


def launched_by(calls: list[Call]) -> Counter[str]:
    found: Counter[str] = Counter()
    for call in calls:
        if call.accept is not None and call.accept.operations[0].launch is not None:
            found.update(task.task_id.value for task in call.accept.operations[0].launch.task_infos)
    return found


@settings(max_examples=400, deadline=None)
@given(st.integers(0, 2**32), st.lists(st.sampled_from(ACTIONS), min_size=20, max_size=120))
def test_histories(seed: int, actions: list[str]) -> None:
    history = History(seed)
    stage, session = history.stage, history.stage.session
    for action in ["subscribe", *actions]:
        history.do(action)
    stage.settle()

    launched = launched_by(stage.calls)
    lost = {item.task_ids[0]: item for item in stage.delivered if isinstance(item, CallLost)}
    for task_id in history.launched:
        assert launched[task_id] <= 1, "An ACCEPT is never sent twice"
        assert launched[task_id] or task_id in lost, "An ACCEPT arrives or is reported"
        if launched[task_id] and task_id in lost:
            assert lost[task_id].sent, "An ACCEPT that arrived is not reported as never sent"
    assert len(lost) == sum(isinstance(item, CallLost) for item in stage.delivered), "It is reported once"

    uuids = [uuid for item in stage.delivered if (uuid := uuid_of(item)) is not None]
    assert len(uuids) == len(set(uuids)), "An update is shown once"
    assert not any(stage.unacknowledged.values()), "Every update is acknowledged in the end"

    kills = list(dict.fromkeys(call.kill.task_id.value for call in stage.calls if call.kill is not None))
    assert kills == history.killed, "Every KILL arrives, none before one that was made earlier"
    assert stage.suppressed == session.suppressed, "Master and framework agree on what is suppressed"
    assert stage.offers == set(session.offers), "Master and framework agree on the offers that are out"


def test_offers_answered_are_not_held_for_ever() -> None:
    """An ACCEPT or DECLINE whose connection was cut before the master saw it: its offer goes back all the same."""
    for make in (accept, lambda offer_id, _: decline(offer_id)):
        stage = subscribed()
        offer_id = stage.offer()
        stage.tell(Ask(make(offer_id, "t")))
        stage.cut_calls()
        stage.settle()
        assert stage.offers == set()


def decline(offer_id: str) -> Call:
    return Call(type=Call.Type.DECLINE, decline=Call.Decline(offer_ids=[OfferID(value=offer_id)]))


def subscribed(session: SchedulerSession | None = None) -> Stage:
    stage = Stage(session or make_session())
    stage.tell(Start())
    stage.answer_subscription()
    return stage


def uuid_of(item: object) -> bytes | None:
    return item.update.status.uuid if isinstance(item, Event) and item.update is not None else None

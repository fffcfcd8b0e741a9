"""The scheduler's session, one rule a test."""

from __future__ import annotations

from random import Random

import pytest

from tepui.model.v1.mesos import FrameworkInfo, TaskID, TaskState, TaskStatus
from tepui.model.v1.scheduler import Call, Event
from tepui.session import errors
from tepui.session.scheduler import (
    CALL_TRIES_MAX,
    CALLS_WAITING_MAX,
    HEARTBEATS_MISSED_MAX,
    RECONCILED_TASKS_MAX,
    REDIRECTS_MAX,
    CallLost,
    Connected,
    Disconnected,
    SchedulerSession,
    Settings,
)
from tepui.session.steps import Answered, Ask, Backlog, CallCut, CallRefused, LeaderKnown, Start, Stop, TimePassed
from tepui.session.window import CALLS_IN_FLIGHT_MAX
from tests.session.master import FRAMEWORK_ID, Stage, make_session, make_status
from tests.session.test_scheduler_histories import accept, subscribed

RECONCILIATION = TaskStatus.Reason.REASON_RECONCILIATION
HEARTBEAT = Event(type=Event.Type.HEARTBEAT)


def reconciled(stage: Stage) -> list[list[str]]:
    """The tasks of each RECONCILE that the master took."""
    return [[task.task_id.value for task in call.reconcile.tasks] for call in stage.calls if call.reconcile is not None]


def answer_all(stage: Stage) -> None:
    while stage.post is not None:
        stage.answer()


def kill(task_id: str) -> Ask:
    return Ask(Call(type=Call.Type.KILL, kill=Call.Kill(task_id=TaskID(value=task_id))))


def say(stage: Stage, status: TaskStatus) -> None:
    stage.send(Event(type=Event.Type.UPDATE, update=Event.Update(status=status)))


# Subscribing.


def test_without_addresses_the_session_goes_where_it_is_told_and_from_there_to_the_next_leader() -> None:
    info = FrameworkInfo(user="u", name="n", roles=["r1"])
    stage = Stage(SchedulerSession(info, None, Random(0)))
    stage.tell(Start())
    assert stage.session.next_deadline() is None, "it can only wait to be told"
    stage.tell(LeaderKnown("m1:1"))
    stage.pass_time()
    assert stage.connect is not None
    assert stage.connect.url == "http://m1:1/api/v1/scheduler"
    stage.answer_subscription()
    stage.tell(LeaderKnown("m1:1"))
    assert not any(isinstance(item, Disconnected) for item in stage.delivered), "it is there already"
    stage.tell(LeaderKnown("m2:2"))
    assert any(isinstance(item, Disconnected) and item.why == "m2:2 leads now" for item in stage.delivered)
    stage.pass_time()
    assert stage.connect is not None
    assert stage.connect.url == "http://m2:2/api/v1/scheduler"


def test_a_new_leader_ends_a_long_wait_for_the_old_one() -> None:
    info = FrameworkInfo(user="u", name="n", roles=["r1"])
    stage = Stage(SchedulerSession(info, None, Random(0)))
    stage.tell(LeaderKnown("m1:1"))
    stage.tell(Start())
    for _ in range(8):
        stage.cut_subscription()
        stage.pass_time()
    stage.cut_subscription()
    deadline = stage.session.next_deadline()
    assert deadline is not None
    assert deadline > stage.now + 5, "it waits long by now"
    stage.tell(LeaderKnown("m2:2"))
    deadline = stage.session.next_deadline()
    assert deadline is not None
    assert deadline <= stage.now + Settings().backoff_seconds_first
    stage.pass_time()
    assert stage.connect is not None
    assert stage.connect.url == "http://m2:2/api/v1/scheduler"


def test_identity_is_kept_from_one_subscription_to_the_next() -> None:
    stage = subscribed()
    assert isinstance(stage.items[0], Connected)
    assert not stage.items[0].again
    stage.cut_stream()
    stage.pass_time()
    assert stage.connect is not None
    call = stage.connect.call
    assert isinstance(call, Call)
    assert call.subscribe is not None
    assert call.framework_id == call.subscribe.framework_info.id
    assert call.framework_id is not None
    assert call.framework_id.value == FRAMEWORK_ID
    stage.answer_subscription()
    assert isinstance(stage.items[-1], Connected)
    assert stage.items[-1].again


def test_masters_are_tried_in_turn_with_growing_waits() -> None:
    stage = Stage(make_session(masters="m1:1,m2:2"))
    stage.tell(Start())
    hosts, waits = [], []
    for _ in range(12):
        assert stage.connect is not None
        hosts.append(stage.connect.url)
        before = stage.now
        stage.cut_subscription()
        stage.pass_time()
        waits.append(stage.now - before)
    assert hosts[:3] == [f"http://{host}/api/v1/scheduler" for host in ("m1:1", "m2:2", "m1:1")]
    settings = Settings()
    for number, wait in enumerate(waits):
        whole = min(settings.backoff_seconds_first * 2**number, settings.backoff_seconds_max)
        assert whole / 2 <= wait <= whole
    assert len(set(waits)) == len(waits), "waits are jittered"


def test_a_redirect_is_followed_at_once_but_not_in_circles() -> None:
    stage = Stage(make_session())
    stage.tell(Start())
    for _ in range(REDIRECTS_MAX):
        stage.answer_subscription(307, "//leader:5050/api/v1/scheduler")
        assert stage.connect is not None
        assert stage.connect.url == "http://leader:5050/api/v1/scheduler"
    stage.answer_subscription(307, "//leader:5050/api/v1/scheduler")
    assert not stage.is_connecting
    stage.pass_time()
    assert stage.is_connecting


def test_503_is_tried_again_400_is_not() -> None:
    stage = Stage(make_session())
    stage.tell(Start())
    stage.answer_subscription(503)
    stage.pass_time()
    stage.answer_subscription(401)
    assert stage.finished is not None
    assert isinstance(stage.finished.error, errors.SubscriptionError)
    assert "401: why" in str(stage.finished.error)


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("Framework failed over", errors.FailedOverError),
        ("Framework has been removed", errors.RemovedError),
        ("Not authorized", errors.SubscriptionError),
    ],
)
@pytest.mark.parametrize("when", ["at once", "later"])
def test_an_error_event_ends_the_session(message: str, kind: type[Exception], when: str) -> None:
    stage = subscribed(make_session(framework_id=FRAMEWORK_ID))
    if when == "later":
        answer_all(stage)
    stage.send(Event(type=Event.Type.ERROR, error=Event.Error(message=message)))
    assert stage.finished is not None
    assert type(stage.finished.error) is kind
    assert stage.session.next_deadline() is None


def test_missed_heartbeats_end_the_stream() -> None:
    stage = subscribed()
    for _ in range(20):
        stage.now += (HEARTBEATS_MISSED_MAX - 1) * 15
        stage.tell(TimePassed())
        stage.send(HEARTBEAT)
    assert stage.stream is not None
    stage.now += HEARTBEATS_MISSED_MAX * 15
    stage.tell(TimePassed())
    assert not stage.is_open
    assert isinstance(stage.items[-1], Disconnected)


def test_a_slow_framework_misses_no_heartbeats() -> None:
    stage = subscribed()
    stage.tell(Backlog(full=True))
    stage.now += 600
    stage.tell(TimePassed())
    assert stage.is_open
    stage.tell(Backlog(full=False))
    stage.now += 600
    stage.tell(TimePassed())
    assert not stage.is_open


def test_a_subscription_that_hangs_is_given_up() -> None:
    stage = Stage(make_session())
    stage.tell(Start())
    stage.pass_time()
    assert not stage.is_connecting
    stage.pass_time()
    assert stage.connect is not None
    assert stage.connect.stream == 2


# Calls.


def test_what_waits_for_a_master_is_sent_in_order_to_the_next() -> None:
    stage = subscribed()
    stage.tell(kill("1"))
    stage.tell(kill("2"))
    stage.cut_stream()
    stage.tell(kill("3"))
    stage.settle()
    assert [call.kill.task_id.value for call in stage.calls if call.kill is not None] == ["1", "2", "3"]


def test_so_many_calls_are_sent_before_the_first_is_answered() -> None:
    stage = subscribed()
    for number in range(CALLS_IN_FLIGHT_MAX + 2):
        stage.tell(kill(str(number)))
    assert len(stage.posts) == CALLS_IN_FLIGHT_MAX
    stage.answer()
    assert len(stage.posts) == CALLS_IN_FLIGHT_MAX, "an answer makes room for one"
    assert stage.session.calls_waiting == CALLS_IN_FLIGHT_MAX + 1
    stage.settle()
    assert [call.kill and call.kill.task_id.value for call in stage.calls] == list(
        map(str, range(CALLS_IN_FLIGHT_MAX + 2))
    )


def test_a_new_description_is_sent_alone() -> None:
    stage = subscribed()
    info = FrameworkInfo(user="u", name="other", roles=["r1", "r2"])
    stage.tell(kill("1"))
    stage.tell(Ask(Call(type=Call.Type.UPDATE_FRAMEWORK, update_framework=Call.UpdateFramework(framework_info=info))))
    stage.tell(Ask(Call(type=Call.Type.REVIVE, revive=Call.Revive())))
    for _ in range(3):
        assert len(stage.posts) == 1
        stage.answer()
    assert stage.kinds() == ["KILL", "UPDATE_FRAMEWORK", "REVIVE"]


def test_a_teardown_that_a_silent_master_may_not_have_come_to_is_not_thought_done() -> None:
    """Its tasks may run on, and whoever forgets the framework cannot ask for them."""
    stage = subscribed()
    stage.tell(kill("1"))
    stage.tell(Stop(teardown=True))
    stage.now += Settings().stop_seconds_max
    stage.tell(TimePassed())
    assert stage.is_finished
    assert not stage.session.is_torn_down


def test_a_cut_connection_is_one_failure_however_many_calls_were_on_it() -> None:
    stage = subscribed()
    for number in range(CALL_TRIES_MAX + 2):
        stage.tell(kill(str(number)))
    for _ in range(CALL_TRIES_MAX):
        stage.cut_calls(processed=2)
        assert stage.is_open
        assert not stage.posts, "they wait a little"
        stage.pass_time()
        assert len(stage.posts) == CALL_TRIES_MAX + 2, "and all go again"
    stage.cut_calls()
    assert not stage.is_open


def test_a_kill_that_a_new_master_ignored_is_repeated() -> None:
    """The task's agent was not back when it came."""
    stage = subscribed()
    stage.update("t", TaskState.TASK_RUNNING)
    stage.settle()
    stage.cut_stream()
    stage.tell(kill("t"))
    stage.settle()
    assert stage.kinds().count("KILL") == 1
    say(stage, make_status("t", TaskState.TASK_UNKNOWN, reason=RECONCILIATION))
    stage.settle()
    assert stage.kinds().count("KILL") == 1
    stage.pass_time()
    answer_all(stage)
    assert reconciled(stage)[-1] == ["t"], "a task that is unknown is asked for again"
    say(stage, make_status("t", TaskState.TASK_RUNNING, reason=RECONCILIATION))
    stage.settle()
    assert stage.kinds().count("KILL") == 2
    say(stage, make_status("t", TaskState.TASK_RUNNING, reason=RECONCILIATION))
    stage.settle()
    assert stage.kinds().count("KILL") == 2, "this stream's master has it"
    stage.cut_stream()
    stage.settle()
    say(stage, make_status("t", TaskState.TASK_RUNNING, reason=RECONCILIATION))
    stage.settle()
    assert stage.kinds().count("KILL") == 3, "the next one's may not"
    stage.update("t", TaskState.TASK_KILLED)
    stage.settle()
    stage.cut_stream()
    stage.settle()
    assert stage.kinds().count("KILL") == 3


def test_a_call_to_a_master_that_does_not_lead_loses_the_stream() -> None:
    stage = subscribed()
    stage.tell(kill("1"))
    stage.refuse(503)
    assert not stage.is_open
    stage.settle()
    assert "KILL" in stage.kinds()


def test_a_wrong_stream_waits_for_the_masters_verdict() -> None:
    """Another scheduler took over: its ERROR must win over our wish to come back, or the two would fight for ever."""
    sentence = "The stream ID 'x' included in this request didn't match the stream ID currently associated"
    stage = subscribed()
    stage.tell(kill("1"))
    stage.refuse(400, sentence)
    assert stage.is_open
    assert stage.post is None
    stage.send(Event(type=Event.Type.ERROR, error=Event.Error(message="Framework failed over")))
    assert stage.finished is not None
    assert isinstance(stage.finished.error, errors.FailedOverError)

    stage = subscribed()
    stage.tell(kill("1"))
    stage.tell(kill("2"))
    stage.refuse(400, sentence)
    stage.cut_calls()
    stage.pass_time()
    assert stage.is_open
    assert not stage.posts, "a cut connection does not make the stream better"
    stage.pass_time()
    assert isinstance(stage.items[-1], Disconnected)
    stage.settle()
    assert [call.kill.task_id.value for call in stage.calls if call.kill is not None] == ["1", "2"]


def test_an_invalid_call_is_reported_and_the_next_is_sent() -> None:
    stage = subscribed()
    stage.tell(kill("1"))
    stage.tell(kill("2"))
    stage.refuse(400, "Failed to validate scheduler::Call: bad")
    refused = stage.items[-1]
    assert isinstance(refused, CallRefused)
    assert str(refused.error) == "KILL was refused with 400: Failed to validate scheduler::Call: bad"
    stage.settle()
    assert [call.kill.task_id.value for call in stage.calls if call.kill is not None] == ["2"]


def test_calls_that_never_get_through_lose_the_stream() -> None:
    stage = subscribed()
    stage.tell(kill("1"))
    for _ in range(CALL_TRIES_MAX):
        stage.cut_calls()
        assert stage.is_open
        stage.pass_time()
    stage.cut_calls()
    assert not stage.is_open


def test_offers_are_void_without_a_stream() -> None:
    stage = subscribed()
    offer_id = stage.offer()
    stage.cut_stream()
    stage.tell(Ask(accept(offer_id, "t")))
    lost = stage.items[-1]
    assert isinstance(lost, CallLost)
    assert (lost.task_ids, lost.sent, lost.why) == (["t"], False, f"offer {offer_id} is no longer valid")
    stage.settle()
    assert "ACCEPT" not in stage.kinds()


def test_a_rescinded_offer_is_not_sent() -> None:
    stage = subscribed()
    offer_id = stage.offer()
    rescind = Event.Rescind(offer_id=accept(offer_id, "t").accept.offer_ids[0])  # type: ignore[union-attr]
    stage.send(Event(type=Event.Type.RESCIND, rescind=rescind))
    stage.tell(Ask(accept(offer_id, "t")))
    assert isinstance(stage.items[-1], CallLost)
    assert stage.post is None


def test_the_queue_is_bounded() -> None:
    stage = subscribed()
    for number in range(CALLS_WAITING_MAX):
        stage.session.handle(kill(str(number)), stage.now)
    with pytest.raises(errors.QueueFullError):
        stage.session.handle(kill("one more"), stage.now)


def test_a_description_that_was_refused_is_not_subscribed_with() -> None:
    stage = subscribed()
    info = FrameworkInfo(user="u", name="other", roles=["bad role"])
    update = Call.UpdateFramework(framework_info=info)
    stage.tell(Ask(Call(type=Call.Type.UPDATE_FRAMEWORK, update_framework=update)))
    assert stage.session.info.name == "other"
    stage.refuse(400, "not valid")
    assert stage.session.info.name == "n"
    assert stage.session.framework_id == FRAMEWORK_ID


# Updates.


def test_an_update_is_acknowledged_only_when_handled() -> None:
    stage = subscribed()
    stage.handle_item()
    stage.update("t", TaskState.TASK_RUNNING)
    stage.send_update("t")
    assert stage.post is None
    stage.handle_item()
    answer_all(stage)
    assert stage.kinds() == ["ACKNOWLEDGE"]
    assert not stage.items, "the repetition is not shown"


@pytest.mark.parametrize("is_cut", [True, False])
def test_an_update_that_comes_again_after_its_acknowledgement_was_lost(is_cut: bool) -> None:
    """On its way, or in a master that has just taken over and does not know the update yet."""
    stage = subscribed()
    stage.handle_item()
    stage.update("t", TaskState.TASK_FINISHED)
    stage.handle_item()
    number = stage.take_post().number
    stage.tell(CallCut(number, "cut") if is_cut else Answered(number, 202))
    stage.send_update("t")
    stage.settle()
    assert not stage.unacknowledged["t"]
    assert sum(isinstance(item, Event) for item in stage.delivered) == 1


def test_updates_of_the_master_are_not_acknowledged() -> None:
    stage = subscribed()
    say(stage, make_status("t", TaskState.TASK_LOST))
    stage.settle()
    assert stage.kinds() == []
    assert len(stage.delivered) == 2


# Reconciliation.


def test_after_each_return_every_living_task_is_heard_of() -> None:
    stage = subscribed()
    for name in ("1", "2", "gone"):
        stage.update(name, TaskState.TASK_RUNNING)
    stage.update("ended", TaskState.TASK_FINISHED)
    stage.settle()
    stage.cut_stream()
    stage.settle()
    assert reconciled(stage) == [[]], "first all that the master knows"
    say(stage, make_status("1", TaskState.TASK_RUNNING, reason=RECONCILIATION))
    waits = []
    for _ in range(4):
        before = stage.now
        stage.pass_time()
        answer_all(stage)
        waits.append(stage.now - before)
    assert reconciled(stage)[1] == ["2", "gone"], "then what it is silent about"
    assert waits == sorted(waits), "with growing waits"
    say(stage, make_status("2", TaskState.TASK_RUNNING, reason=RECONCILIATION))
    say(stage, make_status("gone", TaskState.TASK_GONE, reason=RECONCILIATION))
    stage.settle()
    count = len(reconciled(stage))
    for _ in range(3):
        stage.pass_time()
        stage.send(HEARTBEAT)
    assert len(reconciled(stage)) == count, "no more once all is known"


def test_reconciliation_comes_round_by_itself() -> None:
    settings = Settings(reconcile_seconds=40)
    info = FrameworkInfo(user="u", name="n", roles=["r"])
    stage = subscribed(SchedulerSession(info, ["m"], Random(0), settings))
    for _ in range(10):
        stage.now += 10
        stage.tell(TimePassed())
        stage.send(HEARTBEAT)
        answer_all(stage)
    assert len(reconciled(stage)) == 2


def test_answers_show_what_is_new_only() -> None:
    stage = subscribed()
    stage.update("t", TaskState.TASK_RUNNING)
    stage.settle()
    shown = len(stage.delivered)
    for state in (TaskState.TASK_RUNNING, TaskState.TASK_FINISHED):
        say(stage, make_status("t", state, reason=RECONCILIATION))
    assert len(stage.delivered) == shown, "nothing new, and an update that follows by itself"
    say(stage, make_status("t", TaskState.TASK_UNREACHABLE, reason=RECONCILIATION))
    assert len(stage.delivered) == shown + 1
    stage.update("t", TaskState.TASK_FINISHED)
    stage.settle()
    shown = len(stage.delivered)
    say(stage, make_status("t", TaskState.TASK_GONE, reason=RECONCILIATION))
    assert len(stage.delivered) == shown, "a late answer about a task that has ended"


def test_who_asks_gets_an_answer() -> None:
    stage = subscribed()
    stage.update("t", TaskState.TASK_RUNNING)
    stage.settle()
    shown = len(stage.delivered)
    stage.tell(Ask(Call(type=Call.Type.RECONCILE, reconcile=Call.Reconcile())))
    answer_all(stage)
    say(stage, make_status("t", TaskState.TASK_RUNNING, reason=RECONCILIATION))
    assert len(stage.delivered) == shown + 1


def test_tasks_of_an_accept_that_may_be_lost_are_asked_for_until_known() -> None:
    stage = subscribed()
    stage.tell(Ask(accept(stage.offer(), "t")))
    stage.cut_calls(processed=1)
    for _ in range(4):
        stage.pass_time()
        answer_all(stage)
    assert reconciled(stage)[:2] == [["t"], ["t"]]
    say(stage, make_status("t", TaskState.TASK_STAGING, reason=RECONCILIATION))
    assert isinstance(stage.items[-1], Event), "it did arrive: the framework hears so"


def test_large_rounds_are_divided() -> None:
    stage = subscribed()
    count = RECONCILED_TASKS_MAX + 1
    for number in range(count):
        say(stage, make_status(f"t{number}", TaskState.TASK_RUNNING))
    stage.cut_stream()
    stage.settle()
    stage.pass_time()
    answer_all(stage)
    assert [len(asked) for asked in reconciled(stage)] == [0, RECONCILED_TASKS_MAX, 1]


# The end.


def test_the_end_waits_for_what_was_asked_for() -> None:
    stage = subscribed()
    stage.tell(kill("1"))
    stage.tell(Stop(teardown=True))
    assert not stage.is_finished
    answer_all(stage)
    assert stage.kinds() == ["KILL", "TEARDOWN"]
    assert stage.finished is not None
    assert stage.finished.error is None
    assert stage.session.is_torn_down


def test_the_end_does_not_wait_for_ever() -> None:
    stage = subscribed()
    stage.tell(kill("1"))
    before = stage.now
    stage.tell(Stop())
    while stage.finished is None:
        assert stage.pass_time()
    assert stage.now - before <= Settings().stop_seconds_max
    assert not stage.session.is_torn_down


@pytest.mark.parametrize("failover_timeout", [0.0, 60.0])
def test_a_teardown_that_nobody_answers_is_done_only_where_the_streams_end_does_it(failover_timeout: float) -> None:
    stage = subscribed()
    stage.session.info.failover_timeout = failover_timeout
    stage.tell(Stop(teardown=True))
    while stage.finished is None:
        assert stage.pass_time()
    assert stage.session.is_torn_down is (failover_timeout == 0.0)


def test_the_end_without_a_master() -> None:
    stage = Stage(make_session())
    stage.tell(Start())
    stage.tell(Stop(teardown=True))
    assert stage.finished is not None
    assert stage.finished.error is None

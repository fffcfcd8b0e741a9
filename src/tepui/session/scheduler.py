"""The session of a scheduler with its master.

    idle ──Start──► waiting ◄──────────────── any state but idle and ended: stream lost
                       │ its wait is over            │
                       ▼                             │
                   connecting ──200──► subscribing ──┴──SUBSCRIBED──► subscribed
                       │                    │                             │
                       └── 4xx ────────── ERROR ──────────────────────── ERROR, Stop ──► ended

- A refusal for good (4xx, an ERROR event) ends the session; 503, 5xx and a lost connection are tried again with
  growing, jittered waits, at the next master in the list; 307 leads to the leader at once. Without a list the session
  waits to be told who leads (`LeaderKnown`), goes there, and from there to the next one that it is told.
- A stream on which nothing came for `HEARTBEATS_MISSED_MAX` heartbeats is given up.
- Calls are sent in order, several before the first is answered (`window`). What becomes of a call when its stream or
  its connection is lost stands in `calls`.
- An update is acknowledged when the framework is done with it, and only once shown to it: a repetition is acknowledged
  again, or ignored while the framework still holds the first.
- The KILL of a living task is remembered until the task has ended, through any number of masters.
- Suppression, description and offer constraints are state: each subscription restores them.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import msgspec

from tepui.model.task_states import TERMINAL_STATES
from tepui.model.timers import Timers
from tepui.model.v1.mesos import AgentID, FrameworkInfo, OfferID, TaskID, TaskState, TaskStatus
from tepui.model.v1.scheduler import Call, Event, OfferConstraints
from tepui.model.waits import Backoff
from tepui.session.calls import FATES, Fate, is_about_stream, launched_tasks
from tepui.session.errors import CallRefusedError, FailedOverError, QueueFullError, RemovedError, SubscriptionError
from tepui.session.steps import (
    Answered,
    Ask,
    Backlog,
    CallCut,
    CallRefused,
    Connect,
    Deliver,
    Disconnect,
    Effect,
    Ended,
    Finished,
    Handled,
    LeaderKnown,
    Opened,
    Post,
    Received,
    Start,
    State,
    Step,
    Stop,
    TimePassed,
)
from tepui.session.tasks import TaskMemory
from tepui.session.window import CallWindow

PATH = "/api/v1/scheduler"
HEARTBEATS_MISSED_MAX = 5
HEARTBEAT_SECONDS = 15.0
"""Between heartbeats when the master does not say."""
REDIRECTS_MAX = 5
"""After so many redirects in a row the session waits before it follows the next: masters may disagree who leads."""
CALL_TRIES_MAX = 5
"""When a call's connection was cut so often in a row, the stream is given up too."""
CALLS_WAITING_MAX = 100_000
RECONCILED_TASKS_MAX = 1000
"""The tasks of one RECONCILE call."""
VERDICT_SECONDS = 2.0
"""A master that does not know our stream any more is given so long to say why (ERROR) on the stream itself."""


class Settings(msgspec.Struct, frozen=True):
    """Times of a session, in seconds."""

    subscribe_seconds_max: float = 30.0
    """A subscription without SUBSCRIBED is given up after this."""
    backoff_seconds_first: float = 0.25
    backoff_seconds_max: float = 15.0
    reconcile_seconds: float = 900.0
    """Between rounds of reconciliation."""
    reconcile_again_seconds_first: float = 1.0
    """A task that a round is silent about is asked for again after this, then after growing waits."""
    reconcile_again_seconds_max: float = 300.0
    stop_seconds_max: float = 5.0
    """So long the end waits for calls that were asked for."""


_Type = Call.Type
_AWAY = frozenset({TaskState.TASK_UNREACHABLE, TaskState.TASK_UNKNOWN})


class Connected(msgspec.Struct, frozen=True):
    """The framework is subscribed, for the first time or again."""

    event: Event.Subscribed
    again: bool
    """Whether the framework's id is older than this subscription: tasks of it may be running."""


class Disconnected(msgspec.Struct, frozen=True):
    """The stream is lost and all offers with it; the session tries to come back."""

    why: str


class CallLost(msgspec.Struct, frozen=True):
    """An ACCEPT or a MESSAGE did not get through, and is not sent again."""

    call: Call
    why: str
    sent: bool
    """False: the master never saw it. True: it may have; the tasks of an ACCEPT are reconciled, so updates follow."""

    @property
    def task_ids(self) -> list[str]:
        """The tasks that it was to launch."""
        return [task_id for task_id, _ in launched_tasks(self.call)]


_RETRY, _OPENING, _HEARTBEAT, _CALL, _VERDICT, _RECONCILE, _STOP = (
    (name, "") for name in ("retry", "opening", "heartbeat", "call", "verdict", "reconcile", "stop")
)


class SchedulerSession:
    """The machine. `masters` are `host:port` texts, tried in turn; None when `LeaderKnown` will tell them.

    `info.id` is set when the framework comes back.
    """

    def __init__(
        self,
        info: FrameworkInfo,
        masters: Sequence[str] | None,
        random: Random,
        settings: Settings | None = None,
        *,
        scheme: str = "http",
        suppressed_roles: Sequence[str] = (),
        offer_constraints: OfferConstraints | None = None,
    ) -> None:
        if masters is not None and not masters:
            raise ValueError("A session needs the address of a master")
        self.info = info
        self.offers: dict[str, None] = {}
        """Ids of the offers that the framework holds and that are still good."""
        self.tasks = TaskMemory()
        self.suppressed: set[str] = set(suppressed_roles)
        self.is_torn_down = False
        """Whether the master was told to forget the framework."""
        self._offer_constraints = offer_constraints
        self._settings = settings or Settings()
        self._masters = [master.strip() for master in masters or ()]
        self._scheme = scheme
        self._address = self._masters[0] if self._masters else ""
        self._next_master = 1
        self._state = State.IDLE
        self._timers = Timers()
        self._backoff = Backoff(random, self._settings.backoff_seconds_first, self._settings.backoff_seconds_max)
        self._call_backoff = Backoff(random, self._settings.backoff_seconds_first, self._settings.backoff_seconds_max)
        self._reconcile_backoff = Backoff(
            random, self._settings.reconcile_again_seconds_first, self._settings.reconcile_again_seconds_max
        )
        self._random = random
        self._redirects = 0
        self._stream = 0
        self._stream_id: str | None = None
        self._heartbeat_seconds = HEARTBEAT_SECONDS
        self._reading = True
        self._calls = CallWindow()
        self._kills: dict[str, tuple[int, Call]] = {}
        """KILLs of living tasks, and the stream whose master has heeded each (0: none yet)."""
        self._heard_of: set[str] = set()
        """Living tasks that the master of this stream knows."""
        self._held = False
        """Whether calls wait although the stream is open: for a call's next try, or for the master's verdict."""
        self._before_update: tuple[FrameworkInfo, set[str], OfferConstraints | None] | None = None
        """What an UPDATE_FRAMEWORK that is not answered yet would leave, should it be refused."""
        self._stopping = False
        self._must_tear_down = False
        """Whether the end waits, for a while, until a master was told to forget the framework."""
        self._effects: list[Effect] = []
        self._now = 0.0

    # The outside.

    @property
    def framework_id(self) -> str | None:
        return None if self.info.id is None else self.info.id.value

    @property
    def is_subscribed(self) -> bool:
        return self._state is State.SUBSCRIBED

    @property
    def calls_waiting(self) -> int:
        """Calls that were asked for and are not answered."""
        return len(self._calls)

    def next_deadline(self) -> float | None:
        """When `TimePassed` is due at the latest; None while nothing is."""
        return self._timers.next()

    def handle(self, step: Step, now: float) -> list[Effect]:
        """Take one step. Raises QueueFullError from `Ask` when too many calls wait; nothing has changed then."""
        self._now = now
        if self._state is not State.ENDED:
            match step:
                case Start():
                    self._connect()
                case LeaderKnown(address):
                    self._leader_known(address)
                case Opened():
                    if step.stream == self._stream and self._state is State.CONNECTING:
                        self._opened(step)
                case Received(stream, event):
                    if stream == self._stream and isinstance(event, Event):
                        self._received(event)
                case Ended(stream, why):
                    if stream == self._stream and self._state is not State.WAITING:
                        self._lose_stream(why)
                case Ask(call):
                    assert isinstance(call, Call)
                    self._ask(call)
                case Answered():
                    if (answered := self._calls.answered(step.number)) is not None:
                        self._answered(answered, step)
                case CallCut(number, why):
                    if self._calls.is_in_flight(number):
                        self._calls_cut(why)
                case Handled(item):
                    self._handled(item)
                case Backlog(full):
                    self._reading = not full
                    self._heard()
                case Stop(teardown):
                    self._stop(teardown)
                case TimePassed():
                    for kind, _ in self._timers.due(now):
                        self._due(kind)
            self._pump()
        effects, self._effects = self._effects, []
        return effects

    # The stream.

    def _leader_known(self, address: str) -> None:
        """Go to this master, soon but not in the same moment as everybody else."""
        is_new = address != self._address
        self._masters = [address]
        if self._state is State.IDLE:
            self._address = address
            return
        if is_new and self._state is not State.WAITING:
            self._lose_stream(f"{address} leads now")
        if self._state is State.WAITING:
            self._address = address
            if is_new:
                self._backoff.reset()
            self._timers.set(_RETRY, self._now + self._random.uniform(0, self._settings.backoff_seconds_first))

    def _connect(self) -> None:
        if not self._address:
            self._state = State.WAITING  # for the first LeaderKnown
            return
        self._state = State.CONNECTING
        self._stream += 1
        self._timers.set(_OPENING, self._now + self._settings.subscribe_seconds_max)
        subscribe = Call.Subscribe(
            framework_info=self.info,
            suppressed_roles=sorted(self.suppressed),
            offer_constraints=self._offer_constraints,
        )
        call = Call(framework_id=self.info.id, type=_Type.SUBSCRIBE, subscribe=subscribe)
        self._effects.append(Connect(self._stream, self._url(), call))

    def _url(self) -> str:
        return f"{self._scheme}://{self._address}{PATH}"

    def _opened(self, step: Opened) -> None:
        if step.status == 200:
            self._state = State.SUBSCRIBING
            self._stream_id = step.stream_id
        elif step.status == 307 and step.location is not None:
            self._redirected(step.location)
        elif step.status >= 500 or step.status in (307, 408, 429):
            self._lose_stream(f"{self._address} answered {step.status}: {step.sentence}")
        else:
            self._fail(
                SubscriptionError(f"{self._address} refused the subscription with {step.status}: {step.sentence}")
            )

    def _redirected(self, location: str) -> None:
        """Go to the leader, whose address stands between `//` and the path."""
        address = location.partition("//")[2].partition("/")[0]
        if not address:
            self._lose_stream(f"{self._address} redirected to {location!r}, which names no host")
            return
        self._effects.append(Disconnect(self._stream))
        self._timers.cancel(_OPENING)
        self._address = address
        self._redirects += 1
        if self._redirects > REDIRECTS_MAX:
            self._state = State.WAITING
            self._timers.set(_RETRY, self._now + self._backoff.next())
        else:
            self._connect()

    def _lose_stream(self, why: str) -> None:
        """Take back what the stream carried, and come back after a wait, at the next master in the list."""
        self._drop_stream(why)
        if self._stopping and (self.is_torn_down or not self._must_tear_down):
            self._finish(None)
            return
        if self._state is not State.SUBSCRIBED:  # else it may be back in a moment
            self._address = self._masters[self._next_master % len(self._masters)]
            self._next_master += 1
        self._state = State.WAITING
        self._timers.set(_RETRY, self._now + self._backoff.next())

    def _drop_stream(self, why: str) -> None:
        self._effects.append(Disconnect(self._stream))
        for key in (_OPENING, _HEARTBEAT, _CALL, _VERDICT, _RECONCILE):
            self._timers.cancel(key)
        self._stream_id = None
        self._held = False
        self.offers.clear()
        self._heard_of.clear()
        if self._state is State.SUBSCRIBED:
            self._effects.append(Deliver(Disconnected(why)))
        for number, call in self._calls.cut():
            if call.type is _Type.TEARDOWN:
                self.is_torn_down = True  # its answer may come after the stream's end
            if self._outlives_stream(call, why, sent=True):
                self._calls.send_again(number, call)
        self._calls.keep(lambda call: self._outlives_stream(call, why, sent=False))

    def _outlives_stream(self, call: Call, why: str, *, sent: bool) -> bool:
        fate = FATES[call.type or _Type.UNKNOWN]
        if fate is Fate.LOST:
            self._lose_call(call, why, sent=sent)
        return fate is Fate.RESEND

    def _lose_call(self, call: Call, why: str, *, sent: bool) -> None:
        tasks = launched_tasks(call)
        for task_id, agent_id in tasks:
            if sent:
                self.tasks.launched(task_id, agent_id)
            else:
                self.tasks.live.pop(task_id, None)
        self.tasks.forget_shown(task_id for task_id, _ in tasks)
        self._effects.append(Deliver(CallLost(call, why, sent)))

    def _fail(self, error: Exception) -> None:
        self._drop_stream(str(error))
        self._finish(error)

    def _finish(self, error: Exception | None) -> None:
        self._state = State.ENDED
        self._calls.clear()
        self._timers = Timers()
        self._effects.append(Finished(error))

    # Events.

    def _received(self, event: Event) -> None:
        self._heard()
        if event.type is Event.Type.SUBSCRIBED and event.subscribed is not None:
            self._subscribed(event.subscribed)
        elif event.type is Event.Type.ERROR:
            self._refused("" if event.error is None else event.error.message)
        elif self._state is State.SUBSCRIBED and event.type is not Event.Type.HEARTBEAT:
            self._take_event(event)

    def _heard(self) -> None:
        """The master lives. While the shell does not read, nothing can be heard and nothing is missed."""
        if self._state in (State.SUBSCRIBING, State.SUBSCRIBED) and self._reading:
            self._timers.set(_HEARTBEAT, self._now + HEARTBEATS_MISSED_MAX * self._heartbeat_seconds)
        else:
            self._timers.cancel(_HEARTBEAT)

    def _subscribed(self, event: Event.Subscribed) -> None:
        again = self.info.id is not None
        self.info = msgspec.structs.replace(self.info, id=event.framework_id)
        self._heartbeat_seconds = event.heartbeat_interval_seconds or HEARTBEAT_SECONDS
        self._state = State.SUBSCRIBED
        self._timers.cancel(_OPENING)
        self._heard()
        self._backoff.reset()
        self._call_backoff.reset()
        self._redirects = 0
        if all(call.update_framework is None for call in self._calls.to_send()):
            self._before_update = None
        self._effects.append(Deliver(Connected(event, again)))
        if self._stopping:
            return
        if again:
            self._begin_round()
        else:
            self._timers.set(_RECONCILE, self._now + self._settings.reconcile_seconds)

    def _refused(self, message: str) -> None:
        if message == "Framework failed over":
            self._fail(FailedOverError(f"Another scheduler subscribed as framework {self.framework_id}"))
        elif message == "Framework has been removed":
            self._fail(RemovedError(f"Framework {self.framework_id} has been removed from the master"))
        else:
            self._fail(SubscriptionError(f"{self._address} ended the subscription: {message}"))

    def _take_event(self, event: Event) -> None:
        if event.update is not None:
            status = event.update.status
            self._kill_again(status)
            if not self.tasks.is_news(status):
                if status.uuid is not None and self.tasks.is_handled(status.uuid):
                    self._acknowledge(event)
                return
        elif event.offers is not None:
            self.offers.update(dict.fromkeys(offer.id.value for offer in event.offers.offers))
        elif event.rescind is not None:
            self.offers.pop(event.rescind.offer_id.value, None)
        self._effects.append(Deliver(event))

    def _kill_again(self, status: TaskStatus) -> None:
        """A master that has just taken over ignores the KILL of a task whose agent is not back. So a KILL that went by
        before the task was heard of on this stream goes by again when it is."""
        task_id = status.task_id.value
        if status.state in TERMINAL_STATES:
            self._kills.pop(task_id, None)
            self._heard_of.discard(task_id)
        elif status.state not in _AWAY:
            self._heard_of.add(task_id)
            heeded, call = self._kills.get(task_id, (self._stream, None))
            if call is not None and heeded != self._stream and not self._is_waiting(call):
                self._calls.append(call)

    def _is_waiting(self, call: Call) -> bool:
        return any(waiting is call for waiting in self._calls.to_send())

    def _handled(self, item: object) -> None:
        if not isinstance(item, Event):
            return
        if item.update is not None and item.update.status.uuid is not None:
            self.tasks.handled(item.update.status.uuid)
            self._acknowledge(item)
        elif item.update_operation_status is not None and item.update_operation_status.status.uuid is not None:
            self._acknowledge_operation(item)

    def _acknowledge(self, event: Event) -> None:
        assert event.update is not None
        status = event.update.status
        if status.uuid is None or status.agent_id is None:
            return
        acknowledge = Call.Acknowledge(agent_id=status.agent_id, task_id=status.task_id, uuid=status.uuid)
        self._calls.append(Call(type=_Type.ACKNOWLEDGE, acknowledge=acknowledge))

    def _acknowledge_operation(self, event: Event) -> None:
        assert event.update_operation_status is not None
        status = event.update_operation_status.status
        if status.uuid is None or status.operation_id is None:
            return
        acknowledge = Call.AcknowledgeOperationStatus(
            agent_id=status.agent_id,
            resource_provider_id=status.resource_provider_id,
            uuid=status.uuid.value,
            operation_id=status.operation_id,
        )
        self._calls.append(Call(type=_Type.ACKNOWLEDGE_OPERATION_STATUS, acknowledge_operation_status=acknowledge))

    # Calls.

    def _ask(self, call: Call) -> None:
        fate = FATES.get(call.type or _Type.UNKNOWN)
        if fate is None:
            raise ValueError("A call needs a type, and subscribing is the session's business")
        if self.calls_waiting >= CALLS_WAITING_MAX:
            raise QueueFullError(f"{CALLS_WAITING_MAX} calls wait for the master; {call.type} is refused")
        if fate is Fate.RESTORE:
            self._change_state(call)
        connected = self._state is State.SUBSCRIBED
        if call.type is _Type.ACCEPT and call.accept is not None:
            self._accept(call, call.accept, connected)
        elif call.type is _Type.RECONCILE and call.reconcile is not None:
            asked = [task.task_id.value for task in call.reconcile.tasks]
            self.tasks.forget_shown(asked or list(self.tasks.live))
            self._calls.append(call)
        elif connected or fate is Fate.RESEND or (fate is Fate.RESTORE and self._has_asked()):
            if call.kill is not None and call.kill.task_id.value in self.tasks.live:
                self._kills[call.kill.task_id.value] = (0, call)
            if call.decline is not None:
                self._give_up_offers(call.decline.offer_ids)
            self._calls.append(call)
        elif fate is Fate.LOST:
            self._lose_call(call, "there is no connection to a master", sent=False)

    def _has_asked(self) -> bool:
        """Whether a subscription is on its way: it does not know what changes now."""
        return self._state in (State.CONNECTING, State.SUBSCRIBING)

    def _accept(self, call: Call, accept: Call.Accept, connected: bool) -> None:
        stale = [offer_id.value for offer_id in accept.offer_ids if offer_id.value not in self.offers]
        good = self._give_up_offers(accept.offer_ids)
        if connected and not stale:
            for task_id, agent_id in launched_tasks(call):
                self.tasks.launched(task_id, agent_id)
                self._heard_of.add(task_id)
            self._calls.append(call)
            return
        if good:
            decline = Call.Decline(offer_ids=good)
            self._calls.append(Call(type=_Type.DECLINE, decline=decline))
        why = f"offer {stale[0]} is no longer valid" if stale else "there is no connection to a master"
        self._lose_call(call, why, sent=False)

    def _give_up_offers(self, offer_ids: list[OfferID]) -> list[OfferID]:
        """The framework has answered these offers; those that were good."""
        return [offer_id for offer_id in offer_ids if self.offers.pop(offer_id.value, self) is None]

    def _change_state(self, call: Call) -> None:
        every = self.info.roles or [self.info.role or "*"]
        if call.type is _Type.SUPPRESS:
            self.suppressed.update((call.suppress and call.suppress.roles) or every)
        elif call.type is _Type.REVIVE:
            self.suppressed.difference_update((call.revive and call.revive.roles) or every)
        elif call.update_framework is not None:
            update = call.update_framework
            update.framework_info.id = self.info.id
            if self._before_update is None:
                self._before_update = (self.info, self.suppressed, self._offer_constraints)
            self.info = msgspec.structs.replace(update.framework_info)
            self.suppressed = set(update.suppressed_roles)
            self._offer_constraints = update.offer_constraints

    def _pump(self) -> None:
        """Send what may be sent; when all is answered, end if that is wanted."""
        while self._state is State.SUBSCRIBED and not self._held and (sent := self._calls.send()) is not None:
            number, call = sent
            call.framework_id = self.info.id
            if call.update_framework is not None:
                call.update_framework.framework_info.id = self.info.id
            if call.kill is not None and call.kill.task_id.value in self._kills:
                is_heeded = call.kill.task_id.value in self._heard_of
                self._kills[call.kill.task_id.value] = (self._stream if is_heeded else 0, call)
            self._effects.append(Post(number, self._url(), call, self._stream_id))
        if self._stopping and not self._calls and self._state is not State.ENDED:
            self._drop_stream("the framework ended")
            self._finish(None)

    def _answered(self, call: Call, step: Answered) -> None:
        if step.status in (200, 202):
            self._call_backoff.reset()
            if call.type is _Type.TEARDOWN:
                self.is_torn_down = True
                self._calls.clear()  # what came behind is about a framework that is no more
            if call.update_framework is not None:
                self._before_update = None
            return
        if is_about_stream(step):
            # The master has another stream in mind: it may be about to say on ours that we are replaced.
            self._put_back(step.number, call, step.sentence, sent=False)
            self._held = True
            self._timers.set(_VERDICT, self._now + VERDICT_SECONDS)
        elif step.status == 307 or step.status >= 500:
            self._put_back(step.number, call, step.sentence, sent=step.status not in (307, 503))
            self._lose_stream(f"{self._address} answered {step.status} to a call: {step.sentence}")
        else:
            self._undo(call)
            self._effects.append(Deliver(CallRefused(CallRefusedError(call, step.status, step.sentence))))

    def _undo(self, call: Call) -> None:
        """The call had no effect."""
        for task_id, _ in launched_tasks(call):
            self.tasks.live.pop(task_id, None)
        if call.update_framework is not None and self._before_update is not None:
            self.info, self.suppressed, self._offer_constraints = self._before_update
        if call.update_framework is not None:
            self._before_update = None

    def _put_back(self, number: int, call: Call, why: str, *, sent: bool) -> None:
        if FATES[call.type or _Type.UNKNOWN] is Fate.LOST:
            self._lose_call(call, why, sent=sent)
        else:
            self._calls.send_again(number, call)

    def _calls_cut(self, why: str) -> None:
        """The stream may be well: what may be done twice is sent again, and offers of a lost ACCEPT are given back."""
        launched: list[tuple[str, str]] = []
        for number, call in self._calls.cut():
            self._put_back(number, call, why, sent=True)
            if call.accept is not None:
                decline = Call.Decline(offer_ids=call.accept.offer_ids)
                self._calls.send_again(number, Call(type=_Type.DECLINE, decline=decline))
                launched += launched_tasks(call)
        if launched:
            self._ask_soon(launched)
        if self._call_backoff.tries >= CALL_TRIES_MAX:
            self._lose_stream(f"calls do not get through: {why}")
            return
        self._held = True
        self._timers.set(_CALL, self._now + self._call_backoff.next())

    # Time.

    def _due(self, kind: str) -> None:
        if self._state is State.ENDED:
            return
        if kind == "retry":
            self._connect()
        elif kind == "opening":
            self._lose_stream(f"{self._address} did not subscribe the framework in time")
        elif kind == "heartbeat":
            self._lose_stream(f"{self._address} missed {HEARTBEATS_MISSED_MAX} heartbeats")
        elif kind == "call":
            self._held = self._timers.holds(_VERDICT)
        elif kind == "verdict":
            self._lose_stream("the master does not know the stream any more")
        elif kind == "reconcile":
            self._continue_round()
        elif kind == "stop":
            is_torn_down = self.is_torn_down or not self._must_tear_down
            self._drop_stream("the framework ended")
            self.is_torn_down &= is_torn_down  # a teardown that nobody answered may never have been heard of
            self._finish(None)

    def _stop(self, teardown: bool) -> None:
        if self._stopping:
            return
        self._stopping = True
        self._timers.cancel(_RECONCILE)
        is_away = self._state is not State.SUBSCRIBED
        # A framework that is away and has no failover timeout is torn down by its master without being asked.
        if teardown and self.info.id is not None and not (is_away and not self.info.failover_timeout):
            self._must_tear_down = bool(self.info.failover_timeout)
            self._calls.append(Call(type=_Type.TEARDOWN))
        elif is_away:
            self._drop_stream("the framework ended")
            self._finish(None)
            return
        self._timers.set(_STOP, self._now + self._settings.stop_seconds_max)

    # Reconciliation.

    def _begin_round(self) -> None:
        self._reconcile_backoff.reset()
        self.tasks.begin_round()
        self._calls.append(Call(type=_Type.RECONCILE, reconcile=Call.Reconcile()))
        self._timers.set(_RECONCILE, self._now + self._reconcile_backoff.next())

    def _continue_round(self) -> None:
        """Ask again for what the round is silent about; without any, the next round comes in its time."""
        if self._reconcile_backoff.tries == 0:
            self._begin_round()
            return
        missing = self.tasks.unanswered()
        if missing:
            self._queue_reconcile(missing)
            self._timers.set(_RECONCILE, self._now + self._reconcile_backoff.next())
        else:
            self._reconcile_backoff.reset()
            self._timers.set(_RECONCILE, self._now + self._settings.reconcile_seconds)

    def _ask_soon(self, tasks: Sequence[tuple[str, str | None]]) -> None:
        """Ask for these tasks now, and again until they are heard of."""
        self._queue_reconcile(tasks)
        self.tasks.expect(task_id for task_id, _ in tasks)
        self._reconcile_backoff.reset()
        self._timers.set(_RECONCILE, self._now + self._reconcile_backoff.next())

    def _queue_reconcile(self, tasks: Sequence[tuple[str, str | None]]) -> None:
        for start in range(0, len(tasks), RECONCILED_TASKS_MAX):
            asked = [
                Call.Reconcile.Task(
                    task_id=TaskID(value=task_id), agent_id=None if agent_id is None else AgentID(value=agent_id)
                )
                for task_id, agent_id in tasks[start : start + RECONCILED_TASKS_MAX]
            ]
            self._calls.append(Call(type=_Type.RECONCILE, reconcile=Call.Reconcile(tasks=asked)))

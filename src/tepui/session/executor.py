"""The session of an executor with its agent.

- The stream's loss ends an executor whose framework does not checkpoint. Any other subscribes again at random moments
  until its recovery time is over; the subscription carries every update and task that the agent has not acknowledged.
- Updates are sent one after another; one whose connection was cut is sent again, the agent knows it by its uuid.
- SHUTDOWN, or the loss of the agent for good, gives the executor its grace to end its tasks; then the session ends.
- An executor that stops waits until its updates are acknowledged.
"""

from __future__ import annotations

from collections import deque
from random import Random

import msgspec

from tepui.model.timers import Timers
from tepui.model.v1.executor import Call, Event
from tepui.model.v1.mesos import ExecutorID, FrameworkID, TaskInfo
from tepui.model.waits import Backoff
from tepui.session.errors import CallRefusedError, QueueFullError, SubscriptionError
from tepui.session.steps import (
    Answered,
    Ask,
    CallCut,
    CallRefused,
    Connect,
    Deliver,
    Disconnect,
    Effect,
    Ended,
    Finished,
    Opened,
    Post,
    Received,
    Start,
    State,
    Step,
    Stop,
    TimePassed,
)

PATH = "/api/v1/executor"
CALLS_WAITING_MAX = 100_000
CALL_BACKOFF_SECONDS_FIRST = 0.1
CALL_BACKOFF_SECONDS_MAX = 2.0


class Settings(msgspec.Struct, frozen=True):
    """What an executor's environment tells it; times in seconds."""

    checkpoint: bool = False
    recovery_seconds: float = 900.0
    """So long an executor with checkpointing waits for its agent to come back."""
    backoff_seconds_max: float = 2.0
    """Most time between two subscriptions."""
    shutdown_grace_seconds: float = 5.0
    subscribe_seconds_max: float = 30.0
    stop_seconds_max: float = 60.0
    """So long the end waits for acknowledgements (Mesos: how long its own executors wait)."""


class Attached(msgspec.Struct, frozen=True):
    """The executor is subscribed, for the first time or again."""

    event: Event.Subscribed
    again: bool


class Detached(msgspec.Struct, frozen=True):
    """The agent is away; tasks run on, updates are kept."""

    why: str


class ShutDown(msgspec.Struct, frozen=True):
    """End every task, send what became of them, and stop, all within `grace_seconds`."""

    why: str
    grace_seconds: float


_RETRY, _OPENING, _CALL, _RECOVERY, _GRACE, _STOP = (
    (name, "") for name in ("retry", "opening", "call", "recovery", "grace", "stop")
)
_DELIVERED = frozenset({Event.Type.LAUNCH, Event.Type.LAUNCH_GROUP, Event.Type.KILL, Event.Type.MESSAGE})


class ExecutorSession:
    """The machine. `address` is the agent's `host:port`."""

    def __init__(
        self,
        framework_id: str,
        executor_id: str,
        address: str,
        random: Random,
        settings: Settings | None = None,
        scheme: str = "http",
    ) -> None:
        self.unacknowledged_tasks: dict[str, TaskInfo] = {}
        self.unacknowledged_updates: dict[bytes, Call.Update] = {}
        self._framework_id = FrameworkID(value=framework_id)
        self._executor_id = ExecutorID(value=executor_id)
        self._url = f"{scheme}://{address}{PATH}"
        self._random = random
        self._settings = settings or Settings()
        self._state = State.IDLE
        self._timers = Timers()
        self._call_backoff = Backoff(random, CALL_BACKOFF_SECONDS_FIRST, CALL_BACKOFF_SECONDS_MAX)
        self._stream = 0
        self._was_subscribed = False
        self._queue: deque[Call] = deque()
        self._outgoing: Call | None = None
        self._call_number = 0
        self._held = False
        self._is_shutting_down = False
        self._stopping = False
        self._effects: list[Effect] = []
        self._now = 0.0

    @property
    def is_subscribed(self) -> bool:
        return self._state is State.SUBSCRIBED

    def next_deadline(self) -> float | None:
        """When `TimePassed` is due at the latest; None while nothing is."""
        return self._timers.next()

    def handle(self, step: Step, now: float) -> list[Effect]:
        """Take one step. Raises QueueFullError from `Ask` when too much waits for the agent."""
        self._now = now
        if self._state is not State.ENDED:
            match step:
                case Start():
                    self._timers.set(_RECOVERY, now + self._settings.recovery_seconds)
                    self._connect()
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
                    if step.number == self._call_number and self._outgoing is not None:
                        self._answered(step)
                case CallCut(number):
                    if number == self._call_number and self._outgoing is not None:
                        self._try_again()
                case Stop():
                    self._stop()
                case TimePassed():
                    for kind, _ in self._timers.due(now):
                        self._due(kind)
            self._pump()
        effects, self._effects = self._effects, []
        return effects

    # The stream.

    def _connect(self) -> None:
        self._state = State.CONNECTING
        self._stream += 1
        self._timers.set(_OPENING, self._now + self._settings.subscribe_seconds_max)
        subscribe = Call.Subscribe(
            unacknowledged_tasks=list(self.unacknowledged_tasks.values()),
            unacknowledged_updates=list(self.unacknowledged_updates.values()),
        )
        # These travel with the subscription; what is asked for from now on is sent after it.
        self._queue = deque(call for call in self._queue if call.update is None)
        self._effects.append(Connect(self._stream, self._url, self._call(Call.Type.SUBSCRIBE, subscribe=subscribe)))

    def _call(
        self, kind: Call.Type, subscribe: Call.Subscribe | None = None, update: Call.Update | None = None
    ) -> Call:
        return Call(
            executor_id=self._executor_id,
            framework_id=self._framework_id,
            type=kind,
            subscribe=subscribe,
            update=update,
        )

    def _opened(self, step: Opened) -> None:
        if step.status == 200:
            self._state = State.SUBSCRIBING
        elif step.status >= 500 or step.status in (408, 429):
            self._lose_stream(f"the agent answered {step.status}: {step.sentence}")
        else:
            self._finish(SubscriptionError(f"The agent refused the subscription with {step.status}: {step.sentence}"))

    def _lose_stream(self, why: str) -> None:
        """Wait a random time and come back, unless the framework does not checkpoint: then the agent is lost."""
        self._effects.append(Disconnect(self._stream))
        was_subscribed = self._state is State.SUBSCRIBED
        for key in (_OPENING, _CALL):
            self._timers.cancel(key)
        self._held = False
        self._outgoing = None
        self._state = State.WAITING
        if self._is_shutting_down or (self._stopping and not self._can_still_say()):
            self._finish(None)
            return
        if was_subscribed:
            self._effects.append(Deliver(Detached(why)))
            self._timers.set(_RECOVERY, self._now + self._settings.recovery_seconds)
        if self._was_subscribed and not self._settings.checkpoint:
            self._shut_down(why)
            return
        self._timers.set(_RETRY, self._now + self._random.random() * self._settings.backoff_seconds_max)

    def _finish(self, error: Exception | None) -> None:
        self._effects.append(Disconnect(self._stream))
        self._state = State.ENDED
        self._timers = Timers()
        self._effects.append(Finished(error))

    def _shut_down(self, why: str) -> None:
        if self._is_shutting_down:
            return
        self._is_shutting_down = True
        for key in (_RETRY, _RECOVERY):
            self._timers.cancel(key)
        self._timers.set(_GRACE, self._now + self._settings.shutdown_grace_seconds)
        self._effects.append(Deliver(ShutDown(why, self._settings.shutdown_grace_seconds)))

    # Events.

    def _received(self, event: Event) -> None:
        kind = event.type
        if event.subscribed is not None:
            self._state = State.SUBSCRIBED
            self._timers.cancel(_OPENING)
            self._timers.cancel(_RECOVERY)
            self._call_backoff.reset()
            self._effects.append(Deliver(Attached(event.subscribed, self._was_subscribed)))
            self._was_subscribed = True
        elif kind is Event.Type.SHUTDOWN:
            self._shut_down("the agent said so")
        elif event.acknowledged is not None:
            self.unacknowledged_updates.pop(event.acknowledged.uuid, None)
            self.unacknowledged_tasks.pop(event.acknowledged.task_id.value, None)
        elif kind is Event.Type.ERROR:
            self._finish(SubscriptionError("" if event.error is None else event.error.message))
        elif kind in _DELIVERED:
            for task in launched_tasks(event):
                self.unacknowledged_tasks[task.task_id.value] = task
            self._effects.append(Deliver(event))

    # Calls.

    def _ask(self, call: Call) -> None:
        if len(self.unacknowledged_updates) + len(self._queue) >= CALLS_WAITING_MAX:
            raise QueueFullError(f"{CALLS_WAITING_MAX} calls wait for the agent; {call.type} is refused")
        if call.update is not None:
            uuid = call.update.status.uuid
            if uuid is None:
                raise ValueError("An update needs a uuid")
            self.unacknowledged_updates[uuid] = call.update
            if self._state in (State.IDLE, State.WAITING):
                return  # the next subscription carries it
        self._queue.append(call)

    def _pump(self) -> None:
        if self._state is State.SUBSCRIBED and self._outgoing is None and not self._held and self._queue:
            call = self._queue.popleft()
            call.framework_id, call.executor_id = self._framework_id, self._executor_id
            self._outgoing = call
            self._call_number += 1
            self._effects.append(Post(self._call_number, self._url, call, None))
        if self._stopping and self._state is not State.ENDED and self._is_all_said():
            self._finish(None)

    def _can_still_say(self) -> bool:
        """Whether another subscription would bring the agent something that it does not know."""
        return self._settings.checkpoint and not self._is_shutting_down and bool(self.unacknowledged_updates)

    def _is_all_said(self) -> bool:
        return self._outgoing is None and not self._queue and not self.unacknowledged_updates

    def _answered(self, step: Answered) -> None:
        if step.status in (200, 202):
            self._outgoing = None
            self._call_backoff.reset()
        elif step.status >= 500:
            self._try_again()
        elif step.status == 403 and step.sentence.startswith("Executor is not subscribed"):
            self._lose_stream("the agent has the executor as not subscribed")
        else:
            call, self._outgoing = self._outgoing, None
            assert call is not None
            if call.update is not None and call.update.status.uuid is not None:
                self.unacknowledged_updates.pop(call.update.status.uuid, None)
            self._effects.append(Deliver(CallRefused(CallRefusedError(call, step.status, step.sentence))))

    def _try_again(self) -> None:
        """Send the call again after a wait. A message may so arrive twice, an update is known by its uuid."""
        call, self._outgoing = self._outgoing, None
        assert call is not None
        if call.update is None or call.update.status.uuid in self.unacknowledged_updates:
            self._queue.appendleft(call)
        self._held = True
        self._timers.set(_CALL, self._now + self._call_backoff.next())

    # Time.

    def _due(self, kind: str) -> None:
        if self._state is State.ENDED:
            return
        if kind == "retry":
            self._connect()
        elif kind == "opening":
            self._lose_stream("the agent did not subscribe the executor in time")
        elif kind == "call":
            self._held = False
        elif kind == "recovery":
            self._shut_down(f"the agent was away for {self._settings.recovery_seconds:g} s")
        elif kind in ("grace", "stop"):
            self._finish(None)

    def _stop(self) -> None:
        if self._stopping:
            return
        self._stopping = True
        if self._state is not State.SUBSCRIBED and not self._can_still_say():
            self._finish(None)
            return
        self._timers.set(_STOP, self._now + self._settings.stop_seconds_max)


def launched_tasks(event: Event) -> list[TaskInfo]:
    """The tasks that an event launches."""
    if event.launch is not None:
        return [event.launch.task]
    if event.launch_group is not None:
        return event.launch_group.task_group.tasks
    return []

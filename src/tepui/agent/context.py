"""What every subject module of the agent core is handed: the state, and the ways to have an effect."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from typing import TypeVarTuple

from tepui.agent.changes import Change, Changes
from tepui.agent.config import AgentConfig
from tepui.agent.events import Reconnect
from tepui.agent.journal import JournalRecord
from tepui.agent.metrics import Metrics
from tepui.agent.state import Executor, ExecutorKind, ExecutorState, State, Task
from tepui.model.ids import Ids
from tepui.model.link import LinkMessage, Snapshot
from tepui.model.shell import Answer, Authorizer, Effect, Event, Send, SendLink, Store
from tepui.model.timers import Timers
from tepui.model.v1 import executor as executor_api
from tepui.model.v1.mesos import AgentID

Arguments = TypeVarTuple("Arguments")

PING = "ping"
"""The deadline by which the master must have sent a ping."""


class Context:
    """The state of the core and its surroundings. `now`, `event` and `effects` are those of the event being handled."""

    __slots__ = (
        "agent_id",
        "authorizer",
        "changes",
        "config",
        "deferred",
        "effects",
        "event",
        "held_back",
        "ids",
        "metrics",
        "now",
        "paced_bytes",
        "paced_since",
        "ping_timeout_seconds",
        "retries",
        "retry_seconds",
        "snapshot_parts",
        "state",
        "store_token",
        "stored_token",
        "timers",
        "waiting",
    )

    def __init__(self, config: AgentConfig, state: State, ids: Ids, authorizer: Authorizer) -> None:
        self.config = config
        self.state = state
        self.ids = ids
        self.authorizer = authorizer
        self.agent_id = AgentID(value=state.agent_id)
        """The agent's id as a message, shared by everything that carries it."""
        self.changes = Changes()
        self.metrics = Metrics()
        self.timers = Timers()
        self.ping_timeout_seconds = 0.0
        self.retry_seconds = _back_off(config.update_retry_seconds_min, config.update_retry_seconds_max)
        self.retries: list[OrderedDict[Task, float]] = [OrderedDict() for _ in self.retry_seconds]
        """When to send each outstanding update again, by how often it was sent. All waits of a level are equal, so
        each is in order of time, and an acknowledgement leaves nothing behind as it would in a heap."""
        self.deferred: dict[Task, None] = {}
        """Tasks whose oldest update waits for the next span of time in which long ones may be sent."""
        self.paced_bytes = 0
        """How much of long updates was sent since `paced_since`."""
        self.paced_since = 0.0
        self.snapshot_parts: deque[tuple[int, Snapshot]] = deque()
        """Parts of the snapshot that wait for their span of time, with their lengths."""
        self.store_token = 0
        self.stored_token = 0
        self.waiting: deque[tuple[int, Callable[..., None], tuple[object, ...]]] = deque()
        """What is to be done when the journal has stored this much."""
        self.held_back: deque[Event] = deque()
        """What came over the link while an operation is being applied."""
        self.now = 0.0
        self.event: Event | None = None
        self.effects: list[Effect] = []

    def answer(self, request: int, status: int, body: object = None) -> None:
        self.effects.append(Answer(request, status, body))

    def send(self, executor: Executor, event: executor_api.Event) -> None:
        """Send an event to an executor; nothing happens while it is not connected."""
        if executor.session is not None:
            self.effects.append(Send(executor.session, event))

    def tell(self, message: LinkMessage) -> None:
        """Send a message to the master; nothing happens while it has not admitted the agent."""
        state = self.state
        if state.welcomed and state.link is not None:
            self.effects.append(SendLink(state.link, message))

    def give_up(self, why: str) -> None:
        """Leave this master. What it still sends over the link is not listened to."""
        self.state.welcomed = False
        self.state.link = None
        self.timers.cancel((PING, ""))
        self.change("link given up", detail=why)
        self.effects.append(Reconnect(why))

    def change(
        self, what: str, framework_id: str = "", executor_id: str = "", task_id: str = "", detail: str = ""
    ) -> None:
        """Note that something became true."""
        change = Change(what, framework_id, executor_id, task_id, detail)
        self.changes.append(change, self.now, type(self.event).__name__)

    def store(self, records: list[JournalRecord]) -> int:
        """Have the records stored; returns the token that `stored_token` will reach then."""
        self.store_token += 1
        self.effects.append(Store(self.store_token, records))  # type: ignore[arg-type] # lists are invariant
        return self.store_token

    def when_stored(self, token: int, then: Callable[[Context, *Arguments], None], *args: *Arguments) -> None:
        """Call `then(self, *args)` as soon as the journal has stored `token`: at once if it has."""
        if token <= self.stored_token:
            then(self, *args)
        else:
            self.waiting.append((token, then, args))

    def stored(self, token: int) -> None:
        """The journal has stored everything up to `token`: it stores in the order it is asked."""
        if token > self.stored_token:
            self.stored_token = token
        waiting = self.waiting
        while waiting and waiting[0][0] <= token:
            _, then, args = waiting.popleft()
            then(self, *args)

    def stop_retrying(self, task: Task) -> None:
        """The task's outstanding update, if there is one, is not sent again; the next one may be sent."""
        if task.retry_level >= 0:
            del self.retries[task.retry_level][task]
            task.retry_level = -1

    def set_executor_state(self, executor: Executor, state: ExecutorState, detail: str = "") -> None:
        executors = self.state.counters.executors
        executors[executor.state] -= 1
        executors[state] += 1
        executor.state = state
        self.executor_change(f"executor {state.value.lower()}", executor, detail)

    def executor_change(self, what: str, executor: Executor, detail: str = "") -> None:
        """Note what became true of an executor; that of a command is part of its one task's story."""
        task_id = executor.executor_id if executor.kind is ExecutorKind.COMMAND else ""
        self.change(what, executor.framework_id, executor.executor_id, task_id, detail)


def _back_off(shortest: float, longest: float) -> tuple[float, ...]:
    """Waits that double from the shortest to the longest."""
    waits = [shortest]
    while waits[-1] < longest:
        waits.append(min(2 * waits[-1], longest))
    return tuple(waits)

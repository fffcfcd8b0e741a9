"""The agent core: one state machine, fed with events, saying effects. No input, no output, no clock inside."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from random import Random
from typing import Any

import msgspec

from tepui.agent import (
    draining,
    executors,
    extensions,
    launches,
    operations,
    operator,
    oversubscription,
    reconcile,
    recovery,
    registration,
    snapshots,
    updates,
)
from tepui.agent.config import AgentConfig
from tepui.agent.context import PING, Context
from tepui.agent.events import (
    ExecutorCall,
    ExecutorSubscribe,
    Leave,
    LegacyCall,
    LinkDown,
    LinkingFailed,
    LinkReceived,
    LinkUp,
    OperatorCall,
    Oversubscribe,
    RunExited,
    RunFailed,
    RunStarted,
    VolumeErased,
    VolumesMade,
    VolumesMoved,
)
from tepui.agent.journal import Record
from tepui.agent.state import State
from tepui.model import link
from tepui.model.ids import Ids
from tepui.model.shell import (
    Authorizer,
    Effect,
    Event,
    ExtensionCall,
    SessionBacklog,
    SessionClosed,
    Stored,
    Tick,
    allow_everything,
)

_HANDLERS: dict[type[Event], Callable[[Context, Any], None]] = {
    ExecutorCall: executors.call,
    ExecutorSubscribe: executors.subscribe,
    Leave: registration.leave,
    ExtensionCall: extensions.call,
    LegacyCall: operator.legacy_call,
    LinkDown: registration.link_down,
    LinkUp: registration.link_up,
    LinkingFailed: executors.linking_failed,
    OperatorCall: operator.call,
    Oversubscribe: oversubscription.oversubscribe,
    RunExited: executors.run_exited,
    RunFailed: executors.run_failed,
    RunStarted: executors.run_started,
    SessionBacklog: executors.session_backlog,
    SessionClosed: executors.session_closed,
    VolumeErased: operations.volume_erased,
    VolumesMade: operations.volumes_made,
    VolumesMoved: operations.volumes_moved,
}

_BEFORE_WELCOME: dict[type[msgspec.Struct], Callable[[Context, Any], None]] = {
    link.Welcome: registration.welcome,
    link.Refused: registration.refused,
    link.Shutdown: registration.shutdown,
}

_FROM_MASTER: dict[type[msgspec.Struct], Callable[[Context, Any], None]] = {
    **_BEFORE_WELCOME,
    link.Acknowledge: updates.acknowledge,
    link.AcknowledgeOperation: operations.acknowledge,
    link.ApplyOperation: operations.apply,
    link.Drain: draining.drain,
    link.FrameworkUpdate: launches.framework_update,
    link.Kill: executors.kill,
    link.Launch: launches.launch,
    link.Ping: registration.ping,
    link.Reconcile: reconcile.reconcile,
    link.SchedulerMessage: executors.scheduler_message,
    link.ShutdownExecutor: executors.shutdown_executor,
    link.ShutdownFramework: executors.shutdown_framework,
}


HELD_BACK_MAX = 100_000
"""When so much has come over the link while one operation is being applied, the agent leaves its master."""


class AgentCore:
    """One agent.

    `records` is what it knows, for views and tests to read; `changes` is what became true. Stored is what `Store`
    asked for, in order: `Stored(token)` confirms everything up to `token`, so one for a whole batch is enough.
    """

    def __init__(
        self,
        config: AgentConfig,
        random: Random,
        authorizer: Authorizer = allow_everything,
        *,
        agent_id: str = "",
        epoch: int = 0,
        kept: Iterable[Record] = (),
        durable: Iterable[Record] = (),
    ) -> None:
        """`agent_id` and `epoch` are those of an earlier incarnation, from its journal, and `kept` is what it leaves to
        tell (`recovery.kept`); `durable` is what any earlier one on this work directory stored in durable records.

        Raises ResourceError when more is reserved on the agent than it is started with.
        """
        ids = Ids(random)
        self.config = config
        self.records = State(info=config.info, incarnation=ids.text(), epoch=epoch)
        self._context = Context(config, self.records, ids, authorizer)
        self.changes = self._context.changes
        self.metrics = self._context.metrics
        if agent_id:
            registration.set_agent_id(self._context, agent_id)
        recovery.recover(self._context, kept)
        durable = list(durable)
        operations.recover(self._context, durable)
        draining.recover(self._context, durable)

    def handle(self, event: Event, now: float) -> list[Effect]:
        """What follows from the event. `now` is seconds since the epoch and never goes back."""
        context = self._context
        context.now = now
        context.event = event
        effects: list[Effect] = []
        context.effects = effects
        kind = type(event)
        if kind is LinkReceived:
            self._link_received(context, event)  # type: ignore[arg-type]
        elif kind is Stored:
            context.stored(event.token)  # type: ignore[attr-defined]
        elif kind is Tick:
            self._tick(context)
        else:
            _HANDLERS[kind](context, event)
        while context.held_back and self.records.applying is None:
            self._link_received(context, context.held_back.popleft())  # type: ignore[arg-type]
        return effects

    def next_deadline(self) -> float | None:
        """When a `Tick` is wanted at the latest, None when nothing waits for time."""
        timer = self._context.timers.next()
        retry = updates.next_retry(self._context)
        if timer is None:
            return retry
        return timer if retry is None else min(timer, retry)

    @property
    def agent_id(self) -> str:
        """Empty until a master has admitted the agent."""
        return self.records.agent_id

    def knows_run(self, run: str) -> bool:
        """Whether a run was started and not seen to end. The supervisor's others belong to nobody."""
        return run in self.records.runs or run in self.records.task_runs

    @staticmethod
    def _link_received(context: Context, event: LinkReceived) -> None:
        state = context.state
        if event.link != state.link:
            return
        if state.applying is not None and type(event.message) is not link.Ping:
            context.held_back.append(event)
            if len(context.held_back) > HELD_BACK_MAX:
                context.held_back.clear()
                context.give_up("An operation takes too long")
            return
        handlers = _FROM_MASTER if state.welcomed else _BEFORE_WELCOME
        handler = handlers.get(type(event.message))
        if handler is not None:
            handler(context, event.message)

    @staticmethod
    def _tick(context: Context) -> None:
        for kind, subject in context.timers.due(context.now):
            if kind == PING:
                registration.ping_missed(context)
            elif kind == snapshots.SNAPSHOT:
                snapshots.go_on(context)
            elif kind == operations.OPERATION:
                operations.due(context, subject)
            else:
                executors.due(context, kind, subject)
        updates.resend_due(context)

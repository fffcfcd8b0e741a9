"""The master core: events in, effects out. This module only dispatches; each subject has a module of its own.

    core = MasterCore(config, allocator, random)
    effects = core.handle(event, now)

`next_deadline()` says when the core wants a `Tick`. An allocation run is a deadline too: events mark that there is
something to give away, and the run happens at the next `Tick` at or after their time, so that a shell which ticks at
the end of its loop's turn batches all that the turn freed. Under load runs are spaced: the next begins at the earliest
after twice the time the last one took, which the shell measures (`AllocationTook`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from tepui.allocator import Allocator
from tepui.master import (
    accept,
    admission,
    agents,
    corrections,
    draining,
    extensions,
    frameworks,
    invariants,
    inverse_offers,
    maintenance,
    messages,
    mirroring,
    offers,
    operations,
    operator,
    oversubscription,
    pruning,
    quota,
    reconcile,
    revocation,
    shares,
    stories,
    streams,
    tasks,
    unreachable,
    weights,
)
from tepui.master.config import MasterConfig
from tepui.master.context import HEARTBEATS, MIRRORS, OFFERS, PINGS, RECOVERY, Context, Link
from tepui.master.events import (
    AllocationTook,
    LegacyCall,
    LinkClosed,
    LinkOpened,
    LinkReceived,
    MirrorSubscribe,
    OperatorCall,
    SchedulerCall,
    SchedulerSubscribe,
    WhitelistRead,
)
from tepui.master.metrics import Metrics
from tepui.master.records import Record
from tepui.master.registry import Registry
from tepui.master.state import Framework, State
from tepui.model import link as wire
from tepui.model.ids import Ids
from tepui.model.quantities import Quantities
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
from tepui.model.v1 import scheduler

ALLOCATION_SPACING = 2.0
"""The next allocation run begins at the earliest after this many times the length of the last one."""

_Call = scheduler.Call.Type


class MasterCore:
    """One master that leads. See the module."""

    def __init__(
        self,
        config: MasterConfig,
        allocator: Allocator,
        random: Random,
        authorizer: Authorizer = allow_everything,
        registry: Registry | None = None,
        consumption: Mapping[str, Mapping[str, Quantities]] | None = None,
    ) -> None:
        """`consumption` is what a mirror of the leader before knew of roles with quota: `Mirror.consumption`."""
        self.config = config
        self.state = State()
        self.context = Context(config, self.state, allocator, Ids(random), authorizer, streams.fold)
        self.allocation_runs = 0
        """How many allocation runs there were; a shell that measures them sees it rise during a Tick."""
        self._allocator = allocator
        self._allocate_at: float | None = None
        self._allocate_not_before = 0.0
        self._wanted_at = 0.0
        """When something was first there for the next allocation run."""
        self._measured_runs = 0
        self._handlers: dict[type[Event], Callable[[Context, Any], None]] = {
            SchedulerCall: _scheduler_call,
            LinkReceived: _link_received,
            SchedulerSubscribe: frameworks.subscribe,
            OperatorCall: operator.call,
            LegacyCall: operator.legacy_call,
            ExtensionCall: extensions.call,
            MirrorSubscribe: mirroring.subscribe,
            SessionClosed: _session_closed,
            SessionBacklog: _session_backlog,
            LinkOpened: _link_opened,
            LinkClosed: _link_closed,
            Stored: _stored,
            Tick: self._tick,
            AllocationTook: self._allocation_took,
            WhitelistRead: _whitelist_read,
        }
        weights.recover(self.context, registry)
        revocation.begin(self.context)
        shares.begin(self.context)
        if registry is not None:
            unreachable.recover(self.context, registry, consumption or {})
            maintenance.recover(self.context, registry)
            quota.recover(self.context, registry)

    @property
    def metrics(self) -> Metrics:
        """What the core counts; a shell registers its own gauges here."""
        return self.context.metrics

    def handle(self, event: Event, now: float) -> list[Effect]:
        """Take an event that happened at `now` (seconds since the epoch, never going back)."""
        context = self.context
        context.now = now
        context.cause = type(event).__name__
        effects = context.effects = []
        self._handlers[type(event)](context, event)
        if context.emptied:
            draining.emptied(context)
        if self._allocate_at is None and self._allocator.has_work():
            self._allocate_at = max(now, self._allocate_not_before)
            self._wanted_at = now
        return effects

    def next_deadline(self) -> float | None:
        """When to send a `Tick`; None while nothing will happen by itself."""
        filters_end = self._allocator.next_deadline()
        if filters_end is not None:
            filters_end = max(filters_end, self._allocate_not_before)
        due = [when for when in (self.context.timers.next(), self._allocate_at, filters_end) if when is not None]
        return min(due) if due else None

    def drain_records(self) -> list[Record]:
        """The change records since the last call. A shell that keeps nothing of them need not call it."""
        return self.context.log.drain()

    def story(self, *subjects: str) -> list[str]:
        """What happened to the things that carry all these ids, as far as the newest records tell."""
        return stories.story(self.context.log, *subjects)

    def check(self) -> None:
        """Raise AssertionError if an invariant of the whole state is broken. Slow: for tests and simulation."""
        invariants.check(self.context)

    def check_touched(self) -> None:
        """The same for what the last records named."""
        invariants.check_touched(self.context, self.drain_records())

    # Time.

    def _tick(self, context: Context, _: Tick) -> None:
        for kind, subject in context.timers.due(context.now):
            if subject:
                _DUE_TO_ONE[kind](context, subject)
            else:
                _DUE_TO_ALL[kind](context)
        if context.now >= self._allocate_not_before:
            self._allocate(context)
        if context.inverse_due:
            inverse_offers.make(context)

    def _allocate(self, context: Context) -> None:
        filters_end = self._allocator.next_deadline()
        due = self._allocate_at is not None and self._allocate_at <= context.now
        if due or self._allocator.has_work() or (filters_end is not None and filters_end <= context.now):
            if due:
                waited_milliseconds = (context.now - self._wanted_at) * 1000
                context.metrics.timers["allocator/mesos/allocation_run_latency"].add(waited_milliseconds, context.now)
            self._allocate_at = None
            self.allocation_runs += 1
            offers.make(context, self._allocator.allocate(context.now))

    def _allocation_took(self, context: Context, event: AllocationTook) -> None:
        """How long the last Tick took. One without an allocation run says nothing."""
        if self._measured_runs == self.allocation_runs:
            return
        self._measured_runs = self.allocation_runs
        self._allocate_not_before = context.now + ALLOCATION_SPACING * event.seconds
        context.metrics.timers["allocator/mesos/allocation_run"].add(event.seconds * 1000, context.now)
        if self._allocate_at is not None:
            self._allocate_at = max(self._allocate_at, self._allocate_not_before)


def _looked_for(context: Context) -> None:
    """The tick itself does what is wanted, after the allocation."""


def _beat(context: Context) -> None:
    """Send the heartbeats that are due."""
    state = context.state
    queue = context.heartbeats
    while queue and queue[0][0] <= context.now:
        _, session = queue.popleft()
        framework_id = state.sessions.get(session)
        if framework_id is not None:
            context.send(state.frameworks[framework_id], messages.HEARTBEAT)
        elif session in state.operator_streams:
            context.send_stream(session, messages.OPERATOR_HEARTBEAT)
        else:
            continue
        context.beat_later(session)
    if queue:
        context.timers.set(HEARTBEATS, queue[0][0])


_DUE_TO_ALL: dict[str, Callable[[Context], None]] = {
    HEARTBEATS[0]: _beat,
    PINGS[0]: unreachable.ping_due,
    MIRRORS[0]: mirroring.due,
    OFFERS[0]: offers.expire,
    RECOVERY[0]: unreachable.recovery_due,
    unreachable.REMOVALS[0]: unreachable.removal_due,
    pruning.PRUNING[0]: pruning.due,
    revocation.REVOCATION[0]: revocation.due,
    shares.SHARES[0]: shares.sample,
    inverse_offers.WANTED[0]: _looked_for,
    inverse_offers.EXPIRY[0]: inverse_offers.expire,
}
"""What timers without a subject make happen."""

_DUE_TO_ONE: dict[str, Callable[[Context, str], None]] = {
    frameworks.FAILOVER: frameworks.failover_due,
    agents.REREGISTER: unreachable.reregistration_due,
    admission.GREETING: admission.greeting_due,
    inverse_offers.FILTER: inverse_offers.filter_due,
}
"""The same of those with one: the id of a framework or agent, or both, or the name of a link."""


# Schedulers. `context` does what the call says; the answer has been given before.


def _scheduler_call(context: Context, event: SchedulerCall) -> None:
    """Judge who calls (Mesos: order of checks on a scheduler call, from the framework's existence on), then act."""
    call = event.call
    framework_id = "" if call.framework_id is None else call.framework_id.value
    framework = context.state.frameworks.get(framework_id)
    if framework is None:
        context.answer(event.request, 400, "Framework cannot be found")
        return
    session = framework.session
    if event.session != session or session is None or event.principal is not None:
        refused = _refused_caller(framework, event)
        if refused is not None:
            context.answer(event.request, *refused)
            return
    kind = call.type
    if kind is None or kind is _Call.UNKNOWN or kind is _Call.SUBSCRIBE:
        context.answer(event.request, 501, "")
        return
    context.metrics.scheduler_call(framework.metrics, kind)
    if kind is _Call.UPDATE_FRAMEWORK:
        frameworks.update_framework(context, framework, event.principal, event.request, call)
        return
    context.answer(event.request, 202)
    action = _ACTIONS.get(kind)
    if action is not None:
        action(context, framework, call)


def _refused_caller(framework: Framework, event: SchedulerCall) -> tuple[int, str] | None:
    principal = framework.info.principal or ""
    if event.principal is not None and event.principal != principal:
        return 400, (
            f"Authenticated principal '{event.principal}' does not match principal '{principal}' set in `FrameworkInfo`"
        )
    if framework.session is None:
        return 403, "Framework is not subscribed"
    if event.session is None:
        return 400, "All non-subscribe calls should include the 'Mesos-Stream-Id' header"
    if event.session != framework.session:
        return 400, (
            f"The stream ID '{event.session}' included in this request didn't match the stream ID "
            f"currently associated with framework ID {framework.framework_id}"
        )
    return None


def _request(context: Context, framework: Framework, call: scheduler.Call) -> None:
    if call.request is not None:
        frameworks.request(context, framework, call.request.requests)


def _acknowledge(context: Context, framework: Framework, call: scheduler.Call) -> None:
    if call.acknowledge is not None:
        tasks.acknowledge(context, framework, call.acknowledge)


def _accept(context: Context, framework: Framework, call: scheduler.Call) -> None:
    if call.accept is not None:
        accept.accept(context, framework, call.accept)


def _decline(context: Context, framework: Framework, call: scheduler.Call) -> None:
    if call.decline is not None:
        offers.decline(context, framework, call.decline)


def _accept_inverse(context: Context, framework: Framework, call: scheduler.Call) -> None:
    told = call.accept_inverse_offers
    if told is not None:
        inverse_offers.answer(context, framework, told.inverse_offer_ids, inverse_offers.Answer.ACCEPT, told.filters)


def _decline_inverse(context: Context, framework: Framework, call: scheduler.Call) -> None:
    told = call.decline_inverse_offers
    if told is not None:
        inverse_offers.answer(context, framework, told.inverse_offer_ids, inverse_offers.Answer.DECLINE, told.filters)


def _revive(context: Context, framework: Framework, call: scheduler.Call) -> None:
    frameworks.revive(context, framework, [] if call.revive is None else call.revive.roles)


def _suppress(context: Context, framework: Framework, call: scheduler.Call) -> None:
    frameworks.suppress(context, framework, [] if call.suppress is None else call.suppress.roles)


def _teardown(context: Context, framework: Framework, _: scheduler.Call) -> None:
    frameworks.remove(context, framework, "torn down by its scheduler")


def _kill(context: Context, framework: Framework, call: scheduler.Call) -> None:
    if call.kill is not None:
        tasks.kill(context, framework, call.kill)


def _shutdown(context: Context, framework: Framework, call: scheduler.Call) -> None:
    if call.shutdown is not None:
        tasks.shutdown_executor(context, framework, call.shutdown)


def _message(context: Context, framework: Framework, call: scheduler.Call) -> None:
    if call.message is not None:
        tasks.scheduler_message(context, framework, call.message)


def _reconcile(context: Context, framework: Framework, call: scheduler.Call) -> None:
    if call.reconcile is not None:
        reconcile.tasks(context, framework, call.reconcile)


def _acknowledge_operation(context: Context, framework: Framework, call: scheduler.Call) -> None:
    if call.acknowledge_operation_status is not None:
        operations.acknowledge(context, framework, call.acknowledge_operation_status)


def _reconcile_operations(context: Context, framework: Framework, call: scheduler.Call) -> None:
    if call.reconcile_operations is not None:
        reconcile.operations(context, framework, call.reconcile_operations)


_ACTIONS: dict[scheduler.Call.Type, Callable[[Context, Framework, scheduler.Call], None]] = {
    _Call.ACKNOWLEDGE: _acknowledge,
    _Call.ACCEPT: _accept,
    _Call.DECLINE: _decline,
    _Call.ACCEPT_INVERSE_OFFERS: _accept_inverse,
    _Call.DECLINE_INVERSE_OFFERS: _decline_inverse,
    _Call.REVIVE: _revive,
    _Call.SUPPRESS: _suppress,
    _Call.TEARDOWN: _teardown,
    _Call.KILL: _kill,
    _Call.SHUTDOWN: _shutdown,
    _Call.MESSAGE: _message,
    _Call.REQUEST: _request,
    _Call.RECONCILE: _reconcile,
    _Call.ACKNOWLEDGE_OPERATION_STATUS: _acknowledge_operation,
    _Call.RECONCILE_OPERATIONS: _reconcile_operations,
}


# Streams.


def _session_closed(context: Context, event: SessionClosed) -> None:
    framework_id = context.state.sessions.get(event.session)
    if framework_id is not None:
        frameworks.stream_closed(context, context.state.frameworks[framework_id])
    else:
        streams.closed(context, event.session)
        mirroring.closed(context, event.session)


def _session_backlog(context: Context, event: SessionBacklog) -> None:
    framework_id = context.state.sessions.get(event.session)
    if framework_id is not None:
        frameworks.backlog(context, context.state.frameworks[framework_id], event.full)
    else:
        mirroring.backlog(context, event.session, event.full)


def _whitelist_read(context: Context, event: WhitelistRead) -> None:
    context.allocator.set_whitelist(event.hosts)


# Links and the store.


def _link_opened(context: Context, event: LinkOpened) -> None:
    context.links[event.link] = link = Link(event.link, event.address)
    admission.await_greeting(context, link)


def _link_closed(context: Context, event: LinkClosed) -> None:
    context.timers.cancel((admission.GREETING, event.link))
    link = context.links.pop(event.link, None)
    if link is not None:
        agents.link_closed(context, link)


def _link_received(context: Context, event: LinkReceived) -> None:
    """A message on a link that the core closed meanwhile is dropped."""
    link = context.links.get(event.link)
    if link is None:
        return
    message = event.message
    agent = link.agent
    if agent is None:
        if isinstance(message, wire.Hello):
            admission.hello(context, link, message)
        elif isinstance(message, wire.Snapshot):
            admission.snapshot(context, link, message)
        elif link.hello is None:
            context.close_link(link.name, f"{type(message).__name__} before Hello")
        return
    agent.pings_missed = 0
    if context.removals:
        unreachable.alive(context, agent.agent_id)
    action = _FROM_AGENT.get(type(message))
    if action is not None:
        action(context, agent, message)
    elif not isinstance(message, wire.Pong):
        context.close_link(link.name, f"an unexpected {type(message).__name__}")
        agents.link_closed(context, link)


_FROM_AGENT: dict[type, Callable[..., None]] = {
    wire.StatusUpdate: tasks.update,
    wire.ExecutorMessage: tasks.executor_message,
    wire.ExecutorExited: tasks.executor_exited,
    wire.OperationUpdate: operations.updated,
    wire.CheckpointedResources: corrections.corrected,
    wire.Oversubscribed: oversubscription.oversubscribed,
    wire.Unregister: agents.unregister,
}


def _stored(context: Context, event: Stored) -> None:
    then = context.pending_stores.pop(event.token, None)
    if then is not None:
        then()

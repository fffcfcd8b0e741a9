"""The master's metrics, under Mesos's names.

How the core counts, all of it cheap enough for the hottest paths:

    metrics.counters["master/messages_kill_task"] += 1        # every name of COUNTERS is there from the start
    metrics.scheduler_call(framework.metrics, call.type)      # a call of a known framework: its own and the master's
    metrics.task_update(state, source, reason)                # once, when a task becomes terminal or unreachable
    framework.metrics.events[event.type] += 1                 # dictionaries by the protocol's enums
    framework.metrics.operations[operation.type] += 1
    framework.metrics.terminal_tasks[state] += 1
    framework.metrics.offers_sent += 1                        # offers_accepted, offers_declined, offers_rescinded
    metrics.timers["allocator/mesos/allocation_run"].add(milliseconds, now)
    metrics.levels["registrar/queued_operations"] = 3.0

Gauges that follow from the cluster's state (agents, tasks by state, resources used, ...) are computed when a snapshot
is asked for and cost nothing before.
"""

from __future__ import annotations

from tepui.model.metrics import Registry, tasks_metric
from tepui.model.task_states import TERMINAL_STATES
from tepui.model.v1 import scheduler
from tepui.model.v1.mesos import Offer, TaskState, TaskStatus

OPERATIONS = (
    "create",
    "create_disk",
    "destroy",
    "destroy_disk",
    "grow_volume",
    "reserve",
    "shrink_volume",
    "unreserve",
)
_OPERATION_ENDS = ("dropped", "error", "failed", "finished", "gone_by_operator")
_OPERATION_LEVELS = ("pending", "recovering", "total", "unreachable")
_OPERATION_SCOPES = ("master/operations", *(f"master/operations/{name}" for name in OPERATIONS))

_ACCOUNTED = (
    "executor_to_framework_messages",
    "framework_to_executor_messages",
    "operation_status_update_acknowledgements",
    "operation_status_updates",
    "status_update_acknowledgements",
    "status_updates",
)
"""What is counted as valid or invalid."""

_MESSAGES = (
    "authenticate",
    "deactivate_framework",
    "decline_offers",
    "executor_to_framework",
    "exited_executor",
    "framework_to_executor",
    "kill_task",
    "launch_tasks",
    "operation_status_update",
    "operation_status_update_acknowledgement",
    "reconcile_operations",
    "reconcile_tasks",
    "register_framework",
    "register_slave",
    "reregister_framework",
    "reregister_slave",
    "resource_request",
    "revive_offers",
    "status_update",
    "status_update_acknowledgement",
    "suppress_offers",
    "unregister_framework",
    "unregister_slave",
    "update_slave",
)

COUNTERS: tuple[str, ...] = (
    "master/dropped_messages",
    "master/http_cache_hits",
    "master/recovery_slave_removals",
    "master/slave_registrations",
    "master/slave_removals",
    "master/slave_removals/reason_registered",
    "master/slave_removals/reason_unhealthy",
    "master/slave_removals/reason_unregistered",
    "master/slave_reregistrations",
    *(
        f"master/slave_{what}_{step}"
        for what in ("shutdowns", "unreachable")
        for step in ("scheduled", "canceled", "completed")
    ),
    *(f"master/messages_{name}" for name in _MESSAGES),
    *(f"master/{verdict}_{name}" for verdict in ("valid", "invalid") for name in _ACCOUNTED),
    *(tasks_metric("master", state) for state in TERMINAL_STATES),
    *(f"{scope}/{end}" for scope in _OPERATION_SCOPES for end in _OPERATION_ENDS),
)
"""Every counter that is shown from the start."""

LEVELS: tuple[str, ...] = (
    "allocator/event_queue_dispatches",
    "allocator/mesos/event_queue_dispatches",
    "master/elected",
    "master/event_queue_dispatches",
    "master/event_queue_http_requests",
    "master/event_queue_messages",
    "registrar/queued_operations",
    "registrar/registry_size_bytes",
    *(f"{scope}/{level}" for scope in _OPERATION_SCOPES for level in _OPERATION_LEVELS),
)
"""Gauges that the core or the shell sets when they change."""

TIMERS: tuple[str, ...] = (
    "allocator/mesos/allocation_run",
    "allocator/mesos/allocation_run_latency",
    "registrar/state_fetch",
    "registrar/state_store",
)

_Call = scheduler.Call.Type
_CALL_COUNTERS: dict[scheduler.Call.Type, str] = {
    _Call.TEARDOWN: "master/messages_unregister_framework",
    _Call.ACCEPT: "master/messages_launch_tasks",
    _Call.DECLINE: "master/messages_decline_offers",
    _Call.REVIVE: "master/messages_revive_offers",
    _Call.KILL: "master/messages_kill_task",
    _Call.ACKNOWLEDGE: "master/messages_status_update_acknowledgement",
    _Call.ACKNOWLEDGE_OPERATION_STATUS: "master/messages_operation_status_update_acknowledgement",
    _Call.RECONCILE: "master/messages_reconcile_tasks",
    _Call.RECONCILE_OPERATIONS: "master/messages_reconcile_operations",
    _Call.MESSAGE: "master/messages_framework_to_executor",
    _Call.REQUEST: "master/messages_resource_request",
    _Call.SUPPRESS: "master/messages_suppress_offers",
}
"""SUBSCRIBE is not here: whether it registers or reregisters is the core's to know."""

_CALLS: tuple[scheduler.Call.Type, ...] = tuple(t for t in scheduler.Call.Type if t is not _Call.UNKNOWN)
_EVENTS: tuple[scheduler.Event.Type, ...] = tuple(
    t for t in scheduler.Event.Type if t is not scheduler.Event.Type.UNKNOWN
)
_OPERATIONS: tuple[Offer.Operation.Type, ...] = tuple(
    t for t in Offer.Operation.Type if t is not Offer.Operation.Type.UNKNOWN
)


_UpdateKey = tuple[TaskState, TaskStatus.Source | None, TaskStatus.Reason | None]


class FrameworkMetrics:
    """What one framework did and got."""

    __slots__ = (
        "calls",
        "events",
        "offers_accepted",
        "offers_declined",
        "offers_rescinded",
        "offers_sent",
        "operations",
        "terminal_tasks",
    )

    def __init__(self) -> None:
        self.calls: dict[scheduler.Call.Type, int] = dict.fromkeys(_CALLS, 0)
        self.events: dict[scheduler.Event.Type, int] = dict.fromkeys(_EVENTS, 0)
        self.operations: dict[Offer.Operation.Type, int] = dict.fromkeys(_OPERATIONS, 0)
        self.terminal_tasks: dict[TaskState, int] = dict.fromkeys(TERMINAL_STATES, 0)
        self.offers_sent = 0
        self.offers_accepted = 0
        self.offers_declined = 0
        self.offers_rescinded = 0


class Metrics(Registry):
    """All metrics of a master. See the module's head for how the core counts."""

    def __init__(self) -> None:
        super().__init__(COUNTERS, LEVELS, TIMERS)
        self.levels["master/elected"] = 1.0
        self._update_names: dict[_UpdateKey, tuple[str, ...]] = {}

    def scheduler_call(self, framework: FrameworkMetrics, call: scheduler.Call.Type) -> None:
        """Count a call for its framework and, but for SUBSCRIBE, among the master's messages."""
        framework.calls[call] += 1
        name = _CALL_COUNTERS.get(call)
        if name is not None:
            self.counters[name] += 1

    def task_update(
        self, state: TaskState, source: TaskStatus.Source | None = None, reason: TaskStatus.Reason | None = None
    ) -> None:
        """Count a task that became terminal or unreachable, in all under its state and, if there is a reason, under
        `master/task_<state>/source_<source>/reason_<reason>`."""
        key = (state, source, reason)
        names = self._update_names.get(key)
        if names is None:
            names = self._update_names[key] = _update_names(*key)
            for name in names:
                self.counters.setdefault(name, 0)
        for name in names:
            self.counters[name] += 1


def _update_names(
    state: TaskState, source: TaskStatus.Source | None, reason: TaskStatus.Reason | None
) -> tuple[str, ...]:
    """The counters that such an update falls under. Metrics still say slave for agent."""
    in_all = tasks_metric("master", state)
    names = [in_all] if in_all in COUNTERS else []
    if source is not None and reason is not None:
        parts = ("master", state.value, source.value, reason.value)
        names.append("/".join(parts).lower().replace("agent", "slave"))
    return tuple(names)

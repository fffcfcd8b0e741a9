"""The agent's metrics, under Mesos's names.

Most follow from the records and their counters when a snapshot is asked for. What else is counted or set:

    metrics.counters["slave/executors_preempted"] += 1           # every name of COUNTERS is there from the start
    metrics.levels["gc/path_removals_pending"] = 3.0              # gauges that somebody sets when they change
    metrics.register_gauge("tepui/streams/backlog_bytes", read)   # a shell's own
"""

from __future__ import annotations

from typing import Protocol

from tepui.agent.config import AgentConfig
from tepui.agent.state import ExecutorState, State
from tepui.model.metrics import Registry, resource_gauges, tasks_metric
from tepui.model.quantities import Quantities, add_quantities
from tepui.model.v1.mesos import TaskState

COUNTERS: tuple[str, ...] = (
    "containerizer/fetcher/task_fetches_failed",
    "containerizer/fetcher/task_fetches_succeeded",
    "containerizer/mesos/container_destroy_errors",
    "containerizer/mesos/provisioner/bind/remove_rootfs_errors",
    "containerizer/mesos/provisioner/remove_container_errors",
    "gc/path_removals_failed",
    "gc/path_removals_succeeded",
    "resource_provider_manager/events/disconnect",
    "resource_provider_manager/events/subscribe",
    "slave/executors_preempted",
    "slave/recovery_errors",
)
"""Every counter that is shown from the start, but those that the records keep."""

LEVELS: tuple[str, ...] = (
    "containerizer/fetcher/cache_size_total_bytes",
    "containerizer/fetcher/cache_size_used_bytes",
    "gc/path_removals_pending",
    "resource_provider_manager/subscribed",
    "slave/executor_directory_max_allowed_age_secs",
    "slave/recovery_time_secs",
)
"""Gauges that the core or the shell sets when they change."""

_ACTIVE_STATES: tuple[TaskState, ...] = (
    TaskState.TASK_KILLING,
    TaskState.TASK_RUNNING,
    TaskState.TASK_STAGING,
    TaskState.TASK_STARTING,
)
_ENDED_STATES: tuple[TaskState, ...] = (
    TaskState.TASK_FAILED,
    TaskState.TASK_FINISHED,
    TaskState.TASK_GONE,
    TaskState.TASK_KILLED,
    TaskState.TASK_LOST,
)


class Metrics(Registry):
    """All metrics of an agent."""

    def __init__(self) -> None:
        super().__init__(COUNTERS, LEVELS)


class Reading(Protocol):
    """What readers of the agent's state are given. The core's context is one."""

    @property
    def config(self) -> AgentConfig: ...
    @property
    def state(self) -> State: ...
    @property
    def metrics(self) -> Metrics: ...
    @property
    def now(self) -> float: ...


def snapshot(reading: Reading) -> dict[str, float]:
    """All metrics by name, sorted, as `/metrics/snapshot` shows them."""
    state = reading.state
    into = reading.metrics.publish(reading.now)
    into["slave/uptime_secs"] = reading.now - reading.config.start_time
    into["slave/registered"] = float(state.welcomed)
    into["slave/frameworks_active"] = float(len(state.frameworks))
    _counted(state, into)
    _resources(state, into)
    return dict(sorted(into.items()))


def _counted(state: State, into: dict[str, float]) -> None:
    counters = state.counters
    for executor_state in ExecutorState:
        into[f"slave/executors_{executor_state.value.lower()}"] = float(counters.executors[executor_state])
    for task_state in _ACTIVE_STATES:
        into[tasks_metric("slave", task_state)] = float(counters.tasks_alive[task_state])
    for task_state in _ENDED_STATES:
        into[tasks_metric("slave", task_state)] = float(counters.tasks_ended[task_state])
    into["slave/valid_status_updates"] = float(counters.valid_status_updates)
    into["slave/invalid_status_updates"] = float(counters.invalid_status_updates)
    into["slave/valid_framework_messages"] = float(counters.valid_framework_messages)
    into["slave/invalid_framework_messages"] = float(counters.invalid_framework_messages)
    into["slave/container_launch_errors"] = float(counters.container_launch_errors)
    into["tepui/status_updates/coalesced"] = float(counters.coalesced_status_updates)
    into["tepui/status_updates/resent"] = float(counters.resent_status_updates)


def _resources(state: State, into: dict[str, float]) -> None:
    """What the agent has and what its executors use of it, revocable resources apart."""
    used: Quantities = {}
    revocable_used: Quantities = {}
    for executor in state.executors():
        add_quantities(used, executor.resources.non_revocable().quantities())
        add_quantities(revocable_used, executor.resources.revocable().quantities())
    resource_gauges("slave", "", state.total.quantities(), used, into)
    resource_gauges("slave", "_revocable", state.revocable.quantities(), revocable_used, into)

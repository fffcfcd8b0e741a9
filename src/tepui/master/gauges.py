"""A snapshot of all metrics: what was counted, and the gauges that follow from the cluster's state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol
from urllib.parse import quote

from tepui.master.config import MasterConfig
from tepui.master.metrics import FrameworkMetrics, Metrics
from tepui.master.state import Framework, State
from tepui.master.sums import quantities_of, role_sums, used_on
from tepui.model.metrics import resource_gauges, tasks_metric
from tepui.model.quantities import Quantities, add_quantities
from tepui.model.resources import Resources
from tepui.model.v1.mesos import TaskState
from tepui.model.v1.quota import QuotaConfig
from tepui.model.values import as_float

_ALLOCATOR_RESOURCES = ("cpus", "mem", "disk")

_ACTIVE_STATES: tuple[TaskState, ...] = (
    TaskState.TASK_KILLING,
    TaskState.TASK_RUNNING,
    TaskState.TASK_STAGING,
    TaskState.TASK_STARTING,
    TaskState.TASK_UNKNOWN,
    TaskState.TASK_UNREACHABLE,
)


class AllocatorNumbers(Protocol):
    """What an allocator tells of itself; see `tepui.allocator.Allocator`."""

    @property
    def runs(self) -> int: ...
    def total_quantities(self) -> Quantities: ...
    def allocated_quantities(self) -> Quantities: ...
    def filters_active(self) -> dict[str, int]: ...
    def excluded_by_constraints(self, framework_id: str) -> dict[str, list[str]]: ...
    def dominant_shares(self) -> dict[str, float]: ...


class Picture(Protocol):
    """The cluster's state at one time: all that most readers need. A standby's mirror is one."""

    @property
    def config(self) -> MasterConfig: ...
    @property
    def state(self) -> State: ...
    @property
    def now(self) -> float: ...


class Reading(Picture, Protocol):
    """What readers of the leader's state are given. The core's context is one."""

    @property
    def metrics(self) -> Metrics: ...
    @property
    def allocator(self) -> AllocatorNumbers: ...


def snapshot(reading: Reading) -> dict[str, float]:
    """All metrics by name, sorted, as `/metrics/snapshot` shows them."""
    state, config, now = reading.state, reading.config, reading.now
    into = reading.metrics.publish(now)
    used = {agent.agent_id: used_on(agent) for agent in state.agents.values()}
    into["master/uptime_secs"] = now - config.start_time
    into["master/outstanding_offers"] = float(len(state.offers))
    into["master/operator_event_stream_subscribers"] = float(len(state.operator_streams))
    _agents(state, into)
    _resources(state, used, into)
    _frameworks(state, into)
    _quota(state, used, into)
    _allocator(reading.allocator, into)
    if config.per_framework_metrics:
        for framework in (*state.completed_frameworks.values(), *state.frameworks.values()):
            _framework(framework, into)
    return dict(sorted(into.items()))


def _agents(state: State, into: dict[str, float]) -> None:
    agents = state.agents.values()
    connected = sum(agent.connected for agent in agents)
    active = sum(agent.active for agent in agents)
    into["master/slaves_connected"] = float(connected)
    into["master/slaves_disconnected"] = float(len(agents) - connected)
    into["master/slaves_active"] = float(active)
    into["master/slaves_inactive"] = float(len(agents) - active)
    into["master/slaves_unreachable"] = float(len(state.unreachable_agents))


def _resources(state: State, used: Mapping[str, Resources], into: dict[str, float]) -> None:
    """What all agents have and what tasks and executors use of it, revocable resources apart."""
    totals = [agent.total for agent in state.agents.values()]
    resource_gauges(
        "master",
        "",
        quantities_of(part.non_revocable() for part in totals),
        quantities_of(part.non_revocable() for part in used.values()),
        into,
    )
    resource_gauges(
        "master",
        "_revocable",
        quantities_of(part.revocable() for part in totals),
        quantities_of(part.revocable() for part in used.values()),
        into,
    )


def _frameworks(state: State, into: dict[str, float]) -> None:
    frameworks = state.frameworks.values()
    connected = sum(framework.connected for framework in frameworks)
    into["master/frameworks_connected"] = into["master/frameworks_active"] = float(connected)
    into["master/frameworks_disconnected"] = into["master/frameworks_inactive"] = float(len(frameworks) - connected)
    totals = dict.fromkeys(_ACTIVE_STATES, 0)
    for framework in frameworks:
        for task_state, number in _active_tasks(framework).items():
            totals[task_state] += number
    for task_state, number in totals.items():
        if task_state is not TaskState.TASK_UNKNOWN:
            into[tasks_metric("master", task_state)] = float(number)


def _active_tasks(framework: Framework) -> dict[TaskState, int]:
    """How many of its tasks are in each state that is not terminal."""
    numbers = dict.fromkeys(_ACTIVE_STATES, 0)
    for task in framework.tasks.values():
        if task.state in numbers:
            numbers[task.state] += 1
    numbers[TaskState.TASK_UNREACHABLE] += len(framework.unreachable_tasks)
    return numbers


def _allocator(numbers: AllocatorNumbers, into: dict[str, float]) -> None:
    into["allocator/mesos/allocation_runs"] = float(numbers.runs)
    total, allocated = numbers.total_quantities(), numbers.allocated_quantities()
    for name in _ALLOCATOR_RESOURCES:
        into[f"allocator/mesos/resources/{name}/total"] = as_float(total.get(name, 0))
        into[f"allocator/mesos/resources/{name}/offered_or_allocated"] = as_float(allocated.get(name, 0))
    filters = numbers.filters_active()
    for role, share in numbers.dominant_shares().items():
        into[f"allocator/mesos/roles/{role}/shares/dominant"] = share
        into[f"allocator/mesos/offer_filters/roles/{role}/active"] = float(filters.get(role, 0))


def _quota(state: State, used: Mapping[str, Resources], into: dict[str, float]) -> None:
    """What roles consume of their quota, whether they have one or not; the empty name stands for all together."""
    consumed: Quantities = {}
    for role, sums in role_sums(state, used).items():
        _consumed(role, sums.consumed, into)
        config = state.quota.get(role)
        if config is not None:
            _configured(config, sums.held(), into)
        if "/" not in role:
            add_quantities(consumed, sums.consumed)
    _consumed("", consumed, into)


def _consumed(role: str, consumed: Quantities, into: dict[str, float]) -> None:
    for name, amount in consumed.items():
        into[f"allocator/mesos/quota/roles/{role}/resources/{name}/consumed"] = as_float(amount)


def _configured(config: QuotaConfig, held: Quantities, into: dict[str, float]) -> None:
    """A role's quota, and what it holds of what that names."""
    prefix = f"allocator/mesos/quota/roles/{config.role}/resources"
    for word, scalars in (("guarantee", config.guarantees), ("limit", config.limits)):
        for name, scalar in scalars.items():
            into[f"{prefix}/{name}/{word}"] = scalar.value
            into[f"{prefix}/{name}/offered_or_allocated"] = as_float(held.get(name, 0))


def _framework(framework: Framework, into: dict[str, float]) -> None:
    prefix = f"master/frameworks/{_encoded(framework.info.name)}/{framework.framework_id}"
    into[f"{prefix}/subscribed"] = float(framework.connected)
    for role in framework.roles:
        into[f"{prefix}/roles/{role}/suppressed"] = float(role in framework.suppressed_roles)
    for state, number in _active_tasks(framework).items():
        into[f"{prefix}/tasks/active/{state.value.lower()}"] = float(number)
    _counted(prefix, framework.metrics, into)


def _counted(prefix: str, counted: FrameworkMetrics, into: dict[str, float]) -> None:
    groups = (("calls", counted.calls), ("events", counted.events), ("operations", counted.operations))
    for group, numbers in groups:
        into[f"{prefix}/{group}"] = float(sum(numbers.values()))
        for what, number in numbers.items():
            into[f"{prefix}/{group}/{what.value.lower()}"] = float(number)
    for state, number in counted.terminal_tasks.items():
        into[f"{prefix}/tasks/terminal/{state.value.lower()}"] = float(number)
    into[f"{prefix}/offers/sent"] = float(counted.offers_sent)
    into[f"{prefix}/offers/accepted"] = float(counted.offers_accepted)
    into[f"{prefix}/offers/declined"] = float(counted.offers_declined)
    into[f"{prefix}/offers/rescinded"] = float(counted.offers_rescinded)


def _encoded(name: str) -> str:
    """A framework's name as one component of a metric's name, encoded as Mesos encodes it."""
    return quote(name, safe="!*'()").replace("~", "%7E")

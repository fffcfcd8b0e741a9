"""How each thing that is mirrored is written by the leader (`..._entry`) and read by a mirror (`..._of`, `take_...`).

The two sides of an entry stand together, because what one writes the other must read. When they are called is the
business of `mirroring` and `mirror`; the entries themselves are `tepui.model.mirror`.
"""

from __future__ import annotations

from tepui.master.config import MasterConfig
from tepui.master.registry import AgentService, machine_name
from tepui.master.state import Agent, Executor, Framework, Offer, Operation, State, Task, held_resources
from tepui.model.mirror import (
    MirroredExecutor,
    MirroredFramework,
    MirroredLeader,
    MirroredMember,
    MirroredOffer,
    MirroredOperation,
    MirroredService,
    MirroredSettings,
    MirroredTask,
)

CONNECTED = "mirrored"
"""Stands for the names of sessions and links, which only the leader knows."""


# Who leads.


def leader_entry(config: MasterConfig) -> MirroredLeader:
    """What readers are shown of the leader's configuration, and what bounds its history."""
    return MirroredLeader(
        info=config.info,
        version=config.version,
        epoch=config.epoch,
        cluster=config.cluster,
        flags=config.flags,
        start_time=config.start_time,
        elected_time=config.elected_time,
        build=config.build,
        completed_frameworks_max=config.completed_frameworks_max,
        completed_tasks_per_framework_max=config.completed_tasks_per_framework_max,
    )


def config_of(entry: MirroredLeader) -> MasterConfig:
    """The leader's configuration, as far as it was told; the rest is as by default, and means nothing here."""
    return MasterConfig(
        info=entry.info,
        version=entry.version,
        epoch=entry.epoch,
        cluster=entry.cluster,
        flags=entry.flags,
        start_time=entry.start_time,
        elected_time=entry.elected_time,
        build=entry.build,
        completed_frameworks_max=entry.completed_frameworks_max,
        completed_tasks_per_framework_max=entry.completed_tasks_per_framework_max,
    )


# What operators decided.


def settings_entry(state: State) -> MirroredSettings:
    """Quota, weights and maintenance."""
    return MirroredSettings(
        quota=list(state.quota.values()),
        weights=state.weights,
        schedule=state.schedule,
        machines=list(state.machines.values()),
    )


def take_settings(state: State, entry: MirroredSettings) -> None:
    """They replace those before."""
    state.quota = {config.role: config for config in entry.quota}
    state.weights = dict(entry.weights)
    state.schedule = entry.schedule
    state.machines = {machine_name(machine.id): machine for machine in entry.machines}


# Frameworks.


def framework_entry(framework: Framework, *, is_over: bool) -> MirroredFramework:
    """A framework without what it holds; `is_over` when it is completed."""
    return MirroredFramework(
        framework_id=framework.framework_id,
        info=framework.info,
        roles=list(framework.roles),
        connected=framework.connected,
        recovered=framework.recovered,
        is_over=is_over,
        suppressed_roles=sorted(framework.suppressed_roles),
        registered_at=framework.registered_at,
        reregistered_at=framework.reregistered_at,
        unregistered_at=framework.unregistered_at,
        offer_constraints=framework.offer_constraints,
    )


def take_framework(framework: Framework, entry: MirroredFramework) -> None:
    """The framework is as the entry says; what it holds stays."""
    assert entry.info is not None, "a forgotten framework is not taken"
    framework.info = entry.info
    framework.roles = tuple(entry.roles)
    framework.capabilities = frozenset(each.type.value for each in entry.info.capabilities if each.type is not None)
    framework.session = CONNECTED if entry.connected else None
    framework.recovered = entry.recovered
    framework.suppressed_roles = set(entry.suppressed_roles)
    framework.registered_at = entry.registered_at
    framework.reregistered_at = entry.reregistered_at
    framework.unregistered_at = entry.unregistered_at
    framework.offer_constraints = entry.offer_constraints


# Agents.


def member_entry(agent: Agent) -> MirroredMember:
    """An admitted agent without what runs on it."""
    return MirroredMember(
        info=agent.info,
        address=agent.address,
        version=agent.version,
        capabilities=sorted(agent.capabilities),
        total=agent.total.messages(),
        connected=agent.connected,
        leaving=agent.leaving,
        registered_at=agent.registered_at,
        reregistered_at=agent.reregistered_at,
        unavailability=agent.unavailability,
        inverse_statuses=list(agent.inverse_statuses.values()),
    )


def take_member(agent: Agent, entry: MirroredMember) -> None:
    """The agent is as the entry says; what runs on it stays."""
    agent.info = entry.info
    agent.address = entry.address
    agent.version = entry.version
    agent.capabilities = frozenset(entry.capabilities)
    agent.total = held_resources(entry.total)
    agent.link = CONNECTED if entry.connected else None
    agent.leaving = entry.leaving
    agent.registered_at = entry.registered_at
    agent.reregistered_at = entry.reregistered_at
    agent.unavailability = entry.unavailability
    agent.inverse_statuses = {status.framework_id.value: status for status in entry.inverse_statuses}


def service_entry(service: AgentService | None) -> MirroredService | None:
    """None for an agent in service."""
    if service is None:
        return None
    return MirroredService(
        deactivated=service.deactivated, drain=service.drain, drain_started_at=service.drain_started_at
    )


def service_of(agent_id: str, entry: MirroredService | None) -> AgentService | None:
    """None for an agent in service."""
    if entry is None:
        return None
    return AgentService(agent_id, entry.deactivated, entry.drain, entry.drain_started_at)


# What frameworks hold.


def executor_entry(framework_id: str, agent_id: str, executor_id: str, executor: Executor | None) -> MirroredExecutor:
    """One executor; None for one that has ended."""
    return MirroredExecutor(
        framework_id=framework_id,
        agent_id=agent_id,
        executor_id=executor_id,
        info=None if executor is None else executor.info,
    )


def executor_of(framework: Framework, entry: MirroredExecutor) -> Executor | None:
    """None for one that has ended."""
    if entry.info is None:
        return None
    resources = held_resources(entry.info.resources, framework.first_role)
    return Executor(entry.framework_id, entry.executor_id, entry.agent_id, entry.info, resources)


def task_entry(task: Task, *, unreachable: bool = False) -> MirroredTask:
    """One task, running, unreachable or completed."""
    return MirroredTask(
        framework_id=task.framework_id,
        agent_id=task.agent_id,
        executor_id=task.executor_id,
        info=task.info,
        role=task.role,
        state=task.state,
        statuses=task.statuses,
        status_update_state=task.status_update_state,
        status_update_uuid=task.status_update_uuid,
        released=task.released,
        unreachable=unreachable,
        launched_at=task.launched_at,
        user=task.user,
    )


def task_of(entry: MirroredTask, role: str | None = None) -> Task:
    """The task; `role` has those of its resources that say none, the role that is charged unless it is given."""
    return Task(
        framework_id=entry.framework_id,
        task_id=entry.info.task_id.value,
        agent_id=entry.agent_id,
        executor_id=entry.executor_id,
        info=entry.info,
        resources=held_resources(entry.info.resources, role or entry.role),
        role=entry.role,
        state=entry.state,
        statuses=entry.statuses,
        status_update_state=entry.status_update_state,
        status_update_uuid=entry.status_update_uuid,
        released=entry.released,
        launched_at=entry.launched_at,
        user=entry.user,
    )


def offer_entry(offer: Offer) -> MirroredOffer:
    """One outstanding offer."""
    return MirroredOffer(
        offer_id=offer.offer_id,
        framework_id=offer.framework_id,
        agent_id=offer.agent_id,
        role=offer.role,
        resources=offer.resources.messages(),
        made_at=offer.made_at,
    )


def offer_of(entry: MirroredOffer) -> Offer:
    """One outstanding offer."""
    resources = held_resources(entry.resources)
    return Offer(entry.offer_id, entry.framework_id, entry.agent_id, entry.role, resources, entry.made_at)


def operation_entry(operation: Operation) -> MirroredOperation:
    """One operation that is under way, or whose outcome waits to be acknowledged."""
    return MirroredOperation(
        uuid=operation.uuid,
        framework_id=operation.framework_id,
        agent_id=operation.agent_id,
        info=operation.info,
        latest=operation.latest,
        statuses=operation.statuses,
    )


def operation_of(entry: MirroredOperation) -> Operation:
    """One operation that is under way, or whose outcome waits to be acknowledged."""
    return Operation(entry.uuid, entry.framework_id, entry.agent_id, entry.info, entry.latest, entry.statuses)

"""Maintenance of machines: an operator says when they will be away, takes them down, and brings them up again.

    UP --in the schedule--> DRAINING --START_MAINTENANCE--> DOWN --STOP_MAINTENANCE--> UP
                            DRAINING --not in the schedule any more--> UP

A machine is a hostname, compared without case, and an IP address; it need not run an agent. While it is DRAINING,
offers of its agents carry the planned time and frameworks get inverse offers. Going DOWN removes its agents and tells
them to end, and nobody is admitted from there. Nothing happens by itself when a planned time comes (Mesos:
maintenance).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from ipaddress import AddressValueError, IPv4Address

import msgspec

from tepui.master import agents, inverse_offers, offers
from tepui.master.context import Context
from tepui.master.registry import (
    AgentRemoved,
    MachineName,
    MachineSet,
    MaintenanceScheduled,
    Registry,
    RegistryRecord,
    machine_name,
    too_large,
)
from tepui.master.state import Agent, State
from tepui.model import link as wire
from tepui.model.v1.maintenance import ClusterStatus, Schedule, Window
from tepui.model.v1.mesos import MachineID, MachineInfo, Unavailability

DOWN_SENTENCE = "Machine is `DOWN`"
"""Why nobody is admitted from a machine that is down."""
TAKEN_DOWN = "Operator initiated 'Machine DOWN'"
_BUSY = "Another change of the maintenance schedule is being stored; try again"

_Mode = MachineInfo.Mode


def recover(context: Context, registry: Registry) -> None:
    """A starting master knows the schedule and the machines."""
    context.state.schedule = registry.schedule
    context.state.machines.update(registry.machines)


def is_down(state: State, machine: MachineName) -> bool:
    """Whether no agent is admitted from there."""
    info = state.machines.get(machine)
    return info is not None and info.mode is _Mode.DOWN


def unavailability_of(state: State, machine: MachineName) -> Unavailability | None:
    """When the machine is planned to be away."""
    info = state.machines.get(machine)
    return None if info is None else info.unavailability


# What is wrong with what operators say.


def _text(machine: MachineID) -> str:
    given = {"hostname": machine.hostname, "ip": machine.ip}
    return msgspec.json.encode({key: text for key, text in given.items() if text is not None}).decode()


def _invalid_machine(machine: MachineID) -> str | None:
    if not machine.hostname and not machine.ip:
        return "Both 'hostname' and 'ip' for a machine are empty"
    if machine.ip:
        try:
            IPv4Address(machine.ip)
        except AddressValueError:
            return f"Failed to parse IPv4: {machine.ip}"
    return None


def _invalid_machines(machines: Iterable[MachineID], seen: set[MachineName]) -> str | None:
    for machine in machines:
        why = _invalid_machine(machine)
        if why is not None:
            return why
        if machine_name(machine) in seen:
            return f"Machine '{_text(machine)}' appears more than once in the schedule"
        seen.add(machine_name(machine))
    return None


def _invalid_schedule(state: State, schedule: Schedule) -> str | None:
    seen: set[MachineName] = set()
    for window in schedule.windows:
        if not window.machine_ids:
            return "List of machines in the maintenance window is empty"
        duration = window.unavailability.duration
        if duration is not None and duration.nanoseconds < 0:
            return "Unavailability 'duration' is negative"
        why = _invalid_machines(window.machine_ids, seen)
        if why is not None:
            return why
    for name, info in state.machines.items():
        if info.mode is _Mode.DOWN and name not in seen:
            return f"Machine '{_text(info.id)}' is deactivated and cannot be removed from the schedule"
    return None


def _refused_change(state: State, machines: Sequence[MachineID], wanted: MachineInfo.Mode, how: str) -> str | None:
    """Why these machines cannot all be brought down, or up: they are not in the mode for it."""
    if not machines:
        return "List of machines is empty"
    why = _invalid_machines(machines, set())
    if why is not None:
        return why
    for machine in machines:
        info = state.machines.get(machine_name(machine))
        if info is None and not _agents_on(state, [machine_name(machine)]):
            return f"Machine '{_text(machine)}' is not part of a maintenance schedule"
        if info is None or info.mode is not wanted:
            return f"Machine '{_text(machine)}' is not in {wanted.value} mode and cannot be brought {how}"
    return None


def _agents_on(state: State, machines: Iterable[MachineName]) -> list[Agent]:
    names = set(machines)
    return [agent for agent in state.agents.values() if agent.machine in names]


def _may(context: Context, principal: str | None, action: str, machines: Iterable[MachineID]) -> bool:
    return all(context.authorizer(principal, action, _text(machine)) for machine in machines)


# Calls.


def update_schedule(context: Context, request: int, principal: str | None, schedule: Schedule) -> None:
    """UPDATE_MAINTENANCE_SCHEDULE: the schedule takes the place of the one before, answered when it is stored."""
    state = context.state
    planned = {
        machine_name(machine): (machine, window.unavailability)
        for window in schedule.windows
        for machine in window.machine_ids
    }
    why = _invalid_schedule(state, schedule)
    if not _may(context, principal, "update_maintenance_schedules", (machine for machine, _ in planned.values())):
        context.answer(request, 403, "")
    elif why is not None:
        context.answer(request, 400, why)
    elif not _busy(context, request):
        changes = [_up(info.id) for name, info in state.machines.items() if name not in planned]
        for name, (machine, unavailability) in planned.items():
            known = state.machines.get(name)
            mode = _Mode.DRAINING if known is None else known.mode
            changed = MachineInfo(id=machine, mode=mode, unavailability=unavailability)
            if changed != known:
                changes.append(changed)
        why = too_large([MaintenanceScheduled(schedule), *map(MachineSet, changes)])
        if why is not None:
            context.answer(request, 400, why)
            return
        _store(context, request, changes, [], schedule)


def start(context: Context, request: int, principal: str | None, machines: Sequence[MachineID]) -> None:
    """START_MAINTENANCE: the machines go down, and with them all agents there."""
    state = context.state
    why = _refused_change(state, machines, _Mode.DRAINING, "down")
    if not _may(context, principal, "start_maintenances", machines):
        context.answer(request, 403, "")
    elif why is not None:
        context.answer(request, 400, why)
    elif not _busy(context, request):
        names = [machine_name(machine) for machine in machines]
        changes = [
            MachineInfo(id=known.id, mode=_Mode.DOWN, unavailability=known.unavailability)
            for known in (state.machines[name] for name in names)
        ]
        leaving = [agent for agent in _agents_on(state, names) if not agent.leaving]
        for agent in leaving:
            agents.begin_leaving(context, agent)
        _store(context, request, changes, leaving, None)


def stop(context: Context, request: int, principal: str | None, machines: Sequence[MachineID]) -> None:
    """STOP_MAINTENANCE: the machines are up again, and in the schedule no more."""
    why = _refused_change(context.state, machines, _Mode.DOWN, "up")
    if not _may(context, principal, "stop_maintenances", machines):
        context.answer(request, 403, "")
    elif why is not None:
        context.answer(request, 400, why)
    elif not _busy(context, request):
        done = {machine_name(machine) for machine in machines}
        _store(context, request, [_up(machine) for machine in machines], [], _without(context.state.schedule, done))


def _up(machine: MachineID) -> MachineInfo:
    return MachineInfo(id=machine, mode=_Mode.UP)


def _without(schedule: Schedule | None, done: set[MachineName]) -> Schedule:
    windows = []
    for window in () if schedule is None else schedule.windows:
        left = [machine for machine in window.machine_ids if machine_name(machine) not in done]
        if left:
            windows.append(Window(machine_ids=left, unavailability=window.unavailability))
    return Schedule(windows=windows)


def _busy(context: Context, request: int) -> bool:
    """One change at a time: the next one must be judged by what this one leaves."""
    if context.maintenance_changing:
        context.answer(request, 503, _BUSY)
    return context.maintenance_changing


def _store(
    context: Context, request: int, changes: list[MachineInfo], leaving: list[Agent], schedule: Schedule | None
) -> None:
    records: list[RegistryRecord] = [MachineSet(machine) for machine in changes]
    records += [AgentRemoved(agent.agent_id) for agent in leaving]
    if schedule is not None:
        records.append(MaintenanceScheduled(schedule))
    context.maintenance_changing = True
    context.store(records, partial(_stored, context, request, changes, leaving, schedule))


def _stored(
    context: Context, request: int, changes: list[MachineInfo], leaving: list[Agent], schedule: Schedule | None
) -> None:
    state = context.state
    context.maintenance_changing = False
    context.followers.settings()
    if schedule is not None:
        state.schedule = schedule
    for machine in changes:
        if machine.mode is _Mode.UP:
            state.machines.pop(machine_name(machine.id), None)
        else:
            state.machines[machine_name(machine.id)] = machine
    for agent in leaving:
        agents.shut_down(context, agent, TAKEN_DOWN)
        agents.removed(context, agent, TAKEN_DOWN)
    names = {machine_name(machine.id) for machine in changes}
    for agent in _agents_on(state, names):
        if is_down(state, agent.machine) and not agent.leaving:  # it was admitted meanwhile
            turn_away(context, agent)
    _announce(context, names)
    context.answer(request, 200)


def turn_away(context: Context, agent: Agent) -> None:
    """An agent became a member while its machine went down: it is to end."""
    agents.begin_leaving(context, agent)
    context.tell(agent, wire.Shutdown(why=TAKEN_DOWN))
    agents.remove(context, agent, TAKEN_DOWN)


def _announce(context: Context, changed: set[MachineName]) -> None:
    """Agents on these machines are offered anew, with the planned time or without."""
    for agent in _agents_on(context.state, changed):
        unavailability = unavailability_of(context.state, agent.machine)
        if agent.unavailability != unavailability:
            offers.rescind_all(context, agent, "planned unavailability changed")
            inverse_offers.set_unavailability(context, agent, unavailability)


# What operators read.


def status(state: State) -> ClusterStatus:
    """Machines in maintenance, with the last answers to inverse offers about their agents."""
    of_machine: dict[MachineName, list[Agent]] = {}
    for agent_id in state.unavailable:
        agent = state.agents[agent_id]
        of_machine.setdefault(agent.machine, []).append(agent)
    found = ClusterStatus()
    for name, info in state.machines.items():
        if info.mode is _Mode.DOWN:
            found.down_machines.append(info.id)
        else:
            answers = [told for agent in of_machine.get(name, ()) for told in agent.inverse_statuses.values()]
            found.draining_machines.append(ClusterStatus.DrainingMachine(id=info.id, statuses=answers))
    return found

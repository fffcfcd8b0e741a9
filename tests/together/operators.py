"""What operators of the world in memory ask for, and what must be left of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from tepui.master.state import State
from tepui.model.v1.maintenance import Schedule, Window
from tepui.model.v1.master import Call
from tepui.model.v1.mesos import AgentID, MachineID, TimeInfo, Unavailability, Value, WeightInfo
from tepui.model.v1.quota import QuotaConfig

_Type = Call.Type

IN_SERVICE, DEACTIVATED, DRAINING, GONE = "in service", "deactivated", "draining or drained", "gone"
UNKNOWN = "unknown to the master"


class Change(NamedTuple):
    """A call, and what it makes of its subject, as `found` sees it."""

    subject: str
    value: object
    call: Call


class Wish:
    """One asking for a change, and what came of it. While it has no answer, it may hold or not."""

    def __init__(self, value: object, *, acknowledged: bool = False) -> None:
        self.value = value
        self.acknowledged = acknowledged
        self.refused = False

    @property
    def answered(self) -> bool:
        return self.acknowledged or self.refused


def found(state: State, subject: str) -> object:
    """What a master believes of the subject of a change. A call about several things has one value for all of them."""
    if subject == "weights":
        return tuple(state.weights.get(role) for role in ("f0", "f1"))
    if subject == "quota":
        return tuple(state.quota[role].limits["disk"].value if role in state.quota else None for role in ("f0", "f1"))
    if subject == "maintenance":
        windows = [] if state.schedule is None else state.schedule.windows
        scheduled = {machine.hostname for window in windows for machine in window.machine_ids}
        return scheduled, {info.id.hostname: info.mode.value for info in state.machines.values() if info.mode}
    return _service(state, subject.rpartition(" ")[2])


def _service(state: State, agent_id: str) -> str:
    if agent_id in state.gone_agents:
        return GONE
    if not state.is_known(agent_id):
        return UNKNOWN
    service = state.service.get(agent_id)
    if service is None:
        return IN_SERVICE
    if service.drain is None:
        return DEACTIVATED
    return GONE if service.drain.config.mark_gone else DRAINING


def weights(f0: float, f1: float) -> Change:
    infos = [WeightInfo(role="f0", weight=f0), WeightInfo(role="f1", weight=f1)]
    call = Call(type=_Type.UPDATE_WEIGHTS, update_weights=Call.UpdateWeights(weight_infos=infos))
    return Change("weights", (f0, f1), call)


def quota(f0: float | None, f1: float | None) -> Change:
    """Limits on a kind of resource that nobody uses; None ends a quota."""
    configs = [
        QuotaConfig(role=role, limits={} if limit is None else {"disk": Value.Scalar(value=limit)})
        for role, limit in (("f0", f0), ("f1", f1))
    ]
    call = Call(type=_Type.UPDATE_QUOTA, update_quota=Call.UpdateQuota(force=True, quota_configs=configs))
    return Change("quota", (f0, f1), call)


def deactivate(agent_id: str) -> Change:
    call = Call(type=_Type.DEACTIVATE_AGENT)
    call.deactivate_agent = Call.DeactivateAgent(agent_id=AgentID(value=agent_id))
    return Change(f"service of {agent_id}", DEACTIVATED, call)


def reactivate(agent_id: str) -> Change:
    call = Call(type=_Type.REACTIVATE_AGENT)
    call.reactivate_agent = Call.ReactivateAgent(agent_id=AgentID(value=agent_id))
    return Change(f"service of {agent_id}", IN_SERVICE, call)


def drain(agent_id: str, *, mark_gone: bool = False) -> Change:
    call = Call(type=_Type.DRAIN_AGENT)
    call.drain_agent = Call.DrainAgent(agent_id=AgentID(value=agent_id), mark_gone=mark_gone)
    return Change(f"service of {agent_id}", GONE if mark_gone else DRAINING, call)


def mark_gone(agent_id: str) -> Change:
    call = Call(type=_Type.MARK_AGENT_GONE, mark_agent_gone=Call.MarkAgentGone(agent_id=AgentID(value=agent_id)))
    return Change(f"service of {agent_id}", GONE, call)


def schedule(*machines: MachineID) -> Change:
    """The machines are planned to be away, and no others."""
    window = Window(machine_ids=list(machines), unavailability=Unavailability(start=TimeInfo(nanoseconds=0)))
    planned = Schedule(windows=[window] if machines else [])
    call = Call(type=_Type.UPDATE_MAINTENANCE_SCHEDULE)
    call.update_maintenance_schedule = Call.UpdateMaintenanceSchedule(schedule=planned)
    return _maintenance(call, {machine.hostname or "": "DRAINING" for machine in machines})


def take_down(*machines: MachineID) -> Change:
    """All the machines that are planned to be away."""
    call = Call(type=_Type.START_MAINTENANCE, start_maintenance=Call.StartMaintenance(machines=list(machines)))
    return _maintenance(call, {machine.hostname or "": "DOWN" for machine in machines})


def bring_up(*machines: MachineID) -> Change:
    """All the machines that are down."""
    call = Call(type=_Type.STOP_MAINTENANCE, stop_maintenance=Call.StopMaintenance(machines=list(machines)))
    return _maintenance(call, {})


def _maintenance(call: Call, modes: Mapping[str, str]) -> Change:
    return Change("maintenance", (set(modes), dict(modes)), call)

"""What the master has stored: what agents and schedulers cannot tell a master that knows nothing.

That is who was admitted, could not be reached or is gone, what operators decided (quota, weights, maintenance),
and nothing else: tasks and frameworks come from agents and schedulers (DESIGN 3, state is soft).

What shall be stored must fit: ZooKeeper holds 1 MB in a node, and records share nodes. So the master refuses whoever
asks for more (`too_large`), before anything follows from it.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable

import msgspec

from tepui.model.v1.maintenance import Schedule
from tepui.model.v1.mesos import AgentInfo, DrainInfo, MachineID, MachineInfo
from tepui.model.v1.quota import QuotaConfig


class AgentAdmitted(msgspec.Struct, frozen=True, tag=True):
    """The agent (`info.id`) is a member, new or back."""

    info: AgentInfo


class AgentUnreachable(msgspec.Struct, frozen=True, tag=True):
    """The agent could not be reached; it is a member again when it comes back."""

    agent_id: str
    since: float
    """Seconds since the epoch."""


class AgentGone(msgspec.Struct, frozen=True, tag=True):
    """An operator says that the agent never comes back; who connects under its id is told to end."""

    agent_id: str
    since: float
    """Seconds since the epoch."""


class AgentRemoved(msgspec.Struct, frozen=True, tag=True):
    """The agent left for good, or its entry is too old; its id means nothing any more."""

    agent_id: str


class AgentService(msgspec.Struct, frozen=True, tag=True):
    """Whether operators want the agent to get offers, and how far its draining is."""

    agent_id: str
    deactivated: bool
    drain: DrainInfo | None = None
    drain_started_at: float | None = None
    """Seconds since the epoch; None without `drain`."""

    @property
    def is_void(self) -> bool:
        """The agent is in service, as all are of which nothing is stored."""
        return not self.deactivated and self.drain is None


class QuotaSet(msgspec.Struct, frozen=True, tag=True):
    """The quota of a role; one without guarantees and limits ends it."""

    config: QuotaConfig

    @property
    def is_void(self) -> bool:
        """It ends what was set before."""
        return not self.config.guarantees and not self.config.limits


class WeightSet(msgspec.Struct, frozen=True, tag=True):
    """The weight of a role, from now on; there is none that ends it."""

    role: str
    weight: float


class MaintenanceScheduled(msgspec.Struct, frozen=True, tag=True):
    """The whole schedule of maintenance, which replaces the one before."""

    schedule: Schedule


class MachineSet(msgspec.Struct, frozen=True, tag=True):
    """How far a machine's maintenance is; mode UP without unavailability ends it."""

    machine: MachineInfo

    @property
    def is_void(self) -> bool:
        """The machine is up, as all are of which nothing is stored."""
        return self.machine.unavailability is None and self.machine.mode in (None, MachineInfo.Mode.UP)


RegistryRecord = (
    AgentAdmitted
    | AgentUnreachable
    | AgentGone
    | AgentRemoved
    | AgentService
    | QuotaSet
    | WeightSet
    | MaintenanceScheduled
    | MachineSet
)


RECORD_BYTES_MAX = 131_072
"""How large a record may be, as JSON. About fifty share a node with 50,000 agents, deflated to a tenth as a rule."""
SCHEDULE_BYTES_MAX = 800_000
"""How large the schedule may be, deflated: there is one, and it names every machine that is planned to be away, which
may be 50,000."""

_WHAT = {
    AgentAdmitted: ("description of the agent", "give it fewer or shorter attributes and resources"),
    QuotaSet: ("quota of a role", "name fewer resources, or shorten the names"),
    WeightSet: ("name of a role", "shorten it"),
    MaintenanceScheduled: ("maintenance schedule", "plan fewer machines at a time"),
    MachineSet: ("name of a machine", "shorten it"),
}
"""What makes a record large, and what to do about it. The others hold nothing but ids and numbers."""

_encode = msgspec.json.Encoder().encode


def too_large(records: Iterable[RegistryRecord]) -> str | None:
    """A sentence about the first record that the registry does not hold, if there is one."""
    for record in records:
        size, size_max, how = len(_encode(record)), RECORD_BYTES_MAX, "as JSON"
        if size > size_max and type(record) is MaintenanceScheduled:
            size, size_max, how = len(zlib.compress(_encode(record), 1)), SCHEDULE_BYTES_MAX, "deflated"
        if size > size_max:
            what, advice = _WHAT.get(type(record), ("id of an agent", "shorten it"))
            return f"The {what} is too large for the registry ({size} bytes {how}, at most {size_max}): {advice}"
    return None


MachineName = tuple[str, str]
"""A machine in maintenance: its hostname in lower case, and its address."""


def machine_name(machine: MachineID) -> MachineName:
    """What compares equal for ids of the same machine."""
    return (machine.hostname or "").lower(), machine.ip or ""


def note_quota(quota: dict[str, QuotaConfig], config: QuotaConfig) -> None:
    """What is set for a role replaces what was; a quota that says nothing ends."""
    if QuotaSet(config).is_void:
        quota.pop(config.role, None)
    else:
        quota[config.role] = config


class Registry:
    """The stored records, folded: what a starting master knows."""

    def __init__(self, records: Iterable[RegistryRecord] = ()) -> None:
        self.admitted: dict[str, AgentInfo] = {}
        self.unreachable: dict[str, float] = {}
        self.gone: dict[str, float] = {}
        self.service: dict[str, AgentService] = {}
        """Agents that are deactivated or draining."""
        self.quota: dict[str, QuotaConfig] = {}
        self.weights: dict[str, float] = {}
        self.schedule: Schedule | None = None
        self.machines: dict[MachineName, MachineInfo] = {}
        """Those that are not simply up."""
        for record in records:
            self.apply(record)

    def apply(self, record: RegistryRecord) -> None:
        """Take over what one more record says."""
        match record:
            case AgentAdmitted(info):
                assert info.id is not None, "an agent is admitted under an id"
                self.unreachable.pop(info.id.value, None)
                self.admitted[info.id.value] = info
            case AgentUnreachable(agent_id, since):
                self.admitted.pop(agent_id, None)
                self.unreachable[agent_id] = since
            case AgentGone(agent_id, since):
                self._forget(agent_id)
                self.gone[agent_id] = since
            case AgentRemoved(agent_id):
                self._forget(agent_id)
            case AgentService(agent_id):
                if record.is_void:
                    self.service.pop(agent_id, None)
                else:
                    self.service[agent_id] = record
            case QuotaSet(config):
                note_quota(self.quota, config)
            case WeightSet(role, weight):
                self.weights[role] = weight
            case MaintenanceScheduled(schedule):
                self.schedule = schedule
            case MachineSet(machine):
                name = machine_name(machine.id)
                if record.is_void:
                    self.machines.pop(name, None)
                else:
                    self.machines[name] = machine

    def _forget(self, agent_id: str) -> None:
        for entries in (self.admitted, self.unreachable, self.gone, self.service):
            entries.pop(agent_id, None)

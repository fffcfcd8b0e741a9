"""The registry as entries: what a change writes, and what a starting master reads back.

An entry is a key and a record (`tepui.master.registry`), the newest of those with that key; a record that ends its
subject deletes the entry. So the registry holds what is in force and nothing of how that came about, and one change
writes one entry, however many agents there are.

| key | record |
|---|---|
| `agents/<id>` | AgentAdmitted, AgentUnreachable |
| `gone/<id>` | AgentGone |
| `service/<id>` | AgentService |
| `quota/<role>` | QuotaSet |
| `weights/<role>` | WeightSet |
| `schedule` | MaintenanceScheduled |
| `machines/["<hostname>","<ip>"]` | MachineSet |

A record travels as JSON under the field names of the v1 protocol, with its kind as `type`. This is format 1. Fields and
kinds may be added to it; what changes the meaning of one that is there needs a new number, and a reader for the old.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from tepui.master.registry import (
    AgentAdmitted,
    AgentGone,
    AgentRemoved,
    AgentService,
    AgentUnreachable,
    MachineSet,
    MaintenanceScheduled,
    QuotaSet,
    RegistryRecord,
    WeightSet,
    machine_name,
)

FORMAT = 1
"""The newest format of entries that this version reads, and the one that it writes."""

Changes = dict[str, bytes | None]
"""New entries by key; None deletes one."""

_ORDER = ("gone", "agents", "service", "quota", "weights", "schedule", "machines")
"""A record that an agent is gone makes those before it void, so these come first."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(RegistryRecord).decode


class EntryError(ValueError):
    """An entry cannot be read; the text says which and why."""


def changes_of(records: Iterable[RegistryRecord]) -> Changes:
    """What the records change, one after another. Only the last change of each entry is left."""
    changes: Changes = {}
    for record in records:
        changes.update(_changes_of_one(record))
    return changes


def _changes_of_one(record: RegistryRecord) -> Changes:
    match record:
        case AgentGone(agent_id):
            return {f"agents/{agent_id}": None, f"service/{agent_id}": None, _key_of(record): _encode(record)}
        case AgentRemoved(agent_id):
            return {f"agents/{agent_id}": None, f"service/{agent_id}": None, f"gone/{agent_id}": None}
        case AgentService() | QuotaSet() | MachineSet():
            return {_key_of(record): None if record.is_void else _encode(record)}
        case _:
            return {_key_of(record): _encode(record)}


def _key_of(record: RegistryRecord) -> str:
    """Where the record is kept; empty when none is, because it only ends others."""
    match record:
        case AgentAdmitted(info):
            return "" if info.id is None else f"agents/{info.id.value}"
        case AgentUnreachable(agent_id):
            return f"agents/{agent_id}"
        case AgentGone(agent_id):
            return f"gone/{agent_id}"
        case AgentRemoved():
            return ""
        case AgentService(agent_id):
            return f"service/{agent_id}"
        case QuotaSet(config):
            return f"quota/{config.role}"
        case WeightSet(role):
            return f"weights/{role}"
        case MaintenanceScheduled():
            return "schedule"
        case MachineSet(machine):
            return f"machines/{_encode(machine_name(machine.id)).decode()}"


def records_of(entries: Mapping[str, bytes]) -> list[RegistryRecord]:
    """The records that make up the registry, in an order in which they can be folded.

    Raises EntryError when one of them is none.
    """
    kinds: dict[str, list[RegistryRecord]] = {kind: [] for kind in _ORDER}
    for key, value in entries.items():
        found = kinds.get(key.partition("/")[0])
        if found is None:
            raise EntryError(f"the entry '{key}' is of a kind that this version does not know")
        try:
            record = _decode(value)
        except msgspec.MsgspecError as error:
            raise EntryError(f"the entry '{key}' cannot be read: {error}") from None
        if _key_of(record) != key:
            raise EntryError(f"the entry '{key}' holds what belongs elsewhere")
        found.append(record)
    return [record for kind in _ORDER for record in kinds[kind]]

"""What the master has stored: the agents that it admitted, and those it could not reach.

Tasks and frameworks are not here: agents and schedulers tell them to a master that knows nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from tepui.model.v1.mesos import AgentInfo


class AgentAdmitted(msgspec.Struct, frozen=True, tag=True):
    """The agent (`info.id`) is a member, new or back."""

    info: AgentInfo


class AgentUnreachable(msgspec.Struct, frozen=True, tag=True):
    """The agent could not be reached; it is a member again when it comes back."""

    agent_id: str
    since: float
    """Seconds since the epoch."""


class AgentRemoved(msgspec.Struct, frozen=True, tag=True):
    """The agent left for good; its id means nothing any more."""

    agent_id: str


RegistryRecord = AgentAdmitted | AgentUnreachable | AgentRemoved


class Registry:
    """The stored records, folded: what a starting master knows."""

    def __init__(self, records: Iterable[RegistryRecord] = ()) -> None:
        self.admitted: dict[str, AgentInfo] = {}
        self.unreachable: dict[str, float] = {}
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
            case AgentRemoved(agent_id):
                self.admitted.pop(agent_id, None)
                self.unreachable.pop(agent_id, None)

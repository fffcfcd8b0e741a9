"""What is reserved on the agents, as the master tells it in messages: shared by `reservation` and `volume`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from tepui.cli.client import Client
from tepui.cli.names import resolve
from tepui.model.values import ranges_text

Message = dict[str, Any]
"""A v1 Resource as JSON."""


class Reserved(NamedTuple):
    """One entry of an agent's resources that is reserved; a volume is one, too."""

    agent: dict[str, Any]
    message: Message

    @property
    def top(self) -> dict[str, Any]:
        """The reservation that counts: the last refinement."""
        found: dict[str, Any] = self.message["reservations"][-1]
        return found

    @property
    def role(self) -> str:
        return str(self.top["role"])

    @property
    def volume_id(self) -> str | None:
        """Of a persistent volume."""
        persistence = self.message.get("disk", {}).get("persistence")
        return None if persistence is None else str(persistence["id"])


def agents_of(client: Client) -> dict[str, dict[str, Any]]:
    """The agents by id, with their resources in full."""
    return {agent["id"]: agent for agent in client.get("/slaves")["slaves"]}


def named_agent(client: Client, wanted: str) -> dict[str, Any]:
    """One agent by what somebody wrote. Raises NotFoundError."""
    agents = agents_of(client)
    return agents[resolve("agent", wanted, agents)]


def reserved_on(agents: Iterable[dict[str, Any]]) -> Iterator[Reserved]:
    """All reserved entries."""
    for agent in agents:
        for messages in agent["reserved_resources_full"].values():
            for message in messages:
                yield Reserved(agent, message)


def value_of(message: Message) -> float | str:
    """A scalar's amount; ranges and sets as text."""
    if "scalar" in message:
        return float(message["scalar"]["value"])
    if "ranges" in message:
        return ranges_text((part["begin"], part["end"]) for part in message["ranges"]["range"])
    return "{" + ", ".join(message["set"]["item"]) + "}"


def in_stack_form(message: Message) -> Message:
    """Without what says the same in the older form, so that it can be sent back."""
    return {key: value for key, value in message.items() if key not in ("role", "reservation")}


def labels_of(holder: dict[str, Any]) -> dict[str, str]:
    """Labels as `{key: value}`."""
    return {label["key"]: label.get("value", "") for label in holder.get("labels", {}).get("labels", [])}

"""`tepui reservation`: resources of an agent that are kept for one role."""

from __future__ import annotations

from typing import Any

import click

from tepui.cli.amounts import amounts
from tepui.cli.client import Client
from tepui.cli.confirming import change, wait_options
from tepui.cli.errors import NotFoundError
from tepui.cli.names import short_names, tail
from tepui.cli.options import master_option, output_options
from tepui.cli.output import Column, Output, Report, amount, resources, table
from tepui.cli.reserved import (
    Message,
    Reserved,
    agents_of,
    in_stack_form,
    labels_of,
    named_agent,
    reserved_on,
    value_of,
)

_NONE = "Nothing is reserved: `tepui reservation add AGENT ROLE cpus:2,mem:1G` reserves something."


@click.group()
def reservation() -> None:
    """Reservations: resources of an agent that are kept for one role."""


@reservation.command("list")
@click.option("--role", help="Only those for this role.")
@master_option
@output_options
def reservation_list(client: Client, output: Output, role: str | None) -> None:
    """What is reserved, by agent and role. Static reservations are the agent's flags, dynamic ones can be removed."""

    def report() -> Report:
        rows = [row for row in _rows(client) if role is None or row["role"] == role]
        return Report(rows, lambda: _table(rows))

    output.show(report, f"tepui reservation list of {client.address}")


@reservation.command("add")
@click.argument("agent_id", metavar="AGENT")
@click.argument("role")
@click.argument("wanted", metavar="AMOUNTS", type=amounts)
@click.option("--principal", help="In whose name; it must be the one that asks, where the master knows who asks.")
@wait_options
@master_option
def reservation_add(
    client: Client,
    agent_id: str,
    role: str,
    wanted: dict[str, float],
    principal: str | None,
    wait_seconds: float | None,
) -> None:
    """Keep free resources of an agent for a role: cpus:2,mem:1G. Offers in the way are rescinded."""
    agent = named_agent(client, agent_id)
    layer = {"type": "DYNAMIC", "role": role} | ({"principal": principal} if principal else {})
    messages = [{**_scalar(name, value), "reservations": [layer]} for name, value in wanted.items()]
    if change(client, "RESERVE_RESOURCES", agent, {"resources": messages}, wait_seconds):
        click.echo(f"Reserved {resources(wanted)} of agent {tail(agent['id'])} for role {role}.")


@reservation.command("remove")
@click.argument("agent_id", metavar="AGENT")
@click.argument("role")
@click.argument("wanted", metavar="AMOUNTS", type=amounts)
@wait_options
@master_option
def reservation_remove(
    client: Client, agent_id: str, role: str, wanted: dict[str, float], wait_seconds: float | None
) -> None:
    """Give reserved resources of an agent back to everybody. What tasks use, and volumes, stay reserved."""
    agent = named_agent(client, agent_id)
    entries = [
        entry
        for entry in reserved_on([agent])
        if entry.role == role and entry.top["type"] == "DYNAMIC" and "scalar" in entry.message
    ]
    chosen = [message for name, value in wanted.items() for message in _take(entries, name, value, agent, role)]
    if change(client, "UNRESERVE_RESOURCES", agent, {"resources": chosen}, wait_seconds):
        click.echo(f"Gave back {resources(wanted)} of agent {tail(agent['id'])} that role {role} had reserved.")


def _take(entries: list[Reserved], name: str, wanted: float, agent: dict[str, Any], role: str) -> list[Message]:
    """Parts of the entries that come to so much; they may be in different names."""
    chosen: list[Message] = []
    left = wanted
    for entry in entries:
        if left > 0 and entry.message["name"] == name and entry.volume_id is None:
            part = min(left, float(entry.message["scalar"]["value"]))
            chosen.append(in_stack_form({**entry.message, "scalar": {"value": part}}))
            left -= part
    if left > 0:
        has = amount(name, wanted - left)
        raise NotFoundError(f"Agent {tail(agent['id'])} has only {name} {has} reserved dynamically for role '{role}'.")
    return chosen


def _scalar(name: str, value: float) -> Message:
    return {"name": name, "type": "SCALAR", "scalar": {"value": value}}


def _rows(client: Client) -> list[dict[str, Any]]:
    rows: dict[tuple[object, ...], dict[str, Any]] = {}
    for entry in reserved_on(agents_of(client).values()):
        top = entry.top
        key = (entry.agent["id"], entry.role, top["type"], top.get("principal"), str(labels_of(top)))
        row = rows.setdefault(
            key,
            {
                "agent_id": entry.agent["id"],
                "agent_hostname": entry.agent["hostname"],
                "role": entry.role,
                "type": top["type"].lower(),
                "principal": top.get("principal"),
                "labels": labels_of(top),
                "resources": {},
                "volumes": 0,
            },
        )
        value, held = value_of(entry.message), row["resources"]
        name = entry.message["name"]
        if isinstance(value, str):
            held[name] = f"{held[name]} {value}" if name in held else value
        else:
            held[name] = held.get(name, 0.0) + value
        row["volumes"] += entry.volume_id is not None
    return list(rows.values())


def _table(rows: list[dict[str, Any]]) -> str:
    names = short_names(row["agent_id"] for row in rows)
    columns = [
        Column("AGENT", lambda row: names[row["agent_id"]]),
        Column("HOST", lambda row: str(row["agent_hostname"]), name=True),
        Column("ROLE", lambda row: str(row["role"]), name=True),
        Column("TYPE", lambda row: str(row["type"])),
        Column("PRINCIPAL", lambda row: row["principal"] or "", name=True),
        Column("LABELS", lambda row: ",".join(f"{key}={value}" for key, value in row["labels"].items()), name=True),
        Column("VOLUMES", lambda row: str(row["volumes"]) if row["volumes"] else "", number=True),
        Column("RESOURCES", lambda row: resources(row["resources"])),
    ]
    return table(columns, rows, _NONE)

"""`tepui volume`: persistent volumes on the disks of agents."""

from __future__ import annotations

from typing import Any

import click

from tepui.cli.amounts import amounts
from tepui.cli.client import Client
from tepui.cli.confirming import change, wait_options
from tepui.cli.errors import NotFoundError
from tepui.cli.names import missing, short_names, tail
from tepui.cli.options import master_option, output_options
from tepui.cli.output import Column, Output, Report, megabytes, table
from tepui.cli.reserved import Message, Reserved, agents_of, in_stack_form, named_agent, reserved_on

_NONE = "There are no volumes: `tepui volume create AGENT ROLE ID SIZE` makes one from reserved disk."


@click.group()
def volume() -> None:
    """Volumes: data on the disks of agents that outlives tasks."""


@volume.command("list")
@click.option("--role", help="Only those of this role.")
@master_option
@output_options
def volume_list(client: Client, output: Output, role: str | None) -> None:
    """Persistent volumes, by agent."""

    def report() -> Report:
        rows = [row for row in _rows(client) if role is None or row["role"] == role]
        return Report(rows, lambda: _table(rows))

    output.show(report, f"tepui volume list of {client.address}")


@volume.command("create")
@click.argument("agent_id", metavar="AGENT")
@click.argument("role")
@click.argument("volume_id", metavar="ID")
@click.argument("size")
@click.option("--path", default=None, help="Where tasks see it in their sandbox.  [default: the id]")
@click.option("--shared", is_flag=True, help="Several tasks may use it at once.")
@wait_options
@master_option
def volume_create(
    client: Client,
    agent_id: str,
    role: str,
    volume_id: str,
    size: str,
    path: str | None,
    shared: bool,
    wait_seconds: float | None,
) -> None:
    """Make a volume of SIZE (MB, or such as 20G) from disk of an agent that is reserved for the role."""
    wanted = amounts(f"disk:{size}")["disk"]
    agent = named_agent(client, agent_id)
    entry = _room(agent, role, wanted)
    if entry is None:
        hint = f"`tepui reservation add {tail(agent['id'])} {role} disk:{size}` reserves it"
        raise NotFoundError(
            f"Agent {tail(agent['id'])} has no {megabytes(wanted)} of disk reserved for role '{role}': {hint}."
        )
    layer = entry.top
    persistence = {"id": volume_id} | ({"principal": layer["principal"]} if "principal" in layer else {})
    disk = {**entry.message.get("disk", {}), "persistence": persistence}
    disk["volume"] = {"mode": "RW", "container_path": path or volume_id}
    message = {**in_stack_form(entry.message), "scalar": {"value": wanted}, "disk": disk}
    if shared:
        message["shared"] = {}
    if change(client, "CREATE_VOLUMES", agent, {"volumes": [message]}, wait_seconds):
        click.echo(f"Created volume {volume_id} of {megabytes(wanted)} on agent {tail(agent['id'])} for role {role}.")


@volume.command("destroy")
@click.argument("agent_id", metavar="AGENT")
@click.argument("volume_id", metavar="ID")
@click.option("--role", help="Whose it is, where several roles have one of this id there.")
@wait_options
@master_option
def volume_destroy(client: Client, agent_id: str, volume_id: str, role: str | None, wait_seconds: float | None) -> None:
    """End a volume with all that is on it. Its disk stays reserved."""
    agent = named_agent(client, agent_id)
    known = [entry for entry in reserved_on([agent]) if entry.volume_id is not None]
    found = [entry for entry in known if entry.volume_id == volume_id and role in (None, entry.role)]
    if not found:
        others = " and ".join(entry.role for entry in known if entry.volume_id == volume_id)
        if others:
            raise NotFoundError(f"Role '{role}' has no volume '{volume_id}' there; it is the volume of {others}.")
        raise NotFoundError(missing("volume", volume_id, [str(entry.volume_id) for entry in known]))
    if len(found) > 1:
        roles = " and ".join(entry.role for entry in found)
        raise NotFoundError(f"'{volume_id}' may be the volume of {roles}. Say --role.")
    if change(client, "DESTROY_VOLUMES", agent, {"volumes": [in_stack_form(found[0].message)]}, wait_seconds):
        click.echo(f"Destroyed volume {volume_id} on agent {tail(agent['id'])}.")


def _room(agent: dict[str, Any], role: str, wanted: float) -> Reserved | None:
    """Reserved disk that the volume can be made of; a mounted one is taken whole or not at all."""
    for entry in reserved_on([agent]):
        if entry.message["name"] != "disk" or entry.role != role or entry.volume_id is not None:
            continue
        has = float(entry.message["scalar"]["value"])
        whole = entry.message.get("disk", {}).get("source", {}).get("type") == "MOUNT"
        if has == wanted or (has > wanted and not whole):
            return entry
    return None


def _rows(client: Client) -> list[dict[str, Any]]:
    rows = []
    for agent in agents_of(client).values():
        used = {_key(message) for message in agent["used_resources_full"]}
        for entry in reserved_on([agent]):
            if entry.volume_id is None:
                continue
            disk = entry.message["disk"]
            source = disk.get("source", {})
            place = source.get("path", source.get("mount", {})).get("root")
            rows.append(
                {
                    "agent_id": agent["id"],
                    "agent_hostname": agent["hostname"],
                    "role": entry.role,
                    "id": entry.volume_id,
                    "size": entry.message["scalar"]["value"],
                    "container_path": disk["volume"]["container_path"],
                    "shared": "shared" in entry.message,
                    "in_use": _key(entry.message) in used,
                    "disk": place,
                    "principal": disk["persistence"].get("principal"),
                }
            )
    return rows


def _key(message: Message) -> tuple[str, str] | None:
    """The role and id of a volume, which are unique on an agent."""
    persistence = message.get("disk", {}).get("persistence")
    return None if persistence is None else (message["reservations"][-1]["role"], persistence["id"])


def _table(rows: list[dict[str, Any]]) -> str:
    names = short_names(row["agent_id"] for row in rows)
    columns = [
        Column("AGENT", lambda row: names[row["agent_id"]]),
        Column("HOST", lambda row: str(row["agent_hostname"]), name=True),
        Column("ROLE", lambda row: str(row["role"]), name=True),
        Column("VOLUME", lambda row: str(row["id"])),
        Column("SIZE", lambda row: megabytes(row["size"]), number=True),
        Column("PATH", lambda row: str(row["container_path"]), name=True),
        Column("DISK", lambda row: row["disk"] or "", name=True),
        Column("SHARED", lambda row: "shared" if row["shared"] else ""),
        Column("USE", lambda row: "in use" if row["in_use"] else ""),
        Column("PRINCIPAL", lambda row: row["principal"] or "", name=True),
    ]
    return table(columns, rows, _NONE)

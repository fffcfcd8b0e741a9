"""`tepui agent`: the machines of the cluster."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from tepui.cli.client import Client
from tepui.cli.names import resolve, short_names
from tepui.cli.options import master_option, output_options
from tepui.cli.output import Column, Output, Report, amount, fields, number, resources, since, table
from tepui.cli.tasks import tasks_table

EXTENSIONS = "/api/tepui/v1"


@click.group()
def agent() -> None:
    """Agents: the machines of the cluster."""


@agent.command("list")
@master_option
@output_options
def agent_list(client: Client, output: Output) -> None:
    """All agents, with what is used of each."""

    def report() -> Report:
        agents = all_agents(client)
        return Report(agents, lambda: _table(agents))

    output.show(report, f"tepui agent list of {client.address}")


@agent.command()
@click.argument("agent_id", metavar="ID")
@master_option
@output_options
def show(client: Client, output: Output, agent_id: str) -> None:
    """One agent: its resources, attributes and tasks. A unique part of the id will do: `S0`."""

    def report() -> Report:
        agents = {entry["id"]: entry for entry in all_agents(client)}
        found = agents[resolve("agent", agent_id, agents)]
        answer = client.get(f"{EXTENSIONS}/tasks", {"agent_id": found["id"], "state": "active"})
        data = {**found, "active_tasks": answer["tasks"]}
        return Report(data, lambda: _details(data, answer["total"]))

    output.show(report, f"tepui agent show {agent_id}")


def all_agents(client: Client) -> list[dict[str, Any]]:
    """What the master says of each agent; `state` is active, disconnected or unreachable."""
    answer = client.get(f"{EXTENSIONS}/agents")
    agents = [{**entry, "state": "active" if entry["active"] else "disconnected"} for entry in answer["agents"]]
    return agents + [
        {"id": entry["id"], "state": "unreachable", "unreachable_time": entry["since"]}
        for entry in answer["unreachable_agents"]
    ]


def _share(entry: Mapping[str, Any], name: str) -> str:
    """`2/4`: used of all."""
    if "resources" not in entry or not entry["resources"].get(name):
        return ""
    used = entry["used_resources"].get(name, 0)
    return f"{amount(name, used)}/{amount(name, entry['resources'][name])}"


def _table(agents: list[dict[str, Any]]) -> str:
    names = short_names(entry["id"] for entry in agents)
    columns = [
        Column("AGENT", lambda row: names[row["id"]]),
        Column("HOST", lambda row: row.get("hostname", "")),
        Column("ADDRESS", lambda row: row.get("address", "")),
        Column("STATE", lambda row: str(row["state"])),
        Column("TASKS", lambda row: number(row["tasks"]) if "tasks" in row else "", number=True),
        *(
            Column(f"{title} USED", lambda row, name=name: _share(row, name), number=True)  # type: ignore[misc]
            for title, name in (("CPUS", "cpus"), ("MEM", "mem"), ("DISK", "disk"), ("GPUS", "gpus"))
        ),
        Column("ATTRIBUTES", _attributes),
        Column("SINCE", lambda row: since(row.get("registered_time") or row.get("unreachable_time")), number=True),
    ]
    return table(columns, agents, "There are no agents: start one with `tepui serve agent --master=HOST:PORT`.")


def _attributes(entry: Mapping[str, Any]) -> str:
    return ";".join(f"{name}:{value}" for name, value in entry.get("attributes", {}).items())


def _details(entry: Mapping[str, Any], tasks: int) -> str:
    pairs = [("Id", str(entry["id"])), ("State", str(entry["state"]))]
    if "resources" in entry:
        pairs += [
            ("Host", entry["hostname"]),
            ("Address", entry["address"]),
            ("Version", entry["version"]),
            ("Registered", f"{since(entry['registered_time'])} ago"),
            ("Attributes", _attributes(entry)),
            ("Resources", resources(entry["resources"])),
            ("Used", resources(entry["used_resources"])),
            ("Offered", resources(entry["offered_resources"])),
            ("Executors", number(entry["executors"])),
        ]
    else:
        pairs.append(("Unreachable", f"for {since(entry['unreachable_time'])}"))
    return f"{fields(pairs)}\n\n{tasks_table(entry['active_tasks'], tasks, 'No tasks run here.')}"

"""`tepui agent`: the machines of the cluster."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import click

from tepui.cli.client import EXTENSIONS, Client
from tepui.cli.durations import nanoseconds
from tepui.cli.errors import RefusedError
from tepui.cli.names import resolve, short_names
from tepui.cli.options import master_option, output_options
from tepui.cli.output import Column, Output, Report, amount, fields, number, resources, since, table
from tepui.cli.tasks import tasks_table

DRAIN_POLL_SECONDS = 0.5


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


@agent.command()
@click.argument("agent_id", metavar="ID")
@click.option("--grace", metavar="DURATION", help="The longest that a task may take to end, such as 30secs.")
@click.option("--mark-gone", is_flag=True, help="Mark the agent gone when it is empty: it never comes back.")
@click.option("--wait", is_flag=True, help="Wait until the agent is drained, or gone.")
@master_option
def drain(client: Client, agent_id: str, grace: str | None, mark_gone: bool, wait: bool) -> None:
    """Empty an agent: no more offers of it, and its tasks are killed. `reactivate` puts it in service again."""
    found = _named(client, agent_id)
    member: dict[str, Any] = {"agent_id": {"value": found}, "mark_gone": mark_gone}
    if grace is not None:
        seconds, nanos = divmod(nanoseconds("--grace", grace), 10**9)
        member["max_grace_period"] = {"seconds": seconds, "nanos": nanos}
    client.call("DRAIN_AGENT", member)
    click.echo(f"Draining agent {found}.")
    if not wait:
        return
    pending = ("draining", "awaited", "drained") if mark_gone else ("draining", "awaited")
    while (state := _state_of(client, found)).startswith(pending):
        time.sleep(DRAIN_POLL_SECONDS)
    if not state.startswith(("drained", "gone")):
        raise RefusedError(f"Agent {found} is {state}; it is drained when it is back.")
    click.echo(f"Agent {found} is {state}.")


@agent.command()
@click.argument("agent_id", metavar="ID")
@master_option
def deactivate(client: Client, agent_id: str) -> None:
    """Offer nothing more of an agent; its tasks go on."""
    click.echo(f"Deactivated agent {_tell(client, 'DEACTIVATE_AGENT', agent_id)}.")


@agent.command()
@click.argument("agent_id", metavar="ID")
@master_option
def reactivate(client: Client, agent_id: str) -> None:
    """Put an agent that was deactivated or drained in service again."""
    click.echo(f"Agent {_tell(client, 'REACTIVATE_AGENT', agent_id)} is in service again.")


@agent.command()
@click.argument("agent_id", metavar="ID")
@master_option
def gone(client: Client, agent_id: str) -> None:
    """Say that an agent never comes back: its tasks are over, and if it does come back it is told to end.

    The agent may be connected, disconnected or unreachable. This cannot be undone.
    """
    click.echo(f"Marked agent {_tell(client, 'MARK_AGENT_GONE', agent_id)} gone.")


def _named(client: Client, agent_id: str) -> str:
    return resolve("agent", agent_id, [entry["id"] for entry in all_agents(client)])


def _tell(client: Client, kind: str, agent_id: str) -> str:
    """Make a call about an agent; returns its whole id."""
    found = _named(client, agent_id)
    client.call(kind, {"agent_id": {"value": found}})
    return found


def _state_of(client: Client, agent_id: str) -> str:
    return next((str(entry["state"]) for entry in all_agents(client) if entry["id"] == agent_id), "gone")


def all_agents(client: Client) -> list[dict[str, Any]]:
    """What the master says of each agent.

    `state` is active, deactivated, draining, drained or disconnected (also several of these), awaited (not back since
    the master's failover), unreachable or gone.
    """
    answer = client.get(f"{EXTENSIONS}/agents")
    agents = [{**entry, "state": _state(entry)} for entry in answer["agents"]]
    agents += [{**entry, "state": "awaited"} for entry in answer["recovered_agents"]]
    agents += [
        {"id": entry["id"], "state": "unreachable", "unreachable_time": entry["since"]}
        for entry in answer["unreachable_agents"]
    ]
    return agents + [
        {"id": entry["id"], "state": "gone", "gone_time": entry["since"]} for entry in answer["gone_agents"]
    ]


def _state(entry: Mapping[str, Any]) -> str:
    words = [] if entry["service"] == "in service" else [entry["service"]]
    if not entry["connected"]:
        words.append("disconnected")
    return ", ".join(words) or "active"


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
        Column("HOST", lambda row: row.get("hostname", ""), name=True),
        Column("ADDRESS", lambda row: row.get("address", "")),
        Column("STATE", lambda row: str(row["state"])),
        Column("TASKS", lambda row: number(row["tasks"]) if "tasks" in row else "", number=True),
        *(
            Column(f"{title} USED", lambda row, name=name: _share(row, name), number=True)  # type: ignore[misc]
            for title, name in (("CPUS", "cpus"), ("MEM", "mem"), ("DISK", "disk"), ("GPUS", "gpus"))
        ),
        Column("ATTRIBUTES", _attributes),
        Column("SINCE", lambda row: since(_time(row)), number=True),
    ]
    return table(columns, agents, "There are no agents: start one with `tepui serve agent --master=HOST:PORT`.")


def _time(entry: Mapping[str, Any]) -> float | None:
    """Since when it is as it is."""
    return entry.get("registered_time") or entry.get("unreachable_time") or entry.get("gone_time")


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
    elif _time(entry) is not None:
        pairs.append(("Since", f"{since(_time(entry))} ago"))
    return f"{fields(pairs)}\n\n{tasks_table(entry['active_tasks'], tasks, 'No tasks run here.')}"

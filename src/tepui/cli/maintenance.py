"""`tepui maintenance`: machines that will be away, and that are."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

import click

from tepui.cli.agents import all_agents
from tepui.cli.client import Client
from tepui.cli.durations import nanoseconds
from tepui.cli.errors import NotFoundError
from tepui.cli.names import short_names, tail
from tepui.cli.options import master_option, output_options
from tepui.cli.output import Column, Output, Report, age, table
from tepui.wire.text import TextError, format_duration, parse_duration

Machine = dict[str, str]

_NONE = "No machine is in maintenance: `tepui maintenance schedule AGENT` plans one."
_MACHINES = "Machines are named by an agent on them (`S0`, or its hostname), or as HOST@IP."


@click.group()
def maintenance() -> None:
    """Maintenance: machines that will be away, and that are."""


@maintenance.command()
@master_option
@output_options
def status(client: Client, output: Output) -> None:
    """Machines in maintenance: when they will be away, who runs there, and what frameworks answered."""

    def report() -> Report:
        rows = _machines_in_maintenance(client)
        return Report(rows, lambda: _table(rows))

    output.show(report, f"tepui maintenance status of {client.address}")


@maintenance.command()
@click.argument("machines", nargs=-1, required=True, metavar="MACHINE...")
@click.option(
    "--start", default="now", metavar="TIME", help="`now`, a time from now such as 2hrs, or 2026-12-24T18:00."
)
@click.option("--duration", metavar="DURATION", help="For how long, such as 90mins; until further notice without it.")
@master_option
def schedule(client: Client, machines: tuple[str, ...], start: str, duration: str | None) -> None:
    """Say that machines will be away. Their agents' offers tell it, and frameworks there are asked to leave.

    The rest of the schedule stays. Machines are named by an agent on them (`S0`, or its hostname), or as HOST@IP.
    """
    planned: dict[str, Any] = {"start": {"nanoseconds": _moment(start)}}
    if duration is not None:
        planned["duration"] = {"nanoseconds": nanoseconds("--duration", duration)}
    chosen = _machines(client, machines)
    windows = _windows_without(client, chosen)
    windows.append({"machine_ids": chosen, "unavailability": planned})
    _update(client, windows)
    click.echo(f"Scheduled {_list(chosen)}.")


@maintenance.command()
@click.argument("machines", nargs=-1, metavar="[MACHINE...]")
@master_option
def clear(client: Client, machines: tuple[str, ...]) -> None:
    """Take machines out of the schedule, or all of them when none is named. Those that are down must be up first."""
    chosen = _machines(client, machines)
    _update(client, _windows_without(client, chosen) if machines else [])
    click.echo(f"Cleared {_list(chosen)}." if machines else "Cleared the schedule.")


@maintenance.command()
@click.argument("machines", nargs=-1, required=True, metavar="MACHINE...")
@master_option
def start(client: Client, machines: tuple[str, ...]) -> None:
    """Take scheduled machines down: their agents end with all that runs there, and none is admitted from there."""
    chosen = _machines(client, machines)
    client.call("START_MAINTENANCE", {"machines": chosen})
    click.echo(f"Took {_list(chosen)} down.")


@maintenance.command()
@click.argument("machines", nargs=-1, required=True, metavar="MACHINE...")
@master_option
def stop(client: Client, machines: tuple[str, ...]) -> None:
    """Bring machines up again, and take them out of the schedule."""
    chosen = _machines(client, machines)
    client.call("STOP_MAINTENANCE", {"machines": chosen})
    click.echo(f"Brought {_list(chosen)} up.")


# What the master says.


def _windows(client: Client) -> list[dict[str, Any]]:
    windows: list[dict[str, Any]] = client.call("GET_MAINTENANCE_SCHEDULE")["schedule"].get("windows", [])
    return windows


def _windows_without(client: Client, machines: Iterable[Machine]) -> list[dict[str, Any]]:
    gone = {_name(machine) for machine in machines}
    left = []
    for window in _windows(client):
        kept = [machine for machine in window["machine_ids"] if _name(machine) not in gone]
        if kept:
            left.append({**window, "machine_ids": kept})
    return left


def _update(client: Client, windows: list[dict[str, Any]]) -> None:
    client.call("UPDATE_MAINTENANCE_SCHEDULE", {"schedule": {"windows": windows}})


def _machines_in_maintenance(client: Client) -> list[dict[str, Any]]:
    status = client.call("GET_MAINTENANCE_STATUS")["status"]
    planned = {_name(m): window["unavailability"] for window in _windows(client) for m in window["machine_ids"]}
    agents: dict[str, list[str]] = {}
    for entry in all_agents(client):
        if "address" in entry:
            agents.setdefault(_name(_machine_of(entry)), []).append(entry["id"])
    found = [
        (machine["id"], "DRAINING", machine.get("statuses", [])) for machine in status.get("draining_machines", [])
    ]
    found += [(machine, "DOWN", []) for machine in status.get("down_machines", [])]
    rows = []
    for machine, mode, answers in found:
        when = planned.get(_name(machine), {})
        rows.append(
            {
                "hostname": machine.get("hostname", ""),
                "ip": machine.get("ip", ""),
                "mode": mode,
                "start": when["start"]["nanoseconds"] / 1e9 if when else None,
                "duration_seconds": when["duration"]["nanoseconds"] / 1e9 if "duration" in when else None,
                "agents": agents.get(_name(machine), []),
                "answers": [
                    {"framework_id": told["framework_id"]["value"], "status": told["status"]} for told in answers
                ],
            }
        )
    return rows


def _table(rows: list[dict[str, Any]]) -> str:
    agents = short_names(agent for row in rows for agent in row["agents"])
    columns = [
        Column("MACHINE", _text),
        Column("MODE", lambda row: str(row["mode"])),
        Column("START", lambda row: _start_text(row["start"])),
        Column("FOR", lambda row: _duration_text(row)),
        Column("AGENTS", lambda row: ", ".join(agents[agent] for agent in row["agents"])),
        Column("ANSWERS", lambda row: ", ".join(f"{tail(a['framework_id'])} {a['status']}" for a in row["answers"])),
    ]
    return table(columns, rows, _NONE)


def _start_text(start: float | None) -> str:
    if start is None:
        return ""
    ahead = start - time.time()
    return f"in {age(ahead)}" if ahead > 0 else f"{age(-ahead)} ago"


def _duration_text(row: Mapping[str, Any]) -> str:
    if row["start"] is None:
        return ""
    seconds = row["duration_seconds"]
    return "good" if seconds is None else format_duration(seconds)


# What people write.


def _text(machine: Mapping[str, Any]) -> str:
    """`HOST@IP`."""
    return f"{machine.get('hostname', '')}@{machine.get('ip', '')}"


def _name(machine: Mapping[str, str]) -> str:
    """What is equal for the same machine: hostnames are compared without case (Mesos: maintenance)."""
    return _text({**machine, "hostname": machine.get("hostname", "").lower()})


def _list(machines: Iterable[Machine]) -> str:
    return ", ".join(map(_text, machines))


def _machine_of(agent: Mapping[str, Any]) -> Machine:
    return {"hostname": agent["hostname"], "ip": agent["address"].rpartition(":")[0]}


def _machines(client: Client, names: Iterable[str]) -> list[Machine]:
    """The machines that are meant, each once. Raises NotFoundError."""
    agents: list[dict[str, Any]] | None = None
    found: dict[str, Machine] = {}
    for name in names:
        if "@" in name:
            hostname, _, ip = name.partition("@")
            machine = {key: text for key, text in (("hostname", hostname), ("ip", ip)) if text}
            found[_name(machine)] = machine
            continue
        if agents is None:
            agents = [entry for entry in all_agents(client) if "address" in entry]
        meant = [entry for entry in agents if name in (entry["id"], tail(entry["id"]))]
        meant = meant or [entry for entry in agents if entry["hostname"].lower() == name.lower()]
        if not meant:
            raise NotFoundError(f"No agent runs on a machine '{name}'. {_MACHINES}")
        for entry in meant:
            machine = _machine_of(entry)
            found[_name(machine)] = machine
    return list(found.values())


def _moment(text: str) -> int:
    """Nanoseconds since the epoch of `now`, a duration from now, or a local time."""
    if text == "now":
        return time.time_ns()
    with suppress(TextError):
        return time.time_ns() + round(parse_duration(text) * 1e9)
    try:
        return round(datetime.fromisoformat(text).timestamp() * 1e9)
    except ValueError:
        raise click.UsageError(
            f"--start expects now, a time from now such as 2hrs, or 2026-12-24T18:00, not '{text}'."
        ) from None

"""`tepui framework`: who uses the cluster."""

from __future__ import annotations

import sys
from typing import Any

import click

from tepui.cli.client import EXTENSIONS, Client
from tepui.cli.names import resolve, short_names
from tepui.cli.options import master_option, output_options
from tepui.cli.output import Column, Output, Report, amount, number, plural, since, table


@click.group()
def framework() -> None:
    """Frameworks: who uses the cluster."""


@framework.command("list")
@click.option("-a", "--all", "everything", is_flag=True, help="Also those that have ended.")
@master_option
@output_options
def framework_list(client: Client, output: Output, everything: bool) -> None:
    """Frameworks, with what they run and hold."""

    def report() -> Report:
        frameworks = all_frameworks(client)
        if not everything:
            frameworks = [entry for entry in frameworks if entry["state"] != "completed"]
        return Report(frameworks, lambda: _table(frameworks))

    output.show(report, f"tepui framework list of {client.address}")


@framework.command()
@click.argument("framework_id", metavar="ID")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@master_option
def teardown(client: Client, framework_id: str, yes: bool) -> None:
    """End a framework for good, with all of its tasks. A unique part of the id will do: `0001`."""
    running = {entry["id"]: entry for entry in all_frameworks(client) if entry["state"] != "completed"}
    found = running[resolve("framework", framework_id, running)]
    what = f"framework {found['id']} ({found['name']}) and its {plural(found['tasks'], 'task')}"
    if not yes and sys.stdin.isatty():
        click.confirm(f"End {what}?", abort=True)
    client.post_form("/teardown", {"frameworkId": found["id"]})
    click.echo(f"Ended {what}.")


def all_frameworks(client: Client) -> list[dict[str, Any]]:
    """What the master says of each framework; `state` is connected, disconnected or completed."""
    answer = client.get(f"{EXTENSIONS}/frameworks")
    running = [
        {**entry, "state": "connected" if entry["connected"] else "disconnected"} for entry in answer["frameworks"]
    ]
    return running + [{**entry, "state": "completed"} for entry in answer["completed_frameworks"]]


def _table(frameworks: list[dict[str, Any]]) -> str:
    names = short_names(entry["id"] for entry in frameworks)
    columns = [
        Column("FRAMEWORK", lambda row: names[row["id"]]),
        Column("NAME", lambda row: str(row["name"]), name=True),
        Column("USER", lambda row: str(row["user"]), name=True),
        Column("ROLES", lambda row: ",".join(row["roles"]), name=True),
        Column("STATE", lambda row: str(row["state"])),
        Column("TASKS", lambda row: number(row["tasks"]), number=True),
        Column("ENDED", lambda row: number(row["completed_tasks"]), number=True),
        Column("OFFERS", lambda row: number(row["offers"]), number=True),
        Column("CPUS", lambda row: number(row["used_resources"]["cpus"]), number=True),
        Column("MEM", lambda row: amount("mem", row["used_resources"]["mem"]), number=True),
        Column("SINCE", lambda row: since(row["registered_time"]), number=True),
    ]
    return table(columns, frameworks, "There are no frameworks.")

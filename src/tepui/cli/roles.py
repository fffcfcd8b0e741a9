"""`tepui role`: between whom the cluster is shared."""

from __future__ import annotations

import click

from tepui.cli.client import Client
from tepui.cli.options import master_option, output_options
from tepui.cli.output import Column, Output, Report, amount, number, table


@click.group()
def role() -> None:
    """Roles: between whom the cluster is shared."""


@role.command("list")
@master_option
@output_options
def role_list(client: Client, output: Output) -> None:
    """Roles, with their weight, what they use, and what they are offered."""
    output.show(lambda: _report(client), f"tepui role list of {client.address}")


def _report(client: Client) -> Report:
    metrics = client.get("/metrics/snapshot")
    roles = [
        {
            "name": entry["name"],
            "weight": entry["weight"],
            "frameworks": entry["frameworks"],
            "dominant_share": metrics.get(f"allocator/mesos/roles/{entry['name']}/shares/dominant"),
            "used_resources": entry["allocated"],
            "offered_resources": entry["offered"],
            "reserved_resources": entry["reserved"],
        }
        for entry in client.get("/roles")["roles"]
    ]
    columns = [
        Column("ROLE", lambda row: str(row["name"])),
        Column("WEIGHT", lambda row: number(row["weight"]), number=True),
        Column("FRAMEWORKS", lambda row: number(len(row["frameworks"])), number=True),
        Column("SHARE", lambda row: _percent(row["dominant_share"]), number=True),
        Column("CPUS USED", lambda row: number(row["used_resources"].get("cpus", 0)), number=True),
        Column("MEM USED", lambda row: amount("mem", row["used_resources"].get("mem", 0)), number=True),
        Column("CPUS OFFERED", lambda row: number(row["offered_resources"].get("cpus", 0)), number=True),
        Column("MEM OFFERED", lambda row: amount("mem", row["offered_resources"].get("mem", 0)), number=True),
    ]
    return Report(roles, lambda: table(columns, roles, "There are no roles: no framework has any."))


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f} %"

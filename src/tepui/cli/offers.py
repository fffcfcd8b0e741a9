"""`tepui offer`: what frameworks hold without using it, the oldest first, because they keep it from others."""

from __future__ import annotations

from typing import Any

import click

from tepui.cli.client import EXTENSIONS, Client
from tepui.cli.names import short_names
from tepui.cli.options import master_option, output_options
from tepui.cli.output import Column, Output, Report, age, resources, short, table


@click.group()
def offer() -> None:
    """Offers: what frameworks hold without using it."""


@offer.command("list")
@master_option
@output_options
def offer_list(client: Client, output: Output) -> None:
    """Outstanding offers, oldest first: how long each is held, by whom, and of what."""

    def report() -> Report:
        offers = client.get(f"{EXTENSIONS}/offers")["offers"]
        return Report(offers, lambda: _table(offers))

    output.show(report, f"tepui offer list of {client.address}")


def _table(offers: list[dict[str, Any]]) -> str:
    names = short_names(entry["id"] for entry in offers)
    frameworks = short_names(entry["framework_id"] for entry in offers)
    agents = short_names(entry["agent_id"] for entry in offers)
    columns = [
        Column("OFFER", lambda row: names[row["id"]]),
        Column("AGE", lambda row: age(row["age_seconds"]), number=True),
        Column("FRAMEWORK", lambda row: f"{frameworks[row['framework_id']]} {short(row['framework_name'])}".rstrip()),
        Column("ROLE", lambda row: str(row["role"]), name=True),
        Column("AGENT", lambda row: f"{agents[row['agent_id']]} {short(row['agent_hostname'])}".rstrip()),
        Column("RESOURCES", lambda row: resources(row["resources"])),
    ]
    return table(columns, offers, "No offers are held.")

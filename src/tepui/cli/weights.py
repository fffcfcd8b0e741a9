"""`tepui weight`: how much of the cluster one role may have against its siblings."""

from __future__ import annotations

import math

import click

from tepui.cli.client import Client
from tepui.cli.options import master_option, output_options
from tepui.cli.output import Column, Output, Report, number, table

_NONE = "No role has a weight of its own, so all weigh 1: `tepui weight set ROLE=2` changes that."


@click.group()
def weight() -> None:
    """Weights: how much one role may have against its siblings."""


@weight.command("list")
@master_option
@output_options
def weight_list(client: Client, output: Output) -> None:
    """Weights that were set; other roles weigh 1."""

    def report() -> Report:
        rows = [{"role": entry["role"], "weight": entry["weight"]} for entry in client.get("/weights")]
        columns = [
            Column("ROLE", lambda row: str(row["role"]), name=True),
            Column("WEIGHT", lambda row: number(row["weight"]), number=True),
        ]
        return Report(rows, lambda: table(columns, rows, _NONE))

    output.show(report, f"tepui weight list of {client.address}")


@weight.command("set")
@click.argument("weights", metavar="ROLE=WEIGHT...", nargs=-1, required=True)
@master_option
def weight_set(client: Client, weights: tuple[str, ...]) -> None:
    """Set weights, all at once; offers that are out are dealt out anew. `ROLE=1` is as if none were set."""
    wanted: dict[str, float] = {}
    for text in weights:
        role, _, value = text.rpartition("=")
        try:
            wanted[role] = float(value)
        except ValueError:
            wanted[role] = math.nan
        if not role or not math.isfinite(wanted[role]):
            raise click.UsageError(f"'{text}' is no weight of a role: write such as eng=2.")
    infos = [{"role": role, "weight": value} for role, value in wanted.items()]
    client.call("UPDATE_WEIGHTS", {"weight_infos": infos})
    for role, set_to in wanted.items():
        click.echo(f"Role {role} weighs {number(set_to)}.")

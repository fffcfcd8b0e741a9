"""`tepui quota`: what roles are guaranteed, and what they may use at most."""

from __future__ import annotations

from typing import Any

import click

from tepui.cli.amounts import amounts
from tepui.cli.client import Client
from tepui.cli.errors import NotFoundError
from tepui.cli.options import master_option, output_options
from tepui.cli.output import Column, Output, Report, resources, table
from tepui.cli.roles import limits_text

_NONE = "There is no quota: `tepui quota set ROLE --guarantee cpus:4` sets one."


@click.group()
def quota() -> None:
    """Quota: what roles are guaranteed, and what they may use at most."""


@quota.command("list")
@master_option
@output_options
def quota_list(client: Client, output: Output) -> None:
    """Roles with quota: what is guaranteed, the limit, and what they consume of it."""

    def report() -> Report:
        rows = [
            {
                "role": entry["name"],
                "guarantees": entry["quota"]["guarantee"],
                "limits": entry["quota"]["limit"],
                "consumed": entry["quota"]["consumed"],
            }
            for entry in client.get("/roles")["roles"]
            if entry["quota"]["guarantee"] or entry["quota"]["limit"]
        ]
        return Report(rows, lambda: _table(rows))

    output.show(report, f"tepui quota list of {client.address}")


@quota.command("set")
@click.argument("role")
@click.option("--guarantee", type=amounts, metavar="AMOUNTS", help="What is kept for the role, such as cpus:4,mem:8G.")
@click.option("--limit", type=amounts, metavar="AMOUNTS", help="What it may use at most; nothing else is limited.")
@click.option("--force", is_flag=True, help="Also when the cluster has less, or the role uses more.")
@master_option
def quota_set(
    client: Client, role: str, guarantee: dict[str, float] | None, limit: dict[str, float] | None, force: bool
) -> None:
    """Set the whole quota of a top-level role: what is not said is not guaranteed, or not limited."""
    if guarantee is None and limit is None:
        hint = f"`tepui quota remove {role}` ends a quota"
        raise click.UsageError(f"Say what is guaranteed (--guarantee), what is the limit (--limit), or both; {hint}.")
    _update(client, role, guarantee or {}, limit or {}, force)
    told = [f"guaranteed {resources(guarantee)}"] if guarantee else []
    told += [f"at most {limits_text(limit)}"] if limit else []
    click.echo(f"Quota of role {role}: {'; '.join(told)}.")


@quota.command("remove")
@click.argument("role")
@master_option
def quota_remove(client: Client, role: str) -> None:
    """End the quota of a role: nothing is guaranteed to it, nothing limited."""
    roles = [entry["role"] for entry in client.get("/quota").get("configs", [])]
    if role not in roles:
        known = f"only {', '.join(roles)}" if roles else "nor has any other"
        raise NotFoundError(f"Role '{role}' has no quota; {known}.")
    _update(client, role, {}, {}, force=True)
    click.echo(f"Role {role} has no quota any more.")


def _update(client: Client, role: str, guarantees: dict[str, float], limits: dict[str, float], force: bool) -> None:
    config = {"role": role, "guarantees": _scalars(guarantees), "limits": _scalars(limits)}
    client.call("UPDATE_QUOTA", {"force": force, "quota_configs": [config]})


def _scalars(amounts: dict[str, float]) -> dict[str, dict[str, float]]:
    return {name: {"value": value} for name, value in amounts.items()}


def _table(rows: list[dict[str, Any]]) -> str:
    columns = [
        Column("ROLE", lambda row: str(row["role"]), name=True),
        Column("GUARANTEE", lambda row: resources(row["guarantees"]) if row["guarantees"] else ""),
        Column("LIMIT", lambda row: limits_text(row["limits"])),
        Column("CONSUMED", lambda row: resources(row["consumed"])),
    ]
    return table(columns, rows, _NONE)

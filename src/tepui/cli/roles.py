"""`tepui role`: between whom the cluster is shared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from tepui.cli.client import EXTENSIONS, Client
from tepui.cli.frameworks import all_frameworks
from tepui.cli.names import resolve, short_names
from tepui.cli.options import master_option, output_options
from tepui.cli.output import Column, Output, Report, amount, fields, number, resources, table


@click.group()
def role() -> None:
    """Roles: between whom the cluster is shared."""


@role.command("list")
@master_option
@output_options
def role_list(client: Client, output: Output) -> None:
    """Roles: weight, share, what they use and are offered, what is reserved for and guaranteed to them."""

    def report() -> Report:
        roles = _all_roles(client)
        return Report(roles, lambda: _table(roles))

    output.show(report, f"tepui role list of {client.address}")


@role.command()
@click.argument("name")
@master_option
@output_options
def show(client: Client, output: Output, name: str) -> None:
    """One role: its frameworks, what it holds, its quota. Sub-roles are counted in."""

    def report() -> Report:
        roles = {entry["name"]: entry for entry in _all_roles(client)}
        found = roles[resolve("role", name, roles)]
        below = [other for other in roles if other.startswith(f"{found['name']}/")]
        frameworks = {entry["id"]: entry["name"] for entry in all_frameworks(client)}
        return Report({**found, "sub_roles": below}, lambda: _details(found, below, frameworks))

    output.show(report, f"tepui role show {name}")


@role.command()
@click.option(
    "--minutes", type=click.FloatRange(min=0.2, max=60), default=60.0, show_default=True, help="Back to when."
)
@master_option
@output_options
def shares(client: Client, output: Output, minutes: float) -> None:
    """The share that each role was delivered, beside the share that it was due by weight.

    A role that is delivered much less than its due, although it wants more, waits for offers that others hold, or
    refuses too much: `tepui why ROLE` says which. Samples are taken every ten seconds; -o json has them all.
    """

    def report() -> Report:
        answer = client.get(f"{EXTENSIONS}/shares", {"seconds": f"{minutes * 60:g}"})
        return Report(answer, lambda: _shares_table(answer))

    output.show(report, f"tepui role shares of {client.address}")


def _shares_table(answer: Mapping[str, Any]) -> str:
    last = answer["samples"][-1] if answer["samples"] else {"delivered": {}, "due": {}}
    columns = [
        Column("ROLE", lambda row: str(row["role"]), name=True),
        Column("NOW", lambda row: _percent(last["delivered"].get(row["role"])), number=True),
        Column("DUE NOW", lambda row: _percent(last["due"].get(row["role"])), number=True),
        Column("MEAN", lambda row: _percent(row["delivered"]), number=True),
        Column("MEAN DUE", lambda row: _percent(row["due"]), number=True),
        Column("DELIVERED", lambda row: _percent(row["delivered"] / row["due"] if row["due"] else None), number=True),
    ]
    return table(columns, answer["roles"], "No samples yet: the first is taken ten seconds after somebody takes part.")


def _all_roles(client: Client) -> list[dict[str, Any]]:
    roles = client.get("/roles")["roles"]  # first: it leads to the leader, and counters are any master's own
    metrics = client.get("/metrics/snapshot")
    return [
        {
            "name": entry["name"],
            "weight": entry["weight"],
            "frameworks": entry["frameworks"],
            "dominant_share": metrics.get(f"allocator/mesos/roles/{entry['name']}/shares/dominant"),
            "used_resources": entry["allocated"],
            "offered_resources": entry["offered"],
            "reserved_resources": entry["reserved"],
            "quota": {
                "guarantees": entry["quota"]["guarantee"],
                "limits": entry["quota"]["limit"],
                "consumed": entry["quota"]["consumed"],
            },
        }
        for entry in roles
    ]


def _table(roles: list[dict[str, Any]]) -> str:
    columns = [
        Column("ROLE", lambda row: str(row["name"]), name=True),
        Column("WEIGHT", lambda row: number(row["weight"]), number=True),
        Column("FRAMEWORKS", lambda row: number(len(row["frameworks"])), number=True),
        Column("SHARE", lambda row: _percent(row["dominant_share"]), number=True),
        Column("CPUS USED", lambda row: number(row["used_resources"].get("cpus", 0)), number=True),
        Column("MEM USED", lambda row: amount("mem", row["used_resources"].get("mem", 0)), number=True),
        Column("CPUS OFFERED", lambda row: number(row["offered_resources"].get("cpus", 0)), number=True),
        Column("MEM OFFERED", lambda row: amount("mem", row["offered_resources"].get("mem", 0)), number=True),
        Column("RESERVED", lambda row: _some(row["reserved_resources"])),
        Column("GUARANTEE", lambda row: _some(row["quota"]["guarantees"])),
        Column("LIMIT", lambda row: limits_text(row["quota"]["limits"])),
    ]
    return table(columns, roles, "There are no roles: no framework has any.")


def _details(entry: Mapping[str, Any], below: list[str], frameworks: Mapping[str, str]) -> str:
    names = short_names(frameworks)
    shown = [f"{names.get(one, one)} {frameworks.get(one, '')}".rstrip() for one in entry["frameworks"]]
    return fields(
        [
            ("Role", str(entry["name"])),
            ("Weight", number(entry["weight"])),
            ("Dominant share", _percent(entry["dominant_share"])),
            ("Used", resources(entry["used_resources"])),
            ("Offered", resources(entry["offered_resources"])),
            ("Reserved", resources(entry["reserved_resources"])),
            ("Guarantee", _some(entry["quota"]["guarantees"])),
            ("Limit", limits_text(entry["quota"]["limits"])),
            ("Consumed", resources(entry["quota"]["consumed"])),
            ("Frameworks", ", ".join(shown)),
            ("Sub-roles", ", ".join(below)),
        ]
    )


def limits_text(limits: Mapping[str, float]) -> str:
    """Limits of a quota; a limit of 0 is one, too. Empty when there is none."""
    return ", ".join(resources({name: value}) if value else f"no {name}" for name, value in limits.items())


def _some(amounts: Mapping[str, float]) -> str:
    return resources(amounts) if amounts else ""


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f} %"

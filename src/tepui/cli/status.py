"""`tepui status`: the cluster at a glance, from the master's counters, so that it costs as little on a large one."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import click

from tepui.cli.client import Client
from tepui.cli.options import master_option, output_options
from tepui.cli.output import Output, Report, age, amount, bar, plural

_LIVE = ("running", "starting", "staging", "killing", "unreachable")
_ENDED = ("finished", "failed", "killed", "error", "lost", "dropped", "gone")
_RESOURCES = ("cpus", "mem", "disk", "gpus")


@click.command()
@master_option
@output_options
def status(client: Client, output: Output) -> None:
    """The cluster at a glance: agents, frameworks, tasks by state, and what is used of its resources."""
    output.show(lambda: _report(client), f"tepui status of {client.address}")


def _report(client: Client) -> Report:
    metrics = client.get("/metrics/snapshot")
    master = client.call("GET_MASTER")
    flags = client.get("/flags")["flags"]

    def count(name: str) -> int:
        return int(metrics.get(f"master/{name}", 0))

    data = {
        "cluster": flags.get("cluster"),
        "master": {
            "id": master["master_info"]["id"],
            "address": client.address,
            "elected_time": master.get("elected_time"),
        },
        "agents": {name: count(f"slaves_{name}") for name in ("active", "inactive", "unreachable")},
        "frameworks": {name: count(f"frameworks_{name}") for name in ("connected", "disconnected")},
        "offers": count("outstanding_offers"),
        "tasks": {name: count(f"tasks_{name}") for name in (*_LIVE, *_ENDED)},
        "resources": {name: _resource(metrics, name) for name in _RESOURCES},
    }
    return Report(data, lambda: _text(data))


def _resource(metrics: Mapping[str, float], name: str) -> dict[str, float]:
    used = metrics.get(f"master/{name}_used", 0.0)
    held = metrics.get(f"allocator/mesos/resources/{name}/offered_or_allocated", used)
    return {"total": metrics.get(f"master/{name}_total", 0.0), "used": used, "offered": max(0.0, round(held - used, 3))}


def _text(data: Mapping[str, Any]) -> str:
    master, agents, frameworks, tasks = data["master"], data["agents"], data["frameworks"], data["tasks"]
    leads = f", leads for {age(time.time() - master['elected_time'])}" if master["elected_time"] else ""
    name = f"Cluster {data['cluster']}" if data["cluster"] else "Cluster"
    lines = [
        f"{name} at {master['address']}{leads}",
        "",
        f"Agents      {_counts(agents, 'active')}",
        f"Frameworks  {_counts(frameworks, 'connected')}, {plural(data['offers'], 'offer')} held",
        f"Tasks       {_counts({state: tasks[state] for state in _LIVE}, 'running')}",
        f"Ended       {_counts({state: tasks[state] for state in _ENDED}, 'finished')}",
        "",
    ]
    for resource, figures in data["resources"].items():
        if figures["total"]:
            lines.append(_line(resource, figures))
    return "\n".join(lines).rstrip()


def _counts(numbers: Mapping[str, int], always: str) -> str:
    return ", ".join(f"{number} {name}" for name, number in numbers.items() if number or name == always)


def _line(name: str, figures: Mapping[str, float]) -> str:
    used, offered, total = figures["used"], figures["offered"], figures["total"]
    text = f"{name:<4}  {bar(used, offered, total)}  {100 * used / total:3.0f} %  "
    text += f"{amount(name, used)} of {amount(name, total)} used"
    return text + (f", {amount(name, offered)} offered" if offered else "")

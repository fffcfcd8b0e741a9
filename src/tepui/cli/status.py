"""`tepui status`: the cluster at a glance, from the master's counters, so that it costs as little on a large one."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import click

from tepui.cli.client import EXTENSIONS, Client
from tepui.cli.options import master_option, output_options
from tepui.cli.output import Output, Report, age, amount, bar, plural
from tepui.model.addresses import host_and_port

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
    master = client.call("GET_MASTER")  # first: counters and flags are any master's own, and this leads to the leader
    flags = client.get("/flags")["flags"]
    metrics = client.get("/metrics/snapshot")
    if not metrics.get("master/elected"):
        metrics = _pictured(client)
    info = master["master_info"]

    def count(name: str) -> int:
        return int(metrics.get(f"master/{name}", 0))

    data = {
        "cluster": flags.get("cluster"),
        "master": {
            "id": info["id"],
            "address": host_and_port(info.get("address", {}).get("ip") or info.get("hostname", ""), info["port"]),
            "elected_time": master.get("elected_time"),
        },
        "agents": {name: count(f"slaves_{name}") for name in ("active", "inactive", "unreachable")},
        "frameworks": {name: count(f"frameworks_{name}") for name in ("connected", "disconnected")},
        "offers": count("outstanding_offers"),
        "tasks": {name: count(f"tasks_{name}") for name in (*_LIVE, *_ENDED)},
        "resources": {name: _resource(metrics, name) for name in _RESOURCES},
    }
    return Report(data, lambda: _text(data))


def _pictured(client: Client) -> dict[str, float]:
    """What a leader counts, from the picture that a standby has of it; of tasks that ended those that it remembers."""
    known = client.get(f"{EXTENSIONS}/agents")
    agents, summary = known["agents"], client.get("/state-summary")
    figures: dict[str, float] = {
        "master/slaves_active": sum(agent["active"] for agent in agents),
        "master/slaves_inactive": sum(not agent["active"] for agent in agents),
        "master/slaves_unreachable": len(known["unreachable_agents"]),
        "master/frameworks_connected": sum(framework["connected"] for framework in summary["frameworks"]),
        "master/frameworks_disconnected": sum(not framework["connected"] for framework in summary["frameworks"]),
        "master/outstanding_offers": len(client.get(f"{EXTENSIONS}/offers")["offers"]),
    }
    for state in (*_LIVE, *_ENDED):
        name = f"TASK_{state.upper()}"
        figures[f"master/tasks_{state}"] = sum(framework.get(name, 0) for framework in summary["frameworks"])
    for name in _RESOURCES:
        total, used, offered = (
            sum(agent[kind].get(name, 0.0) for agent in agents)
            for kind in ("resources", "used_resources", "offered_resources")
        )
        figures |= {f"master/{name}_total": total, f"master/{name}_used": used}
        figures[f"allocator/mesos/resources/{name}/offered_or_allocated"] = used + offered
    return figures


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

"""`tepui task`: list, logs, kill, and what happened to one."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import click

from tepui.cli.client import EXTENSIONS, Client
from tepui.cli.errors import NotFoundError, UnreachableError
from tepui.cli.names import missing, resolve, short_names
from tepui.cli.options import Decorated, master_option, output_options
from tepui.cli.output import Column, Output, Report, Row, amount, number, since, state, table
from tepui.model.addresses import AddressError, parse_host_and_port

LIMIT_DEFAULT = 100
LIMIT_MAX = 10_000
_SUGGESTED_FROM_MAX = 1000
"""Tasks among which a misspelt one is looked for."""


@click.group()
def task() -> None:
    """Tasks: list, logs, kill, and what happened to one."""


def _framework_option(help_text: str) -> Callable[[Decorated], Decorated]:
    return click.option("--framework", "framework_id", metavar="ID", help=help_text)


@task.command("list")
@_framework_option("Only those of this framework.")
@click.option("--agent", "agent_id", metavar="ID", help="Only those on this agent.")
@click.option(
    "--state",
    "states",
    metavar="STATE,...",
    help="Only in these states, such as running,failed; also active and ended.",
)
@click.option(
    "-n",
    "--limit",
    type=click.IntRange(1, LIMIT_MAX),
    default=LIMIT_DEFAULT,
    show_default=True,
    help="The most to show.",
)
@master_option
@output_options
def task_list(
    client: Client, output: Output, framework_id: str | None, agent_id: str | None, states: str | None, limit: int
) -> None:
    """Tasks, newest first, those that ended and are remembered too."""

    def report() -> Report:
        arguments = {
            "framework_id": _framework(client, framework_id),
            "agent_id": _agent(client, agent_id),
            "state": states,
            "limit": str(limit),
        }
        answer = client.get(f"{EXTENSIONS}/tasks", arguments)
        return Report(
            answer["tasks"], lambda: tasks_table(answer["tasks"], answer["total"], "There are no such tasks.")
        )

    output.show(report, f"tepui task list of {client.address}")


@task.command()
@click.argument("task_id", metavar="ID")
@_framework_option("The task's framework, when several have a task with this id.")
@click.option(
    "--grace", metavar="DURATION", help="How long it may take to end before it is killed hard, such as 10secs."
)
@master_option
def kill(client: Client, task_id: str, framework_id: str | None, grace: str | None) -> None:
    """Kill a task, as its framework would. A unique beginning of the id will do."""
    found = find_task(client, task_id, framework_id, active=True)
    message = {"framework_id": found["framework_id"], "task_id": found["id"]}
    if grace is not None:
        message["grace"] = grace
    client.post(f"{EXTENSIONS}/kill", message)
    click.echo(f"Killing task {found['id']} of framework {found['framework_name']} ({found['framework_id']}).")


@task.command()
@click.argument("task_id", metavar="ID")
@_framework_option("The task's framework, when several have a task with this id.")
@master_option
@output_options
def story(client: Client, output: Output, task_id: str, framework_id: str | None) -> None:
    """What happened to a task, as its master and its agent remember it, oldest first."""

    def report() -> Report:
        found = find_task(client, task_id, framework_id)
        subject = {"framework_id": found["framework_id"], "task_id": found["id"]}
        told = [{**record, "by": "master"} for record in client.get(f"{EXTENSIONS}/story", subject)["records"]]
        note = ""
        try:
            records = agent_client(found).get(f"{EXTENSIONS}/story", subject)["records"]
            told += [{**record, "by": "agent"} for record in records]
        except click.ClickException as error:
            note = f"\nOnly the master's part: {error.format_message()}"
        told.sort(key=lambda record: float(record["time"]))  # stable: each teller's own order stays
        return Report({"task": found, "records": told}, lambda: _story_text(found, told) + note)

    output.show(report, f"tepui task story {task_id}")


@task.command()
@click.argument("task_id", metavar="ID")
@_framework_option("The task's framework, when several have a task with this id.")
@click.option("-f", "--follow", is_flag=True, help="Go on until the task has ended.")
@click.option(
    "-n", "--tail", "lines", type=click.IntRange(0), help="Begin with so many last lines, not with the first one."
)
@click.option("--stdout", "only", flag_value="stdout", help="Only its standard output.")
@click.option("--stderr", "only", flag_value="stderr", help="Only its standard error.")
@master_option
def logs(
    client: Client, task_id: str, framework_id: str | None, follow: bool, lines: int | None, only: str | None
) -> None:
    """What a task wrote: its standard output to ours, its standard error to ours."""
    from tepui.cli.logs import show_logs

    found = find_task(client, task_id, framework_id)
    names = (only,) if only else ("stdout", "stderr")
    show_logs(client, agent_client(found), found, names, follow=follow, lines=lines)


# Finding.


def find_task(client: Client, wanted: str, framework: str | None, *, active: bool = False) -> dict[str, Any]:
    """The one task that is meant. Where several frameworks have it, those that run (`active`) come first."""
    framework_id = _framework(client, framework)
    scope = {"framework_id": framework_id}
    found = client.get(f"{EXTENSIONS}/tasks", {**scope, "task_id": wanted})["tasks"]
    if not found:
        found = client.get(f"{EXTENSIONS}/tasks", {**scope, "task_id_prefix": wanted})["tasks"]
    if active and any(not entry["ended"] for entry in found):
        found = [entry for entry in found if not entry["ended"]]
    if not found:
        newest = client.get(f"{EXTENSIONS}/tasks", {**scope, "limit": str(_SUGGESTED_FROM_MAX)})["tasks"]
        raise NotFoundError(missing("task", wanted, [entry["id"] for entry in newest]))
    task_id = resolve("task", wanted, [entry["id"] for entry in found])
    found = [entry for entry in found if entry["id"] == task_id]
    owners = {entry["framework_id"]: entry["framework_name"] for entry in found}
    if len(owners) > 1:
        shown = ", ".join(f"{owner} ({name})" for owner, name in list(owners.items())[:5])
        raise NotFoundError(f"{len(owners)} frameworks have a task '{task_id}'; say --framework: {shown}.")
    newest_run: dict[str, Any] = found[0]
    return newest_run


def agent_client(found: Row) -> Client:
    """A client of the agent that has the task."""
    try:
        address = parse_host_and_port(found["agent_address"])
    except AddressError:
        raise UnreachableError(f"The agent of task {found['id']} cannot be reached, and its files with it.") from None
    return Client(address, "agent", "The task's files can be read again when it is back.")


def _framework(client: Client, wanted: str | None) -> str | None:
    if wanted is None:
        return None
    from tepui.cli.frameworks import all_frameworks

    return resolve("framework", wanted, [entry["id"] for entry in all_frameworks(client)])


def _agent(client: Client, wanted: str | None) -> str | None:
    if wanted is None:
        return None
    answer = client.get(f"{EXTENSIONS}/agents")
    return resolve("agent", wanted, [entry["id"] for entry in answer["agents"] + answer["unreachable_agents"]])


# Showing.


def tasks_table(tasks: list[dict[str, Any]], total: int, nothing: str) -> str:
    """Tasks as a table, with a line that says how many there are beyond it."""
    agents = short_names(entry["agent_id"] for entry in tasks)
    columns = [
        Column("TASK", lambda row: str(row["id"])),
        Column("NAME", lambda row: row["name"] if row["name"] != row["id"] else "", name=True),
        Column("STATE", lambda row: state(row["state"])),
        Column("FRAMEWORK", lambda row: str(row["framework_name"]), name=True),
        Column("AGENT", lambda row: agents[row["agent_id"]]),
        Column("CPUS", lambda row: number(row["resources"]["cpus"]), number=True),
        Column("MEM", lambda row: amount("mem", row["resources"]["mem"]), number=True),
        Column("AGE", lambda row: since(row["launched_time"]), number=True),
        Column("WHY", _why),
    ]
    text = table(columns, tasks, nothing)
    return f"{text}\n\n{len(tasks)} of {total} tasks; --limit shows more." if len(tasks) < total else text


def _why(row: Row) -> str:
    """What is said about a state that somebody will ask about."""
    if row["state"] in ("TASK_FINISHED", "TASK_RUNNING"):
        return ""
    return row["message"] or (row["reason"] or "").removeprefix("REASON_").replace("_", " ").lower()


def _story_text(found: Row, told: list[dict[str, Any]]) -> str:
    known = {found["framework_id"], found["id"], found["agent_id"]}
    lines = [
        f"Task {found['id']} of framework {found['framework_name']} on agent {found['agent_id']}: "
        f"{state(found['state'])}" + (f" ({_why(found)})" if _why(found) else "")
    ]
    for record in told:
        facts = "".join(f" {name}={value}" for name, value in record["facts"].items() if value not in known)
        moment = record["time"]
        clock = f"{time.strftime('%H:%M:%S', time.localtime(moment))}.{int(moment % 1 * 1000):03d}"
        lines.append(f"{clock}  {record['by']:<6}  {record['what']}{facts} (by {record['cause']})")
    if not told:
        lines.append("Nothing is remembered of it any more.")
    return "\n".join(lines)

"""`tepui why`: what keeps a framework, a role or a task from running, in sentences."""

from __future__ import annotations

from typing import Any

import click

from tepui.cli.client import EXTENSIONS, Client
from tepui.cli.options import master_option, output_options
from tepui.cli.output import Output, Report


@click.command()
@click.argument("subject")
@click.option("--cpus", type=click.FloatRange(min=0), help="Ask about tasks with so many cpus.")
@click.option("--mem", type=click.FloatRange(min=0), help="Ask about tasks with so many megabytes.")
@click.option("--disk", type=click.FloatRange(min=0), help="Ask about tasks with so many megabytes of disk.")
@click.option("--gpus", type=click.FloatRange(min=0), help="Ask about tasks with so many gpus.")
@master_option
@output_options
def why(
    client: Client,
    output: Output,
    subject: str,
    cpus: float | None,
    mem: float | None,
    disk: float | None,
    gpus: float | None,
) -> None:
    """Say why SUBJECT gets what it gets, or nothing.

    SUBJECT is the id of a framework (or the end of it, or its name), a role, or the id of a task. Without amounts the
    answer is about the least that the framework said it can use.

    \b
        tepui why 0003
        tepui why eng/web
        tepui why spark --cpus 16 --mem 65536
    """
    amounts = {"cpus": cpus, "mem": mem, "disk": disk, "gpus": gpus}
    query = {"subject": subject, **{name: None if value is None else f"{value:g}" for name, value in amounts.items()}}

    def report() -> Report:
        answer: dict[str, Any] = client.get(f"{EXTENSIONS}/why", query)
        return Report(answer, lambda: "\n".join(answer["sentences"]))

    output.show(report, f"tepui why {subject}")

"""`tepui run`: a command on the cluster, its output here, its exit code ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tepui.cli.errors import RefusedError, UnreachableError
from tepui.cli.options import master_option
from tepui.cli.variables import read_variables
from tepui.model.addresses import AddressError

if TYPE_CHECKING:
    from tepui.cli.client import Client

INSTANCES_MAX = 10_000
CPUS_DEFAULT = 0.1
MEM_DEFAULT = 64.0


@click.command(context_settings={"allow_interspersed_args": False})
@click.argument("command", nargs=-1, required=True)
@click.option(
    "--cpus", type=click.FloatRange(min=0.001), default=CPUS_DEFAULT, show_default=True, help="For each instance."
)
@click.option(
    "--mem", type=click.FloatRange(min=0), default=MEM_DEFAULT, show_default=True, help="Megabytes for each instance."
)
@click.option("--disk", type=click.FloatRange(min=0), default=0.0, help="Megabytes of disk for each instance.")
@click.option("--gpus", type=click.FloatRange(min=0), default=0.0, help="For each instance.")
@click.option(
    "--instances",
    type=click.IntRange(1, INSTANCES_MAX),
    default=1,
    show_default=True,
    help="How many to run. With several, each line of output begins with the instance's number.",
)
@click.option(
    "-e",
    "--env",
    "environment",
    metavar="NAME=VALUE",
    multiple=True,
    callback=read_variables,
    help="A variable of the command's environment; may be given several times.",
)
@click.option("--name", metavar="TEXT", help="Name of the framework and its tasks.  [default: the program's]")
@click.option("--role", metavar="ROLE", default="*", show_default=True, help="The role that is charged.")
@click.option("--user", metavar="USER", help="Whom the command runs as.  [default: you]")
@click.option(
    "--time-limit",
    "time_limit",
    type=click.FloatRange(min=0.001),
    metavar="SECONDS",
    help="An instance that runs longer is killed and has failed.",
)
@master_option
def run(
    client: Client,
    command: tuple[str, ...],
    cpus: float,
    mem: float,
    disk: float,
    gpus: float,
    instances: int,
    environment: dict[str, str],
    name: str | None,
    role: str,
    user: str | None,
    time_limit: float | None,
) -> None:
    """Run a COMMAND on the cluster, show its output, and exit with its exit code.

    One argument is a text for the shell; several are a program and its arguments, as they are:

    \b
        tepui run 'hostname; date | tr a-z A-Z'
        tepui run --instances 3 --cpus 0.5 -- python3 -c 'print("hello")'

    Ctrl-C ends all instances. With several, the exit code is the highest of theirs.
    """
    from tepui.cli.running import Job, run_job
    from tepui.session.errors import SessionError

    client.get("/version")  # asks who leads, and says what to do where nobody is
    job = Job(
        command=command[0] if len(command) == 1 else list(command),
        name=name or command[0].split(maxsplit=1)[0].rpartition("/")[2] or "run",
        needs={"cpus": cpus, "mem": mem, "disk": disk, "gpus": gpus},
        instances=instances,
        environment=environment,
        role=role,
        user=user,
        time_limit_seconds=time_limit,
    )
    try:
        code = run_job(client.masters, job)
    except SessionError as error:
        raise RefusedError(f"{error}.") from None
    except AddressError as error:
        raise UnreachableError(f"An agent's address makes no sense: {error}.") from None
    raise SystemExit(code)

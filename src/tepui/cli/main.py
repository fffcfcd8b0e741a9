"""The root of the command line. A command's module is imported when it runs, so that everything answers at once."""

from __future__ import annotations

import sys
from importlib import import_module

import click

from tepui import __version__

_COMMANDS = {
    "status": ("tepui.cli.status:status", "The cluster at a glance."),
    "agent": ("tepui.cli.agents:agent", "Agents: the machines of the cluster."),
    "maintenance": ("tepui.cli.maintenance:maintenance", "Maintenance: machines that will be away, and that are."),
    "framework": ("tepui.cli.frameworks:framework", "Frameworks: who uses the cluster."),
    "role": ("tepui.cli.roles:role", "Roles: between whom the cluster is shared."),
    "quota": ("tepui.cli.quota:quota", "Quota: what roles are guaranteed, and what they may use at most."),
    "weight": ("tepui.cli.weights:weight", "Weights: how much one role may have against its siblings."),
    "reservation": ("tepui.cli.reservations:reservation", "Reservations: resources of an agent kept for one role."),
    "volume": ("tepui.cli.volumes:volume", "Volumes: data on the disks of agents that outlives tasks."),
    "offer": ("tepui.cli.offers:offer", "Offers: what frameworks hold without using it."),
    "task": ("tepui.cli.tasks:task", "Tasks: list, logs, kill, and what happened to one."),
    "why": ("tepui.cli.why:why", "Why a framework, a role or a task gets what it gets, or nothing."),
    "run": ("tepui.cli.run:run", "Run a command on the cluster, show its output, exit with its exit code."),
    "batch": ("tepui.cli.batch:batch", "Run a file of commands with dependencies; goes on where it stopped."),
    "mapreduce": ("tepui.cli.mapreduce:mapreduce", "Run a MapReduce job of any executables, as Hadoop Streaming does."),
    "demo": ("tepui.cli.demo.command:demo", "Two frameworks share a cluster on this machine; ends by itself."),
    "operator": ("tepui.cli.operator:operator", "For whoever runs a cluster: snapshots of the registry."),
    "local": ("tepui.cli.local:local", "A whole cluster on this machine, until Ctrl-C."),
    "serve": ("tepui.cli.serve:serve", "Run a server in the foreground, until SIGTERM or SIGINT."),
}
"""Where each command is, and what it is for."""


class _Commands(click.Group):
    """A group that imports its commands when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - the signature is click's
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        module, _, name = _COMMANDS[cmd_name][0].partition(":")
        found: click.Command = getattr(import_module(module), name)
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As in any group; names are suggested from the commands that were not imported, too."""
        if args and args[0] not in _COMMANDS and not args[0].startswith("-"):
            from difflib import get_close_matches

            close = get_close_matches(args[0], _COMMANDS, 1)
            meant = f"Did you mean '{close[0]}'?" if close else "`tepui --help` shows all."
            raise click.UsageError(f"No such command '{args[0]}'. {meant}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])


@click.command(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(__version__, message="tepui %(version)s")
@click.option("--master", metavar="HOST:PORT", help="The master that commands ask, when they are not told themselves.")
@click.option("--stale", is_flag=True, help="Let a master that does not lead answer by itself; tells how old that is.")
def tepui(master: str | None, stale: bool) -> None:
    """One cluster, many frameworks, shared by resource offers."""


def main() -> None:
    """Run the command line; every error is one sentence on standard error, never a traceback."""
    try:
        tepui.main(prog_name="tepui", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
    except click.ClickException as error:
        click.echo(f"tepui: {error.format_message()}", err=True)
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit(130)

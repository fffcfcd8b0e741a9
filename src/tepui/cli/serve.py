"""`tepui serve master` and `tepui serve agent`: the servers, with Mesos's flags."""

from __future__ import annotations

from collections.abc import Callable

import click

from tepui.server.errors import StartError
from tepui.server.flags import AGENT_FLAGS, MASTER_FLAGS, Flag, FlagError, Flags, read_flags


@click.group()
def serve() -> None:
    """Run a server in the foreground, until SIGTERM or SIGINT."""


def _options(table: list[Flag]) -> list[click.Parameter]:
    """Click options from a flag table: `--work_dir` and `--work-dir` are the same, switches have `--no-` forms."""
    options: list[click.Parameter] = []
    for flag in table:
        names = [f"--{flag.name}"]
        if "_" in flag.name:
            names.append("--" + flag.name.replace("_", "-"))
        if flag.is_switch:
            options.append(
                click.Option(
                    [*names, flag.name],
                    is_flag=False,
                    flag_value="true",
                    metavar="",
                    help=flag.help,
                    hidden=flag.hidden,
                )
            )
            negative = [name.replace("--", "--no-", 1) for name in names]
            options.append(click.Option([*negative, f"no_{flag.name}"], is_flag=True, hidden=True))
        else:
            help_text = flag.help if flag.default is None else f"{flag.help} [default: {flag.default}]"
            options.append(click.Option([*names, flag.name], metavar="VALUE", help=help_text, hidden=flag.hidden))
    return options


def _given(table: list[Flag], arguments: dict[str, object]) -> dict[str, str]:
    given = {flag.name: str(arguments[flag.name]) for flag in table if arguments.get(flag.name) is not None}
    given.update({flag.name: "false" for flag in table if arguments.get(f"no_{flag.name}")})
    return given


def _server(name: str, table: list[Flag], help_text: str, run: Callable[[Flags], int]) -> click.Command:
    def callback(**arguments: object) -> None:
        try:
            flags = read_flags(table, _given(table, arguments))
            code = run(flags)
        except FlagError as error:
            raise click.UsageError(str(error)) from None
        except StartError as error:
            raise click.ClickException(str(error)) from None
        raise SystemExit(code)

    return click.Command(name, params=_options(table), callback=callback, help=help_text)


def _run_master(flags: Flags) -> int:
    from tepui.server.master import run_master

    return run_master(flags)


def _run_agent(flags: Flags) -> int:
    from tepui.server.agent import run_agent

    return run_agent(flags)


serve.add_command(_server("master", MASTER_FLAGS, "Run a master.", _run_master))
serve.add_command(_server("agent", AGENT_FLAGS, "Run an agent.", _run_agent))

"""Options that commands share: which master, in what form, how often."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from tepui.cli.output import Output
from tepui.model.addresses import MASTER_PORT_DEFAULT, AddressError, host_and_port, parse_host_and_port

MASTER_DEFAULT = f"127.0.0.1:{MASTER_PORT_DEFAULT}"
_DEAD_LEADER = (
    "ZooKeeper names it as the leader; if it has died another one leads in some seconds, and `tepui --stale` reads "
    "meanwhile."
)
WATCH_SECONDS_DEFAULT = "2"
WATCH_SECONDS_MIN = 0.1

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


def master_option(function: Decorated) -> Decorated:
    """`--master`; the function gets a `client` instead, which connects when it is first used."""
    return click.option(
        "--master",
        "client",
        metavar="HOST:PORT",
        envvar=["TEPUI_MASTER", "MESOS_MASTER"],
        callback=_client,
        help="The master to ask, or several divided by commas, or zk://HOST:PORT,.../path of ZooKeeper. "
        f"[env: TEPUI_MASTER, MESOS_MASTER; default: {MASTER_DEFAULT}]",
    )(function)


def _client(context: click.Context, _: click.Parameter, value: str | None) -> Any:
    from tepui.cli.client import Client

    text = value or MASTER_DEFAULT
    stale = bool(context.find_root().params.get("stale"))
    if context.get_parameter_source("client") is not click.core.ParameterSource.COMMANDLINE:
        text = context.find_root().params.get("master") or text
    hint = "Start a cluster with `tepui local`, or say where one is with --master=HOST:PORT."
    try:
        text = _from_file(text)
        if text.startswith("zk://"):
            first, *others = _masters(text, stale)
            hint = "" if stale else _DEAD_LEADER
            return _told_of_age(context, Client(first, hint=hint, others=others, masters=text, stale=stale))
        addresses = [parse_host_and_port(one) for one in text.split(",")]
    except AddressError as error:
        raise click.UsageError(f"--master {error}.") from None
    masters = ",".join(host_and_port(*address) for address in addresses)
    several = masters if len(addresses) > 1 else None
    client = Client(addresses[0], hint=hint, others=addresses[1:], masters=several, stale=stale)
    return _told_of_age(context, client)


def _from_file(text: str) -> str:
    """What the file says that `file:///path` names; any other text as it is. Raises AddressError."""
    if not text.startswith("file://"):
        return text
    from tepui.transport.zookeeper_url import read_named_file

    return read_named_file(text.removeprefix("file://")).strip()


def _told_of_age(context: click.Context, client: Any) -> Any:
    """When the command has ended, say on standard error how old the answers were that a standby gave."""

    def tell() -> None:
        if client.age_seconds is not None:
            revision = f", at revision {client.revision}" if client.revision else ""
            text = f"As the standby at {client.address} knew it {client.age_seconds:.1f} s ago{revision}."
            click.echo(text, err=True)

    context.call_on_close(tell)
    return client


def _masters(text: str, stale: bool) -> list[tuple[str, int]]:
    """Where the leader is, as ZooKeeper tells, or with `stale` where all masters are, the leader last: the others
    answer while nobody leads, too. Raises AddressError, or UnreachableError with what to do."""
    import asyncio

    from tepui.cli.errors import UnreachableError
    from tepui.transport.leader import NoLeaderError, find_leader, find_masters
    from tepui.transport.zookeeper_url import parse_zookeeper_url

    url = parse_zookeeper_url(text)
    try:
        if stale:
            return [master.address for master in reversed(asyncio.run(find_masters(url)))]
        return [asyncio.run(find_leader(url)).address]
    except NoLeaderError as error:
        raise UnreachableError(str(error)) from None


def output_options(function: Decorated) -> Decorated:
    """`--output` and `--watch`; the function gets an `output`."""
    watch = click.option(
        "-w",
        "--watch",
        "watch",
        metavar="SECONDS",
        is_flag=False,
        flag_value=WATCH_SECONDS_DEFAULT,
        type=click.FloatRange(min=WATCH_SECONDS_MIN),
        help=f"Show it again every so many seconds, until Ctrl-C.  [{WATCH_SECONDS_DEFAULT} without a value]",
    )
    form = click.option(
        "-o",
        "--output",
        "form",
        type=click.Choice(["table", "json"]),
        default="table",
        show_default=True,
        help="A table for people, or JSON for programs.",
    )

    def with_output(*arguments: Any, form: str, watch: float | None, **named: Any) -> Any:
        return function(*arguments, output=Output(form, watch), **named)

    with_output.__doc__ = function.__doc__
    with_output.__name__ = function.__name__
    shown: Any = form(watch(with_output))
    shown.__click_params__ += getattr(function, "__click_params__", [])
    result: Decorated = shown
    return result

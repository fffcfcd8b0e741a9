"""Operators' operations on resources: asked of the master, and followed until the agent has them on its disk.

The master answers as soon as the agent is asked. Until the agent has stored it, the operation can still fail, and is
lost when the agent is killed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, TypeVar

import click

from tepui.cli.client import EXTENSIONS, Client
from tepui.cli.durations import nanoseconds
from tepui.cli.errors import RefusedError, UnconfirmedError, UnreachableError
from tepui.cli.names import tail

PAUSE_SECONDS_MIN = 0.05
PAUSE_SECONDS_MAX = 1.0
TIMEOUT_DEFAULT = "15secs"

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


def wait_options(function: Decorated) -> Decorated:
    """`--timeout` and `--no-wait`; the function gets `wait_seconds`, None when nobody is to wait."""
    timeout = click.option(
        "--timeout",
        metavar="DURATION",
        default=TIMEOUT_DEFAULT,
        show_default=True,
        help="So long the agent has time to confirm it.",
    )
    no_wait = click.option("--no-wait", is_flag=True, help="Do not wait until the agent has it on its disk.")

    def with_seconds(*arguments: Any, timeout: str, no_wait: bool, **named: Any) -> Any:
        seconds = nanoseconds("--timeout", timeout) / 1e9
        return function(*arguments, wait_seconds=None if no_wait else seconds, **named)

    with_seconds.__doc__ = function.__doc__
    with_seconds.__name__ = function.__name__
    shown: Any = timeout(no_wait(with_seconds))
    shown.__click_params__ += getattr(function, "__click_params__", [])
    result: Decorated = shown
    return result


def change(
    client: Client, kind: str, agent: Mapping[str, Any], member: Mapping[str, object], wait_seconds: float | None
) -> bool:
    """Ask for an operation on an agent's resources; whether it is done, False when nobody waited for that.

    Raises RefusedError when it is refused, or fails at the agent, and UnconfirmedError when it is not known in time
    whether it is done.
    """
    client.call(kind, {"agent_id": {"value": agent["id"]}, **member})
    if wait_seconds is None:
        click.echo(f"Asked agent {tail(agent['id'])} for it, without waiting until it has done it.")
        return False
    if client.operation_id is None:
        raise UnconfirmedError("Asked for; this master does not tell what becomes of it.")
    _wait(client, {"agent_id": agent["id"], "operation_id": client.operation_id}, wait_seconds)
    return True


def _wait(client: Client, operation: dict[str, str | None], seconds: float) -> None:
    who = f"agent {tail(str(operation['agent_id']))}"
    ends_at = time.monotonic() + seconds
    pause = PAUSE_SECONDS_MIN
    while True:
        with suppress(UnreachableError, RefusedError):  # another master may be about to lead
            found = client.get(f"{EXTENSIONS}/operation", operation)
            if found["state"] == "OPERATION_FINISHED":
                return
            if found["state"] == "OPERATION_UNKNOWN":
                raise UnconfirmedError(
                    f"Asked {who} for it; whether it has done it is not known: the master was replaced meanwhile."
                )
            if found["state"] != "OPERATION_PENDING":
                break
        left = ends_at - time.monotonic()
        if left <= 0:
            raise UnconfirmedError(f"Asked {who} for it, which has not confirmed it yet, after {seconds:g} s.")
        time.sleep(min(pause, left))
        pause = min(2 * pause, PAUSE_SECONDS_MAX)
    why = found["message"] or "it does not say why"
    raise RefusedError(f"It failed at {who} ({found['state']}): {why}.")

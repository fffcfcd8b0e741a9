"""How a command fails: one sentence that says what to do, and an exit code that programs can tell apart."""

from __future__ import annotations

import click


class RefusedError(click.ClickException):
    """The cluster answered, and refused or could not do it."""

    exit_code = 1


class NotFoundError(click.ClickException):
    """What was named is not there, or the name fits several."""

    exit_code = 3


class UnconfirmedError(click.ClickException):
    """The master took it on, and whether the agent has done it is not known."""

    exit_code = 5


class UnreachableError(click.ClickException):
    """The master, or the agent that was needed, does not answer."""

    exit_code = 4

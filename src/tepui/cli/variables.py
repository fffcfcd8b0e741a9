"""Environment variables on the command line, `NAME=VALUE`."""

from __future__ import annotations

import re

import click

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")


def read_variables(_: click.Context, __: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    """An option's callback: the environment variables that its `NAME=VALUE` texts set, the last of a name."""
    for text in given:
        if not _VARIABLE.match(text):
            raise click.BadParameter(f"expects NAME=VALUE, not '{text}'.")
    pairs = (text.partition("=") for text in given)
    return {name: value for name, _, value in pairs}

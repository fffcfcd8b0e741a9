"""Durations as people write them on the command line: `30secs`, `1.5hrs`."""

from __future__ import annotations

import click


def nanoseconds(option: str, text: str) -> int:
    """The duration that `option` was given, at least 0. Raises click.UsageError."""
    from tepui.wire.text import TextError, parse_duration  # commands that are given none start faster without it

    try:
        seconds = parse_duration(text)
    except TextError as error:
        raise click.UsageError(f"{option}: {error}.") from None
    if seconds < 0:
        raise click.UsageError(f"{option} expects a duration of at least 0, not '{text}'.")
    return round(seconds * 1e9)

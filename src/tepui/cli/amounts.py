"""Amounts of resources as people write them on the command line: `cpus:4,mem:2G`."""

from __future__ import annotations

import re

import click

_AMOUNT = re.compile(r"(\d+(?:\.\d*)?|\.\d+)([MGT]?)B?", re.IGNORECASE)
_MEGABYTES = {"M": 1, "G": 1024, "T": 1024**2}
_IN_MEGABYTES = ("mem", "disk")


def amounts(text: str) -> dict[str, float]:
    """Scalars by name, separated by commas or semicolons; `mem` and `disk` in MB, or with M, G or T behind.

    The type of options and arguments. Raises click.BadParameter.
    """
    found: dict[str, float] = {}
    for piece in re.split("[,;]", text):
        name, colon, number = (part.strip() for part in piece.partition(":"))
        match = _AMOUNT.fullmatch(number)
        if not name or not colon or match is None or (match[2] and name not in _IN_MEGABYTES):
            raise click.BadParameter(f"'{piece.strip()}' is no amount: write such as cpus:4,mem:2G.")
        if name in found:
            raise click.BadParameter(f"'{name}' is given twice.")
        found[name] = float(match[1]) * _MEGABYTES.get(match[2].upper(), 1)
    return found

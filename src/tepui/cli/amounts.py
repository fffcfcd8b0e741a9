"""Amounts of resources as people write them on the command line: `cpus:4,mem:2G`."""

from __future__ import annotations

import re

import click

_AMOUNT = re.compile(r"(\d+(?:\.\d*)?|\.\d+)([MGT]?)B?", re.IGNORECASE)
_MEGABYTES = {"M": 1, "G": 1024, "T": 1024**2}
_IN_MEGABYTES = ("mem", "disk")


class Amounts(click.ParamType):
    """Scalars by name, separated by commas or semicolons; `mem` and `disk` in MB, or with M, G or T behind."""

    name = "amounts"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, float]:
        if isinstance(value, dict):
            return value
        found: dict[str, float] = {}
        for piece in re.split("[,;]", str(value)):
            name, colon, text = (part.strip() for part in piece.partition(":"))
            match = _AMOUNT.fullmatch(text)
            if not name or not colon or match is None or (match[2] and name not in _IN_MEGABYTES):
                self.fail(f"'{piece.strip()}' is no amount: write such as cpus:4,mem:2G.", param, ctx)
            if name in found:
                self.fail(f"'{name}' is given twice.", param, ctx)
            found[name] = float(match[1]) * _MEGABYTES.get(match[2].upper(), 1)
        return found


AMOUNTS = Amounts()

"""How answers are shown: aligned tables for people, JSON for programs, once or again and again."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click

from tepui.cli.errors import UnreachableError

BAR_CELLS = 30
NAME_CHARACTERS_MAX = 40
"""Longer names are shortened in tables. JSON has them whole."""
_CLEAR = "\x1b[2J\x1b[H"
_COLOURS = {
    "running": "green",
    "starting": "cyan",
    "staging": "cyan",
    "killing": "yellow",
    "finished": "blue",
    "active": "green",
    "connected": "green",
    "disconnected": "yellow",
}
_BAD = frozenset({"failed", "error", "lost", "dropped", "gone", "unreachable", "gone_by_operator"})

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Column:
    """One column of a table: its title, the text of a row's cell, whether it is a number, and whether it is a name that
    users give as long as they like, which is then shortened. Ids are not: people copy them."""

    title: str
    text: Callable[[Row], str]
    number: bool = False
    name: bool = False


@dataclass(frozen=True)
class Report:
    """An answer in both forms: what programs read, and what people read, made only when it is shown."""

    data: object
    text: Callable[[], str]


@dataclass(frozen=True)
class Output:
    """How to show reports: `form` is table or json; `watch_seconds` is the pause between two, None for one only."""

    form: str
    watch_seconds: float | None

    def show(self, fetch: Callable[[], Report], title: str = "") -> None:
        """Show what `fetch` brings. While watching, a master that does not answer is waited for."""
        report = fetch()
        if self.watch_seconds is None:
            click.echo(self._written(report))
            return
        while True:
            self._frame(self._written(report), title)
            time.sleep(self.watch_seconds)
            try:
                report = fetch()
            except UnreachableError as error:
                click.echo(f"tepui: {error.format_message()}", err=True)

    def _written(self, report: Report) -> str:
        if self.form == "json":
            return json.dumps(report.data, indent=2 if self.watch_seconds is None else None)
        return report.text()

    def _frame(self, text: str, title: str) -> None:
        if self.form == "json":
            click.echo(text)
        else:
            clear = _CLEAR if sys.stdout.isatty() else ""
            head = f"{title}  every {self.watch_seconds:g} s, {time.strftime('%H:%M:%S')}, Ctrl-C ends"
            click.echo(f"{clear}{head}\n\n{text}\n")
        sys.stdout.flush()


def table(columns: Sequence[Column], rows: Sequence[Row], nothing: str) -> str:
    """Aligned text with a line of titles; the sentence `nothing` when there are no rows. Empty columns are left out."""
    if not rows:
        return nothing
    cells = [[_cell(column, row) for row in rows] for column in columns]
    shown = [(column, texts) for column, texts in zip(columns, cells, strict=True) if any(texts)]
    widths = [max(len(column.title), *map(len, texts)) for column, texts in shown]

    def line(texts: Sequence[str], style: Callable[[str, str], str]) -> str:
        padded = [
            style(text, text.rjust(width) if column.number else text.ljust(width))
            for text, width, (column, _) in zip(texts, widths, shown, strict=True)
        ]
        return "  ".join(padded).rstrip()

    lines = [line([column.title for column, _ in shown], lambda _, padded: padded)]
    lines += [line([texts[index] for _, texts in shown], _coloured) for index in range(len(rows))]
    return "\n".join(lines)


def _cell(column: Column, row: Row) -> str:
    text = column.text(row)
    if not text.isprintable():  # whoever names a framework, or says why a task failed, must not write on this terminal
        text = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
    return short(text) if column.name else text


def short(name: str) -> str:
    """A name that is not too long for a table: of a long one the beginning and the end, which tells siblings apart."""
    if len(name) <= NAME_CHARACTERS_MAX:
        return name
    gap = "…" if _is_utf8() else "..."
    kept = NAME_CHARACTERS_MAX - len(gap)
    return f"{name[: kept - kept // 3]}{gap}{name[-(kept // 3) :]}"


def _is_utf8() -> bool:
    return (sys.stdout.encoding or "").lower().startswith("utf")


def _coloured(text: str, padded: str) -> str:
    """States in their colour; click takes colours out where there is no terminal."""
    colour = "red" if text in _BAD else _COLOURS.get(text)
    return click.style(padded, fg=colour) if colour else padded


def fields(pairs: Sequence[tuple[str, str]]) -> str:
    """One thing's names and values, a line each; empty values are left out."""
    width = max(len(name) for name, _ in pairs)
    return "\n".join(f"{name.ljust(width)}  {value}" for name, value in pairs if value)


# Values.


def number(value: float) -> str:
    """A number without needless zeros: `4`, `0.5`, `2.125`; `1e+30` when it has more digits than anybody reads."""
    if abs(value) >= 1e16:
        return f"{value:g}"
    return f"{value:.3f}".rstrip("0").rstrip(".")


def megabytes(value: float) -> str:
    """An amount that is counted in MB: `512M`, `3.9G`, `1.2T`."""
    for unit in ("M", "G"):
        if abs(value) < 1024:
            return f"{value:.4g}{unit}" if value < 100 else f"{value:.0f}{unit}"
        value /= 1024
    return f"{value:.4g}T"


def amount(name: str, value: float) -> str:
    """An amount of the resource with that name."""
    return megabytes(value) if name in ("mem", "disk") else number(value)


def resources(found: Mapping[str, Any]) -> str:
    """`cpus 2, mem 512M, ports [31000-31999]`: what is not zero, the best known names first."""
    order = {name: index for index, name in enumerate(("cpus", "mem", "disk", "gpus"))}
    parts = []
    for name in sorted(found, key=lambda name: (order.get(name, len(order)), name)):
        value = found[name]
        if isinstance(value, str):
            parts.append(f"{name} {value}")
        elif value:
            parts.append(f"{name} {amount(name, value)}")
    return ", ".join(parts) or "nothing"


def age(seconds: float) -> str:
    """How long something lasts: `4s`, `12m`, `3h`, `5d`."""
    for size, unit, limit in ((1, "s", 120), (60, "m", 7200), (3600, "h", 172_800)):
        if seconds < limit:
            return f"{max(0, int(seconds / size))}{unit}"
    return f"{int(seconds / 86400)}d"


def since(moment: float | None) -> str:
    """How long ago a time was; empty when it never was."""
    return age(time.time() - moment) if moment else ""


def state(name: str) -> str:
    """`TASK_RUNNING` as `running`."""
    return name.removeprefix("TASK_").lower()


def plural(count: int, name: str) -> str:
    return f"{count} {name}" if count == 1 else f"{count} {name}s"


def bar(used: float, offered: float, total: float) -> str:
    """A bar of what is used, what is offered, and what is free."""
    full, part, empty = "█▒░" if _is_utf8() else "#+-"
    if total <= 0:
        return empty * BAR_CELLS
    first = min(BAR_CELLS, round(BAR_CELLS * used / total))
    second = min(BAR_CELLS, round(BAR_CELLS * (used + offered) / total)) - first
    return full * first + part * max(0, second) + empty * (BAR_CELLS - first - max(0, second))

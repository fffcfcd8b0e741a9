"""What one sees while the demonstration runs: a picture that moves on a terminal, lines anywhere else."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from typing import TYPE_CHECKING, Any

import click

from tepui.cli.demo.plan import AGENTS, BATCH, CPUS, CPUS_PER_AGENT, WORDS
from tepui.frameworks.batch import State

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.text import Text

    from tepui.cli.demo.running import View

LINE_SECONDS = 2.0
COLUMN_SECONDS = 0.25
CHART_COLUMNS_MAX = 100
COLOURS = {WORDS: "dodger_blue1", BATCH: "orange1"}
"""From the bottom of the chart to its top."""
_IDLE = "grey19"


@contextmanager
def display(address: str) -> Iterator[Callable[[View], None]]:
    """What shows views, until it is left."""
    live = _live_display(address)
    if live is None:
        yield Lines().show
    else:
        with live:
            yield lambda view: live.update(picture(view, address, live.console.width), refresh=True)


def _live_display(address: str) -> Any:
    """rich's live display; None where it is not installed, or the terminal is none or has no colours or blocks."""
    try:
        from rich.console import Console
        from rich.live import Live
    except ImportError:
        return None
    console = Console()
    has_blocks = console.encoding.lower().startswith("utf")
    if not console.is_terminal or console.is_dumb_terminal or console.no_color or not has_blocks:
        return None
    return Live(f"Two frameworks begin at {address}.", console=console, auto_refresh=False)


class Lines:
    """A line every other second."""

    def __init__(self) -> None:
        self._shown_at = 0.0
        self._shown = ""

    def show(self, view: View) -> None:
        is_last = all(times.removed_at is not None for times in view.shares.frameworks.values())
        if not view.shares.frameworks or (view.seconds < self._shown_at + LINE_SECONDS and not is_last):
            return
        text = f"{WORDS}: {_share(view, WORDS)}, {words_progress(view)} | {BATCH}: {_share(view, BATCH)}, "
        text += batch_progress(view)
        if text != self._shown:
            self._shown_at, self._shown = view.seconds, text
            click.echo(f"{view.seconds:5.1f} s  {text}")
            sys.stdout.flush()


def _share(view: View, framework: str) -> str:
    cpus = view.shares.now.get(framework, 0.0)
    return f"{cpus:g} of {CPUS} cpus ({100 * cpus / CPUS:.0f} %)"


def words_progress(view: View) -> str:
    """How far the word count is."""
    progress = view.words
    if progress is None:
        return "not begun"
    text = f"maps {progress.maps_done}/{progress.maps}, reduces {progress.reduces_done}/{progress.reduces}"
    if progress.placed_maps:
        text += f", {100 * progress.local_maps / progress.placed_maps:.0f} % at their input"
    return text


def batch_progress(view: View) -> str:
    """How far the batch is."""
    counts = view.batch.counts
    text = f"{counts[State.SUCCEEDED]}/{len(view.batch.status)} done, {counts[State.RUNNING]} running"
    return text + (f", {counts[State.FAILED]} failed" if counts[State.FAILED] else "")


# The picture that moves.


def picture(view: View, address: str, width: int) -> Text:
    """The chart of shares, the two frameworks, and what runs on each agent."""
    from rich.text import Text

    found = Text(no_wrap=True, overflow="crop")
    found.append("Two frameworks, one cluster", style="bold")
    found.append(f"   {len(AGENTS)} agents, {CPUS} cpus, master at {address}   {view.seconds:.1f} s\n\n")
    for line in chart(view, min(CHART_COLUMNS_MAX, width - 8)):
        found.append_text(line).append("\n")
    found.append("\n")
    for framework, progress in ((BATCH, batch_progress(view)), (WORDS, words_progress(view))):
        found.append("  ██ ", style=COLOURS[framework])
        found.append(f"{framework:<11}", style="bold").append(f"{_share(view, framework):<22}  {progress}\n")
    found.append("\n")
    for agent in AGENTS:
        found.append(f"  {agent} ").append_text(_cells(view.shares.agents.get(agent, {})))
    return found.append("\n")


def chart(view: View, columns: int) -> Iterator[Text]:
    """Cpus over time. Each half of a cell is one cpu for COLUMN_SECONDS; the oldest go when there is no more room."""
    from rich.text import Text

    times = view.shares.frameworks.get(BATCH)
    begun_at = 0.0 if times is None else times.registered_at
    last = int(view.seconds / COLUMN_SECONDS)
    first = max(0, last - columns + 1)
    moments = [begun_at + (column + 0.5) * COLUMN_SECONDS for column in range(first, last)]
    shown = [_stack(view.shares.at(moment)) for moment in moments]
    shown.append(_stack(view.shares.now))
    for top in range(CPUS - 1, 0, -2):
        label = f"{top + 1:>4} " if (top + 1) % (CPUS // 2) == 0 else "     "
        line = Text().append(label, style="dim")
        for style, cells in groupby(f"{stack[top - 1]} on {stack[top]}" for stack in shown):
            line.append("▄" * len(list(cells)), style=style)
        yield line


def _stack(cpus: dict[str, float]) -> list[str]:
    """The colour of each cpu from the first to the last."""
    found: list[str] = []
    for framework, colour in COLOURS.items():
        found += [colour] * round(cpus.get(framework, 0.0))
    return (found + [_IDLE] * CPUS)[:CPUS]


def _cells(cpus: dict[str, float]) -> Text:
    from rich.text import Text

    found = Text()
    for colour in _stack(cpus)[:CPUS_PER_AGENT]:
        found.append("██", style=colour).append(" ")
    return found.append("  ")

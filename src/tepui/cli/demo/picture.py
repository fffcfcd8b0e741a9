"""The shares over time as a picture file."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tepui.cli.demo.plan import BATCH, CPUS, FAIR_CPUS, WORDS
from tepui.cli.demo.shares import Shares

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIZE_INCHES = (9.0, 4.6)
DOTS_PER_INCH = 110
_COLOURS = {WORDS: "#2f6fb0", BATCH: "#f0a63c"}
_INK = "#333333"


class NoPictureError(Exception):
    """The picture cannot be drawn here; the text is a sentence."""


def draw(shares: Shares, path: Path) -> None:
    """Draw cpus over time, one framework on top of the other. Raises NoPictureError where matplotlib is not there."""
    with tempfile.TemporaryDirectory(prefix="tepui-demo-") as cache:
        os.environ["MPLCONFIGDIR"] = cache  # else it wants a home
        _draw(shares, path)


def _draw(shares: Shares, path: Path) -> None:
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise NoPictureError(
            "There is no picture because matplotlib is not installed: `make setup` does that."
        ) from None
    begin = min(times.registered_at for times in shares.frameworks.values())
    seconds = [moment.time - begin for moment in shares.moments]
    words = [moment.cpus.get(WORDS, 0.0) for moment in shares.moments]
    batch = [moment.cpus.get(BATCH, 0.0) for moment in shares.moments]
    figure = Figure(figsize=SIZE_INCHES, dpi=DOTS_PER_INCH, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    colours = [_COLOURS[WORDS], _COLOURS[BATCH]]
    axes.stackplot(seconds, words, batch, step="post", colors=colours, labels=[WORDS, BATCH], linewidth=0)
    axes.axhline(FAIR_CPUS, color="white", linewidth=1.6, linestyle=(0, (5, 4)))
    axes.annotate(
        "fair share",
        (1.0, FAIR_CPUS),
        xycoords=("axes fraction", "data"),
        xytext=(6, 0),
        textcoords="offset points",
        va="center",
        color=_INK,
        annotation_clip=False,
    )
    _mark_full_phase(axes, shares, begin)
    axes.set(xlim=(0, seconds[-1]), ylim=(0, CPUS * 1.16), xlabel="seconds", ylabel="cpus in use")
    axes.set_yticks(range(0, CPUS + 1, 2))
    axes.set_title("Two frameworks share a cluster", loc="left", color=_INK, fontweight="bold", pad=10)
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2, frameon=False, borderaxespad=0.3)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    figure.savefig(path, format="png")


def _mark_full_phase(axes: Axes, shares: Shares, begin: float) -> None:
    """A bracket over the time that counts for the utilization, with the figure."""
    phase = shares.full_phase()
    if phase is None:
        return
    since, until = (time - begin for time in phase)
    height = CPUS * 1.04
    axes.annotate(
        "", (since, height), (until, height), arrowprops={"arrowstyle": "|-|", "color": _INK, "mutation_scale": 4}
    )
    utilization = shares.mean(*phase) / CPUS
    label = f"both have work: {utilization:.1%} of the cluster in use"
    axes.text((since + until) / 2, height + CPUS * 0.025, label, ha="center", va="bottom", color=_INK)

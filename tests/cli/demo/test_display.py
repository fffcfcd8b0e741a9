"""What one sees of the demonstration, drawn from a history that is known."""

from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import Path

import pytest

from tepui.cli.demo.display import COLOURS, COLUMN_SECONDS, Lines, picture
from tepui.cli.demo.picture import NoPictureError, draw
from tepui.cli.demo.plan import BATCH, CPUS, WORDS
from tepui.cli.demo.running import View
from tepui.cli.demo.shares import FrameworkTimes, Moment, Shares
from tepui.frameworks.batch import Batch, Command, Graph

IDLE = "grey19"


def view() -> View:
    """The batch had all cpus for four columns, and has three since then; the word count has five."""
    begun_at = 100.0
    moments = [
        Moment(begun_at, {BATCH: 12.0}),
        Moment(begun_at + 4 * COLUMN_SECONDS, {BATCH: 3.0, WORDS: 5.0}),
    ]
    shares = Shares(
        moments=moments,
        frameworks={BATCH: FrameworkTimes(begun_at, begun_at), WORDS: FrameworkTimes(begun_at + 1, begun_at + 1)},
        agents={"agent-1": {BATCH: 1.0, WORDS: 2.0}},
    )
    return View(6 * COLUMN_SECONDS, shares, Batch(Graph([Command("a", "true")])), None)


def test_the_chart_has_a_half_cell_for_each_cpu() -> None:
    text = picture(view(), "127.0.0.1:5050", 80)
    lines = text.split("\n")
    rows = lines[2 : 2 + CPUS // 2]
    assert [row.plain[:5] for row in rows] == ["  12 ", *["     "] * 2, "   6 ", *["     "] * 2]
    columns: list[list[str]] = [[] for _ in range(7)]
    for row in reversed(rows):
        for span in row.spans:
            lower, _, upper = str(span.style).partition(" on ")
            for at in range(max(5, span.start), span.end):
                columns[at - 5] += [lower, upper]
    shared = [COLOURS[WORDS]] * 5 + [COLOURS[BATCH]] * 3 + [IDLE] * 4
    assert columns == [[COLOURS[BATCH]] * CPUS] * 4 + [shared] * 3
    agents = lines[-1]
    cells = [str(span.style) for span in agents.spans if agents.plain[span.start] == "█"]
    assert cells == [COLOURS[WORDS]] * 2 + [COLOURS[BATCH], IDLE] + [IDLE] * 8


def test_the_chart_moves_on_when_there_is_no_more_room() -> None:
    rows = picture(view(), "127.0.0.1:5050", 11).split("\n")[2:5]
    assert all(len(row.plain) == 5 + 3 for row in rows)
    assert all(left.plain[5:] == right.plain[5:] == "▄▄▄" for left, right in pairwise(rows))


def test_lines_come_seldom(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines()
    lines.show(view())
    assert capsys.readouterr().out == ""
    later = View(2.0, view().shares, view().batch, None)
    lines.show(later)
    lines.show(later)
    assert capsys.readouterr().out == (
        "  2.0 s  word count: 5 of 12 cpus (42 %), not begun | batch: 3 of 12 cpus (25 %), 0/1 done, 0 running\n"
    )


def test_without_matplotlib_there_is_no_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(NoPictureError, match="matplotlib is not installed"):
        draw(view().shares, tmp_path / "shares.png")
    assert list(tmp_path.iterdir()) == []

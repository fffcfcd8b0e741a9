"""Plays: what the agent core is told, and under each block everything it says (see `tests.plays`)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.agent.stage import Stage
from tests.plays import perform, plays_beside


@pytest.mark.parametrize("path", plays_beside(__file__), ids=lambda path: path.stem)
def test_play(path: Path) -> None:
    performed, written = perform(path, Stage().command)
    assert performed == written

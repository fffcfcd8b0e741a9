"""Plays: files of commands, and under each block everything that is said when they are given.

A block ends with an empty line. Its lines are commands and comments (`#`); what follows `----` is what was said.
`TEPUI_WRITE_PLAYS=1 pytest tests/PACKAGE/test_plays.py` writes the files anew; the difference is then for reading.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path


def plays_beside(test_module: str) -> list[Path]:
    """The plays of a package, given the `__file__` of its test module."""
    return sorted((Path(test_module).parent / "plays").glob("*.txt"))


def perform(play: Path, command: Callable[[str], list[str]]) -> tuple[str, str]:
    """The play as it was performed now, and as it is written. `command` takes a line and returns what is said."""
    written = play.read_text()
    performed = _performed(written, command)
    if os.environ.get("TEPUI_WRITE_PLAYS"):
        play.write_text(performed)
        return performed, performed
    return performed, written


def _performed(text: str, command: Callable[[str], list[str]]) -> str:
    blocks = []
    for block in text.strip().split("\n\n"):
        lines = block.split("\n----", 1)[0].splitlines()
        commands = [line for line in lines if line and not line.startswith("#")]
        said = [sentence for line in commands for sentence in command(line)]
        blocks.append("\n".join([*lines, "----", *said] if commands else lines))
    return "\n\n".join(blocks) + "\n"

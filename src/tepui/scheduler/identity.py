"""A framework's id in a file, so that the next life of its scheduler finds its tasks."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def read_identity(path: Path) -> str | None:
    """The id that was kept; None when there is none."""
    try:
        return path.read_text().strip() or None
    except FileNotFoundError:
        return None


def write_identity(path: Path, framework_id: str) -> None:
    """Keep the id: the file holds it whole or is as it was."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.{os.getpid()}.new")
    with new.open("w") as file:
        file.write(framework_id + "\n")
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def forget_identity(path: Path) -> None:
    """The framework is torn down: its id can never be used again."""
    with contextlib.suppress(FileNotFoundError):
        path.unlink()

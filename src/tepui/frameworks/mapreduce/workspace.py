"""The job's folder beside its output: orders for tasks, their reports, what they wrote. All agents must see it.

.NAME.RANDOM/job.json       what all tasks are told
             files/         copies of the files that tasks get
             orders/        what one attempt is told
             reports/       what it said at its end
             attempts/      parts of the output that attempts wrote
             output/        the parts that count: at the end this becomes the output, by one rename
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

SUCCESS = "_SUCCESS"
"""An empty file in the output, for those who look for it."""
REPORT_BYTES_MAX = 16 << 20


class OutputError(Exception):
    """The output cannot be written, or is there already; the text is a sentence."""


class Workspace:
    """Makes the folder. Raises OutputError."""

    def __init__(self, output: Path) -> None:
        self.output = output.absolute()
        self._check_absent()
        try:
            self.output.parent.mkdir(parents=True, exist_ok=True)
            self.path = Path(tempfile.mkdtemp(prefix=f".{self.output.name}.", dir=self.output.parent))
            for name in ("files", "orders", "reports", "attempts", "output"):
                (self.path / name).mkdir()
        except OSError as error:
            raise OutputError(f"The output {output} cannot be written: {_why(error)}.") from None

    def _check_absent(self) -> None:
        if os.path.lexists(self.output):
            raise OutputError(f"The output {self.output} exists already; remove it or name another.")

    def add_files(self, files: Sequence[Path]) -> list[str]:
        """Copy files for all tasks; returns their names. Raises OutputError."""
        for file in files:
            try:
                shutil.copy(file, self.path / "files" / file.name)
            except OSError as error:
                raise OutputError(f"The file {file} cannot be read: {_why(error)}.") from None
        return [file.name for file in files]

    def write(self, name: str, message: Mapping[str, Any]) -> None:
        (self.path / name).write_text(json.dumps(message))

    def report(self, attempt: str) -> dict[str, Any] | None:
        """What an attempt left; None when it left nothing."""
        path = self.path / "reports" / f"{attempt}.json"
        try:
            if path.stat().st_size > REPORT_BYTES_MAX:
                return None
            found = json.loads(path.read_bytes())
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) else None

    def commit_part(self, attempt: str, number: int) -> None:
        """Choose an attempt's part."""
        (self.path / "attempts" / attempt).rename(self.path / "output" / f"part-{number:05d}")

    def commit(self) -> None:
        """The output is there, whole, from this moment on. Raises OutputError when something else is there now."""
        (self.path / "output" / SUCCESS).touch()
        self._check_absent()
        try:
            # mkdtemp's folder is for its owner alone, the output is as any other folder.
            (self.path / "output").rename(self.output)
        except OSError as error:
            if error.errno in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
                self._check_absent()
            raise OutputError(f"The output {self.output} cannot be written: {_why(error)}.") from None

    def remove(self) -> None:
        """Leave nothing. Tasks that are just being killed may still write, so what is left then stays."""
        shutil.rmtree(self.path, ignore_errors=True)


def _why(error: OSError) -> str:
    return (error.strerror or str(error)).lower()

"""The runs and their records on disk."""

from __future__ import annotations

import errno
import json
import os

from .processes import read_small

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

JOURNAL_SPARE_LINES = 4_000
"""The journal is rewritten when it has so many more lines than there are runs."""
ROUND_SECONDS_MIN = 0.01


class Run:
    """One run. It is *ended* when its main process is, and *settled* when nothing is left of its tree."""

    __slots__ = (
        "adopted",
        "at",
        "beheld",
        "destroying",
        "ended",
        "id",
        "kill_at",
        "kill_told",
        "kill_why",
        "orphan_timeout_seconds",
        "pid",
        "pidfd",
        "round_at",
        "round_seconds",
        "settled",
        "status",
        "ticks",
        "why",
    )

    def __init__(self, run: str, orphan_timeout_seconds: float | None) -> None:
        self.id = run
        self.orphan_timeout_seconds = orphan_timeout_seconds
        self.pid = 0
        self.ticks = 0
        self.kill_at: float | None = None
        self.kill_why = ""
        self.kill_told = False
        """Its tree had the SIGTERM."""
        self.destroying = False
        self.ended = False
        self.settled = False
        self.status: int | None = None
        self.why = ""
        self.at = 0.0
        self.adopted = False
        """Not a child of ours: an earlier supervisor started it."""
        self.beheld = False
        """This supervisor saw the main process alive, so the session of that number is the run's."""
        self.pidfd = -1
        self.round_at = 0.0
        self.round_seconds = ROUND_SECONDS_MIN

    def lines(self) -> list[dict[str, Any]]:
        """The journal's lines that make this run what it is: four at the most, for `Journal.wants_rewrite`."""
        lines: list[dict[str, Any]] = [{"run": self.id, "starting": self.orphan_timeout_seconds}]
        if self.pid:
            lines.append({"run": self.id, "pid": self.pid, "ticks": self.ticks})
        if self.ended:
            lines.append({"run": self.id, "ended": self.status, "why": self.why, "at": self.at})
        elif self.kill_at is not None:
            lines.append({"run": self.id, "kill": self.kill_at, "why": self.kill_why})
            if self.kill_told:
                lines.append({"run": self.id, "told": True})
        return lines

    def apply(self, line: dict[str, Any]) -> None:
        if "pid" in line:
            self.pid, self.ticks = int(line["pid"]), int(line["ticks"])
        elif "kill" in line:
            self.kill_at, self.kill_why = float(line["kill"]), str(line["why"])
        elif "told" in line:
            self.kill_told = True
        elif "ended" in line:
            self.ended, self.why, self.at = True, str(line["why"]), float(line["at"])
            self.status = None if line["ended"] is None else int(line["ended"])


class Journal:
    """All run records in one append-only file of JSON lines.

    Each line begins with its newline, so that a line cut short by a crash or a full disk does not spoil the next one.
    """

    def __init__(self, directory: str) -> None:
        self.instance = os.urandom(8).hex()
        """This state directory's own id."""
        self._path = os.path.join(directory, "runs")
        self._descriptor = -1
        self._lines = 0

    def load(self) -> tuple[dict[str, Run], bool]:
        """The runs on record, and whether they are of this boot of the machine."""
        runs: dict[str, Run] = {}
        boot: str | None = None
        try:
            with open(self._path, "rb") as file:
                for content in file:
                    try:
                        line = json.loads(content)
                        if "journal" in line:
                            boot = line["boot"]
                            self.instance = line["instance"]
                        elif "starting" in line:
                            runs[line["run"]] = Run(line["run"], line["starting"])
                        elif "gone" in line:
                            runs.pop(line["run"], None)
                        elif line["run"] in runs:
                            runs[line["run"]].apply(line)
                    except (ValueError, KeyError, TypeError):
                        continue
        except FileNotFoundError:
            pass
        return runs, boot == boot_id()

    def rewrite(self, runs: dict[str, Run]) -> None:
        """Leave only what is still true in the file. It is replaced whole, so a crash leaves the old or the new one."""
        lines: list[dict[str, Any]] = [{"journal": 1, "boot": boot_id(), "instance": self.instance}]
        for run in runs.values():
            lines += run.lines()
        content = b"".join(b"\n" + json.dumps(line).encode() for line in lines)
        temporary = self._path + ".new"
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            if os.write(descriptor, content) != len(content):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.rename(temporary, self._path)
        except OSError:
            os.close(descriptor)
            raise
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor, self._lines = descriptor, len(lines)

    def keep(self) -> None:
        """Go on with the file as it is, and do not try to rewrite it before it has grown again."""
        if self._descriptor < 0:
            self._descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._lines = 0

    def write(self, line: dict[str, Any]) -> None:
        """Append one line, which then survives the end of this process. Raises OSError."""
        content = b"\n" + json.dumps(line).encode()
        if os.write(self._descriptor, content) != len(content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._lines += 1

    def wants_rewrite(self, runs: int) -> bool:
        return self._lines > 4 * runs + JOURNAL_SPARE_LINES


def boot_id() -> str:
    return read_small("/proc/sys/kernel/random/boot_id").decode().strip()

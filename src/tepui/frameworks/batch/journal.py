"""What happened, beside the file of commands: JSON lines that are only ever appended to.

A line is written with one call before what it tells takes effect outside (a launch) or is acknowledged (an end), so
that a batch that is killed at any point finds in its next life what it had begun. `sync` brings lines to the disk.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable
from pathlib import Path

import msgspec

from tepui.frameworks.batch.graph import Graph
from tepui.frameworks.batch.machine import Batch, Ended, Launched

VERSION = 1
LINE_BYTES_MAX = 1_048_576


class JournalError(Exception):
    """The state file cannot be used; the sentence says why and what to do."""


class Opened(msgspec.Struct, frozen=True, tag="opened", tag_field="event"):
    """The file's first line."""

    version: int


class Subscribed(msgspec.Struct, frozen=True, tag="subscribed", tag_field="event"):
    """The framework's id, under which tasks run."""

    framework: str


class Left(msgspec.Struct, frozen=True, tag="left", tag_field="event"):
    """The framework is no more; the next life needs another."""


class Finished(msgspec.Struct, frozen=True, tag="finished", tag_field="event"):
    """Every command had ended. The next life tries again what failed."""


class Restarted(msgspec.Struct, frozen=True, tag="restarted", tag_field="event"):
    """All began anew."""


Line = Opened | Subscribed | Left | Finished | Restarted | Launched | Ended


class Journal:
    """The state file, locked while it is open. Raises JournalError when it cannot be opened or another batch has it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.framework_id: str | None = None
        """The id of a framework whose tasks may run."""
        self._encoder = msgspec.json.Encoder()
        self._first_line = self._encoder.encode(Opened(VERSION)) + b"\n"
        self._is_dirty = False
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise JournalError(f"The state file {path} cannot be opened: {error.strerror}.") from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._file)
            raise JournalError(f"Another batch is at work with {path}; wait for it, or give --state=OTHER.") from None

    def load(self, graph: Graph) -> Batch:
        """The batch as its last life left it. Raises JournalError, and changes nothing, when the file holds something
        else. A last line that is not whole was being written when that life ended; it is dropped."""
        batch = Batch(graph)
        decoder = msgspec.json.Decoder(Line)
        whole = 0
        with self.path.open("rb") as file:
            for number, data in enumerate(iter(lambda: file.readline(LINE_BYTES_MAX), b""), 1):
                is_torn = not data.endswith(b"\n") and len(data) < LINE_BYTES_MAX
                if is_torn and (number > 1 or self._first_line.startswith(data)):
                    break  # the end of a life in the middle of a line
                try:
                    line = decoder.decode(data)
                    if number == 1 and data != self._first_line:
                        raise ValueError(f"it does not begin as version {VERSION} does")
                    batch = self._take(batch, line)
                except (msgspec.DecodeError, ValueError, KeyError) as error:
                    raise JournalError(
                        f"{self.path}:{number}: This is not the state of a batch: {error}. "
                        "Give --state=OTHER, or remove the file to begin anew."
                    ) from None
                whole += len(data)
        os.ftruncate(self._file, whole)
        if not whole:
            self.append([Opened(VERSION)])
        return batch

    def _take(self, batch: Batch, line: Line) -> Batch:
        match line:
            case Launched() | Ended():
                batch.replay(line)
            case Subscribed(framework):
                self.framework_id = framework
            case Left():
                self.framework_id = None
            case Finished():
                batch.forgive()
            case Restarted():
                return batch.anew()
        return batch

    def restart(self, batch: Batch) -> Batch:
        """Begin anew, whatever has succeeded."""
        self.append([Restarted()])
        return batch.anew()

    def append(self, lines: Iterable[Line]) -> None:
        """Write lines. They outlive the process at once, and the machine after `sync`. Raises JournalError."""
        data = b"".join([self._encoder.encode(line) + b"\n" for line in lines])
        try:
            while data:
                data = data[os.write(self._file, data) :]
                self._is_dirty = True
        except OSError as error:
            raise self._unwritable(error) from None

    def sync(self) -> None:
        """Bring all lines to the disk."""
        if self._is_dirty:
            self._is_dirty = False
            try:
                os.fdatasync(self._file)
            except OSError as error:
                raise self._unwritable(error) from None

    def _unwritable(self, error: OSError) -> JournalError:
        return JournalError(
            f"The state file {self.path} cannot be written: {error.strerror}. What runs goes on; make room, and run "
            "the same command again."
        )

    def close(self) -> None:
        self.sync()
        os.close(self._file)

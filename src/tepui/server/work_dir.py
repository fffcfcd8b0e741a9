"""The work folder belongs to one server at a time."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType

from tepui.server.errors import StartError


class WorkDirLock:
    """Makes the folder and holds a lock on it, which ends with the process however it ends.

    A master and an agent may share a folder, as with Mesos; two masters or two agents may not.
    """

    def __init__(self, folder: Path, who: str = "agent") -> None:
        self._folder = folder
        self._who = who
        self._descriptor: int | None = None

    def __enter__(self) -> None:
        """Raises StartError when the folder cannot be used or another server uses it."""
        lock = self._folder / ("meta/lock" if self._who == "agent" else f"{self._who}.lock")
        try:
            lock.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StartError(f"The work folder {self._folder} cannot be used: {error.strerror}.") from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            raise StartError(
                f"The work folder {self._folder} is in use by another {self._who}; give each one its own."
            ) from None
        self._descriptor = descriptor

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)

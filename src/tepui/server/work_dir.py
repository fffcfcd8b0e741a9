"""The work folder belongs to one server at a time."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType

from tepui.server.errors import StartError


class WorkDirLock:
    """Makes the folder and holds a lock on it, which ends with the process however it ends."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._descriptor: int | None = None

    def __enter__(self) -> None:
        """Raises StartError when the folder cannot be used or another server uses it."""
        meta = self._folder / "meta"
        try:
            meta.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(meta / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StartError(f"The work folder {self._folder} cannot be used: {error.strerror}.") from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            raise StartError(
                f"The work folder {self._folder} is in use by another agent; give each one its own."
            ) from None
        self._descriptor = descriptor

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)

"""Logging of a server, and the level that operators may raise for a while.

Mesos counts levels from 0 upward, more being more talkative; 0 is what the flags ask for, anything above is DEBUG.
"""

from __future__ import annotations

import asyncio
import logging
import logging.handlers
import sys
from pathlib import Path

from tepui.server.flags import Flags

LOG_FILE_BYTES_MAX = 64 << 20
LOG_FILES_MAX = 5
TOGGLE_LEVEL_MAX = 5
_FORMAT = "%(asctime)s %(levelname).1s %(name)s: %(message)s"


def set_up_logging(flags: Flags, name: str) -> Path | None:
    """Log to standard error, and to `<log_dir>/tepui-<name>.log` when a folder is given; returns the file's path."""
    log_dir = flags.text("log_dir")
    root = logging.getLogger("tepui")
    root.setLevel("ERROR" if flags.switch("quiet") else flags.text("logging_level") or "INFO")
    root.propagate = False
    for old in root.handlers[:]:
        root.removeHandler(old)
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    path = None
    if log_dir is not None:
        Path(log_dir).mkdir(parents=True, exist_ok=True)
        path = Path(log_dir) / f"tepui-{name}.log"
        handlers.append(
            logging.handlers.RotatingFileHandler(path, maxBytes=LOG_FILE_BYTES_MAX, backupCount=LOG_FILES_MAX)
        )
    for handler in handlers:
        handler.setFormatter(logging.Formatter(_FORMAT))
        root.addHandler(handler)
    return path


class LoggingLevel:
    """The verbosity that operators see (`GET_LOGGING_LEVEL`) and may set for a time."""

    def __init__(self) -> None:
        self._base = logging.getLogger("tepui").level
        self._level = 0
        self._end: asyncio.TimerHandle | None = None

    def get(self) -> int:
        """The level in force."""
        return self._level

    def set(self, level: int, seconds: float) -> str | None:
        """Raise the level for `seconds`, after which it is 0 again; a sentence when it is refused.

        To be called in the event loop.
        """
        if level < 0:
            return f"Invalid level '{level}'."
        if level > TOGGLE_LEVEL_MAX:
            return f"Invalid level '{level}': the highest is {TOGGLE_LEVEL_MAX}."
        if self._end is not None:
            self._end.cancel()
        self._set(level)
        self._end = asyncio.get_running_loop().call_later(seconds, self._set, 0)
        return None

    def _set(self, level: int) -> None:
        self._level = level
        logging.getLogger("tepui").setLevel(logging.DEBUG if level > 0 else self._base)

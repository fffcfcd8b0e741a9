"""The white list: a file with a host name a line, whose agents alone are offered; read again and again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

log = logging.getLogger(__name__)

INTERVAL_SECONDS = 5.0


class Whitelist:
    """Reads the file every five seconds, and says what is in it when that is something else than before.

    A file that cannot be read is as one that says what was read last; before it could be read once, nobody is listed.
    """

    def __init__(self, path: Path, changed: Callable[[frozenset[str]], None]) -> None:
        self._path = path
        self._changed = changed
        self._hosts: frozenset[str] | None = None
        self._readable = True
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Read now, and from now on."""
        self._read()
        self._timer = asyncio.get_running_loop().call_later(INTERVAL_SECONDS, self.start)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _read(self) -> None:
        try:
            text = self._path.read_text()
        except (OSError, UnicodeDecodeError) as error:
            if self._readable:
                log.warning("the white list %s cannot be read: %s", self._path, error)
            self._readable = False
            if self._hosts is not None:
                return
            text = ""
        else:
            self._readable = True
        hosts = frozenset(line.strip() for line in text.splitlines() if line.strip())
        if hosts != self._hosts:
            self._hosts = hosts
            log.info("%d hosts are on the white list", len(hosts))
            self._changed(hosts)

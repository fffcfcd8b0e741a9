"""The front door: every connection begins here, and requests for busy paths are parsed and answered behind it.

A request whose path is *hot* (given at construction, with its handler) is parsed by httptools, whatever its method. The
first request for any other path hands the connection over, for good, to the protocol that the owner supplies (aiohttp's
request handler): raw, from that request's first byte, once everything before it is answered. That side serves hot paths
too, more slowly, so a client may mix them on one connection.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Collection, Mapping
from urllib.parse import unquote_to_bytes

from tepui.transport.connection import Connection
from tepui.transport.hot import Counters, Handler, Limits
from tepui.transport.turn import Flusher

ColdProtocol = Callable[[], asyncio.Protocol]

SWEEP_SECONDS_MAX = 5.0


class FrontDoor:
    """What the connections of one listener share: the hot paths, limits, counters, and the watch over slow clients.

    `FrontDoor(...)` is given to `loop.create_server` as `door.connection`. A hot path also serves everything below it
    (`/api/v1/operator` by the handler of `/api/v1`, unless a longer path is hot), as in Mesos.

    Requests to `pipelined` paths (None: to all) may wait for their answers side by side. The next one after a request
    to any other path is read when its answer is written and the client takes it: such answers are long.
    """

    def __init__(
        self,
        hot: Mapping[str, Handler],
        cold: ColdProtocol,
        *,
        flusher: Flusher,
        pipelined: Collection[str] | None = None,
        limits: Limits | None = None,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self.loop = loop or asyncio.get_running_loop()
        self.flusher = flusher
        self.limits = limits or Limits()
        self.counters = Counters()
        self.numbers = itertools.count(1)
        self.cold = cold
        self.connections: set[Connection] = set()
        self.serve(hot, pipelined)
        self._sweeper: asyncio.TimerHandle | None = None

    def serve(self, hot: Mapping[str, Handler], pipelined: Collection[str] | None = None) -> None:
        """Serve these paths from now on instead of those before; what was asked before is answered as it was to be."""
        self._hot = dict(hot)
        self.pipelined = frozenset(hot[path] for path in (hot if pipelined is None else pipelined))
        # The request lines that make up nearly all of the traffic, ready split.
        self._lines = {
            f"{method} {path} HTTP/1.1".encode(): (method, path, "", handler, True)
            for path, handler in hot.items()
            for method in ("POST", "GET")
        }

    def connection(self) -> Connection:
        """A protocol for a new connection."""
        return Connection(self)

    def route(self, line: bytes) -> tuple[str, str, str, Handler, bool] | None:
        """Split a request line: method, path, query, handler, and whether the version is 1.1. None: not for here."""
        known = self._lines.get(line)
        if known is not None:
            return known
        parts = line.split(b" ")
        if len(parts) != 3 or parts[2] not in (b"HTTP/1.1", b"HTTP/1.0") or not parts[1].startswith(b"/"):
            return None
        target, _, query = parts[1].partition(b"?")
        path = unquote_to_bytes(target).decode("utf-8", "replace")
        handler = self.find(path)
        if handler is None:
            return None
        return parts[0].decode("latin-1"), path, query.decode("latin-1"), handler, parts[2] == b"HTTP/1.1"

    def find(self, path: str) -> Handler | None:
        """The handler of the longest hot path that `path` is, or is below of."""
        if "/.." in path:
            return None
        while path:
            handler = self._hot.get(path)
            if handler is not None:
                return handler
            path = path.rpartition("/")[0]
        return None

    # For the connections.

    def admit(self, connection: Connection) -> bool:
        """Take in a new connection; False when there are too many already, and it must be closed."""
        self.counters.connections_total += 1
        if len(self.connections) >= self.limits.connections_max:
            self.counters.connections_refused += 1
            return False
        self.connections.add(connection)
        self.counters.connections = len(self.connections)
        if self._sweeper is None:
            self._sweeper = self.loop.call_later(self._sweep_seconds(), self._sweep)
        return True

    def dismiss(self, connection: Connection) -> None:
        """It is closed, or somebody else's."""
        self.connections.discard(connection)
        self.counters.connections = len(self.connections)

    def _sweep_seconds(self) -> float:
        limits = self.limits
        shortest = min(limits.request_seconds_max, limits.idle_seconds_max, limits.stall_seconds_max)
        return min(SWEEP_SECONDS_MAX, shortest / 4)

    def _sweep(self) -> None:
        self._sweeper = None
        now = self.loop.time()
        for connection in list(self.connections):
            connection.inspect(now)
        if self.connections:
            self._sweeper = self.loop.call_later(self._sweep_seconds(), self._sweep)

    def stop(self) -> None:
        """Close every connection; what is with the transports is still written."""
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        for connection in list(self.connections):
            connection.shut()

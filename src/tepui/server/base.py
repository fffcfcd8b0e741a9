"""What the servers of master and agent have in common: sockets outside, one core inside, a turn of the loop between."""

from __future__ import annotations

import asyncio
import errno
import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tepui import __version__
from tepui.model.metrics import Registry
from tepui.model.shell import Answer, CloseLink, CloseSession, Effect, Event, OpenSession, Send, SendDrawn, SendLink
from tepui.server.endpoints import CommonEndpoints
from tepui.server.engine import Core, Engine
from tepui.server.errors import StartError
from tepui.server.exchange import Exchange
from tepui.server.files import Files
from tepui.server.flags import Flags
from tepui.server.log import LoggingLevel
from tepui.server.metrics import register_shell_metrics
from tepui.transport import garbage
from tepui.transport.clock import Clock
from tepui.transport.http import HttpServer
from tepui.transport.link_client import LinkClient
from tepui.transport.link_server import LinkServer
from tepui.transport.turn import Flusher, Turn
from tepui.wire.versions import build_facts


class Server(ABC):
    """One server: started, stopped, and in between a loop that turns what arrives into what is sent.

    A subclass makes its HTTP server and its end of the links (`_connect`), adds the effects that only its core has to
    `_appliers`, and in `start` listens, makes its core and hands it over (`_begin`).
    """

    def __init__(self, flags: Flags, log_path: str, log_file: Path | None) -> None:
        """`log_path` is where operators read the log file, if there is one, among the files that the server shows."""
        loop = asyncio.get_running_loop()
        self._flags = flags
        self._clock = Clock()
        self._flusher = Flusher(loop)
        self._turn = Turn(self._process, self._next_deadline, clock=self._clock, flusher=self._flusher, loop=loop)
        self._exchange = Exchange(self._turn.post)
        self._files = Files()
        if log_file is not None:
            self._files.attach(log_path, str(log_file))
        self._level = LoggingLevel()
        self._common = CommonEndpoints(self._files, self._level, build_facts(__version__))
        self._engine: Engine | None = None
        self._appliers: dict[type[Effect], Callable[[Any], None]] = {
            Answer: self._exchange.answer,
            OpenSession: self._exchange.open,
            Send: self._exchange.send,
            SendDrawn: self._exchange.send_drawn,
            CloseSession: self._exchange.close,
        }

    def _connect(self, http: HttpServer, links: LinkServer | LinkClient) -> None:
        self._http = http
        self._links = links
        self._appliers[SendLink] = lambda effect: links.send(effect.link, effect.message)
        self._appliers[CloseLink] = lambda effect: links.close(effect.link, effect.why)

    async def _listen(self) -> int:
        """Returns the port. Raises StartError when it cannot be listened on."""
        garbage.tune()
        garbage.keep_looking(asyncio.get_running_loop())
        ip, wanted = self._flags.text("ip"), self._flags.number("port")
        try:
            return await self._http.start(ip, wanted)
        except OSError as error:
            if error.errno == errno.EADDRNOTAVAIL:
                raise StartError(f"--ip={ip} is no address of this machine.") from None
            raise StartError(f"Port {wanted} cannot be listened on: {os.strerror(error.errno or 0)}.") from None

    def _begin(self, core: Core, metrics: Registry) -> None:
        """From now on events go to `core`; `metrics` are those that it counts in."""
        self._engine = engine = Engine(core, self._appliers)
        register_shell_metrics(metrics, self._http.counters, self._links.counters, self._exchange, self._turn, engine)

    @abstractmethod
    def _process(self, events: list[Event]) -> None:
        """Let the core handle the events of one turn."""

    def _next_deadline(self) -> float | None:
        return None if self._engine is None else self._engine.next_deadline()

    async def stop(self) -> None:
        """Write what is ready, close every connection."""
        self._turn.stop()
        self._exchange.close_all()
        await self._links.stop()
        await self._http.stop()

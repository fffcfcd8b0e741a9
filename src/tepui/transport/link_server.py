"""The master's side of the link: a WebSocket at `LINK_PATH` for each agent.

Links have no tasks. After a failover thousands of them begin within seconds, and thousands break in one turn of the
loop when a switch fails: both must cost little, for others wait for an answer meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Callable
from typing import Any, cast

from tepui.model.link import LinkMessage, MasterBatch
from tepui.transport import web_socket
from tepui.transport.hot import HotRequest
from tepui.transport.line import Line
from tepui.transport.link import CLOSE_SECONDS_MAX, LINK_PATH, Link, LinkCounters, LinkLimits, OnClose, OnMessages
from tepui.transport.turn import Flusher

LINKS_MAX = 65_536
ENDS_PER_TURN = 256
"""So many links whose agents have gone end in one turn of the loop: some milliseconds."""


class _MasterLink(Link, asyncio.Protocol):
    """An open link, driven by what the loop calls.

    open --close, fail--> closing (frames leave) --> leave is taken (a close frame) --peer agrees--> closed
    any --the peer closes, or has gone--> closed
    """

    __slots__ = ("_code", "_incoming", "_left", "_paused", "_server", "_transport")

    def __init__(self, name: str, server: LinkServer, **options: Any) -> None:
        super().__init__(name, batch=MasterBatch, **options)
        self._server = server
        self._incoming: web_socket.Messages | None = web_socket.Messages(self._limits.frame_bytes_max)
        """None once the peer broke the protocol: nothing behind that can be understood."""
        self._code = web_socket.NORMAL
        """For the close frame."""
        self._paused = False
        """So much waits in the transport that no more is given to it."""
        self._left = False
        """Leave was taken: nothing goes through any more."""
        self._transport: asyncio.Transport | None = None

    # The loop calls these.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport = cast("asyncio.Transport", transport)  # uvloop's are no subclasses
        address = transport.get_extra_info("peername")
        self._server.begun(self, address[0] if isinstance(address, tuple) else "")

    def data_received(self, data: bytes) -> None:
        if self._incoming is None:
            return
        try:
            for opcode, payload in self._incoming.feed(data):
                self._take(opcode, payload)
        except web_socket.WebSocketError as error:
            self._incoming, self._code = None, error.code
            self.fail(f"the connection failed: {error}")

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._write_out()

    def eof_received(self) -> bool:
        """The agent has gone, and with it perhaps thousands: the connection is cut off when it is its turn."""
        if self._transport is None or self._transport.get_extra_info("sslcontext") is not None:
            return False  # TLS knows no half-closed connections
        self._server.gone(self)
        return True

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's
        self._transport = None
        self._closing = True
        self._frames.clear()
        if self._expiry is not None:
            self._expiry.cancel()
        self._end()
        self._server.over(self)

    # What arrives.

    def _take(self, opcode: int, payload: bytes) -> None:
        if opcode == web_socket.BINARY:
            if not self._closing:
                self._receive(payload)
        elif opcode == web_socket.TEXT:
            self.fail("a text frame came where a batch was expected")
        elif opcode == web_socket.PING:
            if not (self._left or self._paused) and self._transport is not None:
                self._transport.write(web_socket.frame(web_socket.PONG, payload))
        elif opcode == web_socket.CLOSE:
            reason = web_socket.reason_of(payload)
            self._why = self._why or reason or "the peer closed the connection"
            self._closing = True
            self._frames.clear()
            self._take_leave()
            if self._transport is not None:
                self._transport.close()

    # What leaves.

    def _write_out(self) -> None:
        transport = self._transport
        if transport is None:
            return
        frames, counters = self._frames, self._counters
        while frames and not self._paused:
            frame = frames.popleft()
            counters.frames_sent += 1
            counters.bytes_sent += len(frame)
            transport.write(web_socket.frame(web_socket.BINARY, frame))
        if self._closing and not frames:
            self._take_leave()

    def _take_leave(self) -> None:
        """Say why, once, and wait for the peer to agree."""
        if self._left or self._transport is None:
            return
        self._transport.write(web_socket.close_frame(self._code, self.why))
        if self._expiry is not None:
            self._expiry.cancel()
        self._expiry = asyncio.get_running_loop().call_later(CLOSE_SECONDS_MAX, self.abort)
        self._end()

    def _expire(self) -> None:
        self._frames.clear()
        self._take_leave()

    def _end(self) -> None:
        if not self._left:
            self._left = True
            self._on_end(self)

    def abort(self) -> None:
        """Cut the connection off."""
        if self._transport is not None:
            self._transport.abort()


class LinkServer:
    """Serves the WebSockets and keeps the open links by name."""

    def __init__(
        self,
        *,
        on_open: Callable[[str, str], None],
        on_messages: OnMessages,
        on_close: OnClose,
        flusher: Flusher,
        limits: LinkLimits | None = None,
        links_max: int = LINKS_MAX,
    ) -> None:
        """`on_open(link, address)`: `address` is the IP address that the agent connects from."""
        self._on_open = on_open
        self._on_messages = on_messages
        self._on_close = on_close
        self._flusher = flusher
        self._limits = limits or LinkLimits()
        self._links_max = links_max
        self._links: dict[str, _MasterLink] = {}
        self._connections: set[_MasterLink] = set()
        """Of all links, and of those that have ended and wait for the peer to agree."""
        self._gone = Line(asyncio.get_running_loop(), ENDS_PER_TURN)
        self._all_over: asyncio.Future[None] | None = None
        self._stopping = False
        self.counters = LinkCounters()

    def send(self, link: str, message: LinkMessage) -> None:
        """Send a message; nothing happens when there is no such link any more."""
        found = self._links.get(link)
        if found is not None:
            found.send(message)

    def close(self, link: str, why: str) -> None:
        """Close a link after what was sent before."""
        found = self._links.get(link)
        if found is not None:
            found.close(why)

    async def stop(self) -> None:
        """Close all links after what was sent before; new ones are refused."""
        self._stopping = True
        for link in list(self._links.values()):
            link.close("the master ends")
        if self._connections:
            self._all_over = asyncio.get_running_loop().create_future()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(2 * CLOSE_SECONDS_MAX):
                    await self._all_over
        for link in list(self._connections):
            link.abort()

    def serve(self, request: HotRequest) -> None:
        """Begin the link that an agent asks for, or say why not. Not for the request's handler itself: in a later turn
        of the loop, as `HotRequest.take_over` wants it."""
        if request.path != LINK_PATH:
            request.answer_text(404)
            return
        if self._stopping or len(self._links) >= self._links_max:
            self.counters.links_refused += 1
            request.answer_text(503, "No further agents can be linked")
            return
        key = web_socket.accept_key(request.method, request.headers)
        if key is not None:
            link = _MasterLink(
                str(uuid.uuid4()),
                self,
                on_messages=self._on_messages,
                on_end=self._ended,
                flusher=self._flusher,
                limits=self._limits,
                counters=self.counters,
            )
            if request.take_over(web_socket.switching_protocols(key), link):
                return
        request.answer_text(400, "Expecting a WebSocket upgrade", (("Upgrade", "websocket"),))

    def _ended(self, link: Link) -> None:
        del self._links[link.name]
        self.counters.links = len(self._links)
        self._on_close(link.name, link.why)

    # For the links.

    def begun(self, link: _MasterLink, address: str) -> None:
        """It is open, and its agent is at this IP address."""
        self._connections.add(link)
        self._links[link.name] = link
        self.counters.links = len(self._links)
        self.counters.links_total += 1
        self._on_open(link.name, address)

    def gone(self, link: _MasterLink) -> None:
        """Its agent sends no more."""
        self._gone.join(link, link.abort)

    def over(self, link: _MasterLink) -> None:
        """Its connection has ended."""
        self._gone.leave(link)
        self._connections.discard(link)
        if self._all_over is not None and not self._connections and not self._all_over.done():
            self._all_over.set_result(None)

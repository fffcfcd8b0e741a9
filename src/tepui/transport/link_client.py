"""The agent's side of the link: it looks for the master again and again, with growing pauses."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
import random
import ssl
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
from aiohttp import WSMsgType

from tepui.model.addresses import host_and_port
from tepui.model.link import AgentBatch, LinkMessage
from tepui.model.waits import Backoff
from tepui.transport.link import CLOSE_SECONDS_MAX, LINK_PATH, Link, LinkCounters, LinkLimits, OnClose, OnMessages
from tepui.transport.sockets import tune
from tepui.transport.turn import Flusher
from tepui.transport.web_socket import reason_bytes

log = logging.getLogger(__name__)

BACKOFF_SECONDS = 1.0
"""The first wait between two attempts to connect; it doubles from attempt to attempt."""
BACKOFF_SECONDS_MAX = 60.0
STEADY_SECONDS = 10.0
"""A link that lived so long was a success: the next attempt waits for `BACKOFF_SECONDS` only."""
CONNECT_SECONDS_MAX = 10.0
STALL_SECONDS_MAX = 60.0


class _AgentLink(Link):
    """An open link, read and written by tasks, as aiohttp's WebSockets are."""

    __slots__ = ("_socket", "_wake", "_writer")

    def __init__(self, name: str, socket: aiohttp.ClientWebSocketResponse, **options: Any) -> None:
        super().__init__(name, batch=AgentBatch, **options)
        self._socket = socket
        self._wake: asyncio.Future[None] | None = None
        self._writer: asyncio.Task[None] | None = None

    def _write_out(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    async def run(self) -> None:
        """Read and write until the link is closed from either side, and take leave of the peer.

        `on_end(link)` is called when nothing goes through any more, before the peer is waited for; `why` is known then.
        """
        reader = asyncio.create_task(self._read())
        self._writer = writer = asyncio.create_task(self._write())
        try:
            await asyncio.wait((reader, writer), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._closing = True
            self._writer = None
            for task in (reader, writer):
                if task.done() and not task.cancelled() and (error := task.exception()) is not None:
                    log.error("a link failed by a fault in this program", exc_info=error)
                    self._why = self._why or "a fault in this program"
            self._on_end(self)
            reader.cancel()
            writer.cancel()
            await asyncio.gather(reader, writer, return_exceptions=True)
            with contextlib.suppress(asyncio.TimeoutError, ConnectionError, RuntimeError):
                async with asyncio.timeout(CLOSE_SECONDS_MAX):
                    await self._socket.close(message=reason_bytes(self.why))
            del reader, writer, task  # a cancelled task keeps the frames that it ended in, and so this one

    def _expire(self) -> None:
        if self._writer is not None:
            self._writer.cancel()

    async def _read(self) -> None:
        receive = self._socket.receive
        while True:
            message = await receive()
            if message.type is WSMsgType.BINARY:
                if not self._closing:
                    self._receive(message.data)
            elif message.type is WSMsgType.TEXT:
                self.fail("a text frame came where a batch was expected")
            elif message.type is WSMsgType.ERROR:
                self.fail(f"the connection failed: {message.data}")
            else:
                if not self._why and message.type is WSMsgType.CLOSE:
                    self._why = message.extra or "the peer closed the connection"
                return

    async def _write(self) -> None:
        frames = self._frames
        counters = self._counters
        send = self._socket.send_bytes
        loop = asyncio.get_running_loop()
        while True:
            while frames:
                frame = frames.popleft()
                counters.frames_sent += 1
                counters.bytes_sent += len(frame)
                try:
                    await send(frame)
                except ConnectionError as error:
                    self._why = self._why or f"the connection failed: {error}"
                    return
            if self._closing:
                return
            self._wake = loop.create_future()
            await self._wake


Address = tuple[str, int]
Locate = Callable[[], "Address | Awaitable[Address | None] | None"]


class LinkClient:
    """The agent's side: keeps one link to the master, looking for it again and again with growing pauses."""

    def __init__(
        self,
        locate: Locate,
        *,
        on_open: Callable[[str], None],
        on_messages: OnMessages,
        on_close: OnClose,
        flusher: Flusher,
        ssl_context: ssl.SSLContext | None = None,
        limits: LinkLimits | None = None,
        backoff_seconds: float = BACKOFF_SECONDS,
        backoff_seconds_max: float = BACKOFF_SECONDS_MAX,
    ) -> None:
        """`locate()` says where the leading master listens (host and port), or None while nobody knows."""
        self._locate = locate
        self._on_open = on_open
        self._on_messages = on_messages
        self._on_close = on_close
        self._flusher = flusher
        self._ssl_context = ssl_context
        self._limits = limits or LinkLimits()
        self._backoff_seconds = backoff_seconds
        self._backoff_seconds_max = max(backoff_seconds, backoff_seconds_max)
        self._random = random.Random()
        self._link: _AgentLink | None = None
        self._task: asyncio.Task[None] | None = None
        self._attempt_timeout: asyncio.Timeout | None = None
        self._told = asyncio.Event()
        """Set when the pause before the next attempt is over early."""
        self.counters = LinkCounters()

    def start(self) -> None:
        """Begin to connect."""
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Close the link after what was sent before, and do not connect again."""
        task, self._task = self._task, None
        if task is None:
            return
        if self._link is not None:
            self._link.close("the agent ends")
            await asyncio.wait((task,), timeout=2 * CLOSE_SECONDS_MAX)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    def send(self, link: str, message: LinkMessage) -> None:
        """Send a message; nothing happens when the link named is not the current one."""
        if self._link is not None and self._link.name == link:
            self._link.send(message)

    def close(self, link: str, why: str) -> None:
        """Close a link after what was sent before; the next attempt follows after the pause."""
        if self._link is not None and self._link.name == link:
            self._link.close(why)

    def reconnect(self, why: str) -> None:
        """Give the current link up, whatever it is, and look for the leader again."""
        if self._link is not None:
            self._link.close(why)

    def look_again(self, why: str) -> None:
        """Somebody knows that another master leads: give the link up, or the attempt that is under way, and look for
        it within the first pause."""
        self._told.set()
        self.reconnect(why)
        if self._attempt_timeout is not None and not self._attempt_timeout.expired():
            self._attempt_timeout.reschedule(asyncio.get_running_loop().time())

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        backoff = Backoff(self._random, self._backoff_seconds, self._backoff_seconds_max)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS_MAX)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            while True:
                begun = loop.time()
                try:
                    await self._attempt(session)
                except Exception:
                    log.exception("a link failed by a fault in this program")
                if self._task is None:
                    return
                if loop.time() - begun >= STEADY_SECONDS:
                    backoff.reset()
                if await self._told_within(backoff.next()):
                    backoff.reset()
                    # Thousands of agents are told of the next master in the same moment, and must not come in the same.
                    await asyncio.sleep(self._backoff_seconds * self._random.random())

    async def _told_within(self, seconds: float) -> bool:
        """Wait, and tell whether the wait was ended by `look_again`."""
        try:
            async with asyncio.timeout(seconds):
                await self._told.wait()
        except TimeoutError:
            return False
        finally:
            self._told.clear()
        return True

    async def _attempt(self, session: aiohttp.ClientSession) -> None:
        """Connect and serve the link to its end. A master that does not lead redirects, which aiohttp follows."""
        self.counters.attempts += 1
        place = "an unknown address"
        try:
            located = self._locate()
            address = await located if inspect.isawaitable(located) else located
            if address is None:
                log.info("no master is known yet")
                return
            place = host_and_port(*address)
            async with asyncio.timeout(CONNECT_SECONDS_MAX) as self._attempt_timeout:
                socket = await session.ws_connect(
                    _url(address, secure=self._ssl_context is not None),
                    compress=0,
                    max_msg_size=self._limits.frame_bytes_max + 1,
                    timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_SECONDS_MAX),
                    ssl=self._ssl_context or True,
                )
        except aiohttp.WSServerHandshakeError as error:
            log.info("the master at %s answers %d", place, error.status)
            return
        except Exception as error:
            log.info("the master at %s cannot be linked: %s", place, str(error) or type(error).__name__)
            return
        finally:
            self._attempt_timeout = None
        await self._serve(socket)

    async def _serve(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        tune(socket.get_extra_info("socket"), STALL_SECONDS_MAX)
        name = str(uuid.uuid4())
        self._link = link = _AgentLink(
            name,
            socket,
            on_messages=self._on_messages,
            on_end=self._ended,
            flusher=self._flusher,
            limits=self._limits,
            counters=self.counters,
        )
        self.counters.links = 1
        self.counters.links_total += 1
        self._on_open(name)
        await link.run()

    def _ended(self, link: Link) -> None:
        self._link = None
        self.counters.links = 0
        self._on_close(link.name, link.why)


def _url(address: Address, *, secure: bool) -> str:
    return f"{'https' if secure else 'http'}://{host_and_port(*address)}{LINK_PATH}"

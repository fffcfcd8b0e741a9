"""The link between an agent and its master: numbered batches over a WebSocket on the master's port.

`LinkServer` is the master's side, `LinkClient` the agent's; what both do with an open connection stands in `Link`.
Messages sent within one turn of the loop travel in one frame. Each batch acknowledges the highest one received. A gap
in the numbers, an acknowledgement of what was never sent, a frame that cannot be read, or too much that waits, closes
the link; nothing is resent, because the next link begins with a snapshot. Silence is for the cores to notice (`Ping`).

Owners name links by strings, and hear of each link in this order: `on_open(link, ...)` once, `on_messages(link,
messages)`, `on_close(link, why)` once, also when they closed it themselves.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import inspect
import logging
import random
import ssl
import uuid
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import aiohttp
import msgspec
from aiohttp import WSMsgType, hdrs, web

from tepui.model.addresses import host_and_port
from tepui.model.link import AgentBatch, LinkMessage, MasterBatch
from tepui.model.waits import Backoff
from tepui.transport.http import text
from tepui.transport.sockets import tune
from tepui.transport.turn import Flusher
from tepui.wire.errors import LinkError
from tepui.wire.frames import FRAME_BYTES_MAX, decode_agent_batch, decode_master_batch, encode_batch

log = logging.getLogger(__name__)

LINK_PATH = "/api/tepui/v1/link"

BACKOFF_SECONDS = 1.0
"""The first wait between two attempts to connect; it doubles from attempt to attempt."""
BACKOFF_SECONDS_MAX = 60.0
STEADY_SECONDS = 10.0
"""A link that lived so long was a success: the next attempt waits for `BACKOFF_SECONDS` only."""
CONNECT_SECONDS_MAX = 10.0
CLOSE_SECONDS_MAX = 5.0
"""How long what was sent before an orderly close may take to leave, and how long the peer may take to agree."""
STALL_SECONDS_MAX = 60.0
REASON_BYTES_MAX = 100
"""Of the reason that is told to the peer; WebSocket leaves room for 123 bytes."""
LINKS_MAX = 65_536


@dataclasses.dataclass(frozen=True, slots=True)
class LinkLimits:
    """What one link may keep waiting."""

    frame_bytes_max: int = FRAME_BYTES_MAX
    """A longer batch is split; a single message that is longer closes the link. 20,000 tasks take about 20 MiB."""
    batch_messages_max: int = 4096
    unacknowledged_bytes_max: int = 128 << 20
    """Bytes sent and not acknowledged, those not written yet included; more close the link."""
    best_effort_bytes_max: int = 16 << 20
    """Bytes sent and not acknowledged beyond which messages of best effort are dropped."""
    queued_messages_max: int = 200_000
    """Messages sent within one turn of the loop; more close the link."""
    acknowledge_bytes: int = 1 << 20
    """After so much was received without anything to say, an empty batch acknowledges it."""


@dataclasses.dataclass(slots=True)
class LinkCounters:
    """What has happened on links, for metrics. All only grow, except `links`."""

    links: int = 0
    links_total: int = 0
    links_refused: int = 0
    links_failed: int = 0
    attempts: int = 0
    frames_received: int = 0
    frames_sent: int = 0
    bytes_received: int = 0
    bytes_sent: int = 0
    messages_dropped: int = 0
    messages_received: int = 0
    messages_sent: int = 0


OnMessages = Callable[[str, list[msgspec.Struct]], None]
OnClose = Callable[[str, str], None]


class _Socket(Protocol):
    """What the two WebSocket classes of aiohttp have in common."""

    async def receive(self) -> aiohttp.WSMessage: ...

    async def send_bytes(self, data: bytes) -> None: ...

    async def close(self, *, message: bytes = b"") -> bool: ...


class Link:
    """One open link, from either side."""

    __slots__ = (
        "_acknowledged",
        "_batch",
        "_closing",
        "_counters",
        "_decode",
        "_dirty",
        "_flusher",
        "_frames",
        "_is_lost",
        "_limits",
        "_messages",
        "_on_end",
        "_on_messages",
        "_received",
        "_sent",
        "_socket",
        "_unacknowledged",
        "_unacknowledged_bytes",
        "_unanswered_bytes",
        "_wake",
        "_why",
        "_writer",
        "name",
    )

    def __init__(
        self,
        name: str,
        socket: _Socket,
        *,
        batch: type[AgentBatch] | type[MasterBatch],
        on_messages: OnMessages,
        on_end: Callable[[Link], None],
        flusher: Flusher,
        limits: LinkLimits,
        counters: LinkCounters,
        is_lost: Callable[[], bool] = lambda: False,
    ) -> None:
        """`is_lost` tells whether there is nobody any more to take leave of."""
        self.name = name
        self._socket = socket
        self._batch: Any = batch
        self._decode: Callable[[bytes], Any] = decode_master_batch if batch is AgentBatch else decode_agent_batch
        self._on_messages = on_messages
        self._on_end = on_end
        self._flusher = flusher
        self._limits = limits
        self._counters = counters
        self._is_lost = is_lost
        self._messages: list[msgspec.Struct] = []
        self._frames: deque[bytes] = deque()
        self._dirty = False
        self._sent = 0
        self._received = 0
        self._acknowledged = 0
        self._unacknowledged: deque[int] = deque()  # the sizes of the batches after `_acknowledged`
        self._unacknowledged_bytes = 0
        self._unanswered_bytes = 0
        self._wake: asyncio.Future[None] | None = None
        self._closing = False
        self._why = ""
        self._writer: asyncio.Task[None] | None = None

    @property
    def backlog_bytes(self) -> int:
        """How many bytes the peer has not acknowledged."""
        return self._unacknowledged_bytes

    @property
    def why(self) -> str:
        """Why the link is closed, or is being closed."""
        return self._why or "the connection was lost"

    def send(self, message: LinkMessage) -> None:
        """Send a message with the next frame. Nothing happens when the link is closing.

        A best-effort message is dropped when much waits already: it must not cost the link, and with it the tasks.
        """
        if self._closing:
            return
        if self._unacknowledged_bytes > self._limits.best_effort_bytes_max and message.best_effort:
            self._counters.messages_dropped += 1
            return
        self._messages.append(message)
        if not self._dirty:
            self._dirty = True
            self._flusher.add(self)

    def close(self, why: str) -> None:
        """Close after what was sent before."""
        if not self._closing:
            self.flush()
            self._stop(why)

    def fail(self, why: str) -> None:
        """Close at once; what waits is dropped."""
        if not self._closing:
            self._counters.links_failed += 1
            self._messages.clear()
            self._frames.clear()
            self._stop(why)

    def _stop(self, why: str) -> None:
        self._closing = True
        self._why = self._why or why
        self._wake_writer()
        asyncio.get_running_loop().call_later(CLOSE_SECONDS_MAX, self._expire)

    def flush(self) -> None:
        """Put what was sent into frames. Called by the `Flusher`."""
        self._dirty = False
        if self._closing:
            return
        messages = self._messages
        limits = self._limits
        if len(messages) > limits.queued_messages_max:
            self.fail(f"{len(messages)} messages wait at once")
            return
        self._messages = []
        if len(messages) <= limits.batch_messages_max:
            if messages or self._unanswered_bytes >= limits.acknowledge_bytes:
                self._frame(messages)
        else:
            for begin in range(0, len(messages), limits.batch_messages_max):
                self._frame(messages[begin : begin + limits.batch_messages_max])
        self._wake_writer()

    def _frame(self, messages: list[msgspec.Struct]) -> None:
        frame = encode_batch(self._batch(sequence=self._sent + 1, acknowledged=self._received, messages=messages))
        size = len(frame)
        if size > self._limits.frame_bytes_max:
            if len(messages) < 2:
                self.fail(f"a message of {size} bytes is too long for the link")
                return
            half = len(messages) // 2
            self._frame(messages[:half])
            self._frame(messages[half:])
            return
        if self._closing:
            return
        self._sent += 1
        self._unanswered_bytes = 0
        self._frames.append(frame)
        self._unacknowledged.append(size)
        self._unacknowledged_bytes += size
        self._counters.messages_sent += len(messages)
        if self._unacknowledged_bytes > self._limits.unacknowledged_bytes_max:
            self.fail(f"{self._unacknowledged_bytes} bytes are not acknowledged")

    def _wake_writer(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    def _receive(self, frame: bytes) -> None:
        counters = self._counters
        counters.frames_received += 1
        counters.bytes_received += len(frame)
        try:
            batch = self._decode(frame)
        except LinkError as error:
            self.fail(str(error))
            return
        if batch.sequence != self._received + 1:
            self.fail(f"batch {self._received + 1} was expected and {batch.sequence} came")
            return
        if not self._acknowledged <= batch.acknowledged <= self._sent:
            self.fail(f"batch {batch.acknowledged} is acknowledged, but {self._sent} were sent")
            return
        self._received += 1
        while self._acknowledged < batch.acknowledged:
            self._acknowledged += 1
            self._unacknowledged_bytes -= self._unacknowledged.popleft()
        self._unanswered_bytes += len(frame)
        if self._unanswered_bytes >= self._limits.acknowledge_bytes and not self._dirty:
            self._dirty = True
            self._flusher.add(self)
        if batch.messages:
            counters.messages_received += len(batch.messages)
            self._on_messages(self.name, batch.messages)

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
            if not self._is_lost():
                with contextlib.suppress(asyncio.TimeoutError, ConnectionError, RuntimeError):
                    async with asyncio.timeout(CLOSE_SECONDS_MAX):
                        await self._socket.close(message=_reason(self.why))
            del reader, writer, task  # a cancelled task keeps the frames that it ended in, and so this one

    def _expire(self) -> None:
        """An orderly close took too long."""
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


def _reason(why: str) -> bytes:
    """`why`, short enough for a close frame, and still whole characters."""
    return why.encode()[:REASON_BYTES_MAX].decode("utf-8", "ignore").encode()


class _ServerSocket(web.WebSocketResponse):
    """A WebSocket of which `Link.run` takes leave."""

    async def write_eof(self, data: bytes = b"") -> None:
        """aiohttp would close it once more, and keep the error of doing so where the peer is gone."""


class LinkServer:
    """The master's side: serves the WebSocket and keeps the open links by name."""

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
        self._links: dict[str, Link] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
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
        for link in self._links.values():
            link.close("the master ends")
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=2 * CLOSE_SECONDS_MAX)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Serve one agent until its link is closed. A cold handler of `HttpServer`."""
        if self._stopping or len(self._links) >= self._links_max:
            self.counters.links_refused += 1
            return text(503, "No further agents can be linked")
        socket = _ServerSocket(compress=False, max_msg_size=self._limits.frame_bytes_max + 1, timeout=CLOSE_SECONDS_MAX)
        try:
            await socket.prepare(request)
        except web.HTTPBadRequest:
            return text(400, "Expecting a WebSocket upgrade", {hdrs.UPGRADE: "websocket"})
        except ConnectionError:
            return text(400, "The agent has left")  # nobody reads it
        name = str(uuid.uuid4())
        link = Link(
            name,
            socket,
            batch=MasterBatch,
            on_messages=self._on_messages,
            on_end=self._ended,
            flusher=self._flusher,
            limits=self._limits,
            counters=self.counters,
            is_lost=lambda: request.transport is None,
        )
        self._links[name] = link
        self.counters.links = len(self._links)
        self.counters.links_total += 1
        self._on_open(name, request.remote or "")
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await link.run()
        except asyncio.CancelledError:
            # aiohttp cancels the handler when the agent has left. All is done, and exceptions that hold frames which
            # hold them leave a hundred objects that only the garbage collector frees, which hardly looks for them.
            pass
        finally:
            self._tasks.discard(task)
            del task
        return socket

    def _ended(self, link: Link) -> None:
        del self._links[link.name]
        self.counters.links = len(self._links)
        self._on_close(link.name, link.why)


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
        self._link: Link | None = None
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
        self._link = link = Link(
            name,
            socket,
            batch=AgentBatch,
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

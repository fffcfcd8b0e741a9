"""The link between an agent and its master: numbered batches over a WebSocket on the master's port.

`link_server` has the master's side, `link_client` the agent's; what both do with an open connection stands in `Link`.
Messages sent within one turn of the loop travel in one frame. Each batch acknowledges the highest one received. A gap
in the numbers, an acknowledgement of what was never sent, a frame that cannot be read, or too much that waits, closes
the link; nothing is resent, because the next link begins with a snapshot. Silence is for the cores to notice (`Ping`).

Owners name links by strings, and hear of each link in this order: `on_open(link, ...)` once, `on_messages(link,
messages)`, `on_close(link, why)` once, also when they closed it themselves.
"""

from __future__ import annotations

import asyncio
import dataclasses
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec

from tepui.model.link import AgentBatch, LinkMessage, MasterBatch
from tepui.transport.turn import Flusher
from tepui.wire.errors import LinkError
from tepui.wire.frames import FRAME_BYTES_MAX, decode_agent_batch, decode_master_batch, encode_batch

LINK_PATH = "/api/tepui/v1/link"

CLOSE_SECONDS_MAX = 5.0
"""How long what was sent before an orderly close may take to leave, and how long the peer may take to agree."""


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


class Link(ABC):
    """One open link, from either side. A side brings the connection: it hands in what arrives (`_receive`), lets frames
    leave and takes leave of the peer (`_write_out`), and calls `on_end(link)` once when nothing goes through any more.
    """

    __slots__ = (
        "_acknowledged",
        "_batch",
        "_closing",
        "_counters",
        "_decode",
        "_dirty",
        "_expiry",
        "_flusher",
        "_frames",
        "_limits",
        "_messages",
        "_on_end",
        "_on_messages",
        "_received",
        "_sent",
        "_unacknowledged",
        "_unacknowledged_bytes",
        "_unanswered_bytes",
        "_why",
        "name",
    )

    def __init__(
        self,
        name: str,
        *,
        batch: type[AgentBatch] | type[MasterBatch],
        on_messages: OnMessages,
        on_end: Callable[[Link], None],
        flusher: Flusher,
        limits: LinkLimits,
        counters: LinkCounters,
    ) -> None:
        self.name = name
        self._batch: Any = batch
        self._decode: Callable[[bytes], Any] = decode_master_batch if batch is AgentBatch else decode_agent_batch
        self._on_messages = on_messages
        self._on_end = on_end
        self._flusher = flusher
        self._limits = limits
        self._counters = counters
        self._messages: list[msgspec.Struct] = []
        self._frames: deque[bytes] = deque()
        self._dirty = False
        self._sent = 0
        self._received = 0
        self._acknowledged = 0
        self._unacknowledged: deque[int] = deque()  # the sizes of the batches after `_acknowledged`
        self._unacknowledged_bytes = 0
        self._unanswered_bytes = 0
        self._closing = False
        self._expiry: asyncio.TimerHandle | None = None
        self._why = ""

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
        if not self._closing:
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
        self._expiry = asyncio.get_running_loop().call_later(CLOSE_SECONDS_MAX, self._expire)
        self._write_out()

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
        self._write_out()

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

    @abstractmethod
    def _write_out(self) -> None:
        """Let `_frames` leave; then, when the link is closing, take leave of the peer."""

    @abstractmethod
    def _expire(self) -> None:
        """An orderly close took too long."""

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

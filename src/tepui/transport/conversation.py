"""Runs a session machine (`tepui.session`) over a transport, within one asyncio event loop.

What is for the framework is queued until it asks for it with `take`. While `BACKLOG_MAX` items wait the stream is not
read, so a slow framework holds its server back instead of filling its own memory.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Mapping
from functools import partial
from typing import Any, Protocol

from tepui.model.message import WireMessage
from tepui.session.steps import (
    Answered,
    Backlog,
    CallCut,
    Connect,
    Deliver,
    Disconnect,
    Effect,
    Ended,
    Finished,
    Handled,
    Opened,
    Post,
    Received,
    Start,
    Step,
    TimePassed,
)
from tepui.transport.client import Answer, Transport, TransportError
from tepui.wire.errors import DecodeError, RecordError
from tepui.wire.json import decode_json, encode_json
from tepui.wire.recordio import RecordDecoder

BACKLOG_MAX = 1000
"""So many items wait for the framework before the stream is not read any more; it is read again at half of that."""

_HEADERS = {"Content-Type": "application/json", "Accept": "application/json"}


class Machine(Protocol):
    """What the session machines have in common."""

    def handle(self, step: Step, now: float) -> list[Effect]: ...

    def next_deadline(self) -> float | None: ...


class Conversation:
    """One session, from `start` to `close`."""

    def __init__(
        self,
        machine: Machine,
        event_type: type[WireMessage],
        transport: Transport,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._machine = machine
        self._event_type = event_type
        self._transport = transport
        self._headers = {**_HEADERS, **(headers or {})}
        self._items: deque[object] = deque()
        self._taken: object = None
        self._finished: Finished | None = None
        self._wake = asyncio.Event()
        """Set while `take` would not wait."""
        self._is_woken = False
        self._room = asyncio.Event()
        self._room.set()
        self._reader: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        """The reader, and earlier ones that are not done yet."""
        self._calls: set[asyncio.Future[Answer]] = set()
        """Those on their way."""
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = 0.0
        self._loop = asyncio.get_running_loop()

    @property
    def is_finished(self) -> bool:
        return self._finished is not None

    def start(self) -> None:
        self.tell(Start())

    def tell(self, step: Step) -> None:
        """Have the machine take a step, and do what it wants."""
        effects = self._machine.handle(step, time.monotonic())
        for effect in effects:
            self._apply(effect)
        self._set_timer()

    async def take(self) -> object:
        """The next item, once the last one is handled; None when the session is over, or after `wake`.

        Raises what ended the session.
        """
        self.handled()
        while not self._items:
            if self._is_woken:
                return None
            if self._finished is not None:
                if self._finished.error is not None:
                    raise self._finished.error
                return None
            self._wake.clear()
            await self._wake.wait()
        self._taken = self._items.popleft()
        if len(self._items) <= BACKLOG_MAX // 2 and not self._room.is_set():
            self._room.set()
            self.tell(Backlog(full=False))
        return self._taken

    def wake(self) -> None:
        """Have `take` give None from now on instead of waiting."""
        self._is_woken = True
        self._wake.set()

    def handled(self) -> None:
        """The framework is done with the item that it took."""
        taken, self._taken = self._taken, None
        if taken is not None:
            self.tell(Handled(taken))

    async def finished(self) -> None:
        """Wait for the session's end; what was not taken is dropped."""
        while self._finished is None:
            self._items.clear()
            self._room.set()
            self._wake.clear()
            await self._wake.wait()

    async def close(self) -> None:
        """End everything at once, whatever the machine may still want."""
        self._finished = self._finished or Finished(None)
        self._wake.set()
        if self._timer is not None:
            self._timer.cancel()
        under_way: list[asyncio.Future[Any]] = [*self._tasks, *self._calls]
        for each in under_way:
            each.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
        await self._transport.close()

    def _apply(self, effect: Effect) -> None:
        match effect:
            case Connect(stream, url, call):
                self._stop_reading()
                self._reader = self._loop.create_task(self._read(stream, url, encode_json(call)))
                self._tasks.add(self._reader)
                self._reader.add_done_callback(self._tasks.discard)
            case Disconnect():
                self._stop_reading()
            case Post(number, url, call, stream_id):
                headers = self._headers if stream_id is None else {**self._headers, "Mesos-Stream-Id": stream_id}
                answer = asyncio.ensure_future(self._transport.post(url, encode_json(call), headers))
                self._calls.add(answer)
                answer.add_done_callback(partial(self._answered, number))
            case Deliver(item):
                self._items.append(item)
                self._wake.set()
            case Finished():
                self._finished = effect
                self._wake.set()

    def _stop_reading(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None and reader is not asyncio.current_task(self._loop):
            reader.cancel()

    def _set_timer(self) -> None:
        """Have the machine told when its next deadline is due; a timer that fires too early does no harm, and most
        deadlines move on with every event."""
        deadline = None if self._finished is not None else self._machine.next_deadline()
        if deadline is None or (self._timer is not None and self._timer_due <= deadline):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_due = deadline
        self._timer = self._loop.call_later(max(0.0, deadline - time.monotonic()), self._time_passed)

    def _time_passed(self) -> None:
        self._timer = None
        if self._finished is None:
            self.tell(TimePassed())

    def _fail(self, error: Exception) -> None:
        """A fault of ours: the framework shall see it instead of waiting for ever."""
        self._finished = self._finished or Finished(error)
        self._wake.set()

    def _answered(self, number: int, future: asyncio.Future[Answer]) -> None:
        self._calls.discard(future)
        if future.cancelled():
            return
        error = future.exception()
        if error is None:
            answer = future.result()
            self.tell(Answered(number, answer.status, answer.sentence, answer.location))
        elif isinstance(error, TransportError):
            self.tell(CallCut(number, str(error)))
        elif isinstance(error, Exception):
            self._fail(error)

    async def _read(self, number: int, url: str, body: bytes) -> None:
        try:
            stream = await self._transport.open(url, body, self._headers)
            try:
                answer = stream.answer
                self.tell(Opened(number, answer.status, answer.sentence, answer.stream_id, answer.location))
                if answer.status != 200:
                    return
                decoder = RecordDecoder()
                async for chunk in stream.chunks():
                    for record in decoder.feed(chunk):
                        self.tell(Received(number, decode_json(self._event_type, record)))
                    if self._reader is not asyncio.current_task():
                        return  # the machine has given this stream up
                    if len(self._items) >= BACKLOG_MAX:
                        self._room.clear()
                        self.tell(Backlog(full=True))
                        await self._room.wait()
            finally:
                await stream.close()
        except TransportError as error:
            self.tell(Ended(number, str(error)))
        except (DecodeError, RecordError) as error:
            self.tell(Ended(number, f"the stream cannot be read: {error}"))
        except Exception as error:
            self._fail(error)
        else:
            self.tell(Ended(number, "the server ended the stream"))

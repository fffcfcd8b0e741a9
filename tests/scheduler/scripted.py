"""A transport without a network: the test is the server, and breaks what it wants."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Generic, TypeVar

from tepui.model.message import WireMessage
from tepui.transport.client import Answer, TransportError
from tepui.wire.json import decode_json, encode_json
from tepui.wire.recordio import encode_record

CallType = TypeVar("CallType", bound=WireMessage)
TEST_SECONDS_MAX = 20
ACCEPTED = Answer(202)
CUT = TransportError("cut")


class ScriptedStream:
    """The answer to one subscription; the test says what comes down."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.is_closed = False
        self._chunks: asyncio.Queue[bytes | TransportError | None] = asyncio.Queue()

    def send(self, *events: WireMessage) -> None:
        self._chunks.put_nowait(b"".join(encode_record(encode_json(event)) for event in events))

    def send_bytes(self, data: bytes) -> None:
        self._chunks.put_nowait(data)

    def cut(self) -> None:
        self._chunks.put_nowait(CUT)

    def end(self) -> None:
        self._chunks.put_nowait(None)

    async def chunks(self) -> AsyncIterator[bytes]:
        while (chunk := await self._chunks.get()) is not None:
            if isinstance(chunk, TransportError):
                raise chunk
            yield chunk

    async def close(self) -> None:
        self.is_closed = True


class ScriptedTransport(Generic[CallType]):
    """Subscriptions are answered by `openings` in turn (then 200), calls by `answer`."""

    def __init__(self, call_type: type[CallType]) -> None:
        self._call_type = call_type
        self.openings: list[Answer | TransportError] = []
        self.answer: Callable[[CallType], Answer | TransportError] = lambda _: ACCEPTED
        self.streams: list[ScriptedStream] = []
        self.subscriptions: list[CallType] = []
        self.urls: list[str] = []
        self.calls: list[CallType] = []
        self.stream_ids: list[str | None] = []
        self.is_closed = False
        self._changed = asyncio.Condition()

    async def open(self, url: str, body: bytes, headers: Mapping[str, str]) -> ScriptedStream:
        assert "Mesos-Stream-Id" not in headers
        self.urls.append(url)
        self.subscriptions.append(decode_json(self._call_type, body))
        await self._tell()
        answer = self.openings.pop(0) if self.openings else Answer(200, "", f"stream{len(self.streams) + 1}")
        if isinstance(answer, TransportError):
            raise answer
        stream = ScriptedStream(answer)
        if answer.status == 200:
            self.streams.append(stream)
            await self._tell()
        return stream

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:  # noqa: ARG002 - the protocol's
        call = decode_json(self._call_type, body)
        self.calls.append(call)
        self.stream_ids.append(headers.get("Mesos-Stream-Id"))
        await self._tell()
        answer = self.answer(call)
        if isinstance(answer, TransportError):
            raise answer
        return answer

    async def close(self) -> None:
        self.is_closed = True

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def wait(self, condition: Callable[[], bool]) -> None:
        """Until a subscription or a call makes `condition` true."""
        async with asyncio.timeout(TEST_SECONDS_MAX), self._changed:
            await self._changed.wait_for(condition)

    async def stream(self, number: int) -> ScriptedStream:
        """The stream with this number, once it is open; the first is 1."""
        await self.wait(lambda: len(self.streams) >= number)
        return self.streams[number - 1]

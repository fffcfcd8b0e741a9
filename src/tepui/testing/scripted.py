"""Transports without a network: the test is the server, sees every call, and breaks what it wants."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Generic, TypeVar

from tepui.model.message import WireMessage
from tepui.model.v1 import executor, scheduler
from tepui.model.v1.mesos import Offer, TaskInfo, TaskState, TaskStatus
from tepui.transport.client import Answer, TransportError
from tepui.wire.json import decode_json, encode_json
from tepui.wire.recordio import encode_record

CallType = TypeVar("CallType", bound=WireMessage)
TEST_SECONDS_MAX = 20.0
"""What a test waits for should come within this."""
ACCEPTED = Answer(202)
CUT = TransportError("cut")


class ScriptedStream:
    """The answer to one subscription; the test says what comes down."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.is_closed = False
        """Whether the library has given the stream up."""
        self._chunks: asyncio.Queue[bytes | TransportError | None] = asyncio.Queue()

    def send(self, *events: WireMessage) -> None:
        """Events, in one piece."""
        self._chunks.put_nowait(b"".join(encode_record(encode_json(event)) for event in events))

    def send_bytes(self, data: bytes) -> None:
        """Anything, such as half a record."""
        self._chunks.put_nowait(data)

    def cut(self) -> None:
        """The connection breaks."""
        self._chunks.put_nowait(CUT)

    def end(self) -> None:
        """The server ends the stream properly."""
        self._chunks.put_nowait(None)

    async def chunks(self) -> AsyncIterator[bytes]:
        while (chunk := await self._chunks.get()) is not None:
            if isinstance(chunk, TransportError):
                raise chunk
            yield chunk

    async def close(self) -> None:
        self.is_closed = True


class ScriptedTransport(Generic[CallType]):
    """Give it to a library as its `transport`. Subscriptions are answered by `openings` in turn, then with a stream;
    calls by `answer`, with 202 when the test sets no other. For both an error stands for a broken connection."""

    def __init__(self, call_type: type[CallType]) -> None:
        self._call_type = call_type
        self.openings: list[Answer | TransportError] = []
        """For the next subscriptions, before one is given a stream."""
        self.on_stream: Callable[[ScriptedStream], None] = lambda _: None
        """Called with each new stream."""
        self.answer: Callable[[CallType], Answer | TransportError] = lambda _: ACCEPTED
        """Called with each call."""
        self.streams: list[ScriptedStream] = []
        self.subscriptions: list[CallType] = []
        self.urls: list[str] = []
        """Of the subscriptions."""
        self.calls: list[CallType] = []
        """All but subscriptions, in the order in which they came, also those whose answer is an error."""
        self.stream_ids: list[str | None] = []
        """The stream that each call named."""
        self.is_closed = False
        self._changed = asyncio.Condition()

    async def open(self, url: str, body: bytes, headers: Mapping[str, str]) -> ScriptedStream:
        if "Mesos-Stream-Id" in headers:
            raise AssertionError("a subscription names a stream")
        self.urls.append(url)
        self.subscriptions.append(decode_json(self._call_type, body))
        await self._tell()
        answer = self.openings.pop(0) if self.openings else Answer(200, "", f"stream{len(self.streams) + 1}")
        if isinstance(answer, TransportError):
            raise answer
        stream = ScriptedStream(answer)
        if answer.status == 200:
            self.streams.append(stream)
            self.on_stream(stream)
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

    async def wait(self, condition: Callable[[], object], timeout_seconds: float = TEST_SECONDS_MAX) -> None:
        """Until a subscription or a call makes `condition` true. Raises TimeoutError."""
        async with asyncio.timeout(timeout_seconds), self._changed:
            await self._changed.wait_for(lambda: bool(condition()))

    async def stream(self, number: int) -> ScriptedStream:
        """The stream with this number, once it is open; the first is 1. Raises TimeoutError."""
        await self.wait(lambda: len(self.streams) >= number)
        return self.streams[number - 1]


class SchedulerTransport(ScriptedTransport[scheduler.Call]):
    """A master for a `Scheduler`."""

    def __init__(self) -> None:
        super().__init__(scheduler.Call)

    @property
    def kinds(self) -> list[str]:
        """The types of the calls: `["ACCEPT", "ACKNOWLEDGE"]`."""
        return [call.type.value for call in self.calls if call.type is not None]

    @property
    def launched(self) -> list[TaskInfo]:
        """The tasks of all ACCEPTs, groups included."""
        tasks: list[TaskInfo] = []
        for operation in self._operations():
            if operation.launch is not None:
                tasks += operation.launch.task_infos
            if operation.launch_group is not None:
                tasks += operation.launch_group.task_group.tasks
        return tasks

    @property
    def declined(self) -> list[str]:
        """The ids of offers that were declined; an ACCEPT without operations is no decline here."""
        declines = [call.decline for call in self.calls if call.decline is not None]
        return [offer_id.value for decline in declines for offer_id in decline.offer_ids]

    @property
    def killed(self) -> list[str]:
        """The ids of tasks that were to be killed."""
        return [call.kill.task_id.value for call in self.calls if call.kill is not None]

    @property
    def acknowledged(self) -> list[str]:
        """The ids of tasks, once for each of their acknowledged updates."""
        return [call.acknowledge.task_id.value for call in self.calls if call.acknowledge is not None]

    def _operations(self) -> list[Offer.Operation]:
        accepts = [call.accept for call in self.calls if call.accept is not None]
        return [operation for accept in accepts for operation in accept.operations]


class ExecutorTransport(ScriptedTransport[executor.Call]):
    """An agent for an `Executor`."""

    def __init__(self) -> None:
        super().__init__(executor.Call)

    @property
    def updates(self) -> list[TaskStatus]:
        """What was said of tasks."""
        return [call.update.status for call in self.calls if call.update is not None]

    @property
    def states(self) -> list[tuple[str, TaskState]]:
        """Task and state of each update."""
        return [(status.task_id.value, status.state) for status in self.updates]

    @property
    def messages(self) -> list[bytes]:
        """What was sent to the scheduler."""
        return [call.message.data for call in self.calls if call.message is not None]

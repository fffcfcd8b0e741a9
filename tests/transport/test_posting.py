"""Calls over kept connections, against servers that answer in every way."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from tepui.transport import posting
from tepui.transport.client import Answer, HttpTransport, TransportError
from tepui.transport.loop import run

HEAD = b"HTTP/1.1 %b\r\n"


class Server:
    """Answers each request with the next of `answers`, byte by byte; None closes the connection. The first answer waits
    until `begins_after` requests are there."""

    def __init__(self, *answers: bytes | None, begins_after: int = 1) -> None:
        self.answers = list(answers)
        self.begins_after = begins_after
        self.requests: list[bytes] = []
        self.connections = 0
        self.url = ""
        self._ends: list[tuple[asyncio.Task[None] | None, asyncio.StreamWriter]] = []

    async def close(self) -> None:
        for task, writer in self._ends:
            writer.close()
            if task is not None:
                await task

    async def read(self, reader: asyncio.StreamReader) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        self.requests.append(head + await reader.readexactly(length))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._ends.append((asyncio.current_task(), writer))
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                await self.read(reader)
                while len(self.requests) < self.begins_after:
                    await self.read(reader)
                answer = self.answers.pop(0)
                if answer is None:
                    break
                for number in range(len(answer)):
                    writer.write(answer[number : number + 1])
                    await writer.drain()
                if b"Connection: close" in answer or (b"Content-Length" not in answer and b"chunked" not in answer):
                    break
        writer.close()


@contextlib.asynccontextmanager
async def serving(server: Server) -> AsyncIterator[HttpTransport]:
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/api/v1/scheduler"
    transport = HttpTransport()
    try:
        async with asyncio.timeout(20):
            yield transport
    finally:
        await transport.close()
        listener.close()
        await server.close()


ACCEPTED = HEAD % b"202 Accepted" + b"Content-Length: 0\r\n\r\n"


@pytest.mark.parametrize(
    ("raw", "answer"),
    [
        (ACCEPTED, Answer(202)),
        (HEAD % b"400 Bad Request" + b"Content-Length: 4\r\n\r\nnope", Answer(400, "nope")),
        (
            HEAD % b"200 OK" + b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n3\r\nc\xffd\r\n0\r\n\r\n",
            Answer(200, "abc\ufffdd"),
        ),
        (
            HEAD % b"307 Temporary Redirect" + b"location: //m:5050/x\r\nContent-Length: 0\r\n\r\n",
            Answer(307, "", None, "//m:5050/x"),
        ),
        (HEAD % b"100 Continue" + b"\r\n" + ACCEPTED, Answer(202)),
        (HEAD % b"503 Busy" + b"\r\nuntil the end", Answer(503, "until the end")),
        (HEAD % b"202 Accepted" + b"Connection: close\r\nContent-Length: 0\r\n\r\n", Answer(202)),
    ],
)
def test_answers_are_read_whole_and_the_connection_is_kept(raw: bytes, answer: Answer) -> None:
    """Unless the server closes it: then the next call makes another."""

    async def play() -> None:
        server = Server(raw, ACCEPTED)
        async with serving(server) as transport:
            found = await transport.post(server.url, b"one", {"Mesos-Stream-Id": "s"})
            assert found == answer
            assert await transport.post(server.url, b"two", {}) == Answer(202)
        assert server.requests[0].startswith(b"POST /api/v1/scheduler HTTP/1.1\r\nHost: 127.0.0.1:")
        assert server.requests[0].endswith(b"\r\nMesos-Stream-Id: s\r\nContent-Length: 3\r\n\r\none")
        assert server.connections == (2 if b"close" in raw or answer.status == 503 else 1)

    asyncio.run(play())


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (None, "the server closed the connection"),
        (
            HEAD % b"202 Accepted" + b"Connection: close\r\nContent-Length: 9\r\n\r\nearly",
            "the server closed the connection",
        ),
        (b"Content-Length: 5 of no use\r\n\r\n", "the answer is no HTTP"),
        (
            HEAD % b"101 Switching Protocols" + b"Upgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
            "the server began another protocol, which nobody asked for",
        ),
    ],
)
def test_an_answer_that_does_not_come_is_a_cut_call(raw: bytes | None, why: str) -> None:
    """And the next call is made on a connection of its own."""

    async def play() -> None:
        server = Server(raw, ACCEPTED)
        async with serving(server) as transport:
            with pytest.raises(TransportError, match=why):
                await transport.post(server.url, b"one", {})
            assert await transport.post(server.url, b"two", {}) == Answer(202)

    asyncio.run(play())


def test_a_loop_of_another_make(capfd: pytest.CaptureFixture[str]) -> None:
    """uvloop, where it is installed."""

    async def play() -> None:
        server = Server(ACCEPTED, ACCEPTED)
        async with serving(server) as transport:
            for _ in range(2):
                assert await transport.post(server.url, b"x", {}) == Answer(202)
        assert server.connections == 1

    run(play())
    assert capfd.readouterr().err == ""


def test_calls_arrive_in_their_order_without_waiting_for_answers() -> None:
    async def play() -> None:
        answers = [HEAD % b"400 Bad" + b"Content-Length: 1\r\n\r\n%d" % number for number in range(3)]
        server = Server(begins_after=3)
        server.answers = [answers[0] + answers[1] + answers[2], ACCEPTED]
        async with serving(server) as transport:
            calls = [transport.post(server.url, b"<%d>" % number, {}) for number in range(3)]
            assert await asyncio.gather(*calls) == [Answer(400, str(number)) for number in range(3)]
            assert await transport.post(server.url, b"<3>", {}) == Answer(202)
        assert [request[-3:] for request in server.requests] == [b"<%d>" % number for number in range(4)]
        assert server.connections == 1

    asyncio.run(play())


@pytest.mark.parametrize(
    ("raw", "answer"),
    [
        (None, None),
        (HEAD % b"400 Bad" + b"Connection: close\r\nContent-Length: 1\r\n\r\nx", Answer(400, "x")),
    ],
)
def test_when_the_connection_ends_the_calls_behind_are_cut_too(raw: bytes | None, answer: Answer | None) -> None:
    """Those before it are not, and the next is made on a connection of its own."""

    async def play() -> None:
        server = Server(ACCEPTED, raw, ACCEPTED, begins_after=2)
        async with serving(server) as transport:
            calls = [transport.post(server.url, b"x", {}) for _ in range(4)]
            found = await asyncio.gather(*calls, return_exceptions=True)
            assert found[0] == Answer(202)
            if answer is not None:
                assert found[1] == answer
            assert all(isinstance(error, TransportError) for error in found[1 if answer is None else 2 :])
            assert await transport.post(server.url, b"x", {}) == Answer(202)
        assert server.connections == 2

    asyncio.run(play())


def test_a_long_sentence_is_cut_and_silence_is_a_cut_call(monkeypatch: pytest.MonkeyPatch) -> None:
    async def play() -> None:
        monkeypatch.setattr(posting, "SENTENCE_BYTES_MAX", 3)
        server = Server(
            HEAD % b"400 Bad" + b"Content-Length: 6\r\n\r\nabcdef", b"HTTP/1.1 202 Content-Length", ACCEPTED
        )
        async with serving(server) as transport:
            assert await transport.post(server.url, b"x", {}) == Answer(400, "abc")
            monkeypatch.setattr(posting, "ANSWER_SECONDS_MAX", 0.3)
            await transport.close()
            with pytest.raises(TransportError, match=r"no answer came within 0\.3 s"):
                await transport.post(server.url, b"x", {})
            monkeypatch.setattr(posting, "ANSWER_SECONDS_MAX", 20)
            assert await transport.post(server.url, b"x", {}) == Answer(202)
        assert server.connections == 3

    asyncio.run(play())


def test_nobody_there_is_a_cut_call() -> None:
    async def play() -> None:
        server = Server()
        async with serving(server):
            pass
        transport = HttpTransport()
        with pytest.raises(TransportError, match="onnect"):
            await transport.post(server.url, b"x", {})
        with pytest.raises(TransportError, match="is no address"):
            await transport.post("http:///x", b"x", {})
        await transport.close()

    asyncio.run(play())

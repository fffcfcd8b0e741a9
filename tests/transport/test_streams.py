"""Event streams: exact bytes, one write a turn, clients that leave, clients that do not read."""

from __future__ import annotations

import asyncio

import pytest

from tepui.transport.hot import HotRequest, Limits, Stream
from tests.transport.harness import BareDoor, Client, Collector, Server, both_loops, cold, post, run_on, serving, until

STREAM_ID = (("Mesos-Stream-Id", "ba6ef912-a809-42f8-9653-8a042c4cfdc2"),)
GET = b"GET /version HTTP/1.1\r\nHost: here\r\n\r\n"


class Subscriber:
    """A stream with what its owner heard of it."""

    def __init__(self, request: HotRequest) -> None:
        self.closed: list[str] = []
        self.backlog: list[bool] = []
        self.stream: Stream = request.open_stream(
            "application/json", STREAM_ID, on_close=self.closed.append, on_backlog=self.backlog.append
        )


async def subscribe(
    server: Server, hot: Collector, *headers: str, after_cold: bool = False
) -> tuple[Client, Subscriber]:
    client = await server.client()
    if after_cold:
        client.send(GET)
        assert (await client.answer()).status == 200
    client.send(post("/api", b"SUBSCRIBE", *headers))
    subscriber = Subscriber(await hot.next())
    return client, subscriber


both_sides = pytest.mark.parametrize("after_cold", [False, True], ids=["hot", "cold"])


@both_loops
@both_sides
def test_a_stream_is_exactly_that_of_mesos_and_the_connection_outlives_it(loop: str, after_cold: bool) -> None:
    async def main() -> None:
        hot = Collector()
        async with serving({"/api": hot}, cold) as server:
            client, subscriber = await subscribe(server, hot, after_cold=after_cold)
            head = await client.head()
            assert head.bytes == (
                b"HTTP/1.1 200 OK\r\nDate: DATE\r\nTransfer-Encoding: chunked\r\n"
                b"Mesos-Stream-Id: ba6ef912-a809-42f8-9653-8a042c4cfdc2\r\nContent-Type: application/json\r\n\r\n"
            )
            records = [b'{"type":"HEARTBEAT"}', b"", *[b"r" * size for size in (9, 10, 99, 100, 999, 1000, 70_000)]]
            for record in records:
                subscriber.stream.send(record)
            raw = await client.reader.readexactly(len(b"17\r\n20\n" + records[0] + b"\r\n"))
            assert raw == b"17\r\n20\n" + records[0] + b"\r\n"
            for record in records[1:]:
                assert await client.chunk() == b"%d\n" % len(record) + record
            assert subscriber.stream.open
            # Whatever the client asks meanwhile waits for the end of the stream.
            client.send(post("/api", b"next"))
            subscriber.stream.send(b"last")
            subscriber.stream.close()
            subscriber.stream.send(b"too late")
            assert await client.chunk() == b"4\nlast"
            assert await client.chunk() == b""
            request = await hot.next()
            assert request.body == b"next"
            request.answer(202)
            assert (await client.answer()).status == 202
            assert subscriber.closed == []
            assert server.counters.streams == 0
            assert server.counters.streams_total == 1

    run_on(loop, main)


def test_many_records_are_one_write_and_other_streams_have_their_own() -> None:
    async def main() -> None:
        hot = Collector()
        bare = BareDoor({"/api": hot})
        bare.receive(post("/api"))
        subscriber = Subscriber(hot.requests.pop())
        for number in range(1000):
            subscriber.stream.send(b"%d" % number)
        bare.flusher.flush()
        assert len(bare.transport.writes) == 1
        assert bare.transport.writes[0].endswith(b"\r\n5\r\n3\n999\r\n")
        subscriber.stream.send(b"more")
        bare.flusher.flush()
        assert bare.transport.writes[1:] == [b"6\r\n4\nmore\r\n"]
        bare.close()
        assert subscriber.closed == ["the client closed the connection"]

    asyncio.run(main())


@both_loops
def test_a_stream_waits_for_the_answers_before_it(loop: str) -> None:
    async def main() -> None:
        hot = Collector()
        async with serving({"/api": hot}) as server:
            client = await server.client()
            client.send(post("/api", b"1"), post("/api", b"2"), post("/api", b"3"))
            await until(lambda: len(hot.requests) == 3)
            first, second, third = hot.requests
            third.answer(200, b"third")
            subscriber = Subscriber(second)
            subscriber.stream.send(b"record")
            first.answer(200, b"first")
            assert (await client.answer()).body == b"first"
            assert (await client.head()).headers["transfer-encoding"] == "chunked"
            assert await client.chunk() == b"6\nrecord"
            subscriber.stream.close()
            assert await client.chunk() == b""
            assert (await client.answer()).body == b"third"

    run_on(loop, main)


@both_loops
def test_a_subscriber_that_asks_to_close_gets_a_chunked_stream(loop: str) -> None:
    async def main() -> None:
        hot = Collector()
        async with serving({"/api": hot}) as server:
            client, subscriber = await subscribe(server, hot, "Connection: close")
            head = await client.head()
            assert (head.status, head.headers["transfer-encoding"]) == (200, "chunked")
            assert "connection" not in head.headers
            subscriber.stream.send(b"one")
            assert await client.chunk() == b"3\none"
            subscriber.stream.close()
            assert await client.rest() == b"0\r\n\r\n"

            client = await server.client()
            client.send(post("/api", version="HTTP/1.0"))
            subscriber = Subscriber(await hot.next())
            assert (await client.head()).headers["connection"] == "close"
            subscriber.stream.send(b"one")
            subscriber.stream.close()
            assert await client.rest() == b"3\none"

    run_on(loop, main)


@both_loops
@both_sides
@pytest.mark.parametrize("how", ["close", "half-close", "reset"])
def test_a_subscriber_that_leaves_is_noticed(loop: str, after_cold: bool, how: str) -> None:
    async def main() -> None:
        hot = Collector()
        async with serving({"/api": hot}, cold) as server:
            client, subscriber = await subscribe(server, hot, after_cold=after_cold)
            await client.head()
            if how == "close":
                client.close()
            elif how == "half-close":
                client.writer.write_eof()
            else:
                client.reset()
            await until(lambda: bool(subscriber.closed))
            assert len(subscriber.closed) == 1
            assert not subscriber.stream.open
            assert subscriber.stream.backlog_bytes == 0
            subscriber.stream.send(b"to nobody")
            subscriber.stream.close()
            assert server.counters.streams == 0

    run_on(loop, main)


@both_loops
@both_sides
@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_stream_opened_for_a_client_that_has_left(loop: str, after_cold: bool, how: str) -> None:
    async def main() -> None:
        hot = Collector()
        async with serving({"/api": hot}, cold) as server:
            client = await server.client()
            if after_cold:
                client.send(GET)
                await client.answer()
            client.send(post("/api"))
            request = await hot.next()
            if how == "close":
                client.close()  # which looks the same as a client that only waits for its answer
                await client.writer.wait_closed()
            else:
                client.reset()
                await until(lambda: request.channel is None)
            subscriber = Subscriber(request)
            assert subscriber.closed == []  # not within the call
            await until(lambda: len(subscriber.closed) == 1)
            assert server.counters.streams == 0

    run_on(loop, main)


async def fill(subscriber: Subscriber, size: int) -> None:
    """Send until more than `size` bytes wait in the process."""
    while subscriber.stream.open and subscriber.stream.backlog_bytes <= size:
        subscriber.stream.send(b"x" * 100_000)
        await asyncio.sleep(0)


LIMITS = Limits(backlog_full_bytes=400_000, backlog_low_bytes=100_000, backlog_bytes_max=20_000_000)


@both_loops
@both_sides
def test_a_slow_subscriber_is_told_of_and_catches_up(loop: str, after_cold: bool) -> None:
    async def main() -> None:
        hot = Collector()
        async with serving({"/api": hot}, cold, limits=LIMITS) as server:
            client, subscriber = await subscribe(server, hot, after_cold=after_cold)
            client.writer.transport.pause_reading()  # type: ignore[attr-defined] # typed as a write transport
            await fill(subscriber, 2_000_000)
            assert subscriber.backlog[-1:] == [True]
            client.writer.transport.resume_reading()  # type: ignore[attr-defined] # as above
            subscriber.stream.close()
            await client.head()
            while await client.chunk():
                pass
            await until(lambda: server.counters.streams == 0)
            assert subscriber.closed == []

    run_on(loop, main)


@both_loops
def test_a_subscriber_that_has_caught_up_may_be_sent_more(loop: str) -> None:
    async def main() -> None:
        hot = Collector()
        async with serving({"/api": hot}, limits=LIMITS) as server:
            client, subscriber = await subscribe(server, hot)
            client.writer.transport.pause_reading()  # type: ignore[attr-defined] # typed as a write transport
            await fill(subscriber, 2_000_000)
            client.writer.transport.resume_reading()  # type: ignore[attr-defined] # as above
            await until(lambda: subscriber.backlog[-1:] == [False])
            assert subscriber.backlog == [True, False] * (len(subscriber.backlog) // 2)
            assert subscriber.stream.backlog_bytes <= LIMITS.backlog_low_bytes
            assert subscriber.closed == []

    run_on(loop, main)


@both_loops
@both_sides
@pytest.mark.parametrize("how", ["too much", "stalled"])
def test_a_subscriber_that_does_not_read_is_cut_off_and_no_other(loop: str, after_cold: bool, how: str) -> None:
    async def main() -> None:
        hot = Collector()
        limits = Limits(backlog_bytes_max=8_000_000, stall_seconds_max=0.4 if how == "stalled" else 60.0)
        async with serving({"/api": hot}, cold, limits=limits) as server:
            good_client, good = await subscribe(server, hot)
            bad_client, bad = await subscribe(server, hot, after_cold=after_cold)
            bad_client.writer.transport.pause_reading()  # type: ignore[attr-defined] # typed as a write transport
            await fill(bad, 3_000_000 if how == "stalled" else 9_000_000)
            await until(lambda: bool(bad.closed))
            assert bad.closed == ["the client does not read" if how == "stalled" else "too much waits for the client"]
            assert not bad.stream.open
            good.stream.send(b"fine")
            await good_client.head()
            assert await good_client.chunk() == b"4\nfine"
            assert good.closed == []
            counters = server.counters
            assert (counters.stalled_closed, counters.streams_overflowed) == ((1, 0) if how == "stalled" else (0, 1))
            assert counters.streams == 1

    run_on(loop, main)


def test_too_much_within_one_turn_is_not_gathered() -> None:
    async def main() -> None:
        hot = Collector()
        bare = BareDoor({"/api": hot}, Limits(backlog_bytes_max=1_000_000))
        bare.receive(post("/api"))
        subscriber = Subscriber(hot.requests.pop())
        for _ in range(11):
            subscriber.stream.send(b"x" * 100_000)
        assert subscriber.closed == ["too much waits for the client"]
        assert bare.transport.closing
        bare.close()
        assert len(subscriber.closed) == 1

    asyncio.run(main())


@both_loops
def test_what_waits_behind_a_stream_is_bounded(loop: str) -> None:
    async def main() -> None:
        hot = Collector()
        async with serving({"/api": hot}, limits=Limits(pipelined_bytes_max=1000)) as server:
            client, subscriber = await subscribe(server, hot)
            await client.head()
            client.send(b"x" * 900)
            subscriber.stream.send(b"a")
            assert await client.chunk() == b"1\na"
            client.send(b"x" * 900)
            await until(lambda: bool(subscriber.closed))
            assert server.counters.pipelined_behind_stream == 1

    run_on(loop, main)


@both_loops
def test_half_a_request_behind_a_stream_is_not_too_slow(loop: str) -> None:
    async def main() -> None:
        hot = Collector()
        limits = Limits(request_seconds_max=0.2, idle_seconds_max=0.2, stall_seconds_max=0.2)
        async with serving({"/api": hot}, limits=limits) as server:
            client = await server.client()
            client.send(post("/api"), post("/api", b"rest")[:-2])
            subscriber = Subscriber(await hot.next())
            await client.head()
            # Several rounds of the watch.
            begun = asyncio.get_running_loop().time()
            while asyncio.get_running_loop().time() - begun < 0.7:
                subscriber.stream.send(b"a")
                assert await client.chunk() == b"1\na"
            subscriber.stream.close()
            assert await client.chunk() == b""
            client.send(b"st")
            (await hot.next()).answer(202)
            assert (await client.answer()).status == 202

    run_on(loop, main)

"""Requests for hot paths: any cutting into segments, order of answers, exact bytes, limits, clients that misbehave."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import logging

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tepui.transport.hot import HotRequest, Limits
from tests.transport.harness import BareDoor, Client, Collector, both_loops, chunked, cold, post, run_on, serving, until

ACCEPTED = b"HTTP/1.1 202 Accepted\r\nDate: DATE\r\nContent-Length: 0\r\n\r\n"


def echo(request: HotRequest) -> None:
    """Answer with what was understood."""
    request.answer(200, f"{request.method} {request.path} {request.query} ".encode() + request.body, "text/x-echo")


Seen = tuple[str, str, str, dict[bytes, bytes], bytes]


def parse(segments: list[bytes], limits: Limits | None = None) -> tuple[list[Seen], bytes, bytes]:
    """What the front door makes of segments: the requests, what it handed over, what it wrote."""
    seen: list[Seen] = []

    def handle(request: HotRequest) -> None:
        seen.append((request.method, request.path, request.query, request.headers, request.body))
        request.answer(202)

    async def main() -> tuple[bytes, bytes]:
        bare = BareDoor({"/api": handle, "/slave(1)/api": handle}, limits)
        for segment in segments:
            bare.receive(segment)
            bare.flusher.flush()
        bare.close()
        return bare.cold.data, b"".join(bare.transport.writes)

    return seen, *asyncio.run(main())


CONVERSATION = [
    post("/api", b'{"type":"A"}', "Content-Type: application/json"),
    b"\r\n",
    chunked("/api", [b"one", b"", b"two" * 30, b"\r\n0\r\n\r\n"], "X-Twice: a", "x-twice: b"),
    post("/api?x=%41&y", b"", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c"),
    post("/slave%281%29/api/below", b"0123456789" * 20, method="PUT"),
    chunked("/api", [b"last"], trailer=b"X-Sum: 1\r\nX-More: 2\r\n"),
]
EXPECTED: list[tuple[str, str, str, bytes]] = [
    ("POST", "/api", "", b'{"type":"A"}'),
    ("POST", "/api", "", b"one" + b"two" * 30 + b"\r\n0\r\n\r\n"),
    ("POST", "/api", "x=%41&y", b""),
    ("PUT", "/slave(1)/api/below", "", b"0123456789" * 20),
    ("POST", "/api", "", b"last"),
]
COLD = b"GET /elsewhere HTTP/1.1\r\nHost: here\r\n\r\nwhatever follows"


@settings(max_examples=150, deadline=None)
@given(st.sets(st.integers(min_value=1, max_value=len(b"".join(CONVERSATION)) + len(COLD) - 1), max_size=40))
def test_any_segments_give_the_same_requests(cuts: set[int]) -> None:
    data = b"".join(CONVERSATION) + COLD
    edges = [0, *sorted(cuts), len(data)]
    seen, cold, written = parse([data[begin:end] for begin, end in itertools.pairwise(edges)])
    assert [(method, path, query, body) for method, path, query, _, body in seen] == EXPECTED
    assert seen[1][3][b"x-twice"] == b"a, b"
    assert cold == COLD
    assert written.count(b"HTTP/1.1 202 Accepted\r\n") == len(EXPECTED)


def test_byte_by_byte() -> None:
    data = b"".join(CONVERSATION) + COLD
    seen, cold, _ = parse([data[index : index + 1] for index in range(len(data))])
    assert len(seen) == len(EXPECTED)
    assert cold == COLD


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"POST /api HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"POST /api HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx", 400),
        (b"POST /api HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST /api HTTP/1.1\r\nBad Name: h\r\n\r\n", 400),
        (b"POST /api HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"POST /api HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n", 400),
        (b"POST /api HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n", 400),
        (b"POST /api HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\nab", 400),
        (b"POST /api HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcXY0\r\n\r\n", 400),
        (b"POST /api HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501),
        (b"POST /api HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n65\r\n", 413),
        (b"POST /api HTTP/1.1\r\nContent-Length: 101\r\n\r\n", 413),
        (b"POST /api HTTP/1.1\r\n" + b"X-A: b\r\n" * 30 + b"\r\n", 431),
        (b"POST /api HTTP/1.1\r\n" + b"".join(b"X-%d: b\r\n" % i for i in range(12)) + b"\r\n", 431),
        (b"POST /api HTTP/1.1\r\nX-A: " + b"b" * 300, 431),
        (b"P" * 300, 431),
        (b"GET /" + b"x" * 300 + b" HTTP/1.1\r\n\r\n", 431),
    ],
)
def test_what_cannot_be_parsed_is_answered_in_turn_and_ends_the_connection(data: bytes, status: int) -> None:
    limits = Limits(body_bytes_max=100, head_bytes_max=200, headers_max=10)
    good = post("/api", b"x" * 100)
    seen, _, written = parse([good + data, post("/api")], limits)
    assert len(seen) == 1
    answers = written.split(b"HTTP/1.1 ")[1:]
    assert answers[0].startswith(b"202 ")
    assert answers[1].startswith(b"%d " % status)
    assert b"\r\nConnection: close\r\n" in answers[1]
    assert len(answers) == 2


@both_loops
def test_answers_are_exactly_those_of_mesos(loop: str) -> None:
    async def main() -> None:
        hot = Collector()
        async with serving({"/api/v1/scheduler": hot}) as server:
            client = await server.client()

            async def ask(request: bytes) -> HotRequest:
                client.send(request)
                return await hot.next()

            (await ask(post("/api/v1/scheduler"))).answer(202)
            assert (await client.answer()).bytes == ACCEPTED
            (await ask(post("/api/v1/scheduler", method="GET"))).answer_method_not_allowed("POST")
            assert (await client.answer()).bytes == (
                b"HTTP/1.1 405 Method Not Allowed\r\nDate: DATE\r\nAllow: POST\r\n"
                b"Content-Type: text/plain; charset=utf-8\r\nContent-Length: 72\r\n\r\n"
                b"405 Method Not Allowed. Expecting one of { 'POST' }, but received 'GET'."
            )
            (await ask(post("/api/v1/scheduler"))).answer_text(400, "Expecting 'Content-Type' to be present")
            assert (await client.answer()).bytes == (
                b"HTTP/1.1 400 Bad Request\r\nDate: DATE\r\nContent-Type: text/plain; charset=utf-8\r\n"
                b"Content-Length: 38\r\n\r\nExpecting 'Content-Type' to be present"
            )
            (await ask(post("/api/v1/scheduler"))).answer_text(403)
            assert (await client.answer()).body == b"403 Forbidden."
            (await ask(post("/api/v1/scheduler"))).answer(307, headers=(("Location", "//localhost:5050"),))
            assert (await client.answer()).bytes == (
                b"HTTP/1.1 307 Temporary Redirect\r\nDate: DATE\r\nLocation: //localhost:5050\r\n"
                b"Content-Length: 0\r\n\r\n"
            )
            (await ask(post("/api/v1/scheduler"))).answer(200, b'{"a":1}', "application/json")
            assert (await client.answer()).bytes == (
                b'HTTP/1.1 200 OK\r\nDate: DATE\r\nContent-Length: 7\r\nContent-Type: application/json\r\n\r\n{"a":1}'
            )

    run_on(loop, main)


@both_loops
def test_pipelined_answers_are_written_in_the_order_of_the_requests(loop: str) -> None:
    async def main() -> None:
        hot = Collector()
        async with serving({"/api": hot}) as server:
            client = await server.client()
            client.send(*[post("/api", b"%d" % number) for number in range(5)])
            await until(lambda: len(hot.requests) == 5)
            assert len({request.id for request in hot.requests}) == 5
            for request in reversed(hot.requests):
                request.answer(200, request.body)
            assert [(await client.answer()).body for _ in range(5)] == [b"0", b"1", b"2", b"3", b"4"]
            with pytest.raises(RuntimeError):
                hot.requests[0].answer(200)

    run_on(loop, main)


@both_loops
def test_unanswered_requests_are_bounded_and_reading_goes_on_afterwards(loop: str) -> None:
    async def main() -> None:
        hot = Collector()
        async with serving({"/api": hot}, limits=Limits(pipelined_requests_max=8)) as server:
            client = await server.client()
            # More than the buffers of both kernels take, so that it can only arrive if reading goes on.
            client.send(*[post("/api", b"%05d" % number + b"x" * 20_000) for number in range(600)])
            for number in range(600):
                request = await hot.next()
                assert request.body.startswith(b"%05d" % number)
                assert server.counters.requests <= number + 8
                request.answer(202)
            for _ in range(600):
                assert (await client.answer()).status == 202

    run_on(loop, main)


@both_loops
def test_a_client_that_reads_no_answers_is_not_read_either(loop: str) -> None:
    async def main() -> None:
        def big(request: HotRequest) -> None:
            request.answer(200, b"x" * 100_000)

        async with serving({"/api": big}, limits=Limits(stall_seconds_max=0.4)) as server:
            client = await server.client()
            client.writer.transport.pause_reading()  # type: ignore[attr-defined] # typed as a write transport
            for _ in range(40_000):
                client.send(post("/api", b"y" * 500))
            await until(lambda: server.counters.stalled_closed == 1)
            # What the kernel's buffers take, and no more: the answers would have been 4 GB.
            assert server.counters.requests < 2000
            client.close()

    run_on(loop, main)


@both_loops
def test_long_answers_are_made_one_at_a_time(loop: str) -> None:
    async def main() -> None:
        long, call = Collector(), Collector()
        async with serving({"/long": long, "/call": call}, pipelined=["/call"]) as server:
            client = await server.client()
            client.send(post("/call"), post("/call"), post("/long"), post("/long"), post("/call"))
            client.writer.write_eof()
            for _ in range(2):
                (await call.next()).answer(202)
            for number in range(2):
                request = await long.next()
                assert server.counters.requests == 3 + number
                request.answer(200, b"long")
            (await call.next()).answer(202)
            assert [(await client.answer()).status for _ in range(5)] == [202, 202, 200, 200, 202]

    run_on(loop, main)


@both_loops
def test_no_more_long_answers_are_made_than_a_client_takes(loop: str) -> None:
    async def main() -> None:
        def long(request: HotRequest) -> None:
            request.answer(200, b"x" * 1_000_000)

        async with serving({"/long": long}, pipelined=[], limits=Limits(stall_seconds_max=0.4)) as server:
            client = await server.client()
            client.writer.transport.pause_reading()  # type: ignore[attr-defined] # typed as a write transport
            client.send(post("/long") * 500)
            await until(lambda: server.counters.stalled_closed == 1)
            assert server.counters.requests < 30  # what the kernel's buffers take, and one
            client.close()

    run_on(loop, main)


@both_loops
def test_expect_continue(loop: str) -> None:
    async def main() -> None:
        hot = Collector()
        async with serving({"/api": hot}) as server:
            client = await server.client()
            head, body = post("/api", b"hello", "Expect: 100-continue").split(b"\r\n\r\n")
            client.send(post("/api"), head, b"\r\n\r\n")
            (await hot.next()).answer(202)
            assert (await client.answer()).status == 202  # not before the earlier request's answer
            assert (await client.head()).status == 100
            client.send(body)
            request = await hot.next()
            assert request.body == b"hello"
            request.answer(202)
            assert (await client.answer()).status == 202

    run_on(loop, main)


@both_loops
def test_closing_and_old_clients(loop: str) -> None:
    async def main() -> None:
        async with serving({"/api": echo}) as server:
            client = await server.client()
            client.send(post("/api", b"a", "Connection: close"), post("/api", b"never read"))
            answer = await client.answer()
            assert answer.headers["connection"] == "close"
            assert await client.rest() == b""

            client = await server.client()
            client.send(post("/api", b"a", version="HTTP/1.0"))
            assert (await client.answer()).body == b"POST /api  a"
            assert await client.rest() == b""

            client = await server.client()
            client.send(post("/api", b"a", "Connection: Keep-Alive", version="HTTP/1.0"))
            assert (await client.answer()).headers["connection"] == "keep-alive"
            client.send(post("/api", b"b", "Connection: Keep-Alive", version="HTTP/1.0"))
            assert (await client.answer()).body == b"POST /api  b"
            client.close()

    run_on(loop, main)


@both_loops
def test_a_half_closed_client_still_gets_its_answers(loop: str) -> None:
    async def main() -> None:
        hot = Collector()
        async with serving({"/api": hot}) as server:
            client = await server.client()
            client.send(post("/api"), post("/api"))
            client.writer.write_eof()
            first, second = await hot.next(), await hot.next()
            second.answer(202)
            first.answer(202)
            assert (await client.rest()).count(b"HTTP/1.1 202 Accepted\r\n") == 2
            await until(lambda: server.counters.connections == 0)

    run_on(loop, main)


@both_loops
def test_head_has_the_length_and_not_the_body(loop: str) -> None:
    async def main() -> None:
        async with serving({"/api": echo}) as server:
            client = await server.client()
            client.send(b"HEAD /api HTTP/1.1\r\nHost: here\r\n\r\n", post("/api", b"next"))
            assert (await client.answer(to_head=True)).headers["content-length"] == str(len("HEAD /api  "))
            assert (await client.answer()).body == b"POST /api  next"
            client.close()

    run_on(loop, main)


@both_loops
def test_gzip_for_long_bodies_when_accepted(loop: str) -> None:
    async def main() -> None:
        def answer(request: HotRequest) -> None:
            request.answer(200, b"x" * int(request.body), "application/json")

        async with serving({"/api": answer}) as server:
            client = await server.client()
            for accept, size, compressed in (
                ("gzip", b"1024", True),
                ("deflate, gzip;q=0.5", b"5000", True),
                ("gzip", b"1023", False),
                ("gzip;q=0", b"5000", False),
                ("deflate", b"5000", False),
            ):
                client.send(post("/api", size, f"Accept-Encoding: {accept}"))
                got = await client.answer()
                assert (got.headers.get("content-encoding") == "gzip") is compressed
                assert len(gzip.decompress(got.body) if compressed else got.body) == int(size)
            client.close()

    run_on(loop, main)


@both_loops
def test_a_failing_handler_is_a_plain_500_and_the_next_request_works(
    loop: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        def handle(request: HotRequest) -> None:
            if request.body == b"bad":
                raise ValueError("a secret of the server")
            request.answer(202)

        async with serving({"/api": handle}) as server:
            client = await server.client()
            client.send(post("/api", b"bad"), post("/api"))
            answer = await client.answer()
            assert (answer.status, answer.body) == (500, b"500 Internal Server Error.")
            assert (await client.answer()).status == 202
            client.close()
        assert server.counters.handler_failures == 1

    with caplog.at_level(logging.CRITICAL, logger="tepui.transport.hot"):
        run_on(loop, main)


@both_loops
def test_slow_idle_and_too_many_clients_are_closed(loop: str) -> None:
    async def main() -> None:
        limits = Limits(request_seconds_max=0.3, idle_seconds_max=0.6, connections_max=3, linger_seconds_max=0.2)
        async with serving({"/api": echo}, limits=limits) as server:
            slow_head, slow_body, idle = await server.client(), await server.client(), await server.client()
            await until(lambda: server.counters.connections == 3)
            refused = await server.client()
            assert await refused.rest() == b""
            slow_head.send(b"POST /api HTTP/1.1\r\nHost: ")
            slow_body.send(post("/api", b"first"), post("/api", b"second")[:-1])
            idle.send(post("/api", b"a"))
            assert (await slow_body.answer()).status == 200
            for slow in (slow_head, slow_body):
                answer = await slow.answer()
                assert (answer.status, answer.headers["connection"]) == (408, "close")
                assert await slow.rest() == b""
            assert (await idle.answer()).status == 200
            assert await idle.rest() == b""
            counters = server.counters
            assert (counters.requests_too_slow, counters.connections_refused) == (2, 1)
            assert counters.idle_closed >= 1  # the slow ones too, if they were left open for a while

    run_on(loop, main)


@both_loops
def test_a_refused_body_does_not_cut_the_answer_off(loop: str) -> None:
    async def main() -> None:
        limits = Limits(body_bytes_max=1000, linger_seconds_max=5.0)
        async with serving({"/api": echo}, limits=limits) as server:
            client = await server.client()
            client.writer.transport.set_write_buffer_limits(0)
            client.send(post("/api", b"x" * 40_000_000))
            await client.writer.drain()  # the whole request can be sent, or this fails
            answer = await client.answer()
            assert (answer.status, answer.body.startswith(b"413 ")) == (413, True)
            client.close()
            await until(lambda: server.counters.connections == 0)
        assert server.counters.bodies_too_large == 1

    run_on(loop, main)


@both_loops
def test_hot_and_cold_requests_mix_on_one_connection(loop: str) -> None:
    async def main() -> None:
        hot = Collector()

        async with serving({"/api": hot}, cold) as server:
            client = await server.client()
            get = b"GET /version HTTP/1.1\r\nHost: here\r\n\r\n"
            # All at once: the cold request must wait for the answer before it, also with a body in pieces behind it.
            client.send(post("/api", b"1"), get, post("/api", b"2"), get, chunked("/api", [b"3", b"!"]))
            for body in (b"1", b"2", b"3!"):
                request = await hot.next()
                assert (request.method, request.path, request.body) == ("POST", "/api", body)
                assert request.header("Host") == "here"
                request.answer(202)
            for expected in (202, 200, 202, 200, 202):
                answer = await client.answer()
                assert answer.status == expected
                if expected == 202:
                    assert answer.bytes == ACCEPTED  # from whichever side
            assert server.counters.handed_over == 1
            client.send(post("/api", b"4", "Connection: close"))
            (await hot.next()).answer(200, b"bye")
            assert (await client.answer()).body == b"bye"
            assert await client.rest() == b""

    run_on(loop, main)


@both_loops
def test_a_body_without_end_goes_to_the_cold_side(loop: str) -> None:
    async def main() -> None:
        async with serving({"/api": echo}, cold) as server:
            for first in (b"", b"GET /version HTTP/1.1\r\nHost: here\r\n\r\n"):
                client = await server.client()
                if first:
                    client.send(first)
                    await client.answer()
                client.send(chunked("/api", [b"record"], "Content-Type: application/recordio"))
                assert (await client.answer()).body == b"cold"
                client.close()

    run_on(loop, main)


async def _ask(client: Client, target: str) -> int:
    client.send(post(target))
    return (await client.answer()).status


@both_loops
def test_paths_below_a_hot_path_belong_to_the_longest(loop: str) -> None:
    async def main() -> None:
        def other(request: HotRequest) -> None:
            request.answer(202)

        async with serving({"/api/v1": echo, "/api/v1/scheduler": other}) as server:
            client = await server.client()
            assert await _ask(client, "/api/v1/operator") == 200
            assert await _ask(client, "/api/v1/scheduler/x") == 202
            assert await _ask(client, "/api/v1/scheduler?x=1") == 202
            assert await _ask(client, "/api/v12") == 404
            assert await _ask(client, "/api/v1/operator") == 200  # by the other side now

    run_on(loop, main)


@both_loops
def test_headers_cannot_be_smuggled_into_an_answer(loop: str) -> None:
    async def main() -> None:
        def answer(request: HotRequest) -> None:
            with pytest.raises(ValueError, match="line end"):
                request.answer(307, headers=(("Location", "//a\r\nSet-Cookie: b"),))
            request.answer(202)

        async with serving({"/api": answer}) as server:
            client = await server.client()
            assert await _ask(client, "/api") == 202
            client.close()

    run_on(loop, main)

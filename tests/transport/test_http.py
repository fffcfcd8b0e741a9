"""The cold side: helpers, errors, limits, files, TLS, an orderly stop."""

from __future__ import annotations

import asyncio
import logging
import shutil
import ssl
import subprocess
from pathlib import Path

import pytest
from aiohttp import web

from tepui.transport.hot import HotRequest, Limits, Stream
from tepui.transport.http import method_not_allowed, text
from tests.transport.harness import Collector, both_loops, cold, post, run_on, serving, until


def get(path: str, *headers: str, method: str = "GET") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: here", *headers, "", ""]).encode()


@both_loops
def test_answers_of_cold_handlers(loop: str) -> None:
    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/small":
            return text(200, "small")
        if request.path == "/only":
            return method_not_allowed(request, "GET", "POST")
        if request.path == "/auth":
            return text(401, headers={"WWW-Authenticate": 'Basic realm="r"'})
        return text(404)

    async def main() -> None:
        async with serving({}, handle) as server:
            client = await server.client()
            client.send(get("/small"))
            answer = await client.answer()
            assert (answer.status, answer.body) == (200, b"small")
            assert answer.headers["content-type"] == "text/plain; charset=utf-8"
            assert "Date: DATE\r\n" in answer.head
            assert "server" not in answer.headers
            client.send(get("/small", method="HEAD"), get("/small"))
            assert (await client.answer(to_head=True)).headers["content-length"] == "5"
            assert (await client.answer()).body == b"small"
            client.send(get("/only", method="PUT"))
            answer = await client.answer()
            assert (answer.status, answer.headers["allow"]) == (405, "GET, POST")
            assert answer.body == (b"405 Method Not Allowed. Expecting one of { 'GET', 'POST' }, but received 'PUT'.")
            client.send(get("/auth"))
            answer = await client.answer()
            assert (answer.status, answer.body) == (401, b"401 Unauthorized.")
            assert answer.headers["www-authenticate"] == 'Basic realm="r"'
            client.send(get("/else"))
            answer = await client.answer()
            assert (answer.status, answer.body) == (404, b"404 Not Found.")
            assert answer.headers["content-type"] == "text/plain; charset=utf-8"

    run_on(loop, main)


@both_loops
def test_nothing_of_an_error_inside_reaches_the_client(loop: str, caplog: pytest.LogCaptureFixture) -> None:
    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/begun":
            response = web.StreamResponse()
            await response.prepare(request)
            await response.write(b"begun")
        raise ValueError("a secret of the server")

    async def main() -> None:
        async with serving({}, handle) as server:
            client = await server.client()
            client.send(get("/a"), get("/begun"))
            answer = await client.answer()
            assert (answer.status, answer.body) == (500, b"500 Internal Server Error.")
            rest = await client.rest()
            assert b"begun" in rest
            assert b"secret" not in rest
            assert b"500" not in rest
            assert server.counters.handler_failures == 2

    with caplog.at_level(logging.CRITICAL, logger="tepui.transport.http"):
        run_on(loop, main)


@both_loops
def test_limits_on_the_cold_side(loop: str) -> None:
    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        return text(200, str(len(await request.read())))

    async def main() -> None:
        hot = Collector()
        async with serving({"/api": hot}, handle, limits=Limits(body_bytes_max=100_000)) as server:
            client = await server.client()
            client.send(post("/elsewhere", b"x" * 100_000))
            assert (await client.answer()).body == b"100000"
            client.send(post("/api", b"x" * 100_000))
            (await hot.next()).answer(202)
            assert (await client.answer()).status == 202
            for path in ("/elsewhere", "/api"):
                client = await server.client()
                client.send(get("/warm"))
                await client.answer()
                client.send(post(path, b"x" * 100_001))
                answer = await client.answer()
                assert (answer.status, answer.body.startswith(b"413 ")) == (413, True)
            assert server.counters.bodies_too_large == 2
            client = await server.client()
            client.send(b"GET / HTTP/1.1\r\nBad Name: x\r\n\r\n")
            answer = await client.answer()
            assert answer.status == 400
            assert b"Traceback" not in answer.body

    logging.getLogger("aiohttp.server").disabled = True
    try:
        run_on(loop, main)
    finally:
        logging.getLogger("aiohttp.server").disabled = False


@both_loops
def test_files_are_served(loop: str, tmp_path: Path) -> None:
    path = tmp_path / "stdout"
    path.write_bytes(b"0123456789" * 100_000)

    async def handle(_request: web.BaseRequest) -> web.StreamResponse:
        return web.FileResponse(path)

    async def main() -> None:
        async with serving({}, handle) as server:
            client = await server.client()
            client.send(get("/files/download", "Range: bytes=5-14"))
            answer = await client.answer()
            assert (answer.status, answer.body) == (206, b"5678901234")
            client.send(get("/files/download"))
            assert (await client.answer()).body == path.read_bytes()

    run_on(loop, main)


def certificate(directory: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Contexts of a server and a client with a certificate made for this test."""
    if shutil.which("openssl") is None:
        pytest.skip("the openssl program is not installed")
    key, cert = directory / "key.pem", directory / "cert.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-keyout", str(key), "-out", str(cert), "-days", "2", "-subj", "/CN=localhost"]
    subprocess.run([*command, "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(cert, key)
    client = ssl.create_default_context(cafile=str(cert))
    return server, client


@both_loops
def test_tls(loop: str, tmp_path: Path) -> None:
    server_context, client_context = certificate(tmp_path)

    async def main() -> None:
        hot = Collector()
        async with serving({"/api": hot}, cold, tls=server_context) as server:
            client = await server.client(client_context)
            client.send(post("/api", b"x" * 300_000))
            request = await hot.next()
            assert len(request.body) == 300_000
            request.answer(202)
            assert (await client.answer()).status == 202
            client.send(get("/version"))
            assert (await client.answer()).body == b"cold"
            client.send(post("/api"))
            closed: list[str] = []
            stream = (await hot.next()).open_stream("application/json", on_close=closed.append)
            await client.head()
            stream.send(b"record" * 100_000)
            assert len(await client.chunk()) == 600_007
            client.close()
            await until(lambda: bool(closed))

    run_on(loop, main)


@both_loops
def test_stopping_writes_what_is_ready_and_closes_everything(loop: str) -> None:
    async def main() -> None:
        streams: list[HotRequest] = []
        started = asyncio.Event()
        go = asyncio.Event()

        def handle(request: HotRequest) -> None:
            if request.body == b"stream":
                streams.append(request)
                request.open_stream("application/json", on_close=lambda _why: None)
            else:
                request.answer(202)

        async def slow(_request: web.BaseRequest) -> web.StreamResponse:
            started.set()
            await go.wait()
            return text(200, "slow")

        async with serving({"/api": handle}, slow) as server:
            subscriber, idle, busy = await server.client(), await server.client(), await server.client()
            subscriber.send(post("/api", b"stream"))
            await subscriber.head()
            idle.send(post("/api"))
            await idle.answer()
            busy.send(get("/slow"))
            await started.wait()
            assert server.http.cold_connections == 1
            assert isinstance(streams[0].stream, Stream)
            streams[0].stream.send(b"last")
            stopping = asyncio.create_task(server.http.stop(grace_seconds=5.0))
            await until(lambda: server.counters.connections == 0)
            go.set()
            assert (await busy.answer()).body == b"slow"
            await stopping
            assert await subscriber.rest() == b"6\r\n4\nlast\r\n"
            assert await idle.rest() == b""
            with pytest.raises(OSError, match=r".*"):
                await server.client()

    run_on(loop, main)

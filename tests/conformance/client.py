"""A small HTTP/1.1 client on raw sockets that shows exactly what a server sent."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from tests.conformance.captures import Headers, Request, Response, find_header

Address = tuple[str, int]
Event = dict[str, Any]

ANSWER_TIMEOUT_SECONDS = 20.0
EVENT_TIMEOUT_SECONDS = 15.0
STREAM_CLOSE_TIMEOUT_SECONDS = 10.0
RECEIVE_BYTES = 1 << 16
JSON_HEADERS: Headers = [("Content-Type", "application/json"), ("Accept", "application/json")]


class ConnectionEndedError(Exception):
    """The server closed the connection before its answer was whole."""


def encode_request(request: Request, address: Address) -> bytes:
    """The bytes of `request` to `address`: its headers in order, Host and Content-Length made right."""
    lines = [f"{request.method} {request.target} HTTP/1.1"]
    for key, value in request.headers:
        if key == "Host":
            value = f"{address[0]}:{address[1]}"
        elif key == "Content-Length":
            value = str(len(request.body))
        lines.append(f"{key}: {value}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + request.body


def make_request(
    method: str, target: str, headers: Iterable[tuple[str, str]] = (), body: bytes | None = None
) -> Request:
    """A request with the headers every client sends; a `body` brings its Content-Length."""
    every: Headers = [("Host", ""), *headers]
    if body is not None:
        every.append(("Content-Length", ""))
    return Request(method, target, every, body or b"")


def json_call(target: str, message: Event, headers: Iterable[tuple[str, str]] = ()) -> Request:
    """A POST of `message` as JSON."""
    return make_request("POST", target, [*JSON_HEADERS, *headers], json.dumps(message).encode())


def connect(address: Address, timeout_seconds: float = ANSWER_TIMEOUT_SECONDS) -> socket.socket:
    """A connection to `address` without Nagle's delays."""
    connection = socket.create_connection(address, timeout=timeout_seconds)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


class AnswerReader:
    """Reads whole answers from one connection, keeping what came too early for the next."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._data = b""

    def _receive(self) -> None:
        data = self._connection.recv(RECEIVE_BYTES)
        if not data:
            raise ConnectionEndedError(f"closed after {self._data[:200]!r}")
        self._data += data

    def head(self) -> Response:
        """The next answer's head."""
        while b"\r\n\r\n" not in self._data:
            self._receive()
        head, _, self._data = self._data.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        _, status, reason = [*lines[0].split(" ", 2), ""][:3]
        pairs = (line.partition(":") for line in lines[1:])
        return Response(int(status), reason, [(key, value.strip()) for key, _, value in pairs], b"")

    def rest(self) -> bytes:
        """Bytes that came behind the head."""
        data, self._data = self._data, b""
        return data

    def answer(self) -> Response:
        """The next answer with its body."""
        response = self.head()
        if (response.header("Transfer-Encoding") or "").lower() == "chunked":
            response.body = self._chunked_body()
        else:
            length = int(response.header("Content-Length") or 0)
            while len(self._data) < length:
                self._receive()
            response.body, self._data = self._data[:length], self._data[length:]
        return response

    def _chunked_body(self) -> bytes:
        chunks = []
        while True:
            while b"\r\n" not in self._data:
                self._receive()
            size_text, _, rest = self._data.partition(b"\r\n")
            size = int(size_text, 16)
            while len(rest) < size + 2:
                self._receive()
                rest = self._data.partition(b"\r\n")[2]
            chunks.append(rest[:size])
            self._data = rest[size + 2 :]
            if size == 0:
                return b"".join(chunks)


def exchange(
    address: Address, data: bytes, timeout_seconds: float = ANSWER_TIMEOUT_SECONDS, has_body: bool = True
) -> Response:
    """Send `data` on a connection of its own and read one whole answer, or its head alone."""
    with connect(address, timeout_seconds) as connection:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # an early answer is still to be read
            connection.sendall(data)
        reader = AnswerReader(connection)
        return reader.answer() if has_body else reader.head()


def call(address: Address, request: Request) -> Response:
    """`request` on a connection of its own, and its answer."""
    return exchange(address, encode_request(request, address))


def get_json(address: Address, target: str) -> Any:
    """The decoded body of a GET that must succeed."""
    response = call(address, make_request("GET", target))
    assert response.status == 200, (target, response)
    return json.loads(response.body)


def operator_call(address: Address, message: Event, path: str = "/api/v1") -> Any:
    """An operator call that must succeed; its decoded answer, None when the body is empty."""
    response = call(address, json_call(path, message))
    assert response.status in (200, 202), (message, response)
    return json.loads(response.body) if response.body else None


class EventStream:
    """An answer that goes on: records arrive as RecordIO inside chunks, read by a thread."""

    def __init__(self, address: Address, request: Request, decode: Callable[[bytes], Event] = json.loads) -> None:
        self._decode = decode
        self._connection = connect(address)
        try:
            self._connection.sendall(encode_request(request, address))
            reader = AnswerReader(self._connection)
            self.response = reader.head()
            self._raw = reader.rest()
        except BaseException:
            self._connection.close()
            raise
        self._payload = b""
        self.records: list[bytes] = []
        self.events: list[Event] = []
        self.seconds: list[float] = []
        self.ended = False  # the response ended with the empty chunk
        self.closed = False  # nothing more will come
        self._started = time.monotonic()
        self._condition = threading.Condition()
        self._connection.settimeout(None)
        self._thread = threading.Thread(target=self._pump, daemon=True)
        if (self.response.header("Transfer-Encoding") or "").lower() == "chunked":
            self._thread.start()
        else:
            length = int(self.response.header("Content-Length") or 0)
            while len(self._raw) < length and (data := self._connection.recv(RECEIVE_BYTES)):
                self._raw += data
            self.response.body = self._raw
            self.closed = True

    @property
    def stream_id(self) -> str:
        value = find_header(self.response.headers, "Mesos-Stream-Id")
        assert value is not None, self.response
        return value

    def _pump(self) -> None:
        data = self._raw
        self._raw = b""
        try:
            while not self.ended and (data or (data := self._connection.recv(RECEIVE_BYTES))):
                self._feed(data)
                data = b""
        except OSError:
            pass
        finally:
            with self._condition:
                self.closed = True
                self._condition.notify_all()

    def _feed(self, data: bytes) -> None:
        self._raw += data
        while not self.ended and (end := self._raw.find(b"\r\n")) >= 0:
            size = int(self._raw[:end], 16)
            if len(self._raw) < end + 2 + size + 2:
                break
            self._payload += self._raw[end + 2 : end + 2 + size]
            self._raw = self._raw[end + 2 + size + 2 :]
            self.ended = size == 0
        while (end := self._payload.find(b"\n")) >= 0:
            size = int(self._payload[:end])
            if len(self._payload) < end + 1 + size:
                break
            record = self._payload[end + 1 : end + 1 + size]
            self._payload = self._payload[end + 1 + size :]
            event = self._decode(record)
            with self._condition:
                self.records.append(record)
                self.events.append(event)
                self.seconds.append(time.monotonic() - self._started)
                self._condition.notify_all()

    def wait(
        self,
        test: Callable[[Event], bool],
        since: int = 0,
        timeout_seconds: float = EVENT_TIMEOUT_SECONDS,
    ) -> Event:
        """The first event from index `since` on for which `test` holds."""
        event = self.find(test, since, timeout_seconds)
        assert event is not None, f"no such event among {self.events[since:]}"
        return event

    def find(self, test: Callable[[Event], bool], since: int = 0, timeout_seconds: float = 0.0) -> Event | None:
        """Like `wait`, but None when there is none in time."""
        deadline = time.monotonic() + timeout_seconds
        position = since
        with self._condition:
            while True:
                while position < len(self.events):
                    if test(self.events[position]):
                        return self.events[position]
                    position += 1
                left = deadline - time.monotonic()
                if left <= 0 or self.closed:
                    return None
                self._condition.wait(left)

    def wait_for(self, condition: Callable[[], bool], timeout_seconds: float = EVENT_TIMEOUT_SECONDS) -> bool:
        """Whether `condition` came to hold; looked at after each event."""
        with self._condition:
            return self._condition.wait_for(lambda: condition() or self.closed, timeout_seconds) and condition()

    def wait_closed(self, timeout_seconds: float = EVENT_TIMEOUT_SECONDS) -> bool:
        """Whether the stream ended in time."""
        with self._condition:
            return self._condition.wait_for(lambda: self.closed, timeout_seconds)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        if self._thread.ident is not None:
            self._thread.join(STREAM_CLOSE_TIMEOUT_SECONDS)
        self._connection.close()

    def __enter__(self) -> EventStream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

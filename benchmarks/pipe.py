"""Two cheap connections to a server: one whose answer goes on, one for pipelined calls."""

from __future__ import annotations

import select
import socket
import time

RECEIVE_BYTES = 1 << 20


class ServerError(Exception):
    """The server refused a call, or closed a connection."""


class Pipe:
    """Raw HTTP/1.1 with as little work per message as can be: many calls a write, many answers a read."""

    def __init__(self, host: str, port: int, path: str, content_type: str, subscribe: bytes) -> None:
        self._target = (
            f"POST {path} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: {content_type}\r\nAccept: {content_type}\r\n"
        ).encode()
        self._stream = self._connect(host, port)
        self._calls = self._connect(host, port)
        self._stream.sendall(self._request(subscribe))
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._receive(self._stream)
        head, _, self._chunks = data.partition(b"\r\n\r\n")
        if b" 200 " not in head.partition(b"\r\n")[0]:
            raise ServerError(data.decode("latin-1"))
        for line in head.split(b"\r\n"):
            if line.lower().startswith(b"mesos-stream-id:"):
                self._target += line + b"\r\n"
        self._records = b""
        self.ended = False  # the stream's last chunk came
        self._out: list[bytes] = []
        self._answers = b""
        self._calls.setblocking(False)
        self._poll = select.poll()
        self._poll.register(self._stream, select.POLLIN)
        self._poll.register(self._calls, select.POLLIN)
        self._has_chunks = bool(self._chunks)

    @staticmethod
    def _connect(host: str, port: int) -> socket.socket:
        connection = socket.create_connection((host, port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    @staticmethod
    def _receive(connection: socket.socket) -> bytes:
        data = connection.recv(RECEIVE_BYTES)
        if not data:
            raise ServerError("the server closed the connection")
        return data

    def _request(self, body: bytes) -> bytes:
        return b"%bContent-Length: %d\r\n\r\n%b" % (self._target, len(body), body)

    def call(self, body: bytes) -> None:
        """Queue a call; it is sent by `flush` or before the next wait."""
        self._out.append(self._request(body))

    def flush(self) -> None:
        if not self._out:
            return
        data = memoryview(b"".join(self._out))
        self._out.clear()
        while data:
            readable, writable, _ = select.select([self._calls], [self._calls], [])
            if readable:
                self._take_answers()
            if writable:
                data = data[self._calls.send(data) :]

    def _take_answers(self) -> None:
        self._answers += self._receive(self._calls)
        if b"HTTP/1.1 4" in self._answers or b"HTTP/1.1 5" in self._answers:
            raise ServerError(self._answers[:1000].decode("latin-1"))
        self._answers = b"" if self._answers.endswith(b"\r\n\r\n") else self._answers[-11:]

    def events(self, timeout_seconds: float) -> list[bytes]:
        """Records that have come; waits for the first at most so long."""
        self.flush()
        timeout_seconds = 0.0 if self._has_chunks else timeout_seconds  # some came with the head
        self._has_chunks = False
        for descriptor, _ in self._poll.poll(timeout_seconds * 1000):
            if descriptor == self._calls.fileno():
                self._take_answers()
            else:
                self._chunks += self._receive(self._stream)
        return self._split()

    def _split(self) -> list[bytes]:
        chunks, position = self._chunks, 0
        payload = [self._records]
        while (end := chunks.find(b"\r\n", position)) >= 0:
            size = int(chunks[position:end], 16)
            if len(chunks) < end + 4 + size:
                break
            self.ended |= size == 0
            payload.append(chunks[end + 2 : end + 2 + size])
            position = end + 4 + size
        self._chunks = chunks[position:]
        data, position = b"".join(payload), 0
        records = []
        while (end := data.find(b"\n", position)) >= 0:
            size = int(data[position:end])
            if len(data) < end + 1 + size:
                break
            records.append(data[end + 1 : end + 1 + size])
            position = end + 1 + size
        self._records = data[position:]
        return records

    def wait_until_quiet(self, quiet_seconds: float, limit_seconds: float = 10.0) -> list[bytes]:
        """All records until none came for so long."""
        records: list[bytes] = []
        deadline = time.monotonic() + limit_seconds
        while time.monotonic() < deadline:
            new = self.events(quiet_seconds)
            if not new:
                break
            records += new
        return records

    def close(self) -> None:
        self._stream.close()
        self._calls.close()

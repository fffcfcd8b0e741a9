"""The socket between agent and supervisor."""

from __future__ import annotations

import json
import os
import socket
import struct

from .spawning import RefusedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PROTOCOL_VERSION = 1
FRAME_BYTES_MAX = 4 * 1024 * 1024
AGENT_BUFFER_BYTES_MAX = 16 * 1024 * 1024
"""An agent that reads so slowly is disconnected; it hears everything again when it returns."""
STRANGERS_MAX = 8
"""Connections that have not said hello yet."""


class Connection:
    """Frames in and out of one socket: four bytes of length, most significant first, and a JSON object."""

    def __init__(self, sock: socket.socket, now: float) -> None:
        self.sock = sock
        self.accepted_at = now
        self.version: int | None = None
        self.greeted = False
        self.closing = False
        """Close as soon as the last bytes are out; nothing more is read."""
        self._in = bytearray()
        self._out = bytearray()

    def receive(self) -> list[dict[str, Any]]:
        """The frames that arrived. Raises EOFError at the end, RefusedError for what is no frame."""
        try:
            data = self.sock.recv(262144)
        except BlockingIOError:
            return []
        except OSError:
            raise EOFError from None
        if not data:
            raise EOFError
        self._in += data
        frames: list[dict[str, Any]] = []
        position = 0
        while len(self._in) - position >= 4:
            (length,) = struct.unpack_from(">I", self._in, position)
            if length > FRAME_BYTES_MAX:
                raise RefusedError(f"A frame of {length} bytes is longer than {FRAME_BYTES_MAX}")
            if len(self._in) - position - 4 < length:
                break
            try:
                frame = json.loads(self._in[position + 4 : position + 4 + length])
            except (ValueError, RecursionError):
                raise RefusedError("A frame is not JSON") from None
            if not isinstance(frame, dict):
                raise RefusedError("A frame is not a JSON object")
            frames.append(frame)
            position += 4 + length
        del self._in[:position]
        return frames

    def send(self, event: dict[str, Any]) -> None:
        content = json.dumps(event, separators=(",", ":")).encode()
        self._out += struct.pack(">I", len(content)) + content

    @property
    def overfull(self) -> bool:
        return len(self._out) > AGENT_BUFFER_BYTES_MAX

    def flush(self) -> bool:
        """Write what the socket takes; true when all is written. Raises EOFError when the other side is gone."""
        while self._out:
            try:
                sent = self.sock.send(memoryview(self._out)[:262144])
            except BlockingIOError:
                return False
            except OSError:
                raise EOFError from None
            del self._out[:sent]
        return True


def listen(path: str) -> socket.socket:
    """A listening socket at `path`, mode 0600, put in the place of an old one in one step."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    # A socket's address has room for 107 bytes only; the directory's own descriptor makes any path short.
    directory = os.open(os.path.dirname(os.path.abspath(path)), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        umask = os.umask(0o177)
        try:
            temporary = f"{os.path.basename(path)}.{os.getpid()}"
            sock.bind(f"/proc/self/fd/{directory}/{temporary}")
        finally:
            os.umask(umask)
        sock.listen(STRANGERS_MAX)
        os.rename(temporary, os.path.basename(path), src_dir_fd=directory, dst_dir_fd=directory)
    finally:
        os.close(directory)
    return sock

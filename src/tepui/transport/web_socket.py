"""The server's side of a WebSocket (RFC 6455), without a task of its own: bytes in, messages out, frames to be written.

    request --accept_key--> switching_protocols(key) --> Messages.feed(bytes) ... frame(opcode, payload)

Extensions are not offered, so none is used.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
from collections.abc import Callable, Iterator, Mapping

_mask_in_place: Callable[[bytes, bytearray], None] | None = None
"""Compiled, and ten times as fast as what Python can do; but aiohttp promises to nobody that it is there."""
with contextlib.suppress(ImportError):
    from aiohttp._websocket.helpers import websocket_mask as _mask_in_place

TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA
"""Opcodes of messages."""
NORMAL, PROTOCOL_ERROR, NO_TEXT, TOO_BIG = 1000, 1002, 1007, 1009
"""Codes in close frames."""
REASON_BYTES_MAX = 123
"""Of the reason in a close frame."""
_CONTINUATION = 0x0
_DATA = frozenset({_CONTINUATION, TEXT, BINARY})
_CONTROL = frozenset({CLOSE, PING, PONG})
_CONTROL_BYTES_MAX = 125
_KEY_BYTES = 16
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_UNMASKED = bytes(4)
_WHOLE_BINARY = 0x80 | BINARY
"""How nearly all frames begin."""


class WebSocketError(Exception):
    """The peer breaks the protocol; `code` is for the close frame."""

    def __init__(self, code: int, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


def accept_key(method: str, headers: Mapping[bytes, bytes]) -> bytes | None:
    """What proves to the client that its request was understood; None when it does not ask for a WebSocket."""
    key = headers.get(b"sec-websocket-key", b"")
    if (
        method != "GET"
        or headers.get(b"upgrade", b"").lower() != b"websocket"
        or b"upgrade" not in [token.strip() for token in headers.get(b"connection", b"").lower().split(b",")]
        or headers.get(b"sec-websocket-version") != b"13"
    ):
        return None
    try:
        if len(base64.b64decode(key, validate=True)) != _KEY_BYTES:
            return None
    except binascii.Error:
        return None
    return base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())


def switching_protocols(key: bytes) -> bytes:
    """The answer after which the connection is a WebSocket."""
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: %b\r\n\r\n" % key
    )


def frame(opcode: int, payload: bytes) -> bytes:
    """A whole message as a server sends it: in one frame, not masked."""
    size = len(payload)
    if size < 126:
        return bytes((0x80 | opcode, size)) + payload
    if size < 1 << 16:
        return bytes((0x80 | opcode, 126)) + size.to_bytes(2, "big") + payload
    return bytes((0x80 | opcode, 127)) + size.to_bytes(8, "big") + payload


def close_frame(code: int, reason: str) -> bytes:
    """The last frame."""
    return frame(CLOSE, code.to_bytes(2, "big") + reason_bytes(reason))


def reason_bytes(reason: str) -> bytes:
    """A reason as a close frame, of either side, has it: a long one is cut, and still whole characters."""
    return reason.encode()[:REASON_BYTES_MAX].decode("utf-8", "ignore").encode()


def reason_of(payload: bytes) -> str:
    """The reason in a close frame's payload. Raises WebSocketError."""
    try:
        return payload[2:].decode()
    except UnicodeDecodeError:
        raise WebSocketError(NO_TEXT, "the reason of a close frame is no UTF-8") from None


class Messages:
    """The messages in what a client sends. Keeps at most one of them, incomplete, up to `bytes_max`."""

    __slots__ = ("_bytes_max", "_needed", "_opcode", "_parts", "_rest")

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._rest = bytearray()
        self._needed = 0
        """The length that `_rest` must have before it is worth another look."""
        self._opcode = _CONTINUATION
        self._parts = bytearray()
        """Of a message in several frames, whose first one had `_opcode`."""

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Opcode and payload of each message that is complete with `data`. Raises WebSocketError; nothing more may be
        fed then."""
        if self._rest:
            self._rest += data
            if len(self._rest) < self._needed:
                return
            data = bytes(self._rest)
            self._rest.clear()
        position, size = 0, len(data)
        while position < size:
            start, length = _head(data, position)
            end = start + length
            if end > size or start > size:
                self._check(data, position, length if start <= size else 0)
                self._needed = end - position
                self._rest += data[position:]
                return
            first = data[position]
            if first != _WHOLE_BINARY or length > self._bytes_max or self._opcode or data[position + 1] < 0x80:
                self._check(data, position, length)
            payload = _unmasked(data[start:end], data[start - 4 : start])
            position = end
            if first == _WHOLE_BINARY:
                yield BINARY, payload
                continue
            if first & 0x80 and first & 0x0F:
                yield first & 0x0F, payload
                continue
            self._parts += payload
            if first & 0x0F:
                self._opcode = first & 0x0F
            if first & 0x80:
                payload = bytes(self._parts)
                opcode, self._opcode = self._opcode, _CONTINUATION
                self._parts.clear()
                yield opcode, payload

    def _check(self, data: bytes, position: int, length: int) -> None:
        """Raise WebSocketError unless a frame may begin as at `position`, and be so long."""
        first = data[position]
        opcode = first & 0x0F
        is_last = first & 0x80
        if first & 0x70 or (opcode not in _DATA and opcode not in _CONTROL):
            raise WebSocketError(PROTOCOL_ERROR, f"a frame begins with the byte {first:#04x}")
        if len(data) > position + 1 and not data[position + 1] & 0x80:
            raise WebSocketError(PROTOCOL_ERROR, "a client's frame is not masked")
        if opcode in _CONTROL:
            if not is_last or length > _CONTROL_BYTES_MAX:
                raise WebSocketError(PROTOCOL_ERROR, "a control frame is too long or in parts")
        elif (opcode == _CONTINUATION) != (self._opcode != _CONTINUATION):
            raise WebSocketError(PROTOCOL_ERROR, "the parts of a message are not in order")
        elif len(self._parts) + length > self._bytes_max:
            raise WebSocketError(TOO_BIG, f"a message is longer than {self._bytes_max} bytes")


def _head(data: bytes, position: int) -> tuple[int, int]:
    """Where the payload of the frame at `position` begins, and how long it is: 0 while its head is incomplete."""
    short = data[position + 1] & 0x7F if position + 1 < len(data) else 0
    if short < 126:
        return position + 6, short
    start = position + (8 if short == 126 else 14)
    return start, int.from_bytes(data[position + 2 : start - 4], "big") if start <= len(data) else 0


def _unmasked(payload: bytes, mask: bytes) -> bytes:
    if mask == _UNMASKED:
        return payload
    if _mask_in_place is not None:
        data = bytearray(payload)
        _mask_in_place(mask, data)
        return bytes(data)
    size = len(payload)
    key = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "little") ^ int.from_bytes(key, "little")).to_bytes(size, "little")

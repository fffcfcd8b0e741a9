"""The WebSocket's bytes: what a client's frames say, however they are cut, and what no client may send."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tepui.transport import web_socket
from tepui.transport.web_socket import (
    BINARY,
    CLOSE,
    NO_TEXT,
    NORMAL,
    PING,
    PROTOCOL_ERROR,
    REASON_BYTES_MAX,
    TEXT,
    TOO_BIG,
    Messages,
    WebSocketError,
    accept_key,
    close_frame,
    frame,
    reason_of,
)

BYTES_MAX = 100_000
CONTINUATION = 0
KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
ASKED = {
    b"upgrade": b"WebSocket",
    b"connection": b"keep-alive, Upgrade",
    b"sec-websocket-version": b"13",
    b"sec-websocket-key": KEY,
}


def sent(opcode: int, payload: bytes, mask: bytes = b"\x00\x01\x80\xff", *, last: bool = True) -> bytes:
    """A client's frame."""
    head = frame(opcode, payload)[: -len(payload) or None]
    head = bytes((opcode | (0x80 if last else 0), head[1] | 0x80)) + head[2:]
    return head + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))


def read(data: bytes, pieces: list[int] | None = None, bytes_max: int = BYTES_MAX) -> list[tuple[int, bytes]]:
    """What is understood of `data` when it comes in pieces of these lengths, round and round."""
    messages = Messages(bytes_max)
    found: list[tuple[int, bytes]] = []
    at, turn = 0, 0
    lengths = pieces or [max(1, len(data))]
    while at < len(data):
        length = lengths[turn % len(lengths)]
        found += messages.feed(data[at : at + length])
        at, turn = at + length, turn + 1
    return found


payloads = st.one_of(st.binary(max_size=300), st.sampled_from([125, 126, 127, 65_535, 65_536]).map(lambda n: b"x" * n))


@given(
    st.lists(st.tuples(st.sampled_from([BINARY, TEXT]), payloads, st.binary(min_size=4, max_size=4)), max_size=4),
    st.lists(st.integers(1, 40_000), min_size=1, max_size=4),
)
def test_messages_are_understood_wherever_the_network_cuts_them(
    messages: list[tuple[int, bytes, bytes]], pieces: list[int]
) -> None:
    data = b"".join(sent(opcode, payload, mask) for opcode, payload, mask in messages)
    assert read(data, pieces) == [(opcode, payload) for opcode, payload, _ in messages]


@pytest.mark.parametrize("size", [1, 3, 4, 5, 1000, 70_001])
def test_payloads_are_unmasked_also_without_what_aiohttp_has_for_it(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    payload = bytes(at * 7 % 256 for at in range(size))
    assert read(sent(BINARY, payload)) == [(BINARY, payload)]
    monkeypatch.setattr(web_socket, "_mask_in_place", None)
    assert read(sent(BINARY, payload)) == [(BINARY, payload)]


def test_heads_are_understood_byte_by_byte() -> None:
    data = sent(BINARY, b"") + sent(BINARY, b"y" * 126) + sent(TEXT, b"z" * 65_536, bytes(4)) + sent(CLOSE, b"")
    assert read(data, [1]) == [(BINARY, b""), (BINARY, b"y" * 126), (TEXT, b"z" * 65_536), (CLOSE, b"")]


def test_a_message_in_parts_is_one_and_control_frames_may_come_between() -> None:
    data = (
        sent(BINARY, b"one ", last=False)
        + sent(PING, b"there?")
        + sent(CONTINUATION, b"two ", last=False)
        + sent(CONTINUATION, b"three")
        + sent(TEXT, b"next")
    )
    for pieces in ([len(data)], [1], [7]):
        assert read(data, pieces) == [(PING, b"there?"), (BINARY, b"one two three"), (TEXT, b"next")]


@pytest.mark.parametrize(
    ("data", "code", "why"),
    [
        (frame(BINARY, b"x" * 8), PROTOCOL_ERROR, "not masked"),
        (b"\xc2\x80" + bytes(4), PROTOCOL_ERROR, "0xc2"),
        (b"\x83\x80" + bytes(4), PROTOCOL_ERROR, "0x83"),
        (b"GET / HTTP/1.1\r\n\r\n", PROTOCOL_ERROR, "0x47"),
        (sent(PING, b"x" * 126), PROTOCOL_ERROR, "control frame"),
        (sent(PING, b"", last=False), PROTOCOL_ERROR, "control frame"),
        (sent(CONTINUATION, b"x"), PROTOCOL_ERROR, "not in order"),
        (sent(BINARY, b"x", last=False) + sent(BINARY, b"y"), PROTOCOL_ERROR, "not in order"),
        (sent(BINARY, b"x" * 11), TOO_BIG, "longer than 10"),
        (sent(BINARY, b"x" * 6, last=False) + sent(CONTINUATION, b"x" * 5), TOO_BIG, "longer than 10"),
        (b"\x82\xff" + b"\xff" * 8 + bytes(4), TOO_BIG, "longer than 10"),
        (b"\x82\xfe\x00\x7f" + bytes(4), TOO_BIG, "longer than 10"),  # its head alone
    ],
)
@pytest.mark.parametrize("pieces", [[1000], [1]])
def test_what_no_client_may_send_is_refused(data: bytes, code: int, why: str, pieces: list[int]) -> None:
    with pytest.raises(WebSocketError, match=why) as raised:
        read(data, pieces, bytes_max=10)
    assert raised.value.code == code


def test_a_close_frame_holds_as_much_of_the_reason_as_there_is_room_for() -> None:
    short = close_frame(NORMAL, "the master ends")
    assert short[2:4] == NORMAL.to_bytes(2, "big")
    assert reason_of(short[2:]) == "the master ends"
    long = close_frame(NORMAL, "ä" * 200)
    assert reason_of(long[2:]) == "ä" * (REASON_BYTES_MAX // 2)
    assert reason_of(b"") == ""
    with pytest.raises(WebSocketError) as raised:
        reason_of(b"\x03\xe8\xff")
    assert raised.value.code == NO_TEXT


def test_the_handshake_is_that_of_the_rfc() -> None:
    assert accept_key("GET", ASKED) == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # RFC 6455, 1.3


@pytest.mark.parametrize(
    "change",
    [
        {b"upgrade": b"h2c"},
        {b"connection": b"keep-alive"},
        {b"sec-websocket-version": b"8"},
        {b"sec-websocket-key": b"?"},
        {b"sec-websocket-key": base64.b64encode(bytes(15))},
    ],
)
def test_who_does_not_ask_for_a_web_socket_gets_none(change: dict[bytes, bytes]) -> None:
    assert accept_key("GET", ASKED | change) is None
    assert accept_key("POST", ASKED) is None
    (name,) = change
    assert accept_key("GET", {key: value for key, value in ASKED.items() if key != name}) is None

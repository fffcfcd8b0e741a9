"""Which form a body has: the `Content-Type` and `Accept` rules of the v1 APIs, and the codecs behind them.

A `Content-Type` is compared exactly, so that a charset or an upper-case letter is refused, as in Mesos. An `Accept`
header is a wish list: JSON is taken when it may be, then protobuf; letters' case does not count, parameters neither,
except that `q=0` excludes. Of the entries that match a type the most specific one decides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum
from typing import NamedTuple, TypeVar

from tepui.model.message import WireMessage
from tepui.model.v1 import agent, master
from tepui.wire.json import decode_json, encode_hand_written, encode_json
from tepui.wire.protobuf import decode_protobuf, encode_protobuf

Message = TypeVar("Message", bound=WireMessage)


class MediaType(Enum):
    """The forms that bodies have. The value is the header's text."""

    JSON = "application/json"
    PROTOBUF = "application/x-protobuf"
    RECORDIO = "application/recordio"

    __hash__ = object.__hash__


class MediaError(Exception):
    """A header asks for what cannot be had: the status and the body of the answer."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence


class Exchange(NamedTuple):
    """The forms of a request to the agent's operator API and of its answer."""

    request: MediaType
    """RECORDIO: a stream of records of the form `request_record`."""
    answer: MediaType
    request_record: MediaType
    answer_record: MediaType


_BY_NAME = {media.value: media for media in MediaType}
_ONE_MESSAGE = (MediaType.JSON, MediaType.PROTOBUF)
_ALL = (MediaType.JSON, MediaType.PROTOBUF, MediaType.RECORDIO)


def content_type(header: str | None) -> MediaType:
    """The form of a request's body, JSON or protobuf. Raises `MediaError`."""
    if header is None:
        raise MediaError(400, "Expecting 'Content-Type' to be present")
    media = _BY_NAME.get(header)
    if media is None or media is MediaType.RECORDIO:
        raise MediaError(415, "Expecting 'Content-Type' of application/json or application/x-protobuf")
    return media


def accepted(header: str | None) -> MediaType:
    """The form of an answer, JSON or protobuf, by the `Accept` header. Raises `MediaError`."""
    if header is None or header == "application/json" or header == "*/*":
        return MediaType.JSON
    media = _negotiate(header, _ONE_MESSAGE)
    if media is None:
        raise MediaError(406, "Expecting 'Accept' to allow 'application/x-protobuf' or 'application/json'")
    return media


def agent_exchange(
    content_type_header: str | None,
    accept: str | None,
    message_content_type: str | None,
    message_accept: str | None,
) -> Exchange:
    """The forms of a request to the agent's operator API, which may be a stream of records. Raises `MediaError`.

    Whether the call may be a stream is asked when it is known: `check_streaming`.
    """
    request = _agent_content_type(content_type_header)
    request_record = request
    if request is MediaType.RECORDIO:
        if message_content_type is None:
            raise MediaError(400, "Expecting 'Message-Content-Type' to be set for streaming requests")
        record = _BY_NAME.get(message_content_type)
        if record is None or record is MediaType.RECORDIO:
            raise MediaError(415, "Expecting 'Message-Content-Type' of application/json or application/x-protobuf")
        request_record = record
    elif message_content_type is not None:
        raise MediaError(415, "Expecting 'Message-Content-Type' to be not set for non-streaming requests")
    answer = MediaType.JSON if accept is None else _negotiate(accept, _ALL)
    if answer is None:
        raise MediaError(
            406, "Expecting 'Accept' to allow application/json or application/x-protobuf or application/recordio"
        )
    answer_record: MediaType | None = answer
    if answer is MediaType.RECORDIO:
        answer_record = MediaType.JSON if message_accept is None else _negotiate(message_accept, _ONE_MESSAGE)
        if answer_record is None:
            raise MediaError(406, "Expecting 'Message-Accept' to allow application/json or application/x-protobuf")
    elif message_accept is not None:
        raise MediaError(406, "Expecting 'Message-Accept' to be not set for non-streaming responses")
    assert answer_record is not None
    return Exchange(request, answer, request_record, answer_record)


def check_streaming(exchange: Exchange, call_type: str) -> None:
    """Refuse streams of records for calls that have none. Raises `MediaError`."""
    if call_type == "ATTACH_CONTAINER_INPUT":
        if exchange.request is not MediaType.RECORDIO:
            raise MediaError(415, "Expecting 'Content-Type' to be application/recordio for ATTACH_CONTAINER_INPUT call")
    elif exchange.request is MediaType.RECORDIO:
        raise MediaError(415, f"Streaming 'Content-Type' application/recordio is not supported for {call_type} call")
    if exchange.answer is MediaType.RECORDIO and call_type not in (
        "ATTACH_CONTAINER_OUTPUT",
        "LAUNCH_NESTED_CONTAINER_SESSION",
    ):
        raise MediaError(406, f"Streaming response is not supported for {call_type} call")


def _agent_content_type(header: str | None) -> MediaType:
    if header is None:
        raise MediaError(400, "Expecting 'Content-Type' to be present")
    media = _BY_NAME.get(header)
    if media is None:
        raise MediaError(
            415, "Expecting 'Content-Type' of application/json or application/x-protobuf or application/recordio"
        )
    return media


def _negotiate(header: str, offered: tuple[MediaType, ...]) -> MediaType | None:
    wishes = dict(reversed(list(_wishes(header))))  # Of equal entries the first one counts.
    for media in offered:
        family = media.value.partition("/")[0]
        for pattern in (media.value, f"{family}/*", "*/*"):
            if pattern in wishes:
                if wishes[pattern]:
                    return media
                break
    return None


def _wishes(header: str) -> Iterator[tuple[str, bool]]:
    for entry in header.split(","):
        name, *parameters = (part.strip() for part in entry.split(";"))
        wanted = True
        for parameter in parameters:
            key, _, value = parameter.partition("=")
            if key.strip() == "q" and value.strip():
                wanted = _is_positive(value)
        yield name.lower(), wanted


def _is_positive(text: str) -> bool:
    try:
        return float(text) > 0
    except ValueError:
        return False


_json_encoders: dict[type, Callable[..., bytes]] = {
    master.Response: encode_hand_written,
    master.Event: encode_hand_written,
    agent.Response: encode_hand_written,
}


def encode(media: MediaType, message: object) -> bytes:
    """A message in the form wanted. Answers to operators get the arrays that Mesos writes even when empty."""
    if media is MediaType.PROTOBUF:
        return encode_protobuf(message)
    return _json_encoders.get(type(message), encode_json)(message)


def decode(media: MediaType, message_type: type[Message], data: bytes) -> Message:
    """The message that a body holds. Raises `tepui.wire.errors.DecodeError`."""
    if media is MediaType.PROTOBUF:
        return decode_protobuf(message_type, data)
    return decode_json(message_type, data)

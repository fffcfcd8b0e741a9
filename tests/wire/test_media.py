"""Content types and acceptance, as Apache Mesos 1.11.0 answers."""

from __future__ import annotations

import pytest

from tepui.model.v1 import executor, master, scheduler
from tepui.wire.media import (
    Exchange,
    MediaError,
    MediaType,
    accepted,
    agent_exchange,
    check_streaming,
    content_type,
    decode,
    encode,
)

JSON, PROTOBUF, RECORDIO = MediaType.JSON, MediaType.PROTOBUF, MediaType.RECORDIO

_NOT_ACCEPTED = (406, "Expecting 'Accept' to allow 'application/x-protobuf' or 'application/json'")


@pytest.mark.parametrize(
    ("header", "media"),
    [
        (None, JSON),
        ("application/json", JSON),
        ("APPLICATION/JSON", JSON),
        ("application/x-protobuf", PROTOBUF),
        ("application/x-protobuf, application/json", JSON),
        ("application/json;q=0.1, application/x-protobuf;q=1", JSON),
        ("application/json;q=0, */*", PROTOBUF),
        ("application/json;q=0.0, application/x-protobuf", PROTOBUF),
        ("application/x-protobuf;q=0.5,*/*;q=0", PROTOBUF),
        ("*/*;q=0, application/json", JSON),
        ("text/html, */*;q=0.1", JSON),
        ("text/html,application/json;q=2", JSON),
        ("application/*", JSON),
        ("*/*", JSON),
        ("application/json;charset=utf-8", JSON),
        ("application/json;q=", JSON),
        ("application/json;Q=0", JSON),
        ("application/json;q=0", None),
        ("application/json ; q=0", None),
        ("application/json;v=1;q=0.000", None),
        ("application/json;q=abc", None),
        ("application/json;q=-1", None),
        ('application/json;q="0"', None),
        ("application/json;q=0,application/json", None),
        ("application/*;q=0", None),
        ("*/*;q=0", None),
        ("application/recordio", None),
        ("text/*", None),
        ("*/json", None),
        ("*", None),
        ("json", None),
        (", ", None),
        ("", None),
    ],
)
def test_what_is_accepted(header: str | None, media: MediaType | None) -> None:
    if media is not None:
        assert accepted(header) is media
        return
    with pytest.raises(MediaError) as caught:
        accepted(header)
    assert (caught.value.status, caught.value.sentence) == _NOT_ACCEPTED


_UNSUPPORTED = (415, "Expecting 'Content-Type' of application/json or application/x-protobuf")


@pytest.mark.parametrize(
    ("header", "refusal"),
    [
        (None, (400, "Expecting 'Content-Type' to be present")),
        ("application/JSON", _UNSUPPORTED),
        ("application/json; charset=utf-8", _UNSUPPORTED),
        ("application/json ", _UNSUPPORTED),
        ("application/recordio", _UNSUPPORTED),
        ("text/plain", _UNSUPPORTED),
        ("", _UNSUPPORTED),
    ],
)
def test_content_types_that_are_refused(header: str | None, refusal: tuple[int, str]) -> None:
    with pytest.raises(MediaError) as caught:
        content_type(header)
    assert (caught.value.status, caught.value.sentence) == refusal


def test_content_types() -> None:
    assert content_type("application/json") is JSON
    assert content_type("application/x-protobuf") is PROTOBUF


def _agent(
    content: str | None = "application/json",
    accept: str | None = None,
    message_content: str | None = None,
    message_accept: str | None = None,
) -> Exchange:
    return agent_exchange(content, accept, message_content, message_accept)


_RECORDS = "application/recordio"


@pytest.mark.parametrize(
    ("headers", "refusal"),
    [
        ((None,), (400, "Expecting 'Content-Type' to be present")),
        (
            ("text/html", "application/json"),
            (415, "Expecting 'Content-Type' of application/json or application/x-protobuf or application/recordio"),
        ),
        ((_RECORDS,), (400, "Expecting 'Message-Content-Type' to be set for streaming requests")),
        (
            (_RECORDS, None, "text/plain"),
            (415, "Expecting 'Message-Content-Type' of application/json or application/x-protobuf"),
        ),
        (
            ("application/json", None, "application/json"),
            (415, "Expecting 'Message-Content-Type' to be not set for non-streaming requests"),
        ),
        (
            ("application/json", "text/html"),
            (406, "Expecting 'Accept' to allow application/json or application/x-protobuf or application/recordio"),
        ),
        (
            ("application/json", _RECORDS, None, "text/html"),
            (406, "Expecting 'Message-Accept' to allow application/json or application/x-protobuf"),
        ),
        (
            ("application/json", "application/json", None, "application/json"),
            (406, "Expecting 'Message-Accept' to be not set for non-streaming responses"),
        ),
    ],
)
def test_what_the_agent_refuses(headers: tuple[str | None, ...], refusal: tuple[int, str]) -> None:
    with pytest.raises(MediaError) as caught:
        _agent(*headers)
    assert (caught.value.status, caught.value.sentence) == refusal


def test_streams_of_records() -> None:
    assert _agent() == Exchange(JSON, JSON, JSON, JSON)
    assert _agent("application/x-protobuf", "*/*") == Exchange(PROTOBUF, JSON, PROTOBUF, JSON)
    attach_input = _agent(_RECORDS, None, "application/x-protobuf")
    assert attach_input == Exchange(RECORDIO, JSON, PROTOBUF, JSON)
    attach_output = _agent("application/json", _RECORDS, None, "application/x-protobuf")
    assert attach_output == Exchange(JSON, RECORDIO, JSON, PROTOBUF)
    assert _agent("application/json", _RECORDS).answer_record is JSON
    check_streaming(attach_input, "ATTACH_CONTAINER_INPUT")
    check_streaming(attach_output, "ATTACH_CONTAINER_OUTPUT")
    check_streaming(attach_output, "LAUNCH_NESTED_CONTAINER_SESSION")
    check_streaming(_agent(), "ATTACH_CONTAINER_OUTPUT")


@pytest.mark.parametrize(
    ("headers", "call", "refusal"),
    [
        (
            ("application/json",),
            "ATTACH_CONTAINER_INPUT",
            (415, "Expecting 'Content-Type' to be application/recordio for ATTACH_CONTAINER_INPUT call"),
        ),
        (
            (_RECORDS, None, "application/json"),
            "GET_HEALTH",
            (415, "Streaming 'Content-Type' application/recordio is not supported for GET_HEALTH call"),
        ),
        (
            ("application/json", _RECORDS),
            "GET_HEALTH",
            (406, "Streaming response is not supported for GET_HEALTH call"),
        ),
    ],
)
def test_calls_that_are_no_streams(headers: tuple[str | None, ...], call: str, refusal: tuple[int, str]) -> None:
    with pytest.raises(MediaError) as caught:
        check_streaming(_agent(*headers), call)
    assert (caught.value.status, caught.value.sentence) == refusal


def test_messages_in_both_forms() -> None:
    call = scheduler.Call(type=scheduler.Call.Type.REVIVE)
    for media, data in ((JSON, b'{"type":"REVIVE"}'), (PROTOBUF, b"\x10\x05")):
        assert encode(media, call) == data
        assert decode(media, scheduler.Call, data) == call
    answer = master.Response(type=master.Response.Type.GET_EXECUTORS, get_executors=master.Response.GetExecutors())
    assert encode(JSON, answer) == b'{"type":"GET_EXECUTORS","get_executors":{"executors":[]}}'
    assert encode(JSON, executor.Event(type=executor.Event.Type.SHUTDOWN)) == b'{"type":"SHUTDOWN"}'

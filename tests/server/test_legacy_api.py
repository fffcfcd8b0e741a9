"""The master's legacy endpoints on the wire: their paths, methods, queries and forms, before the core is asked."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tepui.master.events import LegacyCall, OperatorCall
from tepui.model.shell import Answer, Event
from tepui.server.endpoints import QUERY_FIELDS_MAX
from tepui.server.exchange import Exchange
from tepui.server.legacy_api import LegacyApi
from tests.transport.harness import Answer as HttpAnswer
from tests.transport.harness import serving

FORM = b"frameworkId=f%201&frameworkId=other"
MANY = "&".join(f"x{number}=1" for number in range(QUERY_FIELDS_MAX + 1))
UNREADABLE = "Unable to decode query string: it is not UTF-8, or has more than 100 fields."
NOT_ALLOWED = "405 Method Not Allowed. Expecting one of {{ {} }}, but received '{}'."


def ask(method: str, target: str, body: bytes = b"") -> tuple[HttpAnswer, list[Any]]:
    """The answer to one request, which is `{"told":1}` when the core was asked, and what the core was asked."""
    asked: list[Event] = []

    async def main() -> HttpAnswer:
        def post(event: Event) -> None:
            assert isinstance(event, LegacyCall | OperatorCall)
            asked.append(event)
            exchange.answer(Answer(event.request, 200, {"told": 1}))

        exchange = Exchange(post)
        async with serving(LegacyApi(exchange, post).routes()) as server:
            client = await server.client()
            client.send(f"{method} {target} HTTP/1.1\r\nContent-Length: {len(body)}\r\n\r\n".encode(), body)
            return await client.answer()

    return asyncio.run(main()), asked


def test_setting_quota_and_weights_is_a_call_of_the_operator_api() -> None:
    answer, (event,) = ask("POST", "/quota", b'{"role":"lq","force":true,"guarantee":[]}')
    assert answer.body == b'{"told":1}'
    assert (event.call.type.value, event.call.set_quota.quota_request.role) == ("SET_QUOTA", "lq")
    _, (event,) = ask("PUT", "/master/weights", b'[{"role":"a","weight":"2.5"}]')
    assert (event.call.type.value, event.call.update_weights.weight_infos[0].weight) == ("UPDATE_WEIGHTS", 2.5)


MEMORY = b'[{"name":"mem","type":"SCALAR","scalar":{"value":8},"role":"a","reservation":{}}]'


def test_operations_are_calls_of_the_operator_api() -> None:
    _, (event,) = ask("POST", "/reserve", b"slaveId=S1&resources=" + MEMORY + b"&source=[]")
    reserve = event.call.reserve_resources
    assert (event.call.type.value, reserve.agent_id.value, reserve.resources[0].role) == (
        "RESERVE_RESOURCES",
        "S1",
        "a",
    )
    assert reserve.source == []
    _, (event,) = ask("POST", "/master/reserve", b"slaveId=S1&resources=[]&source=" + MEMORY)
    assert event.call.reserve_resources.source == reserve.resources
    _, (event,) = ask("POST", "/unreserve", b"slaveId=S1&resources=" + MEMORY)
    assert (event.call.type.value, event.call.unreserve_resources.resources) == (
        "UNRESERVE_RESOURCES",
        reserve.resources,
    )
    _, (event,) = ask("POST", "/create-volumes", b"slaveId=S1&volumes=" + MEMORY)
    assert (event.call.type.value, event.call.create_volumes.volumes) == ("CREATE_VOLUMES", reserve.resources)
    _, (event,) = ask("POST", "/master/destroy-volumes", b"slaveId=S1&volumes=" + MEMORY)
    assert (event.call.type.value, event.call.destroy_volumes.volumes) == ("DESTROY_VOLUMES", reserve.resources)


@pytest.mark.parametrize(
    ("target", "form", "sentence"),
    [
        ("/reserve", "", "Missing 'slaveId' query parameter in the request body"),
        ("/unreserve", "slaveId=S1", "Missing 'resources' query parameter in the request body"),
        ("/create-volumes", "slaveId=S1", "Missing 'volumes' query parameter in the request body"),
        (
            "/reserve",
            "slaveId=S1&resources=foo",
            "Error parsing 'resources' query parameter in the request body: syntax error at line 1 near: oo",
        ),
        (
            "/reserve",
            "slaveId=S1&resources=[]&source={}",
            "Error parsing 'source' query parameter in the request body: Unexpected JSON type parsed",
        ),
        (
            "/unreserve",
            "slaveId=S1&resources=[{}]",
            "Error parsing 'resources' query parameter in the request body: Missing required fields: name, type",
        ),
        (
            "/destroy-volumes",
            "slaveId=S1&volumes=[1]",
            "Error in parsing 'volumes' query parameter in the request body: Expecting a JSON object",
        ),
    ],
)
def test_a_form_that_is_no_operation_is_refused(target: str, form: str, sentence: str) -> None:
    answer, asked = ask("POST", target, form.encode())
    assert (answer.status, answer.body.decode(), asked) == (400, sentence, [])


@pytest.mark.parametrize("target", ["/quota/a/b%20c", "/master/quota/a/b%20c"])
def test_the_role_whose_quota_ends_is_in_the_path(target: str) -> None:
    _, (call,) = ask("DELETE", target)
    assert (call.endpoint, call.method, call.path) == ("quota", "DELETE", "/master/quota/a/b c")


@pytest.mark.parametrize(
    ("method", "target", "body", "sentence"),
    [
        ("POST", "/quota", "x", "Failed to parse set quota request JSON 'x': syntax error at line 1 near: x"),
        ("POST", "/quota", "[]", "Failed to parse set quota request JSON '[]': Unexpected JSON type parsed"),
        (
            "POST",
            "/quota",
            '{"role":1}',
            "Failed to validate set quota request JSON '{\"role\":1}': Not expecting a JSON number for field 'role'",
        ),
        ("PUT", "/weights", "{}", "Failed to parse update weights request JSON '{}': Unexpected JSON type parsed"),
        ("PUT", "/weights", "[1]", "Failed to convert weights JSON array to protobuf '[1]': Expecting a JSON object"),
        (
            "PUT",
            "/weights",
            "[{}]",
            "Failed to convert weights JSON array to protobuf '[{}]': Missing required fields: weight",
        ),
        ("PUT", "/weights", "[" * 2000, f"Failed to parse update weights request JSON '{'[' * 1000}': "),
    ],
)
def test_a_body_that_is_no_quota_or_weights_is_refused(method: str, target: str, body: str, sentence: str) -> None:
    answer, asked = ask(method, target, body.encode())
    assert (answer.status, asked) == (400, [])
    assert answer.body.decode().startswith(sentence)


@pytest.mark.parametrize("target", ["/teardown", "/master/teardown"])
def test_a_form_reaches_the_core_with_the_first_value_of_each_field(target: str) -> None:
    answer, (call,) = ask("POST", target, FORM)
    assert (call.endpoint, call.method, call.form) == ("teardown", "POST", {"frameworkId": "f 1"})
    assert answer.body == b'{"told":1}'


def test_a_query_reaches_the_core_and_its_answer_is_wrapped_for_jsonp() -> None:
    answer, (call,) = ask("PUT", "/master/tasks?limit=2&jsonp=cb")
    assert (call.endpoint, call.query) == ("tasks", {"limit": "2", "jsonp": "cb"})
    assert (answer.headers["content-type"], answer.body) == ("text/javascript", b'cb({"told":1})')


@pytest.mark.parametrize(
    ("method", "target", "body", "status", "sentence"),
    [
        ("GET", "/teardown", b"", 405, NOT_ALLOWED.format("'POST'", "GET")),
        ("POST", "/weights", b"", 405, NOT_ALLOWED.format("'GET', 'PUT'", "POST")),
        ("GET", "/state/below", b"", 404, "404 Not Found."),
        ("GET", f"/state?{MANY}", b"", 400, UNREADABLE),
        ("POST", "/teardown", b"\xff", 400, UNREADABLE),
    ],
)
def test_what_is_refused_does_not_reach_the_core(
    method: str, target: str, body: bytes, status: int, sentence: str
) -> None:
    answer, asked = ask(method, target, body)
    assert (answer.status, answer.body.decode(), asked) == (status, sentence, [])

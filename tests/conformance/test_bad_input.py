"""Requests that break the rules: the exact answer, checked in the promised order, and nobody else disturbed."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.conformance.captures import Headers
from tests.conformance.client import (
    Address,
    ConnectionEndedError,
    EventStream,
    call,
    connect,
    encode_request,
    exchange,
    get_json,
    json_call,
    make_request,
)
from tests.conformance.cluster import REFERENCE, Cluster, resident_bytes, target, wait_until
from tests.conformance.conftest import ClusterFactory
from tests.conformance.scenario import Framework, executor_info, task_info

SCHEDULER, EXECUTOR, OPERATOR = "/api/v1/scheduler", "/api/v1/executor", "/api/v1"
JSON, PROTOBUF, RECORDIO = "application/json", "application/x-protobuf", "application/recordio"
CONTENT: Headers = [("Content-Type", JSON)]
ACCEPT: Headers = [("Accept", JSON)]
BOTH: Headers = [*CONTENT, *ACCEPT]
UNACCEPTABLE: Headers = [*CONTENT, ("Accept", "text/html")]
MEBIBYTE = 1 << 20
GROWTH_BYTES_MAX = 48 * MEBIBYTE
STREAM_BUFFER_BYTES = 64 * MEBIBYTE  # where a scheduler that does not read is dropped
OPERATOR_BUFFER_BYTES = 16 * MEBIBYTE  # the same for operators
CLOSE_TIMEOUT_SECONDS = 60.0

pytestmark = [pytest.mark.xdist_group("bad_input")]
only_ours = pytest.mark.skipif(target() == REFERENCE, reason="Apache Mesos has no such bound")

NOT_POST = "405 Method Not Allowed. Expecting one of { 'POST' }, but received '%s'."
NO_CONTENT_TYPE = "Expecting 'Content-Type' to be present"
WRONG_CONTENT_TYPE = "Expecting 'Content-Type' of application/json or application/x-protobuf"
WRONG_ACCEPT = "Expecting 'Accept' to allow 'application/x-protobuf' or 'application/json'"
NOT_JSON = "Failed to parse body into JSON: syntax error at line 1 near: "
NO_TYPE = "Failed to validate %s: Expecting 'type' to be present"
NUMBER_TYPE = "Failed to convert JSON into Call protobuf: Not expecting a JSON number for field 'type'"
FRAMEWORK_INFO = {"user": "root", "name": "bad", "roles": ["bad"], "capabilities": [{"type": "MULTI_ROLE"}]}


@dataclass
class Row:
    """One row of a table of checks: a request, and its answer."""

    name: str
    headers: Headers
    body: bytes | dict[str, Any]
    status: int
    text: str
    method: str = "POST"


def without_body_checks(validator: str) -> list[Row]:
    """The checks that all APIs begin with. Each request also breaks the rules that come later."""
    text, capitals = [("Content-Type", "text/plain")], [("Content-Type", "Application/JSON")]
    charset, protobuf = [("Content-Type", "application/json; charset=utf-8")], [("Content-Type", PROTOBUF)]
    return [
        Row("get", [], b"", 405, NOT_POST % "GET", "GET"),
        Row("put before content type", [], b"{", 405, NOT_POST % "PUT", "PUT"),
        Row("delete", [], b"", 405, NOT_POST % "DELETE", "DELETE"),
        Row("no content type before body", [], b"{", 400, NO_CONTENT_TYPE),
        Row("wrong content type before body", text, b"{", 415, WRONG_CONTENT_TYPE),
        Row("charset", charset, b"{}", 415, WRONG_CONTENT_TYPE),
        Row("content type in capitals", capitals, b"{}", 415, WRONG_CONTENT_TYPE),
        Row("empty body", CONTENT, b"", 400, NOT_JSON),
        Row("broken body before accept", UNACCEPTABLE, b'{"type": ', 400, NOT_JSON),
        Row("broken protobuf", protobuf, b"\xff" * 5, 400, "Failed to parse body into Call protobuf"),
        Row("array", BOTH, b"[1,2]", 400, "Failed to convert JSON into Call protobuf: Expecting a JSON object"),
        Row("type as a number", BOTH, {"type": 3}, 400, NUMBER_TYPE),
        Row("no type before accept", UNACCEPTABLE, b"{}", 400, NO_TYPE % validator),
        Row("unknown type", BOTH, {"type": "DANCE"}, 400, NO_TYPE % validator),
        Row("lower-case type", BOTH, {"type": "subscribe"}, 400, NO_TYPE % validator),
    ]


def check(address: Address, path: str, row: Row) -> None:
    body = row.body if isinstance(row.body, bytes) else json.dumps(row.body).encode()
    response = call(address, make_request(row.method, path, row.headers, None if row.method == "GET" else body))
    assert (response.status, response.body.decode()) == (row.status, row.text)
    assert response.header("Content-Type") == "text/plain; charset=utf-8"
    assert (response.header("Allow") == "POST") == (row.status == 405)


def named(rows: list[Row]) -> list[Any]:
    return [pytest.param(row, id=row.name) for row in rows]


CALL = "Failed to validate scheduler::Call: "
SCHEDULER_ROWS = [
    *without_body_checks("scheduler::Call"),
    Row("missing member", BOTH, {"type": "SUBSCRIBE"}, 400, CALL + "Expecting 'subscribe' to be present"),
    Row(
        "missing required field",
        BOTH,
        {"type": "SUBSCRIBE", "subscribe": {"framework_info": {"user": "root"}}},
        400,
        "Failed to convert JSON into Call protobuf: Missing required fields: subscribe.framework_info.name",
    ),
    Row(
        "subscribe: accept before stream id",
        [*UNACCEPTABLE, ("Mesos-Stream-Id", "x")],
        {"type": "SUBSCRIBE", "subscribe": {"framework_info": FRAMEWORK_INFO}},
        406,
        WRONG_ACCEPT,
    ),
    Row(
        "reconcile operations: accept before framework",
        UNACCEPTABLE,
        {"type": "RECONCILE_OPERATIONS", "framework_id": {"value": "no"}, "reconcile_operations": {}},
        406,
        WRONG_ACCEPT,
    ),
    Row(
        "subscribe with a stream id",
        [*BOTH, ("Mesos-Stream-Id", "x")],
        {"type": "SUBSCRIBE", "subscribe": {"framework_info": FRAMEWORK_INFO}},
        400,
        "Subscribe calls should not include the 'Mesos-Stream-Id' header",
    ),
    Row("no framework id", BOTH, {"type": "REVIVE"}, 400, CALL + "Expecting 'framework_id' to be present"),
    Row(
        "unknown framework before stream id; accept is not looked at",
        UNACCEPTABLE,
        {"type": "REVIVE", "framework_id": {"value": "no"}},
        400,
        "Framework cannot be found",
    ),
]


@pytest.mark.parametrize("row", named(SCHEDULER_ROWS))
def test_order_of_checks_of_the_scheduler_api(shared_cluster: Cluster, row: Row) -> None:
    check(shared_cluster.master_address, SCHEDULER, row)


EXECUTOR_IDS = {"framework_id": {"value": "no"}, "executor_id": {"value": "no"}}
EXECUTOR_CALL = "Failed to validate Executor::Call: "
NO_IDS = "Failed to convert JSON into Call protobuf: Missing required fields: executor_id, framework_id"
EXECUTOR_ROWS = [
    *(row for row in without_body_checks("Executor::Call") if "type" not in row.name or "content" in row.name),
    Row("no type", BOTH, EXECUTOR_IDS, 400, NO_TYPE % "Executor::Call"),
    Row("missing ids", BOTH, {"type": "SUBSCRIBE", "subscribe": {}}, 400, NO_IDS),
    Row(
        "missing member",
        BOTH,
        {"type": "SUBSCRIBE", **EXECUTOR_IDS},
        400,
        EXECUTOR_CALL + "Expecting 'subscribe' to be present",
    ),
    Row(
        "subscribe: accept before framework",
        UNACCEPTABLE,
        {"type": "SUBSCRIBE", "subscribe": {}, **EXECUTOR_IDS},
        406,
        WRONG_ACCEPT,
    ),
    Row(
        "unknown framework",
        BOTH,
        {"type": "SUBSCRIBE", "subscribe": {}, **EXECUTOR_IDS},
        400,
        "Framework cannot be found",
    ),
    Row(
        "message: accept is not looked at",
        UNACCEPTABLE,
        {"type": "MESSAGE", "message": {"data": ""}, **EXECUTOR_IDS},
        400,
        "Framework cannot be found",
    ),
]


@pytest.mark.parametrize("row", named(EXECUTOR_ROWS))
def test_order_of_checks_of_the_executor_api(shared_cluster: Cluster, row: Row) -> None:
    check(shared_cluster.agents[0].address, EXECUTOR, row)


def test_a_heartbeat_of_an_executor_is_accepted_without_a_look(shared_cluster: Cluster) -> None:
    response = call(shared_cluster.agents[0].address, json_call(EXECUTOR, {"type": "HEARTBEAT", **EXECUTOR_IDS}))
    assert (response.status, response.body) == (202, b"")


MASTER_ROWS = [
    *without_body_checks("master::Call"),
    Row(
        "missing member before accept",
        UNACCEPTABLE,
        {"type": "RESERVE_RESOURCES"},
        400,
        "Failed to validate master::Call: Expecting 'reserve_resources' to be present",
    ),
    Row("accept before the call", UNACCEPTABLE, {"type": "GET_HEALTH"}, 406, WRONG_ACCEPT),
    Row(
        "teardown of an unknown framework",
        BOTH,
        {"type": "TEARDOWN", "teardown": {"framework_id": {"value": "no"}}},
        400,
        "No framework found with specified ID",
    ),
]


@pytest.mark.parametrize("row", named(MASTER_ROWS))
def test_order_of_checks_of_the_masters_operator_api(shared_cluster: Cluster, row: Row) -> None:
    check(shared_cluster.master_address, OPERATOR, row)


CHECKED_OTHERWISE = ("array", "type as a number", "broken protobuf")  # the agent's sentences are shorter
AGENT_ROWS = [
    *(
        row
        for row in without_body_checks("agent::Call")
        if row.status != 415 and "accept" not in row.name and row.name not in CHECKED_OTHERWISE
    ),
    Row(
        "broken protobuf",
        [("Content-Type", PROTOBUF)],
        b"\xff" * 5,
        400,
        "Failed to parse body into a protobuf object",
    ),
    Row("array", BOTH, b"[1,2]", 400, "Expecting a JSON object"),
    Row("type as a number", BOTH, {"type": 3}, 400, "Not expecting a JSON number for field 'type'"),
    Row(
        "missing member",
        BOTH,
        {"type": "GET_METRICS"},
        400,
        "Failed to validate agent::Call: Expecting 'get_metrics' to be present",
    ),
]


@pytest.mark.parametrize("row", named(AGENT_ROWS))
def test_order_of_checks_of_the_agents_operator_api(shared_cluster: Cluster, row: Row) -> None:
    check(shared_cluster.agents[0].address, OPERATOR, row)


HEALTH = b'{"type":"GET_HEALTH"}'
RECORDS: Headers = [("Content-Type", RECORDIO)]


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        pytest.param([("Content-Type", "text/plain")], HEALTH, 415, id="wrong content type"),
        pytest.param(RECORDS, b"", 400, id="recordio without the records' type"),
        pytest.param([*RECORDS, ("Message-Content-Type", "text/plain")], b"", 415, id="records of another type"),
        pytest.param([*CONTENT, ("Message-Content-Type", JSON)], HEALTH, 415, id="records' type without recordio"),
        pytest.param(UNACCEPTABLE, HEALTH, 406, id="accept"),
        pytest.param([*CONTENT, ("Accept", RECORDIO)], HEALTH, 406, id="recordio for a plain call"),
        pytest.param([*BOTH, ("Message-Accept", JSON)], HEALTH, 406, id="records' accept without recordio"),
    ],
)
def test_streaming_headers_of_the_agents_operator_api(
    shared_cluster: Cluster, headers: Headers, body: bytes, status: int
) -> None:
    response = call(shared_cluster.agents[0].address, make_request("POST", OPERATOR, headers, body))
    assert response.status == status, response
    assert response.header("Content-Type") == "text/plain; charset=utf-8"
    assert response.body


def subscribe(cluster: Cluster, **info: Any) -> Framework:
    message = {"type": "SUBSCRIBE", "subscribe": {"framework_info": {**FRAMEWORK_INFO, **info}}}
    stream = EventStream(cluster.master_address, json_call(SCHEDULER, message))
    return Framework(cluster.master_address, stream)


@pytest.fixture
def framework(shared_cluster: Cluster) -> Iterator[Framework]:
    framework = subscribe(shared_cluster)
    yield framework
    framework.call("TEARDOWN")
    framework.stream.close()


def test_stream_id_checks(shared_cluster: Cluster, framework: Framework) -> None:
    address = shared_cluster.master_address
    message = {"type": "REVIVE", "framework_id": {"value": framework.framework_id}}
    missing = call(address, json_call(SCHEDULER, message))
    assert missing.body.decode() == "All non-subscribe calls should include the 'Mesos-Stream-Id' header"
    wrong = call(address, json_call(SCHEDULER, message, [("Mesos-Stream-Id", "other")]))
    assert wrong.body.decode() == (
        "The stream ID 'other' included in this request didn't match the stream ID currently associated "
        f"with framework ID {framework.framework_id}"
    )
    assert (missing.status, wrong.status) == (400, 400)


@pytest.mark.skipif(target() == REFERENCE, reason="this call ends the master of Apache Mesos 1.11.0")
def test_a_call_of_the_unknown_type(framework: Framework) -> None:
    answer = framework.call("UNKNOWN")
    assert (answer.status, answer.body.decode()) == (501, "501 Not Implemented.")


def test_a_disconnected_framework_is_not_subscribed(shared_cluster: Cluster) -> None:
    framework = subscribe(shared_cluster, failover_timeout=3600.0)
    framework.stream.close()

    def answer() -> tuple[int, str] | None:
        response = framework.call("REVIVE")
        return None if response.status == 202 else (response.status, response.body.decode())

    assert wait_until(answer, "the master notices the closed stream") == (403, "Framework is not subscribed")
    shared_cluster.operator({"type": "TEARDOWN", "teardown": {"framework_id": {"value": framework.framework_id}}})


def test_an_executor_that_did_not_subscribe_may_not_speak(shared_cluster: Cluster, framework: Framework) -> None:
    """A known framework's unknown executor, and one that the agent still waits for."""
    agent = shared_cluster.agents[0]
    agent_id = shared_cluster.agent_id(agent)
    framework.wait(lambda: framework.best_offer(agent_id) is not None)
    offer = framework.best_offer(agent_id)
    assert offer is not None
    executor = executor_info("silent", framework.framework_id, "bad", "exec sleep 1000")
    task = task_info("t", agent_id, "bad", executor)
    launch = {"type": "LAUNCH", "launch": {"task_infos": [task]}}
    framework.call("ACCEPT", accept={"offer_ids": [{"value": framework.take(offer)}], "operations": [launch]})

    def message(executor_id: str) -> tuple[int, str]:
        ids = {"framework_id": {"value": framework.framework_id}, "executor_id": {"value": executor_id}}
        response = call(agent.address, json_call(EXECUTOR, {"type": "MESSAGE", "message": {"data": ""}, **ids}))
        return response.status, response.body.decode()

    wait_until(lambda: message("silent")[1] != "Framework cannot be found", "the agent knows the framework")
    wait_until(lambda: message("silent") == (403, "Executor is not subscribed"), "the executor is waited for")
    assert message("other") == (400, "Executor cannot be found")


OF_EXECUTOR = "from executor no of framework no"


@pytest.mark.parametrize(
    ("member", "value", "why"),
    [
        ("uuid", "AAAA", "Not a valid UUID"),
        ("uuid", None, "Expecting 'uuid' to be present"),
        ("source", "SOURCE_AGENT", f"Received Call {OF_EXECUTOR} with invalid source, expecting 'SOURCE_EXECUTOR'"),
        ("state", "TASK_STAGING", f"Received TASK_STAGING {OF_EXECUTOR} which is not allowed"),
        (
            "executor_id",
            {"value": "another"},
            "ExecutorID in Call: no does not match ExecutorID in TaskStatus: another",
        ),
    ],
)
def test_an_executors_update_is_validated(shared_cluster: Cluster, member: str, value: object, why: str) -> None:
    status = {
        "task_id": {"value": "t"},
        "state": "TASK_RUNNING",
        "source": "SOURCE_EXECUTOR",
        "uuid": "t+azQDIgSGyiFG9ewZqFww==",
        member: value,
    }
    message = {"type": "UPDATE", "update": {"status": status}, **EXECUTOR_IDS}
    response = call(shared_cluster.agents[0].address, json_call(EXECUTOR, message))
    assert (response.status, response.body.decode()) == (400, EXECUTOR_CALL + why)


# What is not HTTP as it should be


Served = tuple[Address, str, Callable[[], int]]


@pytest.fixture(params=["master", "agent"])
def server(request: pytest.FixtureRequest, shared_cluster: Cluster) -> Iterator[Served]:
    """A server's address, one API of it, and its memory; afterwards it must be as well as before."""
    is_master = request.param == "master"
    address = shared_cluster.master_address if is_master else shared_cluster.agents[0].address
    process = shared_cluster.master if is_master else shared_cluster.agents[0].server
    yield address, SCHEDULER if is_master else EXECUTOR, lambda: resident_bytes(process.pid)
    process.check_running()
    assert call(address, make_request("GET", "/health")).status == 200
    assert "Traceback" not in process.log_tail()


def test_a_body_cut_short(server: Served) -> None:
    """The call is not carried out; the connection ends."""
    address, path, _ = server
    data = encode_request(make_request("POST", path, CONTENT, b"{" * 1000), address)
    with connect(address) as connection:
        connection.sendall(data[:-500])
        connection.shutdown(socket.SHUT_WR)
        answer = connection.recv(MEBIBYTE)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 4")


NESTINGS = {
    "arrays": b"[" * (10 * MEBIBYTE),
    "objects": b'{"a":' * (2 * MEBIBYTE),
    "closed arrays": b'{"type":' + b"[" * (5 * MEBIBYTE) + b"]" * (5 * MEBIBYTE) + b"}",
    "unknown field": b'{"type":"REVIVE","x":' + b'{"y":' * MEBIBYTE + b"1" + b"}" * MEBIBYTE + b"}",
}


@only_ours
@pytest.mark.parametrize("body", NESTINGS.values(), ids=NESTINGS.keys())
def test_ten_megabytes_of_nested_json(server: Served, body: bytes) -> None:
    """Refused without much memory, while others are served."""
    address, path, memory = server
    before = memory()
    with connect(address) as bystander:
        response = exchange(address, encode_request(make_request("POST", path, BOTH, body), address))
        assert response.status in (400, 413), response
        assert b"Traceback" not in response.body
        bystander.sendall(encode_request(make_request("GET", "/health"), address))
        assert bystander.recv(MEBIBYTE).startswith(b"HTTP/1.1 200")
    wait_until(lambda: memory() - before < GROWTH_BYTES_MAX, "the memory is given back")


def test_a_megabyte_of_headers(server: Served) -> None:
    address, path, memory = server
    before = memory()
    for headers in ([("X-Long", "y" * MEBIBYTE)], [(f"X-{number}", "y" * 100) for number in range(10_000)]):
        data = encode_request(make_request("POST", path, [*BOTH, *headers], b"{}"), address)
        with contextlib.suppress(ConnectionEndedError, ConnectionResetError):
            response = exchange(address, data)
            assert 400 <= response.status < 500
    wait_until(lambda: memory() - before < GROWTH_BYTES_MAX, "the memory is given back")


NOT_HTTP = {
    "tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 500,
    "no target": b"GET\r\n\r\n",
    "negative length": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
    "bad chunk": b"POST /api/v1 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "huge length": b"POST /api/v1 HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n{}",
    "zeros": b"\x00" * 100_000,
}


@pytest.mark.parametrize("data", NOT_HTTP.values(), ids=NOT_HTTP.keys())
def test_bytes_that_are_not_http(server: Served, data: bytes) -> None:
    """Answered with an error or closed; never a traceback."""
    address, _, _ = server
    answer = b""
    with connect(address) as connection, contextlib.suppress(ConnectionResetError, BrokenPipeError):
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        while got := connection.recv(MEBIBYTE):
            answer += got
    assert answer == b"" or answer.startswith(b"HTTP/1."), answer[:100]
    assert b" 200 " not in answer[:20]
    assert b"Traceback" not in answer


def test_half_open_requests_do_not_keep_others_out(server: Served) -> None:
    address, path, memory = server
    before = memory()
    with contextlib.ExitStack() as stack:
        for number in range(300):
            connection = stack.enter_context(connect(address))
            head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            connection.sendall((head if number % 2 else head + "Content-Length: 100\r\n\r\n{").encode())
        assert call(address, make_request("GET", "/health")).status == 200
        assert call(address, json_call(OPERATOR, {"type": "GET_HEALTH"})).status == 200
        assert memory() - before < GROWTH_BYTES_MAX


# Clients that do not read


class DeafStream:
    """A subscription whose events nobody reads."""

    def __init__(self, address: Address, path: str, message: dict[str, Any]) -> None:
        self._connection = socket.socket()
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._connection.connect(address)
        self._connection.sendall(encode_request(json_call(path, message), address))
        self.start = b""
        while b"HEARTBEAT" not in self.start:
            self.start += self._connection.recv(65536)

    def text_between(self, before: bytes, after: bytes) -> str:
        return self.start.partition(before)[2].partition(after)[0].decode().strip()

    def is_closed_at_the_end(self) -> bool:
        """Read what is there; whether an end comes."""
        self._connection.settimeout(CLOSE_TIMEOUT_SECONDS)
        try:
            while self._connection.recv(MEBIBYTE):
                pass
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False
        return True

    def close(self) -> None:
        self._connection.close()


@only_ours
@pytest.mark.timeout(180)
def test_a_scheduler_that_does_not_read_is_dropped(make_cluster: ClusterFactory) -> None:
    """Its events are kept up to a bound, then the stream ends; another scheduler never notices."""
    cluster = make_cluster()
    cluster.start(agents=1)
    address = cluster.master_address
    info = {**FRAMEWORK_INFO, "failover_timeout": 3600}
    deaf = DeafStream(address, SCHEDULER, {"type": "SUBSCRIBE", "subscribe": {"framework_info": info}})
    framework_id = deaf.text_between(b'"framework_id":{"value":"', b'"')
    stream_id = deaf.text_between(b"Mesos-Stream-Id:", b"\r\n")
    bystander = subscribe(cluster)
    tasks = [{"task_id": {"value": f"{number}-" + "x" * 10_000}} for number in range(100)]
    message = {"type": "RECONCILE", "framework_id": {"value": framework_id}, "reconcile": {"tasks": tasks}}
    request = json_call(SCHEDULER, message, [("Mesos-Stream-Id", stream_id)])
    sent_bytes = peak = 0
    while sent_bytes < 2 * STREAM_BUFFER_BYTES:
        response = call(address, request)
        peak = max(peak, resident_bytes(cluster.master.pid))
        if response.status != 202:
            break
        sent_bytes += len(request.body)
    assert (response.status, response.body.decode()) == (403, "Framework is not subscribed")
    assert sent_bytes >= STREAM_BUFFER_BYTES / 2
    assert peak < 4 * STREAM_BUFFER_BYTES
    assert deaf.is_closed_at_the_end()
    deaf.close()
    start = len(bystander.stream.events)
    bystander.call("RECONCILE", reconcile={"tasks": [{"task_id": {"value": "t"}}]})
    bystander.stream.wait(lambda event: event["type"] == "UPDATE", since=start)
    bystander.stream.close()
    cluster.stop()


@only_ours
@pytest.mark.timeout(180)
def test_an_operator_that_does_not_read_is_dropped(make_cluster: ClusterFactory) -> None:
    cluster = make_cluster()
    cluster.start(agents=0)
    address = cluster.master_address
    deaf = DeafStream(address, OPERATOR, {"type": "SUBSCRIBE"})

    def streams() -> float:
        return float(get_json(address, "/metrics/snapshot")["master/operator_event_stream_subscribers"])

    with EventStream(address, json_call(OPERATOR, {"type": "SUBSCRIBE"})) as bystander:
        framework = subscribe(cluster)
        assert streams() == 2
        info = {**FRAMEWORK_INFO, "id": {"value": framework.framework_id}}
        for number in range(3 * OPERATOR_BUFFER_BYTES // MEBIBYTE):
            labels = {"labels": [{"key": "long", "value": str(number) + "x" * MEBIBYTE}]}
            framework.call("UPDATE_FRAMEWORK", update_framework={"framework_info": {**info, "labels": labels}})
        wait_until(lambda: streams() == 1, "the deaf operator's stream is closed")
        assert resident_bytes(cluster.master.pid) < 300 * MEBIBYTE
        framework.call("TEARDOWN")
        bystander.wait(lambda event: event["type"] == "FRAMEWORK_REMOVED")
        framework.stream.close()
    assert deaf.is_closed_at_the_end()
    deaf.close()
    cluster.stop()

"""JSON the Mesos way: the two speeds of reading agree; readings, sentences and what is written are Mesos's."""

from __future__ import annotations

import json
import math
import re
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tepui.model.message import WireMessage
from tepui.model.v1 import agent, executor, master, scheduler
from tepui.model.v1.mesos import (
    Address,
    DurationInfo,
    Filters,
    FrameworkInfo,
    HealthCheck,
    Resource,
    TaskStatus,
    Value,
    WeightInfo,
)
from tepui.wire._coercion import CoercionError, coerce
from tepui.wire._picojson import JsonError, parse
from tepui.wire.errors import DecodeError
from tepui.wire.json import (
    EXACT_PARSE_BYTES_MAX,
    decode_json,
    encode_hand_written,
    encode_json,
    wrap_jsonp,
)
from tests.conformance.captures import CAPTURES_DIRECTORY, MISSING
from tests.wire.messages import all_kinds, random_message

seeds = st.integers(min_value=0, max_value=2**64)
kinds = st.sampled_from(all_kinds())


@settings(max_examples=400, deadline=None)
@given(kind=kinds, seed=seeds)
def test_json_gives_back_every_message(kind: type[WireMessage], seed: int) -> None:
    message = random_message(Random(seed), kind)
    assert decode_json(kind, encode_json(message)) == message
    assert coerce(kind, parse(encode_json(message).decode())) == message


_ODD_VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1.5,
    5.0,
    2**31,
    2**32,
    2**63,
    2**64,
    -(2**63) - 1,
    1e300,
    "",
    "5",
    " 5",
    "5x",
    "-1.5",
    "Infinity",
    "-Infinity",
    "NaN",
    "true",
    "TASK_RUNNING",
    "UNKNOWN",
    "no such name",
    "YWJj",
    "YWI",
    "a b\n=",
    "é",
    "\x00",
    [],
    [[]],
    [None],
    ["x"],
    {},
    {"value": "x"},
    {"value": 5},
    {"unknown": [1, {"deep": None}]},
)


def _mutate(random: Random, value: Any) -> Any:
    """The JSON value with one place of it changed."""
    if isinstance(value, dict) and value and random.random() < 0.85:
        name = random.choice(list(value))
        action = random.randrange(8)
        changed = dict(value)
        if action == 0:
            del changed[name]
        elif action == 1:
            changed["no_such_field"] = changed.pop(name)
        else:
            changed[name] = _mutate(random, value[name])
        return changed
    if isinstance(value, list) and value and random.random() < 0.85:
        position = random.randrange(len(value))
        return [*value[:position], _mutate(random, value[position]), *value[position + 1 :]]
    action = random.randrange(4)
    if action == 0:
        return [value]
    if action == 1:
        return str(value)
    return random.choice(_ODD_VALUES)


def _damage(random: Random, data: bytes) -> bytes:
    """The text with some bytes changed, lost or put in, or a member twice."""
    for _ in range(random.randrange(3)):
        position = random.randrange(len(data) + 1)
        piece = random.choice(
            (
                b"",
                b"0",
                b".",
                b"-",
                b" ",
                b"\t",
                b"\\",
                b'"',
                b",",
                b"}",
                b"]",
                b"\xff",
                b"\x00",
                b"\\u0041",
                b"\\ud800",
                b"\\udc00",
                b"\\ud83d\\ude00",
                b"null",
                b'"type":5,',
                b'"value":"a","value":"b",',
            )
        )
        data = data[:position] + piece + data[position + random.randrange(2) :]
    return data


@settings(max_examples=1500, deadline=None)
@given(kind=kinds, seed=seeds)
def test_the_fast_way_reads_only_what_mesos_reads_and_reads_the_same(kind: type[WireMessage], seed: int) -> None:
    random = Random(seed)
    value = json.loads(encode_json(random_message(random, kind, depth=3)))
    for _ in range(random.randrange(4)):
        value = _mutate(random, value)
    data = _damage(random, json.dumps(value, ensure_ascii=random.random() < 0.5).encode())
    try:
        fast = msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, ValueError):
        fast = None
    try:
        slow = coerce(kind, parse(data.decode("utf-8", "replace")))
    except (JsonError, CoercionError) as error:
        if str(error) == "Value out of range" and fast is not None:
            return  # The number stands in a field that nobody knows.
        assert fast is None
        with pytest.raises(DecodeError):
            decode_json(kind, data)
    else:
        assert fast is None or fast == slow
        assert decode_json(kind, data) == slow
        # What was read can be written: no lone surrogates, no numbers too large.
        assert decode_json(kind, encode_json(slow)) == slow


_SYNTAX = "Failed to parse body into JSON: "
_CONVERT = "Failed to convert JSON into Call protobuf: "
_ACK = '{"type":"ACKNOWLEDGE","acknowledge":{"agent_id":{"value":"a"},"task_id":{"value":"t"},"uuid":%s}}'
_FILTERED = (
    '{"subscribe":{"framework_info":{"user":"u","name":"n","offer_filters":{"r":{"min_allocatable_resources":%s}}}}}'
)
_LAUNCH = '{"accept":{"operations":[{"launch":{"task_infos":[%s]}}]}}'
_DECLINE = '{"type":"DECLINE","decline":{"filters":{"refuse_seconds":%s}}}'


def _number(text: str, why: str) -> str:
    return f"{_CONVERT}Failed to parse '{text}' as a JSON number for field 'refuse_seconds': {why}"


# Bodies of scheduler calls and what Apache Mesos 1.11.0 answers to them.
_SENTENCES = [
    ("", _SYNTAX + "syntax error at line 1 near: "),
    ("  ", _SYNTAX + "syntax error at line 1 near: "),
    ('{"a":1,', _SYNTAX + "syntax error at line 1 near: "),
    ('{"a":tru}', _SYNTAX + "syntax error at line 1 near: }"),
    ('{"a":\n"x\ny"}', _SYNTAX + "syntax error at line 2 near: "),
    ('{"a":nulx, "b":2}', _SYNTAX + 'syntax error at line 1 near: x, "b":2}'),
    ('{"type":"X"} junk', _SYNTAX + "Parsed JSON included non-whitespace trailing characters:  junk"),
    ("{}\0", _SYNTAX + "Parsed JSON included non-whitespace trailing characters: \0"),
    ('{"a":"\\ud800"}', _SYNTAX + 'syntax error at line 1 near: "}'),
    ('{"a":"\\udc00x"}', _SYNTAX + 'syntax error at line 1 near: x"}'),
    ('{"a":"\\ud800\\u0041zz"}', _SYNTAX + 'syntax error at line 1 near: zz"}'),
    ('{"a":"\\q rest"}', _SYNTAX + 'syntax error at line 1 near:  rest"}'),
    ('{"a":"\x01 rest"}', _SYNTAX + 'syntax error at line 1 near:  rest"}'),
    ('{"a":"\\u12G4 rest"}', _SYNTAX + 'syntax error at line 1 near: G4 rest"}'),
    ('{"a":"unterminated', _SYNTAX + "syntax error at line 1 near: "),
    ('{"a":-}', _SYNTAX + "syntax error at line 1 near: }"),
    ('{"a":1-2}', _SYNTAX + "syntax error at line 1 near: }"),
    ("{a:1}", _SYNTAX + "syntax error at line 1 near: a:1}"),
    ('{"a" 1}', _SYNTAX + "syntax error at line 1 near: 1}"),
    ('{"a":[1 2]}', _SYNTAX + "syntax error at line 1 near: 2]}"),
    ('{"a":[1,]}', _SYNTAX + "syntax error at line 1 near: ]}"),
    ('{"a":+1}', _SYNTAX + "syntax error at line 1 near: +1}"),
    ('{"a":nan}', _SYNTAX + "syntax error at line 1 near: an}"),
    ("\ufeff{}", _SYNTAX + "syntax error at line 1 near: \ufeff{}"),
    ('{"type":1e400}', _SYNTAX + "Value out of range"),
    (_DECLINE % ("9" * 400), _SYNTAX + "Value out of range"),
    ('"x"', _CONVERT + "Expecting a JSON object"),
    ("null", _CONVERT + "Expecting a JSON object"),
    ("[1,2]", _CONVERT + "Expecting a JSON object"),
    ('{"type":5}', _CONVERT + "Not expecting a JSON number for field 'type'"),
    ('{"type":["SUBSCRIBE"]}', _CONVERT + "Not expecting a JSON array for field 'type'"),
    ('{"type":{"a":1}}', _CONVERT + "Not expecting a JSON object for field 'type'"),
    ('{"type":true}', _CONVERT + "Not expecting a JSON boolean for field 'type'"),
    ('{"framework_id":"x"}', _CONVERT + "Not expecting a JSON string for field 'framework_id'"),
    ('{"framework_id":{"value":["x"]}}', _CONVERT + "Not expecting a JSON array for field 'value'"),
    # The first error is that of the first name, not of the first in the text.
    ('{"type":5,"accept":7,"decline":8}', _CONVERT + "Not expecting a JSON number for field 'accept'"),
    ('{"decline":{"offer_ids":["x"]}}', _CONVERT + "Not expecting a JSON string for field 'offer_ids'"),
    (_DECLINE % '"x"', _number("x", "syntax error at line 1 near: x")),
    (_DECLINE % '"5 "', _number("5 ", "Parsed JSON included non-whitespace trailing characters: ")),
    (_DECLINE % '"5 x"', _number("5 x", "Parsed JSON included non-whitespace trailing characters: x")),
    (_DECLINE % '"[1]"', _number("[1]", "Unexpected JSON type parsed")),
    (_DECLINE % '"1e400"', _number("1e400", "Value out of range")),
    (_DECLINE % "true", _CONVERT + "Not expecting a JSON boolean for field 'refuse_seconds'"),
    (_ACK % '"_-"', _CONVERT + "Failed to base64 decode bytes field 'uuid': Invalid character '_'"),
    (_ACK % "null", _CONVERT + "Missing required fields: acknowledge.uuid"),
    (
        '{"decline":{"offer_ids":[{},{"value":"x"},{"value":null}]}}',
        _CONVERT + "Missing required fields: decline.offer_ids[0].value, decline.offer_ids[2].value",
    ),
    (
        '{"type":"SUBSCRIBE","subscribe":{"framework_info":{"checkpoint":"True"}}}',
        _CONVERT + "Failed to parse 'True' as a JSON boolean for field 'checkpoint': syntax error at line 1 near: True",
    ),
    (
        '{"type":"SUBSCRIBE","subscribe":{"framework_info":{"checkpoint":"1"}}}',
        _CONVERT + "Failed to parse '1' as a JSON boolean for field 'checkpoint': Unexpected JSON type parsed",
    ),
    (
        _FILTERED % '{"quantities":[{"quantities":{"cpus":{}}}]}',
        _CONVERT + "Missing required fields: subscribe.framework_info.offer_filters[0].value"
        ".min_allocatable_resources.quantities[0].quantities[0].value.value",
    ),
    (
        '{"subscribe":{"framework_info":{"user":"u","name":"n","offer_filters":{"r":5}}}}',
        _CONVERT + "Not expecting a JSON number for field 'value'",
    ),
    (
        '{"accept":{"operations":[{"launch":{"task_infos":[{"resources":[{"type":"foo"}]}]}}]}}',
        _CONVERT + "Failed to find enum for 'foo'",
    ),
    (
        _LAUNCH
        % (
            '{"resources":[{},{"name":"x"}],"executor":{"command":{"uris":[{}]}},"health_check":{"http":{}},'
            '"container":{"volumes":[{}]}}'
        ),
        _CONVERT
        + "Missing required fields: "
        + ", ".join(
            "accept.operations[0].launch.task_infos[0]." + path
            for path in (
                "name",
                "task_id",
                "agent_id",
                "resources[0].name",
                "resources[0].type",
                "resources[1].type",
                "executor.executor_id",
                "executor.command.uris[0].value",
                "health_check.http.port",
                "container.type",
                "container.volumes[0].mode",
                "container.volumes[0].container_path",
            )
        ),
    ),
]


@pytest.mark.parametrize(("body", "sentence"), _SENTENCES)
def test_errors_are_worded_as_mesos_words_them(body: str, sentence: str) -> None:
    with pytest.raises(DecodeError) as caught:
        decode_json(scheduler.Call, body.encode())
    assert caught.value.sentence == sentence


def test_only_so_much_of_a_broken_line_is_quoted() -> None:
    with pytest.raises(DecodeError) as caught:
        decode_json(scheduler.Call, b"x" * 50_000)
    assert len(caught.value.sentence) < 2_000


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5", 5.0),
        ('"5"', 5.0),
        ('" 5"', 5.0),
        ('"5x"', 5.0),
        ('"1e3"', 1000.0),
        ('"Infinity"', math.inf),
        ("null", 5.0),
        ('"-Infinity"', -math.inf),
        ("01", 1.0),
        ("1.", 1.0),
        ("-.5", -0.5),
        ("9007199254740993", 9007199254740992.0),
        ("123456789012345678901234567890", 1.2345678901234568e29),
    ],
)
def test_readings_of_a_double(text: str, seconds: float) -> None:
    assert decode_json(Filters, b'{"refuse_seconds":%s}' % text.encode()) == Filters(refuse_seconds=seconds)


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("5", 5),
        ("5.0", 5),
        ("5.7", 5),
        ("-5.7", -5),
        ("5e3", 5000),
        ('"5"', 5),
        ('"5.9"', 5),
        ('"12x"', 12),
        ("-0", 0),
        (str(2**63 - 1), 2**63 - 1),
        (str(2**63), -(2**63)),
        (str(-(2**63)), -(2**63)),
        ("-1e30", -(2**63)),
        ("1e30", -(2**63)),
        ("9007199254740993", 9007199254740993),
    ],
)
def test_readings_of_a_64_bit_number(text: str, nanoseconds: int) -> None:
    assert decode_json(DurationInfo, b'{"nanoseconds":%s}' % text.encode()).nanoseconds == nanoseconds


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("1", 1),
        ("-1", 2**32 - 1),
        (str(2**32), 0),
        (str(2**32 + 1), 1),
        ("-1.5", 2**32 - 1),
        ("4294967297.5", 1),
        ("1e30", 0),
    ],
)
def test_readings_of_an_unsigned_32_bit_number(text: str, level: int) -> None:
    body = b'{"level":%s,"duration":{"nanoseconds":1}}' % text.encode()
    assert decode_json(master.Call.SetLoggingLevel, body).level == level


@pytest.mark.parametrize(
    ("text", "port"),
    [("5051", 5051), ("-1", -1), (str(2**31), -(2**31)), (str(2**32 + 1), 1), ("3e9", -(2**31)), ('"8080"', 8080)],
)
def test_readings_of_a_32_bit_number(text: str, port: int) -> None:
    assert decode_json(Address, b'{"port":%s}' % text.encode()).port == port


def test_an_unsigned_64_bit_number_stays_within_63_bits() -> None:
    body = b'{"path":"","offset":%s,"length":%s}' % (b"18446744073709551615", b"123456789012345678901234567890")
    assert decode_json(master.Call.ReadFile, body) == master.Call.ReadFile(path="", offset=2**63 - 1, length=2**63 - 1)


@pytest.mark.parametrize(
    ("text", "uuid"),
    [
        ("YWJj", b"abc"),
        ("YW Jj\\n", b"abc"),
        ("YWI", b"ab"),
        ("YWI=", b"ab"),
        ("Y", b""),
        ("YW=I", b"a"),
        ("YWJj==zz!!", b"abc"),
    ],
)
def test_readings_of_bytes(text: str, uuid: bytes) -> None:
    call = decode_json(scheduler.Call, (_ACK % f'"{text}"').encode())
    assert call.acknowledge is not None
    assert call.acknowledge.uuid == uuid


def test_readings_of_names_nulls_and_lists() -> None:
    info = decode_json(
        FrameworkInfo,
        b'{"user":"a","user":"u","name":"n","nobody knows":{"x":[1]},"failover_timeout":null,"checkpoint":"true",'
        b'"roles":"one","role":null,"hostname":"\xff","capabilities":[[{"type":"MULTI_ROLE"}],{"type":"NEWER"},null]}',
    )
    capability = FrameworkInfo.Capability
    assert info == FrameworkInfo(
        user="u",
        name="n",
        checkpoint=True,
        roles=["one"],
        hostname="\ufffd",
        capabilities=[capability(type=capability.Type.MULTI_ROLE), capability()],
    )


def test_of_a_oneof_the_last_name_stays() -> None:
    selector = scheduler.AttributeConstraint.Selector
    body = b'{"pseudoattribute_type":"HOSTNAME","attribute_name":"rack"}'
    assert decode_json(selector, body) == selector(pseudoattribute_type=selector.PseudoattributeType.HOSTNAME)


def test_an_unknown_name_in_a_list_of_enums_is_dropped() -> None:
    info = decode_json(agent.Call.PruneImages, b'{"excluded_images":{"type":"DOCKER","cached":"false"}}')
    assert [image.cached for image in info.excluded_images] == [False]


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 10_000_000,
        b'{"parent":' * 1_000_000,
        b'{"wait_container":{"container_id":' + b'{"value":"x","parent":' * 5_000 + b'{"value":"x"}' + b"}" * 5_002,
        b'{"wait_container":{"container_id":' + b'{"value":"x","p\\u0061rent":' * 500 + b'{"value":"x"}' + b"}" * 502,
        b'{"x":"' + b"a" * 10_000_000,
    ],
)
def test_hostile_nesting_and_length_give_an_error(body: bytes) -> None:
    with pytest.raises(DecodeError, match="Failed to parse body into JSON"):
        decode_json(agent.Call, body)


def test_nesting_as_deep_as_mesos_takes_it() -> None:
    assert decode_json(agent.Call, b'{"parent":%s%s}' % (b"[" * 199, b"]" * 199)) == agent.Call()
    with pytest.raises(DecodeError, match="syntax error at line 1 near: "):
        decode_json(agent.Call, b'{"parent":%s%s}' % (b"[" * 200, b"]" * 200))


def test_a_long_text_that_is_no_json_is_refused_where_it_breaks() -> None:
    body = b'{\n"type":"SUBSCRIBE","x":[' + b"1," * EXACT_PARSE_BYTES_MAX + b"oops]}"
    with pytest.raises(DecodeError, match="syntax error at line 2 near: oops"):
        decode_json(scheduler.Call, body)


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (FrameworkInfo(user="u", name="n"), b'{"user":"u","name":"n","failover_timeout":0.0,"checkpoint":false}'),
        (Filters(), b'{"refuse_seconds":5.0}'),
        (
            HealthCheck(tcp=HealthCheck.TCPCheckInfo(port=5)),
            (
                b'{"delay_seconds":15.0,"interval_seconds":10.0,"timeout_seconds":20.0,"consecutive_failures":3,'
                b'"grace_period_seconds":10.0,"tcp":{"protocol":"IPv4","port":5}}'
            ),
        ),
        (WeightInfo(weight=math.inf, role="null"), b'{"weight":"Infinity","role":"null"}'),
        (WeightInfo(weight=-math.inf), b'{"weight":"-Infinity"}'),
        (WeightInfo(weight=1e22), b'{"weight":1e22}'),
        (WeightInfo(weight=0.1), b'{"weight":0.1}'),
        (WeightInfo(weight=4.0), b'{"weight":4.0}'),
        (DurationInfo(nanoseconds=2**63 - 1), b'{"nanoseconds":9223372036854775807}'),
        (executor.Event.Message(data=b"abc\x00"), b'{"data":"YWJjAA=="}'),
        (Resource(name="cpus", type=Value.Type.SCALAR), b'{"name":"cpus","type":"SCALAR"}'),
    ],
)
def test_what_is_written(message: WireMessage, text: bytes) -> None:
    assert encode_json(message) == text


def test_empty_arrays_of_the_answers_that_mesos_writes_by_hand() -> None:
    response, event = master.Response, master.Event
    state = response.GetState(
        get_tasks=response.GetTasks(),
        get_executors=response.GetExecutors(),
        get_frameworks=response.GetFrameworks(),
        get_agents=response.GetAgents(),
    )
    text = (
        b'{"get_tasks":{"tasks":[],"unreachable_tasks":[],"completed_tasks":[]},"get_executors":{"executors":[]},'
        b'"get_frameworks":{"frameworks":[],"completed_frameworks":[]},"get_agents":{"agents":[],"recovered_agents":[]}}'
    )
    assert (
        encode_hand_written(response(type=response.Type.GET_STATE, get_state=state))
        == b'{"type":"GET_STATE","get_state":' + text + b"}"
    )
    subscribed = event(
        type=event.Type.SUBSCRIBED, subscribed=event.Subscribed(get_state=state, heartbeat_interval_seconds=15.0)
    )
    assert (
        encode_hand_written(subscribed)
        == b'{"type":"SUBSCRIBED","subscribed":{"get_state":' + text + b',"heartbeat_interval_seconds":15.0}}'
    )
    assert encode_hand_written(event(type=event.Type.HEARTBEAT)) == b'{"type":"HEARTBEAT"}'
    operations = response(type=response.Type.GET_OPERATIONS, get_operations=response.GetOperations())
    assert encode_hand_written(operations) == b'{"type":"GET_OPERATIONS","get_operations":{}}'
    tasks = agent.Response(type=agent.Response.Type.GET_TASKS, get_tasks=agent.Response.GetTasks())
    assert encode_hand_written(tasks) == (
        b'{"type":"GET_TASKS","get_tasks":{"pending_tasks":[],"queued_tasks":[],"launched_tasks":[],'
        b'"terminated_tasks":[],"completed_tasks":[]}}'
    )


def test_plain_data_for_the_legacy_endpoints() -> None:
    data = {"b": 1.0, "a": [None, True, math.inf], "c": {"z": 0, "y": TaskStatus.Source.SOURCE_AGENT}}
    assert encode_json(data) == b'{"b":1.0,"a":[null,true,"Infinity"],"c":{"z":0,"y":"SOURCE_AGENT"}}'
    assert wrap_jsonp("app.cb[0]", b"{}") == b"app.cb[0]({})"
    assert wrap_jsonp("alert(1);//", b"{}") == b"alert1({})"


def _recorded_records() -> list[tuple[str, type[WireMessage], bytes]]:
    prefixes: tuple[tuple[str, type[WireMessage]], ...] = (
        ("sched-", scheduler.Event),
        ("bad-", scheduler.Event),
        ("executor-", executor.Event),
        ("oper-82-", master.Event),
        ("oper-", master.Response),
        ("agent-", agent.Response),
    )
    found: list[tuple[str, type[WireMessage], bytes]] = []
    for path in sorted(CAPTURES_DIRECTORY.glob("*.txt")):
        kind = next((kind for prefix, kind in prefixes if path.name.startswith(prefix)), None)
        response = path.read_text(errors="replace").partition("---- response")[2]
        lines = [line.encode() for line in response.splitlines() if line.startswith('{"type":') and line.endswith("}")]
        if kind is not None:
            found.extend((path.name, kind, line) for line in lines)
    return found


@pytest.mark.skipif(not CAPTURES_DIRECTORY.is_dir(), reason=MISSING)
def test_what_mesos_wrote_is_written_again_to_the_byte() -> None:
    records = _recorded_records()
    assert len(records) > 150
    for name, kind, line in records:
        # Mesos 1.11 has a field that the protocol does not have any more, and its shortest digits of a double are not
        # always those closest to it.
        expected = line.replace(b',"checkpoint":true},"active"', b'},"active"')
        expected = re.sub(rb"[0-9]+\.[0-9]{5,}", lambda digits: repr(float(digits[0])).encode(), expected)
        assert encode_hand_written(decode_json(kind, line)) == expected, name

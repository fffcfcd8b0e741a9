"""The text forms of flags: what is read, what is refused and with which sentence, and that written text reads back."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tepui.model.resources import ReservationForm, Resources
from tepui.model.v1.mesos import Attribute, Resource, Value
from tepui.wire.text import (
    TextError,
    format_duration,
    parse_attributes,
    parse_duration,
    parse_min_allocatable,
    parse_resources,
    parse_weights,
)

# Resources.


def test_resources_are_read_with_roles_ranges_and_sets() -> None:
    parsed = Resources.of(
        parse_resources(" cpus (eng) : 4 ; mem:1024.5;ports:[31000 - 32000, 8080-8080]; zones:{b, a};", "ops")
    )
    static = "(reservations: [(STATIC,{})])"
    assert str(parsed) == (
        f"cpus{static.format('eng')}:4; mem{static.format('ops')}:1024.5; "
        f"ports{static.format('ops')}:[8080-8080, 31000-32000]; zones{static.format('ops')}:{{a, b}}"
    )
    assert str(Resources.of(parse_resources("cpus:4;mem(*):1"))) == "cpus:4; mem:1"
    assert parse_resources("") == parse_resources(";;") == []


def test_resources_are_read_from_json() -> None:
    text = """[
        {"name": "cpus", "type": "SCALAR", "scalar": {"value": 2}},
        {"name": "mem", "type": "SCALAR", "scalar": {"value": 64}, "role": "eng"},
        {"name": "disk", "type": "SCALAR", "scalar": {"value": 9}, "role": "*",
         "disk": {"source": {"type": "MOUNT", "mount": {"root": "/m"}}}}]"""
    assert str(Resources.of(parse_resources(text, "ops"))) == (
        "cpus(reservations: [(STATIC,ops)]):2; mem(reservations: [(STATIC,eng)]):64; disk[MOUNT:/m]:9"
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("cpus", "Bad resource 'cpus': expecting name:value or name(role):value"),
        ("cpus:", "Bad resource 'cpus:': expecting name:value or name(role):value"),
        (":4", "Bad resource ':4': expecting name:value or name(role):value"),
        ("cpus(eng:4", "Bad resource 'cpus(eng:4': expecting name(role):value"),
        ("cpus():4", "Bad resource 'cpus():4': expecting name(role):value"),
        ("cpus:four", "Bad resource 'cpus': 'four' is not a number, [begin-end,...] or {item,...}"),
        ("cpus:nan", "Bad resource 'cpus': 'nan' is not a number, [begin-end,...] or {item,...}"),
        ("cpus:1_000", "Bad resource 'cpus': '1_000' is not a number, [begin-end,...] or {item,...}"),
        ("cpus:-1", "Bad resource 'cpus': Invalid scalar resource: value < 0"),
        ("gpus:0.5", "Bad resource 'gpus': The 'gpus' resource must be an unsigned integer"),
        ("ports:[1-2,3]", "Expecting begin-end pairs of whole numbers in '[1-2,3]', found '3'"),
        ("ports:[1--2]", "Expecting begin-end pairs of whole numbers in '[1--2]', found '1--2'"),
        ("ports:[9-2]", "Bad resource 'ports': Invalid ranges resource: begin > end"),
        ("ports:[1-4,3-6]", "Bad resource 'ports': Invalid ranges resource: overlapping ranges"),
        ("ports:[0-99999999999999999999]", "'0-99999999999999999999' in '[0-99999999999999999999]' does not fit an"),
        ("zones:{a,a}", "Bad resource 'zones': Invalid set resource: duplicated elements"),
        ("zones:{a,,b}", "Bad resource 'zones': an empty item in '{a,,b}'"),
        ("cpus:1;cpus(eng):[1-2]", "Resource 'cpus' is given with two different types"),
        ("[{]", "Bad JSON of resources: "),
        ('[{"name":"cpus"}]', "Bad JSON of resources: Object missing required field `type`"),
        (
            '[{"name":"disk","type":"SCALAR","scalar":{"value":1},"disk":{"source":{"type":"BLOCK"}}}]',
            "Bad resource 'disk': disks of type BLOCK come from resource providers, which this version does not have",
        ),
        (
            '[{"name":"disk","type":"SCALAR","scalar":{"value":1},"disk":{"source":{"type":"PATH","path":{}}}}]',
            "Bad resource 'disk': a PATH disk needs the folder where it is: 'source.path.root'",
        ),
        (
            '[{"name":"disk","type":"SCALAR","scalar":{"value":1},"disk":{}}]',
            "Bad resource 'disk': 'disk' is given without a 'source'",
        ),
        (
            '[{"name":"cpus","type":"SCALAR","scalar":{"value":1},"revocable":{}}]',
            "Bad resource 'cpus': 'revocable' cannot be given here",
        ),
        (
            '[{"name":"cpus","type":"SCALAR","scalar":{"value":1},"reservations":[{"type":"DYNAMIC","role":"a"}]}]',
            "Bad resource 'cpus': a dynamic reservation cannot be given here",
        ),
        (
            '[{"name":"disk","type":"SCALAR","scalar":{"value":1},"role":"a","disk":{"persistence":{"id":"v"}}}]',
            "Bad resource 'disk': a persistent volume cannot be given here",
        ),
        ("cpus:1;" * 200_000, "Text of resources is longer than 1000000 characters"),
    ],
)
def test_bad_resources_are_refused_with_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(TextError) as caught:
        parse_resources(text)
    assert str(caught.value).startswith(sentence)


_names = st.sampled_from(["cpus", "mem", "bandwidth"])
_values = st.one_of(
    st.integers(1, 10**9).map(lambda amount: f"{amount // 1000}.{amount % 1000:03d}"),
    st.lists(st.integers(0, 50), min_size=1, unique=True).map(
        lambda starts: "[" + ",".join(f"{3 * start}-{3 * start + 1}" for start in starts) + "]"
    ),
    st.lists(st.sampled_from("abcd"), min_size=1, unique=True).map(lambda items: "{" + ",".join(items) + "}"),
)
_roles = st.sampled_from(["", "(eng)", "(eng/web)", "(*)"])


@given(st.lists(st.tuples(_names, _roles, _values), unique_by=lambda entry: entry[0]))
def test_text_message_and_json_say_the_same(entries: list[tuple[str, str, str]]) -> None:
    text = ";".join(f"{name}{role}:{value}" for name, role, value in entries)
    messages = parse_resources(text)
    exact = Resources.of(messages)
    for form in ReservationForm:
        written = msgspec.json.encode(exact.messages(form)).decode()
        assert Resources.of(parse_resources(written)) == exact


@given(st.text(alphabet="cpus():;[]{}-,0123456789. e", max_size=40))
def test_any_text_is_either_read_or_refused(text: str) -> None:
    try:
        messages = parse_resources(text)
    except TextError:
        return
    assert all(isinstance(message, Resource) for message in messages)
    Resources.of(messages)


# Attributes.


def test_attributes_are_ranges_numbers_or_else_text() -> None:
    assert parse_attributes("rack:r1; level:2.5;ports:[1-2, 4-4]; url:http://a:1 ;") == [
        Attribute(name="rack", type=Value.Type.TEXT, text=Value.Text(value="r1")),
        Attribute(name="level", type=Value.Type.SCALAR, scalar=Value.Scalar(value=2.5)),
        Attribute(
            name="ports",
            type=Value.Type.RANGES,
            ranges=Value.Ranges(range=[Value.Range(begin=1, end=2), Value.Range(begin=4, end=4)]),
        ),
        Attribute(name="url", type=Value.Type.TEXT, text=Value.Text(value="http://a:1")),
    ]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("rack", "Bad attribute 'rack': expecting key:value"),
        ("rack:", "Bad attribute 'rack:': expecting key:value"),
        (":r1", "Bad attribute ':r1': expecting key:value"),
        ("zones:{a,b}", "Bad attribute 'zones:{a,b}': sets are not supported"),
        ("ports:[2-1]", "Bad attribute 'ports:[2-1]': begin > end"),
    ],
)
def test_bad_attributes_are_refused_with_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(TextError) as caught:
        parse_attributes(text)
    assert str(caught.value) == sentence


# Weights and minimal offers.


def test_weights_and_minimal_offers() -> None:
    assert parse_weights("a=2, b/c=0.5") == {"a": 2.0, "b/c": 0.5}
    assert parse_min_allocatable("cpus:0.01|mem:32") == [{"cpus": 10}, {"mem": 32_000}]
    assert parse_min_allocatable("cpus:1;mem:32|disk:5") == [{"cpus": 1000, "mem": 32_000}, {"disk": 5000}]
    assert parse_min_allocatable("") == []


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a", "Bad weight 'a': expecting role=weight"),
        ("a=x", "Bad weight 'a=x': expecting role=weight"),
        ("a=-1", "Invalid weight '-1' of role 'a': Weights must be positive"),
        ("a=0", "Invalid weight '0' of role 'a': Weights must be positive"),
        ("a=1,a=2", "Duplicate role 'a' in the weights"),
    ],
)
def test_bad_weights_are_refused_with_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(TextError) as caught:
        parse_weights(text)
    assert str(caught.value) == sentence


@pytest.mark.parametrize("text", ["cpus", "cpus:x", ":1", "cpus:-1", "cpus:1;cpus:2"])
def test_bad_minimal_offers_are_refused(text: str) -> None:
    with pytest.raises(TextError):
        parse_min_allocatable(text)


# Durations, sizes, booleans.


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0ns"),
        (1e-9, "1ns"),
        (15, "15secs"),
        (60, "1mins"),
        (90, "90secs"),
        (120, "2mins"),
        (900, "15mins"),
        (3600, "1hrs"),
        (5400, "90mins"),
        (10 * 86400, "10days"),
        (14 * 86400, "2weeks"),
        (0.0015, "1500us"),
        (0.5, "500ms"),
        (3661.5, "1.01708333333333hrs"),
        (-2, "-2secs"),
    ],
)
def test_durations_are_written_in_the_largest_unit_or_the_next(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@given(st.integers(1, 10**9))
def test_durations_of_whole_milliseconds_read_back(milliseconds: int) -> None:
    seconds = milliseconds / 1000
    assert parse_duration(format_duration(seconds)) == pytest.approx(seconds, rel=1e-12)


@pytest.mark.parametrize(
    ("text", "seconds"), [("1.5mins", 90.0), ("250ms", 0.25), ("2 weeks", 1209600.0), ("1hrs", 3600.0), ("7ns", 7e-9)]
)
def test_durations_are_read(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "secs", "5 s", "5seconds", "1e3secs", "99999999weeks", "nansecs"])
def test_bad_durations_are_refused(text: str) -> None:
    with pytest.raises(TextError, match=f"^Bad duration '{text}': "):
        parse_duration(text)

"""The recorded conversations with Apache Mesos 1.11.0, held again with the cluster under test."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.conformance import captures, departures, protobuf
from tests.conformance.captures import Capture, Response
from tests.conformance.client import Event
from tests.conformance.cluster import OURS, target
from tests.conformance.conftest import ClusterFactory, show_on_failure
from tests.conformance.conversation import AGENT_FLAGS, MASTER_FLAGS, Conversation, RestartConversation
from tests.conformance.scenario import Names, Observation, Scenario
from tests.conformance.shape import Comparison, Rules, event_key, first_sendings, normal_text

# Headers whose values come from time, length or the connection.
FREE_HEADERS = frozenset({"date", "content-length", "mesos-stream-id", "server", "connection", "keep-alive"})
# Events whose number and moment depend on how the allocator and the clock tick.
TIMED_EVENTS = frozenset({"OFFERS", "HEARTBEAT", "RESCIND", "INVERSE_OFFERS"})
RESTART = "restart-"
NOT_PLAYED = ("auth-", "internal-")


def parameters() -> Iterator[Any]:
    """Each capture."""
    names = captures.capture_names()
    if not names:
        yield pytest.param("", marks=pytest.mark.skip(reason=captures.MISSING))
    is_ours = target() == OURS
    for name in names:
        yield pytest.param(name, id=name, marks=expected(departures.EXPECTED_FAILURES if is_ours else {}, name))


def expected(failures: dict[str, str], name: str) -> list[pytest.MarkDecorator]:
    return [pytest.mark.xfail(reason=failures[name], strict=True)] if name in failures else []


class Played:
    """Conversations held once for all captures of their group."""

    def __init__(self, make_cluster: ClusterFactory, executor_command: str) -> None:
        self._make_cluster = make_cluster
        self._executor_command = executor_command
        self._scenarios: dict[bool, Scenario] = {}
        self._logs: dict[bool, str] = {}
        self._begun: set[bool] = set()

    def scenario(self, is_restart: bool) -> tuple[Scenario, str]:
        if is_restart not in self._begun:
            cluster = self._make_cluster(MASTER_FLAGS, AGENT_FLAGS, is_durable=is_restart)
            self._begun.add(is_restart)
            kind = RestartConversation if is_restart else Conversation
            try:
                cluster.start(agents=1 if is_restart else 2)
                scenario = kind(cluster, self._executor_command)
                self._scenarios[is_restart] = scenario
                try:
                    scenario.play()
                finally:
                    scenario.close()
            finally:
                self._logs[is_restart] = cluster.logs()
                cluster.stop()
        if is_restart not in self._scenarios:
            pytest.fail(
                f"no cluster to talk to, see the first failure\n{self._logs.get(is_restart, '')}", pytrace=False
            )
        return self._scenarios[is_restart], self._logs[is_restart]


@pytest.fixture(scope="session")
def played(make_cluster: ClusterFactory, executor_command: str) -> Played:
    return Played(make_cluster, executor_command)


def rules() -> Rules:
    return departures.OUR_RULES if target() == OURS else departures.REFERENCE_RULES


@pytest.mark.xdist_group("captures")
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", list(parameters()))
def test_capture(name: str, played: Played, request: pytest.FixtureRequest) -> None:
    """The live answer has the recorded status, headers and body shape."""
    if name in departures.DEPARTURES:
        pytest.skip(f"departure: {departures.DEPARTURES[name]}")
    if name.startswith(NOT_PLAYED):
        if target() == OURS:
            pytest.fail("this conversation is not played yet")
        pytest.skip("played when its feature is built")
    scenario, logs = played.scenario(name.startswith(RESTART))
    show_on_failure(request, "cluster", lambda: logs)
    show_on_failure(request, "problems", lambda: "\n".join(scenario.problems))
    assert name in scenario.observations, f"the conversation did not come so far: {scenario.problems}"
    differences = compare(captures.load(name), scenario.observations[name], scenario.names)
    assert not differences, "\n".join(differences)


def test_the_tables_name_captures() -> None:
    """An entry for a capture that does not exist would hide nothing and mislead."""
    if not captures.capture_names():
        pytest.skip(captures.MISSING)
    named = {*departures.EXPECTED_FAILURES, *departures.DEPARTURES}
    assert named <= set(captures.capture_names())
    assert not set(departures.EXPECTED_FAILURES) & set(departures.DEPARTURES)


def compare(capture: Capture, live: Observation, names: Names) -> list[str]:
    """All differences between what was recorded and what came."""
    comparison = Comparison(rules())
    if capture.heartbeat_seconds:
        compare_heartbeats(capture.heartbeat_seconds, live.heartbeat_seconds, comparison)
    if capture.environment:
        compare_environment(capture.environment, live.environment, names, comparison)
    if capture.wire:
        compare_wire(capture, live, names, comparison)
    if capture.response is not None:
        assert live.response is not None
        compare_heads(capture.response, live.response, names, comparison)
        if capture.is_stream:
            compare_streams(capture, live, names, comparison)
        else:
            compare_bodies(capture, live.response, names, comparison)
    return comparison.differences


def compare_heartbeats(recorded: list[float], live: list[float], comparison: Comparison) -> None:
    """The first at once, the next 15 s later."""
    if len(live) < 2 or live[0] > 5 or not 14 <= live[1] - live[0] <= 20:
        comparison.report("heartbeats", f"recorded {recorded[:2]}, got {live}")


def compare_heads(recorded: Response, live: Response, names: Names, comparison: Comparison) -> None:
    if (recorded.status, recorded.reason) != (live.status, live.reason):
        comparison.report("status", f"recorded {recorded.status} {recorded.reason}, got {live.status} {live.reason}")
    wanted = dict(recorded.headers)
    got = {key: names.to_recorded(value) for key, value in live.headers}
    for key, value in wanted.items():
        live_key = next((other for other in got if other.lower() == key.lower()), None)
        if live_key is None:
            comparison.report("headers", f"{key} is missing")
        elif key.lower() not in FREE_HEADERS and got[live_key] != value and key != "Location":
            comparison.report(f"header {key}", f"recorded {value!r}, got {got[live_key]!r}")
    for key in got:
        if key.lower() not in FREE_HEADERS | departures.ADDED_HEADERS and key.lower() not in {
            other.lower() for other in wanted
        }:
            comparison.report("headers", f"{key} is too much")
    if "Location" in wanted and not got.get("Location", "").startswith("//localhost:"):
        comparison.report("header Location", f"recorded {wanted['Location']!r}, got {got.get('Location')!r}")


def decoded(body: bytes, response: Response, capture: Capture) -> Any:
    """A body as data; text stays text."""
    kind = (response.header("Content-Type") or "").partition(";")[0]
    if response.header("Content-Encoding") == "gzip":
        body = gzip.decompress(body)
    if kind == "application/x-protobuf":
        package = "agent" if capture.name.startswith("agent") else "master"
        return protobuf.decode(f"mesos.v1.{package}.Response", body)
    text = body.decode()
    if kind == "text/javascript":
        start, _, rest = text.partition("(")
        return {"callback": start, "argument": json.loads(rest.removesuffix(")"))}
    return json.loads(text) if kind == "application/json" else text


def compare_bodies(capture: Capture, live: Response, names: Names, comparison: Comparison) -> None:
    assert capture.response is not None
    recorded = decoded(capture.response.body, capture.response, capture)
    got = decoded(live.body.strip(b"\n"), live, capture)
    if not isinstance(got, str):
        got = json.loads(names.to_recorded(json.dumps(got)))
        if "metrics-snapshot" in capture.name:
            compare_metrics(recorded, got, comparison)
        else:
            wanted, got = (departures.without_left_over(value) for value in (recorded, got))
            comparison.compare([wanted], got)
    elif (live.header("Content-Type") or "") == "text/plain":  # a downloaded file
        comparison.compare([environment_of(recorded)], environment_of(names.to_recorded(got)))
    else:
        comparison.compare([recorded], names.to_recorded(got))


def compare_metrics(recorded: dict[str, float], live: dict[str, float], comparison: Comparison) -> None:
    comparison.compare_names({normal_text(name) for name in recorded}, {normal_text(name) for name in live}, "metrics")
    if not all(isinstance(value, float) for value in live.values()):
        comparison.report("metrics", "not all values are written with a fraction")


def environment_of(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines())


def compare_environment(recorded: dict[str, str], live: dict[str, str], names: Names, comparison: Comparison) -> None:
    if not set(recorded) <= set(live):
        comparison.report("environment", f"missing {sorted(set(recorded) - set(live))}")
    for key in set(recorded) & set(live):
        comparison.compare([recorded[key]], names.to_recorded(live[key]), f"environment.{key}")


def compare_wire(capture: Capture, live: Observation, names: Names, comparison: Comparison) -> None:
    """Heads and answers are equal, and the same events came."""
    for kind in ("head", "response"):
        recorded = {
            (entry.name, entry.response.status): entry.response
            for entry in capture.wire
            if entry.kind == kind and entry.response
        }
        for entry in live.wire:
            if entry["kind"] == kind:
                response = response_of(entry["text"])
                wanted = recorded.get((entry["name"], response.status))
                if wanted is None:
                    comparison.report(f"{kind} to {entry['name']}", f"got {response}")
                else:
                    compare_heads(wanted, response, names, comparison)
    recorded_events = [json.loads(entry.record) for entry in capture.wire if entry.kind == "event"]
    live_events = [json.loads(names.to_recorded(entry["text"])) for entry in live.wire if entry["kind"] == "event"]
    compare_events(recorded_events, live_events, comparison)


def response_of(text: str) -> Response:
    lines = text.partition("\r\n\r\n")[0].split("\r\n")
    _, status, reason = lines[0].split(" ", 2)
    pairs = [line.partition(": ") for line in lines[1:]]
    return Response(int(status), reason, [(key, value) for key, _, value in pairs], b"")


def compare_streams(capture: Capture, live: Observation, names: Names, comparison: Comparison) -> None:
    if capture.ended and not live.ended:
        comparison.report("stream", "it did not end with the empty chunk")
    if capture.is_protobuf:
        assert capture.request is not None
        package = "scheduler" if capture.request.target.endswith("/scheduler") else "master"
        decoded_events = [protobuf.decode(f"mesos.v1.{package}.Event", record) for record in capture.events]
        recorded = json.loads(json.dumps(decoded_events).replace("/tmp/refcap", "/TOOLS"))
    else:
        recorded = [json.loads(record) for record in capture.events]
    got = [json.loads(names.to_recorded(json.dumps(event))) for event in live.events]
    start = [event["type"] for event in recorded[:2]]
    if start == ["SUBSCRIBED", "HEARTBEAT"] and [event["type"] for event in got[:2]] != start:
        comparison.report("stream", f"it did not begin with {start}")
    recorded, got = (departures.without_left_over(events) for events in (recorded, got))
    compare_events(recorded, got, comparison)


def compare_events(recorded: list[Event], live: list[Event], comparison: Comparison) -> None:
    """The same events, each of the recorded shape; those of one task in the recorded order."""
    recorded, live = list(first_sendings(recorded, set())), list(first_sendings(live, set()))
    by_key: dict[tuple[object, ...], list[Event]] = {}
    for event in recorded:
        by_key.setdefault(event_key(event), []).append(event)
    live_keys = [event_key(event) for event in live]
    for event, key in zip(live, live_keys, strict=True):
        if key in by_key:
            comparison.compare(by_key[key], event, f"event {key[0]}")
        elif key[0] not in TIMED_EVENTS:
            comparison.report("events", f"not recorded: {json.dumps(event)[:600]}")
    for key in by_key:
        if key not in live_keys and key[0] != "HEARTBEAT":
            comparison.report("events", f"did not come: {key}")
    for task in {key[1] for key in by_key if len(key) > 1}:
        wanted = [key for key in map(event_key, recorded) if len(key) > 1 and key[1] == task]
        got = [key for key in live_keys if len(key) > 1 and key[1] == task]
        if list(dict.fromkeys(got)) != list(dict.fromkeys(wanted)):
            comparison.report(f"events of {task}", f"recorded {wanted}, got {got}")

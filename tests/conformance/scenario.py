"""Plays the conversation of the captures against a live cluster, and keeps what was answered.

The state of the cluster at each step is that of the recording: the same frameworks, executors and
tasks under the same names. Requests are the recorded bytes with identifiers, hosts and ports replaced.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from tests.conformance import captures, protobuf
from tests.conformance.captures import Capture, Request, Response
from tests.conformance.client import Address, Event, EventStream, call, encode_request, exchange, json_call
from tests.conformance.cluster import REFERENCE_DIRECTORY, Cluster

SCHEDULER_PATH = "/master/api/v1/scheduler"
RECORDED_AGENT_PORTS = ("5051", "5052")
STEP_TIMEOUT_SECONDS = 15.0

_OFFER_ID = re.compile(r"[0-9a-f-]{36}-O\d+")


@dataclass
class Observation:
    """What the live cluster did where a capture recorded something."""

    response: Response | None = None
    events: list[Event] = field(default_factory=list)
    ended: bool = False
    heartbeat_seconds: list[float] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    wire: list[dict[str, Any]] = field(default_factory=list)


class Names:
    """Recorded names and their live counterparts."""

    def __init__(self) -> None:
        self._pairs: list[tuple[str, str]] = []

    def bind(self, recorded: str, live: str) -> None:
        self._pairs = [pair for pair in self._pairs if pair[0] != recorded]
        self._pairs.append((recorded, live))
        self._pairs.sort(key=lambda pair: -len(pair[0]))

    def to_live(self, text: str) -> str:
        for recorded, live in self._pairs:
            text = text.replace(recorded, live)
        return text

    def to_recorded(self, text: str) -> str:
        for recorded, live in sorted(self._pairs, key=lambda pair: -len(pair[1])):
            text = text.replace(live, recorded)
        return text

    def request(self, recorded: Request) -> Request:
        """The recorded request as it is to be sent now."""
        headers = [(key, self.to_live(value)) for key, value in recorded.headers]
        body = recorded.body
        with contextlib.suppress(UnicodeDecodeError):  # recorded requests in protobuf name nothing
            body = self.to_live(body.decode()).encode()
        return Request(recorded.method, self.to_live(recorded.target), headers, body)


def task_info(task_id: str, agent_id: str, role: str, executor: Event | None, **more: Any) -> Event:
    """A task as the recording's scheduler described its own."""
    info = {
        "name": task_id,
        "task_id": {"value": task_id},
        "agent_id": {"value": agent_id},
        "resources": scalars(role, cpus=0.5, mem=64),
        **more,
    }
    return {**info, "executor": executor} if executor else info


def scalars(role: str, **amounts: float) -> list[Event]:
    return [
        {"name": name, "type": "SCALAR", "scalar": {"value": value}, "allocation_info": {"role": role}}
        for name, value in amounts.items()
    ]


def executor_info(executor_id: str, framework_id: str, role: str, command: str) -> Event:
    return {
        "executor_id": {"value": executor_id},
        "framework_id": {"value": framework_id},
        "type": "CUSTOM",
        "command": {"value": command},
        "resources": scalars(role, cpus=0.1, mem=32),
    }


class Framework:
    """One scheduler of the scenario: its stream, its offers, what it has not acknowledged."""

    def __init__(self, address: Address, stream: EventStream) -> None:
        self.address = address
        self.stream = stream
        subscribed = stream.wait(lambda event: event["type"] == "SUBSCRIBED")
        self.framework_id = str(subscribed["subscribed"]["framework_id"]["value"])
        self.held: set[str] = set()  # tasks whose updates are left unacknowledged
        self.unacknowledged: dict[str, Event] = {}
        self._taken: set[str] = set()
        self._position = 0

    def call(self, kind: str, **members: Any) -> Response:
        message = {"type": kind, "framework_id": {"value": self.framework_id}, **members}
        request = json_call(SCHEDULER_PATH, message, [("Mesos-Stream-Id", self.stream.stream_id)])
        return call(self.address, request)

    def pump(self) -> None:
        """Acknowledge updates that came and are not held back."""
        while self._position < len(self.stream.events):
            event = self.stream.events[self._position]
            self._position += 1
            if event["type"] == "UPDATE" and "uuid" in event["update"]["status"]:
                status = event["update"]["status"]
                task_id = status["task_id"]["value"]
                self.unacknowledged[task_id] = status
                if task_id not in self.held:
                    self.acknowledge(task_id)

    def acknowledge(self, task_id: str) -> None:
        """Acknowledge the last update of that task, if one waits for it."""
        status = self.unacknowledged.pop(task_id, None)
        if status is not None:
            members = {key: status[key] for key in ("agent_id", "task_id", "uuid")}
            self.call("ACKNOWLEDGE", acknowledge=members)

    def offers(self, agent_id: str, since: int = 0) -> list[Event]:
        """Offers of that agent which are still good, as far as we know."""
        good: dict[str, Event] = {}
        for event in list(self.stream.events[since:]):
            if event["type"] == "OFFERS":
                good.update({offer["id"]["value"]: offer for offer in event["offers"]["offers"]})
            elif event["type"] == "RESCIND":
                good.pop(event["rescind"]["offer_id"]["value"], None)
        return [
            offer
            for offer_id, offer in good.items()
            if offer_id not in self._taken and offer["agent_id"]["value"] == agent_id
        ]

    def best_offer(self, agent_id: str, cpus: float = 1.0) -> Event | None:
        offers = [offer for offer in self.offers(agent_id) if _cpus(offer) >= cpus]
        return max(offers, key=_cpus, default=None)

    def take(self, offer: Event) -> str:
        self._taken.add(offer["id"]["value"])
        return str(offer["id"]["value"])

    def wait_states(
        self, *wanted: tuple[str, str], since: int = 0, timeout_seconds: float = STEP_TIMEOUT_SECONDS
    ) -> bool:
        """Whether updates of all these tasks to these states came, acknowledging on the way."""

        def came() -> bool:
            states = {
                (event["update"]["status"]["task_id"]["value"], event["update"]["status"]["state"])
                for event in self.stream.events[since:]
                if event["type"] == "UPDATE"
            }
            return states.issuperset(wanted)

        return self.wait(came, timeout_seconds)

    def wait(self, condition: Callable[[], bool], timeout_seconds: float = STEP_TIMEOUT_SECONDS) -> bool:
        """Like the stream's `wait_for`, acknowledging on the way."""

        def met() -> bool:
            self.pump()
            return condition()

        return self.stream.wait_for(met, timeout_seconds)


def _cpus(offer: Event) -> float:
    return sum(float(entry["scalar"]["value"]) for entry in offer["resources"] if entry["name"] == "cpus")


class Scenario:
    """The conversation of one recording with one cluster: subclasses say what happens."""

    def __init__(self, cluster: Cluster, executor_command: str) -> None:
        self.cluster = cluster
        self.names = Names()
        self.observations: dict[str, Observation] = {}
        self.streams: list[EventStream] = []
        self.problems: list[str] = []
        self.executor_command = executor_command
        if REFERENCE_DIRECTORY is not None:
            self.names.bind("/REFERENCE", str(REFERENCE_DIRECTORY))
        self.names.bind("CAPTURE_LIB=/TOOLS exec /TOOLS/capture-executor.py", executor_command)

    def address_of(self, request: Request) -> Address:
        """Where the recorded request went, as an address of the live cluster."""
        port = (request.header("Host") or "").rpartition(":")[2]
        for number, agent in enumerate(self.cluster.agents, start=1):
            if port.endswith(f"5{number}"):
                return agent.address
        return self.cluster.master_address

    def recorded_request(self, name: str) -> tuple[Request, Address]:
        recorded = captures.load(name).request
        assert recorded is not None, name
        return self.names.request(recorded), self.address_of(recorded)

    def replay(self, *names: str) -> Response:
        """Send the recorded requests; the last one's answer."""
        response = Response(0, "", [], b"")
        for name in names:
            request, address = self.recorded_request(name)
            has_body = request.method != "HEAD" or self.cluster.is_reference  # Mesos sends one with HEAD, too
            response = exchange(address, encode_request(request, address), has_body=has_body)
            self.observations[name] = Observation(response)
        return response

    def replay_all(self, prefix: str, first: int, last: int) -> None:
        """Replay the numbered captures of a group that have a plain answer."""
        for name in captures.capture_names():
            match = re.fullmatch(re.escape(prefix) + r"-(\d+)-.*", name)
            if match and first <= int(match.group(1)) <= last and not captures.load(name).is_stream:
                self.replay(name)

    def open(self, name: str) -> EventStream:
        """Open the recorded stream."""
        request, address = self.recorded_request(name)
        capture = captures.load(name)
        decode = json.loads if not capture.is_protobuf else _protobuf_decoder(capture)
        stream = EventStream(address, request, decode)
        self.streams.append(stream)
        return stream

    def subscribe_framework(self, subscribe: Event) -> Framework:
        """A framework of our own, without a capture."""
        stream = EventStream(
            self.cluster.master_address, json_call(SCHEDULER_PATH, {"type": "SUBSCRIBE", "subscribe": subscribe})
        )
        self.streams.append(stream)
        return Framework(self.cluster.master_address, stream)

    def keep(self, name: str, stream: EventStream, start: int = 0) -> None:
        """Keep the stream's events from index `start` on as what `name` recorded."""
        self.observations[name] = Observation(stream.response, list(stream.events[start:]), stream.ended)

    def expect(self, met: bool, what: str) -> None:
        """Note a step that did not come as recorded; the comparison of its captures shows it too."""
        if not met:
            self.problems.append(what)

    def close(self) -> None:
        for stream in self.streams:
            stream.close()

    def launch(
        self, framework: Framework, agent_id: str, role: str, tasks: Iterable[tuple[str, str | None, str]], **info: Any
    ) -> None:
        """Launch tasks (id, executor id or None for a command, data or command) on one offer."""
        framework.wait(lambda: framework.best_offer(agent_id) is not None)
        offer = framework.best_offer(agent_id)
        if offer is None:
            self.expect(False, f"an offer of {agent_id}")
            return
        infos = []
        for task_id, executor_id, text in tasks:
            if executor_id is None:
                infos.append(task_info(task_id, agent_id, role, None, command={"value": text}, **info))
            else:
                executor = executor_info(executor_id, framework.framework_id, role, self.executor_command)
                infos.append(task_info(task_id, agent_id, role, executor, data=text, **info))
        framework.call(
            "ACCEPT",
            accept={
                "offer_ids": [{"value": framework.take(offer)}],
                "filters": {"refuse_seconds": 0},
                "operations": [{"type": "LAUNCH", "launch": {"task_infos": infos}}],
            },
        )

    def bind_offer(self, name: str, framework: Framework, agent_id: str, cpus: float = 1.0) -> None:
        """Let the offer that the recorded call names stand for a live one of that agent."""
        framework.wait(lambda: framework.best_offer(agent_id, cpus) is not None)
        offer = framework.best_offer(agent_id, cpus)
        request = captures.load(name).request
        assert request is not None
        recorded = _OFFER_ID.search(request.body.decode())
        assert recorded is not None, name
        if offer is None:
            self.expect(False, f"{name}: an offer of {agent_id}")
        else:
            self.names.bind(recorded.group(), framework.take(offer))


def _protobuf_decoder(capture: Capture) -> Callable[[bytes], Event]:
    assert capture.request is not None
    package = "scheduler" if capture.request.target.endswith("/scheduler") else "master"
    return lambda record: protobuf.decode(f"mesos.v1.{package}.Event", record)

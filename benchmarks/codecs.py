"""What a scheduler says and hears, in JSON and in protobuf, encoded by hand to be cheap."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec

FINISHED, RUNNING = "TASK_FINISHED", "TASK_RUNNING"
ROLE = "benchmark"
TASK_CPUS, TASK_MEM = 0.01, 1.0
EXECUTOR_CPUS, EXECUTOR_MEM = 0.1, 32.0


@dataclass(slots=True)
class Offered:
    """An offer, as far as the load generator cares."""

    offer_id: str
    agent_id: str
    cpus: float
    mem: float

    @property
    def room(self) -> int:
        """How many tasks fit, with room left for the executor."""
        return int(min((self.cpus - EXECUTOR_CPUS) / TASK_CPUS, (self.mem - EXECUTOR_MEM) / TASK_MEM))


@dataclass(slots=True)
class Heard:
    """One event: its type, and what belongs to it."""

    kind: str
    offers: list[Offered] = field(default_factory=list)
    task_id: str = ""
    agent_id: str = ""
    state: str = ""
    uuid: bytes | None = None
    text: str = ""
    timestamp: float = 0.0  # when the executor made the update


class _Value(msgspec.Struct):
    value: str


class _Scalar(msgspec.Struct):
    value: float


class _Resource(msgspec.Struct):
    name: str
    scalar: _Scalar | None = None


class _Offer(msgspec.Struct):
    id: _Value
    agent_id: _Value
    resources: list[_Resource] = []


class _Offers(msgspec.Struct):
    offers: list[_Offer] = []


class _Status(msgspec.Struct):
    task_id: _Value
    state: str
    agent_id: _Value | None = None
    uuid: str | None = None
    message: str = ""
    timestamp: float = 0.0


class _Update(msgspec.Struct):
    status: _Status


class _Subscribed(msgspec.Struct):
    framework_id: _Value


class _Rescind(msgspec.Struct):
    offer_id: _Value


class _Event(msgspec.Struct):
    type: str
    subscribed: _Subscribed | None = None
    offers: _Offers | None = None
    update: _Update | None = None
    rescind: _Rescind | None = None
    error: dict[str, str] | None = None


class JsonCodec:
    """application/json."""

    content_type = "application/json"

    def __init__(self, executor_command: str) -> None:
        self._command = executor_command
        self._decode = msgspec.json.Decoder(_Event).decode
        self._encode = msgspec.json.encode
        self._ids = b""

    def use_framework(self, framework_id: str) -> None:
        self._framework_id = framework_id
        self._ids = b',"framework_id":{"value":"%b"}}' % framework_id.encode()

    def subscribe(self, name: str) -> bytes:
        capabilities = [{"type": "MULTI_ROLE"}]
        info = {"user": "root", "name": name, "roles": [ROLE], "capabilities": capabilities}
        return self._encode({"type": "SUBSCRIBE", "subscribe": {"framework_info": info}})

    def accept(self, offer: Offered, task_ids: list[str], cpus: float = TASK_CPUS, mem: float = TASK_MEM) -> bytes:
        agent = offer.agent_id.encode()
        rest = b'"},"agent_id":{"value":"%b"},"resources":%b,%b}' % (
            agent, self._encode(self._resources(cpus, mem)), self._runner(offer),
        )  # fmt: skip
        tasks = b",".join([b'{"name":"t","task_id":{"value":"' + task_id.encode() + rest for task_id in task_ids])
        return (
            b'{"type":"ACCEPT","accept":{"offer_ids":[{"value":"%b"}],"filters":{"refuse_seconds":0},'
            b'"operations":[{"type":"LAUNCH","launch":{"task_infos":[%b]}}]}' % (offer.offer_id.encode(), tasks)
        ) + self._ids

    def _runner(self, offer: Offered) -> bytes:
        """What runs a task: the warm executor of its agent."""
        executor = {
            "executor_id": {"value": f"warm-{offer.agent_id}"},
            "framework_id": {"value": self._framework_id},
            "command": {"value": self._command},
            "resources": self._resources(EXECUTOR_CPUS, EXECUTOR_MEM),
        }
        return b'"executor":' + self._encode(executor)

    @staticmethod
    def _resources(cpus: float, mem: float) -> list[dict[str, object]]:
        allocation = {"role": ROLE}
        return [
            {"name": name, "type": "SCALAR", "scalar": {"value": value}, "allocation_info": allocation}
            for name, value in (("cpus", cpus), ("mem", mem))
        ]

    def acknowledge(self, heard: Heard) -> bytes:
        assert heard.uuid is not None
        return (
            b'{"type":"ACKNOWLEDGE","acknowledge":{"agent_id":{"value":"%b"},"task_id":{"value":"%b"},"uuid":"%b"}'
            % (heard.agent_id.encode(), heard.task_id.encode(), heard.uuid)
        ) + self._ids

    def decline(self, offers: list[Offered], refuse_seconds: float) -> bytes:
        ids = b",".join([b'{"value":"' + offer.offer_id.encode() + b'"}' for offer in offers])
        body = b'{"type":"DECLINE","decline":{"offer_ids":[%b],"filters":{"refuse_seconds":%.3f}}'
        return body % (ids, refuse_seconds) + self._ids

    def plain(self, kind: str) -> bytes:
        """REVIVE, TEARDOWN."""
        return b'{"type":"%b"' % kind.encode() + self._ids

    def decode(self, record: bytes) -> Heard:
        event = self._decode(record)
        if event.update is not None:
            status = event.update.status
            return Heard(
                "UPDATE",
                task_id=status.task_id.value,
                agent_id=status.agent_id.value if status.agent_id else "",
                state=status.state,
                uuid=status.uuid.encode() if status.uuid else None,
                text=status.message,
                timestamp=status.timestamp,
            )
        if event.offers is not None:
            return Heard("OFFERS", offers=[self._offered(offer) for offer in event.offers.offers])
        if event.subscribed is not None:
            return Heard("SUBSCRIBED", text=event.subscribed.framework_id.value)
        if event.rescind is not None:
            return Heard("RESCIND", text=event.rescind.offer_id.value)
        return Heard(event.type, text=str(event.error or ""))

    @staticmethod
    def _offered(offer: _Offer) -> Offered:
        amounts = {"cpus": 0.0, "mem": 0.0}
        for resource in offer.resources:
            if resource.scalar is not None and resource.name in amounts:
                amounts[resource.name] += resource.scalar.value
        return Offered(offer.id.value, offer.agent_id.value, amounts["cpus"], amounts["mem"])


class CommandCodec(JsonCodec):
    """application/json; each task runs by its own command."""

    def _runner(self, offer: Offered) -> bytes:  # noqa: ARG002 - the same on every agent
        return b'"command":' + self._encode({"value": self._command})


# Protobuf by hand: the numbers of the v1 messages.
_CALL_TYPES = {"SUBSCRIBE": 1, "TEARDOWN": 2, "ACCEPT": 3, "DECLINE": 4, "REVIVE": 5, "ACKNOWLEDGE": 8}
_EVENT_TYPES = {1: "SUBSCRIBED", 2: "OFFERS", 3: "RESCIND", 4: "UPDATE", 7: "ERROR", 8: "HEARTBEAT"}
_STATES = {0: "TASK_STARTING", 1: RUNNING, 2: FINISHED, 3: "TASK_FAILED", 4: "TASK_KILLED", 5: "TASK_LOST"}


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _field(number: int, content: bytes | str) -> bytes:
    data = content.encode() if isinstance(content, str) else content
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _number(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _double(number: int, value: float) -> bytes:
    return _varint(number << 3 | 1) + struct.pack("<d", value)


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    position, size = 0, len(data)
    while position < size:
        tag, position = _read_varint(data, position)
        kind = tag & 7
        if kind == 2:
            length, position = _read_varint(data, position)
            yield tag >> 3, data[position : position + length]
            position += length
        elif kind == 0:
            value, position = _read_varint(data, position)
            yield tag >> 3, value
        else:
            width = 8 if kind == 1 else 4
            yield tag >> 3, data[position : position + width]
            position += width


def _read_varint(data: bytes, position: int) -> tuple[int, int]:
    byte = data[position]
    if byte < 0x80:
        return byte, position + 1
    value, shift = byte & 0x7F, 7
    while True:
        position += 1
        byte = data[position]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position + 1
        shift += 7


def _text(data: int | bytes) -> str:
    """The text of an id message."""
    assert isinstance(data, bytes)
    return next(value.decode() for number, value in _fields(data) if number == 1 and isinstance(value, bytes))


class ProtobufCodec:
    """application/x-protobuf."""

    content_type = "application/x-protobuf"

    def __init__(self, executor_command: str) -> None:
        self._command = executor_command
        self._framework = b""

    def use_framework(self, framework_id: str) -> None:
        self._framework = _field(1, framework_id)

    def _call(self, kind: str, member: bytes = b"") -> bytes:
        return _field(1, self._framework) + _number(2, _CALL_TYPES[kind]) + member

    def subscribe(self, name: str) -> bytes:
        info = _field(1, "root") + _field(2, name) + _field(12, ROLE) + _field(10, _number(1, 6))
        return _number(2, _CALL_TYPES["SUBSCRIBE"]) + _field(3, _field(1, info))

    @staticmethod
    def _resources(number: int, cpus: float, mem: float) -> bytes:
        allocation = _field(11, _field(1, ROLE))
        return b"".join(
            _field(number, _field(1, name) + _number(2, 0) + _field(3, _double(1, value)) + allocation)
            for name, value in (("cpus", cpus), ("mem", mem))
        )

    def accept(self, offer: Offered, task_ids: list[str], cpus: float = TASK_CPUS, mem: float = TASK_MEM) -> bytes:
        executor = (
            _field(1, _field(1, f"warm-{offer.agent_id}"))
            + _field(8, self._framework)
            + _field(7, _field(3, self._command))
            + self._resources(5, EXECUTOR_CPUS, EXECUTOR_MEM)
        )
        rest = _field(3, _field(1, offer.agent_id)) + self._resources(4, cpus, mem) + _field(5, executor)
        tasks = [_field(1, _field(1, "t") + _field(2, _field(1, task_id)) + rest) for task_id in task_ids]
        launch = _number(1, 1) + _field(2, b"".join(tasks))
        filters = _double(1, 0.0)
        accept = _field(1, _field(1, offer.offer_id)) + _field(2, launch) + _field(3, filters)
        return self._call("ACCEPT", _field(4, accept))

    def acknowledge(self, heard: Heard) -> bytes:
        assert heard.uuid is not None
        member = _field(1, _field(1, heard.agent_id)) + _field(2, _field(1, heard.task_id)) + _field(3, heard.uuid)
        return self._call("ACKNOWLEDGE", _field(8, member))

    def decline(self, offers: list[Offered], refuse_seconds: float) -> bytes:
        ids = b"".join(_field(1, _field(1, offer.offer_id)) for offer in offers)
        return self._call("DECLINE", _field(5, ids + _field(2, _double(1, refuse_seconds))))

    def plain(self, kind: str) -> bytes:
        """REVIVE, TEARDOWN."""
        return self._call(kind)

    def decode(self, record: bytes) -> Heard:
        members = dict(_fields(record))
        kind = members[1]
        assert isinstance(kind, int)
        heard = Heard(_EVENT_TYPES.get(kind, str(kind)))
        if heard.kind == "UPDATE":
            ((_, status),) = _fields(self._bytes(members[5]))
            self._read_status(self._bytes(status), heard)
        elif heard.kind == "OFFERS":
            heard.offers = [self._offered(self._bytes(offer)) for _, offer in _fields(self._bytes(members[3]))]
        elif heard.kind in ("SUBSCRIBED", "RESCIND"):
            heard.text = _text(dict(_fields(self._bytes(members[2 if heard.kind == "SUBSCRIBED" else 4])))[1])
        elif heard.kind == "ERROR":
            heard.text = _text(members[8])
        return heard

    @staticmethod
    def _bytes(value: int | bytes) -> bytes:
        assert isinstance(value, bytes)
        return value

    def _read_status(self, data: bytes, heard: Heard) -> None:
        for number, value in _fields(data):
            if number == 1:
                heard.task_id = _text(value)
            elif number == 2 and isinstance(value, int):
                heard.state = _STATES.get(value, str(value))
            elif number == 5:
                heard.agent_id = _text(value)
            elif number == 11:
                heard.uuid = self._bytes(value)
            elif number == 4:
                heard.text = self._bytes(value).decode()
            elif number == 6:
                (heard.timestamp,) = struct.unpack("<d", self._bytes(value))

    def _offered(self, data: bytes) -> Offered:
        offered = Offered("", "", 0.0, 0.0)
        for number, value in _fields(data):
            if number == 1:
                offered.offer_id = _text(value)
            elif number == 3:
                offered.agent_id = _text(value)
            elif number == 5:
                resource = dict(_fields(self._bytes(value)))
                name = self._bytes(resource[1]).decode()
                if name in ("cpus", "mem") and 3 in resource:
                    ((_, amount),) = _fields(self._bytes(resource[3]))
                    (scalar,) = struct.unpack("<d", self._bytes(amount))
                    setattr(offered, name, getattr(offered, name) + scalar)
        return offered


Codec = JsonCodec | ProtobufCodec

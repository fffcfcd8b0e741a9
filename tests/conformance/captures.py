"""Reads the recorded conversations with Apache Mesos 1.11.0.

A capture is a text file: a title line, then sections headed ``---- NAME ----``. HTTP heads stand in
them with a visible ``\\r\\n`` at each line's end, binary bodies as hex dumps, streams as one section
an event. The files live beside the checkout, not in it; where they are missing the tests that need
them are skipped.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

PROTOCOL_DIRECTORY = Path(__file__).resolve().parents[3] / "shared" / "protocol"
CAPTURES_DIRECTORY = PROTOCOL_DIRECTORY / "captures"
MISSING = f"the recorded conversations are not there ({CAPTURES_DIRECTORY})"

_SECTION = re.compile(r"(?:\A|\n)---- ([^\n]+?) ----\n")
_EVENT = re.compile(r"event \+([0-9.]+)s, record of (\d+) bytes")
_HEX_HEAD = re.compile(r"\[hex, (\d+) bytes\]\n")
_HEX_LINE = re.compile(r"^[0-9a-f]{8}  ((?:[0-9a-f]{2} ?)+)", re.MULTILINE)
_WIRE_SECTION = re.compile(r"(?:\A|\n)=== ([^\n]+?) ===\n")
_HEARTBEAT_LINE = re.compile(r"^([0-9.]+) ", re.MULTILINE)

Headers = list[tuple[str, str]]


@dataclass
class Request:
    """One HTTP request as it was sent."""

    method: str
    target: str
    headers: Headers
    body: bytes

    def header(self, name: str) -> str | None:
        return find_header(self.headers, name)


@dataclass
class Response:
    """The head of an HTTP answer and, unless it is a stream, its body."""

    status: int
    reason: str
    headers: Headers
    body: bytes

    def header(self, name: str) -> str | None:
        return find_header(self.headers, name)


@dataclass
class WireEntry:
    """One thing an executor sent or received: ``kind`` is request, response, head or event."""

    kind: str
    name: str
    request: Request | None = None
    response: Response | None = None
    record: bytes = b""


@dataclass
class Capture:
    """One recorded conversation, or the part of a longer one that its title names."""

    name: str
    title: str
    request: Request | None = None
    response: Response | None = None
    is_stream: bool = False
    events: list[bytes] = field(default_factory=list)
    ended: bool = False
    heartbeat_seconds: list[float] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    wire: list[WireEntry] = field(default_factory=list)

    @property
    def is_protobuf(self) -> bool:
        """Whether the answer's records or body are protobuf."""
        kind = self.response.header("Content-Type") if self.response else None
        return kind == "application/x-protobuf"


def find_header(headers: Headers, name: str) -> str | None:
    """The value of the first header called `name`, in any case of letters."""
    wanted = name.lower()
    return next((value for key, value in headers if key.lower() == wanted), None)


def capture_names() -> list[str]:
    """Names of all captures, sorted; empty where the folder is missing."""
    return sorted(path.stem for path in CAPTURES_DIRECTORY.glob("*.txt"))


def load(name: str) -> Capture:
    """Read the capture called `name`."""
    text = (CAPTURES_DIRECTORY / f"{name}.txt").read_text(encoding="utf-8")
    title, _, rest = text.partition("\n")
    capture = Capture(name, title.removeprefix("# "))
    parts = _SECTION.split(rest)
    for head, content in zip(parts[1::2], parts[2::2], strict=True):
        _take_section(capture, head, content)
    return capture


def _take_section(capture: Capture, head: str, content: str) -> None:
    event = _EVENT.fullmatch(head)
    if event is not None:
        capture.events.append(_body(content))
    elif head == "request":
        capture.request = _parse_request(content)
    elif head in ("response", "response head"):
        capture.response = _parse_response(content)
        capture.is_stream = head == "response head"
    elif head == "end":
        capture.ended = "empty chunk" in content
    elif head.startswith("the rest of the response"):
        capture.events.extend(_records_of_raw_stream(content))
    elif head.startswith("seconds after"):
        capture.heartbeat_seconds = [float(number) for number in _HEARTBEAT_LINE.findall(content)]
    elif head == "environment.txt":
        pairs = (line.partition("=") for line in content.split("\n") if line)
        capture.environment = {key: value for key, _, value in pairs}
    elif head == "wire.log":
        capture.wire = _parse_wire(content)


def _split_head(content: str) -> tuple[list[str], str]:
    lines: list[str] = []
    position = 0
    while True:
        end = content.find("\\r\\n", position)
        line = content[position:end]
        position = end + len("\\r\\n\n")
        if not line:
            return lines, content[position:]
        lines.append(line)


def _headers(lines: list[str]) -> Headers:
    pairs = (line.partition(": ") for line in lines)
    return [(key, value) for key, _, value in pairs]


def _body(text: str) -> bytes:
    dump = _HEX_HEAD.match(text.lstrip("\n"))
    if dump is None:
        return text.strip("\n").encode()
    data = b"".join(bytes.fromhex(line) for line in _HEX_LINE.findall(text))
    assert len(data) == int(dump.group(1)), "a hex dump that does not hold what it says"
    return data


def _parse_request(content: str) -> Request:
    lines, body = _split_head(content)
    method, target, _ = lines[0].split(" ", 2)
    return Request(method, target, _headers(lines[1:]), _body(body))


def _parse_response(content: str) -> Response:
    lines, body = _split_head(content)
    _, status, reason = lines[0].split(" ", 2)
    return Response(int(status), reason, _headers(lines[1:]), _body(body))


def _records_of_raw_stream(content: str) -> list[bytes]:
    """Records of a stream whose chunk sizes and record lengths stand in the file."""
    records = []
    for chunk in content.strip("\n").split("\\r\\n\n")[1::2]:
        length, _, record = chunk.removesuffix("\\r\\n").partition("\n")
        assert len(record.encode()) == int(length), "a record whose length is not what it says"
        records.append(record.encode())
    return records


def _parse_wire(content: str) -> list[WireEntry]:
    entries = []
    parts = _WIRE_SECTION.split(content)
    for head, text in zip(parts[1::2], parts[2::2], strict=True):
        words = head.split(" ")
        if head.startswith("request "):
            entries.append(WireEntry("request", words[1], request=_parse_request(text)))
        elif head.startswith("response to "):
            entries.append(WireEntry("response", words[2], response=_parse_response(text)))
        elif head.startswith("response head to "):
            entries.append(WireEntry("head", words[3], response=_parse_response(text)))
        elif head.startswith("event "):
            entries.append(WireEntry("event", words[1], record=_body(text)))
    return entries

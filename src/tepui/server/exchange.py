"""Between HTTP and a core: requests that wait for their answer, and streams that are open.

A request is known to the core by a number, a stream by its name. This module keeps what the core need not know: the
socket behind each, and how its peer wants things written (JSON or protobuf, `?jsonp=`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tepui.model.drawn import Drawn
from tepui.model.message import WireMessage
from tepui.model.mirror import MirrorPart
from tepui.model.shell import Answer, CloseSession, Event, OpenSession, Send, SendDrawn, SessionBacklog, SessionClosed
from tepui.server.drawing import ANSWERS_MAX, PICTURES_MAX, RETRY_AFTER_SECONDS, DrawnAnswer, DrawnRecord
from tepui.transport.heads import Headers
from tepui.transport.hot import HotRequest, Stream
from tepui.transport.slices import Slices
from tepui.wire.drawing import draw
from tepui.wire.frames import encode_part
from tepui.wire.json import encode_json, wrap_jsonp
from tepui.wire.media import MediaType, encode

PACKED = "application/x-msgpack"


@dataclass(slots=True, eq=False)
class _Waiting:
    request: HotRequest
    media: MediaType
    jsonp: str | None = None
    stream_id_header: bool = False
    """The stream's head tells its name as Mesos-Stream-Id (schedulers only)."""
    backlog_bytes_max: int | None = None
    """What may wait for the stream's reader, where it is not the server's bound."""
    packed: bool = False
    """The stream is of MessagePack, whatever `media` says: parts for a mirror."""


@dataclass(slots=True, eq=False)
class _Session:
    stream: Stream
    media: MediaType
    drawing: DrawnRecord | None = None
    """What is on its way before anything else can be sent."""


class Exchange:
    """The requests and streams of one server. `post` takes events for the core."""

    def __init__(self, post: Callable[[Event], None]) -> None:
        self._post = post
        self._waiting: dict[int, _Waiting] = {}
        self._sessions: dict[str, _Session] = {}
        self._slices = Slices()
        self._next_request = 0
        self._part: MirrorPart | None = None
        self._encoded_part = b""

    @property
    def requests_waiting(self) -> int:
        """How many requests the core has yet to answer."""
        return len(self._waiting)

    @property
    def sessions_open(self) -> int:
        """How many streams are open."""
        return len(self._sessions)

    @property
    def answers_drawn(self) -> int:
        """How many large answers and events are under way."""
        return len(self._slices)

    def wait(
        self,
        request: HotRequest,
        media: MediaType = MediaType.JSON,
        *,
        jsonp: str | None = None,
        stream_id_header: bool = False,
        backlog_bytes_max: int | None = None,
        packed: bool = False,
    ) -> int:
        """Note a request that the core will answer; returns its number."""
        self._next_request += 1
        self._waiting[self._next_request] = _Waiting(request, media, jsonp, stream_id_header, backlog_bytes_max, packed)
        return self._next_request

    def release(self, number: int) -> HotRequest | None:
        """Take a request back unanswered; None when it was answered before."""
        waiting = self._waiting.pop(number, None)
        return None if waiting is None else waiting.request

    def answer(self, effect: Answer, headers: Headers = ()) -> None:
        """Answer a request that waits; nothing happens when it was answered before."""
        waiting = self._waiting.pop(effect.request, None)
        if waiting is None:
            return
        body = effect.body
        if effect.headers:
            headers = (*headers, *effect.headers)
        if body is None:
            waiting.request.answer(effect.status, headers=headers)
        elif isinstance(body, str):
            waiting.request.answer_text(effect.status, body, headers)
        elif isinstance(body, Drawn):
            self._draw(waiting, body, headers)
        elif isinstance(body, WireMessage):
            waiting.request.answer(effect.status, encode(waiting.media, body), waiting.media.value, headers)
        else:
            answer_plain(waiting.request, body, waiting.jsonp, effect.status, headers)

    def _draw(self, waiting: _Waiting, body: Drawn, headers: Headers) -> None:
        """Begin an answer that is made while it is written."""
        request = waiting.request
        if len(self._slices) >= ANSWERS_MAX:
            if request.channel is not None:
                request.channel.counters.long_answers_refused += 1
            sentence = f"{ANSWERS_MAX} large answers are under way; ask again in {RETRY_AFTER_SECONDS} seconds"
            request.answer_text(503, sentence, (*headers, ("Retry-After", str(RETRY_AFTER_SECONDS))))
            return
        media = waiting.media if body.message is not None else MediaType.JSON
        jsonp = waiting.jsonp if body.message is None else None
        content_type = "text/javascript" if jsonp else media.value
        self._slices.add(DrawnAnswer(request, draw(body, media, jsonp), content_type, headers))

    def open(self, effect: OpenSession) -> None:
        """Open the stream that answers a request."""
        waiting = self._waiting.pop(effect.request, None)
        if waiting is None:
            self._post(SessionClosed(effect.session, "the peer went away before its stream was opened"))
            return
        name = effect.session
        headers = (("Mesos-Stream-Id", name),) if waiting.stream_id_header else ()
        stream = waiting.request.open_stream(
            headers=headers,
            content_type=PACKED if waiting.packed else waiting.media.value,
            on_close=lambda why: self._closed(name, why),
            on_backlog=lambda full: self._post(SessionBacklog(name, full)),
            backlog_bytes_max=waiting.backlog_bytes_max,
        )
        self._sessions[name] = _Session(stream, waiting.media)

    def send(self, effect: Send) -> None:
        """Send an event down a stream; nothing happens when it is gone."""
        session = self._sessions.get(effect.session)
        if session is not None:
            event = effect.event
            record = self._encode_part(event) if isinstance(event, MirrorPart) else encode(session.media, event)
            if session.drawing is None:
                session.stream.send(record)
            else:
                session.drawing.follow(record)

    def send_drawn(self, effect: SendDrawn) -> None:
        """Begin an event that is made a part at a time; what is sent down the stream meanwhile follows it."""
        session = self._sessions.get(effect.session)
        if session is None:
            return
        # Those of sessions that are closed meanwhile are in memory, too, until their readers have them.
        if sum(isinstance(work, DrawnRecord) for work in self._slices) >= PICTURES_MAX:
            session.stream.give_up(f"{PICTURES_MAX} subscribers are being told everything")
            return

        def done() -> None:
            session.drawing = None

        session.drawing = DrawnRecord(session.stream, draw(effect.event, session.media), done)
        self._slices.add(session.drawing)

    def _encode_part(self, part: MirrorPart) -> bytes:
        """Several masters are sent the same part, one after the other."""
        if part is not self._part:
            self._part, self._encoded_part = part, encode_part(part)
        return self._encoded_part

    def close(self, effect: CloseSession) -> None:
        """End a stream after what was sent before; the core hears nothing of it."""
        session = self._sessions.pop(effect.session, None)
        if session is None:
            return
        if session.drawing is None:
            session.stream.close()
        else:
            session.drawing.close()

    def close_all(self) -> None:
        """End every stream; the core hears nothing, because it ends too."""
        sessions, self._sessions = self._sessions, {}
        for session in sessions.values():
            if session.drawing is None:
                session.stream.close()
            else:
                session.stream.give_up("this server ends")

    def _closed(self, name: str, why: str) -> None:
        if self._sessions.pop(name, None) is not None:
            self._post(SessionClosed(name, why))


def answer_plain(
    request: HotRequest, data: object, jsonp: str | None = None, status: int = 200, headers: Headers = ()
) -> None:
    """Answer with plain data as JSON, wrapped for `?jsonp=NAME` when a name is given."""
    body = encode_json(data)
    if jsonp:
        request.answer(status, wrap_jsonp(jsonp, body), "text/javascript", headers)
    else:
        request.answer(status, body, "application/json", headers)

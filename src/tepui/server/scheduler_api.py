"""The scheduler API's checks that need no knowledge of the cluster, in Mesos's order; the rest is the core's."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

from tepui.master.events import SchedulerCall, SchedulerSubscribe
from tepui.model.shell import Event
from tepui.model.v1.scheduler import Call
from tepui.model.validation import validate_scheduler_call
from tepui.server.exchange import Exchange
from tepui.server.requests import accepted_media, read_call
from tepui.transport.hot import HotRequest

_SUBSCRIBE = Call.Type.SUBSCRIBE
_RECONCILE_OPERATIONS = Call.Type.RECONCILE_OPERATIONS


class SchedulerApi:
    """Handles /api/v1/scheduler."""

    def __init__(self, exchange: Exchange, post: Callable[[Event], None]) -> None:
        self._exchange = exchange
        self._post = post

    def handle(self, request: HotRequest) -> None:
        call = read_call(request, Call, "scheduler::Call", validate_scheduler_call)
        if call is None:
            return
        kind = call.type
        stream_id = request.headers.get(b"mesos-stream-id")
        if kind is _SUBSCRIBE:
            media = accepted_media(request)
            if media is None:
                return
            if stream_id is not None:
                request.answer_text(400, "Subscribe calls should not include the 'Mesos-Stream-Id' header")
                return
            number = self._exchange.wait(request, media, stream_id_header=True)
            self._post(SchedulerSubscribe(number, str(uuid4()), None, call))
            return
        if kind is _RECONCILE_OPERATIONS and accepted_media(request) is None:
            return
        name = None if stream_id is None else stream_id.decode("latin-1")
        self._post(SchedulerCall(self._exchange.wait(request), name, None, call))

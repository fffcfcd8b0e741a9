"""The executor API's checks that need no knowledge of executors, in Mesos's order; then the call goes to the core."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

from tepui.agent.events import ExecutorCall, ExecutorSubscribe
from tepui.model.shell import Event
from tepui.model.v1.executor import Call
from tepui.model.validation import validate_executor_call
from tepui.server.exchange import Exchange
from tepui.server.requests import accepted_media, read_call
from tepui.transport.hot import HotRequest


class ExecutorApi:
    """Handles /api/v1/executor."""

    def __init__(self, exchange: Exchange, post: Callable[[Event], None]) -> None:
        self._exchange = exchange
        self._post = post

    def handle(self, request: HotRequest) -> None:
        call = read_call(request, Call, "Executor::Call", validate_executor_call)
        if call is None:
            return
        kind = call.type
        if kind is Call.Type.SUBSCRIBE:
            media = accepted_media(request)
            if media is not None:
                number = self._exchange.wait(request, media)
                self._post(ExecutorSubscribe(number, str(uuid4()), None, call))
        elif kind is Call.Type.HEARTBEAT:
            request.answer(202)
        else:
            self._post(ExecutorCall(self._exchange.wait(request), None, call))

"""The master's operator API: what the shell can answer (files, logging), and the way of everything else to the core."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

from tepui.master.events import OperatorCall
from tepui.model.shell import Event
from tepui.model.v1.master import Call, Response
from tepui.model.validation import validate_master_call
from tepui.server.exchange import Exchange
from tepui.server.files import Files
from tepui.server.log import LoggingLevel
from tepui.server.operator_api import ShellCalls
from tepui.server.requests import accepted_media, read_call
from tepui.transport.hot import HotRequest

OPERATOR_BACKLOG_BYTES_MAX = 16 << 20
"""What may wait for an operator who does not read the events, before the stream is closed."""


class MasterOperatorApi:
    """Handles /api/v1."""

    def __init__(self, exchange: Exchange, post: Callable[[Event], None], files: Files, level: LoggingLevel) -> None:
        self._exchange = exchange
        self._post = post
        self._shell_calls = ShellCalls(files, level, Response)

    def handle(self, request: HotRequest) -> None:
        call = read_call(request, Call, "master::Call", validate_master_call)
        if call is None:
            return
        media = accepted_media(request)
        if media is None:
            return
        if not self._shell_calls.answer(request, call, media):
            number = self._exchange.wait(request, media, backlog_bytes_max=OPERATOR_BACKLOG_BYTES_MAX)
            self._post(OperatorCall(number, str(uuid4()), None, call))

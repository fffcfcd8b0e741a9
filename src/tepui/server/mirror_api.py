"""The stream that standbys mirror the leader by: POST /api/tepui/v1/mirror opens it."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

from tepui.master.events import MirrorSubscribe
from tepui.model.shell import Event
from tepui.server.exchange import Exchange
from tepui.server.extension_api import EXTENSIONS_PATH
from tepui.transport.hot import Handler, HotRequest

MIRROR_PATH = f"{EXTENSIONS_PATH}/mirror"


class MirrorApi:
    """Brings masters that ask for it to the core."""

    def __init__(self, exchange: Exchange, post: Callable[[Event], None]) -> None:
        self._exchange = exchange
        self._post = post

    def routes(self) -> dict[str, Handler]:
        """The handlers of its paths."""
        return {MIRROR_PATH: self.handle}

    def handle(self, request: HotRequest) -> None:
        """POST opens a stream, which the core may refuse."""
        if request.path != MIRROR_PATH:
            request.answer_text(404)
        elif request.method != "POST":
            request.answer_method_not_allowed("POST")
        else:
            self._post(MirrorSubscribe(self._exchange.wait(request, packed=True), str(uuid4()), None))

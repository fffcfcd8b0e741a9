"""Reads that a standby answers from its mirror, for clients that say that the answer may be old.

Tepui-Allow-Stale: 1        in the request
Tepui-Revision: 3.1042      in the answer: the leader's epoch, and the number of its newest change record
Tepui-Age-Seconds: 0.150    how long ago the leader's state was seen to be this
"""

from __future__ import annotations

from collections.abc import Callable

from tepui.master.events import LegacyCall, OperatorCall
from tepui.master.mirror import Mirror
from tepui.model.shell import Answer, Event, ExtensionCall
from tepui.model.v1.master import Call
from tepui.model.validation import validate_master_call
from tepui.server.exchange import Exchange
from tepui.server.extension_api import MASTER_EXTENSIONS, ExtensionApi
from tepui.server.legacy_api import LegacyApi
from tepui.server.requests import accepted_media, read_call
from tepui.transport.hot import Handler, HotRequest

ALLOW_HEADER = "tepui-allow-stale"
REVISION_HEADER = "Tepui-Revision"
AGE_HEADER = "Tepui-Age-Seconds"


def allows_stale(request: HotRequest) -> bool:
    """Whether the client takes an old answer."""
    return request.header(ALLOW_HEADER) == "1"


class StaleReads:
    """Handlers for the paths that a mirror knows something of."""

    def __init__(
        self,
        exchange: Exchange,
        mirror: Callable[[], Mirror | None],
        now: Callable[[], float],
        elsewhere: Handler,
    ) -> None:
        """`elsewhere` answers what the mirror cannot, and everything while there is none."""
        self._exchange = exchange
        self._mirror = mirror
        self._now = now
        self._elsewhere = elsewhere

    def routes(self) -> dict[str, Handler]:
        """The handlers of these paths; each asks the client's header first."""
        found = {
            "/api/v1": self._operator_call,
            "/master/api/v1": self._operator_call,
            **LegacyApi(self._exchange, self._answer).routes(),
            **ExtensionApi(self._exchange, self._answer, MASTER_EXTENSIONS).routes(),
        }
        return {path: self._choosing(handler) for path, handler in found.items()}

    def _choosing(self, handler: Handler) -> Handler:
        def handle(request: HotRequest) -> None:
            if allows_stale(request) and self._mirror() is not None:
                handler(request)
            else:
                self._elsewhere(request)

        return handle

    def _operator_call(self, request: HotRequest) -> None:
        call = read_call(request, Call, "master::Call", validate_master_call)
        media = None if call is None else accepted_media(request)
        if call is not None and media is not None:
            self._answer(OperatorCall(self._exchange.wait(request, media), "", None, call))

    def _answer(self, event: Event) -> None:
        """In the place of a core: answer at once."""
        assert isinstance(event, OperatorCall | LegacyCall | ExtensionCall)
        mirror = self._mirror()
        assert mirror is not None
        now = self._now()
        found = mirror.answer(event, now)
        if found is None:
            request = self._exchange.release(event.request)
            if request is not None:
                self._elsewhere(request)
            return
        headers = ((REVISION_HEADER, mirror.revision_text), (AGE_HEADER, f"{mirror.age_seconds(now):.3f}"))
        self._exchange.answer(Answer(event.request, *found), headers)

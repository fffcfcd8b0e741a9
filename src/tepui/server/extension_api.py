"""/api/tepui/v1 of master and agent: Tepui's own calls, by GET with a query or by POST with a JSON object of texts."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from tepui.model.shell import Event, ExtensionCall
from tepui.server.endpoints import read_query
from tepui.server.exchange import Exchange
from tepui.transport.hot import Handler, HotRequest

EXTENSIONS_PATH = "/api/tepui/v1"
MASTER_EXTENSIONS = {
    "agents": "GET",
    "frameworks": "GET",
    "kill": "POST",
    "offers": "GET",
    "operation": "GET",
    "shares": "GET",
    "story": "GET",
    "tasks": "GET",
    "why": "GET",
}
"""The master's calls and their methods."""
AGENT_EXTENSIONS = {"story": "GET"}

_decoder = msgspec.json.Decoder(dict[str, str])


class ExtensionApi:
    """Brings the calls of one server to its core, which answers them."""

    def __init__(self, exchange: Exchange, post: Callable[[Event], None], methods: Mapping[str, str]) -> None:
        self._exchange = exchange
        self._post = post
        self._methods = methods

    def routes(self) -> dict[str, Handler]:
        return {f"{EXTENSIONS_PATH}/{name}": self._handler(name, method) for name, method in self._methods.items()}

    def _handler(self, name: str, method: str) -> Handler:
        path = f"{EXTENSIONS_PATH}/{name}"

        def handle(request: HotRequest) -> None:
            if request.path != path:
                request.answer_text(404)
                return
            if request.method != method:
                request.answer_method_not_allowed(method)
                return
            arguments = read_query(request) if method == "GET" else _read_object(request)
            if arguments is not None:
                self._post(ExtensionCall(self._exchange.wait(request), None, name, arguments))

        return handle


def _read_object(request: HotRequest) -> dict[str, str] | None:
    """The body's object; None after answering why there is none.

    The type of the body must be said: pages of other sites can send forms and plain text, but not JSON.
    """
    if (request.header("content-type") or "").partition(";")[0].strip().lower() != "application/json":
        request.answer_text(415, "Expecting 'Content-Type' of application/json")
        return None
    try:
        return _decoder.decode(request.body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        request.answer_text(400, f"Failed to parse body into JSON: {error}")
        return None

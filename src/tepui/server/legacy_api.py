"""The master's legacy JSON endpoints: which there are, at which paths and by which methods; the core answers them."""

from __future__ import annotations

from collections.abc import Callable

from tepui.master.events import LegacyCall
from tepui.model.shell import Event
from tepui.server.endpoints import Handler, read_form, read_query
from tepui.server.exchange import Exchange
from tepui.transport.hot import HotRequest

_ANY = ("state", "state-summary", "slaves", "frameworks", "tasks", "roles", "flags")
"""Read endpoints: Mesos answers them whatever the method."""
_BY_METHOD = {
    "quota": ("GET", "POST", "DELETE"),
    "weights": ("GET", "PUT"),
    "maintenance/schedule": ("GET", "POST"),
    "maintenance/status": ("GET",),
    "machine/down": ("POST",),
    "machine/up": ("POST",),
    "reserve": ("POST",),
    "unreserve": ("POST",),
    "create-volumes": ("POST",),
    "destroy-volumes": ("POST",),
    "teardown": ("POST",),
}
_OWN_PROCESS = ("metrics/snapshot", "allocator/offer_constraints_debug", "registrar(1)/registry")
"""Endpoints of processes beside the master's, so without the /master prefix."""


class LegacyApi:
    """The endpoints by path, in both spellings (`/state` and `/master/state`)."""

    def __init__(self, exchange: Exchange, post: Callable[[Event], None]) -> None:
        self._exchange = exchange
        self._post = post

    def routes(self) -> dict[str, Handler]:
        found: dict[str, Handler] = {}
        for name in _ANY:
            found[f"/{name}"] = found[f"/master/{name}"] = self._handler(name, None)
        for name, methods in _BY_METHOD.items():
            found[f"/{name}"] = found[f"/master/{name}"] = self._handler(name, methods)
        for name in _OWN_PROCESS:
            found[f"/{name}"] = self._handler(name, None)
        return found

    def _handler(self, endpoint: str, methods: tuple[str, ...] | None) -> Handler:
        paths = {f"/{endpoint}", f"/master/{endpoint}"}
        below = endpoint == "quota"  # DELETE /quota/<role>

        def handle(request: HotRequest) -> None:
            if request.path not in paths and not below:
                request.answer_text(404)
                return
            if methods is not None and request.method not in methods:
                request.answer_method_not_allowed(*methods)
                return
            query = read_query(request)
            if query is None:
                return
            form = read_form(request) if request.method == "POST" and endpoint in _FORMS else {}
            if form is None:
                return
            number = self._exchange.wait(request, jsonp=query.get("jsonp"))
            self._post(LegacyCall(number, None, request.method, endpoint, query, form))

        return handle


_FORMS = frozenset({"teardown", "reserve", "unreserve", "create-volumes", "destroy-volumes"})

"""What a master answers while it does not lead: itself what every master does, and for the rest who leads.

Mesos answers the same paths (http-api 1.4): 307 to the leader with `Location: //HOST:PORT/PATH?QUERY`, 503 while nobody
leads, and 503 in the time between its own election and the end of its recovery.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import quote

from tepui.master.metrics import Metrics
from tepui.model.addresses import host_and_port
from tepui.model.v1.mesos import MasterInfo
from tepui.server.endpoints import read_query
from tepui.server.exchange import answer_plain
from tepui.server.system import system_metrics
from tepui.transport.hot import Handler, HotRequest

_NOBODY = "No leader elected"
_RECOVERING = "Master has not finished recovery"
_OWN = frozenset({"/version", "/system/stats.json", "/logging/toggle", "/health", "/master/health"})
"""Paths that every master answers, beside /files, /flags, /metrics and /redirect."""
_PATH_CHARACTERS = "/()!$&'*+,;=:@~"
"""What stands in a path as it is."""


class Standby:
    """Handlers for a master that does not lead. It is told who does (`leader`), and that it is to (`recovering`)."""

    def __init__(self, flags: Mapping[str, str], started_at: float, now: Callable[[], float]) -> None:
        self.leader: tuple[str, int] | None = None
        """Host name and port of the leader, None while nobody leads or this master does not know."""
        self.recovering = False
        self._flags = dict(flags)
        self._started_at = started_at
        self._now = now
        self._metrics = Metrics()
        self._metrics.levels["master/elected"] = 0.0
        self._metrics.register_gauges(system_metrics)

    def lead_by(self, info: MasterInfo | None) -> None:
        """Take over who leads from a MasterInfo."""
        self.leader = None if info is None else (info.hostname or "", info.port)

    def routes(self, leading: Mapping[str, Handler], stale: Mapping[str, Handler]) -> dict[str, Handler]:
        """Handlers for the paths that a leader serves by `leading`, and by `stale` to whom an old answer will do."""
        routes = {
            path: handler if path in _OWN or path.startswith("/files/") else stale.get(path, self.elsewhere)
            for path, handler in leading.items()
        }
        for prefix in ("", "/master"):
            routes[f"{prefix}/flags"] = self._answer_flags
            routes[f"{prefix}/redirect"] = self.redirect
        routes["/metrics/snapshot"] = self._answer_metrics
        return routes

    def redirect(self, request: HotRequest) -> None:
        """/redirect: to the leader, without a path."""
        if request.path not in ("/redirect", "/master/redirect"):
            request.answer_text(404)
        elif self.leader is None:
            request.answer_text(503, _NOBODY)
        else:
            request.answer(307, headers=(("Location", self._location()),))

    def elsewhere(self, request: HotRequest) -> None:
        """To the leader."""
        if self.recovering or self.leader is None:
            request.answer_text(503, _RECOVERING if self.recovering else _NOBODY)
            return
        query = f"?{request.query}" if request.query else ""
        request.answer(
            307, headers=(("Location", self._location() + quote(request.path, safe=_PATH_CHARACTERS) + query),)
        )

    def _location(self) -> str:
        assert self.leader is not None
        return f"//{host_and_port(*self.leader)}"

    def _answer_flags(self, request: HotRequest) -> None:
        query = read_query(request)
        if query is not None:
            answer_plain(request, {"flags": self._flags}, query.get("jsonp"))

    def _answer_metrics(self, request: HotRequest) -> None:
        query = read_query(request)
        if query is not None:
            now = self._now()
            found = self._metrics.publish(now)
            found["master/uptime_secs"] = now - self._started_at
            answer_plain(request, dict(sorted(found.items())), query.get("jsonp"))

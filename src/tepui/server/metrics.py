"""What a server's shell measures of itself and of the machine, published beside the core's metrics."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial

from tepui.model.metrics import Registry
from tepui.server.engine import Engine
from tepui.server.exchange import Exchange
from tepui.server.system import system_metrics
from tepui.transport.hot import Counters
from tepui.transport.link import LinkCounters
from tepui.transport.turn import Turn


def register_shell_metrics(
    registry: Registry, http: Counters, link: LinkCounters, exchange: Exchange, turn: Turn, engine: Engine
) -> None:
    """Publish `system/*`, and under `tepui/*` how full the bounded queues are and how often a bound was reached."""
    registry.register_gauges(system_metrics)
    for prefix, counters in (("tepui/http", http), ("tepui/link", link)):
        registry.register_gauges(partial(_counted, prefix, counters))
    registry.register_gauge("tepui/requests_waiting", lambda: exchange.requests_waiting)
    registry.register_gauge("tepui/sessions_open", lambda: exchange.sessions_open)
    registry.register_gauge("tepui/large_answers_drawn", lambda: exchange.answers_drawn)
    registry.register_gauge("tepui/events_waiting", lambda: turn.waiting)
    registry.register_gauge("tepui/events_failed", lambda: engine.failures)


def _counted(prefix: str, counters: Counters | LinkCounters) -> dict[str, float]:
    return {f"{prefix}/{name}": float(value) for name, value in asdict(counters).items()}

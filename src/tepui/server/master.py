"""The master server: HTTP and links outside, the master core inside."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from random import Random, SystemRandom
from uuid import uuid4

from aiohttp import web

from tepui import __version__
from tepui.master.config import MasterConfig
from tepui.master.core import MasterCore
from tepui.master.events import AllocationTook, LinkClosed, LinkOpened, LinkReceived
from tepui.master.records import (
    AgentAdded,
    AgentRemoved,
    AgentUpdated,
    FrameworkAdded,
    FrameworkRemoved,
    FrameworkUpdated,
)
from tepui.master.stories import sentence
from tepui.model.shell import (
    Event,
    Store,
    Stored,
    Tick,
)
from tepui.model.v1.mesos import Address, MasterInfo
from tepui.server.allocators import make_allocator
from tepui.server.base import Server
from tepui.server.domain import fault_domain
from tepui.server.endpoints import answer_health
from tepui.server.engine import Engine
from tepui.server.extension_api import MASTER_EXTENSIONS, ExtensionApi
from tepui.server.flags import Flags
from tepui.server.legacy_api import LegacyApi
from tepui.server.log import set_up_logging
from tepui.server.master_operator_api import MasterOperatorApi
from tepui.server.network import advertised, ip_number
from tepui.server.record_requests import refused_records
from tepui.server.scheduler_api import SchedulerApi
from tepui.server.signals import wait_for_signal
from tepui.transport.hot import HotRequest
from tepui.transport.http import HttpServer, text
from tepui.transport.link import LINK_PATH, LinkServer
from tepui.transport.loop import run
from tepui.wire.versions import MESOS_VERSION, build_facts

log = logging.getLogger(__name__)

_TOLD = frozenset({AgentAdded, AgentRemoved, AgentUpdated, FrameworkAdded, FrameworkRemoved, FrameworkUpdated})
"""Change records that the log tells; those of tasks and offers would fill it."""


def master_config(flags: Flags, port: int, now: float) -> MasterConfig:
    """What the core is told, from the flags and from where the master listens."""
    place = advertised(flags)
    port = flags.number("advertise_port") if flags.value("advertise_port") is not None else port
    domain = flags.value("domain")
    info = MasterInfo(
        id=str(uuid4()),
        ip=ip_number(place.ip),
        port=port,
        pid=f"master@{place.ip}:{port}",
        hostname=place.hostname,
        version=MESOS_VERSION,
        address=Address(hostname=place.hostname, ip=place.ip, port=port),
        capabilities=[
            MasterInfo.Capability(type=MasterInfo.Capability.Type.AGENT_UPDATE),
            MasterInfo.Capability(type=MasterInfo.Capability.Type.AGENT_DRAINING),
            MasterInfo.Capability(),
        ],
        domain=fault_domain(domain) if isinstance(domain, dict) else None,
    )
    roles, weights = flags.value("roles"), flags.value("weights")
    offer_timeout = flags.value("offer_timeout")
    return MasterConfig(
        info=info,
        version=MESOS_VERSION,
        cluster=flags.text("cluster"),
        flags=flags.texts(),
        start_time=now,
        elected_time=now,
        build=build_facts(__version__),
        roles=roles if isinstance(roles, frozenset) else None,
        weights=weights if isinstance(weights, dict) else {},
        root_submissions=flags.switch("root_submissions"),
        offer_timeout_seconds=offer_timeout if isinstance(offer_timeout, float) else None,
        agent_ping_timeout_seconds=flags.seconds("agent_ping_timeout"),
        agent_pings_missed_max=flags.number("max_agent_ping_timeouts"),
        agent_reregister_timeout_seconds=flags.seconds("agent_reregister_timeout"),
        completed_frameworks_max=flags.number("max_completed_frameworks"),
        completed_tasks_per_framework_max=flags.number("max_completed_tasks_per_framework"),
        unreachable_tasks_per_framework_max=flags.number("max_unreachable_tasks_per_framework"),
        operator_streams_max=flags.number("max_operator_event_stream_subscribers"),
        require_agent_domain=flags.switch("require_agent_domain"),
        per_framework_metrics=flags.switch("publish_per_framework_metrics"),
    )


class MasterServer(Server):
    """One master."""

    def __init__(self, flags: Flags, log_file: Path | None = None) -> None:
        super().__init__(flags, "/master/log", log_file)
        post = self._turn.post
        self._core: MasterCore | None = None
        self._agents = LinkServer(
            on_open=lambda link, address: post(LinkOpened(link, address)),
            on_messages=lambda link, messages: self._turn.post_all([LinkReceived(link, one) for one in messages]),
            on_close=lambda link, why: post(LinkClosed(link, why)),
            flusher=self._flusher,
        )
        scheduler = SchedulerApi(self._exchange, post)
        operator = MasterOperatorApi(self._exchange, post, self._files, self._level)
        legacy = LegacyApi(self._exchange, post)
        calls = {"/api/v1/scheduler": scheduler.handle, "/master/api/v1/scheduler": scheduler.handle}
        routes = {
            **calls,
            "/api/v1": operator.handle,
            "/master/api/v1": operator.handle,
            "/redirect": self._redirect,
            "/master/redirect": self._redirect,
            "/health": answer_health,
            "/master/health": answer_health,
            **legacy.routes(),
            **ExtensionApi(self._exchange, post, MASTER_EXTENSIONS).routes(),
            **self._common.routes(),
        }
        self._connect(HttpServer(routes, self._cold, flusher=self._flusher, pipelined=calls), self._agents)
        self._appliers[Store] = self._store

    async def start(self) -> int:
        """Listen and begin; returns the port. Raises StartError when it cannot listen there."""
        port = await self._listen()
        config = master_config(self._flags, port, self._clock.now())
        self._core = MasterCore(config, make_allocator(self._flags), Random(SystemRandom().getrandbits(128)))
        self._begin(self._core, self._core.metrics)
        self._turn.start()
        log.info("master %s serves http://%s:%d", config.info.id, config.info.hostname, port)
        return port

    # The loop.

    def _process(self, events: list[Event]) -> None:
        core, engine = self._core, self._engine
        if core is None or engine is None:
            return
        now = self._clock.now()
        for event in events:
            if type(event) is Tick:
                self._tick(core, engine)
            else:
                engine.step(event, now)
        due = core.next_deadline()
        if due is not None and due <= now:
            # What became due by these events (an allocation, as a rule) belongs to the same turn.
            self._tick(core, engine)
        for record in core.drain_records():
            if type(record) in _TOLD:
                log.info("%s", sentence(record))

    def _tick(self, core: MasterCore, engine: Engine) -> None:
        """Let what is due happen, and tell the core how long its allocation run took."""
        runs = core.allocation_runs
        before = self._clock.now()
        engine.step(Tick(), before)
        if core.allocation_runs > runs:
            after = self._clock.now()
            engine.step(AllocationTook(after - before), after)

    def _store(self, effect: Store) -> None:
        """The registry in memory: what is to be stored is stored as soon as it is said."""
        self._turn.post(Stored(effect.token))

    # HTTP that needs no core.

    def _redirect(self, request: HotRequest) -> None:
        if request.path not in ("/redirect", "/master/redirect"):
            request.answer_text(404)
            return
        if self._core is None:
            request.answer_text(503, "No leader elected")
            return
        info = self._core.config.info
        request.answer(307, headers=(("Location", f"//{info.hostname}:{info.port}"),))

    async def _cold(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path == LINK_PATH:
            return await self._agents.handle(request)
        if request.path == "/files/download":
            return await self._common.download(request)
        return refused_records(request) or text(404)


async def _serve(flags: Flags, log_file: Path | None, on_port: Callable[[int], None] | None) -> int:
    server = MasterServer(flags, log_file)
    port = await server.start()
    if on_port is not None:
        on_port(port)
    await wait_for_signal()
    await server.stop()
    return 0


def run_master(flags: Flags, on_port: Callable[[int], None] | None = None) -> int:
    """Run a master until SIGTERM or SIGINT; returns the exit code. Raises StartError when it cannot begin.

    `on_port` is told the port as soon as the master listens.
    """
    return run(_serve(flags, set_up_logging(flags, "master"), on_port))

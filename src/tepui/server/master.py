"""The master server: HTTP and links outside, the master core inside."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random, SystemRandom
from typing import TYPE_CHECKING

import msgspec
from aiohttp import web

from tepui.master.config import MasterConfig
from tepui.master.core import MasterCore
from tepui.master.events import AllocationTook, LinkClosed, LinkOpened, LinkReceived, Stop, WhitelistRead
from tepui.master.records import (
    AgentAdded,
    AgentRefused,
    AgentRemoved,
    AgentUpdated,
    FrameworkAdded,
    FrameworkRemoved,
    FrameworkUpdated,
)
from tepui.master.registry import Registry, RegistryRecord
from tepui.master.stories import sentence
from tepui.model.addresses import host_and_port
from tepui.model.quantities import Quantities
from tepui.model.shell import (
    Event,
    Store,
    Stored,
    Tick,
)
from tepui.server.allocators import make_allocator
from tepui.server.base import Server
from tepui.server.endpoints import answer_health
from tepui.server.engine import Engine
from tepui.server.errors import StartError
from tepui.server.extension_api import MASTER_EXTENSIONS, ExtensionApi
from tepui.server.files_open import raise_files_open
from tepui.server.flags import Flags
from tepui.server.legacy_api import LegacyApi
from tepui.server.log import set_up_logging
from tepui.server.master_config import master_config
from tepui.server.master_operator_api import MasterOperatorApi
from tepui.server.mirror import MirrorKeeper
from tepui.server.mirror_api import MirrorApi
from tepui.server.record_requests import refused_records
from tepui.server.registry import check_registry_flags, local_backend, registry_lock
from tepui.server.scheduler_api import SchedulerApi
from tepui.server.signals import wait_for_signal
from tepui.server.stale import StaleReads
from tepui.server.standby import Standby
from tepui.server.whitelist import Whitelist
from tepui.storage.registry import Backend, RegistryError, RegistryStore
from tepui.transport.client import HttpTransport
from tepui.transport.hot import HotRequest
from tepui.transport.http import HttpServer, text
from tepui.transport.line import Line
from tepui.transport.link import LINK_PATH
from tepui.transport.link_server import LinkServer
from tepui.transport.loop import run

if TYPE_CHECKING:
    from tepui.server.election import Election

log = logging.getLogger(__name__)

TAKEOVER_SECONDS_MAX = 5.0
"""So long an agent waits for a master that reads the registry, before it is told to come again."""
TURN_SECONDS_MAX = 0.02
"""Events that are left after this wait for the next turn: thousands of agents that come back at once, each with a
snapshot, must not keep others from an answer."""
_TOLD = frozenset(
    {AgentAdded, AgentRefused, AgentRemoved, AgentUpdated, FrameworkAdded, FrameworkRemoved, FrameworkUpdated}
)
"""Change records that the log tells; those of tasks and offers would fill it."""


class MasterServer(Server):
    """One master."""

    def __init__(self, flags: Flags, log_file: Path | None = None) -> None:
        super().__init__(flags, "/master/log", log_file)
        post = self._turn.post
        self._core: MasterCore | None = None
        self._registry: RegistryStore | None = None
        self._election: Election | None = None
        self._ending: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._ended = False
        self._line = Line(asyncio.get_running_loop())
        hosts = flags.text("whitelist")
        self._whitelist = None if hosts is None else Whitelist(Path(hosts), lambda hosts: post(WhitelistRead(hosts)))
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
        self._standby = Standby(flags.texts(), self._clock.now(), self._clock.now)
        self._calls = calls
        self._routes = {
            **calls,
            "/api/v1": operator.handle,
            "/master/api/v1": operator.handle,
            "/redirect": self._standby.redirect,
            "/master/redirect": self._standby.redirect,
            "/health": answer_health,
            "/master/health": answer_health,
            **legacy.routes(),
            **ExtensionApi(self._exchange, post, MASTER_EXTENSIONS).routes(),
            **MirrorApi(self._exchange, post).routes(),
            **self._common.routes(),
        }
        self._mirror = MirrorKeeper(HttpTransport(), self._clock.now, Random(SystemRandom().getrandbits(128)))
        stale = StaleReads(self._exchange, lambda: self._mirror.mirror, self._clock.now, self._standby.elsewhere)
        standby = self._standby.routes(self._routes, stale.routes())
        # Who asks for a link while this master takes over stands in line, and is answered when it leads.
        for routes in (self._routes, standby):
            routes[LINK_PATH] = self._link
        self._connect(HttpServer(standby, self._cold, flusher=self._flusher, pipelined=calls), self._agents)
        self._appliers[Store] = self._store
        self._appliers[Stop] = lambda effect: self._end(effect.why)

    async def start(self) -> int:
        """Listen and begin; returns the port. Without --zk this master leads when this returns.

        Raises StartError when it cannot listen there, or cannot read the registry.
        """
        port = await self._listen()
        config = master_config(self._flags, port, self._clock.now())
        self._turn.start()
        log.info("master %s serves http://%s", config.info.id, host_and_port(config.info.hostname or "", port))
        zookeeper = self._flags.text("zk")
        if zookeeper is not None:
            from tepui.server.election import Election  # kazoo is imported where ZooKeeper is used

            self._election = Election(
                self._flags,
                config.info,
                self._standby,
                lead=partial(self._lead, config),
                on_leader=self._mirror.follow,
                on_end=self._end,
            )
            self._election.start()
            return port
        self._standby.recovering = True
        try:
            await self._lead(config, local_backend(self._flags))
        except RegistryError as error:
            await self.stop()
            raise StartError(str(error)) from None
        return port

    async def _lead(self, config: MasterConfig, backend: Backend) -> None:
        """Read the registry, and lead from then on. Raises RegistryError."""
        begun = self._clock.now()
        # An agent that is sent away now would come back after a pause, and each pause is longer.
        self._line.hold(TAKEOVER_SECONDS_MAX)
        await self._mirror.stop()
        registry = RegistryStore(
            backend,
            fetch_timeout_seconds=self._flags.seconds("registry_fetch_timeout"),
            store_timeout_seconds=self._flags.seconds("registry_store_timeout"),
            on_failure=lambda error: self._end(f"{error} Start this master again."),
            on_commit=self._committed,
            may_write=self._may_write,
        )
        self._registry = registry
        stored = await registry.lead()
        # Fifty thousand agents are seconds of work in all, in which /health is to be answered.
        known = await asyncio.to_thread(lambda: Registry(stored.records()))
        now = self._clock.now()
        config = msgspec.structs.replace(config, epoch=stored.epoch, elected_time=now)
        consumption: dict[str, dict[str, Quantities]] = {}
        if known.quota:
            consumption = await asyncio.to_thread(self._mirror.consumption, stored.epoch_before)
        self._mirror.forget()
        core = await asyncio.to_thread(
            MasterCore,
            config,
            make_allocator(self._flags),
            Random(SystemRandom().getrandbits(128)),
            registry=known,
            consumption=consumption,
        )
        self._core = core
        core.metrics.register_gauge("tepui/link/waiting", lambda: len(self._line))
        core.metrics.register_gauge("registrar/queued_operations", lambda: registry.waiting)
        core.metrics.register_gauge("registrar/registry_size_bytes", lambda: registry.size_bytes)
        core.metrics.timers["registrar/state_fetch"].add((now - begun) * 1000, now)
        self._begin(core, core.metrics)
        if self._whitelist is not None:
            self._whitelist.start()
        self._standby.lead_by(config.info)
        self._standby.recovering = False
        self._line.release()
        self._http.serve(self._routes, self._calls)
        self._turn.start()
        log.info(
            "master %s leads epoch %d; the registry knows %d agents", config.info.id, config.epoch, len(known.admitted)
        )

    def _committed(self, seconds: float) -> None:
        if self._core is not None:
            self._core.metrics.timers["registrar/state_store"].add(seconds * 1000, self._clock.now())

    def _may_write(self) -> bool:
        """Whether what was decided may still be stored. The epoch fences who does not know that others lead; this is
        for the time before another one has raised it."""
        return not self._ended and (self._election is None or self._election.holds_lease)

    def _end(self, why: str) -> None:
        """Nothing happens from here on: others may lead already, or what was decided is not stored."""
        self._ended = True
        if not self._ending.done():
            self._ending.set_result(why)

    async def wait(self) -> str:
        """Wait until this master must end; returns why."""
        return await self._ending

    async def stop(self) -> None:
        if self._whitelist is not None:
            self._whitelist.stop()
        if self._election is not None:
            await self._election.stop()
        await self._mirror.stop()
        await super().stop()
        if self._registry is not None:
            await self._registry.close()
        if self._election is not None:
            await self._election.close()

    # The loop.

    def _process(self, events: list[Event]) -> None:
        core, engine = self._core, self._engine
        if core is None or engine is None or self._ended:
            return
        if self._election is not None and not self._election.holds_lease:
            self._end("This master leads no longer: ZooKeeper may have ended its session. Start it again.")
            return
        now = self._clock.now()
        until = now + TURN_SECONDS_MAX
        for index, event in enumerate(events):
            if index and self._clock.now() > until:
                self._turn.put_back(events[index:])
                break
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
        assert self._registry is not None
        records: list[RegistryRecord] = list(effect.records)  # type: ignore[arg-type]  # a core stores its own kind
        self._registry.store(records, lambda: self._turn.post(Stored(effect.token)))

    # HTTP that needs no core.

    def _link(self, request: HotRequest) -> None:
        """An agent asks for a link: it stands in line until it is its turn."""
        self._line.join(request.id, partial(self._answer_link, request))
        request.gone = partial(self._line.leave, request.id)

    def _answer_link(self, request: HotRequest) -> None:
        if self._core is None:
            self._standby.elsewhere(request)
        else:
            self._agents.serve(request)

    async def _cold(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/files/download":
            return await self._common.download(request)
        return refused_records(request) or text(404)


async def _serve(flags: Flags, log_file: Path | None, on_port: Callable[[int], None] | None) -> int:
    server = MasterServer(flags, log_file)
    port = await server.start()
    if on_port is not None:
        on_port(port)
    code = 0
    signalled = asyncio.ensure_future(wait_for_signal())
    told = asyncio.ensure_future(server.wait())
    await asyncio.wait({signalled, told}, return_when=asyncio.FIRST_COMPLETED)
    if told.done():
        log.error("ending: %s", told.result())
        code = 1
    else:
        log.info("ending: told to by %s", signalled.result().name)
    signalled.cancel()
    told.cancel()
    await server.stop()
    return code


def run_master(flags: Flags, on_port: Callable[[int], None] | None = None) -> int:
    """Run a master until SIGTERM or SIGINT; returns the exit code: 1 when it must end because it leads no longer, or
    because the registry cannot be written. Raises FlagError or StartError when it cannot begin.

    `on_port` is told the port as soon as the master listens, and leads unless there is an election.
    """
    check_registry_flags(flags)
    raise_files_open()
    with registry_lock(flags):
        return run(_serve(flags, set_up_logging(flags, "master"), on_port))

"""The agent server: HTTP, the link and the supervisor outside, the agent core inside."""

from __future__ import annotations

import asyncio
import logging
import signal
from pathlib import Path
from random import Random, SystemRandom

import msgspec
from aiohttp import web

from tepui.agent import recovery
from tepui.agent.core import AgentCore
from tepui.agent.events import (
    ForgetRun,
    KillRun,
    Leave,
    LegacyCall,
    LinkDown,
    LinkReceived,
    LinkUp,
    LinkVolumes,
    MakeVolumes,
    Reconnect,
    RemoveVolumes,
    RunExited,
    RunFailed,
    RunStarted,
    StartRun,
    Stop,
    UnlinkVolumes,
)
from tepui.agent.journal import JournalRecord, OperationForgotten
from tepui.containers import client as supervisor
from tepui.containers import events as supervised
from tepui.containers.sandbox import SandboxError, create_nested_sandbox, create_sandbox, sandbox_path
from tepui.containers.volumes import VolumeError
from tepui.model.addresses import host_and_port
from tepui.model.resources import ResourceError
from tepui.model.shell import Event, Store, Stored
from tepui.model.v1.mesos import ResourceStatistics
from tepui.server.agent_config import agent_config
from tepui.server.agent_operator_api import AgentOperatorApi
from tepui.server.base import Server
from tepui.server.endpoints import answer_health, read_query
from tepui.server.errors import StartError
from tepui.server.executor_api import ExecutorApi
from tepui.server.extension_api import AGENT_EXTENSIONS, ExtensionApi
from tepui.server.flags import FlagError, Flags
from tepui.server.log import set_up_logging
from tepui.server.master_address import MasterLocator, master_addresses
from tepui.server.oversubscription import Oversubscription
from tepui.server.record_requests import refused_records
from tepui.server.signals import wait_for_signal
from tepui.server.statistics import RunStatistics
from tepui.server.strays import Strays
from tepui.server.volumes import Volumes
from tepui.server.work_dir import WorkDirLock
from tepui.storage.journal import Journal, JournalError
from tepui.transport.hot import Handler, HotRequest
from tepui.transport.http import HttpServer, text
from tepui.transport.link_client import LinkClient
from tepui.transport.loop import run

log = logging.getLogger(__name__)

SANDBOXES_SHOWN_MAX = 10_000
"""Sandboxes whose files are shown; the oldest go first."""
_PREFIXES = ("", "/slave(1)")
_EXECUTOR_API = "/api/v1/executor"
WHY_NOT_RECORDED = "The exit status is unknown: the supervisor has lost its record of the run"
_LEGACY = ("state", "containers", "monitor/statistics", "flags", "metrics/snapshot")


class AgentServer(Server):
    """One agent."""

    def __init__(self, flags: Flags, work_dir: Path, log_file: Path | None = None) -> None:
        super().__init__(flags, "/slave/log", log_file)
        self._work_dir = work_dir
        self._shown: dict[str, tuple[str, ...]] = {}
        """The virtual paths of each run's sandbox."""
        self._core: AgentCore | None = None
        self._pids: dict[str, int] = {}
        self._statistics = RunStatistics()
        self._unstored: list[msgspec.Struct] = []
        self._tokens: list[int] = []
        self._stopping: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._journal = Journal(work_dir / "meta" / "journal.sqlite")
        self._durable = Journal(work_dir / "meta" / "resources.sqlite", synced=True)
        self._unsynced: list[msgspec.Struct] = []
        self._volumes = Volumes(work_dir, self._turn.post, self._break)
        self._oversubscription = Oversubscription(flags, self._turn.post)
        self._broken = False
        self._told = 0
        """The number of the last change that the log told."""
        self._leaving = False
        runtime_dir = flags.text("runtime_dir")
        self._supervisor = supervisor.SupervisorClient(
            Path(runtime_dir) if runtime_dir is not None else work_dir / "run", self._on_supervisor
        )
        self._strays = Strays(self._supervisor.kill)
        self._linking: asyncio.Task[None] | None = None
        self._masters = MasterLocator(flags.text("master") or "", lambda: self._link.look_again("another master leads"))
        self._link = LinkClient(
            self._locate_master,
            on_open=lambda link: self._turn.post(LinkUp(link)),
            on_messages=lambda link, messages: self._turn.post_all([LinkReceived(link, one) for one in messages]),
            on_close=lambda link, why: self._turn.post(LinkDown(link, why)),
            flusher=self._flusher,
            backoff_seconds=flags.seconds("registration_backoff_factor"),
        )
        calls = [f"{at}{_EXECUTOR_API}" for at in _PREFIXES]
        self._connect(HttpServer(self._routes(), self._cold, flusher=self._flusher, pipelined=calls), self._link)
        self._appliers |= {
            Store: self._store,
            StartRun: self._start_run,
            MakeVolumes: self._volumes.make,
            RemoveVolumes: self._volumes.remove,
            LinkVolumes: self._volumes.link_later,
            UnlinkVolumes: self._volumes.unlink,
            KillRun: self._kill_run,
            ForgetRun: self._forget_run,
            Reconnect: self._reconnect,
            Stop: self._stop,
        }

    def _routes(self) -> dict[str, Handler]:
        post = self._turn.post
        executor = ExecutorApi(self._exchange, post)
        operator = AgentOperatorApi(self._exchange, post, self._files, self._level, self._measure)
        own = ExtensionApi(self._exchange, post, AGENT_EXTENSIONS)
        routes: dict[str, Handler] = {**self._common.routes(), **own.routes()}
        for prefix in _PREFIXES:
            routes[f"{prefix}{_EXECUTOR_API}"] = executor.handle
            routes[f"{prefix}/api/v1"] = operator.handle
            routes[f"{prefix}/health"] = answer_health
            for name in _LEGACY:
                routes[f"{prefix}/{name}"] = self._legacy(name)
        return routes

    async def start(self) -> int:
        """Listen and begin; returns the port.

        Raises StartError when it cannot listen there, cannot write its journal, or no supervisor can be started.
        """
        port = await self._listen()
        config = agent_config(self._flags, port, str(self._work_dir), self._clock.now())
        identity = self._journal.identity()
        kept = recovery.kept(self._journal.recovered())
        try:
            self._journal.replace([*([] if identity is None else [identity]), *kept])
            self._core = AgentCore(
                config,
                Random(SystemRandom().getrandbits(128)),
                agent_id="" if identity is None else identity.agent_id,
                epoch=0 if identity is None else identity.epoch,
                kept=kept,
                durable=self._durable.recovered(),
            )
        except JournalError as error:
            raise StartError(str(error)) from None
        except ResourceError as error:
            raise StartError(
                f"What is reserved on this agent does not fit its resources: {error}. Give it --resources that hold "
                f"all that was reserved, or move {self._durable.path} away to give the reservations and volumes up."
            ) from None
        self._volumes.recover(self._core.records)
        self._begin(self._core, self._core.metrics)
        try:
            await self._supervisor.open()
        except supervisor.SupervisorError as error:
            raise StartError(f"The supervisor cannot be started: {error}.") from None
        self._turn.start()
        self._oversubscription.start()
        self._masters.start()
        self._linking = asyncio.create_task(self._link_when_alone())
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, self._leave)
        where = self._flags.texts().get("master")  # without a password
        log.info("agent serves http://%s, looks for its master at %s", host_and_port(config.ip, port), where)
        return port

    @property
    def leaving(self) -> bool:
        """Whether the agent was asked to leave the cluster."""
        return self._leaving

    async def wait(self) -> str:
        """Wait until the core wants the agent to end; returns why."""
        return await self._stopping

    async def _link_when_alone(self) -> None:
        await self._strays.wait()
        self._link.start()

    async def stop(self) -> None:
        if self._linking is not None:
            self._linking.cancel()
        await self._masters.stop()
        await super().stop()
        self._oversubscription.stop()
        self._supervisor.close()
        if self._leaving:
            # Reservations and volumes stay with the work folder, whatever agent it serves next.
            self._journal.forget_everything()
            held = [] if self._core is None else self._core.records.operations
            if held:
                self._durable.commit([OperationForgotten(uuid) for uuid in held])
        self._journal.close()
        self._durable.close()

    # The loop.

    def _process(self, events: list[Event]) -> None:
        engine = self._engine
        if engine is None or self._broken:
            return
        now = self._clock.now()
        while events:
            for event in events:
                engine.step(event, now)
            events = self._commit()
        self._tell()

    def _tell(self) -> None:
        """Log what became true of executors and of the agent; tasks would fill the log."""
        assert self._core is not None
        changes = self._core.changes
        for change in changes.since(self._told):
            if not change.task_id:
                log.info("%s", change.sentence())
        self._told = changes.number

    def _commit(self) -> list[Event]:
        """Write what is to be stored, in one transaction; what waited for it goes on in the same turn."""
        if not self._tokens:
            return []
        tokens, records, durable = self._tokens, self._unstored, self._unsynced
        self._tokens, self._unstored, self._unsynced = [], [], []
        try:
            if records:
                self._journal.commit(records)
            if durable:
                self._durable.commit(durable)
        except JournalError as error:
            # What cannot be stored must not be promised: nothing goes on from here.
            self._break(str(error))
            return []
        return [Stored(tokens[-1])]

    def _store(self, effect: Store) -> None:
        self._tokens.append(effect.token)
        first = effect.records[0]
        durable = isinstance(first, JournalRecord) and first.durable
        (self._unsynced if durable else self._unstored).extend(effect.records)

    # The link.

    def _locate_master(self) -> tuple[str, int] | None:
        try:
            return self._masters.next()
        except FlagError as error:
            log.warning("%s", error)
            return None

    def _reconnect(self, effect: Reconnect) -> None:
        self._link.reconnect(effect.why)

    def _leave(self) -> None:
        """SIGUSR1: leave the cluster; an agent that starts here later is another one."""
        self._leaving = True
        self._turn.post(Leave())

    def _stop(self, effect: Stop) -> None:
        self._end(effect.why)

    def _break(self, why: str) -> None:
        """Go on with nothing, and end."""
        self._broken = True
        self._end(why)

    def _end(self, why: str) -> None:
        if not self._stopping.done():
            self._stopping.set_result(why)

    # Runs.

    def _start_run(self, effect: StartRun) -> None:
        core = self._core
        assert core is not None
        try:
            directory = self._sandbox(effect, core.agent_id)
            self._volumes.link(directory, effect.volumes, effect.user)
        except (SandboxError, VolumeError) as error:
            self._turn.post(RunFailed(effect.run, str(error)))
            return
        self._supervisor.start(
            effect.run,
            effect.argv,
            executable=effect.executable,
            environment=effect.environment,
            directory=str(directory),
            stdout="stdout",
            stderr="stderr",
            user=effect.user,
            orphan_timeout_seconds=effect.orphan_timeout_seconds,
        )

    def _sandbox(self, effect: StartRun, agent_id: str) -> Path:
        """Make the run's sandbox, and show it; that of a nested run is shown inside its executor's."""
        container = effect.parent or effect.run
        path = sandbox_path(self._work_dir, agent_id, effect.framework_id, effect.executor_id, container)
        if container not in self._shown:
            owner = effect.parent_user if effect.parent else effect.user
            create_sandbox(self._work_dir, agent_id, effect.framework_id, effect.executor_id, container, user=owner)
            latest = f"/frameworks/{effect.framework_id}/executors/{effect.executor_id}/runs/latest"
            self._volumes.link(path, effect.parent_volumes, owner)
            self._show(container, str(path), (str(path), str(path.parent / "latest"), latest))
        if not effect.parent:
            return path
        return create_nested_sandbox(path, effect.run, effect.task_id, user=effect.user)

    def _show(self, run: str, directory: str, virtual: tuple[str, ...]) -> None:
        for path in virtual:
            self._files.attach(path, directory)
        self._shown[run] = virtual
        if len(self._shown) > SANDBOXES_SHOWN_MAX:
            oldest = self._shown.pop(next(iter(self._shown)))
            for path in oldest:
                self._files.detach(path, oldest[0])

    def _kill_run(self, effect: KillRun) -> None:
        self._supervisor.kill(effect.run, effect.grace_seconds)

    def _forget_run(self, effect: ForgetRun) -> None:
        self._supervisor.forget(effect.run)

    def _on_supervisor(self, event: supervised.Event) -> None:
        post = self._turn.post
        if isinstance(event, supervised.RunStarted):
            self._pids[event.run] = event.pid
            post(RunStarted(event.run, event.pid))
        elif isinstance(event, supervised.RunFailed):
            self._pids.pop(event.run, None)
            self._strays.ended(event.run)
            post(RunFailed(event.run, event.why))
        elif isinstance(event, supervised.RunExited):
            self._pids.pop(event.run, None)
            if self._core is not None and self._core.knows_run(event.run):
                post(RunExited(event.run, event.status, event.why))
            else:
                self._supervisor.forget(event.run)
                self._strays.ended(event.run)
        elif isinstance(event, supervised.SupervisorReady):
            self._end_strays(event.runs)
            self._account_for_lost({record.run for record in event.runs})
        else:
            log.warning("the supervisor is gone (%s); it is being replaced", event.why)

    def _end_strays(self, runs: list[supervised.RunRecord]) -> None:
        """Kill runs that an earlier agent on this work folder left, because nobody can account for them."""
        core = self._core
        self._strays.end(
            record.run
            for record in runs
            if record.state == "running" and (core is None or not core.knows_run(record.run))
        )

    def _account_for_lost(self, recorded: set[str]) -> None:
        """End the runs that were running and that a new supervisor has nothing on record about, as without its disk."""
        for name in self._pids.keys() - recorded:
            log.warning("run %s is not on the supervisor's record any more", name)
            del self._pids[name]
            self._turn.post(RunExited(name, None, WHY_NOT_RECORDED))

    # HTTP that needs more than the core.

    def _measure(self) -> dict[str, ResourceStatistics]:
        return self._statistics.measure(self._pids, self._supervisor.pid, self._clock.now())

    def _legacy(self, endpoint: str) -> Handler:
        paths = {f"/{endpoint}", f"/slave(1)/{endpoint}"}
        measured = endpoint in ("containers", "monitor/statistics")

        def handle(request: HotRequest) -> None:
            if request.path not in paths:
                request.answer_text(404)
                return
            query = read_query(request)
            if query is None:
                return
            number = self._exchange.wait(request, jsonp=query.get("jsonp"))
            self._turn.post(LegacyCall(number, None, endpoint, query, self._measure() if measured else {}))

        return handle

    async def _cold(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/files/download":
            return await self._common.download(request)
        return refused_records(request, "/api/v1", "/slave(1)/api/v1") or text(404)


async def _serve(flags: Flags, work_dir: Path, log_file: Path | None) -> int:
    try:
        server = AgentServer(flags, work_dir, log_file)
    except JournalError as error:
        raise StartError(str(error)) from None
    await server.start()
    signalled = asyncio.ensure_future(wait_for_signal())
    told = asyncio.ensure_future(server.wait())
    await asyncio.wait({signalled, told}, return_when=asyncio.FIRST_COMPLETED)
    code = 0
    if told.done():
        log.warning("ending: %s", told.result())
        code = 0 if server.leaving else 1
    else:
        log.info("ending: told to by %s", signalled.result().name)
    signalled.cancel()
    told.cancel()
    await server.stop()
    return code


def run_agent(flags: Flags) -> int:
    """Run an agent until SIGTERM or SIGINT; returns the exit code. Raises FlagError or StartError."""
    if flags.text("master") is None:
        raise FlagError("--master is missing: say where the master is, such as --master=127.0.0.1:5050.")
    work_dir = flags.text("work_dir")
    if work_dir is None:
        raise FlagError("--work_dir is missing: name the folder for sandboxes, such as --work_dir=/var/lib/tepui.")
    master_addresses(flags.text("master") or "")
    log_file = set_up_logging(flags, "agent")
    with WorkDirLock(Path(work_dir)):
        return run(_serve(flags, Path(work_dir), log_file))

"""The core on the stage, the clock, and what the play has named; what all commands lean on."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from tepui.allocator import DrfAllocator
from tepui.master.config import MasterConfig
from tepui.master.core import MasterCore
from tepui.master.events import LinkReceived, SchedulerCall, Stop
from tepui.master.mirror import Mirror
from tepui.master.registry import Registry, RegistryRecord
from tepui.model import link
from tepui.model.mirror import MirrorPart
from tepui.model.shell import (
    Answer,
    CloseLink,
    CloseSession,
    Effect,
    Event,
    OpenSession,
    Send,
    SendLink,
    Store,
    Stored,
    Tick,
)
from tepui.model.v1 import mesos, scheduler
from tepui.model.v1.mesos import AgentID, CommandInfo, FrameworkID, TaskID, TaskInfo
from tepui.wire.frames import decode_part, encode_part
from tests.master.spelling import BEGIN, Options, executor_info, merged, resources
from tests.master.telling import event_text, is_heartbeat, record_text, shown, shown_named

Call = scheduler.Call


def config(**changes: Any) -> MasterConfig:
    info = mesos.MasterInfo(id=changes.pop("master", "M"), ip=16777343, port=5050, hostname="master")
    return MasterConfig(info=info, version="0.1.0", start_time=BEGIN, **{"elected_time": BEGIN, **changes})


class StageBase:
    """A core, the clock, and what the play has named."""

    def __init__(self) -> None:
        self.now = BEGIN
        self.store_at_once = True
        self.loud = False
        self.stored_tokens: list[int] = []
        self.records: list[RegistryRecord] = []
        self.record_counts: list[int] = []
        """How many records each `Store` had."""
        self.frameworks: dict[str, str] = {}
        self.mirrors: dict[str, Mirror] = {}
        """Masters that mirror this one, by the name of their stream."""
        self.snapshot = link.Snapshot()
        self.operations: list[bytes] = []
        """UUIDs that the master gave to operations, in the order in which it sent them."""
        self.lines: list[str] = []
        self.told_time = 0.0
        self.start(config())

    def crash(self, lost: bool) -> None:
        """The master dies. What was not confirmed is `lost`, or it is stored and nobody heard of it."""
        unsaid = len(self.stored_tokens)
        if lost and unsaid:
            kept = len(self.records) - sum(self.record_counts[-unsaid:])
            del self.records[kept:]
        self.stored_tokens.clear()

    def start(self, settings: MasterConfig, registry: Registry | None = None, mirror: Mirror | None = None) -> None:
        self.master = settings.info.id
        consumption = None if mirror is None else mirror.consumption(self.now)
        self.core = MasterCore(
            settings, DrfAllocator(), Random(self.master), registry=registry, consumption=consumption
        )

    def say(self, command: str) -> list[str]:
        """Give a command; returns what the core says to it."""
        self.lines = []
        self.command(command)
        return self.lines

    def do(self, event: Event) -> None:
        pinged: list[str] = []
        for effect in self.core.handle(event, self.now):
            if not self.loud and isinstance(effect, SendLink) and isinstance(effect.message, link.Ping):
                pinged.append(effect.link)
            elif self.loud or not isinstance(event, Tick) or not is_heartbeat(effect):
                self.tell(effect)
        self.core.check()
        for name in pinged:
            self.do(LinkReceived(name, link.Pong()))
        while self.store_at_once and self.stored_tokens:
            self.do(Stored(self.stored_tokens.pop(0)))

    def settle(self) -> None:
        """Give the ticks that are due."""
        for _ in range(100):
            due = self.core.next_deadline()
            if due is None or due > self.now:
                return
            self.do(Tick())
        raise AssertionError("the core wants ticks for ever")

    def tell(self, effect: Effect) -> None:
        match effect:
            case Answer():
                parts = [f"answer {effect.status}"]
                if isinstance(effect.body, str):
                    parts.append(effect.body or "(default)")
                elif effect.body is not None:
                    parts.append(shown(effect.body))
                self.lines.append(" ".join(parts))
            case OpenSession():
                self.lines.append(f"open {effect.session}")
            case Send(event=MirrorPart() as part):
                self.mirrors[effect.session].apply(decode_part(encode_part(part)), self.now)
                if self.loud:
                    self.lines.append(f"{effect.session} <- {shown_named(part)}")
            case Send():
                self.lines.append(f"{effect.session} <- {event_text(effect.event)}")
            case CloseSession():
                self.lines.append(f"close {effect.session}")
            case Store():
                self.lines.append(f"store {effect.token}: " + ", ".join(map(record_text, effect.records)))
                self.stored_tokens.append(effect.token)
                self.records += effect.records  # type: ignore[arg-type]
                self.record_counts.append(len(effect.records))
            case SendLink(message=link.ApplyOperation() | link.AcknowledgeOperation() as message):
                self.lines.append(f"{effect.link} <- {self.operation_text(message)}")
            case SendLink():
                self.lines.append(f"{effect.link} <- {shown_named(effect.message)}")
            case Stop():
                self.lines.append(f"stop: {effect.why}")
            case CloseLink():
                self.lines.append(f"close {effect.link}: {effect.why}")
            case _:
                raise AssertionError(f"unknown effect {effect}")

    def operation_text(self, message: link.ApplyOperation | link.AcknowledgeOperation) -> str:
        """Operations are called `u0`, `u1`, ... in the order in which the master sent them."""
        uuid = message.operation_uuid
        if isinstance(message, link.ApplyOperation):
            if uuid not in self.operations:
                self.operations.append(uuid)
            owner = f" framework_id={message.framework_id}" if message.framework_id else ""
            return f"ApplyOperation u{self.operations.index(uuid)}{owner} info={shown(message.info)}"
        name = f"u{self.operations.index(uuid)}" if uuid in self.operations else shown(uuid)
        return f"AcknowledgeOperation {name} status={shown(message.status_uuid)}"

    def command(self, line: str) -> None:
        name, _, rest = line.partition(" ")
        method: Callable[[str], None] = getattr(self, "do_" + name.replace("-", "_"))
        method(rest)
        self.settle()

    def own(self, name: str) -> str:
        """An id of this master's: `S0` is `M-S0`, `O3` is `M-O3`; a full id stays."""
        return f"{self.master}-{name}" if name[:1] in "SO0" and name[1:].isdigit() else name

    def framework_id(self, stream: str, options: Options) -> str:
        return self.own(options["framework"]) if "framework" in options else self.frameworks[stream]

    def call(self, stream: str, options: Options, call: scheduler.Call) -> None:
        call.framework_id = FrameworkID(value=self.framework_id(stream, options))
        session: str | None = options.get("stream", stream)
        if session == "none":
            session = None
        self.do(SchedulerCall(1, session, options.get("principal"), call))

    def task(self, name: str, agent: str, options: Options, with_executor: bool) -> TaskInfo:
        info = TaskInfo(
            name=name,
            task_id=TaskID(value=name),
            agent_id=AgentID(value=self.own(options.get("agent", agent))),
            resources=resources(options.get("resources", "cpus:1;mem:32")),
        )
        if with_executor and "executor" in options:
            info.executor = merged(executor_info(options["executor"], options), options.get("executor_json"))
        elif options.get("command", "yes") != "none":
            info.command = CommandInfo(value="true")
        merged_info: TaskInfo = merged(info, options.get("json"))
        return merged_info

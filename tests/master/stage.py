"""A master core on a stage: plays are written in a small language, and what follows is told in a compact form.

A play is a text file of blocks. A block is some lines of commands, a line of dashes, and everything the core said:

    accept s1 O0 | launch t1,t2 resources=cpus:1;mem:32
    ----
    answer 202
    l0 <- Launch framework_id=M-0000 tasks=[...]

Names: the master is `M`, so that agents are `M-S0`, offers `M-O0`, frameworks `M-0000`; commands may leave `M-` out,
and say `all` for all offers that a framework holds.
Streams (`s1`), operator streams (`o1`) and links (`l0`) are named by the play. Times are seconds since the play began.
After each command the core gets its `Tick` if it wants one at once, as a shell gives it at the end of a turn. `Store`
is confirmed at once unless the play says `storing off`; then `stored` confirms. Pings are answered, and neither they
nor heartbeats are told, unless the play says `loud`. After every event `check()` is run.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from enum import Enum
from random import Random
from typing import Any

import msgspec

from tepui.allocator import DrfAllocator
from tepui.master.config import MasterConfig
from tepui.master.core import MasterCore
from tepui.master.events import (
    LegacyCall,
    LinkClosed,
    LinkOpened,
    LinkReceived,
    MirrorSubscribe,
    OperatorCall,
    SchedulerCall,
    SchedulerSubscribe,
    Stop,
    WhitelistRead,
)
from tepui.master.mirror import Mirror
from tepui.master.registry import Registry, RegistryRecord
from tepui.model import link
from tepui.model.mirror import MirrorPart
from tepui.model.operators import time_info
from tepui.model.quantities import quantities_text
from tepui.model.resources import Resources
from tepui.model.shell import (
    Answer,
    CloseLink,
    CloseSession,
    Effect,
    Event,
    ExtensionCall,
    OpenSession,
    Send,
    SendLink,
    SessionBacklog,
    SessionClosed,
    Store,
    Stored,
    Tick,
)
from tepui.model.short_tasks import ShortTasks, attributes_of
from tepui.model.v1 import master, mesos, scheduler
from tepui.model.v1.google import Duration
from tepui.model.v1.maintenance import Schedule, Window
from tepui.model.v1.mesos import (
    AgentID,
    AgentInfo,
    CommandInfo,
    ExecutorID,
    ExecutorInfo,
    FrameworkID,
    FrameworkInfo,
    OfferID,
    OperationID,
    Resource,
    TaskID,
    TaskInfo,
    TaskState,
    TaskStatus,
    Value,
)
from tepui.wire.frames import decode_part, encode_part

from .spelling import resources as resources

BEGIN = 1_000_000_000.0
Call = scheduler.Call
Operation = mesos.Offer.Operation

Words = list[str]
Options = dict[str, str]


def machines(text: str) -> list[mesos.MachineID]:
    """`HOST@IP,...`; either part may be empty."""
    parts = [part.partition("@") for part in text.split(",") if part]
    return [mesos.MachineID(hostname=host or None, ip=ip or None) for host, _, ip in parts]


def uuid_of(name: str) -> bytes:
    return name.encode().ljust(16, b".")


def framework_info(options: Options) -> FrameworkInfo:
    kinds = FrameworkInfo.Capability.Type
    roles = options.get("roles", "a").split(",")
    capabilities = ["MULTI_ROLE", *filter(None, options.get("capabilities", "").split(","))]
    info = FrameworkInfo(
        user=options.get("user", "alice"),
        name=options.get("name", "f"),
        roles=[role for role in roles if role],
        checkpoint=options.get("checkpoint") == "yes",
        failover_timeout=float(options.get("failover_timeout", "0")),
        principal=options.get("info_principal"),
        webui_url=options.get("webui_url"),
    )
    if "role" in options:
        info.roles, info.role = [], options["role"]
        capabilities = capabilities[1:]
    info.capabilities = [FrameworkInfo.Capability(type=kinds[name]) for name in capabilities]
    if "minimum" in options:
        quantities = {
            name: Value.Scalar(value=float(amount))
            for name, amount in (part.split(":") for part in options["minimum"].split(";"))
        }
        filters = mesos.OfferFilters(
            min_allocatable_resources=mesos.OfferFilters.MinAllocatableResources(
                quantities=[mesos.OfferFilters.ResourceQuantities(quantities=quantities)]
            )
        )
        info.offer_filters = dict.fromkeys(info.roles, filters)
    return info


def executor_info(name: str, options: Options) -> ExecutorInfo:
    return ExecutorInfo(
        type=ExecutorInfo.Type[options.get("type", "CUSTOM")],
        executor_id=ExecutorID(value=name),
        command=CommandInfo(value=options.get("command", f"./{name}")) if options.get("type") != "DEFAULT" else None,
        resources=resources(options.get("executor_resources", "cpus:0.1;mem:32")),
    )


def merged(message: Any, text: str | None) -> Any:
    """The message with a JSON object laid over it."""
    if text is None:
        return message
    data = msgspec.to_builtins(message)
    data.update(json.loads(text))
    return msgspec.convert(data, type(message))


def config(**changes: Any) -> MasterConfig:
    info = mesos.MasterInfo(id=changes.pop("master", "M"), ip=16777343, port=5050, hostname="master")
    return MasterConfig(info=info, version="0.1.0", start_time=BEGIN, **{"elected_time": BEGIN, **changes})


def parse(line: str) -> tuple[Words, Options]:
    words: Words = []
    options: Options = {}
    for part in shlex.split(line):
        name, equals, value = part.partition("=")
        if equals and name.isidentifier():
            options[name] = value
        else:
            words.append(part)
    return words, options


class Stage:
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

    # What happens.

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

    # Time and store.

    def do_after(self, rest: str) -> None:
        """`after SECONDS`: time passes, with a tick at each deadline."""
        until = self.now + float(rest)
        while True:
            due = self.core.next_deadline()
            if due is None or due > until:
                break
            self.now = max(self.now, due)
            before = len(self.lines)
            self.do(Tick())
            if len(self.lines) > before and self.now != self.told_time:
                self.lines.insert(before, f"at {self.now - BEGIN:g}:")
                self.told_time = self.now
        self.now = until

    def do_loud(self, _: str) -> None:
        self.loud = True

    def do_storing(self, rest: str) -> None:
        self.store_at_once = rest == "on"

    def do_stored(self, _: str) -> None:
        while self.stored_tokens:
            self.do(Stored(self.stored_tokens.pop(0)))

    def do_master(self, rest: str) -> None:
        """`master NAME [registry=kept] [mirror=STREAM] [option=value]`: another master starts, knowing nothing or the
        registry, and perhaps what it mirrored."""
        words, options = parse(rest)
        kept = options.pop("registry", None) == "kept"
        mirror = self.mirrors.get(options.pop("mirror", ""))
        changes: dict[str, Any] = {key: json.loads(value) for key, value in options.items()}
        if "roles" in changes:
            changes["roles"] = frozenset(changes["roles"])
        registry = Registry(self.records) if kept else None
        self.start(config(master=words[0] if words else "M", elected_time=self.now, **changes), registry, mirror)
        self.told_time = 0.0

    # Schedulers.

    def framework_id(self, stream: str, options: Options) -> str:
        return self.own(options["framework"]) if "framework" in options else self.frameworks[stream]

    def do_subscribe(self, rest: str) -> None:
        words, options = parse(rest)
        stream = words[0]
        info = framework_info(options)
        call = Call(type=Call.Type.SUBSCRIBE)
        if "id" in options:
            info.id = call.framework_id = FrameworkID(value=self.own(options["id"]))
        suppressed = [role for role in options.get("suppressed", "").split(",") if role]
        subscribe = Call.Subscribe(framework_info=info, suppressed_roles=suppressed)
        call.subscribe = merged(subscribe, options.get("more"))
        self.frameworks.setdefault(stream, options.get("id", f"{self.master}-{self.core.context.next_framework:04d}"))
        self.frameworks[stream] = self.own(self.frameworks[stream])
        self.do(SchedulerSubscribe(1, stream, options.get("principal"), call))

    def call(self, stream: str, options: Options, call: scheduler.Call) -> None:
        call.framework_id = FrameworkID(value=self.framework_id(stream, options))
        session: str | None = options.get("stream", stream)
        if session == "none":
            session = None
        self.do(SchedulerCall(1, session, options.get("principal"), call))

    def offers(self, stream: str, text: str) -> list[str]:
        """`O1,O2`, or `all` that the framework holds."""
        if text == "all":
            return list(self.core.state.frameworks[self.frameworks[stream]].offers)
        return [self.own(name) for name in text.split(",")]

    def do_accept(self, rest: str) -> None:
        head, *parts = [part.strip() for part in rest.split(" | ")]
        words, options = parse(head)
        names = self.offers(words[0], words[1]) if len(words) > 1 else []
        accept = Call.Accept(offer_ids=[OfferID(value=name) for name in names])
        if "refuse" in options:
            accept.filters = mesos.Filters(refuse_seconds=float(options["refuse"]))
        offer = self.core.state.offers.get(names[0]) if names else None
        agent = offer.agent_id if offer is not None else self.own("S0")
        accept.operations = [self.operation(part, agent) for part in parts]
        self.call(words[0], options, Call(type=Call.Type.ACCEPT, accept=accept))

    def operation(self, text: str, agent: str) -> Operation:
        words, options = parse(text)
        kind = Operation.Type[{"launch": "LAUNCH", "group": "LAUNCH_GROUP"}.get(words[0], words[0].upper())]
        operation = Operation(type=kind)
        if "id" in options:
            operation.id = OperationID(value=options["id"])
        if words[0] not in ("launch", "group"):
            return merged(self.conversion(operation, words), options.get("json"))  # type: ignore[no-any-return]
        names = words[1].split(",") if len(words) > 1 else []
        tasks = [self.task(name, agent, options, with_executor=words[0] == "launch") for name in names]
        if words[0] == "launch":
            operation.launch = Operation.Launch(task_infos=tasks)
        elif words[0] == "group" and names:
            group = mesos.TaskGroupInfo(tasks=tasks)
            executor = merged(executor_info(options["executor"], options), options.get("executor_json"))
            operation.launch_group = Operation.LaunchGroup(executor=executor, task_group=group)
        elif words[0] == "group":
            none = mesos.TaskGroupInfo()
            operation.launch_group = Operation.LaunchGroup(executor=executor_info("x", options), task_group=none)
        return operation

    def conversion(self, operation: Operation, words: Words) -> Operation:
        """`reserve WHAT [FROM]`, `unreserve WHAT`, `create WHAT`, `destroy WHAT`, `grow_volume VOLUME MORE`,
        `shrink_volume VOLUME LESS`; without words the operation has no member."""
        kind, *what = words
        if not what:
            return operation
        first = resources(what[0])
        if kind == "reserve":
            source = resources(what[1]) if len(what) > 1 else []
            operation.reserve = Operation.Reserve(source=source, resources=first)
        elif kind == "unreserve":
            operation.unreserve = Operation.Unreserve(resources=first)
        elif kind == "create":
            operation.create = Operation.Create(volumes=first)
        elif kind == "destroy":
            operation.destroy = Operation.Destroy(volumes=first)
        elif kind == "grow_volume":
            operation.grow_volume = Operation.GrowVolume(volume=first[0], addition=resources(what[1])[0])
        elif kind == "shrink_volume":
            less = Value.Scalar(value=float(what[1]))
            operation.shrink_volume = Operation.ShrinkVolume(volume=first[0], subtract=less)
        return operation

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

    def do_decline(self, rest: str) -> None:
        words, options = parse(rest)
        ids = [OfferID(value=name) for name in self.offers(words[0], words[1])]
        decline = Call.Decline(offer_ids=ids)
        if "refuse" in options:
            decline.filters = mesos.Filters(refuse_seconds=float(options["refuse"]))
        self.call(words[0], options, Call(type=Call.Type.DECLINE, decline=decline))

    def do_revive(self, rest: str) -> None:
        words, options = parse(rest)
        revive = Call.Revive(roles=words[1].split(",")) if len(words) > 1 else None
        self.call(words[0], options, Call(type=Call.Type.REVIVE, revive=revive))

    def do_suppress(self, rest: str) -> None:
        words, options = parse(rest)
        suppress = Call.Suppress(roles=words[1].split(",")) if len(words) > 1 else None
        self.call(words[0], options, Call(type=Call.Type.SUPPRESS, suppress=suppress))

    def do_kill(self, rest: str) -> None:
        words, options = parse(rest)
        kill = Call.Kill(task_id=TaskID(value=words[1]))
        if "agent" in options:
            kill.agent_id = AgentID(value=self.own(options["agent"]))
        if "grace" in options:
            duration = mesos.DurationInfo(nanoseconds=int(float(options["grace"]) * 1e9))
            kill.kill_policy = mesos.KillPolicy(grace_period=duration)
        self.call(words[0], options, Call(type=Call.Type.KILL, kill=kill))

    def do_acknowledge(self, rest: str) -> None:
        words, options = parse(rest)
        acknowledge = Call.Acknowledge(
            task_id=TaskID(value=words[1]),
            uuid=uuid_of(words[2]),
            agent_id=AgentID(value=self.own(options.get("agent", "S0"))),
        )
        self.call(words[0], options, Call(type=Call.Type.ACKNOWLEDGE, acknowledge=acknowledge))

    def do_acknowledge_operation(self, rest: str) -> None:
        """`acknowledge_operation STREAM OPERATION UUID [agent=]`"""
        words, options = parse(rest)
        acknowledge = Call.AcknowledgeOperationStatus(
            operation_id=OperationID(value=words[1]),
            uuid=bytes.fromhex(words[2]) if len(words[2]) == 32 else uuid_of(words[2]),
            agent_id=AgentID(value=self.own(options.get("agent", "S0"))),
        )
        self.call(
            words[0],
            options,
            Call(type=Call.Type.ACKNOWLEDGE_OPERATION_STATUS, acknowledge_operation_status=acknowledge),
        )

    def do_reconcile(self, rest: str) -> None:
        words, options = parse(rest)
        reconcile = Call.Reconcile()
        for word in words[1:]:
            name, _, agent = word.partition("@")
            wanted = Call.Reconcile.Task(task_id=TaskID(value=name))
            if agent:
                wanted.agent_id = AgentID(value=self.own(agent))
            reconcile.tasks.append(wanted)
        self.call(words[0], options, Call(type=Call.Type.RECONCILE, reconcile=reconcile))

    def do_reconcile_operations(self, rest: str) -> None:
        words, options = parse(rest)
        call = Call.ReconcileOperations()
        for word in words[1:]:
            name, _, agent = word.partition("@")
            wanted = Call.ReconcileOperations.Operation(operation_id=OperationID(value=name))
            if agent:
                wanted.agent_id = AgentID(value=self.own(agent))
            call.operations.append(wanted)
        self.call(words[0], options, Call(type=Call.Type.RECONCILE_OPERATIONS, reconcile_operations=call))

    def do_message(self, rest: str) -> None:
        words, options = parse(rest)
        agent = AgentID(value=self.own(options.get("agent", "S0")))
        message = Call.Message(agent_id=agent, executor_id=ExecutorID(value=words[1]), data=words[2].encode())
        self.call(words[0], options, Call(type=Call.Type.MESSAGE, message=message))

    def do_shutdown(self, rest: str) -> None:
        words, options = parse(rest)
        agent = AgentID(value=self.own(options.get("agent", "S0")))
        shutdown = Call.Shutdown(executor_id=ExecutorID(value=words[1]), agent_id=agent)
        self.call(words[0], options, Call(type=Call.Type.SHUTDOWN, shutdown=shutdown))

    def do_update_framework(self, rest: str) -> None:
        words, options = parse(rest)
        info = framework_info(options)
        info.id = FrameworkID(value=self.framework_id(words[0], options))
        suppressed = [role for role in options.get("suppressed", "").split(",") if role]
        update = Call.UpdateFramework(framework_info=info, suppressed_roles=suppressed)
        update = merged(update, options.get("more"))
        self.call(words[0], options, Call(type=Call.Type.UPDATE_FRAMEWORK, update_framework=update))

    def do_call(self, rest: str) -> None:
        """`call STREAM TYPE`: a call without a member, but for what `more` adds."""
        words, options = parse(rest)
        self.call(words[0], options, merged(Call(type=Call.Type[words[1]]), options.get("more")))

    def do_mirror(self, rest: str) -> None:
        """`mirror STREAM`: another master mirrors this one. The parts that it is told are shown when it is `loud`."""
        self.mirrors[rest] = Mirror()
        self.do(MirrorSubscribe(1, rest, None))

    def do_mirrored(self, rest: str) -> None:
        """`mirrored STREAM`: how old the mirror's picture is, and who uses what in it."""
        mirror = self.mirrors[rest]
        self.lines.append(f"revision {mirror.revision_text} of {mirror.age_seconds(self.now):g} s ago")
        for agent_id, consumed in mirror.consumption(self.now).items():
            roles = ", ".join(f"{role} {quantities_text(amounts)}" for role, amounts in consumed.items())
            self.lines.append(f"{agent_id}: {roles or 'nothing'}")

    def do_whitelist(self, rest: str) -> None:
        """`whitelist HOST,...`, or `all`."""
        self.do(WhitelistRead(None if rest == "all" else frozenset(rest.split(","))))

    def do_teardown(self, rest: str) -> None:
        self.do_call(rest + " TEARDOWN")

    def do_close(self, rest: str) -> None:
        self.do(SessionClosed(rest))

    def do_backlog(self, rest: str) -> None:
        stream, _, how = rest.partition(" ")
        self.do(SessionBacklog(stream, how == "full"))

    # Agents.

    def do_holds(self, rest: str) -> None:
        """`holds framework|executor|task ...`: what the next agent's snapshot says."""
        words, options = parse(rest)
        framework_id = self.own(options.get("framework", "0000"))
        if words[0] == "framework":
            info = framework_info(options)
            info.id = FrameworkID(value=self.own(words[1]))
            self.snapshot.frameworks.append(info)
            return
        if words[0] == "executor":
            executor = executor_info(words[1], options)
            executor.framework_id = FrameworkID(value=framework_id)
            executor.resources = resources(options.get("executor_resources", "cpus{a}:0.1;mem{a}:32"))
            held = link.HeldExecutor(framework_id=framework_id, info=executor, container_id="c")
            self.snapshot.executors.append(held)
            return
        if words[0] == "resources":
            self.snapshot.resources += resources(words[1])
            return
        if words[0] == "operation":
            self.snapshot.operations.append(self.held_operation(words[1:], options))
            return
        defaults = {"resources": "cpus{a}:1;mem{a}:32", **options}
        name = defaults.pop("executor", "")
        info_ = self.task(words[1], options.get("agent", "S0"), defaults, with_executor=False)
        task = link.HeldTask(
            framework_id=framework_id,
            info=info_,
            state=TaskState[f"TASK_{options.get('state', 'RUNNING')}"],
            executor_id=name,
        )
        self.snapshot.tasks.append(task)

    def held_operation(self, words: Words, options: Options) -> mesos.Operation:
        """`holds operation NAME OPERATION ... id= [uuid=] [state=] [framework=]`"""
        status = self.operation_status(options.get("state", "FINISHED"), options)
        framework_id = self.own(options.get("framework", "0000"))
        info = Operation(type=Operation.Type[words[1].upper()], id=status.operation_id)
        return mesos.Operation(
            framework_id=FrameworkID(value=framework_id) if framework_id else None,
            info=self.conversion(info, words[1:]),
            latest_status=status,
            statuses=[status],
            uuid=mesos.UUID(value=self.operation_uuid(words[0])),
        )

    def operation_uuid(self, name: str) -> bytes:
        """That of an operation that the master named (`u0` is the first one), or one of the play's own."""
        return self.operations[int(name[1:])] if name[1:].isdigit() and name[0] == "u" else uuid_of(name)

    def operation_status(self, state: str, options: Options) -> mesos.OperationStatus:
        return mesos.OperationStatus(
            operation_id=OperationID(value=options["id"]) if "id" in options else None,
            state=mesos.OperationState[f"OPERATION_{state}"],
            uuid=mesos.UUID(value=uuid_of(options["uuid"])) if "uuid" in options else None,
            message=options.get("message"),
        )

    def do_applied(self, rest: str) -> None:
        """`applied LINK OPERATION [STATE] [id=] [uuid=] [framework=]`: an agent tells of an operation by its place."""
        words, options = parse(rest)
        state = words[2] if len(words) > 2 else "FINISHED"
        framework_id = "" if options.get("framework") == "none" else self.own(options.get("framework", "0000"))
        message = link.OperationUpdate(
            operation_uuid=self.operation_uuid(words[1]),
            framework_id=framework_id,
            status=self.operation_status(state, options),
        )
        self.do(LinkReceived(words[0], message))

    def do_corrects(self, rest: str) -> None:
        """`corrects LINK [RESOURCES]`: an agent says what it has checkpointed."""
        words, _ = parse(rest)
        checkpointed = resources(words[1]) if len(words) > 1 else []
        self.do(LinkReceived(words[0], link.CheckpointedResources(resources=checkpointed)))

    def do_operations(self, rest: str) -> None:
        """`operations AGENT`: how the agent's operations stand, and what it has."""
        agent = self.core.state.agents[self.own(rest)]
        self.lines.append(f"has {agent.total}")
        for operation in agent.operations.values():
            name = "" if operation.info.id is None else f" {operation.info.id.value}"
            kind = "" if operation.info.type is None else operation.info.type.name
            owner = operation.framework_id or "an operator"
            self.lines.append(f"{kind}{name} of {owner}: {operation.latest.state.name}")

    def do_agent(self, rest: str) -> None:
        """`agent LINK ...`: an agent connects and says hello, with what it holds."""
        words, options = parse(rest)
        name = words[0]
        self.do(LinkOpened(name, options.get("address", "10.0.0.1")))
        self.do(LinkReceived(name, self.hello(name, options)))
        snapshot, self.snapshot = self.snapshot, link.Snapshot()
        self.do(LinkReceived(name, snapshot))

    def hello(self, name: str, options: Options) -> link.Hello:
        info = AgentInfo(
            hostname=options.get("host", "h"),
            port=int(options.get("port", "5051")),
            resources=resources(options.get("resources", "cpus:4;mem:4096")),
        )
        if "attributes" in options:
            text = Value.Text(value=options["attributes"])
            info.attributes = [mesos.Attribute(name="rack", type=Value.Type.TEXT, text=text)]
        if "height" in options:
            scalar = Value.Scalar(value=float(options["height"]))
            info.attributes.append(mesos.Attribute(name="height", type=Value.Type.SCALAR, scalar=scalar))
        if "short" in options:
            role, seconds = options["short"].split(":")
            info.attributes += attributes_of(ShortTasks(role, float(seconds)))
        if "domain" in options:
            fault = mesos.DomainInfo.FaultDomain
            region, zone = options["domain"].split("/")
            info.domain = mesos.DomainInfo(
                fault_domain=fault(region=fault.RegionInfo(name=region), zone=fault.ZoneInfo(name=zone))
            )
        return link.Hello(
            protocol_oldest=int(options.get("oldest", "1")),
            protocol_newest=int(options.get("newest", "1")),
            software="0.1.0",
            agent_id=self.own(options.get("id", "")),
            incarnation=options.get("run", "run-" + name),
            link_id=name,
            epoch=int(options.get("epoch", "0")),
            draining=options.get("draining") == "yes",
            info=info,
            capabilities=[part for part in options.get("capabilities", "").split(",") if part],
        )

    def do_open_link(self, rest: str) -> None:
        self.do(LinkOpened(rest, "10.0.0.1"))

    def do_hello(self, rest: str) -> None:
        words, options = parse(rest)
        self.do(LinkReceived(words[0], self.hello(words[0], options)))

    def do_snapshot(self, rest: str) -> None:
        """`snapshot LINK [more]`: what the agent holds, or a part of it."""
        name, _, more = rest.partition(" ")
        snapshot, self.snapshot = self.snapshot, link.Snapshot()
        snapshot.more = more == "more"
        self.do(LinkReceived(name, snapshot))

    def do_lose(self, rest: str) -> None:
        self.do(LinkClosed(rest, "lost"))

    def do_pong(self, rest: str) -> None:
        self.do(LinkReceived(rest, link.Pong()))

    def do_unregister(self, rest: str) -> None:
        self.do(LinkReceived(rest, link.Unregister()))

    def do_update(self, rest: str) -> None:
        """`update LINK TASK STATE UUID [latest=] [framework=] [reason=] [source=] [data=] [message=]`"""
        words, options = parse(rest)
        state = TaskState[f"TASK_{words[2]}"]
        status = TaskStatus(
            task_id=TaskID(value=words[1]),
            state=state,
            source=TaskStatus.Source[f"SOURCE_{options.get('source', 'EXECUTOR')}"],
            timestamp=self.now,
            uuid=uuid_of(words[3]) if len(words) > 3 else None,
            message=options.get("message"),
        )
        link_record = self.core.context.links.get(words[0])
        if link_record is not None and link_record.agent is not None:
            status.agent_id = AgentID(value=link_record.agent.agent_id)
        if "reason" in options:
            status.reason = TaskStatus.Reason[f"REASON_{options['reason']}"]
        if "data" in options:
            status.data = options["data"].encode()
        if "healthy" in options:
            status.healthy = options["healthy"] == "yes"
        latest = TaskState[f"TASK_{options['latest']}"] if "latest" in options else state
        framework_id = self.own(options.get("framework", "0000"))
        self.do(LinkReceived(words[0], link.StatusUpdate(framework_id=framework_id, status=status, latest=latest)))

    def do_exited(self, rest: str) -> None:
        words, options = parse(rest)
        framework_id = self.own(options.get("framework", "0000"))
        message = link.ExecutorExited(
            framework_id=framework_id, executor_id=words[1], status=int(options.get("status", "0"))
        )
        self.do(LinkReceived(words[0], message))

    def do_executor_message(self, rest: str) -> None:
        words, options = parse(rest)
        framework_id = self.own(options.get("framework", "0000"))
        message = link.ExecutorMessage(framework_id=framework_id, executor_id=words[1], data=words[2].encode())
        self.do(LinkReceived(words[0], message))

    # Operators.

    def do_operator(self, rest: str) -> None:
        words, options = parse(rest)
        kinds = master.Call.Type
        call = master.Call(type=kinds[words[1]])
        if len(words) > 2:
            self.resources_call(call, words[2:], self.own(options.pop("agent", "S0")))
        if call.type is kinds.TEARDOWN:
            name = FrameworkID(value=self.own(options["framework"]))
            call.teardown = master.Call.Teardown(framework_id=name)
        agent_id = AgentID(value=self.own(options.get("agent", "")))
        if call.type is kinds.DRAIN_AGENT:
            grace = Duration(seconds=int(options["grace"])) if "grace" in options else None
            gone = options.get("mark_gone") == "yes"
            call.drain_agent = master.Call.DrainAgent(agent_id=agent_id, max_grace_period=grace, mark_gone=gone)
        elif call.type is kinds.DEACTIVATE_AGENT:
            call.deactivate_agent = master.Call.DeactivateAgent(agent_id=agent_id)
        elif call.type is kinds.REACTIVATE_AGENT:
            call.reactivate_agent = master.Call.ReactivateAgent(agent_id=agent_id)
        elif call.type is kinds.MARK_AGENT_GONE:
            call.mark_agent_gone = master.Call.MarkAgentGone(agent_id=agent_id)
        elif call.type is kinds.UPDATE_MAINTENANCE_SCHEDULE:
            call.update_maintenance_schedule = master.Call.UpdateMaintenanceSchedule(schedule=self.schedule(options))
        elif call.type is kinds.START_MAINTENANCE:
            call.start_maintenance = master.Call.StartMaintenance(machines=machines(options.get("machines", "")))
        elif call.type is kinds.STOP_MAINTENANCE:
            call.stop_maintenance = master.Call.StopMaintenance(machines=machines(options.get("machines", "")))
        self.do(OperatorCall(1, words[0], options.get("principal"), merged(call, options.get("json"))))

    def schedule(self, options: Options) -> Schedule:
        """`machines=HOST@IP,... start=SECONDS [duration=SECONDS]`; several windows are written `machines=A/B`."""
        if "machines" not in options:
            return Schedule()
        planned = mesos.Unavailability(start=time_info(BEGIN + float(options["start"])))
        if "duration" in options:
            planned.duration = mesos.DurationInfo(nanoseconds=int(float(options["duration"]) * 1e9))
        windows = [machines(text) for text in options["machines"].split("/")]
        return Schedule(windows=[Window(machine_ids=window, unavailability=planned) for window in windows])

    def do_answer_inverse(self, rest: str) -> None:
        """`answer_inverse STREAM OFFERS accept|decline [refuse=SECONDS]`"""
        words, options = parse(rest)
        names = words[1].split(",")
        if words[1] == "all":
            names = list(self.core.state.frameworks[self.frameworks[words[0]]].inverse_offers)
        ids = [OfferID(value=self.own(name)) for name in names]
        filters = mesos.Filters(refuse_seconds=float(options["refuse"])) if "refuse" in options else None
        if words[2] == "accept":
            accepted = Call.AcceptInverseOffers(inverse_offer_ids=ids, filters=filters)
            call = Call(type=Call.Type.ACCEPT_INVERSE_OFFERS, accept_inverse_offers=accepted)
        else:
            declined = Call.DeclineInverseOffers(inverse_offer_ids=ids, filters=filters)
            call = Call(type=Call.Type.DECLINE_INVERSE_OFFERS, decline_inverse_offers=declined)
        self.call(words[0], options, call)

    def resources_call(self, call: master.Call, words: Words, agent: str) -> None:
        """`operator o1 RESERVE_RESOURCES WHAT [FROM] [agent=]`, and so on as in `conversion`."""
        assert call.type is not None
        calls, agent_id = master.Call, AgentID(value=agent)
        first = resources(words[0])
        if call.type is calls.Type.RESERVE_RESOURCES:
            source = resources(words[1]) if len(words) > 1 else []
            call.reserve_resources = calls.ReserveResources(agent_id=agent_id, source=source, resources=first)
        elif call.type is calls.Type.UNRESERVE_RESOURCES:
            call.unreserve_resources = calls.UnreserveResources(agent_id=agent_id, resources=first)
        elif call.type is calls.Type.CREATE_VOLUMES:
            call.create_volumes = calls.CreateVolumes(agent_id=agent_id, volumes=first)
        elif call.type is calls.Type.DESTROY_VOLUMES:
            call.destroy_volumes = calls.DestroyVolumes(agent_id=agent_id, volumes=first)
        elif call.type is calls.Type.GROW_VOLUME:
            more = resources(words[1])[0]
            call.grow_volume = calls.GrowVolume(agent_id=agent_id, volume=first[0], addition=more)
        elif call.type is calls.Type.SHRINK_VOLUME:
            less = Value.Scalar(value=float(words[1]))
            call.shrink_volume = calls.ShrinkVolume(agent_id=agent_id, volume=first[0], subtract=less)

    def do_legacy(self, rest: str) -> None:
        words, options = parse(rest)
        form = {"frameworkId": self.own(options["framework"])} if "framework" in options else {}
        self.do(LegacyCall(1, None, words[0], words[1], {}, form, options.get("path", "")))

    def do_extension(self, rest: str) -> None:
        """`extension NAME [key=value ...]`: ids may leave the master's name out."""
        words, options = parse(rest)
        arguments = {
            key: self.own(value) if key in ("framework_id", "agent_id", "offer_id") else value
            for key, value in options.items()
        }
        self.do(ExtensionCall(1, None, words[0], arguments))

    def do_story(self, rest: str) -> None:
        """`story ID ...`: what the core remembers of it."""
        self.lines += self.core.story(*(self.own(name) for name in rest.split()))

    def do_tasks(self, rest: str) -> None:
        """`tasks STREAM`: how the framework's tasks stand in the master's record."""
        name = self.frameworks[rest]
        state = self.core.state
        framework = state.frameworks.get(name) or state.completed_frameworks[name]
        for title, tasks in (
            ("task", framework.tasks.values()),
            ("unreachable", framework.unreachable_tasks.values()),
            ("completed", framework.completed_tasks),
        ):
            for task in tasks:
                statuses = " ".join(kept.state.name.removeprefix("TASK_") for kept in task.statuses)
                self.lines.append(f"{title} {task.task_id} {task.state.name} on {task.agent_id}: {statuses}")


# How things are told.


def is_heartbeat(effect: Effect) -> bool:
    if not isinstance(effect, Send) or isinstance(effect.event, MirrorPart):
        return False
    return event_text(effect.event) == "HEARTBEAT"


def event_text(event: msgspec.Struct) -> str:
    """A stream's event: its type and the fields of its member."""
    kind = getattr(event, "type").name  # noqa: B009 - every event has one
    member = getattr(event, kind.lower(), None)
    return kind if member is None else f"{kind} {fields(member)}"


def record_text(record: msgspec.Struct) -> str:
    return f"{type(record).__name__}({fields(record)})"


def shown_named(message: msgspec.Struct) -> str:
    return f"{type(message).__name__} {fields(message)}".rstrip()


def fields(message: msgspec.Struct) -> str:
    parts = []
    for name in message.__struct_fields__:
        value = getattr(message, name)
        if value is None or value == [] or value == {} or value == "":
            continue
        parts.append(f"{name}={shown(value)}")
    return " ".join(parts)


def shown(value: object) -> str:
    if isinstance(value, list):
        if value and isinstance(value[0], Resource):
            return resources_text(value)
        return "[" + ", ".join(map(shown, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {shown(part)}" for key, part in value.items()) + "}"
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, bytes):
        return value.decode(errors="replace").rstrip(".")
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value - BEGIN:g}s" if value >= BEGIN else f"{value:g}"
    if isinstance(value, int):
        return f"{value / 1e9 - BEGIN:g}s" if value >= BEGIN * 1e9 else str(value)
    if isinstance(value, msgspec.Struct):
        return struct_text(value)
    if isinstance(value, str) and (" " in value or not value):
        return f'"{value}"'
    return str(value)


def struct_text(value: msgspec.Struct) -> str:
    """Ids and other one-field messages by their value; descriptions that the play itself spelled by their name."""
    names = value.__struct_fields__
    if names in (("value",), ("value", "parent")):
        return shown(getattr(value, "value"))  # noqa: B009
    if names == ("nanoseconds",):
        return shown(getattr(value, "nanoseconds"))  # noqa: B009
    if isinstance(value, mesos.MasterInfo):
        return f"master({value.id})"
    if isinstance(value, mesos.URL):
        address = value.address
        return f"{value.scheme}://{address.ip}({address.hostname}):{address.port}{value.path}"
    return "{" + fields(value) + "}"


def resources_text(messages: list[Resource]) -> str:
    """In the printed form; with `*` after it when the old reservation form is used."""
    text = str(Resources.of(messages))
    return f"<{text}>" + ("*" if any(message.role is not None for message in messages) else "")

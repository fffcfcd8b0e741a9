"""An agent core on a stage: plays are written in a small language, and what follows is told in a compact form.

A play is a text file of blocks. A block is some lines of commands, a line of dashes, and everything the core said:

    launch f1 e1 t1
    ----
    start run-1 f1/e1 ...

Times are seconds since the play began. Ids that the core makes are numbered in the order in which they appear; uuids
of executors are spelled as the play spells them. `Store` is confirmed at once unless the play says `storing off`;
then `stored` confirms.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random
from typing import Any
from uuid import UUID

import msgspec

from tepui.agent import recovery
from tepui.agent.config import AgentConfig
from tepui.agent.core import AgentCore
from tepui.agent.events import (
    ExecutorCall,
    ExecutorSubscribe,
    ForgetRun,
    KillRun,
    Leave,
    LinkDown,
    LinkingFailed,
    LinkReceived,
    LinkUp,
    LinkVolumes,
    MakeVolumes,
    Oversubscribe,
    Reconnect,
    RemoveVolumes,
    RunExited,
    RunFailed,
    RunStarted,
    StartRun,
    Stop,
    UnlinkVolumes,
    VolumeErased,
    VolumesMade,
    VolumesMoved,
)
from tepui.agent.executors import EXIT_SETTLE_SECONDS
from tepui.agent.invariants import check
from tepui.agent.journal import (
    DrainSet,
    JournalRecord,
    OperationForgotten,
    OperationHeld,
    ResourcesCheckpointed,
    RunBegan,
    TaskLaunched,
    VolumeDoomed,
    VolumeForgotten,
)
from tepui.agent.volumes import VolumeDirectory, VolumeLink
from tepui.model import link
from tepui.model.shell import (
    Answer,
    CloseLink,
    CloseSession,
    Effect,
    Event,
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
from tepui.model.v1.executor import Call
from tepui.model.v1.mesos import (
    AgentID,
    AgentInfo,
    CommandInfo,
    ContainerID,
    ContainerStatus,
    DrainConfig,
    DurationInfo,
    ExecutorID,
    ExecutorInfo,
    FrameworkID,
    FrameworkInfo,
    KillPolicy,
    MasterInfo,
    Offer,
    OperationID,
    Resource,
    TaskID,
    TaskInfo,
    TaskState,
    TaskStatus,
    Value,
    Volume,
)

BEGIN = 1_795_223_677.0
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def resource(name: str, amount: float) -> Resource:
    return Resource(name=name, type=Value.Type.SCALAR, scalar=Value.Scalar(value=amount))


def kept_only(records: list[Any]) -> list[Any]:
    """Of durable records those that a journal still has: the last of each subject that is not over."""
    alive: dict[object, Any] = {}
    for record in records:
        match record:
            case ResourcesCheckpointed():
                alive["resources"] = record
            case OperationHeld(operation_uuid=uuid):
                alive[uuid] = record
            case OperationForgotten(operation_uuid=uuid):
                alive.pop(uuid, None)
            case VolumeDoomed(trash=trash):
                alive[trash] = record
            case VolumeForgotten(trash=trash):
                alive.pop(trash, None)
            case DrainSet():
                alive["drain"] = record
    return list(alive.values())


_RESOURCE = re.compile(
    r"(?P<name>\w+):(?P<amount>[\d.]+)(=(?P<static>[\w/]+))?(?P<roles>(@[\w/]+)*)(#(?P<id>\w+):(?P<path>[^~*]+))?(?P<kinds>[~*]*)"
)
_DYNAMIC = Resource.ReservationInfo.Type.DYNAMIC


def resources(text: str) -> list[Resource]:
    """`cpus:1=ops+disk:64@eng#v1:data`: statically reserved for `ops`; dynamically for `eng`, persistent under the id
    `v1`, to be seen at `data`.

    `~` at the end stands for revocable, `*` for shared.
    """
    return [_resource_of(part) for part in text.split("+")]


def _resource_of(text: str) -> Resource:
    match = _RESOURCE.fullmatch(text)
    assert match is not None, text
    result = resource(match["name"], float(match["amount"]))
    if match["static"] is not None:
        static = Resource.ReservationInfo.Type.STATIC
        result.reservations.append(Resource.ReservationInfo(type=static, role=match["static"]))
    for role in match["roles"].split("@")[1:]:
        result.reservations.append(Resource.ReservationInfo(type=_DYNAMIC, role=role))
    if match["id"] is not None:
        result.disk = Resource.DiskInfo(
            persistence=Resource.DiskInfo.Persistence(id=match["id"]),
            volume=Volume(container_path=match["path"], mode=Volume.Mode.RW),
        )
    if "~" in match["kinds"]:
        result.revocable = Resource.RevocableInfo()
    if "*" in match["kinds"]:
        result.shared = Resource.SharedInfo()
    return result


def operation(kind: str, first: str, second: str = "", operation_id: str = "") -> Offer.Operation:
    """An operation on `resources(first)`; `second` is the addition of GROW_VOLUME, or what SHRINK_VOLUME takes."""
    found = resources(first)
    result = Offer.Operation(
        type=Offer.Operation.Type[kind], id=OperationID(value=operation_id) if operation_id else None
    )
    match kind:
        case "RESERVE":
            result.reserve = Offer.Operation.Reserve(resources=found)
        case "UNRESERVE":
            result.unreserve = Offer.Operation.Unreserve(resources=found)
        case "CREATE":
            result.create = Offer.Operation.Create(volumes=found)
        case "DESTROY":
            result.destroy = Offer.Operation.Destroy(volumes=found)
        case "GROW_VOLUME":
            result.grow_volume = Offer.Operation.GrowVolume(volume=found[0], addition=resources(second)[0])
        case "SHRINK_VOLUME":
            result.shrink_volume = Offer.Operation.ShrinkVolume(
                volume=found[0], subtract=Value.Scalar(value=float(second))
            )
    return result


def uuid_of(name: str) -> bytes:
    """The uuid that a play calls `name`: a valid one with the name inside."""
    return UUID(bytes=name.encode().rjust(6, b"_")[:6] + bytes(10), version=4).bytes


def framework_info(
    framework_id: str, *, checkpoint: bool = False, partition_aware: bool = False, killing: bool = False
) -> FrameworkInfo:
    kinds = FrameworkInfo.Capability.Type
    capabilities = {kinds.PARTITION_AWARE: partition_aware, kinds.TASK_KILLING_STATE: killing}
    return FrameworkInfo(
        user="alice",
        name=framework_id,
        id=FrameworkID(value=framework_id),
        checkpoint=checkpoint,
        capabilities=[FrameworkInfo.Capability(type=kind) for kind, given in capabilities.items() if given],
    )


def executor_info(framework_id: str, executor_id: str) -> ExecutorInfo:
    return ExecutorInfo(
        type=ExecutorInfo.Type.CUSTOM,
        executor_id=ExecutorID(value=executor_id),
        framework_id=FrameworkID(value=framework_id),
        command=CommandInfo(value=f"./{executor_id}"),
        resources=[resource("cpus", 0.1), resource("mem", 32)],
    )


def task_info(task_id: str) -> TaskInfo:
    return TaskInfo(
        name=task_id,
        task_id=TaskID(value=task_id),
        agent_id=AgentID(value="S0"),
        resources=[resource("cpus", 0.5), resource("mem", 64)],
    )


def status(task_id: str, state: str, uuid: str) -> TaskStatus:
    return TaskStatus(
        task_id=TaskID(value=task_id),
        state=TaskState[f"TASK_{state}"],
        source=TaskStatus.Source.SOURCE_EXECUTOR,
        uuid=uuid_of(uuid),
    )


def config(**changes: Any) -> AgentConfig:
    info = AgentInfo(
        hostname="localhost", resources=[resource("cpus", 4), resource("mem", 4096), resource("disk", 10000)]
    )
    return AgentConfig(info=info, version="0.1.0", ip="127.0.0.1", work_dir="/work_dir", **changes)


class Stage:
    """A core, the clock, and the names of what it made."""

    def __init__(self) -> None:
        self.core = AgentCore(config(), Random(1), self._authorize)
        self.now = BEGIN
        self.storing = True
        self._stores: dict[int, list[JournalRecord]] = {}
        self.kept: list[Any] = []
        """The durable records that were stored."""
        self.journal: list[Any] = []
        """The other ones."""
        self._link = ""
        self._links = 0
        self._request = 0
        self._names: dict[str, str] = {}
        self._denied: set[str] = set()
        self._commands: dict[str, Callable[..., list[Event]]] = {
            name.removeprefix("do_"): getattr(self, name) for name in dir(self) if name.startswith("do_")
        }

    def _authorize(self, principal: str | None, action: str, subject: str) -> bool:
        assert (principal, action) == (None, "run_tasks")
        return subject not in self._denied

    # Playing.

    def command(self, line: str) -> list[str]:
        name, *words = line.split()
        if name not in self._commands and words:
            name, *words = f"{name}_{words[0]}", *words[1:]
        plain = [word for word in words if "=" not in word]
        named = dict(word.split("=", 1) for word in words if "=" in word)
        told: list[str] = []
        if name == "total":
            return [f"total: {self.core.records.total}"]
        for event in self._commands[name](*plain, **named):
            told += self.tell(event)
        if name == "exited":
            # Its last updates might still come; plays that send some say `exits`.
            self.now += EXIT_SETTLE_SECONDS
            told += self.tell(Tick())
        return told

    def tell(self, event: Event) -> list[str]:
        """Hand one event to the core, confirm what it stores, check that all holds; returns what it said."""
        effects = self.core.handle(event, self.now)
        check(self.core.records)
        for effect in effects:
            if isinstance(effect, Store):
                self._stores[effect.token] = [one for one in effect.records if isinstance(one, JournalRecord)]
        if isinstance(event, Stored):
            for token in [token for token in self._stores if token <= event.token]:
                stored = self._stores.pop(token)
                self.kept += [record for record in stored if record.durable]
                self.journal += [record for record in stored if not record.durable]
        told = [self.show(effect) for effect in effects]
        tokens = [effect.token for effect in effects if isinstance(effect, Store)]
        if tokens and self.storing:
            told += self.tell(Stored(tokens[-1]))
        return told

    # Commands.

    def do_at(self, seconds: str) -> list[Event]:
        """Let the time come."""
        self.now = BEGIN + float(seconds)
        return [Tick()]

    def do_deadline(self) -> list[Event]:
        """Let the time of the next deadline come, whenever that is."""
        deadline = self.core.next_deadline()
        assert deadline is not None, "nothing waits for time"
        self.now = deadline
        return [Tick()]

    def do_storing(self, switch: str) -> list[Event]:
        self.storing = switch == "on"
        return []

    def do_stored(self, token: str) -> list[Event]:
        return [Stored(int(token))]

    def do_deny(self, user: str) -> list[Event]:
        self._denied.add(user)
        return []

    def do_keeps(self, role: str, seconds: str) -> list[Event]:
        """An agent that keeps what is reserved for `role` for tasks of at most so many seconds."""
        self.core.records.info.attributes = attributes_of(ShortTasks(role, float(seconds)))
        return []

    def do_link_up(self) -> list[Event]:
        self._links += 1
        self._link = f"link-{self._links}"
        return [LinkUp(self._link)]

    def do_link_down(self) -> list[Event]:
        return [LinkDown(self._link, "gone")]

    def _receive(self, message: link.LinkMessage) -> list[Event]:
        return [LinkReceived(self._link, message)]

    def do_welcome(self, epoch: str = "1", agent: str = "S0", protocol: str = "1") -> list[Event]:
        return self._receive(
            link.Welcome(
                protocol=int(protocol),
                agent_id=agent,
                epoch=int(epoch),
                master=MasterInfo(id="M", ip=1, port=5050),
                ping_timeout_seconds=75.0,
            )
        )

    def do_refused(self, *words: str, shutdown: str = "") -> list[Event]:
        return self._receive(link.Refused(why=" ".join(words), shutdown=bool(shutdown)))

    def do_ping(self, over: str = "") -> list[Event]:
        return [LinkReceived(over or self._link, link.Ping())]

    def do_agent_shutdown(self, *words: str) -> list[Event]:
        return self._receive(link.Shutdown(why=" ".join(words)))

    def do_leave(self) -> list[Event]:
        return [Leave()]

    def do_framework(self, framework_id: str, *flags: str) -> list[Event]:
        info = framework_info(
            framework_id,
            checkpoint="checkpoint" in flags,
            partition_aware="partition_aware" in flags,
            killing="killing" in flags,
        )
        return self._receive(link.FrameworkUpdate(framework=info))

    def do_launch(
        self,
        framework_id: str,
        executor_id: str,
        *task_ids: str,
        uri: str = "",
        command: str = "",
        user: str = "",
        grace: str = "",
        limit: str = "",
        using: str = "",
        executor_using: str = "",
    ) -> list[Event]:
        """The executor `-` is none: each task runs `command`, as those of the default executor `default` do.

        `grace` is that of the tasks' kill policy, `limit` their max_completion_time, in seconds. `using` and
        `executor_using` are further resources of tasks and executor.
        """
        info: ExecutorInfo | None = executor_info(framework_id, executor_id)
        assert info is not None
        assert info.command is not None
        tasks = [task_info(task_id) for task_id in task_ids if task_id != "group"]
        for task in tasks:
            task.resources += resources(using) if using else []
            if grace:
                task.kill_policy = KillPolicy(grace_period=DurationInfo(nanoseconds=int(grace) * 10**9))
            if limit:
                task.max_completion_time = DurationInfo(nanoseconds=int(limit) * 10**9)
        info.resources += resources(executor_using) if executor_using else []
        if executor_id in ("-", "default"):
            for task in tasks:
                task.command = CommandInfo(value=command or f"./{task.task_id.value}", user=user or None)
        if uri:
            for fetching in (info.command, *(task.command for task in tasks)):
                if fetching is not None:
                    fetching.uris = [CommandInfo.URI(value=uri)]
        if executor_id == "default":
            info.type = ExecutorInfo.Type.DEFAULT
            info.command = None
        if executor_id == "-":
            info = None
        return self._receive(
            link.Launch(framework_id=framework_id, tasks=tasks, executor=info, group="group" in task_ids)
        )

    def do_apply(
        self, uuid: str, kind: str, first: str, second: str = "", called: str = "", framework: str = ""
    ) -> list[Event]:
        """An operation, as `operation` reads it, whose id is `called`."""
        info = operation(kind, first, second, called)
        return self._receive(link.ApplyOperation(operation_uuid=uuid_of(uuid), framework_id=framework, info=info))

    def do_ack_operation(self, uuid: str, status: str = "") -> list[Event]:
        """Without a uuid of the status it is the right one."""
        held = self.core.records.operations.get(uuid_of(uuid))
        named = uuid_of(status)
        if not status and held is not None and held.status.uuid is not None:
            named = held.status.uuid.value
        return self._receive(link.AcknowledgeOperation(operation_uuid=uuid_of(uuid), status_uuid=named))

    def do_volumes_made(self, uuid: str, *words: str) -> list[Event]:
        return [VolumesMade(uuid_of(uuid), " ".join(words))]

    def do_volumes_moved(self, uuid: str) -> list[Event]:
        return [VolumesMoved(uuid_of(uuid))]

    def do_volume_erased(self, trash: str) -> list[Event]:
        return [VolumeErased(next(real for real, name in self._names.items() if name == trash))]

    def do_linking_failed(self, run: str, *words: str) -> list[Event]:
        return [LinkingFailed(self._run(run), " ".join(words))]

    def do_oversubscribe(self, text: str = "") -> list[Event]:
        return [Oversubscribe(resources(text) if text else [])]

    def do_restart(self) -> list[Event]:
        """A new agent on the same work directory, which finds the records that were stored."""
        self._stores.clear()
        self.journal = recovery.kept(self.journal)
        self.core = AgentCore(
            config(),
            Random(2),
            self._authorize,
            agent_id="S0",
            epoch=1,
            kept=self.journal,
            durable=kept_only(self.kept),
        )
        check(self.core.records)
        return []

    def do_drain(self, *words: str, grace: str = "") -> list[Event]:
        """`drain [mark_gone] [grace=SECONDS]`, or `drain over`: the agent is in service again."""
        if "over" in words:
            return self._receive(link.Drain())
        longest = DurationInfo(nanoseconds=int(grace) * 10**9) if grace else None
        return self._receive(link.Drain(config=DrainConfig(max_grace_period=longest, mark_gone="mark_gone" in words)))

    def do_kill(self, framework_id: str, task_id: str, grace: str = "", revoked: str = "") -> list[Event]:
        policy = KillPolicy(grace_period=DurationInfo(nanoseconds=int(grace) * 10**9)) if grace else None
        message = link.Kill(framework_id=framework_id, task_id=task_id, kill_policy=policy, revoked=revoked)
        return self._receive(message)

    def do_ack(self, framework_id: str, task_id: str, uuid: str = "") -> list[Event]:
        """Without a uuid it is that of the task's oldest update."""
        if not uuid:
            _, oldest = self.core.records.frameworks[framework_id].tasks[task_id].pending[0]
            assert oldest.uuid is not None
            return self._receive(link.Acknowledge(framework_id=framework_id, task_id=task_id, uuid=oldest.uuid))
        real = next((real for real, name in self._names.items() if name == uuid), None)
        found = UUID(real).bytes if real is not None else uuid_of(uuid)
        return self._receive(link.Acknowledge(framework_id=framework_id, task_id=task_id, uuid=found))

    def do_scheduler_message(self, framework_id: str, executor_id: str, data: str) -> list[Event]:
        return self._receive(
            link.SchedulerMessage(framework_id=framework_id, executor_id=executor_id, data=data.encode())
        )

    def do_shutdown_executor(self, framework_id: str, executor_id: str) -> list[Event]:
        return self._receive(link.ShutdownExecutor(framework_id=framework_id, executor_id=executor_id))

    def do_shutdown_framework(self, framework_id: str) -> list[Event]:
        return self._receive(link.ShutdownFramework(framework_id=framework_id))

    def do_reconcile(self, *names: str) -> list[Event]:
        tasks = [link.TaskName(framework_id=one.split("/")[0], task_id=one.split("/")[1]) for one in names]
        return self._receive(link.Reconcile(tasks=tasks))

    def _call(self, framework_id: str, executor_id: str, kind: Call.Type, **members: Any) -> Call:
        self._request += 1
        return Call(
            executor_id=ExecutorID(value=executor_id),
            framework_id=FrameworkID(value=framework_id),
            type=kind,
            **members,
        )

    def do_subscribe(
        self, framework_id: str, executor_id: str, session: str, tasks: str = "", updates: str = ""
    ) -> list[Event]:
        """`tasks=t1,t2` and `updates=t1:RUNNING:u1,...` are what it holds unacknowledged."""
        subscribe = Call.Subscribe(
            unacknowledged_tasks=[task_info(one) for one in tasks.split(",") if one],
            unacknowledged_updates=[Call.Update(status=status(*one.split(":"))) for one in updates.split(",") if one],
        )
        call = self._call(framework_id, executor_id, Call.Type.SUBSCRIBE, subscribe=subscribe)
        return [ExecutorSubscribe(self._request, session, None, call)]

    def do_update(self, framework_id: str, executor_id: str, task_id: str, state: str, uuid: str) -> list[Event]:
        update = Call.Update(status=status(task_id, state, uuid))
        call = self._call(framework_id, executor_id, Call.Type.UPDATE, update=update)
        return [ExecutorCall(self._request, None, call)]

    def do_message(self, framework_id: str, executor_id: str, data: str) -> list[Event]:
        message = Call.Message(data=data.encode())
        call = self._call(framework_id, executor_id, Call.Type.MESSAGE, message=message)
        return [ExecutorCall(self._request, None, call)]

    def do_unknown_call(self, framework_id: str, executor_id: str) -> list[Event]:
        call = self._call(framework_id, executor_id, Call.Type.UNKNOWN)
        return [ExecutorCall(self._request, None, call)]

    def do_closed(self, session: str) -> list[Event]:
        return [SessionClosed(session, "the peer went away")]

    def do_backlog(self, session: str, full: str) -> list[Event]:
        return [SessionBacklog(session, full == "full")]

    def _run(self, name: str) -> str:
        return next((real for real, given in self._names.items() if given == name), name)

    def do_started(self, run: str, pid: str = "100") -> list[Event]:
        return [RunStarted(self._run(run), int(pid))]

    def do_failed(self, run: str, *words: str) -> list[Event]:
        return [RunFailed(self._run(run), " ".join(words))]

    def do_exited(self, run: str, *words: str, status: str = "") -> list[Event]:
        return [RunExited(self._run(run), int(status) if status else None, " ".join(words))]

    do_exits = do_exited

    # Showing.

    def show(self, effect: Effect) -> str:
        match effect:
            case Answer(request=request, status=code, body=body):
                return f"answer {request}: {code} {body or ''}".rstrip()
            case OpenSession(request=request, session=session):
                return f"answer {request}: 200, stream {session}"
            case Send(session=session, event=event):
                return f"{session} <- {self._event(event)}"
            case CloseSession(session=session):
                return f"{session} ends"
            case SendLink(link=name, message=message):
                return f"{name} -> {self._text(message)}"
            case CloseLink(link=name, why=why):
                return f"{name} is closed: {why}"
            case Store(token=token, records=records):
                return f"store {token}: " + ", ".join(self._record(record) for record in records)
            case StartRun():
                parent = self._named("run", effect.parent) if effect.parent else ""
                nested = f", task {effect.task_id} in {parent} of {effect.parent_user}" if parent else ""
                return (
                    f"start {self._named('run', effect.run)} of {effect.framework_id}/{effect.executor_id}: "
                    f"{effect.argv} as {effect.user} in {self._renamed(effect.directory)}, "
                    f"orphan after {effect.orphan_timeout_seconds:g} s{nested}"
                    + (f", volumes {self._text(effect.volumes)}" if effect.volumes else "")
                    + (f", its executor's {self._text(effect.parent_volumes)}" if effect.parent_volumes else "")
                )
            case MakeVolumes() | RemoveVolumes() | UnlinkVolumes():
                kind = type(effect).__name__
                return f"{kind} {self._members(effect)}"
            case LinkVolumes(run=run, volumes=volumes, user=user):
                return f"link in {self._named('run', run)} as {user}: {self._text(volumes)}"
            case KillRun(run=run, grace_seconds=grace):
                return f"kill {self._named('run', run)} within {grace:g} s"
            case ForgetRun(run=run):
                return f"forget {self._named('run', run)}"
            case Reconnect(why=why):
                return f"reconnect: {why}"
            case Stop(why=why):
                return f"stop: {why}"
        raise AssertionError(effect)

    def _event(self, event: Any) -> str:
        kind = event.type.value
        member = getattr(event, kind.lower(), None)
        return kind if member is None else f"{kind} {self._members(member)}"

    def _record(self, record: Any) -> str:
        assert isinstance(record, JournalRecord)
        if isinstance(record, RunBegan):
            self._named("run", record.run)
        elif isinstance(record, TaskLaunched) and record.container:
            self._named("run", record.container)
        return self._text(record)

    def _named(self, kind: str, real: str) -> str:
        if real not in self._names:
            number = sum(name.startswith(f"{kind}-") for name in self._names.values()) + 1
            self._names[real] = f"{kind}-{number}"
        return self._names[real]

    def _renamed(self, text: str) -> str:
        return _UUID.sub(lambda match: self._named("id", match[0]), text)

    def _members(self, value: msgspec.Struct) -> str:
        parts = []
        for field in msgspec.structs.fields(value):
            member = getattr(value, field.name)
            if member is None or member == [] or member == {} or member is False:
                continue
            parts.append(f"{field.name}={self._text(member)}")
        return " ".join(parts)

    def _text(self, value: Any) -> str:
        match value:
            case bool():
                return "yes" if value else "no"
            case float():
                return f"+{value - BEGIN:g}" if value >= BEGIN else f"{value:g}"
            case bytes() if len(value) == 16:
                name = value[:6].lstrip(b"_")
                return (
                    name.decode()
                    if uuid_of(name.decode("latin1")) == value
                    else self._named("uuid", str(UUID(bytes=value)))
                )
            case bytes():
                return value.decode()
            case str():
                return self._renamed(repr(value) if " " in value else value)
            case list() | tuple():
                return "[" + ", ".join(self._text(one) for one in value) + "]"
            case ExecutorInfo():
                return value.executor_id.value
            case FrameworkInfo():
                return value.id.value if value.id is not None else "?"
            case AgentInfo():
                return f"agent {value.id.value}" if value.id is not None else "agent without id"
            case MasterInfo():
                return value.id
            case Resource() if value.scalar is not None:
                layers = "".join(f"@{layer.role}" for layer in value.reservations)
                disk = ""
                if value.disk is not None and value.disk.persistence is not None and value.disk.volume is not None:
                    disk = f"#{value.disk.persistence.id}:{value.disk.volume.container_path}"
                kinds = f"{'~' if value.revocable is not None else ''}{'*' if value.shared is not None else ''}"
                return f"{value.name}:{value.scalar.value:g}{layers}{disk}{kinds}"
            case VolumeDirectory():
                return "/".join((value.root, *value.parts))
            case VolumeLink():
                return f"{value.path} -> {self._text(value.directory)}{' (owner kept)' if value.keep_owner else ''}"
            case Offer.Operation():
                kind = value.type.value if value.type is not None else "?"
                member = getattr(value, kind.lower(), None)
                return f"{kind}({'' if member is None else self._members(member)})"
            case ContainerStatus():
                address = value.network_infos[0].ip_addresses[0].ip_address
                pid = f" pid {value.executor_pid}" if value.executor_pid is not None else ""
                return f"{self._text(value.container_id)} at {address}{pid}"
            case ContainerID():
                outer = "" if value.parent is None else f"{self._text(value.parent)}/"
                return f"{outer}{self._text(value.value)}"
            case link.Hello():
                capabilities = "+".join(value.capabilities)
                assert capabilities == "+".join(self.core.config.capabilities)
                return (
                    f"Hello({value.protocol_oldest}..{value.protocol_newest} software={value.software} "
                    f"{self._text(value.info)} incarnation={self._named('incarnation', value.incarnation)} "
                    f"link={self._text(value.link_id)} epoch={value.epoch})"
                )
            case TaskInfo():
                executor = f" executor={value.executor.executor_id.value}" if value.executor is not None else ""
                return f"{value.task_id.value}{self._text(value.resources)}{executor}"
            case msgspec.Struct() if value.__struct_fields__ == ("value",):
                return self._text(value.value)  # type: ignore[attr-defined]
            case msgspec.Struct():
                return f"{type(value).__name__}({self._members(value)})"
        return str(getattr(value, "value", value))

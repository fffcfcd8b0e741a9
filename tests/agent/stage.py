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

from tepui.agent.config import AgentConfig
from tepui.agent.core import AgentCore
from tepui.agent.events import (
    ExecutorCall,
    ExecutorSubscribe,
    ForgetRun,
    KillRun,
    Leave,
    LinkDown,
    LinkReceived,
    LinkUp,
    Reconnect,
    RunExited,
    RunFailed,
    RunStarted,
    StartRun,
    Stop,
)
from tepui.agent.executors import EXIT_SETTLE_SECONDS
from tepui.agent.invariants import check
from tepui.agent.journal import JournalRecord, RunBegan, TaskLaunched
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
from tepui.model.v1.executor import Call
from tepui.model.v1.mesos import (
    AgentID,
    AgentInfo,
    CommandInfo,
    ContainerID,
    ContainerStatus,
    DurationInfo,
    ExecutorID,
    ExecutorInfo,
    FrameworkID,
    FrameworkInfo,
    KillPolicy,
    MasterInfo,
    Resource,
    TaskID,
    TaskInfo,
    TaskState,
    TaskStatus,
    Value,
)

BEGIN = 1_795_223_677.0
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def resource(name: str, amount: float) -> Resource:
    return Resource(name=name, type=Value.Type.SCALAR, scalar=Value.Scalar(value=amount))


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
    info = AgentInfo(hostname="localhost", resources=[resource("cpus", 4), resource("mem", 4096)])
    return AgentConfig(info=info, version="0.1.0", ip="127.0.0.1", work_dir="/work_dir", **changes)


class Stage:
    """A core, the clock, and the names of what it made."""

    def __init__(self) -> None:
        self.core = AgentCore(config(), Random(1), self._authorize)
        self.now = BEGIN
        self.storing = True
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
    ) -> list[Event]:
        """The executor `-` is none: each task runs `command`, as those of the default executor `default` do.

        `grace` is that of the tasks' kill policy, `limit` their max_completion_time, in seconds.
        """
        info: ExecutorInfo | None = executor_info(framework_id, executor_id)
        assert info is not None
        assert info.command is not None
        tasks = [task_info(task_id) for task_id in task_ids if task_id != "group"]
        if executor_id in ("-", "default"):
            for task in tasks:
                task.command = CommandInfo(value=command or f"./{task.task_id.value}", user=user or None)
                if grace:
                    task.kill_policy = KillPolicy(grace_period=DurationInfo(nanoseconds=int(grace) * 10**9))
                if limit:
                    task.max_completion_time = DurationInfo(nanoseconds=int(limit) * 10**9)
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

    def do_kill(self, framework_id: str, task_id: str, grace: str = "") -> list[Event]:
        policy = KillPolicy(grace_period=DurationInfo(nanoseconds=int(grace) * 10**9)) if grace else None
        return self._receive(link.Kill(framework_id=framework_id, task_id=task_id, kill_policy=policy))

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
                )
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
            case list():
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
                return f"{value.name}:{value.scalar.value:g}"
            case ContainerStatus():
                address = value.network_infos[0].ip_addresses[0].ip_address
                pid = f" pid {value.executor_pid}" if value.executor_pid is not None else ""
                return f"{self._text(value.container_id)} at {address}{pid}"
            case ContainerID():
                outer = "" if value.parent is None else f"{self._text(value.parent)}/"
                return f"{outer}{self._text(value.value)}"
            case link.Hello():
                capabilities = "+".join(value.capabilities)
                assert capabilities == "MULTI_ROLE+HIERARCHICAL_ROLE+RESERVATION_REFINEMENT+TASK_RESOURCE_LIMITS"
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

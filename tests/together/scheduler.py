"""The shell of one scheduler of the world in memory, and its framework."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any

from tepui.master.events import SchedulerCall, SchedulerSubscribe
from tepui.master.registry import AgentGone, AgentUnreachable
from tepui.model.task_states import TERMINAL_STATES
from tepui.model.v1 import scheduler as scheduler_api
from tepui.model.v1.mesos import (
    CommandInfo,
    Filters,
    FrameworkInfo,
    Offer,
    OperationID,
    OperationState,
    Resource,
    TaskID,
    TaskInfo,
    TaskState,
    TaskStatus,
)
from tepui.session.scheduler import CallLost, SchedulerSession
from tepui.session.steps import (
    Answered,
    Ask,
    CallCut,
    Connect,
    Deliver,
    Disconnect,
    Ended,
    Finished,
    Handled,
    Opened,
    Post,
    Received,
    Start,
    Step,
    Stop,
)
from tests.together.amounts import scalar

if TYPE_CHECKING:
    from tests.together.master import Master
    from tests.together.world import World

TASKS_OF_FRAMEWORK_MAX = 12
RESERVED_MEGABYTES = 128.0
OPERATION_ENDS = frozenset(
    {
        OperationState.OPERATION_FINISHED,
        OperationState.OPERATION_FAILED,
        OperationState.OPERATION_ERROR,
        OperationState.OPERATION_DROPPED,
        OperationState.OPERATION_UNKNOWN,
    }
)
"""Unknown to everybody is an end, too: it was not applied, and never will be."""

FINAL_STATES = TERMINAL_STATES - {TaskState.TASK_LOST}
_AGENT_AWAY = {TaskState.TASK_UNREACHABLE, TaskState.TASK_GONE_BY_OPERATOR}
_GONE = TERMINAL_STATES | {TaskState.TASK_UNKNOWN}


@dataclass(eq=False)
class Line:
    """A connection for calls, each way in order."""

    numbers: list[int] = field(default_factory=list)
    """The calls that are not answered."""
    spared: int | None = None
    """So many calls still arrive although it is broken; None while it is whole. No answer comes back."""


class Scheduler:
    """A framework that launches tasks on whatever it is offered, up to a number, and now and then kills one."""

    def __init__(self, world: World, name: str, *, partition_aware: bool) -> None:
        self.world = world
        self.name = name
        capability = FrameworkInfo.Capability
        kinds = [capability.Type.MULTI_ROLE] + [capability.Type.PARTITION_AWARE] * partition_aware
        info = FrameworkInfo(
            user="u",
            name=name,
            roles=[name],
            checkpoint=True,
            failover_timeout=1e6,
            capabilities=[capability(type=kind) for kind in kinds],
        )
        self.session = SchedulerSession(info, list(world.names), Random(world.random.random()))
        self.stream = 0
        self.stream_name: str | None = None
        self.master: Master | None = None
        self.lines: dict[str, Line] = {}
        """Connections for calls, by master."""
        self.launched: dict[str, TaskState | None] = {}
        """Tasks in ACCEPT calls, with the last state heard."""
        self.places: dict[str, str] = {}
        """The agent of each task."""
        self.ended: set[str] = set()
        """Tasks after whose last update none may tell of a living task. LOST is no end: the agent may come back."""
        self.heard: set[tuple[str, TaskState]] = set()
        """Updates that it acknowledged, by task and state."""
        self.never_sent: set[str] = set()
        self.killed: set[str] = set()
        """Tasks that it asked to be killed."""
        self.tasks_max = TASKS_OF_FRAMEWORK_MAX
        """So many are launched in all."""
        self.operations: dict[str, OperationState | None] = {}
        """Reservations asked for in ACCEPT calls, with the last state heard."""
        self.must_reserve = False
        """The next offer is for a reservation of memory."""
        self.finished = False
        self.refuse_seconds = 5.0
        """What it does not want it does not want to see for so long."""
        self.tell(Start())

    def tell(self, step: Step) -> None:
        for effect in self.session.handle(step, self.world.now):
            self._apply(effect)

    def _apply(self, effect: object) -> None:
        world = self.world
        match effect:
            case Connect(stream=stream, url=url, call=call):
                self._leave()
                self.stream = stream
                name = url.partition("//")[2].partition("/")[0]
                world.post(("call", self), lambda: self._connect(stream, name, call))
            case Disconnect():
                self._leave()
            case Post(number=number, url=url, call=call, stream_id=stream_id):
                name = url.partition("//")[2].partition("/")[0]
                line = self.lines.setdefault(name, Line())
                line.numbers.append(number)
                world.post(("call", line), lambda: self._call(line, number, name, call, stream_id))
            case Deliver(item=item):
                world.post(("app", self), lambda: self._handle(item))
            case Finished(error=error):
                assert error is None, f"{self.name} ended: {error}"
                self.finished = True

    def _leave(self) -> None:
        """Its end of the stream is closed; the master hears of it some time."""
        master, name = self.master, self.stream_name
        self.master = self.stream_name = None
        if master is not None and name is not None:
            master.sessions.pop(name, None)
            self.world.drop(("stream", name))
            self.world.post(("hangup", name), lambda: self.world.hangs_up(master, name))

    def _connect(self, stream: int, name: str, call: Any) -> None:
        world = self.world
        master = world.serving(name)
        if stream != self.stream:
            return
        if master is None:
            leader = world.leader
            if name not in world.masters:
                self.tell(Ended(stream, "connection refused"))
            elif leader is None or leader.name == name:
                self.tell(Opened(stream, 503, "no leader"))
            else:
                self.tell(Opened(stream, 307, location=f"//{leader.name}/api/v1/scheduler"))
            return
        session = f"session-{world.number()}"

        def answered(status: int, body: object) -> None:
            if status == 200:
                master.sessions[session] = self
                self.master, self.stream_name = master, session
            sentence = body if isinstance(body, str) and status != 200 else ""
            world.post(("stream", session), lambda: self._opened(stream, status, sentence, session))

        master.ask(lambda request: SchedulerSubscribe(request, session, None, call), answered)

    def _opened(self, stream: int, status: int, sentence: str, session: str) -> None:
        if stream == self.stream:
            self.tell(Opened(stream, status, sentence, session if status == 200 else None))

    def hears(self, session: str, event: Any) -> None:
        stream = self.stream

        def receive() -> None:
            if session == self.stream_name:
                self.tell(Received(stream, event))

        self.world.post(("stream", session), receive)

    def stream_ends(self, session: str, why: str) -> None:
        stream = self.stream

        def end() -> None:
            if session == self.stream_name:
                self.master = self.stream_name = None
                self.tell(Ended(stream, why))

        self.world.post(("stream", session), end)

    def _call(self, line: Line, number: int, name: str, call: Any, stream_id: str | None) -> None:
        world = self.world
        master = world.serving(name)
        if line.spared is None and (master is None or (world.faulty and world.random.random() < world.calls_lost)):
            line.spared = world.spared()
            world.post(("call", line), lambda: self._line_ends(line, name))
        if master is None or line.spared == 0:
            return
        if line.spared is not None:
            line.spared -= 1

        def answered(status: int, body: object) -> None:
            if line.spared is None:
                sentence = body if isinstance(body, str) else ""
                world.post(("call", line), lambda: self._answered(line, Answered(number, status, sentence)))

        master.ask(lambda request: SchedulerCall(request, stream_id, None, call), answered)

    def _answered(self, line: Line, step: Answered) -> None:
        line.numbers.remove(step.number)
        self.tell(step)

    def _line_ends(self, line: Line, name: str) -> None:
        if self.lines.get(name) is line:
            del self.lines[name]
        for number in line.numbers:
            self.tell(CallCut(number, "the connection ended"))

    # The framework.

    def _handle(self, item: object) -> None:
        match item:
            case scheduler_api.Event(offers=scheduler_api.Event.Offers(offers=offers)):
                for offer in offers:
                    self._answer(offer)
            case scheduler_api.Event(update=scheduler_api.Event.Update(status=status)):
                self._update(status)
            case scheduler_api.Event(update_operation_status=scheduler_api.Event.UpdateOperationStatus(status=told)):
                if told.operation_id is not None:
                    self.operations[told.operation_id.value] = told.state
            case CallLost(sent=False):
                self.never_sent.update(item.task_ids)
            case _:
                pass
        self.tell(Handled(item))

    def _answer(self, offer: Offer) -> None:
        assert offer.id is not None
        if offer.id.value not in self.session.offers:
            return
        cpus = next((one.scalar.value for one in offer.resources if one.name == "cpus" and one.scalar), 0.0)
        if self.must_reserve:
            self._reserve(offer)
            return
        wanted = min(int(cpus), self.tasks_max - len(self.launched)) if self.world.faulty else 0
        if wanted <= 0:
            decline = scheduler_api.Call.Decline(
                offer_ids=[offer.id], filters=Filters(refuse_seconds=self.refuse_seconds)
            )
            self.tell(Ask(scheduler_api.Call(type=scheduler_api.Call.Type.DECLINE, decline=decline)))
            return
        tasks = [self._task(offer) for _ in range(self.world.random.randint(1, wanted))]
        launch = Offer.Operation(type=Offer.Operation.Type.LAUNCH, launch=Offer.Operation.Launch(task_infos=tasks))
        accept = scheduler_api.Call.Accept(offer_ids=[offer.id], operations=[launch], filters=Filters())
        self.tell(Ask(scheduler_api.Call(type=scheduler_api.Call.Type.ACCEPT, accept=accept)))

    def _reserve(self, offer: Offer) -> None:
        assert offer.id is not None
        self.must_reserve = False
        reserved = scalar("mem", RESERVED_MEGABYTES)
        reserved.role, reserved.reservation = self.name, Resource.ReservationInfo()
        operation = Offer.Operation(
            type=Offer.Operation.Type.RESERVE,
            id=OperationID(value=f"{self.name}-o{len(self.operations)}"),
            reserve=Offer.Operation.Reserve(resources=[reserved]),
        )
        assert operation.id is not None
        self.operations[operation.id.value] = None
        accept = scheduler_api.Call.Accept(offer_ids=[offer.id], operations=[operation], filters=Filters())
        self.tell(Ask(scheduler_api.Call(type=scheduler_api.Call.Type.ACCEPT, accept=accept)))

    def ask_of_operations(self) -> None:
        """Reconcile those that have no end yet."""
        asked = [
            scheduler_api.Call.ReconcileOperations.Operation(operation_id=OperationID(value=name))
            for name, state in self.operations.items()
            if state not in OPERATION_ENDS
        ]
        if asked:
            call = scheduler_api.Call(type=scheduler_api.Call.Type.RECONCILE_OPERATIONS)
            call.reconcile_operations = scheduler_api.Call.ReconcileOperations(operations=asked)
            self.tell(Ask(call))

    def _task(self, offer: Offer) -> TaskInfo:
        task_id = f"{self.name}-t{len(self.launched)}"
        self.launched[task_id] = None
        self.places[task_id] = offer.agent_id.value
        return TaskInfo(
            name=task_id,
            task_id=TaskID(value=task_id),
            agent_id=offer.agent_id,
            resources=[scalar("cpus", 1), scalar("mem", 64)],
            command=CommandInfo(value="true"),
        )

    def _update(self, status: TaskStatus) -> None:
        name = status.task_id.value
        if status.uuid is not None:
            self.heard.add((name, status.state))
            if name in self.ended:
                assert status.state in TERMINAL_STATES, f"{name} had ended, and then came {status.state}"
            if status.state in FINAL_STATES:
                self.ended.add(name)
        else:
            self._check_stored(status.state, self.places[name])
            if status.state is TaskState.TASK_GONE and self.world.leases:
                self.ended.add(name)
        self.launched[name] = status.state

    def _check_stored(self, state: TaskState, agent_id: str) -> None:
        """What becomes of an agent is stored before frameworks hear of it."""
        stored = any(
            isinstance(record, AgentUnreachable | AgentGone) and record.agent_id == agent_id
            for record in self.world.registry
        )
        assert stored or state not in _AGENT_AWAY, f"{agent_id} is {state} for {self.name}, and that is not stored"

    def tear_down(self) -> None:
        self.tell(Stop(teardown=True))

    def kill_a_task(self) -> None:
        living = [name for name, state in self.launched.items() if state not in _GONE and name not in self.never_sent]
        if living:
            task_id = TaskID(value=self.world.random.choice(living))
            self.killed.add(task_id.value)
            kill = scheduler_api.Call.Kill(task_id=task_id)
            self.tell(Ask(scheduler_api.Call(type=scheduler_api.Call.Type.KILL, kill=kill)))

    @property
    def has_all_running(self) -> bool:
        """What it may launch is launched, and has run or runs, as far as it was told and anybody can tell."""
        return len(self.launched) == self.tasks_max and all(
            state is TaskState.TASK_RUNNING
            or state in TERMINAL_STATES
            or name in self.never_sent
            or (state is TaskState.TASK_UNKNOWN and self._is_forgotten(self.places[name]))
            for name, state in self.launched.items()
        )

    def _is_forgotten(self, agent_id: str) -> bool:
        """Nobody will come with this id: whom it was given to did not hear of it before the master was gone."""
        leader = self.world.leader
        return leader is not None and not leader.core.state.is_known(agent_id)

    @property
    def settled(self) -> bool:
        return self.finished or (not self.unsettled and not self.session.calls_waiting)

    @property
    def unsettled(self) -> list[str]:
        """Tasks of which something is still to be heard; that of an agent which forgot its id is away for good."""
        leader = self.world.leader
        away = leader.core.state.unreachable_agents if leader is not None else {}
        return [
            name
            for name, state in self.launched.items()
            if state not in _GONE
            and name not in self.never_sent
            and not (state is TaskState.TASK_UNREACHABLE and self.places[name] in away)
        ]

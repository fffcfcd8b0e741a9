# ruff: noqa: ARG002 - every step takes the same three numbers
"""Random histories: whatever schedulers, agents and links do, in whatever order, the invariants hold after each event.

Frameworks subscribe, vanish and are torn down; agents connect, lose their links, restart with less than they had,
leave; launches, updates (also late, repeated, out of order, for what is long over), kills and acknowledgements go
between them; resources are reserved and volumes made of them, by frameworks and operators, and agents apply that sooner
or later, or never hear of it; time passes. `Stage` checks the whole state after every event.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tepui.master.events import LinkReceived
from tepui.master.registry import Registry
from tepui.master.state import Agent, Framework, Operation, Task
from tepui.model.link import CheckpointedResources, OperationUpdate
from tepui.model.operations import apply_checkpointed, checkpointed, conversion
from tepui.model.resources import ResourceError, Resources
from tepui.model.task_states import TERMINAL_STATES
from tepui.model.v1 import mesos
from tepui.model.v1.maintenance import Schedule
from tests.master.spelling import resources
from tests.master.stage import Stage

KINDS = (
    "",
    " checkpoint=yes capabilities=SHARED_RESOURCES,RESERVATION_REFINEMENT",
    " capabilities=PARTITION_AWARE,SHARED_RESOURCES checkpoint=yes",
    " role=a capabilities=",
)
STATES = ("STARTING", "RUNNING", "FINISHED", "FAILED", "KILLED", "LOST")


SHAPES = ("cpus:4;mem:4096;disk:100;disk^/m!:50", "cpus:2;mem:4096;disk:100;disk^/m!:50")
FEATURES = "AGENT_DRAINING,AGENT_OPERATION_FEEDBACK,HIERARCHICAL_ROLE,RESERVATION_REFINEMENT,RESIZE_VOLUME"
OPERATION = mesos.OperationState
WORK = (
    ("reserve cpus(+a):1", "unreserve cpus(+a):1"),
    ("reserve disk(+a):10", "create disk(+a)#v&:10"),
    ("destroy disk(+a)#v&:10", "unreserve disk(+a):10"),
    ("reserve disk(+a)^/m!:50", "create disk(+a)^/m!#w:50"),
    ("reserve disk(+a):20", "create disk(+a)#x:5", "grow_volume disk(+a)#x:5 disk(+a):5"),
    ("shrink_volume disk(+a)#x:10 5", "destroy disk(+a)#x:5", "destroy disk(+a)^/m!#w:50"),
    ("reserve mem(+a):100", "reserve mem(+a):100"),
    ("unreserve mem(+a):100", "unreserve cpus(+a):1", "unreserve disk(+a)^/m!:50"),
)
"""What frameworks and operators ask for; not all of it can be had."""


class Disk:
    """What an agent remembers, whoever it believes to be."""

    def __init__(self) -> None:
        self.checkpointed = Resources.NONE
        self.operations: dict[bytes, mesos.Operation] = {}
        """Applied, and not acknowledged."""

    def total(self, static: str) -> Resources:
        return apply_checkpointed(Resources.of(resources(static)), self.checkpointed)

    def apply(self, operation: Operation, static: str, state: mesos.OperationState | None = None) -> OperationUpdate:
        """Apply what the master sent, and say what became of it."""
        held = self.operations.get(operation.uuid)
        if held is None:
            total = self.total(static)
            consumed, converted = conversion(operation.info).unallocated()
            state = state or (OPERATION.OPERATION_FINISHED if total.contains(consumed) else OPERATION.OPERATION_DROPPED)
            if state is OPERATION.OPERATION_FINISHED:
                self.checkpointed = checkpointed(total - consumed + converted)
            name = operation.info.id
            uuid = None if name is None else mesos.UUID(value=operation.uuid[::-1])
            status = mesos.OperationStatus(operation_id=name, state=state, uuid=uuid)
            held = mesos.Operation(
                framework_id=mesos.FrameworkID(value=operation.framework_id),
                info=operation.info,
                latest_status=status,
                statuses=[status],
                uuid=mesos.UUID(value=operation.uuid),
            )
            if name is not None:
                self.operations[operation.uuid] = held
        return OperationUpdate(
            operation_uuid=operation.uuid, framework_id=operation.framework_id, status=held.latest_status
        )


class History:
    """Turns small numbers into commands that make sense, mostly."""

    def __init__(self) -> None:
        self.stage = Stage()
        self.count = 0
        self.streams: dict[int, str] = {}
        """The open stream of each framework number."""
        self.links: dict[int, str] = {}
        """The open link of each agent number."""
        self.disks: dict[int, Disk] = {}
        self.shapes: dict[int, str] = {}
        """What each agent number was started with."""

    def next(self) -> int:
        self.count += 1
        return self.count

    def framework(self, number: int) -> Framework | None:
        return self.stage.core.state.frameworks.get(f"F-{number}")

    def tasks(self, number: int) -> list[Task]:
        framework = self.framework(number)
        return [] if framework is None else [*framework.tasks.values(), *framework.unreachable_tasks.values()]

    def agent_id(self, number: int) -> str:
        """By its address, as an agent would have been told."""
        return self.stage.core.state.agents_by_address.get((f"10.0.0.{number}", 5051), "")

    # What can happen. `a` picks the framework or agent, `b` and `c` how.

    def subscribe(self, a: int, b: int, c: int) -> None:
        name = f"s{a}-{self.next()}"
        self.stage.command(f"subscribe {name} id=F-{a} failover_timeout={(0, 5, 50, 500)[b]}{KINDS[a]}")
        self.streams[a] = name

    def close(self, a: int, b: int, c: int) -> None:
        if a in self.streams:
            self.stage.command(f"close {self.streams[a]}")

    def teardown(self, a: int, b: int, c: int) -> None:
        if b == 0 and a in self.streams:
            self.stage.command(f"teardown {self.streams[a]}")
        elif b == 1:
            self.stage.command(f"operator o TEARDOWN framework=F-{a}")

    def backlog(self, a: int, b: int, c: int) -> None:
        if a in self.streams:
            self.stage.command(f"backlog {self.streams[a]} {'full' if b < 2 else 'empty'}")

    def watch(self, a: int, b: int, c: int) -> None:
        self.stage.command(f"operator w{self.next()} SUBSCRIBE")

    def connect(self, a: int, b: int, c: int) -> None:
        """An agent says hello: new, or as whom it was; with all, some or none of its tasks."""
        agent_id = self.agent_id(a) if b else ""
        if not agent_id and b > 1:
            agent_id = next((name for name in self.stage.core.state.recovered_agents if name.endswith(str(a))), "")
        state = self.stage.core.state
        known = state.agents.get(agent_id)
        if known is not None:
            for framework_id, executors in list(known.executors.items()):
                framework = state.frameworks[framework_id]
                self.describe(framework)
                if c & 1:
                    for name in executors:
                        self.stage.command(f"holds executor {name} framework={framework_id}")
            for framework_id, tasks in list(known.tasks.items()):
                self.describe(state.frameworks[framework_id])
                for index, task in enumerate(tasks.values()):
                    if index & c:
                        kind = STATES[(index + c) % len(STATES)]
                        self.stage.command(f"holds task {task.task_id} framework={framework_id} state={kind}")
        if b == 3 and c & 2:
            self.stage.command(f"holds framework F-{a} checkpoint=yes")
            self.stage.command(f"holds task lost{self.next()} framework=F-{a}")
        self.links[a] = name = f"l{a}-{self.next()}"
        disk = self.disks.setdefault(a, Disk())
        shape = SHAPES[c >= 6]
        try:
            disk.total(shape)
        except ResourceError:  # an agent does not start with less than is reserved on it
            shape = SHAPES[0]
        self.shapes[a] = shape
        self.stage.snapshot.resources = disk.checkpointed.messages()
        self.stage.snapshot.operations = list(disk.operations.values())
        run = f"run{a}" if b % 2 else f"run{self.next()}"
        self.stage.command(
            f"agent {name} id={agent_id} address=10.0.0.{a} run={run} resources={shape} capabilities={FEATURES}"
        )

    def describe(self, framework: Framework) -> None:
        described = {info.id.value for info in self.stage.snapshot.frameworks if info.id is not None}
        if framework.framework_id not in described:
            self.stage.command(f"holds framework {framework.framework_id} checkpoint=yes")

    def lose(self, a: int, b: int, c: int) -> None:
        if a in self.links:
            self.stage.command(f"lose {self.links[a]}")

    def unregister(self, a: int, b: int, c: int) -> None:
        if a in self.links and b == 0:
            self.stage.command(f"unregister {self.links[a]}")

    def launch(self, a: int, b: int, c: int) -> None:
        framework = self.framework(a)
        if framework is None or framework.session is None or not framework.offers:
            return
        offers = list(framework.offers)
        chosen = ",".join(offers[: 1 + c % 2])
        first = self.next()
        names = f"t{first},t{first}b" if b else f"t{first},t1"
        executor = " executor=e" if b < 2 else ""
        self.stage.command(
            f"accept {framework.session} {chosen} refuse={b} | launch {names}{executor} resources=cpus:0.5;mem:32"
            + (f" | group g{first} executor=x type=DEFAULT executor_resources=cpus:0.1;mem:32" if c == 7 else "")
        )

    def decline(self, a: int, b: int, c: int) -> None:
        framework = self.framework(a)
        if framework is not None and framework.session is not None and framework.offers:
            self.stage.command(f"decline {framework.session} all refuse={(0, 1, 10, 1000)[b]}")

    def revive(self, a: int, b: int, c: int) -> None:
        if a in self.streams:
            self.stage.command(f"{('revive', 'suppress')[b % 2]} {self.streams[a]}")

    def update(self, a: int, b: int, c: int) -> None:
        """An update of one of the framework's tasks (or of none), on its agent's link or on an old one."""
        tasks = self.tasks(a)
        names = [task.task_id for task in tasks] or ["nothing"]
        link = self.links.get(b)
        if link is None:
            return
        task = names[c % len(names)]
        latest = STATES[(b + c) % len(STATES)]
        told = STATES[c % len(STATES)]
        self.stage.command(f"update {link} {task} {told} u{c} latest={latest} framework=F-{a} data=x")

    def acknowledge(self, a: int, b: int, c: int) -> None:
        if a not in self.streams:
            return
        for task in self.tasks(a):
            uuid = "wrong" if b == 0 else (task.status_update_uuid or b"u0").decode().rstrip(".")
            self.stage.command(f"acknowledge {self.streams[a]} {task.task_id} {uuid} agent={task.agent_id}")
            if b < 3:
                break

    def kill(self, a: int, b: int, c: int) -> None:
        tasks = self.tasks(a)
        if a in self.streams:
            name = tasks[c % len(tasks)].task_id if tasks else "nothing"
            self.stage.command(f"kill {self.streams[a]} {name}")
            self.stage.command(f"reconcile {self.streams[a]} {name if b else ''}")

    def executor_exits(self, a: int, b: int, c: int) -> None:
        if b in self.links:
            self.stage.command(f"exited {self.links[b]} e framework=F-{a}")

    def convert(self, a: int, b: int, c: int) -> None:
        """A framework changes what it was offered, and may use at once what it made of it."""
        framework = self.framework(a)
        if framework is None or framework.session is None or not framework.offers:
            return
        offers = list(framework.offers)
        parts = [f"{part} id=o{self.next()}" if b % 2 else part for part in WORK[c]]
        if c == 1:
            parts.append(f"launch t{self.next()},t{self.next()} resources=cpus:0.1;disk(+a)#v&:10")
        self.stage.command(f"accept {framework.session} {','.join(offers[: 1 + b // 2])} | {' | '.join(parts)}")

    def reserve(self, a: int, b: int, c: int) -> None:
        """An operator changes what an agent has."""
        calls = {
            "reserve": "RESERVE_RESOURCES",
            "unreserve": "UNRESERVE_RESOURCES",
            "create": "CREATE_VOLUMES",
            "destroy": "DESTROY_VOLUMES",
            "grow_volume": "GROW_VOLUME",
            "shrink_volume": "SHRINK_VOLUME",
        }
        for part in WORK[c]:
            kind, _, what = part.partition(" ")
            self.stage.command(f"operator o {calls[kind]} {what} agent={self.agent_id(a) or 'nobody'}")

    def agent(self, number: int) -> Agent | None:
        """The agent behind a link that is open."""
        link = self.stage.core.context.links.get(self.links.get(number, ""))
        return None if link is None else link.agent

    def pending(self, agent: Agent) -> list[Operation]:
        return [each for each in agent.operations.values() if each.latest.state is OPERATION.OPERATION_PENDING]

    def apply(self, a: int, b: int, c: int) -> None:
        """An agent applies the first operations that it was sent. It may fail, or be cut off before it says so."""
        agent = self.agent(a)
        if agent is None:
            return
        for operation in self.pending(agent)[: 1 + c]:
            fails = OPERATION.OPERATION_FAILED if b == 3 and c == 7 else None
            update = self.disks[a].apply(operation, self.shapes[a], fails)
            if b == 0:
                self.stage.command(f"lose {self.links[a]}")
                return
            self.stage.do(LinkReceived(self.links[a], update))
            if update.status.state is not OPERATION.OPERATION_FINISHED:
                correction = CheckpointedResources(resources=self.disks[a].checkpointed.messages())
                self.stage.do(LinkReceived(self.links[a], correction))
        self.stage.settle()

    def acknowledge_operation(self, a: int, b: int, c: int) -> None:
        framework = self.framework(a)
        if framework is None or framework.session is None:
            return
        self.stage.command(f"reconcile_operations {framework.session}")
        for operation in list(framework.operations.values()):
            if operation.info.id is None or operation.latest.uuid is None:
                continue
            if b:
                for disk in self.disks.values():
                    disk.operations.pop(operation.uuid, None)
            uuid = operation.latest.uuid.value.hex() if b else "wrong"
            self.stage.command(
                f"acknowledge_operation {framework.session} {operation.info.id.value} {uuid} agent={operation.agent_id}"
            )

    def wait(self, a: int, b: int, c: int) -> None:
        self.stage.command(f"after {(0.5, 4, 20, 130)[a]}")

    def loud(self, a: int, b: int, c: int) -> None:
        """From now on or no longer agents do not answer pings."""
        self.stage.loud = b < 2

    def storing(self, a: int, b: int, c: int) -> None:
        self.stage.command("storing off" if b < 1 else "storing on")
        self.stage.command("stored")

    def operate(self, a: int, b: int, c: int) -> None:
        """An operator decides about an agent, be it here, away or unknown."""
        state = self.stage.core.state
        known = [*state.agents, *state.unreachable_agents, *state.recovered_agents, *state.gone_agents, "nobody"]
        call = ("DEACTIVATE_AGENT", "REACTIVATE_AGENT", "DRAIN_AGENT", "MARK_AGENT_GONE")[b]
        if call == "MARK_AGENT_GONE" and c:
            call = "DRAIN_AGENT"
        more = " mark_gone=yes" if c == 3 else ""
        self.stage.command(f"operator o {call} agent={known[(a + c) % len(known)]}{more}")

    def maintain(self, a: int, b: int, c: int) -> None:
        """A schedule for some of the machines, or one of them goes down or up."""
        if b < 2:
            names = [f"h@10.0.0.{number}" for number in range(4) if c >> number & 1]
            planned = f" machines={','.join(names)} start={a * 100}" if names else ""
            self.stage.command(f"operator o UPDATE_MAINTENANCE_SCHEDULE{planned}")
        else:
            self.stage.command(f"operator o {('START', 'STOP')[b % 2]}_MAINTENANCE machines=h@10.0.0.{a}")

    def answer_inverse(self, a: int, b: int, c: int) -> None:
        framework = self.framework(a)
        if framework is not None and framework.session is not None and framework.inverse_offers:
            how = ("accept", "decline")[b % 2]
            self.stage.command(f"answer_inverse {framework.session} all {how} refuse={(0, 2, 10, 1000)[c % 4]}")

    def fail_over(self, a: int, b: int, c: int) -> None:
        """The master dies, with what it was storing or without; another one knows what was stored."""
        self.stage.crash(lost=b < 2)
        self.streams.clear()
        self.links.clear()
        self.stage.command(f"master N{self.next()} registry=kept")


STEPS: tuple[Callable[[History, int, int, int], None], ...] = (
    History.subscribe,
    History.connect,
    History.launch,
    History.update,
    History.acknowledge,
    History.close,
    History.lose,
    History.wait,
    History.decline,
    History.revive,
    History.kill,
    History.executor_exits,
    History.teardown,
    History.unregister,
    History.backlog,
    History.watch,
    History.loud,
    History.storing,
    History.operate,
    History.maintain,
    History.convert,
    History.reserve,
    History.apply,
    History.acknowledge_operation,
    History.answer_inverse,
    History.fail_over,
)

STEP = st.tuples(st.sampled_from(STEPS + STEPS[:5] * 2), st.integers(0, 3), st.integers(0, 3), st.integers(0, 7))


Steps = list[tuple[Callable[..., None], int, int, int]]


def what_is_stored_is_what_is_known(stage: Stage) -> None:
    """While nothing is being stored, the next master would know the same as this one."""
    if stage.core.context.pending_stores:
        return
    registry, state = Registry(stage.records), stage.core.state
    assert set(registry.admitted) == {*state.agents, *state.recovered_agents}
    assert registry.unreachable == dict(state.unreachable_agents)
    assert registry.gone == dict(state.gone_agents)
    assert registry.service == state.service
    assert list(registry.machines.values()) == list(state.machines.values())
    assert (registry.schedule or Schedule()) == (state.schedule or Schedule())


def what_is_counted_on_is_what_the_agent_has(history: History) -> None:
    """When an agent has applied all that it was sent, the master believes what the agent knows."""
    for number in history.links:
        agent = history.agent(number)
        if agent is not None and not history.pending(agent):
            assert agent.total == history.disks[number].total(history.shapes[number]), agent.agent_id


def live_through(steps: Steps) -> None:
    """Play a history; the stage checks every invariant after each of its events."""
    history = History()
    for number in range(3):
        history.subscribe(number, 2, 0)
        history.connect(number, 1, 0)
    for step, a, b, c in steps:
        step(history, a, b, c)
        history.stage.lines.clear()
        what_is_stored_is_what_is_known(history.stage)
        what_is_counted_on_is_what_the_agent_has(history)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.lists(STEP, min_size=10, max_size=60))
def test_invariants_hold_in_every_history(steps: Steps) -> None:
    live_through(steps)


@pytest.mark.slow
@settings(max_examples=3000, deadline=None)
@given(st.lists(STEP, min_size=40, max_size=150))
def test_invariants_hold_in_many_long_histories(steps: Steps) -> None:
    live_through(steps)


def test_everything_is_free_again_when_all_is_over() -> None:
    """The allocator and the master forget nothing and nobody when frameworks end."""
    history = History()
    for number in range(3):
        history.subscribe(number, 3, 0)
        history.connect(number, 1, 0)
    for number in range(3):
        history.launch(number, 1, 7)
    state = history.stage.core.state
    assert any(framework.tasks for framework in state.frameworks.values())
    for number in range(3):
        history.teardown(number, 0, 0)
    for agent in state.agents.values():
        assert not agent.tasks
        assert not agent.executors
        assert history.stage.core.context.allocator.free(agent.agent_id) == agent.total
    for framework in state.completed_frameworks.values():
        assert all(task.state in TERMINAL_STATES for task in framework.completed_tasks)

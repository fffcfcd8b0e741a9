"""A small cluster as the master's records hold it, made by hand: what the tests of all readers look at."""

from __future__ import annotations

from dataclasses import dataclass, field

from tepui.master.config import MasterConfig
from tepui.master.metrics import Metrics
from tepui.master.state import Agent, Executor, Framework, Offer, State, Task
from tepui.model.quantities import Quantities
from tepui.model.resource_kind import Reservation
from tepui.model.resources import Resources
from tepui.model.v1 import mesos
from tepui.model.v1.mesos import (
    AgentID,
    AgentInfo,
    CommandInfo,
    ContainerID,
    ContainerStatus,
    ExecutorID,
    ExecutorInfo,
    FrameworkID,
    FrameworkInfo,
    Label,
    Labels,
    MasterInfo,
    NetworkInfo,
    Resource,
    TaskID,
    TaskInfo,
    TaskState,
    TaskStatus,
    Value,
)

MASTER = "0a6ac5d0-3d1c-4b1e-9d60-6ad3a9b3a8e1"
START = 1_800_000_000.0
AGENT = f"{MASTER}-S0"
FRAMEWORK = f"{MASTER}-0000"
COMPLETED = f"{MASTER}-0001"


def scalar(name: str, value: float) -> Resource:
    return Resource(name=name, type=Value.Type.SCALAR, scalar=Value.Scalar(value=float(value)))


def resources(role: str | None = None, **amounts: float) -> list[Resource]:
    """Scalars, allocated to `role` if one is given."""
    result = [scalar(name, value) for name, value in amounts.items()]
    if role is not None:
        for resource in result:
            resource.allocation_info = Resource.AllocationInfo(role=role)
    return result


def ports(begin: int, end: int) -> Resource:
    return Resource(
        name="ports", type=Value.Type.RANGES, ranges=Value.Ranges(range=[Value.Range(begin=begin, end=end)])
    )


@dataclass
class Numbers:
    """An allocator that only tells numbers."""

    runs: int = 7
    total: Quantities = field(default_factory=dict)
    allocated: Quantities = field(default_factory=dict)
    filters: dict[str, int] = field(default_factory=dict)
    shares: dict[str, float] = field(default_factory=dict)
    excluded: dict[str, list[str]] = field(default_factory=dict)

    def total_quantities(self) -> Quantities:
        return self.total

    def allocated_quantities(self) -> Quantities:
        return self.allocated

    def filters_active(self) -> dict[str, int]:
        return self.filters

    def dominant_shares(self) -> dict[str, float]:
        return self.shares

    def excluded_by_constraints(self, _: str) -> dict[str, list[str]]:
        return self.excluded


@dataclass
class Reading:
    """What readers are given."""

    config: MasterConfig
    state: State = field(default_factory=State)
    metrics: Metrics = field(default_factory=Metrics)
    allocator: Numbers = field(default_factory=Numbers)
    now: float = START + 100.0


def config(**changes: object) -> MasterConfig:
    capability = MasterInfo.Capability
    parts: dict[str, object] = {
        "info": MasterInfo(
            id=MASTER,
            ip=16777343,
            port=5050,
            pid="master@127.0.0.1:5050",
            hostname="localhost",
            version="0.1.0",
            address=mesos.Address(hostname="localhost", ip="127.0.0.1", port=5050),
            capabilities=[capability(type=capability.Type.AGENT_UPDATE)],
        ),
        "version": "0.1.0",
        "flags": {"port": "5050", "cluster": "small", "agent_ping_timeout": "15secs"},
        "start_time": START,
        "elected_time": START + 0.5,
        "build": {"build_date": "2026-11-21 00:00:00", "build_time": 1795219200.0, "build_user": "someone"},
        "cluster": "small",
    }
    return MasterConfig(**(parts | changes))  # type: ignore[arg-type]


def empty() -> Reading:
    return Reading(config=config())


def add_agent(reading: Reading, number: int = 0) -> Agent:
    """4 cpus, 4096 MB of memory of which 96 are reserved for `lr`, 10000 MB of disk, ports, two attributes."""
    agent_id = f"{MASTER}-S{number}"
    own = [*resources(cpus=4, mem=4000, disk=10000), ports(31000, 32000)]
    reserved = Resources.of(resources(mem=96)).with_reservation(
        Reservation(Resource.ReservationInfo.Type.DYNAMIC, "lr", "ops")
    )
    info = AgentInfo(
        hostname="localhost",
        port=5051 + number,
        resources=[*resources(cpus=4, mem=4096, disk=10000), ports(31000, 32000)],
        attributes=[
            mesos.Attribute(name="rack", type=Value.Type.TEXT, text=Value.Text(value="r1")),
            mesos.Attribute(name="level", type=Value.Type.SCALAR, scalar=Value.Scalar(value=2.0)),
        ],
        id=AgentID(value=agent_id),
    )
    agent = Agent(
        agent_id=agent_id,
        info=info,
        address="127.0.0.1",
        version="0.1.0",
        capabilities=frozenset({"RESERVATION_REFINEMENT", "MULTI_ROLE"}),
        total=Resources.of(own) + reserved,
        link=f"link-{number}",
        registered_at=START + 1.25,
    )
    reading.state.agents[agent_id] = agent
    return agent


def add_framework(reading: Reading, framework_id: str = FRAMEWORK, connected: bool = True) -> Framework:
    capability = FrameworkInfo.Capability
    info = FrameworkInfo(
        user="root",
        name="small one",
        id=FrameworkID(value=framework_id),
        failover_timeout=60.0,
        roles=["test"],
        principal="p",
        capabilities=[capability(type=capability.Type.MULTI_ROLE), capability(type=capability.Type.PARTITION_AWARE)],
    )
    framework = Framework(
        framework_id=framework_id,
        info=info,
        roles=("test",),
        capabilities=frozenset({"MULTI_ROLE", "PARTITION_AWARE"}),
        session="stream" if connected else None,
        registered_at=START + 2.0,
    )
    reading.state.frameworks[framework_id] = framework
    return framework


def status(task_id: str, state: TaskState, seconds: float, executor: bool = True) -> TaskStatus:
    sources = TaskStatus.Source
    return TaskStatus(
        task_id=TaskID(value=task_id),
        state=state,
        source=sources.SOURCE_EXECUTOR if executor else sources.SOURCE_MASTER,
        agent_id=AgentID(value=AGENT),
        timestamp=START + seconds,
        uuid=b"0123456789abcdef" if executor else None,
        container_status=ContainerStatus(
            container_id=ContainerID(value="648c0b0f-8695-41e3-a2d8-63452d0cbd79"),
            network_infos=[NetworkInfo(ip_addresses=[NetworkInfo.IPAddress(ip_address="127.0.0.1")])],
            executor_pid=31749,
        )
        if executor
        else None,
    )


def make_task(
    task_id: str, state: TaskState, statuses: list[TaskStatus], executor: ExecutorInfo | None = None, cpus: float = 0.5
) -> Task:
    parts = resources("test", cpus=cpus, mem=64)
    info = TaskInfo(
        name=task_id,
        task_id=TaskID(value=task_id),
        agent_id=AgentID(value=AGENT),
        resources=parts,
        executor=executor,
        command=CommandInfo(value="sleep 10") if executor is None else None,
    )
    return Task(
        framework_id=FRAMEWORK,
        task_id=task_id,
        agent_id=AGENT,
        executor_id="" if executor is None else executor.executor_id.value,
        info=info,
        resources=Resources.of(parts),
        role="test",
        state=state,
        statuses=statuses,
        status_update_state=statuses[-1].state if statuses else None,
        status_update_uuid=statuses[-1].uuid if statuses else None,
    )


def small() -> Reading:
    """One agent; one framework with a custom executor, tasks in several states and an offer; a completed framework."""
    reading = empty()
    agent = add_agent(reading)
    framework = add_framework(reading)
    executor = ExecutorInfo(
        type=ExecutorInfo.Type.CUSTOM,
        executor_id=ExecutorID(value="e1"),
        framework_id=FrameworkID(value=FRAMEWORK),
        command=CommandInfo(value="exec ./e1", uris=[CommandInfo.URI(value="http://host/e1", executable=True)]),
        resources=resources("test", cpus=0.1, mem=32),
    )
    record = Executor(FRAMEWORK, "e1", AGENT, executor, Resources.of(executor.resources))
    framework.executors[AGENT] = {"e1": record}
    agent.executors[FRAMEWORK] = {"e1": record}

    states = TaskState
    running = make_task("t-run", states.TASK_RUNNING, [status("t-run", states.TASK_RUNNING, 3.0)], executor)
    running.info.labels = Labels(labels=[Label(key="k", value="v"), Label(key="bare")])
    starting = make_task("c-stage", states.TASK_STAGING, [])
    starting.user = "somebody"
    ended = make_task(
        "c-end",
        states.TASK_FAILED,
        [status("c-end", states.TASK_RUNNING, 4.0), status("c-end", states.TASK_FAILED, 5.0)],
    )
    ended.released = True
    for task in (running, starting, ended):
        framework.tasks[task.task_id] = task
        agent.tasks.setdefault(FRAMEWORK, {})[task.task_id] = task
    lost = make_task("c-away", states.TASK_UNREACHABLE, [status("c-away", states.TASK_UNREACHABLE, 6.0, False)])
    framework.unreachable_tasks["c-away"] = lost
    done = make_task("t-done", states.TASK_FINISHED, [status("t-done", states.TASK_FINISHED, 2.5)], executor)
    framework.completed_tasks.append(done)

    offered = Resources.of([*resources("test", cpus=2.9, mem=3840)])
    offer = Offer(f"{MASTER}-O5", FRAMEWORK, AGENT, "test", offered, START + 50.0)
    reading.state.offers[offer.offer_id] = framework.offers[offer.offer_id] = agent.offers[offer.offer_id] = offer

    old = add_framework(reading, COMPLETED, connected=False)
    old.unregistered_at = START + 9.0
    old.reregistered_at = START + 8.0
    reading.state.completed_frameworks[COMPLETED] = reading.state.frameworks.pop(COMPLETED)
    reading.state.recovered_agents[f"{MASTER}-S7"] = AgentInfo(
        hostname="elsewhere", id=AgentID(value=f"{MASTER}-S7"), resources=resources(cpus=1)
    )
    return reading

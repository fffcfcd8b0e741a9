"""What must be true of the master's state after every event; tests and the simulation ask.

- Nothing is allocated twice: offered + used + free = total on each agent, and the allocator says the same.
- Every task has one owner and one agent, and both list it; so do offers and executors.
- An agent has as much as it was started with; only the sort changes. Operations are known to their agent and framework.
- A task's resources are back exactly when it ended or cannot be reached.
- A terminal state is kept until it is acknowledged; nothing that is over is among what is not.
"""

from __future__ import annotations

from collections.abc import Iterable

from tepui.master.context import Context
from tepui.master.records import Record
from tepui.master.state import Agent, Framework
from tepui.model.resources import Resources
from tepui.model.task_states import TERMINAL_STATES
from tepui.model.v1.mesos import MachineInfo, TaskState


def check(context: Context) -> None:
    """All of it, for everything. Raises AssertionError."""
    state = context.state
    for agent in state.agents.values():
        check_agent(context, agent)
    for framework in state.frameworks.values():
        check_framework(context, framework)
    for framework in state.completed_frameworks.values():
        assert framework.framework_id not in state.frameworks, "a framework is both running and completed"
        assert not framework.tasks, "a completed framework has tasks"
        assert not framework.offers, "a completed framework has offers"
        assert not framework.executors, "a completed framework has executors"
        assert framework.session is None, "a completed framework has a stream"
    for offer in state.offers.values():
        assert state.frameworks[offer.framework_id].offers[offer.offer_id] is offer
        assert state.agents[offer.agent_id].offers[offer.offer_id] is offer
    for session, framework_id in state.sessions.items():
        assert state.frameworks[framework_id].session == session, "a stream without its framework"
    for name, link in context.links.items():
        assert link.agent is None or link.agent.link == name, "a link whose agent has another"
    for agent_id in (*state.unreachable_agents, *state.gone_agents, *state.recovered_agents):
        assert agent_id not in state.agents, f"agent {agent_id} is both a member and not"
    for agent_id, service in state.service.items():
        assert state.is_known(agent_id), f"agent {agent_id} is out of service and nowhere"
        assert service.deactivated, "an entry that says nothing stays"
    for offer_id, asked in state.inverse_offers.items():
        assert state.frameworks[asked.framework_id].inverse_offers[offer_id] is asked, "an inverse offer without owner"
        assert state.agents[asked.agent_id].inverse_offers[asked.framework_id] is asked, "an inverse offer about nobody"
    assert sum(len(framework.inverse_offers) for framework in state.frameworks.values()) == len(state.inverse_offers)
    assert list(state.unavailable) == [
        agent_id for agent_id in state.unavailable if state.agents[agent_id].unavailability is not None
    ], "an agent is listed as planned to be away and is not"
    for agent_id, names in state.stranded.items():
        assert names, "an empty entry stays"
        for framework_id, task_id in names:
            assert state.frameworks[framework_id].unreachable_tasks[task_id].agent_id == agent_id
    for framework_id, operations in state.orphans.items():
        assert operations, "an empty entry stays"
        assert framework_id not in state.frameworks, f"an orphan of framework {framework_id}, which is here"
        for uuid, operation in operations.items():
            assert state.agents[operation.agent_id].operations[uuid] is operation
    context.allocator.check()


def check_touched(context: Context, records: Iterable[Record]) -> None:
    """What the records name."""
    agents: dict[str, None] = {}
    frameworks: dict[str, None] = {}
    for record in records:
        agents[getattr(record, "agent_id", "")] = None
        frameworks[getattr(record, "framework_id", "")] = None
    for agent_id in agents:
        agent = context.state.agents.get(agent_id)
        if agent is not None:
            check_agent(context, agent)
    for framework_id in frameworks:
        framework = context.state.frameworks.get(framework_id)
        if framework is not None:
            check_framework(context, framework)


def check_agent(context: Context, agent: Agent) -> None:
    """What must be true of one agent. Raises AssertionError."""
    state = context.state
    used = Resources.NONE
    for framework_id, of_framework in agent.tasks.items():
        assert of_framework, "an empty entry stays"
        framework = state.frameworks[framework_id]
        for name, task in of_framework.items():
            assert framework.tasks.get(name) is task, f"task {name} is not its framework's"
            assert task.agent_id == agent.agent_id, f"task {name} is on another agent"
            if not task.released:
                used = used + task.resources.unallocated()
    for framework_id, executors in agent.executors.items():
        framework = state.frameworks[framework_id]
        for name, executor in executors.items():
            assert framework.executors[agent.agent_id][name] is executor, f"executor {name} is not its framework's"
            used = used + executor.resources.unallocated()
    offered = Resources.NONE
    for offer in agent.offers.values():
        assert state.offers.get(offer.offer_id) is offer, "an offer that is over"
        offered = offered + offer.resources.unallocated()
    _check_operations(context, agent)
    free = context.allocator.free(agent.agent_id)
    held = (used + offered).non_shared()  # shared volumes are free while they are used
    if agent.total.contains(held):
        assert held + free == agent.total, (
            f"{agent.agent_id}: {used} used, {offered} offered, {free} free of {agent.total}"
        )
    for kind, _ in offered.shared():
        assert kind in dict(agent.total), f"{kind} is offered and does not exist"
    assert agent.service is state.service.get(agent.agent_id), "an agent does not know whether it is in service"
    planned = state.machines.get(agent.machine)
    if not agent.leaving:
        assert agent.unavailability == (None if planned is None else planned.unavailability)
        assert planned is None or planned.mode is not MachineInfo.Mode.DOWN, "an agent is on a machine that is down"
    if not agent.active:
        assert not agent.offers, "offers of an agent that is out of service"
        assert not agent.inverse_offers, "inverse offers about an agent that is out of service"
    if agent.link is None or agent.leaving:
        assert not agent.offers, "offers of an agent that is away"
        assert not agent.known_frameworks, "an agent that is away knows frameworks"
    if agent.link is not None:
        assert context.links[agent.link].agent is agent, "an agent whose link is another's"
    for framework_id in agent.known_frameworks:
        known = state.frameworks.get(framework_id)
        assert known is not None, "an agent knows a framework that is over"
        assert agent.agent_id in known.agents, "an agent knows a framework that does not know it"


def _check_operations(context: Context, agent: Agent) -> None:
    """Operations change what sort of resources an agent has, never how much. What it lends comes on top."""
    given = Resources.of(agent.info.resources).quantities()
    own = agent.total.non_revocable()
    assert own.quantities() == given, f"{agent.agent_id}: {own} made of {agent.info.resources}"
    for uuid, operation in agent.operations.items():
        assert operation.uuid == uuid
        assert operation.agent_id == agent.agent_id
        framework = context.state.frameworks.get(operation.framework_id)
        if framework is not None:
            assert framework.operations[uuid] is operation, "an operation that its framework does not know"
        elif operation.framework_id:
            assert context.state.orphans[operation.framework_id][uuid] is operation, "an operation of nobody"


def check_framework(context: Context, framework: Framework) -> None:
    """What must be true of one framework. Raises AssertionError."""
    state = context.state
    for name, task in framework.tasks.items():
        agent = state.agents[task.agent_id]
        assert agent.tasks[framework.framework_id][name] is task, f"task {name} is not its agent's"
        assert task.released is (task.state in TERMINAL_STATES), f"task {name}: {task.state}, released {task.released}"
        assert name not in framework.unreachable_tasks, f"task {name} is in reach and not"
    for name, task in framework.unreachable_tasks.items():
        assert task.released, f"unreachable task {name} holds resources"
        assert task.agent_id not in state.agents, f"task {name} is unreachable on an agent that is here"
        assert (framework.framework_id, name) in state.stranded[task.agent_id], f"task {name} is not listed"
        expected = TaskState.TASK_UNREACHABLE if framework.has("PARTITION_AWARE") else TaskState.TASK_LOST
        assert task.state in (expected, TaskState.TASK_UNREACHABLE, TaskState.TASK_LOST), f"{name}: {task.state}"
    for task in framework.completed_tasks:
        assert task.released, f"completed task {task.task_id} holds resources"
        assert task.state in TERMINAL_STATES, f"completed task {task.task_id} is {task.state}"
    for uuid, operation in framework.operations.items():
        assert state.agents[operation.agent_id].operations[uuid] is operation, "an operation that its agent has not"
    for operation_id, uuid in framework.operation_uuids.items():
        known = framework.operations[uuid].info.id
        assert known is not None, f"operation {operation_id} has no id"
        assert known.value == operation_id, f"operation {operation_id} is called {known.value}"
    if framework.session is None:
        assert not framework.offers, "offers of a framework that is away"
        assert not framework.inverse_offers, "inverse offers to a framework that is away"
    else:
        assert state.sessions[framework.session] == framework.framework_id
        assert not framework.recovered, "a recovered framework has a stream"
    for agent_id, executors in framework.executors.items():
        assert executors, "an empty entry stays"
        for name, executor in executors.items():
            assert state.agents[agent_id].executors[framework.framework_id][name] is executor

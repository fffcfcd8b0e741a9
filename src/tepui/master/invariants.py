"""What must be true of the master's state after every event; tests and the simulation ask.

- Nothing is allocated twice: offered + used + free = total on each agent, and the allocator says the same.
- Every task has one owner and one agent, and both list it; so do offers and executors.
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
from tepui.model.v1.mesos import TaskState


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
    for agent_id, names in state.stranded.items():
        assert names, "an empty entry stays"
        for framework_id, task_id in names:
            assert state.frameworks[framework_id].unreachable_tasks[task_id].agent_id == agent_id
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
    free = context.allocator.free(agent.agent_id)
    held = used + offered
    if agent.total.contains(held):
        assert held + free == agent.total, (
            f"{agent.agent_id}: {used} used, {offered} offered, {free} free of {agent.total}"
        )
    if agent.link is None or agent.leaving:
        assert not agent.offers, "offers of an agent that is away"
        assert not agent.known_frameworks, "an agent that is away knows frameworks"
    if agent.link is not None:
        assert context.links[agent.link].agent is agent, "an agent whose link is another's"
    for framework_id in agent.known_frameworks:
        known = state.frameworks.get(framework_id)
        assert known is not None, "an agent knows a framework that is over"
        assert agent.agent_id in known.agents, "an agent knows a framework that does not know it"


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
    if framework.session is None:
        assert not framework.offers, "offers of a framework that is away"
    else:
        assert state.sessions[framework.session] == framework.framework_id
        assert not framework.recovered, "a recovered framework has a stream"
    for agent_id, executors in framework.executors.items():
        assert executors, "an empty entry stays"
        for name, executor in executors.items():
            assert state.agents[agent_id].executors[framework.framework_id][name] is executor

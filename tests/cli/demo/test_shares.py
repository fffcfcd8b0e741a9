"""Figures of sharing from the master's events, on a history that can be reckoned by hand."""

from __future__ import annotations

import pytest

from tepui.cli.demo.shares import Shares
from tepui.model.v1.master import Event, Response
from tepui.model.v1.mesos import (
    AgentID,
    AgentInfo,
    FrameworkID,
    FrameworkInfo,
    Resource,
    Task,
    TaskID,
    TaskState,
    TaskStatus,
    Value,
)


def subscribed() -> Event:
    info = AgentInfo(id=AgentID(value="S0"), hostname="agent-1")
    agent = Response.GetAgents.Agent(agent_info=info, active=True, version="1")
    state = Response.GetState(get_agents=Response.GetAgents(agents=[agent]))
    return Event(subscribed=Event.Subscribed(get_state=state))


def framework(name: str) -> FrameworkInfo:
    return FrameworkInfo(user="u", name=name, id=FrameworkID(value=f"id of {name}"))


def added(name: str) -> Event:
    found = Response.GetFrameworks.Framework(
        framework_info=framework(name), active=True, connected=True, recovered=False
    )
    return Event(framework_added=Event.FrameworkAdded(framework=found))


def removed(name: str) -> Event:
    return Event(framework_removed=Event.FrameworkRemoved(framework_info=framework(name)))


def launched(name: str, task: str, cpus: float) -> Event:
    resources = [
        Resource(name="mem", type=Value.Type.SCALAR, scalar=Value.Scalar(value=64.0)),
        Resource(name="cpus", type=Value.Type.SCALAR, scalar=Value.Scalar(value=cpus)),
    ]
    found = Task(
        name=task,
        task_id=TaskID(value=task),
        framework_id=FrameworkID(value=f"id of {name}"),
        agent_id=AgentID(value="S0"),
        state=TaskState.TASK_STAGING,
        resources=resources,
    )
    return Event(task_added=Event.TaskAdded(task=found))


def updated(name: str, task: str, state: TaskState) -> Event:
    status = TaskStatus(task_id=TaskID(value=task), state=state)
    return Event(
        task_updated=Event.TaskUpdated(framework_id=FrameworkID(value=f"id of {name}"), status=status, state=state)
    )


def test_shares_over_time() -> None:
    shares = Shares()
    for time, event in [
        (0.0, subscribed()),
        (10.0, added("a")),
        (11.0, launched("a", "t1", 4.0)),
        (20.0, added("b")),
        (22.0, launched("b", "t1", 1.0)),
        (24.0, updated("a", "t1", TaskState.TASK_RUNNING)),
        (25.0, updated("a", "t1", TaskState.TASK_FINISHED)),
        (25.0, launched("b", "t2", 2.0)),
        (26.0, updated("a", "t1", TaskState.TASK_FINISHED)),
        (30.0, launched("a", "t2", 1.0)),
        (31.0, launched("b", "t3", 1.0)),
        (33.0, removed("b")),
        (34.0, updated("a", "t2", TaskState.TASK_LOST)),
        (35.0, removed("a")),
    ]:
        shares.handle(event, time)
    assert [(moment.time, moment.total) for moment in shares.moments] == [
        (11.0, 4.0),
        (22.0, 5.0),
        (25.0, 3.0),
        (30.0, 4.0),
        (31.0, 5.0),
        (33.0, 1.0),
        (34.0, 0.0),
    ]
    assert (shares.ramp_up("a", 4.0), shares.ramp_up("b", 3.0), shares.ramp_up("b", 5.0)) == (1.0, 5.0, None)
    phase = shares.full_phase()
    assert phase == (20.0, 30.0)
    assert shares.mean(*phase, "a") == pytest.approx(2.0)
    assert shares.mean(*phase, "b") == pytest.approx(1.8)
    assert shares.mean(*phase) == pytest.approx(3.8)
    assert shares.mean(34.0, 36.0) == 0.0
    assert (shares.at(24.9), shares.at(1.0)) == ({"a": 4.0, "b": 1.0}, {})
    assert shares.agents == {"agent-1": {"a": 0.0, "b": 0.0}}
    assert [shares.frameworks[name].tasks for name in "ab"] == [2, 3]


def test_frameworks_that_never_had_work_together_have_no_full_phase() -> None:
    shares = Shares()
    for time, event in [(1.0, added("a")), (2.0, launched("a", "t", 1.0)), (3.0, added("b"))]:
        shares.handle(event, time)
    assert shares.full_phase() is None

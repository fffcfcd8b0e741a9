"""What would not fit in the registry is refused at the door, and the master goes on as if nobody had asked."""

from __future__ import annotations

from random import Random

import pytest

from tepui.allocator import DrfAllocator
from tepui.master.core import MasterCore
from tepui.master.events import LinkOpened, LinkReceived, OperatorCall
from tepui.master.registry import RECORD_BYTES_MAX, MachineSet, MaintenanceScheduled, too_large
from tepui.model.link import PROTOCOL_NEWEST, PROTOCOL_OLDEST, Hello, Refused, Snapshot
from tepui.model.shell import Answer, CloseLink, SendLink, Store
from tepui.model.v1.maintenance import Schedule, Window
from tepui.model.v1.master import Call
from tepui.model.v1.mesos import (
    AgentInfo,
    Attribute,
    MachineID,
    MachineInfo,
    Resource,
    TimeInfo,
    Unavailability,
    Value,
    WeightInfo,
)
from tepui.model.v1.quota import QuotaConfig, QuotaRequest
from tests.master.spelling import BEGIN
from tests.master.stage_base import config

LONG = "x" * RECORD_BYTES_MAX
LONG_ATTRIBUTE = Attribute(name="a", type=Value.Type.TEXT, text=Value.Text(value=LONG))
WHEN = Unavailability(start=TimeInfo(nanoseconds=0))


def machines(number: int) -> list[MachineID]:
    random = Random(1)
    return [MachineID(hostname=f"{random.randbytes(20).hex()}.example.com", ip="10.0.0.1") for _ in range(number)]


def schedule(names: list[MachineID]) -> Call:
    planned = Schedule(windows=[Window(machine_ids=names, unavailability=WHEN)])
    return Call(
        type=Call.Type.UPDATE_MAINTENANCE_SCHEDULE,
        update_maintenance_schedule=Call.UpdateMaintenanceSchedule(schedule=planned),
    )


def weight(role: str) -> Call:
    weights = Call.UpdateWeights(weight_infos=[WeightInfo(role=role, weight=2.0)])
    return Call(type=Call.Type.UPDATE_WEIGHTS, update_weights=weights)


def quota(role: str, resource: str) -> Call:
    wanted = QuotaConfig(role=role, limits={resource: Value.Scalar(value=1.0)})
    return Call(type=Call.Type.UPDATE_QUOTA, update_quota=Call.UpdateQuota(force=True, quota_configs=[wanted]))


def older_quota(role: str) -> Call:
    amount = Resource(name="cpus", type=Value.Type.SCALAR, scalar=Value.Scalar(value=1.0))
    wanted = QuotaRequest(role=role, guarantee=[amount], force=True)
    return Call(type=Call.Type.SET_QUOTA, set_quota=Call.SetQuota(quota_request=wanted))


@pytest.mark.parametrize(
    ("large", "small", "why"),
    [
        (weight(LONG), weight("role"), "The name of a role is too large for the registry"),
        (quota("role", LONG), quota("role", "cpus"), "The quota of a role is too large for the registry"),
        (older_quota(LONG), older_quota("role"), "The quota of a role is too large for the registry"),
        (schedule([MachineID(hostname=LONG)]), schedule(machines(1)), "The name of a machine is too large"),
        (schedule(machines(40_000)), schedule(machines(4_000)), "The maintenance schedule is too large"),
    ],
)
def test_operators_are_told_what_is_too_large(large: Call, small: Call, why: str) -> None:
    core = MasterCore(config(), DrfAllocator(), Random(1))
    (answer,) = core.handle(OperatorCall(1, "", None, large), BEGIN)
    assert isinstance(answer, Answer)
    assert answer.status == 400
    assert isinstance(answer.body, str)
    assert why in answer.body
    assert len(answer.body) < 300
    assert core.drain_records() == []
    (store,) = core.handle(OperatorCall(2, "", None, small), BEGIN)
    assert isinstance(store, Store), "and nothing of it is left"


@pytest.mark.parametrize(
    ("agent_id", "info"),
    [
        ("", AgentInfo(hostname="host", attributes=[LONG_ATTRIBUTE])),
        ("S0", AgentInfo(hostname="h", attributes=[LONG_ATTRIBUTE])),
    ],
)
def test_an_agent_with_too_large_a_description_is_refused(agent_id: str, info: AgentInfo) -> None:
    core = MasterCore(config(), DrfAllocator(), Random(1))
    core.handle(LinkOpened("l", "10.0.0.1"), BEGIN)
    hello = Hello(
        protocol_oldest=PROTOCOL_OLDEST,
        protocol_newest=PROTOCOL_NEWEST,
        software="0.1.0",
        agent_id=agent_id,
        incarnation="i",
        link_id="l",
        epoch=0,
        info=info,
    )
    said, closed = core.handle(LinkReceived("l", hello), BEGIN)
    assert isinstance(said, SendLink)
    assert isinstance(said.message, Refused)
    assert said.message.why.startswith("The description of the agent is too large for the registry (13")
    assert said.message.why.endswith("at most 131072): give it fewer or shorter attributes and resources")
    assert not said.message.shutdown
    assert isinstance(closed, CloseLink)
    assert core.handle(LinkReceived("l", Snapshot()), BEGIN) == []


def test_the_schedule_may_name_every_machine_of_a_large_cluster() -> None:
    names = [MachineID(hostname=f"node-{number}.example.com", ip="10.0.0.1") for number in range(50_000)]
    Random(1).shuffle(names)
    planned = Schedule(windows=[Window(machine_ids=names, unavailability=WHEN)])
    changes = [MachineSet(MachineInfo(id=name, mode=MachineInfo.Mode.DRAINING)) for name in names]
    assert too_large([MaintenanceScheduled(planned), *changes]) is None

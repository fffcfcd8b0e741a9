"""What plays do not show well: bounds, sizes, numbers, and what the core keeps."""

from __future__ import annotations

from random import Random

import pytest

from tepui.allocator import DrfAllocator
from tepui.master.core import MasterCore
from tepui.master.events import AllocationTook, LinkOpened, LinkReceived, SchedulerCall, SchedulerSubscribe
from tepui.master.offers import OFFERS_PER_EVENT_MAX
from tepui.master.records import TaskAdded, TaskRemoved, TaskUpdated
from tepui.model import link
from tepui.model.records import RECORDS_KEPT_MAX
from tepui.model.shell import Send, SessionClosed, Store, Stored, Tick
from tepui.model.v1 import mesos, scheduler
from tepui.model.v1.mesos import AgentInfo, FrameworkID
from tests.master.spelling import BEGIN, framework_info, resources
from tests.master.stage import Stage
from tests.master.stage_base import config

Call = scheduler.Call


def stage_with_task() -> Stage:
    stage = Stage()
    stage.command("agent l0")
    stage.command("subscribe s1 failover_timeout=1000 checkpoint=yes")
    stage.command("accept s1 all refuse=1000 | launch t1 executor=e")
    return stage


def test_offers_go_out_in_events_of_bounded_size() -> None:
    core = MasterCore(config(), DrfAllocator(), Random(1))
    number = OFFERS_PER_EVENT_MAX + 1
    for index in range(number):
        name = f"l{index}"
        core.handle(LinkOpened(name, f"10.0.{index // 250}.{index % 250}"), BEGIN)
        info = AgentInfo(hostname="h", resources=resources("cpus:1;mem:64"))
        hello = link.Hello(
            protocol_oldest=1,
            protocol_newest=1,
            software="1",
            agent_id="",
            incarnation=name,
            link_id=name,
            epoch=0,
            info=info,
        )
        core.handle(LinkReceived(name, hello), BEGIN)
        for effect in core.handle(LinkReceived(name, link.Snapshot()), BEGIN):
            assert isinstance(effect, Store)
            core.handle(Stored(effect.token), BEGIN)
    call = Call(type=Call.Type.SUBSCRIBE, subscribe=Call.Subscribe(framework_info=framework_info({})))
    core.handle(SchedulerSubscribe(1, "s1", None, call), BEGIN)
    sizes = [
        len(effect.event.offers.offers)  # type: ignore[attr-defined]
        for effect in core.handle(Tick(), BEGIN)
        if isinstance(effect, Send)
    ]
    assert sizes == [OFFERS_PER_EVENT_MAX, 1]


def test_allocation_runs_are_spaced_by_what_they_take() -> None:
    stage = Stage()
    core = stage.core
    stage.command("agent l0")
    stage.command("subscribe s1")
    runs = core.allocation_runs
    core.handle(AllocationTook(0.1), BEGIN)
    core.handle(SessionClosed("s1"), BEGIN)
    call = Call(type=Call.Type.SUBSCRIBE, subscribe=Call.Subscribe(framework_info=framework_info({})))
    core.handle(SchedulerSubscribe(1, "s2", None, call), BEGIN)
    assert core.next_deadline() == BEGIN + 0.2
    core.handle(Tick(), BEGIN + 0.1)
    assert core.allocation_runs == runs
    core.handle(Tick(), BEGIN + 0.2)
    assert core.allocation_runs == runs + 1


def test_completed_tasks_keep_only_what_is_shown() -> None:
    stage = stage_with_task()
    stage.command("update l0 t1 FINISHED u1 data=x")
    stage.command("acknowledge s1 t1 u1")
    (task,) = stage.core.state.frameworks["M-0000"].completed_tasks
    assert (task.info.executor, task.info.command, task.info.data) == (None, None, None)
    assert [status.data for status in task.statuses] == [None]
    assert task.executor_id == "e"


def test_histories_are_rings() -> None:
    stage = Stage()
    stage.start(config(completed_tasks_per_framework_max=2, completed_frameworks_max=2))
    stage.command("agent l0")
    stage.command("subscribe s1 failover_timeout=1000")
    for number in range(4):
        stage.command(f"accept s1 all refuse=0 | launch t{number}")
        stage.command(f"update l0 t{number} FINISHED u{number}")
        stage.command(f"acknowledge s1 t{number} u{number}")
        stage.command("after 2")
    framework = stage.core.state.frameworks["M-0000"]
    assert [task.task_id for task in framework.completed_tasks] == ["t2", "t3"]
    for number in range(4):
        stage.command(f"subscribe x{number}")
        stage.command(f"close x{number}")
    assert list(stage.core.state.completed_frameworks) == ["M-0003", "M-0004"]


def test_unreachable_tasks_are_a_ring() -> None:
    stage = Stage()
    stage.start(config(unreachable_tasks_per_framework_max=2))
    stage.command("agent l0")
    stage.command("subscribe s1 failover_timeout=1000 checkpoint=yes capabilities=PARTITION_AWARE")
    stage.command("accept s1 all refuse=1000 | launch t1,t2,t3 resources=cpus:0.1;mem:1")
    stage.command("lose l0")
    stage.command("after 100")
    state = stage.core.state
    assert list(state.frameworks["M-0000"].unreachable_tasks) == ["t2", "t3"]
    assert state.stranded == {"M-S0": {("M-0000", "t2"): None, ("M-0000", "t3"): None}}


def test_ids_that_look_like_the_masters_own_are_not_given_again() -> None:
    stage = Stage()
    stage.command("subscribe s1 id=M-0000 failover_timeout=10")
    stage.command("agent l0 id=M-S0")
    stage.command("subscribe s2 failover_timeout=10")
    stage.command("agent l1 address=10.0.0.2")
    assert set(stage.core.state.frameworks) == {"M-0000", "M-0001"}
    assert set(stage.core.state.agents) == {"M-S0", "M-S1"}


def test_a_flapping_framework_leaves_one_timer() -> None:
    stage = Stage()
    for number in range(500):
        stage.command(f"subscribe s{number} id=F failover_timeout=1000")
        stage.command(f"close s{number}")
    assert len(stage.core.context.timers) <= 3  # its own, and those of heartbeats and shares


def test_heartbeats_come_every_fifteen_seconds_to_each_stream() -> None:
    stage = Stage()
    stage.loud = True
    stage.command("subscribe s1 failover_timeout=10")
    stage.command("after 5")
    stage.command("operator o1 SUBSCRIBE")
    stage.lines.clear()
    stage.command("after 30")
    beats = [line for line in stage.lines if "HEARTBEAT" in line or line.startswith("at")]
    assert beats == [
        "at 15:",
        "s1 <- HEARTBEAT",
        "at 20:",
        "o1 <- HEARTBEAT",
        "at 30:",
        "s1 <- HEARTBEAT",
        "at 35:",
        "o1 <- HEARTBEAT",
    ]


def test_records_are_numbered_drained_once_and_bounded() -> None:
    stage = stage_with_task()
    core = stage.core
    core.drain_records()
    stage.command("update l0 t1 FINISHED u1")
    stage.command("acknowledge s1 t1 u1")
    records = core.drain_records()
    ours = [record for record in records if record.names("t1")]
    assert [type(record) for record in ours] == [TaskUpdated, TaskRemoved]
    assert [record.number for record in records] == list(range(records[0].number, records[0].number + len(records)))
    assert core.drain_records() == []
    for _ in range(RECORDS_KEPT_MAX):
        core.context.record(TaskAdded("f", "t", "a", records[0].state))  # type: ignore[attr-defined]
    core.context.record(TaskAdded("f", "last", "a", records[0].state))  # type: ignore[attr-defined]
    drained = core.drain_records()
    assert len(drained) == RECORDS_KEPT_MAX
    assert drained[-1].names("last")


def test_tasks_share_what_is_equal() -> None:
    stage = Stage()
    stage.command("agent l0")
    stage.command("subscribe s1 failover_timeout=1000")
    stage.command("accept s1 all refuse=1000 | launch t1,t2 executor=e")
    first, second = stage.core.state.frameworks["M-0000"].tasks.values()
    assert first.info.executor is second.info.executor
    assert first.info.resources is second.info.resources
    assert first.resources is second.resources
    assert first.info.agent_id is second.info.agent_id


def test_what_a_scheduler_sent_is_not_changed() -> None:
    stage = Stage()
    stage.command("agent l0")
    stage.command("subscribe s1 failover_timeout=1000")
    info = stage.task("t1", "M-S0", {"executor": "e"}, with_executor=True)
    info.data = b"payload"
    operation = mesos.Offer.Operation(type=mesos.Offer.Operation.Type.LAUNCH)
    operation.launch = mesos.Offer.Operation.Launch(task_infos=[info])
    accept = Call.Accept(offer_ids=[mesos.OfferID(value="M-O0")], operations=[operation])
    call = Call(type=Call.Type.ACCEPT, framework_id=FrameworkID(value="M-0000"), accept=accept)
    stage.do(SchedulerCall(1, "s1", None, call))
    assert info.data == b"payload"
    assert info.executor is not None
    assert info.executor.framework_id is None
    assert info.resources[0].allocation_info is None


def test_two_agents_of_one_id_while_it_is_admitted() -> None:
    """Whoever claims the same id while the first is being stored is told to try again, and no id is given twice."""
    stage = Stage()
    stage.command("storing off")
    stage.command("agent l0 id=M-S0 run=one")
    stage.command("agent l1 id=M-S0 run=two address=10.0.0.2")
    stage.command("agent l2 run=three address=10.0.0.3")
    stage.command("stored")
    assert set(stage.core.state.agents) == {"M-S0", "M-S1"}


def test_smallest_offers_that_cannot_be_counted_are_refused() -> None:
    stage = Stage()
    stage.command("subscribe s1 minimum=cpus:0.0001")
    assert stage.lines[-2].startswith("s1 <- ERROR message=\"Invalid quantity of 'cpus'")
    assert not stage.core.state.frameworks


def test_check_touched_looks_at_what_the_records_name() -> None:
    stage = stage_with_task()
    stage.core.drain_records()
    stage.command("update l0 t1 RUNNING u1")
    stage.core.check_touched()
    stage.core.state.frameworks["M-0000"].tasks["t1"].released = True
    stage.core.check_touched()  # nothing was touched since
    stage.core.context.record(TaskRemoved("M-0000", "t1", "M-S0"))
    with pytest.raises(AssertionError):
        stage.core.check_touched()

"""The messages of the core, whole: what the plays tell in short."""

from __future__ import annotations

from random import Random

import msgspec
import pytest

from tepui.agent import updates
from tepui.agent.core import AgentCore
from tepui.agent.events import ExecutorCall, ExecutorSubscribe, LinkDown, LinkReceived, LinkUp, RunStarted
from tepui.agent.state import Task
from tepui.agent.updates import PENDING_UPDATES_MAX, SEEN_UUIDS_MAX
from tepui.agent.validation import unsupported_executor, unsupported_task
from tepui.model import link
from tepui.model.records import RECORDS_KEPT_MAX
from tepui.model.shell import Effect, Send, SendLink, Tick
from tepui.model.v1.executor import Call, Event
from tepui.model.v1.mesos import (
    CommandInfo,
    ContainerInfo,
    ContainerStatus,
    Environment,
    ExecutorID,
    FrameworkID,
    HealthCheck,
    Image,
    MasterInfo,
    NetworkInfo,
    TaskState,
    TaskStatus,
    Volume,
)
from tests.agent.stage import BEGIN, Stage, config, executor_info, status, task_info, uuid_of


def ready(*framework_flags: str) -> Stage:
    """A stage with the executor e1 of f1, and its task t1, running."""
    stage = Stage()
    for line in ("link up", "welcome", f"framework f1 {' '.join(framework_flags)}", "launch f1 e1 t1"):
        stage.command(line)
    for line in ("started run-1", "subscribe f1 e1 s1"):
        stage.command(line)
    return stage


def update(stage: Stage, sent: TaskStatus) -> list[Effect]:
    call = Call(
        executor_id=ExecutorID(value="e1"),
        framework_id=FrameworkID(value="f1"),
        type=Call.Type.UPDATE,
        update=Call.Update(status=sent),
    )
    return stage.core.handle(ExecutorCall(1, None, call), stage.now)


def task_of(stage: Stage, task_id: str) -> Task:
    return stage.core.records.frameworks["f1"].tasks[task_id]


def forwarded(effects: list[Effect]) -> TaskStatus:
    (message,) = (one.message for one in effects if isinstance(one, SendLink))
    assert isinstance(message, link.StatusUpdate)
    return message.status


def test_subscribed_tells_who_everybody_is() -> None:
    stage = ready()
    call = Call(
        executor_id=ExecutorID(value="e1"),
        framework_id=FrameworkID(value="f1"),
        type=Call.Type.SUBSCRIBE,
        subscribe=Call.Subscribe(),
    )
    effects = stage.core.handle(ExecutorSubscribe(9, "s2", None, call), BEGIN)
    (event,) = (one.event for one in effects if isinstance(one, Send) and isinstance(one.event, Event))
    subscribed = event.subscribed
    assert subscribed is not None
    assert subscribed.executor_info == executor_info("f1", "e1")
    assert subscribed.framework_info.id == FrameworkID(value="f1")
    assert subscribed.agent_info.id is not None
    assert subscribed.agent_info.id.value == "S0"
    assert subscribed.agent_info.resources == stage.core.config.info.resources
    (executor,) = stage.core.records.runs.values()
    assert subscribed.container_id is not None
    assert subscribed.container_id.value == executor.run


def test_a_launched_task_carries_its_executor_and_the_launch_message_stays_as_it_was() -> None:
    stage = ready()
    message = link.Launch(framework_id="f1", tasks=[task_info("t2")], executor=executor_info("f1", "e1"))
    before = msgspec.msgpack.encode(message)
    effects = stage.core.handle(LinkReceived("link-1", message), BEGIN)
    (event,) = (one.event for one in effects if isinstance(one, Send) and isinstance(one.event, Event))
    assert event.launch is not None
    assert event.launch.task == msgspec.structs.replace(task_info("t2"), executor=executor_info("f1", "e1"))
    assert msgspec.msgpack.encode(message) == before


def test_data_goes_to_the_executor_and_to_the_scheduler_and_stays_out_of_snapshots() -> None:
    stage = ready()
    data = b"x" * 1000
    tasks = [msgspec.structs.replace(task_info(name), data=data) for name in ("t2", "t3")]
    given = stage.core.handle(
        LinkReceived("link-1", link.Launch(framework_id="f1", tasks=tasks[:1], executor=executor_info("f1", "e1"))),
        BEGIN,
    )
    (event,) = (one.event for one in given if isinstance(one, Send) and isinstance(one.event, Event))
    assert event.launch is not None
    assert event.launch.task.data == data
    # A second executor has not subscribed: its task is queued, and needs its data still.
    launch = link.Launch(framework_id="f1", tasks=tasks[1:], executor=executor_info("f1", "e2"))
    stage.core.handle(LinkReceived("link-1", launch), BEGIN)
    told = forwarded(update(stage, msgspec.structs.replace(status("t2", "RUNNING", "u1"), data=data)))
    assert told.data == data
    (_, again) = (one.message for one in stage.core.handle(LinkUp("again"), BEGIN) if isinstance(one, SendLink))
    assert isinstance(again, link.Snapshot)
    assert [held.info.task_id.value for held in again.tasks] == ["t1", "t2", "t3"]
    assert data not in msgspec.msgpack.encode(again)
    assert task_of(stage, "t2").info.data is None
    assert task_of(stage, "t3").info.data == data


def test_a_new_link_is_not_flooded_with_long_updates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(updates, "PACED_BYTES_MAX", 2 * updates.LONG_DATA_BYTES)
    stage = ready()
    names = [f"t{number}" for number in range(2, 7)]
    stage.command(f"launch f1 e1 {' '.join(names)}")
    data = b"x" * updates.LONG_DATA_BYTES
    update(stage, status("t1", "RUNNING", "short"))
    for name in names:
        update(stage, msgspec.structs.replace(status(name, "RUNNING", name), data=data))
    stage.now += 100
    stage.command("link down")
    stage.command("link up")

    def told(effects: list[Effect]) -> list[str]:
        messages = [one.message for one in effects if isinstance(one, SendLink)]
        return [one.status.task_id.value for one in messages if isinstance(one, link.StatusUpdate)]

    welcome = link.Welcome(
        protocol=1, agent_id="S0", epoch=1, master=MasterInfo(id="M", ip=0, port=0), ping_timeout_seconds=75
    )
    assert told(stage.core.handle(LinkReceived("link-2", welcome), stage.now)) == ["t1", "t2", "t3"]
    for rest in (["t4", "t5"], ["t6"]):
        deadline = stage.core.next_deadline()
        assert deadline == stage.now + updates.PACE_SECONDS
        stage.now = deadline
        assert told(stage.core.handle(Tick(), stage.now)) == rest
    assert stage.core.next_deadline() == BEGIN + 100 + 10


def test_an_executor_that_does_not_name_its_framework_gets_it_named() -> None:
    stage = ready()
    info = executor_info("f1", "e2")
    info.framework_id = None
    stage.core.handle(LinkReceived("link-1", link.Launch(framework_id="f1", tasks=[task_info("t2")], executor=info)), 0)
    assert stage.core.records.frameworks["f1"].executors["e2"].info.framework_id == FrameworkID(value="f1")


def test_an_update_is_filled_in_and_the_executors_own_is_left_alone() -> None:
    stage = ready()
    sent = status("t1", "RUNNING", "u1")
    told = forwarded(update(stage, sent))
    (executor,) = stage.core.records.runs.values()
    assert told.agent_id is not None
    assert told.agent_id.value == "S0"
    assert told.timestamp == BEGIN
    assert told.container_status == executor.status
    assert told.executor_id is None  # Mesos adds none to an executor's update
    assert sent == status("t1", "RUNNING", "u1")


def test_what_an_executor_says_about_its_container_is_kept() -> None:
    stage = ready()
    sent = status("t1", "RUNNING", "u1")
    sent.timestamp = 17.5
    address = NetworkInfo.IPAddress(ip_address="10.1.2.3")
    sent.container_status = ContainerStatus(
        network_infos=[NetworkInfo(name="overlay"), NetworkInfo(name="cni", ip_addresses=[address])]
    )
    told = forwarded(update(stage, sent))
    (executor,) = stage.core.records.runs.values()
    assert told.timestamp == 17.5
    container = told.container_status
    assert container is not None
    assert container.container_id == executor.status.container_id
    assert container.executor_pid == 100
    assert [network.name for network in container.network_infos] == ["overlay", "cni"]
    addresses = [[one.ip_address for one in network.ip_addresses] for network in container.network_infos]
    assert addresses == [["127.0.0.1"], ["10.1.2.3"]]
    assert sent.container_status.network_infos[0].ip_addresses == []


def test_too_many_updates_that_nobody_acknowledges_are_coalesced() -> None:
    stage = ready("checkpoint")
    told: list[str] = []
    for number in range(PENDING_UPDATES_MAX + 50):
        told = stage.command(f"update f1 e1 t1 RUNNING {number}")
    replaced = str(PENDING_UPDATES_MAX + 48)
    assert f"UpdateAcknowledged(framework_id=f1 task_id=t1 uuid={replaced})" in told[1], "the journal drops it too"
    task = task_of(stage, "t1")
    assert len(task.pending) == PENDING_UPDATES_MAX
    assert task.pending[0][1].uuid == uuid_of("0")
    assert task.pending[-1][1].uuid == uuid_of(str(PENDING_UPDATES_MAX + 49))
    stage.command("update f1 e1 t1 FINISHED end")
    assert [one.state for _, one in task.pending[-2:]] == [TaskState.TASK_RUNNING, TaskState.TASK_FINISHED]
    assert stage.core.records.counters.coalesced_status_updates == 51


def test_remembered_uuids_are_bounded() -> None:
    stage = ready()
    for number in range(SEEN_UUIDS_MAX + 10):
        stage.command(f"update f1 e1 t1 RUNNING {number}")
        stage.command(f"ack f1 t1 {number}")
    assert len(task_of(stage, "t1").seen) == SEEN_UUIDS_MAX


def test_history_is_bounded_and_small() -> None:
    stage = ready()
    rings = stage.core.config
    for number in range(rings.completed_tasks_per_executor_max + 5):
        message = task_info(f"n{number}")
        message.data = b"x" * 10_000
        launch = link.Launch(framework_id="f1", tasks=[message], executor=executor_info("f1", "e1"))
        stage.core.handle(LinkReceived("link-1", launch), BEGIN)
        sent = status(f"n{number}", "FINISHED", f"d{number}")
        sent.data = b"y" * (10_000 if number % 2 else 10)
        update(stage, sent)
        stage.command(f"ack f1 n{number} d{number}")
    (executor,) = stage.core.records.runs.values()
    assert len(executor.completed_tasks) == rings.completed_tasks_per_executor_max
    assert executor.completed_tasks[-1].task_id == f"n{rings.completed_tasks_per_executor_max + 4}"
    assert all(task.info.data is None for task in executor.completed_tasks)
    assert {len(task.statuses[0].data or b"") for task in executor.completed_tasks} == {0, 10}
    for number in range(2, rings.completed_executors_per_framework_max + 10):
        stage.command(f"launch f1 x{number} e{number}")
        stage.command(f"kill f1 e{number}")
        stage.command(f"exited run-{number} status=15")
        (killed,) = (name for name in stage.core.records.frameworks["f1"].tasks if name == f"e{number}")
        acknowledge = link.Acknowledge(
            framework_id="f1", task_id=killed, uuid=task_of(stage, killed).pending[0][1].uuid or b""
        )
        stage.core.handle(LinkReceived("link-1", acknowledge), BEGIN)
    completed = stage.core.records.frameworks["f1"].completed_executors
    assert len(completed) == rings.completed_executors_per_framework_max
    for number in range(rings.completed_frameworks_max + 5):
        stage.command(f"framework g{number}")
        stage.command(f"reconcile g{number}/t")
        uuid = stage.core.records.frameworks[f"g{number}"].tasks["t"].pending[0][1].uuid or b""
        acknowledge = link.Acknowledge(framework_id=f"g{number}", task_id="t", uuid=uuid)
        stage.core.handle(LinkReceived("link-1", acknowledge), BEGIN)
    assert list(stage.core.records.completed_frameworks) == [
        f"g{number}" for number in range(5, rings.completed_frameworks_max + 5)
    ]


def test_change_records_are_bounded_and_numbered() -> None:
    stage = ready()
    while stage.core.changes.number < RECORDS_KEPT_MAX + 10:
        stage.core.handle(LinkUp("again"), BEGIN)
        stage.core.handle(LinkDown("again", "gone"), BEGIN)
    kept = stage.core.changes.since(0)
    assert [change.number for change in kept[:: RECORDS_KEPT_MAX - 1]] == [
        stage.core.changes.number - RECORDS_KEPT_MAX + 1,
        stage.core.changes.number,
    ]


def test_frameworks_that_have_nothing_here_are_forgotten_with_their_link() -> None:
    stage = ready()
    stage.command("framework f2")
    assert list(stage.core.records.framework_infos) == ["f1", "f2"]
    stage.command("link down")
    stage.command("link up")
    assert list(stage.core.records.framework_infos) == ["f1"]


def test_the_story_of_a_task() -> None:
    stage = ready()
    stage.command("update f1 e1 t1 FINISHED u1")
    stage.command("ack f1 t1 u1")
    story = stage.core.changes.story("f1", task_id="t1")
    assert [line.split(" ", 2)[2] for line in story] == [
        "task launched framework f1 executor e1 task t1 (by LinkReceived)",
        "TASK_FINISHED framework f1 executor e1 task t1 (by ExecutorCall)",
        "task ended framework f1 executor e1 task t1 (by LinkReceived)",
    ]
    assert [change.what for change in stage.core.changes.since(stage.core.changes.number - 1)] == ["task ended"]


def test_an_agent_that_comes_back_keeps_its_id_and_its_epoch() -> None:
    core = AgentCore(config(), Random(2), agent_id="S0", epoch=7)
    hello = core.handle(LinkUp("l"), BEGIN)[0]
    assert isinstance(hello, SendLink)
    assert isinstance(hello.message, link.Hello)
    assert (hello.message.agent_id, hello.message.epoch) == ("S0", 7)
    assert hello.message.info.id is not None
    assert hello.message.info.id.value == core.agent_id == "S0"


def test_runs_known_are_those_that_have_not_ended() -> None:
    stage = ready()
    (run,) = stage.core.records.runs
    assert stage.core.knows_run(run)
    assert stage.core.records.runs[run].pid == 100
    stage.command("exited run-1 status=0")
    assert not stage.core.knows_run(run)
    assert stage.core.handle(RunStarted(run, 5), BEGIN) == []


def test_containers_that_this_version_cannot_make() -> None:
    info = executor_info("f1", "e1")
    task = task_info("t1")
    task.command = CommandInfo(value="true")
    assert unsupported_executor(info) is None
    info.container = task.container = ContainerInfo(type=ContainerInfo.Type.MESOS)
    assert unsupported_executor(info) is None
    assert unsupported_task(task) is None
    image = Image(type=Image.Type.DOCKER, docker=Image.Docker(name="alpine"))
    for container in (
        ContainerInfo(type=ContainerInfo.Type.DOCKER, docker=ContainerInfo.DockerInfo(image="alpine")),
        ContainerInfo(type=ContainerInfo.Type.MESOS, mesos=ContainerInfo.MesosInfo(image=image)),
        ContainerInfo(
            type=ContainerInfo.Type.MESOS, volumes=[Volume(mode=Volume.Mode.RW, container_path="a", host_path="/a")]
        ),
        ContainerInfo(type=ContainerInfo.Type.MESOS, network_infos=[NetworkInfo(name="cni")]),
    ):
        info.container = task.container = container
        sentence = "This version of the agent does not run containers with images, volumes or networks"
        assert unsupported_executor(info) == unsupported_task(task) == sentence


def test_commands_that_this_version_cannot_run() -> None:
    task = task_info("t1")
    assert unsupported_task(task) == "The task has no command to run"
    uri = CommandInfo.URI(value="file")
    secret = Environment.Variable(name="A", type=Environment.Variable.Type.SECRET)
    for command, sentence in (
        (CommandInfo(), "The task has no command to run"),
        (CommandInfo(value="ls", uris=[uri]), "This version of the agent does not fetch URIs"),
        (
            CommandInfo(value="ls", environment=Environment(variables=[secret])),
            "This version of the agent does not resolve secrets",
        ),
    ):
        task.command = command
        assert unsupported_task(task) == sentence
    task.command = CommandInfo(value="ls")
    task.health_check = HealthCheck(type=HealthCheck.Type.TCP)
    assert unsupported_task(task) == "This version of the agent does not check tasks that run by their command"
    info = executor_info("f1", "e1")
    info.command = None
    assert unsupported_executor(info) == "The executor has no command to run"


@pytest.mark.parametrize("group", [False, True])
def test_resources_that_make_no_sense_are_refused(group: bool) -> None:
    stage = ready()
    bad = task_info("bad")
    assert bad.resources[0].scalar is not None
    bad.resources[0].scalar.value = -1.0
    launch = link.Launch(
        framework_id="f1", tasks=[bad, task_info("good")], executor=executor_info("f1", "e1"), group=group
    )
    effects = stage.core.handle(LinkReceived("link-1", launch), BEGIN)
    told = [one.message for one in effects if isinstance(one, SendLink)]
    assert [
        (one.status.task_id.value, one.status.state.value, one.status.reason.value if one.status.reason else "")
        for one in told
        if isinstance(one, link.StatusUpdate)
    ] == [
        (name, "TASK_ERROR", "REASON_TASK_GROUP_INVALID" if group else "REASON_TASK_INVALID")
        for name in (["bad", "good"] if group else ["bad"])
    ]
    launched = [one.event for one in effects if isinstance(one, Send)]
    assert len(launched) == (0 if group else 1)

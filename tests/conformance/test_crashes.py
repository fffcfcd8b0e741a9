"""Parts are killed with SIGKILL: the right states and reasons reach the right parties, and nothing is lost."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.client import Event, EventStream, json_call
from tests.conformance.cluster import REFERENCE, Cluster, processes_of, target, wait_until
from tests.conformance.conftest import ClusterFactory, show_on_failure
from tests.conformance.scenario import Framework, executor_info, task_info
from tests.processes import alive

SCHEDULER = "/api/v1/scheduler"
MASTER_FLAGS = ("--agent_ping_timeout=1secs", "--max_agent_ping_timeouts=3")
AGENT_FLAGS = ("--executor_shutdown_grace_period=1secs",)
RUN, TREE, LEAVE = "cnVu", "dHJlZQ==", "bGVhdmU="
PARTITION_AWARE = {"capabilities": [{"type": "MULTI_ROLE"}, {"type": "PARTITION_AWARE"}]}

pytestmark = [pytest.mark.xdist_group("crashes"), pytest.mark.timeout(120)]
only_ours = pytest.mark.skipif(target() == REFERENCE, reason="Apache Mesos has no such part")


class Scheduler(Framework):
    """A framework of these tests: one agent, one executor unless told otherwise."""

    def __init__(self, cluster: Cluster, executor_command: str, **info: Any) -> None:
        self.cluster = cluster
        self.executor_command = executor_command
        self.info = {
            "user": "root",
            "name": "crash",
            "roles": ["crash"],
            "capabilities": [{"type": "MULTI_ROLE"}],
            "failover_timeout": 3600,
            **info,
        }
        super().__init__(cluster.master_address, self.open_stream())

    def open_stream(self, **info: Any) -> EventStream:
        """A subscription with this scheduler's FrameworkInfo and `info`."""
        every = {**self.info, **info}
        message: Event = {"type": "SUBSCRIBE", "subscribe": {"framework_info": every}}
        if "id" in every:
            message["framework_id"] = every["id"]

        def opened() -> EventStream | None:
            stream = EventStream(self.cluster.master_address, json_call(SCHEDULER, message))
            if stream.response.status != 503:
                return stream
            stream.close()
            return None

        stream = wait_until(opened, "the master leads")
        assert isinstance(stream, EventStream)
        return stream

    def again(self) -> Scheduler:
        """The scheduler's next life: another process with the framework's id."""
        info = {**self.info, "id": {"value": self.framework_id}}
        return Scheduler(self.cluster, self.executor_command, **info)

    def launch(self, task_id: str, data: str = RUN, executor_id: str = "e") -> None:
        agent_id = self.cluster.agent_id(self.cluster.agents[0])
        assert self.wait(lambda: self.best_offer(agent_id) is not None), "no offer"
        offer = self.best_offer(agent_id)
        assert offer is not None
        executor = executor_info(executor_id, self.framework_id, "crash", self.executor_command)
        task = task_info(task_id, agent_id, "crash", executor, data=data)
        launch = {"type": "LAUNCH", "launch": {"task_infos": [task]}}
        filters = {"refuse_seconds": 0}
        offer_ids = [{"value": self.take(offer)}]
        self.call("ACCEPT", accept={"offer_ids": offer_ids, "filters": filters, "operations": [launch]})

    def wait_update(self, task_id: str, state: str, since: int = 0) -> Event:
        came = self.wait_states((task_id, state), since=since)
        assert came, f"no {state} of {task_id} among {self.stream.events[since:]}"
        return next(status for status in self.updates(since) if _names(status) == (task_id, state))

    def updates(self, since: int = 0) -> list[Event]:
        return [event["update"]["status"] for event in self.stream.events[since:] if event["type"] == "UPDATE"]

    def wait_event(self, kind: str, since: int = 0) -> Event:
        event = self.stream.wait(lambda event: event["type"] == kind, since)
        body: Event = event[kind.lower()]
        return body

    def executor_pid(self, executor_id: str = "e") -> int:
        """The process of that executor: the one that runs the executor's program itself."""
        wanted = {f"MESOS_EXECUTOR_ID={executor_id}", f"MESOS_FRAMEWORK_ID={self.framework_id}"}
        for pid in processes_of(self.cluster.directory):
            with contextlib.suppress(OSError):
                arguments = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
                environment = Path(f"/proc/{pid}/environ").read_text().split("\0")
                if arguments[1:2] == [self.executor_command.split()[-1]] and wanted <= set(environment):
                    return pid
        raise AssertionError(f"no process of executor {executor_id}")


def _names(status: Event) -> tuple[str, str]:
    return status["task_id"]["value"], status["state"]


SchedulerFactory = Callable[..., Scheduler]


@pytest.fixture
def cluster(make_cluster: ClusterFactory, request: pytest.FixtureRequest) -> Iterator[Cluster]:
    cluster = make_cluster(MASTER_FLAGS, AGENT_FLAGS, is_durable=True)
    show_on_failure(request, "cluster", cluster.logs)
    cluster.start(agents=1)
    yield cluster
    cluster.stop()


@pytest.fixture
def subscribe(cluster: Cluster, executor_command: str) -> Iterator[SchedulerFactory]:
    schedulers: list[Scheduler] = []

    def make(again: Scheduler | None = None, **info: Any) -> Scheduler:
        scheduler = again.again() if again else Scheduler(cluster, executor_command, **info)
        schedulers.append(scheduler)
        return scheduler

    yield make
    for scheduler in schedulers:
        scheduler.stream.close()


def test_executor(cluster: Cluster, subscribe: SchedulerFactory) -> None:
    """Its tasks fail, the scheduler is told how it ended, its resources come back whole."""
    scheduler = subscribe()
    scheduler.launch("first")
    scheduler.wait_update("first", "TASK_RUNNING")
    scheduler.launch("second")
    scheduler.wait_update("second", "TASK_RUNNING")
    start = len(scheduler.stream.events)
    os.kill(scheduler.executor_pid(), signal.SIGKILL)
    failure = scheduler.wait_event("FAILURE", start)
    assert (failure["executor_id"]["value"], failure["status"]) == ("e", signal.SIGKILL)
    for task_id in ("first", "second"):
        status = scheduler.wait_update(task_id, "TASK_FAILED", start)
        assert (status["source"], status["reason"]) == ("SOURCE_AGENT", "REASON_EXECUTOR_TERMINATED")
        assert status["message"] == "Executor terminated"
    agent_id = cluster.agent_id(cluster.agents[0])

    def offered_cpus() -> float:
        return sum(
            float(entry["scalar"]["value"])
            for offer in scheduler.offers(agent_id)
            for entry in offer["resources"]
            if entry["name"] == "cpus"
        )

    assert scheduler.wait(lambda: offered_cpus() == 4), "the resources did not come back"


@only_ours
def test_executor_with_descendants(cluster: Cluster, subscribe: SchedulerFactory) -> None:
    """A child in a session of its own and its own child die with the executor, though they ignore SIGTERM."""
    scheduler = subscribe()
    scheduler.launch("task", TREE)
    scheduler.wait_update("task", "TASK_RUNNING")
    sandboxes = cluster.agents[0].sandbox_root / "slaves"
    wait_until(lambda: len(processes_of(sandboxes)) >= 3, "the whole tree is there")
    os.kill(scheduler.executor_pid(), signal.SIGKILL)
    scheduler.wait_update("task", "TASK_FAILED")
    wait_until(lambda: not processes_of(sandboxes), "the whole tree is gone")


@pytest.mark.parametrize("is_partition_aware", [False, True], ids=["plain", "partition aware"])
def test_agent(cluster: Cluster, subscribe: SchedulerFactory, is_partition_aware: bool) -> None:
    """Tasks are lost, at once or when the agent counts as unreachable; it comes back to work."""
    scheduler = subscribe(**({**PARTITION_AWARE, "checkpoint": True} if is_partition_aware else {}))
    scheduler.launch("task")
    scheduler.wait_update("task", "TASK_RUNNING")
    agent = cluster.agents[0]
    agent_id = cluster.agent_id(agent)
    assert scheduler.wait(lambda: bool(scheduler.offers(agent_id)))
    start = len(scheduler.stream.events)
    agent.server.kill()
    scheduler.wait_event("RESCIND", start)
    if is_partition_aware:
        status = scheduler.wait_update("task", "TASK_UNREACHABLE", start)
        assert status["reason"] == "REASON_AGENT_REMOVED"
        assert status["unreachable_time"]["nanoseconds"] > 0
    else:
        status = scheduler.wait_update("task", "TASK_LOST", start)
        assert status["reason"] == "REASON_AGENT_DISCONNECTED"
    assert status["source"] == "SOURCE_MASTER"
    assert "uuid" not in status
    failure = scheduler.stream.wait(
        lambda event: event["type"] == "FAILURE" and "executor_id" not in event["failure"], start
    )
    assert failure["failure"]["agent_id"]["value"] == agent_id
    start = len(scheduler.stream.events)
    cluster.start_agent(agent)
    scheduler.wait_event("OFFERS", start)


def test_agent_goes_on_telling_how_tasks_had_ended(cluster: Cluster, subscribe: SchedulerFactory) -> None:
    """What it had taken down before it was killed is told by its successor, in order, until it is acknowledged."""
    scheduler = subscribe(**PARTITION_AWARE, checkpoint=True)
    scheduler.held.add("task")
    scheduler.launch("task")
    uuid = scheduler.wait_update("task", "TASK_RUNNING")["uuid"]
    os.kill(scheduler.executor_pid(), signal.SIGKILL)
    scheduler.wait_event("FAILURE")
    agent = cluster.agents[0]
    agent.server.kill()
    start = len(scheduler.stream.events)
    cluster.start_agent(agent)
    assert scheduler.wait(lambda: uuid in [status.get("uuid") for status in scheduler.updates(start)]), "not sent again"
    scheduler.acknowledge("task")
    assert scheduler.wait(lambda: _with_uuid(scheduler, "task", start)[-1:] == ["TASK_FAILED"])
    assert set(_with_uuid(scheduler, "task", start)) == {"TASK_RUNNING", "TASK_FAILED"}
    scheduler.acknowledge("task")


@only_ours
def test_agent_comes_back_when_nothing_runs_that_it_does_not_know(
    cluster: Cluster, subscribe: SchedulerFactory
) -> None:
    """It ends what it left before it offers the resources, and waits for those that take their time."""
    scheduler = subscribe(**PARTITION_AWARE, checkpoint=True)
    agent = cluster.agents[0]
    agent_id = cluster.agent_id(agent)
    assert scheduler.wait(lambda: scheduler.best_offer(agent_id) is not None)
    offer = scheduler.best_offer(agent_id)
    assert offer is not None
    command = {"value": "trap 'sleep 2; exit' TERM; while true; do sleep 0.1; done"}
    launch = {"task_infos": [task_info("slow", agent_id, "crash", None, command=command)]}
    operations = [{"type": "LAUNCH", "launch": launch}]
    scheduler.call("ACCEPT", accept={"offer_ids": [{"value": scheduler.take(offer)}], "operations": operations})
    scheduler.wait_update("slow", "TASK_RUNNING")
    sandboxes = agent.sandbox_root / "slaves"
    assert processes_of(sandboxes)
    agent.server.kill()
    cluster.start_agent(agent)
    assert not processes_of(sandboxes)


def _with_uuid(scheduler: Scheduler, task_id: str, since: int) -> list[str]:
    """The states that were told to be acknowledged, in order."""
    updates = scheduler.updates(since)
    return [status["state"] for status in updates if "uuid" in status and status["task_id"]["value"] == task_id]


def test_agent_takes_its_plain_executors_along(cluster: Cluster, subscribe: SchedulerFactory) -> None:
    """An executor of a framework that does not checkpoint sees its stream end, and leaves."""
    scheduler = subscribe()
    scheduler.launch("task")
    scheduler.wait_update("task", "TASK_RUNNING")
    pid = scheduler.executor_pid()
    cluster.agents[0].server.kill()
    wait_until(lambda: not alive(pid), "the executor is gone")


def test_scheduler_comes_back(subscribe: SchedulerFactory) -> None:
    """Tasks ran on; reconciliation finds them, and what was not acknowledged arrives again."""
    first = subscribe()
    first.held.add("quiet")
    first.launch("quiet")
    first.launch("known")
    uuid = first.wait_update("quiet", "TASK_RUNNING")["uuid"]
    first.wait_update("known", "TASK_RUNNING")
    first.stream.close()
    second = subscribe(first)
    assert second.framework_id == first.framework_id
    assert second.wait_update("quiet", "TASK_RUNNING")["uuid"] == uuid
    start = len(second.stream.events)
    second.call("RECONCILE", reconcile={"tasks": []})
    for task_id in ("quiet", "known"):
        status = second.wait_update(task_id, "TASK_RUNNING", start)
        assert (status["source"], status["reason"]) == ("SOURCE_MASTER", "REASON_RECONCILIATION")
    second.call("KILL", kill={"task_id": {"value": "known"}})
    second.wait_update("known", "TASK_KILLED", start)


def test_scheduler_comes_back_after_an_update_it_did_not_see(subscribe: SchedulerFactory) -> None:
    """What happened while it was away is told to its next life."""
    first = subscribe()
    first.launch("task")
    first.wait_update("task", "TASK_RUNNING")
    pid = first.executor_pid()
    first.stream.close()
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not alive(pid), "the executor is gone")
    second = subscribe(first)
    status = second.wait_update("task", "TASK_FAILED")
    assert status["reason"] == "REASON_EXECUTOR_TERMINATED"
    assert "uuid" in status


def test_scheduler_stays_away(cluster: Cluster, subscribe: SchedulerFactory) -> None:
    """Without a failover timeout the framework is removed, its executors are shut down."""
    scheduler = subscribe(failover_timeout=0)
    scheduler.launch("task")
    scheduler.wait_update("task", "TASK_RUNNING")
    pid = scheduler.executor_pid()
    scheduler.stream.close()
    wait_until(lambda: not alive(pid), "the executor is gone")
    answer = cluster.operator({"type": "GET_TASKS"})["get_tasks"]
    assert [(task["name"], task["state"]) for task in answer["completed_tasks"]] == [("task", "TASK_KILLED")]
    with scheduler.open_stream(id={"value": scheduler.framework_id}) as refused:
        assert refused.wait(lambda _: True) == {"type": "ERROR", "error": {"message": "Framework has been removed"}}


def test_unacknowledged_updates_are_sent_again(subscribe: SchedulerFactory) -> None:
    """The agent repeats what nobody acknowledged, then sends the next."""
    scheduler = subscribe()
    scheduler.held.add("task")
    scheduler.launch("task")
    scheduler.wait_update("task", "TASK_RUNNING")
    scheduler.call("KILL", kill={"task_id": {"value": "task"}})
    assert scheduler.wait(lambda: len(scheduler.updates()) >= 2), "not sent again"
    first, second = scheduler.updates()[:2]
    assert _names(second) == ("task", "TASK_RUNNING")
    assert first["uuid"] == second["uuid"]
    scheduler.acknowledge("task")
    scheduler.wait_update("task", "TASK_KILLED")


def test_a_master_is_not_ahead_of_updates(cluster: Cluster, subscribe: SchedulerFactory) -> None:
    """A task has ended, and its first update is not acknowledged: until then its scheduler hears nothing of the end."""
    first = subscribe(**PARTITION_AWARE, checkpoint=True)
    first.held.add("task")
    first.launch("task")
    first.wait_update("task", "TASK_RUNNING")
    os.kill(first.executor_pid(), signal.SIGKILL)
    first.wait_event("FAILURE")
    agent = cluster.agents[0]
    start = len(first.stream.events)
    agent.server.signal(signal.SIGSTOP)
    first.wait_update("task", "TASK_UNREACHABLE", start)
    agent.server.signal(signal.SIGCONT)
    status = first.wait_event("UPDATE", _position(first, "TASK_UNREACHABLE") + 1)["status"]
    assert _names(status) == ("task", "TASK_FAILED")
    assert ("uuid" in status, status["reason"]) == (False, "REASON_AGENT_REREGISTERED")
    _reconcile(first, "TASK_RUNNING")
    cluster.master.kill()
    assert first.stream.wait_closed()
    cluster.start_master()
    second = subscribe(first)
    second.held.add("task")
    wait_until(lambda: any(entry["active"] for entry in cluster.agent_entries()), "the agent is back")
    _reconcile(second, "TASK_RUNNING")
    second.wait_update("task", "TASK_RUNNING")
    assert second.wait(lambda: bool(second.unacknowledged))
    second.acknowledge("task")
    assert second.wait(lambda: _with_uuid(second, "task", 0)[-1:] == ["TASK_FAILED"])


def _reconcile(scheduler: Scheduler, state: str) -> None:
    """The master says that the task is in this state."""
    start = len(scheduler.stream.events)
    scheduler.call("RECONCILE", reconcile={"tasks": [{"task_id": {"value": "task"}}]})
    assert scheduler.wait(lambda: any(one.get("reason") == "REASON_RECONCILIATION" for one in scheduler.updates(start)))
    answer = next(one for one in scheduler.updates(start) if one.get("reason") == "REASON_RECONCILIATION")
    assert (_names(answer), "uuid" in answer) == (("task", state), False)


def _position(scheduler: Scheduler, state: str) -> int:
    """Where the last update to this state is among the events."""
    states = [
        event["update"]["status"]["state"] if event["type"] == "UPDATE" else "" for event in scheduler.stream.events
    ]
    return len(states) - 1 - states[::-1].index(state)


def test_master(cluster: Cluster, subscribe: SchedulerFactory) -> None:
    """Started again at its address it learns everything from agents and schedulers."""
    first = subscribe(checkpoint=True)
    first.launch("stays")
    first.wait_update("stays", "TASK_RUNNING")
    first.launch("ends", executor_id="other")
    first.wait_update("ends", "TASK_RUNNING")
    agent_id = cluster.agent_id(cluster.agents[0])
    stays, ends = first.executor_pid(), first.executor_pid("other")
    cluster.master.kill()
    os.kill(ends, signal.SIGKILL)
    assert first.stream.wait_closed()
    cluster.start_master()
    second = subscribe(first)
    assert second.framework_id == first.framework_id
    wait_until(lambda: any(entry["active"] for entry in cluster.agent_entries()), "the agent is back")
    assert cluster.agent_id(cluster.agents[0]) == agent_id
    assert second.wait(lambda: any("uuid" in status for status in second.updates() if _names(status)[0] == "ends"))
    status = next(status for status in second.updates() if "uuid" in status)
    assert _names(status) == ("ends", "TASK_FAILED")
    assert (status["source"], status["reason"]) == ("SOURCE_AGENT", "REASON_EXECUTOR_TERMINATED")
    start = len(second.stream.events)
    second.call("RECONCILE", reconcile={"tasks": [{"task_id": {"value": "stays"}, "agent_id": {"value": agent_id}}]})
    status = second.wait_update("stays", "TASK_RUNNING", start)
    assert status["message"] == "Reconciliation: Latest task state"
    assert alive(stays)
    second.call("KILL", kill={"task_id": {"value": "stays"}})
    second.wait_update("stays", "TASK_KILLED", start)
    second.launch("next", executor_id="third")
    second.wait_update("next", "TASK_RUNNING", start)


def supervisors(cluster: Cluster) -> list[int]:
    """Supervisor processes of the agent."""
    return [pid for pid in processes_of(cluster.directory) if b"supervisor.py" in _command_line(pid)]


def _command_line(pid: int) -> bytes:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


@only_ours
def test_supervisor(cluster: Cluster, subscribe: SchedulerFactory) -> None:
    """Executors run on without it; the agent starts another, and still notices how things end."""
    scheduler = subscribe()
    scheduler.launch("old")
    scheduler.wait_update("old", "TASK_RUNNING")
    pid = scheduler.executor_pid()
    (supervisor,) = supervisors(cluster)
    os.kill(supervisor, signal.SIGKILL)
    wait_until(lambda: supervisors(cluster) not in ([], [supervisor]), "there is another supervisor")
    scheduler.launch("new", executor_id="other")
    scheduler.wait_update("new", "TASK_RUNNING")
    assert scheduler.executor_pid() == pid
    start = len(scheduler.stream.events)
    os.kill(pid, signal.SIGKILL)
    assert scheduler.wait_update("old", "TASK_FAILED", start)["reason"] == "REASON_EXECUTOR_TERMINATED"
    assert scheduler.wait_event("FAILURE", start)["executor_id"]["value"] == "e"
    os.kill(scheduler.executor_pid("other"), signal.SIGKILL)
    scheduler.wait_update("new", "TASK_FAILED", start)

"""Reservations and volumes with real processes: data outlives tasks and agents, and ends with its volume."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.conformance.client import Event, get_json, operator_call
from tests.conformance.cluster import REFERENCE, Agent, Cluster, target, wait_until
from tests.conformance.conftest import ClusterFactory, show_on_failure
from tests.conformance.scenario import scalars
from tests.conformance.test_commands import ROLE, Runner

SIZE = 64.0

pytestmark = [
    pytest.mark.xdist_group("volumes"),
    pytest.mark.timeout(120),
    pytest.mark.skipif(target() == REFERENCE, reason="the module of Apache Mesos carries no command executor"),
]


class Keeper(Runner):
    """A framework that keeps data."""

    def __init__(self, cluster: Cluster, **info: Any) -> None:
        super().__init__(cluster, "RESERVATION_REFINEMENT", "PARTITION_AWARE", "SHARED_RESOURCES", **info)

    def disk(self, source: Event | None = None, size: float = SIZE) -> Event:
        """Reserved for the framework's role."""
        (disk,) = scalars(ROLE, disk=size)
        disk["reservations"] = [{"type": "DYNAMIC", "role": ROLE}]
        return {**disk, "disk": {"source": source}} if source else disk

    def volume(self, name: str, path: str, source: Event | None = None) -> Event:
        volume = self.disk(source)
        volume["disk"] = {
            **({"source": source} if source else {}),
            "persistence": {"id": name},
            "volume": {"container_path": path, "mode": "RW"},
        }
        return volume

    def holds(self, offer: Event, volume: Event) -> bool:
        """Whether the volume is in the offer."""
        name = volume["disk"]["persistence"]["id"]
        return any(
            entry.get("disk", {}).get("persistence", {}).get("id") == name
            for entry in offer["resources"]
            if entry["name"] == "disk"
        )

    def operate(self, *operations: Event, having: Event | None = None) -> None:
        """Use an offer (`having` that volume) for the operations; those with an id are awaited and acknowledged."""

        def offered() -> Event | None:
            offers = [one for one in self.offers(self.agent_id) if having is None or self.holds(one, having)]
            return next((one for one in offers if any(entry["name"] == "cpus" for entry in one["resources"])), None)

        assert self.wait(lambda: offered() is not None), f"no offer with {having}: {self.stream.events[-3:]}"
        offer = offered()
        assert offer is not None
        accept = {
            "offer_ids": [{"value": self.take(offer)}],
            "filters": {"refuse_seconds": 0},
            "operations": list(operations),
        }
        self.call("ACCEPT", accept=accept)

    def statuses(self, operation_id: str) -> list[Event]:
        updates = [event for event in self.stream.events if event["type"] == "UPDATE_OPERATION_STATUS"]
        statuses = [event["update_operation_status"]["status"] for event in updates]
        return [status for status in statuses if status.get("operation_id", {}).get("value") == operation_id]

    def status(self, operation_id: str) -> Event:
        assert self.wait(lambda: bool(self.statuses(operation_id))), f"no status of {operation_id}"
        return self.statuses(operation_id)[-1]

    def acknowledge_operation(self, operation_id: str) -> None:
        status = self.status(operation_id)
        self.call(
            "ACKNOWLEDGE_OPERATION_STATUS",
            acknowledge_operation_status={
                "agent_id": status["agent_id"],
                "uuid": status["uuid"]["value"],
                "operation_id": status["operation_id"],
            },
        )

    def task_with(self, task_id: str, command: str, *volumes: Event) -> Event:
        task = self.task(task_id, command)
        return {**task, "resources": [*task["resources"], *volumes]}

    def launch_operation(self, *tasks: Event) -> Event:
        return {"type": "LAUNCH", "launch": {"task_infos": list(tasks)}}


def reserve(*resources: Event, operation_id: str = "") -> Event:
    return _operation("RESERVE", operation_id, reserve={"resources": list(resources)})


def create(*volumes: Event, operation_id: str = "") -> Event:
    return _operation("CREATE", operation_id, create={"volumes": list(volumes)})


def destroy(*volumes: Event, operation_id: str = "") -> Event:
    return _operation("DESTROY", operation_id, destroy={"volumes": list(volumes)})


def unreserve(*resources: Event, operation_id: str = "") -> Event:
    return _operation("UNRESERVE", operation_id, unreserve={"resources": list(resources)})


def _operation(kind: str, operation_id: str, **members: Any) -> Event:
    return {"type": kind, **members, **({"id": {"value": operation_id}} if operation_id else {})}


def restart(cluster: Cluster, agent: Agent) -> None:
    """Kill the agent with SIGKILL and start it again on its work folder."""
    agent.server.kill()
    wait_until(lambda: not cluster.agent_entries()[0]["active"], "the master has seen the end")
    cluster.start_agent(agent)


@pytest.fixture
def cluster(make_cluster: ClusterFactory, request: pytest.FixtureRequest) -> Iterator[Cluster]:
    cluster = make_cluster()
    show_on_failure(request, "cluster", cluster.logs)
    cluster.start(agents=0)
    yield cluster
    cluster.stop()


def test_data_outlives_its_task_and_a_killed_agent_and_ends_with_its_volume(cluster: Cluster) -> None:
    agent = cluster.add_agent()
    keeper = Keeper(cluster, failover_timeout=3600)
    volume = keeper.volume("ledger", "books/ledger")
    write = keeper.task_with("write", "echo kept > books/ledger/entry && ls -d books/ledger/", volume)
    keeper.operate(
        reserve(keeper.disk(), operation_id="reserve"),
        create(volume, operation_id="create"),
        keeper.launch_operation(write),
    )
    assert keeper.end("write")["state"] == "TASK_FINISHED"
    for name in ("reserve", "create"):
        assert keeper.status(name)["state"] == "OPERATION_FINISHED"
        assert keeper.status(name)["uuid"]
    directory = agent.sandbox_root / "volumes" / "roles" / ROLE / "ledger"
    assert (directory / "entry").read_text() == "kept\n"

    restart(cluster, agent)
    assert keeper.wait(lambda: len(keeper.statuses("create")) >= 2), "an unacknowledged status is told again"
    held = operator_call(agent.address, {"type": "GET_OPERATIONS"}, "/slave(1)/api/v1")
    assert len(held["get_operations"]["operations"]) == 2
    for name in ("reserve", "create"):
        keeper.acknowledge_operation(name)
    wait_until(
        lambda: not operator_call(agent.address, {"type": "GET_OPERATIONS"}, "/slave(1)/api/v1")["get_operations"],
        "nothing waits for its acknowledgement",
    )

    read = keeper.task_with("read", "cat books/ledger/entry", volume)
    keeper.operate(keeper.launch_operation(read), having=volume)
    assert keeper.end("read")["state"] == "TASK_FINISHED"
    assert (keeper.sandbox("read") / "stdout").read_text() == "kept\n"
    state = get_json(agent.address, "/state")
    assert state["reserved_resources"][ROLE]["disk"] == SIZE
    (full,) = state["reserved_resources_full"][ROLE]
    assert full["disk"]["persistence"]["id"] == "ledger"

    keeper.operate(destroy(volume, operation_id="destroy"), unreserve(keeper.disk()), having=volume)
    assert keeper.status("destroy")["state"] == "OPERATION_FINISHED"
    wait_until(lambda: get_json(agent.address, "/state")["reserved_resources"] == {}, "nothing is reserved any more")
    assert not directory.exists()
    wait_until(lambda: not list((agent.sandbox_root / "volumes/.removed").iterdir()), "the data is erased")
    keeper.stream.close()


def test_disks_of_their_own_and_an_executor_in_between(cluster: Cluster) -> None:
    """PATH disks are divided, MOUNT disks are not; tasks of a group see their volumes in their own sandboxes."""
    mount = cluster.directory / "mount"
    mount.mkdir()
    path_source = {"type": "PATH", "path": {"root": "fast"}}
    mount_source = {"type": "MOUNT", "mount": {"root": str(mount)}}
    own = [
        {"name": "cpus", "type": "SCALAR", "scalar": {"value": 4}},
        {"name": "mem", "type": "SCALAR", "scalar": {"value": 1024}},
        {"name": "disk", "type": "SCALAR", "scalar": {"value": 1000}},
        {"name": "disk", "type": "SCALAR", "scalar": {"value": 1000}, "disk": {"source": path_source}},
        {"name": "disk", "type": "SCALAR", "scalar": {"value": SIZE}, "disk": {"source": mount_source}},
    ]
    resources = cluster.directory / "resources.json"
    resources.write_text(json.dumps(own))
    agent = cluster.add_agent(f"file://{resources}")
    keeper = Keeper(cluster)
    fast, whole = keeper.volume("f", "fast", path_source), keeper.volume("m", "whole", mount_source)
    pod = {
        "executor": {
            "type": "DEFAULT",
            "executor_id": {"value": "pod"},
            "framework_id": {"value": keeper.framework_id},
            "resources": scalars(ROLE, cpus=0.1, mem=32, disk=1),
        },
        "task_group": {
            "tasks": [
                keeper.task_with("one", "echo one > fast/entry", fast),
                keeper.task_with("two", "echo two > whole/entry", whole),
            ]
        },
    }
    keeper.operate(
        reserve(keeper.disk(path_source), keeper.disk(mount_source)),
        create(fast, whole),
        {"type": "LAUNCH_GROUP", "launch_group": pod},
    )
    assert [keeper.end(name)["state"] for name in ("one", "two")] == ["TASK_FINISHED"] * 2
    assert (agent.sandbox_root / "fast/volumes/roles" / ROLE / "f/entry").read_text() == "one\n"
    assert (mount / "entry").read_text() == "two\n"
    keeper.operate(destroy(whole, operation_id="destroy"), having=whole)
    assert keeper.status("destroy")["state"] == "OPERATION_FINISHED"
    wait_until(lambda: list(mount.iterdir()) == [], "what was on the disk is erased, the disk is there")
    keeper.stream.close()


def test_a_disk_that_refuses_fails_the_operation_and_the_master_believes_the_agent(cluster: Cluster) -> None:
    agent = cluster.add_agent()
    roles = agent.sandbox_root / "volumes" / "roles"
    roles.mkdir(parents=True)
    (roles / ROLE).write_text("a file where a folder should be")
    keeper = Keeper(cluster)
    volume = keeper.volume("v", "data")
    keeper.operate(
        reserve(keeper.disk()),
        create(volume, operation_id="create"),
        keeper.launch_operation(keeper.task_with("task", "true", volume)),
    )
    status = keeper.status("create")
    assert status["state"] == "OPERATION_FAILED"
    assert status["message"].endswith(f"volumes/roles/{ROLE}/v' cannot be made on its disk: Not a directory")
    assert keeper.until("task", "TASK_DROPPED")["reason"] == "REASON_RESOURCES_UNKNOWN"
    assert get_json(agent.address, "/state")["reserved_resources_full"][ROLE][0].get("disk") is None

    def offered_disk() -> float:
        return sum(
            float(entry["scalar"]["value"])
            for offer in keeper.offers(keeper.agent_id)
            for entry in offer["resources"]
            if entry["name"] == "disk" and "disk" not in entry and entry.get("reservations")
        )

    assert keeper.wait(lambda: offered_disk() == SIZE), "the reserved disk is offered without a volume"
    keeper.stream.close()


@pytest.mark.slow
def test_a_crash_just_after_the_disk_took_an_operation(cluster: Cluster) -> None:
    """The status that nobody heard is told by the next agent, and what was reserved is reserved."""
    agent = cluster.add_agent()
    keeper = Keeper(cluster)
    for turn in range(2):
        keeper.operate(reserve(keeper.disk(size=1.0), operation_id=f"reserve-{turn}"))
        restart(cluster, agent)
        status = keeper.status(f"reserve-{turn}")
        reserved = get_json(agent.address, "/state")["reserved_resources"].get(ROLE, {}).get("disk", 0.0)
        if status["state"] == "OPERATION_FINISHED":
            keeper.acknowledge_operation(f"reserve-{turn}")
        else:
            assert status["state"] == "OPERATION_DROPPED"
        finished = sum(
            keeper.statuses(f"reserve-{number}")[-1]["state"] == "OPERATION_FINISHED" for number in range(turn + 1)
        )
        assert reserved == float(finished), "the agent has what it said, and nothing else"
    keeper.stream.close()


def test_revocable_resources_go_to_those_who_take_them(cluster: Cluster) -> None:
    lent = cluster.directory / "lent"
    lent.write_text("cpus:2")
    flags = (f"--oversubscribed_resources=file://{lent}", "--oversubscribed_resources_interval=50ms")
    cluster.add_agent(flags=flags)
    plain, taker = Keeper(cluster), Runner(cluster, "REVOCABLE_RESOURCES", name="taker")

    def revocable(framework: Runner) -> float:
        return sum(
            float(entry["scalar"]["value"])
            for offer in framework.offers(framework.agent_id)
            for entry in offer["resources"]
            if "revocable" in entry
        )

    assert taker.wait(lambda: revocable(taker) == 2.0), "revocable cpus are offered"
    since = len(taker.stream.events)
    lent.write_text("cpus:3")
    assert taker.wait(lambda: revocable(taker) == 3.0), "and others when they change"
    assert any(event["type"] == "RESCIND" for event in taker.stream.events[since:])
    lent.write_text("cpus:a lot")
    assert revocable(plain) == 0.0
    (entry,) = cluster.agent_entries()
    assert entry["resources"]["cpus_revocable"] == 3.0
    plain.stream.close()
    taker.stream.close()

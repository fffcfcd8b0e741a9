"""The scheduler library against real masters and agents."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tepui.model.v1.scheduler import Call
from tepui.scheduler import (
    CallRefusedError,
    Disconnected,
    Event,
    FailedOverError,
    Handler,
    Offer,
    Offers,
    RemovedError,
    Scheduler,
    Subscribed,
    SubscriptionError,
    TaskState,
    Update,
    framework_info,
    ports_of,
    run,
)
from tests.conformance.cluster import Cluster
from tests.scheduler.real import masters_of, running_cluster

TEST_SECONDS_MAX = 60

pytestmark = pytest.mark.xdist_group("libraries")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Two agents of different names; tests leave no frameworks."""
    with running_cluster(tmp_path_factory.mktemp("libraries"), agents=0) as cluster:
        for number in (1, 2):
            cluster.add_agent(flags=[f"--hostname=host{number}"])
        yield cluster


@pytest.fixture
def own_cluster(tmp_path: Path) -> Iterator[Cluster]:
    with running_cluster(tmp_path) as cluster:
        yield cluster


async def until(scheduler: Scheduler, test: Callable[[Event], bool]) -> Event:
    """The next event for which `test` holds; offers before it are declined."""
    async with asyncio.timeout(TEST_SECONDS_MAX):
        async for event in scheduler:
            if test(event):
                return event
            if isinstance(event, Offers):
                scheduler.decline(event.offers, refuse_seconds=1)
    raise AssertionError("the iteration ended")


async def next_offers(scheduler: Scheduler) -> list[Offer]:
    event = await until(scheduler, lambda event: isinstance(event, Offers))
    assert isinstance(event, Offers)
    return event.offers


async def next_state(scheduler: Scheduler, state: TaskState) -> Update:
    event = await until(scheduler, lambda event: isinstance(event, Update) and event.state is state)
    assert isinstance(event, Update)
    return event


async def start_sleeper(scheduler: Scheduler, task_id: str = "sleeper") -> Update:
    offer, *others = await next_offers(scheduler)
    scheduler.decline(others)
    scheduler.launch(offer, [offer.task("exec sleep 1000", cpus=1, mem=32, task_id=task_id)])
    return await next_state(scheduler, TaskState.TASK_RUNNING)


def names_of_frameworks(cluster: Cluster, kind: str) -> list[str]:
    found = cluster.operator({"type": "GET_FRAMEWORKS"})["get_frameworks"].get(kind, [])
    return [entry["framework_info"]["name"] for entry in found]


def test_identity_in_a_file(cluster: Cluster, tmp_path: Path) -> None:
    """The next life finds its tasks, and the end forgets the identity."""
    path = tmp_path / "framework"

    async def first_life() -> str:
        async with Scheduler(masters_of(cluster), "lives", identity=path) as scheduler:
            await start_sleeper(scheduler)
            scheduler.stop(failover=True)
            return scheduler.framework_id or ""

    async def second_life() -> str:
        async with Scheduler(masters_of(cluster), "lives", identity=path) as scheduler:
            found = await next_state(scheduler, TaskState.TASK_RUNNING)
            scheduler.kill(found.task_id)
            await next_state(scheduler, TaskState.TASK_KILLED)
            return scheduler.framework_id or ""

    framework_id = asyncio.run(first_life())
    assert path.read_text().strip() == framework_id
    assert asyncio.run(second_life()) == framework_id
    assert not path.exists()
    path.write_text(framework_id)
    with pytest.raises(RemovedError, match="remove the file"):
        asyncio.run(second_life())


def test_an_exception_leaves_the_framework_for_its_next_life(cluster: Cluster, tmp_path: Path) -> None:
    path = tmp_path / "framework"

    class Broken(Handler):
        def offers(self, event: Offers) -> None:
            raise LookupError(event.offers[0].hostname)

    with pytest.raises(LookupError, match="host"):
        asyncio.run(run(Scheduler(masters_of(cluster), "broken", identity=path), Broken()))
    assert path.exists()
    assert "broken" in names_of_frameworks(cluster, "frameworks")


def test_stopping_in_a_handler_acknowledges_and_tears_down(cluster: Cluster) -> None:
    class Once(Handler):
        def __init__(self) -> None:
            self.seen: list[TaskState] = []

        async def offers(self, event: Offers) -> None:
            offer = event.offers[0]
            command = ["/bin/sh", "-c", 'test "$WORD" = hello && test "$PWD" = "$MESOS_SANDBOX"']
            task = offer.task(command, cpus=0.1, mem=32, ports=2, environment={"WORD": "hello"})
            assert len(ports_of(task)) == 2
            self.scheduler.launch(offer, [task])
            self.scheduler.decline(event.offers[1:])
            self.scheduler.suppress()

        def update(self, event: Update) -> None:
            self.seen.append(event.state)
            if event.is_terminal:
                self.scheduler.stop()

    handler = Once()
    asyncio.run(run(Scheduler(masters_of(cluster), "once"), handler))
    assert handler.seen[-1] is TaskState.TASK_FINISHED
    assert "once" in names_of_frameworks(cluster, "completed_frameworks")
    tasks = cluster.operator({"type": "GET_TASKS"})["get_tasks"]["completed_tasks"]
    mine = [task for task in tasks if task["framework_id"]["value"] == handler.scheduler.framework_id]
    assert [task["state"] for task in mine] == ["TASK_FINISHED"]


def test_filters(cluster: Cluster) -> None:
    """Only the agents that are wanted, never those that are not, and changed at run time."""

    async def play() -> None:
        async with Scheduler(masters_of(cluster), "picky", only_agents=["host2"]) as scheduler:
            (offer,) = await next_offers(scheduler)
            assert offer.hostname == "host2"
            scheduler.decline(offer, refuse_seconds=600)
            scheduler.set_filters(never_agents=["host2"])
            (offer,) = await next_offers(scheduler)
            assert offer.hostname == "host1"
            scheduler.launch(offer, [offer.task("exec sleep 1000", cpus=3, mem=32)])
            scheduler.set_filters(minimum={"cpus": 2, "mem": 100})
            (offer,) = await next_offers(scheduler)
            assert offer.hostname == "host2", "host1 has one cpu left"

    asyncio.run(play())


def test_a_second_scheduler_takes_over(cluster: Cluster) -> None:
    async def play() -> None:
        info = framework_info("twins", failover_timeout_seconds=600)
        async with Scheduler(masters_of(cluster), info) as first:
            await start_sleeper(first)
            info.id = first._session.info.id
            async with Scheduler(masters_of(cluster), info) as second:
                event = await until(second, lambda event: isinstance(event, Subscribed))
                assert isinstance(event, Subscribed)
                assert event.again
                with pytest.raises(FailedOverError):
                    await until(first, lambda _: False)
                assert (await next_state(second, TaskState.TASK_RUNNING)).task_id == "sleeper"

    asyncio.run(play())


def test_a_refused_framework_and_a_refused_call(cluster: Cluster) -> None:
    async def refused() -> None:
        async with Scheduler(masters_of(cluster), framework_info("bad", roles=["a b"])) as scheduler:
            await next_offers(scheduler)

    async def bad_call() -> None:
        async with Scheduler(masters_of(cluster), "bad") as scheduler:
            await next_offers(scheduler)
            scheduler.call(Call(type=Call.Type.KILL))
            await until(scheduler, lambda _: False)

    with pytest.raises(SubscriptionError, match="a b"):
        asyncio.run(refused())
    with pytest.raises(CallRefusedError, match=r"KILL was refused with 400: .*Expecting 'kill' to be present"):
        asyncio.run(bad_call())


def test_a_master_that_dies_and_comes_back(own_cluster: Cluster) -> None:
    """Tasks run on; what was asked for meanwhile is done, what ended meanwhile is told."""

    async def play() -> None:
        info = framework_info("survivor", failover_timeout_seconds=600, checkpoint=True)
        async with Scheduler(masters_of(own_cluster), info) as scheduler:
            offer, *_ = await next_offers(scheduler)
            tasks = [offer.task("exec sleep 1000", cpus=1, mem=32, task_id=name) for name in ("stays", "ends")]
            scheduler.launch(offer, tasks)
            for _ in tasks:
                await next_state(scheduler, TaskState.TASK_RUNNING)
            own_cluster.master.kill()
            await until(scheduler, lambda event: isinstance(event, Disconnected))
            scheduler.kill("ends")
            own_cluster.start_master()
            event = await until(scheduler, lambda event: isinstance(event, Subscribed))
            assert isinstance(event, Subscribed)
            assert event.again
            killed = await next_state(scheduler, TaskState.TASK_KILLED)
            assert killed.task_id == "ends", "though the master knew no such task when it came"
            scheduler.kill("stays")
            assert (await next_state(scheduler, TaskState.TASK_KILLED)).task_id == "stays"

    asyncio.run(play())


def test_a_master_that_stops_for_a_while(own_cluster: Cluster) -> None:
    """A frozen master loses nothing: calls wait for it."""

    async def play() -> None:
        async with Scheduler(masters_of(own_cluster), "patient") as scheduler:
            await start_sleeper(scheduler)
            os.kill(own_cluster.master.pid, signal.SIGSTOP)
            scheduler.kill("sleeper")
            os.kill(own_cluster.master.pid, signal.SIGCONT)
            await next_state(scheduler, TaskState.TASK_KILLED)

    asyncio.run(play())

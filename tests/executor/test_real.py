"""The executor library under real agents, driven by the scheduler library."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tepui.executor import Executor, NotAnExecutorError
from tepui.scheduler import Event, Failure, Message, Offers, Scheduler, TaskState, Update, executor_info, framework_info
from tests.conformance.cluster import Cluster, wait_until
from tests.scheduler.real import masters_of, running_cluster

TEST_SECONDS_MAX = 60
WORKER = executor_info(
    "worker", ["/usr/bin/env", f"PYTHONPATH={Path(__file__).parents[2]}", sys.executable, "-m", "tests.executor.work"]
)

pytestmark = pytest.mark.xdist_group("libraries")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running_cluster(tmp_path_factory.mktemp("executors")) as cluster:
        yield cluster


class Driver:
    """Launches tasks on the worker and waits for what comes of them."""

    def __init__(self, scheduler: Scheduler) -> None:
        self.scheduler = scheduler
        self.agent_id = ""

    async def until(self, test: Callable[[Event], bool]) -> Event:
        async with asyncio.timeout(TEST_SECONDS_MAX):
            async for event in self.scheduler:
                if test(event):
                    return event
                if isinstance(event, Offers):
                    self.scheduler.decline(event.offers, refuse_seconds=0)
        raise AssertionError("the iteration ended")

    async def launch(self, **words: str) -> None:
        event = await self.until(lambda event: isinstance(event, Offers))
        assert isinstance(event, Offers)
        offer = event.offers[0]
        self.agent_id = offer.agent_id
        tasks = [
            offer.task(executor=WORKER, task_id=task_id, data=word.encode(), cpus=0.1, mem=16)
            for task_id, word in words.items()
        ]
        self.scheduler.launch(offer, tasks, refuse_seconds=0)

    async def ended(self, task_id: str, state: TaskState) -> Update:
        event = await self.until(
            lambda event: isinstance(event, Update) and event.task_id == task_id and event.state is state
        )
        assert isinstance(event, Update)
        return event


@asynccontextmanager
async def driver(cluster: Cluster, *, checkpoint: bool = False) -> AsyncIterator[Driver]:
    info = framework_info("driver", failover_timeout_seconds=60, checkpoint=checkpoint)
    async with Scheduler(masters_of(cluster), info) as scheduler:
        yield Driver(scheduler)


def test_tasks_end_as_their_coroutines_do(cluster: Cluster) -> None:
    async def play() -> None:
        async with driver(cluster) as drive:
            await drive.launch(good="hello", bad="fail", long="sleep")
            assert (await drive.ended("good", TaskState.TASK_FINISHED)).status.data == b"HELLO"
            drive.scheduler.kill("long")
            await drive.ended("long", TaskState.TASK_KILLED)
            await drive.launch(bad2="fail")
            assert (await drive.ended("bad2", TaskState.TASK_FAILED)).status.message == "ValueError: as wanted"

    asyncio.run(play())


def test_messages_go_both_ways(cluster: Cluster) -> None:
    async def play() -> None:
        async with driver(cluster) as drive:
            await drive.launch(long="sleep")
            await drive.ended("long", TaskState.TASK_RUNNING)
            drive.scheduler.message(drive.agent_id, "worker", b"abc")
            event = await drive.until(lambda event: isinstance(event, Message))
            assert event == Message(drive.agent_id, "worker", b"cba")

    asyncio.run(play())


def test_a_handler_that_raises_ends_the_executor(cluster: Cluster) -> None:
    """Its tasks are ended first; the exception leaves the process with a traceback and status 1."""

    async def play() -> None:
        async with driver(cluster) as drive:
            await drive.launch(long="sleep")
            await drive.ended("long", TaskState.TASK_RUNNING)
            drive.scheduler.message(drive.agent_id, "worker", b"raise")
            await drive.ended("long", TaskState.TASK_KILLED)
            event = await drive.until(lambda event: isinstance(event, Failure))
            assert isinstance(event, Failure)
            assert event.status == 1 << 8

    asyncio.run(play())
    logs = cluster.agents[0].sandbox_root.glob("**/runs/*/stderr")
    assert any("LookupError: a handler's own" in log.read_text() for log in logs)


def test_shutdown_ends_tasks_in_their_own_way(cluster: Cluster) -> None:
    async def play() -> None:
        async with driver(cluster) as drive:
            await drive.launch(tidy="clean")
            await drive.ended("tidy", TaskState.TASK_RUNNING)

    asyncio.run(play())  # leaving tears the framework down, which shuts its executors down
    root = cluster.agents[0].sandbox_root
    wait_until(lambda: list(root.glob("**/runs/*/ended-tidy")), "the task cleaned up")


def test_an_executor_needs_an_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MESOS_FRAMEWORK_ID", raising=False)
    with pytest.raises(NotAnExecutorError, match="MESOS_FRAMEWORK_ID is not set: an executor is started by an agent"):
        Executor()

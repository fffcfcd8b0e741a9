"""The executor's shell against a scripted transport."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from tepui.executor import Environment, Executor, Launch, Settings, Shutdown, TaskInfo, TaskRunner, TaskState, run
from tepui.model.v1.executor import Call, Event
from tepui.testing import ACCEPTED, CUT, TEST_SECONDS_MAX, ExecutorTransport, ScriptedStream, executor_events

SUBSCRIBED = executor_events.subscribed()
SHUTDOWN = executor_events.shutdown()


def launch(task_id: str) -> Event:
    return executor_events.launch(executor_events.task(task_id))


def acknowledge(stream: ScriptedStream, update: Call.Update) -> None:
    stream.send(executor_events.acknowledge(update.status))


def make(transport: ExecutorTransport, *, checkpoint: bool = True) -> Executor:
    settings = Settings(checkpoint=checkpoint, backoff_seconds_max=0.002, shutdown_grace_seconds=0.05)
    environment = Environment("f", "e", "a:1", settings, token="secret")
    return Executor(environment, transport=transport, random=Random(0))


class Runner(TaskRunner):
    """Task `quick` returns at once, others wait to be killed."""

    async def run_task(self, task: TaskInfo) -> bytes | None:
        if task.task_id.value != "quick":
            await asyncio.Event().wait()
        return b"done"


def states(calls: list[Call]) -> list[tuple[str, str]]:
    return [(call.update.status.task_id.value, call.update.status.state.value) for call in calls if call.update]


@pytest.mark.parametrize("is_cut", [True, False])
def test_an_agent_that_comes_back_is_told_everything(is_cut: bool) -> None:
    """Tasks run on meanwhile; updates that failed or were not acknowledged come with the next subscription."""

    async def main() -> None:
        transport = ExecutorTransport()
        transport.answer = lambda _: CUT if is_cut else ACCEPTED
        executor = make(transport)
        running = asyncio.create_task(run(Runner(), executor))
        async with asyncio.timeout(TEST_SECONDS_MAX):
            first = await transport.stream(1)
            first.send(SUBSCRIBED, launch("quick"), launch("long"))
            await transport.wait(lambda: len(states(transport.calls)) >= (1 if is_cut else 3))
            first.cut()
            second = await transport.stream(2)
            subscribe = transport.subscriptions[1].subscribe
            assert subscribe is not None
            assert {task.task_id.value for task in subscribe.unacknowledged_tasks} == {"quick", "long"}
            told = [(update.status.task_id.value, update.status.state) for update in subscribe.unacknowledged_updates]
            assert told == [
                ("quick", TaskState.TASK_RUNNING),
                ("long", TaskState.TASK_RUNNING),
                ("quick", TaskState.TASK_FINISHED),
            ]
            transport.answer = lambda _: ACCEPTED
            second.send(SUBSCRIBED)
            for update in subscribe.unacknowledged_updates:
                acknowledge(second, update)
            second.send(executor_events.kill("long"))
            await transport.wait(lambda: ("long", "TASK_KILLED") in states(transport.calls))
            executor.stop()
            killed = transport.calls[-1].update
            assert killed is not None
            assert not running.done(), "it waits for the agent"
            acknowledge(second, killed)
            await running
        assert transport.is_closed

    asyncio.run(main())


def test_a_lost_agent_without_checkpointing_is_the_end() -> None:
    async def main() -> None:
        transport = ExecutorTransport()
        async with asyncio.timeout(TEST_SECONDS_MAX), make(transport, checkpoint=False) as executor:
            stream = await transport.stream(1)
            stream.send(SUBSCRIBED, launch("long"))
            stream.cut()
            events = [event async for event in executor]
        assert isinstance(events[1], Launch)
        assert events[-1] == Shutdown("cut", 0.05)
        assert len(transport.streams) == 1

    asyncio.run(main())


def test_shutdown_kills_tasks_also_those_that_have_just_begun() -> None:
    async def main() -> None:
        transport = ExecutorTransport()
        running = asyncio.create_task(run(Runner(), make(transport)))
        async with asyncio.timeout(TEST_SECONDS_MAX):
            stream = await transport.stream(1)
            stream.send(SUBSCRIBED, launch("long"), SHUTDOWN)
            await transport.wait(lambda: ("long", "TASK_KILLED") in states(transport.calls))
            await running

    asyncio.run(main())

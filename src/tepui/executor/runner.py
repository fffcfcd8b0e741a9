"""An executor that runs each task as a coroutine: derive from `TaskRunner`, write `run_task`, call `run`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from tepui.executor.client import Executor
from tepui.executor.events import Kill, Launch, Message, Shutdown
from tepui.model.v1.mesos import TaskInfo, TaskState

SHUTDOWN_SHARE = 0.8
"""Of the grace after `Shutdown` tasks get this share; the rest is for their last updates."""


class TaskRunner:
    """What to do for each task. `executor` is set before the first."""

    executor: Executor

    async def run_task(self, task: TaskInfo) -> bytes | None:
        """Do the task's work. What is returned travels with TASK_FINISHED; an exception makes it TASK_FAILED with its
        text. A kill cancels this: clean up, raise on, and it is TASK_KILLED."""
        raise NotImplementedError

    def message(self, data: bytes) -> Awaitable[None] | None:
        """The scheduler says something. An exception here ends the executor."""


async def run(runner: TaskRunner, executor: Executor | None = None) -> None:
    """Be the executor until the agent shuts it down, `executor.stop()` is called, or something raises."""
    async with executor or Executor() as active:
        runner.executor = active
        work: dict[str, asyncio.Task[None]] = {}
        seconds = active.environment.settings.shutdown_grace_seconds * SHUTDOWN_SHARE
        try:
            async for event in active:
                match event:
                    case Launch(tasks):
                        for task in tasks:
                            _start(runner, task, work)
                    case Kill(task_id):
                        if task_id in work:
                            work[task_id].cancel()
                    case Message(data):
                        done = runner.message(data)
                        if done is not None:
                            await done
                    case Shutdown(_, grace_seconds):
                        seconds = grace_seconds * SHUTDOWN_SHARE
                        break
        finally:
            ending = list(work.values())
            for running in ending:
                running.cancel()
            if ending:
                await asyncio.wait(ending, timeout=seconds)


def _start(runner: TaskRunner, task: TaskInfo, work: dict[str, asyncio.Task[None]]) -> None:
    task_id = task.task_id.value

    def ended(running: asyncio.Task[None]) -> None:
        del work[task_id]
        if running.cancelled():
            runner.executor.update(task_id, TaskState.TASK_KILLED)

    runner.executor.update(task_id, TaskState.TASK_RUNNING)
    work[task_id] = asyncio.create_task(_run_task(runner, task))
    work[task_id].add_done_callback(ended)


async def _run_task(runner: TaskRunner, task: TaskInfo) -> None:
    task_id = task.task_id.value
    try:
        data = await runner.run_task(task)
    except Exception as error:
        runner.executor.update(task_id, TaskState.TASK_FAILED, message=f"{type(error).__name__}: {error}")
    else:
        runner.executor.update(task_id, TaskState.TASK_FINISHED, data=data)

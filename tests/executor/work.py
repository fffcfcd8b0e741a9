"""An executor for tests, run by an agent: does what each task's data says."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tepui.executor import TaskInfo, TaskRunner, run


class Worker(TaskRunner):
    async def run_task(self, task: TaskInfo) -> bytes | None:
        word = (task.data or b"").decode()
        if word == "fail":
            raise ValueError("as wanted")
        if word == "echo":
            self.executor.message(b"echo")
        if word in ("sleep", "clean"):
            try:
                await asyncio.Event().wait()
            finally:
                Path(f"ended-{task.task_id.value}").touch()
        return word.upper().encode()

    def message(self, data: bytes) -> None:
        if data == b"raise":
            raise LookupError("a handler's own")
        self.executor.message(data[::-1])


if __name__ == "__main__":
    asyncio.run(run(Worker()))

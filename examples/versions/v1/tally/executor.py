"""Tally's executor, first version. A task's data is a path; the answer is the number of words and who counted them."""

import asyncio
from pathlib import Path

from tepui import executor

from . import VERSION


class Counter(executor.TaskRunner):
    """Runs on the agents, one process each."""

    async def run_task(self, task: executor.TaskInfo) -> bytes:
        path = Path((task.data or b"").decode())
        words = len((await asyncio.to_thread(path.read_text)).split())
        return f"{words} words, counted by tally {VERSION} in {Path(__file__).parent}".encode()


if __name__ == "__main__":
    asyncio.run(executor.run(Counter()))

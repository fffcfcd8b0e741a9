"""Tally's executor, second version. A task's data and the answer are JSON, which the first version does not understand.

Words shorter than TALLY_LETTERS, of the executor's environment, do not count.
"""

import asyncio
import json
import os
from pathlib import Path

from tepui import executor

from . import VERSION


class Counter(executor.TaskRunner):
    """Runs on the agents, one process each."""

    async def run_task(self, task: executor.TaskInfo) -> bytes:
        path = Path(json.loads(task.data or b"")["path"])
        text = await asyncio.to_thread(path.read_text)
        words = [word.casefold() for word in text.split() if len(word) >= int(os.environ["TALLY_LETTERS"])]
        by = f"tally {VERSION} in {Path(__file__).parent}"
        return json.dumps({"words": len(words), "different": len(set(words)), "by": by}).encode()


if __name__ == "__main__":
    asyncio.run(executor.run(Counter()))

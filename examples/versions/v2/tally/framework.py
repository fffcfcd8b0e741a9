"""Tally's scheduler, second version.

PYTHONPATH=examples/versions/v2 python -m tally.framework 127.0.0.1:5050 LETTERS FILE ...
"""

import asyncio
import json
import sys
from pathlib import Path

from tepui.scheduler import Handler, Offers, Scheduler, TaskState, Update, executor_info, run

from . import VERSION

HOME = Path(__file__).resolve().parents[1]
"""The folder that holds this version of the package."""


class Tally(Handler):
    """Has every file counted and prints what comes back."""

    def __init__(self, letters: str, paths: list[str]) -> None:
        self.waiting = list(paths)
        self.left = len(paths)
        # This interpreter, hence its virtual environment, and this version's code: whatever else the agent may have.
        command = [sys.executable, "-m", "tally.executor"]
        environment = {"PYTHONPATH": str(HOME), "TALLY_LETTERS": letters}
        self.executor = executor_info("tally", command, environment=environment)

    def offers(self, event: Offers) -> None:
        for offer in event.offers:
            tasks = []
            while self.waiting and offer.fits(cpus=0.5, mem=16, executor=self.executor):
                order = {"path": str(Path(self.waiting.pop()).resolve())}
                tasks.append(offer.task(executor=self.executor, data=json.dumps(order).encode(), cpus=0.5, mem=16))
            self.scheduler.launch(offer, tasks)

    def update(self, event: Update) -> None:
        if event.state is TaskState.TASK_FINISHED:
            answer = json.loads(event.status.data or b"")
            print(f"{answer['words']} words, {answer['different']} different, counted by {answer['by']}")
            self.left -= 1
            if not self.left:
                self.scheduler.stop()
        elif event.is_terminal:
            raise RuntimeError(f"A task ended as {event.state.value}: {event.status.message}")


if __name__ == "__main__":
    if len(sys.argv) < 4 or not sys.argv[2].isdecimal():
        print("usage: python -m tally.framework HOST:PORT LETTERS FILE...", file=sys.stderr)
        sys.exit(2)
    asyncio.run(run(Scheduler(sys.argv[1], f"tally {VERSION}"), Tally(sys.argv[2], sys.argv[3:])))

"""Counts primes on a cluster, with an executor of its own: one process an agent runs many small tasks.

    python examples/primes.py 127.0.0.1:5050 200000

Both halves are in this file; agents on other machines would need it, and the library, there too.
"""

import asyncio
import json
import shlex
import sys
from pathlib import Path

from tepui import executor
from tepui.scheduler import Handler, Offers, Scheduler, TaskState, Update, executor_info, run

STEP = 10_000


class PrimeExecutor(executor.TaskRunner):
    """Runs on the agents."""

    async def run_task(self, task: executor.TaskInfo) -> bytes:
        first, last = json.loads(task.data or b"")
        return str(await asyncio.to_thread(count_primes, first, last)).encode()


def count_primes(first: int, last: int) -> int:
    return sum(all(number % factor for factor in range(2, int(number**0.5) + 1)) for number in range(first, last))


class PrimeScheduler(Handler):
    """Hands out ranges and adds up what comes back."""

    def __init__(self, last: int) -> None:
        self.waiting = [(first, min(first + STEP, last)) for first in range(2, last, STEP)]
        self.tasks_left = len(self.waiting)
        self.primes = 0
        command = f"exec {shlex.quote(sys.executable)} {shlex.quote(str(Path(__file__).resolve()))} --executor"
        self.executor = executor_info("primes", command)

    def offers(self, event: Offers) -> None:
        for offer in event.offers:
            tasks = []
            while self.waiting and offer.fits(cpus=0.5, mem=16, executor=self.executor):
                data = json.dumps(self.waiting.pop()).encode()
                tasks.append(offer.task(executor=self.executor, data=data, cpus=0.5, mem=16))
            self.scheduler.launch(offer, tasks)

    def update(self, event: Update) -> None:
        if event.state is TaskState.TASK_FINISHED:
            self.primes += int(event.status.data or b"")
            self.tasks_left -= 1
            if not self.tasks_left:
                self.scheduler.stop()
        elif event.is_terminal:
            raise RuntimeError(f"A task ended as {event.state.value}: {event.status.message}")


if __name__ == "__main__":
    if sys.argv[1:] == ["--executor"]:
        asyncio.run(executor.run(PrimeExecutor()))
    elif len(sys.argv) != 3 or not sys.argv[2].isdecimal() or int(sys.argv[2]) < 3:
        print("usage: primes.py HOST:PORT END    (END is a number from 3 on)", file=sys.stderr)
        sys.exit(2)
    else:
        primes = PrimeScheduler(int(sys.argv[2]))
        asyncio.run(run(Scheduler(sys.argv[1], "primes"), primes))
        print(f"{primes.primes} primes below {sys.argv[2]}")

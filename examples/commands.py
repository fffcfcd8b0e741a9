"""Runs commands on a cluster, as many at once as fit, and says how each ended.

python examples/commands.py 127.0.0.1:5050 'echo hello' 'sleep 1' 'exit 3'
"""

import asyncio
import sys

from tepui.scheduler import CallLost, Offers, Scheduler, TaskState, Update


async def run_commands(masters: str, commands: list[str]) -> int:
    """The number of commands that failed."""
    waiting = {str(number): command for number, command in enumerate(commands)}
    ended: dict[str, TaskState] = {}
    async with Scheduler(masters, "commands", minimum={"cpus": 1, "mem": 64}) as scheduler:
        async for event in scheduler:
            match event:
                case Offers(offers):
                    for offer in offers:
                        tasks = []
                        while waiting and offer.fits(cpus=1, mem=64):
                            task_id, command = waiting.popitem()
                            tasks.append(offer.task(command, cpus=1, mem=64, task_id=task_id))
                        scheduler.launch(offer, tasks)
                case CallLost(sent=False):
                    waiting |= {task_id: commands[int(task_id)] for task_id in event.task_ids}
                case Update() if event.is_terminal:
                    ended[event.task_id] = event.state
                    print(f"{event.state.value} {commands[int(event.task_id)]!r}: {event.status.message}")
            if len(ended) == len(commands):
                scheduler.stop()
    return sum(state is not TaskState.TASK_FINISHED for state in ended.values())


if __name__ == "__main__":
    if len(sys.argv) < 3:
        print("usage: commands.py HOST:PORT COMMAND...", file=sys.stderr)
        sys.exit(2)
    sys.exit(1 if asyncio.run(run_commands(sys.argv[1], sys.argv[2:])) else 0)

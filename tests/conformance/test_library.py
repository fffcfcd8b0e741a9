"""Our library for schedulers with a master, be it ours or Apache Mesos: calls that do not wait for each other."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from tepui.model.v1.mesos import TaskState
from tepui.scheduler import Offers, Scheduler, Update, executor_info
from tests.conformance.client import get_json
from tests.conformance.cluster import Cluster, wait_until

KILLED_TASKS = 30
FINISHED_TASKS = 100
TURNS = 30
"""So often offers are turned off and on again at once."""
DEADLINE_SECONDS = 60.0

pytestmark = pytest.mark.timeout(120)


async def launch_and_kill(cluster: Cluster, executor_command: str) -> Counter[TaskState]:
    """More calls at once than may be on their way, which fail in any other order than the one in which they are made.
    How each task ended."""
    ends: Counter[TaskState] = Counter()
    executor = executor_info("library", executor_command)
    address = ":".join(map(str, cluster.master_address))
    async with Scheduler(address, "library", minimum={"cpus": 3}) as scheduler:
        launched = False
        async for event in scheduler:
            match event:
                case Offers([offer, *_]) if not launched:
                    launched = True
                    names = [f"t{number}" for number in range(KILLED_TASKS + FINISHED_TASKS)]
                    tasks = [
                        offer.task(cpus=0.01, task_id=name, executor=executor, data=data)
                        for name, data in zip(
                            names, [b"run"] * KILLED_TASKS + [b"finish"] * FINISHED_TASKS, strict=True
                        )
                    ]
                    for _ in range(TURNS):
                        scheduler.revive()
                        scheduler.suppress()
                    scheduler.launch(offer, tasks, refuse_seconds=0)
                    for name in names[:KILLED_TASKS]:
                        scheduler.kill(name, offer.agent_id)
                case Offers():
                    break  # offers are turned on at last, and the tasks' resources are free again
                case Update() if event.status.state in (TaskState.TASK_STARTING, TaskState.TASK_RUNNING):
                    pass
                case Update():
                    ends[event.state] += 1
                    if ends.total() == KILLED_TASKS + FINISHED_TASKS:
                        for _ in range(TURNS):
                            scheduler.suppress()
                            scheduler.revive()
    return ends


def test_calls_are_taken_in_the_order_in_which_they_are_made(fresh_cluster: Cluster, executor_command: str) -> None:
    fresh_cluster.start(agents=1)

    async def play() -> Counter[TaskState]:
        async with asyncio.timeout(DEADLINE_SECONDS):
            return await launch_and_kill(fresh_cluster, executor_command)

    ends = asyncio.run(play())
    assert ends == {TaskState.TASK_KILLED: KILLED_TASKS, TaskState.TASK_FINISHED: FINISHED_TASKS}

    def counted() -> bool:
        metrics = get_json(fresh_cluster.master_address, "/metrics/snapshot")
        updates = metrics["master/valid_status_updates"]
        return bool(updates) and metrics["master/valid_status_update_acknowledgements"] == updates

    wait_until(counted, "every update is acknowledged")

"""CPU time per task life of the agent's journal, at several batch sizes: launch, two updates, two acknowledgements."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from uuid import uuid4

from tepui.agent.journal import JournalRecord, TaskEnded, TaskLaunched, UpdateAcknowledged, UpdateReceived
from tepui.model.v1.mesos import AgentID, Resource, TaskID, TaskInfo, TaskState, TaskStatus, Value
from tepui.storage.journal import Journal

LIVES = 10_000


def _resource(name: str, amount: float) -> Resource:
    return Resource(name=name, type=Value.Type.SCALAR, scalar=Value.Scalar(value=amount))


def _status(task_id: str, state: TaskState) -> TaskStatus:
    return TaskStatus(
        task_id=TaskID(value=task_id),
        state=state,
        source=TaskStatus.Source.SOURCE_EXECUTOR,
        agent_id=AgentID(value="agent-S0"),
        timestamp=1795223677.37741,
        uuid=uuid4().bytes,
    )


def lives(count: int) -> list[list[JournalRecord]]:
    """The records of each task life in the order they are written."""
    result: list[list[JournalRecord]] = []
    for number in range(count):
        task_id = f"task-{number:06}"
        info = TaskInfo(
            name=task_id,
            task_id=TaskID(value=task_id),
            agent_id=AgentID(value="agent-S0"),
            resources=[_resource("cpus", 0.1), _resource("mem", 32)],
        )
        running, finished = _status(task_id, TaskState.TASK_RUNNING), _status(task_id, TaskState.TASK_FINISHED)
        result.append(
            [
                TaskLaunched("framework", "run", info),
                UpdateReceived("framework", task_id, running),
                UpdateAcknowledged("framework", task_id, running.uuid or b""),
                UpdateReceived("framework", task_id, finished),
                TaskEnded("framework", task_id),
            ]
        )
    return result


def measure(batch: int) -> float:
    """Microseconds per life when each commit carries one step of `batch` tasks."""
    work = lives(LIVES)
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(Path(folder) / "journal.sqlite")
        began = time.process_time()
        for start in range(0, LIVES, batch):
            tasks = work[start : start + batch]
            for step in range(5):
                journal.commit([task[step] for task in tasks])
        spent = time.process_time() - began
        journal.close()
    return spent / LIVES * 1e6


if __name__ == "__main__":
    for size in (1, 5, 20, 100):
        print(f"journal, batches of {size:3}: {measure(size):6.1f} us per task life")

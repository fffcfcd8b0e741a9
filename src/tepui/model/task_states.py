"""Which states of a task are final."""

from __future__ import annotations

from tepui.model.v1.mesos import TaskState

TERMINAL_STATES = frozenset(
    {
        TaskState.TASK_FINISHED,
        TaskState.TASK_FAILED,
        TaskState.TASK_KILLED,
        TaskState.TASK_ERROR,
        TaskState.TASK_LOST,
        TaskState.TASK_DROPPED,
        TaskState.TASK_GONE,
        TaskState.TASK_GONE_BY_OPERATOR,
    }
)
"""States that are never left (Mesos: task states). UNREACHABLE and UNKNOWN are not: their tasks may still run."""

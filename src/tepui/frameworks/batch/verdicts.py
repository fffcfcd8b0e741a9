"""What a task's update means for the run of a command."""

from __future__ import annotations

from tepui.frameworks.batch.machine import Verdict
from tepui.scheduler import TaskState, TaskStatus

_Reason = TaskStatus.Reason
_VERDICTS = {
    TaskState.TASK_STAGING: Verdict.ALIVE,
    TaskState.TASK_STARTING: Verdict.ALIVE,
    TaskState.TASK_RUNNING: Verdict.ALIVE,
    TaskState.TASK_KILLING: Verdict.ALIVE,
    TaskState.TASK_FINISHED: Verdict.SUCCEEDED,
    TaskState.TASK_FAILED: Verdict.FAILED,
    TaskState.TASK_KILLED: Verdict.FAILED,
    TaskState.TASK_ERROR: Verdict.INVALID,
    TaskState.TASK_LOST: Verdict.LOST,
    TaskState.TASK_DROPPED: Verdict.LOST,
    TaskState.TASK_GONE: Verdict.LOST,
    TaskState.TASK_GONE_BY_OPERATOR: Verdict.LOST,
    TaskState.TASK_UNREACHABLE: Verdict.AWAY,
    TaskState.TASK_UNKNOWN: Verdict.UNKNOWN,
}
_NOT_ITS_FAULT = frozenset(
    {
        _Reason.REASON_AGENT_DISCONNECTED,
        _Reason.REASON_AGENT_DRAINING,
        _Reason.REASON_AGENT_REMOVED,
        _Reason.REASON_AGENT_REMOVED_BY_OPERATOR,
        _Reason.REASON_AGENT_RESTARTED,
        _Reason.REASON_CONTAINER_PREEMPTED,
        _Reason.REASON_EXECUTOR_REGISTRATION_TIMEOUT,
        _Reason.REASON_EXECUTOR_REREGISTRATION_TIMEOUT,
    }
)
"""A task that FAILED or was KILLED for these was lost with its agent."""


def verdict_of(status: TaskStatus) -> Verdict:
    """The verdict of an update."""
    verdict = _VERDICTS[status.state]
    return Verdict.LOST if verdict is Verdict.FAILED and status.reason in _NOT_ITS_FAULT else verdict


def why_of(status: TaskStatus) -> str:
    """The update's message, or its state in words."""
    return (status.message or status.state.value.removeprefix("TASK_").lower()).rstrip(".")

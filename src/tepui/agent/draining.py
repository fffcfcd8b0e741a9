"""Draining: the agent ends all of its tasks within a grace, and takes no more until it is in service again.

The master says what is wanted, and says it again over each new link, for the agent may have been away when it changed.
A drain is stored before the first kill, so that what executors report after a restart of the agent still carries the
reason of the drain (Mesos: draining of agents).
"""

from __future__ import annotations

from collections.abc import Iterable

from tepui.agent import executors, updates
from tepui.agent.commands import KILL_GRACE_SECONDS
from tepui.agent.context import Context
from tepui.agent.journal import DrainSet, Record
from tepui.agent.state import ExecutorKind, Framework, Task
from tepui.model.link import Drain
from tepui.model.v1.mesos import DrainConfig, DurationInfo, KillPolicy, TaskState, TaskStatus

SENTENCE = "The agent is draining"

_DEFAULT_GRACE = DurationInfo(nanoseconds=int(KILL_GRACE_SECONDS * 1e9))


def drain(context: Context, message: Drain) -> None:
    """What the master wants: a drain under these terms, or none."""
    state = context.state
    if message.config is None:
        if state.drain_config is not None:
            state.drain_config = state.drain_start_time = None
            context.store([DrainSet(state.agent_id)])
            context.change("in service again")
        return
    token = 0
    if state.drain_config != message.config:
        if state.drain_start_time is None:
            state.drain_start_time = float(int(context.now))
        state.drain_config = message.config
        token = context.store([DrainSet(state.agent_id, message.config, state.drain_start_time)])
        context.change("draining")
    context.when_stored(token, _kill_tasks)


def recover(context: Context, records: Iterable[Record]) -> None:
    """A drain of this agent holds over its restart; one of an agent with another id means nothing."""
    state = context.state
    for record in records:
        if isinstance(record, DrainSet) and record.agent_id == state.agent_id:
            state.drain_config, state.drain_start_time = record.config, record.started_at


def _kill_tasks(context: Context) -> None:
    config = context.state.drain_config
    if config is None:
        return
    for framework in list(context.state.frameworks.values()):
        if not framework.terminating:
            for task in list(framework.tasks.values()):
                executors.kill_task(context, task, _policy(config, task))


def _policy(config: DrainConfig, task: Task) -> KillPolicy | None:
    """The grace that the drain allows, where it is shorter than the task's own; None where the task's own counts."""
    longest = config.max_grace_period
    if longest is None:
        return None
    own = None if task.info.kill_policy is None else task.info.kill_policy.grace_period
    if own is None and task.executor is not None and task.executor.kind is not ExecutorKind.CUSTOM:
        own = _DEFAULT_GRACE
    if own is not None and own.nanoseconds <= longest.nanoseconds:
        return None
    return KillPolicy(grace_period=longest)


def refusal(context: Context, framework: Framework) -> tuple[TaskState, TaskStatus.Reason, str] | None:
    """Why no task of the framework is launched here, while the agent drains."""
    config = context.state.drain_config
    if config is None:
        return None
    gone = config.mark_gone and framework.partition_aware
    state = TaskState.TASK_GONE_BY_OPERATOR if gone else updates.lost_or_dropped(framework)
    return state, TaskStatus.Reason.REASON_AGENT_DRAINING, SENTENCE

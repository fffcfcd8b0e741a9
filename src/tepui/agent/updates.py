"""Status updates: from an executor, or from the agent itself, to the master until they are acknowledged.

Each task has one stream. Only its oldest update is outstanding; the next one follows its acknowledgement. An
outstanding update is sent again after 10 s, then after twice as long each time, up to 10 min, and at once over a new
link. What a framework checkpoints is in the journal before the executor hears ACKNOWLEDGED and before the master hears
of it. A uuid seen before is a duplicate. A terminal state is never left.
"""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy
from math import isfinite

from tepui.agent.context import Context
from tepui.agent.events import UnlinkVolumes
from tepui.agent.history import end_task
from tepui.agent.journal import JournalRecord, UpdateAcknowledged, UpdateReceived
from tepui.agent.state import Executor, ExecutorKind, Framework, Task
from tepui.model.link import Acknowledge, StatusUpdate
from tepui.model.shell import SendLink
from tepui.model.task_states import TERMINAL_STATES
from tepui.model.v1.executor import Event as ExecutorEvent
from tepui.model.v1.mesos import DrainConfig, ExecutorID, TaskID, TaskInfo, TaskState, TaskStatus

PENDING_UPDATES_MAX = 100
"""When so many updates of one task wait, a new one takes the place of the newest."""
SEEN_UUIDS_MAX = 256
"""How many of the newest uuids of a task are remembered."""
LONG_DATA_BYTES = 64 << 10
"""Updates with data of this length and more are paced: the link closes when too much waits to cross it, and a new link
makes all tasks' updates due at once."""
PACED_BYTES_MAX = 32 << 20
"""How much data of long updates is sent in each span of PACE_SECONDS, or one that is longer."""
PACE_SECONDS = 1.0

_ACKNOWLEDGED = ExecutorEvent.Type.ACKNOWLEDGED


def receive(context: Context, executor: Executor, status: TaskStatus) -> None:
    """Process an update of `executor` that passed validation. `status` is ours to fill in."""
    records: list[JournalRecord] = []
    task, token = accept_from_executor(context, executor, status, records)
    if records:
        context.store(records)
    context.when_stored(token, finish, executor, task, status)


def accept_from_executor(
    context: Context, executor: Executor, status: TaskStatus, records: list[JournalRecord]
) -> tuple[Task | None, int]:
    """Add an executor's update to its task's stream.

    Returns the task, and the token under which the journal stores the update. The task is None when there is nothing
    to forward: a duplicate, an unknown task, a task that has ended, a framework that is gone. The executor is to be
    told ACKNOWLEDGED in any case (`finish`), so that it drops the update.
    """
    counters = context.state.counters
    task = executor.tasks.get(status.task_id.value)
    uuid = status.uuid
    assert uuid is not None, "validated"
    if task is None:
        counters.invalid_status_updates += 1
        return None, 0
    if uuid in task.seen:
        return None, next((token for token, other in task.pending if other.uuid == uuid), 0)
    if task.framework.terminating:
        return None, 0
    if task.state in TERMINAL_STATES or task.task_id in executor.queued:
        counters.invalid_status_updates += 1
        return None, 0
    counters.valid_status_updates += 1
    _fill_in(context, executor, status)
    return task, add(context, task, status, records)


def finish(context: Context, executor: Executor, task: Task | None, status: TaskStatus) -> None:
    """The update is safe: the executor may forget it, the master may hear it."""
    if executor.session is not None:
        acknowledged = ExecutorEvent.Acknowledged(task_id=status.task_id, uuid=status.uuid or b"")
        context.send(executor, ExecutorEvent(type=_ACKNOWLEDGED, acknowledged=acknowledged))
    if task is not None:
        forward(context, task)


def _fill_in(context: Context, executor: Executor, status: TaskStatus) -> None:
    """What the agent knows better than the executor: who, when, and in which container."""
    status.agent_id = context.agent_id
    if status.timestamp is None or not isfinite(status.timestamp):
        status.timestamp = context.now
    theirs = status.container_status
    if theirs is None:
        status.container_status = executor.status
        return
    merged = copy(theirs)
    merged.container_id = executor.status.container_id
    merged.executor_pid = executor.status.executor_pid
    if not merged.network_infos:
        merged.network_infos = executor.status.network_infos
    elif any(not network.ip_addresses for network in merged.network_infos):
        merged.network_infos = [copy(network) for network in merged.network_infos]
        for network in merged.network_infos:
            network.ip_addresses = network.ip_addresses or executor.status.network_infos[0].ip_addresses
    status.container_status = merged


def add(context: Context, task: Task, status: TaskStatus, records: list[JournalRecord]) -> int:
    """Append an update to the task's stream; the journal's records for it are added to `records`.

    They must be handed to `context.store` before anything else is. Returns the token that this will have, 0 when the
    update is not journalled.
    """
    framework = task.framework
    if context.state.drain_config is not None:
        _name_drain(context.state.drain_config, framework, status)
    if task.cut_short is not None and status.state in _ENDED_BY_FORCE:
        status.reason, sentence = task.cut_short
        status.message = sentence if not status.message else f"{sentence} ({status.message})"
    uuid = status.uuid or b""
    token = 0
    if framework.checkpoint:
        token = context.store_token + 1
        records.append(UpdateReceived(framework.framework_id, task.task_id, status))
    pending = task.pending
    if len(pending) < PENDING_UPDATES_MAX:
        pending.append((token, status))
    else:
        if framework.checkpoint:
            records.append(UpdateAcknowledged(framework.framework_id, task.task_id, pending[-1][1].uuid or b""))
        pending[-1] = (token, status)
        context.state.counters.coalesced_status_updates += 1
    seen = task.seen
    if len(seen) >= SEEN_UUIDS_MAX:
        del seen[next(iter(seen))]
    seen[uuid] = None
    statuses = task.statuses
    for index, other in enumerate(statuses):
        if other.state is status.state:
            del statuses[index]
            break
    statuses.append(status)
    enter(context, task, status.state)
    executor = task.executor
    context.change(status.state.value, framework.framework_id, executor.executor_id if executor else "", task.task_id)
    return token


_ENDED_BY_FORCE = (TaskState.TASK_KILLING, TaskState.TASK_KILLED)


def _name_drain(config: DrainConfig, framework: Framework, status: TaskStatus) -> None:
    """While the agent drains, that is why its tasks are killed; with `mark_gone` they are gone (Mesos: reasons)."""
    if status.state in _ENDED_BY_FORCE:
        status.reason = TaskStatus.Reason.REASON_AGENT_DRAINING
        if config.mark_gone and framework.partition_aware and status.state is TaskState.TASK_KILLED:
            status.state = TaskState.TASK_GONE_BY_OPERATOR


def enter(context: Context, task: Task, state: TaskState) -> None:
    """The task is in a new state; what it held is free when that is the last one."""
    counters = context.state.counters
    alive = counters.tasks_alive
    if task.executor is not None:
        alive[task.state] -= 1
    task.state = state
    if state not in TERMINAL_STATES:
        alive[state] = alive.get(state, 0) + 1
        return
    counters.tasks_ended[state] += 1
    executor = task.executor
    if executor is not None:
        executor.resources -= task.resources
        if task.volumes and task.delivered and executor.kind is ExecutorKind.CUSTOM:
            context.effects.append(UnlinkVolumes(executor.directory, task.volumes))


def forward(context: Context, task: Task) -> None:
    """Send the task's oldest update, unless it is outstanding or not stored yet."""
    if task.retry_level < 0 and task.pending and context.state.welcomed:
        token, status = task.pending[0]
        if token <= context.stored_token:
            _send(context, task, status)


def _send(context: Context, task: Task, status: TaskStatus) -> None:
    data = status.data
    if data is not None and len(data) >= LONG_DATA_BYTES and not _in_pace(context, len(data)):
        task.retry_level = -1
        context.deferred[task] = None
        return
    task.forwarded = status
    level = task.retry_level + 1
    if level == len(context.retry_seconds):
        level -= 1
    task.retry_level = level
    context.retries[level][task] = context.now + context.retry_seconds[level]
    link = context.state.link
    assert link is not None, "welcomed"
    message = StatusUpdate(framework_id=task.framework.framework_id, status=status, latest=task.state)
    context.effects.append(SendLink(link, message))


def _in_pace(context: Context, size: int) -> bool:
    """Whether a long update may be sent now, and note that it is."""
    if context.now >= context.paced_since + PACE_SECONDS:
        context.paced_since = context.now
        context.paced_bytes = 0
    if context.paced_bytes and context.paced_bytes + size > PACED_BYTES_MAX:
        return False
    context.paced_bytes += size
    return True


def acknowledge(context: Context, message: Acknowledge) -> None:
    """The scheduler has the update. A uuid that is not the outstanding one is ignored."""
    framework = context.state.frameworks.get(message.framework_id)
    task = framework.tasks.get(message.task_id) if framework is not None else None
    if task is None or not task.pending:
        return
    status = task.pending[0][1]
    if status.uuid != message.uuid:
        return
    del task.pending[0]
    context.stop_retrying(task)
    records: list[JournalRecord] = []
    if status.state in TERMINAL_STATES:
        end_task(context, task, records)
    elif task.framework.checkpoint:
        records.append(UpdateAcknowledged(message.framework_id, message.task_id, message.uuid))
    if records:
        context.store(records)
    forward(context, task)


def resend_due(context: Context) -> None:
    """Send again what has waited too long for its acknowledgement."""
    now = context.now
    if not context.state.welcomed:
        return
    for level, retries in enumerate(context.retries):
        due: list[Task] = []
        for task, when in retries.items():
            if when > now:
                break
            due.append(task)
        for task in due:
            del context.retries[level][task]
            context.state.counters.resent_status_updates += 1
            _send(context, task, task.pending[0][1])
    if context.deferred and now >= context.paced_since + PACE_SECONDS:
        deferred, context.deferred = context.deferred, {}
        forward_all(context, deferred)


def next_retry(context: Context) -> float | None:
    """When the next update is to be sent again."""
    if not context.state.welcomed:
        return None
    heads = [next(iter(retries.values())) for retries in context.retries if retries]
    if context.deferred:
        heads.append(context.paced_since + PACE_SECONDS)
    return min(heads) if heads else None


def resend_all(context: Context) -> None:
    """A master has just admitted the agent: send it the oldest update of every task, with fresh back-offs."""
    for retries in context.retries:
        retries.clear()
    context.deferred.clear()
    for framework in context.state.frameworks.values():
        for task in framework.tasks.values():
            task.retry_level = -1
            forward(context, task)


def resend(context: Context, framework: Framework) -> None:
    """A framework's scheduler is there again: send it the outstanding updates, with fresh back-offs.

    Not those that have only just been sent, as when a master that admits the agent names its frameworks.
    """
    for task in framework.tasks.values():
        level = task.retry_level
        if level >= 0 and context.retries[level][task] < context.now + context.retry_seconds[level]:
            context.stop_retrying(task)
            forward(context, task)


def forget(context: Context, task: Task) -> None:
    """Nobody wants the task's updates any more; the task itself goes on until its executor ends."""
    task.pending.clear()
    context.stop_retrying(task)


def own(status: TaskStatus) -> TaskStatus:
    """A copy to fill in: who sent the message may still use it."""
    return copy(status)


def agent_status(
    context: Context,
    executor_id: ExecutorID | None,
    task_id: TaskID,
    state: TaskState,
    reason: TaskStatus.Reason | None,
    message: str,
) -> TaskStatus:
    """An update that the agent itself makes."""
    return TaskStatus(
        task_id=task_id,
        state=state,
        message=message,
        source=TaskStatus.Source.SOURCE_AGENT,
        reason=reason,
        agent_id=context.agent_id,
        executor_id=executor_id,
        timestamp=context.now,
        uuid=context.ids.bytes(),
    )


def lost_or_dropped(framework: Framework) -> TaskState:
    """How a task that never ran is called to this framework."""
    return TaskState.TASK_DROPPED if framework.partition_aware else TaskState.TASK_LOST


def refuse(
    context: Context,
    framework: Framework,
    info: TaskInfo,
    state: TaskState,
    reason: TaskStatus.Reason,
    message: str,
    records: list[JournalRecord],
    executor_id: ExecutorID | None = None,
) -> Task:
    """A task that is not here and will not be: all that it gets is a stream for its terminal update."""
    task_id = info.task_id.value
    task = Task(framework=framework, task_id=task_id, info=info)
    framework.tasks[task_id] = task
    add(context, task, agent_status(context, executor_id, info.task_id, state, reason, message), records)
    return task


def store_and_forward(context: Context, tasks: list[Task], records: list[JournalRecord]) -> None:
    """Send updates that the agent made on their way, after the journal has them."""
    if records:
        context.when_stored(context.store(records), forward_all, tasks)
    else:
        forward_all(context, tasks)


def forward_all(context: Context, tasks: Iterable[Task]) -> None:
    for task in tasks:
        forward(context, task)

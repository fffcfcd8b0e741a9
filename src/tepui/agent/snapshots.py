"""The snapshot with which each link begins: everything that a master must know, in parts that a frame can hold.

What frameworks describe may be long (labels, commands, messages of updates), and a link closes when too much waits to
cross it. So a snapshot is cut into parts, and so many bytes of it leave in each span of time; the last part says that
it is the last. The master admits the agent when it has them all.
"""

from __future__ import annotations

from copy import copy

import msgspec

from tepui.agent import operations
from tepui.agent.context import Context
from tepui.agent.history import without_data
from tepui.agent.state import Executor, ExecutorKind, Framework, Task
from tepui.agent.views import executor_id_of
from tepui.model.link import HeldExecutor, HeldTask, Snapshot
from tepui.model.shell import SendLink

SNAPSHOT = "snapshot"
"""The deadline at which the next parts leave."""
PART_BYTES_MAX = 16 << 20
"""A part is closed at this length; one thing that is longer has a part of its own."""
HELD_TASK_BYTES_MAX = 32 << 20
"""A longer task is told without its history of updates, so that its part fits a frame."""
PACED_BYTES_MAX = 32 << 20
PACE_SECONDS = 1.0
"""How many bytes of parts leave in each span of time; at least one part does."""

_encode = msgspec.msgpack.Encoder().encode


def begin(context: Context, link: str) -> None:
    """Send the snapshot over a new link: its first parts now, the others when their time comes."""
    context.snapshot_parts.clear()
    context.snapshot_parts.extend(_parts(context))
    context.timers.cancel((SNAPSHOT, ""))
    _send(context, link)


def go_on(context: Context) -> None:
    """Send the next parts."""
    if context.state.link is not None:
        _send(context, context.state.link)


def give_up(context: Context) -> None:
    """The link is gone, and with it whoever the other parts were for."""
    context.snapshot_parts.clear()
    context.timers.cancel((SNAPSHOT, ""))


def _send(context: Context, link: str) -> None:
    parts = context.snapshot_parts
    sent = 0
    while parts:
        size, part = parts[0]
        if sent and sent + size > PACED_BYTES_MAX:
            context.timers.set((SNAPSHOT, ""), context.now + PACE_SECONDS)
            return
        parts.popleft()
        part.more = bool(parts)
        context.effects.append(SendLink(link, part))
        sent += size


def _parts(context: Context) -> list[tuple[int, Snapshot]]:
    """Parts with their lengths, in the order of resources, operations, frameworks, their executors, their tasks."""
    state = context.state
    parts = [Snapshot()]
    sizes = [0]

    def part_for(thing: msgspec.Struct) -> Snapshot:
        size = len(_encode(thing))
        if sizes[-1] and sizes[-1] + size > PART_BYTES_MAX:
            parts.append(Snapshot())
            sizes.append(0)
        sizes[-1] += size
        return parts[-1]

    state.told_resources = state.checkpointed
    for resource in state.checkpointed.messages():
        part_for(resource).resources.append(resource)
    for operation in operations.messages(state):
        part_for(operation).operations.append(operation)
    for framework in state.frameworks.values():
        if framework.terminating:
            # Its updates are forgotten, so a master that does not know it could never be rid of its tasks.
            continue
        if framework.described:
            part_for(framework.info).frameworks.append(framework.info)
        for executor in framework.executors.values():
            if executor.kind is not ExecutorKind.COMMAND:
                held = _held_executor(framework, executor)
                part_for(held).executors.append(held)
        for task in framework.tasks.values():
            told = _held_task(framework, task)
            part_for(told).tasks.append(told)
    return list(zip(sizes, parts, strict=True))


def _held_executor(framework: Framework, executor: Executor) -> HeldExecutor:
    return HeldExecutor(framework_id=framework.framework_id, info=executor.info, container_id=executor.run)


def _held_task(framework: Framework, task: Task) -> HeldTask:
    info = copy(task.info)
    info.executor = None
    info.data = None  # the master keeps none
    held = HeldTask(
        framework_id=framework.framework_id,
        info=info,
        state=task.state,
        pending=without_data(task.pending[0][1]) if task.pending else None,
        executor_id=executor_id_of(task),
        statuses=[without_data(status) for status in task.statuses],
    )
    if len(held.statuses) > 1 and len(_encode(held)) > HELD_TASK_BYTES_MAX:
        held.statuses = []
    return held

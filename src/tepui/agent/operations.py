"""Operations on the agent's resources, and what it remembers of them: reservations, volumes, unacknowledged statuses.

    ApplyOperation ──> directories of new volumes are made ──> stored ──> directories of destroyed ones are moved away
                                                                                            │
        what came over the link meanwhile is heard <── OperationUpdate <── in force <───────┘

One operation at a time. From its arrival until it is in force the agent hears nothing else over the link but pings, so
that launches and operations take effect in the order in which the master sent them, and nothing is said that a crash
could undo. An operation is idempotent by its uuid.

The master has counted on the outcome. When there is another one (a disk that fails, resources that are not here), the
agent says so, and then what it has (`CheckpointedResources`).

The status of an operation with an id is told like a task's update: again after 10 s, then after twice as long each
time, up to 10 min, and at once over a new link, until it is acknowledged. One without an id is told once.
"""

from __future__ import annotations

from collections.abc import Iterable

from tepui.agent import volumes
from tepui.agent.context import Context
from tepui.agent.events import MakeVolumes, RemoveVolumes, VolumeErased, VolumesMade, VolumesMoved
from tepui.agent.journal import (
    JournalRecord,
    OperationForgotten,
    OperationHeld,
    Record,
    ResourcesCheckpointed,
    VolumeDoomed,
    VolumeForgotten,
)
from tepui.agent.state import ApplyingOperation, HeldOperation, State
from tepui.agent.volumes import VolumeDirectory, VolumeLink
from tepui.model.link import AcknowledgeOperation, ApplyOperation, CheckpointedResources, OperationUpdate
from tepui.model.operations import apply_checkpointed, checkpointed, conversion, needs_checkpoint
from tepui.model.resources import Resources
from tepui.model.shell import SendLink
from tepui.model.v1.mesos import UUID, FrameworkID, Operation, OperationState, OperationStatus

OPERATION = "operation"
"""The deadline by which an unacknowledged status is told again. The subject is the operation's uuid in hexadecimal."""

OPERATIONS_MAX = 10_000
"""When so many statuses wait for their acknowledgement, further operations with an id are dropped."""
SETTLED_MAX = 1000
"""Of so many operations that nobody asks about any more the agent remembers what became of them."""


# Applying.


def apply(context: Context, message: ApplyOperation) -> None:
    """Begin to apply an operation, or say again what became of one that is known."""
    state = context.state
    held = state.operations.get(message.operation_uuid)
    settled = state.settled_operations.get(message.operation_uuid)
    if held is not None:
        _send(context, held)
    elif settled is not None:
        context.tell(_update(message.operation_uuid, message.framework_id, settled))
    elif state.stopping is None:
        status = _status(context, message)
        work = state.applying = ApplyingOperation(message, status)
        try:
            made = _plan(context, work)
        except ValueError as error:
            _fail(context, work, OperationState.OPERATION_DROPPED, str(error))
            return
        if made:
            context.effects.append(MakeVolumes(message.operation_uuid, made))
        else:
            _store(context, work)


def _status(context: Context, message: ApplyOperation) -> OperationStatus:
    operation_id = message.info.id
    return OperationStatus(
        operation_id=operation_id,
        state=OperationState.OPERATION_FINISHED,
        uuid=None if operation_id is None else UUID(value=context.ids.bytes()),
        agent_id=context.agent_id,
    )


def _plan(context: Context, work: ApplyingOperation) -> tuple[VolumeDirectory, ...]:
    """What the agent will have, and which directories are doomed; returns those to be made.

    Raises ValueError with a sentence when the operation cannot be applied here.
    """
    state = context.state
    work_dir = context.config.work_dir
    operation = work.message.info
    if operation.id is not None and len(state.operations) >= OPERATIONS_MAX:
        raise ValueError(f"{OPERATIONS_MAX} operations on this agent wait for their acknowledgement; acknowledge some")
    consumed, converted = conversion(operation).unallocated()
    if not state.total.contains(consumed):
        raise ValueError(f"The agent does not have {consumed}; it has {state.total}")
    total = state.total - consumed + converted
    before = volumes.directories(consumed, work_dir)
    after = volumes.directories(converted, work_dir)
    made = tuple(directory for directory in after if directory not in before)
    removed = [directory for directory in before if directory not in after]
    if made:
        here = volumes.directories(state.checkpointed, work_dir)
        for directory in made:
            if directory in here:
                raise ValueError(f"There is a volume at {_path(directory)} already: {here[directory]}")
    for directory in removed:
        if in_use(state, work_dir, directory):
            raise ValueError(f"The volume at {_path(directory)} is in use: {before[directory]}")
    work.total = total
    work.doomed = {context.ids.text(): directory for directory in removed}
    return made


def _path(directory: VolumeDirectory) -> str:
    return "/".join((directory.root.rstrip("/"), *directory.parts))


def in_use(state: State, work_dir: str, directory: VolumeDirectory) -> bool:
    """Whether an executor that runs, or a task of one that has not ended, holds the volume."""
    return any(directory in volumes.directories(executor.resources, work_dir) for executor in state.runs.values())


def volumes_made(context: Context, event: VolumesMade) -> None:
    """The directories of new volumes are there, or cannot be made: then the operation has failed."""
    work = context.state.applying
    if work is None or work.message.operation_uuid != event.operation_uuid:
        return
    if event.why:
        _fail(context, work, OperationState.OPERATION_FAILED, event.why)
    else:
        _store(context, work)


def _fail(context: Context, work: ApplyingOperation, state: OperationState, why: str) -> None:
    work.status.state = state
    work.status.message = why
    work.total = None
    work.doomed = {}
    _store(context, work)


def _store(context: Context, work: ApplyingOperation) -> None:
    """Have the outcome stored before it is said, or anything is erased."""
    message = work.message
    records: list[JournalRecord] = []
    if work.total is not None:
        records.append(ResourcesCheckpointed(checkpointed(work.total).messages()))
        records += [VolumeDoomed(trash, directory) for trash, directory in work.doomed.items()]
    if work.status.uuid is not None:
        records.append(OperationHeld(message.operation_uuid, message.framework_id, message.info, work.status))
    if records:
        context.when_stored(context.store(records), _in_force, work)
    else:
        _finish(context, work)


def _in_force(context: Context, work: ApplyingOperation) -> None:
    state = context.state
    if work.total is not None:
        state.total = work.total
        state.checkpointed = checkpointed(work.total)
    if work.doomed:
        state.doomed_volumes.update(work.doomed)
        context.effects.append(RemoveVolumes(work.message.operation_uuid, tuple(work.doomed.items())))
    else:
        _finish(context, work)


def volumes_moved(context: Context, event: VolumesMoved) -> None:
    """The directories of destroyed volumes are out of the way: new ones may take their places."""
    work = context.state.applying
    if work is not None and work.message.operation_uuid == event.operation_uuid:
        _finish(context, work)


def _finish(context: Context, work: ApplyingOperation) -> None:
    state = context.state
    message, status = work.message, work.status
    state.applying = None
    kind = "" if message.info.type is None else message.info.type.value
    detail = f"{kind} {message.operation_uuid.hex()}"
    if status.message is not None:
        detail = f"{detail}: {status.message}"
    context.change(f"operation {status.state.value}", message.framework_id, detail=detail)
    if status.uuid is not None:
        held = HeldOperation(message.operation_uuid, message.framework_id, message.info, status)
        state.operations[message.operation_uuid] = held
        _send(context, held)
    else:
        _settle(state, message.operation_uuid, status)
        context.tell(_update(message.operation_uuid, message.framework_id, status))
    if work.total is None:
        _correct(context)


def _correct(context: Context) -> None:
    """The master counts on something else than what is here."""
    context.tell(CheckpointedResources(resources=context.state.checkpointed.messages()))


def volume_erased(context: Context, event: VolumeErased) -> None:
    """Nothing is left of a destroyed volume."""
    if context.state.doomed_volumes.pop(event.trash, None) is not None:
        context.store([VolumeForgotten(event.trash)])


# Telling.


def _update(operation_uuid: bytes, framework_id: str, status: OperationStatus) -> OperationUpdate:
    return OperationUpdate(operation_uuid=operation_uuid, framework_id=framework_id, status=status)


def _send(context: Context, held: HeldOperation) -> None:
    state = context.state
    if not state.welcomed or state.link is None:
        return
    held.retry_level = min(held.retry_level + 1, len(context.retry_seconds) - 1)
    due = context.now + context.retry_seconds[held.retry_level]
    context.timers.set((OPERATION, held.operation_uuid.hex()), due)
    message = _update(held.operation_uuid, held.framework_id, held.status)
    context.effects.append(SendLink(state.link, message))


def due(context: Context, subject: str) -> None:
    """A status has waited too long for its acknowledgement."""
    held = context.state.operations.get(bytes.fromhex(subject))
    if held is not None:
        _send(context, held)


def resend_all(context: Context) -> None:
    """A master has just admitted the agent: tell it the status of every operation, with fresh back-offs.

    The snapshot that it knows may be older than the last operation, which it must know to have been answered first.
    """
    for held in context.state.operations.values():
        held.retry_level = -1
        _send(context, held)
    if context.state.checkpointed != context.state.told_resources:
        _correct(context)


def acknowledge(context: Context, message: AcknowledgeOperation) -> None:
    """Whoever asked for the operation has its status. A uuid that is not the status's is ignored."""
    held = context.state.operations.get(message.operation_uuid)
    if held is not None and held.status.uuid is not None and held.status.uuid.value == message.status_uuid:
        _forget(context, [held])


def forget_framework(context: Context, framework_id: str) -> None:
    """The framework is gone, so that nobody waits for its operations any more."""
    operations = context.state.operations.values()
    forgotten = [held for held in operations if held.framework_id == framework_id]
    if forgotten:
        _forget(context, forgotten)


def _forget(context: Context, forgotten: list[HeldOperation]) -> None:
    for held in forgotten:
        del context.state.operations[held.operation_uuid]
        context.timers.cancel((OPERATION, held.operation_uuid.hex()))
        status = held.status
        _settle(
            context.state,
            held.operation_uuid,
            OperationStatus(
                operation_id=status.operation_id, state=status.state, message=status.message, agent_id=status.agent_id
            ),
        )
    context.store([OperationForgotten(held.operation_uuid) for held in forgotten])


def _settle(state: State, operation_uuid: bytes, status: OperationStatus) -> None:
    settled = state.settled_operations
    settled[operation_uuid] = status
    if len(settled) > SETTLED_MAX:
        settled.popitem(last=False)


# For others.


def messages(state: State) -> list[Operation]:
    """The operations that are held, for operators and for the snapshot."""
    return [
        Operation(
            framework_id=FrameworkID(value=held.framework_id) if held.framework_id else None,
            agent_id=state.info.id,
            info=held.info,
            latest_status=held.status,
            statuses=[held.status],
            uuid=UUID(value=held.operation_uuid),
        )
        for held in state.operations.values()
    ]


def lacks(state: State, resources: Resources) -> bool:
    """Whether some of `resources` would have to be checkpointed here and are not (Mesos: resources unknown)."""
    for kind, _ in resources:
        if not kind.plain and needs_checkpoint(kind):
            break
    else:
        return False
    return not state.checkpointed.contains(checkpointed(resources).unallocated())


def links(context: Context, resources: Resources) -> tuple[VolumeLink, ...]:
    """Where a run with these resources sees its persistent volumes. Raises ValueError with a sentence."""
    for kind, _ in resources:
        if not kind.plain:
            break
    else:
        return ()
    work_dir = context.config.work_dir
    return volumes.links(resources, work_dir, lambda directory: in_use(context.state, work_dir, directory))


def recover(context: Context, records: Iterable[Record]) -> None:
    """Take over what an earlier incarnation on this work directory stored.

    Raises ResourceError when the agent was started with less than what is reserved on it.
    """
    state = context.state
    for record in records:
        match record:
            case ResourcesCheckpointed(resources=resources):
                state.checkpointed = Resources.of(resources)
            case OperationHeld(operation_uuid=uuid):
                state.operations[uuid] = HeldOperation(uuid, record.framework_id, record.info, record.status)
            case VolumeDoomed(trash=trash, directory=directory):
                state.doomed_volumes[trash] = directory
    state.total = apply_checkpointed(Resources.of(state.info.resources), state.checkpointed)

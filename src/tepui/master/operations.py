"""Operations on agents' resources: applied here at once, by the agent later, and told to whoever asked.

    applied here ──ApplyOperation──> agent ──OperationUpdate──> framework ──acknowledgement──> agent; forgotten here

The master counts on the outcome before the agent has it: what an operation makes can be offered and used at once, since
the agent hears of everything in the order in which it was sent. An operation without an id is forgotten with its first
terminal status. One with an id is told to its framework until that acknowledges it (Mesos: operation feedback).

An agent's snapshot says what it has; that replaces what the master counted on. An operation that the agent does not
know never arrived. One with an id is sent again: the agent remembers it until it is acknowledged, so that nothing is
applied twice. One without is dropped, since the agent may have applied and forgotten it.

Operations whose framework is over are orphans. The master acknowledges their statuses itself, so that agents can forget
them; it does the same for frameworks that have not come back when agents have had their time to.
"""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy

from tepui.master import messages, offers
from tepui.master.context import Context
from tepui.master.operation_validation import MEMBERS, messages_of
from tepui.master.records import OperationAdded, OperationRemoved, OperationUpdated
from tepui.master.state import Agent, Framework, Operation, State
from tepui.model import link
from tepui.model.operations import Conversion, apply_checkpointed, conversion
from tepui.model.resource_kind import reservation_stack
from tepui.model.resources import ResourceError, Resources
from tepui.model.v1 import mesos, scheduler
from tepui.model.v1.mesos import UUID, AgentInfo, OperationState, OperationStatus, Resource

Info = mesos.Offer.Operation
_State = OperationState

TERMINAL: dict[OperationState, str] = {
    _State.OPERATION_FINISHED: "finished",
    _State.OPERATION_FAILED: "failed",
    _State.OPERATION_ERROR: "error",
    _State.OPERATION_DROPPED: "dropped",
    _State.OPERATION_GONE_BY_OPERATOR: "gone_by_operator",
}
"""The states that an operation never leaves, by what metrics call them."""
SETTLED_MAX = 1000
"""Of so many operators' operations that are over the master remembers what became of them."""


# What is counted.


def _scopes(kind: Info.Type | None) -> tuple[str, ...]:
    if kind is None or kind not in MEMBERS:
        return ("master/operations",)
    return ("master/operations", f"master/operations/{kind.value.lower()}")


def _count_added(context: Context, info: Info) -> None:
    for scope in _scopes(info.type):
        context.metrics.levels[f"{scope}/total"] += 1
        context.metrics.levels[f"{scope}/pending"] += 1


def _count_ended(context: Context, info: Info, state: OperationState) -> None:
    end = TERMINAL.get(state)
    for scope in _scopes(info.type):
        context.metrics.levels[f"{scope}/pending"] -= 1
        if end is not None:
            context.metrics.counters[f"{scope}/{end}"] += 1


def refuse(context: Context, framework: Framework, info: Info, why: str) -> None:
    """The operation is not applied; whoever gave it an id hears why."""
    _count_added(context, info)
    _count_ended(context, info, _State.OPERATION_ERROR)
    if info.id is not None:
        context.send(framework, messages.operation_status(info.id, _State.OPERATION_ERROR, why))


# Whether it may be.

_ACTIONS: dict[Info.Type, tuple[str, str]] = {
    Info.Type.RESERVE: ("reserve_resources", "reserve resources"),
    Info.Type.UNRESERVE: ("unreserve_resources", "unreserve resources"),
    Info.Type.CREATE: ("create_volumes", "create persistent volumes"),
    Info.Type.DESTROY: ("destroy_volumes", "destroy persistent volumes"),
    Info.Type.GROW_VOLUME: ("resize_volumes", "grow a volume"),
    Info.Type.SHRINK_VOLUME: ("resize_volumes", "shrink a volume"),
}
"""What an authorizer is asked, and how a refusal calls it."""


def unauthorized(context: Context, principal: str | None, info: Info) -> str | None:
    """Why `principal` may not do this to these resources. Whom they are reserved for counts, or by whom, or who created
    the volume (Mesos: objects of authorization)."""
    action = None if info.type is None else _ACTIONS.get(info.type)
    if action is None:
        return None
    name, doing = action
    for message in messages_of(info):
        for subject in _objects(info, message):
            if not context.authorizer(principal, name, subject):
                who = "Not" if principal is None else f"Principal '{principal}' not"
                return f"{who} authorized to {doing}"
    return None


def _objects(info: Info, message: Resource) -> tuple[str, ...]:
    stack = reservation_stack(message)
    if info.type is Info.Type.UNRESERVE:
        return (stack[-1].principal or "",) if stack else ()
    if info.type is Info.Type.DESTROY:
        persistence = None if message.disk is None else message.disk.persistence
        return () if persistence is None else (persistence.principal or "",)
    return (stack[-1].role,) if stack else ("*",)


# Coming to be.


def normalised(info: Info, role: str | None = None) -> Info:
    """The operation with its resources in one form: reservations as stacks, each with the role it is allocated to."""

    def form(given: list[Resource]) -> list[Resource]:
        return [message for each in given for message in Resources.of([each], role).messages()]

    result = copy(info)
    if info.reserve is not None:
        result.reserve = Info.Reserve(source=form(info.reserve.source), resources=form(info.reserve.resources))
    if info.unreserve is not None:
        result.unreserve = Info.Unreserve(resources=form(info.unreserve.resources))
    if info.create is not None:
        result.create = Info.Create(volumes=form(info.create.volumes))
    if info.destroy is not None:
        result.destroy = Info.Destroy(volumes=form(info.destroy.volumes))
    if info.grow_volume is not None:
        volume, addition = form([info.grow_volume.volume]), form([info.grow_volume.addition])
        if volume and addition:
            result.grow_volume = Info.GrowVolume(volume=volume[0], addition=addition[0])
    if info.shrink_volume is not None:
        volume = form([info.shrink_volume.volume])
        if volume:
            result.shrink_volume = Info.ShrinkVolume(volume=volume[0], subtract=info.shrink_volume.subtract)
    return result


def begin(context: Context, agent: Agent, framework: Framework | None, info: Info, done: Conversion) -> Operation:
    """The operation has been applied to the allocator's books: make it known, and have the agent apply it.

    `done` is what it does to the agent's resources.
    """
    consumed, converted = done.unallocated()
    agent.total = agent.total - consumed + converted
    status = OperationStatus(operation_id=info.id, state=_State.OPERATION_PENDING, agent_id=agent.info.id)
    framework_id = "" if framework is None else framework.framework_id
    operation = Operation(context.ids.bytes(), framework_id, agent.agent_id, info, status)
    _add(context, agent, operation)
    _count_added(context, info)
    _send(context, agent, operation)
    return operation


def rescind_offered(context: Context, agent: Agent, volumes: Resources) -> None:
    """Volumes are about to go: offers of them end. Only shared ones can be offered while others hold them."""
    gone = volumes.unallocated()
    for offer in list(agent.offers.values()):
        if any(kind.unallocated is wanted for kind, _ in offer.resources for wanted, _ in gone):
            offers.rescind(context, offer, "a volume in it is destroyed")


def _send(context: Context, agent: Agent, operation: Operation) -> None:
    context.tell(
        agent,
        link.ApplyOperation(operation_uuid=operation.uuid, framework_id=operation.framework_id, info=operation.info),
    )


def _add(context: Context, agent: Agent, operation: Operation) -> None:
    elsewhere = _found(context, operation)
    if elsewhere is not None:  # an agent that was given a new id took it along
        _forget(context, context.state.agents[elsewhere.agent_id], elsewhere, "another agent has it")
    agent.operations[operation.uuid] = operation
    _attach(context, operation)
    context.record(
        OperationAdded(operation.uuid.hex(), operation.framework_id, agent.agent_id, operation.info.type), operation
    )


def _found(context: Context, operation: Operation) -> Operation | None:
    """What its framework, or nobody, is known to have under the same UUID."""
    framework = context.state.frameworks.get(operation.framework_id)
    known = context.state.orphans.get(operation.framework_id, {}) if framework is None else framework.operations
    return known.get(operation.uuid)


def _attach(context: Context, operation: Operation) -> None:
    """Let its framework know it, if there is one."""
    if not operation.framework_id:
        return
    framework = context.state.frameworks.get(operation.framework_id)
    if framework is None:
        context.state.orphans.setdefault(operation.framework_id, {})[operation.uuid] = operation
        return
    framework.operations[operation.uuid] = operation
    if operation.info.id is not None:
        framework.operation_uuids[operation.info.id.value] = operation.uuid


def adopt(context: Context, framework: Framework) -> None:
    """A framework has become known: operations that agents told of before are its own."""
    for operation in context.state.orphans.pop(framework.framework_id, {}).values():
        _attach(context, operation)


# Statuses.


def updated(context: Context, agent: Agent, message: link.OperationUpdate) -> None:
    """An agent tells what became of an operation: keep it, pass it on."""
    counters = context.metrics.counters
    counters["master/messages_operation_status_update"] += 1
    operation = agent.operations.get(message.operation_uuid)
    status = message.status
    if operation is None:
        counters["master/invalid_operation_status_updates"] += 1
    else:
        counters["master/valid_operation_status_updates"] += 1
        _keep(context, operation, status)
    framework = context.state.frameworks.get(message.framework_id)
    if status.uuid is None:
        if operation is not None and status.state in TERMINAL:
            _forget(context, agent, operation, "its end needs no acknowledgement")
    elif framework is None:
        if _is_over(context, message.framework_id):
            _acknowledge_for(context, agent, message.operation_uuid, status.uuid)
    elif framework.session is not None and not framework.backlogged:
        context.send(framework, messages.operation_update(status))


def _keep(context: Context, operation: Operation, status: OperationStatus) -> None:
    """Note a status of the operation; a terminal one is final."""
    if operation.latest.state in TERMINAL:
        return
    operation.latest = status
    operation.statuses = [kept for kept in operation.statuses if kept.state is not status.state]
    operation.statuses.append(status)
    if status.state in TERMINAL:
        _count_ended(context, operation.info, status.state)
    context.record(
        OperationUpdated(operation.uuid.hex(), operation.framework_id, operation.agent_id, status.state), operation
    )


def _is_over(context: Context, framework_id: str) -> bool:
    """Whether nobody will acknowledge for this framework, which is not known."""
    if not framework_id or framework_id in context.state.completed_frameworks:
        return True
    config = context.config
    return context.now >= config.elected_time + config.agent_reregister_timeout_seconds


def _acknowledge_for(context: Context, agent: Agent, uuid: bytes, status_uuid: UUID) -> None:
    """Acknowledge in place of a framework that is over; the operation is forgotten."""
    context.tell(agent, link.AcknowledgeOperation(operation_uuid=uuid, status_uuid=status_uuid.value))
    operation = agent.operations.get(uuid)
    if operation is not None:
        _forget(context, agent, operation, "its framework is over")


def acknowledge(context: Context, framework: Framework, call: scheduler.Call.AcknowledgeOperationStatus) -> None:
    """ACKNOWLEDGE_OPERATION_STATUS: the agent may forget the operation, and so does the master."""
    agent = context.state.agents.get("" if call.agent_id is None else call.agent_id.value)
    operation = framework.operations.get(framework.operation_uuids.get(call.operation_id.value, b""))
    counters = context.metrics.counters
    if (
        agent is None
        or agent.link is None
        or operation is None
        or operation.agent_id != agent.agent_id
        or operation.latest.uuid is None
        or operation.latest.uuid.value != call.uuid
    ):
        counters["master/invalid_operation_status_update_acknowledgements"] += 1
        return
    counters["master/valid_operation_status_update_acknowledgements"] += 1
    context.tell(agent, link.AcknowledgeOperation(operation_uuid=operation.uuid, status_uuid=call.uuid))
    if operation.latest.state in TERMINAL:
        _forget(context, agent, operation, "acknowledged")


# The end.


def _forget(context: Context, agent: Agent, operation: Operation, why: str) -> None:
    state = context.state
    agent.operations.pop(operation.uuid, None)
    if agent.service is not None and not agent.operations:
        context.emptied.append(agent.agent_id)
    framework = state.frameworks.get(operation.framework_id)
    if framework is not None:
        _detach(framework, operation)
    orphans = state.orphans.get(operation.framework_id)
    if orphans is not None:
        orphans.pop(operation.uuid, None)
        if not orphans:
            del state.orphans[operation.framework_id]
    if operation.latest.state not in TERMINAL:
        _count_ended(context, operation.info, operation.latest.state)
    if not operation.framework_id:
        state.settled_operations[operation.uuid] = operation.latest
        if len(state.settled_operations) > SETTLED_MAX:
            state.settled_operations.popitem(last=False)
    context.record(OperationRemoved(operation.uuid.hex(), operation.framework_id, agent.agent_id, why), operation)


def status_of(state: State, agent_id: str, uuid: bytes) -> OperationStatus:
    """What has become of an operation: OPERATION_UNKNOWN when this master has not heard of it, or not lately."""
    agent = state.agents.get(agent_id)
    operation = None if agent is None else agent.operations.get(uuid)
    if operation is not None:
        return operation.latest
    return state.settled_operations.get(uuid) or OperationStatus(state=_State.OPERATION_UNKNOWN)


def _detach(framework: Framework, operation: Operation) -> None:
    framework.operations.pop(operation.uuid, None)
    name = operation.info.id
    if name is not None and framework.operation_uuids.get(name.value) == operation.uuid:
        del framework.operation_uuids[name.value]


def framework_removed(context: Context, framework: Framework) -> None:
    """The framework is over: what has ended is acknowledged for it, the rest when it ends."""
    operations = list(framework.operations.values())
    framework.operations.clear()
    framework.operation_uuids.clear()
    for operation in operations:
        agent = context.state.agents[operation.agent_id]
        context.state.orphans.setdefault(operation.framework_id, {})[operation.uuid] = operation
        if operation.latest.uuid is not None and operation.latest.state in TERMINAL:
            _acknowledge_for(context, agent, operation.uuid, operation.latest.uuid)


def lose(context: Context, agent: Agent, state: OperationState, sentence: str) -> None:
    """The agent is not a member any more: schedulers hear it of each operation that has not ended, without uuid.

    What becomes of the operation in the end, the agent tells if it comes back.
    """
    for operation in list(agent.operations.values()):
        framework = context.state.frameworks.get(operation.framework_id)
        if framework is not None and operation.info.id is not None and operation.latest.state not in TERMINAL:
            context.send(framework, messages.operation_status(operation.info.id, state, sentence, agent.info.id))
        if operation.latest.state not in TERMINAL:
            operation.latest = OperationStatus(
                operation_id=operation.info.id, state=state, message=sentence, agent_id=agent.info.id
            )
            if state in TERMINAL:
                _count_ended(context, operation.info, state)
        _forget(context, agent, operation, sentence)


# Agents that come, or come back.


def total_of(info: AgentInfo, snapshot: link.Snapshot) -> Resources:
    """All that an agent has, by its own account. Raises ResourceError when that contradicts itself."""
    return apply_checkpointed(Resources.of(info.resources), Resources.of(snapshot.resources))


def unfinished(
    context: Context, agent: Agent, total: Resources, snapshot: link.Snapshot
) -> tuple[Resources, list[Operation]]:
    """Operations that the agent, back with `total`, has not heard of: what it will have with those that are sent again,
    and which they are. The others are dropped."""
    known = {operation.uuid.value for operation in snapshot.operations}
    again: list[Operation] = []
    for operation in list(agent.operations.values()):
        if operation.uuid in known or operation.latest.state in TERMINAL:
            continue
        consumed, converted = conversion(operation.info).unallocated()
        if operation.info.id is not None and total.contains(consumed):
            total = total - consumed + converted
            again.append(operation)
        else:
            _drop(context, agent, operation)
    return total, again


def _drop(context: Context, agent: Agent, operation: Operation) -> None:
    state, sentence = _State.OPERATION_DROPPED, "The operation did not reach the agent"
    framework = context.state.frameworks.get(operation.framework_id)
    if framework is not None and operation.info.id is not None:
        context.send(framework, messages.operation_status(operation.info.id, state, sentence, agent.info.id))
    _keep(context, operation, OperationStatus(operation_id=operation.info.id, state=state, message=sentence))
    _forget(context, agent, operation, sentence)


def take_in(context: Context, agent: Agent, snapshot: link.Snapshot, again: Iterable[Operation] = ()) -> None:
    """Learn which operations the agent holds, and send again those that never arrived."""
    for held in snapshot.operations:
        status = held.latest_status
        operation = agent.operations.get(held.uuid.value)
        framework_id = "" if held.framework_id is None else held.framework_id.value
        if operation is not None:
            _keep(context, operation, status)
            continue
        operation = Operation(
            held.uuid.value, framework_id, agent.agent_id, held.info, status, list(held.statuses or [status])
        )
        _add(context, agent, operation)
        _count_added(context, held.info)
        if status.state in TERMINAL:
            _count_ended(context, held.info, status.state)
        if framework_id in context.state.completed_frameworks and status.uuid is not None:
            _acknowledge_for(context, agent, operation.uuid, status.uuid)
    for operation in again:
        _send(context, agent, operation)


def invalid_snapshot(info: AgentInfo, snapshot: link.Snapshot) -> str | None:
    """Why what the agent says of its resources cannot be."""
    try:
        total_of(info, snapshot)
    except ResourceError as error:
        return f"Invalid checkpointed resources: {error}"
    return None

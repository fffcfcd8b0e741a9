"""Operators' operations: RESERVE_RESOURCES, CREATE_VOLUMES and the like, on what is free on an agent or only offered.

Such an operation takes what is free, and as many offers of the agent as it needs beyond that are rescinded. What tasks
use it cannot have (Mesos: operations by operators).
"""

from __future__ import annotations

from tepui.master import offers, operation_validation, operations, state
from tepui.master.context import Context
from tepui.master.events import OperatorCall
from tepui.master.operation_validation import Requester
from tepui.master.state import Agent
from tepui.model.operations import Operation, conversion
from tepui.model.operators import agent_text
from tepui.model.resources import Resources
from tepui.model.v1.master import Call

_Type = Operation.Type

OPERATION_ID_HEADER = "Tepui-Operation-Id"
"""Of a 202: the operation's UUID in hexadecimal."""

_NAMED_ON_AGENT = frozenset({_Type.RESERVE, _Type.CREATE, _Type.GROW_VOLUME, _Type.SHRINK_VOLUME})
"""Operations whose refusal names the agent."""


def call(context: Context, event: OperatorCall) -> None:
    """Answer one of the six calls: 202 when the agent is asked for it, 400 when it is wrong, 409 when it cannot be now.

    A header of the 202 names the operation, so that its end can be asked for.
    """
    wanted = _wanted(event.call)
    if wanted is None:
        context.answer(event.request, 501, "")
        return
    agent_id, operation = wanted
    agent = context.state.agents.get(agent_id)
    if agent is None:
        context.answer(event.request, 400, "No agent found with specified ID")
        return
    why = operation_validation.malformed(operation)
    if why is None:
        operation = operations.normalised(operation)
        why = operation_validation.invalid(operation, agent, Requester(None, event.principal))
        if why is not None:
            why = f"{_prefix(operation, agent)}{why}"
    if why is not None:
        context.answer(event.request, 400, why)
        return
    why = operations.unauthorized(context, event.principal, operation)
    if why is not None:
        context.answer(event.request, 403, why)
        return
    begun = _apply(context, agent, operation)
    if isinstance(begun, str):
        context.answer(event.request, 409, begun)
    else:
        context.answer(event.request, 202, headers=((OPERATION_ID_HEADER, begun.uuid.hex()),))


def _wanted(call: Call) -> tuple[str, Operation] | None:
    """The agent and the operation that a call is about."""
    if call.reserve_resources is not None:
        reserve = call.reserve_resources
        return reserve.agent_id.value, Operation(
            type=_Type.RESERVE, reserve=Operation.Reserve(source=reserve.source, resources=reserve.resources)
        )
    if call.unreserve_resources is not None:
        unreserve = call.unreserve_resources
        return unreserve.agent_id.value, Operation(
            type=_Type.UNRESERVE, unreserve=Operation.Unreserve(resources=unreserve.resources)
        )
    if call.create_volumes is not None:
        create = call.create_volumes
        return create.agent_id.value, Operation(type=_Type.CREATE, create=Operation.Create(volumes=create.volumes))
    if call.destroy_volumes is not None:
        destroy = call.destroy_volumes
        return destroy.agent_id.value, Operation(type=_Type.DESTROY, destroy=Operation.Destroy(volumes=destroy.volumes))
    if call.grow_volume is not None and call.grow_volume.agent_id is not None:
        grow = call.grow_volume
        return call.grow_volume.agent_id.value, Operation(
            type=_Type.GROW_VOLUME, grow_volume=Operation.GrowVolume(volume=grow.volume, addition=grow.addition)
        )
    if call.shrink_volume is not None and call.shrink_volume.agent_id is not None:
        shrink = call.shrink_volume
        return call.shrink_volume.agent_id.value, Operation(
            type=_Type.SHRINK_VOLUME,
            shrink_volume=Operation.ShrinkVolume(volume=shrink.volume, subtract=shrink.subtract),
        )
    return None


def _prefix(operation: Operation, agent: Agent) -> str:
    kind = "" if operation.type is None else operation.type.value
    where = ""
    if operation.type in _NAMED_ON_AGENT:
        where = f" on agent {agent_text(agent.agent_id, agent.address, agent.info)}"
    return f"Invalid {kind} operation{where}: "


def _apply(context: Context, agent: Agent, operation: Operation) -> state.Operation | str:
    """Apply a valid operation to what is free, and have the agent apply it; or tell why it cannot be now."""
    if agent.link is None or agent.leaving:
        return f"Agent {agent.agent_id} is not connected; try again when it is back"
    done = conversion(operation)
    free = context.allocator.free(agent.agent_id)
    if not free.contains(done.consumed):
        reachable = free
        for offer in agent.offers.values():
            reachable = reachable + offer.resources.unallocated().non_shared()
        if not reachable.contains(done.consumed):
            return f"{_in_order(agent, reachable)} does not contain {done.consumed}"
        _rescind_for(context, agent, done.consumed.without(free))
    if operation.type is _Type.DESTROY:
        operations.rescind_offered(context, agent, done.consumed)
    context.allocator.convert_free(agent.agent_id, *done)
    return operations.begin(context, agent, None, operation, done)


def _in_order(agent: Agent, resources: Resources) -> Resources:
    """The same, in the order in which the agent lists its resources."""
    amounts = dict(resources)
    return Resources((kind, amounts[kind]) for kind, _ in agent.total if kind in amounts)


def _rescind_for(context: Context, agent: Agent, missing: Resources) -> None:
    """Rescind the oldest offers that have something of what is missing, until nothing is."""
    for offer in list(agent.offers.values()):
        if not missing:
            return
        left = missing.without(offer.resources.unallocated())
        if left != missing:
            offers.rescind(context, offer, "an operator takes its resources")
            missing = left

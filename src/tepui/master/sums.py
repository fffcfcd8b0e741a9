"""Sums over the master's records: who uses and is offered how much. For readers; the allocator keeps its own books."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tepui.master.state import Agent, Framework, State, Task
from tepui.model.quantities import Quantities, add_quantities
from tepui.model.resource_kind import SCALAR, Kind
from tepui.model.resources import Resources
from tepui.model.roles import ancestors


def total_of(parts: Iterable[Resources]) -> Resources:
    """The sum of many resources. Most tasks share theirs with others, and with the task before: those are only counted,
    so that tens of thousands take some milliseconds."""
    counted: dict[int, list[Any]] = {}
    last: Resources | None = None
    entry: list[Any] = []
    for part in parts:
        if part is not last:
            last = part
            entry = counted.setdefault(id(part), [part, 0])
        entry[1] += 1
    amounts: dict[Kind, int] = {}
    others = Resources.NONE
    for part, number in counted.values():
        for kind, amount in part:
            if type(amount) is int:
                amounts[kind] = amounts.get(kind, 0) + amount * number
            else:
                for _ in range(number):
                    others += Resources([(kind, amount)])
    return Resources(amounts.items()) + others


def quantities_of(parts: Iterable[Resources]) -> Quantities:
    """The scalars in the sum of many resources."""
    result: Quantities = {}
    for part in parts:
        add_quantities(result, part.quantities())
    return result


def parts_used_on(agent: Agent) -> Iterable[Resources]:
    """What each task that holds resources and each executor on the agent has."""
    for tasks in agent.tasks.values():
        for task in tasks.values():
            if not task.released:
                yield task.resources
    for executors in agent.executors.values():
        for executor in executors.values():
            yield executor.resources


def parts_used_by(framework: Framework, tasks: Iterable[Task] | None = None) -> Iterable[Resources]:
    """What each of the framework's tasks that hold resources and each of its executors has; `tasks` are those that
    count, where the caller has them."""
    for task in framework.tasks.values() if tasks is None else tasks:
        if not task.released:
            yield task.resources
    for executors in framework.executors.values():
        for executor in executors.values():
            yield executor.resources


def used_on(agent: Agent) -> Resources:
    """What tasks and executors have of the agent together."""
    return total_of(parts_used_on(agent))


def used_by(framework: Framework, tasks: Iterable[Task] | None = None) -> Resources:
    """What the framework's tasks and executors have together; `tasks` as in `parts_used_by`."""
    return total_of(parts_used_by(framework, tasks))


def offered(holder: Agent | Framework) -> Resources:
    """What is offered of an agent, or to a framework."""
    return total_of(offer.resources for offer in holder.offers.values())


def consumed_on(agent: Agent) -> dict[str, Quantities]:
    """By top-level role, what counts against its quota on the agent, what is offered to it counted in."""
    result: dict[str, Quantities] = {}
    for role, resources in agent.total.reservations().items():
        add_quantities(result.setdefault(role.partition("/")[0], {}), resources.quantities())
    for kind, amount in (*used_on(agent), *offered(agent)):
        role_ = kind.allocated_to
        if kind.type is SCALAR and role_ is not None and not kind.reservations and not kind.revocable:
            add_quantities(result.setdefault(role_.partition("/")[0], {}), {kind.name: kind.scalar_of(amount)})
    return result


@dataclass(slots=True)
class RoleSums:
    """What a role holds, those below it counted in."""

    allocated: Quantities = field(default_factory=dict)
    """Used by tasks and executors."""
    offered: Quantities = field(default_factory=dict)
    reserved: Quantities = field(default_factory=dict)
    consumed: Quantities = field(default_factory=dict)
    """What counts against its quota: reservations, and unreserved non-revocable resources allocated."""
    frameworks: list[str] = field(default_factory=list)
    """Ids of those that subscribe to exactly this role."""

    def held(self) -> Quantities:
        """Allocated and offered."""
        result = dict(self.allocated)
        add_quantities(result, self.offered)
        return result


def role_sums(state: State, used: Mapping[str, Resources] | None = None) -> dict[str, RoleSums]:
    """All known roles by name, sorted: those that are subscribed to, reserved for, weighted or have quota, and those
    above them.

    `used` is what is used on each agent, if the caller has summed it up already.
    """
    roles: dict[str, RoleSums] = {}
    lines: dict[str, tuple[RoleSums, ...]] = {}

    def line(role: str) -> tuple[RoleSums, ...]:
        """The role and those above it; made known if they were not."""
        found = lines.get(role)
        if found is None:
            found = lines[role] = tuple(roles.setdefault(name, RoleSums()) for name in (role, *ancestors(role)))
        return found

    for role in (*state.weights, *state.quota):
        line(role)
    for framework in state.frameworks.values():
        for role in framework.roles:
            line(role)[0].frameworks.append(framework.framework_id)
    for agent in state.agents.values():
        for role, resources in agent.total.reservations().items():
            for sums in line(role):
                add_quantities(sums.reserved, resources.quantities())
                add_quantities(sums.consumed, resources.quantities())
        for kind, amount in used_on(agent) if used is None else used[agent.agent_id]:
            if kind.type is SCALAR and kind.allocated_to is not None:
                size = {kind.name: kind.scalar_of(amount)}
                for sums in line(kind.allocated_to):
                    add_quantities(sums.allocated, size)
                    if not kind.reservations and not kind.revocable:
                        add_quantities(sums.consumed, size)
        for kind, amount in offered(agent):
            if kind.type is SCALAR and kind.allocated_to is not None:
                for sums in line(kind.allocated_to):
                    add_quantities(sums.offered, {kind.name: kind.scalar_of(amount)})
    return dict(sorted(roles.items()))

"""ACCEPT: several offers of one agent, and operations on them, in order (Mesos: ACCEPT in detail).

The operations use up the sum of the offers. One that fails is dropped and the next goes on; a task that fails does not
stop the others of its LAUNCH, but fails all of its group. What RESERVE, UNRESERVE, CREATE and DESTROY make, the next
operations can use; what GROW_VOLUME and SHRINK_VOLUME make they cannot. What is left over is declined with the call's
filters, except for what the operations made: that has not been offered yet.
"""

from __future__ import annotations

from copy import copy

from tepui.master import agents, messages, offers, operation_validation, operations, tasks, validation
from tepui.master.context import Context
from tepui.master.operation_validation import Requester
from tepui.master.parsing import Parsed
from tepui.master.state import Agent, Executor, Framework
from tepui.model import link
from tepui.model.operations import Conversion, conversion
from tepui.model.operators import agent_text
from tepui.model.resources import Resources
from tepui.model.short_tasks import refused_executor, refused_task
from tepui.model.v1 import mesos
from tepui.model.v1.mesos import ExecutorInfo, FrameworkID, TaskInfo, TaskState, TaskStatus
from tepui.model.v1.scheduler import Call
from tepui.model.validation import validate_id
from tepui.model.values import subtract_ranges

Operation = mesos.Offer.Operation
Type = Operation.Type
Reason = TaskStatus.Reason

_LAUNCHES = (Type.LAUNCH, Type.LAUNCH_GROUP)
_RESIZES = (Type.GROW_VOLUME, Type.SHRINK_VOLUME)


def accept(context: Context, framework: Framework, call: Call.Accept) -> None:
    """Use the offers for the operations, or void the whole call when one of them is not valid."""
    why = _invalid_offers(context, framework, call)
    if why is not None:
        _refuse(context, framework, call, why)
        return
    accepted = [framework.offers[offer_id.value] for offer_id in call.offer_ids]
    first = accepted[0]
    agent = context.state.agents[first.agent_id]
    available = Resources.NONE
    for offer in accepted:
        offers.remove(context, offer, "accepted")
        available = available + offer.resources if available else offer.resources
    framework.metrics.offers_accepted += len(accepted)
    acceptance = Acceptance(context, framework, agent, first.role, available)
    for operation in call.operations:
        acceptance.apply(operation)
    acceptance.flush()
    left = acceptance.available
    if acceptance.made:
        fresh = left.without(available)
        left = left - fresh
        context.allocator.recover(framework.framework_id, agent.agent_id, fresh + acceptance.resized, None, context.now)
    if left:
        context.allocator.recover(
            framework.framework_id, agent.agent_id, left, offers.refuse_seconds_of(call.filters), context.now
        )


def _invalid_offers(context: Context, framework: Framework, call: Call.Accept) -> str | None:
    """Why the offers cannot be used together."""
    if not call.offer_ids:
        return "No offers specified"
    names = [offer_id.value for offer_id in call.offer_ids]
    if len(set(names)) < len(names):
        twice = next(name for index, name in enumerate(names) if name in names[:index])
        return f"Duplicate offer {twice} in offer list"
    first = None
    for name in names:
        offer = context.state.offers.get(name)
        if offer is None:
            return f"Offer {name} is no longer valid"
        if offer.framework_id != framework.framework_id:
            return (
                f"Offer {name} has invalid framework {offer.framework_id} "
                f"while framework {framework.framework_id} is expected"
            )
        if first is None:
            first = offer
        elif offer.role != first.role:
            return (
                f"Aggregated offers must be allocated to the same role. Offer {name} uses role {offer.role} "
                f"but another is using role {first.role}"
            )
        elif offer.agent_id != first.agent_id:
            return (
                f"Aggregated offers must belong to one single agent. Offer {name} uses agent {offer.agent_id} "
                f"and agent {first.agent_id}"
            )
    return None


def _refuse(context: Context, framework: Framework, call: Call.Accept, why: str) -> None:
    """Give back what is valid, unfiltered and unsaid; every task is lost, or was never launched."""
    for offer_id in call.offer_ids:
        offer = framework.offers.get(offer_id.value)
        if offer is not None:
            offers.withdraw(context, offer, "invalid ACCEPT")
    state = TaskState.TASK_DROPPED if framework.has("PARTITION_AWARE") else TaskState.TASK_LOST
    for operation in call.operations:
        if operation.type in _LAUNCHES:
            for info in _tasks_of(operation):
                _reject(
                    context,
                    framework,
                    info,
                    Reason.REASON_INVALID_OFFERS,
                    f"Task launched with invalid offers: {why}",
                    state,
                )
        elif operation.type in operation_validation.MEMBERS:
            operations.refuse(context, framework, operation, f"Operation attempted with invalid offers: {why}")


def _tasks_of(operation: Operation) -> list[TaskInfo]:
    if operation.type is Type.LAUNCH:
        return [] if operation.launch is None else operation.launch.task_infos
    return [] if operation.launch_group is None else operation.launch_group.task_group.tasks


def _reject(
    context: Context,
    framework: Framework,
    info: TaskInfo,
    reason: TaskStatus.Reason,
    why: str,
    state: TaskState = TaskState.TASK_ERROR,
) -> None:
    """A task that was never launched ends with an update that nobody acknowledges."""
    context.metrics.task_update(state, messages.SOURCE_MASTER, reason)
    framework.metrics.terminal_tasks[state] += 1
    status = messages.status(info.task_id, state, reason, why, context.now, info.agent_id)
    context.send(framework, messages.update(status))


class _Ready:
    """An executor that a task may use: one that runs, or one that comes with the task."""

    __slots__ = ("as_given", "info", "known", "resources")

    def __init__(
        self, info: ExecutorInfo, resources: Resources, as_given: ExecutorInfo, known: Executor | None
    ) -> None:
        self.info = info
        self.resources = resources
        self.as_given = as_given
        self.known = known


class Acceptance:
    """One ACCEPT while its operations are applied."""

    __slots__ = (
        "_batch",
        "_batch_executor",
        "agent",
        "available",
        "context",
        "framework",
        "made",
        "resized",
        "role",
        "shared",
    )

    def __init__(self, context: Context, framework: Framework, agent: Agent, role: str, available: Resources) -> None:
        self.context = context
        self.framework = framework
        self.agent = agent
        self.role = role
        self.available = available
        """What is left of the offers."""
        self.made = False
        """Whether an operation made other resources out of those offered."""
        self.resized = Resources.NONE
        """What was made that no operation of this call can use."""
        self.shared = available.shared()
        """Shared volumes, offered or made: as many tasks as like may use each."""
        self._batch: list[TaskInfo] = []
        """Launched tasks that use the same executor and wait for being sent together."""
        self._batch_executor: ExecutorInfo | None = None

    def apply(self, operation: Operation) -> None:
        """Apply one operation to what is left. One that is unknown does nothing (Mesos: ACCEPT in detail)."""
        kind = operation.type
        if kind is None or kind is Type.UNKNOWN:
            return
        if kind is Type.LAUNCH:
            self.framework.metrics.operations[kind] += 1
            self._launch(operation)
        elif kind is Type.LAUNCH_GROUP:
            self.framework.metrics.operations[kind] += 1
            self._launch_group(operation)
        else:
            self._convert(operation)

    # Operations on resources.

    def _convert(self, operation: Operation) -> None:
        """Apply the operation to what is left, and send it to the agent; or say why not."""
        self.flush()
        done = self._conversion(operation)
        if isinstance(done, str):
            operations.refuse(self.context, self.framework, operation, done)
            return
        assert operation.type is not None
        self.framework.metrics.operations[operation.type] += 1
        self.made = True
        self.available = self.available - done.consumed
        if operation.type in _RESIZES:
            self.resized = self.resized + done.converted
        else:
            self.available = self.available + done.converted
            self.shared = self.shared.without(done.consumed) + done.converted.shared()
        self.context.allocator.convert(self.framework.framework_id, self.agent.agent_id, *done)
        if operation.id is not None:
            agents.introduce(self.context, self.framework, self.agent)
        info = operations.normalised(operation, self.role)
        operations.begin(self.context, self.agent, self.framework, info, done)

    def _conversion(self, operation: Operation) -> Conversion | str:
        """What the operation does, or why it cannot be done."""
        why = operation_validation.malformed(operation)
        if why is None and operation.reserve is not None and operation.reserve.source:
            why = "Reservation updates are not yet implemented for the scheduler API."
        if why is not None:
            return f"Operation attempted with invalid resources: {why}"
        info = operations.normalised(operation, self.role)
        principal = self.framework.info.principal
        why = operation_validation.lacks_feedback(info, self.agent)
        if why is None:
            why = operations.unauthorized(self.context, principal, info)
        if why is None:
            why = operation_validation.invalid(info, self.agent, Requester(self.framework, principal))
        if why is not None:
            where = agent_text(self.agent.agent_id, self.agent.address, self.agent.info)
            return f"{why}; on agent {where}"
        done = conversion(info)
        if not self.available.contains(done.consumed):
            resized = f"Invalid {info.type.value} operation: " if info.type in _RESIZES else ""
            return f"{resized}{self.available} does not contain {done.consumed}"
        if info.type is Type.DESTROY:
            copies = {kind for kind, _ in self.available - done.consumed}
            if any(kind in copies for kind, _ in done.consumed):
                return f"Persistent volume {done.consumed} cannot be removed due to additional shared copies"
            operations.rescind_offered(self.context, self.agent, done.consumed)
        return done

    # LAUNCH.

    def _launch(self, operation: Operation) -> None:
        for info in _tasks_of(operation):
            if operation.id is not None:
                self._error(info, Reason.REASON_TASK_INVALID, _NO_OPERATION_ID.format("LAUNCH"))
                continue
            parsed = self.context.parser.parse(info.resources, self.role)
            ready: _Ready | None = None
            why = parsed.invalid
            if why is None:
                why = self._unauthorized(info, info.executor)
                if why is not None:
                    self._error(info, Reason.REASON_TASK_UNAUTHORIZED, why)
                    continue
                why = self._invalid_task(info, parsed) or validation.invalid_alone(info)
            if why is None and info.executor is not None:
                ready, why = self._prepare(info.executor, group=False)
            if why is None:
                why = self._too_much([parsed], ready, "task")
            if why is not None:
                self._error(info, Reason.REASON_TASK_INVALID, why)
                continue
            self._start(info, parsed, self._take(parsed.resources, ready))

    def _error(self, info: TaskInfo, reason: TaskStatus.Reason, why: str) -> None:
        _reject(self.context, self.framework, info, reason, why)

    def _unauthorized(self, info: TaskInfo, executor: ExecutorInfo | None) -> str | None:
        user = tasks.user_of(info, executor) or self.framework.info.user
        principal = self.framework.info.principal
        if self.context.authorizer(principal, "run_tasks", user):
            return None
        who = "Not" if principal is None else f"Principal '{principal}' no"
        return (
            f"{who} authorized to launch task {info.task_id.value} "
            f"of framework {self.framework.framework_id} under user '{user}'"
        )

    def _invalid_task(self, info: TaskInfo, parsed: Parsed) -> str | None:
        """The rules that hold alone and in a group, in their order."""
        name = info.task_id.value
        why = validate_id(name)
        if why is not None:
            return why
        if name in self.framework.tasks:
            return f"Task has duplicate ID: {name}"
        if name in self.framework.unreachable_tasks:
            return f"Task reuses the ID of an unreachable task: {name}"
        if info.agent_id.value != self.agent.agent_id:
            return f"Task uses invalid agent {info.agent_id.value} while agent {self.agent.agent_id} is expected"
        if info.health_check is not None:
            info.health_check = validation.typed_health_check(info.health_check)
        why = validation.invalid_before_resources(info)
        if why is not None:
            return why
        if not parsed.resources:
            return "Task uses no resources"
        if parsed.unusable is not None:
            return f"Task uses invalid resources: {parsed.unusable}"
        return validation.invalid_after_resources(
            info, parsed.resources, "TASK_RESOURCE_LIMITS" in self.agent.capabilities
        ) or refused_task(self.agent.info.attributes, info, parsed.resources)

    def _prepare(self, given: ExecutorInfo, group: bool) -> tuple[_Ready | None, str | None]:
        """The executor to use, or why it cannot be."""
        framework_id = self.framework.framework_id
        known = self.agent.executors.get(framework_id, {}).get(given.executor_id.value)
        if known is not None and known.as_given == given:
            return _Ready(known.info, Resources.NONE, given, known), None
        parsed = self.context.parser.parse(given.resources, self.role)
        if parsed.invalid is not None:
            return None, parsed.invalid
        info = copy(given)
        info.resources = parsed.messages
        if info.framework_id is None:
            info.framework_id = self.framework.info.id or FrameworkID(value=framework_id)
        if group:
            why = validation.invalid_group_executor(info, framework_id, parsed.resources)
        else:
            why = validation.invalid_executor(info, framework_id)
        if why is not None:
            return None, why
        if known is not None:
            if known.info != info:
                return None, "ExecutorInfo is not compatible with existing ExecutorInfo with same ExecutorID"
            known.as_given = given
            return _Ready(known.info, Resources.NONE, given, known), None
        if parsed.unusable is not None:
            return None, f"Executor uses invalid resources: {parsed.unusable}"
        why = refused_executor(self.agent.info.attributes, parsed.resources)
        if why is not None:
            return None, why
        if parsed.resources.shared():
            return None, "Executor resources must not be shared"
        return _Ready(info, parsed.resources, given, None), None

    def _too_much(self, parsed: list[Parsed], ready: _Ready | None, what: str) -> str | None:
        """Whether the tasks, with an executor that is new, fit into what is left of the offers."""
        parts = [each.resources for each in parsed]
        if ready is not None and ready.resources:
            parts.append(ready.resources)
        total = parts[0]
        for part in parts[1:]:
            for name in _overlapping_ranges(total, part):
                return f"The {what} and its executor use overlapping {name}"
            total = total + part
        if self.shared:
            self._lend(total)
        if self.available.contains(total):
            return None
        return f"Total resources {total} required by {what} and its executor is more than available {self.available}"

    def _lend(self, wanted: Resources) -> None:
        """Let the framework have as many copies of the shared volumes as it wants to use at once."""
        for volume, _ in self.shared:
            copies = sum(amount for kind, amount in wanted if kind.loose == volume.loose)
            here = sum(amount for kind, amount in self.available if kind.loose == volume.loose)
            if copies > here:
                more = Resources([(volume, copies - here)])
                self.context.allocator.add_allocated(self.framework.framework_id, self.agent.agent_id, more)
                self.available = self.available + more

    def _take(self, resources: Resources, ready: _Ready | None) -> ExecutorInfo | None:
        """Take the resources from what is left; a new executor becomes known."""
        self.available = self.available - resources
        if ready is None:
            return None
        if ready.known is None:
            self.available = self.available - ready.resources
            ready.known = tasks.add_executor(
                self.context, self.framework, self.agent, ready.info, ready.resources, ready.as_given
            )
        return ready.info

    def _start(self, info: TaskInfo, parsed: Parsed, executor: ExecutorInfo | None) -> None:
        """The task is launched: it becomes known, and goes to its agent with the next batch."""
        if self._batch and self._batch_executor is not executor:
            self.flush()
        self._batch_executor = executor
        self._batch.append(self._record(info, parsed, executor))

    def _record(self, info: TaskInfo, parsed: Parsed, executor: ExecutorInfo | None) -> TaskInfo:
        """Make the task known; what comes back is for the agent."""
        sent = copy(info)
        sent.executor = None
        sent.resources = parsed.messages
        kept = copy(info)
        kept.executor = executor
        kept.resources = parsed.messages
        kept.agent_id = self.agent.info.id or info.agent_id
        kept.data = None
        tasks.add(self.context, self.framework, self.agent, kept, parsed.resources, self.role)
        return sent

    def flush(self) -> None:
        """Send the tasks that wait for it."""
        if not self._batch:
            return
        self._send(self._batch, self._batch_executor, group=False)
        self._batch = []

    def _send(self, infos: list[TaskInfo], executor: ExecutorInfo | None, group: bool) -> None:
        agents.introduce(self.context, self.framework, self.agent)
        self.context.tell(
            self.agent,
            link.Launch(framework_id=self.framework.framework_id, tasks=infos, executor=executor, group=group),
        )

    # LAUNCH_GROUP.

    def _launch_group(self, operation: Operation) -> None:
        group = operation.launch_group
        if group is None:
            return
        infos = group.task_group.tasks
        refused = self._refused_group(operation, infos, group.executor)
        if isinstance(refused, tuple):
            reason, why = refused
            for info in infos:
                self._error(info, reason, why)
            return
        parsed, ready = refused.parsed, refused.ready
        total = Resources.NONE
        for each in parsed:
            total = total + each.resources
        executor = self._take(total, ready)
        self.flush()
        sent = [self._record(info, each, executor) for info, each in zip(infos, parsed, strict=True)]
        self._send(sent, executor, group=True)

    def _refused_group(
        self, operation: Operation, infos: list[TaskInfo], executor: ExecutorInfo
    ) -> tuple[TaskStatus.Reason, str] | _Group:
        """Why the group cannot be launched, or all that is needed to launch it."""
        invalid = Reason.REASON_TASK_GROUP_INVALID
        if operation.id is not None:
            return invalid, _NO_OPERATION_ID.format("LAUNCH_GROUP")
        if not infos:
            return invalid, "Task group cannot be empty"
        parsed = [self.context.parser.parse(info.resources, self.role) for info in infos]
        for each in parsed:
            if each.invalid is not None:
                return invalid, each.invalid
        for info in infos:
            why = self._unauthorized(info, executor)
            if why is not None:
                return Reason.REASON_TASK_GROUP_UNAUTHORIZED, why
        names: set[str] = set()
        for info, each in zip(infos, parsed, strict=True):
            name = info.task_id.value
            why = self._invalid_task(info, each) or validation.invalid_in_group(info, executor)
            if why is None and name in names:
                why = f"Task has duplicate ID: {name}"
            if why is not None:
                return invalid, f"Task '{name}' is invalid: {why}"
            names.add(name)
        why = validation.mixed_cgroups(infos)
        if why is not None:
            return invalid, why
        ready, why = self._prepare(executor, group=True)
        if why is None:
            why = self._too_much(parsed, ready, "task group")
        if why is not None or ready is None:
            return invalid, why or ""
        return _Group(parsed, ready)


class _Group:
    """A group that can be launched."""

    __slots__ = ("parsed", "ready")

    def __init__(self, parsed: list[Parsed], ready: _Ready) -> None:
        self.parsed = parsed
        self.ready = ready


_NO_OPERATION_ID = "The `id` field cannot be set on {} operations"


def _overlapping_ranges(left: Resources, right: Resources) -> list[str]:
    """The names of ranges, such as ports, that both use in part."""
    mine = {kind: amount for kind, amount in left if type(amount) is tuple}
    return [kind.name for kind, amount in right if kind in mine and subtract_ranges(amount, mine[kind]) != amount]

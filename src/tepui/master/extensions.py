"""Calls under /api/tepui/v1, which Mesos does not have: compact lists for people, stories, and the kill of one task.

Lists say only what is asked, filtered and counted here, so that a cluster of a million tasks can be looked at without
fetching them all. They are plain data, with amounts of resources as the legacy endpoints write them; a long one is
drawn (`tepui.model.drawn`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterator, Mapping
from typing import Any

import msgspec

from tepui.master import operations, shares, tasks, why
from tepui.master.context import Context
from tepui.master.gauges import Picture
from tepui.master.records import Record
from tepui.master.state import Agent, Framework, Offer, Task
from tepui.master.sums import offered, used_by, used_on
from tepui.master.views import AGENTS_PER_PART, FRAMEWORKS_PER_PART
from tepui.model.addresses import host_and_port
from tepui.model.drawn import LOOKED_AT_PER_PART, ROWS_PER_PART, Drawn, Rows, looked_at
from tepui.model.legacy import Object, Objects, attributes_object
from tepui.model.records import SENTENCES_MAX
from tepui.model.shell import ExtensionCall
from tepui.model.task_states import TERMINAL_STATES
from tepui.model.v1 import scheduler
from tepui.model.v1.mesos import DurationInfo, KillPolicy, TaskID, TaskState
from tepui.wire.text import TextError, parse_duration

TASKS_LIMIT_DEFAULT = 100
TASKS_LIMIT_MAX = 10_000
"""The most tasks that one answer shows."""

_SUBJECTS = ("framework_id", "task_id", "agent_id", "executor_id", "offer_id")
_OPERATION_ID = re.compile("[0-9a-f]{32}")
_BOOKKEEPING = frozenset(Record.__struct_fields__)

Arguments = Mapping[str, str]


def call(context: Context, event: ExtensionCall) -> None:
    """Answer a call. The shell has checked the method, and that arguments are texts."""
    if event.name == "kill":
        _kill(context, event)
        return
    read = _READ.get(event.name)
    if read is None:
        answer = picture_answer(context, event.name, event.arguments)
    else:
        answer = _judged(read(context, event.arguments))
    context.answer(event.request, *(answer or (404, "")))


def picture_answer(picture: Picture, name: str, arguments: Arguments) -> tuple[int, object] | None:
    """Status and body of a call that reads what a picture shows; None for any other."""
    read = _READ_PICTURE.get(name)
    return None if read is None else _judged(read(picture, arguments))


def _judged(answer: Object | Drawn | str) -> tuple[int, object]:
    if isinstance(answer, Drawn) and answer.is_small:
        return 200, answer.whole()
    return (400 if isinstance(answer, str) else 200), answer


# Killing.


def _kill(context: Context, event: ExtensionCall) -> None:
    """Do what the scheduler's KILL would do; what cannot be killed is told at once, because nobody hears updates."""
    arguments = event.arguments
    policy: KillPolicy | None = None
    if "grace" in arguments:
        try:
            seconds = parse_duration(arguments["grace"])
        except TextError as error:
            context.answer(event.request, 400, f"{error}.")
            return
        policy = KillPolicy(grace_period=DurationInfo(nanoseconds=round(seconds * 1e9)))
    found = _task_to_kill(context, arguments)
    if isinstance(found, str):
        context.answer(event.request, 400, found)
        return
    framework, task = found
    if not context.authorizer(event.principal, "kill_tasks", framework.info.principal or ""):
        context.answer(event.request, 403, "")
        return
    tasks.kill(context, framework, scheduler.Call.Kill(task_id=TaskID(value=task.task_id), kill_policy=policy))
    context.answer(event.request, 202)


def _task_to_kill(context: Context, arguments: Arguments) -> tuple[Framework, Task] | str:
    framework_id, task_id = arguments.get("framework_id"), arguments.get("task_id")
    if not framework_id or not task_id:
        return "Expecting 'framework_id' and 'task_id'."
    framework = context.state.frameworks.get(framework_id)
    if framework is None:
        return f"Framework {framework_id} is not running."
    task = framework.tasks.get(task_id)
    if task is None:
        if task_id in framework.unreachable_tasks:
            return f"The agent of task {task_id} cannot be reached; its task ends when the agent comes back."
        return f"Framework {framework_id} has no running task {task_id}."
    if task.state in TERMINAL_STATES:
        return f"Task {task_id} has ended already: {task.state.value}."
    return framework, task


# Lists.


def _agents(picture: Picture, _: Arguments) -> Drawn:
    """Admitted agents; those that are not back after a failover; unreachable and gone ones with the time since when."""
    objects, state = Objects(), picture.state
    return Drawn(
        {
            "agents": Rows(list(state.agents.values()), lambda agent: _agent_object(agent, objects), AGENTS_PER_PART),
            "unreachable_agents": Rows(list(state.unreachable_agents.items()), _absent_object),
            "recovered_agents": Rows(
                list(state.recovered_agents.items()), lambda known: {"id": known[0], "hostname": known[1].hostname}
            ),
            "gone_agents": Rows(list(state.gone_agents.items()), _absent_object),
        }
    )


def _absent_object(known: tuple[str, float]) -> Object:
    agent_id, since = known
    return {"id": agent_id, "since": since}


def _agent_object(agent: Agent, objects: Objects) -> Object:
    return {
        "id": agent.agent_id,
        "hostname": agent.info.hostname,
        "address": host_and_port(agent.address, agent.info.port),
        "active": agent.active,
        "connected": agent.connected,
        "service": _service_word(agent),
        "version": agent.version,
        "registered_time": agent.registered_at,
        "reregistered_time": agent.reregistered_at,
        "attributes": attributes_object(agent.info.attributes),
        "resources": objects.resources(agent.total),
        "used_resources": objects.resources(used_on(agent)),
        "offered_resources": objects.resources(offered(agent)),
        "tasks": sum(
            task.state not in TERMINAL_STATES for on_agent in agent.tasks.values() for task in on_agent.values()
        ),
        "executors": sum(len(executors) for executors in agent.executors.values()),
    }


def _service_word(agent: Agent) -> str:
    """`in service`, `deactivated`, `draining` or `drained`."""
    service = agent.service
    if service is None:
        return "in service"
    return "deactivated" if service.drain is None else service.drain.state.value.lower()


def _frameworks(picture: Picture, _: Arguments) -> Drawn:
    """Frameworks that run, and those that are remembered."""
    objects, state = Objects(), picture.state

    def make(framework: Framework) -> Object:
        return _framework_object(framework, objects)

    return Drawn(
        {
            "frameworks": Rows(list(state.frameworks.values()), make, FRAMEWORKS_PER_PART),
            "completed_frameworks": Rows(list(state.completed_frameworks.values()), make, FRAMEWORKS_PER_PART),
        }
    )


def _framework_object(framework: Framework, objects: Objects) -> Object:
    info = framework.info
    return {
        "id": framework.framework_id,
        "name": info.name,
        "user": info.user,
        "roles": list(framework.roles),
        "suppressed_roles": sorted(framework.suppressed_roles),
        "connected": framework.connected,
        "hostname": info.hostname or "",
        "webui_url": info.webui_url or "",
        "registered_time": framework.registered_at,
        "unregistered_time": framework.unregistered_at,
        "failover_timeout": info.failover_timeout,
        "tasks": sum(task.state not in TERMINAL_STATES for task in framework.tasks.values()),
        "unreachable_tasks": len(framework.unreachable_tasks),
        "completed_tasks": len(framework.completed_tasks),
        "offers": len(framework.offers),
        "used_resources": objects.resources(used_by(framework)),
        "offered_resources": objects.resources(offered(framework)),
    }


def _offers(picture: Picture, _: Arguments) -> Drawn:
    """Outstanding offers, oldest first."""
    objects, state, now = Objects(), picture.state, picture.now

    def make(held: tuple[Offer, Framework, Agent]) -> Object:
        offer, framework, agent = held
        return {
            "id": offer.offer_id,
            "framework_id": offer.framework_id,
            "framework_name": framework.info.name,
            "agent_id": offer.agent_id,
            "agent_hostname": agent.info.hostname,
            "role": offer.role,
            "age_seconds": now - offer.made_at,
            "resources": objects.resources(offer.resources),
        }

    held = [
        (offer, state.frameworks[offer.framework_id], state.agents[offer.agent_id]) for offer in state.offers.values()
    ]
    return Drawn({"offers": Rows(held, make)})


def _tasks(picture: Picture, arguments: Arguments) -> Drawn | str:
    """The tasks that match all filters, newest first: a page of them, and how many there are."""
    states = _states(arguments.get("state", ""))
    if isinstance(states, str):
        return states
    limit = _number(arguments.get("limit"), TASKS_LIMIT_DEFAULT)
    offset = _number(arguments.get("offset"), 0)
    if limit is None or offset is None:
        return "Expecting whole numbers as 'limit' and 'offset'."
    found = [each for each in _matching(picture, arguments) if not states or each[1].state in states]
    page = slice(offset, offset + min(limit, TASKS_LIMIT_MAX))
    parts = len(found) // LOOKED_AT_PER_PART + min(limit, TASKS_LIMIT_MAX, len(found)) // ROWS_PER_PART
    return Drawn(_page_of_tasks(picture, found, page), parts=parts)


def _page_of_tasks(picture: Picture, found: list[tuple[Framework, Task]], page: slice) -> Generator[None, None, Object]:
    """The tree of that answer. When each task was launched is read in steps of their own."""
    launched_at = yield from looked_at(found, lambda each: each[1].launched_at)
    order = sorted(range(len(found)), key=launched_at.__getitem__)
    order.reverse()  # of those launched together, the one that is found last comes first
    objects = Objects()
    shown = [found[index] for index in order[page]]
    tasks = Rows(shown, lambda each: _task_object(picture, each[0], each[1], objects))
    return {"tasks": tasks, "total": len(found)}


def _matching(picture: Picture, arguments: Arguments) -> Iterator[tuple[Framework, Task]]:
    framework_id, agent_id = arguments.get("framework_id"), arguments.get("agent_id")
    task_id, begin = arguments.get("task_id"), arguments.get("task_id_prefix", "")
    for frameworks in (picture.state.completed_frameworks, picture.state.frameworks):
        for framework in frameworks.values():
            if framework_id is not None and framework.framework_id != framework_id:
                continue
            for kept in (framework.completed_tasks, framework.unreachable_tasks.values(), framework.tasks.values()):
                for task in kept:
                    if (
                        (task_id is None or task.task_id == task_id)
                        and (agent_id is None or task.agent_id == agent_id)
                        and (not begin or task.task_id.startswith(begin))
                    ):
                        yield framework, task


def _states(text: str) -> frozenset[TaskState] | str:
    """`TASK_RUNNING,finished`; also `active` and `ended`. A sentence when one is unknown."""
    found: set[TaskState] = set()
    for word in filter(None, text.split(",")):
        name = word.upper() if word.upper().startswith("TASK_") else f"TASK_{word.upper()}"
        if word.lower() == "ended":
            found |= TERMINAL_STATES
        elif word.lower() == "active":
            found |= frozenset(TaskState) - TERMINAL_STATES
        elif name in TaskState.__members__:
            found.add(TaskState[name])
        else:
            known = ", ".join(state.removeprefix("TASK_").lower() for state in TaskState.__members__)
            return f"There is no task state '{word}': expecting active, ended, {known}."
    return frozenset(found)


def _number(text: str | None, default: int) -> int | None:
    if text is None:
        return default
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None


def _task_object(picture: Picture, framework: Framework, task: Task, objects: Objects) -> Object:
    agent = picture.state.agents.get(task.agent_id)
    last = max(task.statuses, key=lambda status: status.timestamp or 0.0, default=None)
    return {
        "id": task.task_id,
        "name": task.info.name,
        "framework_id": task.framework_id,
        "framework_name": framework.info.name,
        "agent_id": task.agent_id,
        "agent_hostname": "" if agent is None else agent.info.hostname,
        "agent_address": "" if agent is None else host_and_port(agent.address, agent.info.port),
        "executor_id": task.executor_id,
        "role": task.role,
        "state": task.state.value,
        "ended": task.state in TERMINAL_STATES,
        "launched_time": task.launched_at,
        "updated_time": None if last is None else last.timestamp,
        "source": None if last is None or last.source is None else last.source.value,
        "reason": None if last is None or last.reason is None else last.reason.value,
        "message": None if last is None else last.message,
        "resources": objects.resources(task.resources),
    }


# Stories.


def _story(context: Context, arguments: Arguments) -> Object | str:
    """The newest records about everything that carries all the ids that are given, oldest first."""
    subjects = {name: arguments[name] for name in _SUBJECTS if arguments.get(name)}
    if not subjects:
        return f"Expecting one of {', '.join(_SUBJECTS)} in query."
    told = [
        record
        for record in context.log
        if all(getattr(record, name, None) == subject for name, subject in subjects.items())
    ]
    return {"records": [_record_object(record) for record in told[-SENTENCES_MAX:]]}


def _record_object(record: Record) -> Object:
    facts: dict[str, Any] = msgspec.to_builtins(record)
    return {
        "number": record.number,
        "time": record.time,
        "what": type(record).__name__,
        "facts": {
            name: facts[name]
            for name in record.__struct_fields__
            if name not in _BOOKKEEPING and facts.get(name) is not None
        },
        "cause": record.cause,
    }


# What became of an operator's operation.


def _operation(context: Context, arguments: Arguments) -> Object | str:
    """The status of an operation that an operator asked for. FINISHED means that the agent has it on its disk."""
    agent_id, operation_id = arguments.get("agent_id"), arguments.get("operation_id", "")
    if not agent_id or not _OPERATION_ID.fullmatch(operation_id):
        return "Expecting 'agent_id', and as 'operation_id' what the answer to the call named as Tepui-Operation-Id."
    status = operations.status_of(context.state, agent_id, bytes.fromhex(operation_id))
    return {"state": status.state.value, "message": status.message}


_READ_PICTURE: dict[str, Callable[[Picture, Arguments], Drawn | str]] = {
    "agents": _agents,
    "frameworks": _frameworks,
    "offers": _offers,
    "tasks": _tasks,
}

_READ: dict[str, Callable[[Context, Arguments], Object | str]] = {
    "operation": _operation,
    "shares": shares.shares,
    "story": _story,
    "why": why.why,
}

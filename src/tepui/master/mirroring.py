"""The leader's side of mirrors: streams over which other masters are told how the things that changed look now.

Parts are made every `PART_SECONDS` and not at each change: a short task then costs one entry or none, and readers of a
mirror are told its age anyway. Parts are of bounded size: what does not fit, of a new follower's first telling or of
thousands of agents that come back, follows in the next turns of the loop. Only the last of such parts has a new time
and revision, so a mirror's age is that of the oldest thing it shows.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import TypeVar

from tepui.master import mirrored
from tepui.master.context import MIRRORS, Context
from tepui.master.events import MirrorSubscribe
from tepui.master.followers import Follower
from tepui.master.state import Framework, State
from tepui.model.mirror import MirroredAgent, MirroredFramework, MirrorPart
from tepui.model.shell import OpenSession

PART_SECONDS = 0.2
SILENCE_SECONDS = 1.0
"""A follower that there is nothing to tell is told so, at least so often."""
ENTRIES_MAX = 500
"""About so many entries are in one part: some ten milliseconds of the leader's time."""
FOLLOWERS_MAX = 16
"""One more, and the oldest ends. Masters are three or five, as a rule."""

_Key = TypeVar("_Key")


def subscribe(context: Context, event: MirrorSubscribe) -> None:
    """A master wants to mirror this one."""
    if not context.authorizer(event.principal, "view_mirror", ""):
        context.answer(event.request, 403, "")
        return
    followers = context.followers
    while len(followers.sessions) >= FOLLOWERS_MAX:
        oldest = followers.sessions[0]
        followers.remove(oldest)
        context.close_stream(oldest)
    followers.add(context.state, event.session)
    context.effects.append(OpenSession(event.request, event.session))
    context.timers.set(MIRRORS, context.now)


def closed(context: Context, session: str) -> None:
    """A stream has ended, perhaps a follower's."""
    context.followers.remove(session)


def due(context: Context) -> None:
    """Tell each follower what changed; who is still being told everything gets the next part in the next turn."""
    again = context.now + PART_SECONDS
    context.followers.join()
    for follower in context.followers:
        if follower.paused:
            continue
        if follower.up_to_date and follower.whole and context.now < follower.told_at + SILENCE_SECONDS:
            continue
        part = _part(context, follower)
        for session in follower.sessions:
            context.send_stream(session, part)
        if not follower.up_to_date:
            again = context.now
    if context.followers:
        context.timers.set(MIRRORS, again)


def backlog(context: Context, session: str, full: bool) -> None:
    """The follower reads too slowly, or has caught up: what changes meanwhile is told when it has."""
    if full:
        context.followers.pause(session)
    elif context.followers.resume(session):
        context.timers.set(MIRRORS, context.now)


# Parts.


def _part(context: Context, follower: Follower) -> MirrorPart:
    """The next part of what the follower was not told."""
    state = context.state
    part = MirrorPart(revision=follower.revision, time=follower.told_at)
    if not follower.introduced:
        follower.introduced = True
        part.leader = mirrored.leader_entry(context.config)
    if follower.settings:
        follower.settings = False
        part.settings = mirrored.settings_entry(state)
    room = ENTRIES_MAX

    def each(pending: dict[_Key, None], tell: Callable[[MirrorPart, State, _Key], None]) -> None:
        nonlocal room
        chosen = list(islice(pending, room))
        room -= len(chosen)
        for key in chosen:
            del pending[key]
            tell(part, state, key)

    # What refers to something comes after it; and what is given back (an offer) after what was made of it, so that a
    # mirror in between rather counts something twice than not at all.
    each(follower.frameworks, _tell_framework)
    each(follower.agents, _tell_agent)
    each(follower.executors, _tell_executor)
    each(follower.tasks, _tell_task)
    each(follower.offers, _tell_offer)
    each(follower.operations, _tell_operation)
    for framework_id, number in list(follower.completed.items()):
        if room <= 0:
            break
        del follower.completed[framework_id]
        room -= _tell_completed(part, state, framework_id, number)
    if follower.up_to_date:
        follower.whole = True
        follower.revision, follower.told_at = context.log.number, context.now
        part.revision, part.time = follower.revision, follower.told_at
    part.whole = follower.whole
    return part


def _known(state: State, framework_id: str) -> Framework | None:
    return state.frameworks.get(framework_id) or state.completed_frameworks.get(framework_id)


def _tell_framework(part: MirrorPart, state: State, framework_id: str) -> None:
    framework = _known(state, framework_id)
    if framework is None:
        part.frameworks.append(MirroredFramework(framework_id=framework_id))
        return
    is_over = framework_id in state.completed_frameworks
    part.frameworks.append(mirrored.framework_entry(framework, is_over=is_over))


def _tell_agent(part: MirrorPart, state: State, agent_id: str) -> None:
    agent = state.agents.get(agent_id)
    service = state.service.get(agent_id) if agent is None else agent.service
    part.agents.append(
        MirroredAgent(
            agent_id=agent_id,
            member=None if agent is None else mirrored.member_entry(agent),
            recovered=state.recovered_agents.get(agent_id),
            unreachable_since=state.unreachable_agents.get(agent_id),
            gone_since=state.gone_agents.get(agent_id),
            service=mirrored.service_entry(service),
        )
    )


def _tell_executor(part: MirrorPart, state: State, key: tuple[str, str, str]) -> None:
    framework_id, agent_id, executor_id = key
    framework = state.frameworks.get(framework_id)
    executor = None if framework is None else framework.executors.get(agent_id, {}).get(executor_id)
    part.executors.append(mirrored.executor_entry(*key, executor))


def _tell_task(part: MirrorPart, state: State, key: tuple[str, str]) -> None:
    framework_id, task_id = key
    framework = state.frameworks.get(framework_id)
    task = None
    if framework is not None:
        task = framework.tasks.get(task_id)
        if task is None:
            task = framework.unreachable_tasks.get(task_id)
    if framework is None or task is None:
        part.ended_tasks.append(key)
    else:
        part.tasks.append(mirrored.task_entry(task, unreachable=framework.tasks.get(task_id) is not task))


def _tell_completed(part: MirrorPart, state: State, framework_id: str, number: int) -> int:
    """The newest completed tasks of a framework, as far as they are remembered; returns how many."""
    framework = _known(state, framework_id)
    if framework is None:
        return 0
    completed = framework.completed_tasks
    fresh = list(islice(completed, max(0, len(completed) - number), None))
    part.completed_tasks += [mirrored.task_entry(task) for task in fresh]
    return len(fresh)


def _tell_offer(part: MirrorPart, state: State, offer_id: str) -> None:
    offer = state.offers.get(offer_id)
    if offer is None:
        part.ended_offers.append(offer_id)
    else:
        part.offers.append(mirrored.offer_entry(offer))


def _tell_operation(part: MirrorPart, state: State, key: tuple[str, bytes]) -> None:
    agent_id, uuid = key
    agent = state.agents.get(agent_id)
    operation = None if agent is None else agent.operations.get(uuid)
    if operation is None:
        part.ended_operations.append(key)
    else:
        part.operations.append(mirrored.operation_entry(operation))

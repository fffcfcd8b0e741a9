"""The registry forgets agents that became unreachable or gone too long ago, and the oldest when there are too many.

A forgotten agent that comes back all the same is like one that was never seen: its id is taken, its tasks are learnt
(Mesos: registry garbage collection).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from tepui.master.context import Context
from tepui.master.registry import AgentRemoved
from tepui.model.timers import Key

PRUNING: Key = ("pruning", "")
RECORDS_PER_STORE_MAX = 1000


def wait(context: Context, since: float) -> None:
    """There may be something to forget: look after the interval, and at once when there are too many."""
    state = context.state
    if not state.unreachable_agents and not state.gone_agents:
        return
    config = context.config
    if max(len(state.unreachable_agents), len(state.gone_agents)) > config.registry_max_agent_count:
        context.timers.set(PRUNING, since)
    elif not context.timers.holds(PRUNING):
        context.timers.set(PRUNING, since + config.registry_gc_interval_seconds)


def due(context: Context) -> None:
    """Forget what is too old or too much."""
    old = [*_old(context, context.state.unreachable_agents), *_old(context, context.state.gone_agents)]
    for start in range(0, len(old), RECORDS_PER_STORE_MAX):
        names = old[start : start + RECORDS_PER_STORE_MAX]
        context.changing.update(names)
        context.store([AgentRemoved(name) for name in names], partial(_forget, context, names))
    if not old:
        _again(context)


def _old(context: Context, entries: dict[str, float]) -> Iterator[str]:
    """Those of `entries`, oldest first, that are to go and that nothing else happens to."""
    surplus = len(entries) - context.config.registry_max_agent_count
    before = context.now - context.config.registry_max_agent_age_seconds
    for position, (agent_id, since) in enumerate(entries.items()):
        if position >= surplus and since > before:
            return
        if agent_id not in context.changing and agent_id not in context.admissions:
            yield agent_id


def _forget(context: Context, names: list[str]) -> None:
    state = context.state
    for agent_id in names:
        context.changing.discard(agent_id)
        state.unreachable_agents.pop(agent_id, None)
        state.gone_agents.pop(agent_id, None)
        context.followers.agent(agent_id)
        if agent_id not in context.admissions:
            state.service.pop(agent_id, None)
    _again(context)


def _again(context: Context) -> None:
    state = context.state
    if state.unreachable_agents or state.gone_agents:
        context.timers.set(PRUNING, context.now + context.config.registry_gc_interval_seconds)

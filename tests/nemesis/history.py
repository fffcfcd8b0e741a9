"""What happened in a run, as facts with times, and the pure checker of what must hold for them.

Times are seconds of one machine's clock. A history is read from those who saw it: schedulers, the tasks themselves,
operators, the agents' logs, ZooKeeper's transaction logs.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from tepui.model.task_states import TERMINAL_STATES
from tepui.model.v1.mesos import TaskState

CPUS_OF_AGENT = 2.0
NOTICE_SECONDS_MAX = 5.0
"""An agent that runs takes a task's end into its journal within this, whatever else the machine does."""


class Fact(msgspec.Struct, tag=True, kw_only=True):
    """The base of all facts."""

    time: float


class Launched(Fact):
    """A scheduler asked for a task."""

    task: str
    cpus: float
    agent_id: str = ""


class Told(Fact):
    """A scheduler was told of a task's state: by an update that it acknowledged, or by what a master knows just then.

    A master tells the latest state that it knows, which may be ahead of the updates that wait to be acknowledged.
    """

    task: str
    state: str
    acknowledged: bool = True


class KillAsked(Fact):
    """A scheduler asked for the end of a task, which may be ending by itself in that moment."""

    task: str


class Began(Fact):
    """A task wrote that it runs, on this agent's work folder."""

    task: str
    agent: str
    pid: int


class Ended(Fact):
    """A task wrote that it ends: by itself (`killed` is false), or because it was told to."""

    task: str
    killed: bool = False


class AgentKilled(Fact):
    """kill -9, and what the agent's journal held then.

    An agent that starts again ends what was alive: it does not take its tasks up yet. How the others had ended it goes
    on telling.
    """

    agent: str
    alive: list[str]
    ended: dict[str, str]
    """The last states of tasks that were not acknowledged."""


class Fault(Fact):
    """The nemesis did something of this kind."""

    kind: str


class AgentGone(Fact):
    """An operator declared the agent gone: what ran there is no longer anybody's."""

    agent: str


class Admitted(Fact):
    """An agent obeyed a master of this epoch."""

    agent: str
    epoch: int


class Changed(Fact):
    """An operator asked for `key` to be `value`, and was answered at `answered`, or never (None).

    `done` is whether the answer was that it is done; an answer that refuses (`done` false) changes nothing.
    """

    key: str
    value: str
    answered: float | None
    done: bool


class Led(Fact):
    """ZooKeeper's log: a master raised the epoch, and so took the lead. `time` is the transaction's number."""

    epoch: int
    version: int
    """Of the node that holds the epoch, from then on."""


class Wrote(Fact):
    """ZooKeeper's log: entries of the registry were written. `time` is the transaction's number."""

    node: str
    version: int | None
    """Of the node that holds the epoch, as whoever wrote knew it; None when it did not depend on that."""


class Finally(Fact):
    """What the last leader said when all was quiet."""

    settings: dict[str, str]
    """The value of each key that operators change."""
    living_tasks: list[str]
    """Tasks that it believes to run, or whose updates nobody has acknowledged."""


AnyFact = (
    Launched | Told | KillAsked | Began | Ended | AgentKilled | AgentGone | Fault | Admitted | Changed | Led | Wrote
    | Finally
)  # fmt: skip


def summary(history: Sequence[Any]) -> str:
    """How much of what there was, as a table: faults by their kinds first."""
    faults = Counter(fact.kind for fact in history if isinstance(fact, Fault))
    others = Counter(type(fact).__name__ for fact in history if not isinstance(fact, Fault))
    lines = [f"{number:6} {name}" for counter in (faults, others) for name, number in sorted(counter.items())]
    epochs = [fact.epoch for fact in history if isinstance(fact, Led)]
    return "\n".join([*lines, f"epochs {min(epochs)} to {max(epochs)}" if epochs else "no leader"])


_TERMINAL = {state.name for state in TERMINAL_STATES}
_OVER = _TERMINAL | {TaskState.TASK_UNKNOWN.name}
_CERTAIN = _TERMINAL - {TaskState.TASK_LOST.name}
"""States after which a task is told to live by nobody. LOST is none of them: its agent may come back."""
_ALIVE = {TaskState.TASK_STAGING.name, TaskState.TASK_STARTING.name, TaskState.TASK_RUNNING.name}


def check(history: Sequence[Any]) -> list[str]:
    """What must not have happened and did, each a sentence; empty when all is well."""
    kinds: dict[type[Fact], list[Any]] = defaultdict(list)
    for fact in history:
        kinds[type(fact)].append(fact)
    return [
        *_ran_at_most_once(kinds),
        *_ends_were_told(kinds),
        *_journalled_ends_were_told(kinds),
        *_ends_stay_ends(kinds),
        *_nothing_was_allocated_twice(kinds),
        *_epochs_grow_at_agents(kinds),
        *_only_leaders_wrote(kinds),
        *_changes_survived(kinds),
        *(f"{task} is over, and the last leader lists it" for fact in kinds[Finally] for task in fact.living_tasks),
    ]


_Kinds = dict[type[Fact], list[Any]]


def _ran_at_most_once(kinds: _Kinds) -> Iterable[str]:
    began: dict[str, list[Began]] = defaultdict(list)
    for fact in kinds[Began]:
        began[fact.task].append(fact)
    for task, facts in began.items():
        if len(facts) > 1:
            yield f"{task} ran {len(facts)} times, on {', '.join(fact.agent for fact in facts)}"
    for task in began.keys() - {fact.task for fact in kinds[Launched]}:
        yield f"{task} ran, and nobody had launched it"


def _told(kinds: _Kinds) -> dict[str, list[Told]]:
    told: dict[str, list[Told]] = defaultdict(list)
    for fact in kinds[Told]:
        told[fact.task].append(fact)
    return told


def _ends_were_told(kinds: _Kinds) -> Iterable[str]:
    """Each task is over for its scheduler; one that finished where nobody interfered is told as FINISHED."""
    told = _told(kinds)
    began = {fact.task: fact for fact in kinds[Began]}
    killed = {fact.task for fact in kinds[KillAsked]}
    for launched in kinds[Launched]:
        states = [fact.state for fact in told[launched.task]]
        if not states and launched.task not in began:
            continue  # the ACCEPT that would have launched it was lost, and its scheduler heard so
        if not states or states[-1] not in _OVER:
            yield f"the end of {launched.task} was never told: {', '.join(states) or 'nothing was'}"
    for ended in kinds[Ended]:
        start = began.get(ended.task)
        if ended.killed or start is None:
            continue
        wanted = {TaskState.TASK_FINISHED.name, *([TaskState.TASK_KILLED.name] if ended.task in killed else ())}
        heard = [fact for fact in told[ended.task] if fact.acknowledged and fact.state in wanted]
        if not heard and not _was_cut_short(kinds, start, ended):
            yield f"{ended.task} finished on {start.agent}, which knew of it, and that was never told"


def _was_cut_short(kinds: _Kinds, start: Began, ended: Ended) -> bool:
    """Whether the agent cannot tell of the end: it was killed before it noticed, or has gone for good."""
    for kill in kinds[AgentKilled]:
        unnoticed = ended.task in kill.alive and kill.time <= ended.time + NOTICE_SECONDS_MAX
        if kill.agent == start.agent and kill.time >= start.time and unnoticed:
            return True
    return any(fact.agent == start.agent and fact.time >= start.time for fact in kinds[AgentGone])


def _journalled_ends_were_told(kinds: _Kinds) -> Iterable[str]:
    """What an agent's journal held of a task's end when the agent was killed is told as it stands there."""
    told = _told(kinds)
    for kill in kinds[AgentKilled]:
        if any(fact.agent == kill.agent and fact.time >= kill.time for fact in kinds[AgentGone]):
            continue
        for task, state in kill.ended.items():
            if not any(fact.acknowledged and fact.state == state for fact in told[task]):
                yield f"{kill.agent} was killed when its journal held {state} of {task}, and that was never told"


def _ends_stay_ends(kinds: _Kinds) -> Iterable[str]:
    """Updates come in order: after the acknowledged one of its end nothing tells of a living task."""
    for task, facts in _told(kinds).items():
        over = ""
        for fact in facts:
            if over and fact.state in _ALIVE:
                yield f"{task} was told as {fact.state} after {over}"
            if fact.state in _CERTAIN and fact.acknowledged:
                over = fact.state


def _nothing_was_allocated_twice(kinds: _Kinds) -> Iterable[str]:
    """What ran at the same time on one agent fits it. A task that did not write its end is left out."""
    cpus = {fact.task: fact.cpus for fact in kinds[Launched]}
    ended = {fact.task: fact.time for fact in kinds[Ended]}
    moments: dict[str, list[tuple[float, int, float]]] = defaultdict(list)
    for fact in kinds[Began]:
        end = ended.get(fact.task)
        if end is not None:
            amount = cpus.get(fact.task, 0.0)
            moments[fact.agent] += [(fact.time, 1, amount), (end, 0, -amount)]
    for agent, changes in moments.items():
        used = 0.0
        for time, _, amount in sorted(changes):
            used += amount
            if used > CPUS_OF_AGENT + 1e-9:
                yield f"{agent} ran tasks of {used:g} cpus at {time:.3f}, and has {CPUS_OF_AGENT:g}"
                break


def _epochs_grow_at_agents(kinds: _Kinds) -> Iterable[str]:
    newest: dict[str, int] = {}
    for fact in kinds[Admitted]:
        if fact.epoch < newest.get(fact.agent, 0):
            yield f"{fact.agent} obeyed epoch {fact.epoch} after {newest[fact.agent]}"
        newest[fact.agent] = max(fact.epoch, newest.get(fact.agent, 0))


def _only_leaders_wrote(kinds: _Kinds) -> Iterable[str]:
    epoch = version = 0
    for fact in sorted((*kinds[Led], *kinds[Wrote]), key=lambda fact: fact.time):
        if isinstance(fact, Led):
            if fact.epoch <= epoch:
                yield f"epoch {fact.epoch} began after epoch {epoch}"
            epoch, version = fact.epoch, fact.version
        elif fact.version != version:
            yield f"{fact.node} was written in epoch {epoch} by a master that was not its leader"


def _changes_survived(kinds: _Kinds) -> Iterable[str]:
    """The last acknowledged change of each key is there, or a later one whose answer was lost."""
    if not kinds[Finally]:
        yield "nobody knows what is left in the end"
        return
    settings = kinds[Finally][-1].settings
    changes: dict[str, list[Changed]] = defaultdict(list)
    for fact in kinds[Changed]:
        changes[fact.key].append(fact)
    for key, facts in changes.items():
        possible: set[str | None] = {None}
        for fact in sorted(facts, key=lambda fact: fact.time):
            if fact.done:
                possible = {fact.value}
            elif fact.answered is None:
                possible.add(fact.value)
        if settings.get(key) not in possible:
            wanted = " or ".join(str(value) for value in sorted(possible, key=str))
            yield f"{key} is {settings.get(key)} in the end, and must be {wanted}"

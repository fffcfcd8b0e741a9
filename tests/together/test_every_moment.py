"""Nothing is lost, done twice or done by halves, whichever moment of a history something breaks in.

Here the moments are not left to chance: each history is replayed for each of them. What else may differ, whether what
is under way still arrives, differs from one to the next; the slow test tries all of it.
"""

from collections.abc import Callable, Iterable

import pytest

from tepui.model import link
from tests.together import histories
from tests.together.histories import MASTER_SETTINGS
from tests.together.moments import Moment
from tests.together.trial import Fault, Trial, What, moments, replay

History = Callable[[Trial], None]

STORING = [histories.settings, histories.service, histories.maintenance, histories.absence]
TALKING = [histories.tasks, histories.again, histories.reservation, histories.draining]
ALL = [*STORING, *TALKING, histories.end]
STORES = (Moment.STORE, Moment.STORED, Moment.ANSWERED)
WRITES = (Moment.WRITE, Moment.WRITTEN)
MESSAGES = (Moment.TO_MASTER, Moment.TO_AGENT)
MESSAGES_ELSEWHERE = {
    link.CheckpointedResources,  # after an operation that an agent refuses
    link.ExecutorExited,  # of executors that frameworks bring
    link.ShutdownExecutor,
    link.ExecutorMessage,  # best effort
    link.SchedulerMessage,
    link.Oversubscribed,
}


def faults(history: History, kinds: Iterable[Moment], what: What, seed: int = 0) -> list[Fault]:
    """One for each moment of these kinds that the history has."""
    found, _ = moments(history, seed, **MASTER_SETTINGS)
    return [Fault(kind, number, what, bool(number % 2)) for kind in kinds for number in range(found[kind])]


def replay_all(history: History, found: list[Fault], seed: int = 0) -> None:
    assert found, f"{history.__name__} has no such moments"
    for fault in found:
        replay(history, fault, seed, **MASTER_SETTINGS)


@pytest.mark.parametrize("what", [What.KILL, What.PAUSE])
@pytest.mark.parametrize("history", STORING)
def test_a_master_may_end_before_each_store_after_it_and_after_the_answer(history: History, what: What) -> None:
    replay_all(history, faults(history, STORES, what))


@pytest.mark.parametrize("history", [*TALKING, histories.end])
def test_every_message_of_the_link_may_be_lost_with_its_link(history: History) -> None:
    replay_all(history, faults(history, MESSAGES, What.LOSS))


@pytest.mark.parametrize("history", TALKING)
def test_the_master_may_die_after_every_message_of_the_link(history: History) -> None:
    replay_all(history, faults(history, [Moment.RECEIVED], What.KILL))


@pytest.mark.parametrize("history", [histories.tasks, histories.reservation])
def test_an_agent_may_die_before_each_write_after_it_and_after_every_message(history: History) -> None:
    replay_all(history, faults(history, (*WRITES, Moment.RECEIVED), What.CRASH))


def test_the_histories_have_every_message_of_the_link() -> None:
    crossing: set[type] = set().union(*(moments(history, **MASTER_SETTINGS)[1] for history in ALL))
    assert {one for one in link.LinkMessage.__subclasses__() if one not in crossing} == MESSAGES_ELSEWHERE


@pytest.mark.slow
@pytest.mark.parametrize("history", ALL)
def test_every_fault_at_every_moment(history: History) -> None:
    seed = 1
    found = faults(history, MESSAGES, What.LOSS, seed)
    found += faults(history, (*WRITES, Moment.RECEIVED), What.CRASH, seed)
    if history is not histories.end:  # it is not stored that a framework has ended
        for what in (What.KILL, What.PAUSE):
            found += faults(history, (*STORES, Moment.RECEIVED), what, seed)
    replay_all(history, found, seed)
    replay_all(history, [fault._replace(arrives=not fault.arrives) for fault in found], seed)

"""Nothing is lost, done twice or done by halves, whichever moment of a history something breaks in.

Here the moments are not left to chance: each history is replayed for each of them.
"""

from collections.abc import Callable

import pytest

from tests.together import histories
from tests.together.histories import MASTER_SETTINGS
from tests.together.moments import Moment
from tests.together.trial import Fault, Trial, What, moments, replay

History = Callable[[Trial], None]

STORING = (histories.settings, histories.service, histories.maintenance, histories.absence)
STORE_MOMENTS = (Moment.STORE, Moment.STORED, Moment.ANSWERED)
STORE_FAULTS = ((What.KILL, False), (What.KILL, True), (What.PAUSE, True))


@pytest.mark.parametrize("history", STORING)
def test_a_master_may_die_before_each_store_after_it_and_after_the_answer(history: History) -> None:
    found = moments(history, **MASTER_SETTINGS)
    for moment in STORE_MOMENTS:
        assert found[moment], f"{history.__name__} stores nothing"
        for number in range(found[moment]):
            for what, arrives in STORE_FAULTS:
                replay(history, Fault(moment, number, what, arrives), **MASTER_SETTINGS)

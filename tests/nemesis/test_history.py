"""The checker finds what must not happen, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.nemesis.history import (
    Admitted,
    AgentKilled,
    AnyFact,
    Began,
    Changed,
    Ended,
    Finally,
    KillAsked,
    Launched,
    Led,
    Told,
    Wrote,
    check,
)

GOOD: list[AnyFact] = [
    *(Launched(time=1, task=task, cpus=1) for task in ("a", "b", "c", "d", "k", "lost call")),
    Led(time=1, epoch=1, version=1),
    Wrote(time=2, node="0001", version=1),
    Admitted(time=0, agent="one", epoch=1),
    Began(time=2, task="a", agent="one", pid=1),
    Began(time=2, task="b", agent="one", pid=2),
    Told(time=2, task="a", state="TASK_RUNNING"),
    Ended(time=3, task="a"),
    Began(time=3, task="c", agent="one", pid=3),
    Told(time=3, task="a", state="TASK_FINISHED"),
    Changed(time=3, key="weights/x", value="2", answered=4, done=True),
    Changed(time=4, key="weights/x", value="3", answered=None, done=False),
    Changed(time=5, key="weights/x", value="4", answered=5, done=False),
    Led(time=3, epoch=2, version=2),
    Wrote(time=4, node="0001", version=2),
    Admitted(time=0, agent="one", epoch=2),
    AgentKilled(time=5, agent="one", alive=["b", "c"], ended={"k": "TASK_FAILED"}),
    Told(time=6, task="b", state="TASK_UNREACHABLE"),
    Told(time=6, task="b", state="TASK_RUNNING"),
    Told(time=6, task="b", state="TASK_GONE"),
    Told(time=6, task="c", state="TASK_LOST"),
    Ended(time=6, task="c"),
    Told(time=6, task="d", state="TASK_DROPPED"),
    Told(time=6, task="k", state="TASK_FAILED"),
    Launched(time=6, task="killed at its end", cpus=0.5),
    Began(time=6, task="killed at its end", agent="two", pid=4),
    KillAsked(time=7, task="killed at its end"),
    Ended(time=7, task="killed at its end"),
    Told(time=7, task="killed at its end", state="TASK_KILLED"),
    Finally(time=9, settings={"weights/x": "3"}, living_tasks=[]),
]


def test_a_good_history_is_found_good() -> None:
    assert check(GOOD) == []


BAD: dict[str, Sequence[AnyFact]] = {
    "a ran 2 times, on one, two": [Began(time=4, task="a", agent="two", pid=9)],
    "e ran, and nobody had launched it": [Began(time=4, task="e", agent="two", pid=9)],
    "the end of e was never told: nothing was": [
        Launched(time=1, task="e", cpus=1),
        Began(time=4, task="e", agent="two", pid=9),
    ],
    "the end of d was never told: TASK_DROPPED, TASK_UNREACHABLE": [Told(time=7, task="d", state="TASK_UNREACHABLE")],
    "d finished on two, which knew of it, and that was never told": [
        Began(time=4, task="d", agent="two", pid=9),
        Ended(time=5, task="d"),
        Told(time=5, task="d", state="TASK_KILLED"),
    ],
    "d finished on one, which knew of it, and that was never told": [
        Began(time=4, task="d", agent="one", pid=9),
        Ended(time=4.5, task="d"),
        AgentKilled(time=5, agent="one", alive=["c"], ended={}),
        AgentKilled(time=15, agent="one", alive=["d"], ended={}),
    ],
    "one was killed when its journal held TASK_FAILED of d, and that was never told": [
        AgentKilled(time=5, agent="one", alive=[], ended={"d": "TASK_FAILED"}),
        Told(time=5, task="d", state="TASK_FAILED", acknowledged=False),
    ],
    "a was told as TASK_RUNNING after TASK_FINISHED": [
        Told(time=8, task="a", state="TASK_RUNNING"),
        Told(time=8, task="a", state="TASK_FINISHED"),
    ],
    "one ran tasks of 2.5 cpus at 2.500, and has 2": [
        Launched(time=1, task="e", cpus=1.5),
        Began(time=2.5, task="e", agent="one", pid=9),
        Ended(time=2.75, task="e", killed=True),
        Told(time=4, task="e", state="TASK_KILLED"),
    ],
    "one ran tasks of 2.5 cpus at 5.500, and has 2": [
        Launched(time=1, task="e", cpus=1.5),
        Began(time=5.5, task="e", agent="one", pid=9),
        Ended(time=7, task="e", killed=True),
        Told(time=7, task="e", state="TASK_KILLED"),
    ],
    "one obeyed epoch 1 after 2": [Admitted(time=0, agent="one", epoch=1)],
    "0001 was written in epoch 2 by a master that was not its leader": [Wrote(time=5, node="0001", version=1)],
    "epoch 2 began after epoch 2": [Led(time=5, epoch=2, version=3)],
    "weights/y is None in the end, and must be 1": [
        Changed(time=3, key="weights/y", value="1", answered=4, done=True)
    ],
    "weights/x is 3 in the end, and must be 5": [Changed(time=6, key="weights/x", value="5", answered=7, done=True)],
    "c is over, and the last leader lists it": [
        Finally(time=9, settings={"weights/x": "3"}, living_tasks=["c"]),
    ],
}  # fmt: skip


@pytest.mark.parametrize("sentence", BAD)
def test_what_must_not_happen_is_found(sentence: str) -> None:
    assert check([*GOOD, *BAD[sentence]]) == [sentence]

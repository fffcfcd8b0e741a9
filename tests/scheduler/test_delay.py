"""Delay scheduling: locality for those who wait, and an end to the waiting."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tepui.scheduler import DelayScheduling, Locality

HOSTS = [f"h{number}" for number in range(100)]


class Cluster:
    """Hosts with one slot each, which are offered whenever they are free; tasks take `task_seconds`."""

    def __init__(self, delay: DelayScheduling[int], task_seconds: float, seed: int = 0) -> None:
        self.delay = delay
        self.task_seconds = task_seconds
        self.random = Random(seed)
        self.free_at = dict.fromkeys(HOSTS, 0.0)
        self.now = 0.0
        self.used: set[str] = set()

    def run(self) -> float:
        """Until no task waits; how long it took, in seconds."""
        while len(self.delay):
            free = [host for host in HOSTS if self.free_at[host] <= self.now]
            self.random.shuffle(free)
            for host in free:
                if self.delay.take(host, self.now) is None:
                    self.free_at[host] = self.now + self.delay.refuse_seconds
                else:
                    self.used.add(host)
                    self.free_at[host] = self.now + self.task_seconds
            self.now = min(self.free_at.values())
        return self.now + self.task_seconds


@pytest.mark.parametrize("seed", range(3))
def test_the_trap(seed: int) -> None:
    """500 tasks, whose input is on one of 100 executors, each shorter than the wait: not all of them run on that one.

    With a wait that each local launch begins anew they take 500 s on 1 % of the cluster (SPARK-18886).
    """
    delay: DelayScheduling[int] = DelayScheduling(wait_seconds=3)
    for task in range(500):
        delay.add(task, [HOSTS[0]])
    cluster = Cluster(delay, task_seconds=1, seed=seed)
    seconds = cluster.run()
    assert len(cluster.used) == len(HOSTS)
    assert seconds <= 3 + 500 / 100 + 3, "the wait once, then the whole cluster"


def test_nearly_all_tasks_are_local_when_input_is_spread() -> None:
    """Three replicas a task on 100 hosts: waiting five seconds for one of them is enough, and costs little."""
    random = Random(1)
    delay: DelayScheduling[int] = DelayScheduling(wait_seconds=5)
    for task in range(2000):
        delay.add(task, random.sample(HOSTS, 3))
    seconds = Cluster(delay, task_seconds=2).run()
    assert delay.launched[Locality.HOST] >= 0.95 * 2000
    assert seconds <= 1.2 * 2 * 2000 / 100 + 5


def test_racks_come_before_anywhere() -> None:
    delay: DelayScheduling[str] = DelayScheduling(
        wait_seconds=5, rack_of={"a1": "a", "a2": "a", "b1": "b"}.get, rack_wait_seconds=5
    )
    delay.add("task", ["a1"])
    assert delay.take("b1", 0) is None
    assert delay.take("a2", 4.9) is None
    assert delay.allowed(5) is Locality.RACK
    assert delay.take("b1", 9.9) is None
    assert delay.take("a2", 9.9) == "task"
    assert delay.launched == {Locality.RACK: 1}
    delay.add("task", ["a1"])
    assert delay.take("b1", 20) is None, "the wait of a new job begins with its first refusal"
    assert delay.take("b1", 30) == "task"


def test_what_others_took_meanwhile_does_not_end_the_wait() -> None:
    """A host that was refused and is not offered again is somebody else's: a local launch begins the wait anew."""
    delay: DelayScheduling[int] = DelayScheduling(wait_seconds=5, refuse_seconds=1)
    for task in range(10):
        delay.add(task, ["near"])
    assert delay.take("far", 0) is None
    assert delay.take("near", 1) is not None
    assert delay.allowed(5) is Locality.ANY, "far is still idle because of us"
    assert delay.take("near", 2) is not None
    assert delay.allowed(5) is Locality.HOST, "far was not offered again in time"


@given(st.lists(st.tuples(st.sampled_from(["add", "take", "discard"]), st.integers(0, 9), st.integers(0, 3))))
def test_every_task_is_taken_once(steps: list[tuple[str, int, int]]) -> None:
    delay: DelayScheduling[int] = DelayScheduling(wait_seconds=2, rack_of=lambda host: str(int(host) // 2))
    waiting: set[int] = set()
    now = 0.0
    for action, task, place in steps:
        now += 1
        if action == "add":
            delay.add(task, [str(place), str(task % 4)][: task % 3])
            waiting.add(task)
        elif action == "discard":
            delay.discard(task)
            waiting.discard(task)
        else:
            taken = delay.take(str(place), now)
            if taken is not None:
                waiting.remove(taken)
        assert len(delay) == len(waiting)
    while waiting:
        taken = delay.take("3", now)
        now += 1
        if taken is not None:
            waiting.remove(taken)
    assert delay.take("3", now) is None
    assert not delay._by_host
    assert not delay._by_rack

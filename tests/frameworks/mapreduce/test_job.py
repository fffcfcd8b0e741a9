"""What a job decides, whatever happens to its attempts."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from tepui.frameworks.mapreduce.job import MAP, REDUCE, Commit, Decision, Done, Fail, Job, Kill, TaskKey, Unwant, Want

AGENTS = ("a1", "a2", "a3")


class Stage:
    """A job, its wishes and its attempts, as a driver keeps them."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.now = 0.0
        self.wanted: dict[TaskKey, str | None] = {}
        self.running: dict[str, str] = {}
        self.committed: dict[TaskKey, str] = {}
        self.end: Done | Fail | None = None
        self.apply(job.start())

    def apply(self, decisions: list[Decision]) -> None:
        for decision in decisions:
            assert self.end is None, "nothing is decided after the end"
            match decision:
                case Want(task, elsewhere):
                    assert task not in self.wanted
                    self.wanted[task] = elsewhere
                case Unwant(task):
                    del self.wanted[task]
                case Commit(task, attempt):
                    assert task not in self.committed, "committed once"
                    self.committed[task] = attempt
                case Kill(attempt):
                    self.running.pop(attempt, None)
                    self.apply(self.job.lost(attempt, "killed"))
                case Done() | Fail():
                    self.end = decision

    def launch(self, task: TaskKey, agent: str = "a1") -> str:
        del self.wanted[task]
        name = self.job.launched(task, agent, self.now).name
        assert name not in self.running
        self.running[name] = agent
        return name

    def finish(self, name: str) -> None:
        del self.running[name]
        self.apply(self.job.finished(name, self.now))

    def run_all(self, kind: str, agent: str = "a1") -> list[str]:
        names = [self.launch(task, agent) for task in list(self.wanted) if task.kind == kind]
        for name in names:
            self.finish(name)
        return names


def test_reduces_begin_when_maps_are_done_and_wait_again_when_one_is_lost() -> None:
    stage = Stage(Job(3, 2))
    assert {task.kind for task in stage.wanted} == {MAP}
    maps = stage.run_all(MAP)
    assert set(stage.wanted) == {TaskKey(REDUCE, 0), TaskKey(REDUCE, 1)}
    reducer = stage.launch(TaskKey(REDUCE, 0), "a2")
    del stage.running[reducer]
    stage.apply(stage.job.lost(reducer, "cannot read", [maps[1]]))
    assert set(stage.wanted) == {TaskKey(MAP, 1)}, "only the lost map, and no reduce before it is done"
    again = stage.launch(TaskKey(MAP, 1), "a2")
    stage.finish(again)
    assert again in [attempt.name for attempt in stage.job.winners(MAP)]
    stage.run_all(REDUCE)
    assert isinstance(stage.end, Done)
    assert len(stage.committed) == 2


def test_an_agent_that_is_lost_takes_its_attempts_and_outputs_along() -> None:
    stage = Stage(Job(4, 1))
    keys = list(stage.wanted)
    names = [stage.launch(task, "a1" if task.number < 2 else "a2") for task in keys]
    stage.finish(names[0])
    stage.finish(names[2])
    stage.apply(stage.job.agent_lost("a1", "gone"))
    assert set(stage.wanted) == set(keys[:2])


def test_outputs_of_a_job_without_reduces_cannot_be_lost() -> None:
    stage = Stage(Job(2, 0))
    first, second = (stage.launch(task) for task in list(stage.wanted))
    stage.finish(first)
    stage.apply(stage.job.agent_lost("a1", "gone"))
    assert set(stage.wanted) == {TaskKey(MAP, 1)}
    assert not stage.job.finished(second, 1.0), "it was lost, and its place is another's"


def test_a_task_that_fails_again_and_again_fails_the_job() -> None:
    stage = Stage(Job(1, 1, attempts_max=3))
    for _ in range(3):
        assert stage.end is None
        name = stage.launch(TaskKey(MAP, 0))
        del stage.running[name]
        stage.apply(stage.job.failed(name, "it is broken"))
    assert stage.end == Fail("map-00000 has failed 3 times; at last: it is broken")


def test_a_straggler_runs_twice_elsewhere_and_the_first_to_end_counts() -> None:
    stage = Stage(Job(4, 0))
    names = [stage.launch(task) for task in list(stage.wanted)]
    stage.now = 10.0
    for name in names[:3]:
        stage.finish(name)
    stage.now = 14.0
    stage.apply(stage.job.tick(stage.now))
    assert not stage.wanted
    stage.now = 16.0
    stage.apply(stage.job.tick(stage.now))
    stage.apply(stage.job.tick(stage.now))
    assert stage.wanted == {TaskKey(MAP, 3): "a1"}
    second = stage.launch(TaskKey(MAP, 3), "a2")
    stage.finish(second)
    assert stage.committed[TaskKey(MAP, 3)] == second
    assert not stage.running, "the first is killed"
    assert isinstance(stage.end, Done)


@given(st.integers(0, 2**32), st.integers(1, 6), st.integers(0, 4))
def test_random_histories_end_with_every_part_committed_once(seed: int, maps: int, reduces: int) -> None:
    random = Random(seed)
    stage = Stage(Job(maps, reduces, attempts_max=1000))
    for step in range(3000):
        if stage.end is not None:
            break
        stage.now += random.random() * 5
        calm = step > 200
        if stage.wanted and random.random() < 0.5:
            stage.launch(random.choice(list(stage.wanted)), random.choice(AGENTS))
        elif stage.running:
            name = random.choice(list(stage.running))
            what = 1.0 if calm else random.random()
            if what > 0.5:
                stage.finish(name)
            elif what > 0.3:
                del stage.running[name]
                stage.apply(stage.job.failed(name, "bad luck"))
            elif what > 0.15:
                del stage.running[name]
                lost = [attempt.name for attempt in stage.job.winners(MAP) if random.random() < 0.3]
                stage.apply(stage.job.lost(name, "lost", lost))
            elif what > 0.05:
                stage.apply(stage.job.tick(stage.now))
            else:
                agent = random.choice(AGENTS)
                stage.apply(stage.job.agent_lost(agent, "gone"))
        assert stage.end is not None or stage.wanted or stage.running, "something is always under way"
    if isinstance(stage.end, Fail):
        assert "was lost 21 times" in stage.end.why
    else:
        assert isinstance(stage.end, Done)
        assert len(stage.committed) == (reduces or maps)

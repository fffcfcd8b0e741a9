"""The batch as a machine: rules one by one, then random graphs in a random world that also kills the batch."""

from __future__ import annotations

from collections import Counter
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from tepui.frameworks.batch import Batch, Command, Graph, Needs, State
from tepui.frameworks.batch.machine import LOST_RUNS_MAX, UNKNOWN_SECONDS_MAX, Ended, Kill, Launched, Record, Verdict


def graph(*commands: str, retries: int = 0, needs: Needs | None = None) -> Graph:
    """Commands as `name` or `name<dependency,dependency`."""
    found = []
    for text in commands:
        name, _, after = text.partition("<")
        found.append(Command(name, name, needs or Needs(), retries, after=tuple(filter(None, after.split(",")))))
    return Graph(found)


def launch(batch: Batch, most: int = 100, agent: str = "S0") -> list[str]:
    """The tasks that an offer with room for so many leads to."""
    taken: list[str] = []

    def take(_: Command, task: str) -> bool:
        if len(taken) < most:
            taken.append(task)
            return True
        return False

    launched = batch.fill(agent, take)
    assert [record.task for record in launched] == taken
    return taken


def states(batch: Batch) -> str:
    return " ".join(status.state.value for status in batch.status)


def test_dependents_run_when_all_that_they_come_after_has_succeeded() -> None:
    batch = Batch(graph("a", "b", "c<a,b"))
    assert launch(batch, most=1) == ["a.1"]
    assert launch(batch) == ["b.1"]
    batch.hear("a.1", Verdict.SUCCEEDED, "", 0)
    assert not batch.wants_offers
    batch.hear("b.1", Verdict.SUCCEEDED, "", 0)
    assert launch(batch) == ["c.1"]
    batch.hear("c.1", Verdict.SUCCEEDED, "", 0)
    assert batch.is_over


def test_a_failure_is_tried_again_and_then_skips_what_comes_after() -> None:
    batch = Batch(graph("a", "b<a", "c<b", "d", retries=1))
    launch(batch)
    batch.hear("a.1", Verdict.FAILED, "exit 1", 0)
    assert launch(batch) == ["a.2"]
    batch.hear("a.2", Verdict.FAILED, "exit 2", 0)
    assert states(batch) == "failed skipped skipped running"
    assert [batch.status[at].why for at in (0, 1, 2)] == ["exit 2", "'a' failed", "'a' failed"]
    batch.hear("d.1", Verdict.INVALID, "no such resource", 0)
    assert batch.is_over


def test_losses_do_not_count_as_failures_up_to_a_bound() -> None:
    batch = Batch(graph("a"))
    for number in range(1, LOST_RUNS_MAX + 1):
        assert launch(batch) == [f"a.{number}"]
        batch.hear(f"a.{number}", Verdict.LOST, "agent removed", 0)
    assert states(batch) == "failed"
    assert batch.status[0].why == f"it was lost {LOST_RUNS_MAX} times, the last time because agent removed"


def test_a_run_that_comes_back_is_killed_or_counts_when_it_has_succeeded() -> None:
    batch = Batch(graph("a", "b"))
    launch(batch, agent="S1")
    for task in ("a.1", "b.1"):
        batch.hear(task, Verdict.AWAY, "unreachable", 0)
    assert launch(batch, agent="S2") == ["a.2", "b.2"]
    assert batch.hear("a.1", Verdict.ALIVE, "", 0) == [Kill("a.1", "S1")]
    assert batch.hear("b.1", Verdict.SUCCEEDED, "", 0) == [Ended("b.1", Verdict.SUCCEEDED, ""), Kill("b.2", "S2")]
    batch.hear("b.2", Verdict.SUCCEEDED, "", 0)
    assert states(batch) == "running succeeded"
    batch.hear("a.2", Verdict.SUCCEEDED, "", 0)
    assert batch.is_over


def test_a_run_that_the_master_does_not_know_is_waited_for_before_it_is_given_up() -> None:
    batch = Batch(graph("a", "b"))
    launch(batch)
    for task in ("a.1", "b.1"):
        assert batch.hear(task, Verdict.UNKNOWN, "", 10) == []
    batch.hear("b.1", Verdict.ALIVE, "", 20)
    assert batch.tick(10 + UNKNOWN_SECONDS_MAX - 1) == []
    assert [run.task for run in batch.unheard()] == ["a.1"]
    batch.tick(10 + UNKNOWN_SECONDS_MAX)
    assert states(batch) == "ready running"


def test_an_interrupted_batch_kills_what_runs_and_that_is_no_failure() -> None:
    batch = Batch(graph("a", "b", "c"))
    launch(batch, most=2)
    assert batch.stop() == [Kill("a.1", "S0"), Kill("b.1", "S0")]
    assert not batch.wants_offers
    batch.hear("a.1", Verdict.FAILED, "killed", 0)
    batch.hear("b.1", Verdict.SUCCEEDED, "", 0)
    assert batch.is_over
    assert not batch.is_finished
    assert states(batch) == "ready succeeded ready"


def test_the_next_life_runs_what_was_changed_and_kills_what_is_not_wanted_any_more() -> None:
    old = Batch(graph("a", "b", "gone"))
    history: list[Record] = [*old.fill("S0", lambda _, __: True), Ended("a.1", Verdict.SUCCEEDED)]
    new = Batch(Graph([Command("a", "a, changed"), Command("b", "b")]))
    for record in history:
        new.replay(record)
    assert states(new) == "ready running"
    assert sorted(run.task for run in new.unheard()) == ["b.1", "gone.1"]
    assert new.hear("gone.1", Verdict.ALIVE, "", 0) == [Kill("gone.1", "S0")]
    assert launch(new) == ["a.2"]


def test_what_failed_is_forgiven_and_all_can_begin_anew() -> None:
    batch = Batch(graph("a", "b<a", "c"))
    launch(batch)
    batch.hear("a.1", Verdict.FAILED, "", 0)
    batch.hear("c.1", Verdict.SUCCEEDED, "", 0)
    batch.forgive()
    assert states(batch) == "ready waiting succeeded"
    assert launch(batch) == ["a.2"]
    anew = batch.anew()
    assert states(anew) == "ready waiting ready"
    assert anew.hear("a.2", Verdict.ALIVE, "", 0) == [Kill("a.2", "S0")]
    anew.hear("a.2", Verdict.SUCCEEDED, "", 0)
    assert launch(anew) == ["a.3", "c.2"]


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Commands that come after earlier ones, in any order in the file, of a few sizes."""
    count = draw(st.integers(1, 12))
    commands = []
    for at in range(count):
        after = draw(st.sets(st.integers(0, at - 1), max_size=3)) if at else set()
        needs = Needs(draw(st.sampled_from([1.0, 2.0, 4.0])))
        retries = draw(st.integers(0, 2))
        commands.append(Command(f"c{at}", "x", needs, retries, after=tuple(f"c{other}" for other in sorted(after))))
    return Graph(draw(st.permutations(commands)))


class World:
    """A cluster that runs, fails and loses tasks, and a batch on it that is killed and starts again."""

    def __init__(self, commands: Graph, random: Random, *, partitions: bool) -> None:
        self.graph = commands
        self.random = random
        self.partitions = partitions
        self.batch = Batch(commands)
        self.journal: list[Record] = []
        self.running: dict[str, str] = {}
        self.untold: dict[str, Verdict] = {}
        """Ends that nobody has acknowledged."""
        self.hidden: set[str] = set()
        self.launched: set[str] = set()
        self.really_succeeded: Counter[str] = Counter()

    def step(self, *, kind: bool) -> None:
        """One thing happens. In a kind world nothing is lost any more and nobody dies."""
        choice = self.random.random()
        if choice < 0.35:
            self.offer()
        elif choice < 0.6:
            self.end(kind=kind)
        elif choice < 0.85 or kind:
            self.tell()
        elif choice < 0.9 and self.partitions:
            self.partition()
        elif choice < 0.95:
            self.lose()
        else:
            self.die()
        assert self.batch.counts == Counter(status.state for status in self.batch.status)

    def offer(self) -> None:
        room = [self.random.choice([1.0, 2.0, 4.0, 8.0])]

        def take(command: Command, task: str) -> bool:
            assert task not in self.launched
            for name in command.after:
                assert self.really_succeeded[name]
            if command.needs.cpus > room[0]:
                return False
            room[0] -= command.needs.cpus
            return True

        launched = self.batch.fill("S0", take)
        self.journal += launched
        self.launched.update(record.task for record in launched)
        if launched and self.random.random() < 0.05:
            self.die()  # before the call is made
            return
        self.running.update((record.task, record.task.rpartition(".")[0]) for record in launched)

    def end(self, *, kind: bool) -> None:
        if not self.running:
            return
        task = self.random.choice(sorted(self.running))
        name = self.running.pop(task)
        good = kind or self.random.random() < 0.7
        self.really_succeeded[name] += good
        self.untold[task] = Verdict.SUCCEEDED if good else Verdict.FAILED
        self.hidden.discard(task)

    def tell(self) -> None:
        for task in [task for task in self.untold if self.random.random() < 0.5]:
            self.hear(task, self.untold[task])
            if self.random.random() < 0.9:  # else the acknowledgement is lost
                self.untold.pop(task, None)

    def partition(self) -> None:
        for task in list(self.running):
            if self.random.random() < 0.5:
                verdict = Verdict.ALIVE if task in self.hidden else Verdict.AWAY
                self.hidden ^= {task}
                self.hear(task, verdict)

    def lose(self) -> None:
        if self.running:
            task = self.random.choice(sorted(self.running))
            del self.running[task]
            self.hidden.discard(task)
            self.untold[task] = Verdict.LOST

    def die(self) -> None:
        """The batch is killed; its next life asks for what it does not know."""
        self.batch = Batch(self.graph)
        for record in self.journal:
            self.batch.replay(record)
        for run in self.batch.unheard():
            if run.task in self.running and run.task not in self.hidden:
                self.hear(run.task, Verdict.ALIVE)
            elif run.task not in self.running and run.task not in self.untold:
                self.hear(run.task, Verdict.LOST)

    def hear(self, task: str, verdict: Verdict) -> None:
        for decision in self.batch.hear(task, verdict, "", 0):
            if isinstance(decision, Kill):
                if self.running.pop(decision.task, None) is not None:
                    self.hidden.discard(decision.task)
                    self.untold[decision.task] = Verdict.FAILED
            else:
                self.journal.append(decision)


@settings(max_examples=300, deadline=None)
@given(graphs(), st.integers(0, 2**32), st.booleans(), st.integers(0, 120))
def test_whatever_happens_each_command_succeeds_once_after_its_dependencies_and_all_end(
    commands: Graph, seed: int, partitions: bool, wild_steps: int
) -> None:
    world = World(commands, Random(seed), partitions=partitions)
    for _ in range(wild_steps):
        world.step(kind=False)
    for _ in range(5000):
        if world.batch.is_over:
            break
        world.step(kind=True)
    batch = world.batch
    assert batch.is_over
    assert batch.is_finished
    counted = Counter(
        record.task.rpartition(".")[0]
        for record in world.journal
        if isinstance(record, Ended) and record.verdict is Verdict.SUCCEEDED
    )
    for at, (command, status) in enumerate(zip(commands.commands, batch.status, strict=True)):
        needed = [batch.status[other].state for other in commands.dependencies[at]]
        spoiled = any(state in (State.FAILED, State.SKIPPED) for state in needed)
        assert (status.state is State.SKIPPED) == spoiled
        assert (status.state is State.SUCCEEDED) == (bool(world.really_succeeded[command.name]) and not spoiled) or (
            partitions
        )
        if not partitions:
            assert counted[command.name] == world.really_succeeded[command.name] <= 1
        if status.state is State.FAILED:
            assert status.failures > command.retries or status.lost >= LOST_RUNS_MAX
    assert len({record.task for record in world.journal if isinstance(record, Launched)}) == len(world.launched)

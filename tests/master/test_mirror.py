"""A standby's mirror: whatever happens, it shows what the leader shows; and what a taking over master makes of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tepui.master import extensions, legacy, mirroring, views
from tepui.master.followers import Followers
from tepui.master.gauges import Picture
from tepui.master.mirror import FREED_PER_STEP, Mirror
from tepui.master.state import Agent, Framework, State, Task
from tepui.model.resources import Resources
from tepui.model.v1.master import Call
from tepui.model.v1.mesos import AgentID, AgentInfo, FrameworkInfo, TaskID, TaskInfo, TaskState
from tests.master import reading
from tests.master.stage import Stage
from tests.master.test_histories import STEP, History, Steps

CALLS = (
    Call.Type.GET_STATE,
    Call.Type.GET_OPERATIONS,
    Call.Type.GET_ROLES,
    Call.Type.GET_QUOTA,
    Call.Type.GET_WEIGHTS,
    Call.Type.GET_MAINTENANCE_STATUS,
    Call.Type.GET_MAINTENANCE_SCHEDULE,
    Call.Type.GET_MASTER,
)
ENDPOINTS = ("state", "state-summary", "slaves", "frameworks", "roles", "registrar(1)/registry", "weights", "quota")
LISTS = ("agents", "frameworks", "offers", "tasks")


def in_order(value: Any) -> Any:
    """The same in an order of its own: the order of lists is that of dicts, of which readers are promised none."""
    if isinstance(value, dict):
        return {name: in_order(value[name]) for name in sorted(value)}
    if isinstance(value, list):
        return sorted(map(in_order, value), key=repr)
    return value


def shown(picture: Picture) -> dict[str, Any]:
    """Everything that readers can ask a picture for."""
    found: dict[str, object] = {call.name: views.picture_answer(picture, Call(type=call)) for call in CALLS}
    for endpoint in ENDPOINTS:
        found[endpoint] = legacy.picture_answer(picture, endpoint, {}).body  # type: ignore[union-attr]
    found["tasks"] = legacy.picture_answer(picture, "tasks", {"limit": "100000"}).body  # type: ignore[union-attr]
    for name in LISTS:
        found[f"list of {name}"] = extensions.picture_answer(picture, name, {"limit": "10000"})
    return {name: in_order(json.loads(reading.as_json(answer))) for name, answer in found.items()}


def the_mirror_shows_what_the_leader_shows(stage: Stage, mirror: Mirror) -> None:
    mirror.read_at(stage.now)
    expected, found = shown(stage.core.context), shown(mirror)
    for name, answer in expected.items():
        assert found[name] == answer, name


class Mirrored(History):
    """A history that two standbys watch, whichever master leads; they read at speeds of their own."""

    def __init__(self) -> None:
        super().__init__()
        self.watch_it()

    def fail_over(self, a: int, b: int, c: int) -> None:
        super().fail_over(a, b, c)
        self.watch_it()

    def watch_it(self) -> None:
        self.stage.command("mirror m")
        self.stage.command("mirror n")

    def read_slowly(self, name: str, slowly: bool) -> None:
        self.stage.command(f"backlog {name} {'full' if slowly else 'empty'}")

    def compare(self, *names: str) -> None:
        """Those of these names have caught up."""
        for name in names:
            self.read_slowly(name, False)
        self.stage.command("after 0.2")
        for name in names:
            assert self.stage.mirrors[name].whole
            the_mirror_shows_what_the_leader_shows(self.stage, self.stage.mirrors[name])


def live_through(steps: Steps) -> None:
    history = Mirrored()
    for number in range(3):
        history.subscribe(number, 2, 0)
        history.connect(number, 1, 0)
    for count, (step, a, b, c) in enumerate(steps):
        getattr(history, step.__name__)(a, b, c)
        history.stage.lines.clear()
        if count % 7 == 6:
            history.compare("m", *("n" * (c < 4)))
            history.read_slowly("m", c == 0)
            history.read_slowly("n", c % 2 == 1)
    history.compare("m", "n")


@pytest.mark.parametrize("entries_max", [2, mirroring.ENTRIES_MAX])
@settings(max_examples=30, deadline=None, derandomize=True)
@given(steps=st.lists(STEP, min_size=10, max_size=60))
def test_the_mirror_shows_what_the_leader_shows_in_every_history(entries_max: int, steps: Steps) -> None:
    """However few things one part may tell."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mirroring, "ENTRIES_MAX", entries_max)
        live_through(steps)


def test_a_mirror_is_as_old_as_the_oldest_thing_that_it_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of a telling that is not over yet bring it nearer, but not up to date."""
    monkeypatch.setattr(mirroring, "ENTRIES_MAX", 2)
    history = Mirrored()
    stage = history.stage
    history.compare("m", "n")
    mirror, then = stage.mirrors["m"], stage.now
    revision = mirror.revision_text
    for number in range(5):
        history.connect(number, 1, 0)
    history.stage.core.context.now = stage.now
    (follower,) = stage.core.context.followers
    while True:
        part = mirroring._part(stage.core.context, follower)
        if follower.up_to_date:
            break
        mirror.apply(part, stage.now + 10)
        assert mirror.whole
        assert mirror.revision_text == revision
        assert mirror.age_seconds(stage.now + 10) >= stage.now + 10 - then
    mirror.apply(part, stage.now)
    assert mirror.revision_text != revision


@pytest.mark.slow
@settings(max_examples=2000, deadline=None)
@given(st.lists(STEP, min_size=40, max_size=150))
def test_the_mirror_shows_what_the_leader_shows_in_many_long_histories(steps: Steps) -> None:
    live_through(steps)


def test_standbys_that_know_the_same_are_told_by_the_same_parts() -> None:
    """One that reads too slowly is left behind, and the others are not held up."""
    followers = Followers()
    state = State()
    followers.add(state, "a")
    followers.add(state, "b")
    for follower in followers:
        follower.settings, follower.whole = False, True
    followers.join()
    (together,) = followers
    assert list(together.sessions) == ["a", "b"]
    followers.pause("b")
    followers.agent("A")
    assert [list(follower.sessions) for follower in followers] == [["a"], ["b"]]
    first, second = followers
    assert list(first.agents) == list(second.agents) == ["A"]
    first.agents.clear()
    followers.join()
    assert not second.up_to_date, "what one was told, the other was not"
    assert followers.resume("b")
    second.agents.clear()
    followers.join()
    followers.remove("a")
    (left,) = followers
    assert list(left.sessions) == ["b"]
    followers.remove("b")
    assert not followers
    assert not followers.resume("b")


def test_a_mirror_is_given_back_in_small_steps_until_nothing_is_left() -> None:
    mirror, steps = Mirror(), 0
    framework = Framework("F", FrameworkInfo(user="u", name="n"), (), frozenset())
    agent = Agent("A", AgentInfo(hostname="h"), "", "", frozenset(), Resources.NONE)
    mirror.state.frameworks["F"], mirror.state.agents["A"] = framework, agent
    for number in range(5 * FREED_PER_STEP):
        name = str(number)
        info = TaskInfo(name=name, task_id=TaskID(value=name), agent_id=AgentID(value="A"))
        task = Task("F", name, "A", "", info, Resources.NONE, "*", TaskState.TASK_RUNNING)
        framework.tasks[name] = agent.tasks.setdefault("F", {})[name] = task
    left = len(framework.tasks)
    for _ in mirror.empty():
        assert left - len(framework.tasks) <= FREED_PER_STEP
        left = len(framework.tasks)
        steps += 1
    assert steps >= 5
    assert not framework.tasks
    assert not agent.tasks
    assert not mirror.state.agents

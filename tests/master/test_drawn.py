"""Large answers: drawn in parts they are to the letter what they would be whole, whatever happens between two parts."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tepui.master import legacy, views
from tepui.master.events import OperatorCall
from tepui.master.mirror import Mirror
from tepui.master.state import State, Task
from tepui.model import drawn
from tepui.model.drawn import Drawn, Rows
from tepui.model.shell import Effect, Send, SendDrawn
from tepui.model.v1 import mesos
from tepui.model.v1.master import Call, Event, Response
from tepui.model.v1.mesos import FrameworkInfo, Label, Labels, TaskState
from tepui.wire.drawing import draw
from tepui.wire.json import decode_json, encode_json
from tepui.wire.media import MediaType, decode, encode
from tests.master import cluster
from tests.master.stage import Stage
from tests.master.test_histories import STEPS, History, Steps

ENDPOINTS = ("state", "state-summary", "slaves", "frameworks", "tasks")
CALLS = ("GET_STATE", "GET_TASKS", "GET_EXECUTORS", "GET_FRAMEWORKS", "GET_AGENTS")
EVERYTHING = {"limit": "100000"}
TASKS = 700
AGENTS = 120


def large() -> cluster.Reading:
    """More than is answered at once: of everything there is, and two frameworks that have nothing."""
    world = cluster.small()
    for number in range(1, AGENTS):
        cluster.add_agent(world, number)
    for number in range(2, 4):
        cluster.add_framework(world, f"{cluster.MASTER}-000{number}").info.labels = Labels(labels=[Label(key="k")])
    framework = world.state.frameworks[cluster.FRAMEWORK]
    (executor,) = framework.executors[cluster.AGENT].values()
    agent = world.state.agents[cluster.AGENT]
    for number in range(TASKS):
        name = f"many-{number}"
        running = cluster.status(name, TaskState.TASK_RUNNING, float(number % 7))
        # An infinite number is written as a word, in whatever part it is.
        task = cluster.make_task(name, TaskState.TASK_RUNNING, [running], cpus=0.5 + number % 3)
        task.info.limits = {"mem": mesos.Value.Scalar(value=float("inf"))} if number % 100 == 0 else {}
        if number % 3 == 2:
            framework.completed_tasks.append(task)
        else:
            framework.tasks[name] = agent.tasks[cluster.FRAMEWORK][name] = task
        of_agent = framework.executors.setdefault(f"{cluster.MASTER}-S{number % AGENTS}", {})
        of_agent[f"e-{number}"] = type(executor)(
            cluster.FRAMEWORK, f"e-{number}", cluster.AGENT, executor.info, executor.resources
        )
    return world


def in_parts(answer: object, media: MediaType = MediaType.JSON) -> bytes:
    assert isinstance(answer, Drawn)
    parts = list(draw(answer, media))
    assert len(parts) > drawn.WHOLE_PARTS_MAX, "it is not made at once"
    return b"".join(parts)


def ask(world: cluster.Reading, endpoint: str) -> object:
    answer = legacy.answer(world, endpoint, EVERYTHING)
    assert answer is not None
    assert answer.status == 200
    return answer.body


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_a_large_legacy_answer_is_to_the_letter_what_it_would_be_whole(
    endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = large()
    told = in_parts(ask(world, endpoint))
    monkeypatch.setattr(drawn, "WHOLE_PARTS_MAX", 1_000_000)
    whole = ask(world, endpoint)
    assert not isinstance(whole, Drawn)
    assert told == encode_json(whole)


@pytest.mark.parametrize("name", CALLS)
def test_a_large_v1_answer_is_what_it_would_be_whole(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As JSON to the letter; as protobuf what any reader makes of it."""
    world, call = large(), Call(type=Call.Type[name])
    framework = world.state.frameworks[cluster.FRAMEWORK]
    for number in range(200):  # not much work each, but there are many
        info = FrameworkInfo(user="", name="", id=mesos.FrameworkID(value=f"G-{number}"))
        world.state.frameworks[f"G-{number}"] = type(framework)(f"G-{number}", info, ("*",), frozenset())
    as_json, as_protobuf = views.answer(world, call), views.answer(world, call)
    told, told_packed = in_parts(as_json), in_parts(as_protobuf, MediaType.PROTOBUF)
    monkeypatch.setattr(drawn, "WHOLE_PARTS_MAX", 1_000_000)
    whole = views.answer(world, call)
    assert isinstance(whole, Response)
    assert told == encode(MediaType.JSON, whole)
    packed = encode(MediaType.PROTOBUF, whole)
    assert decode(MediaType.PROTOBUF, Response, told_packed) == decode(MediaType.PROTOBUF, Response, packed)


def test_what_was_there_when_somebody_asked_is_shown_and_nothing_else() -> None:
    world = large()
    framework = world.state.frameworks[cluster.FRAMEWORK]
    before = {*framework.tasks}
    parts = draw(views.answer(world, Call(type=Call.Type.GET_TASKS)))  # type: ignore[arg-type]
    begun = next(parts)
    ending = framework.tasks.pop("many-600")
    ending.state = TaskState.TASK_FINISHED
    framework.completed_tasks.append(ending)
    framework.tasks["late"] = cluster.make_task("late", TaskState.TASK_STAGING, [])
    del world.state.frameworks[cluster.FRAMEWORK]
    told = json.loads(begun + b"".join(parts))["get_tasks"]
    assert {task["task_id"]["value"] for task in told["tasks"]} == before
    assert [task["state"] for task in told["tasks"] if task["name"] == "many-600"] == ["TASK_FINISHED"]
    assert "many-600" not in {task["name"] for task in told["completed_tasks"]}


def test_a_mirror_that_is_over_is_emptied_when_its_last_answer_is_made() -> None:
    mirror, world = Mirror(), large()
    mirror.state, mirror._config = world.state, world.config
    parts = draw(mirror.answer(OperatorCall(1, "", None, Call(type=Call.Type.GET_AGENTS)), world.now)[1])  # type: ignore[index, arg-type]
    begun, steps = next(parts), mirror.empty()
    for _ in range(3):
        next(steps)
    told = json.loads(begun + b"".join(parts))["get_agents"]["agents"]
    assert any(resource["scalar"]["value"] > 100 for resource in told[0]["allocated_resources"])
    del parts
    assert list(steps)
    assert not mirror.state.agents


# Histories.

QUIET = st.tuples(
    st.sampled_from([step for step in STEPS if step is not History.fail_over] + [*STEPS[:5], History.kill] * 2),
    st.integers(0, 3),
    st.integers(0, 3),
    st.integers(0, 7),
)
"""What can happen while a master lives."""


class Watched(Stage):
    """A stage with one operator's stream that begins with a whole picture, and one whose picture is drawn."""

    def __init__(self) -> None:
        super().__init__()
        self.events: dict[str, list[Event]] = {"whole": [], "drawn": []}
        self.pictures: dict[str, Drawn] = {}

    def tell(self, effect: Effect) -> None:
        if isinstance(effect, SendDrawn):
            self.pictures[effect.session] = effect.event
        elif isinstance(effect, Send) and effect.session in self.events:
            assert isinstance(effect.event, Event)
            self.events[effect.session].append(decode_json(Event, encode(MediaType.JSON, effect.event)))
        else:
            super().tell(effect)


def one_by_one(rows: Rows) -> Iterator[list[object]]:
    for item in rows.items:
        yield [rows.make(item)]


@pytest.fixture(scope="module", autouse=True)
def _one_by_one() -> Iterator[None]:
    """Between any two entries something may happen."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Rows, "drawn", one_by_one)
        yield


def begin() -> tuple[History, Watched]:
    history = History()
    stage = history.stage = Watched()
    for number in range(3):
        history.subscribe(number, 2, 0)
        history.connect(number, 1, 0)
    return history, stage


def live(history: History, steps: Steps, *parts: Iterator[bytes]) -> Iterator[tuple[int, bytes]]:
    """Let the history go on, and draw a few parts after each of its steps; then all the rest."""
    for step, a, b, c in steps:
        step(history, a, b, c)
        history.stage.lines.clear()
        for index, one in enumerate(parts):
            for _ in range(c):
                yield index, next(one, b"")
    for index, one in enumerate(parts):
        yield index, b"".join(one)


def all_tasks(state: State) -> Counter[tuple[str, str]]:
    frameworks = [*state.frameworks.values(), *state.completed_frameworks.values()]
    kinds: list[Callable[[Any], list[Task]]] = [
        lambda framework: list(framework.tasks.values()),
        lambda framework: list(framework.unreachable_tasks.values()),
        lambda framework: list(framework.completed_tasks),
    ]
    return Counter((task.framework_id, task.task_id) for each in frameworks for kind in kinds for task in kind(each))


def v1_tasks(found: dict[str, Any]) -> Counter[tuple[str, str]]:
    names = ("tasks", "unreachable_tasks", "completed_tasks")
    tasks = [task for name in names for task in found["get_state"]["get_tasks"][name]]
    return Counter((task["framework_id"]["value"], task["task_id"]["value"]) for task in tasks)


def legacy_tasks(found: dict[str, Any]) -> Counter[tuple[str, str]]:
    names = ("tasks", "unreachable_tasks", "completed_tasks")
    frameworks = [*found["frameworks"], *found["completed_frameworks"]]
    tasks = [task for framework in frameworks for name in names for task in framework[name]]
    return Counter((task["framework_id"], task["id"]) for task in tasks)


LAUNCHES: Steps = [(History.launch, number % 3, number % 3, number) for number in range(8)]


@settings(max_examples=40, deadline=None, derandomize=True)
@example(before=LAUNCHES, after=[(History.lose, 0, 0, 1), (History.wait, 0, 3, 1), (History.connect, 0, 1, 1)])
@example(before=LAUNCHES, after=[(History.teardown, 0, 1, 1), (History.teardown, 1, 1, 1)])
@given(before=st.lists(QUIET, min_size=5, max_size=25), after=st.lists(QUIET, min_size=5, max_size=25))
def test_whatever_happens_between_its_parts_an_answer_has_each_task_once(before: Steps, after: Steps) -> None:
    """Each that there was when it was asked for, and no other."""
    history, stage = begin()
    list(live(history, before))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drawn, "WHOLE_PARTS_MAX", -1)
        context = stage.core.context
        expected = all_tasks(stage.core.state)
        state = legacy.answer(context, "state", {})
        page = legacy.answer(context, "tasks", EVERYTHING)
        assert state is not None
        assert page is not None
        asked = [state.body, page.body, *(views.answer(context, Call(type=Call.Type.GET_STATE)) for _ in range(2))]
        media = [MediaType.JSON, MediaType.JSON, MediaType.JSON, MediaType.PROTOBUF]
        parts = [draw(one, kind) for one, kind in zip(asked, media, strict=True) if isinstance(one, Drawn)]
        told = [b""] * len(asked)
        for index, part in live(history, after, *parts):
            told[index] += part
    assert legacy_tasks(json.loads(told[0])) == expected
    assert Counter((task["framework_id"], task["id"]) for task in json.loads(told[1])["tasks"]) == expected
    assert v1_tasks(json.loads(told[2])) == expected
    packed = decode(MediaType.PROTOBUF, Response, told[3])
    assert v1_tasks(json.loads(encode(MediaType.JSON, packed))) == expected


def subscribe(stage: Watched, session: str) -> None:
    stage.do(OperatorCall(1, session, None, Call(type=Call.Type.SUBSCRIBE)))


def test_what_happens_to_a_task_is_told_from_when_it_was_drawn() -> None:
    """And of another task with an id that is used again, from its beginning."""
    stage = Watched()
    for command in (
        "agent l0 resources=cpus:4;mem:4096",
        "subscribe s1 roles=a failover_timeout=60",
        "accept s1 O0 | launch t1,t2,t3 resources=cpus:1;mem:32",
    ):
        stage.command(command)
    assert {*stage.core.state.frameworks["M-0000"].tasks} == {"t1", "t2", "t3"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drawn, "WHOLE_PARTS_MAX", -1)
        subscribe(stage, "drawn")
    parts = draw(stage.pictures["drawn"])
    stage.command("update l0 t1 STARTING u1")
    told = b""
    while b'"t1"' not in told:
        told += next(parts)
    stage.command("update l0 t1 RUNNING u2")
    stage.command("update l0 t2 FINISHED u3")
    stage.command("acknowledge s1 t2 u3")
    stage.command("accept s1 O1 | launch t2 resources=cpus:1;mem:32")
    stage.command("update l0 t2 STARTING u4")
    stage.command("update l0 t3 RUNNING u5")
    told += b"".join(parts)
    stage.command("update l0 t3 FINISHED u6")
    picture = json.loads(told)["subscribed"]["get_state"]["get_tasks"]["tasks"]
    assert [(task["name"], task["state"]) for task in picture] == [
        ("t1", "TASK_STARTING"),
        ("t2", "TASK_FINISHED"),
        ("t3", "TASK_RUNNING"),
    ]
    events = [event for event in stage.events["drawn"] if event.type is not Event.Type.HEARTBEAT]
    assert [event.task_added.task.name for event in events if event.task_added is not None] == ["t2"]
    assert [update[1:3] for update in map(status_in, events) if update is not None] == [
        ("t1", TaskState.TASK_RUNNING),
        ("t2", TaskState.TASK_STARTING),
        ("t3", TaskState.TASK_FINISHED),
    ]


@settings(max_examples=60, deadline=None, derandomize=True)
@example(before=LAUNCHES, after=[(History.launch, 0, 0, 1), (History.update, 0, 1, 0), (History.update, 0, 2, 0)])
@given(before=st.lists(QUIET, min_size=5, max_size=25), after=st.lists(QUIET, min_size=5, max_size=25))
def test_an_operator_is_told_each_change_once_in_the_picture_or_after_it(before: Steps, after: Steps) -> None:
    """However long the picture takes to draw: what is left out of the events after it is what it shows."""
    history, stage = begin()
    list(live(history, before))
    subscribe(stage, "whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drawn, "WHOLE_PARTS_MAX", -1)
        subscribe(stage, "drawn")
    told = b"".join(part for _, part in live(history, after, draw(stage.pictures["drawn"])))
    assert "drawn" not in stage.core.context.undrawn, "nothing is left over when all was told"
    first, *events = stage.events["whole"]
    before_that, shown = statuses_in(first), statuses_in(decode_json(Event, told))
    mine = [event for event in stage.events["drawn"] if event.type is not Event.Type.HEARTBEAT]
    left = iter(mine)
    expected = next(left, None)
    for event in events:
        if event.type is Event.Type.HEARTBEAT:
            continue
        if event == expected:
            expected = next(left, None)
        else:
            assert status_in(event) in shown, "only what the picture shows is left out"
    assert expected is None, "nothing else is told"
    for status in shown - before_that:
        count = [sum(status_in(event) == status for event in each) for each in (events, mine)]
        assert count[0] == 0 or count[1] < count[0], "what came into the picture is not told after it"


Told = tuple[str, str, TaskState | None, bytes | None]


def statuses_in(picture: Event) -> set[Told]:
    """Of the tasks in the first event of a stream."""
    assert picture.subscribed is not None
    assert picture.subscribed.get_state is not None
    told = picture.subscribed.get_state.get_tasks
    assert told is not None
    return {
        (task.framework_id.value, task.task_id.value, status.state, status.uuid)
        for task in (*told.tasks, *told.unreachable_tasks, *told.completed_tasks)
        for status in task.statuses
    }


def status_in(event: Event) -> Told | None:
    update = event.task_updated
    if update is None:
        return None
    return update.framework_id.value, update.status.task_id.value, update.status.state, update.status.uuid

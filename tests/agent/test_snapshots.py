"""A snapshot of any length crosses the link: in parts, at a bounded rate, and together they tell everything."""

from __future__ import annotations

import pytest

from tepui.agent import snapshots
from tepui.agent.events import LinkDown, LinkUp
from tepui.model.link import Snapshot
from tepui.model.shell import Effect, SendLink, Tick
from tests.agent.stage import Stage

TASKS = [f"t{number}" for number in range(12)]


@pytest.fixture
def stage() -> Stage:
    """An agent with twelve tasks of one executor."""
    stage = Stage()
    for line in ("link up", "welcome", "framework f1", f"launch f1 e1 {' '.join(TASKS)}", "started run-1"):
        stage.command(line)
    stage.core.handle(LinkDown(stage.core.records.link or "", "gone"), stage.now)
    return stage


def parts_in(effects: list[Effect], link: str = "new") -> list[Snapshot]:
    return [
        effect.message
        for effect in effects
        if isinstance(effect, SendLink) and effect.link == link and isinstance(effect.message, Snapshot)
    ]


def test_a_short_snapshot_is_one_message(stage: Stage) -> None:
    (part,) = parts_in(stage.core.handle(LinkUp("new"), stage.now))
    assert not part.more
    assert [held.info.task_id.value for held in part.tasks] == TASKS
    assert [held.info.executor_id.value for held in part.executors] == ["e1"]


def test_a_long_snapshot_leaves_in_parts_at_a_bounded_rate(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "PART_BYTES_MAX", 600)
    monkeypatch.setattr(snapshots, "PACED_BYTES_MAX", 1500)
    spans = [parts_in(stage.core.handle(LinkUp("new"), stage.now))]
    while spans[-1][-1].more:
        deadline = stage.core.next_deadline()
        assert deadline == stage.now + snapshots.PACE_SECONDS
        stage.now = deadline
        spans.append(parts_in(stage.core.handle(Tick(), stage.now)))
    parts = [part for span in spans for part in span]
    assert len(spans) > 1
    assert len(parts) > len(spans)
    assert [part.more for part in parts] == [True] * (len(parts) - 1) + [False]
    assert [held.info.task_id.value for part in parts for held in part.tasks] == TASKS
    assert [info.id and info.id.value for part in parts for info in part.frameworks] == ["f1"]


def test_parts_that_wait_are_forgotten_with_their_link(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "PART_BYTES_MAX", 600)
    monkeypatch.setattr(snapshots, "PACED_BYTES_MAX", 600)
    (first,) = parts_in(stage.core.handle(LinkUp("new"), stage.now))
    assert first.more
    stage.core.handle(LinkDown("new", "gone"), stage.now)
    assert parts_in(stage.core.handle(Tick(), stage.now + 2)) == []
    (again,) = parts_in(stage.core.handle(LinkUp("newer"), stage.now + 3), "newer")
    assert again.frameworks
    assert again.more


def test_a_task_too_long_for_a_frame_is_told_without_its_past(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    for line in (
        "link up",
        "welcome",
        "subscribe f1 e1 s1",
        "update f1 e1 t1 STARTING u1",
        "update f1 e1 t1 RUNNING u2",
    ):
        stage.command(line)
    stage.core.handle(LinkDown(stage.core.records.link or "", "gone"), stage.now)
    (whole,) = parts_in(stage.core.handle(LinkUp("new"), stage.now))
    assert [len(held.statuses) for held in whole.tasks[:2]] == [0, 2]
    monkeypatch.setattr(snapshots, "HELD_TASK_BYTES_MAX", 100)
    (cut,) = parts_in(stage.core.handle(LinkUp("newer"), stage.now), "newer")
    told = cut.tasks[1]
    assert (told.statuses, told.pending, told.state) == ([], whole.tasks[1].pending, whole.tasks[1].state)

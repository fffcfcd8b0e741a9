"""Tepui's own calls to the agent: what happened here, told to those who ask."""

from __future__ import annotations

from typing import Any

from tepui.model.shell import Answer, ExtensionCall
from tests.agent.stage import Stage

LIFE = """
link up
welcome
framework f1
launch f1 e1 t1
launch f1 e1 t2
started run-1
subscribe f1 e1 s1
update f1 e1 t1 RUNNING u1
update f1 e1 t1 FINISHED u2
"""


def ask(stage: Stage, name: str, **arguments: str) -> Any:
    (effect,) = stage.core.handle(ExtensionCall(99, None, name, arguments), stage.now)
    assert isinstance(effect, Answer)
    return effect.status, effect.body


def test_the_story_of_a_task_is_told_oldest_first_and_of_nothing_else() -> None:
    stage = Stage()
    for line in LIFE.strip().splitlines():
        stage.command(line)
    status, body = ask(stage, "story", framework_id="f1", task_id="t1")
    assert status == 200
    assert {record["facts"]["task_id"] for record in body["records"]} == {"t1"}
    numbers = [record["number"] for record in body["records"]]
    assert numbers == sorted(numbers)
    assert len(numbers) >= 3
    assert body["records"][-1]["cause"] == "ExecutorCall"
    assert ask(stage, "story", framework_id="f2") == (200, {"records": []})


def test_a_call_without_subject_or_of_another_name_is_refused() -> None:
    stage = Stage()
    assert ask(stage, "story") == (400, "Expecting one of framework_id, executor_id, task_id in query.")
    assert ask(stage, "kill", task_id="t1") == (404, "")

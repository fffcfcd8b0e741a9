"""The nemesis knows what an agent knew when it was killed."""

from __future__ import annotations

from pathlib import Path

from tepui.agent.journal import AgentAdmitted, FrameworkKnown, TaskEnded
from tepui.storage.journal import Journal
from tests.agent.stage import framework_info
from tests.nemesis.faults import held
from tests.storage.test_journal import acknowledged, launched, received


def test_tasks_in_a_journal_are_alive_or_have_ended_or_are_over(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.sqlite")
    journal.commit([AgentAdmitted("S0", 3), FrameworkKnown("f1", framework_info("f1", checkpoint=True))])
    journal.commit([launched("alive"), launched("ended"), launched("over"), received("over", "FINISHED", "u0")])
    journal.commit(
        [received("alive", "RUNNING", "u1"), received("ended", "RUNNING", "u2"), acknowledged("ended", "u2")]
    )
    journal.commit([received("ended", "FAILED", "u3"), TaskEnded("f1", "over")])
    journal.close()
    assert held(tmp_path) == (["alive"], {"ended": "TASK_FAILED"})


def test_an_agent_that_had_not_begun_held_nothing(tmp_path: Path) -> None:
    assert held(tmp_path) == ([], {})

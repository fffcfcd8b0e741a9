"""The agent's change records (see `tepui.model.records`), and the stories that they tell."""

from __future__ import annotations

from tepui.model.records import SENTENCES_MAX, Log, Record


class Change(Record, gc=False):
    """`what` became true of a framework, of one of its executors (`executor_id`), or of one of its tasks."""

    what: str
    framework_id: str = ""
    executor_id: str = ""
    task_id: str = ""
    detail: str = ""

    def sentence(self) -> str:
        """The record as a line: its number and time, what became true of whom, and because of what."""
        facts = "".join(
            f" {name} {value}"
            for name, value in (
                ("framework", self.framework_id),
                ("executor", self.executor_id),
                ("task", self.task_id),
            )
            if value
        )
        detail = f": {self.detail}" if self.detail else ""
        return f"#{self.number} {self.time:.3f} {self.what}{facts}{detail} (by {self.cause})"


class Changes(Log[Change]):
    """The newest change records of an agent."""

    __slots__ = ()

    def story(self, framework_id: str, *, executor_id: str = "", task_id: str = "") -> list[str]:
        """The last sentences about a framework, or about one executor or task of it, oldest first."""
        return [
            change.sentence()
            for change in self
            if change.framework_id == framework_id
            and (not executor_id or change.executor_id == executor_id)
            and (not task_id or change.task_id == task_id)
        ][-SENTENCES_MAX:]

"""Calls under /api/tepui/v1 to the agent, which Mesos does not have: the stories of what is here."""

from __future__ import annotations

from tepui.agent.context import Context
from tepui.model.records import SENTENCES_MAX
from tepui.model.shell import ExtensionCall

_SUBJECTS = ("framework_id", "executor_id", "task_id")


def call(context: Context, event: ExtensionCall) -> None:
    """Answer a call. The shell has checked the method, and that arguments are texts."""
    if event.name != "story":
        context.answer(event.request, 404, "")
        return
    subjects = {name: event.arguments[name] for name in _SUBJECTS if event.arguments.get(name)}
    if not subjects:
        context.answer(event.request, 400, f"Expecting one of {', '.join(_SUBJECTS)} in query.")
        return
    told = [
        change
        for change in context.changes
        if all(getattr(change, name) == subject for name, subject in subjects.items())
    ]
    records = [
        {
            "number": change.number,
            "time": change.time,
            "what": change.what,
            "facts": {name: value for name in (*_SUBJECTS, "detail") if (value := getattr(change, name))},
            "cause": change.cause,
        }
        for change in told[-SENTENCES_MAX:]
    ]
    context.answer(event.request, 200, {"records": records})

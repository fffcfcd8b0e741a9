"""The story of a task, an agent, a framework or an offer: what happened to it, told from the newest records."""

from __future__ import annotations

from tepui.master.records import Log, Record
from tepui.model.records import SENTENCES_MAX

_BOOKKEEPING = frozenset(Record.__struct_fields__)


def sentence(record: Record) -> str:
    """One record as a line: its number and time, what changed, how, and because of what."""
    facts = " ".join(
        f"{field}={getattr(value, 'value', value)}"
        for field in record.__struct_fields__
        if field not in _BOOKKEEPING and (value := getattr(record, field)) is not None
    )
    return f"#{record.number} {record.time:.3f} {type(record).__name__} {facts} (by {record.cause})"


def story(log: Log, *subjects: str) -> list[str]:
    """What the log holds about everything that carries all these ids (say a framework's and a task's), oldest first."""
    return [sentence(record) for record in log.about(*subjects)][-SENTENCES_MAX:]

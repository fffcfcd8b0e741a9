"""A registry as one JSON document: to look at, to keep, and to put back.

    {"tepui_registry": 1, "epoch": 1795277526, "entries": {"agents/<id>": {"type": "AgentAdmitted", ...}, ...}}

`tepui_registry` is the format of the entries (`registry_entries`).
"""

from __future__ import annotations

from collections import Counter
from typing import Annotated

import msgspec

from tepui.storage.registry import EPOCH_LIMIT, RegistryError, Stored
from tepui.storage.registry_entries import FORMAT


class _Document(msgspec.Struct):
    tepui_registry: int
    epoch: Annotated[int, msgspec.Meta(ge=0, lt=EPOCH_LIMIT)]
    entries: dict[str, msgspec.Raw]


def write_snapshot(stored: Stored) -> bytes:
    """The document, for people and programs."""
    entries = {key: msgspec.Raw(value) for key, value in sorted(stored.entries.items())}
    return msgspec.json.format(msgspec.json.encode(_Document(FORMAT, stored.epoch, entries)), indent=1) + b"\n"


def read_snapshot(data: bytes) -> Stored:
    """What a document holds; every entry has been understood. Raises RegistryError with a sentence."""
    try:
        document = msgspec.json.decode(data, type=_Document)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise RegistryError(f"This is not a snapshot of a registry: {error}.") from None
    if document.tepui_registry < 1:
        raise RegistryError(f"This is not a snapshot of a registry: there is no format {document.tepui_registry}.")
    if document.tepui_registry > FORMAT:
        raise RegistryError(
            f"This snapshot was written by a newer version (format {document.tepui_registry}, this one knows {FORMAT})."
        )
    compact = {key: msgspec.json.format(bytes(value), indent=-1) for key, value in document.entries.items()}
    stored = Stored(document.epoch, compact)
    stored.records()
    return stored


def count_entries(stored: Stored) -> dict[str, int]:
    """How many entries there are of each kind of record, sorted by it. Raises RegistryError."""
    return dict(sorted(Counter(type(record).__name__ for record in stored.records()).items()))

"""The resources of tasks and executors, parsed once for all that say the same.

Most tasks of a framework ask for the same few resources. What is found out about a list of messages is kept under its
encoded form, with the messages that every one of those tasks then shares.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy

import msgspec

from tepui.model.resource_validation import validate_used_resources
from tepui.model.resources import ResourceError, Resources
from tepui.model.v1.mesos import Resource

MEMO_ENTRIES_MAX = 4096
"""So many different lists are remembered; then the memory is emptied."""

_encode = msgspec.msgpack.Encoder().encode


class Parsed:
    """What a list of resource messages, used in one role, comes to."""

    __slots__ = ("invalid", "messages", "resources", "unusable")

    def __init__(self, messages: Sequence[Resource], role: str) -> None:
        self.messages: list[Resource] = [_allocated(message, role) for message in messages]
        """With the role in each `allocation_info`; shared, not to be changed."""
        self.invalid: str | None = None
        """Why one of the messages is invalid."""
        self.unusable: str | None = None
        """Why valid resources cannot be used together."""
        try:
            self.resources = Resources.of(self.messages)
        except ResourceError as error:
            self.invalid = str(error)
            self.resources = Resources.NONE
        else:
            self.unusable = validate_used_resources(self.messages)


def _allocated(message: Resource, role: str) -> Resource:
    if message.allocation_info is not None and message.allocation_info.role is not None:
        return message
    message = copy(message)
    message.allocation_info = Resource.AllocationInfo(role=role)
    return message


class Parser:
    """Remembers what it parsed."""

    __slots__ = ("_memo",)

    def __init__(self) -> None:
        self._memo: dict[tuple[str, bytes], Parsed] = {}

    def parse(self, messages: Sequence[Resource], role: str) -> Parsed:
        """What the messages come to when they are used in `role`."""
        key = (role, _encode(messages))
        parsed = self._memo.get(key)
        if parsed is None:
            if len(self._memo) >= MEMO_ENTRIES_MAX:
                self._memo.clear()
            parsed = self._memo[key] = Parsed(messages, role)
        return parsed

"""What ends a session.

SessionError
├── SubscriptionError       the server will not have this framework or executor
│   ├── FailedOverError     another scheduler took the framework over
│   └── RemovedError        the framework was torn down, or stayed away for longer than its failover timeout
├── CallRefusedError        a call broke the rules
└── QueueFullError          more calls wait than a session keeps
"""

from __future__ import annotations

import msgspec


class SessionError(Exception):
    """The base of all errors of a session."""


class SubscriptionError(SessionError):
    """The server refuses the subscription, and would refuse it again; the text says why."""


class FailedOverError(SubscriptionError):
    """Another scheduler subscribed with the framework's id: it is the framework's scheduler now."""


class RemovedError(SubscriptionError):
    """The framework's id can never be used again: subscribe without an id to be a new framework."""


class CallRefusedError(SessionError):
    """The server refused a call as invalid or forbidden; it had no effect."""

    def __init__(self, call: msgspec.Struct, status: int, sentence: str) -> None:
        kind = getattr(call, "type", None)
        super().__init__(f"{kind.value if kind is not None else 'The call'} was refused with {status}: {sentence}")
        self.call = call
        self.status = status
        self.sentence = sentence


class QueueFullError(SessionError):
    """So many calls wait for a server that more would only hide the trouble."""

"""What a session machine and its shell say to each other: steps go in, effects come out.

A shell opens at most one stream at a time and names it by a growing number, so that what an older stream still says is
recognised. Calls are numbered too. Those on their way share a connection: they arrive in the order in which they are
posted, and are answered in it.
`now` is any clock that never goes back, in seconds.
"""

from __future__ import annotations

from enum import Enum

import msgspec

from tepui.session.errors import CallRefusedError


class State(Enum):
    """Where a session machine is."""

    IDLE = "idle"
    """Nothing was begun."""
    WAITING = "waiting"
    """There is no stream; the next subscription is due after a wait."""
    CONNECTING = "connecting"
    """A subscription is on its way."""
    SUBSCRIBING = "subscribing"
    """The stream is open, and SUBSCRIBED has not come."""
    SUBSCRIBED = "subscribed"
    ENDED = "ended"


class Step(msgspec.Struct, frozen=True, gc=False):
    """The base of what goes into a session machine."""


class Start(Step, frozen=True):
    """Subscribe for the first time."""


class LeaderKnown(Step, frozen=True):
    """Somebody who knows (ZooKeeper) tells which master leads now."""

    address: str
    """`host:port`."""


class Opened(Step, frozen=True):
    """The server answered a subscription. With status 200 its events follow."""

    stream: int
    status: int
    sentence: str = ""
    """The answer's body when the status is not 200."""
    stream_id: str | None = None
    location: str | None = None


class Received(Step, frozen=True):
    """An event came down the stream."""

    stream: int
    event: msgspec.Struct


class Ended(Step, frozen=True):
    """The stream ended, or could not be opened at all."""

    stream: int
    why: str


class Ask(Step, frozen=True):
    """The framework wants a call made. The machine fills in its ids."""

    call: msgspec.Struct


class Answered(Step, frozen=True):
    """The server answered a call."""

    number: int
    status: int
    sentence: str = ""
    location: str | None = None


class CallCut(Step, frozen=True):
    """The connection of a call ended before its answer: nobody knows whether the server has seen it, or any call that
    was posted after it."""

    number: int
    why: str


class Handled(Step, frozen=True):
    """The framework is done with what `Deliver` gave it."""

    item: object


class Backlog(Step, frozen=True):
    """The shell stops reading the stream because the framework is slow (`full`), or reads on."""

    full: bool


class Stop(Step, frozen=True):
    """The framework wants to end; what it asked for before is sent first."""

    teardown: bool = False
    """Whether the server shall forget the framework: its tasks are killed and its id is void."""


class TimePassed(Step, frozen=True):
    """A deadline of `next_deadline()` is due."""


class Connect(msgspec.Struct, frozen=True, gc=False):
    """Post `call` and tell what comes back as `Opened`, `Received` and `Ended` of `stream`."""

    stream: int
    url: str
    call: msgspec.Struct


class Disconnect(msgspec.Struct, frozen=True, gc=False):
    """Close `stream`; nothing of it counts any more."""

    stream: int


class Post(msgspec.Struct, frozen=True, gc=False):
    """Post `call` and tell what comes back as `Answered` or `CallCut`."""

    number: int
    url: str
    call: msgspec.Struct
    stream_id: str | None


class Deliver(msgspec.Struct, frozen=True, gc=False):
    """Give `item` to the framework, after what was delivered before."""

    item: object


class CallRefused(msgspec.Struct, frozen=True):
    """Delivered when the server refused a call as invalid or forbidden: it is not sent again."""

    error: CallRefusedError


class Finished(msgspec.Struct, frozen=True, gc=False):
    """The session is over, well (None) or with an error, which is raised to the framework after all deliveries."""

    error: Exception | None


Effect = Connect | Disconnect | Post | Deliver | Finished

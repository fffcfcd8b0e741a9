"""What a core and its shell say to each other: events go in, effects come out.

`core.handle(event, now) -> list[Effect]`; `now` is seconds since the epoch and never goes back. A *request* is one HTTP
request that waits for its answer, a *session* one open event stream, a *link* one connection between agent and master.
The shell names all three; a session's name is its stream id, a UUID, because schedulers see it.

Events and effects of one core only stand in `tepui.master.events` and `tepui.agent.events`.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from tepui.model.drawn import Drawn
from tepui.model.link import LinkMessage

Authorizer = Callable[[str | None, str, str], bool]
"""`authorizer(principal, action, object)`: may it? Says yes until authorization is built."""


def allow_everything(principal: str | None, action: str, subject: str) -> bool:  # noqa: ARG001 - the signature is fixed
    return True


class Event(msgspec.Struct, gc=False):
    """The base of what goes into a core."""


class Effect(msgspec.Struct, gc=False):
    """The base of what comes out of a core."""


class Tick(Event):
    """Time has passed: a deadline of `core.next_deadline()` is due."""


class Stored(Event):
    """What `Store(token, ...)` asked for is stored."""

    token: int


class SessionClosed(Event):
    """The peer of a stream is gone, or the shell gave it up (`why`)."""

    session: str
    why: str = ""


class SessionBacklog(Event):
    """The peer of a stream reads too slowly (`full`), or has caught up again."""

    session: str
    full: bool


class ExtensionCall(Event):
    """A call under /api/tepui/v1, which Mesos does not have. `name` is the path's last part."""

    request: int
    principal: str | None
    name: str
    arguments: dict[str, str]


class Answer(Effect):
    """The answer to a request.

    `body` is None (no body), text (an error's sentence, or the default `<code> <reason>.` when empty with an error
    status), a v1 message, plain data (dicts, lists, numbers) for the legacy endpoints, or either of them `Drawn`.
    `headers` are sent on top.
    """

    request: int
    status: int
    body: object = None
    headers: tuple[tuple[str, str], ...] = ()


class OpenSession(Effect):
    """Answer `request` with 200 and a stream that stays open under the name `session`."""

    request: int
    session: str


class Send(Effect):
    """Send an event message (v1 scheduler, executor, master or agent `Event`) down a stream."""

    session: str
    event: msgspec.Struct


class SendDrawn(Effect):
    """The same of an event that is too large to be made at once. It is one record; what is sent later follows it."""

    session: str
    event: Drawn


class CloseSession(Effect):
    """End a stream after what was sent before."""

    session: str


class Store(Effect):
    """Store the records, then say `Stored(token)`. What depends on it waits in the core; nothing else does."""

    token: int
    records: list[msgspec.Struct]


class SendLink(Effect):
    """Send a link message (`tepui.model.link`)."""

    link: str
    message: LinkMessage


class CloseLink(Effect):
    """Close a link after what was sent before."""

    link: str
    why: str

"""What only the master core hears; what every core hears and says stands in `tepui.model.shell`."""

from __future__ import annotations

import msgspec

from tepui.model.shell import Effect, Event
from tepui.model.v1 import master, scheduler


class SchedulerSubscribe(Event):
    """A SUBSCRIBE that passed the shell's checks. The core answers `request`, as a rule by opening `session`."""

    request: int
    session: str
    principal: str | None
    call: scheduler.Call


class SchedulerCall(Event):
    """Any other call of a scheduler. `session` is its Mesos-Stream-Id header, None when it had none."""

    request: int
    session: str | None
    principal: str | None
    call: scheduler.Call


class OperatorCall(Event):
    """A call of the operator API. `session` is the name to use if the call is SUBSCRIBE."""

    request: int
    session: str
    principal: str | None
    call: master.Call


class MirrorSubscribe(Event):
    """Another master wants to mirror this one: to be sent `tepui.model.mirror` parts over `session`."""

    request: int
    session: str
    principal: str | None


class LegacyCall(Event):
    """A request to a legacy JSON endpoint that needs the core, such as `/state` or `/teardown`.

    `endpoint` is its short name (`state`, `state-summary`, `slaves`, ...); `query` and `form` hold the first value of
    each parameter; `path` is the whole path in its long form (`/master/quota/eng`).
    """

    request: int
    principal: str | None
    method: str
    endpoint: str
    query: dict[str, str]
    form: dict[str, str]
    path: str = ""


class LinkOpened(Event):
    """An agent connected. `address` is the IP address that it comes from."""

    link: str
    address: str


class LinkReceived(Event):
    """A message of `tepui.model.link.FromAgent`."""

    link: str
    message: msgspec.Struct


class LinkClosed(Event):
    """The connection is gone, whoever closed it."""

    link: str
    why: str


class WhitelistRead(Event):
    """The operator's white list changed: only agents on these hosts are offered; None: all."""

    hosts: frozenset[str] | None


class AllocationTook(Event):
    """How long the last allocation run lasted, so that the core can space the next ones under load."""

    seconds: float


class Stop(Effect):
    """The master must end itself and be started again by an operator; `why` is a sentence for its log."""

    why: str

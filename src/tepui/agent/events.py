"""What only the agent core hears and says; what every core hears and says stands in `tepui.model.shell`.

A *run* is one container of an executor or command; its name is the container id, a UUID made by the core.
"""

from __future__ import annotations

import msgspec

from tepui.agent.volumes import VolumeDirectory, VolumeLink
from tepui.model.shell import Effect, Event
from tepui.model.v1 import agent, executor
from tepui.model.v1.mesos import Resource, ResourceStatistics


class ExecutorSubscribe(Event):
    """An executor's SUBSCRIBE that passed the shell's checks. The core answers, as a rule by opening `session`."""

    request: int
    session: str
    principal: str | None
    call: executor.Call


class ExecutorCall(Event):
    """UPDATE or MESSAGE (HEARTBEAT is answered by the shell)."""

    request: int
    principal: str | None
    call: executor.Call


class OperatorCall(Event):
    """A call of the agent's operator API that needs the core."""

    request: int
    principal: str | None
    call: agent.Call
    statistics: dict[str, ResourceStatistics] = {}  # noqa: RUF012 - msgspec copies it
    """For GET_CONTAINERS: usage by run, measured by the shell."""


class LegacyCall(Event):
    """A request to a legacy JSON endpoint that needs the core: `state`, `containers`, `monitor/statistics`."""

    request: int
    principal: str | None
    endpoint: str
    query: dict[str, str]
    statistics: dict[str, ResourceStatistics] = {}  # noqa: RUF012 - msgspec copies it


class LinkUp(Event):
    """Connected to a master; the core must now say Hello and its Snapshot over `link`."""

    link: str


class LinkReceived(Event):
    """A message of `tepui.model.link.FromMaster`."""

    link: str
    message: msgspec.Struct


class LinkDown(Event):
    link: str
    why: str


class Leave(Event):
    """The operator wants the agent to leave the cluster for good (SIGUSR1)."""


class RunStarted(Event):
    run: str
    pid: int


class RunFailed(Event):
    """The run never began."""

    run: str
    why: str


class RunExited(Event):
    """The run and its whole process tree have ended. `status` is the raw wait status, None when nobody saw it."""

    run: str
    status: int | None
    why: str = ""


class VolumesMade(Event):
    """The directories that an operation's `MakeVolumes` asked for are there, or one cannot be made, and `why`."""

    operation_uuid: bytes
    why: str = ""


class VolumesMoved(Event):
    """The directories that an operation's `RemoveVolumes` asked for are out of the way."""

    operation_uuid: bytes


class VolumeErased(Event):
    """Nothing is left of a destroyed volume."""

    trash: str


class LinkingFailed(Event):
    """A volume cannot be made visible in the sandbox of a run."""

    run: str
    why: str


class Oversubscribe(Event):
    """What the agent lends beyond its own resources, from now on: revocable ones."""

    resources: list[Resource]


class StartRun(Effect):
    """Make the sandbox and start the command in it, in a session of its own."""

    run: str
    framework_id: str
    executor_id: str
    executable: str
    argv: list[str]
    environment: dict[str, str]
    directory: str
    user: str | None
    orphan_timeout_seconds: float
    """How long the run may outlive the agent."""
    parent: str = ""
    """The container of the executor in whose sandbox that of the run lies; empty when it lies in none."""
    parent_user: str | None = None
    """Whose that sandbox is."""
    task_id: str = ""
    """The task that the nested run belongs to."""
    volumes: tuple[VolumeLink, ...] = ()
    """Persistent volumes that the run sees in its sandbox."""
    parent_volumes: tuple[VolumeLink, ...] = ()
    """Those of the executor in whose sandbox that of the run lies."""


class KillRun(Effect):
    """SIGTERM to the whole tree, SIGKILL to what is left after the grace."""

    run: str
    grace_seconds: float


class ForgetRun(Effect):
    """The exit is accounted for; the supervisor may drop its record."""

    run: str


class MakeVolumes(Effect):
    """Make the directories, unless they are there, and say `VolumesMade`."""

    operation_uuid: bytes
    directories: tuple[VolumeDirectory, ...]


class RemoveVolumes(Effect):
    """Move the directories out of the way, each under its name, say `VolumesMoved`, then erase them, each with
    `VolumeErased` at its end."""

    operation_uuid: bytes
    directories: tuple[tuple[str, VolumeDirectory], ...]


class LinkVolumes(Effect):
    """Make volumes visible in the sandbox of a run that was started earlier; `LinkingFailed` when that fails."""

    run: str
    directory: str
    volumes: tuple[VolumeLink, ...]
    user: str | None


class UnlinkVolumes(Effect):
    """The volumes are not to be seen in the sandbox any more."""

    directory: str
    volumes: tuple[VolumeLink, ...]


class Reconnect(Effect):
    """Give up the current master's link and look for the leader again."""

    why: str


class Stop(Effect):
    """The agent must end itself: the master refused it for good, or told it to shut down."""

    why: str

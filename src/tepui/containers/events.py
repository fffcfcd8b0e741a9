"""What the supervisor's client tells the agent server."""

from msgspec import Struct


class RunStarted(Struct, frozen=True, tag_field="event", tag="started"):
    """The run's program is running. May come again for the same run after a connection was lost."""

    run: str
    pid: int


class RunFailed(Struct, frozen=True, tag_field="event", tag="failed"):
    """The run was not started, or was to be killed and is not known; `why` is a sentence for people."""

    run: str
    why: str


class RunExited(Struct, frozen=True, tag_field="event", tag="exited"):
    """Nothing is left of the run. Comes again after each connection until the run is forgotten.

    `status` is the main process's raw wait status, or None when nobody saw it. `why` is a sentence when there is more
    to say than the status does, else empty. `at` is the time in seconds since the epoch.
    """

    run: str
    status: int | None
    why: str
    at: float


class RunRecord(Struct, frozen=True):
    """One run as the supervisor knows it. `state` is `running` or `exited`; the last three are for the latter."""

    run: str
    pid: int
    state: str
    killing: bool
    status: int | None
    why: str
    at: float


class SupervisorReady(Struct, frozen=True):
    """A supervisor is connected. `runs` is all that it has on record; exits among them follow as `RunExited`."""

    runs: list[RunRecord]
    pid: int


class SupervisorLost(Struct, frozen=True):
    """The connection is gone. Commands are kept, as far as they still matter, until the next `SupervisorReady`."""

    why: str = ""


Event = RunStarted | RunFailed | RunExited | SupervisorReady | SupervisorLost

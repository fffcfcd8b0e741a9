"""What every subject module of the master core is handed: the state, and the ways to have an effect."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

import msgspec

from tepui.allocator import Allocator
from tepui.master.config import MasterConfig
from tepui.master.followers import Followers
from tepui.master.metrics import Metrics
from tepui.master.parsing import Parser
from tepui.master.records import Log, Record
from tepui.master.registry import RegistryRecord
from tepui.master.state import Agent, Framework, State, Task
from tepui.model import link as wire
from tepui.model.ids import Ids
from tepui.model.shell import Answer, Authorizer, CloseLink, CloseSession, Effect, Send, SendLink, Store
from tepui.model.timers import Key, Timers
from tepui.model.v1 import scheduler
from tepui.model.v1.mesos import AgentID

HEARTBEATS: Key = ("heartbeats", "")
"""The timer of the first of `Context.heartbeats`."""
OFFERS: Key = ("offers", "")
"""The timer of the oldest offer, or of one that was the oldest."""
RECOVERY: Key = ("recovery", "")
"""The timer of the agents that a starting master found in the registry."""
MIRRORS: Key = ("mirrors", "")
"""The timer of the next parts for the masters that mirror this one."""
PINGS: Key = ("pings", "")
"""The timer of the first of `Context.pings`."""

Fold = Callable[["Context", Record, object], None]
"""Turns a record into events of the operator streams; the last argument is what the record is about."""


class Link:
    """One connection from an agent, from its opening to its end."""

    __slots__ = ("address", "agent", "hello", "name", "parts")

    def __init__(self, name: str, address: str) -> None:
        self.name = name
        self.address = address
        self.hello: wire.Hello | None = None
        self.agent: Agent | None = None
        """Whose link it is; None until it is admitted."""
        self.parts: wire.Snapshot | None = None
        """What came of the agent's snapshot so far, when more follows."""


class Admission:
    """An agent whose membership is being stored, and its newest link and snapshot."""

    __slots__ = ("agent_id", "hello", "link", "snapshot")

    def __init__(self, agent_id: str, link: Link, hello: wire.Hello, snapshot: wire.Snapshot) -> None:
        self.agent_id = agent_id
        self.link = link
        self.hello = hello
        self.snapshot = snapshot


class Context:
    """The state of the core and its surroundings. `now` and `effects` are those of the event being handled."""

    __slots__ = (
        "admissions",
        "admitting",
        "allocator",
        "authorizer",
        "cause",
        "changing",
        "config",
        "effects",
        "emptied",
        "fold",
        "followers",
        "heartbeats",
        "ids",
        "inverse_due",
        "links",
        "log",
        "maintenance_changing",
        "master_id",
        "metrics",
        "next_agent",
        "next_framework",
        "next_offer",
        "now",
        "parser",
        "pending_stores",
        "pings",
        "recovered_total",
        "removal_not_before",
        "removals",
        "service_waits",
        "state",
        "store_token",
        "timers",
        "undrawn",
    )

    def __init__(
        self, config: MasterConfig, state: State, allocator: Allocator, ids: Ids, authorizer: Authorizer, fold: Fold
    ) -> None:
        self.config = config
        self.master_id = config.info.id
        self.state = state
        self.allocator = allocator
        self.ids = ids
        self.authorizer = authorizer
        self.fold = fold
        self.followers = Followers()
        """Other masters, which mirror this one."""
        self.metrics = Metrics()
        self.log = Log()
        self.timers = Timers()
        self.parser = Parser()
        self.links: dict[str, Link] = {}
        self.admissions: dict[str, Admission] = {}
        """By agent id."""
        self.admitting: dict[str, str] = {}
        """The ids of those among them that do not know it yet, by their incarnation."""
        self.heartbeats: deque[tuple[float, str]] = deque()
        """When each open stream gets its next heartbeat: all intervals are equal, so the order never changes."""
        self.pings: deque[tuple[float, Agent]] = deque()
        """When each agent gets its next ping, in order for the same reason."""
        self.recovered_total = 0
        """How many agents the registry knew when this master began."""
        self.removals: dict[str, str] = {}
        """Agents that shall become unreachable when the rate of removals allows it, and why, oldest first."""
        self.removal_not_before = 0.0
        """When the next of them may be, in seconds since the epoch."""
        self.changing: set[str] = set()
        """Agents of whose entry in the registry a change is being stored: an operator's, or that they are forgotten, or
        that they were awaited and did not come back."""
        self.service_waits: dict[str, list[Callable[[], None]]] = {}
        """Calls about an agent's service that wait until the one before them is stored."""
        self.emptied: list[str] = []
        """Agents out of service that lost their last task or operation in this event."""
        self.maintenance_changing = False
        """A change of the maintenance schedule or of machines is being stored."""
        self.inverse_due: dict[str, None] = {}
        """Agents whose frameworks may have to be asked to leave."""
        self.pending_stores: dict[int, Callable[[], None]] = {}
        """What waits for `Stored(token)`."""
        self.store_token = 0
        self.undrawn: dict[str, dict[str, set[str]]] = {}
        """Tasks that the first picture of an operator stream has yet to show: by session, then framework id."""
        self.next_framework = 0
        self.next_agent = 0
        self.next_offer = 0
        self.now = 0.0
        self.cause = ""
        self.effects: list[Effect] = []

    def agent_id_of(self, task: Task) -> AgentID:
        """The id of the task's agent as a message: the one object of its agent, where that is known."""
        agent = self.state.agents.get(task.agent_id)
        return task.info.agent_id if agent is None or agent.info.id is None else agent.info.id

    def answer(
        self, request: int, status: int, body: object = None, *, headers: tuple[tuple[str, str], ...] = ()
    ) -> None:
        """Answer a request; `body` and `headers` as `tepui.model.shell.Answer` says."""
        self.effects.append(Answer(request, status, body, headers))

    def send(self, framework: Framework, event: scheduler.Event) -> None:
        """Send an event to a framework; nothing happens while it is not connected."""
        session = framework.session
        if session is not None:
            assert event.type is not None
            framework.metrics.events[event.type] += 1
            self.effects.append(Send(session, event))

    def send_stream(self, session: str, event: msgspec.Struct) -> None:
        """Send an event down a stream, whoever is behind it."""
        self.effects.append(Send(session, event))

    def beat_later(self, session: str) -> None:
        """The stream has had its heartbeat; the next one is due after the interval."""
        due = self.now + self.config.heartbeat_seconds
        self.heartbeats.append((due, session))
        if len(self.heartbeats) == 1:
            self.timers.set(HEARTBEATS, due)

    def close_stream(self, session: str) -> None:
        """End a stream after what was sent before."""
        self.effects.append(CloseSession(session))

    def tell(self, agent: Agent, message: wire.LinkMessage) -> None:
        """Send a message to an agent; nothing happens while it is not connected."""
        if agent.link is not None:
            self.effects.append(SendLink(agent.link, message))

    def tell_link(self, link: str, message: wire.LinkMessage) -> None:
        """Send a message over a link whose agent is not admitted yet."""
        self.effects.append(SendLink(link, message))

    def close_link(self, link: str, why: str) -> None:
        """Close a link after what was sent before; what still comes over it is dropped."""
        self.links.pop(link, None)
        self.effects.append(CloseLink(link, why))

    def record(self, record: Record, subject: object = None) -> None:
        """Note that something became true; operator streams hear of it."""
        self.log.append(record, self.now, self.cause)
        if self.state.operator_streams:
            self.fold(self, record, subject)
        if self.followers:
            self.followers.note(record)

    def store(self, records: Sequence[RegistryRecord], then: Callable[[], None]) -> None:
        """Have the records stored, and go on with `then` when they are."""
        self.store_token += 1
        self.pending_stores[self.store_token] = then
        self.effects.append(Store(self.store_token, list(records)))

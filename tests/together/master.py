"""The shell of one master of the world in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import TYPE_CHECKING

import msgspec

from tepui.allocator import DrfAllocator
from tepui.master.config import MasterConfig
from tepui.master.core import MasterCore
from tepui.master.registry import AgentAdmitted, Registry, RegistryRecord
from tepui.model.link import Welcome
from tepui.model.shell import (
    Answer,
    CloseLink,
    CloseSession,
    Event,
    OpenSession,
    Send,
    SendLink,
    Store,
    Stored,
    Tick,
)
from tepui.model.v1.mesos import MasterInfo
from tests.together.moments import Moment

if TYPE_CHECKING:
    from tests.together.agent import Agent
    from tests.together.scheduler import Scheduler
    from tests.together.world import World


class Master:
    """The shell of one master: its core while it lives, and what it believes."""

    def __init__(self, world: World, name: str, epoch: int) -> None:
        self.world = world
        self.name = name
        self.epoch = epoch
        self.paused = False
        info = MasterInfo(id=f"{name}e{epoch}", ip=1, port=5050, hostname=name)
        config = MasterConfig(info=info, version="0.1.0", epoch=epoch, elected_time=world.now, start_time=world.now)
        config = msgspec.structs.replace(config, **world.master_settings)
        self.core = MasterCore(config, DrfAllocator(), Random(world.random.random()), registry=Registry(world.registry))
        self.links: dict[str, Agent] = {}
        self.sessions: dict[str, Scheduler] = {}
        self.requests: dict[int, Callable[[int, object], None]] = {}

    def tell(self, event: Event) -> None:
        effects = self.core.handle(event, self.world.now)
        self.core.check_touched()
        for effect in effects:
            self._apply(effect)
        due = self.core.next_deadline()
        if due is not None and due <= self.world.now and not isinstance(event, Tick):
            self.tell(Tick())

    def ask(self, event: Callable[[int], Event], answered: Callable[[int, object], None]) -> None:
        request = self.world.number()
        self.requests[request] = answered
        self.tell(event(request))

    def _apply(self, effect: object) -> None:  # one arm for each effect
        world = self.world
        match effect:
            case Answer(request=request, status=status, body=body):
                self.requests.pop(request)(status, body)
            case OpenSession(request=request, session=session):
                self.requests.pop(request)(200, session)
            case Send(session=session, event=event):
                scheduler = self.sessions.get(session)
                if scheduler is not None:
                    scheduler.hears(session, event)
            case CloseSession(session=session):
                scheduler = self.sessions.pop(session, None)
                if scheduler is not None:
                    scheduler.stream_ends(session, "closed by the master")
            case SendLink(link=link, message=message):
                if isinstance(message, Welcome):
                    self._check_stored(message.agent_id)
                if link in self.links:
                    receive, epoch = self.links[link].receive, self.epoch
                    world.post(("down", link), lambda: receive(link, message, epoch))
            case CloseLink(link=link):
                agent = self.links.pop(link, None)
                if agent is not None:
                    world.post(("down", link), lambda: agent.loses(link))
            case Store(token=token, records=records):
                world.post(("store", self), lambda: self._store(token, records))  # type: ignore[arg-type]
            case _:
                raise AssertionError(f"nobody applies {effect}")

    def _check_stored(self, agent_id: str) -> None:
        """Who is welcomed is stored as a member."""
        records = (record for record in self.world.registry if isinstance(record, AgentAdmitted))
        stored = any(record.info.id is not None and record.info.id.value == agent_id for record in records)
        assert stored, f"{agent_id} is welcomed, and is not stored"

    def _store(self, token: int, records: Sequence[RegistryRecord]) -> None:
        """Conditional on the epoch: a deposed master's write is refused, and it steps down."""
        world = self.world
        if world.strikes(Moment.STORE, self):
            if self.paused:  # the write is made when it goes on
                world.post_first(("store", self), lambda: self._store(token, records))
            return
        if self.epoch != world.epoch:
            world.refused_writes += 1
            world.kill(self)
            return
        world.registry += records
        if not world.strikes(Moment.STORED, self):
            world.post(("stored", self), lambda: self._stored(token))

    def _stored(self, token: int) -> None:
        self.tell(Stored(token))
        self.world.strikes(Moment.ANSWERED, self)

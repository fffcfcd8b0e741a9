"""How a master stands for election: its node in ZooKeeper, and its lease.

    standing ──its node is the lowest──► elected ──the session ends, or the lease──► lost

A candidate whose session ends stands again with a new node, unless it was elected: then `on_lost` is told, and the
master must end, because others may lead already.

ZooKeeper ends a session when it has heard nothing for the session's timeout T. A leader must know that by its own
clock, for it may be cut off, or stopped and continued: it asks a server for its node every T/4, and its *lease* ends T
after the last question that was answered was asked. Nothing that happens at a server can end the session earlier.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable

from kazoo.exceptions import NoAuthError, NodeExistsError, NoNodeError

from tepui.model.v1.mesos import MasterInfo
from tepui.transport.leader import LABEL, Leader, LeaderWatch
from tepui.transport.zookeeper import DISCONNECTED, Session, ZooKeeper, ZooKeeperError, reason_of
from tepui.wire.json import encode_json

log = logging.getLogger(__name__)

LEASE_QUESTIONS = 4
"""How often a leader asks within one session timeout."""
RETRY_SECONDS = 0.5
_REASONS: dict[type[Exception], str] = {
    NoAuthError: "it does not let these credentials make nodes there",
    NodeExistsError: (
        "a node json.info_... that is not ephemeral, so not a master's, has the next number; delete such nodes"
    ),
}


class Candidate:
    """One master in the election. All callbacks come on the loop."""

    def __init__(
        self,
        zookeeper: ZooKeeper,
        info: MasterInfo,
        *,
        on_leader: Callable[[Leader | None], None],
        on_elected: Callable[[], None],
        on_lost: Callable[[str], None],
    ) -> None:
        """`on_leader` hears who leads now; `on_elected` that it is this master; `on_lost`, why it is no more."""
        self._zookeeper = zookeeper
        self._data = encode_json(info)
        self._on_leader = on_leader
        self._on_elected = on_elected
        self._on_lost = on_lost
        self._watch = LeaderWatch(zookeeper, self._leader_changed)
        self._node: str | None = None
        self._elected = False
        self._ended = False
        self._again = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._lease: _Lease | None = None
        zookeeper.listen(self._session_changed)

    @property
    def leader(self) -> Leader | None:
        """Who leads, as far as is known."""
        return self._watch.leader

    @property
    def node(self) -> str | None:
        """The path of its node, None while it has none."""
        return None if self._node is None else f"{self._zookeeper.url.path}/{self._node}"

    @property
    def holds_lease(self) -> bool:
        """Whether nobody else can have been elected meanwhile."""
        return self._lease is not None and self._lease.is_held

    def start(self) -> None:
        """Stand for election as soon as ZooKeeper can be reached."""
        self._task = asyncio.create_task(self._stand())
        self._watch.start()

    async def stop(self) -> None:
        """Stand no more. The node goes with the session, which the caller closes."""
        self._ended = True
        if self._lease is not None:
            self._lease.end()
        await self._watch.stop()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _stand(self) -> None:
        """Hold a node, and another one whenever the session that owned it is over or somebody deleted it.

        Not when elected: a leader without its node is none, whatever node comes after.
        """
        zookeeper = self._zookeeper
        told = ""
        while not (self._ended or self._elected):
            await zookeeper.connected()
            self._again.clear()
            try:
                node = await self._enter()
                there = await zookeeper.call(
                    zookeeper.client.exists_async, f"{zookeeper.url.path}/{node}", self._watched
                )
            except DISCONNECTED:
                await asyncio.sleep(RETRY_SECONDS)
                continue
            except ZooKeeperError as error:
                why = _REASONS.get(type(error)) or reason_of(error)
                if why != told:
                    told = why
                    log.error("this master cannot stand for election at %s: %s; trying again", zookeeper.url, why)
                await asyncio.sleep(RETRY_SECONDS)
                continue
            told = ""
            if there is None:
                continue
            if node != self._node and not self._elected:
                self._node = node
                log.info("this master stands for election as %s/%s", zookeeper.url.path, node)
                self._leader_changed(self._watch.leader)
                self._watch.look()
            await self._again.wait()

    def _watched(self, _: object) -> None:
        """kazoo's thread tells that something became of the node, or of the connection."""
        self._zookeeper.post(self._again.set)

    async def _enter(self) -> str:
        """This session's node: a new one, or the one whose creation was never answered because the connection broke."""
        zookeeper = self._zookeeper
        client, path, acl = zookeeper.client, zookeeper.url.path, zookeeper.acl(readable=True)
        await zookeeper.call(client.ensure_path_async, path, acl)
        for name in await zookeeper.call(client.get_children_async, path):
            if name.startswith(LABEL):
                stat = await zookeeper.call(client.exists_async, f"{path}/{name}")
                if stat is not None and stat.ephemeralOwner == zookeeper.session_id:
                    return str(name)
        created: str = await zookeeper.call(
            client.create_async, f"{path}/{LABEL}", self._data, acl, ephemeral=True, sequence=True
        )
        return created.rpartition("/")[2]

    def _leader_changed(self, leader: Leader | None) -> None:
        if self._ended:
            return
        if self._elected:
            if leader is None or leader.node != self._node:
                self._lose("its node in ZooKeeper is gone")
            return
        self._on_leader(leader)
        if leader is not None and leader.node == self._node:
            self._elected = True
            self._lease = _Lease(self._zookeeper, f"{self._zookeeper.url.path}/{self._node}", self._lease_ended)
            self._lease.begin()
            self._on_elected()

    def _session_changed(self, session: Session) -> None:
        if session is Session.SUSPENDED:
            log.warning("no server of ZooKeeper answers; the session ends unless one does soon")
        elif session is Session.LOST:
            self._node = None
            self._again.set()
            if self._elected:
                self._lose("its session with ZooKeeper is over")

    def _lease_ended(self) -> None:
        self._lose("ZooKeeper could not be reached for the whole session timeout")

    def _lose(self, why: str) -> None:
        if not self._ended:
            self._ended = True
            if self._lease is not None:
                self._lease.end()
            self._on_lost(why)


def _now() -> float:
    """Seconds of a clock that nobody sets, and that goes on while this machine sleeps, as ZooKeeper's servers do."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class _Lease:
    """Asks for the node again and again, on one of kazoo's threads: a busy loop must not cost the lease."""

    def __init__(self, zookeeper: ZooKeeper, path: str, on_end: Callable[[], None]) -> None:
        self._client = zookeeper.client
        self._path = path
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._timeout_seconds = zookeeper.session_timeout_seconds
        self._owner = zookeeper.session_id
        self._until = _now() + self._timeout_seconds
        self._over = threading.Event()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_held(self) -> bool:
        return not self._over.is_set() and _now() < self._until

    def begin(self) -> None:
        self._client.handler.spawn(self._ask)
        self._check()

    def end(self) -> None:
        self._over.set()
        if self._timer is not None:
            self._timer.cancel()

    def _check(self) -> None:
        left = self._until - _now()
        if left > 0:
            self._timer = self._loop.call_later(left, self._check)
        elif not self._over.is_set():
            self._on_end()

    def _ask(self) -> None:
        """On a thread."""
        while not self._over.is_set():
            asked = _now()
            try:
                stat = self._client.exists(self._path)
            except (*DISCONNECTED, NoNodeError):
                stat = None
            if stat is not None and stat.ephemeralOwner == self._owner:
                self._until = asked + self._timeout_seconds
            self._over.wait(self._timeout_seconds / LEASE_QUESTIONS)

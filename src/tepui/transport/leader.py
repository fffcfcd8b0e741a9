"""Who leads, as ZooKeeper tells it: the nodes by which Mesos's masters stand for election, and a watch over them.

Each master holds an ephemeral, sequential node `<path>/json.info_NNNNNNNNNN` with its MasterInfo as JSON; the one with
the lowest number leads. So everybody who finds a Mesos master by ZooKeeper finds a Tepui master too, and the other way
round. (`info_NNNNNNNNNN` with the protobuf form is what old masters write; it is read.) Source: semantics 16.3.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from kazoo.exceptions import NoNodeError

from tepui.model.addresses import MASTER_PORT_DEFAULT, host_and_port
from tepui.model.v1.mesos import MasterInfo
from tepui.transport.zookeeper import DISCONNECTED, Session, ZooKeeper, ZooKeeperError, reason_of
from tepui.transport.zookeeper_url import ZooKeeperUrl
from tepui.wire.errors import DecodeError
from tepui.wire.json import decode_json
from tepui.wire.media import MediaType, decode

log = logging.getLogger(__name__)

LABEL = "json.info_"
"""How the nodes of masters begin."""
OLD_LABEL = "info_"
DISCONNECTED_SECONDS = 0.05
"""The loss of a connection is heard of by its calls first, and in this time by everybody."""
RETRY_SECONDS = 1.0
"""After an error that is none of the connection (no permission, say) it is tried again after this."""
FIND_SECONDS_MAX = 15.0
POLL_SECONDS = 0.2


class NoLeaderError(Exception):
    """No leader, or no master at all, could be found; the text is a sentence."""


@dataclass(frozen=True)
class Leader:
    """A master that leads, or would be the next: the name of its node, and where it listens."""

    node: str
    hostname: str
    ip: str
    port: int

    @property
    def address(self) -> tuple[str, int]:
        """Where to connect to."""
        return self.ip, self.port

    @property
    def host_and_port(self) -> str:
        """Its address as text."""
        return host_and_port(*self.address)


def candidates(children: Iterable[str]) -> list[str]:
    """The nodes of masters among a path's children, that of the leader first; others (a replicated log's, ours) do not
    count."""
    found = []
    for name in children:
        label, underscore, number = name.rpartition("_")
        if label + underscore in (LABEL, OLD_LABEL) and number.isdecimal():
            found.append((int(number), name))
    return [name for _, name in sorted(found)]


def lowest(children: Iterable[str]) -> str | None:
    """The node of the master that leads, if one does."""
    return next(iter(candidates(children)), None)


def read_leader(node: str, data: bytes) -> Leader | None:
    """What a master says of itself in its node; None when it cannot be understood."""
    try:
        info = decode_json(MasterInfo, data) if node.startswith(LABEL) else decode(MediaType.PROTOBUF, MasterInfo, data)
    except DecodeError:
        return None
    address = info.address
    ip = (address.ip if address is not None else None) or _dotted(info.ip)
    hostname = (address.hostname if address is not None else None) or info.hostname or ip
    port = (address.port if address is not None else None) or info.port or MASTER_PORT_DEFAULT
    return Leader(node, hostname, ip, port) if 0 < port < 65536 else None


def _dotted(number: int) -> str:
    """An address as MasterInfo.ip has it: its four bytes read in the order of the machine."""
    return ".".join(str(byte) for byte in number.to_bytes(4, "little"))


class LeaderWatch:
    """Follows who leads. While no server of ZooKeeper answers, the last one known counts as the leader."""

    def __init__(self, zookeeper: ZooKeeper, on_change: Callable[[Leader | None], None]) -> None:
        self.leader: Leader | None = None
        self._zookeeper = zookeeper
        self._on_change = on_change
        self._changed = asyncio.Event()
        self._known = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        zookeeper.listen(self._session_changed)

    def start(self) -> None:
        """Begin to watch, as soon as ZooKeeper can be reached."""
        self._task = asyncio.create_task(self._run())

    async def first(self) -> Leader:
        """Wait until somebody leads."""
        while self.leader is None:
            self._known.clear()
            await self._known.wait()
        return self.leader

    async def stop(self) -> None:
        """Watch no more; the connection is the caller's."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def look(self) -> None:
        """Look again, without waiting to be told."""
        self._changed.set()

    def _session_changed(self, session: Session) -> None:
        if session is Session.CONNECTED:
            self._changed.set()

    def _watched(self, _: object) -> None:
        """kazoo's thread tells that something changed."""
        self._zookeeper.post(self._changed.set)

    async def _run(self) -> None:
        told = ""
        while True:
            await self._zookeeper.connected()
            self._changed.clear()
            try:
                self._tell(await self._look())
            except DISCONNECTED:
                await asyncio.sleep(DISCONNECTED_SECONDS)
                continue
            except ZooKeeperError as error:
                why = reason_of(error)
                if why != told:
                    told = why
                    log.warning("who leads cannot be read from %s: %s; trying again", self._zookeeper.url, why)
                await asyncio.sleep(RETRY_SECONDS)
                continue
            told = ""
            await self._changed.wait()

    async def _look(self) -> Leader | None:
        zookeeper, path = self._zookeeper, self._zookeeper.url.path
        client = zookeeper.client
        while True:
            try:
                children = await zookeeper.call(client.get_children_async, path, self._watched)
            except NoNodeError:
                if await zookeeper.call(client.exists_async, path, self._watched) is None:
                    return None  # no master was ever there
                continue
            node = lowest(children)
            if node is None:
                return None
            # Also when it bears the known leader's name: where somebody wiped the path, numbers begin again.
            try:
                data, _ = await zookeeper.call(client.get_async, f"{path}/{node}")
            except NoNodeError:
                continue  # it is gone in this moment
            leader = read_leader(node, data)
            if leader is None:
                log.warning(
                    "the node %s/%s, which comes first, cannot be understood, so nobody leads; delete it unless a "
                    "master holds it",
                    path,
                    node,
                )
            return leader

    def _tell(self, leader: Leader | None) -> None:
        if leader == self.leader:
            return
        self.leader = leader
        if leader is not None:
            self._known.set()
        self._on_change(leader)


class LeaderFinder:
    """A connection of its own and a watch, for those who only want to know who leads. `on_leader` hears of each one."""

    def __init__(self, url: ZooKeeperUrl, on_leader: Callable[[Leader], None]) -> None:
        self._zookeeper = ZooKeeper(url)
        self._on_leader = on_leader
        self._watch = LeaderWatch(self._zookeeper, self._changed)

    @property
    def leader(self) -> Leader | None:
        """Who leads, None while nobody does or it is not known yet."""
        return self._watch.leader

    def start(self) -> None:
        """Connect, and begin to watch."""
        self._zookeeper.start()
        self._watch.start()

    async def stop(self) -> None:
        """Watch no more, and end the connection."""
        await self._watch.stop()
        await self._zookeeper.close()

    async def first(self, timeout_seconds: float) -> Leader:
        """Wait until somebody leads, at most for the timeout. Raises NoLeaderError."""
        url = self._zookeeper.url
        try:
            async with asyncio.timeout(timeout_seconds):
                return await self._watch.first()
        except TimeoutError:
            if not self._zookeeper.client.connected:
                raise NoLeaderError(_silent(url)) from None
            raise NoLeaderError(f"ZooKeeper knows of no leading master at {url}.") from None

    def _changed(self, leader: Leader | None) -> None:
        if leader is not None:
            log.info("the master at %s leads", leader.host_and_port)
            self._on_leader(leader)


async def find_leader(url: ZooKeeperUrl, timeout_seconds: float = FIND_SECONDS_MAX) -> Leader:
    """Ask ZooKeeper once who leads. Raises NoLeaderError when nobody does for the whole timeout."""
    finder = LeaderFinder(url, lambda _: None)
    finder.start()
    try:
        return await finder.first(timeout_seconds)
    finally:
        await finder.stop()


async def find_masters(url: ZooKeeperUrl, timeout_seconds: float = FIND_SECONDS_MAX) -> list[Leader]:
    """Ask ZooKeeper once which masters there are, the one that leads or should first. Raises NoLeaderError when there
    is none for the whole timeout."""
    zookeeper = ZooKeeper(url)
    zookeeper.start()
    try:
        async with asyncio.timeout(timeout_seconds):
            while True:
                await zookeeper.connected()
                try:
                    found = await _masters(zookeeper)
                except (*DISCONNECTED, NoNodeError):
                    found = []
                if found:
                    return found
                await asyncio.sleep(POLL_SECONDS)
    except TimeoutError:
        if not zookeeper.client.connected:
            raise NoLeaderError(_silent(url)) from None
        raise NoLeaderError(f"ZooKeeper knows of no master at {url}.") from None
    except ZooKeeperError as error:
        raise NoLeaderError(f"Which masters there are cannot be read from {url}: {reason_of(error)}.") from None
    finally:
        await zookeeper.close()


async def _masters(zookeeper: ZooKeeper) -> list[Leader]:
    client, path = zookeeper.client, zookeeper.url.path
    found = []
    for node in candidates(await zookeeper.call(client.get_children_async, path)):
        with contextlib.suppress(NoNodeError):  # it is gone in this moment
            data, _ = await zookeeper.call(client.get_async, f"{path}/{node}")
            master = read_leader(node, data)
            if master is not None:
                found.append(master)
    return found


def _silent(url: ZooKeeperUrl) -> str:
    return f"No server of ZooKeeper answers at {', '.join(url.servers)}."

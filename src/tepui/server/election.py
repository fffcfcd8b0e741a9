"""A master among others: it stands for election, takes the lead when it is elected, and ends when it loses it.

A master that has led does not stand by afterwards: it exits and is expected to be started again, as with Mesos. Its
state is that of a leader, and a fresh process is the one state that every standby is known to have.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from tepui.model.addresses import AddressError
from tepui.model.v1.mesos import MasterInfo
from tepui.server.flags import FlagError, Flags
from tepui.server.network import is_loopback
from tepui.server.standby import Standby
from tepui.storage.election import Candidate
from tepui.storage.registry import Backend, MemoryBackend, RegistryError
from tepui.storage.registry_zookeeper import ZooKeeperBackend
from tepui.transport.leader import Leader
from tepui.transport.zookeeper import ZooKeeper
from tepui.transport.zookeeper_url import parse_zookeeper_url

log = logging.getLogger(__name__)


class Election:
    """One master's part in it. `lead` is called with where the registry is once this master is elected."""

    def __init__(
        self,
        flags: Flags,
        info: MasterInfo,
        standby: Standby,
        *,
        lead: Callable[[Backend], Awaitable[None]],
        on_leader: Callable[[tuple[str, int] | None], None],
        on_end: Callable[[str], None],
    ) -> None:
        """Raises FlagError when --zk names a file that cannot be read any more."""
        try:
            url = parse_zookeeper_url(flags.text("zk") or "")
        except AddressError as error:
            raise FlagError(f"--zk {error}.") from None
        self._flags = flags
        ip = (info.address.ip if info.address is not None else None) or ""
        self._address = (ip, info.port)
        if is_loopback(ip) and not all(is_loopback(server.rpartition(":")[0]) for server in url.servers):
            log.warning("others are told that this master is at %s, which is each machine's own: say --ip=ADDRESS", ip)
        self._standby = standby
        self._lead = lead
        self._on_leader = on_leader
        self._on_end = on_end
        self._zookeeper = ZooKeeper(url, flags.seconds("zk_session_timeout"))
        self._candidate = Candidate(
            self._zookeeper, info, on_leader=self._leader_is, on_elected=self._elected, on_lost=self._lost
        )
        self._taking: asyncio.Task[None] | None = None

    @property
    def holds_lease(self) -> bool:
        """Whether this master is elected, and nobody else can have been since."""
        return self._candidate.holds_lease

    def start(self) -> None:
        """Connect to ZooKeeper, and stand for election."""
        self._zookeeper.start()
        self._candidate.start()

    async def stop(self) -> None:
        """Stand no more."""
        await self._candidate.stop()
        if self._taking is not None:
            self._taking.cancel()
            await asyncio.gather(self._taking, return_exceptions=True)

    async def close(self) -> None:
        """End the session: another master is elected at once."""
        await self._zookeeper.close()

    def _leader_is(self, leader: Leader | None) -> None:
        if leader is not None and leader.address == self._address and not self._is_own(leader):
            leader = None  # this master's life before: dead, but for its session, and nobody to send clients to
        self._standby.leader = None if leader is None else (leader.hostname, leader.port)
        # By its IP, as agents: the name is for clients, and need not resolve here.
        self._on_leader(None if leader is None else leader.address)

    def _is_own(self, leader: Leader) -> bool:
        return self._candidate.node == f"{self._zookeeper.url.path}/{leader.node}"

    def _elected(self) -> None:
        self._standby.recovering = True
        self._taking = asyncio.create_task(self._take())

    async def _take(self) -> None:
        try:
            await self._lead(self._backend())
        except RegistryError as error:
            self._on_end(str(error))
        except Exception:
            # Whoever holds the first node and does not lead keeps all others from leading.
            log.exception("this master cannot take the lead")
            self._on_end("This master cannot take the lead, by a fault of this program; its traceback is above.")

    def _backend(self) -> Backend:
        if self._flags.text("registry") == "in_memory":
            return MemoryBackend()
        return ZooKeeperBackend(self._zookeeper, self._candidate.node)

    def _lost(self, why: str) -> None:
        self._on_end(f"This master leads no longer: {why}. Start it again.")

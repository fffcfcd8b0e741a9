"""Where an agent looks for its master."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tepui.model.addresses import AddressError, parse_host_and_port
from tepui.server.flags import FlagError
from tepui.transport.zookeeper_url import ZooKeeperUrl, parse_zookeeper_url, read_named_file

if TYPE_CHECKING:
    from tepui.transport.leader import Leader, LeaderFinder

Address = tuple[str, int]


def master_addresses(text: str) -> list[Address] | ZooKeeperUrl:
    """The masters that `HOST[:PORT]` names, or several divided by commas, or where ZooKeeper tells (`zk://...`).

    All of them can stand in a file, named `file:///path`. Raises FlagError with a sentence.
    """
    try:
        if text.startswith("file://"):
            text = read_named_file(text.removeprefix("file://")).strip()
        if text.startswith("zk://"):
            return parse_zookeeper_url(text)
        return [parse_host_and_port(one) for one in text.split(",")]
    except AddressError as error:
        raise FlagError(f"--master {error}.") from None


class MasterLocator:
    """Says where to look for the master next: where ZooKeeper says that one leads, or at the addresses in turn.

    A file is read anew each time, unless it sent us to ZooKeeper. `on_leader` is told when ZooKeeper names another one.
    """

    def __init__(self, text: str, on_leader: Callable[[], None]) -> None:
        """Raises FlagError."""
        self._text = text
        self._turn = 0
        self._finder: LeaderFinder | None = None
        found = master_addresses(text)
        if isinstance(found, ZooKeeperUrl):
            from tepui.transport.leader import LeaderFinder  # kazoo is imported where ZooKeeper is used

            def changed(_: Leader) -> None:
                on_leader()

            self._finder = LeaderFinder(found, changed)

    def start(self) -> None:
        if self._finder is not None:
            self._finder.start()

    async def stop(self) -> None:
        if self._finder is not None:
            await self._finder.stop()

    def next(self) -> Address | None:
        """Where to try now; None while ZooKeeper knows of no leader. Raises FlagError when a file has gone wrong."""
        if self._finder is not None:
            leader = self._finder.leader
            return None if leader is None else leader.address
        found = master_addresses(self._text)
        if isinstance(found, ZooKeeperUrl):
            raise FlagError("--master names a file that speaks of ZooKeeper now; start this agent again.")
        self._turn += 1
        return found[(self._turn - 1) % len(found)]

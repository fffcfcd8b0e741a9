"""Where the master keeps its registry: the interface, and the commits that are made in groups.

    store = RegistryStore(backend, store_timeout_seconds=20, on_failure=step_down)
    stored = await store.lead()                       # from now on nobody who led before can write
    store.store(records, done)                        # done() once they are stored; never blocks

A `Backend` is a place for entries (`registry_entries`): a file (`registry_sqlite`), ZooKeeper (`registry_zookeeper`),
or nothing but memory (`MemoryBackend`). Each keeps the *epoch*: a number that every leader raises before it reads, and
that every write is conditional on, so a master that was replaced and does not know it yet can write nothing any more.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import msgspec

from tepui.master.registry import RegistryRecord
from tepui.storage.registry_entries import Changes, EntryError, changes_of, records_of

log = logging.getLogger(__name__)

EPOCH_LIMIT = 10**18
"""Epochs stay below what the link and SQLite can carry; the time in seconds has ten digits."""
RECORDS_PER_COMMIT_MAX = 4000
"""More than these wait for the next commit, so that none takes long."""

_Waiting = tuple[Sequence[RegistryRecord], Callable[[], None]]
"""What one store is to write, and who hears of it."""


class RegistryError(Exception):
    """The registry cannot be read or written; the text is a sentence that says why and what to do."""


class DeposedError(RegistryError):
    """Another master has raised the epoch meanwhile."""


class Stored(msgspec.Struct, frozen=True):
    """What a backend holds."""

    epoch: int
    entries: dict[str, bytes]
    epoch_before: int = 0
    """That of the leader before, where a backend that several masters share has just raised the epoch."""

    def records(self) -> list[RegistryRecord]:
        """The records. Raises RegistryError when one of them cannot be read."""
        try:
            return records_of(self.entries)
        except EntryError as error:
            raise RegistryError(f"The registry holds what cannot be read: {error}.") from None


class Backend(Protocol):
    """A place for entries. Used from one event loop; one call at a time. All raise RegistryError."""

    async def lead(self) -> Stored:
        """Raise the epoch, so that every write under an older one fails from now on; then read everything."""

    async def write(self, changes: Changes) -> int:
        """Store the changes durably and return how many bytes that wrote.

        Raises DeposedError when the epoch is no longer the one of `lead()`: nothing has changed then, or all of it is
        changed by the next leader, unless it was more than the backend takes at once.
        """

    async def read(self) -> Stored:
        """Read everything, and change nothing."""

    async def replace(self, stored: Stored) -> int:
        """Put the entries of `stored` in the place of all that is there, under a new epoch, which is returned.

        It is beyond that of `stored` as well, which agents may have seen.
        """

    async def close(self) -> None:
        """Give back what is held open; what was not stored stays unstored."""


def next_epoch(stored: int) -> int:
    """The epoch after `stored`: the time in seconds, or one more than the last epoch where that is not less.

    By the time, because the newest epoch is also remembered by agents: should the registry get lost or be moved, the
    epochs of the next one must not begin below what they have seen.
    """
    return max(stored + 1, int(time.time()))


class MemoryBackend:
    """Entries that end with the process."""

    def __init__(self) -> None:
        self._epoch = 0
        self._entries: dict[str, bytes] = {}

    async def lead(self) -> Stored:
        self._epoch = next_epoch(self._epoch)
        return await self.read()

    async def write(self, changes: Changes) -> int:
        for key, value in changes.items():
            if value is None:
                self._entries.pop(key, None)
            else:
                self._entries[key] = value
        return 0

    async def read(self) -> Stored:
        return Stored(self._epoch, dict(self._entries))

    async def replace(self, stored: Stored) -> int:
        self._entries = dict(stored.entries)
        self._epoch = next_epoch(max(self._epoch, stored.epoch))
        return self._epoch

    async def close(self) -> None:
        """Nothing is held."""


class RegistryStore:
    """Stores what one master decides, in the order in which it decides it; what comes during a commit shares the next,
    as far as it is of one record.

    After a failure, or when a commit takes longer than `store_timeout_seconds`, nothing is stored any more and
    `on_failure` is told once: what the master decided since then is not safe, so it must end. That timeout bounds what
    waits, too: it is what a master decides during one commit.

    No commit begins unless the master `may_write`: one that leads no longer, or may not, ends what waits as a failure.
    """

    def __init__(
        self,
        backend: Backend,
        *,
        fetch_timeout_seconds: float,
        store_timeout_seconds: float,
        on_failure: Callable[[RegistryError], None],
        on_commit: Callable[[float], None] | None = None,
        may_write: Callable[[], bool] = lambda: True,
    ) -> None:
        """`on_commit` hears how long each commit took, in seconds."""
        self._backend = backend
        self._fetch_timeout_seconds = fetch_timeout_seconds
        self._store_timeout_seconds = store_timeout_seconds
        self._on_failure = on_failure
        self._on_commit = on_commit
        self._may_write = may_write
        self._waiting: deque[_Waiting] = deque()
        self._committer: asyncio.Task[None] | None = None
        self._failed = False
        self.bytes_written = 0
        """Bytes that all commits have written so far."""
        self._sizes: dict[str, int] = {}
        self.size_bytes = 0
        """The size of all entries."""

    @property
    def waiting(self) -> int:
        """How many stores are not committed yet."""
        return len(self._waiting)

    async def lead(self) -> Stored:
        """Take the lead, and read everything. Raises RegistryError, also when it takes longer than the timeout."""
        try:
            async with asyncio.timeout(self._fetch_timeout_seconds):
                stored = await self._backend.lead()
        except TimeoutError:
            raise RegistryError(
                f"The registry could not be read within --registry_fetch_timeout ({self._fetch_timeout_seconds:g} s)."
            ) from None
        self._count(stored.entries)
        return stored

    def store(self, records: Sequence[RegistryRecord], done: Callable[[], None]) -> None:
        """Have the records stored, all of them or none, and `done` called when they are."""
        if self._failed:
            return
        self._waiting.append((records, done))
        if self._committer is None:
            self._committer = asyncio.get_running_loop().create_task(self._commit_all())

    async def _commit_all(self) -> None:
        try:
            while self._waiting:
                if not self._may_write():
                    raise DeposedError("This master leads no longer, so it stores nothing more.")
                await self._commit()
        except RegistryError as error:
            self._fail(error)
        except TimeoutError:
            self._fail(
                RegistryError(
                    "The registry could not be written within --registry_store_timeout "
                    f"({self._store_timeout_seconds:g} s)."
                )
            )
        except Exception as error:
            log.exception("a commit of the registry failed by a fault in this program")
            self._fail(RegistryError(f"The registry could not be written: {type(error).__name__}."))
        finally:
            self._committer = None

    async def _commit(self) -> None:
        taken = self._take()
        begun = time.monotonic()
        async with asyncio.timeout(self._store_timeout_seconds):
            changes = changes_of(record for records, _ in taken for record in records)
            self.bytes_written += await self._backend.write(changes)
        self._count(changes)
        if self._on_commit is not None:
            self._on_commit(time.monotonic() - begun)
        for _, done in taken:
            done()

    def _take(self) -> list[_Waiting]:
        """The stores of the next commit: those of one record share it, and each of several records is alone. A backend
        that must divide a large commit would else tear one apart for the sake of others."""
        taken = [self._waiting.popleft()]
        if len(taken[0][0]) == 1:
            while self._waiting and len(self._waiting[0][0]) == 1 and len(taken) < RECORDS_PER_COMMIT_MAX:
                taken.append(self._waiting.popleft())
        return taken

    def _count(self, changes: Mapping[str, bytes | None]) -> None:
        for key, value in changes.items():
            self.size_bytes -= self._sizes.pop(key, 0)
            if value is not None:
                self._sizes[key] = len(key) + len(value)
                self.size_bytes += self._sizes[key]

    def _fail(self, error: RegistryError) -> None:
        self._failed = True
        self._waiting.clear()
        self._on_failure(error)

    async def close(self) -> None:
        """Let the commit that is under way finish, begin no other, and close the backend."""
        self._failed = True
        self._waiting.clear()
        committer = self._committer
        if committer is not None:
            await asyncio.wait((committer,), timeout=self._store_timeout_seconds)
        await self._backend.close()

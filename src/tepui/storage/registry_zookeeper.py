"""The registry of several masters: entries in ZooKeeper, below `<path>/tepui`.

| node | content |
|---|---|
| `epoch` | the election epoch of the newest leader, as a number |
| `registry` | `{"format": 1, "buckets": 1024}` |
| `registry/0000` ... `registry/1023` | a bucket: the entries whose keys hash to it, `{key: record}`, deflated |
| `pending` | changes that take several transactions, `{key: record or null}`, deflated; else empty |

ZooKeeper bounds a node, and what one transaction writes, to 1 MB, and everything is in its memory: so entries share
nodes, one change writes one bucket, and a starting master reads all buckets at once instead of each entry.
What would be too large for a node never comes here: a master refuses it (`tepui.master.registry`).

Every write is one transaction with a check on the version of `epoch`. A new leader sets `epoch` before it reads, which
ends the right of every older one to write; writes that are repeated after a lost answer do no harm, for they only set.

Changes are whole or absent: those that take several transactions stand in `pending` from before the first until the
last, and a new leader finishes what it finds there.
"""

from __future__ import annotations

import asyncio
import contextlib
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
from kazoo.exceptions import (
    BadVersionError,
    NodeExistsError,
    NoNodeError,
    RolledBackError,
    RuntimeInconsistency,
)

from tepui.storage.registry import EPOCH_LIMIT, DeposedError, RegistryError, Stored, next_epoch
from tepui.storage.registry_entries import FORMAT, Changes
from tepui.transport.zookeeper import DISCONNECTED, ZooKeeper, ZooKeeperError, reason_of

BUCKETS = 1024
BUCKETS_MAX = 9999
"""Their nodes have names of four digits."""
TRANSACTION_BYTES_MAX = 900_000
"""ZooKeeper refuses requests beyond 1 MB (its `jute.maxbuffer`)."""
CREATIONS_PER_TRANSACTION = 256
READS_MAX = 10
"""Times that the whole registry is read to find it the same twice."""
READS_AT_ONCE = 256
RETRY_SECONDS = 0.05
BUCKET_OVERHEAD_BYTES = 100
"""Of a bucket in a transaction, beside its content: its path and the operation's head."""
_DEFLATE_LEVEL = 1

_EMPTY = zlib.compress(b"{}", _DEFLATE_LEVEL)
_Bucket = dict[str, msgspec.Raw]
_read_bucket = msgspec.json.Decoder(_Bucket).decode
_encode = msgspec.json.Encoder().encode


class _Layout(msgspec.Struct):
    """What the node `registry` says."""

    format: int
    buckets: int


class ZooKeeperBackend:
    """Entries in the ZooKeeper of `zookeeper`, which the caller starts and closes; see `Backend` for the calls.

    While no server answers, every call waits; who calls has a timeout.
    """

    def __init__(self, zookeeper: ZooKeeper, candidacy: str | None = None) -> None:
        """`candidacy` is the node by which the caller was elected: without it, it may not take the lead any more."""
        self._candidacy = candidacy
        self._zookeeper = zookeeper
        self._client = zookeeper.client
        self._acl = zookeeper.acl(readable=False)
        self._root = f"{zookeeper.url.path}/tepui"
        self._epoch = 0
        self._epoch_version = 0
        self._count = BUCKETS
        self._buckets: dict[int, bytes] = {}
        """The content of each bucket that is not empty, as it was read or written last."""
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="registry")

    async def lead(self) -> Stored:
        return await self._lead(beyond=0)

    async def _lead(self, beyond: int) -> Stored:
        try:
            await self._make()
            before = await self._raise_epoch(beyond)
            entries = await self._read_buckets()
            pending = await self._read_pending()
            if pending:
                await self.write(pending)
                await self._set([], b"")  # it may have fitted in one transaction this time
            return Stored(self._epoch, _applied(entries, pending), before)
        except ZooKeeperError as error:
            raise self._error(error) from None

    async def read(self) -> Stored:
        """A leader may go on writing: what is read twice without a difference was there at one moment."""
        before: Stored | None = None
        try:
            await self._zookeeper.connected()
            await self._zookeeper.call(self._client.sync_async, self._root)
            for _ in range(READS_MAX):
                data, _ = await self._zookeeper.call(self._client.get_async, f"{self._root}/epoch")
                await self._read_layout()
                entries = await self._read_buckets()
                found = Stored(self._read_epoch(data), _applied(entries, await self._read_pending()))
                if found == before:
                    return found
                before = found
            raise RegistryError(
                f"The registry at {self._zookeeper.url} changes while it is read; try again when less is going on."
            )
        except NoNodeError:
            raise RegistryError(f"There is no registry at {self._zookeeper.url}.") from None
        except ZooKeeperError as error:
            raise self._error(error) from None

    async def write(self, changes: Changes) -> int:
        """Changes that do not fit in one transaction are written by several; no entry is ever divided. Only what does
        not fit in the node `pending` either, more than 900 KB of changes, may be left by halves."""
        loop = asyncio.get_running_loop()
        buckets = await loop.run_in_executor(self._thread, self._changed_buckets, changes)
        written = sum(len(data) for _, data in buckets)
        parts = _parts(buckets)
        pending = b""
        if len(parts) > 1:
            pending = await loop.run_in_executor(self._thread, _pack, changes)
        if not 0 < len(pending) <= TRANSACTION_BYTES_MAX:
            for part in parts:
                await self._set(part)
            return written
        await self._set([], pending)
        for part in parts[:-1]:
            await self._set(part)
        await self._set(parts[-1], b"")
        return written + len(pending)

    async def replace(self, stored: Stored) -> int:
        before = await self._lead(stored.epoch)
        await self.write({**dict.fromkeys(before.entries), **stored.entries})
        return self._epoch

    async def close(self) -> None:
        self._thread.shutdown(wait=False)

    # Writing.

    def _changed_buckets(self, changes: Changes) -> list[tuple[int, bytes]]:
        """On the thread: the new content of the buckets that the changes touch."""
        touched: dict[int, Changes] = {}
        for key, value in changes.items():
            touched.setdefault(zlib.crc32(key.encode()) % self._count, {})[key] = value
        found = []
        for number, some in touched.items():
            bucket = _read_bucket(zlib.decompress(self._buckets.get(number, _EMPTY)))
            for key, value in some.items():
                if value is None:
                    bucket.pop(key, None)
                else:
                    bucket[key] = msgspec.Raw(value)
            data = zlib.compress(_encode(bucket), _DEFLATE_LEVEL)
            if len(data) > TRANSACTION_BYTES_MAX:
                largest = max(bucket, key=lambda key: len(bytes(bucket[key])))
                raise RegistryError(
                    f"The entry '{largest}' is too large for ZooKeeper, which holds at most 1 MB in a node."
                )
            found.append((number, data))
        return found

    async def _set(self, buckets: Sequence[tuple[int, bytes]], pending: bytes | None = None) -> None:
        while True:
            transaction = self._client.transaction()
            transaction.check(f"{self._root}/epoch", self._epoch_version)
            for number, data in buckets:
                transaction.set_data(self._bucket(number), data)
            if pending is not None:
                transaction.set_data(f"{self._root}/pending", pending)
            try:
                await self._commit(transaction)
            except DISCONNECTED:
                await self._pause()
            except BadVersionError:
                raise DeposedError(
                    f"Another master leads since epoch {self._epoch}, so this one may write the registry no more."
                ) from None
            except ZooKeeperError as error:
                raise self._error(error) from None
            else:
                self._buckets.update(buckets)
                return

    async def _commit(self, transaction: Any) -> None:
        """Raises the error of the first operation that failed."""
        for result in await self._zookeeper.call(transaction.commit_async):
            if isinstance(result, Exception) and not isinstance(result, RolledBackError | RuntimeInconsistency):
                raise result

    async def _pause(self) -> None:
        await asyncio.sleep(RETRY_SECONDS)
        await self._zookeeper.connected()

    # Taking the lead.

    async def _make(self) -> None:
        """Make the nodes that are not there yet."""
        zookeeper, client, acl = self._zookeeper, self._client, self._acl
        while True:
            try:
                await zookeeper.call(client.ensure_path_async, zookeeper.url.path, zookeeper.acl(readable=True))
                await self._create(self._root, b"")
                await self._create(f"{self._root}/epoch", b"0")
                await self._create(f"{self._root}/pending", b"")
                await self._create(f"{self._root}/registry", _encode(_Layout(FORMAT, BUCKETS)))
                await self._read_layout()
                there = set(await zookeeper.call(client.get_children_async, f"{self._root}/registry"))
                missing = [number for number in range(self._count) if f"{number:04}" not in there]
                for begin in range(0, len(missing), CREATIONS_PER_TRANSACTION):
                    transaction = client.transaction()
                    for number in missing[begin : begin + CREATIONS_PER_TRANSACTION]:
                        transaction.create(self._bucket(number), _EMPTY, acl)
                    await self._commit(transaction)
            except (*DISCONNECTED, NodeExistsError):
                await self._pause()
            else:
                return

    async def _create(self, path: str, data: bytes) -> None:
        with contextlib.suppress(NodeExistsError):
            await self._zookeeper.call(self._client.create_async, path, data, self._acl)

    async def _raise_epoch(self, beyond: int) -> int:
        """Raise it beyond what it is, and beyond `beyond`. Returns the epoch before."""
        path = f"{self._root}/epoch"
        while True:
            try:
                data, stat = await self._zookeeper.call(self._client.get_async, path)
                before = self._read_epoch(data)
                epoch = next_epoch(max(before, beyond))
                transaction = self._client.transaction()
                transaction.set_data(path, str(epoch).encode(), stat.version)
                if self._candidacy is not None:
                    transaction.check(self._candidacy, 0)
                await self._commit(transaction)
            except DISCONNECTED:
                await self._pause()
            except NoNodeError:
                raise DeposedError("This master's node in ZooKeeper is gone, so it may not take the lead.") from None
            except BadVersionError:
                continue  # another one was faster, or the answer to the last attempt was lost
            else:
                self._epoch, self._epoch_version = epoch, stat.version + 1
                return before

    # Reading.

    def _read_epoch(self, data: bytes) -> int:
        if not data.isdigit() or len(data) >= len(str(EPOCH_LIMIT)):
            raise self._foreign("epoch")
        return int(data)

    def _foreign(self, node: str) -> RegistryError:
        return RegistryError(
            f"The node {self._root}/{node} in ZooKeeper is not that of a registry. Give the masters a path of their "
            "own, or delete the node and restore a snapshot."
        )

    async def _read_layout(self) -> None:
        data, _ = await self._zookeeper.call(self._client.get_async, f"{self._root}/registry")
        try:
            layout = msgspec.json.decode(data, type=_Layout)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise self._foreign("registry") from None
        if layout.format < 1 or not 1 <= layout.buckets <= BUCKETS_MAX:
            raise self._foreign("registry")
        if layout.format > FORMAT:
            raise RegistryError(
                f"The registry at {self._zookeeper.url} was written by a newer version (format {layout.format}, this "
                f"one knows {FORMAT}); run that version."
            )
        self._count = layout.buckets

    async def _read_buckets(self) -> dict[str, bytes]:
        self._buckets.clear()
        entries: dict[str, bytes] = {}
        begin = 0
        while begin < self._count:
            numbers = range(begin, min(begin + READS_AT_ONCE, self._count))
            try:
                answers = await self._zookeeper.get_all([self._bucket(number) for number in numbers])
            except DISCONNECTED:
                await self._pause()
                continue
            for number, data in zip(numbers, answers, strict=True):
                if data == _EMPTY:
                    continue
                try:
                    bucket = _read_bucket(zlib.decompress(data))
                except (zlib.error, msgspec.MsgspecError, UnicodeDecodeError):
                    raise RegistryError(
                        f"The node {self._bucket(number)} in ZooKeeper cannot be read. Delete {self._root} with all "
                        "that is below it, and restore a snapshot."
                    ) from None
                self._buckets[number] = data
                entries.update({key: bytes(value) for key, value in bucket.items()})
            begin = numbers.stop
        return entries

    async def _read_pending(self) -> Changes:
        """What a leader was about to write when it ended."""
        path = f"{self._root}/pending"
        while True:
            try:
                data, _ = await self._zookeeper.call(self._client.get_async, path)
            except NoNodeError:
                return {}
            except DISCONNECTED:
                await self._pause()
                continue
            try:
                found = _read_bucket(zlib.decompress(data)) if data else {}
            except (zlib.error, msgspec.MsgspecError):
                raise RegistryError(f"The node {path} in ZooKeeper cannot be read.") from None
            return {key: None if bytes(value) == b"null" else bytes(value) for key, value in found.items()}

    def _bucket(self, number: int) -> str:
        return f"{self._root}/registry/{number:04}"

    def _error(self, error: ZooKeeperError) -> RegistryError:
        return RegistryError(f"The registry at {self._zookeeper.url} cannot be used: {reason_of(error)}.")


def _pack(changes: Changes) -> bytes:
    packed = {key: msgspec.Raw(b"null" if value is None else value) for key, value in changes.items()}
    return zlib.compress(_encode(packed), _DEFLATE_LEVEL)


def _applied(entries: dict[str, bytes], changes: Changes) -> dict[str, bytes]:
    """The entries with the changes."""
    if not changes:
        return entries
    return {key: value for key, value in {**entries, **changes}.items() if value is not None}


def _parts(buckets: Sequence[tuple[int, bytes]]) -> list[list[tuple[int, bytes]]]:
    """The buckets, divided into transactions that ZooKeeper takes."""
    parts: list[list[tuple[int, bytes]]] = []
    size = TRANSACTION_BYTES_MAX + 1
    for number, data in buckets:
        size += len(data) + BUCKET_OVERHEAD_BYTES
        if size > TRANSACTION_BYTES_MAX:
            parts.append([])
            size = len(data) + BUCKET_OVERHEAD_BYTES
        parts[-1].append((number, data))
    return parts

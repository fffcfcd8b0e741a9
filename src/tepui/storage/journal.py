"""The agent's journal: what must outlive the agent process, in one SQLite file.

A record (`tepui.agent.journal`) is a row: a serial number and the record as MessagePack. Rows are inserted in the order
things happen and deleted as soon as their subject is over, so the file holds what is alive and stays as large as its
largest moment. What begins and ends within one commit is never written.

One commit a turn of the loop. It is written, not synced: that survives `kill -9` of the agent, and what a crash of the
machine takes, it takes from the executors too. A file that SQLite cannot read is moved aside, with a warning: the runs
that it told about are then unknown and are ended.

Durable records (reservations, volumes, operations) have a journal of their own, which is *synced*: a commit returns
when the disk has it. If that file cannot be read the agent does not start, because frameworks count on what is in it.
"""

from __future__ import annotations

import logging
import os
import sqlite3
from collections import deque
from collections.abc import Sequence
from pathlib import Path

import msgspec

from tepui.agent.journal import (
    AgentAdmitted,
    DrainSet,
    FrameworkForgotten,
    FrameworkKnown,
    OperationForgotten,
    OperationHeld,
    Record,
    ResourcesCheckpointed,
    RunBegan,
    RunEnded,
    TaskEnded,
    TaskLaunched,
    UpdateAcknowledged,
    UpdateReceived,
    VolumeDoomed,
    VolumeForgotten,
)

log = logging.getLogger(__name__)

SCHEMA_VERSION = 1
APPLICATION_ID = 0x54657075
"""Marks the file as ours: `Tepu`."""
ACKNOWLEDGED_KEPT_MAX = 16
"""How many acknowledged updates of a task that goes on are kept, to know duplicates and the latest state."""
ASIDE_MAX = 100
"""So many unreadable files are kept beside the journal; the next one replaces the last."""
WAL_PAGES_MAX = 1000
"""The write-ahead log is folded into the file at this size."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Record).decode


class JournalError(Exception):
    """The journal cannot be used; the text says why and what to do."""


def _sync(folder: Path) -> None:
    """Have the names of the folder's files on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class _Task:
    """The rows of one task."""

    __slots__ = ("acknowledged", "launched", "pending")

    def __init__(self) -> None:
        self.launched: int | None = None
        self.pending: dict[bytes, int] = {}
        self.acknowledged: deque[tuple[int, int]] = deque()
        """Rows of an update and of its acknowledgement, oldest first."""

    def rows(self) -> list[int]:
        rows = [*self.pending.values()]
        if self.launched is not None:
            rows.append(self.launched)
        for pair in self.acknowledged:
            rows += pair
        return rows


class Journal:
    """One agent's journal. Not to be shared between threads or processes."""

    def __init__(self, path: Path, *, synced: bool = False) -> None:
        """Open the file or make it. Raises JournalError when it is there but is not ours to use."""
        self.path = path
        self._synced = synced
        self._serial = 0
        self._singles: dict[str, int] = {}
        """The row of the agent, of each framework, run, operation, doomed volume, and of the resources."""
        self._tasks: dict[tuple[str, str], _Task] = {}
        self._inserts: dict[int, bytes] = {}
        self._deletes: list[tuple[int]] = []
        self._recovered: list[Record] = []
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise JournalError(f"The folder {path.parent} cannot be made: {error.strerror}.") from None
        try:
            self._database = self._open()
        except (sqlite3.DatabaseError, msgspec.MsgspecError) as error:
            if isinstance(error, sqlite3.OperationalError):
                raise JournalError(f"The journal {path} cannot be opened: {error}.") from None
            if synced:
                raise JournalError(
                    f"The journal {path} of reservations and volumes cannot be read: {error}. Restore the file, or "
                    "move it away to give up what is reserved here."
                ) from None
            aside = self._move_aside()
            log.warning("the journal %s cannot be read (%s); it was moved to %s and begun anew", path, error, aside)
            self._forget_everything()
            try:
                self._database = self._open()
            except sqlite3.DatabaseError as again:
                raise JournalError(f"The journal {path} cannot be made: {again}.") from None

    def _open(self) -> sqlite3.Connection:
        database = sqlite3.connect(self.path, isolation_level=None, timeout=0)
        try:
            # Nobody else reads the file, and an exclusive lock spares the shared index of the write-ahead log.
            database.execute("PRAGMA locking_mode = EXCLUSIVE")
            database.execute("PRAGMA journal_mode = WAL")
            database.execute(f"PRAGMA synchronous = {'FULL' if self._synced else 'OFF'}")
            database.execute(f"PRAGMA wal_autocheckpoint = {WAL_PAGES_MAX}")
            (version,) = database.execute("PRAGMA user_version").fetchone()
            (application,) = database.execute("PRAGMA application_id").fetchone()
            if version == 0 and application == 0:
                database.execute("BEGIN")
                database.execute("CREATE TABLE record (serial INTEGER PRIMARY KEY, data BLOB NOT NULL)")
                database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                database.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
                database.execute("COMMIT")
                if self._synced:
                    _sync(self.path.parent)
            elif application != APPLICATION_ID:
                raise JournalError(f"{self.path} is a database of another program; give the agent another work folder.")
            elif version > SCHEMA_VERSION:
                raise JournalError(
                    f"The journal {self.path} was written by a newer version (format {version}, this one knows "
                    f"{SCHEMA_VERSION}); run that version, or move the file away."
                )
            self._read(database)
        except BaseException:
            database.close()
            raise
        return database

    def _read(self, database: sqlite3.Connection) -> None:
        for serial, data in database.execute("SELECT serial, data FROM record ORDER BY serial"):
            record = _decode(data)
            self._recovered.append(record)
            self._index(serial, record)
            self._serial = serial

    def _move_aside(self) -> Path:
        for number in range(1, ASIDE_MAX + 1):
            aside = self.path.with_name(f"{self.path.name}.unreadable-{number}")
            if not aside.exists():
                break
        self.path.replace(aside)
        for suffix in ("-wal", "-shm"):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
        return aside

    def _forget_everything(self) -> None:
        self._serial = 0
        self._singles.clear()
        self._tasks.clear()
        self._inserts.clear()
        self._deletes.clear()
        self._recovered = []

    # Reading.

    def recovered(self) -> list[Record]:
        """What was in the file when it was opened: the records of all that was alive, in order."""
        return list(self._recovered)

    def identity(self) -> AgentAdmitted | None:
        """Under which id the agent was admitted last, before the file was opened."""
        return next((record for record in reversed(self._recovered) if isinstance(record, AgentAdmitted)), None)

    def replace(self, records: Sequence[msgspec.Struct]) -> None:
        """Drop everything, and write these records instead: both or nothing. Raises JournalError as `commit` does."""
        self._forget_everything()
        self._write(records, anew=True)

    def forget_everything(self) -> None:
        """Drop the identity as well, for an agent that leaves the cluster for good."""
        self._database.execute("DELETE FROM record")
        self._forget_everything()

    @property
    def rows(self) -> int:
        """How many records are alive."""
        (count,) = self._database.execute("SELECT count(*) FROM record").fetchone()
        return int(count)

    # Writing.

    def commit(self, records: Sequence[msgspec.Struct]) -> None:
        """Write the records, all or none of them.

        Raises JournalError when the file system refuses; the agent must end then, because nothing that it would
        promise from here on is safe.
        """
        self._write(records, anew=False)

    def _write(self, records: Sequence[msgspec.Struct], *, anew: bool) -> None:
        serial = self._serial
        inserts = self._inserts
        for record in records:
            serial += 1
            if self._index(serial, record):
                inserts[serial] = _encode(record)
        self._serial = serial
        execute = self._database.execute
        many = self._database.executemany
        try:
            execute("BEGIN")
            if anew:
                execute("DELETE FROM record")
            if inserts:
                many("INSERT INTO record VALUES (?, ?)", inserts.items())
            if self._deletes:
                many("DELETE FROM record WHERE serial = ?", self._deletes)
            execute("COMMIT")
        except sqlite3.Error as error:
            raise JournalError(f"The journal {self.path} cannot be written: {error}.") from None
        inserts.clear()
        self._deletes.clear()

    def close(self) -> None:
        """Fold the write-ahead log into the file and close it."""
        self._database.close()

    def _index(self, serial: int, record: msgspec.Struct) -> bool:
        """Note whose row `serial` is, and drop the rows that the record makes void. Returns whether to keep it."""
        kind = type(record)
        if kind is UpdateReceived:
            assert isinstance(record, UpdateReceived)
            self._task(record.framework_id, record.task_id).pending[record.status.uuid or b""] = serial
        elif kind is TaskEnded:
            assert isinstance(record, TaskEnded)
            task = self._tasks.pop((record.framework_id, record.task_id), None)
            if task is not None:
                self._drop(task.rows())
            return False
        elif kind is UpdateAcknowledged:
            assert isinstance(record, UpdateAcknowledged)
            return self._acknowledge(serial, record)
        elif kind is TaskLaunched:
            assert isinstance(record, TaskLaunched)
            self._task(record.framework_id, record.info.task_id.value).launched = serial
        else:
            return self._index_rare(serial, record)
        return True

    def _index_rare(self, serial: int, record: msgspec.Struct) -> bool:
        match record:
            case AgentAdmitted():
                name = "agent"
            case FrameworkKnown(framework_id=framework_id) | FrameworkForgotten(framework_id=framework_id):
                name = f"framework {framework_id}"
            case RunBegan(run=run) | RunEnded(run=run):
                name = f"run {run}"
            case ResourcesCheckpointed():
                name = "resources"
            case OperationHeld(operation_uuid=uuid) | OperationForgotten(operation_uuid=uuid):
                name = f"operation {uuid.hex()}"
            case DrainSet():
                name = "drain"
            case VolumeDoomed(trash=trash) | VolumeForgotten(trash=trash):
                name = f"volume {trash}"
            case _:
                raise TypeError(f"{type(record).__name__} is not a record of the journal")
        earlier = self._singles.pop(name, None)
        if earlier is not None:
            self._drop([earlier])
        if isinstance(record, FrameworkForgotten | RunEnded | OperationForgotten | VolumeForgotten):
            return False
        if isinstance(record, DrainSet) and record.config is None:
            return False
        self._singles[name] = serial
        return True

    def _task(self, framework_id: str, task_id: str) -> _Task:
        key = (framework_id, task_id)
        task = self._tasks.get(key)
        if task is None:
            task = self._tasks[key] = _Task()
        return task

    def _acknowledge(self, serial: int, record: UpdateAcknowledged) -> bool:
        task = self._tasks.get((record.framework_id, record.task_id))
        update = task.pending.pop(record.uuid, None) if task is not None else None
        if task is None or update is None:
            return False
        task.acknowledged.append((update, serial))
        if len(task.acknowledged) > ACKNOWLEDGED_KEPT_MAX:
            self._drop(task.acknowledged.popleft())
        return True

    def _drop(self, rows: Sequence[int]) -> None:
        """Delete rows; those that the current commit has not written yet, it need not write."""
        inserts = self._inserts
        for row in rows:
            if inserts.pop(row, None) is None:
                self._deletes.append((row,))

"""The registry of a single master: one SQLite file.

Commits are synced to the disk before they are answered, on a thread of their own, because a sync takes as long as the
disk likes. The file may be read by others while the master runs (`tepui operator snapshot`).
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from tepui.storage.registry import DeposedError, RegistryError, Stored, next_epoch
from tepui.storage.registry_entries import FORMAT, Changes

REGISTRY_FILE = "registry.db"
"""Its name in the master's work folder."""
APPLICATION_ID = 0x54657052
"""Marks the file as ours: `TepR`."""
BUSY_SECONDS_MAX = 10.0
"""So long a write waits for somebody who holds the file."""

_ADVICE = "; move it away, and restore a snapshot if there is one"

Result = TypeVar("Result")


class SqliteBackend:
    """Entries in the file `path`, made when it is first led or restored; see `Backend` for what each call means."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="registry")
        self._database: sqlite3.Connection | None = None
        self._epoch = 0

    async def lead(self) -> Stored:
        return await self._run(self._lead)

    async def write(self, changes: Changes) -> int:
        return await self._run(lambda: self._write(changes))

    async def read(self) -> Stored:
        return await self._run(self._read_only)

    async def replace(self, stored: Stored) -> int:
        return await self._run(lambda: self._replace(stored))

    async def close(self) -> None:
        await self._run(self._close)
        self._thread.shutdown()

    async def _run(self, work: Callable[[], Result]) -> Result:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except sqlite3.Error as error:
            damaged = type(error) is sqlite3.DatabaseError  # a full disk, say, is a subclass of it
            raise RegistryError(
                f"The registry {self._path} cannot be used: {error}{_ADVICE if damaged else ''}."
            ) from None
        except OSError as error:
            raise RegistryError(f"The registry {self._path} cannot be used: {error.strerror}.") from None

    # On the thread.

    def _lead(self) -> Stored:
        database = self._opened()
        with database:
            database.execute("BEGIN IMMEDIATE")
            self._epoch = _raise_epoch(database)
        return _read(database)

    def _write(self, changes: Changes) -> int:
        database = self._opened()
        with database:
            database.execute("BEGIN IMMEDIATE")
            epoch = _epoch(database)
            if epoch != self._epoch:
                raise DeposedError(
                    f"The registry {self._path} belongs to epoch {epoch} now, this master leads epoch {self._epoch}."
                )
            _put(database, changes)
        return sum(len(key) + len(value or b"") for key, value in changes.items())

    def _replace(self, stored: Stored) -> int:
        database = self._opened()
        with database:
            database.execute("BEGIN IMMEDIATE")
            database.execute("DELETE FROM entry")
            _put(database, dict(stored.entries))
            return _raise_epoch(database, stored.epoch)

    def _read_only(self) -> Stored:
        if self._database is not None:
            return _read(self._database)
        if not self._path.exists():
            raise RegistryError(f"There is no registry {self._path}.")
        self._check_size()
        database = sqlite3.connect(f"{self._path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_SECONDS_MAX)
        try:
            self._check_format(database)
            return _read(database)
        finally:
            database.close()

    def _close(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None

    def _opened(self) -> sqlite3.Connection:
        if self._database is not None:
            return self._database
        if not self._path.exists():
            self._path.parent.mkdir(parents=True, exist_ok=True)
            _make(self._path)
        self._check_size()
        database = sqlite3.connect(self._path, isolation_level=None, timeout=BUSY_SECONDS_MAX)
        try:
            self._check_format(database)
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = FULL")
        except BaseException:
            database.close()
            raise
        self._database = database
        return database

    def _check_size(self) -> None:
        """A registry was never empty: what is, was cut off by a full disk, a bad copy or a broken file system."""
        if self._path.stat().st_size == 0:
            raise sqlite3.DatabaseError("the file is empty")

    def _check_format(self, database: sqlite3.Connection) -> None:
        if _number(database, "PRAGMA application_id") != APPLICATION_ID:
            raise RegistryError(f"{self._path} is a database of another program; give the master another work folder.")
        version = _number(database, "PRAGMA user_version")
        if version < 1:
            raise sqlite3.DatabaseError(f"there is no format {version}")
        if version > FORMAT:
            raise RegistryError(
                f"The registry {self._path} was written by a newer version (format {version}, this one knows "
                f"{FORMAT}); run that version."
            )


def _make(path: Path) -> None:
    """Make a registry without entries: under another name first, so that `path` is whole whenever it is there."""
    scratch = path.with_name(f"{path.name}.new")
    for leftover in (scratch, scratch.with_name(f"{scratch.name}-journal")):
        leftover.unlink(missing_ok=True)
    database = sqlite3.connect(scratch, isolation_level=None)
    try:
        database.execute("PRAGMA synchronous = FULL")
        with database:
            database.execute("BEGIN IMMEDIATE")
            database.execute("CREATE TABLE entry (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID")
            database.execute("CREATE TABLE epoch (number INTEGER NOT NULL)")
            database.execute("INSERT INTO epoch VALUES (0)")
            database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            database.execute(f"PRAGMA user_version = {FORMAT}")
    finally:
        database.close()
    scratch.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _raise_epoch(database: sqlite3.Connection, beyond: int = 0) -> int:
    epoch = next_epoch(max(_epoch(database), beyond))
    database.execute("UPDATE epoch SET number = ?", (epoch,))
    return epoch


def _epoch(database: sqlite3.Connection) -> int:
    return _number(database, "SELECT number FROM epoch")


def _read(database: sqlite3.Connection) -> Stored:
    with database:
        database.execute("BEGIN")
        entries = database.execute("SELECT key, value FROM entry")
        return Stored(_epoch(database), {key: _text(key, value) for key, value in entries})


def _put(database: sqlite3.Connection, changes: Changes) -> None:
    database.executemany("DELETE FROM entry WHERE key = ?", [(key,) for key, value in changes.items() if value is None])
    database.executemany(
        "INSERT OR REPLACE INTO entry VALUES (?, ?)",
        [(key, value.decode()) for key, value in changes.items() if value is not None],
    )


def _number(database: sqlite3.Connection, query: str) -> int:
    row = database.execute(query).fetchone()
    if row is None or type(row[0]) is not int:
        raise sqlite3.DatabaseError("a number is missing")
    return row[0]


def _text(key: object, value: object) -> bytes:
    if type(key) is not str or type(value) is not str:
        raise sqlite3.DatabaseError(f"the entry {key!r} is no text")
    return value.encode()

"""Reads ZooKeeper's transaction logs: who wrote which nodes, in the order in which all servers agreed.

The format is ZooKeeper's own (jute): a file header, then records of a checksum, a length, a header with session,
number, time and type, the transaction's body, and an end mark.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

FILE_HEADER_BYTES = 16
SET_DATA, CHECK, MULTI = 5, 13, 14
"""Types of transactions; the parts of one that failed have another type than these."""
_RECORD = struct.Struct(">qi")
_HEADER = struct.Struct(">qiqqi")
_INT = struct.Struct(">i")


class Write(NamedTuple):
    """One node whose data were replaced."""

    number: int
    session: int
    path: str
    version: int
    """The node's, after this write."""
    data: bytes
    conditions: dict[str, int]
    """The versions of other nodes without which it would have failed."""


def read_writes(folders: list[Path]) -> list[Write]:
    """The writes in the logs of all servers, each once, in order. Those in a log are there even if it ends torn."""
    found: dict[tuple[int, int], Write] = {}
    for folder in folders:
        for path in folder.rglob("log.*"):
            for number, writes in _transactions(path.read_bytes()):
                for index, write in enumerate(writes):
                    found[number, index] = write
    return [found[key] for key in sorted(found)]


def _transactions(data: bytes) -> Iterator[tuple[int, list[Write]]]:
    at = FILE_HEADER_BYTES
    while at + _RECORD.size <= len(data):
        _, length = _RECORD.unpack_from(data, at)
        at += _RECORD.size
        if length <= 0 or at + length > len(data):
            return  # the file is filled up with zeros, or the server died while it wrote
        session, _, number, _, kind = _HEADER.unpack_from(data, at)
        parts = list(_parts(kind, data[at + _HEADER.size : at + length]))
        conditions = {path: version for one, path, version, _ in parts if one == CHECK}
        yield (
            number,
            [
                Write(number, session, path, version, value, conditions)
                for one, path, version, value in parts
                if one == SET_DATA
            ],
        )
        at += length + 1  # an end mark follows


def _parts(kind: int, body: bytes) -> Iterator[tuple[int, str, int, bytes]]:
    """Kind, path, version and data of what the transaction does to nodes."""
    if kind == MULTI:
        (count,) = _INT.unpack_from(body)
        at = _INT.size
        for _ in range(count):
            (one,) = _INT.unpack_from(body, at)
            part, at = _buffer(body, at + _INT.size)
            yield from _parts(one, part)
    elif kind in (SET_DATA, CHECK):
        path, at = _buffer(body, 0)
        value, at = _buffer(body, at) if kind == SET_DATA else (b"", at)
        (version,) = _INT.unpack_from(body, at)
        # ZooKeeper logs a condition as the version that a change would have made.
        yield kind, path.decode(), version if kind == SET_DATA else version - 1, value


def _buffer(body: bytes, at: int) -> tuple[bytes, int]:
    (length,) = _INT.unpack_from(body, at)
    at += _INT.size
    return body[at : at + max(0, length)], at + max(0, length)

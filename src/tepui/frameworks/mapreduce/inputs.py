"""Finds the input by its name: a file or folder of this machine, or of HDFS over WebHDFS."""

from __future__ import annotations

import getpass
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from tepui.frameworks.mapreduce.splits import HIDDEN, InputError, Range, find_files
from tepui.frameworks.mapreduce.webhdfs import Client, Location, RefusedError, WebHdfsError, is_webhdfs

ASKERS = 8
"""Connections to a namenode: where its blocks are is asked for each file."""

Block = tuple[int, int, tuple[str, ...]]
"""Offset, length, hosts."""


def find_input(name: str) -> Iterator[Range]:
    """All parts of the files that a name stands for. Raises InputError."""
    if is_webhdfs(name):
        return find_blocks(name)
    scheme, colon, _ = name.partition("://")
    if colon and scheme.isalnum():
        raise InputError(
            f"The input {name} cannot be read: {scheme}:// is not spoken here; webhdfs://HOST:PORT/PATH is."
        )
    return find_files(Path(name))


def find_blocks(url: str) -> Iterator[Range]:
    """The blocks of a file of HDFS, or of all files in a folder and then the folders in it, and the hosts that have
    them. When the URL names no user, HADOOP_USER_NAME reads, or who runs this. Raises InputError."""
    try:
        location = Location.parse(url)
        if location.user is None:
            location = replace(location, user=os.environ.get("HADOOP_USER_NAME") or getpass.getuser())
        yield from _Namenode(location).find()
    except WebHdfsError as error:
        raise InputError(f"The input {error}") from None


class _Namenode:
    def __init__(self, root: Location) -> None:
        self._root = root
        self._threads = threading.local()
        self._clients: list[Client] = []
        self._operations: tuple[tuple[str, Callable[[Any], list[Block]]], ...] = (
            ("GETFILEBLOCKLOCATIONS", _block_locations),
            ("GET_BLOCK_LOCATIONS", _located_blocks),  # of older servers
        )

    def find(self) -> Iterator[Range]:
        try:
            with ThreadPoolExecutor(ASKERS) as pool:
                files = self._files()
                for ranges in pool.map(lambda file: self._ranges(*file), list(files)):
                    yield from ranges
        finally:
            for client in self._clients:
                client.close()

    def _ask(self, location: Location, operation: str, **parameters: object) -> Any:
        if not hasattr(self._threads, "client"):
            self._threads.client = Client()
            self._clients.append(self._threads.client)
        return self._threads.client.ask(location, operation, **parameters)

    def _files(self) -> Iterator[tuple[Location, int]]:
        """Every file that is not empty, with its size."""
        pending = [self._root]
        while pending:
            here = pending.pop()
            folders = []
            for name, kind, size in self._list(here):
                if name.startswith(HIDDEN):
                    continue
                place = here.child(name) if name else here
                if kind == "DIRECTORY":
                    folders.append(place)
                elif kind == "FILE" and size:
                    yield place, size
            pending += reversed(folders)

    def _list(self, location: Location) -> list[tuple[str, str, int]]:
        """Name, type and size of what is in a folder; of a file its own, without a name."""
        try:
            answer = self._ask(location, "LISTSTATUS")
            entries = answer["FileStatuses"]["FileStatus"]
            return sorted((str(entry["pathSuffix"]), str(entry["type"]), int(entry["length"])) for entry in entries)
        except RefusedError as error:
            raise WebHdfsError(f"{location} cannot be read: {error}.") from None
        except (KeyError, TypeError, ValueError):
            raise _strange(location) from None

    def _ranges(self, location: Location, size: int) -> list[Range]:
        """The file's blocks, one behind the other; parts that the server does not place are anywhere."""
        ranges: list[Range] = []
        position = 0
        for offset, length, hosts in sorted(self._blocks(location, size)):
            end = min(offset + length, size)
            if position < offset < size:
                ranges.append(Range(str(location), position, offset - position))
                position = offset
            if position < end:
                ranges.append(Range(str(location), position, end - position, hosts))
                position = end
        if position < size:
            ranges.append(Range(str(location), position, size - position))
        return ranges

    def _blocks(self, location: Location, size: int) -> list[Block]:
        """Where the file's blocks are; nothing when the server cannot tell."""
        operations = self._operations
        for number, (operation, read) in enumerate(operations):
            try:
                blocks = read(self._ask(location, operation, offset=0, length=size))
            except RefusedError as error:
                if error.status != 400:
                    raise WebHdfsError(f"{location} cannot be read: {error}.") from None
            except (KeyError, TypeError, ValueError):
                raise _strange(location) from None
            else:
                self._operations = operations[number:]  # one that it knows: no other is asked for again
                return blocks
        self._operations = ()
        return []


def _block_locations(answer: Any) -> list[Block]:
    blocks = answer["BlockLocations"]["BlockLocation"]
    return [(int(block["offset"]), int(block["length"]), _hosts(block["hosts"])) for block in blocks]


def _located_blocks(answer: Any) -> list[Block]:
    return [
        (
            int(block["startOffset"]),
            int(block["block"]["numBytes"]),
            _hosts([place["hostName"] for place in block["locations"]]),
        )
        for block in answer["LocatedBlocks"]["locatedBlocks"]
    ]


def _hosts(names: list[Any]) -> tuple[str, ...]:
    """Sorted: the same hosts in another order are the same."""
    return tuple(sorted(str(name) for name in names))


def _strange(location: Location) -> WebHdfsError:
    return WebHdfsError(f"{location} cannot be read: {location.address} does not answer as WebHDFS does.")

"""The input: which parts of which files there are, on what hosts, and how they are divided among map tasks."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

from tepui.frameworks.mapreduce.webhdfs import SCHEMES

SPLIT_BYTES_DEFAULT = 32 << 20
SPLIT_SLOP = 1.1
"""A piece may be longer by this than it was asked to be, as in Hadoop: a file that is just longer is not cut in two."""
RANGES_MAX = 1000
"""The parts of one split: tiny files share one."""
MAPS_MAX = 100_000
HIDDEN = (".", "_")
"""Files whose names begin so are no input: logs, marks of success, what is being written."""


class InputError(Exception):
    """The input is not there or cannot be read; the text is a sentence."""


@dataclass(frozen=True)
class Range:
    """A part of a file, and hosts that have it; no hosts: it is the same everywhere. `path` may be a WebHDFS URL."""

    path: str
    offset: int
    length: int
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Split:
    """The input of one map task."""

    ranges: tuple[Range, ...]
    hosts: tuple[str, ...]

    @property
    def length(self) -> int:
        return sum(part.length for part in self.ranges)


def find_files(path: Path) -> Iterator[Range]:
    """A file, or all files in a folder and the folders in it, by name; empty ones are left out. Raises InputError."""
    pending = [path]
    while pending:
        here = pending.pop()
        try:
            if here.is_dir():
                found = [child for child in here.iterdir() if not child.name.startswith(HIDDEN)]
                pending += sorted(found, reverse=True)
                continue
            if not here.is_file():
                problem = "is no file or folder" if here.exists() else "does not exist"
                raise InputError(f"The input {here} {problem}.")
            if not os.access(here, os.R_OK, effective_ids=True):
                raise InputError(f"The input {here} cannot be read: permission denied.")
            size = here.stat().st_size
        except OSError as error:
            raise InputError(f"The input {here} cannot be read: {(error.strerror or str(error)).lower()}.") from None
        if size:
            yield Range(str(here.absolute()), 0, size)


def read_manifest(path: Path) -> Iterator[Range]:
    """A file of JSON lines: `{"path": "/data/a", "offset": 0, "length": 1000, "hosts": ["a1"]}`. Raises InputError."""
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror.lower() if isinstance(error, OSError) and error.strerror else str(error)
        raise InputError(f"The manifest {path} cannot be read: {why}.") from None
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield _range_of(line, f"Line {number} of the manifest {path}")


def _range_of(line: str, where: str) -> Range:
    try:
        entry: Any = json.loads(line)
    except ValueError:
        raise InputError(f"{where} is no JSON.") from None
    if (
        not isinstance(entry, dict)
        or not isinstance(entry.get("path"), str)
        or not entry["path"].startswith(("/", *SCHEMES))
    ):
        raise InputError(f"{where} has no whole 'path'.")
    offset, length, hosts = entry.get("offset", 0), entry.get("length"), entry.get("hosts", [])
    if not (isinstance(offset, int) and isinstance(length, int) and offset >= 0 and length >= 0):
        raise InputError(f"{where} needs a 'length' in bytes, and its 'offset' cannot be less than 0.")
    if not isinstance(hosts, list) or not all(isinstance(host, str) for host in hosts):
        raise InputError(f"{where} has 'hosts' that are no list of names.")
    return Range(entry["path"], offset, length, tuple(hosts))


def make_splits(ranges: Iterable[Range], split_bytes: int) -> list[Split]:
    """Cut what is longer than `split_bytes` and its slop, and put together what is shorter and on the same hosts; small
    rests of different hosts, too, when they have one in common. Raises InputError when that makes too many."""
    splits: list[Split] = []
    open_splits: dict[tuple[str, ...], _Pile] = {}
    for whole in ranges:
        for part in _cut(whole, split_bytes):
            pile = open_splits.get(part.hosts)
            if pile is not None and not pile.has_room(part.length, 1, split_bytes):
                splits.append(Split(tuple(pile.parts), part.hosts))
                pile = None
            if pile is None:
                pile = open_splits[part.hosts] = _Pile()
            pile.add([part])
        if len(splits) > MAPS_MAX:
            raise InputError(f"The input makes more than {MAPS_MAX} map tasks; make the splits larger.")
    return splits + _put_rests_together(
        [Split(tuple(pile.parts), hosts) for hosts, pile in open_splits.items()], split_bytes
    )


class _Pile:
    """Parts that are to become one split."""

    def __init__(self) -> None:
        self.parts: list[Range] = []
        self._bytes = 0

    def has_room(self, length: int, parts: int, split_bytes: int) -> bool:
        return self._bytes + length <= split_bytes and len(self.parts) + parts <= RANGES_MAX

    def add(self, parts: Sequence[Range]) -> None:
        self.parts += parts
        self._bytes += sum(part.length for part in parts)


def _put_rests_together(rests: list[Split], split_bytes: int) -> list[Split]:
    """Blocks of many small files are on as many different hosts. Each host in turn takes a split's worth of what is
    left there, so that the work spreads."""
    by_host: dict[str, list[int]] = {}
    for number, rest in enumerate(rests):
        for host in rest.hosts:
            by_host.setdefault(host, []).append(number)
    left: dict[int, Split] = dict(enumerate(rests))
    splits: list[Split] = []
    while by_host:
        for host in list(by_host):
            numbers = [number for number in by_host[host] if number in left]
            if not numbers:
                del by_host[host]
                continue
            pile = _Pile()
            hosts = set(left[numbers[0]].hosts)
            taken = 0
            for number in numbers:
                rest = left[number]
                if taken and not pile.has_room(rest.length, len(rest.ranges), split_bytes):
                    break
                pile.add(rest.ranges)
                hosts &= set(rest.hosts)
                del left[number]
                taken += 1
            by_host[host] = numbers[taken:]
            splits.append(Split(tuple(pile.parts), tuple(sorted(hosts))))
    return splits + list(left.values())


def _cut(whole: Range, split_bytes: int) -> Iterator[Range]:
    """Pieces of even length, so that the last is not a crumb."""
    pieces = max(1, ceil(whole.length / (split_bytes * SPLIT_SLOP)))
    step = -(-whole.length // pieces)
    for begin in range(0, whole.length, step or 1):
        yield Range(whole.path, whole.offset + begin, min(step, whole.length - begin), whole.hosts)

"""The texts that the demonstration counts: found, looked at, bounded, and cut into blocks that agents "have".

- Hidden files, and files that are reached twice by links, do not count.
- gzip files are unpacked into the demonstration's folder, because no part of them can be read alone.
- What holds a zero byte near its beginning is binary. That, and what cannot be read, is left out and told.
- Whole files are taken until there is enough text; the last one may be cut, behind a line's end.
"""

from __future__ import annotations

import gzip
import os
import stat
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

PLACES = ("/usr/share/common-licenses", "/usr/share/licenses", "/usr/share/doc/*/copyright", "/usr/share/doc")
"""Where there is text on every Linux machine, the best first."""
PLACES_FILE_BYTES_MAX = 100_000
"""Larger ones there are mostly lists that a program has written."""
FILES_MAX = 10_000
FILES_SEEN_MAX = 100_000
LOOK_BYTES = 8192
READ_BYTES = 1 << 20
_GZIP = b"\x1f\x8b"


class TextsError(Exception):
    """There is nothing to count; the text is a sentence."""


@dataclass(frozen=True)
class Text:
    """The first `length` bytes of a file."""

    path: Path
    length: int


@dataclass
class Texts:
    """What was found. `left_out` counts files by why they do not count."""

    texts: list[Text] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    length: int = 0
    """Of all texts, in bytes."""
    is_whole: bool = True
    """Whether there was no more text than was wanted."""


def find_texts(place: Path | None, bytes_max: int, folder: Path) -> Texts:
    """Texts in `place` (a folder or a file), else in the system's documents; `folder` gets what is unpacked.

    Raises TextsError when there is none.
    """
    found = Texts()
    if place is not None:
        _refuse(place)
        candidates = _files(place, found)
    else:
        candidates = (path for pattern in PLACES for root in _matching(pattern) for path in _files(root, found))
    seen: set[tuple[int, int]] = set()
    for path in candidates:
        room = bytes_max - found.length
        if room <= 0 or len(found.texts) >= FILES_MAX or len(seen) >= FILES_SEEN_MAX:
            found.is_whole = False
            break
        if place is not None or _size(path) <= PLACES_FILE_BYTES_MAX:
            _take(path, room, found, seen, folder)
    if not found.texts:
        where = "this machine's documents" if place is None else str(place)
        why = f": {left_out(found)}" if found.left_out else ""
        raise TextsError(f"There is no text in {where}{why}. Name a folder that has some with --input=FOLDER.")
    return found


def left_out(found: Texts) -> str:
    """`3 binary, 1 unreadable`; empty when nothing was left out."""
    return ", ".join(f"{count} {why}" for why, count in found.left_out.most_common())


def _refuse(place: Path) -> None:
    try:
        if place.is_dir():
            next(place.iterdir(), None)
        elif not place.exists():
            raise TextsError(f"The input {place} does not exist. Name a folder with --input=FOLDER.")
    except OSError as error:
        raise TextsError(f"The input {place} cannot be read: {(error.strerror or str(error)).lower()}.") from None


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _matching(pattern: str) -> list[Path]:
    return sorted(Path("/").glob(pattern.lstrip("/")))


def _files(place: Path, found: Texts) -> Iterator[Path]:
    """The file itself, or the files in a folder and the folders in it, by name. Links to folders are not followed."""
    if not place.is_dir():
        yield place
        return

    def unreadable(_: OSError) -> None:
        found.left_out["unreadable"] += 1

    for root, folders, names in os.walk(place, onerror=unreadable):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(root, name) for name in sorted(names) if not name.startswith("."))


def _take(path: Path, room: int, found: Texts, seen: set[tuple[int, int]], folder: Path) -> None:
    try:
        status = path.stat()
        identity = (status.st_dev, status.st_ino)
        if identity in seen:
            return
        seen.add(identity)
        if not stat.S_ISREG(status.st_mode) or not status.st_size:
            return
        str(path).encode()
        with path.open("rb") as file:
            head = file.read(LOOK_BYTES)
        if head.startswith(_GZIP):
            name = folder / f"{len(found.texts):05d}.txt"
            path, length, is_whole = name, *_unpack(path, name, room)
            with name.open("rb") as file:
                head = file.read(LOOK_BYTES)
        else:
            length, is_whole = _whole_lines(path, status.st_size, room)
    except UnicodeEncodeError:
        found.left_out["with names that are not UTF-8"] += 1
    except (gzip.BadGzipFile, EOFError, zlib.error):
        found.left_out["broken"] += 1
    except FileNotFoundError:
        return  # a link to nothing
    except OSError:
        found.left_out["unreadable"] += 1
    else:
        if b"\0" in head:
            found.left_out["binary"] += 1
            return
        found.is_whole = found.is_whole and is_whole
        if length:
            found.texts.append(Text(path, length))
            found.length += length


def _unpack(packed: Path, unpacked: Path, room: int) -> tuple[int, bool]:
    """Unpack so much as there is room for; the length, and whether that is all."""
    size = 0
    with gzip.open(packed) as source, unpacked.open("wb") as target:
        while size <= room and (data := source.read(READ_BYTES)):
            size += target.write(data)
    return _whole_lines(unpacked, size, room)


def _whole_lines(path: Path, size: int, room: int) -> tuple[int, bool]:
    """How many bytes to take, and whether that is the whole file: no line is cut."""
    if size <= room:
        return size, True
    with path.open("rb") as file:
        end = room
        while end > 0:
            begin = max(0, end - READ_BYTES)
            file.seek(begin)
            at = file.read(end - begin).rfind(b"\n")
            if at >= 0:
                return begin + at + 1, False
            end = begin
    return 0, False

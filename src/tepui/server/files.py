"""Files that a server shows: sandboxes and logs, by virtual path, for /files/* and LIST_FILES and READ_FILE.

Only what was attached can be seen. A path is resolved to the end of its symbolic links, and what leaves the attached
folder is not there: a task could otherwise link to any file that the server may read.
"""

from __future__ import annotations

import grp
import os
import pwd
import stat
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

READ_BYTES_MAX = 16 * 4096
"""The most that one read returns: 16 pages, as Mesos."""


class FilesError(Exception):
    """A path cannot be shown: `status` is the HTTP status, the text its sentence (empty where Mesos says nothing)."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True)
class FileEntry:
    """What is told of one file: the path as asked for, numbers as stat gives them, names of owner and group."""

    path: str
    nlink: int
    size: int
    mtime_seconds: int
    mode: int
    uid: str
    gid: str

    @property
    def mode_text(self) -> str:
        """Type and rights as `ls` writes them."""
        return stat.filemode(self.mode)


class Files:
    """The virtual paths of one server and the real files behind them."""

    def __init__(self) -> None:
        self._attached: dict[str, str] = {}

    def attach(self, virtual: str, real: str) -> None:
        """Show the file or folder `real` at `virtual`."""
        self._attached["/" + virtual.strip("/")] = real

    def detach(self, virtual: str, real: str) -> None:
        """Show `real` there no more; what was attached in its place since then stays."""
        path = "/" + virtual.strip("/")
        if self._attached.get(path) == real:
            del self._attached[path]

    def attached(self) -> dict[str, str]:
        """Real paths by virtual path, for /files/debug."""
        return dict(sorted(self._attached.items()))

    def resolve(self, virtual: str) -> Path:
        """The real file behind `virtual`; FilesError 404 when nothing attached leads to it."""
        asked = "/" + virtual.strip("/")
        root, rest = asked, ""
        while root not in self._attached:
            root, _, name = root.rpartition("/")
            if not root:
                raise FilesError(404, "")
            rest = f"{name}/{rest}" if rest else name
        try:
            base = Path(self._attached[root]).resolve(strict=True)
            real = (base / rest).resolve(strict=True)
        except (OSError, RuntimeError, ValueError):
            raise FilesError(404, "") from None
        if real != base and base not in real.parents:
            raise FilesError(404, "")
        return real

    def browse(self, virtual: str) -> list[FileEntry]:
        """What is in a folder, by name, or the one file itself."""
        real = self.resolve(virtual)
        if not real.is_dir():
            return [_entry(virtual, real.lstat())]
        found = []
        for name in sorted(child.name for child in real.iterdir()):
            try:
                found.append(_entry(f"{virtual.rstrip('/')}/{name}", (real / name).lstat()))
            except OSError:
                continue  # gone meanwhile
        return found

    def read(self, virtual: str, offset: int | None, length: int | None) -> tuple[int, bytes]:
        """The file's size and the bytes from `offset`, at most `length` (None: as many as allowed)."""
        real = self.resolve(virtual)
        if real.is_dir():
            raise FilesError(400, "Cannot read a directory.")
        try:
            with real.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                if offset is None or not 0 <= offset < size:
                    return size, b""
                file.seek(offset)
                wanted = READ_BYTES_MAX if length is None or length < 0 else min(length, READ_BYTES_MAX)
                return size, file.read(wanted)
        except PermissionError:
            raise FilesError(403, "") from None
        except OSError as error:
            raise FilesError(500, f"Failed to read file at '{virtual}': {error.strerror}.") from None


def _entry(path: str, found: os.stat_result) -> FileEntry:
    return FileEntry(
        path=path,
        nlink=found.st_nlink,
        size=found.st_size,
        mtime_seconds=int(found.st_mtime),
        mode=found.st_mode,
        uid=_user_name(found.st_uid),
        gid=_group_name(found.st_gid),
    )


@lru_cache(maxsize=256)
def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


@lru_cache(maxsize=256)
def _group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)

"""Persistent volumes on disk: directories made, removed, and linked into sandboxes.

    <root>/volumes/roles/<role>/<persistence id>       a volume on a disk that holds several
    <root>/volumes/.removed/<name>                     a destroyed one, being erased
    <root>                                             a volume that is the whole disk
    <root>/.removed-<name>                             what was on it before, being erased

What a task wrote is never trusted: each step holds on to the directory of the step before and follows no link. A
destroyed volume is out of the way in one step, and what is left of it after a crash is erased later.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from tepui.containers.sandbox import SANDBOX_MODE, SandboxError, make_directory, make_link, owner_of

VOLUME_MODE = 0o755
"""Tasks of other users may share a volume."""
REMOVED_MODE = 0o700

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_ROOT = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class VolumeError(Exception):
    """Something cannot be done to a volume; the text says what and why."""


def volume_path(root: str, parts: Sequence[str]) -> Path:
    return Path(root, *parts)


def make_volume(root: str, parts: Sequence[str]) -> None:
    """Make the volume's directory, unless it is there, and sync its name to the disk. Raises VolumeError."""
    try:
        if parts:
            Path(root).mkdir(parents=True, exist_ok=True)
        descriptor = os.open(root, _ROOT)  # the operator names it, and may name a link
        for part in parts:
            try:
                inner = _made(descriptor, part, VOLUME_MODE)
            finally:
                os.close(descriptor)
            descriptor = inner
        os.close(descriptor)
    except OSError as error:
        raise VolumeError(
            f"The volume at '{volume_path(root, parts)}' cannot be made on its disk: {error.strerror}"
        ) from None


def _made(parent: int, name: str, mode: int) -> int:
    """A descriptor of the directory `name`, which is made unless it is there."""
    made = False
    with suppress(FileExistsError):
        os.mkdir(name, mode, dir_fd=parent)
        made = True
    descriptor = os.open(name, _DIRECTORY, dir_fd=parent)
    if made:
        os.fchmod(descriptor, mode)  # whatever the umask is
        os.fsync(parent)
    return descriptor


def move_away(root: str, parts: Sequence[str], trash: str) -> None:
    """Move a destroyed volume out of the way, under the name `trash`; nothing happens when it is not there.

    Raises VolumeError when it cannot be moved: then nobody else may get its directory.
    """
    try:
        if parts:
            _move_directory(root, parts, trash)
        else:
            _move_content(root, trash)
    except FileNotFoundError:
        return
    except OSError as error:
        raise VolumeError(
            f"The destroyed volume at '{volume_path(root, parts)}' cannot be moved away: {error.strerror}"
        ) from None


def _move_directory(root: str, parts: Sequence[str], trash: str) -> None:
    *above, name = parts
    first = parent = os.open(Path(root, above[0]), _DIRECTORY)
    descriptors = [first]
    try:
        for part in above[1:]:
            parent = os.open(part, _DIRECTORY, dir_fd=parent)
            descriptors.append(parent)
        removed = _made(first, ".removed", REMOVED_MODE)
        descriptors.append(removed)
        os.rename(name, trash, src_dir_fd=parent, dst_dir_fd=removed)
        os.fsync(parent)
        os.fsync(removed)
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def _move_content(root: str, trash: str) -> None:
    """The disk stays, what is on it goes."""
    descriptor = os.open(root, _ROOT)
    try:
        aside = f".removed-{trash}"
        removed = _made(descriptor, aside, REMOVED_MODE)
        try:
            for name in os.listdir(descriptor):  # noqa: PTH208 - of a descriptor
                if name != aside:
                    os.rename(name, name, src_dir_fd=descriptor, dst_dir_fd=removed)
            os.fsync(descriptor)
            os.fsync(removed)
        finally:
            os.close(removed)
    finally:
        os.close(descriptor)


def erase(root: str, parts: Sequence[str], trash: str) -> None:
    """Erase what `move_away` moved; nothing happens when nothing is there. Takes as long as the volume is large.

    Raises VolumeError when something is left.
    """
    folder, name = (Path(root, parts[0], ".removed"), trash) if parts else (Path(root), f".removed-{trash}")
    try:
        descriptor = os.open(folder, _ROOT)
        try:
            shutil.rmtree(name, dir_fd=descriptor)
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        return
    except OSError as error:
        raise VolumeError(
            f"The destroyed volume at '{folder / name}' cannot be erased: {error.strerror}: {error.filename}"
        ) from None


def link_volume(
    sandbox: Path, path: str, root: str, parts: Sequence[str], *, user: str | None, keep_owner: bool
) -> None:
    """Make the volume visible at `path` in the sandbox, for `user`, who gets the volume unless `keep_owner` says no.

    A link that is there already is replaced; anything else there is an error. Raises VolumeError.
    """
    target = volume_path(root, parts)
    *above, name = path.split("/")
    descriptors: list[int] = []
    try:
        owner = owner_of(user)
        volume = os.open(root, _ROOT)
        descriptors.append(volume)
        for part in parts:
            volume = os.open(part, _DIRECTORY, dir_fd=volume)
            descriptors.append(volume)
        if owner is not None and not keep_owner:
            os.fchown(volume, *owner)
        folder = os.open(sandbox, _DIRECTORY)
        descriptors.append(folder)
        for part in above:
            folder = make_directory(folder, part, SANDBOX_MODE, owner)
            descriptors.append(folder)
        if not _is_link_or_free(folder, name):
            raise VolumeError(f"The volume cannot be seen at '{path}' in the sandbox: something else is there")
        make_link(folder, name, str(target))
    except SandboxError as error:
        raise VolumeError(str(error)) from None
    except OSError as error:
        raise VolumeError(
            f"The volume at '{target}' cannot be seen at '{path}' in the sandbox: {error.strerror}"
        ) from None
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def _is_link_or_free(folder: int, name: str) -> bool:
    try:
        os.readlink(name, dir_fd=folder)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def unlink_volume(sandbox: Path, path: str, root: str, parts: Sequence[str]) -> None:
    """Take the volume's link out of the sandbox; nothing happens when it is not there or leads elsewhere."""
    *above, name = path.split("/")
    descriptors: list[int] = []
    try:
        folder = os.open(sandbox, _DIRECTORY)
        descriptors.append(folder)
        for part in above:
            folder = os.open(part, _DIRECTORY, dir_fd=folder)
            descriptors.append(folder)
        if os.readlink(name, dir_fd=folder) == str(volume_path(root, parts)):
            os.unlink(name, dir_fd=folder)
    except OSError:
        return  # the sandbox is in the hands of its user
    finally:
        for descriptor in descriptors:
            os.close(descriptor)

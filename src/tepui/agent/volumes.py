"""Persistent volumes: where each one lies on the agent's disks, who uses it, and where a run sees it.

    root disk    <work_dir>/volumes/roles/<role>/<persistence id>
    PATH disk    <root>/volumes/roles/<role>/<persistence id>
    MOUNT disk   <root> itself

A `/` in a role becomes a space, as in Mesos, because no directory's name can have one. A relative root is below the
work directory. A run sees a volume as a link in its sandbox, at the volume's `container_path`.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from tepui.model.resource_kind import Kind
from tepui.model.resource_validation import validate_container_path
from tepui.model.resources import Resources
from tepui.model.v1.mesos import Resource

_SourceType = Resource.DiskInfo.Source.Type


class VolumeDirectory(msgspec.Struct, array_like=True, frozen=True):
    """A volume's directory: `parts` below the `root` of its disk, none when the disk is the volume."""

    root: str
    parts: tuple[str, ...]


class VolumeLink(msgspec.Struct, array_like=True, frozen=True):
    """A volume as one run sees it."""

    directory: VolumeDirectory
    path: str
    """The `container_path`: relative to the sandbox."""
    keep_owner: bool = False
    """Somebody else is using the volume, so that it stays in the hands of whoever has it."""


def is_volume(kind: Kind) -> bool:
    return kind.disk is not None and kind.disk.persistence is not None


def directory_of(kind: Kind, work_dir: str) -> VolumeDirectory:
    """Where the persistent volume `kind` lies. Raises ValueError with a sentence when it can lie nowhere."""
    disk = kind.disk
    assert disk is not None
    assert disk.persistence is not None
    name = disk.persistence.id
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        raise ValueError(f"The persistence ID {name!r} cannot be the name of a directory")
    parts = ("volumes", "roles", kind.reservation_role.replace("/", " "), name)
    source = disk.source
    if source is None:
        return VolumeDirectory(work_dir, parts)
    if source.type is _SourceType.PATH and source.path is not None and source.path.root:
        return VolumeDirectory(_below(work_dir, source.path.root), parts)
    if source.type is _SourceType.MOUNT and source.mount is not None and source.mount.root:
        return VolumeDirectory(_below(work_dir, source.mount.root), ())
    raise ValueError(f"The disk of volume '{name}' is neither the root disk nor a PATH or MOUNT with a root")


def _below(work_dir: str, root: str) -> str:
    return root if root.startswith("/") else f"{work_dir.rstrip('/')}/{root}"


def directories(resources: Resources, work_dir: str) -> dict[VolumeDirectory, Kind]:
    """The directories of all persistent volumes in `resources`. Raises ValueError as `directory_of` does."""
    return {directory_of(kind, work_dir): kind for kind, _ in resources if is_volume(kind)}


def links(resources: Resources, work_dir: str, in_use: Callable[[VolumeDirectory], bool]) -> tuple[VolumeLink, ...]:
    """Where a run with these resources sees its volumes. Raises ValueError with a sentence."""
    found: dict[str, VolumeLink] = {}
    for kind, _ in resources:
        if is_volume(kind):
            directory = directory_of(kind, work_dir)
            path = _path_of(kind)
            # The later link would hide the earlier volume, whose data would go where nobody looks for them.
            if path in found and found[path].directory != directory:
                raise ValueError(f"Two persistent volumes have the container_path '{path}': give each its own")
            found[path] = VolumeLink(directory, path, kind.shared and in_use(directory))
    return tuple(found.values())


def _path_of(kind: Kind) -> str:
    assert kind.disk is not None
    volume = kind.disk.volume
    path = "" if volume is None else volume.container_path
    why = validate_container_path(path)
    if why is not None:
        raise ValueError(why)
    return path.rstrip("/")

"""Sandboxes: the directories in which runs work, laid out below the work directory as Mesos lays them out.

    <work_dir>/slaves/<agent id>/frameworks/<framework id>/executors/<executor id>/runs/<container id>
    <work_dir>/slaves/<agent id>/frameworks/<framework id>/executors/<executor id>/runs/latest -> <container id>

Task groups have one sandbox for each task inside that of their executor:

    <sandbox>/containers/<container id>
    <sandbox>/tasks/<task id> -> <sandbox>/containers/<container id>
"""

from __future__ import annotations

import os
import pwd
import stat
from contextlib import suppress
from pathlib import Path

NAME_BYTES_MAX = 255
"""What Linux file systems take as one name."""
SANDBOX_MODE = 0o750
"""What a task writes is nobody else's business."""
LATEST = "latest"


class SandboxError(Exception):
    """A sandbox cannot be made; the text says why."""


def sandbox_path(work_dir: Path, agent_id: str, framework_id: str, executor_id: str, container_id: str) -> Path:
    """Where the sandbox of one run of an executor is. Raises SandboxError for an id that is no file name."""
    for name in (agent_id, framework_id, executor_id, container_id):
        _check_name(name)
    executor = work_dir / "slaves" / agent_id / "frameworks" / framework_id / "executors" / executor_id
    return executor / "runs" / container_id


def create_sandbox(
    work_dir: Path, agent_id: str, framework_id: str, executor_id: str, container_id: str, *, user: str | None = None
) -> Path:
    """Make the sandbox and point `latest` to it; it may be there already.

    `user` becomes the owner when this process is root; the directories above stay this process's own. None: the owner
    is whoever this process is. Raises SandboxError.
    """
    path = sandbox_path(work_dir, agent_id, framework_id, executor_id, container_id)
    owner = owner_of(user)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        runs = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            os.close(make_directory(runs, container_id, SANDBOX_MODE, owner))
            make_link(runs, LATEST, container_id)
        finally:
            os.close(runs)
    except OSError as error:
        raise SandboxError(f"Cannot make the sandbox '{path}': {error.strerror}") from None
    return path


def create_nested_sandbox(sandbox: Path, container_id: str, task_id: str, *, user: str | None = None) -> Path:
    """Make the sandbox of one task of a task group inside the executor's `sandbox`. Raises SandboxError.

    The executor's sandbox is in the hands of its user, who may replace what is in it at any time, by links to files of
    the system for instance: each step holds on to the directory of the step before and follows no link. Another `user`
    may pass through it, to the task's own and no other that he does not know of.
    """
    _check_name(container_id)
    _check_name(task_id)
    owner = owner_of(user)
    path = sandbox / "containers" / container_id
    descriptors: list[int] = []
    try:
        descriptors.append(os.open(sandbox, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC))
        outer = os.fstat(descriptors[0])
        mode = stat.S_IMODE(outer.st_mode)
        outer_owner = None
        if owner is not None:
            outer_owner = (outer.st_uid, outer.st_gid)
            if outer_owner != owner:
                mode |= stat.S_IXOTH
                os.fchmod(descriptors[0], mode)
        descriptors.append(make_directory(descriptors[0], "containers", mode, outer_owner))
        descriptors.append(make_directory(descriptors[1], container_id, SANDBOX_MODE, owner))
        descriptors.append(make_directory(descriptors[0], "tasks", SANDBOX_MODE, outer_owner))
        make_link(descriptors[3], task_id, str(path))
    except OSError as error:
        raise SandboxError(f"Cannot make the sandbox '{path}': {error.strerror}") from None
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
    return path


def _check_name(name: str) -> None:
    if name in ("", ".", "..", LATEST) or "/" in name or "\0" in name or len(os.fsencode(name)) > NAME_BYTES_MAX:
        raise SandboxError(f"The id {name!r} cannot be the name of a directory")


def owner_of(user: str | None) -> tuple[int, int] | None:
    """The user's ids; None where nothing is to be changed. Raises SandboxError."""
    if user is None or os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(user)
    except (KeyError, ValueError):
        raise SandboxError(f"There is no user '{user}' on this machine") from None
    return entry.pw_uid, entry.pw_gid


def make_directory(parent: int, name: str, mode: int, owner: tuple[int, int] | None) -> int:
    """A descriptor of the directory, which may have been there already."""
    with suppress(FileExistsError):
        os.mkdir(name, mode, dir_fd=parent)
    descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        os.fchmod(descriptor, mode)  # whatever the umask is
        if owner is not None:
            os.fchown(descriptor, *owner)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def make_link(directory: int, name: str, target: str) -> None:
    """Make or replace a link in one step: readers see the old one or the new one."""
    temporary = f".{name[:200]}.new"
    with suppress(FileNotFoundError):
        os.unlink(temporary, dir_fd=directory)
    os.symlink(target, temporary, dir_fd=directory)
    os.rename(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)

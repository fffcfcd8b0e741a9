"""Where a master's registry is, by its flags."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from tepui.server.flags import FlagError, Flags
from tepui.server.work_dir import WorkDirLock
from tepui.storage.registry import Backend, MemoryBackend
from tepui.storage.registry_sqlite import REGISTRY_FILE, SqliteBackend


def check_registry_flags(flags: Flags) -> None:
    """Raises FlagError when the flags do not say where the registry is to be."""
    if flags.text("registry") == "replicated_log" and flags.text("zk") is None and flags.text("work_dir") is None:
        raise FlagError(
            "--work_dir is missing: name the folder for the registry, such as --work_dir=/var/lib/tepui "
            "(or say --registry=in_memory, and a master that starts again remembers nothing)."
        )


def registry_lock(flags: Flags) -> AbstractContextManager[None]:
    """Keeps other masters out of the registry's file, where it is one. Entering it raises StartError."""
    if not _is_file(flags):
        return nullcontext()
    return WorkDirLock(Path(flags.text("work_dir") or ""), "master")


def local_backend(flags: Flags) -> Backend:
    """The registry of a master that knows no other masters."""
    if not _is_file(flags):
        return MemoryBackend()
    return SqliteBackend(Path(flags.text("work_dir") or "") / REGISTRY_FILE)


def _is_file(flags: Flags) -> bool:
    return flags.text("registry") == "replicated_log" and flags.text("zk") is None

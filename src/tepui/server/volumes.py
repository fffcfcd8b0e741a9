"""The agent's effects on persistent volumes, carried out on the disk at once; only erasing has a thread of its own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from threading import Thread

from tepui.agent import volumes
from tepui.agent.events import (
    LinkingFailed,
    LinkVolumes,
    MakeVolumes,
    RemoveVolumes,
    UnlinkVolumes,
    VolumeErased,
    VolumesMade,
    VolumesMoved,
)
from tepui.agent.state import State
from tepui.agent.volumes import VolumeDirectory, VolumeLink
from tepui.containers.volumes import VolumeError, erase, link_volume, make_volume, move_away, unlink_volume
from tepui.model.shell import Event
from tepui.model.v1.mesos import Resource
from tepui.server.errors import StartError
from tepui.server.flags import FlagError

log = logging.getLogger(__name__)

_SourceType = Resource.DiskInfo.Source.Type


def check_disks(resources: Iterable[Resource]) -> None:
    """A MOUNT disk must be there before the agent offers it. Raises FlagError."""
    for resource in resources:
        source = None if resource.disk is None else resource.disk.source
        mount = None if source is None or source.type is not _SourceType.MOUNT else source.mount
        if mount is not None and mount.root and not Path(mount.root).is_dir():
            raise FlagError(f"--resources names a MOUNT disk at {mount.root}, which is not a folder; mount it first.")


class Volumes:
    """The volumes of one agent."""

    def __init__(self, work_dir: Path, post: Callable[[Event], None], fail: Callable[[str], None]) -> None:
        """`fail` ends the agent: what it promised about a volume cannot be kept."""
        self._work_dir = str(work_dir)
        self._post = post
        self._fail = fail
        self._loop = asyncio.get_running_loop()

    def recover(self, state: State) -> None:
        """Make what is missing of the volumes that are reserved here, and go on erasing those that are destroyed.

        Raises StartError.
        """
        alive = volumes.directories(state.checkpointed, self._work_dir)
        try:
            for trash, directory in state.doomed_volumes.items():
                if directory not in alive:  # else it was moved away, and made anew
                    move_away(directory.root, directory.parts, trash)
            for directory in alive:
                make_volume(directory.root, directory.parts)
        except VolumeError as error:
            raise StartError(f"{error}.") from None
        self._erase(tuple(state.doomed_volumes.items()))

    def make(self, effect: MakeVolumes) -> None:
        why = ""
        try:
            for directory in effect.directories:
                make_volume(directory.root, directory.parts)
        except VolumeError as error:
            log.warning("%s", error)
            why = str(error)
        self._post(VolumesMade(effect.operation_uuid, why))

    def remove(self, effect: RemoveVolumes) -> None:
        try:
            for trash, directory in effect.directories:
                move_away(directory.root, directory.parts, trash)
        except VolumeError as error:
            # Whoever makes the next volume there must not find what is in it; a restart tries again.
            self._fail(str(error))
            return
        self._post(VolumesMoved(effect.operation_uuid))
        self._erase(effect.directories)

    def _erase(self, doomed: tuple[tuple[str, VolumeDirectory], ...]) -> None:
        if doomed:
            # The agent's end does not wait for it: the next one goes on.
            Thread(target=self._erase_all, args=(doomed,), name="erase volumes", daemon=True).start()

    def _erase_all(self, doomed: tuple[tuple[str, VolumeDirectory], ...]) -> None:
        for trash, directory in doomed:
            try:
                erase(directory.root, directory.parts, trash)
            except VolumeError as error:
                log.warning("%s; the next start tries again", error)
                continue
            try:
                self._loop.call_soon_threadsafe(self._post, VolumeErased(trash))
            except RuntimeError:  # the loop is closed: this agent has ended, and the next one goes on
                return

    def link(self, sandbox: Path, links: tuple[VolumeLink, ...], user: str | None) -> None:
        """Make volumes visible in a sandbox. Raises VolumeError."""
        for one in links:
            directory = one.directory
            link_volume(sandbox, one.path, directory.root, directory.parts, user=user, keep_owner=one.keep_owner)

    def link_later(self, effect: LinkVolumes) -> None:
        try:
            self.link(Path(effect.directory), effect.volumes, effect.user)
        except VolumeError as error:
            self._post(LinkingFailed(effect.run, str(error)))

    def unlink(self, effect: UnlinkVolumes) -> None:
        for one in effect.volumes:
            unlink_volume(Path(effect.directory), one.path, one.directory.root, one.directory.parts)

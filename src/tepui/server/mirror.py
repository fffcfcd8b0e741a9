"""A standby's mirror of the leader, kept over HTTP. What it shows is `tepui.master.mirror`."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from random import Random

from tepui.master.mirror import Mirror
from tepui.model.addresses import host_and_port
from tepui.model.quantities import Quantities
from tepui.model.waits import Backoff
from tepui.server.mirror_api import MIRROR_PATH
from tepui.transport.client import Transport, TransportError
from tepui.wire.errors import RecordError
from tepui.wire.frames import decode_part
from tepui.wire.recordio import RecordDecoder

log = logging.getLogger(__name__)

SILENCE_SECONDS_MAX = 10.0
"""A leader that says nothing for so long, though it says every second that nothing changed, is left."""
BACKOFF_SECONDS_FIRST = 0.1
BACKOFF_SECONDS_MAX = 5.0
FREE_AFTER_SECONDS = 30.0
"""A mirror that is of no use any more is freed when a takeover is over, and then by small steps."""
FREE_PAUSE_SECONDS = 0.02


class MirrorKeeper:
    """Follows whoever leads. The newest whole mirror stays, ageing, until that of another stream is whole."""

    def __init__(self, transport: Transport, now: Callable[[], float], random: Random) -> None:
        self.mirror: Mirror | None = None
        self._transport = transport
        self._now = now
        self._random = random
        self._leader: tuple[str, int] | None = None
        self._following: asyncio.Task[None] | None = None

    def follow(self, leader: tuple[str, int] | None) -> None:
        """Mirror the master at this host and port; None: nobody."""
        if leader == self._leader:
            return
        self._leader = leader
        if self._following is not None:
            self._following.cancel()
            self._following = None
        if leader is not None:
            self._following = asyncio.create_task(self._follow(*leader))

    async def stop(self) -> None:
        """Follow nobody any more. The mirror stays."""
        following = self._following
        self.follow(None)
        if following is not None:
            with contextlib.suppress(asyncio.CancelledError):
                await following
        await self._transport.close()

    def forget(self) -> None:
        """The mirror is of no use any more."""
        mirror, self.mirror = self.mirror, None
        if mirror is not None:
            _free(mirror)

    def consumption(self, epoch: int) -> dict[str, dict[str, Quantities]]:
        """What the mirror knows of the leader of this epoch, the one directly before: see `Mirror.consumption`.
        Nothing, when it is a mirror of another."""
        mirror = self.mirror  # read by a thread while nobody is followed
        if mirror is None or mirror.config.epoch != epoch:
            return {}
        return mirror.consumption(self._now())

    async def _follow(self, host: str, port: int) -> None:
        url = f"http://{host_and_port(host, port)}{MIRROR_PATH}"
        backoff = Backoff(self._random, BACKOFF_SECONDS_FIRST, BACKOFF_SECONDS_MAX)
        told = ""
        while True:
            fresh = Mirror()
            try:
                why = await self._read(url, fresh)
            except TimeoutError:
                why = f"the leader said nothing for {SILENCE_SECONDS_MAX:g} s"
            except (TransportError, RecordError) as error:
                why = str(error)
            except Exception:
                log.exception("the mirror of the leader cannot be kept up")
                why = "a fault of this program; its traceback is above"
            finally:
                if fresh is not self.mirror:
                    _free(fresh)
            if fresh.whole:
                backoff.reset()
            if fresh.whole or why != told:
                told = why
                log.info("no mirror of the leader at %s for now: %s; trying again", host_and_port(host, port), why)
            await asyncio.sleep(backoff.next())

    async def _read(self, url: str, fresh: Mirror) -> str:
        """Fold what the leader sends until it ends; returns why it did."""
        async with asyncio.timeout(SILENCE_SECONDS_MAX):
            stream = await self._transport.open(url, b"", {})
        try:
            if stream.answer.status != 200:
                return f"it answered {stream.answer.status} {stream.answer.sentence}".rstrip()
            decoder = RecordDecoder()
            chunks = stream.chunks()
            while True:
                async with asyncio.timeout(SILENCE_SECONDS_MAX):
                    chunk = await anext(chunks, None)
                if chunk is None:
                    return "it ended the stream"
                for record in decoder.feed(chunk):
                    fresh.apply(decode_part(record), self._now())
                    if fresh.whole and self.mirror is not fresh:
                        self.forget()
                        self.mirror = fresh
                        log.info("mirrors the leader at revision %s", fresh.revision_text)
        finally:
            await stream.close()


def _free(mirror: Mirror) -> None:
    loop = asyncio.get_running_loop()
    steps = mirror.empty()

    def step() -> None:
        for _ in steps:
            loop.call_later(FREE_PAUSE_SECONDS, step)
            return

    loop.call_later(FREE_AFTER_SECONDS, step)

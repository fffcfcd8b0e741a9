"""What an earlier agent left is ended and waited for, but not for ever."""

from __future__ import annotations

import asyncio

import pytest

from tepui.server.strays import GRACE_SECONDS, Strays


def test_the_wait_ends_with_the_last_stray() -> None:
    async def main() -> None:
        killed: list[tuple[str, float]] = []
        strays = Strays(lambda run, grace_seconds: killed.append((run, grace_seconds)))
        waiting = asyncio.create_task(strays.wait())
        strays.end(["one", "two"])
        assert killed == [("one", GRACE_SECONDS), ("two", GRACE_SECONDS)]
        strays.ended("one")
        strays.ended("somebody else's")
        await asyncio.sleep(0)
        assert not waiting.done()
        strays.ended("two")
        await waiting

    asyncio.run(main())


def test_a_supervisor_without_strays_keeps_nobody_waiting() -> None:
    async def main() -> None:
        strays = Strays(lambda *_: None)
        strays.end([])
        await strays.wait()

    asyncio.run(main())


def test_what_cannot_be_killed_is_left_alone_in_the_end(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        strays = Strays(lambda *_: None)
        strays.end(["stuck"])
        await strays.wait(seconds_max=0.01)

    asyncio.run(main())
    assert "1 runs of an earlier agent do not end" in caplog.text

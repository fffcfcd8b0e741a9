"""The white list's file is read again and again, and only a change of what it says is told."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tepui.server import whitelist
from tepui.server.whitelist import Whitelist


async def until(told: list[frozenset[str]], number: int) -> None:
    while len(told) < number:
        await asyncio.sleep(0.001)


def test_the_file_is_read_again_and_a_file_that_cannot_be_read_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(whitelist, "INTERVAL_SECONDS", 0.005)
    path, told = tmp_path / "hosts", list[frozenset[str]]()

    async def history() -> None:
        watched = Whitelist(path, told.append)
        watched.start()
        assert told == [frozenset()]  # nobody, as long as nobody can be read
        path.write_text("h1\n\n h2 \n")
        await until(told, 2)
        path.unlink()
        path.with_suffix(".new").write_bytes(b"\xff\xfe")
        path.with_suffix(".new").replace(path)
        path.write_text("h2\nh1")
        path.write_text("h3")
        await until(told, 3)
        watched.stop()

    asyncio.run(asyncio.wait_for(history(), 30))
    assert told == [frozenset(), frozenset(["h1", "h2"]), frozenset(["h3"])]

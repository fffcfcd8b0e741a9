"""The lease of a leader, by its own clock."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace
from typing import cast

import pytest

from tepui.storage.election import _Lease
from tepui.transport.zookeeper import ZooKeeper


def test_a_lease_ends_also_while_the_machine_sleeps(monkeypatch: pytest.MonkeyPatch) -> None:
    """What Linux counts as monotonic stands still then; a session at ZooKeeper goes on and ends."""
    asleep_seconds = 0.0
    boot = time.clock_gettime

    def clock(which: int) -> float:
        return boot(which) + (asleep_seconds if which == time.CLOCK_BOOTTIME else 0.0)

    async def play() -> None:
        nonlocal asleep_seconds
        client = SimpleNamespace(client=None, session_timeout_seconds=60.0, session_id=1)
        lease = _Lease(cast(ZooKeeper, client), "/path/node", lambda: None)
        assert lease.is_held
        asleep_seconds = 61.0
        assert not lease.is_held

    monkeypatch.setattr(time, "clock_gettime", clock)
    asyncio.run(play())

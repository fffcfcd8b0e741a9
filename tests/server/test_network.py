"""Addresses that a server tells of itself."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from tepui.model.v1.mesos import Address, MasterInfo
from tepui.server.election import Election
from tepui.server.flags import MASTER_FLAGS, Flags


@pytest.mark.parametrize(
    ("ip", "servers", "warned"),
    [
        ("127.0.1.1", "127.0.0.1:2181,10.0.0.1:2181", True),
        ("::1", "zk.example", True),
        ("127.0.0.1", "127.0.0.1:2181,[::1]:2181,localhost", False),
        ("10.0.0.2", "10.0.0.1:2181", False),
    ],
)
def test_a_master_that_others_cannot_reach_is_warned(
    ip: str, servers: str, warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    flags = Flags(MASTER_FLAGS, {"zk": f"zk://{servers}/mesos"}, {})
    info = MasterInfo(id="m", ip=0, port=5050, address=Address(ip=ip, port=5050))
    unused: Any = None

    async def stand() -> None:
        Election(flags, info, unused, lead=unused, on_leader=unused, on_end=unused)

    with caplog.at_level(logging.WARNING):
        asyncio.run(stand())
    assert ("say --ip=ADDRESS" in caplog.text) == warned

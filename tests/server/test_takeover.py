"""What a master does with agents that come before it has read the registry."""

from __future__ import annotations

import asyncio

import pytest

from tepui.server import master as master_module
from tepui.server.flags import MASTER_FLAGS, Flags
from tepui.server.master import MasterServer
from tepui.storage.registry import MemoryBackend, Stored
from tepui.transport.link import LinkClient
from tepui.transport.turn import Flusher
from tests.conformance.cluster import HOST, free_port

WAIT_SECONDS = 20.0


class SlowBackend(MemoryBackend):
    """It is read when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.may_be_read = asyncio.Event()

    async def lead(self) -> Stored:
        await self.may_be_read.wait()
        return await super().lead()


def test_an_agent_that_comes_during_the_takeover_is_linked_when_it_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        backend = SlowBackend()
        monkeypatch.setattr(master_module, "local_backend", lambda _: backend)
        port = free_port()
        server = MasterServer(Flags(MASTER_FLAGS, {"registry": "in_memory", "ip": HOST, "port": str(port)}, {}))
        starting = asyncio.create_task(server.start())
        linked, asked = asyncio.Event(), asyncio.Event()

        def locate() -> tuple[str, int]:
            asked.set()
            return HOST, port

        agent = LinkClient(
            locate,
            on_open=lambda _: linked.set(),
            on_messages=lambda *_: None,
            on_close=lambda *_: None,
            flusher=Flusher(asyncio.get_running_loop()),
            backoff_seconds=1000.0,  # were it refused, it would not come again
        )
        async with asyncio.timeout(WAIT_SECONDS):
            while not server._standby.recovering:
                await asyncio.sleep(0)
            agent.start()
            await asked.wait()
            while server._http.cold_connections == 0:
                await asyncio.sleep(0.001)
            assert not linked.is_set()
            backend.may_be_read.set()
            await starting
            await linked.wait()
            assert agent.counters.attempts == 1
            await agent.stop()
            await server.stop()

    asyncio.run(main())

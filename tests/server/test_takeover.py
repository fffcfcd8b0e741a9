"""What a master does while it takes the lead, and what it does no more when it has lost it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from tepui.master.config import MasterConfig
from tepui.master.core import MasterCore
from tepui.master.mirror import Mirror
from tepui.master.mirrored import leader_entry
from tepui.master.registry import QuotaSet, WeightSet
from tepui.model.mirror import MirrorPart
from tepui.model.v1.mesos import MasterInfo, Value
from tepui.model.v1.quota import QuotaConfig
from tepui.server import master as master_module
from tepui.server.election import Election
from tepui.server.flags import MASTER_FLAGS, Flags
from tepui.server.master import MasterServer
from tepui.server.standby import Standby
from tepui.storage.registry import MemoryBackend, Stored
from tepui.storage.registry_entries import changes_of
from tepui.transport.link_client import LinkClient
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
            while not len(server._line):
                await asyncio.sleep(0.001)
            assert not linked.is_set()
            backend.may_be_read.set()
            await starting
            await linked.wait()
            assert agent.counters.attempts == 1
            await agent.stop()
            await server.stop()

    asyncio.run(main())


def test_a_master_that_must_end_stores_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        backend = MemoryBackend()
        monkeypatch.setattr(master_module, "local_backend", lambda _: backend)
        server = MasterServer(Flags(MASTER_FLAGS, {"registry": "in_memory", "ip": HOST, "port": str(free_port())}, {}))
        await server.start()
        store = server._registry
        assert store is not None
        stored = asyncio.Event()
        store.store([WeightSet("first", 2.0)], stored.set)
        async with asyncio.timeout(WAIT_SECONDS):
            await stored.wait()
        store.store([WeightSet("second", 3.0)], stored.clear)
        server._end("Another master leads.")
        await server.stop()
        assert (await backend.read()).entries.keys() == {"weights/first"}
        assert stored.is_set()
        assert await server.wait() == "Another master leads."

    asyncio.run(main())


def test_a_master_that_cannot_take_the_lead_for_whatever_reason_ends_instead_of_holding_the_first_node() -> None:
    async def main() -> None:
        why: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        async def lead(_: object) -> None:
            raise ValueError("nobody has thought of this")

        flags = Flags(MASTER_FLAGS, {"registry": "in_memory", "zk": f"zk://{HOST}:1/x"}, {})
        election = Election(
            flags,
            MasterInfo(id="M", ip=1, port=1),
            Standby({}, 0.0, lambda: 0.0),
            lead=lead,
            on_leader=print,
            on_end=why.set_result,
        )
        election._elected()
        async with asyncio.timeout(WAIT_SECONDS):
            assert "cannot take the lead" in await why

    asyncio.run(main())


class LaterBackend(MemoryBackend):
    """That of a cluster which another master has led before, under epoch 7."""

    async def lead(self) -> Stored:
        quota = QuotaSet(QuotaConfig(role="role", limits={"cpus": Value.Scalar(value=1.0)}))
        entries = {key: value for key, value in changes_of([quota]).items() if value is not None}
        return Stored((await super().lead()).epoch, entries, epoch_before=7)


@pytest.mark.parametrize(("epoch", "believed"), [(6, False), (7, True), (8, False)])
def test_a_mirror_is_believed_when_it_is_of_the_leader_directly_before(
    epoch: int, believed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With another one in between, tasks may run that the mirror does not know."""
    known = {"agent": {"role": {"cpus": 1000}}}
    told: list[Mapping[str, object]] = []

    def core(*args: Any, **kwargs: Any) -> MasterCore:
        told.append(kwargs.pop("consumption"))
        return MasterCore(*args, **kwargs)

    async def main() -> None:
        monkeypatch.setattr(master_module, "local_backend", lambda _: LaterBackend())
        monkeypatch.setattr(master_module, "MasterCore", core)
        monkeypatch.setattr(Mirror, "consumption", lambda *_: known)
        server = MasterServer(Flags(MASTER_FLAGS, {"registry": "in_memory", "ip": HOST, "port": str(free_port())}, {}))
        leader = leader_entry(MasterConfig(info=MasterInfo(id="M", ip=1, port=5050), version="0.1.0", epoch=epoch))
        server._mirror.mirror = Mirror()
        server._mirror.mirror.apply(MirrorPart(revision=1, time=1.0, whole=True, leader=leader), 1.0)
        async with asyncio.timeout(WAIT_SECONDS):
            await server.start()
        await server.stop()

    asyncio.run(main())
    assert told == [known if believed else {}]

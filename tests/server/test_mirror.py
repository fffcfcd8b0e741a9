"""A standby's mirror, kept over HTTP: as processes with a real ZooKeeper, and against leaders that misbehave."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tepui.master.config import MasterConfig
from tepui.master.mirrored import leader_entry
from tepui.model.mirror import MirrorPart
from tepui.model.v1.mesos import MasterInfo
from tepui.scheduler import Offers, Scheduler, framework_info
from tepui.server import mirror as keeping
from tepui.server.mirror import MirrorKeeper
from tepui.transport.client import Answer, TransportError
from tepui.wire.frames import encode_part
from tepui.wire.recordio import encode_record
from tests.cli.commands import tepui
from tests.conformance.client import get_json, operator_call
from tests.conformance.cluster import HOST, wait_until
from tests.server.masters import Masters, Member, running_masters
from tests.server.test_failover import EVENT_SECONDS_MAX, run_sleeper
from tests.zookeeper import GROUP, ZooKeeperServer

pytestmark = GROUP


class FakeStream:
    """What a leader sends: records, then silence, or the end, or what is no record."""

    def __init__(self, script: list[bytes | None]) -> None:
        self.answer = Answer(200)
        self._script = script

    async def chunks(self) -> AsyncIterator[bytes]:
        for chunk in self._script:
            if chunk is None:
                await asyncio.Event().wait()
            else:
                yield chunk

    async def close(self) -> None:
        pass


class FakeLeader:
    """Answers each subscription by the next script; after the last one nobody listens."""

    def __init__(self, *scripts: list[bytes | None]) -> None:
        self._scripts = list(scripts)
        self.exhausted = asyncio.Event()

    async def open(self, url: str, body: bytes, headers: Mapping[str, str]) -> FakeStream:  # noqa: ARG002
        if not self._scripts:
            self.exhausted.set()
            raise TransportError("nobody listens")
        return FakeStream(self._scripts.pop(0))

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        raise NotImplementedError

    async def close(self) -> None:
        pass


def part(number: int, *, whole: bool, first: bool = False) -> bytes:
    leader = leader_entry(MasterConfig(info=MasterInfo(id="M", ip=1, port=5050), version="0.1.0", epoch=7))
    told = MirrorPart(revision=number, time=50.0 + number, whole=whole, leader=leader if first else None)
    return encode_record(encode_part(told))


def test_a_mirror_outlives_streams_that_end_or_fall_silent_or_are_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """And it is that of the last stream that was whole, with its age by the leader's clock."""
    monkeypatch.setattr(keeping, "SILENCE_SECONDS_MAX", 0.05)
    monkeypatch.setattr(keeping, "BACKOFF_SECONDS_FIRST", 0.001)

    async def follow() -> MirrorKeeper:
        leader = FakeLeader(
            [part(1, whole=False, first=True), part(2, whole=True), part(3, whole=True)],
            [part(4, whole=False, first=True), None],
            [part(5, whole=False, first=True), b"no record"],
            [encode_record(b"no part")],
        )
        keeper = MirrorKeeper(leader, lambda: 1000.0, Random(1))
        assert keeper.consumption(7) == {}
        keeper.follow(("leader", 5050))
        async with asyncio.timeout(EVENT_SECONDS_MAX):
            await leader.exhausted.wait()
        await keeper.stop()
        return keeper

    keeper = asyncio.run(follow())
    assert keeper.mirror is not None
    assert keeper.mirror.revision_text == "7.3"
    assert keeper.mirror.age_seconds(1004.0) == pytest.approx(4.0), "clocks need not agree"


LIMIT = {"update_quota": {"quota_configs": [{"role": "limited", "limits": {"cpus": {"value": 3}}}]}}


def standby_of(masters: Masters, leader: Member) -> Member:
    (standby,) = [member for member in masters.members if member is not leader and member.server.is_running]
    return standby


def wait_until_mirrored(standby: Member, path: str, wanted: Any) -> None:
    """Wait until the standby's own answer is the wanted one."""

    def same() -> bool:
        status, _, _, shown = standby.read_stale(path)
        return status == 200 and shown == wanted

    wait_until(same, f"the standby shows {path} as the leader does")


def check_stale_reads(standby: Member, leader: Member, url: str) -> None:
    """Reads that may be old are answered by the standby, everything else by the leader."""
    for path in ("/state", "/slaves", "/roles", "/tasks", "/registrar(1)/registry", "/api/tepui/v1/frameworks"):
        wait_until_mirrored(standby, path, get_json(leader.address, path))
    status, revision, age, shown = standby.read_stale("/state-summary")
    assert (status, len(shown["slaves"]), len(shown["frameworks"])) == (200, 2, 1)
    epoch, _, number = revision.partition(".")
    assert int(epoch) > 1
    assert int(number) > 5
    assert 0 <= age < EVENT_SECONDS_MAX
    assert standby.ask("/state")[0] == 307
    assert standby.read_stale("/allocator/offer_constraints_debug")[0] == 307
    assert standby.read_stale("/api/tepui/v1/why?subject=limited")[0] == 307
    assert standby.read_stale("/nothing")[0] == 404
    assert leader.read_stale("/state")[:2] == (200, "")
    done = tepui("--stale", "task", "list", f"--master={url}")
    assert f"As the standby at {HOST}:{standby.address[1]} knew it" in done.stderr
    assert "sleeper" in done.stdout


async def run_limited(masters: Masters) -> None:
    """A framework whose role may have 3 cpus uses 0.1 of one agent, and its scheduler goes away for a time."""
    framework = framework_info("limited", roles=["limited"], failover_timeout_seconds=60, checkpoint=True)
    async with Scheduler(masters.url, framework) as scheduler:
        await run_sleeper(scheduler)
        scheduler.stop(failover=True)


def test_a_standby_answers_stale_reads_and_takes_over_warm(zookeeper: ZooKeeperServer, tmp_path: Path) -> None:
    with running_masters(tmp_path / "cluster", zookeeper.url()) as masters:
        # Names are for clients; masters need not know each other's.
        first, second = masters.add_master("--hostname=one.invalid"), masters.add_master("--hostname=two.invalid")
        wait_until(lambda: first.answers() and second.answers(), "both answer")
        leader = masters.leader()
        standby = standby_of(masters, leader)
        masters.add_agent()
        masters.add_agent()
        masters.wait_for_agents(leader)
        asyncio.run(run_limited(masters))
        operator_call(leader.address, {"type": "UPDATE_QUOTA", **LIMIT})
        check_stale_reads(standby, leader, masters.url)
        for server in masters.agents:
            server.kill()
        leader.server.kill()
        status, _, _, shown = standby.read_stale("/tasks")
        assert (status, [each["id"] for each in shown["tasks"]]) == (200, ["sleeper"]), "the mirror outlives its leader"
        assert masters.leader(not_this=leader) is standby
        assert get_json(standby.address, "/tasks")["tasks"] == [], "tasks are what agents say"
        # 3 cpus less the 0.1 that are in use on the agents that are not back; less their 4 nothing would be left.
        masters.add_agent()
        offered = asyncio.run(first_offer(masters))
        assert offered == pytest.approx(2.0)


async def first_offer(masters: Masters) -> float:
    """How many cpus a new framework of the role is offered first."""
    framework = framework_info("next", roles=["limited"])
    async with asyncio.timeout(EVENT_SECONDS_MAX), Scheduler(masters.url, framework) as scheduler:
        async for event in scheduler:
            if isinstance(event, Offers):
                return event.offers[0].cpus
    raise AssertionError("there was no offer")

"""The registry: what every backend promises, and what only a file or only ZooKeeper can show."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tepui.master import registry as kinds
from tepui.master.registry import (
    SCHEDULE_BYTES_MAX,
    AgentAdmitted,
    AgentRemoved,
    MaintenanceScheduled,
    Registry,
    RegistryRecord,
    WeightSet,
    too_large,
)
from tepui.model.v1.maintenance import Schedule, Window
from tepui.model.v1.mesos import (
    AgentID,
    AgentInfo,
    Attribute,
    DrainConfig,
    DrainInfo,
    DrainState,
    DurationInfo,
    MachineID,
    MachineInfo,
    Resource,
    TimeInfo,
    Unavailability,
    Value,
)
from tepui.model.v1.quota import QuotaConfig
from tepui.storage import registry_zookeeper
from tepui.storage.registry import (
    Backend,
    DeposedError,
    MemoryBackend,
    RegistryError,
    RegistryStore,
    Stored,
    next_epoch,
)
from tepui.storage.registry_entries import Changes, changes_of
from tepui.storage.registry_snapshot import read_snapshot
from tepui.storage.registry_sqlite import SqliteBackend
from tepui.storage.registry_zookeeper import ZooKeeperBackend
from tepui.transport.zookeeper import ZooKeeper
from tepui.transport.zookeeper_url import parse_zookeeper_url
from tests.zookeeper import GROUP, ZooKeeperServer

FIXTURES = Path(__file__).with_name("registries")


def agent(number: int, hostname: str = "h") -> AgentAdmitted:
    cpus = Resource(name="cpus", type=Value.Type.SCALAR, scalar=Value.Scalar(value=2.5))
    rack = Attribute(name="rack", type=Value.Type.TEXT, text=Value.Text(value="r1"))
    info = AgentInfo(
        hostname=hostname, port=5051, resources=[cpus], attributes=[rack], id=AgentID(value=f"m-S{number}")
    )
    return AgentAdmitted(info)


def machine(hostname: str, mode: MachineInfo.Mode) -> kinds.MachineSet:
    return kinds.MachineSet(MachineInfo(id=MachineID(hostname=hostname, ip="10.0.0.1"), mode=mode))


def quota(role: str, cpus: float) -> kinds.QuotaSet:
    limits = {"cpus": Value.Scalar(value=cpus)} if cpus else {}
    return kinds.QuotaSet(QuotaConfig(role=role, limits=limits))


def one_of_each() -> list[RegistryRecord]:
    """What the fixture of format 1 holds."""
    start = Unavailability(start=TimeInfo(nanoseconds=10**18), duration=DurationInfo(nanoseconds=10**9))
    schedule = Schedule(windows=[Window(machine_ids=[MachineID(hostname="h3", ip="10.0.0.3")], unavailability=start)])
    drain = DrainInfo(state=DrainState.DRAINING, config=DrainConfig(mark_gone=True))
    return [
        agent(0, "h0"),
        agent(1, "h1"),
        kinds.AgentUnreachable("m-S1", 1000.5),
        agent(2, "h2"),
        kinds.AgentGone("m-S2", 2000.25),
        kinds.AgentService("m-S0", deactivated=True, drain=drain, drain_started_at=1500.0),
        quota("eng", 4.0),
        WeightSet("ads", 2.5),
        kinds.MaintenanceScheduled(schedule),
        machine("h3", MachineInfo.Mode.DOWN),
    ]


def facts(registry: Registry) -> dict[str, object]:
    return dict(vars(registry))


_numbers = st.integers(0, 3)
_ids = _numbers.map(lambda number: f"m-S{number}")
_records: st.SearchStrategy[RegistryRecord] = st.one_of(
    st.builds(agent, _numbers),
    st.builds(kinds.AgentUnreachable, _ids, st.floats(0, 100)),
    st.builds(kinds.AgentGone, _ids, st.floats(0, 100)),
    st.builds(AgentRemoved, _ids),
    st.builds(kinds.AgentService, _ids, st.booleans()),
    st.builds(quota, st.sampled_from("ab"), st.sampled_from([0.0, 2.0])),
    st.builds(WeightSet, st.sampled_from("ab"), st.floats(1, 9)),
    st.builds(kinds.MaintenanceScheduled, st.just(Schedule())),
    st.builds(machine, st.sampled_from(["h1", "H1", "h/2"]), st.sampled_from(list(MachineInfo.Mode))),
)


@given(st.lists(st.lists(_records, max_size=6), max_size=6))
def test_what_is_read_back_folds_into_what_was_said(stores: list[list[RegistryRecord]]) -> None:
    backend = MemoryBackend()

    async def play() -> Stored:
        for records in stores:
            await backend.write(changes_of(records))
        return await backend.read()

    read = Registry(asyncio.run(play()).records())
    assert facts(read) == facts(Registry(record for records in stores for record in records))


def test_epochs_grow_and_begin_at_the_time_so_that_a_lost_registry_does_not_begin_below_what_agents_saw() -> None:
    first = next_epoch(0)
    assert first > 1_700_000_000
    assert next_epoch(first + 1000) == first + 1001


# Every backend.


@asynccontextmanager
async def sqlite(path: Path) -> AsyncIterator[Backend]:
    backend = SqliteBackend(path / "registry.db")
    try:
        yield backend
    finally:
        await backend.close()


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[ZooKeeper]:
    zookeeper = ZooKeeper(parse_zookeeper_url(url), 4.0)
    zookeeper.start()
    await zookeeper.connected()
    try:
        yield zookeeper
    finally:
        await zookeeper.close()


@asynccontextmanager
async def in_zookeeper(url: str) -> AsyncIterator[Backend]:
    async with connected(url) as zookeeper:
        backend = ZooKeeperBackend(zookeeper)
        yield backend
        await backend.close()


Opened = Callable[[], AbstractAsyncContextManager[Backend]]


@pytest.fixture(params=["sqlite", pytest.param("zookeeper", marks=GROUP)])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Opened:
    """Opens the same registry each time."""
    if request.param == "sqlite":
        return lambda: sqlite(tmp_path)
    url = request.getfixturevalue("zookeeper").url()
    return lambda: in_zookeeper(url)


def test_a_leader_finds_what_the_one_before_stored_and_takes_its_right_to_write(opened: Opened) -> None:
    async def play() -> None:
        async with opened() as old, opened() as new:
            first = await old.lead()
            assert first.entries == {}
            await old.write(changes_of(one_of_each()))
            second = await new.lead()
            assert second.epoch > first.epoch
            assert facts(Registry(second.records())) == facts(Registry(one_of_each()))
            with pytest.raises(DeposedError):
                await old.write(changes_of([agent(7)]))
            assert await new.write(changes_of([AgentRemoved("m-S0"), agent(8)])) > 0
        async with opened() as reader:
            stored = await reader.read()
            assert stored.epoch == second.epoch
            assert "agents/m-S7" not in stored.entries, "a deposed master's write must leave nothing"
            assert {"agents/m-S8", "gone/m-S2", "schedule", "weights/ads"} <= stored.entries.keys()
            assert not {"agents/m-S0", "service/m-S0"} & stored.entries.keys()

    asyncio.run(play())


def test_a_restored_registry_holds_what_was_saved_and_nothing_else(opened: Opened) -> None:
    async def play() -> None:
        async with opened() as backend:
            await backend.lead()
            await backend.write(changes_of(one_of_each()))
            saved = await backend.read()
            await backend.write(changes_of([agent(number) for number in range(100, 200)]))
        async with opened() as backend, opened() as leader:
            await leader.lead()
            epoch = await backend.replace(saved)
            assert await backend.read() == Stored(epoch, saved.entries)
            with pytest.raises(DeposedError):
                await leader.write(changes_of([agent(1)]))

    asyncio.run(play())


def test_the_epoch_of_a_restored_registry_is_beyond_what_agents_saw_by_whatever_clock(opened: Opened) -> None:
    async def play() -> None:
        async with opened() as backend:
            epoch = await backend.replace(Stored(3_000_000_000, {}))
            assert epoch == 3_000_000_001
            assert (await backend.lead()).epoch == 3_000_000_002

    asyncio.run(play())


# The store.


class Stuck(MemoryBackend):
    """Keeps every write waiting for `go`."""

    def __init__(self) -> None:
        super().__init__()
        self.go = asyncio.Event()
        self.writes: list[int] = []

    async def write(self, changes: dict[str, bytes | None]) -> int:
        self.writes.append(len(changes))
        await self.go.wait()
        return await super().write(changes)


def make_store(backend: Backend, failures: list[str], store_timeout_seconds: float = 60.0) -> RegistryStore:
    return RegistryStore(
        backend,
        fetch_timeout_seconds=60.0,
        store_timeout_seconds=store_timeout_seconds,
        on_failure=lambda error: failures.append(str(error)),
    )


def test_what_comes_during_a_commit_shares_the_next_one_and_answers_keep_their_order() -> None:
    async def play() -> None:
        backend, failures, done = Stuck(), list[str](), list[int]()
        store = make_store(backend, failures)
        await store.lead()
        for number in range(5):
            store.store([agent(number)], lambda number=number: done.append(number))  # type: ignore[misc]
            await asyncio.sleep(0)
        assert done == [], "nothing is answered before it is stored"
        backend.go.set()
        while store.waiting or len(done) < 5:
            await asyncio.sleep(0)
        assert (backend.writes, done, failures) == ([1, 4], [0, 1, 2, 3, 4], [])
        assert store.size_bytes == sum(len(key) + len(value) for key, value in (await backend.read()).entries.items())
        await store.close()

    asyncio.run(play())


def test_a_store_of_several_records_has_a_commit_of_its_own() -> None:
    async def play() -> None:
        backend, failures, done = Stuck(), list[str](), list[int]()
        store = make_store(backend, failures)
        await store.lead()
        for number, size in enumerate((1, 1, 1, 3, 1, 1)):
            records = [agent(10 * number + each) for each in range(size)]
            store.store(records, lambda number=number: done.append(number))  # type: ignore[misc]
        backend.go.set()
        while len(done) < 6:
            await asyncio.sleep(0)
        assert (backend.writes, done) == ([3, 3, 2], [0, 1, 2, 3, 4, 5])
        await store.close()

    asyncio.run(play())


def test_a_store_that_takes_too_long_fails_once_and_stores_nothing_more() -> None:
    async def play() -> None:
        backend, failures, done = Stuck(), list[str](), list[int]()
        store = make_store(backend, failures, store_timeout_seconds=0.01)
        await store.lead()
        store.store([agent(1)], lambda: done.append(1))
        while not failures:
            await asyncio.sleep(0.001)
        backend.go.set()
        store.store([agent(2)], lambda: done.append(2))
        assert store.waiting == 0, "it takes nothing more"
        await store.close()
        assert done == []
        assert failures == ["The registry could not be written within --registry_store_timeout (0.01 s)."]

    asyncio.run(play())


def test_no_commit_begins_when_the_master_may_write_no_more() -> None:
    async def play() -> None:
        backend, failures, done = Stuck(), list[str](), list[int]()
        may_write = True
        store = RegistryStore(
            backend,
            fetch_timeout_seconds=60.0,
            store_timeout_seconds=60.0,
            on_failure=lambda error: failures.append(str(error)),
            may_write=lambda: may_write,
        )
        await store.lead()
        store.store([agent(1)], lambda: done.append(1))
        await asyncio.sleep(0)
        store.store([agent(2)], lambda: done.append(2))
        may_write = False
        backend.go.set()
        while not failures:
            await asyncio.sleep(0)
        assert (backend.writes, done) == ([1], [1]), "what had begun is stored and answered, and nothing else"
        assert failures == ["This master leads no longer, so it stores nothing more."]
        assert store.waiting == 0
        await store.close()

    asyncio.run(play())


# The file.


def test_what_was_answered_before_a_kill_is_in_the_file_and_nothing_is_half_there(tmp_path: Path) -> None:
    """A child stores pairs and prints the number of each once it is answered; it is killed in the middle."""
    child = subprocess.Popen(
        [sys.executable, "-c", _CHILD, str(tmp_path / "registry.db")], stdout=subprocess.PIPE, text=True
    )
    answered = -1
    try:
        assert child.stdout is not None
        for line in child.stdout:
            answered = int(line)
            if answered >= 20 + Random().randrange(10):
                break
    finally:
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        assert child.stdout is not None
        child.stdout.close()

    async def read() -> Stored:
        async with sqlite(tmp_path) as backend:
            return await backend.lead()

    entries = asyncio.run(read()).entries
    numbers = {int(key.removeprefix("agents/m-S")) for key in entries if key.startswith("agents/")}
    assert set(range(answered + 1)) <= numbers
    assert numbers == {int(key.removeprefix("weights/")) for key in entries if key.startswith("weights/")}


_CHILD = """
import asyncio, sys
from pathlib import Path
from tepui.master.registry import WeightSet
from tepui.storage.registry import RegistryStore
from tepui.storage.registry_sqlite import SqliteBackend
from tests.storage.test_registry import agent

async def main():
    store = RegistryStore(SqliteBackend(Path(sys.argv[1])), fetch_timeout_seconds=9, store_timeout_seconds=9,
                          on_failure=lambda error: sys.exit(str(error)))
    await store.lead()
    number = 0
    while True:
        for _ in range(3):
            store.store([agent(number), WeightSet(str(number), 1.0)], lambda number=number: print(number, flush=True))
            number += 1
        await asyncio.sleep(0.002)

asyncio.run(main())
"""


def test_a_file_that_is_not_ours_or_of_a_newer_version_is_refused_with_a_sentence(tmp_path: Path) -> None:
    async def lead() -> Stored:
        async with sqlite(tmp_path) as backend:
            return await backend.lead()

    path = tmp_path / "registry.db"
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(RegistryError, match=r"cannot be used: file is not a database"):
        asyncio.run(lead())
    path.write_bytes(b"")
    with pytest.raises(RegistryError, match=r"the file is empty; move it away, and restore a snapshot if there is one"):
        asyncio.run(lead())
    path.unlink()
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE something (x)")
    other.close()
    with pytest.raises(RegistryError, match=r"is a database of another program"):
        asyncio.run(lead())
    path.unlink()
    asyncio.run(lead())
    with sqlite3.connect(path) as newer:
        newer.execute("PRAGMA user_version = 99")
    newer.close()
    with pytest.raises(RegistryError, match=r"newer version \(format 99"):
        asyncio.run(lead())


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        ("DELETE FROM epoch", "a number is missing"),
        ("UPDATE epoch SET number = 'x'", "a number is missing"),
        ("UPDATE entry SET value = x'ff'", "the entry 'agents/m-S1' is no text"),
        ("DROP TABLE entry", "no such table"),
        ("PRAGMA user_version = 0", "there is no format 0; move it away, and restore a snapshot if there is one"),
    ],
)
def test_a_damaged_file_is_refused_with_a_sentence(tmp_path: Path, damage: str, why: str) -> None:
    async def play() -> None:
        async with sqlite(tmp_path) as backend:
            await backend.lead()
            await backend.write(changes_of([agent(1)]))
        with sqlite3.connect(tmp_path / "registry.db") as other:
            other.execute(damage)
        other.close()
        for use in (SqliteBackend.read, SqliteBackend.lead):
            async with sqlite(tmp_path) as backend:
                with pytest.raises(RegistryError, match=why):
                    await use(backend)  # type: ignore[arg-type]

    asyncio.run(play())


# Formats that were released: each loads for ever.


@pytest.mark.parametrize("dump", sorted(FIXTURES.glob("*.sql")), ids=lambda path: path.stem)
def test_a_file_of_every_released_format_loads(dump: Path, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "registry.db") as database:
        database.executescript(dump.read_text())
    database.close()

    async def lead() -> Stored:
        async with sqlite(tmp_path) as backend:
            return await backend.lead()

    stored = asyncio.run(lead())
    assert stored.epoch > 1_790_000_000, "the epoch that the file holds, or a later one"
    assert facts(Registry(stored.records())) == facts(Registry(one_of_each()))


# ZooKeeper.


@GROUP
def test_nodes_are_few_small_and_readable_only_with_the_credentials(zookeeper: ZooKeeperServer) -> None:
    url = zookeeper.url("tepui:secret@")

    async def play() -> None:
        async with in_zookeeper(url) as backend:
            await backend.lead()
            await backend.write(changes_of([agent(number) for number in range(5000)]))
        async with connected(url) as client:
            root = f"{client.url.path}/tepui/registry"
            names = await client.call(client.client.get_children_async, root)
            assert len(names) == registry_zookeeper.BUCKETS
            sizes = [len((await client.call(client.client.get_async, f"{root}/{name}"))[0]) for name in names]
            assert max(sizes) < 4000
        stranger = url.replace("tepui:secret@", "")
        async with in_zookeeper(stranger) as backend:
            with pytest.raises(RegistryError, match="these credentials may not"):
                await backend.read()
            with pytest.raises(RegistryError, match="these credentials may not"):
                await backend.lead()

    asyncio.run(play())


@GROUP
def test_changes_beyond_what_a_transaction_holds_are_stored_and_so_is_the_largest_entry_that_masters_make(
    zookeeper: ZooKeeperServer,
) -> None:
    random = Random(1)

    def noisy(number: int, size: int) -> AgentAdmitted:
        return agent(number, "".join(random.choice("0123456789abcdef") for _ in range(size)))

    async def play() -> None:
        async with in_zookeeper(zookeeper.url()) as backend:
            await backend.lead()
            large = changes_of([noisy(number, 100_000) for number in range(40)])
            assert await backend.write(large) > 2 * 900_000
            assert (await backend.read()).entries == large
            names = [MachineID(hostname=random.randbytes(20).hex()) for _ in range(30_500)]
            window = Window(machine_ids=names, unavailability=Unavailability(start=TimeInfo(nanoseconds=0)))
            schedule = [MaintenanceScheduled(Schedule(windows=[window]))]
            assert too_large(schedule) is None
            assert await backend.write(changes_of(schedule)) > 0.95 * SCHEDULE_BYTES_MAX
            with pytest.raises(RegistryError, match="'agents/m-S99' is too large for ZooKeeper"):
                await backend.write(changes_of([noisy(99, 3_000_000)]))

    asyncio.run(play())


@GROUP
@pytest.mark.parametrize(
    ("node", "data", "why"),
    [
        ("epoch", b"hello", "tepui/epoch in ZooKeeper is not that of a registry"),
        ("epoch", b"-7", "tepui/epoch in ZooKeeper is not that of a registry"),
        ("epoch", b"9" * 9999, "tepui/epoch in ZooKeeper is not that of a registry"),
        ("registry", b"\xff", "tepui/registry in ZooKeeper is not that of a registry"),
        ("registry", b'{"format": 0, "buckets": 1024}', "tepui/registry in ZooKeeper is not that of a registry"),
        ("registry", b'{"format": 1, "buckets": 0}', "tepui/registry in ZooKeeper is not that of a registry"),
        ("registry", b'{"format": 1, "buckets": 2000000000}', "tepui/registry in ZooKeeper is not that of a registry"),
        ("registry", b'{"format": 99, "buckets": 1024}', r"newer version \(format 99"),
        ("registry/0007", b"garbage", "tepui/registry/0007 in ZooKeeper cannot be read"),
    ],
)
def test_nodes_that_hold_what_no_master_wrote_are_refused_with_a_sentence(
    zookeeper: ZooKeeperServer, node: str, data: bytes, why: str
) -> None:
    async def play() -> None:
        url = zookeeper.url()
        async with connected(url) as client:
            backend = ZooKeeperBackend(client)
            await backend.lead()
            await client.call(client.client.set_async, f"{client.url.path}/tepui/{node}", data)
            for use in (backend.read, backend.lead):
                with pytest.raises(RegistryError, match=why):
                    await use()
            await backend.close()

    asyncio.run(play())


class Killed(Exception):  # noqa: N818 - no error, but the end of a process
    """A leader is no more."""


async def lead_and_die(url: str, before: Changes, changes: Changes, commits_left: int, *, stored: bool) -> bool:
    """A leader has written `before`, and dies in the write of `changes`: after so many transactions, before the next
    one is made or before its answer is there. Returns whether it came to that."""
    async with connected(url) as zookeeper:
        backend = ZooKeeperBackend(zookeeper)
        await backend.lead()
        await backend.write(before)
        commit, left = backend._commit, [commits_left]

        async def fragile(transaction: Any) -> None:
            left[0] -= 1
            if left[0] >= 0 or stored:
                await commit(transaction)
            if left[0] < 0:
                raise Killed

        backend._commit = fragile  # type: ignore[method-assign]
        try:
            await backend.write(changes)
        except Killed:
            return True
        finally:
            await backend.close()
        return False


@GROUP
def test_a_leader_that_dies_between_the_transactions_of_a_write_leaves_all_of_it_or_nothing(
    zookeeper: ZooKeeperServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry_zookeeper, "BUCKETS", 32)
    monkeypatch.setattr(registry_zookeeper, "TRANSACTION_BYTES_MAX", 2000)
    before = changes_of([WeightSet(f"role{number}", 1.0) for number in range(80)])
    changes = {**changes_of([WeightSet(f"role{number}", 2.0) for number in range(40)]), "weights/role70": None}
    after = {key: value for key, value in {**before, **changes}.items() if value is not None}

    async def play() -> None:
        for stored in (False, True):
            for number in range(20):
                url = zookeeper.url()
                died = await lead_and_die(url, before, changes, number, stored=stored)
                async with in_zookeeper(url) as next_one:
                    wanted = after if number or stored else before
                    assert (await next_one.read()).entries == wanted, "readers see it, too"
                    assert (await next_one.lead()).entries == wanted
                    assert (await next_one.read()).entries == wanted
                if not died:
                    assert number > 3, "the write is of several transactions"
                    break

    asyncio.run(play())


@GROUP
def test_what_a_dead_leader_had_begun_is_finished_once_also_by_a_version_that_takes_one_transaction_for_it(
    zookeeper: ZooKeeperServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry_zookeeper, "BUCKETS", 32)
    url = zookeeper.url()
    begun = changes_of([WeightSet(f"role{number}", 2.0) for number in range(40)])
    later = changes_of([WeightSet("role0", 9.0)])

    async def play() -> None:
        with monkeypatch.context() as older:
            older.setattr(registry_zookeeper, "TRANSACTION_BYTES_MAX", 2000)
            assert await lead_and_die(url, {}, begun, 2, stored=True)
        async with in_zookeeper(url) as next_one:
            assert (await next_one.lead()).entries == begun
            await next_one.write(later)
        async with in_zookeeper(url) as last:
            assert (await last.lead()).entries == {**begun, **later}

    asyncio.run(play())


@GROUP
def test_a_registry_that_is_read_while_it_is_written_is_seen_as_it_was_at_one_moment(
    zookeeper: ZooKeeperServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The writer changes all buckets by one transaction between the reader's looks at them."""
    monkeypatch.setattr(registry_zookeeper, "BUCKETS", 4)
    monkeypatch.setattr(registry_zookeeper, "READS_AT_ONCE", 1)
    url = zookeeper.url()

    def weights(weight: float) -> Changes:
        return changes_of([WeightSet(f"role{number}", weight) for number in range(40)])

    async def play(writes: int) -> Stored:
        async with connected(url) as zookeeper, in_zookeeper(url) as leader:
            await leader.lead()
            await leader.write(weights(1.0))
            reader = ZooKeeperBackend(zookeeper)
            get_all, done = zookeeper.get_all, 1.0

            async def meanwhile(paths: Sequence[str]) -> list[bytes]:
                nonlocal done
                found = await get_all(paths)
                if done <= writes and paths[0].endswith("1"):
                    done += 1
                    await leader.write(weights(done))
                return found

            monkeypatch.setattr(zookeeper, "get_all", meanwhile)
            try:
                return await reader.read()
            finally:
                await reader.close()

    assert asyncio.run(play(writes=3)).entries == weights(4.0)
    with pytest.raises(RegistryError, match="changes while it is read"):
        asyncio.run(play(writes=1000))


@GROUP
def test_a_registry_that_somebody_deleted_is_not_written_any_more(zookeeper: ZooKeeperServer) -> None:
    async def play() -> None:
        async with connected(zookeeper.url()) as client:
            backend = ZooKeeperBackend(client)
            await backend.lead()
            await client.call(client.client.delete_async, f"{client.url.path}/tepui/epoch")
            with pytest.raises(RegistryError, match="cannot be used: a node of it is gone"):
                await backend.write(changes_of([agent(1)]))
            await backend.close()

    asyncio.run(play())


@GROUP
def test_who_was_not_elected_or_not_any_more_cannot_take_the_lead(zookeeper: ZooKeeperServer) -> None:
    async def play() -> None:
        async with connected(zookeeper.url()) as client:
            backend = ZooKeeperBackend(client, f"{client.url.path}/json.info_0000000000")
            with pytest.raises(DeposedError, match="node in ZooKeeper is gone"):
                await backend.lead()
            await backend.close()

    asyncio.run(play())


def write_fixture(path: Path, records: Sequence[RegistryRecord]) -> None:
    """Write the fixture of a format that is about to be released (see CONTRIBUTING.md)."""
    file = path.with_suffix(".db")

    async def write() -> None:
        backend = SqliteBackend(file)
        await backend.lead()
        await backend.write(changes_of(records))
        await backend.close()

    asyncio.run(write())
    with sqlite3.connect(file) as database:
        pragmas = [
            f"PRAGMA {name} = {database.execute(f'PRAGMA {name}').fetchone()[0]};"
            for name in ("application_id", "user_version")
        ]
        path.write_text("\n".join([*pragmas, *database.iterdump(), ""]))
    database.close()
    file.unlink()


_ENTRY = '{"tepui_registry": 1, "epoch": 1, "entries": {"%s": %s}}'


def test_a_snapshot_is_json_that_people_can_read() -> None:
    changes = changes_of([agent(1)])
    assert json.loads(changes["agents/m-S1"] or b"")["info"]["resources"][0]["scalar"] == {"value": 2.5}
    assert msgspec.json.decode(changes["agents/m-S1"] or b"", type=RegistryRecord) == agent(1)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"tepui_registry": 1, "epoch": 1, "entr', "not a snapshot of a registry"),
        ('{"tepui_registry": 0, "epoch": 1, "entries": {}}', "not a snapshot of a registry"),
        ('{"tepui_registry": 1, "epoch": -1, "entries": {}}', "not a snapshot of a registry"),
        ('{"tepui_registry": 1, "epoch": 9999999999999999999, "entries": {}}', "not a snapshot of a registry"),
        ('{"tepui_registry": 2, "epoch": 1, "entries": {}}', r"newer version \(format 2"),
        (_ENTRY % ("weights/b", '{"type": "WeightSet", "role": "a", "weight": 2}'), "'weights/b' holds what belongs"),
        (
            _ENTRY % ("agents/x", '{"type": "AgentAdmitted", "info": {"hostname": "h"}}'),
            "'agents/x' holds what belongs",
        ),
        (_ENTRY % ("agents/x", '{"type": "AgentRemoved", "agent_id": "x"}'), "'agents/x' holds what belongs"),
        (_ENTRY % ("agents/x", "7"), "'agents/x' cannot be read"),
        (_ENTRY % ("x", "{}"), "'x' is of a kind that this version does not know"),
    ],
)
def test_a_damaged_snapshot_is_refused_with_a_sentence(text: str, why: str) -> None:
    with pytest.raises(RegistryError, match=why):
        read_snapshot(text.encode())

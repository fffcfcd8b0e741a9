"""The registry with 50,000 agents: how long it takes to admit them all, to admit one more, and to read them back.

    python -m benchmarks.registry [--agents 50000] [--zookeeper zk://127.0.0.1:2181/benchmark]

Without an address, ZooKeeper is Debian's package, started for this (see tests/zookeeper.py); without that, only SQLite.
Bytes written are, for SQLite, what this process writes to files (its log, its pages), by `/proc/self/io`; for
ZooKeeper, the nodes' content that is sent, which each of its servers writes to its own log.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import pytest
from tests.zookeeper import ZooKeeperServer

from tepui.master.registry import AgentAdmitted, Registry
from tepui.model.v1.mesos import AgentID, AgentInfo, Attribute, Value
from tepui.storage.registry import Backend, RegistryError, RegistryStore
from tepui.storage.registry_sqlite import SqliteBackend
from tepui.storage.registry_zookeeper import ZooKeeperBackend
from tepui.transport.zookeeper import ZooKeeper
from tepui.transport.zookeeper_url import parse_zookeeper_url
from tepui.wire.text import parse_resources

AGENTS = 50_000
SINGLES = 100
"""So many more are admitted one after another."""
MASTER = "4f6a1c9e-2f53-4b0e-9a57-0c1d2e3f4a5b"


def agent(number: int) -> AgentAdmitted:
    """An agent as many have it: four resources, two attributes."""
    attributes = [
        Attribute(name=name, type=Value.Type.TEXT, text=Value.Text(value=value))
        for name, value in (("rack", f"r{number % 500}"), ("os", "debian-12"))
    ]
    return AgentAdmitted(
        AgentInfo(
            hostname=f"node{number:05}.example.org",
            port=5051,
            resources=parse_resources("cpus:32;mem:131072;disk:1048576;ports:[31000-32000]", "*"),
            attributes=attributes,
            id=AgentID(value=f"{MASTER}-S{number}"),
        )
    )


def bytes_written(store: RegistryStore, *, in_files: bool) -> int:
    """How many bytes were written so far: by this process to files, or what the store says."""
    if not in_files:
        return store.bytes_written
    fields = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(fields["wchar"])


async def measure(name: str, open_backend: Callable[[], Backend], agents: int) -> None:
    """Admit, admit one by one, and read back by a new master; prints a line of each."""
    in_files = name == "SQLite"

    def fail(error: RegistryError) -> None:
        raise SystemExit(str(error))

    def make_store() -> RegistryStore:
        return RegistryStore(open_backend(), fetch_timeout_seconds=60, store_timeout_seconds=60, on_failure=fail)

    store = make_store()
    await store.lead()
    everybody = [agent(number) for number in range(agents + SINGLES)]
    done = asyncio.Event()
    left = agents

    def stored() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            done.set()

    written, begun, cpu = bytes_written(store, in_files=in_files), time.perf_counter(), time.process_time()
    for admitted in everybody[:agents]:
        store.store([admitted], stored)
    await done.wait()
    seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
    each = (bytes_written(store, in_files=in_files) - written) / agents
    print(f"{name}: {agents:,} agents admitted at once: {seconds:.2f} s ({cpu:.2f} s of CPU), {each:,.0f} bytes each")

    times = []
    written = bytes_written(store, in_files=in_files)
    for admitted in everybody[agents:]:
        done.clear()
        begun = time.perf_counter()
        store.store([admitted], done.set)
        await done.wait()
        times.append(time.perf_counter() - begun)
    each = (bytes_written(store, in_files=in_files) - written) / SINGLES
    print(f"{name}: one more, {SINGLES} times: {median(times) * 1000:.1f} ms (median), {each:,.0f} bytes each")
    await store.close()

    store = make_store()
    begun, cpu = time.perf_counter(), time.process_time()
    found = await store.lead()
    read = time.perf_counter() - begun
    registry = Registry(found.records())
    seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
    assert len(registry.admitted) == agents + SINGLES
    size = store.size_bytes / len(everybody)
    print(f"{name}: recovered: {seconds:.2f} s ({cpu:.2f} s of CPU), read in {read:.2f} s; {size:,.0f} bytes an agent")
    await store.close()


async def in_zookeeper(url: str, agents: int) -> None:
    """The same in the ZooKeeper at this address."""
    zookeeper = ZooKeeper(parse_zookeeper_url(url))
    zookeeper.start()
    try:
        await measure("ZooKeeper", lambda: ZooKeeperBackend(zookeeper), agents)
    finally:
        await zookeeper.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--agents", type=int, default=AGENTS)
    parser.add_argument("--zookeeper", metavar="zk://HOST:PORT/PATH")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "registry.db"
        asyncio.run(measure("SQLite", lambda: SqliteBackend(file), options.agents))
        if options.zookeeper is not None:
            asyncio.run(in_zookeeper(options.zookeeper, options.agents))
            return
        try:
            server = ZooKeeperServer(Path(folder) / "zookeeper")
        except pytest.skip.Exception as why:
            print(f"ZooKeeper: not measured: {why}")
            return
        try:
            server.start()
            asyncio.run(in_zookeeper(server.url(), options.agents))
        finally:
            server.kill()


if __name__ == "__main__":
    main()

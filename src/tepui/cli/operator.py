"""`tepui operator snapshot`: the registry of a cluster as a file. It needs no master, only where the registry is."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import nullcontext
from pathlib import Path
from typing import Any, TypeVar

import click

from tepui.cli.errors import NotFoundError, RefusedError, UnreachableError
from tepui.storage.registry import Backend, RegistryError, Stored
from tepui.storage.registry_snapshot import count_entries, read_snapshot, write_snapshot

CONNECT_SECONDS_MAX = 15.0
"""So long a server of ZooKeeper has to answer."""
Result = TypeVar("Result")


@click.group()
def operator() -> None:
    """For whoever runs a cluster."""


@operator.group()
def snapshot() -> None:
    """The registry (agents, quota, weights, maintenance) as a file of JSON.

    PLACE is the --work_dir of a single master, the zk://... of several, or a snapshot.
    """


@snapshot.command()
@click.argument("place")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def save(place: str, file: Path) -> None:
    """Write the registry at PLACE to FILE; `-` is standard output. Masters may go on meanwhile."""
    data = write_snapshot(_read(place))
    if str(file) == "-":
        sys.stdout.buffer.write(data)
        return
    scratch = file.with_name(f".{file.name}.new")
    try:
        with scratch.open("wb") as new:
            new.write(data)
            new.flush()
            os.fsync(new.fileno())
        scratch.replace(file)
    except OSError as error:
        raise RefusedError(f"{file} cannot be written: {error.strerror}.") from None


@snapshot.command()
@click.argument("place")
def inspect(place: str) -> None:
    """Say what the registry at PLACE, or the snapshot PLACE, holds."""
    stored = _read(place)
    try:
        counts = count_entries(stored)
    except RegistryError as error:
        raise RefusedError(str(error)) from None
    click.echo(f"epoch {stored.epoch}, {len(stored.entries)} entries")
    for kind, count in counts.items():
        click.echo(f"{count:8} {kind}")


@snapshot.command()
@click.argument("place")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--force", is_flag=True, help="Also while a master leads; it ends as soon as it writes the next time.")
def restore(place: str, file: Path, force: bool) -> None:
    """Put what FILE holds in the place of the registry at PLACE, under a new epoch. Masters must be stopped."""
    try:
        stored = read_snapshot(file.read_bytes())
    except RegistryError as error:
        raise RefusedError(str(error)) from None
    except OSError as error:
        raise RefusedError(f"{file} cannot be read: {error.strerror}.") from None

    async def put(backend: Backend) -> int:
        return await backend.replace(stored)

    from tepui.server.errors import StartError
    from tepui.server.work_dir import WorkDirLock

    if _is_zookeeper(place):
        epoch = _in_zookeeper(place, put, leaderless=not force)
    else:
        try:
            with nullcontext() if force else WorkDirLock(Path(place), "master"):
                epoch = _in_file(Path(place), put)
        except StartError as error:
            raise RefusedError(f"{error} Or stop the master that leads there, or say --force.") from None
    click.echo(f"{len(stored.entries)} entries restored under epoch {epoch}")


def _is_zookeeper(place: str) -> bool:
    """Whether the registry is in ZooKeeper: its address is given, or a file that holds it."""
    return place.startswith(("zk://", "file://"))


def _read(place: str) -> Stored:
    async def read(backend: Backend) -> Stored:
        return await backend.read()

    if _is_zookeeper(place):
        return _in_zookeeper(place, read)
    path = Path(place)
    if path.is_dir():
        return _in_file(path, read)
    try:
        return read_snapshot(path.read_bytes())
    except OSError as error:
        raise NotFoundError(f"{path} is neither a master's work folder nor a snapshot: {error.strerror}.") from None
    except RegistryError as error:
        raise RefusedError(f"{path}: {error}") from None


def _in_file(folder: Path, work: Callable[[Backend], Awaitable[Result]]) -> Result:
    from tepui.storage.registry_sqlite import REGISTRY_FILE, SqliteBackend

    async def main() -> Result:
        backend = SqliteBackend(folder / REGISTRY_FILE)
        try:
            return await work(backend)
        finally:
            await backend.close()

    return _run(main())


def _in_zookeeper(text: str, work: Callable[[Backend], Awaitable[Result]], *, leaderless: bool = False) -> Result:
    from tepui.model.addresses import AddressError
    from tepui.storage.registry_zookeeper import ZooKeeperBackend
    from tepui.transport.leader import lowest
    from tepui.transport.zookeeper import ZooKeeper
    from tepui.transport.zookeeper_url import parse_zookeeper_url

    try:
        url = parse_zookeeper_url(text)
    except AddressError as error:
        raise click.UsageError(f"PLACE {error}.") from None

    async def main() -> Result:
        zookeeper = ZooKeeper(url)
        zookeeper.start()
        backend = ZooKeeperBackend(zookeeper)
        try:
            async with asyncio.timeout(CONNECT_SECONDS_MAX):
                await zookeeper.connected()
            if leaderless and await zookeeper.call(zookeeper.client.exists_async, url.path) is not None:
                masters = await zookeeper.call(zookeeper.client.get_children_async, url.path)
                if lowest(masters) is not None:
                    raise RefusedError(f"A master leads at {url}; stop all masters first, or say --force.")
            return await work(backend)
        except TimeoutError:
            raise UnreachableError(f"No server of ZooKeeper answers at {', '.join(url.servers)}.") from None
        finally:
            await backend.close()
            await zookeeper.close()

    return _run(main())


def _run(main: Coroutine[Any, Any, Result]) -> Result:
    try:
        return asyncio.run(main)
    except RegistryError as error:
        raise RefusedError(str(error)) from None

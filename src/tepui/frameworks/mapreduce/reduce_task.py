"""A reduce task: reads its partition of every map's output from the agents, merges, runs the reducer."""

from __future__ import annotations

import http.client
import queue
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tepui.frameworks.mapreduce.map_task import order_of, write_output
from tepui.frameworks.mapreduce.runs import Batch, expanded, read_batches, write_batches
from tepui.frameworks.mapreduce.sorting import RUNS_MAX, merge
from tepui.frameworks.mapreduce.task import LostMapsError, Task, main, run_program

FETCHERS = 4
FETCH_TRIES_MAX = 4
FETCH_WAIT_SECONDS = 0.25
"""After a failed try; twice as long after each further one."""
FETCH_SECONDS_MAX = 60.0
COPY_BYTES = 1 << 20


def fetch(source: dict[str, Any], path: Path) -> tuple[str, bool]:
    """Write one map's lines of this partition to a file. Tells why that was not possible, if so, and whether the agent
    did not even answer."""
    why, silent = "", False
    for attempt in range(FETCH_TRIES_MAX):
        if attempt:
            time.sleep(FETCH_WAIT_SECONDS * 2 ** (attempt - 1))
        try:
            why, silent = fetch_once(source, path), False
        except (OSError, http.client.HTTPException) as error:
            why, silent = str(error) or type(error).__name__, True
        if not why:
            break
    return why, silent


def fetch_once(source: dict[str, Any], path: Path) -> str:
    begin, length = source["offset"], source["length"]
    connection = http.client.HTTPConnection(source["host"], source["port"], timeout=FETCH_SECONDS_MAX)
    try:
        connection.request("GET", source["target"], headers={"Range": f"bytes={begin}-{begin + length - 1}"})
        response = connection.getresponse()
        if response.status != 206:
            return f"the agent answered {response.status}"
        with path.open("wb") as file:
            shutil.copyfileobj(response, file, COPY_BYTES)
            return "" if file.tell() == length else "the answer was cut"
    finally:
        connection.close()


def fetch_all(task: Task) -> list[Path]:
    """The sorted files of all maps, in the sandbox. Raises LostMapsError."""
    waiting: queue.SimpleQueue[tuple[int, dict[str, Any]]] = queue.SimpleQueue()
    sources = task.order["sources"]
    for item in enumerate(sources):
        waiting.put(item)
    lost: dict[str, str] = {}
    gone: set[tuple[str, int]] = set()
    """Agents that did not answer: they are not tried again for each of their maps."""

    def work() -> None:
        while True:
            try:
                number, source = waiting.get_nowait()
            except queue.Empty:
                return
            address = (source["host"], source["port"])
            why, silent = ("its agent does not answer", True) if address in gone else ("", False)
            if not why:
                why, silent = fetch(source, task.sandbox / f"segment-{number}")
            if why:
                lost[source["map"]] = why
            if silent:
                gone.add(address)

    threads = [threading.Thread(target=work) for _ in range(min(FETCHERS, len(sources)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if lost:
        name, why = next(iter(lost.items()))
        raise LostMapsError(sorted(lost), f"The output of {name} cannot be read: {why}.")
    task.count("tepui,shuffled bytes", sum(source["length"] for source in sources))
    return [task.sandbox / f"segment-{number}" for number in range(len(sources))]


def merged(task: Task, paths: list[Path]) -> Iterator[bytes]:
    """The partition's lines in order. Many files are merged in several passes."""
    order = order_of(task.spec)
    passes = 0
    while len(paths) > RUNS_MAX:
        group, paths = paths[:RUNS_MAX], paths[RUNS_MAX:]
        passes += 1
        path = task.sandbox / f"merged-{passes}"
        with path.open("wb") as file:
            write_batches(file, merge(sources_of(group), order))
        for old in group:
            old.unlink()
        paths.append(path)
    for batch in merge(sources_of(paths), order):
        task.count("tepui,reduce input lines", batch.total)
        yield from expanded(batch)
    for path in paths:
        path.unlink()


def sources_of(paths: list[Path]) -> list[Iterator[Batch]]:
    return [read_batches(path, 0, path.stat().st_size) for path in paths]


def run(task: Task) -> None:
    pieces = merged(task, fetch_all(task))
    reducer: str | None = task.spec["reducer"]
    if reducer is not None:
        pieces = run_program(task, "reducer", reducer, pieces)
    write_output(task, pieces)


if __name__ == "__main__":
    sys.exit(main(run))

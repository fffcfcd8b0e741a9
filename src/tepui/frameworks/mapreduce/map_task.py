"""A map task: reads its split, runs mapper and combiner, leaves sorted partitions in its sandbox."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from tepui.frameworks.mapreduce.keys import Order, divide, make_order, make_partition
from tepui.frameworks.mapreduce.sorting import READ_BYTES, Sorter, lines_of
from tepui.frameworks.mapreduce.task import Task, TaskError, main, run_program

OUTPUT = "map-output"
"""The file in the sandbox that reducers read."""


def read_range(path: str, offset: int, length: int | None) -> Iterator[bytes]:
    """The lines that begin in a part of a file, whole, also the last one's newline when the file lacks it.

    A line belongs to the part in which it begins; so every line of a file that is cut anywhere is read once.
    Raises TaskError when the file ends before the part does: it was cut short, or the manifest is not about this file.
    """
    position = max(0, offset - 1)
    end = None if length is None else offset + length
    with open_at(path, position, None if end is None else end - position) as file:
        while offset and (data := file.readline(READ_BYTES)):  # the end of a line that began before, or its newline
            position += len(data)
            if data.endswith(b"\n") or (end is not None and position >= end):
                break
        last = b"\n"
        while end is None or position < end:
            data = file.read(READ_BYTES if end is None else min(READ_BYTES, end - position))
            if not data:
                if end is not None:
                    raise TaskError(f"The input {path} ends before byte {end:,}, up to which it was to be read.")
                break
            position += len(data)
            last = data[-1:]
            yield data
        if last != b"\n":
            while (data := file.readline(READ_BYTES)) and last != b"\n":
                last = data[-1:]
                yield data
            if last != b"\n":
                yield b"\n"


def open_at(path: str, offset: int, length: int | None) -> BinaryIO:
    """A file of this machine, or one that WebHDFS serves, to be read from `offset` on."""
    if not path.startswith("/"):
        from tepui.frameworks.mapreduce.webhdfs import open_file  # takes as long to import as all the rest

        return open_file(path, offset, length)
    file = Path(path).open("rb")  # noqa: SIM115 - the caller closes it
    file.seek(offset)
    return file


def read_split(task: Task) -> Iterator[bytes]:
    for part in task.order["split"]:
        read = read_range if part["path"].startswith("/") else read_remote_range
        for data in read(part["path"], part["offset"], part["length"]):
            task.count("tepui,map input bytes", len(data))
            yield data


def read_remote_range(path: str, offset: int, length: int | None) -> Iterator[bytes]:
    """The same of a file that WebHDFS serves. Raises TaskError."""
    from tepui.frameworks.mapreduce.webhdfs import WebHdfsError

    try:
        yield from read_range(path, offset, length)
    except WebHdfsError as error:
        raise TaskError(f"The input {error}") from None


def run(task: Task) -> None:
    spec = task.spec
    mapper: str | None = spec["mapper"]
    pieces: Iterator[bytes] = read_split(task)
    if mapper is not None:
        pieces = run_program(task, "mapper", mapper, pieces)
    if not spec["reduces"]:
        write_output(task, pieces)
        return
    key_fields = sorted_key_fields(spec)
    sorter = Sorter(
        task.sandbox,
        spec["reduces"],
        make_partition(spec["reduces"], key_fields, spec["partition_by"], spec["separator"].encode()),
        key_fields=key_fields,
        memory_bytes=spec["sort_bytes"],
        combine=None if spec["combiner"] is None else lambda lines: combined(task, lines),
        order=order_of(spec),
    )
    separator = spec["output_separator"].encode()
    for lines in lines_of(reader(pieces), are_keyed=separator == b"\t"):
        sorter.add(lines if separator == b"\t" else divide(lines, spec["key_fields"], separator))
    finished = sorter.finish()
    finished.path.rename(task.sandbox / OUTPUT)
    task.count("tepui,map output lines", sorter.lines)
    task.result = {"segments": finished.segments}


def sorted_key_fields(spec: dict[str, Any]) -> int:
    """How many fields, divided by TABs, are the key once `divide` has seen to other separators."""
    return spec["key_fields"] if spec["output_separator"] == "\t" else 1


def order_of(spec: dict[str, Any]) -> Order | None:
    return make_order(spec["order_by"], sorted_key_fields(spec), spec["separator"].encode())


def combined(task: Task, pieces: Iterable[bytes]) -> Iterator[list[bytes]]:
    return lines_of(reader(run_program(task, "combiner", task.spec["combiner"], pieces)))


def reader(pieces: Iterator[bytes]) -> Any:
    """A `read` of what an iterator gives, piece by piece."""
    return lambda _: next(pieces, b"")


def write_output(task: Task, pieces: Iterable[bytes]) -> None:
    """The attempt's part of the job's output, on disk, the last line with its newline."""
    last = b"\n"
    size = 0
    with task.output.open("wb") as file:
        for data in pieces:
            file.write(data)
            size += len(data)
            last = data[-1:]
        if last != b"\n":
            file.write(b"\n")
        file.flush()
        os.fsync(file.fileno())
    task.count("tepui,output bytes", size + (last != b"\n"))


if __name__ == "__main__":
    sys.exit(main(run))

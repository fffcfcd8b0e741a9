"""What a task wrote, read from its sandbox on the agent; followed until the task ends."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from tepui.cli.client import EXTENSIONS, Client
from tepui.cli.errors import NotFoundError, RefusedError

POLL_SECONDS = 0.2
TASK_POLLS = 5
"""Every so many polls of the files the master is asked whether the task still runs."""
TAIL_BLOCK_BYTES = 65_536
TAIL_BYTES_MAX = 16 << 20
"""As far from the end as last lines are looked for."""


class Sink(Protocol):
    """Where what was read goes: a binary file, or something that marks its lines."""

    def write(self, data: bytes, /) -> object: ...

    def flush(self) -> object: ...


@dataclass
class Source:
    """One file of a sandbox and how far it was read."""

    path: str
    sink: Sink
    offset: int = 0
    missing: bool = False


def show_logs(
    master: Client,
    agent: Client,
    task: Mapping[str, Any],
    names: Sequence[str],
    *,
    follow: bool,
    lines: int | None,
) -> None:
    """Write the files `names` of the task's sandbox to standard output and error; with `follow` until it has ended."""
    directory = _wait_for_sandbox(master, agent, task, follow)
    sinks = {"stdout": sys.stdout.buffer, "stderr": sys.stderr.buffer}
    sources = [Source(f"{directory}/{name}", sinks[name]) for name in names]
    if lines is not None:
        for source in sources:
            source.offset = _tail_offset(agent, source.path, lines)
    ended = not follow
    polls = 0
    while True:
        # Asked before the files are read, so that nothing written before the end is missed.
        if follow and polls % TASK_POLLS == 0:
            ended = _has_ended(master, task)
        got = [drain(agent, source) for source in sources]
        if ended:
            break
        polls += 1
        if not any(got):
            time.sleep(POLL_SECONDS)
    if all(source.missing for source in sources):
        raise NotFoundError(f"Task {task['id']} has written nothing yet, or its sandbox is gone.")


def _has_ended(master: Client, task: Mapping[str, Any]) -> bool:
    arguments = {"framework_id": task["framework_id"], "task_id": task["id"]}
    found = master.get(f"{EXTENSIONS}/tasks", arguments)["tasks"]
    return not found or bool(found[0]["ended"])


def _wait_for_sandbox(master: Client, agent: Client, task: Mapping[str, Any], follow: bool) -> str:
    """The directory where the task's files are. A task that is followed may still be on its way to the agent."""
    while True:
        ended = not follow or _has_ended(master, task)
        directory = _sandbox(agent, task)
        if directory is not None:
            return directory
        if ended:
            raise NotFoundError(f"The agent has no sandbox of task {task['id']}, or not any more.")
        time.sleep(POLL_SECONDS)


def _sandbox(agent: Client, task: Mapping[str, Any]) -> str | None:
    """The directory of the executor's run that has the task, or the task's own in it, where tasks share one."""
    state = agent.get("/state")
    for framework in state["frameworks"] + state["completed_frameworks"]:
        if framework["id"] != task["framework_id"]:
            continue
        for executor in framework["executors"] + framework["completed_executors"]:
            held = executor["tasks"] + executor["queued_tasks"] + executor["completed_tasks"]
            if any(one["id"] == task["id"] for one in held):
                own = f"{executor['directory']}/tasks/{task['id']}"
                return own if _exists(agent, f"{own}/stdout") else str(executor["directory"])
    return None


def _exists(agent: Client, path: str) -> bool:
    try:
        agent.read_file(path, 0, 0)
    except RefusedError:
        return False
    return True


def drain(agent: Client, source: Source) -> int:
    """Write what is new in the file; tells how many bytes that was."""
    written = 0
    while True:
        try:
            _, data = agent.read_file(source.path, source.offset)
        except RefusedError:
            source.missing = source.offset == 0
            return written
        source.missing = False
        if not data:
            break
        source.sink.write(data)
        source.offset += len(data)
        written += len(data)
    source.sink.flush()
    return written


def _tail_offset(agent: Client, path: str, lines: int) -> int:
    """Where the last `lines` lines begin."""
    try:
        size, _ = agent.read_file(path, 0, 0)
    except RefusedError:
        return 0
    if lines == 0:
        return size
    position, found = size, 0
    while position > max(0, size - TAIL_BYTES_MAX):
        begin = max(0, position - TAIL_BLOCK_BYTES)
        _, block = agent.read_file(path, begin, position - begin)
        end = len(block) - 1 if position == size and block.endswith(b"\n") else len(block)
        while (index := block.rfind(b"\n", 0, end)) >= 0:
            found += 1
            if found == lines:
                return begin + index + 1
            end = index
        position = begin
    return position

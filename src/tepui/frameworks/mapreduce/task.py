"""What map and reduce tasks share: the job's description, the programs that they run, and the report that they leave.

A program is watched while it runs: `reporter:` lines of its standard error are counters and status, other lines are
passed on up to a bound, and a program that neither reads, writes nor reports for too long is ended.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

STDERR_BYTES_MAX = 1 << 20
"""So much of what programs say is kept of each task."""
STDERR_LINE_BYTES_MAX = 1 << 16
LAST_WORDS_BYTES_MAX = 500
COUNTERS_MAX = 1000
COUNTER_NAME_CHARACTERS_MAX = 256
STATUS_CHARACTERS_MAX = 256
ERROR_CHARACTERS_MAX = 2000
WATCH_SECONDS_MAX = 1.0
DRAIN_SECONDS_MAX = 5.0
"""After a program's end, for a grandchild that still holds its standard error."""

_COUNTER = re.compile(r"reporter:counter:([^,]+),(.+),(-?\d{1,18})\s*$")
_STATUS = re.compile(r"reporter:status:(.*)$")
_VARIABLE = re.compile(r"[^A-Za-z0-9_]")


class TaskError(Exception):
    """The task has failed; the text says why, as one sentence."""


class LostMapsError(Exception):
    """Output of these maps cannot be read any more."""

    def __init__(self, maps: list[str], why: str) -> None:
        super().__init__(why)
        self.maps = maps


class Task:
    """One attempt at one task. `work` is the job's folder, which every agent sees."""

    def __init__(self, work: str, attempt: str) -> None:
        self.work = Path(work)
        self.attempt = attempt
        self.sandbox = Path.cwd()
        self.spec: dict[str, Any] = json.loads((self.work / "job.json").read_bytes())
        self.order: dict[str, Any] = json.loads((self.work / "orders" / f"{attempt}.json").read_bytes())
        self.counters: dict[str, int] = {}
        self.status = ""
        self.result: dict[str, Any] = {}
        self._said_bytes = 0
        self._lock = threading.Lock()

    @property
    def output(self) -> Path:
        """Where this attempt's part of the job's output is written, before it is chosen."""
        return self.work / "attempts" / self.attempt

    def count(self, name: str, amount: int) -> None:
        """Add to a counter, `group,name`."""
        name = name[:COUNTER_NAME_CHARACTERS_MAX]
        with self._lock:
            if name in self.counters or len(self.counters) < COUNTERS_MAX:
                self.counters[name] = self.counters.get(name, 0) + amount

    def report(self, error: str | None, lost: Iterable[str] = ()) -> None:
        """Leave the report where the driver finds it: whole or not at all."""
        with self._lock:
            counters = dict(self.counters)
        message = {
            "counters": counters,
            "status": self.status,
            "error": error and error[:ERROR_CHARACTERS_MAX],
            "lost": list(lost),
            **self.result,
        }
        path = self.work / "reports" / f"{self.attempt}.json"
        new = path.with_suffix(".new")
        new.write_text(json.dumps(message))
        new.replace(path)

    def hear(self, line: bytes) -> None:
        """A line of a program's standard error."""
        if line.startswith(b"reporter:"):
            text = line.decode("utf-8", "replace")
            if found := _COUNTER.match(text):
                self.count(f"{found[1]},{found[2]}", int(found[3]))
                return
            if found := _STATUS.match(text):
                self.status = found[1].strip()[:STATUS_CHARACTERS_MAX]
                return
        with self._lock:
            room = STDERR_BYTES_MAX - self._said_bytes
            self._said_bytes += len(line) + 1
        if room > 0:
            sys.stderr.buffer.write(line[:room] + b"\n")
            sys.stderr.buffer.flush()
            if self._said_bytes >= STDERR_BYTES_MAX:
                sys.stderr.buffer.write(b"tepui: what is said after this is not kept.\n")
                sys.stderr.buffer.flush()

    def fetch_files(self) -> None:
        """Copy the job's files into the sandbox, where programs look for them."""
        import shutil

        for name in self.spec["files"]:
            shutil.copy(self.work / "files" / name, self.sandbox / name)

    def environment(self) -> dict[str, str]:
        found = dict(os.environ)
        kind, number = self.attempt.split("-")[:2]
        facts = {
            "mapreduce.job.name": self.spec["name"],
            "mapreduce.job.reduces": str(self.spec["reduces"]),
            "mapreduce.task.partition": str(int(number)),
            "mapreduce.task.attempt.id": self.attempt,
            "mapreduce.task.is.map": "true" if kind == "map" else "false",
            **self.order.get("facts", {}),
        }
        found.update({_VARIABLE.sub("_", name): value for name, value in facts.items()})
        found["PATH"] = f"{self.sandbox}:{found.get('PATH', os.defpath)}"
        found.update(self.spec["environment"])
        return found


class Program:
    """A command of the job under way: text for the shell, between its input and its output."""

    def __init__(self, task: Task, what: str, command: str, pieces: Iterable[bytes]) -> None:
        self._task = task
        self._what = what
        self._words: deque[bytes] = deque(maxlen=1)
        self._active = time.monotonic()
        self._is_awaited = False
        """Whether the program keeps us waiting, not the other way round."""
        self._timed_out = False
        self._input_error: Exception | None = None
        try:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                cwd=task.sandbox,
                env=task.environment(),
                process_group=0,
            )
        except (OSError, ValueError) as error:
            raise TaskError(f"The {what} cannot be started: {error}.") from None
        self._ended = threading.Event()
        self._threads = [
            threading.Thread(target=target, args=arguments, daemon=True)
            for target, arguments in ((self._feed, (pieces,)), (self._listen, ()), (self._watch, ()))
        ]
        for thread in self._threads:
            thread.start()

    def read(self, size: int) -> bytes:
        """What the program writes; empty at its end."""
        assert self._process.stdout is not None
        self._active = time.monotonic()
        self._is_awaited = True
        data: bytes = self._process.stdout.read(size)
        self._is_awaited = False
        return data

    def finish(self) -> None:
        """Call when all output is read. Raises TaskError unless the program ended well."""
        self._active = time.monotonic()
        self._is_awaited = True
        try:
            code = self._process.wait()
        finally:
            self._ended.set()
        feeding, listening, _ = self._threads
        listening.join(DRAIN_SECONDS_MAX)
        self.kill()  # what it left behind
        feeding.join(DRAIN_SECONDS_MAX)
        if self._timed_out:
            raise TaskError(
                f"The {self._what} neither read, wrote nor reported for {self._task.spec['timeout_seconds']:g} s."
            )
        if self._input_error is not None:
            raise self._input_error
        if code:
            how = f"exited with status {code}" if code > 0 else f"was ended by signal {-code}"
            words = self._words[0].decode("utf-8", "replace").strip() if self._words else ""
            raise TaskError(f"The {self._what} {how}{': ' + words if words else ''}.")

    def kill(self) -> None:
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            return

    def _feed(self, pieces: Iterable[bytes]) -> None:
        assert self._process.stdin is not None
        try:
            for piece in pieces:
                view = memoryview(piece)
                while view:
                    view = view[self._process.stdin.write(view) :]
                    self._active = time.monotonic()
        except BrokenPipeError:
            return  # it has read enough; its exit status tells whether that is well
        except Exception as error:
            self._input_error = error
            self.kill()
        finally:
            try:
                self._process.stdin.close()
            except BrokenPipeError:
                self._active = time.monotonic()

    def _listen(self) -> None:
        assert self._process.stderr is not None
        held = b""
        while data := self._process.stderr.read(1 << 16):
            self._active = time.monotonic()
            *lines, held = (held + data).split(b"\n")
            if len(held) > STDERR_LINE_BYTES_MAX:
                lines.append(held)
                held = b""
            for line in lines:
                self._hear(line)
        if held:
            self._hear(held)

    def _hear(self, line: bytes) -> None:
        if line.strip() and not line.startswith(b"reporter:"):
            self._words.append(line[:LAST_WORDS_BYTES_MAX])
        self._task.hear(line)

    def _watch(self) -> None:
        timeout = float(self._task.spec["timeout_seconds"])
        while not self._ended.wait(min(WATCH_SECONDS_MAX, timeout / 4)):
            if self._is_awaited and time.monotonic() - self._active > timeout:
                self._timed_out = True
                self.kill()
                return


def run_program(task: Task, what: str, command: str, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """What `command` makes of `pieces`. Raises TaskError when it does not end well."""
    program = Program(task, what, command, pieces)
    try:
        while data := program.read(1 << 20):
            yield data
        program.finish()
    finally:
        program.kill()


def main(run: Callable[[Task], None]) -> int:
    """The whole of a task's program: arguments are the job's folder and the attempt."""
    try:
        task = Task(sys.argv[1], sys.argv[2])
    except OSError as problem:
        sys.stderr.write(f"tepui: The job's folder cannot be read: {problem}.\n")
        return 1
    lost: list[str] = []
    error: str | None = None
    try:
        task.fetch_files()
        run(task)
    except LostMapsError as problem:
        error, lost = str(problem), problem.maps
    except (TaskError, ValueError) as problem:
        error = str(problem)
    except OSError as problem:
        error = f"{problem.filename or 'A file'}: {problem.strerror or problem}."
    task.report(error, lost)
    if error is not None:
        sys.stderr.write(f"tepui: {error}\n")
    return 0 if error is None else 1

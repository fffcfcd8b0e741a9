"""The servers of a cluster on this machine: children of the command that needs them, which leave nothing behind.

They are imported once and forked, which is several times faster than starting each anew. A child dies with its parent
(Linux: the parent-death signal), so that nothing stays when the command itself is killed.
"""

from __future__ import annotations

import ctypes
import gc
import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import NoReturn

import click

from tepui.cli.errors import RefusedError
from tepui.containers.ending import end_supervisor
from tepui.server.errors import StartError
from tepui.server.flags import AGENT_FLAGS, MASTER_FLAGS, Flag, FlagError, Flags, read_flags

READY_SECONDS_MAX = 30.0
END_SECONDS_MAX = 15.0
POLL_SECONDS = 0.01
HOST = "127.0.0.1"
PORTS_FIRST, PORTS_LAST = 31000, 32000
"""The ports that agents offer, split among them."""

_PR_SET_PDEATHSIG = 1


@dataclass
class _Child:
    name: str
    pid: int
    log: Path
    status: int | None = None
    """The exit code, once it has ended; negative for a signal."""


class StopError(Exception):
    """A signal asks for the end."""


def split_resources(folder: Path, agents: int, number: int, given: str | None) -> str:
    """What agent `number` of `agents` has: what is given, and its even part of what this machine has besides.

    No agent has less than one cpu: cpus are a promise between agents and frameworks, and most tasks ask for one.
    """
    from tepui.server.system import detected_resources

    folder.mkdir(parents=True, exist_ok=True)
    parts = [part for part in (given or "").split(";") if part]
    names = {part.partition(":")[0].partition("(")[0].strip() for part in parts}
    for name, value in detected_resources(str(folder)).items():
        if name in names:
            continue
        if name == "ports":
            size = (PORTS_LAST - PORTS_FIRST + 1) // agents
            first = PORTS_FIRST + number * size
            parts.append(f"ports:[{first}-{first + size - 1}]")
        else:
            share = float(value) / agents
            parts.append(f"cpus:{max(int(share * 1000) / 1000, 1):g}" if name == "cpus" else f"{name}:{int(share)}")
    return ";".join(parts)


class LocalServers:
    """The children and what becomes of them. A signal that asks this process to end raises StopError from now on."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._children: list[_Child] = []
        self._parent = os.getpid()
        self._stopped = False
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._signalled)

    def _signalled(self, _: int, __: FrameType | None) -> None:
        if not self._stopped:
            raise StopError

    @property
    def pids(self) -> dict[str, int]:
        """The process of each server, by its name: `master`, `agent1` and so on."""
        return {child.name: child.pid for child in self._children}

    def start_master(self, flags: dict[str, str]) -> str:
        """Start the master; returns its HOST:PORT. Raises RefusedError when it cannot begin."""
        read_end, write_end = os.pipe()
        flags = {"work_dir": str(self._folder / "master"), **flags}
        values = _checked(MASTER_FLAGS, flags)

        def serve() -> int:
            from tepui.server.master import run_master

            os.close(read_end)
            return run_master(values, lambda port: _tell_port(write_end, port))

        # What the children share is imported before they are forked.
        import tepui.server.agent
        import tepui.server.master  # noqa: F401

        gc.freeze()
        child = self._fork("master", serve)
        os.close(write_end)
        with os.fdopen(read_end, "rb") as told:
            port = told.read()
        if not port:
            raise RefusedError(_last_words(child))
        return f"{HOST}:{int(port)}"

    def start_agent(self, number: int, flags: dict[str, str]) -> None:
        values = _checked(AGENT_FLAGS, {"work_dir": str(self._folder / f"agent{number}"), **flags})

        def serve() -> int:
            from tepui.server.agent import run_agent

            return run_agent(values)

        self._fork(f"agent{number}", serve)

    def _fork(self, name: str, serve: Callable[[], int]) -> _Child:
        self._folder.mkdir(parents=True, exist_ok=True)
        log = self._folder / f"{name}.log"
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            _become(serve, log, self._parent, signal.SIGTERM if name == "master" else signal.SIGUSR1)
        child = _Child(name, pid, log)
        self._children.append(child)
        return child

    def wait_ready(self, address: str, agents: int) -> None:
        """Wait until the master has admitted all agents."""
        from tepui.cli.client import Client
        from tepui.model.addresses import parse_host_and_port

        client = Client(parse_host_and_port(address))
        deadline = time.monotonic() + READY_SECONDS_MAX
        while True:
            self._check()
            if client.get("/metrics/snapshot")["master/slaves_active"] >= agents:
                client.close()
                return
            if time.monotonic() > deadline:
                raise RefusedError(
                    f"The agents did not register in {READY_SECONDS_MAX:g} s; their logs: {self._folder}."
                )
            time.sleep(POLL_SECONDS)

    def watch(self, descriptor: int | None = None) -> None:
        """Wait until `descriptor` can be read, without one for ever. A child that ends by itself raises RefusedError,
        a signal StopError."""
        poll = select.poll()
        if descriptor is not None:
            poll.register(descriptor, select.POLLIN)
        processes = [os.pidfd_open(child.pid) for child in self._children]
        try:
            for process in processes:
                poll.register(process, select.POLLIN)
            while True:
                ready = [number for number, _ in poll.poll()]
                self._check()
                if descriptor in ready:
                    return
        finally:
            for process in processes:
                os.close(process)

    def _check(self) -> None:
        self._reap()
        for child in self._children:
            if child.status is not None:
                raise RefusedError(_last_words(child))

    def _reap(self) -> None:
        for child in self._children:
            if child.status is None:
                with suppress(ChildProcessError):
                    pid, status = os.waitpid(child.pid, os.WNOHANG)
                    if pid:
                        child.status = os.waitstatus_to_exitcode(status)

    def stop(self) -> None:
        """End all children: agents leave the cluster with their tasks, then the master ends."""
        self._stopped = True
        agents = [child for child in self._children if child.name != "master"]
        # SIGUSR1: an agent that leaves for good takes its executors with it, those that would outlive it too.
        for number, children in ((signal.SIGUSR1, agents), (signal.SIGTERM, self._children)):
            self._end(number, children)
        self._end(signal.SIGKILL, self._children)
        for child in agents:
            end_supervisor(self._folder / child.name / "run", END_SECONDS_MAX)

    def _end(self, number: signal.Signals, children: list[_Child]) -> None:
        deadline = time.monotonic() + END_SECONDS_MAX
        for child in children:
            if child.status is None:
                with suppress(ProcessLookupError):
                    os.kill(child.pid, number)
        while any(child.status is None for child in children) and time.monotonic() < deadline:
            self._reap()
            time.sleep(POLL_SECONDS)


def _checked(table: list[Flag], flags: dict[str, str]) -> Flags:
    try:
        return read_flags(table, flags)
    except FlagError as error:
        raise click.UsageError(str(error)) from None


def _tell_port(descriptor: int, port: int) -> None:
    os.write(descriptor, b"%d" % port)
    os.close(descriptor)


def _become(serve: Callable[[], int], log: Path, parent: int, at_parents_death: signal.Signals) -> NoReturn:
    """The rest of a child's life: a server of its own session, whose output goes to its log."""
    code = 1
    try:
        os.setsid()  # Ctrl-C is for the parent, which ends the servers in their order
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(at_parents_death))
        if os.getppid() == parent:
            _redirect(log)
            code = serve()
    except StartError as error:
        print(error, file=sys.stderr)  # noqa: T201 - this is the server's log
    except Exception:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _redirect(log: Path) -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    written = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(nothing, 0)
    os.dup2(written, 1)
    os.dup2(written, 2)


def _last_words(child: _Child) -> str:
    """Why a child ended, as its log says."""
    try:
        lines = child.log.read_text(errors="replace").strip().splitlines()
    except OSError:
        lines = []
    why = lines[-1] if lines else "it said nothing"
    hint = " Say --port=0 for a free one." if "cannot be listened on" in why else ""
    return f"The {child.name} has ended: {why}{hint}"

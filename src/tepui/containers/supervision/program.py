"""The supervisor as a program: arguments, lock, daemon, and what the process must be before it has children."""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import socket
import sys

from .connection import listen
from .loop import LINGER_SECONDS, LOG_BYTES_MAX, Supervisor, log
from .spawning import RefusedError, checked_seconds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

EXIT_USAGE = 64
EXIT_CANNOT_START = 71
EXIT_ALREADY_RUNNING = 75


def parse_arguments(arguments: list[str]) -> dict[str, str]:
    """`--name value` pairs and flags; argparse would cost more memory than the rest of this program."""
    options: dict[str, str] = {}
    words = iter(arguments)
    for word in words:
        if word in ("--check", "--daemon"):
            options[word] = ""
        elif word in ("--state-dir", "--socket", "--linger-seconds", "--inherited"):
            options[word] = next(words, "")
        else:
            fail(f"Unknown argument '{word}'", EXIT_USAGE)
    for name in ("--state-dir", "--socket"):
        if not options.get(name):
            fail(f"The argument {name} is missing", EXIT_USAGE)
    return options


def fail(why: str, status: int) -> NoReturn:
    log(why)
    sys.exit(status)


def lock(directory: str) -> int:
    """The state directory's lock. Raises BlockingIOError while another supervisor holds it."""
    descriptor = os.open(os.path.join(directory, "lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def prepare_process() -> None:
    """Become the reaper of all descendants, with no disposition, mask or directory that runs should not inherit."""
    set_child_subreaper, set_name = 36, 15
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    if prctl(set_child_subreaper, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "cannot become a child subreaper")
    prctl(set_name, b"tepui-superv", 0, 0, 0)
    if os.getpgrp() != os.getpid():
        os.setsid()
    os.umask(0o022)
    os.chdir("/")
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    # The interpreter itself ignores the two left out here; they are reset in each child.
    for number in signal.valid_signals() - {signal.SIGPIPE, signal.SIGXFSZ}:
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)


def close_strange_files(kept: list[int]) -> None:
    """Close what the process that started this one left open by mistake: an agent's port, say, would stay taken."""
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) not in kept:
            try:
                os.close(int(name))
            except OSError:
                continue  # it was the listing's own


def detach(state_dir: str) -> int:
    """Go on as a daemon, while the first process waits for its word that it listens and ends with it.

    Returns the pipe to write that word to: `ready`, or the sentence why not.
    """
    reader, writer = os.pipe()
    if os.fork():
        os.close(writer)
        answer = os.read(reader, 4096)
        if answer != b"ready":
            log(answer.decode() or "The supervisor ended while it was starting")
        # Without the interpreter's own end, which would flush and release what the daemon now owns.
        os._exit(0 if answer == b"ready" else EXIT_CANNOT_START)
    os.close(reader)
    os.setsid()
    path = os.path.join(state_dir, "supervisor.log")
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    if os.fstat(descriptor).st_size > LOG_BYTES_MAX:
        os.ftruncate(descriptor, 0)
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    os.dup2(null, 0)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(null)
    os.close(descriptor)
    return writer


def make(options: dict[str, str], linger_seconds: float, inherited: list[int], lock_descriptor: int) -> Supervisor:
    """A supervisor that listens, from scratch or from what its former self left open. Raises OSError."""
    socket_path = os.path.abspath(options["--socket"])
    state_dir = os.path.abspath(options["--state-dir"])
    if inherited:
        listener = socket.socket(fileno=inherited[0])
        os.set_inheritable(inherited[0], False)
    else:
        listener = listen(socket_path)
    prepare_process()
    return Supervisor(state_dir, socket_path, listener, lock_descriptor, linger_seconds)


def main(arguments: list[str]) -> None:
    options = parse_arguments(arguments)
    try:
        linger_seconds = checked_seconds(float(options.get("--linger-seconds", LINGER_SECONDS)), "--linger-seconds")
    except (ValueError, RefusedError):
        fail("--linger-seconds must be a number of seconds", EXIT_USAGE)
    if "--check" in options:
        return
    inherited = [int(descriptor) for descriptor in options.get("--inherited", "").split(",") if descriptor]
    close_strange_files(inherited)
    writer = -1
    try:
        state_dir = options["--state-dir"]
        os.makedirs(state_dir, mode=0o700, exist_ok=True)
        if inherited:
            lock_descriptor = inherited[1]
            os.set_inheritable(lock_descriptor, False)
        else:
            try:
                lock_descriptor = lock(state_dir)
            except BlockingIOError:
                fail(f"Another supervisor works in '{state_dir}'", EXIT_ALREADY_RUNNING)
            if "--daemon" in options:
                writer = detach(state_dir)
        supervisor = make(options, linger_seconds, inherited, lock_descriptor)
    except OSError as error:
        why = f"Cannot start the supervisor: {error}"
        if writer >= 0:
            os.write(writer, why.encode()[:4096])
        fail(why, EXIT_CANNOT_START)
    if writer >= 0:
        os.write(writer, b"ready")
        os.close(writer)
    supervisor.run()

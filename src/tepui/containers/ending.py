"""Ends a supervisor from outside, without an agent: for who cleans up after a cluster of its own."""

from __future__ import annotations

import json
import os
import select
import socket
import struct
from contextlib import suppress
from pathlib import Path

from tepui.containers.client import SOCKET_NAME
from tepui.containers.supervision.connection import PROTOCOL_VERSION

_LENGTH = struct.Struct(">I")
_CREDENTIALS = struct.Struct("iII")
"""Of the peer: process, user, group (Linux: SO_PEERCRED)."""


def end_supervisor(state_dir: Path, timeout_seconds: float) -> bool:
    """Have the supervisor of this directory kill all its runs and end; tells whether none is there now.

    Waits until it has ended, `timeout_seconds` at the longest.
    """
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(timeout_seconds)
        try:
            _connect(connection, state_dir)
            pid, _, _ = _CREDENTIALS.unpack(
                connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
            )
            process = _open_process(pid)
        except (FileNotFoundError, ConnectionRefusedError, ProcessLookupError):
            return True
        except OSError:  # it does not answer, or may not be asked
            return False
        try:
            for command in ({"command": "hello", "versions": [PROTOCOL_VERSION]}, {"command": "stop", "kill": True}):
                content = json.dumps(command).encode()
                with suppress(OSError):
                    connection.sendall(_LENGTH.pack(len(content)) + content)
            end = select.poll()
            if process is None:
                end.register(connection, select.POLLHUP)
            else:
                end.register(process, select.POLLIN)
            return bool(end.poll(timeout_seconds * 1000))
        finally:
            if process is not None:
                os.close(process)


def _open_process(pid: int) -> int | None:
    """A pidfd; None where the kernel has none, or the process is in another namespace: its connection tells then."""
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        raise
    except OSError:
        return None


def _connect(connection: socket.socket, state_dir: Path) -> None:
    """By way of /proc, because the kernel takes socket paths of 107 bytes only."""
    directory = os.open(state_dir, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        connection.connect(f"/proc/self/fd/{directory}/{SOCKET_NAME}")
    finally:
        os.close(directory)

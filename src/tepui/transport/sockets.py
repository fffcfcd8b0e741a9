"""How TCP sockets are set up, those of servers and of links: small answers at once, vanished peers noticed."""

from __future__ import annotations

import contextlib
import socket
from typing import Protocol

KEEPALIVE_IDLE_SECONDS = 60
KEEPALIVE_INTERVAL_SECONDS = 15
KEEPALIVE_PROBES = 4
KERNEL_PATIENCE_SECONDS_MORE = 10.0
"""The kernel gives a peer up so much later than the watch of this process, which can say why."""


class Socket(Protocol):
    """A socket, or what a transport shows of it."""

    @property
    def family(self) -> int: ...

    def setsockopt(self, level: int, option: int, value: int, /) -> None: ...


def tune(sock: Socket | None, stall_seconds_max: float) -> None:
    """Send small answers at once, and notice peers that vanished without a word. What a listening socket is told holds
    for the connections that it accepts.

    Heartbeats to a vanished peer vanish in the kernel's buffer, so nothing in this process would see it before the
    kernel's own patience ends, after some 15 minutes; `TCP_USER_TIMEOUT` makes that little more than
    `stall_seconds_max`.
    """
    if sock is None or sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_IDLE_SECONDS)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_INTERVAL_SECONDS)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, KEEPALIVE_PROBES)
        patience_seconds = stall_seconds_max + KERNEL_PATIENCE_SECONDS_MORE
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(patience_seconds * 1000))

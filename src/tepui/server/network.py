"""Addresses and names of a server, from its flags and from the machine."""

from __future__ import annotations

import contextlib
import socket
from dataclasses import dataclass
from ipaddress import ip_address

from tepui.server.flags import Flags


@dataclass(frozen=True)
class Advertised:
    """What others are told about where a server is."""

    ip: str
    hostname: str


def advertised(flags: Flags) -> Advertised:
    """The address and host name to tell: from the flags, else looked up, as Mesos does."""
    ip = flags.text("advertise_ip") or flags.text("ip") or _own_address()
    if ip in ("0.0.0.0", "::"):
        ip = _own_address()
    hostname = flags.text("hostname")
    if hostname is None and flags.switch("hostname_lookup"):
        with contextlib.suppress(OSError):
            hostname = socket.gethostbyaddr(ip)[0]
    return Advertised(ip, hostname or ip)


def _own_address() -> str:
    try:
        return socket.gethostbyname(socket.gethostname())
    except OSError:
        return "127.0.0.1"


def is_loopback(host: str) -> bool:
    """Whether only this machine finds itself there: `127.0.1.1` (which Debian gives a machine's own name), `[::1]`."""
    try:
        return ip_address(host.removeprefix("[").removesuffix("]")).is_loopback
    except ValueError:
        return host == "localhost"


def ip_number(ip: str) -> int:
    """An IPv4 address as MasterInfo.ip has it: the four bytes read in the order of this machine; 0 for IPv6."""
    try:
        return int.from_bytes(socket.inet_aton(ip), "little")
    except OSError:
        return 0

"""Addresses as text."""

from __future__ import annotations

import re
from ipaddress import IPv6Address

MASTER_PORT_DEFAULT = 5050
"""Where a master listens unless it is told otherwise (Mesos: --port)."""


class AddressError(ValueError):
    """A text is no address; the message is the end of a sentence that begins with who expects one."""


def host_and_port(host: str, port: int) -> str:
    """`HOST:PORT`, as URLs have it: an IPv6 address stands in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def parse_host_and_port(text: str, port_default: int = MASTER_PORT_DEFAULT) -> tuple[str, int]:
    """`HOST`, `HOST:PORT`, `[IPv6]` or `[IPv6]:PORT`, also with `http://` before it. Raises AddressError.

    Without brackets nobody could tell where an IPv6 address ends: `::1:5050` is one as a whole.
    """
    shown = f"expects HOST:PORT, such as 127.0.0.1:{port_default}, not '{text}'"
    found = _HOST_AND_PORT.fullmatch(text.strip().removeprefix("http://").rstrip("/"))
    if found is None:
        hint = f": IPv6 addresses stand in brackets, such as [::1]:{port_default}" if text.count(":") > 1 else ""
        raise AddressError(shown + hint)
    address, name, port = found.groups()
    try:
        if address is not None:
            IPv6Address(address)
        else:
            name.encode("idna")
    except ValueError:
        raise AddressError(shown) from None
    number = port_default if port is None else int(port)
    if not 0 < number < 65536:
        raise AddressError(shown)
    return address or name, number


_HOST_AND_PORT = re.compile(r"(?:\[([^]]+)\]|([^\s:/?#@%\[\]]+))(?::([0-9]{1,5}))?")
"""An IPv6 address in brackets or a name, and a port."""

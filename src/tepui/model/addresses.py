"""Addresses as text."""

from __future__ import annotations

MASTER_PORT_DEFAULT = 5050
"""Where a master listens unless it is told otherwise (Mesos: --port)."""


def host_and_port(host: str, port: int) -> str:
    """`HOST:PORT`, as URLs have it: an IPv6 address stands in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

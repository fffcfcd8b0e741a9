"""Where ZooKeeper is, as Mesos writes it: `zk://[user:password@]host1:port,host2:port/path`. Source: semantics 16.3."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from tepui.model.addresses import AddressError, host_and_port, parse_host_and_port

PORT_DEFAULT = 2181


@dataclass(frozen=True)
class ZooKeeperUrl:
    """`zk://[user:password@]host1:port,host2:port/path`; the password is not shown."""

    servers: tuple[str, ...]
    path: str
    user: str | None = None
    password: str = field(default="", repr=False)

    def __str__(self) -> str:
        user = "" if self.user is None else f"{self.user}@"
        return f"zk://{user}{','.join(self.servers)}{self.path}"


def read_named_file(path: str) -> str:
    """The text of a file that stands for a flag's value. Raises AddressError."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        why = error.strerror or "no reason is known"
    except ValueError:  # bytes that are no text, or a path that holds a NUL
        why = "it is not text in UTF-8"
    raise AddressError(f"names the file {path}, which cannot be read: {why}")


def parse_zookeeper_url(text: str) -> ZooKeeperUrl:
    """Read an address of ZooKeeper, or the file `file:///path` that holds one. Raises AddressError."""
    if text.startswith("file://"):
        text = read_named_file(text.removeprefix("file://")).strip()
    shown = "an address such as zk://10.0.0.1:2181,10.0.0.2:2181/mesos"
    if not text.startswith("zk://"):
        raise AddressError(f"expects {shown}")
    authority, slash, path = text.removeprefix("zk://").partition("/")
    path = path.strip("/")
    if not slash or not path:
        raise AddressError(f"expects {shown}, with a path that is not '/'")
    if "//" in path or any(part in (".", "..") for part in path.split("/")):
        raise AddressError(f"expects {shown}, not the path '/{path}'")
    credentials, at, hosts = authority.rpartition("@")
    user, colon, password = credentials.partition(":")
    if at and (not user or not colon):
        raise AddressError(f"expects {shown}; before the @ stands user:password")
    servers = tuple(_server(host, shown) for host in hosts.split(","))
    return ZooKeeperUrl(servers, f"/{path}", user if at else None, password)


def _server(text: str, shown: str) -> str:
    try:
        return host_and_port(*parse_host_and_port(text, PORT_DEFAULT))
    except AddressError:
        raise AddressError(f"expects {shown}, not the server '{text}'") from None

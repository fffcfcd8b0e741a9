"""Where an agent looks for its master."""

from __future__ import annotations

from pathlib import Path

from tepui.server.flags import FlagError

PORT_DEFAULT = 5050


def master_address(text: str) -> tuple[str, int]:
    """Host and port from `HOST[:PORT]`, or from a file named `file:///path`, which is read anew each time.

    Raises FlagError with a sentence.
    """
    if text.startswith("file://"):
        path = text.removeprefix("file://")
        try:
            text = Path(path).read_text().strip()
        except OSError as error:
            raise FlagError(f"--master names the file {path}, which cannot be read: {error.strerror}.") from None
    if text.startswith("zk://"):
        raise FlagError("--master asks for ZooKeeper, which this version does not have; write HOST:PORT.")
    host, colon, port = text.rpartition(":")
    if not colon:
        host, port = text, str(PORT_DEFAULT)
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise FlagError(f"--master expects HOST:PORT, such as 127.0.0.1:5050, not '{text}'.")
    return host, int(port)

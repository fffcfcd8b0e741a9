"""Reads files of HDFS over its REST interface, WebHDFS (HttpFS speaks it, too). Standard library only, for map tasks.

`webhdfs://[USER@]HOST[:PORT]/PATH` names a file or folder; with `swebhdfs://` requests go over TLS. A namenode answers
questions itself and redirects OPEN to a datanode. There is no authentication but the user's name.
"""

from __future__ import annotations

import http.client
import io
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urljoin, urlsplit

SCHEMES = ("webhdfs://", "swebhdfs://")
PORT_DEFAULT = 9870
"""Where namenodes of Hadoop 3 listen."""
REQUEST_SECONDS_MAX = 60.0
"""Without a byte."""
TRIES_MAX = 4
WAIT_SECONDS = 0.25
"""After a failed try; twice as long after each further one."""
REDIRECTS_MAX = 5
ANSWER_BYTES_MAX = 256 << 20
"""The listing of a folder with a million files fits."""
REASON_CHARACTERS_MAX = 300
BEYOND_BYTES = 64 << 10
"""So much more than was wanted is asked for, because a part's last line ends behind it."""


class WebHdfsError(Exception):
    """A file cannot be read; the text is a sentence."""


class RefusedError(Exception):
    """The server answered, but not with what was asked for; the text says why, as the end of a sentence."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


@dataclass(frozen=True)
class Location:
    """A file or folder. `path` is as HDFS has it: nothing in it is escaped."""

    is_secure: bool
    user: str | None
    address: str
    """`host:port`."""
    path: str

    @classmethod
    def parse(cls, url: str) -> Location:
        """Raises WebHdfsError."""
        scheme, _, rest = url.partition("://")
        authority, _, path = rest.partition("/")
        user, _, address = authority.rpartition("@")
        try:
            parts = urlsplit(f"//{address}")
            host, port = parts.hostname, parts.port
        except ValueError:
            host = port = None
        if f"{scheme}://" not in SCHEMES or not host:
            raise WebHdfsError(f"'{url}' names no file: WebHDFS paths are webhdfs://HOST:PORT/PATH.")
        host = f"[{host}]" if ":" in host else host
        return cls(scheme == "swebhdfs", user or None, f"{host}:{port or PORT_DEFAULT}", "/" + path)

    def __str__(self) -> str:
        user = "" if self.user is None else f"{self.user}@"
        return f"{SCHEMES[self.is_secure]}{user}{self.address}{self.path}"

    def child(self, name: str) -> Location:
        return Location(self.is_secure, self.user, self.address, f"{self.path.rstrip('/')}/{name}")

    def request(self, operation: str, parameters: Mapping[str, object]) -> str:
        """The URL of a question about it."""
        user = {} if self.user is None else {"user.name": self.user}
        query = urlencode({"op": operation, **user, **parameters})
        return f"{'https' if self.is_secure else 'http'}://{self.address}/webhdfs/v1{quote(self.path)}?{query}"


class Client:
    """Asks about files and opens them; a connection to the namenode is kept. For one thread."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], http.client.HTTPConnection] = {}

    def close(self) -> None:
        for connection in self._kept.values():
            connection.close()
        self._kept.clear()

    def ask(self, location: Location, operation: str, **parameters: object) -> Any:
        """The JSON of the answer. Raises WebHdfsError, and RefusedError when the server has an answer but a bad one."""
        why = ""
        for attempt in range(TRIES_MAX):
            _wait(attempt)
            try:
                return self._ask_once(location.request(operation, parameters))
            except (OSError, http.client.HTTPException) as error:
                why = f"{location.address} does not answer: {_reason(error)}"
            except RefusedError as error:
                if error.status < 500:
                    raise
                why = str(error)
        raise WebHdfsError(f"{location} cannot be read: {why}.")

    def _ask_once(self, url: str) -> Any:
        for _ in range(REDIRECTS_MAX):
            parts = urlsplit(url)
            connection = self._connection(parts.scheme, parts.netloc)
            try:
                connection.request("GET", f"{parts.path}?{parts.query}")
                response = connection.getresponse()
                body = response.read(ANSWER_BYTES_MAX + 1)
            except (OSError, http.client.HTTPException):
                connection.close()
                raise
            if response.will_close or len(body) > ANSWER_BYTES_MAX:
                connection.close()
            if response.status // 100 == 3 and (location := response.headers.get("Location")):
                url = urljoin(url, location)
                continue
            if response.status != 200:
                raise _refusal(response.status, body, parts.netloc)
            try:
                return json.loads(body)
            except ValueError:
                raise RefusedError(200, f"{parts.netloc} does not answer as WebHDFS does") from None
        raise RefusedError(307, "it is redirected too often")

    def _connection(self, scheme: str, address: str) -> http.client.HTTPConnection:
        if (scheme, address) not in self._kept:
            self._kept[scheme, address] = _connect(scheme, address)
        return self._kept[scheme, address]  # one that was closed connects again by itself


class RemoteFile(io.RawIOBase):
    """A file from `offset` on, of which about `length` bytes will be read. Lost connections are made again, to another
    datanode where there is one. Reading raises WebHdfsError."""

    def __init__(self, location: Location, offset: int, length: int | None) -> None:
        self._location = location
        self._position = offset
        self._expected_end = None if length is None else offset + length + BEYOND_BYTES
        self._response: http.client.HTTPResponse | None = None
        self._connection: http.client.HTTPConnection | None = None
        self._requested: int | None = None
        """So many bytes are still to come of what was asked for; None: up to the file's end."""
        self._size: int | None = None
        self._failures = 0
        self._datanode: str | None = None
        """The host that we were sent to."""
        self._bad_hosts: list[str] = []
        """Hosts that failed; the namenode is asked for another."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while True:
            try:
                if self._response is None and not self._open():
                    return 0
                assert self._response is not None
                count = self._response.readinto(buffer)
                if not count and self._response.length:
                    raise http.client.IncompleteRead(b"", self._response.length)
            except (OSError, http.client.HTTPException) as error:
                self._fail(error)
                continue
            if count:
                self._failures = 0
                self._position += count
                if self._requested is not None:
                    self._requested -= count
                return count
            if self._requested != 0:
                return 0  # it gave less than was asked for: the file's end
            self._drop()

    def close(self) -> None:
        self._drop()
        super().close()

    def _open(self) -> bool:
        """Have a response; False at the file's end. A namenode refuses to open a file there."""
        if self._position and self._requested == 0:
            if self._size is None:
                self._size = _size_of(self._location)
            if self._position >= self._size:
                return False
        parameters: dict[str, object] = {"offset": self._position}
        self._requested = None
        if self._expected_end is not None:
            self._requested = max(self._expected_end - self._position, BEYOND_BYTES)
            parameters["length"] = self._requested
        if self._bad_hosts:
            parameters["excludedatanodes"] = ",".join(self._bad_hosts)
        self._datanode = None
        url = self._location.request("OPEN", parameters)
        for _ in range(REDIRECTS_MAX):
            parts = urlsplit(url)
            self._connection = _connect(parts.scheme, parts.netloc)
            self._connection.request("GET", f"{parts.path}?{parts.query}")
            response = self._connection.getresponse()
            if response.status // 100 == 3 and (target := response.headers.get("Location")):
                self._connection.close()
                url = urljoin(url, target)
                self._datanode = urlsplit(url).hostname
                continue
            if response.status not in (200, 206):
                body = response.read(ANSWER_BYTES_MAX)
                self._refused(_refusal(response.status, body, parts.netloc))
            self._response = response
            return True
        raise WebHdfsError(f"{self._location} cannot be read: it is redirected too often.")

    def _refused(self, error: RefusedError) -> None:
        if error.status < 500 and not self._bad_hosts:
            raise WebHdfsError(f"{self._location} cannot be read: {error}.")
        self._bad_hosts.clear()  # there may be no other
        raise http.client.HTTPException(str(error))

    def _fail(self, error: Exception) -> None:
        """Try again from where we are, or raise."""
        self._drop()
        self._failures += 1
        if self._failures >= TRIES_MAX:
            who = self._datanode or self._location.address
            raise WebHdfsError(f"{self._location} cannot be read: {who} does not answer: {_reason(error)}.")
        if self._datanode is not None and self._datanode not in self._bad_hosts:
            self._bad_hosts.append(self._datanode)
        self._requested = None
        _wait(self._failures)

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
        if self._response is not None:
            self._response.close()
        self._connection = self._response = None


def open_file(url: str, offset: int, length: int | None) -> io.BufferedReader:
    """The file from `offset` on; about `length` bytes will be read. Raises WebHdfsError, here and when it is read."""
    return io.BufferedReader(RemoteFile(Location.parse(url), offset, length), 1 << 20)


def is_webhdfs(path: str) -> bool:
    return path.startswith(SCHEMES)


def _size_of(location: Location) -> int:
    client = Client()
    try:
        return int(client.ask(location, "GETFILESTATUS")["FileStatus"]["length"])
    except RefusedError as error:
        raise WebHdfsError(f"{location} cannot be read: {error}.") from None
    except (KeyError, TypeError, ValueError):
        raise WebHdfsError(f"{location} cannot be read: {location.address} does not answer as WebHDFS does.") from None
    finally:
        client.close()


def _connect(scheme: str, address: str) -> http.client.HTTPConnection:
    kind = http.client.HTTPSConnection if scheme == "https" else http.client.HTTPConnection
    return kind(address, timeout=REQUEST_SECONDS_MAX)


def _refusal(status: int, body: bytes, address: str) -> RefusedError:
    """What an answer that is none says, in words."""
    try:
        told = json.loads(body)["RemoteException"]
        name, message = str(told["exception"]), str(told["message"])
    except (ValueError, KeyError, TypeError):
        why = f"{address} does not answer as WebHDFS does, but with HTTP {status}"
        return RefusedError(
            status, f"{address} wants authentication, which is not spoken here" if status == 401 else why
        )
    lines = message.splitlines() or [name]
    return RefusedError(status, f"{address} says {name}: {lines[0][:REASON_CHARACTERS_MAX].rstrip('. ')}")


def _reason(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(text).lower().rstrip(".")


def _wait(attempt: int) -> None:
    if attempt:
        time.sleep(WAIT_SECONDS * 2 ** (attempt - 1))

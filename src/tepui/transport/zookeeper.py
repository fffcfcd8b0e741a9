"""A connection to ZooKeeper, made safe for an event loop: kazoo runs threads of its own, which never call into us.

kazoo keeps the session: it connects to any of the servers, pings, and connects again. Its answers and its changes of
state are brought to the loop by `call_soon_threadsafe`, so everything here is called, and calls back, on the loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any

from kazoo.client import KazooClient, KazooState
from kazoo.exceptions import (
    ConnectionClosedError,
    ConnectionLoss,
    KazooException,
    NoAuthError,
    NoNodeError,
    SessionExpiredError,
)
from kazoo.retry import KazooRetry
from kazoo.security import make_acl, make_digest_acl

from tepui.transport.zookeeper_url import ZooKeeperUrl

SESSION_TIMEOUT_SECONDS = 10.0
"""Of clients that only look for the leader, and the default of masters."""
RECONNECT_SECONDS_FIRST = 0.05
RECONNECT_SECONDS_MAX = 2.0
CLOSE_SECONDS_MAX = 5.0
UNANSWERED_SECONDS = 5.0
"""When no server has answered for so long from the start, the log says so."""

log = logging.getLogger(__name__)

_kazoo_log = logging.getLogger("tepui.transport.kazoo")
_kazoo_log.setLevel(logging.ERROR)  # what it warns of is told by those who use the connection

DISCONNECTED = (ConnectionLoss, ConnectionClosedError, SessionExpiredError)
"""What a call raises when its answer was lost: it may have been carried out or not."""
ZooKeeperError = KazooException
"""The base of what calls raise."""


def reason_of(error: KazooException) -> str:
    """Why a call failed, as the end of a sentence."""
    if isinstance(error, NoAuthError):
        return "these credentials may not"
    if isinstance(error, DISCONNECTED):
        return "the connection was lost"
    if isinstance(error, NoNodeError):
        return "a node of it is gone, which no master deletes"
    return str(error) or type(error).__name__


class Session(Enum):
    """What became of the session."""

    CONNECTED = "connected"
    SUSPENDED = "suspended"
    """No server answers; the session may go on when one does."""
    LOST = "lost"
    """The session is over, and what it held is gone. The next one is begun by itself."""


_SESSIONS = {
    KazooState.CONNECTED: Session.CONNECTED,
    KazooState.SUSPENDED: Session.SUSPENDED,
    KazooState.LOST: Session.LOST,
}


class ZooKeeper:
    """One client of ZooKeeper. `start` it, and `close` it in the end."""

    def __init__(self, url: ZooKeeperUrl, session_timeout_seconds: float = SESSION_TIMEOUT_SECONDS) -> None:
        self.url = url
        self._loop = asyncio.get_running_loop()
        self._listeners: list[Callable[[Session], None]] = []
        self._connected = asyncio.Event()
        self._was_connected = False
        self._closed = False
        self.client = KazooClient(
            hosts=",".join(url.servers),
            timeout=session_timeout_seconds,
            logger=_kazoo_log,
            auth_data=None if url.user is None else [("digest", f"{url.user}:{url.password}")],
            connection_retry=KazooRetry(
                max_tries=-1, delay=RECONNECT_SECONDS_FIRST, backoff=2, max_jitter=0.4, max_delay=RECONNECT_SECONDS_MAX
            ),
        )
        self._timeout_seconds = session_timeout_seconds
        self._connect = self.client._connection._connect
        self.client._connection._connect = self._connect_and_note
        self.client.add_listener(self._changed)

    def start(self) -> None:
        """Begin to connect, and go on until it works."""
        self.client.start_async()
        self._loop.call_later(UNANSWERED_SECONDS, self._still_waiting)

    def _still_waiting(self) -> None:
        if not (self._closed or self._was_connected):
            log.warning("no server of ZooKeeper answers at %s so far; trying again", ", ".join(self.url.servers))

    def listen(self, listener: Callable[[Session], None]) -> None:
        """Have `listener` told on the loop of each change of the session."""
        self._listeners.append(listener)

    def acl(self, *, readable: bool) -> list[Any]:
        """Who may use a node made with these credentials: whoever has them, others only read it if it is `readable`.

        Without credentials anybody may do anything.
        """
        if self.url.user is None:
            return [make_acl("world", "anyone", all=True)]
        entries = [make_digest_acl(self.url.user, self.url.password, all=True)]
        return [*entries, make_acl("world", "anyone", read=True)] if readable else entries

    @property
    def session_id(self) -> int | None:
        """The session's number, None while there is none. What it owns carries it as `ephemeralOwner`."""
        found = self.client.client_id
        return None if found is None else int(found[0])

    @property
    def session_timeout_seconds(self) -> float:
        """What the servers have agreed to; they have bounds of their own for it."""
        return self._timeout_seconds

    async def connected(self) -> None:
        """Wait until a server answers."""
        await self._connected.wait()

    async def call(self, method: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """Call one of the client's methods whose names end with `_async`. Raises ZooKeeperError."""
        future: asyncio.Future[Any] = self._loop.create_future()
        result = method(*arguments, **named)
        result.rawlink(lambda done: self.post(_settle, future, done))
        return await future

    async def get_all(self, paths: Sequence[str]) -> list[bytes]:
        """The data of all these nodes, asked for at once. Raises ZooKeeperError when one of them cannot be had."""
        future: asyncio.Future[list[bytes]] = self._loop.create_future()
        results = [self.client.get_async(path) for path in paths]
        left = len(results)

        def answered(_: Any) -> None:
            """On kazoo's thread, the only one that counts: the loop hears of the last answer alone."""
            nonlocal left
            left -= 1
            if left == 0:
                self.post(_settle_all, future, results)

        for result in results:
            result.rawlink(answered)
        return await future

    async def close(self) -> None:
        """End the session: what it owns is gone at once, for others too."""
        self._closed = True
        try:
            async with asyncio.timeout(CLOSE_SECONDS_MAX):
                await self._loop.run_in_executor(None, self._stop)
        except (TimeoutError, KazooException):
            pass  # the servers end the session by themselves after its timeout

    def _stop(self) -> None:
        self.client.stop()
        self.client.close()

    def _connect_and_note(self, *arguments: Any) -> Any:
        """On kazoo's thread. kazoo keeps the agreed timeout to itself, but for what it derives from it."""
        read_milliseconds, connect_milliseconds = self._connect(*arguments)
        self._timeout_seconds = read_milliseconds * 1.5 / 1000  # it waits for an answer for two thirds of the timeout
        return read_milliseconds, connect_milliseconds

    def _changed(self, state: str) -> None:
        """kazoo's thread tells of a change; it must not wait."""
        self.post(self._tell, _SESSIONS[state])

    def post(self, function: Callable[..., None], *arguments: Any) -> None:
        """Have the loop call `function`: what kazoo's threads do with all that they hear."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is interested any more
            self._loop.call_soon_threadsafe(function, *arguments)

    def _tell(self, session: Session) -> None:
        if session is Session.CONNECTED:
            self._was_connected = True
            self._connected.set()
        else:
            self._connected.clear()
        if self._closed:
            return
        for listener in self._listeners:
            listener(session)


def _settle_all(future: asyncio.Future[list[bytes]], results: Sequence[Any]) -> None:
    if future.done():
        return
    failed = next((result.exception for result in results if result.exception is not None), None)
    if failed is not None:
        future.set_exception(failed)
    else:
        future.set_result([result.value[0] for result in results])


def _settle(future: asyncio.Future[Any], done: Any) -> None:
    if future.done():
        return
    if done.exception is not None:
        future.set_exception(done.exception)
    else:
        future.set_result(done.value)

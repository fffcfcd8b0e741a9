"""The HTTP client of schedulers and executors: one stream held open, calls posted beside it.

`Transport` is what a conversation needs; tests hand in another than `HttpTransport`.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from typing import NamedTuple, Protocol

import aiohttp

from tepui.transport.posting import CONNECT_SECONDS_MAX, SENTENCE_BYTES_MAX, Poster, PostError

CALL_SECONDS_MAX = 30.0
"""A call that is not answered within this counts as cut."""


class TransportError(Exception):
    """The connection could not be made, or ended early; the text says why."""


class Answer(NamedTuple):
    """The head of an answer, and its body as text when it is not a stream."""

    status: int
    sentence: str = ""
    stream_id: str | None = None
    location: str | None = None


class Stream(Protocol):
    """The answer to a subscription."""

    answer: Answer

    def chunks(self) -> AsyncIterator[bytes]:
        """The bytes as they come, when the status is 200. Raises TransportError when they end early."""

    async def close(self) -> None:
        """Give the connection up."""


class Transport(Protocol):
    """Where requests go. All methods raise TransportError."""

    async def open(self, url: str, body: bytes, headers: Mapping[str, str]) -> Stream:
        """Post a subscription and wait for the head of its answer."""

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Post a call and read its whole answer."""

    async def close(self) -> None:
        """Close every connection."""


class _HttpStream:
    def __init__(self, answer: Answer, response: aiohttp.ClientResponse) -> None:
        self.answer = answer
        self._response = response

    async def chunks(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._response.content.iter_any():
                yield chunk
        except (aiohttp.ClientError, OSError) as error:
            raise TransportError(_why(error)) from None

    async def close(self) -> None:
        self._response.close()


class HttpTransport:
    """One connection for the stream, over aiohttp, and one for the calls. Made and used within one event loop."""

    def __init__(self, ssl_context: ssl.SSLContext | None = None) -> None:
        self._ssl = ssl_context
        self._session: aiohttp.ClientSession | None = None
        """For streams."""
        self._poster = Poster(ssl_context)

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(ssl=self._ssl if self._ssl is not None else True, limit=0)
            timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS_MAX)
            self._session = aiohttp.ClientSession(connector=connector, timeout=timeout)
        return self._session

    async def open(self, url: str, body: bytes, headers: Mapping[str, str]) -> Stream:
        try:
            response = await self._client().post(url, data=body, headers=headers, allow_redirects=False)
            try:
                return _HttpStream(await _answer(response, whole=response.status != 200), response)
            except BaseException:
                response.close()
                raise
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise TransportError(_why(error)) from None

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        try:
            async with asyncio.timeout(CALL_SECONDS_MAX):
                reply = await self._poster.post(url, body, headers)
        except (PostError, OSError, ValueError) as error:
            raise TransportError(_why(error)) from None
        location = reply.headers.get(b"location")
        return Answer(
            reply.status,
            reply.body.decode("utf-8", "replace"),
            None,
            None if location is None else location.decode("latin-1"),
        )

    async def close(self) -> None:
        self._poster.close()
        if self._session is not None:
            await self._session.close()
            self._session = None


async def _answer(response: aiohttp.ClientResponse, *, whole: bool) -> Answer:
    sentence = b""
    if whole:
        while len(sentence) < SENTENCE_BYTES_MAX and (part := await response.content.readany()):
            sentence += part
    return Answer(
        response.status,
        sentence.decode("utf-8", "replace"),
        response.headers.get("Mesos-Stream-Id"),
        response.headers.get("Location"),
    )


def _why(error: BaseException) -> str:
    return str(error) or type(error).__name__

"""The HTTP client of schedulers and executors: one stream held open, calls posted beside it.

`Transport` is what a conversation needs; tests hand in another than `HttpTransport`.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Mapping
from typing import Protocol

import aiohttp

from tepui.transport.posting import CONNECT_SECONDS_MAX, SENTENCE_BYTES_MAX, Answer, Poster, TransportError, why

__all__ = ["Answer", "HttpTransport", "Stream", "Transport", "TransportError"]


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

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Awaitable[Answer]:
        """Post a call and read its whole answer. Calls to one server arrive in the order in which they are posted,
        awaited or not; when one gets no answer, those behind it get none."""

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
            raise TransportError(why(error)) from None

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
            raise TransportError(why(error)) from None

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> asyncio.Future[Answer]:
        return self._poster.post(url, body, headers)

    async def close(self) -> None:
        await self._poster.close()
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

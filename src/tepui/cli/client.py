"""A small synchronous HTTP client, on the standard library's alone: commands must answer before one notices.

One connection is kept for a command's requests. Redirects to the leading master are followed.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode, urlsplit

from tepui.cli.errors import RefusedError, UnreachableError
from tepui.model.addresses import MASTER_PORT_DEFAULT, host_and_port

TIMEOUT_SECONDS = 10.0
REDIRECTS_MAX = 5
V1_API = "/api/v1"
EXTENSIONS = "/api/tepui/v1"
SENTENCE_CHARACTERS_MAX = 500
"""What is shown of an answer that is no sentence of ours."""

_JSON = {"Content-Type": "application/json", "Accept": "application/json"}
_READING = ("GET_", "LIST_", "READ_")
"""How calls begin that change nothing."""


class Client:
    """Requests to one server, the first of several that answers. `who` is what sentences call it.

    Where a server took a request and did not answer it, another one is asked only if the request changes nothing.
    """

    def __init__(
        self,
        address: tuple[str, int],
        who: str = "master",
        hint: str = "",
        *,
        others: Sequence[tuple[str, int]] = (),
        masters: str | None = None,
        stale: bool = False,
    ) -> None:
        """`others` are tried where nobody listens at `address`; `masters` is what `masters` tells, else `address`.
        With `stale` a master that does not lead may answer reads by itself, and where one cannot the next is asked."""
        self.age_seconds: float | None = None
        """How old the oldest answer was that a standby gave; None when none did."""
        self.revision = ""
        """Of which state of which leader that answer was."""
        self.operation_id: str | None = None
        """What the last answer called the operation that was asked for; None when it named none."""
        self._stale = stale
        self._who = who
        self._hint = hint
        self._others = list(others)
        self._address = address
        self._masters = masters
        self._connection = http.client.HTTPConnection(*address, timeout=TIMEOUT_SECONDS)

    @property
    def masters(self) -> str:
        """Where the masters are, for those who go on asking when the one that answers now is lost."""
        return self._masters or self.address

    @property
    def address(self) -> str:
        """Where requests go now: `HOST:PORT`, the leader's after a redirect."""
        return host_and_port(*self._address)

    def get(self, path: str, arguments: Mapping[str, str | None] | None = None) -> Any:
        """The decoded JSON of a GET; arguments that are None are left out."""
        query = urlencode({name: value for name, value in (arguments or {}).items() if value is not None})
        return self._decoded(self._request("GET", f"{path}?{query}" if query else path, None, {}, reads=True))

    def post(self, path: str, message: object, *, reads: bool = False) -> Any:
        """The decoded JSON that answers a POST of JSON; None when the answer has no body. With `reads` it changes
        nothing."""
        body = self._request("POST", path, json.dumps(message).encode(), _JSON, reads=reads)
        return self._decoded(body) if body else None

    def call(self, kind: str, member: Mapping[str, object] | None = None) -> Any:
        """Make the call `kind` of the v1 API, with the member that is named after it.

        Returns the answer's member of that name; None when the answer has no body.
        """
        message = {"type": kind} if member is None else {"type": kind, kind.lower(): member}
        answer = self.post(V1_API, message, reads=kind.startswith(_READING))
        return None if answer is None else answer.get(kind.lower(), {})

    def post_form(self, path: str, fields: Mapping[str, str]) -> None:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        self._request("POST", path, urlencode(fields).encode(), headers, reads=False)

    def read_file(self, path: str, offset: int, length: int | None = None) -> tuple[int, bytes]:
        """The size of a file that the server shows, and its bytes from `offset`, as many as one answer holds."""
        wanted: dict[str, object] = {"path": path, "offset": offset}
        if length is not None:
            wanted["length"] = length
        answer = self.call("READ_FILE", wanted)
        return int(answer.get("size", 0)), base64.b64decode(answer.get("data", ""))

    def close(self) -> None:
        self._connection.close()

    def _request(self, method: str, target: str, body: bytes | None, headers: dict[str, str], *, reads: bool) -> bytes:
        if self._stale:
            headers = {**headers, "Tepui-Allow-Stale": "1"}
        for _ in range(REDIRECTS_MAX + len(self._others)):
            response = self._exchange(method, target, body, headers, reads=reads)
            try:
                data = response.read()
            except (OSError, http.client.HTTPException):
                raise self._silent() from None
            if response.status == 307:
                self._follow(response.headers.get("Location", ""))
            elif response.status == 503 and self._stale and self._try_another():
                continue  # it has no picture of a leader
            elif response.status >= 400:
                raise RefusedError(self._refusal(response.status, data))
            else:
                self._note_age(response.headers.get("Tepui-Age-Seconds"), response.headers.get("Tepui-Revision", ""))
                self.operation_id = response.headers.get("Tepui-Operation-Id")
                return data
        raise UnreachableError(f"The masters send each other's clients in a circle; the last one was {self.address}.")

    def _note_age(self, text: str | None, revision: str) -> None:
        with contextlib.suppress(ValueError):
            if text is not None and float(text) >= (self.age_seconds or 0.0):
                self.age_seconds, self.revision = float(text), revision

    def _exchange(
        self, method: str, target: str, body: bytes | None, headers: dict[str, str], *, reads: bool
    ) -> http.client.HTTPResponse:
        if not reads:
            # A server may close a kept connection at any time; nobody knows then whether it saw the request.
            self._connection.close()
        kept = self._connection.sock is not None
        if not kept:
            self._connect()
        try:
            self._connection.request(method, target, body, headers)
            return self._connection.getresponse()
        except OSError as error:
            self._connection.close()
            if (kept and isinstance(error, ConnectionError)) or (reads and self._try_another()):
                return self._exchange(method, target, body, headers, reads=reads)
            if isinstance(error, TimeoutError | http.client.RemoteDisconnected):
                raise self._silent() from None
            raise self._nobody(error) from None
        except http.client.HTTPException:
            self._connection.close()
            raise UnreachableError(
                f"What listens at {self.address} is no {self._who}: it does not speak HTTP."
            ) from None

    def _connect(self) -> None:
        """Connect to the first address where somebody listens. Raises UnreachableError."""
        while True:
            try:
                self._connection.connect()
            except OSError as error:
                self._connection.close()
                if not self._try_another():
                    raise (self._silent() if isinstance(error, TimeoutError) else self._nobody(error)) from None
            else:
                return

    def _try_another(self) -> bool:
        """Go on with the next address, if there is one."""
        if not self._others:
            return False
        self._go_to(self._others.pop(0))
        return True

    def _follow(self, location: str) -> None:
        found = urlsplit(location)
        if not found.hostname:
            raise UnreachableError(f"The {self._who} at {self.address} does not know who leads; try again soon.")
        self._go_to((found.hostname, found.port or MASTER_PORT_DEFAULT))

    def _go_to(self, address: tuple[str, int]) -> None:
        self._connection.close()
        self._address = address
        self._connection = http.client.HTTPConnection(*address, timeout=TIMEOUT_SECONDS)

    def _decoded(self, data: bytes) -> Any:
        try:
            return json.loads(data)
        except ValueError:
            raise UnreachableError(f"What answers at {self.address} is no {self._who}: it does not say JSON.") from None

    def _refusal(self, status: int, data: bytes) -> str:
        sentence = data.decode("utf-8", "replace").strip()[:SENTENCE_CHARACTERS_MAX]
        if status == 503:
            return f"The {self._who} at {self.address} cannot answer now: {sentence or 'no master leads'}"
        if status == 404 and self._who == "master":
            return f"What answers at {self.address} does not know this request: is it a Tepui master of this version?"
        return sentence or f"The {self._who} at {self.address} answered {status}."

    def _silent(self) -> UnreachableError:
        return UnreachableError(f"The {self._who} at {self.address} does not answer; it may be stopped or overloaded.")

    def _nobody(self, error: OSError) -> UnreachableError:
        why = (error.strerror or str(error)).lower()
        hint = f" {self._hint}" if self._hint else ""
        return UnreachableError(f"There is no {self._who} at {self.address} ({why}).{hint}")

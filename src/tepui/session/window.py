"""The calls of a scheduler's session that are not answered: those on their way, and those that wait to be sent.

Calls leave in the order in which they were made and do not wait for one another's answers, for a server takes what
comes on one connection in its order. When the connection ends, the server has seen none, some or all of the calls on
their way, and those that it has seen are the first ones. So it does no harm to send all of them again in their order,
as far as each of them may be done twice.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from itertools import chain

from tepui.model.v1.scheduler import Call

CALLS_IN_FLIGHT_MAX = 64
"""So many are on their way at once."""

ALONE = frozenset({Call.Type.UPDATE_FRAMEWORK, Call.Type.TEARDOWN})
"""Such a call is sent when all before it are answered, and nothing is sent behind it until it is answered. A master may
do the first only after calls that come behind it. The second counts as done when its answer is lost with the stream, so
the master must have been free to take it."""


class CallWindow:
    """The calls, first in, first out."""

    def __init__(self) -> None:
        self._waiting: deque[Call] = deque()
        self._in_flight: dict[int, Call] = {}
        self._again: dict[int, Call] = {}
        """Those that were on their way and are sent once more, before all that wait."""
        self._number = 0

    def __len__(self) -> int:
        return len(self._in_flight) + len(self._again) + len(self._waiting)

    def to_send(self) -> Iterator[Call]:
        """Those that are not on their way."""
        return chain(self._again.values(), self._waiting)

    def append(self, call: Call) -> None:
        """Have a call sent after all others."""
        self._waiting.append(call)

    def send(self) -> tuple[int, Call] | None:
        """The next call is on its way from now on; its number is that of no call before. None when it has to wait."""
        if not self._in_flight:
            self._line_up()
        if not self._waiting or self._again or len(self._in_flight) >= CALLS_IN_FLIGHT_MAX:
            return None
        if self._in_flight and (self._waiting[0].type in ALONE or self._newest().type in ALONE):
            return None
        self._number += 1
        call = self._in_flight[self._number] = self._waiting.popleft()
        return self._number, call

    def is_in_flight(self, number: int) -> bool:
        """Whether the call that was sent with this number is on its way."""
        return number in self._in_flight

    def answered(self, number: int) -> Call | None:
        """A call that was on its way is so no more; None when it was not."""
        return self._in_flight.pop(number, None)

    def cut(self) -> list[tuple[int, Call]]:
        """No call is on its way any more; those that were, in order."""
        calls = list(self._in_flight.items())
        self._in_flight.clear()
        return calls

    def send_again(self, number: int, call: Call) -> None:
        """Send a call in the place of the one that was sent with this number."""
        self._again[number] = call

    def keep(self, is_kept: Callable[[Call], bool]) -> None:
        """Forget calls that wait to be sent, but those for which `is_kept` says yes. It is asked in their order."""
        self._line_up()
        self._waiting = deque(call for call in self._waiting if is_kept(call))

    def clear(self) -> None:
        """Forget them all."""
        self._in_flight.clear()
        self._again.clear()
        self._waiting.clear()

    def _newest(self) -> Call:
        return next(reversed(self._in_flight.values()))

    def _line_up(self) -> None:
        """Have those that are sent once more wait before all others."""
        if self._again:
            self._waiting.extendleft(call for _, call in sorted(self._again.items(), reverse=True))
            self._again.clear()

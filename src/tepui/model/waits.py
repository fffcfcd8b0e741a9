"""How long to wait before trying again."""

from __future__ import annotations

from random import Random


class Backoff:
    """Waits that double from `first_seconds` up to `most_seconds`, each shortened at random by up to a half.

    The randomness keeps ten thousand clients, which lost one server at one moment, from coming back at one moment.
    """

    def __init__(self, random: Random, first_seconds: float, most_seconds: float) -> None:
        self._random = random
        self._first_seconds = first_seconds
        self._most_seconds = most_seconds
        self.tries = 0
        """How often in a row."""

    def next(self) -> float:
        """Seconds to wait now."""
        doublings = min(self.tries, 60)
        self.tries += 1
        seconds = min(self._first_seconds * 2.0**doublings, self._most_seconds)
        return seconds * (1 - self._random.random() / 2)

    def reset(self) -> None:
        """It worked: begin anew."""
        self.tries = 0

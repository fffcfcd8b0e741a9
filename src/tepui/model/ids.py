"""Where a core gets its ids from: the one random source it was given, so that a seed repeats every id."""

from random import Random
from uuid import UUID


class Ids:
    """Random UUIDs (version 4) from a seeded source."""

    def __init__(self, random: Random) -> None:
        self._random = random

    def uuid(self) -> UUID:
        return UUID(int=self._random.getrandbits(128), version=4)

    def text(self) -> str:
        """A UUID in its dashed form."""
        return str(self.uuid())

    def bytes(self) -> bytes:
        """A UUID's 16 bytes, as status updates carry it."""
        return self.uuid().bytes

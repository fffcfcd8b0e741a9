"""The logging level that operators raise for a while."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator

import pytest

from tepui.server.log import TOGGLE_LEVEL_MAX, LoggingLevel
from tests.transport.harness import until

LONG_SECONDS = 3600.0


@pytest.fixture(autouse=True)
def base_level() -> Iterator[None]:
    logger = logging.getLogger("tepui")
    before = logger.level
    logger.setLevel(logging.WARNING)
    yield
    logger.setLevel(before)


def in_force() -> int:
    return logging.getLogger("tepui").level


def test_a_raised_level_ends_by_itself() -> None:
    async def main() -> None:
        level = LoggingLevel()
        assert level.set(3, 0.0) is None
        assert (level.get(), in_force()) == (3, logging.DEBUG)
        await until(lambda: in_force() == logging.WARNING)
        assert level.get() == 0

    asyncio.run(main())


def test_of_two_times_the_later_counts() -> None:
    async def main() -> None:
        level = LoggingLevel()
        level.set(1, 0.0)
        level.set(2, LONG_SECONDS)
        gone: list[None] = []
        asyncio.get_running_loop().call_later(0.0, gone.append, None)
        await until(lambda: bool(gone))
        assert (level.get(), in_force()) == (2, logging.DEBUG)

    asyncio.run(main())


def test_levels_beyond_the_bounds_are_refused_and_change_nothing() -> None:
    async def main() -> None:
        level = LoggingLevel()
        assert level.set(-1, LONG_SECONDS) == "Invalid level '-1'."
        assert level.set(TOGGLE_LEVEL_MAX + 1, LONG_SECONDS) == "Invalid level '6': the highest is 5."
        assert (level.get(), in_force()) == (0, logging.WARNING)

    asyncio.run(main())

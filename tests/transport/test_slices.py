"""Work in slices: what fails ends alone."""

from __future__ import annotations

import logging

import pytest

from tepui.transport.slices import Slices
from tests.transport.harness import both_loops, run_on, until


class Counting:
    """So many steps."""

    over = blocked = False

    def __init__(self, steps: int) -> None:
        self.left = steps

    def step(self) -> bool:
        self.left -= 1
        return self.left > 0

    def fail(self, why: str) -> None:
        raise AssertionError(why)


class Failing(Counting):
    """Its step fails, and so does telling of it."""

    def step(self) -> bool:
        raise ValueError("a fault")


@both_loops
def test_work_that_fails_and_can_tell_nobody_holds_up_no_other(loop: str, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        slices = Slices()
        works = [Counting(100), Failing(100), Counting(100)]
        for work in works:
            slices.add(work)
        await until(lambda: len(slices) == 0)
        assert [work.left for work in works] == [0, 100, 0]

    with caplog.at_level(logging.CRITICAL, logger="tepui.transport.slices"):
        run_on(loop, main)

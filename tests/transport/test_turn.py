"""The turn of the loop, the flusher, the clock, the loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest

from tepui.model.shell import Event, SessionClosed, Stored, Tick
from tepui.transport import turn as turn_module
from tepui.transport.clock import Clock
from tepui.transport.loop import loop_factory, run
from tepui.transport.turn import Flusher, Turn
from tests.transport.harness import both_loops, run_on, until


class Core:
    """Keeps its batches; its deadline is set by the test."""

    def __init__(self) -> None:
        self.batches: list[list[Event]] = []
        self.deadline: float | None = None
        self.react: Callable[[Event], None] = lambda _event: None
        self.clock = Clock()
        loop = asyncio.get_running_loop()
        self.flusher = Flusher(loop)
        self.turn = Turn(self.process, lambda: self.deadline, clock=self.clock, flusher=self.flusher, loop=loop)

    def process(self, batch: list[Event]) -> None:
        self.batches.append(batch)
        for event in batch:
            self.react(event)


class Pipe:
    """Something to flush."""

    def __init__(self, flusher: Flusher) -> None:
        self.flusher = flusher
        self.waiting: list[int] = []
        self.flushes: list[list[int]] = []

    def send(self, number: int) -> None:
        if not self.waiting:
            self.flusher.add(self)
        self.waiting.append(number)

    def flush(self) -> None:
        self.flushes.append(self.waiting)
        self.waiting = []


@both_loops
def test_events_of_one_turn_are_one_batch_and_one_flush(loop: str) -> None:
    async def main() -> None:
        core = Core()
        pipe = Pipe(core.flusher)

        def react(event: Event) -> None:
            assert isinstance(event, Stored)
            pipe.send(event.token)
            if event.token == 2:
                core.turn.post(Stored(9))  # what happens within a run belongs to the next

        core.react = react
        core.turn.post(Stored(1))
        core.turn.post_all([Stored(2), Stored(3)])
        assert core.turn.waiting == 3
        assert core.batches == []  # never within the callback that posts
        await until(lambda: len(core.batches) == 2)
        assert core.batches == [[Stored(1), Stored(2), Stored(3)], [Stored(9)]]
        await until(lambda: len(pipe.flushes) == 2)
        assert pipe.flushes == [[1, 2, 3], [9]]

    run_on(loop, main)


@both_loops
def test_a_flood_is_cut_so_that_sockets_are_served_in_between(loop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turn_module, "BATCH_EVENTS_MAX", 10)

    async def main() -> None:
        core = Core()
        core.turn.post_all([Stored(number) for number in range(25)])
        between: list[int] = []
        for _ in range(3):
            await asyncio.sleep(0)
            between.append(len(core.batches))
        assert between == [1, 2, 3]
        assert [len(batch) for batch in core.batches] == [10, 10, 5]
        assert [event.token for batch in core.batches for event in batch if isinstance(event, Stored)] == list(
            range(25)
        )
        core.turn.post(Stored(99))
        await until(lambda: core.batches[-1] == [Stored(99)])

    run_on(loop, main)


@both_loops
def test_a_flood_that_grows_is_worked_off_before_more_is_read(loop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turn_module, "BATCH_EVENTS_MAX", 10)
    monkeypatch.setattr(turn_module, "INBOX_EVENTS_MAX", 30)

    async def main() -> None:
        core = Core()
        core.turn.post_all([Stored(number) for number in range(100)])
        await asyncio.sleep(0)
        assert core.turn.waiting < 30
        await until(lambda: core.turn.waiting == 0)
        assert [event.token for batch in core.batches for event in batch if isinstance(event, Stored)] == list(
            range(100)
        )

    run_on(loop, main)


@both_loops
def test_what_is_put_back_comes_first_in_the_next_turn(loop: str) -> None:
    async def main() -> None:
        core = Core()
        turns: list[int] = []

        def process(batch: list[Event]) -> None:
            core.batches.append(batch[:2])
            core.turn.put_back(batch[2:])
            if len(core.batches) == 1:
                core.turn.post(Stored(5))
            asyncio.get_running_loop().call_soon(turns.append, len(core.batches))

        core.turn = Turn(process, lambda: None, clock=core.clock, flusher=core.flusher, loop=asyncio.get_running_loop())
        core.turn.post_all([Stored(number) for number in range(5)])
        await until(lambda: len(core.batches) == 3)
        assert core.batches == [[Stored(0), Stored(1)], [Stored(2), Stored(3)], [Stored(4), Stored(5)]]
        await until(lambda: turns == [1, 2, 3])

    run_on(loop, main)


@both_loops
def test_ticks_follow_the_deadline(loop: str) -> None:
    async def main() -> None:
        core = Core()
        core.deadline = core.clock.now() + 0.03
        late: list[float] = []

        def react(event: Event) -> None:
            if isinstance(event, Tick):
                assert core.deadline is not None
                late.append(core.clock.now() - core.deadline)
                core.deadline = None

        core.react = react
        core.turn.start()
        await until(lambda: core.batches == [[Tick()]])
        # The deadline is looked at after every run, and may come nearer.
        core.deadline = core.clock.now() + 3600
        core.turn.post(Stored(1))
        await until(lambda: len(core.batches) == 2)
        core.deadline = core.clock.now() + 0.01
        core.turn.post(Stored(2))
        await until(lambda: len(core.batches) == 4)
        assert core.batches[1:] == [[Stored(1)], [Stored(2)], [Tick()]]
        assert all(seconds > -0.002 for seconds in late)
        core.turn.stop()
        core.deadline = core.clock.now() + 0.01
        core.turn.post(Stored(3))
        await until(lambda: len(core.batches) == 5)
        later = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_later(0.02, later.set_result, None)
        await later  # timers go off in their order, and a tick's would have been before this one
        assert len(core.batches) == 5

    run_on(loop, main)


@both_loops
def test_a_failure_is_reported_and_the_turn_goes_on(loop: str) -> None:
    async def main() -> None:
        failures: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: failures.append(context["exception"]))
        core = Core()
        good, bad = Pipe(core.flusher), Pipe(core.flusher)
        error = ValueError("a bug")

        def fail() -> None:
            raise error

        bad.flush = fail  # type: ignore[method-assign] # the test's way to a flush that fails

        def react(event: Event) -> None:
            if isinstance(event, SessionClosed):
                bad.send(1)
                good.send(2)
                raise error

        core.react = react
        core.turn.post(SessionClosed("s"))
        await until(lambda: good.flushes == [[2]])
        core.turn.post(Stored(1))
        await until(lambda: core.batches[-1] == [Stored(1)])
        assert failures
        assert set(failures) == {error}

    run_on(loop, main)


def test_the_clock_does_not_follow_steps_of_the_wall_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    assert abs(clock.now() - time.time()) < 5
    before = clock.now()
    wall = time.time()
    monkeypatch.setattr(time, "time", lambda: wall - 3600)
    assert before <= clock.now() < before + 60


def test_run_uses_the_fastest_loop_and_returns_the_result() -> None:
    async def main() -> str:
        return type(asyncio.get_running_loop()).__module__

    factory = loop_factory()
    assert run(main()).startswith("asyncio" if factory is None else "uvloop")

"""The line: who comes with thousands of others waits, in order, and keeps nobody else from an answer."""

from __future__ import annotations

import asyncio
from functools import partial

from tepui.transport.hot import HotRequest
from tepui.transport.line import Line
from tests.transport.harness import both_loops, cold, run_on, serving, until

LONG = 3600.0


def test_a_few_are_let_through_in_each_turn_in_the_order_of_their_coming() -> None:
    async def main() -> list[list[int]]:
        entered: list[int] = []
        line = Line(asyncio.get_running_loop(), per_turn=3)
        for number in range(8):
            line.join(number, lambda number=number: entered.append(number))  # type: ignore[misc]
        line.join(0, lambda: entered.append(-1))  # stands there already
        line.leave(4)
        seen: list[list[int]] = []
        while len(line):
            await asyncio.sleep(0)
            seen.append(list(entered))
        return seen

    turns = asyncio.run(main())
    assert turns[-1] == [0, 1, 2, 3, 5, 6, 7]
    assert [0, 1, 2] in turns, "three in the first turn, and not in the order of anything but their coming"
    assert max(len(after) - len(before) for before, after in zip([[], *turns], turns, strict=False)) == 3


def test_a_held_line_lets_nobody_through_until_it_is_released_or_its_time_is_over() -> None:
    async def main() -> None:
        entered: list[str] = []
        line = Line(asyncio.get_running_loop())
        line.join("before", lambda: entered.append("before"))
        line.hold(LONG)
        line.join("meanwhile", lambda: entered.append("meanwhile"))
        for _ in range(10):
            await asyncio.sleep(0)
        assert entered == []
        line.release()
        await until(lambda: entered == ["before", "meanwhile"])
        line.hold(0.001)
        line.join("late", lambda: entered.append("late"))
        await until(lambda: entered[-1] == "late")

    asyncio.run(main())


@both_loops
def test_requests_are_served_in_their_order_in_a_line_and_others_at_once(loop: str) -> None:
    """What one client sends behind its request, or its end, does not matter to the line."""
    asked: list[str] = []

    def request(path: str, name: str) -> bytes:
        return f"GET {path} HTTP/1.1\r\nHost: here\r\nName: {name}\r\n\r\n".encode()

    def hot(request: HotRequest) -> None:
        request.answer_text(200, "hot")

    async def main() -> None:
        line = Line(asyncio.get_running_loop())

        def enter(request: HotRequest) -> None:
            asked.append(request.header("name") or "")
            request.answer_text(200, request.path)

        def wait(request: HotRequest) -> None:
            line.join(request.id, partial(enter, request))
            request.gone = partial(line.leave, request.id)

        async with serving({"/health": hot, "/link": wait}, cold, pipelined=["/health"]) as server:
            line.hold(LONG)
            first, gone, last = [await server.client() for _ in range(3)]
            for number, (client, name) in enumerate(((first, "first"), (gone, "gone"), (last, "last")), 1):
                client.send(request("/link", name))
                await until(lambda number=number: len(line) == number)  # type: ignore[misc]
            first.send(request("/health", "behind"))
            other = await server.client()
            other.send(request("/health", "other"), request("/cold", "other"))
            assert (await other.answer()).body == b"hot"
            assert (await other.answer()).body == b"cold"
            assert asked == []
            gone.reset()
            await until(lambda: len(line) == 2)
            line.release()
            assert (await last.answer()).body == b"/link"
            assert (await first.answer()).body == b"/link"
            assert (await first.answer()).body == b"hot"
            assert asked == ["first", "last"]

    run_on(loop, main)
    asked.clear()

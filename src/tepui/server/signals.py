"""How a server is told to end."""

from __future__ import annotations

import asyncio
import signal


async def wait_for_signal(*signals: signal.Signals) -> signal.Signals:
    """Wait for one of `signals` (SIGTERM and SIGINT when none are named) and return it."""
    loop = asyncio.get_running_loop()
    got: asyncio.Future[signal.Signals] = loop.create_future()

    def arrived(number: signal.Signals) -> None:
        if not got.done():
            got.set_result(number)

    wanted = signals or (signal.SIGTERM, signal.SIGINT)
    for number in wanted:
        loop.add_signal_handler(number, arrived, number)
    try:
        return await got
    finally:
        for number in wanted:
            loop.remove_signal_handler(number)

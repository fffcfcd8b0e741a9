"""A supervisor of its own for each test."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from tepui.containers import client
from tepui.containers.supervision.loop import build_of
from tests.containers.harness import Play, playing

BUILD = build_of(str(client.SUPERVISOR_PROGRAM.with_name("supervision")))


@pytest.fixture
def play(tmp_path: Path) -> Callable[[Play], None]:
    """Runs a test's coroutine with an agent whose supervisor is running; all its runs die with the test."""

    async def perform(scene: Play) -> None:
        async with playing(tmp_path) as agent:
            await scene(agent)

    return lambda scene: asyncio.run(perform(scene))


OLD_KERNEL = """
import os
import sys
sys.path.append({folder!r})
from supervision import loop, processes, program
class Bare(processes.Processes):
    def __init__(self):
        super().__init__()
        self.has_children_files = False
def pidfd_open(pid):
    raise OSError(38, "Function not implemented")
os.pidfd_open = pidfd_open
loop.Processes = Bare
program.main(sys.argv[1:])
"""


@pytest.fixture(params=["kernel", "old kernel"])
def any_kernel(
    request: pytest.FixtureRequest, play: Callable[[Play], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Play], None]:
    """As `play`, also with a supervisor on a kernel with neither pidfds nor /proc/PID/task/TID/children."""
    if request.param == "old kernel":
        program = tmp_path / "supervisor.py"
        program.write_text(OLD_KERNEL.format(folder=str(client.SUPERVISOR_PROGRAM.parent)))
        monkeypatch.setattr(client, "SUPERVISOR_PROGRAM", program)
        monkeypatch.setattr(client, "build_of", lambda _: BUILD)
    return play

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


PROGRAM = """
import os
import sys
sys.path.append({folder!r})
from supervision import loop, processes, program, strays
{change}
program.main(sys.argv[1:])
"""

OLD_KERNEL = """
class Bare(processes.Processes):
    def __init__(self):
        super().__init__()
        self.has_children_files = False
def pidfd_open(pid):
    raise OSError(38, "Function not implemented")
os.pidfd_open = pidfd_open
loop.Processes = Bare
"""


def change_supervisor(monkeypatch: pytest.MonkeyPatch, folder: Path, change: str) -> None:
    """Let the test's supervisor run `change` before it begins."""
    program = folder / "supervisor.py"
    program.write_text(PROGRAM.format(folder=str(client.SUPERVISOR_PROGRAM.parent), change=change))
    monkeypatch.setattr(client, "SUPERVISOR_PROGRAM", program)
    monkeypatch.setattr(client, "build_of", lambda _: BUILD)


@pytest.fixture
def changed(
    play: Callable[[Play], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str, Play], None]:
    """As `play`, with a change of the supervisor; it finds the test's directory in `folder`."""

    def perform(change: str, scene: Play) -> None:
        change_supervisor(monkeypatch, tmp_path, f"folder = {str(tmp_path)!r}\n{change}")
        play(scene)

    return perform


@pytest.fixture(params=["kernel", "old kernel"])
def any_kernel(
    request: pytest.FixtureRequest, play: Callable[[Play], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Play], None]:
    """As `play`, also with a supervisor on a kernel with neither pidfds nor /proc/PID/task/TID/children."""
    if request.param == "old kernel":
        change_supervisor(monkeypatch, tmp_path, OLD_KERNEL)
    return play

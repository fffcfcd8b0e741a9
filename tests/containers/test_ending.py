"""The end of a supervisor from outside."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tepui.containers.ending import end_supervisor
from tests.containers.harness import PATIENCE_SECONDS, Agent, Play, until
from tests.processes import alive


def no_pidfd(_pid: int) -> int:
    raise OSError(38, "Function not implemented")


@pytest.mark.parametrize("pidfds", [True, False])
def test_a_supervisor_is_ended_with_its_runs(
    play: Callable[[Play], None], monkeypatch: pytest.MonkeyPatch, pidfds: bool
) -> None:
    if not pidfds:
        monkeypatch.setattr(os, "pidfd_open", no_pidfd)

    async def scene(agent: Agent) -> None:
        run = await agent.shell("a", "trap '' TERM; sleep 600")
        supervisor = agent.supervisor
        agent.client.close()
        await agent.client.wait_closed()
        assert await asyncio.to_thread(end_supervisor, agent.state_dir, PATIENCE_SECONDS)
        assert not alive(run)
        await until(lambda: not alive(supervisor))
        assert await asyncio.to_thread(end_supervisor, agent.state_dir, PATIENCE_SECONDS)

    play(scene)


def test_where_there_is_no_supervisor_none_is_to_be_ended(tmp_path: Path) -> None:
    assert end_supervisor(tmp_path / "nowhere", PATIENCE_SECONDS)

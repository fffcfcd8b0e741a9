"""What outlives whom: the supervisor killed, upgraded, deserted by its agent, taken over by another one."""

import asyncio
import json
import os
import resource
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tepui.containers.client import SupervisorError
from tepui.containers.events import RunExited, RunStarted, SupervisorLost, SupervisorReady
from tepui.containers.supervision.loop import WHY_ADOPTED, WHY_REBOOT, WHY_UNFINISHED_START, WHY_UNSEEN
from tests.containers.harness import DAEMON, WAIT_FOR_DAEMON, Agent, Play, playing, until
from tests.processes import alive


async def away(agent: Agent) -> None:
    """The agent goes; the supervisor stays."""
    agent.client.close()
    await agent.client.wait_closed()


async def back(agent: Agent) -> SupervisorReady:
    await agent.new_client().open()
    return await agent.event(SupervisorReady)


def test_runs_outlive_the_supervisor_and_their_exit_is_seen_without_status(any_kernel: Callable[[Play], None]) -> None:
    async def scene(agent: Agent) -> None:
        pid = await agent.shell("a", DAEMON + WAIT_FOR_DAEMON + "until [ -e go ]; do sleep 0.01; done; exit 3")
        daemon = await agent.pid_in("daemon.pid")
        ready = await agent.kill_supervisor()
        assert [(run.run, run.pid, run.state) for run in ready.runs] == [("a", pid, "running")]
        assert alive(daemon)
        (agent.directory / "go").touch()
        exited = await agent.exit("a")
        assert (exited.status, exited.why) == (None, WHY_ADOPTED)
        assert not alive(daemon)  # although it is nobody's descendant any more

    any_kernel(scene)


def test_a_run_that_ended_unseen_is_reported_and_its_leftovers_are_killed(play: Callable[[Play], None]) -> None:
    async def scene(agent: Agent) -> None:
        pid = await agent.shell("a", "sleep 600 & echo $! > child.pid; wait")
        child = await agent.pid_in("child.pid")
        supervisor = agent.supervisor
        await away(agent)
        os.kill(supervisor, signal.SIGKILL)
        await until(lambda: not alive(supervisor))
        os.kill(pid, signal.SIGKILL)
        await until(lambda: not alive(pid))
        await back(agent)
        exited = await agent.exit("a")
        assert (exited.status, exited.why) == (None, WHY_UNSEEN)
        assert not alive(child)

    play(scene)


def test_an_exit_on_record_survives_until_it_is_forgotten(play: Callable[[Play], None]) -> None:
    async def scene(agent: Agent) -> None:
        agent.start("a", ["sh", "-c", "exit 5"])
        first = await agent.exit("a")
        await agent.kill_supervisor()
        assert await agent.exit("a") == first
        agent.client.forget("a")
        await agent.shell("b", "sleep 600")  # answered after the forget
        ready = await agent.kill_supervisor()
        assert [run.run for run in ready.runs] == ["b"]

    play(scene)


def test_a_grace_that_runs_survives_the_supervisor_and_the_agent(play: Callable[[Play], None]) -> None:
    async def scene(agent: Agent) -> None:
        await agent.shell("a", "trap 'echo no' TERM; echo $$ > main.pid; while :; do sleep 0.05; done")
        await agent.pid_in("main.pid")
        agent.client.kill("a", 2.0)
        await until(lambda: agent.output("a") == "no\n" and '"told"' in (agent.state_dir / "runs").read_text())
        supervisor = agent.supervisor
        await away(agent)
        os.kill(supervisor, signal.SIGKILL)
        await until(lambda: not alive(supervisor))
        await back(agent)
        assert (await agent.exit("a")).status is None
        assert agent.output("a") == "no\n"

    play(scene)


def test_commands_given_while_there_is_no_supervisor_reach_the_next_one(play: Callable[[Play], None]) -> None:
    async def scene(agent: Agent) -> None:
        await agent.shell("a", "sleep 600")
        agent.start("ended", ["true"])
        await agent.exit("ended")
        # Stopped, it takes commands into the socket's buffer and dies before it reads them.
        os.kill(agent.supervisor, signal.SIGSTOP)
        agent.start("lost", ["echo", "once"])
        agent.client.kill("a", 0)
        await asyncio.sleep(0)
        os.kill(agent.supervisor, signal.SIGKILL)
        await agent.event(SupervisorLost)
        agent.client.forget("ended")
        agent.start("late", ["echo", "once"])
        ready = await agent.event(SupervisorReady)
        assert [run.run for run in ready.runs] == ["a"]
        statuses: dict[str, int | None] = {}
        while len(statuses) < 3:
            exited = await agent.event(RunExited)
            statuses[exited.run] = exited.status
        assert statuses == {"a": None, "lost": 0, "late": 0}
        assert (agent.output("lost"), agent.output("late")) == ("once\n", "once\n")

    play(scene)


def prepare(directory: Path, *lines: object, boot: str | None = None) -> Path:
    state_dir = directory / "state"
    state_dir.mkdir()
    boot = boot or Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    records = [{"journal": 1, "boot": boot, "instance": "here"}, *lines]
    # The last line was cut short by a crash.
    content = "".join("\n" + json.dumps(line) for line in records) + '\n{"run": "torn", "star'
    (state_dir / "runs").write_text(content)
    return state_dir


async def takeover(directory: Path) -> dict[str, RunExited]:
    """What a new supervisor tells of the runs it finds on record."""
    async with playing(directory, ready=False) as agent:
        ready = await agent.event(SupervisorReady)
        exits: dict[str, RunExited] = {}
        while len(exits) < len(ready.runs):
            exited = await agent.event(RunExited)
            exits[exited.run] = exited
        return exits


def test_a_start_that_the_supervisor_did_not_survive_is_undone(tmp_path: Path) -> None:
    with subprocess.Popen(
        ["sleep", "600"], env={"TEPUI_RUN": "here/a", "PATH": "/usr/bin:/bin"}, start_new_session=True
    ) as process:
        prepare(tmp_path, {"run": "a", "starting": None})
        exits = asyncio.run(takeover(tmp_path))
        assert process.wait() == -signal.SIGKILL
    assert {run: (exited.status, exited.why) for run, exited in exits.items()} == {"a": (None, WHY_UNFINISHED_START)}


def test_a_reused_pid_is_not_mistaken_for_the_run(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as process:
        try:
            prepare(
                tmp_path,
                {"run": "a", "starting": None},
                {"run": "a", "pid": process.pid, "ticks": 1},
                {"run": "gone", "starting": None},
                {"run": "gone", "gone": True},
            )
            with subprocess.Popen(["sleep", "600"], env={"TEPUI_RUN": "elsewhere/a", "PATH": "/usr/bin:/bin"}) as other:
                exits = asyncio.run(takeover(tmp_path))
                assert (process.poll(), other.poll()) == (None, None)
                other.kill()
        finally:
            process.kill()
    assert {run: (exited.status, exited.why) for run, exited in exits.items()} == {"a": (None, WHY_UNSEEN)}


def test_after_a_restart_of_the_machine_only_exits_on_record_have_a_status(tmp_path: Path) -> None:
    prepare(
        tmp_path,
        {"run": "a", "starting": None},
        {"run": "a", "pid": os.getpid(), "ticks": 1},
        {"run": "b", "starting": 3.0},
        {"run": "b", "pid": 1, "ticks": 1},
        {"run": "b", "ended": 256, "why": "", "at": 5.0},
        boot="another boot",
    )
    exits = asyncio.run(takeover(tmp_path))
    assert {run: (exited.status, exited.why) for run, exited in exits.items()} == {
        "a": (None, WHY_REBOOT),
        "b": (256, ""),
    }


def test_an_upgrade_in_place_keeps_the_children(play: Callable[[Play], None]) -> None:
    async def scene(agent: Agent) -> None:
        script = "until [ -e go ]; do sleep 0.01; done; exit 3"
        await agent.shell("old", "sleep 600")
        plain = "env -i sleep 600 & echo $! > plain.pid\n"
        await agent.shell("a", plain + DAEMON + WAIT_FOR_DAEMON + script)
        daemon = await agent.pid_in("daemon.pid")
        supervisor = agent.supervisor
        for _ in range(3):
            agent.client.upgrade()
            await agent.event(SupervisorLost)
            ready = await agent.event(SupervisorReady)
            assert (ready.pid, [run.run for run in ready.runs]) == (supervisor, ["old", "a"])
        assert alive(daemon)
        (agent.directory / "go").touch()
        exited = await agent.exit("a")
        assert (exited.status, exited.why) == (3 << 8, "")
        assert not alive(daemon)
        assert not alive(await agent.pid_in("plain.pid"))

    play(scene)


def test_a_supervisor_of_another_build_is_upgraded_once(play: Callable[[Play], None]) -> None:
    async def scene(agent: Agent) -> None:
        supervisor = agent.supervisor
        await agent.shell("a", "sleep 600")
        await away(agent)
        agent.new_client()._build = -1  # no program has this checksum
        await agent.client.open()
        await agent.event(SupervisorReady)
        await agent.event(SupervisorLost)
        assert (await agent.event(SupervisorReady)).pid == supervisor
        await agent.shell("b", "sleep 600")
        assert agent.count(SupervisorLost) == 1

    play(scene)


def test_without_the_agent_runs_die_after_their_own_time(play: Callable[[Play], None]) -> None:
    async def scene(agent: Agent) -> None:
        at_once = await agent.shell("at once", "sleep 600", orphan_timeout_seconds=0)
        soon = await agent.shell("soon", "sleep 600", orphan_timeout_seconds=0.05)
        later = await agent.shell("later", "sleep 600", orphan_timeout_seconds=3600)
        never = await agent.shell("never", "sleep 600")
        await away(agent)
        await until(lambda: not alive(at_once) and not alive(soon))
        await back(agent)
        exited = await agent.exit("at once")
        assert (exited.status, exited.why) == (15, "Killed: the agent was away for 0 seconds")
        assert (await agent.exit("soon")).why == "Killed: the agent was away for 0.05 seconds"
        assert alive(later)
        assert alive(never)

    play(scene)


def test_an_agent_that_returns_in_time_finds_its_runs(play: Callable[[Play], None]) -> None:
    async def scene(agent: Agent) -> None:
        await agent.shell("a", "sleep 600", orphan_timeout_seconds=0.7)
        await away(agent)
        await back(agent)
        # A run that ends after the time is over: were the timer still set, it would have struck before.
        await agent.shell("clock", "sleep 1")
        await agent.exit("clock")
        await agent.shell("b", "sleep 600")
        assert agent.count(RunExited) == 1
        agent.client.signal("a", signal.SIGUSR1)
        assert (await agent.exit("a")).status == signal.SIGUSR1

    play(scene)


def test_a_supervisor_with_neither_agent_nor_runs_leaves(play: Callable[[Play], None]) -> None:
    async def scene(agent: Agent) -> None:
        supervisor = agent.supervisor
        agent.client.stop(kill=True)
        await agent.client.wait_closed()
        await until(lambda: not alive(supervisor))
        agent.new_client(linger_seconds=0.05)
        await agent.client.open()
        await agent.event(SupervisorReady)
        supervisor = agent.supervisor
        await agent.shell("a", "until [ -e go ]; do sleep 0.01; done")
        await away(agent)
        (agent.directory / "go").touch()
        await until(lambda: not alive(supervisor))
        assert not (agent.state_dir / "socket").exists()
        await back(agent)
        assert (await agent.exit("a")).status == 0

    play(scene)


def test_stop_without_kill_leaves_the_runs_to_the_next_supervisor(play: Callable[[Play], None]) -> None:
    async def scene(agent: Agent) -> None:
        await agent.shell("a", "sleep 600")
        supervisor = agent.supervisor
        agent.client.stop(kill=False)
        await agent.client.wait_closed()
        await until(lambda: not alive(supervisor))
        ready = await back(agent)
        assert ready.pid != supervisor
        assert [(run.run, run.state) for run in ready.runs] == [("a", "running")]
        agent.client.kill("a", 0)
        await agent.exit("a")

    play(scene)


def test_stop_with_kill_reports_all_exits_first(play: Callable[[Play], None]) -> None:
    async def scene(agent: Agent) -> None:
        for run in ("a", "b"):
            await agent.shell(run, "trap '' TERM; sleep 600")
        supervisor = agent.supervisor
        agent.client.stop(kill=True)
        await agent.client.wait_closed()
        assert {event.run: event.status for event in agent.events if isinstance(event, RunExited)} == {"a": 9, "b": 9}
        await until(lambda: not alive(supervisor))
        await back(agent)

    play(scene)


def test_a_second_agent_takes_the_place_of_the_first(play: Callable[[Play], None]) -> None:
    async def scene(agent: Agent) -> None:
        first = agent.client
        await agent.shell("a", "sleep 600")
        await agent.new_client().open()
        lost = await agent.event(SupervisorLost)
        assert lost.why == "Another agent has connected to the supervisor"
        # The first one does not come back at once, or they would take turns.
        await agent.shell("clock", "sleep 0.3")
        await agent.exit("clock")
        assert agent.count(SupervisorLost) == 1
        first.close()
        await first.wait_closed()
        assert await agent.shell("b", "sleep 600")

    play(scene)


def test_a_full_disk_stops_starts_but_not_exits(play: Callable[[Play], None]) -> None:
    async def scene(agent: Agent) -> None:
        await agent.shell("a", "until [ -e go ]; do sleep 0.01; done; exit 3", stdout=None, stderr=None)
        limit = (agent.state_dir / "runs").stat().st_size + 10
        resource.prlimit(agent.supervisor, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        agent.start("b", ["true"])
        assert await agent.refusal("b") == "The start cannot be recorded: the journal cannot be written"
        (agent.directory / "go").touch()
        assert (await agent.exit("a")).status == 3 << 8
        resource.prlimit(agent.supervisor, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        # The lines that were cut short spoil nothing that is written later.
        pid = await agent.shell("c", "sleep 600")
        ready = await agent.kill_supervisor()
        assert ("c", pid, "running") in [(run.run, run.pid, run.state) for run in ready.runs]

    play(scene)


def test_a_supervisor_that_cannot_start_is_an_error_with_its_sentence(tmp_path: Path) -> None:
    async def scene() -> None:
        agent = Agent(tmp_path)
        (tmp_path / "state").write_text("a file in the place of the directory")
        with pytest.raises(SupervisorError, match="Not a directory"):
            await agent.client.open()
        await agent.client.wait_closed()

    asyncio.run(scene())


def test_paths_longer_than_a_socket_address(tmp_path: Path) -> None:
    async def scene() -> None:
        directory = tmp_path / ("d" * 120)
        directory.mkdir()
        async with playing(directory) as agent:
            agent.start("a", ["true"])
            assert (await agent.exit("a")).status == 0
            assert (directory / "state" / "socket").stat().st_mode & 0o777 == 0o600

    asyncio.run(scene())


def test_started_is_told_again_when_the_answer_was_lost(play: Callable[[Play], None]) -> None:
    async def scene(agent: Agent) -> None:
        pid = await agent.shell("a", "sleep 600")
        agent.start("a", ["true"])  # as if the first answer had not arrived
        os.kill(agent.supervisor, signal.SIGKILL)
        await agent.event(SupervisorReady)
        assert (await agent.event(RunStarted, run="a")).pid == pid

    play(scene)

"""What runs are seen to use."""

import os
import sys
from collections.abc import Callable

from tepui.containers.events import RunStarted
from tepui.containers.usage import UsageSampler
from tests.containers.harness import DAEMON, HEADLESS_DAEMON, Agent, Play, until


def test_the_use_of_a_run_is_that_of_its_whole_tree(play: Callable[[Play], None]) -> None:
    async def scene(agent: Agent) -> None:
        sampler = UsageSampler()
        burn = f"{sys.executable} -I -S -c 'x = bytearray(30_000_000)\nwhile True: pass' & setsid sleep 600 &\n"
        busy = await agent.shell("busy", burn + DAEMON + "wait")
        idle = await agent.shell("idle", "exec sleep 600")
        await agent.pid_in("daemon.pid")
        runs = {"busy": busy, "idle": idle, "gone": 2**22 + 1}

        def sample() -> bool:
            usage = sampler.sample(runs, agent.supervisor)["busy"]
            return usage.cpu_user_seconds >= 0.2 and usage.processes == 4 and usage.rss_bytes > 30_000_000

        await until(sample)
        usages = sampler.sample(runs, agent.supervisor)
        assert usages.keys() == {"busy", "idle"}
        assert (usages["idle"].processes, usages["idle"].threads) == (1, 1)
        assert usages["idle"].cpu_user_seconds < 0.2
        assert usages["idle"].rss_bytes < 30_000_000
        # Without the supervisor's help the daemon is nobody's.
        assert UsageSampler().sample(runs)["busy"].processes == 3

    play(scene)


def test_time_does_not_run_backwards_when_processes_end(play: Callable[[Play], None]) -> None:
    async def scene(agent: Agent) -> None:
        sampler = UsageSampler()
        # The inner shell ends at once, so the burner's parent is the supervisor, which reaps it for nobody.
        script = "(sh -c 'echo $$ > burner.pid; while :; do :; done' &); exec sleep 600"
        main = await agent.shell("a", script)
        burner = await agent.pid_in("burner.pid")
        await until(lambda: sampler.sample({"a": main})["a"].cpu_user_seconds >= 0.1)
        before = sampler.sample({"a": main})["a"]
        os.kill(burner, 9)
        await until(lambda: sampler.sample({"a": main})["a"].processes == 1)
        after = sampler.sample({"a": main})["a"]
        assert after.cpu_user_seconds >= before.cpu_user_seconds
        assert UsageSampler().sample({"a": main})["a"].cpu_user_seconds < before.cpu_user_seconds

    play(scene)


def test_odd_names_and_odd_pids_do_not_confuse(play: Callable[[Play], None]) -> None:
    async def scene(agent: Agent) -> None:
        program = agent.directory / "a) R 1 (b"
        program.symlink_to("/bin/sleep")
        agent.start("odd", [str(program), "600"])
        pid = (await agent.event(RunStarted)).pid
        usages = UsageSampler().sample({"odd": pid, "not started": 0, "first": 1})
        assert usages.keys() == {"odd"}
        assert usages["odd"].processes == 1

    play(scene)


def test_a_process_whose_first_thread_ended_uses_what_its_others_use(play: Callable[[Play], None]) -> None:
    async def scene(agent: Agent) -> None:
        pid = await agent.shell("a", HEADLESS_DAEMON + "exec sleep 600")
        await agent.pid_in("daemon.pid")
        idle = await agent.shell("b", "exec sleep 600")
        usages = UsageSampler().sample({"a": pid, "b": idle})
        assert (usages["a"].processes, usages["b"].processes) == (2, 1)
        assert usages["a"].rss_bytes > usages["b"].rss_bytes + 4_000_000  # an interpreter takes more

    play(scene)

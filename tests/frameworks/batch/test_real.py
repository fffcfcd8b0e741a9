"""`tepui batch` on real clusters: what it says, what it runs, and that it goes on where it stopped."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.commands import Done, environment
from tests.conformance.cluster import Cluster, processes_of, wait_until
from tests.scheduler.real import masters_of, running_cluster

DEADLINE_SECONDS = 60


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running_cluster(tmp_path_factory.mktemp("batch")) as cluster:
        yield cluster


def command_line(cluster: Cluster, file: Path, *options: str) -> list[str]:
    small = ["--cpus=0.1", "--mem=16"]
    return [sys.executable, "-m", "tepui", "batch", str(file), f"--master={masters_of(cluster)}", *small, *options]


def batch(cluster: Cluster, file: Path, *options: str) -> Done:
    return subprocess.run(
        command_line(cluster, file, *options),
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        env=environment(),
        check=False,
    )


def begin(cluster: Cluster, file: Path, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command_line(cluster, file, *options),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )


def end(running: subprocess.Popen[str], number: signal.Signals) -> tuple[int, str, str]:
    running.send_signal(number)
    out, err = running.communicate(timeout=DEADLINE_SECONDS)
    return running.returncode, out, err


def jsonl(path: Path, *commands: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(command) + "\n" for command in commands))
    return path


def history(file: Path) -> list[dict[str, Any]]:
    """The whole lines of the state file."""
    state = file.with_name(file.name + ".state")
    text = state.read_text() if state.exists() else ""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def lines(path: Path) -> int:
    return len(path.read_text().splitlines()) if path.exists() else 0


def test_success_failure_retries_time_limits_and_dependencies(cluster: Cluster, tmp_path: Path) -> None:
    file = jsonl(
        tmp_path / "work.jsonl",
        {"name": "last", "command": f"cat {tmp_path}/tries > {tmp_path}/last", "after": ["flaky", "plain"]},
        {"name": "plain", "command": ["test", "$HOME", "=", "$HOME"]},
        {
            "name": "flaky",
            "command": f'echo "$WHO" >> {tmp_path}/tries; test $(wc -l < {tmp_path}/tries) -ge 3',
            "retries": 2,
            "env": {"WHO": "me"},
        },
        {"name": "slow", "command": "sleep 1000", "timeout": 0.2},
        {"name": "never", "command": f"touch {tmp_path}/never", "after": ["slow"]},
    )
    done = batch(cluster, file, "-o", "json")
    assert done.returncode == 1
    summary = json.loads(done.stdout)
    results = {result["name"]: (result["state"], result["runs"], result["message"]) for result in summary["results"]}
    assert results == {
        "last": ("succeeded", 1, ""),
        "plain": ("succeeded", 1, ""),
        "flaky": ("succeeded", 3, ""),
        "slow": ("failed", 1, results["slow"][2]),
        "never": ("skipped", 0, "'slow' failed"),
    }
    assert (summary["succeeded"], summary["failed"], summary["skipped"]) == (3, 1, 1)
    assert f"'slow' failed: {results['slow'][2]}; `tepui task logs slow.1`" in done.stderr
    assert (tmp_path / "last").read_text() == "me\n" * 3
    assert not (tmp_path / "never").exists()

    file.write_text(file.read_text().replace("sleep 1000", "true"))
    again = batch(cluster, file)
    assert (again.returncode, again.stdout.partition(", ")[0]) == (0, "5 of 5 commands succeeded")
    assert (tmp_path / "never").exists()
    assert lines(tmp_path / "tries") == 3
    assert batch(cluster, file, "--fresh").returncode == 0
    assert lines(tmp_path / "tries") == 4


def test_a_killed_batch_takes_its_tasks_over(cluster: Cluster, tmp_path: Path) -> None:
    file = tmp_path / "work"
    gates = [0, 1, 2]
    file.write_text(
        f"echo x >> {tmp_path}/done-quick\n"
        + "".join(
            f"touch {tmp_path}/runs-{at}; until test -e {tmp_path}/go-{at}; do sleep 0.02; done; "
            f"echo x >> {tmp_path}/done-{at}\n"
            for at in gates
        )
    )
    first = begin(cluster, file)
    try:
        wait_until(lambda: all((tmp_path / f"runs-{at}").exists() for at in gates), "three run")
        wait_until(lambda: any(line["event"] == "ended" for line in history(file)), "one ended")
    finally:
        end(first, signal.SIGKILL)
    (tmp_path / "go-0").touch()  # ends while nobody listens
    wait_until((tmp_path / "done-0").exists, "one ends without the batch")
    with (tmp_path / "work.state").open("a") as state:
        state.write('{"event":"la')  # the last words of a process that was killed
    second = begin(cluster, file)
    wait_until(lambda: sum(line["event"] == "ended" for line in history(file)) == 2, "what ended is heard of")
    assert second.poll() is None
    refused = batch(cluster, file)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith("tepui: Another batch is at work with ")
    for at in gates:
        (tmp_path / f"go-{at}").touch()
    out, err = second.communicate(timeout=DEADLINE_SECONDS)
    assert (second.returncode, out.partition(",")[0]) == (0, "4 of 4 commands succeeded")
    assert "1 of 4 commands succeeded before; going on." in err
    assert [lines(tmp_path / f"done-{name}") for name in ("quick", *gates)] == [1] * 4
    assert sum(line["event"] == "launched" for line in history(file)) == 4
    assert len({line["framework"] for line in history(file) if line["event"] == "subscribed"}) == 1


def test_ctrl_c_kills_what_runs_and_says_how_to_go_on(cluster: Cluster, tmp_path: Path) -> None:
    file = tmp_path / "work"
    mark = tmp_path / "mark"
    file.write_text(f"test -e {mark} || (touch {mark}; cd {tmp_path}/; exec sleep 1000)\ntrue\n")
    running = begin(cluster, file)
    wait_until(mark.exists, "it runs")
    wait_until(lambda: any(line["event"] == "ended" for line in history(file)), "the other ends")
    code, out, err = end(running, signal.SIGINT)
    assert (code, out.partition(", ")[0]) == (130, "1 of 2 commands succeeded")
    assert err.endswith(f"tepui: Interrupted. `tepui batch {file}` goes on where this stopped.\n")
    wait_until(lambda: not processes_of(tmp_path), "what ran is killed")
    assert batch(cluster, file).returncode == 0


def test_tasks_of_a_lost_agent_run_elsewhere(tmp_path: Path) -> None:
    flags = ["--agent_ping_timeout=300ms", "--max_agent_ping_timeouts=5"]
    with running_cluster(tmp_path / "cluster", 1, master_flags=flags) as cluster:
        file = tmp_path / "work"
        mark = tmp_path / "mark"
        file.write_text(f"test -e {mark} || (touch {mark}; exec sleep 1000)\n")
        running = begin(cluster, file, "-o", "json")
        wait_until(mark.exists, "it runs")
        cluster.agents[0].server.kill()
        cluster.add_agent()
        out, err = running.communicate(timeout=DEADLINE_SECONDS)
        summary = json.loads(out)
        assert (running.returncode, err, summary["lost_runs"], summary["results"][0]["runs"]) == (0, "", 1, 2)


def test_a_framework_that_was_removed_meanwhile_is_replaced(cluster: Cluster, tmp_path: Path) -> None:
    file = tmp_path / "work"
    mark = tmp_path / "mark"
    file.write_text(f"true\ntest -e {mark} || (touch {mark}; exec sleep 1000)\n")
    running = begin(cluster, file)
    wait_until(mark.exists, "it runs")
    wait_until(lambda: any(line["event"] == "ended" for line in history(file)), "the other ends")
    end(running, signal.SIGKILL)
    framework = next(line["framework"] for line in history(file) if line["event"] == "subscribed")
    teardown = [sys.executable, "-m", "tepui", "framework", "teardown", framework, "--yes"]
    subprocess.run([*teardown, f"--master={masters_of(cluster)}"], check=True, capture_output=True, env=environment())
    done = batch(cluster, file)
    assert (done.returncode, done.stdout.endswith("; 1 run lost.\n")) == (0, True), done
    assert [line["task"] for line in history(file) if line["event"] == "launched"] == ["1.1", "2.1", "2.2"]


def test_a_launch_that_never_reached_the_master_is_made_again(cluster: Cluster, tmp_path: Path) -> None:
    file = tmp_path / "work"
    file.write_text("true\n")
    assert batch(cluster, file).returncode == 0
    state = tmp_path / "work.state"
    kept = [line for line in state.read_text().splitlines(keepends=True) if '"opened"' in line or '"launched"' in line]
    state.write_text("".join(kept).replace("1.1", "1.4"))
    done = batch(cluster, file, "-o", "json")
    result = json.loads(done.stdout)["results"][0]
    assert (done.returncode, result["state"], result["task_id"]) == (0, "succeeded", "1.5")


def test_without_a_master_the_tasks_stay_known(cluster: Cluster, tmp_path: Path) -> None:
    file = tmp_path / "work"
    mark = tmp_path / "mark"
    file.write_text(f"touch {mark}; until test -e {tmp_path}/go; do sleep 0.02; done; echo x >> {tmp_path}/done\n")
    running = begin(cluster, file)
    wait_until(mark.exists, "it runs")
    master = cluster.master
    master.signal(signal.SIGSTOP)
    try:
        running.send_signal(signal.SIGINT)
        assert running.stderr is not None
        assert running.stderr.readline() == "tepui: Ending what runs; Ctrl-C again does not wait for it.\n"
        running.send_signal(signal.SIGINT)
        running.communicate(timeout=DEADLINE_SECONDS)
    finally:
        master.signal(signal.SIGCONT)
    assert running.returncode == 130
    assert [line["event"] for line in history(file)] == ["opened", "subscribed", "launched"]


def test_what_cannot_be_done_is_one_sentence(cluster: Cluster, tmp_path: Path) -> None:
    file = jsonl(tmp_path / "work.jsonl", {"name": "a", "command": "x", "after": ["b"]})
    done = batch(cluster, file)
    assert (done.returncode, done.stderr) == (
        2,
        f"tepui: {file}:1: 'a' is to run after 'b', which is not there.\n",
    )
    file = tmp_path / "good"
    file.write_text("true\n")
    (tmp_path / "good.state").write_text("something else\n")
    done = batch(cluster, file)
    assert done.returncode == 1
    assert done.stderr.startswith(f"tepui: {tmp_path}/good.state:1: This is not the state of a batch: ")
    assert (tmp_path / "good.state").read_text() == "something else\n"

"""Each example as somebody would run it."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.cluster import Cluster
from tests.scheduler.real import masters_of, running_cluster

EXAMPLES = Path(__file__).parents[2] / "examples"
TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorial" / "first-framework.md"
LINES_MAX = 40

pytestmark = pytest.mark.xdist_group("examples")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running_cluster(tmp_path_factory.mktemp("examples"), agents=2) as cluster:
        yield cluster


def run_example(cluster: Cluster, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(EXAMPLES / name), masters_of(cluster), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_commands(cluster: Cluster) -> None:
    """Twenty commands on eight cpus; how each ended, and whether all went well."""
    commands = ["echo hello", "exit 3", *(f"test {number} -lt 100" for number in range(18))]
    done = run_example(cluster, "commands.py", *commands)
    lines = done.stdout.splitlines()
    assert (done.returncode, done.stderr, len(lines)) == (1, "", len(commands))
    assert "TASK_FINISHED 'echo hello': Command exited with status 0" in lines
    assert "TASK_FAILED 'exit 3': Command exited with status 3" in lines
    assert sum(line.startswith("TASK_FINISHED") for line in lines) == len(commands) - 1
    assert run_example(cluster, "commands.py", "true").returncode == 0


def test_the_ledger(cluster: Cluster) -> None:
    """The second run finds what the first one wrote."""
    assert run_example(cluster, "ledger.py", "new", "echo first >> ledger/entries").returncode == 0
    done = run_example(
        cluster, "ledger.py", "old", "echo second >> ledger/entries && test $(wc -l < ledger/entries) = 2"
    )
    assert (done.returncode, done.stdout) == (0, "TASK_FINISHED: Command exited with status 0\n"), done.stderr


@pytest.mark.parametrize(
    ("module", "path", "wrong"),
    [
        ("commands", "", [[], ["M"]]),
        ("ledger", "", [[], ["M", "new"], ["M", "older", "true"]]),
        ("primes", "", [[], ["M"], ["M", "many"], ["M", "2"]]),
        ("tally.framework", "versions/v1", [[], ["M"]]),
        ("tally.framework", "versions/v2", [[], ["M", "3"], ["M", "three", "file"]]),
    ],
)
def test_wrong_arguments_are_told_the_right_ones(module: str, path: str, wrong: list[list[str]]) -> None:
    """Nothing is asked of a master before."""
    for arguments in wrong:
        command = [sys.executable, "-m", module, *arguments]
        done = subprocess.run(command, cwd=EXAMPLES / path, capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done
        assert done.stderr.startswith("usage: "), done


def test_a_framework_is_short() -> None:
    assert len((EXAMPLES / "commands.py").read_text().splitlines()) <= LINES_MAX


def test_primes(cluster: Cluster) -> None:
    done = run_example(cluster, "primes.py", "100000")
    assert (done.returncode, done.stdout, done.stderr) == (0, "9592 primes below 100000\n", "")
    completed = cluster.operator({"type": "GET_FRAMEWORKS"})["get_frameworks"]["completed_frameworks"]
    assert "primes" in {entry["framework_info"]["name"] for entry in completed}, "a framework that is done is torn down"


def test_the_tutorial(cluster: Cluster, tmp_path: Path) -> None:
    """The whole programs in it run as they stand."""
    blocks = re.findall(r"```python\n(.*?)```", TUTORIAL.read_text(), re.DOTALL)
    programs = [block for block in blocks if "asyncio.run(main())" in block]
    outputs = []
    for program in programs:
        path = tmp_path / "program.py"
        path.write_text(program.replace("127.0.0.1:5050", masters_of(cluster)))
        done = subprocess.run([sys.executable, path], capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        outputs.append(done.stdout)
    look, run = outputs
    assert "cpus" in look
    assert (run.count("TASK_FINISHED"), run.count("TASK_FAILED")) == (2, 1)


def test_every_example_is_tested() -> None:
    """`versions` has a test module of its own, `policy` is tested with the allocators."""
    names = {path.name for path in EXAMPLES.iterdir() if path.name != "__pycache__"}
    assert names == {"commands.py", "ledger.py", "policy", "primes.py", "versions"}

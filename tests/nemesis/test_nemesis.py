"""Real servers, broken by a seed: what happened is checked afterwards (`history.check`)."""

from __future__ import annotations

import collections
import os
import signal
import subprocess
import sys
from pathlib import Path
from random import SystemRandom

import msgspec
import pytest

from tests.conformance.cluster import processes_of
from tests.nemesis.faults import EVERYWHERE, PARTITIONS
from tests.nemesis.history import AnyFact, Began, Changed, Ended, Fault, Led, check, summary
from tests.nemesis.network import own_namespace
from tests.zookeeper import GROUP, zookeeper_classes

pytestmark = GROUP

SHORT_SECONDS = 10.0
LONG_SECONDS = 150.0
LONG_RUNS = 4
LOOPBACK_SECONDS = 60.0
OVERHEAD_SECONDS_MAX = 240.0
"""To start, and to come to rest."""
ROOT = Path(__file__).resolve().parents[2]


def play(directory: Path, seed: int, seconds: float, before: list[str]) -> list[AnyFact]:
    """The history of a run. `before` is what makes its command run in a network namespace, or nothing."""
    zookeeper_classes()
    command = [
        *before, sys.executable, "-m", "tests.nemesis.run", f"--seed={seed}", f"--seconds={seconds}",
        f"--directory={directory}", *(["--namespaces"] if before else []),
    ]  # fmt: skip
    log = directory.with_suffix(".log")
    with log.open("wb") as output:
        run = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            code = run.wait(seconds + OVERHEAD_SECONDS_MAX)
        finally:
            run.kill()
            run.wait()
            for pid in processes_of(directory):
                os.kill(pid, signal.SIGKILL)
    assert code == 0, log.read_text(errors="replace")[-6000:]
    return msgspec.json.decode((directory / "history.json").read_bytes(), type=list[AnyFact])


def check_run(directory: Path, seed: int, seconds: float, before: list[str]) -> list[AnyFact]:
    """The history of a run in which all is well."""
    history = play(directory, seed, seconds, before)
    count = collections.Counter(type(fact) for fact in history)
    told = f"seed {seed}: " + ", ".join(f"{number} x {kind.__name__}" for kind, number in count.items())
    log = directory.with_suffix(".log").read_text(errors="replace")
    problems = check(history)
    assert not problems, "\n".join([told, *problems, log[-8000:]])
    logs = {path.name: path.read_text(errors="replace") for path in directory.glob("[maf]*.log")}
    assert not [name for name, text in logs.items() if "Traceback" in text], f"{told}: a traceback in {directory}"
    for kind in (Began, Ended, Led):
        assert count[kind] > 1, f"{told}: the run is too tame"
    assert any(isinstance(fact, Changed) and fact.done for fact in history), told
    return history


def faults_of(history: list[AnyFact]) -> set[str]:
    return {fact.kind for fact in history if isinstance(fact, Fault)}


@pytest.mark.timeout(SHORT_SECONDS + OVERHEAD_SECONDS_MAX + 30)
def test_a_short_run(tmp_path: Path) -> None:
    check_run(tmp_path / "run", 1, SHORT_SECONDS, own_namespace())


@pytest.mark.slow
@pytest.mark.timeout(LOOPBACK_SECONDS + OVERHEAD_SECONDS_MAX + 30)
def test_a_run_on_loopback_ports(tmp_path: Path) -> None:
    check_run(tmp_path / "run", SystemRandom().randrange(1_000_000), LOOPBACK_SECONDS, [])


@pytest.mark.slow
@pytest.mark.timeout(LONG_RUNS * (LONG_SECONDS + OVERHEAD_SECONDS_MAX + 30))
def test_ten_minutes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = own_namespace()
    done: set[str] = set()
    for _ in range(LONG_RUNS):
        seed = SystemRandom().randrange(1_000_000)
        history = check_run(tmp_path / f"run{seed}", seed, LONG_SECONDS, before)
        done |= faults_of(history)
        with capsys.disabled():
            print(f"\nseed {seed}\n{summary(history)}")
    assert done == {*EVERYWHERE, *(PARTITIONS if before else ())}

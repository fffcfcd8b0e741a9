"""`tepui demo` as somebody runs it, on a little text: what it says is true, and nothing is left."""

from __future__ import annotations

import gzip
import json
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.cli.commands import environment, tepui
from tests.conformance.cluster import processes_of, wait_until
from tests.processes import alive

DEADLINE_SECONDS = 90
TEXTS = {
    "one.txt": "The tepui is a table mountain.\nThe mesa is its cousin; ÉTÉ, été.\n" * 200,
    "deep/er/two": "no newline at the end: the end",
    "three.md": "the offer, the task, the agent\r\n\r\n42 the-end\n" * 100,
}
PACKED = "packed words, the packed words\n" * 50

pytestmark = pytest.mark.xdist_group("demo")


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    """Texts that count, and things beside them that do not."""
    folder = tmp_path / "texts, some 'odd'"
    for name, text in TEXTS.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, newline="")
    (folder / "packed.gz").write_bytes(gzip.compress(PACKED.encode()))
    (folder / "broken.gz").write_bytes(gzip.compress(PACKED.encode())[:-20])
    (folder / "picture").write_bytes(b"\x89PNG\0\0hidden words")
    (folder / "empty").touch()
    (folder / ".hidden").write_text("hidden words")
    (folder / "again").symlink_to("one.txt")
    (folder / "nowhere").symlink_to("nothing")
    (folder / "latin").write_bytes("Zürich\n".encode("latin-1"))
    os.mkfifo(folder / "pipe")
    return folder


def plain_count() -> Counter[str]:
    """The words of the texts, counted in another way than the demonstration does."""
    whole = "\n".join([*TEXTS.values(), PACKED, "z rich"]).lower()
    return Counter("".join(letter if letter.isalpha() else " " for letter in whole).split())


def start(tmp_path: Path, *arguments: str) -> subprocess.Popen[str]:
    temporary = tmp_path / "temporary"
    temporary.mkdir(exist_ok=True)
    return subprocess.Popen(
        [sys.executable, "-m", "tepui", "demo", f"--output={tmp_path}/out", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(TMPDIR=str(temporary), HOME="/nonexistent"),
        start_new_session=True,
    )


@contextmanager
def begun(tmp_path: Path, texts: Path) -> Iterator[tuple[subprocess.Popen[str], dict[str, int]]]:
    """A demonstration whose cluster is up, with the processes of its servers."""
    running = start(tmp_path, f"--input={texts}")
    try:
        assert running.stdout is not None
        line = running.stdout.readline()
        pids = {name: int(pid) for name, pid in re.findall(r"(master|agent\d) (\d+)", line)}
        assert len(pids) == 4, (line, running.communicate(timeout=DEADLINE_SECONDS))
        yield running, pids
    finally:
        if running.poll() is None:
            running.send_signal(signal.SIGTERM)
        running.communicate(timeout=DEADLINE_SECONDS)


def nothing_is_left(tmp_path: Path, pids: dict[str, int]) -> bool:
    temporary = tmp_path / "temporary"
    is_empty = not any(temporary.iterdir()) and not processes_of(temporary)
    return is_empty and not any(alive(pid) for pid in pids.values())


def check_results(tmp_path: Path, said: str) -> dict[str, Any]:
    """The summary, after a look at what stands beside it."""
    found: dict[str, Any] = json.loads((tmp_path / "out" / "summary.json").read_text())
    expected = plain_count()
    lines = (tmp_path / "out" / "words.txt").read_text(encoding="utf-8").splitlines()
    assert {word: int(number) for word, _, number in (line.partition("\t") for line in lines)} == expected
    assert (found["words"], found["different_words"]) == (expected.total(), len(expected))
    assert next(iter(found["top_words"].items())) == ("the", expected["the"])
    assert found["left_out"] == {"binary": 1, "broken": 1}
    assert found["files"] == len(TEXTS) + 2
    picture = (tmp_path / "out" / "shares.png").read_bytes()
    assert picture.startswith(b"\x89PNG\r\n")
    assert len(picture) > 10_000
    assert found["placed_maps"] == found["maps"] >= 3
    assert found["local_maps"] <= found["placed_maps"]
    batch, words = found["frameworks"]["batch"], found["frameworks"]["word count"]
    assert batch["tasks"] == found["commands"]
    assert words["tasks"] >= found["maps"] + found["reduces"]
    assert batch["ramp_up_seconds"] > 0
    assert 0 < words["full_phase_cpus"] < batch["full_phase_cpus"]
    assert 0.5 < found["utilization"] <= 1
    assert f"Cluster in use while both had work: {found['utilization']:.1%} of 12 cpus" in said
    assert "A plain count of the same files gives the same numbers." in said
    return found


def test_it_counts_and_shares_and_leaves_nothing(tmp_path: Path, texts: Path) -> None:
    with start(tmp_path, f"--input={texts}") as running:
        try:
            said, errors = running.communicate(timeout=DEADLINE_SECONDS)
        finally:
            running.kill()
    assert (running.returncode, errors) == (0, ""), said
    found = check_results(tmp_path, said)
    alone = re.search(r"s  word count: 0 of 12 cpus \(0 %\), not begun \| batch: (\d+) of 12 cpus", said)
    assert alone is not None
    assert int(alone[1]) > 6
    assert set(found["pids"]) == {"keeper", "master", "agent1", "agent2", "agent3"}
    assert nothing_is_left(tmp_path, found["pids"])


@pytest.mark.slow
def test_a_cluster_that_is_kept_can_be_reached_and_ended(tmp_path: Path, texts: Path) -> None:
    with start(tmp_path, f"--input={texts}", "--keep") as running:
        try:
            said, errors = running.communicate(timeout=DEADLINE_SECONDS)
        finally:
            running.kill()
    assert (running.returncode, errors) == (0, ""), said
    pids = check_results(tmp_path, said)["pids"]
    master, end = re.search(r"--master=(\S+) status", said), re.search(r"End it: +kill (\d+)", said)
    assert master is not None
    assert end is not None
    try:
        status = json.loads(tepui("status", "-o", "json", f"--master={master[1]}").stdout)
        assert status["agents"]["active"] == 3
    finally:
        os.kill(int(end[1]), signal.SIGTERM)
    wait_until(lambda: nothing_is_left(tmp_path, pids), "the cluster has ended")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_interrupted_it_leaves_nothing(tmp_path: Path, texts: Path, number: signal.Signals) -> None:
    with begun(tmp_path, texts) as (running, pids):
        assert running.stdout is not None
        if number is signal.SIGINT:
            assert any("| batch:" in line for line in running.stdout)
        running.send_signal(number)
        _, errors = running.communicate(timeout=DEADLINE_SECONDS)
        assert (running.returncode, errors) == (130, "tepui: Interrupted; ending the cluster.\n")
        assert nothing_is_left(tmp_path, pids)
    assert list((tmp_path / "out").iterdir()) == []


def test_killed_it_leaves_nothing(tmp_path: Path, texts: Path) -> None:
    with begun(tmp_path, texts) as (running, pids):
        running.kill()
        wait_until(lambda: nothing_is_left(tmp_path, pids), "the cluster has ended itself")


def test_a_server_that_ends_is_told(tmp_path: Path, texts: Path) -> None:
    with begun(tmp_path, texts) as (running, pids):
        os.kill(pids["agent2"], signal.SIGKILL)
        _, errors = running.communicate(timeout=DEADLINE_SECONDS)
        assert running.returncode == 1
        assert re.fullmatch(r"tepui: The agent2 has ended: .*\n", errors), errors
        assert nothing_is_left(tmp_path, pids)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("missing", r"The input .*/missing does not exist\. Name a folder with --input=FOLDER\."),
        ("bare", r"There is no text in .*/bare\. Name a folder that has some with --input=FOLDER\."),
        ("pictures", r"There is no text in .*/pictures: 2 binary\. Name a folder that has some with --input=FOLDER\."),
    ],
)
def test_what_cannot_be_counted_is_one_sentence(tmp_path: Path, name: str, sentence: str) -> None:
    (tmp_path / "bare").mkdir()
    (tmp_path / "pictures").mkdir()
    for number in range(2):
        (tmp_path / "pictures" / f"{number}.png").write_bytes(b"\x89PNG\0")
    with start(tmp_path, f"--input={tmp_path}/{name}") as running:
        said, errors = running.communicate(timeout=DEADLINE_SECONDS)
    assert (running.returncode, said) == (1, "")
    assert re.fullmatch(f"tepui: {sentence}\n", errors), errors
    assert not (tmp_path / "out").exists()
    assert nothing_is_left(tmp_path, {})


def test_an_output_that_cannot_be_written_is_one_sentence(tmp_path: Path, texts: Path) -> None:
    (tmp_path / "file").touch()
    with start(tmp_path, f"--input={texts}", f"--output={tmp_path}/file/out") as running:
        said, errors = running.communicate(timeout=DEADLINE_SECONDS)
    assert (running.returncode, said) == (1, "")
    place = f"{tmp_path}/file/out"
    assert (
        errors == f"tepui: The folder {place} cannot be written: not a directory. Name another with --output=FOLDER.\n"
    )
    assert nothing_is_left(tmp_path, {})

"""A word count by `tepui mapreduce` on three agents of this machine, and by xargs and sort.

Both run the same programs over the same files, the same number of them at a time. What differs is what is measured: a
scheduler, offers, agents, sandboxes and a shuffle over HTTP, against a shell.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from random import Random

from tests.conformance.client import Address

FILE_BYTES = 32 << 20
VOCABULARY = 50_000
RARE_WORDS = 4_000_000
WORDS_A_LINE = 12
LINES = 200_000
"""Different ones; each gets a rare word at its end."""

WORDS = """
import sys
write = sys.stdout.buffer.write
for line in sys.stdin.buffer:
    for word in line.split():
        write(word + b"\\t1\\n")
"""
SUM = """
import sys
from itertools import groupby
pairs = (line.rstrip(b"\\n").rpartition(b"\\t") for line in sys.stdin.buffer)
for word, group in groupby(pairs, lambda pair: pair[0]):
    sys.stdout.buffer.write(b"%s\\t%d\\n" % (word, sum(int(pair[2]) for pair in group)))
"""


@dataclass(frozen=True)
class Pipeline:
    """What to run, as text for the shell; `{python}` is this interpreter, `{programs}` the folder of its programs."""

    name: str
    mapper: str
    combiner: str | None
    reducer: str

    def command(self, text: str, programs: Path) -> str:
        return text.format(python=shlex.quote(sys.executable), programs=shlex.quote(str(programs)))


PIPELINES = (
    Pipeline(
        "Python, with combiner",
        "{python} {programs}/words.py",
        "{python} {programs}/sum.py",
        "{python} {programs}/sum.py",
    ),
    Pipeline("tr and uniq, without combiner", "tr -s ' ' '\\n'", None, "uniq -c"),
)


def write_text(directory: Path, megabytes: int) -> int:
    """Files of text in which few words are frequent and very many rare, as in what people write: frequencies fall with
    the rank (Zipf), and one word in thirteen is out of millions. Returns the number of bytes."""
    random = Random(1)
    letters = "etaoinshrdlucmfwypvbgkjqxz"
    ranks = list(accumulate(1 / rank for rank in range(1, VOCABULARY + 1)))
    lengths = [2 + rank.bit_length() // 2 for rank in range(VOCABULARY)]
    words = ["".join(random.choices(letters, range(26, 0, -1), k=length)) for length in lengths]
    lines = [" ".join(random.choices(words, cum_weights=ranks, k=WORDS_A_LINE)) for _ in range(LINES)]
    written = 0
    for number in range(max(1, (megabytes << 20) // FILE_BYTES)):
        with (directory / f"text-{number:03d}").open("w") as file:
            while file.tell() < FILE_BYTES:
                some = random.choices(lines, k=10_000)
                rare = [int(RARE_WORDS * random.random()) for _ in some]
                file.write("".join(f"{line} {number:x}\n" for line, number in zip(some, rare, strict=True)))
            written += file.tell()
    return written


def prepare(work: Path, megabytes: int) -> int:
    """Input and programs. Returns the input's bytes."""
    (work / "in").mkdir()
    written = write_text(work / "in", megabytes)
    (work / "words.py").write_text(WORDS)
    (work / "sum.py").write_text(SUM)
    return written


def by_shell(pipeline: Pipeline, work: Path, processes: int) -> float:
    """Seconds of the pipeline with xargs and sort; the counts are in `work/shell`."""
    mapper, reducer = (pipeline.command(text, work) for text in (pipeline.mapper, pipeline.reducer))
    combiner = "" if pipeline.combiner is None else f" | {pipeline.command(pipeline.combiner, work)}"
    (work / "sorted").mkdir()
    (work / "one").write_text(f'{mapper} < "{work}/in/$1" | sort{combiner} > "{work}/sorted/$1"\n')
    whole = (
        f"ls {work}/in | xargs -P{processes} -I@ sh {work}/one @ && sort -m {work}/sorted/* | {reducer} > {work}/shell"
    )
    begin = time.perf_counter()
    # Tasks do not inherit their agent's environment, and with PYTHONUNBUFFERED programs take twice as long.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment["LC_ALL"] = "C"
    with subprocess.Popen(["/bin/sh", "-c", whole], env=environment, process_group=0) as shell:
        try:
            code = shell.wait()
        except BaseException:
            os.killpg(shell.pid, signal.SIGKILL)  # xargs and what it runs, too
            raise
    seconds = time.perf_counter() - begin
    if code:
        raise AssertionError(f"the shell's pipeline ended with status {code}")
    subprocess.run(["rm", "-r", str(work / "sorted")], check=True)
    return seconds


def by_tepui(pipeline: Pipeline, work: Path, master: Address, reduces: int) -> float:
    """Seconds of `tepui mapreduce`, its start included; the counts are in `work/out`."""
    command = [sys.executable, "-m", "tepui", "mapreduce", f"--master={master[0]}:{master[1]}", "--cpus=1", "--mem=64"]
    command += ["-input", f"{work}/in", "-output", f"{work}/out", "-numReduceTasks", str(reduces)]
    command += ["-mapper", pipeline.command(pipeline.mapper, work)]
    command += ["-reducer", pipeline.command(pipeline.reducer, work)]
    if pipeline.combiner is not None:
        command += ["-combiner", pipeline.command(pipeline.combiner, work)]
    begin = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - begin


def check_counts(work: Path) -> None:
    """Both have counted the same."""
    outputs = [sorted(word_counts(paths)) for paths in ([work / "shell"], sorted((work / "out").glob("part-*")))]
    if outputs[0] != outputs[1]:
        raise AssertionError("tepui mapreduce and the shell have counted differently")
    subprocess.run(["rm", "-r", str(work / "out"), str(work / "shell")], check=True)


def word_counts(paths: list[Path]) -> Iterator[bytes]:
    for path in paths:
        with path.open("rb") as file:
            for line in file:
                yield b" ".join(line.split())

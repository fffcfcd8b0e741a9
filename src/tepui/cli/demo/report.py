"""What the demonstration says at its end: for people as lines, for programs as JSON; and the check of its counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tepui.cli.demo.plan import BATCH, CPUS, CPUS_PER_AGENT, FAIR_CPUS, WORDS
from tepui.cli.demo.running import Ran
from tepui.cli.demo.texts import Texts
from tepui.cli.demo.words import read_counts, words_of
from tepui.cli.errors import RefusedError

TOP_WORDS = 10


def read_output(folder: Path) -> Counter[str]:
    """The word count's output, all of its parts."""
    counts: Counter[str] = Counter()
    for part in sorted(folder.glob("part-*")):
        with part.open("rb") as lines:
            for word, number in read_counts(lines):
                counts[word] += number
    return counts


def count_plainly(texts: Texts) -> Counter[str]:
    """The same without a cluster: one file after the other. Raises RefusedError when one cannot be read any more."""
    counts: Counter[str] = Counter()
    for text in texts.texts:
        try:
            with text.path.open("rb") as file:
                counts.update(words_of(file.read(text.length).decode("utf-8", "replace")))
        except OSError as error:
            why = (error.strerror or str(error)).lower()
            raise RefusedError(f"{text.path} cannot be read any more: {why}.") from None
    return counts


def checked_counts(folder: Path, texts: Texts) -> Counter[str]:
    """The word count's output. Raises RefusedError unless a plain count of the same files gives the same."""
    counts, plain = read_output(folder), count_plainly(texts)
    wrong = sorted(word for word in counts.keys() | plain.keys() if counts[word] != plain[word])
    if wrong:
        first = wrong[0]
        raise RefusedError(
            f"The word counts are not those of a plain count of the same files: {len(wrong)} differ, such as "
            f"'{first}' with {counts[first]} instead of {plain[first]}."
        )
    return counts


def top(counts: Counter[str]) -> list[tuple[str, int]]:
    """The words by how often they came, the most frequent first; then by name."""
    return sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))


def summary(ran: Ran, texts: Texts, counts: Counter[str], pids: dict[str, int], seconds: float) -> dict[str, Any]:
    """All figures. `counts_checked` is always true: a demonstration with wrong counts has no summary."""
    shares, progress = ran.shares, ran.words.progress
    phase = shares.full_phase()
    frameworks = {}
    for name, times in shares.frameworks.items():
        ramp_up = shares.ramp_up(name, FAIR_CPUS)
        frameworks[name] = {
            "tasks": times.tasks,
            "ramp_up_seconds": None if ramp_up is None else round(ramp_up, 3),
            "full_phase_cpus": None if phase is None else round(shares.mean(*phase, name), 2),
        }
    return {
        "files": len(texts.texts),
        "bytes": texts.length,
        "left_out": dict(texts.left_out),
        "words": counts.total(),
        "different_words": len(counts),
        "top_words": dict(top(counts)[:TOP_WORDS]),
        "counts_checked": True,
        "maps": progress.maps,
        "reduces": progress.reduces,
        "local_maps": progress.local_maps,
        "placed_maps": progress.placed_maps,
        "commands": len(ran.batch.status),
        "cpus": CPUS,
        "fair_share_cpus": FAIR_CPUS,
        "frameworks": frameworks,
        "full_phase_seconds": None if phase is None else round(phase[1] - phase[0], 3),
        "utilization": None if phase is None else round(shares.mean(*phase) / CPUS, 4),
        "seconds": round(seconds, 2),
        "pids": pids,
    }


def lines(found: dict[str, Any]) -> Iterator[str]:
    """The figures for people."""
    size = megabytes(found["bytes"])
    yield f"{found['words']:,} words in {found['files']:,} files ({size}), {found['different_words']:,} different:"
    yield "  " + ", ".join(f"{word} {number:,}" for word, number in found["top_words"].items())
    yield "  A plain count of the same files gives the same numbers."
    yield ""
    yield f"{'':<14}{'tasks':>7}{'ramp-up':>11}{'cpus while both have work':>29}"
    for name in (WORDS, BATCH):
        facts = found["frameworks"][name]
        ramp_up, cpus = facts["ramp_up_seconds"], facts["full_phase_cpus"]
        shown = "-" if cpus is None else f"{cpus:.1f} of {CPUS} ({cpus / CPUS:.0%})"
        yield f"{name:<14}{facts['tasks']:>7}{'-' if ramp_up is None else f'{ramp_up:.2f} s':>11}{shown:>29}"
    yield ""
    if found["placed_maps"]:
        share = found["local_maps"] / found["placed_maps"]
        yield f"Map tasks where their input is: {found['local_maps']} of {found['placed_maps']} ({share:.0%})."
    if found["utilization"] is not None:
        yield (
            f"Cluster in use while both had work: {found['utilization']:.1%} of {CPUS} cpus, "
            f"over {found['full_phase_seconds']:.1f} s."
        )
    yield f"Total time: {found['seconds']:.1f} s."
    yield ""
    yield f"Ramp-up: from a framework's registration until it first held its fair share, {FAIR_CPUS:g} cpus."
    yield "Both have work from when the second registers until one of them has launched its last task."
    yield f"Measured from the master's events. Each agent declares {CPUS_PER_AGENT} cpus; this machine may have fewer."


def megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 100_000 else f"{size / 1e3:.1f} kB"

"""How much work the two frameworks get, so that each keeps the other from having the cluster for a while.

Tasks last about MAP_SECONDS and COMMAND_SECONDS on any machine: mappers read no faster than their pace, and commands
wait a little after their work, as they would for a network. The cluster's cpus are declared, not counted, and so are
more than most machines have.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from shlex import quote

from tepui.cli.demo.texts import Text
from tepui.frameworks.batch import Command, Graph, Needs
from tepui.frameworks.mapreduce.splits import Range, Split, make_splits, read_manifest

AGENTS = ("agent-1", "agent-2", "agent-3")
CPUS_PER_AGENT = 4
MEM_PER_AGENT = 4096
"""Megabytes."""
CPUS = CPUS_PER_AGENT * len(AGENTS)
FAIR_CPUS = CPUS / 2
"""Each framework's share while both have work: they weigh the same."""

BATCH, WORDS = "batch", "word count"
"""Names of the two frameworks."""
MAPS = 42
"""Or some more, as blocks do not fill splits wholly."""
MAP_BYTES_MIN = 16 * 1024
MAP_SECONDS = 1.5
START_SECONDS = 0.3
"""Of a map task, before its mapper reads, on a machine that has much to do."""
REDUCES = 3
REDUCE_SECONDS = 1.0
COMMAND_SECONDS = 1.5
COMMAND_MEM = 32.0
LEAD_SECONDS = 2.5
"""The batch has the cluster for itself so long before the word count comes."""
TAIL_SECONDS_MIN, TAIL_SHARE = 2.0, 0.35
"""And about so long after it, of the time that they have together: more where the word count may take longer."""


@dataclass(frozen=True)
class Plan:
    """The map tasks' input with where it is, the pace at which each reads it, and the batch's commands."""

    splits: list[Split]
    bytes_per_second: float
    commands: Graph


def write_manifest(texts: list[Text], path: Path) -> None:
    """Cut the texts into blocks and say for each which agent has it: so each has a third, to within a block."""
    size = _block_bytes(texts)
    held = dict.fromkeys(AGENTS, 0)
    with path.open("w") as file:
        for text in texts:
            for offset in range(0, text.length, size):
                length = min(size, text.length - offset)
                agent = min(held, key=lambda name: held[name])
                held[agent] += length
                block = {"path": str(text.path), "offset": offset, "length": length, "hosts": [agent]}
                file.write(json.dumps(block) + "\n")


def make_plan(texts: list[Text], manifest: Path) -> Plan:
    """Read the manifest and size the work."""
    splits = make_splits(read_manifest(manifest), _block_bytes(texts))
    longest = max(split.length for split in splits)
    together = ceil(len(splits) / FAIR_CPUS) * (START_SECONDS + MAP_SECONDS) + REDUCE_SECONDS
    alone = LEAD_SECONDS + max(TAIL_SECONDS_MIN, TAIL_SHARE * together)
    cpu_seconds = CPUS * alone + FAIR_CPUS * together
    blocks = [part for split in splits for part in split.ranges]
    commands = [_command(number, blocks) for number in range(ceil(cpu_seconds / COMMAND_SECONDS))]
    return Plan(splits, longest / MAP_SECONDS, Graph(commands))


def _block_bytes(texts: list[Text]) -> int:
    return max(MAP_BYTES_MIN, ceil(sum(text.length for text in texts) / MAPS))


def _command(number: int, blocks: list[Range]) -> Command:
    """Pack a block, say how small it becomes, and wait: between two thirds and four thirds of COMMAND_SECONDS in all,
    so that commands do not end all at once."""
    block = blocks[number % len(blocks)]
    seconds = COMMAND_SECONDS * (2 / 3 + (number * 7 % 11) / 10 * 2 / 3)
    read = f"tail -c +{block.offset + 1} {quote(block.path)} | head -c {block.length}"
    text = f"{read} | gzip -9 | wc -c; sleep {seconds:.2f}"
    return Command(name=f"pack-{number + 1:03d}", command=text, needs=Needs(1.0, COMMAND_MEM))

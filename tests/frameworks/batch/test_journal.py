"""State files: what a life leaves behind at any moment is read again; what is something else is left alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from tepui.frameworks.batch import Batch, Command, Graph, Journal, JournalError, Needs, State
from tepui.frameworks.batch.journal import Subscribed
from tepui.frameworks.batch.machine import Ended, Launched, Verdict

GRAPH = Graph([Command("1", "true", Needs(1, 1), place="work:1")])


def load(path: Path) -> Batch:
    journal = Journal(path)
    try:
        return journal.load(GRAPH)
    finally:
        journal.close()


def test_a_file_that_ends_anywhere_in_a_line_is_read_up_to_that_line(tmp_path: Path) -> None:
    path = tmp_path / "state"
    digest = GRAPH.commands[0].digest()
    journal = Journal(path)
    journal.load(GRAPH)
    journal.append([Subscribed("f"), Launched("1.1", "a", digest), Ended("1.1", Verdict.SUCCEEDED)])
    journal.close()
    whole = path.read_bytes()
    ends = [at + 1 for at, byte in enumerate(whole) if byte == ord("\n")]
    for size in range(len(whole) + 1):
        path.write_bytes(whole[:size])
        batch = load(path)
        assert (batch.status[0].state is State.SUCCEEDED) == (size == len(whole))
        assert path.read_bytes() == whole[: max([ends[0], *(end for end in ends if end <= size)])]


@pytest.mark.parametrize(
    "data",
    [
        bytes(range(11, 256)) * 2,
        b"x",
        b"\0" * 40,
        b'{"event":"opened","version":2',
        b'{"event": "opened", "version": 1}',
        b'{"event":"left"}\n',
        b"[]\n",
    ],
)
def test_a_file_that_does_not_begin_as_a_state_is_refused_and_kept(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "state"
    path.write_bytes(data)
    with pytest.raises(
        JournalError, match=r"state:1: This is not the state of a batch: .* Give --state=OTHER, or remove"
    ):
        load(path)
    assert path.read_bytes() == data

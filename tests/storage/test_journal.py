"""The agent's journal: what was committed is there after any end, and what is over is gone."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from tepui.agent.journal import (
    AgentAdmitted,
    FrameworkForgotten,
    FrameworkKnown,
    JournalRecord,
    OperationForgotten,
    OperationHeld,
    ResourcesCheckpointed,
    RunBegan,
    RunEnded,
    TaskEnded,
    TaskLaunched,
    UpdateAcknowledged,
    UpdateReceived,
    VolumeDoomed,
    VolumeForgotten,
)
from tepui.agent.volumes import VolumeDirectory
from tepui.model.v1.mesos import OperationState, OperationStatus
from tepui.storage.journal import ACKNOWLEDGED_KEPT_MAX, Journal, JournalError
from tests.agent.stage import executor_info, framework_info, operation, resources, status, task_info, uuid_of


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "meta" / "journal.sqlite"


def launched(task_id: str) -> TaskLaunched:
    return TaskLaunched("f1", "run", task_info(task_id))


def received(task_id: str, state: str, uuid: str) -> UpdateReceived:
    return UpdateReceived("f1", task_id, status(task_id, state, uuid))


def acknowledged(task_id: str, uuid: str) -> UpdateAcknowledged:
    return UpdateAcknowledged("f1", task_id, uuid_of(uuid))


def reopened(journal: Journal) -> list[JournalRecord]:
    journal.close()
    again = Journal(journal.path)
    records: list[JournalRecord] = [*again.recovered()]
    again.close()
    return records


def test_what_is_alive_comes_back_as_it_was_and_in_order(path: Path) -> None:
    journal = Journal(path)
    run = RunBegan("f1", "e1", "run", executor_info("f1", "e1"), "/sandbox", 17.25)
    records: list[JournalRecord] = [
        AgentAdmitted("S0", 3),
        FrameworkKnown("f1", framework_info("f1", checkpoint=True, partition_aware=True)),
        run,
        launched("t1"),
        launched("t2"),
        received("t1", "RUNNING", "u1"),
        acknowledged("t1", "u1"),
        received("t1", "FINISHED", "u2"),
    ]
    for record in records:
        journal.commit([record])
    assert reopened(journal) == records


def test_what_is_over_is_gone(path: Path) -> None:
    journal = Journal(path)
    run = RunBegan("f1", "e1", "run", executor_info("f1", "e1"), "/sandbox", 17.25)
    journal.commit([AgentAdmitted("S0", 1), FrameworkKnown("f1", framework_info("f1")), run])
    journal.commit([launched("t1"), received("t1", "RUNNING", "u1")])
    journal.commit([acknowledged("t1", "u1"), received("t1", "FINISHED", "u2"), launched("t2")])
    journal.commit([TaskEnded("f1", "t1"), AgentAdmitted("S0", 2), FrameworkKnown("f1", framework_info("f1"))])
    assert journal.rows == 4
    journal.commit([RunEnded("run"), FrameworkForgotten("f1"), TaskEnded("f1", "t2")])
    assert reopened(journal) == [AgentAdmitted("S0", 2)]


def test_what_begins_and_ends_in_one_commit_leaves_nothing(path: Path) -> None:
    journal = Journal(path)
    journal.commit([launched("t1"), received("t1", "FINISHED", "u1"), TaskEnded("f1", "t1")])
    journal.commit([TaskEnded("f1", "never"), acknowledged("never", "u1"), RunEnded("never")])
    assert journal.rows == 0


def test_what_was_recovered_goes_on(path: Path) -> None:
    journal = Journal(path)
    journal.commit([launched("t1"), received("t1", "RUNNING", "u1"), received("t1", "FINISHED", "u2")])
    journal.close()
    journal = Journal(path)
    journal.commit([acknowledged("t1", "u1"), launched("t2")])
    journal.commit([TaskEnded("f1", "t1")])
    assert reopened(journal) == [launched("t2")]


def test_a_task_that_goes_on_for_ever_keeps_few_rows(path: Path) -> None:
    journal = Journal(path)
    journal.commit([launched("t1")])
    for number in range(200):
        journal.commit([received("t1", "RUNNING", str(number)), acknowledged("t1", str(number))])
    assert journal.rows == 1 + 2 * ACKNOWLEDGED_KEPT_MAX
    assert reopened(journal)[-1] == acknowledged("t1", "199")


def test_the_file_stays_bounded(path: Path) -> None:
    journal = Journal(path)
    sizes = []
    for round_number in range(6):
        for number in range(0, 2000, 50):
            names = [f"{round_number}-{one}" for one in range(number, number + 50)]
            journal.commit([launched(name) for name in names])
            journal.commit([received(name, "FINISHED", name) for name in names])
            journal.commit([TaskEnded("f1", name) for name in names])
        sizes.append(sum(file.stat().st_size for file in path.parent.iterdir()))
    assert journal.rows == 0
    assert sizes[-1] <= sizes[1] * 1.1
    journal.close()


def test_an_agent_that_begins_anew_keeps_what_it_chooses(path: Path) -> None:
    journal = Journal(path)
    assert journal.identity() is None
    ended = [launched("t2"), received("t2", "RUNNING", "u1"), received("t2", "FINISHED", "u2")]
    journal.commit([AgentAdmitted("S0", 3), launched("t1"), *ended])
    journal.close()
    journal = Journal(path)
    identity = journal.identity()
    assert identity == AgentAdmitted("S0", 3)
    journal.replace([identity, *ended])
    journal.close()
    journal = Journal(path)
    assert journal.recovered() == [identity, *ended]
    journal.commit([acknowledged("t2", "u1"), launched("t3")])
    journal.commit([TaskEnded("f1", "t2")])
    assert reopened(journal) == [identity, launched("t3")]


def test_unknown_records_are_refused(path: Path) -> None:
    class Other(msgspec.Struct):
        pass

    journal = Journal(path)
    with pytest.raises(TypeError, match="Other is not a record of the journal"):
        journal.commit([Other()])
    journal.close()


WRITER = """
import sys
from pathlib import Path
from tepui.storage.journal import Journal
from tests.storage.test_journal import launched, received
from tepui.agent.journal import TaskEnded

journal = Journal(Path(sys.argv[1]))
number = 0
while True:
    journal.commit([launched(f"t{number}-{one}") for one in range(20)])
    journal.commit([received(f"t{number}-{one}", "FINISHED", "u") for one in range(20)])
    if number:
        journal.commit([TaskEnded("f1", f"t{number - 1}-{one}") for one in range(20)])
    print(number, flush=True)
    number += 1
"""


@pytest.mark.parametrize("rounds", [1, 40, 300])
def test_kill_9_loses_nothing_that_was_committed(path: Path, rounds: int) -> None:
    root = Path(__file__).parents[2]
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=root,
        env={**os.environ, "PYTHONPATH": f"{root}/src:{root}"},
    )
    assert writer.stdout is not None
    for _ in range(rounds):
        told = int(writer.stdout.readline())
    writer.send_signal(signal.SIGKILL)
    rest = writer.stdout.read().split()
    writer.wait()
    writer.stdout.close()
    told = int(rest[-1]) if rest else told
    journal = Journal(path)
    records = journal.recovered()
    journal.close()
    alive = {record.info.task_id.value for record in records if isinstance(record, TaskLaunched)}
    ended = {record.task_id for record in records if isinstance(record, UpdateReceived)}
    mine = {f"t{told}-{one}" for one in range(20)}
    # The writer may have gone on after what it last said: the next tasks may be there, the told ones may have ended.
    later = {f"t{told + 1}-{one}" for one in range(20)}
    assert mine <= alive or later <= ended
    assert mine <= ended or later <= ended
    assert alive <= mine | later | {f"t{told - 1}-{one}" for one in range(20)}


@pytest.mark.parametrize("damage", ["garbage", "truncated", "header", "record"])
def test_a_file_that_cannot_be_read_is_moved_aside(path: Path, damage: str, caplog: pytest.LogCaptureFixture) -> None:
    journal = Journal(path)
    journal.commit([launched(f"t{number}") for number in range(500)])
    journal.close()
    content = path.read_bytes()
    if damage == "garbage":
        path.write_bytes(b"this is no database, " * 1000)
    elif damage == "truncated":
        path.write_bytes(content[: len(content) // 2 // 4096 * 4096])
    elif damage == "header":
        path.write_bytes(content[:16] + bytes(100) + content[116:])
    else:
        with sqlite3.connect(path) as database:
            database.execute("UPDATE record SET data = x'c1' WHERE serial = 7")
        database.close()
    damaged = path.read_bytes()
    with caplog.at_level("WARNING"):
        journal = Journal(path)
    assert journal.recovered() == []
    aside = path.with_name("journal.sqlite.unreadable-1")
    assert aside.read_bytes() == damaged
    assert f"it was moved to {aside} and begun anew" in caplog.text
    journal.commit([launched("new")])
    assert reopened(journal) == [launched("new")]


def test_an_empty_file_is_a_new_journal(path: Path) -> None:
    path.parent.mkdir()
    path.touch()
    journal = Journal(path)
    journal.commit([launched("t1")])
    assert reopened(journal) == [launched("t1")]


def test_the_database_of_another_program_is_not_touched(path: Path) -> None:
    path.parent.mkdir()
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE theirs (a)")
        database.execute("PRAGMA user_version = 5")
    database.close()
    with pytest.raises(JournalError, match="is a database of another program; give the agent another work folder"):
        Journal(path)


def test_a_newer_format_is_named(path: Path) -> None:
    Journal(path).close()
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 2")
    database.close()
    with pytest.raises(JournalError, match=r"written by a newer version \(format 2, this one knows 1\)"):
        Journal(path)


def test_a_place_where_no_file_can_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "meta").write_text("a file, not a folder")
    with pytest.raises(JournalError, match="cannot be made"):
        Journal(tmp_path / "meta" / "journal.sqlite")
    (tmp_path / "folder.sqlite").mkdir()
    with pytest.raises(JournalError, match="cannot be opened"):
        Journal(tmp_path / "folder.sqlite")


def test_two_agents_cannot_share_a_journal(path: Path) -> None:
    journal = Journal(path)
    journal.commit([launched("t1")])
    with pytest.raises(JournalError, match="database is locked"):
        Journal(path)
    journal.close()


def held(uuid: str) -> OperationHeld:
    done = OperationStatus(state=OperationState.OPERATION_FINISHED)
    return OperationHeld(uuid_of(uuid), "f1", operation("RESERVE", "cpus:1@eng", operation_id=uuid), done)


def test_of_durable_records_the_last_of_each_subject_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "meta" / "resources.sqlite"
    journal = Journal(path, synced=True)
    kept = ResourcesCheckpointed(resources("cpus:1@eng+disk:64@eng#v1:data"))
    doomed = VolumeDoomed("trash-2", VolumeDirectory("/work", ("volumes", "roles", "eng", "v1")))
    journal.commit([ResourcesCheckpointed(resources("cpus:2@eng")), held("o1"), held("o2")])
    journal.commit([VolumeDoomed("trash-1", VolumeDirectory("/mnt", ())), kept, doomed])
    journal.commit([OperationForgotten(uuid_of("o1")), VolumeForgotten("trash-1")])
    journal.close()
    again = Journal(path, synced=True)
    assert again.recovered() == [held("o2"), kept, doomed]
    again.close()


@pytest.mark.parametrize(("synced", "level"), [(True, 2), (False, 0)])
def test_only_a_synced_journal_waits_for_the_disk(tmp_path: Path, synced: bool, level: int) -> None:
    """SQLite's own word for it: 2 syncs each commit, 0 none."""
    journal = Journal(tmp_path / "meta" / "journal.sqlite", synced=synced)
    assert journal._database.execute("PRAGMA synchronous").fetchone() == (level,)
    journal.close()


def test_an_unreadable_journal_of_reservations_stops_the_agent(tmp_path: Path) -> None:
    path = tmp_path / "resources.sqlite"
    path.write_bytes(b"not a database at all" * 100)
    with pytest.raises(JournalError, match=r"of reservations and volumes cannot be read: .* Restore the file, or move"):
        Journal(path, synced=True)
    assert path.read_bytes().startswith(b"not a database")

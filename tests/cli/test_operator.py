"""`tepui operator snapshot`, and `--master` with ZooKeeper, as whoever runs a cluster uses them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from tepui.server.work_dir import WorkDirLock
from tepui.storage.registry import Stored
from tepui.storage.registry_entries import changes_of
from tepui.storage.registry_sqlite import SqliteBackend
from tests.cli.commands import tepui
from tests.server.masters import running_masters
from tests.storage.test_registry import one_of_each
from tests.zookeeper import GROUP, ZooKeeperServer


def fill(folder: Path) -> Stored:
    async def write() -> Stored:
        backend = SqliteBackend(folder / "registry.db")
        await backend.lead()
        await backend.write(changes_of(one_of_each()))
        stored = await backend.read()
        await backend.close()
        return stored

    return asyncio.run(write())


def snapshot(*arguments: str | Path) -> str:
    done = tepui("operator", "snapshot", *map(str, arguments))
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout


def refusal(*arguments: str | Path) -> tuple[int, str]:
    done = tepui("operator", "snapshot", *map(str, arguments))
    assert done.stdout == ""
    return done.returncode, done.stderr.strip()


def test_a_snapshot_is_saved_inspected_and_restored_elsewhere(tmp_path: Path) -> None:
    stored = fill(tmp_path / "m")
    snapshot("save", tmp_path / "m", tmp_path / "s.json")
    document = json.loads((tmp_path / "s.json").read_text())
    assert (document["tepui_registry"], document["epoch"]) == (1, stored.epoch)
    assert document["entries"]["weights/ads"] == {"type": "WeightSet", "role": "ads", "weight": 2.5}
    told = snapshot("inspect", tmp_path / "s.json")
    assert told == snapshot("inspect", tmp_path / "m")
    assert told.splitlines()[:2] == [f"epoch {stored.epoch}, 8 entries", "       1 AgentAdmitted"]
    assert snapshot("restore", tmp_path / "other", tmp_path / "s.json").startswith("8 entries restored under epoch ")
    assert json.loads(snapshot("save", tmp_path / "other", "-"))["entries"] == document["entries"]


def test_restoring_is_refused_while_a_master_leads_and_nothing_bad_is_ever_taken(tmp_path: Path) -> None:
    fill(tmp_path / "m")
    good, bad, newer = tmp_path / "good.json", tmp_path / "bad.json", tmp_path / "newer.json"
    snapshot("save", tmp_path / "m", good)
    with WorkDirLock(tmp_path / "m", "master"):
        code, sentence = refusal("restore", tmp_path / "m", good)
        assert code == 1
        assert "is in use by another master" in sentence
        assert sentence.endswith("or say --force.")
        snapshot("restore", tmp_path / "m", good, "--force")
    bad.write_text(good.read_text().replace('"AgentAdmitted"', '"Nonsense"'))
    code, sentence = refusal("restore", tmp_path / "m", bad)
    assert (code, sentence[:57]) == (1, "tepui: The registry holds what cannot be read: the entry ")
    newer.write_text(good.read_text().replace('"tepui_registry": 1', '"tepui_registry": 2'))
    assert refusal("restore", tmp_path / "m", newer) == (
        1,
        "tepui: This snapshot was written by a newer version (format 2, this one knows 1).",
    )
    assert refusal("inspect", tmp_path / "nothing") == (
        3,
        f"tepui: {tmp_path}/nothing is neither a master's work folder nor a snapshot: No such file or directory.",
    )


@GROUP
@pytest.mark.slow
def test_commands_find_the_leader_by_zookeeper_and_its_registry_can_be_saved(
    zookeeper: ZooKeeperServer,
    tmp_path: Path,
) -> None:
    url = zookeeper.url("ops:secret@")
    done = tepui("status", f"--master={url}")
    assert (done.returncode, done.stderr.strip()) == (
        4,
        f"tepui: ZooKeeper knows of no leading master at {url.replace(':secret', '')}.",
    )
    with running_masters(tmp_path / "cluster", url) as masters:
        leader = masters.add_master()
        masters.leader()
        masters.add_agent()
        (agent_id,) = masters.wait_for_agents(leader)
        listed = json.loads(tepui("agent", "list", f"--master={url}", "-o", "json").stdout)
        assert [entry["id"] for entry in listed] == [agent_id]
        snapshot("save", url, tmp_path / "s.json")
        code, sentence = refusal("restore", url, tmp_path / "s.json")
        assert (code, "A master leads at" in sentence) == (1, True)
        leader.server.stop()
        snapshot("restore", url, tmp_path / "s.json")
        assert f"agents/{agent_id}" in json.loads(snapshot("save", url, "-"))["entries"]

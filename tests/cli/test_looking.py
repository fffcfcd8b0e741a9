"""Commands that look at a cluster: their tables, their JSON, how they find what is named."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys

import pytest

from tests.cli.commands import ROLE, environment
from tests.cli.conftest import Busy


def test_status_counts_agents_frameworks_tasks_and_resources(busy: Busy) -> None:
    data = busy.commands.json("status")
    assert data["cluster"] == "attic"
    assert data["agents"] == {"active": 2, "inactive": 0, "unreachable": 0}
    assert data["frameworks"] == {"connected": 2, "disconnected": 0}
    assert {name: data["tasks"][name] for name in ("running", "finished", "failed", "killed")} == {
        "running": 3,
        "finished": 1,
        "failed": 1,
        "killed": 0,
    }
    cpus = data["resources"]["cpus"]
    assert cpus == {"total": 8.0, "used": pytest.approx(1.7), "offered": pytest.approx(6.3)}

    text = busy.commands.text("status")
    assert f"Cluster attic at {busy.commands.master}, leads for " in text
    assert "Agents      2 active\n" in text
    assert "Tasks       3 running\n" in text
    assert "Ended       1 finished, 1 failed\n" in text
    assert re.search(r"cpus  █{6}▒{24}   21 %  1.7 of 8 used, 6.3 offered", text), text


def test_agents(busy: Busy) -> None:
    rows = busy.commands.table("agent", "list")
    assert [(row["AGENT"], row["STATE"], row["TASKS"], row["CPUS USED"]) for row in rows] == [
        ("S0", "active", "2", "1.1/4"),
        ("S1", "active", "1", "0.6/4"),
    ]
    entries = busy.commands.json("agent", "list")
    assert [entry["id"] for entry in entries] == busy.agents
    assert entries[0]["used_resources"]["mem"] == 160.0
    host, port = busy.cluster.agents[0].address
    assert entries[0]["address"] == f"{host}:{port}"


def test_one_agent_by_any_name_that_is_clear(busy: Busy) -> None:
    for name in ("S0", busy.agents[0]):
        assert busy.commands.json("agent", "show", name)["id"] == busy.agents[0]
    text = busy.commands.text("agent", "show", "S0")
    assert re.search(r"^Used +cpus 1.1, mem 160M$", text, re.MULTILINE)
    assert re.search(r"^alpha-1 +name of alpha-1 +running +reports ", text, re.MULTILINE)
    assert "beta" not in text


def test_frameworks(busy: Busy) -> None:
    rows = busy.commands.table("framework", "list")
    assert [(row["NAME"], row["STATE"], row["TASKS"], row["ENDED"], row["OFFERS"]) for row in rows] == [
        ("reports", "connected", "2", "2", "0"),
        ("idle", "connected", "1", "0", "2"),
    ]
    assert [row["FRAMEWORK"] for row in rows] == ["0000", "0001"]
    entries = busy.commands.json("framework", "list")
    assert [entry["roles"] for entry in entries] == [[ROLE], [ROLE]]


def test_roles(busy: Busy) -> None:
    (row,) = (row for row in busy.commands.table("role", "list") if row["ROLE"] == ROLE)
    assert (row["WEIGHT"], row["FRAMEWORKS"], row["CPUS USED"]) == ("1", "2", "1.7")
    (entry,) = (entry for entry in busy.commands.json("role", "list") if entry["name"] == ROLE)
    assert entry["offered_resources"]["cpus"] == pytest.approx(6.3)


def test_offers_name_their_holder_and_their_age(busy: Busy) -> None:
    entries = busy.commands.json("offer", "list")
    assert {entry["framework_id"] for entry in entries} == {busy.idle.framework_id}
    assert all(0 <= entry["age_seconds"] < 120 for entry in entries)
    ages = [entry["age_seconds"] for entry in entries]
    assert ages == sorted(ages, reverse=True)
    rows = busy.commands.table("offer", "list")
    assert {row["FRAMEWORK"] for row in rows} == {"0001 idle"}
    assert all(row["RESOURCES"].startswith("cpus ") for row in rows)


def test_tasks_newest_first_with_why_they_ended(busy: Busy) -> None:
    entries = busy.commands.json("task", "list")
    assert entries[0]["framework_name"] == "idle"
    times = [entry["launched_time"] for entry in entries]
    assert times == sorted(times, reverse=True)
    rows = {(row["TASK"], row["FRAMEWORK"]): row for row in busy.commands.table("task", "list")}
    assert len(rows) == 5
    beta = rows["beta", "reports"]
    assert (beta["STATE"], beta["NAME"], beta["WHY"], beta["AGENT"]) == ("failed", "name of beta", "it failed", "S0")


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (["--state=failed,finished"], {"alpha-2", "beta"}),
        (["--state=active", "--framework=0000"], {"alpha-1", "twin"}),
        (["--agent=S1"], {"twin"}),
        (["--state=ended", "--agent=S1"], set()),
    ],
)
def test_tasks_are_filtered(busy: Busy, filters: list[str], expected: set[str]) -> None:
    assert {entry["id"] for entry in busy.commands.json("task", "list", *filters)} == expected


def test_a_list_that_is_cut_says_so(busy: Busy) -> None:
    assert busy.commands.text("task", "list", "--limit=2").endswith("\n2 of 5 tasks; --limit shows more.\n")


def test_the_story_of_a_task_is_that_of_master_and_agent(busy: Busy) -> None:
    found = busy.commands.json("task", "story", "beta")
    assert found["task"]["state"] == "TASK_FAILED"
    what = [(record["by"], record["what"]) for record in found["records"]]
    assert what[0] == ("master", "TaskAdded")
    assert ("master", "TaskRemoved") in what
    assert any(teller == "agent" for teller, _ in what)
    times = [record["time"] for record in found["records"]]
    assert times == sorted(times)
    text = busy.commands.text("task", "story", "beta")
    assert text.startswith("Task beta of framework reports on agent ")
    assert ": failed (it failed)\n" in text
    assert re.search(r"^\d\d:\d\d:\d\d\.\d{3}  master  TaskUpdated .*state=TASK_FAILED", text, re.MULTILINE)


def test_logs_go_where_the_task_wrote_them(busy: Busy) -> None:
    done = busy.commands.run("task", "logs", "alpha-1")
    assert (done.returncode, done.stdout, done.stderr) == (0, "out of writer\n", "err of writer\n")
    assert busy.commands.run("task", "logs", "alpha-1", "--stderr").stdout == ""
    assert busy.commands.run("task", "logs", "alpha-1", "--stdout", "--tail=0").stdout == ""


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["agent", "show", "S7"], 3, r"There is no agent 'S7'. Did you mean 'S[01]' or 'S[01]'\?"),
        (["agent", "show", ""], 3, "No agent is named: its id is empty."),
        (["task", "story", "alpa-1"], 3, r"There is no task 'alpa-1'. Did you mean 'alpha-1' or 'alpha-2'\?"),
        (["task", "story", "alpha"], 3, r"'alpha' may mean 2 tasks: alpha-[12], alpha-[12]. Write more of the id."),
        (["task", "logs", "twin"], 3, r"2 frameworks have a task 'twin'; say --framework: .*\(idle\), .*\(reports\)."),
        (["task", "list", "--framework=zzz"], 3, r"There is no framework 'zzz'; `tepui framework list` shows .*"),
        (["task", "list", "--state=asleep"], 1, r"There is no task state 'asleep': expecting active, ended, .*"),
        (["task", "kill", "beta"], 1, r"Framework [0-9a-f-]+ has no running task beta."),
        (["task", "kill", "alpha-1", "--grace=soon"], 1, r"Bad duration 'soon': .*"),
        (["task", "lst"], 2, r"No such command 'lst'. Did you mean 'list'\?"),
    ],
)
def test_what_is_named_wrongly_is_one_sentence(busy: Busy, arguments: list[str], code: int, sentence: str) -> None:
    done = busy.commands.run(*arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert re.fullmatch(f"tepui: {sentence}\n", done.stderr), done.stderr


def test_a_unique_beginning_of_a_task_is_enough(busy: Busy) -> None:
    assert busy.commands.json("task", "story", "bet")["task"]["id"] == "beta"


@pytest.mark.parametrize("form", ["table", "json"])
def test_watch_shows_it_again_until_it_is_interrupted(busy: Busy, form: str) -> None:
    command = ["agent", "list", "--watch=0.1", f"--output={form}", f"--master={busy.commands.master}"]
    watching = subprocess.Popen(
        [sys.executable, "-m", "tepui", *command], stdout=subprocess.PIPE, text=True, env=environment()
    )
    assert watching.stdout is not None
    if form == "json":
        frames = [json.loads(watching.stdout.readline()) for _ in range(3)]
        assert [[entry["id"] for entry in frame] for frame in frames] == [busy.agents] * 3
    else:
        heads = 0
        while heads < 3:
            heads += watching.stdout.readline().startswith("tepui agent list of ")
    watching.send_signal(signal.SIGINT)
    rest, _ = watching.communicate(timeout=30)
    assert watching.returncode == 130
    assert "Traceback" not in rest


def test_a_reader_that_has_enough_leaves_no_complaint(busy: Busy) -> None:
    command = f"{sys.executable} -m tepui task list --watch=0.1 --master={busy.commands.master} | head -n 1"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=30, env=environment())
    assert done.stdout.startswith("tepui task list of ")
    assert done.stderr == ""


def test_why_says_in_sentences_what_keeps_a_framework_a_role_or_a_task(busy: Busy) -> None:
    text = busy.commands.text("why", "reports")
    assert "(reports) is connected, with 2 tasks that run or start." in text
    assert f"In role '{ROLE}' it asked for no offers (SUPPRESS); REVIVE ends that." in text
    assert re.search(r"Others hold 2 offers, the oldest for \d+ s by 'idle'\.", text), text
    data = busy.commands.json("why", "idle", "--cpus", "64")
    assert data["kind"] == "framework"
    assert data["roles"][0]["wanted"] == [{"cpus": 64.0}]
    assert "No agent could ever hold 64 cpus, even if it were empty" in " ".join(data["sentences"])
    assert [entry["name"] for entry in data["held_offers"]] == ["idle"]
    assert busy.commands.json("why", ROLE)["kind"] == "role"
    assert "ended as TASK_FINISHED on agent" in busy.commands.text("why", "alpha-2")


def test_shares_delivered_and_due(busy: Busy) -> None:
    data = busy.commands.json("role", "shares")
    assert data["interval_seconds"] == 10.0
    assert {entry["role"] for entry in data["roles"]} <= {ROLE}
    assert "ROLE" in busy.commands.text("role", "shares") or not data["samples"]

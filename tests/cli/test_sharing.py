"""Between whom the cluster is shared, and how much each may have: `role`, `weight`, `quota`."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.cli.commands import ROLE, Commands, launch, subscribe
from tests.cli.conftest import WRITING
from tests.conformance.cluster import Agent
from tests.conformance.scenario import Framework
from tests.scheduler.real import running_cluster


@dataclass
class Shared:
    """One agent; a framework of role `eng` runs one task."""

    commands: Commands
    framework: Framework
    agent: Agent


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    with running_cluster(tmp_path_factory.mktemp("cli"), master_flags=["--weights=start=3"]) as cluster:
        framework = subscribe(cluster, "reports")
        with framework.stream:
            launch(framework, cluster.agent_id(cluster.agents[0]), "writer", WRITING, only="run")
            assert framework.wait_states(("only", "TASK_RUNNING"))
            yield Shared(Commands(cluster), framework, cluster.agents[0])


def test_weights_are_listed_and_set(shared: Shared) -> None:
    assert shared.commands.text("weight", "set", "eng=2", "ads/batch=0.5") == (
        "Role eng weighs 2.\nRole ads/batch weighs 0.5.\n"
    )
    assert shared.commands.table("weight", "list") == [
        {"ROLE": "ads/batch", "WEIGHT": "0.5"},
        {"ROLE": "eng", "WEIGHT": "2"},
        {"ROLE": "start", "WEIGHT": "3"},
    ]
    assert shared.commands.json("weight", "list")[0] == {"role": "ads/batch", "weight": 0.5}


def test_long_names_do_not_spread_tables(shared: Shared) -> None:
    """Their ends tell siblings apart; programs read the whole."""
    one, other = (f"{'x' * 500}/{end}" for end in ("one", "other"))
    shared.commands.text("weight", "set", f"{one}=1", f"{other}=2")
    rows = shared.commands.table("weight", "list")
    shown = [row["ROLE"] for row in rows if row["ROLE"].startswith("x")]
    assert shown == [f"{'x' * 26}…{'x' * 9}/one", f"{'x' * 26}…{'x' * 7}/other"]
    assert {len(name) for name in shown} == {40}
    assert {one, other} <= {entry["role"] for entry in shared.commands.json("weight", "list")}


def test_quota_is_set_listed_and_removed(shared: Shared) -> None:
    told = shared.commands.text("quota", "set", "eng", "--guarantee=cpus:1,mem:1G", "--limit=cpus:2.5;gpus:0")
    assert told == "Quota of role eng: guaranteed cpus 1, mem 1G; at most cpus 2.5, no gpus.\n"
    (row,) = shared.commands.table("quota", "list")
    assert (row["ROLE"], row["GUARANTEE"], row["LIMIT"]) == ("eng", "cpus 1, mem 1G", "cpus 2.5, no gpus")
    assert row["CONSUMED"].startswith("cpus ")
    (entry,) = shared.commands.json("quota", "list")
    assert (entry["role"], entry["guarantees"]) == ("eng", {"cpus": 1.0, "mem": 1024.0})
    assert entry["limits"] == {"cpus": 2.5, "gpus": 0.0}
    assert entry["consumed"]["cpus"] > 0
    assert shared.commands.text("quota", "remove", "eng") == "Role eng has no quota any more.\n"
    assert shared.commands.text("quota", "list").startswith("There is no quota: ")
    assert shared.commands.json("quota", "list") == []


def test_roles_show_all_that_is_known_of_them(shared: Shared) -> None:
    shared.commands.text("quota", "set", "eng", "--limit=cpus:3")
    shared.commands.text("weight", "set", "eng/web=1")
    (row,) = (row for row in shared.commands.table("role", "list") if row["ROLE"] == ROLE)
    assert (row["FRAMEWORKS"], row["LIMIT"]) == ("1", "cpus 3")
    (entry,) = (entry for entry in shared.commands.json("role", "list") if entry["name"] == ROLE)
    assert entry["quota"]["limits"] == {"cpus": 3.0}
    assert entry["quota"]["consumed"] == entry["used_resources"]
    one = shared.commands.json("role", "show", "eng")
    assert (one["name"], one["frameworks"], one["sub_roles"]) == ("eng", [shared.framework.framework_id], ["eng/web"])
    lines = dict(line.split("  ", 1) for line in shared.commands.text("role", "show", "eng").splitlines())
    told = {name: text.strip() for name, text in lines.items()}
    assert (told["Limit"], told["Frameworks"], told["Sub-roles"]) == ("cpus 3", "0000 reports", "eng/web")


def test_resources_are_reserved_made_a_volume_and_given_back(shared: Shared) -> None:
    commands = shared.commands
    assert commands.text("reservation", "list").startswith("Nothing is reserved: ")
    told = commands.text("reservation", "add", "S0", "ops", "mem:128,disk:1G")
    assert told == "Reserved mem 128M, disk 1G of agent S0 for role ops.\n"
    (row,) = commands.table("reservation", "list")
    assert (row["AGENT"], row["ROLE"], row["TYPE"], row["RESOURCES"]) == ("S0", "ops", "dynamic", "mem 128M, disk 1G")
    for path in ("../x", "/var/log"):
        done = commands.run("volume", "create", "S0", "ops", "logs", "256M", f"--path={path}")
        assert (done.returncode, done.stdout) == (1, "")
        assert f"The container_path '{path}' of a persistent volume must be a path inside the sandbox" in done.stderr
    assert commands.json("volume", "list") == []
    told = commands.text("volume", "create", "S0", "ops", "logs", "256M", "--path=var/log")
    assert told == "Created volume logs of 256M on agent S0 for role ops.\n"
    (row,) = commands.table("volume", "list")
    assert (row["ROLE"], row["VOLUME"], row["SIZE"], row["PATH"]) == ("ops", "logs", "256M", "var/log")
    (entry,) = commands.json("volume", "list", "--role=ops")
    assert (entry["id"], entry["size"], entry["in_use"], entry["shared"]) == ("logs", 256.0, False, False)
    (entry,) = commands.json("reservation", "list")
    assert (entry["volumes"], entry["resources"]) == (1, {"mem": 128.0, "disk": 1024.0})
    done = commands.run("volume", "destroy", "S0", "logs", "--role=eng")
    assert (done.returncode, done.stderr) == (
        3,
        "tepui: Role 'eng' has no volume 'logs' there; it is the volume of ops.\n",
    )
    done = commands.run("reservation", "remove", "S0", "ops", "disk:1G")
    assert (done.returncode, done.stderr) == (
        3,
        "tepui: Agent S0 has only disk 768M reserved dynamically for role 'ops'.\n",
    )
    assert commands.text("volume", "destroy", "S0", "logs") == "Destroyed volume logs on agent S0.\n"
    assert commands.json("volume", "list") == []
    told = commands.text("reservation", "remove", "S0", "ops", "disk:1G,mem:128")
    assert told == "Gave back mem 128M, disk 1G of agent S0 that role ops had reserved.\n"
    assert commands.json("reservation", "list") == []


def test_done_is_what_the_agent_has_done(shared: Shared) -> None:
    """Not what the master has asked it for."""
    commands, agent = shared.commands, shared.agent
    agent.server.signal(signal.SIGSTOP)
    try:
        done = commands.run("reservation", "add", "S0", "late", "disk:64", "--timeout=200ms")
        assert (done.returncode, done.stdout, done.stderr) == (
            5,
            "",
            "tepui: Asked agent S0 for it, which has not confirmed it yet, after 0.2 s.\n",
        )
        told = commands.text("reservation", "add", "S0", "late", "disk:64", "--no-wait")
        assert told == "Asked agent S0 for it, without waiting until it has done it.\n"
    finally:
        agent.server.signal(signal.SIGCONT)
    (agent.work_directory / "volumes" / "roles").mkdir(parents=True, exist_ok=True)
    in_the_way = agent.work_directory / "volumes" / "roles" / "late"
    in_the_way.write_text("no folder")
    done = commands.run("volume", "create", "S0", "late", "broken", "128M")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.startswith("tepui: It failed at agent S0 (OPERATION_FAILED): ")
    assert "late" in done.stderr, "the agent's own words"
    in_the_way.unlink()
    assert commands.text("volume", "create", "S0", "late", "broken", "128M").startswith("Created volume broken of 128M")
    assert commands.text("volume", "destroy", "S0", "broken") == "Destroyed volume broken on agent S0.\n"
    commands.text("reservation", "remove", "S0", "late", "disk:128")


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["weight", "set", "eng"], 2, "'eng' is no weight of a role: write such as eng=2."),
        (["weight", "set", "eng=0"], 1, "Invalid weight '0': Weights must be positive"),
        (["quota", "set", "eng"], 2, "Say what is guaranteed (--guarantee), what is the limit (--limit), or both"),
        (["quota", "set", "eng", "--limit=cpus=4"], 2, "'cpus=4' is no amount: write such as cpus:4,mem:2G."),
        (["quota", "set", "eng", "--limit=cpus:4G"], 2, "'cpus:4G' is no amount"),
        (["quota", "set", "eng", "--limit=cpus:4,cpus:5"], 2, "'cpus' is given twice."),
        (["quota", "set", "eng/web", "--limit=cpus:4"], 1, "Updating quota on nested role 'eng/web' is not supported"),
        (["quota", "set", "ads", "--guarantee=cpus:999"], 1, "exceed cluster capacity"),
        (["quota", "remove", "nobody"], 3, "Role 'nobody' has no quota"),
        (["reservation", "add", "S0", "ops", "cpus:999"], 1, "cpus"),
        (["reservation", "add", "S7", "ops", "cpus:1"], 3, "There is no agent 'S7'. Did you mean 'S0'?"),
        (["volume", "create", "S0", "ops", "logs", "1G"], 3, "Agent S0 has no 1G of disk reserved for role 'ops'"),
        (["volume", "destroy", "S0", "logs"], 3, "There is no volume 'logs': there are no volumes at all."),
        (["role", "show", "enx"], 3, "There is no role 'enx'. Did you mean 'eng'?"),
    ],
)
def test_what_is_wrong_is_one_sentence(shared: Shared, arguments: list[str], code: int, sentence: str) -> None:
    done = shared.commands.run(*arguments)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (code, "", 1)
    assert sentence in done.stderr

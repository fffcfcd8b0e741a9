"""Commands that take agents and machines out of service, and put them in again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cli.commands import Commands, launch, subscribe
from tests.cli.conftest import WRITING
from tests.conformance.cluster import Cluster, wait_until
from tests.conformance.scenario import Framework
from tests.scheduler.real import running_cluster


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running_cluster(tmp_path_factory.mktemp("cli"), agents=2) as cluster:
        yield cluster


@pytest.fixture
def framework(cluster: Cluster) -> Iterator[Framework]:
    framework = subscribe(cluster, "working")
    yield framework
    framework.stream.close()


def states(commands: Commands) -> dict[str, str]:
    return {entry["id"]: entry["state"] for entry in commands.json("agent", "list")}


def is_drained(cluster: Cluster) -> bool:
    agents = cluster.operator({"type": "GET_AGENTS"})["get_agents"]["agents"]
    return any(agent.get("drain_info", {}).get("state") == "DRAINED" for agent in agents)


def test_an_agent_is_drained_and_put_in_service_again(cluster: Cluster, framework: Framework) -> None:
    commands = Commands(cluster)
    first, second = (cluster.agent_id(agent) for agent in cluster.agents)
    launch(framework, first, "d", WRITING, working="run")
    assert framework.wait_states(("working", "TASK_RUNNING"))
    told = commands.text("agent", "drain", "S0", "--grace=1secs")
    assert told == f"Draining agent {first}.\n"
    assert framework.wait_states(("working", "TASK_KILLED"))
    (status,) = (
        event["update"]["status"]
        for event in framework.stream.events
        if event["type"] == "UPDATE" and event["update"]["status"]["state"] == "TASK_KILLED"
    )
    assert status["reason"] == "REASON_AGENT_DRAINING"
    wait_until(lambda: is_drained(cluster), "the agent is drained")
    assert states(commands) == {first: "drained", second: "active"}
    start = len(framework.stream.events)
    assert commands.text("agent", "reactivate", "S0") == f"Agent {first} is in service again.\n"
    assert framework.wait(lambda: bool(framework.offers(first, start)))
    refused = commands.run("agent", "reactivate", "S0")
    assert (refused.returncode, refused.stderr) == (1, "tepui: Agent is not deactivated\n")
    assert commands.text("agent", "deactivate", "S0") == f"Deactivated agent {first}.\n"
    told = commands.text("agent", "drain", "S0", "--wait")
    assert told == f"Draining agent {first}.\nAgent {first} is drained.\n"
    assert is_drained(cluster)


def test_an_agent_is_gone_and_its_machine_is_taken_down_and_brought_up(cluster: Cluster, framework: Framework) -> None:
    commands = Commands(cluster)
    first = cluster.agent_id(cluster.agents[0])
    told = commands.text("agent", "drain", "S0", "--mark-gone", "--wait")
    assert told == f"Draining agent {first}.\nAgent {first} is gone.\n"
    assert cluster.agents[0].server.wait() == 1
    assert states(commands)[first] == "gone"
    assert commands.text("agent", "gone", "S0") == f"Marked agent {first} gone.\n"

    # Both agents are on one machine, which is taken down with the one that is left.
    second = cluster.agent_id(cluster.agents[1])
    assert framework.wait(lambda: bool(framework.offers(second)))
    told = commands.text("maintenance", "schedule", "S1", "spare@10.9.9.9", "--start=2hrs", "--duration=90mins")
    assert told.startswith("Scheduled ")
    found = framework.stream.find(lambda event: event["type"] == "INVERSE_OFFERS", timeout_seconds=15)
    assert found is not None
    rows = commands.table("maintenance", "status")
    assert [(row["MODE"], row["FOR"], row["AGENTS"]) for row in rows] == [
        ("DRAINING", "90mins", "S1"),
        ("DRAINING", "90mins", ""),
    ]
    refused = commands.run("maintenance", "stop", "S1")
    assert (refused.returncode, refused.stderr.count("is not in DOWN mode")) == (1, 1)
    assert commands.text("maintenance", "clear", "spare@10.9.9.9") == "Cleared spare@10.9.9.9.\n"
    commands.text("maintenance", "start", "S1")
    assert cluster.agents[1].server.wait() == 1
    (machine,) = commands.json("maintenance", "status")
    assert machine["mode"] == "DOWN"
    name = f"{machine['hostname']}@{machine['ip']}"
    assert commands.text("maintenance", "stop", name) == f"Brought {name} up.\n"
    assert commands.json("maintenance", "status") == []
    unknown = commands.run("maintenance", "schedule", "nowhere")
    assert unknown.returncode == 3, unknown

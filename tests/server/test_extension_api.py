"""/api/tepui/v1 on the wire: methods, paths and bodies that it takes, on master and agent."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.conformance.client import Address, call, get_json, make_request
from tests.conformance.cluster import Cluster
from tests.scheduler.real import running_cluster

KILL = "/api/tepui/v1/kill"
JSON = [("Content-Type", "application/json")]
NAMES = json.dumps({"framework_id": "f", "task_id": "t"}).encode()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running_cluster(tmp_path_factory.mktemp("extensions")) as cluster:
        yield cluster


@pytest.fixture(params=["master", "agent"])
def address(request: pytest.FixtureRequest, cluster: Cluster) -> Address:
    return cluster.master_address if request.param == "master" else cluster.agents[0].address


def test_stories_are_told_by_both(address: Address) -> None:
    assert get_json(address, "/api/tepui/v1/story?framework_id=nobody")["records"] == []
    refused = call(address, make_request("GET", "/api/tepui/v1/story"))
    assert (refused.status, refused.body.split(b" in ")[1]) == (400, b"query.")


def test_agents_are_told_from_their_first_record(cluster: Cluster) -> None:
    agent_id = cluster.agent_id(cluster.agents[0])
    (record, *_) = get_json(cluster.master_address, f"/api/tepui/v1/story?agent_id={agent_id}")["records"]
    assert (record["what"], record["facts"]) == ("AgentAdded", {"agent_id": agent_id})


@pytest.mark.parametrize(
    ("method", "target", "headers", "body", "status"),
    [
        ("POST", "/api/tepui/v1/story", JSON, b"{}", 405),
        ("GET", "/api/tepui/v1/story/more", [], None, 404),
        ("GET", "/api/tepui/v1/nothing", [], None, 404),
    ],
)
def test_other_paths_and_methods_are_refused(
    address: Address, method: str, target: str, headers: list[tuple[str, str]], body: bytes | None, status: int
) -> None:
    assert call(address, make_request(method, target, headers, body)).status == status


@pytest.mark.parametrize(
    ("headers", "body", "status", "sentence"),
    [
        (JSON, NAMES, 400, "Framework f is not running."),
        ([("Content-Type", "application/json; charset=utf-8")], NAMES, 400, "Framework f is not running."),
        # What a page of another site can make a browser send is never obeyed.
        ([("Content-Type", "text/plain")], NAMES, 415, "Expecting 'Content-Type' of application/json"),
        ([("Content-Type", "application/x-www-form-urlencoded")], NAMES, 415, "Expecting 'Content-Type' of "),
        ([], NAMES, 415, "Expecting 'Content-Type' of "),
        (JSON, b"", 400, "Failed to parse body into JSON: "),
        (JSON, b"[]", 400, "Failed to parse body into JSON: "),
        (JSON, b'{"framework_id": 1}', 400, "Failed to parse body into JSON: "),
        (JSON, b'{"framework_id": "\xff"}', 400, "Failed to parse body into JSON: "),
        (JSON, b"{}", 400, "Expecting 'framework_id' and 'task_id'."),
    ],
)
def test_a_kill_is_json_that_names_the_task(
    cluster: Cluster, headers: list[tuple[str, str]], body: bytes, status: int, sentence: str
) -> None:
    answer = call(cluster.master_address, make_request("POST", KILL, headers, body))
    assert answer.status == status
    assert answer.body.decode().startswith(sentence), answer

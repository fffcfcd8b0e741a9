"""`tepui status` of masters that do not lead: their own counters and flags say nothing of the cluster."""

from __future__ import annotations

import json

from tests.cli.commands import tepui
from tests.cli.test_client import HOST, answer, server

METRICS = {"master/elected": 1.0, "master/slaves_active": 2.0, "master/tasks_running": 5.0, "master/cpus_total": 8.0}
OF_A_STANDBY = {"master/elected": 0.0}


def shown(value: object, *headers: str) -> bytes:
    return answer("200 OK", json.dumps(value).encode(), *headers)


def master_at(port: int) -> dict[str, object]:
    info = {"id": "m", "ip": 0, "port": port, "address": {"ip": HOST, "port": port}}
    return {"type": "GET_MASTER", "get_master": {"master_info": info, "elected_time": 1.0}}


def test_the_leader_to_whom_a_standby_sends_us_is_asked_for_its_counters() -> None:
    leading = shown(master_at(5)), shown({"flags": {"cluster": "attic"}}), shown(METRICS)
    with server(*leading) as (leader, _):
        moved = answer("307 Temporary Redirect", b"", f"Location: //{leader[0]}:{leader[1]}")
        with server(moved) as (standby, _):
            done = tepui("status", f"--master={HOST}:{standby[1]}", "-o", "json")
    assert done.returncode == 0, done.stderr
    status = json.loads(done.stdout)
    assert (status["cluster"], status["master"]["address"]) == ("attic", f"{HOST}:5")
    assert (status["agents"]["active"], status["tasks"]["running"], status["resources"]["cpus"]["total"]) == (2, 5, 8)


def test_a_standby_is_asked_for_its_picture_of_the_leader() -> None:
    age = "Tepui-Age-Seconds: 0.5", "Tepui-Revision: 3.14"
    agents = [
        {"active": True, "resources": {"cpus": 4.0}, "used_resources": {"cpus": 1.0}, "offered_resources": {"cpus": 2}},
        {"active": False, "resources": {"cpus": 2.0}, "used_resources": {}, "offered_resources": {}},
    ]
    known = {"agents": agents, "unreachable_agents": [{"id": "S9", "since": 1.0}]}
    summary = {"frameworks": [{"connected": True, "TASK_RUNNING": 3}, {"connected": False, "TASK_FAILED": 1}]}
    answers = (
        shown(master_at(5), *age),
        shown({"flags": {"cluster": "attic"}}),
        shown(OF_A_STANDBY),
        shown(known, *age),
        shown(summary, *age),
        shown({"offers": [{}]}, *age),
    )
    with server(*answers) as (standby, _):
        done = tepui("--stale", "status", f"--master={HOST}:{standby[1]}")
    assert done.returncode == 0, done.stderr
    text = " ".join(done.stdout.split())
    assert text.startswith(f"Cluster attic at {HOST}:5, leads for ")
    assert "Agents 1 active, 1 inactive, 1 unreachable" in text
    assert "Frameworks 1 connected, 1 disconnected, 1 offer held" in text
    assert "Tasks 3 running Ended 0 finished, 1 failed" in text
    assert text.endswith("17 % 1 of 6 used, 2 offered")

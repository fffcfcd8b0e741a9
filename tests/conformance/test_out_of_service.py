"""What operators decide about agents and machines holds when master and agents are killed and start again."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.client import Event, EventStream, call, json_call, operator_call
from tests.conformance.cluster import Agent, Cluster, wait_until
from tests.conformance.conftest import ClusterFactory, show_on_failure
from tests.conformance.scenario import SCHEDULER_PATH, Framework, task_info

MASTER_FLAGS = ("--agent_reregister_timeout=10mins",)
INFO: Event = {
    "user": "root",
    "name": "leaving",
    "roles": ["test"],
    "failover_timeout": 3600,
    "capabilities": [{"type": "MULTI_ROLE"}, {"type": "PARTITION_AWARE"}],
}

pytestmark = [pytest.mark.xdist_group("crashes"), pytest.mark.timeout(120)]


def subscribe(cluster: Cluster, **more: Any) -> Framework:
    message: Event = {"type": "SUBSCRIBE", "subscribe": {"framework_info": {**INFO, **more}}}
    if "id" in more:
        message["framework_id"] = more["id"]
    return Framework(cluster.master_address, EventStream(cluster.master_address, json_call(SCHEDULER_PATH, message)))


def launch(framework: Framework, agent_id: str, task_id: str, command: str, **more: Any) -> None:
    assert framework.wait(lambda: framework.best_offer(agent_id) is not None)
    offer = framework.best_offer(agent_id)
    assert offer is not None
    task = task_info(task_id, agent_id, "test", None, command={"value": command}, **more)
    launched = {"type": "LAUNCH", "launch": {"task_infos": [task]}}
    accept = {"offer_ids": [{"value": framework.take(offer)}], "operations": [launched]}
    assert framework.call("ACCEPT", accept=accept).status == 202


def tell(cluster: Cluster, kind: str, agent_id: str, **more: Any) -> None:
    message = {"type": kind, kind.lower(): {"agent_id": {"value": agent_id}, **more}}
    assert call(cluster.master_address, json_call("/api/v1", message)).status == 200


def shown(cluster: Cluster, agent_id: str) -> Event:
    """What the master says of an admitted agent; nothing when it is none."""
    agents = cluster.operator({"type": "GET_AGENTS"})["get_agents"]["agents"]
    return next((agent for agent in agents if agent["agent_info"]["id"]["value"] == agent_id), {})


def drain_state(cluster: Cluster, agent_id: str) -> str | None:
    state: str | None = shown(cluster, agent_id).get("drain_info", {}).get("state")
    return state


def told_drain(agent: Agent) -> Any:
    """The terms of the drain by the agent's own account; None when it does not drain."""
    return operator_call(agent.address, {"type": "GET_AGENT"})["get_agent"].get("drain_config")


def test_decisions_about_agents_outlive_master_and_agents(
    make_cluster: ClusterFactory, request: pytest.FixtureRequest
) -> None:
    """One agent drains, one is deactivated, one is gone: so they are under the next master, too."""
    cluster = make_cluster(MASTER_FLAGS, is_durable=True)
    show_on_failure(request, "cluster", cluster.logs)
    cluster.start(agents=3)
    draining, deactivated, gone = (cluster.agent_id(agent) for agent in cluster.agents)
    framework = subscribe(cluster)
    launch(framework, draining, "stubborn", "trap '' TERM; while :; do sleep 1; done")
    launch(framework, gone, "doomed", "sleep 1000")
    assert framework.wait_states(("stubborn", "TASK_RUNNING"), ("doomed", "TASK_RUNNING"))
    tell(cluster, "DEACTIVATE_AGENT", deactivated)
    cluster.agents[2].server.kill()
    tell(cluster, "MARK_AGENT_GONE", gone)
    tell(cluster, "DRAIN_AGENT", draining, max_grace_period={"seconds": 2})
    drain = wait_until(lambda: told_drain(cluster.agents[0]), "the agent hears of it")
    assert drain["max_grace_period"] == {"nanoseconds": 2 * 10**9}
    cluster.master.kill()
    framework.stream.close()
    cluster.start_master()
    framework = subscribe(cluster, id={"value": framework.framework_id})
    assert framework.wait_states(("stubborn", "TASK_KILLED")), "its agent kills it, whoever leads"
    status = framework.unacknowledged.get("stubborn") or next(
        event["update"]["status"]
        for event in framework.stream.events
        if event["type"] == "UPDATE" and event["update"]["status"]["state"] == "TASK_KILLED"
    )
    assert status["reason"] == "REASON_AGENT_DRAINING"
    wait_until(lambda: drain_state(cluster, draining) == "DRAINED", "the agent is drained")
    wait_until(lambda: shown(cluster, deactivated), "the deactivated agent is back")
    assert (shown(cluster, deactivated)["active"], shown(cluster, deactivated)["deactivated"]) == (False, True)
    assert not framework.offers(deactivated)

    # An agent that is killed and starts again still drains, before and after its master says so.
    before = shown(cluster, draining)["reregistered_time"]
    cluster.agents[0].server.kill()
    cluster.agents[0].server.start()
    wait_until(lambda: told_drain(cluster.agents[0]) == drain, "the agent knows that it drains")
    wait_until(lambda: shown(cluster, draining)["reregistered_time"] != before, "the agent is back")
    assert drain_state(cluster, draining) == "DRAINED"
    tell(cluster, "REACTIVATE_AGENT", draining)
    assert framework.wait(lambda: bool(framework.offers(draining)))

    # Who is gone is told to end when it comes back.
    cluster.agents[2].server.start()
    assert cluster.agents[2].server.wait() == 1
    assert shown(cluster, gone) == {}
    framework.stream.close()

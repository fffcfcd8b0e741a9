"""One cluster for all commands that only look."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.cli.commands import EXECUTOR, Commands, launch, subscribe
from tests.conformance.cluster import OURS, Cluster
from tests.conformance.scenario import Framework

WRITING = f"echo out of $MESOS_EXECUTOR_ID; echo err of $MESOS_EXECUTOR_ID >&2; exec {sys.executable} {EXECUTOR}"


@dataclass
class Busy:
    """Two agents; framework `reports` runs alpha-1, has finished alpha-2 and failed beta on the first of them, and both
    frameworks run a task `twin`; `idle` holds what is left."""

    cluster: Cluster
    commands: Commands
    reports: Framework
    idle: Framework
    agents: list[str]


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Busy]:
    cluster = Cluster(OURS, tmp_path_factory.mktemp("cli"), master_flags=["--cluster=attic"])
    frameworks: list[Framework] = []
    try:
        cluster.start(agents=2)
        agents = [cluster.agent_id(agent) for agent in cluster.agents]
        for name in ("reports", "idle"):
            frameworks.append(subscribe(cluster, name))
            if name == "reports":
                reports = frameworks[0]
                tasks = {"alpha-1": "run", "alpha-2": "finish", "beta": "fail", "twin": "run"}
                launch(reports, agents[0], "writer", WRITING, **tasks)
                assert reports.wait_states(
                    ("alpha-1", "TASK_RUNNING"), ("alpha-2", "TASK_FINISHED"), ("beta", "TASK_FAILED")
                )
                reports.call("SUPPRESS", suppress={})
                decline(reports)
        idle = frameworks[1]
        launch(idle, agents[1], "writer", WRITING, twin="run")
        assert idle.wait_states(("twin", "TASK_RUNNING"))
        assert idle.wait(lambda: bool(idle.best_offer(agents[0])) and bool(idle.best_offer(agents[1])))
        yield Busy(cluster, Commands(cluster), reports, idle, agents)
    finally:
        for framework in frameworks:
            framework.stream.close()
        cluster.stop()


def decline(framework: Framework) -> None:
    """Give back every offer that came."""
    ids = [
        offer["id"]
        for event in framework.stream.events
        if event["type"] == "OFFERS"
        for offer in event["offers"]["offers"]
    ]
    framework.call("DECLINE", decline={"offer_ids": ids, "filters": {"refuse_seconds": 10_000}})

"""Clusters for the black-box tests."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conformance.cluster import REFERENCE, Cluster, missing_reason, target

EXECUTOR_COMMAND = f"exec {sys.executable} {Path(__file__).with_name('executor.py')}"
LOGS = pytest.StashKey[list[tuple[str, Callable[[], str]]]]()
ClusterFactory = Callable[..., Cluster]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """With Apache Mesos as the target these are its tests (make test-reference)."""
    if target() == REFERENCE:
        for item in items:
            if item.path.is_relative_to(Path(__file__).parent):
                item.add_marker(pytest.mark.reference)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Show the logs that a failing test's fixtures registered."""
    report: pytest.TestReport = yield  # type: ignore[assignment]
    if report.when == "call" and report.failed:
        report.sections.extend((name, text()) for name, text in item.stash.get(LOGS, []))
    return report  # type: ignore[return-value]


def show_on_failure(request: pytest.FixtureRequest, name: str, text: Callable[[], str]) -> None:
    """Have `text` shown under `name` when the test that asks fails."""
    request.node.stash.setdefault(LOGS, []).append((name, text))


@pytest.fixture(scope="session")
def executor_command() -> str:
    """The command of the test executor."""
    return EXECUTOR_COMMAND


@pytest.fixture(scope="session")
def make_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterFactory]:
    """Makes clusters that are not started yet; all are stopped at the session's end."""
    kind = target()
    reason = missing_reason(kind)
    clusters: list[Cluster] = []

    def make(
        master_flags: tuple[str, ...] = (), agent_flags: tuple[str, ...] = (), is_durable: bool = False
    ) -> Cluster:
        if reason is not None:
            pytest.skip(reason)
        directory = tmp_path_factory.mktemp("cluster")
        cluster = Cluster(kind, directory, master_flags, agent_flags, is_durable)
        clusters.append(cluster)
        return cluster

    yield make
    for cluster in clusters:
        cluster.stop()


@pytest.fixture
def fresh_cluster(make_cluster: ClusterFactory, request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A cluster of one test, which may disturb it; its logs are shown when the test fails."""
    cluster = make_cluster()
    show_on_failure(request, "cluster", cluster.logs)
    yield cluster
    cluster.stop()


@pytest.fixture(scope="session")
def shared_cluster(make_cluster: ClusterFactory) -> Cluster:
    """A master and one agent for tests that leave no trace."""
    cluster = make_cluster()
    cluster.start(agents=1)
    return cluster

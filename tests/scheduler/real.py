"""Clusters of ours for tests of the libraries."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.conformance.cluster import OURS, Cluster


@contextlib.contextmanager
def running_cluster(
    directory: Path,
    agents: int = 1,
    master_flags: Sequence[str] = (),
    agent_flags: Sequence[str] = (),
) -> Iterator[Cluster]:
    """A master and agents as processes, ended at the end; a failure shows their logs."""
    cluster = Cluster(OURS, directory, tuple(master_flags), tuple(agent_flags))
    try:
        cluster.start(agents)
        yield cluster
    except BaseException as error:
        error.add_note(cluster.logs() if cluster.agents else "the cluster did not start")
        raise
    finally:
        cluster.stop()


def masters_of(cluster: Cluster) -> str:
    """The master's address as the libraries take it."""
    host, port = cluster.master_address
    return f"{host}:{port}"

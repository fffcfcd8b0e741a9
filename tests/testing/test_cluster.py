"""A cluster for tests begins whole, leaves nothing, and says what went wrong."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tepui.testing import ClusterError, LocalCluster
from tests.conformance.cluster import processes_of

pytestmark = pytest.mark.xdist_group("libraries")


def test_a_cluster_runs_commands_and_ends(tmp_path: Path) -> None:
    flags = {"resources": "cpus:2;mem:512", "agent_flags": {"attributes": "rack:a"}, "directory": tmp_path / "cluster"}
    with LocalCluster(agents=2, **flags) as cluster:  # type: ignore[arg-type] # one of each type
        tepui = [sys.executable, "-m", "tepui", f"--master={cluster.master}"]
        done = subprocess.run([*tepui, "run", "echo hello"], capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, done.stdout) == (0, "hello\n")
        agents = subprocess.run([*tepui, "agent", "list", "-o", "json"], capture_output=True, timeout=60, check=True)
        assert agents.stdout.count(b'"rack"') == 2
        assert "a master at" not in cluster.logs()
        assert "--- " in cluster.logs()
    assert not processes_of(tmp_path / "cluster")
    with pytest.raises(ClusterError, match="used once"):
        cluster.__enter__()


def test_an_exception_gets_the_logs() -> None:
    cluster = LocalCluster(agents=0)
    with pytest.raises(ZeroDivisionError) as caught, cluster:
        _ = 1 / len(cluster.master[:0])
    assert any("--- " in note for note in caught.value.__notes__)
    assert not cluster.directory.exists()


def test_a_cluster_that_does_not_start_says_why() -> None:
    cluster = LocalCluster(master_flags={"offer_timeout": "soon"})
    with pytest.raises(ClusterError, match=r"(?s)The cluster did not start: it ended\..*soon"):
        cluster.__enter__()
    with pytest.raises(ClusterError, match="Enter the cluster first"):
        _ = LocalCluster().master

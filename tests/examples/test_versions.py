"""Two versions of one framework on one agent at the same time, each with its own code, environment and interpreter."""

from __future__ import annotations

import os
import shutil
import site
import subprocess
import sys
import venv
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

import tepui
from tests.conformance.cluster import Cluster, wait_until
from tests.examples.test_examples import EXAMPLES
from tests.scheduler.real import masters_of, running_cluster

pytestmark = pytest.mark.xdist_group("examples")
VERSIONS = EXAMPLES / "versions"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running_cluster(tmp_path_factory.mktemp("versions")) as cluster:
        yield cluster


def install(package: Path, directory: Path) -> tuple[Path, Path]:
    """A virtual environment with this version of the package, as an installer would leave it; its interpreter, and
    where the package is."""
    venv.create(directory, with_pip=False)
    packages = next(directory.glob("lib/python*/site-packages"))
    shutil.copytree(package, packages / package.name)
    ours = [*site.getsitepackages(), str(Path(tepui.__file__).parents[1])]
    (packages / "tepui-and-its-libraries.pth").write_text("\n".join(ours))
    return directory / "bin" / "python", packages / package.name


def start(python: Path, cluster: Cluster, *arguments: str, **variables: str) -> subprocess.Popen[str]:
    command = [str(python), "-m", "tally.framework", masters_of(cluster), *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, **variables})


def test_each_version_runs_its_own_code(cluster: Cluster, tmp_path: Path) -> None:
    """The first version is found by PYTHONPATH, the second is installed in a virtual environment. Their input is pipes,
    so both executors are in the middle of a task when the words come."""
    python2, package2 = install(VERSIONS / "v2" / "tally", tmp_path / "environment")
    pipes = [tmp_path / "first", tmp_path / "second"]
    for pipe in pipes:
        os.mkfifo(pipe)
    frameworks = [
        start(Path(sys.executable), cluster, str(pipes[0]), PYTHONPATH=str(VERSIONS / "v1")),
        start(python2, cluster, "3", str(pipes[1])),
    ]
    try:
        writers = [wait_until(partial(open_writer, pipe), f"somebody reads {pipe.name}") for pipe in pipes]
        tasks = cluster.operator({"type": "GET_STATE"})["get_state"]["get_tasks"]["tasks"]
        assert {task["executor_id"]["value"] for task in tasks} == {"tally"}, "ids are each framework's own"
        assert len({task["agent_id"]["value"] for task in tasks}) == 1
        for writer in writers:
            os.write(writer, b"so SO many words, many Words,")
            os.close(writer)
        outputs = [framework.communicate(timeout=60)[0] for framework in frameworks]
    finally:
        for framework in frameworks:
            framework.kill()
            framework.wait()
    assert outputs == [
        f"6 words, counted by tally 1.0 in {VERSIONS / 'v1' / 'tally'}\n",
        f"4 words, 2 different, counted by tally 2.0 in {package2}\n",
    ]
    assert [framework.returncode for framework in frameworks] == [0, 0]


def open_writer(pipe: Path) -> int | None:
    """The pipe's other end, once somebody reads it; an OSError until then."""
    return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)

"""A real ZooKeeper for tests: Debian's package, in a folder of its own, without an init system.

`zookeeper_classes()` finds the package's Java classes in the system or in the cache, or downloads them there with
`apt-get download`; where that is impossible the test is skipped, with the reason. One `ZooKeeperServer` serves a whole
test session: the tests of it are in one xdist group, and each uses a path of its own.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.cluster import free_port, wait_until

HOST = "127.0.0.1"
PACKAGES = (
    "libdropwizard-metrics-java",
    "libnetty-java",
    "libslf4j-java",
    "libsnappy-java",
    "libzookeeper-java",
)
JARS = ("zookeeper", "zookeeper-jute", "slf4j-api", "slf4j-nop", "netty-all", "metrics-core", "snappy-java")
CACHE = Path(__file__).resolve().parents[1] / ".cache" / "zookeeper"
DOWNLOAD_SECONDS_MAX = 30
START_SECONDS_MAX = 40
TICK_MILLISECONDS = 200
"""The servers' sessions last at least two of these."""

_PR_SET_PDEATHSIG = 1

GROUP = pytest.mark.xdist_group("zookeeper")


def zookeeper_classes() -> str:
    """The class path. Skips the test when there is no Java or no package to be had."""
    if shutil.which("java") is None:
        pytest.skip("ZooKeeper needs Java: apt-get install default-jre-headless")
    for root in (Path("/usr/share/java"), CACHE / "usr/share/java"):
        if (root / "zookeeper.jar").exists():
            return _class_path(root)
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        pytest.skip("ZooKeeper's Java classes are missing, and there is no apt-get to fetch Debian's package")
    CACHE.parent.mkdir(exist_ok=True)
    with CACHE.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not CACHE.exists():
            _download()
    return _class_path(CACHE / "usr/share/java")


def _class_path(root: Path) -> str:
    return ":".join(str(root / f"{jar}.jar") for jar in JARS)


def _download() -> None:
    quickly = ["-o", "Acquire::Retries=0", "-o", "Acquire::http::Timeout=5", "-o", "Acquire::https::Timeout=5"]
    with tempfile.TemporaryDirectory(dir=CACHE.parent) as text:
        scratch = Path(text)
        try:
            subprocess.run(
                ["apt-get", "-qq", *quickly, "download", *PACKAGES],
                cwd=scratch,
                check=True,
                capture_output=True,
                timeout=DOWNLOAD_SECONDS_MAX,
            )
            for package in scratch.glob("*.deb"):
                subprocess.run(["dpkg", "-x", package.name, "files"], cwd=scratch, check=True, capture_output=True)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            why = (error.stderr or b"no answer in time").decode(errors="replace").strip()[-200:]
            pytest.skip(f"ZooKeeper's package could not be fetched with apt-get download: {why}")
        (scratch / "files").rename(CACHE)


def _die_with_parent() -> None:
    """A test session that is killed leaves no server."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class ZooKeeperServer:
    """One server alone. `url()` names a path in it that nobody else uses."""

    def __init__(self, folder: Path) -> None:
        self._classes = zookeeper_classes()
        self._folder = folder
        self.port = free_port()
        folder.mkdir(parents=True)
        (folder / "zoo.cfg").write_text(
            f"tickTime={TICK_MILLISECONDS}\ndataDir={folder}/data\nclientPort={self.port}\nclientPortAddress={HOST}\n"
            "admin.enableServer=false\nmaxClientCnxns=0\nmaxSessionTimeout=60000\n"
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                ["java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
                 "-Dzookeeper.forceSync=no",  # what is killed here is a process, never the machine
                 "-cp", self._classes,
                 "org.apache.zookeeper.server.quorum.QuorumPeerMain", str(self._folder / "zoo.cfg")],
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )  # fmt: skip
        wait_until(self._answers, "ZooKeeper listens", START_SECONDS_MAX)

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self._folder / "log").read_text()[-2000:]
        with socket.socket() as probe:
            return probe.connect_ex((HOST, self.port)) == 0

    def kill(self) -> None:
        if self._process is not None:
            if self._process.poll() is None:
                os.kill(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def url(self, credentials: str = "") -> str:
        """A new path."""
        return f"zk://{credentials}{HOST}:{self.port}/{uuid.uuid4().hex[:8]}"


@pytest.fixture(scope="session")
def zookeeper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ZooKeeperServer]:
    server = ZooKeeperServer(tmp_path_factory.mktemp("zookeeper") / "server")
    try:
        server.start()
        yield server
    finally:
        server.kill()

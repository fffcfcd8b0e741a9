"""A whole cluster for a test: a master and agents as processes of this machine."""

from __future__ import annotations

import contextlib
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

START_SECONDS_MAX = 60.0
STOP_SECONDS_MAX = 20.0
LOG_BYTES_SHOWN = 4000


class ClusterError(Exception):
    """The cluster did not start, or ended too early; the text has what it said."""


class LocalCluster:
    """`tepui local` as a context manager: ready when the block begins, gone with all its tasks when it ends.

        with LocalCluster(agents=2) as cluster:
            subprocess.run([sys.executable, "my_framework.py", cluster.master])

    Each agent has `resources`, whatever the machine has. Flags are those of `tepui serve`, by name. Files stay in
    `directory` when one is given. Raises ClusterError.
    """

    def __init__(
        self,
        agents: int = 1,
        *,
        resources: str = "cpus:4;mem:4096;disk:10000;ports:[31000-32000]",
        master_flags: Mapping[str, str] | None = None,
        agent_flags: Mapping[str, str] | None = None,
        directory: Path | None = None,
    ) -> None:
        self._options = [f"--agents={agents}", "--port=0", f"--resources={resources}"]
        self._options += [f"--master-flag={name}={value}" for name, value in (master_flags or {}).items()]
        self._options += [f"--agent-flag={name}={value}" for name, value in (agent_flags or {}).items()]
        self._kept = directory
        self._cleanup = contextlib.ExitStack()
        self._process: subprocess.Popen[bytes] | None = None
        self._directory: Path | None = None
        self._master: str | None = None

    @property
    def master(self) -> str:
        """`host:port`, as `Scheduler` and `--master` take it."""
        if self._master is None:
            raise ClusterError("Enter the cluster first: with LocalCluster() as cluster")
        return self._master

    @property
    def directory(self) -> Path:
        """Logs and sandboxes."""
        if self._directory is None:
            raise ClusterError("Enter the cluster first: with LocalCluster() as cluster")
        return self._directory

    def __enter__(self) -> LocalCluster:
        if self._process is not None:
            raise ClusterError("A LocalCluster is used once; make another")
        with self._cleanup:
            directory = self._kept
            if directory is None:
                directory = Path(self._cleanup.enter_context(tempfile.TemporaryDirectory(prefix="tepui-cluster-")))
            directory.mkdir(parents=True, exist_ok=True)
            self._directory = directory
            log = self._cleanup.enter_context((directory / "local.log").open("wb"))
            command = [sys.executable, "-m", "tepui", "local", f"--work-dir={directory}", *self._options]
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, start_new_session=True
            )
            self._cleanup.callback(self._stop)
            self._master = self._wait_ready(self._process)
            self._cleanup = self._cleanup.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None and self._directory is not None:
            error.add_note(self.logs())
        self._cleanup.close()

    def logs(self) -> str:
        """The ends of all logs: added to an exception that leaves the block."""
        parts = []
        for path in sorted(self.directory.rglob("*.log")):
            data = path.read_bytes()[-LOG_BYTES_SHOWN:].decode("utf-8", "replace")
            parts.append(f"--- {path.relative_to(self.directory)}\n{data}")
        return "\n".join(parts)

    def _wait_ready(self, process: subprocess.Popen[bytes]) -> str:
        assert process.stdout is not None
        deadline = time.monotonic() + START_SECONDS_MAX
        said = b""
        while b"\n" not in said:
            readable, _, _ = select.select([process.stdout], [], [], max(0.0, deadline - time.monotonic()))
            data = process.stdout.read1() if readable else b""  # type: ignore[attr-defined] # it is buffered
            if not data:
                why = "it took too long" if not readable else "it ended"
                raise ClusterError(f"The cluster did not start: {why}.\n{self.logs()}")
            said += data
        found = re.search(rb"a master at (\S+) and", said)
        if found is None:
            raise ClusterError(f"The cluster did not say where it is, but: {said.decode(errors='replace')}")
        return found[1].decode()

    def _stop(self) -> None:
        process = self._process
        assert process is not None
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        finally:
            assert process.stdout is not None
            process.stdout.close()

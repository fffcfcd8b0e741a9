"""The demonstration's cluster: a process of its own that starts master and agents and ends them.

It is forked before anything else happens, and lives in a session of its own. It holds one end of a pipe: when the
other end closes, by intent or because the demonstration was killed, it ends the servers with all that runs on them,
removes the folder, and ends itself. Told to stay, it does so when a signal asks for it.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import sys
import traceback
from pathlib import Path
from typing import Any, NoReturn

from click import ClickException

from tepui.cli.demo.plan import AGENTS, CPUS_PER_AGENT, MEM_PER_AGENT
from tepui.cli.errors import RefusedError
from tepui.cli.servers import HOST, LocalServers, StopError, split_resources

START_SECONDS_MAX = 60.0
_STAY = b"s"
MESSAGE_CHARACTERS_MAX = 1000
_MESSAGE_BYTES_MAX = 65536


class DemoCluster:
    """The cluster's process, seen from outside. Its folder exists, and belongs to it from now on."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.address = ""
        """HOST:PORT of the master, once it is ready."""
        self.pids: dict[str, int] = {}
        """The process of each server, and of their `keeper`."""
        held, self._hold = os.pipe()
        self.told, tell = os.pipe()
        """Can be read when the cluster has something to say."""
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._hold)
            os.close(self.told)
            _keep(folder, held, tell)
        os.close(held)
        os.close(tell)
        self.process = os.pidfd_open(self.pid)
        """Can be read when the cluster has ended."""
        self._stays = False
        """Whether there is nothing to end any more."""

    def wait_ready(self) -> None:
        """Wait until all agents are registered. Raises RefusedError when that does not happen."""
        ready, _, _ = select.select([self.told, self.process], [], [], START_SECONDS_MAX)
        found = self._read() if self.told in ready else {}
        if "address" not in found:
            raise RefusedError(found.get("error") or "The cluster did not start.")
        self.address = found["address"]
        self.pids = {"keeper": self.pid, **found["pids"]}

    def last_words(self) -> str:
        """Why the cluster has ended by itself, as a sentence."""
        error: str | None = self._read().get("error")
        return error or "The cluster has ended before its time."

    def stay(self) -> None:
        """Have the cluster stay until a signal ends it."""
        os.write(self._hold, _STAY)
        self._let_go()
        self._stays = True

    def begin_end(self) -> None:
        """Have the cluster end itself; what is in its folder cannot be used any more. `end` waits for it."""
        self._let_go()

    def end(self) -> None:
        """End the cluster, unless it is to stay, and wait until nothing of it is left."""
        if self._stays:
            return
        self._let_go()
        os.waitpid(self.pid, 0)
        shutil.rmtree(self.folder, ignore_errors=True)  # should the keeper have been killed
        self._stays = True

    def _let_go(self) -> None:
        hold, self._hold = self._hold, -1
        if hold >= 0:
            os.close(hold)

    def _read(self) -> dict[str, Any]:
        """What the keeper has said; empty when it has said nothing."""
        if not select.select([self.told], [], [], 0)[0]:
            return {}
        found: dict[str, Any] = json.loads(os.read(self.told, _MESSAGE_BYTES_MAX) or b"{}")
        return found


def _keep(folder: Path, held: int, tell: int) -> NoReturn:
    """The life of the cluster's process."""
    code = 1
    try:
        os.setsid()
        _redirect(folder / "keeper.log")
        servers = LocalServers(folder)
        try:
            _serve(servers, folder, held, tell)
            code = 0
        except StopError:
            code = 0
        except Exception as error:
            message = (
                error.format_message() if isinstance(error, ClickException) else f"{type(error).__name__}: {error}."
            )
            os.write(tell, json.dumps({"error": message[:MESSAGE_CHARACTERS_MAX]}).encode())
        finally:
            servers.stop()
            shutil.rmtree(folder, ignore_errors=True)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def _serve(servers: LocalServers, folder: Path, held: int, tell: int) -> None:
    own = {"ip": HOST, "port": "0", "hostname_lookup": "false"}
    address = servers.start_master({**own, "cluster": "demo"})
    for number, name in enumerate(AGENTS):
        resources = f"cpus:{CPUS_PER_AGENT};mem:{MEM_PER_AGENT}"
        flags = {
            "hostname": name,
            "master": address,
            "switch_user": "false",  # tasks run as who runs this, also where that has no name
            "registration_backoff_factor": "10ms",
            "resources": split_resources(folder, len(AGENTS), number, resources),
        }
        servers.start_agent(number + 1, {**own, **flags})
    servers.wait_ready(address, len(AGENTS))
    os.write(tell, json.dumps({"address": address, "pids": servers.pids}).encode())
    servers.watch(held)
    if os.read(held, 1) == _STAY:
        servers.watch()


def _redirect(log: Path) -> None:
    """Nobody waits for this process by what it has open."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    written = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for descriptor, target in ((nothing, 0), (written, 1), (written, 2)):
        os.dup2(descriptor, target)

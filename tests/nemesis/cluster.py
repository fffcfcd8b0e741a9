"""Three ZooKeeper servers, three masters, five agents and three schedulers as processes, each on its machine, all to be
broken."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from pathlib import Path

from tests.conformance.cluster import Server, processes_of
from tests.nemesis.network import Network
from tests.zookeeper import zookeeper_classes

ZOOKEEPERS, MASTERS, AGENTS, SCHEDULERS = 3, 3, 5, 3
SESSION_TIMEOUT = "2secs"
AGENT_RESOURCES = "cpus:2;mem:512;disk:100;ports:[31000-31100]"


class Machine:
    """One server process, which the nemesis holds down, stops and lets go on. It is started again when it ends."""

    def __init__(self, name: str, server: Server, address: tuple[str, int]) -> None:
        self.name = name
        self.server = server
        self.address = address
        self.down = False
        self.paused = False
        self.leaving = False
        """It is to end by itself, and not to be started again before that."""

    def start(self) -> None:
        self.down = self.paused = False
        self.server.start()

    def kill(self) -> None:
        """kill -9, not to be started again before `start`."""
        self.down, self.paused = True, False
        self.server.kill()

    def pause(self) -> None:
        self.paused = True
        self.server.signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self.paused = False
        self.server.signal(signal.SIGCONT)


class Cluster:
    """See the module. `directory` holds everything; `work/<agent>` are the agents' folders."""

    def __init__(self, directory: Path, network: Network, seed: int) -> None:
        self.directory = directory
        self.network = network
        self._seed = seed
        self.restarts = 0
        """How often a server ended by itself and was started again: masters that lose the lead do."""
        ports: dict[int, tuple[str, int, int, int]] = {}
        for number in range(1, ZOOKEEPERS + 1):
            address = network.add(f"z{number}")
            ports[number] = (address, network.port(2181), network.port(2888), network.port(3888))
        self.zookeepers = [self._zookeeper(number, ports) for number in ports]
        servers = ",".join(f"{address}:{port}" for address, port, _, _ in ports.values())
        self.url = f"zk://{servers}/mesos"
        self.masters = [self._master(f"m{number}") for number in range(1, MASTERS + 1)]
        self.agents = [self._agent(f"a{number}") for number in range(1, AGENTS + 1)]
        self.schedulers = [self._scheduler(f"f{number}") for number in range(1, SCHEDULERS + 1)]

    def _zookeeper(self, number: int, ports: dict[int, tuple[str, int, int, int]]) -> Machine:
        name = f"z{number}"
        folder = self.directory / name
        folder.mkdir(parents=True)
        address, port, _, _ = ports[number]
        members = "".join(
            f"server.{other}={where}:{peers}:{election}\n" for other, (where, _, peers, election) in ports.items()
        )
        (folder / "zoo.cfg").write_text(
            f"tickTime=300\ninitLimit=20\nsyncLimit=10\ndataDir={folder}/data\nclientPort={port}\n"
            f"clientPortAddress={address}\nadmin.enableServer=false\nmaxClientCnxns=0\nsnapCount=1000000\n"
            f"quorumListenOnAllIPs=false\nautopurge.purgeInterval=0\n{members}"
        )
        (folder / "data").mkdir()
        (folder / "data" / "myid").write_text(f"{number}\n")
        command = [
            "java", "-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dzookeeper.preAllocSize=1024",
            "-cp", zookeeper_classes(), "org.apache.zookeeper.server.quorum.QuorumPeerMain", f"{folder}/zoo.cfg",
        ]  # fmt: skip
        return self._machine(name, command, (address, port))

    def _master(self, name: str) -> Machine:
        address = self.network.add(name)
        port = self.network.port(5050)
        command = [
            sys.executable, "-m", "tepui", "serve", "master", f"--ip={address}", f"--hostname={address}",
            f"--port={port}", f"--work_dir={self.directory}/{name}", f"--zk={self.url}", "--quorum=2",
            f"--zk_session_timeout={SESSION_TIMEOUT}", "--agent_ping_timeout=2secs", "--max_agent_ping_timeouts=4",
            "--registry_fetch_timeout=10secs", "--agent_reregister_timeout=10mins",
        ]  # fmt: skip
        return self._machine(name, command, (address, port))

    def _agent(self, name: str) -> Machine:
        address = self.network.add(name)
        port = self.network.port(5051)
        command = [
            sys.executable, "-m", "tepui", "serve", "agent", f"--ip={address}", f"--hostname={name}", f"--port={port}",
            f"--work_dir={self.directory}/work/{name}", f"--master={self.url}", "--registration_backoff_factor=300ms",
            f"--resources={AGENT_RESOURCES}",
        ]  # fmt: skip
        return self._machine(name, command, (address, port))

    def _scheduler(self, name: str) -> Machine:
        command = [
            sys.executable, "-m", "tests.nemesis.framework", f"--name={name}", f"--masters={self.url}",
            f"--directory={self.directory}/", f"--seed={self._seed}",
        ]  # fmt: skip
        return self._machine(name, command, (self.network.add(name), 0))

    def _machine(self, name: str, command: list[str], address: tuple[str, int]) -> Machine:
        server = Server(name, self.network.command(name, command), self.directory / f"{name}.log")
        return Machine(name, server, address)

    @property
    def servers(self) -> list[Machine]:
        return [*self.zookeepers, *self.masters, *self.agents]

    @property
    def machines(self) -> list[Machine]:
        return [*self.servers, *self.schedulers]

    def start_servers(self) -> None:
        (self.directory / "work").mkdir()
        for machine in self.servers:
            machine.start()

    def start_schedulers(self) -> None:
        for machine in self.schedulers:
            machine.start()

    def keep(self) -> None:
        """Start again what ended by itself, as an init system does."""
        for machine in self.machines:
            if not machine.down and not machine.leaving and machine.server.has_ended:
                machine.server.wait()
                self.restarts += 1
                machine.start()

    def mend(self) -> None:
        """No more faults: all machines run and reach each other."""
        self.network.heal()
        for machine in self.machines:
            if machine.paused:
                machine.go_on()
            if machine.down:
                machine.start()

    def stop(self) -> None:
        for machine in self.machines:
            if machine.server.is_running:
                machine.kill()
        deadline = time.monotonic() + 10
        while (left := processes_of(self.directory)) and time.monotonic() < deadline:
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)
        self.network.close()

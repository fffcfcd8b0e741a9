"""`tepui local`: a master and agents on this machine as children of one command, which leaves nothing behind."""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from pathlib import Path

import click

from tepui.cli.servers import HOST, LocalServers, StopError, split_resources
from tepui.model.addresses import MASTER_PORT_DEFAULT
from tepui.server.flags import AGENT_FLAGS, MASTER_FLAGS

AGENTS_MAX = 100


@click.command()
@click.option("--agents", type=click.IntRange(0, AGENTS_MAX), default=1, show_default=True, help="How many agents.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=MASTER_PORT_DEFAULT,
    show_default=True,
    help="The master's port; 0 picks a free one.",
)
@click.option(
    "--resources",
    metavar="TEXT",
    help="What each agent has, such as `cpus:2;mem:1024`. What is left out is this machine's, split evenly; "
    "at least one cpu each.",
)
@click.option(
    "--work-dir",
    "--work_dir",
    metavar="FOLDER",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for logs and sandboxes, which is kept; a temporary one otherwise, which is removed.",
)
@click.option("--cluster", metavar="NAME", default="local", show_default=True, help="Name of the cluster, for people.")
@click.option(
    "--master-flag",
    "master_flags",
    metavar="NAME=VALUE",
    multiple=True,
    help="A flag of `tepui serve master`; may be given several times.",
)
@click.option(
    "--agent-flag",
    "agent_flags",
    metavar="NAME=VALUE",
    multiple=True,
    help="A flag of `tepui serve agent`; may be given several times.",
)
def local(
    agents: int,
    port: int,
    resources: str | None,
    work_dir: Path | None,
    cluster: str,
    master_flags: tuple[str, ...],
    agent_flags: tuple[str, ...],
) -> None:
    """A whole cluster on this machine: a master and agents, until Ctrl-C."""
    started = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="tepui-local-")) if work_dir is None else work_dir.absolute()
    cluster_flags = {"ip": HOST, "port": str(port), "cluster": cluster, "hostname_lookup": "false"}
    servers = LocalServers(folder)
    try:
        _check_flags(master_flags, agent_flags)
        address = servers.start_master({**cluster_flags, **_named(master_flags)})
        for number in range(agents):
            flags = {
                "ip": HOST,
                "port": "0",
                "master": address,
                "hostname_lookup": "false",
                "registration_backoff_factor": "10ms",
                "resources": split_resources(folder, agents, number, resources),
            }
            servers.start_agent(number + 1, {**flags, **_named(agent_flags)})
        servers.wait_ready(address, agents)
        seconds = time.monotonic() - started
        click.echo(_welcome(address, agents, folder, seconds, kept=work_dir is not None))
        sys.stdout.flush()
        servers.watch()
    except StopError:
        click.echo("Ending the cluster.", err=True)
    finally:
        servers.stop()
        if work_dir is None:
            shutil.rmtree(folder, ignore_errors=True)


def _welcome(address: str, agents: int, folder: Path, seconds: float, *, kept: bool) -> str:
    option = "" if address == f"{HOST}:{MASTER_PORT_DEFAULT}" else f" --master={address}"
    noun = "agent" if agents == 1 else "agents"
    return (
        f"The cluster is ready: a master at {address} and {agents} {noun}, after {seconds:.1f} s.\n"
        f"  tepui status{option}\n"
        f"  curl -s http://{address}/state\n"
        f"Logs and sandboxes are in {folder}{'' if kept else ' until the end'}. Ctrl-C ends everything."
    )


def _check_flags(master_flags: tuple[str, ...], agent_flags: tuple[str, ...]) -> None:
    """Refuse flags that no server has, before anything starts."""
    for option, flags, known in (
        ("--master-flag", master_flags, MASTER_FLAGS),
        ("--agent-flag", agent_flags, AGENT_FLAGS),
    ):
        names = {flag.name for flag in known}
        for name in _named(flags):
            if name not in names:
                server = option.removeprefix("--").removesuffix("-flag")
                raise click.UsageError(f"{option} names '{name}'; `tepui serve {server} --help` shows which there are.")


def _named(flags: tuple[str, ...]) -> dict[str, str]:
    """`offer_timeout=1mins` by name; `offer-timeout` is the same."""
    found = (flag.removeprefix("--").partition("=") for flag in flags)
    return {name.replace("-", "_"): value for name, _, value in found}

"""`tepui --stale` with ZooKeeper's address: any master that is listed there may answer, so a leader is not needed."""

from __future__ import annotations

import asyncio
import socket

import pytest

from tepui.model.v1.mesos import Address, MasterInfo
from tepui.transport.leader import LABEL, NoLeaderError, find_masters
from tepui.transport.zookeeper import ZooKeeper
from tepui.transport.zookeeper_url import parse_zookeeper_url
from tepui.wire.json import encode_json
from tests.cli.commands import tepui
from tests.cli.test_client import HOST, answer, server
from tests.conformance.cluster import free_port
from tests.zookeeper import GROUP, ZooKeeperServer

pytestmark = GROUP

AGENTS = b'{"agents":[],"recovered_agents":[],"unreachable_agents":[],"gone_agents":[]}'


def list_masters(url: str, *ports: int) -> None:
    """Make the nodes of masters at these ports, the leader's first, as those of masters that stay for a while."""

    async def make() -> None:
        zookeeper = ZooKeeper(parse_zookeeper_url(url))
        zookeeper.start()
        await zookeeper.connected()
        path, acl = zookeeper.url.path, zookeeper.acl(readable=True)
        await zookeeper.call(zookeeper.client.ensure_path_async, path, acl)
        for port in ports:
            info = MasterInfo(id="m", ip=16777343, port=port, address=Address(ip=HOST, port=port))
            data = encode_json(info)
            await zookeeper.call(zookeeper.client.create_async, f"{path}/{LABEL}", data, acl, sequence=True)
        await zookeeper.close()

    asyncio.run(make())


def test_while_the_leader_is_dead_a_standby_that_has_a_picture_answers(zookeeper: ZooKeeperServer) -> None:
    url = zookeeper.url()
    pictured = answer("200 OK", AGENTS, "Tepui-Age-Seconds: 2.46", "Tepui-Revision: 3.14")
    with socket.create_server((HOST, 0)) as closed:
        dead = closed.getsockname()[1]
    to_the_dead = answer("307 Temporary Redirect", b"", f"Location: //{HOST}:{dead}/api/v1")
    with (
        server(pictured) as ((_, knows), _),
        server(to_the_dead) as ((_, new), _),
        server(answer("503 Service Unavailable", b"No leader elected")) as ((_, newest), _),
    ):
        list_masters(url, dead, knows, new, newest)
        done = tepui("--stale", "agent", "list", f"--master={url}")
    told = f"As the standby at {HOST}:{knows} knew it 2.5 s ago, at revision 3.14.\n"
    assert (done.returncode, done.stderr) == (0, told)
    done = tepui("agent", "list", f"--master={url}")
    assert done.returncode != 0
    assert f"There is no master at {HOST}:{dead}" in done.stderr, "who wants the truth asks the leader"


def test_the_only_master_answers_as_ever_and_where_none_can_the_last_one_says_why(zookeeper: ZooKeeperServer) -> None:
    url = zookeeper.url()
    with server(answer("200 OK", AGENTS), answer("503 Service Unavailable", b"No leader elected")) as ((_, port), got):
        list_masters(url, port)
        done = tepui("--stale", "agent", "list", f"--master={url}")
        assert (done.returncode, done.stderr) == (0, "")
        done = tepui("--stale", "agent", "list", f"--master={url}")
    assert f"The master at {HOST}:{port} cannot answer now: No leader elected" in done.stderr
    assert all(b"Tepui-Allow-Stale: 1" in request for request in got)


def test_where_no_master_is_or_no_zookeeper_a_sentence_says_so(zookeeper: ZooKeeperServer) -> None:
    for url, why in (
        (zookeeper.url(), "ZooKeeper knows of no master at zk://"),
        (f"zk://{HOST}:{free_port()}/mesos", "No server of ZooKeeper answers at"),
    ):
        told = ""
        for timeout_seconds in (0.5, 5.0, 50.0):  # a busy machine may need longer to ask
            with pytest.raises(NoLeaderError) as raised:
                asyncio.run(find_masters(parse_zookeeper_url(url), timeout_seconds))
            told = str(raised.value)
            if told.startswith(why):
                break
        assert told.startswith(why)

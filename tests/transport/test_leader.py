"""Where ZooKeeper is, and who leads by what stands there: the parts that need no ZooKeeper."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tepui.model.addresses import AddressError
from tepui.model.v1.mesos import Address, MasterInfo
from tepui.transport import zookeeper as zookeeper_module
from tepui.transport.leader import LABEL, Leader, LeaderFinder, lowest, read_leader
from tepui.transport.zookeeper import ZooKeeper
from tepui.transport.zookeeper_url import ZooKeeperUrl, parse_zookeeper_url
from tepui.wire.json import encode_json
from tepui.wire.media import MediaType, encode
from tests.zookeeper import GROUP, ZooKeeperServer

INFO = MasterInfo(
    id="m", ip=0x0100007F, port=5050, hostname="one.example", address=Address(hostname="one", ip="10.0.0.1", port=5051)
)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("zk://h:2181/mesos", ZooKeeperUrl(("h:2181",), "/mesos")),
        ("zk://a,b:1,[::1]:2,[::1]/x/y/", ZooKeeperUrl(("a:2181", "b:1", "[::1]:2", "[::1]:2181"), "/x/y")),
        ("zk://u:p@a:1/x", ZooKeeperUrl(("a:1",), "/x", "u", "p")),
        ("zk://u:p%20:@q@a:1/x", ZooKeeperUrl(("a:1",), "/x", "u", "p%20:@q")),
    ],
)
def test_addresses_of_zookeeper(text: str, url: ZooKeeperUrl) -> None:
    assert parse_zookeeper_url(text) == url


@pytest.mark.parametrize(
    "text",
    ["", "h:2181/mesos", "zk://h:2181", "zk://h:2181/", "zk:///mesos", "zk://h:0/m", "zk://h:x/m", "zk://a,,b/m",
     "zk://user@h/m", "zk://::1:2181/m", "zk://[::1/m", "zk://a..b:1/m",
     "zk://host name:1/m", "zk://:p@h/m", "zk://h/a//b", "zk://h/../m"],
)  # fmt: skip
def test_texts_that_are_no_address_of_zookeeper(text: str) -> None:
    with pytest.raises(AddressError, match=r"^expects an address such as zk://"):
        parse_zookeeper_url(text)


def test_an_address_can_stand_in_a_file_and_its_password_is_never_shown(tmp_path: Path) -> None:
    (tmp_path / "zk").write_text("zk://ops:secret@h:1/m\n")
    url = parse_zookeeper_url(f"file://{tmp_path}/zk")
    assert url.password == "secret"
    assert "secret" not in f"{url} {url!r}"
    with pytest.raises(AddressError, match="cannot be read: No such file"):
        parse_zookeeper_url(f"file://{tmp_path}/nothing")


def test_the_lowest_number_leads_whatever_else_is_there() -> None:
    children = ["log_replicas", "tepui", "json.info_0000000010", "json.info_0000000009", "other_0000000001", "info_x"]
    assert lowest(children) == "json.info_0000000009"
    assert lowest([*children, "info_0000000003"]) == "info_0000000003"
    assert lowest(["log_replicas", "tepui", "0000000001"]) is None


def test_a_master_says_where_it_is_in_json_or_in_the_old_way_in_protobuf() -> None:
    node = "json.info_0000000001"
    expected = Leader(node, "one", "10.0.0.1", 5051)
    assert read_leader(node, encode_json(INFO)) == expected
    assert read_leader("info_0000000001", encode(MediaType.PROTOBUF, INFO)) == Leader(
        "info_0000000001", "one", "10.0.0.1", 5051
    )
    old = b'{"id":"m","ip":16777343,"port":5050,"hostname":"h","pid":"master@127.0.0.1:5050","version":"1.11.0"}'
    assert read_leader(node, old) == Leader(node, "h", "127.0.0.1", 5050)
    assert read_leader(node, b"{") is None
    assert read_leader(node, old.replace(b"5050,", b"99999999,")) is None, "nobody could connect to that"
    assert Leader(node, "h", "::1", 5050).host_and_port == "[::1]:5050"


def test_who_gets_no_answer_from_zookeeper_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(zookeeper_module, "UNANSWERED_SECONDS", 0.0)

    async def play() -> None:
        zookeeper = ZooKeeper(parse_zookeeper_url("zk://127.0.0.1:1/mesos"))
        zookeeper.start()
        async with asyncio.timeout(10):
            while "no server of ZooKeeper answers at 127.0.0.1:1 so far" not in caplog.text:
                await asyncio.sleep(0)
        await zookeeper.close()

    asyncio.run(play())


@GROUP
def test_the_next_leader_may_bear_the_name_of_the_last_one_where_the_path_was_made_anew(
    zookeeper: ZooKeeperServer,
) -> None:
    """Numbers begin again then. One transaction does it, so that nobody sees the path empty in between."""

    async def play() -> None:
        url = parse_zookeeper_url(zookeeper.url())
        session = ZooKeeper(url)
        session.start()
        await session.connected()
        client, acl = session.client, session.acl(readable=True)
        await session.call(client.ensure_path_async, url.path, acl)
        told: asyncio.Queue[Leader] = asyncio.Queue()
        finder = LeaderFinder(url, told.put_nowait)
        finder.start()
        seen: list[Leader] = []
        async with asyncio.timeout(20):
            for port in (5051, 5052):
                data = encode_json(MasterInfo(id="m", ip=0x0100007F, port=port))
                transaction = client.transaction()
                for leader in seen:
                    transaction.delete(f"{url.path}/{leader.node}")
                    transaction.delete(url.path)
                    transaction.create(url.path, b"", acl)
                transaction.create(f"{url.path}/{LABEL}", data, acl, sequence=True)
                assert not [
                    each for each in await session.call(transaction.commit_async) if isinstance(each, Exception)
                ]
                seen.append(await told.get())
        await finder.stop()
        await session.close()
        assert [leader.port for leader in seen] == [5051, 5052]
        assert seen[0].node == seen[1].node

    asyncio.run(play())

"""Where an agent looks for its master."""

from __future__ import annotations

from pathlib import Path

import pytest

from tepui.server.flags import FlagError
from tepui.server.master_address import MasterLocator, master_addresses
from tepui.transport.zookeeper_url import ZooKeeperUrl


def no_leader() -> None:
    raise AssertionError("nobody told of a leader")


def test_several_masters_are_tried_in_turn_and_a_file_is_read_anew(tmp_path: Path) -> None:
    locator = MasterLocator("a:1, [::1]:2,c", no_leader)
    assert [locator.next() for _ in range(4)] == [("a", 1), ("::1", 2), ("c", 5050), ("a", 1)]
    file = tmp_path / "masters"
    file.write_text("a:1\n")
    locator = MasterLocator(f"file://{file}", no_leader)
    assert locator.next() == ("a", 1)
    file.write_text("b:2")
    assert locator.next() == ("b", 2)
    file.unlink()
    with pytest.raises(FlagError, match=r"^--master names the file .* cannot be read"):
        locator.next()


def test_zookeeper_is_named_in_place_or_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "zk").write_text("zk://u:p@h/m\n")
    url = ZooKeeperUrl(("h:2181",), "/m", "u", "p")
    assert master_addresses("zk://u:p@h/m") == master_addresses(f"file://{tmp_path}/zk") == url
    with pytest.raises(FlagError, match=r"^--master expects an address such as zk://"):
        master_addresses("zk://h")
    with pytest.raises(FlagError, match=r"^--master expects HOST:PORT"):
        master_addresses("a:1,,b:2")

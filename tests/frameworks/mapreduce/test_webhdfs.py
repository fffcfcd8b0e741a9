"""Input in HDFS, against a server that answers as Hadoop's does."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from random import Random
from typing import Any

import pytest

from tepui.frameworks.mapreduce import webhdfs
from tepui.frameworks.mapreduce.inputs import find_input
from tepui.frameworks.mapreduce.map_task import read_range
from tepui.frameworks.mapreduce.splits import InputError, Range
from tepui.frameworks.mapreduce.webhdfs import WebHdfsError
from tests.conformance.cluster import free_port
from tests.frameworks.mapreduce.fake_webhdfs import DATANODES, FakeHdfs, running_hdfs

TEXT = b"".join(b"%d %s\n" % (number, b"x" * (number % 90)) for number in range(300))


@pytest.fixture
def hdfs(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHdfs]:
    monkeypatch.setattr(webhdfs, "WAIT_SECONDS", 0.001)
    monkeypatch.setenv("HADOOP_USER_NAME", "alice")
    with running_hdfs(FakeHdfs()) as hdfs:
        yield hdfs


def read(ranges: list[Range]) -> bytes:
    return b"".join(data for part in ranges for data in read_range(part.path, part.offset, part.length))


def test_folders_are_searched_for_blocks_and_their_hosts(hdfs: FakeHdfs) -> None:
    """Names that need escaping too; hidden and empty files are left out, as on this machine."""
    hdfs.files = {
        "/data/b c%20?#é": TEXT,
        "/data/a/deep/er": b"1\n" * 700,
        "/data/_SUCCESS": b"x",
        "/data/.tmp/x": b"x",
        "/data/none": b"",
        "/other": b"x",
    }
    ranges = list(find_input(f"{hdfs.url}/data"))
    root = f"webhdfs://alice@127.0.0.1:{hdfs.port}/data"
    assert ranges[-2:] == [
        Range(f"{root}/a/deep/er", 0, 1000, ("host1", "host2")),
        Range(f"{root}/a/deep/er", 1000, 400, ("host2", "host3")),
    ]
    assert {part.path for part in ranges} == {f"{root}/a/deep/er", f"{root}/b c%20?#é"}
    assert sum(part.length for part in ranges) == len(TEXT) + 1400
    assert read([part for part in ranges if part.path.endswith("é")]) == TEXT
    assert list(find_input(f"{hdfs.url}/other")) == [Range(root[:-5] + "/other", 0, 1, ("host1", "host2"))]


@pytest.mark.parametrize("operations", [["GETFILEBLOCKLOCATIONS"], ["GET_BLOCK_LOCATIONS"], []])
def test_older_servers_are_asked_otherwise(hdfs: FakeHdfs, operations: list[str]) -> None:
    """Without an answer the input is the same everywhere."""
    hdfs.location_operations = operations
    hdfs.files = {f"/data/{name}": b"x\n" * 600 for name in "abcdefghij"}
    ranges = list(find_input(f"{hdfs.url}/data"))
    if operations:
        assert [part.length for part in ranges] == [1000, 200] * 10
        assert {part.hosts for part in ranges} == {("host1", "host2"), ("host2", "host3")}
    else:
        assert [(part.length, part.hosts) for part in ranges] == [(1200, ())] * 10


@pytest.mark.parametrize("beyond", [9, 100, 1 << 16])
def test_a_file_that_is_cut_anywhere_is_read_once(hdfs: FakeHdfs, monkeypatch: pytest.MonkeyPatch, beyond: int) -> None:
    """However little more than the part is asked for at a time; the last line lacks its newline."""
    monkeypatch.setattr(webhdfs, "BEYOND_BYTES", beyond)
    hdfs.files = {"/text": TEXT + b"end", "/one": b"x" * 50}
    random = Random(beyond)
    for name in ("/text", "/one"):
        size = len(hdfs.files[name])
        places = sorted({0, size, *(random.randrange(size) for _ in range(12))})
        parts = [Range(hdfs.url + name, begin, end - begin) for begin, end in pairwise(places)]
        assert read(parts) == hdfs.files[name] + b"\n"
    assert b"".join(read_range(f"{hdfs.url}/text", 0, None)) == TEXT + b"end\n"


def test_a_datanode_that_fails_is_left_for_another(hdfs: FakeHdfs) -> None:
    hdfs.files = {"/text": TEXT}
    hdfs.cut_after = 900
    assert read([Range(f"{hdfs.url}/text", 0, len(TEXT))]) == TEXT
    assert DATANODES[0] in hdfs.excluded
    assert {request.partition(" at ")[2] for request in hdfs.requests} >= set(DATANODES)


def test_the_only_datanode_is_tried_again(hdfs: FakeHdfs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each try must bring something."""
    hdfs.files = {"/text": TEXT}
    hdfs.cut_after = 3000
    monkeypatch.setattr("tests.frameworks.mapreduce.fake_webhdfs.DATANODES", DATANODES[:1])
    assert read([Range(f"{hdfs.url}/text", 0, len(TEXT))]) == TEXT
    hdfs.cut_after = 0
    with pytest.raises(WebHdfsError, match=r"text cannot be read: .* does not answer"):
        read([Range(f"{hdfs.url}/text", 0, len(TEXT))])


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({}, "says FileNotFoundException: File /text does not exist."),
        ({"exception": (403, "StandbyException", "READ is not supported in state standby.\nSee more")},
         "says StandbyException: READ is not supported in state standby."),
        ({"exception": (500, "RuntimeException", "oops")}, "says RuntimeException: oops."),
        ({"files": {"/text": b"x"}, "users": {"bob"}},
         'says AccessControlException: Permission denied: user=alice, access=READ, inode="/text".'),
    ],
)  # fmt: skip
def test_what_the_server_refuses_is_said(hdfs: FakeHdfs, change: dict[str, Any], sentence: str) -> None:
    for name, value in change.items():
        setattr(hdfs, name, value)
    begin = f"The input webhdfs://alice@127.0.0.1:{hdfs.port}/text cannot be read: 127.0.0.1:{hdfs.port} "
    with pytest.raises(InputError) as caught:
        list(find_input(f"{hdfs.url}/text"))
    assert str(caught.value) == begin + sentence


def test_the_user_in_the_url_reads(hdfs: FakeHdfs) -> None:
    hdfs.users = {"bob"}
    hdfs.files = {"/text": b"x\n"}
    assert read(list(find_input(f"webhdfs://bob@127.0.0.1:{hdfs.port}/text"))) == b"x\n"


def test_servers_that_are_none_are_told_of(hdfs: FakeHdfs) -> None:
    port = free_port()
    datanode = hdfs.datanode_ports[0]
    for url, sentence in (
        (f"webhdfs://127.0.0.1:{port}/x", f"127.0.0.1:{port} does not answer: connection refused."),
        (f"webhdfs://{DATANODES[0]}:{datanode}/x", "says IllegalArgumentException: no namenoderpcaddress."),
        ("webhdfs:///x", "'webhdfs:///x' names no file: WebHDFS paths are webhdfs://HOST:PORT/PATH."),
        ("webhdfs://host:port/x", "names no file: WebHDFS paths are webhdfs://HOST:PORT/PATH."),
        ("hdfs://host/x", "The input hdfs://host/x cannot be read: hdfs:// is not spoken here"),
    ):
        with pytest.raises(InputError) as caught:
            list(find_input(url))
        assert sentence in str(caught.value)

"""A namenode and two datanodes that answer WebHDFS requests as those of Hadoop do, for tests."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

PREFIX = "/webhdfs/v1"
DATANODES = ("127.0.0.2", "127.0.0.3")
RPC_ADDRESS = "127.0.0.1:8020"


@dataclass
class FakeHdfs:
    """What is in the file system, and what is wrong with it. Blocks take turns on `hosts`, two each."""

    files: dict[str, bytes] = field(default_factory=dict)
    hosts: Sequence[str] = ("host1", "host2", "host3")
    block_bytes: int = 1000
    location_operations: Sequence[str] = ("GETFILEBLOCKLOCATIONS", "GET_BLOCK_LOCATIONS")
    users: set[str] = field(default_factory=set)
    """Who may read; everybody when empty."""
    exception: tuple[int, str, str] | None = None
    """Every question is answered with this status, exception and message."""
    cut_after: int | None = None
    """Each answer of the first datanode ends after so many bytes, without its end."""
    requests: list[str] = field(default_factory=list)
    """Operations in the order in which they came, and by which server."""
    excluded: list[str] = field(default_factory=list)
    port: int = 0
    datanode_ports: list[int] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"webhdfs://127.0.0.1:{self.port}"

    def hosts_of(self, block: int) -> list[str]:
        return sorted(self.hosts[(block + turn) % len(self.hosts)] for turn in range(2))

    def blocks(self, path: str) -> list[tuple[int, int, list[str]]]:
        size = len(self.files[path])
        starts = range(0, size, self.block_bytes)
        return [(at, min(self.block_bytes, size - at), self.hosts_of(n)) for n, at in enumerate(starts)]


class RemoteError(Exception):
    def __init__(self, status: int, name: str, message: str) -> None:
        super().__init__(message)
        self.status, self.name = status, name


@contextlib.contextmanager
def running_hdfs(hdfs: FakeHdfs) -> Iterator[FakeHdfs]:
    servers = [_serve("127.0.0.1", hdfs, _answer_namenode)]
    servers += [_serve(host, hdfs, _answer_datanode) for host in DATANODES]
    hdfs.port, *hdfs.datanode_ports = (server.server_port for server in servers)
    try:
        yield hdfs
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()


Answer = Callable[["_Handler", str, dict[str, str]], None]


def _serve(host: str, hdfs: FakeHdfs, answer: Answer) -> ThreadingHTTPServer:
    handler = type("Handler", (_Handler,), {"hdfs": hdfs, "host": host, "answer": staticmethod(answer)})
    server = ThreadingHTTPServer((host, 0), handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    return server


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hdfs: FakeHdfs
    host: str
    answer: Answer

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        try:
            if not parts.path.startswith(PREFIX):
                raise RemoteError(404, "FileNotFoundException", "no such page")
            self.answer(self, unquote(parts.path[len(PREFIX) :]), query)
        except RemoteError as error:
            told = {"exception": error.name, "javaClassName": f"java.io.{error.name}", "message": str(error)}
            self.send_json(error.status, {"RemoteException": told})

    def send_json(self, status: int, message: Any) -> None:
        body = json.dumps(message).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nobody reads it."""


def _answer_namenode(handler: _Handler, path: str, query: dict[str, str]) -> None:
    hdfs, operation = handler.hdfs, query["op"]
    hdfs.requests.append(operation)
    if hdfs.exception is not None:
        raise RemoteError(*hdfs.exception)
    inside = [name for name in hdfs.files if name.startswith(path.rstrip("/") + "/")]
    if path not in hdfs.files and not inside:
        raise RemoteError(404, "FileNotFoundException", f"File {path} does not exist.")
    if operation == "LISTSTATUS":
        handler.send_json(200, {"FileStatuses": {"FileStatus": _entries(hdfs, path, inside)}})
        return
    if hdfs.users and query.get("user.name") not in hdfs.users:
        who = query.get("user.name")
        raise RemoteError(403, "AccessControlException", f'Permission denied: user={who}, access=READ, inode="{path}"')
    if operation == "GETFILESTATUS":
        handler.send_json(200, {"FileStatus": _status(hdfs, path, "")})
    elif operation == "OPEN":
        _redirect(handler, path, query)
    elif operation in hdfs.location_operations:
        handler.send_json(200, (_block_locations if operation[3] == "F" else _located_blocks)(hdfs, path))
    else:
        what = f'Invalid value for webhdfs parameter "op": No enum constant GetOpParam.Op.{operation}'
        raise RemoteError(400, "IllegalArgumentException", what)


def _entries(hdfs: FakeHdfs, path: str, inside: list[str]) -> list[dict[str, Any]]:
    if path in hdfs.files:
        return [_status(hdfs, path, "")]
    names = sorted({name[len(path.rstrip("/")) + 1 :].partition("/")[0] for name in inside})
    return [_status(hdfs, f"{path.rstrip('/')}/{name}", name) for name in names]


def _status(hdfs: FakeHdfs, path: str, suffix: str) -> dict[str, Any]:
    is_file = path in hdfs.files
    return {
        "accessTime": 0,
        "blockSize": hdfs.block_bytes if is_file else 0,
        "group": "supergroup",
        "length": len(hdfs.files[path]) if is_file else 0,
        "modificationTime": 1320171722771,
        "owner": "webuser",
        "pathSuffix": suffix,
        "permission": "644",
        "replication": 2 if is_file else 0,
        "type": "FILE" if is_file else "DIRECTORY",
    }


def _block_locations(hdfs: FakeHdfs, path: str) -> dict[str, Any]:
    blocks = [
        {
            "cachedHosts": [],
            "corrupt": False,
            "hosts": hosts,
            "length": length,
            "names": [f"{host}:9866" for host in hosts],
            "offset": offset,
            "storageTypes": ["DISK"] * len(hosts),
            "topologyPaths": [f"/default-rack/{host}:9866" for host in hosts],
        }
        for offset, length, hosts in hdfs.blocks(path)
    ]
    return {"BlockLocations": {"BlockLocation": blocks}}


def _located_blocks(hdfs: FakeHdfs, path: str) -> dict[str, Any]:
    blocks = [
        {
            "block": {"blockId": number, "blockPoolId": "BP-1", "generationStamp": 1001, "numBytes": length},
            "blockToken": {"urlString": "AAAAAA"},
            "cachedLocations": [],
            "isCorrupt": False,
            "locations": [{"hostName": host, "ipAddr": "127.0.0.1", "xferPort": 9866} for host in hosts],
            "startOffset": offset,
            "storageTypes": ["DISK"] * len(hosts),
        }
        for number, (offset, length, hosts) in enumerate(hdfs.blocks(path))
    ]
    facts = {"fileLength": len(hdfs.files[path]), "isLastBlockComplete": True, "isUnderConstruction": False}
    return {"LocatedBlocks": {**facts, "lastLocatedBlock": blocks[-1], "locatedBlocks": blocks}}


def _redirect(handler: _Handler, path: str, query: dict[str, str]) -> None:
    hdfs, size = handler.hdfs, len(handler.hdfs.files[path])
    offset = int(query.get("offset", 0))
    if offset >= size > 0:
        raise RemoteError(403, "IOException", f"Offset={offset} out of the range [0, {size}); OPEN, path={path}")
    excluded = query.get("excludedatanodes", "").split(",")
    hdfs.excluded += [host for host in excluded if host]
    left = [number for number, host in enumerate(DATANODES) if host not in excluded]
    if not left:
        raise RemoteError(403, "IOException", f"Failed to find datanode. excludeDatanodes={','.join(excluded)}")
    kept = "&".join(f"{name}={quote(query[name])}" for name in ("op", "user.name", "length", "offset") if name in query)
    where = f"{DATANODES[left[0]]}:{hdfs.datanode_ports[left[0]]}"
    handler.send_response(307)
    handler.send_header("Location", f"http://{where}{PREFIX}{quote(path)}?{kept}&namenoderpcaddress={RPC_ADDRESS}")
    handler.send_header("Content-Length", "0")
    handler.end_headers()


def _answer_datanode(handler: _Handler, path: str, query: dict[str, str]) -> None:
    hdfs = handler.hdfs
    host = handler.host
    hdfs.requests.append(f"{query['op']} at {host}")
    if query.get("namenoderpcaddress") != RPC_ADDRESS:
        raise RemoteError(400, "IllegalArgumentException", "no namenoderpcaddress")
    offset = int(query.get("offset", 0))
    data = hdfs.files[path][offset:]
    if "length" in query:
        data = data[: int(query["length"])]
    handler.send_response(200)
    handler.send_header("Content-Type", "application/octet-stream")
    handler.send_header("Content-Length", str(len(data)))
    handler.end_headers()
    if hdfs.cut_after is not None and host == DATANODES[0] and len(data) > hdfs.cut_after:
        data = data[: hdfs.cut_after]
        handler.close_connection = True
    handler.wfile.write(data)

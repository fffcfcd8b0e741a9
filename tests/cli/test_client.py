"""The command line's HTTP client: what it does where no master is, where another one leads, where answers are odd."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import click
import pytest

from tepui.cli import client as client_module
from tepui.cli.client import Client
from tepui.cli.errors import RefusedError, UnreachableError
from tests.cli.commands import tepui

HOST = "127.0.0.1"


def read_request(connection: socket.socket) -> bytes:
    """One request with its body."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65_536)
    head, _, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"Content-Length: (\d+)", head)
    while length is not None and len(body) < int(length[1]):
        body += connection.recv(65_536)
    return head + b"\r\n\r\n" + body


@contextmanager
def server(*answers: bytes, after: Callable[[], object] | None = None) -> Iterator[tuple[tuple[str, int], list[bytes]]]:
    """Answers each connection in turn with the next bytes, `after` something, then closes it; tells the requests."""
    requests: list[bytes] = []
    with socket.create_server((HOST, 0)) as listener:

        def serve() -> None:
            for answer in answers:
                connection, _ = listener.accept()
                with connection:
                    requests.append(read_request(connection))
                    if after is not None:
                        after()
                    connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname(), requests
        thread.join(10)


def answer(status: str, body: bytes = b"", *headers: str) -> bytes:
    head = "".join(f"{line}\r\n" for line in (f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers))
    return head.encode() + b"\r\n" + body


def test_where_nobody_listens_the_next_of_several_is_asked() -> None:
    with socket.create_server((HOST, 0)) as closed:
        nobody = closed.getsockname()
    with server(answer("200 OK", b'{"a": 1}')) as (somebody, _), closing(Client(nobody, others=[somebody])) as client:
        assert client.get("/x") == {"a": 1}
        assert client.address == f"{somebody[0]}:{somebody[1]}"


@pytest.mark.parametrize("answer_of_first", [b"", None])
def test_what_a_master_took_and_did_not_answer_is_asked_of_another_only_if_it_changes_nothing(
    answer_of_first: bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It closes the connection, or says nothing."""
    monkeypatch.setattr(client_module, "TIMEOUT_SECONDS", 0.05 if answer_of_first is None else 10.0)
    over = threading.Event()
    after = (lambda: over.wait(10)) if answer_of_first is None else None
    with server(b"", b"", after=after) as (first, asked), server(answer("200 OK", b"{}")) as (second, others):
        client = Client(first, others=[second])
        with closing(client), pytest.raises(UnreachableError, match="does not answer"):
            client.call("RESERVE_RESOURCES", {})
        assert not others
        client = Client(first, others=[second])
        with closing(client):
            assert client.call("GET_AGENTS") == {}
        over.set()
    assert len(asked) == len(others) + 1 == 2


def test_redirects_lead_to_the_leader_with_the_same_request() -> None:
    with server(answer("200 OK", b'{"a": 1}')) as (leader, got):
        location = f"Location: //{leader[0]}:{leader[1]}"
        moved = answer("307 Temporary Redirect", b"", location)
        with server(moved) as (standby, _), closing(Client(standby)) as client:
            assert client.post("/api/v1", {"type": "X"}) == {"a": 1}
            assert client.address == f"{leader[0]}:{leader[1]}"
    assert got[0].startswith(b"POST /api/v1 HTTP/1.1\r\n")
    assert b'{"type": "X"}' in got[0]


def test_a_standby_may_answer_by_itself_and_its_age_is_told() -> None:
    agents = b'{"agents":[],"recovered_agents":[],"unreachable_agents":[],"gone_agents":[]}'
    with server(answer("200 OK", agents, "Tepui-Age-Seconds: 2.46", "Tepui-Revision: 3.14")) as (address, requests):
        where = f"{HOST}:{address[1]}"
        done = tepui("--stale", "agent", "list", f"--master={where}")
    told = f"As the standby at {where} knew it 2.5 s ago, at revision 3.14.\n"
    assert (done.returncode, done.stderr) == (0, told)
    assert b"Tepui-Allow-Stale: 1" in requests[0]
    with server(answer("200 OK", agents, "Tepui-Age-Seconds: old")) as (address, requests):
        done = tepui("agent", "list", f"--master={HOST}:{address[1]}")
    assert (done.returncode, done.stderr) == (0, "")
    assert b"Tepui-Allow-Stale" not in requests[0]


def test_a_circle_of_redirects_ends() -> None:
    listener = socket.create_server((HOST, 0))
    port = listener.getsockname()[1]

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                read_request(connection)
                connection.sendall(answer("307 Temporary Redirect", b"", f"Location: //{HOST}:{port}"))

    threading.Thread(target=serve, daemon=True).start()
    with closing(Client((HOST, port))) as client, pytest.raises(UnreachableError, match="in a circle"):
        client.get("/state")
    listener.close()


def test_a_kept_connection_that_was_closed_is_made_anew() -> None:
    with server(answer("200 OK", b"1"), answer("200 OK", b"2")) as (address, _), closing(Client(address)) as client:
        assert [client.get("/a"), client.get("/b")] == [1, 2]


def test_a_change_goes_over_a_connection_of_its_own_and_is_asked_for_once() -> None:
    """A kept one may be closed after the server saw the request: asking again could do it twice."""
    with server(answer("200 OK", b"{}"), b"") as (address, requests):
        client = Client(address)
        assert client.get("/first") == {}
        with pytest.raises(UnreachableError):
            client.post(client_module.V1_API, {"type": "MARK_AGENT_GONE"})
        client.close()
    assert [request.partition(b" ")[0] for request in requests] == [b"GET", b"POST"]


@pytest.mark.parametrize(
    ("data", "error", "sentence"),
    [
        (b"SSH-2.0-OpenSSH_9\r\n", UnreachableError, "is no master: it does not speak HTTP"),
        (b"", UnreachableError, "does not answer"),
        (answer("200 OK", b"<html>"), UnreachableError, "is no master: it does not say JSON"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{", UnreachableError, "does not answer"),
        (answer("400 Bad Request", b"No framework found"), RefusedError, "^No framework found$"),
        (answer("404 Not Found"), RefusedError, "does not know this request"),
        (answer("503 Service Unavailable", b"No leader elected"), RefusedError, "cannot answer now: No leader elected"),
        (answer("307 Temporary Redirect"), UnreachableError, "does not know who leads"),
    ],
)
def test_odd_answers_are_a_sentence(data: bytes, error: type[click.ClickException], sentence: str) -> None:
    with server(data) as (address, _), closing(Client(address)) as client, pytest.raises(error, match=sentence):
        client.get("/state")


def test_where_no_master_is_the_sentence_says_what_to_do() -> None:
    with socket.socket() as taken:
        taken.bind((HOST, 0))  # bound but not listening: nobody else gets the port
        nowhere = f"{HOST}:{taken.getsockname()[1]}"
        said = (
            f"tepui: There is no master at {nowhere} (connection refused). "
            "Start a cluster with `tepui local`, or say where one is with --master=HOST:PORT.\n"
        )
        for done in (
            tepui("status", f"--master={nowhere}"),
            tepui(f"--master={nowhere}", "task", "list", MESOS_MASTER="elsewhere:1"),
            tepui("role", "list", TEPUI_MASTER=nowhere),
            tepui("role", "list", MESOS_MASTER=nowhere),
        ):
            assert (done.returncode, done.stdout, done.stderr) == (4, "", said)


def test_a_wrong_command_line_is_one_sentence() -> None:
    for arguments, sentence in (
        (["--master=h:x", "status"], "--master expects HOST:PORT, such as 127.0.0.1:5050, not 'h:x'."),
        (
            ["--master=file:///none", "status"],
            "--master names the file /none, which cannot be read: No such file or directory.",
        ),
        (["statu"], "No such command 'statu'. Did you mean 'status'?"),
        (["status", "--watch=0"], "Invalid value for '-w' / '--watch': 0.0 is not in the range x>=0.1."),
    ):
        done = tepui(*arguments)
        assert (done.returncode, done.stderr) == (2, f"tepui: {sentence}\n")


def test_help_and_completion_need_no_master() -> None:
    assert re.search(r"^ +status +The cluster at a glance\.$", tepui("--help").stdout, re.MULTILINE)
    done = tepui(_TEPUI_COMPLETE="bash_complete", COMP_WORDS="tepui ta", COMP_CWORD="1")
    assert done.stdout == "plain,task\n"

"""The supervisor's socket, spoken to by hand: garbage, silence, deafness, and the frames of the documentation."""

import json
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tepui.containers.client import SUPERVISOR_PROGRAM
from tepui.containers.supervision.connection import AGENT_BUFFER_BYTES_MAX, FRAME_BYTES_MAX, STRANGERS_MAX
from tepui.containers.supervision.program import EXIT_ALREADY_RUNNING, EXIT_USAGE

PATIENCE_SECONDS = 30.0


class Peer:
    """One end of the protocol, without any cleverness."""

    def __init__(self, directory: Path) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE_SECONDS)
        self.sock.connect(str(directory / "socket"))
        self._file = self.sock.makefile("rb")

    def close(self) -> None:
        self._file.close()
        self.sock.close()

    def send(self, **frame: Any) -> None:
        content = json.dumps(frame).encode()
        self.sock.sendall(struct.pack(">I", len(content)) + content)

    def receive(self) -> dict[str, Any] | None:
        """The next event; None at the end."""
        head = self._file.read(4)
        if not head:
            return None
        event = json.loads(self._file.read(struct.unpack(">I", head)[0]))
        assert isinstance(event, dict)
        return event

    def hello(self) -> dict[str, Any]:
        self.send(command="hello", versions=[1])
        event = self.receive()
        assert event is not None
        return event


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """In the foreground; it says nothing on stderr."""
    argv = [sys.executable, "-I", "-S", str(SUPERVISOR_PROGRAM)]
    argv += ["--state-dir", str(tmp_path), "--socket", str(tmp_path / "socket"), "--linger-seconds", "60"]
    with subprocess.Popen(argv, stderr=subprocess.PIPE) as process:
        try:
            while not (tmp_path / "socket").exists():
                assert process.poll() is None
            yield process
        finally:
            process.terminate()
            _, errors = process.communicate(timeout=PATIENCE_SECONDS)
        assert (process.returncode, errors) == (0, b"")


def test_a_conversation(supervisor: subprocess.Popen[bytes], tmp_path: Path) -> None:
    with closing(Peer(tmp_path)) as peer:
        hello = peer.hello()
        assert hello.pop("build") > 0
        assert hello == {"event": "hello", "versions": [1], "version": 1, "pid": supervisor.pid}
        assert peer.receive() == {"event": "runs", "runs": [], "more": False}
        start = {"run": "a", "argv": ["sh", "-c", "exit 2"], "environment": {}, "directory": "/"}
        peer.send(command="start", **start)
        started = peer.receive()
        assert started is not None
        assert started == {"event": "started", "run": "a", "pid": started["pid"]}
        exited = peer.receive()
        assert exited is not None
        at = exited["at"]
        assert exited == {"event": "exited", "run": "a", "status": 512, "why": "", "at": at}
        peer.send(command="list")
        record = {"run": "a", "pid": started["pid"], "state": "exited", "killing": True}
        listed = {"event": "runs", "runs": [record | {"status": 512, "why": "", "at": at}], "more": False}
        assert peer.receive() == listed
        peer.send(command="forget", run="a")
        peer.send(command="list")
        assert peer.receive() == {"event": "runs", "runs": [], "more": False}


GARBAGE = [
    (b"\xff\xff\xff\xff", f"A frame of 4294967295 bytes is longer than {FRAME_BYTES_MAX}"),
    (b"GET / HTTP/1.1\r\n\r\n", f"A frame of 1195725856 bytes is longer than {FRAME_BYTES_MAX}"),
    (b"\0\0\0\x03{]}", "A frame is not JSON"),
    (b"\0\0\0\x00", "A frame is not JSON"),
    (b"\0\0\0\x02\xff\xfe", "A frame is not JSON"),
    (b"\0\1\0\0" + b"[" * 65536, "A frame is not JSON"),
    (b"\0\0\0\x02[]", "A frame is not a JSON object"),
]
BAD_COMMANDS: list[tuple[dict[str, Any], str]] = [
    ({}, "Unknown command None"),
    ({"command": "dance"}, "Unknown command 'dance'"),
    ({"command": ["start"]}, "Unknown command ['start']"),
    ({"command": "start"}, "run must be a text of 1 to 256 characters"),
    ({"command": "start", "run": "x" * 257}, "run must be a text of 1 to 256 characters"),
    ({"command": "kill", "run": "a"}, "grace_seconds must be a number of seconds"),
    ({"command": "kill", "run": "a", "grace_seconds": float("nan")}, "grace_seconds must be a number of seconds"),
    ({"command": "signal", "run": "a", "signal": 65}, "signal must be the number of a signal"),
    ({"command": "upgrade", "argv": "x"}, "argv must be a list of texts without NUL"),
]


def test_garbage_is_answered_and_ends_the_connection_alone(supervisor: subprocess.Popen[bytes], tmp_path: Path) -> None:
    with closing(Peer(tmp_path)) as agent:
        agent.hello()
        agent.receive()
        for garbage, sentence in GARBAGE:
            with closing(Peer(tmp_path)) as stranger:
                stranger.sock.sendall(garbage)
                assert stranger.receive() == {"event": "error", "why": sentence}
                assert stranger.receive() is None
        for greeting, sentence in [
            ({"command": "list"}, "The first frame must be a hello"),
            ({"command": "hello"}, "A hello must list its protocol versions"),
        ]:
            with closing(Peer(tmp_path)) as stranger:
                stranger.send(**greeting)
                assert stranger.receive() == {"event": "error", "why": sentence}
                assert stranger.receive() is None
        agent.send(command="list")
        assert agent.receive() == {"event": "runs", "runs": [], "more": False}
    for command, sentence in BAD_COMMANDS:
        with closing(Peer(tmp_path)) as agent:
            agent.hello()
            agent.receive()
            agent.send(**command)
            assert agent.receive() == {"event": "error", "why": sentence}
            assert agent.receive() is None
    assert supervisor.poll() is None


def test_bad_starts_fail_alone(supervisor: subprocess.Popen[bytes], tmp_path: Path) -> None:  # noqa: ARG001
    good = {"run": "a", "argv": ["true"], "environment": {}, "directory": "/"}
    with closing(Peer(tmp_path)) as agent:
        agent.hello()
        agent.receive()
        for field, value, sentence in [
            ("argv", None, "argv must be a list of texts without NUL"),
            ("argv", [1], "argv must be a list of texts without NUL"),
            ("argv", ["\ud800"], "Cannot start the run: "),
            ("environment", [], "environment must be an object of texts"),
            ("environment", {"A": 1}, "The environment variable 'A' cannot be set"),
            ("directory", 5, "directory must be a path"),
            ("stdout", [], "stdout must be a path"),
            ("user", 0, "user must be a name"),
            ("executable", "", "executable must be a path"),
        ]:
            agent.send(command="start", **{**good, field: value})
            event = agent.receive()
            assert event is not None
            assert event["event"] == "failed"
            assert event["why"].startswith(sentence)
        agent.send(command="start", **good)
        event = agent.receive()
        assert event is not None
        assert event["event"] == "started"


def test_another_protocol_version_may_only_ask_for_an_upgrade(
    supervisor: subprocess.Popen[bytes],  # noqa: ARG001
    tmp_path: Path,
) -> None:
    with closing(Peer(tmp_path)) as peer:
        peer.send(command="hello", versions=[7, 8])
        hello = peer.receive()
        assert hello is not None
        assert (hello["versions"], hello["version"]) == ([1], None)
        peer.send(command="upgrade", argv=["/bin/false"])
        why = "The new program refuses its arguments (status 1)"
        assert peer.receive() == {"event": "upgrade_failed", "why": why}
        peer.send(command="upgrade", argv=[])
        assert (peer.receive() or {})["event"] == "upgrade_failed"
        peer.send(command="list")
        assert peer.receive() == {"event": "error", "why": "No protocol version in common"}
        assert peer.receive() is None


def test_silent_strangers_make_room(supervisor: subprocess.Popen[bytes], tmp_path: Path) -> None:  # noqa: ARG001
    strangers = [Peer(tmp_path) for _ in range(STRANGERS_MAX)]
    late = Peer(tmp_path)
    assert strangers[0].receive() is None
    assert late.hello()["event"] == "hello"
    for peer in [*strangers, late]:
        peer.close()


def test_an_agent_that_does_not_read_is_cut_off(supervisor: subprocess.Popen[bytes], tmp_path: Path) -> None:
    with closing(Peer(tmp_path)) as deaf:
        deaf.hello()
        content = json.dumps({"command": "kill", "run": "x" * 256, "grace_seconds": 0}).encode()
        frames = (struct.pack(">I", len(content)) + content) * 1000
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            deaf.sock.sendall(frames * (AGENT_BUFFER_BYTES_MAX // len(frames) * 4))
    with closing(Peer(tmp_path)) as agent:
        assert agent.hello()["pid"] == supervisor.pid
    status = Path(f"/proc/{supervisor.pid}/status").read_text()
    assert int(status.split("VmHWM:")[1].split()[0]) * 1024 < 18 * 1024 * 1024 + 3 * AGENT_BUFFER_BYTES_MAX


def test_one_supervisor_for_each_state_directory(supervisor: subprocess.Popen[bytes], tmp_path: Path) -> None:
    argv = list(map(str, supervisor.args))  # type: ignore[arg-type]
    second = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (second.returncode, second.stderr) == (EXIT_ALREADY_RUNNING, f"Another supervisor works in '{tmp_path}'\n")
    wrong = subprocess.run([*argv, "--frob"], capture_output=True, text=True, check=False)
    assert (wrong.returncode, wrong.stderr) == (EXIT_USAGE, "Unknown argument '--frob'\n")
    assert (tmp_path / "socket").exists()


def test_a_supervisor_to_which_nobody_comes_leaves_and_keeps_nothing_open(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    argv = [sys.executable, "-I", "-S", str(SUPERVISOR_PROGRAM), "--linger-seconds", "0.5"]
    argv += ["--state-dir", str(tmp_path), "--socket", str(tmp_path / "socket")]
    with subprocess.Popen(argv, pass_fds=[writer]) as process:
        os.close(writer)
        while not (tmp_path / "socket").exists():
            assert process.poll() is None
        assert os.read(reader, 1) == b""  # else it would block: the other end is open nowhere
        assert process.wait(PATIENCE_SECONDS) == 0
    os.close(reader)

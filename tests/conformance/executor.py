"""An executor for tests: does what each task's data says, and writes down every byte it exchanges.

Run by an agent, not imported: standard library only. In its sandbox it leaves ``environment.txt`` (its
Mesos variables) and ``wire.log`` (requests, answers, events, in their order).

Task data: ``finish``, ``fail``, ``message``, ``run``, ``crash`` (exit 3 before any update), ``hang``
(as run; at SHUTDOWN it just leaves), ``stubborn`` (as run; ignores SHUTDOWN and SIGTERM), ``tree``
(as run; with a child and a grandchild that ignore SIGTERM). The message ``leave`` makes it exit.
"""

import base64
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any

ENVIRONMENT_PREFIXES = ("MESOS_", "LIBPROCESS_")
RECEIVE_BYTES = 1 << 16
RETRY_SECONDS = 0.1
LONG_SLEEP = "trap '' TERM; while true; do sleep 1; done"


class Executor:
    """One executor's conversation with its agent."""

    def __init__(self) -> None:
        host, _, port = os.environ["MESOS_AGENT_ENDPOINT"].rpartition(":")
        self.address = (host, int(port))
        self.target = "/" + os.environ["MESOS_SLAVE_PID"].partition("@")[0] + "/api/v1/executor"
        self.ids = {
            "framework_id": {"value": os.environ["MESOS_FRAMEWORK_ID"]},
            "executor_id": {"value": os.environ["MESOS_EXECUTOR_ID"]},
        }
        self.unacknowledged: dict[str, dict[str, Any]] = {}
        self.tasks: dict[str, dict[str, Any]] = {}
        self.is_stubborn = False
        self.log = Path("wire.log").open("a")  # noqa: SIM115 - open as long as the process lives

    def note(self, kind: str, name: str, **values: Any) -> None:
        self.log.write(json.dumps({"kind": kind, "name": name, **values}) + "\n")
        self.log.flush()

    def connect(self) -> socket.socket:
        connection = socket.create_connection(self.address)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def request(self, name: str, message: dict[str, Any]) -> bytes:
        body = json.dumps({**self.ids, "type": name, **message}).encode()
        head = (
            f"POST {self.target} HTTP/1.1\r\nHost: {self.address[0]}:{self.address[1]}\r\n"
            "Content-Type: application/json\r\nAccept: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        self.note("request", name, text=head + body.decode())
        return head.encode() + body

    def call(self, name: str, message: dict[str, Any]) -> None:
        with contextlib.suppress(OSError), self.connect() as connection:
            connection.sendall(self.request(name, message))
            data = b""
            while b"\r\n\r\n" not in data and (got := connection.recv(RECEIVE_BYTES)):
                data += got
            self.note("response", name, text=data.decode("latin-1"))

    def update(self, task_id: str, state: str, **more: Any) -> None:
        status = {
            "task_id": {"value": task_id},
            "state": state,
            "source": "SOURCE_EXECUTOR",
            "timestamp": time.time(),
            "uuid": base64.b64encode(uuid.uuid4().bytes).decode(),
            **more,
        }
        self.unacknowledged[status["uuid"]] = {"status": status}
        self.call("UPDATE", {"update": {"status": status}})

    def launch(self, task: dict[str, Any]) -> None:
        task_id = task["task_id"]["value"]
        self.tasks[task_id] = task
        action = base64.b64decode(task.get("data", "")).decode()
        if action == "crash":
            os._exit(3)
        if action == "stubborn":
            self.is_stubborn = True
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if action == "tree":
            subprocess.Popen(["/bin/sh", "-c", f"({LONG_SLEEP}) & {LONG_SLEEP}"], start_new_session=True)
        self.update(task_id, "TASK_RUNNING")
        if action == "finish":
            self.update(task_id, "TASK_FINISHED", data=base64.b64encode(b"result").decode())
        elif action == "fail":
            self.update(task_id, "TASK_FAILED", message="it failed")
        elif action == "message":
            self.call("MESSAGE", {"message": {"data": base64.b64encode(b"hello from executor").decode()}})

    def handle(self, event: dict[str, Any]) -> None:
        kind = event["type"]
        if kind == "LAUNCH":
            self.launch(event["launch"]["task"])
        elif kind == "LAUNCH_GROUP":
            for task in event["launch_group"]["task_group"]["tasks"]:
                self.launch(task)
        elif kind == "KILL":
            self.update(event["kill"]["task_id"]["value"], "TASK_KILLED", message="killed as asked")
        elif kind == "ACKNOWLEDGED":
            self.unacknowledged.pop(event["acknowledged"]["uuid"], None)
            self.tasks.pop(event["acknowledged"]["task_id"]["value"], None)
        elif kind == "MESSAGE":
            if base64.b64decode(event["message"]["data"]) == b"leave":
                sys.exit(0)
        elif kind == "SHUTDOWN" and not self.is_stubborn:
            sys.exit(0)

    def stream(self) -> None:
        """Subscribe and handle events until the stream ends."""
        subscribe = {
            "unacknowledged_tasks": list(self.tasks.values()),
            "unacknowledged_updates": list(self.unacknowledged.values()),
        }
        with self.connect() as connection:
            connection.sendall(self.request("SUBSCRIBE", {"subscribe": subscribe}))
            raw = b""
            while b"\r\n\r\n" not in raw:
                raw += self.receive(connection)
            head, _, raw = raw.partition(b"\r\n\r\n")
            self.note("head", "SUBSCRIBE", text=head.decode("latin-1") + "\r\n\r\n")
            payload = b""
            while True:
                while (end := raw.find(b"\r\n")) >= 0 and len(raw) >= (size := int(raw[:end], 16)) + end + 4:
                    payload += raw[end + 2 : end + 2 + size]
                    raw = raw[end + 4 + size :]
                while (end := payload.find(b"\n")) >= 0 and len(payload) >= (size := int(payload[:end])) + end + 1:
                    record = payload[end + 1 : end + 1 + size]
                    payload = payload[end + 1 + size :]
                    event = json.loads(record)
                    self.note("event", event["type"], text=record.decode())
                    self.handle(event)
                raw += self.receive(connection)

    def receive(self, connection: socket.socket) -> bytes:
        data = connection.recv(RECEIVE_BYTES)
        if not data:
            raise ConnectionResetError
        return data

    def run(self) -> None:
        environment = sorted((key, value) for key, value in os.environ.items() if key.startswith(ENVIRONMENT_PREFIXES))
        Path("environment.txt").write_text("".join(f"{key}={value}\n" for key, value in environment))
        while True:
            with contextlib.suppress(OSError):
                self.stream()
            if os.environ.get("MESOS_CHECKPOINT") != "1":
                sys.exit(0)
            time.sleep(RETRY_SECONDS)


if __name__ == "__main__":
    Executor().run()

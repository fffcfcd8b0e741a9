"""A warm executor: answers each launch at once with TASK_RUNNING and TASK_FINISHED. Run by the agent."""

import base64
import os
import sys
import time
from pathlib import Path

import msgspec

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.pipe import Pipe

UUID_VERSION, UUID_VARIANT = b"\x40", b"\x80"


class Value(msgspec.Struct):
    value: str


class Task(msgspec.Struct):
    task_id: Value


class Launch(msgspec.Struct):
    task: Task


class Event(msgspec.Struct):
    type: str
    launch: Launch | None = None


def main() -> None:
    environment = os.environ
    host, _, port = environment["MESOS_AGENT_ENDPOINT"].rpartition(":")
    path = "/" + environment["MESOS_SLAVE_PID"].partition("@")[0] + "/api/v1/executor"
    ids = (
        b'{"framework_id":{"value":"' + environment["MESOS_FRAMEWORK_ID"].encode()
        + b'"},"executor_id":{"value":"' + environment["MESOS_EXECUTOR_ID"].encode() + b'"},'
    )  # fmt: skip
    update = (
        ids
        + b'"type":"UPDATE","update":{"status":{"task_id":{"value":"%b"},"state":"%b",'
        + (b'"source":"SOURCE_EXECUTOR","timestamp":%.6f,"uuid":"%b"}}}')
    )
    pipe = Pipe(host, int(port), path, "application/json", ids + b'"type":"SUBSCRIBE","subscribe":{}}')
    decode = msgspec.json.Decoder(Event).decode
    while True:
        for record in pipe.events(60.0):
            event = decode(record)
            if event.type == "SHUTDOWN":
                return
            if event.launch is not None:
                task_id = event.launch.task.task_id.value.encode()
                for state in (b"TASK_RUNNING", b"TASK_FINISHED"):
                    noise = os.urandom(14)
                    uuid = base64.b64encode(noise[:6] + UUID_VERSION + noise[6:7] + UUID_VARIANT + noise[7:])
                    pipe.call(update % (task_id, state, time.time(), uuid))


if __name__ == "__main__":
    main()

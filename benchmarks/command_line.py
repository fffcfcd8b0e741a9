"""How long the command line takes, from its start as a process to its end."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.conformance.client import Address, EventStream, json_call
from tests.conformance.scenario import SCHEDULER_PATH

_TEPUI = [sys.executable, "-m", "tepui"]


def command_milliseconds(master: Address, *arguments: str) -> float:
    """How long one command takes."""
    begin = time.perf_counter()
    subprocess.run([*_TEPUI, *arguments, f"--master={master[0]}:{master[1]}"], check=True, stdout=subprocess.DEVNULL)
    return (time.perf_counter() - begin) * 1e3


def run_milliseconds(master: Address) -> float:
    """How long `tepui run true` takes."""
    address = f"--master={master[0]}:{master[1]}"
    begin = time.perf_counter()
    subprocess.run([*_TEPUI, "run", address, "true"], check=True, stdout=subprocess.DEVNULL)
    return (time.perf_counter() - begin) * 1e3


@dataclass
class BatchRun:
    """What `tepui batch` took, its start and its end included."""

    seconds: float
    cpu_seconds: float
    """Of the batch itself."""
    megabytes_max: float
    """The most memory that the batch itself held, in units of 2**20 bytes."""


def run_batch(master: Address, commands: int) -> BatchRun:
    """Run so many commands `true` by `tepui batch`."""
    with tempfile.TemporaryDirectory(prefix="tepui-benchmark-") as directory:
        file = Path(directory) / "work"
        file.write_text("true\n" * commands)
        options = [f"--master={master[0]}:{master[1]}", "--cpus=0.1", "--mem=16"]
        begin = time.perf_counter()
        with subprocess.Popen([*_TEPUI, "batch", str(file), *options], stdout=subprocess.DEVNULL) as batch:
            try:
                _, status, usage = os.wait4(batch.pid, 0)
                batch.returncode = os.waitstatus_to_exitcode(status)
            finally:
                if batch.returncode is None:
                    batch.kill()
        seconds = time.perf_counter() - begin
    if batch.returncode != 0:
        raise subprocess.CalledProcessError(batch.returncode, "tepui batch")
    return BatchRun(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def local_first_offer_seconds(agents: int) -> float:
    """From the start of `tepui local` until a framework that subscribes as soon as it is ready has an offer."""
    begin = time.perf_counter()
    command = [*_TEPUI, "local", f"--agents={agents}", "--port=0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as local:
        try:
            assert local.stdout is not None
            found = re.search(r"a master at ([\d.]+):(\d+) ", local.stdout.readline())
            assert found is not None, "no cluster came"
            master = (found[1], int(found[2]))
            info = {"user": str(os.getuid()), "name": "first offer"}
            subscribe = json_call(SCHEDULER_PATH, {"type": "SUBSCRIBE", "subscribe": {"framework_info": info}})
            with EventStream(master, subscribe) as stream:
                stream.wait(lambda event: event["type"] == "OFFERS")
                return time.perf_counter() - begin
        finally:
            local.send_signal(signal.SIGINT)

"""Runs `tepui` as people and programs do, and a framework for it to look at."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.conformance.client import EventStream, json_call
from tests.conformance.cluster import Cluster
from tests.conformance.scenario import SCHEDULER_PATH, Framework, executor_info, task_info

DEADLINE_SECONDS = 30
EXECUTOR = Path(__file__).parents[1] / "conformance" / "executor.py"
ROLE = "eng"
Done = subprocess.CompletedProcess[str]

_VARIABLES = ("TEPUI_", "MESOS_", "NO_COLOR", "FORCE_COLOR")


def environment(**more: str) -> dict[str, str]:
    """The environment without what would point commands somewhere else."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_VARIABLES)}
    return {**kept, "PYTHONUTF8": "1", **more}


def tepui(*arguments: str, **variables: str) -> Done:
    return subprocess.run(
        [sys.executable, "-m", "tepui", *arguments],
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        env=environment(**variables),
        check=False,
    )


class Commands:
    """`tepui` pointed at one cluster."""

    def __init__(self, cluster: Cluster) -> None:
        host, port = cluster.master_address
        self.master = f"{host}:{port}"

    def run(self, *arguments: str) -> Done:
        return tepui(*arguments, f"--master={self.master}")

    def text(self, *arguments: str) -> str:
        """What a command that must succeed prints."""
        done = self.run(*arguments)
        assert (done.returncode, done.stderr) == (0, ""), done
        return done.stdout

    def json(self, *arguments: str) -> Any:
        return json.loads(self.text(*arguments, "-o", "json"))

    def table(self, *arguments: str) -> list[dict[str, str]]:
        """The rows of a printed table, by its titles, cut where the titles begin."""
        lines = self.text(*arguments).splitlines()
        titles = [title for title in lines[0].split("  ") if title.strip()]
        spans = _spans(lines[0], [title.strip() for title in titles], lines[1:])
        return [{title: line[begin:end].strip() for title, (begin, end) in spans.items()} for line in lines[1:] if line]


def _spans(head: str, titles: Iterable[str], rows: list[str]) -> dict[str, tuple[int, int]]:
    """Columns are separated by two characters that are blank in every line."""
    width = max(map(len, [head, *rows]))
    blank = [all(len(line) <= at or line[at] == " " for line in [head, *rows]) for at in range(width)]
    edges = [0, *(at for at in range(2, width) if blank[at - 2] and blank[at - 1] and not blank[at]), width]
    return dict(zip(titles, pairwise(edges), strict=True))


def subscribe(cluster: Cluster, name: str) -> Framework:
    """A framework with an open stream."""
    info = {
        "user": "root" if os.geteuid() == 0 else _user(),
        "name": name,
        "roles": [ROLE],
        "capabilities": [{"type": "MULTI_ROLE"}],
    }
    message = {"type": "SUBSCRIBE", "subscribe": {"framework_info": info}}
    return Framework(cluster.master_address, EventStream(cluster.master_address, json_call(SCHEDULER_PATH, message)))


def _user() -> str:
    import pwd

    return pwd.getpwuid(os.getuid()).pw_name


def launch(framework: Framework, agent_id: str, executor: str, command: str, **tasks: str) -> None:
    """Launch tasks by their id with what the test executor does with each."""
    assert framework.wait(lambda: framework.best_offer(agent_id) is not None), framework.stream.events
    offer = framework.best_offer(agent_id)
    assert offer is not None
    info = executor_info(executor, framework.framework_id, ROLE, command)
    infos = [
        task_info(task_id, agent_id, ROLE, info, data=_base64(action), name=f"name of {task_id}")
        for task_id, action in tasks.items()
    ]
    answer = framework.call(
        "ACCEPT",
        accept={
            "offer_ids": [{"value": framework.take(offer)}],
            "filters": {"refuse_seconds": 0},
            "operations": [{"type": "LAUNCH", "launch": {"task_infos": infos}}],
        },
    )
    assert answer.status == 202, answer


def _base64(text: str) -> str:
    import base64

    return base64.b64encode(text.encode()).decode()

"""Tasks that the agent runs itself: what their executors are called, what they use, and that nothing of them stays."""

from __future__ import annotations

import json

import pytest

from tepui.agent.commands import executor_name
from tepui.agent.events import LegacyCall
from tepui.model.shell import Answer
from tepui.model.v1.mesos import CommandInfo, ResourceStatistics
from tests.agent.stage import BEGIN, Stage, task_info


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        (CommandInfo(value="123456789012345"), "sh -c '123456789012345'"),
        (CommandInfo(value="1234567890123456"), "sh -c '123456789012...'"),
        (CommandInfo(shell=False, value="/usr/bin/ls", arguments=["ls", "-l"]), "[/usr/bin/ls,...]"),
        (CommandInfo(shell=False, value="ls", arguments=["ls", "-l"]), "[ls, ls, -l]"),
        (CommandInfo(shell=False, value="ls"), "[ls]"),
    ],
)
def test_an_executor_is_named_after_its_command(command: CommandInfo, shown: str) -> None:
    task = task_info("t1")
    task.command = command
    assert executor_name(task) == f"Command Executor (Task: t1) (Command: {shown})"


def ready() -> Stage:
    stage = Stage()
    for line in ("link up", "welcome", "framework f1"):
        stage.command(line)
    return stage


def test_of_tasks_that_are_over_only_the_newest_are_remembered() -> None:
    stage = ready()
    records = stage.core.records
    stage.command("launch f1 default stays")
    runs = len(records.task_runs)
    for number in range(200):
        stage.command(f"launch f1 - c{number} limit=60")
        stage.command(f"launch f1 default group g{number} h{number} limit=60")
        for run in list(records.task_runs)[runs:]:
            stage.command(f"started {run}")
            stage.command(f"exits {run} status=0")
        for task_id in (f"c{number}", f"g{number}", f"h{number}"):
            for _ in range(3):
                stage.command(f"ack f1 {task_id}")
    framework = records.frameworks["f1"]
    assert [list(framework.tasks), list(framework.executors)] == [["stays"], ["default"]]
    assert (len(records.runs), len(records.task_runs), len(framework.ended_executors)) == (1, 1, 0)
    assert len(framework.completed_executors) == framework.completed_executors.maxlen
    pod = framework.executors["default"]
    assert len(pod.completed_tasks) == pod.completed_tasks.maxlen
    assert stage.core.next_deadline() == BEGIN + 75, "nothing is waited for but the master's ping"


def test_a_default_executor_uses_what_its_tasks_use() -> None:
    stage = ready()
    stage.command("launch f1 default group t1 t2")
    one, two = stage.core.records.task_runs
    usage = {
        one: ResourceStatistics(timestamp=1.0, cpus_user_time_secs=0.5, mem_rss_bytes=1000, processes=1),
        two: ResourceStatistics(timestamp=1.0, cpus_user_time_secs=0.25, mem_rss_bytes=500, processes=2),
    }
    (answer,) = stage.core.handle(LegacyCall(1, None, "monitor/statistics", {}, usage), BEGIN)
    assert isinstance(answer, Answer)
    (shown,) = json.loads(json.dumps(answer.body))
    assert shown["executor_id"] == "default"
    measured = {name: shown["statistics"].get(name) for name in ("cpus_user_time_secs", "mem_rss_bytes", "processes")}
    assert measured == {"cpus_user_time_secs": 0.75, "mem_rss_bytes": 1500, "processes": 3}
    assert shown["statistics"]["cpus_soft_limit"] == 1.1

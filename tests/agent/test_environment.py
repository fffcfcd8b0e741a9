"""What an executor is started with."""

from __future__ import annotations

import re

import msgspec
import pytest

from tepui.agent.environment import (
    DEFAULT_PATH,
    command_line,
    executor_environment,
    sandbox,
    shutdown_grace_seconds,
    task_environment,
    user_of,
)
from tepui.model.v1.mesos import CommandInfo, DurationInfo, Environment, Resource
from tests.agent.stage import config, executor_info, framework_info, task_info
from tests.conformance.captures import CAPTURES_DIRECTORY

CAPTURE = CAPTURES_DIRECTORY / "executor-01-e1.txt"
Variable = Environment.Variable


def environment_of(framework_id: str = "f1", checkpoint: bool = False, **changes: object) -> dict[str, str]:
    agent = msgspec.structs.replace(config(), **changes)
    info = executor_info(framework_id, "e1")
    directory = sandbox(agent, "S0", framework_id, "e1", "run")
    return executor_environment(
        agent,
        agent_id="S0",
        port=5051,
        framework_id=framework_id,
        framework=framework_info(framework_id, checkpoint=checkpoint),
        info=info,
        directory=directory,
    )


def test_environment_of_an_executor() -> None:
    directory = "/work_dir/slaves/S0/frameworks/f1/executors/e1/runs/run"
    assert environment_of() == {
        "PATH": DEFAULT_PATH,
        "LIBPROCESS_IP": "127.0.0.1",
        "LIBPROCESS_PORT": "0",
        "MESOS_AGENT_ENDPOINT": "127.0.0.1:5051",
        "MESOS_CHECKPOINT": "0",
        "MESOS_DIRECTORY": directory,
        "MESOS_EXECUTOR_ID": "e1",
        "MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD": "5secs",
        "MESOS_FRAMEWORK_ID": "f1",
        "MESOS_HTTP_COMMAND_EXECUTOR": "0",
        "MESOS_SANDBOX": directory,
        "MESOS_SLAVE_ID": "S0",
        "MESOS_SLAVE_PID": "slave(1)@127.0.0.1:5051",
    }


def test_environment_of_an_executor_that_may_outlive_its_agent() -> None:
    with_checkpoint = environment_of(checkpoint=True)
    assert with_checkpoint.items() - environment_of().items() == {
        ("MESOS_CHECKPOINT", "1"),
        ("MESOS_RECOVERY_TIMEOUT", "15mins"),
        ("MESOS_SUBSCRIPTION_BACKOFF_MAX", "2secs"),
    }


@pytest.mark.skipif(not CAPTURE.exists(), reason=f"the recorded conversation {CAPTURE} is not here")
def test_environment_has_the_variables_of_the_recorded_one() -> None:
    recorded = dict(re.findall(r"^((?:MESOS|LIBPROCESS)_\w+)=(.*)$", CAPTURE.read_text(), re.MULTILINE))
    root = recorded["MESOS_DIRECTORY"].split("/slaves/")[0]
    framework_id = recorded["MESOS_FRAMEWORK_ID"]
    agent_id = recorded["MESOS_SLAVE_ID"]
    agent = config(executor_shutdown_grace_seconds=2.0)
    agent = msgspec.structs.replace(agent, work_dir=root)
    ours = executor_environment(
        agent,
        agent_id=agent_id,
        port=5051,
        framework_id=framework_id,
        framework=framework_info(framework_id),
        info=executor_info(framework_id, "e1"),
        directory=sandbox(agent, agent_id, framework_id, "e1", recorded["MESOS_DIRECTORY"].rsplit("/", 1)[1]),
    )
    del ours["PATH"]
    assert ours == recorded


def test_the_command_overrides_mesos_which_overrides_the_flag() -> None:
    info = executor_info("f1", "e1")
    assert info.command is not None
    secret = Variable(name="SECRET", type=Variable.Type.SECRET)
    info.command.environment = Environment(
        variables=[Variable(name="MESOS_CHECKPOINT", value="mine"), Variable(name="A", value="command"), secret]
    )
    agent = config(executor_environment={"A": "flag", "B": "flag", "PATH": "/bin", "MESOS_SANDBOX": "flag"})
    ours = executor_environment(
        agent,
        agent_id="S0",
        port=5051,
        framework_id="f1",
        framework=framework_info("f1"),
        info=info,
        directory="/sandbox",
    )
    assert (ours["A"], ours["B"], ours["PATH"]) == ("command", "flag", "/bin")
    assert (ours["MESOS_SANDBOX"], ours["MESOS_CHECKPOINT"]) == ("/sandbox", "mine")
    assert "SECRET" not in ours


def test_a_task_by_its_command_has_what_executors_have_and_the_variables_of_its_command() -> None:
    task = task_info("t1")
    task.command = CommandInfo(
        value="env",
        environment=Environment(variables=[Variable(name="A", value="1"), Variable(name="PATH", value="/")]),
    )
    task.resources[0].allocation_info = Resource.AllocationInfo(role="dev")
    found = task_environment(
        config(),
        agent_id="S0",
        port=5051,
        framework_id="f1",
        framework=framework_info("f1"),
        executor=executor_info("f1", "e1"),
        task=task,
        directory="/box",
    )
    assert found == environment_of() | {
        "A": "1",
        "PATH": "/",
        "MESOS_ALLOCATION_ROLE": "dev",
        "MESOS_CONTAINER_IP": "127.0.0.1",
        "MESOS_DIRECTORY": "/box",
        "MESOS_SANDBOX": "/box",
    }


@pytest.mark.parametrize(
    ("command", "line"),
    [
        (CommandInfo(value="echo $A | cat"), ("/bin/sh", ["/bin/sh", "-c", "echo $A | cat"])),
        (CommandInfo(shell=False, value="/bin/ls", arguments=["own name", "-l"]), ("/bin/ls", ["own name", "-l"])),
        (CommandInfo(shell=False, value="/bin/ls"), ("/bin/ls", ["/bin/ls"])),
        (CommandInfo(), ("/bin/sh", ["/bin/sh", "-c", ""])),
    ],
)
def test_a_command_is_a_program_and_its_argument_vector(command: CommandInfo, line: tuple[str, list[str]]) -> None:
    assert command_line(command) == line


def test_who_a_command_runs_as() -> None:
    framework = framework_info("f1")
    assert user_of(config(), framework, None) == "alice"
    assert user_of(config(), framework, CommandInfo()) == "alice"
    assert user_of(config(switch_user=False), framework, CommandInfo(user="bob")) is None
    assert user_of(config(), framework, CommandInfo(user="bob")) == "bob"


def test_the_executor_says_how_long_it_may_take_to_shut_down() -> None:
    info = executor_info("f1", "e1")
    assert shutdown_grace_seconds(config(), info) == 5.0
    info.shutdown_grace_period = DurationInfo(nanoseconds=1_500_000_000)
    assert shutdown_grace_seconds(config(), info) == 1.5

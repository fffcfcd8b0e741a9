"""What executors and tasks are started with: environment, command line, user, sandbox."""

from __future__ import annotations

from tepui.agent.config import AgentConfig
from tepui.model.addresses import host_and_port
from tepui.model.operators import agent_pid
from tepui.model.v1.mesos import CommandInfo, DurationInfo, Environment, ExecutorInfo, FrameworkInfo, TaskInfo
from tepui.wire.text import format_duration

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""PATH of an executor when nobody sets it; the agent's own environment is not inherited."""

ORPHAN_GRACE_SECONDS = 5.0
"""How long a run of a framework that does not checkpoint may outlive the agent."""


def seconds_of(duration: DurationInfo | None, default: float) -> float:
    return default if duration is None else duration.nanoseconds / 1e9


def shutdown_grace_seconds(config: AgentConfig, info: ExecutorInfo) -> float:
    """How long the executor may take to shut down: its own word, else the agent's."""
    return seconds_of(info.shutdown_grace_period, config.executor_shutdown_grace_seconds)


def orphan_timeout_seconds(config: AgentConfig, checkpoint: bool) -> float:
    """How long a run may outlive the agent."""
    return config.recovery_timeout_seconds if checkpoint else ORPHAN_GRACE_SECONDS


def sandbox(config: AgentConfig, agent_id: str, framework_id: str, executor_id: str, run: str) -> str:
    """Where a run's sandbox is, in Mesos's layout of the work directory."""
    work_dir = config.work_dir.rstrip("/")
    return f"{work_dir}/slaves/{agent_id}/frameworks/{framework_id}/executors/{executor_id}/runs/{run}"


def command_line(command: CommandInfo) -> tuple[str, list[str]]:
    """The program and its argument vector: `/bin/sh -c value`, or `value` with `arguments`, which begin with a name."""
    value = command.value or ""
    if command.shell:
        return "/bin/sh", ["/bin/sh", "-c", value]
    return value, list(command.arguments) or [value]


def user_of(config: AgentConfig, framework: FrameworkInfo, command: CommandInfo | None) -> str | None:
    """Whom the command runs as; None: the agent's own user."""
    if not config.switch_user:
        return None
    return (command.user if command is not None else None) or framework.user or None


def executor_environment(
    config: AgentConfig,
    *,
    agent_id: str,
    port: int,
    framework_id: str,
    framework: FrameworkInfo,
    info: ExecutorInfo,
    directory: str,
) -> dict[str, str]:
    """All variables of an executor. The later wins: the agent's flag, Mesos's own, those of the command."""
    checkpoint = framework.checkpoint
    environment = dict(config.executor_environment)
    environment.setdefault("PATH", DEFAULT_PATH)
    environment.update(
        {
            "LIBPROCESS_IP": config.ip,
            "LIBPROCESS_PORT": "0",
            "MESOS_AGENT_ENDPOINT": host_and_port(config.ip, port),
            "MESOS_CHECKPOINT": "1" if checkpoint else "0",
            "MESOS_DIRECTORY": directory,
            "MESOS_EXECUTOR_ID": info.executor_id.value,
            "MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD": format_duration(shutdown_grace_seconds(config, info)),
            "MESOS_FRAMEWORK_ID": framework_id,
            "MESOS_HTTP_COMMAND_EXECUTOR": "0",
            "MESOS_SANDBOX": directory,
            "MESOS_SLAVE_ID": agent_id,
            "MESOS_SLAVE_PID": agent_pid(config.ip, port),
        }
    )
    if checkpoint:
        environment["MESOS_RECOVERY_TIMEOUT"] = format_duration(config.recovery_timeout_seconds)
        environment["MESOS_SUBSCRIPTION_BACKOFF_MAX"] = format_duration(config.executor_reregistration_timeout_seconds)
    _add_variables(environment, info.command)
    return environment


def task_environment(
    config: AgentConfig,
    *,
    agent_id: str,
    port: int,
    framework_id: str,
    framework: FrameworkInfo,
    executor: ExecutorInfo,
    task: TaskInfo,
    directory: str,
) -> dict[str, str]:
    """All variables of a task that the agent runs: what Mesos's own executors let their tasks inherit, and add."""
    environment = executor_environment(
        config,
        agent_id=agent_id,
        port=port,
        framework_id=framework_id,
        framework=framework,
        info=executor,
        directory=directory,
    )
    environment["MESOS_CONTAINER_IP"] = config.ip
    role = allocated_to(task)
    if role is not None:
        environment["MESOS_ALLOCATION_ROLE"] = role
    _add_variables(environment, task.command)
    return environment


def allocated_to(task: TaskInfo) -> str | None:
    """The role that the task's resources are allocated to; it is the same for all of them."""
    for resource in task.resources:
        if resource.allocation_info is not None:
            return resource.allocation_info.role
    return None


def _add_variables(environment: dict[str, str], command: CommandInfo | None) -> None:
    if command is not None and command.environment is not None:
        for variable in command.environment.variables:
            if variable.type is Environment.Variable.Type.VALUE and variable.value is not None:
                environment[variable.name] = variable.value

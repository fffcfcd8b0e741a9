"""What this agent cannot run, in one sentence; the calls of executors are checked by `tepui.model.validation`."""

from __future__ import annotations

from tepui.model.v1.mesos import CommandInfo, ContainerInfo, Environment, ExecutorInfo, TaskInfo


def unsupported_executor(info: ExecutorInfo) -> str | None:
    """Why this version cannot run an executor, so that its tasks fail at once and say so."""
    command = info.command
    if command is None and info.type is not ExecutorInfo.Type.DEFAULT:
        return "The executor has no command to run"
    why = None if command is None else _unsupported_command(command)
    return why or _unsupported_container(info.container)


def unsupported_task(info: TaskInfo) -> str | None:
    """Why this version cannot run a task by its command."""
    command = info.command
    if command is None or command.value is None:
        return "The task has no command to run"
    if info.health_check is not None or info.check is not None:
        return "This version of the agent does not check tasks that run by their command"
    return _unsupported_command(command) or _unsupported_container(info.container)


def _unsupported_command(command: CommandInfo) -> str | None:
    if command.uris:
        return "This version of the agent does not fetch URIs"
    variables = command.environment.variables if command.environment is not None else []
    if any(variable.type is Environment.Variable.Type.SECRET for variable in variables):
        return "This version of the agent does not resolve secrets"
    return None


def _unsupported_container(container: ContainerInfo | None) -> str | None:
    if container is not None and (
        container.type is not ContainerInfo.Type.MESOS
        or container.volumes
        or container.network_infos
        or (container.mesos is not None and container.mesos.image is not None)
    ):
        return "This version of the agent does not run containers with images, volumes or networks"
    return None

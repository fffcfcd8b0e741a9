"""Descriptions of frameworks, executors and commands, without the ceremony of their messages."""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping, Sequence

from tepui.model.resources import Resources
from tepui.model.v1.mesos import (
    CommandInfo,
    DurationInfo,
    Environment,
    ExecutorID,
    ExecutorInfo,
    FrameworkID,
    FrameworkInfo,
    KillPolicy,
    Label,
    Labels,
    Resource,
    Value,
)

_Capability = FrameworkInfo.Capability

CAPABILITIES = (
    _Capability.Type.MULTI_ROLE,
    _Capability.Type.PARTITION_AWARE,
    _Capability.Type.RESERVATION_REFINEMENT,
)
"""What this library understands: several roles, tasks that are unreachable but not lost, stacked reservations."""


def framework_info(
    name: str,
    *,
    roles: Sequence[str] = ("*",),
    user: str | None = None,
    failover_timeout_seconds: float = 0.0,
    checkpoint: bool = False,
    principal: str | None = None,
    webui_url: str | None = None,
    labels: Mapping[str, str] | None = None,
    capabilities: Sequence[FrameworkInfo.Capability.Type] = (),
    framework_id: str | None = None,
) -> FrameworkInfo:
    """How a framework describes itself. Without `user` its tasks run as who runs this. For `failover_timeout_seconds`
    after its scheduler went away its tasks run on; with `checkpoint` they survive their agent's restart. With
    `framework_id` it is the framework that has this id already."""
    return FrameworkInfo(
        id=None if framework_id is None else FrameworkID(value=framework_id),
        user=user or _own_user(),
        name=name,
        roles=list(roles),
        failover_timeout=failover_timeout_seconds,
        checkpoint=checkpoint,
        principal=principal,
        webui_url=webui_url,
        labels=None if labels is None else labels_of(labels),
        capabilities=[_Capability(type=kind) for kind in dict.fromkeys((*CAPABILITIES, *capabilities))],
    )


def _own_user() -> str:
    """Who runs this, whatever the environment says; a number where there is no name for it."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def executor_info(
    executor_id: str,
    command: str | Sequence[str],
    *,
    cpus: float = 0.1,
    mem: float = 32,
    name: str | None = None,
    environment: Mapping[str, str] | None = None,
    user: str | None = None,
    data: bytes | None = None,
    shutdown_grace_seconds: float | None = None,
) -> ExecutorInfo:
    """An executor of the framework's own. `cpus` and `mem` (megabytes) are for the executor itself, once an agent."""
    grace = None if shutdown_grace_seconds is None else DurationInfo(nanoseconds=nanoseconds(shutdown_grace_seconds))
    return ExecutorInfo(
        type=ExecutorInfo.Type.CUSTOM,
        executor_id=ExecutorID(value=executor_id),
        command=command_info(command, environment=environment, user=user),
        resources=scalars({"cpus": cpus, "mem": mem}),
        name=name,
        data=data,
        shutdown_grace_period=grace,
    )


def command_info(
    command: str | Sequence[str], *, environment: Mapping[str, str] | None = None, user: str | None = None
) -> CommandInfo:
    """Text for `/bin/sh -c`, or a list: the program and its arguments."""
    variables = None
    if environment is not None:
        variables = Environment(
            variables=[Environment.Variable(name=name, value=value) for name, value in environment.items()]
        )
    if isinstance(command, str):
        return CommandInfo(value=command, environment=variables, user=user)
    if not command:
        raise ValueError("A command needs a program")
    return CommandInfo(shell=False, value=command[0], arguments=list(command), environment=variables, user=user)


def scalars(amounts: Mapping[str, float]) -> list[Resource]:
    """Plain resources by name."""
    resources = [
        Resource(name=name, type=Value.Type.SCALAR, scalar=Value.Scalar(value=amount))
        for name, amount in amounts.items()
        if amount
    ]
    return Resources.of(resources).messages()


def labels_of(labels: Mapping[str, str]) -> Labels:
    return Labels(labels=[Label(key=key, value=value) for key, value in labels.items()])


def kill_policy(grace_seconds: float | None) -> KillPolicy | None:
    """How long a task gets between SIGTERM and SIGKILL; None leaves it to the agent."""
    if grace_seconds is None:
        return None
    return KillPolicy(grace_period=DurationInfo(nanoseconds=nanoseconds(grace_seconds)))


def nanoseconds(seconds: float) -> int:
    return round(seconds * 1e9)

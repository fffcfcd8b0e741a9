"""What an agent tells an executor in its environment."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from tepui.session.executor import Settings
from tepui.wire.text import TextError, parse_duration


class NotAnExecutorError(Exception):
    """The environment is not that of an executor: an agent did not start this process."""


class Environment(msgspec.Struct, frozen=True):
    """Who the executor is, and where its agent listens."""

    framework_id: str
    executor_id: str
    agent_address: str
    settings: Settings = Settings()
    token: str | None = None
    """Sent to the agent as proof of being this executor."""


def read_environment(variables: Mapping[str, str]) -> Environment:
    """Read Mesos's variables. Raises NotAnExecutorError."""
    default = Settings()
    settings = Settings(
        checkpoint=variables.get("MESOS_CHECKPOINT", "0") == "1",
        recovery_seconds=_seconds(variables, "MESOS_RECOVERY_TIMEOUT", default.recovery_seconds),
        backoff_seconds_max=_seconds(variables, "MESOS_SUBSCRIPTION_BACKOFF_MAX", default.backoff_seconds_max),
        shutdown_grace_seconds=_seconds(
            variables, "MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD", default.shutdown_grace_seconds
        ),
    )
    return Environment(
        framework_id=_needed(variables, "MESOS_FRAMEWORK_ID"),
        executor_id=_needed(variables, "MESOS_EXECUTOR_ID"),
        agent_address=_needed(variables, "MESOS_AGENT_ENDPOINT"),
        settings=settings,
        token=variables.get("MESOS_EXECUTOR_AUTHENTICATION_TOKEN"),
    )


def _needed(variables: Mapping[str, str], name: str) -> str:
    value = variables.get(name)
    if not value:
        raise NotAnExecutorError(f"{name} is not set: an executor is started by an agent, not by hand")
    return value


def _seconds(variables: Mapping[str, str], name: str, default: float) -> float:
    text = variables.get(name)
    if not text:
        return default
    try:
        return parse_duration(text)
    except TextError as error:
        raise NotAnExecutorError(f"{name} is no duration: {error}") from None

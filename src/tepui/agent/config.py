"""What the agent core is told at construction, in the terms of Mesos's flags."""

from __future__ import annotations

import msgspec

from tepui.model.v1.mesos import AgentInfo


class AgentConfig(msgspec.Struct, kw_only=True, frozen=True):
    info: AgentInfo
    """Resources, attributes, hostname, port, domain; without an id."""
    version: str
    ip: str
    work_dir: str
    start_time: float = 0.0
    flags: dict[str, str] = {}
    build: dict[str, object] = {}
    capabilities: tuple[str, ...] = (
        "MULTI_ROLE",
        "HIERARCHICAL_ROLE",
        "RESERVATION_REFINEMENT",
        "RESIZE_VOLUME",
        "AGENT_OPERATION_FEEDBACK",
        "AGENT_DRAINING",
        "TASK_RESOURCE_LIMITS",
    )
    executor_registration_timeout_seconds: float = 60.0
    executor_shutdown_grace_seconds: float = 5.0
    executor_reregistration_timeout_seconds: float = 2.0
    recovery_timeout_seconds: float = 900.0
    executor_environment: dict[str, str] = {}
    switch_user: bool = True
    completed_frameworks_max: int = 50
    completed_executors_per_framework_max: int = 150
    completed_tasks_per_executor_max: int = 200
    update_retry_seconds_min: float = 10.0
    update_retry_seconds_max: float = 600.0
    executor_heartbeat_seconds: float = 1800.0

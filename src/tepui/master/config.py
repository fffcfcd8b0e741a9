"""What the master core is told at construction, in the terms of Mesos's flags."""

from __future__ import annotations

import msgspec

from tepui.allocator import RegexLimits
from tepui.model.v1.mesos import MasterInfo


class MasterConfig(msgspec.Struct, kw_only=True, frozen=True):
    """Everything that the core is told; defaults are those of the flags."""

    info: MasterInfo
    """Who this master is; its id prefixes the ids of frameworks, agents and offers."""
    version: str
    epoch: int = 1
    cluster: str | None = None
    flags: dict[str, str] = {}
    """All flags as text, for /flags, /state and GET_FLAGS."""
    start_time: float = 0.0
    elected_time: float = 0.0
    build: dict[str, object] = {}
    """build_date, build_time, build_user and git_* for /version and /state."""

    roles: frozenset[str] | None = None
    """The white list of roles; None admits any."""
    weights: dict[str, float] = {}
    regex_limits: RegexLimits = RegexLimits()
    """For regular expressions in offer constraints."""
    root_submissions: bool = True
    offer_timeout_seconds: float | None = 300.0
    """Offers held longer are rescinded."""
    agent_ping_timeout_seconds: float = 15.0
    agent_pings_missed_max: int = 5
    agent_reregister_timeout_seconds: float = 600.0
    agent_removal_interval_seconds: float | None = None
    """At most one agent in this time becomes unreachable by itself; None: no limit."""
    recovery_agent_removal_limit: float = 1.0
    """The master ends when a larger part of the agents that its registry knows does not come back."""
    registry_gc_interval_seconds: float = 900.0
    registry_max_agent_age_seconds: float = 14 * 86400.0
    registry_max_agent_count: int = 102400
    """Unreachable and gone agents that are older, or more, are forgotten."""
    revocation: bool = False
    """Tasks of frameworks above their guarantee end for those below theirs."""
    revocation_grace_seconds: float = 10.0
    completed_frameworks_max: int = 50
    completed_tasks_per_framework_max: int = 1000
    unreachable_tasks_per_framework_max: int = 1000
    operator_streams_max: int = 1000
    require_agent_domain: bool = False
    per_framework_metrics: bool = True
    heartbeat_seconds: float = 15.0

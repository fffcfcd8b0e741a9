"""What the master core is told: from the flags, and from where the master listens."""

from __future__ import annotations

from uuid import uuid4

from tepui import __version__
from tepui.allocator import RegexLimits
from tepui.master.config import MasterConfig
from tepui.model.addresses import host_and_port
from tepui.model.v1.mesos import Address, MasterInfo
from tepui.server.domain import fault_domain
from tepui.server.flags import Flags
from tepui.server.network import advertised, ip_number
from tepui.wire.versions import MESOS_VERSION, build_facts


def master_config(flags: Flags, port: int, now: float) -> MasterConfig:
    """What the core is told, from the flags and from where the master listens."""
    place = advertised(flags)
    port = flags.number("advertise_port") if flags.value("advertise_port") is not None else port
    domain = flags.value("domain")
    info = MasterInfo(
        id=str(uuid4()),
        ip=ip_number(place.ip),
        port=port,
        pid=f"master@{host_and_port(place.ip, port)}",
        hostname=place.hostname,
        version=MESOS_VERSION,
        address=Address(hostname=place.hostname, ip=place.ip, port=port),
        capabilities=[
            MasterInfo.Capability(type=MasterInfo.Capability.Type.AGENT_UPDATE),
            MasterInfo.Capability(type=MasterInfo.Capability.Type.AGENT_DRAINING),
            MasterInfo.Capability(),
        ],
        domain=fault_domain(domain) if isinstance(domain, dict) else None,
    )
    roles, weights = flags.value("roles"), flags.value("weights")
    offer_timeout = flags.value("offer_timeout")
    interval, limit = flags.value("agent_removal_rate_limit"), flags.value("recovery_agent_removal_limit")
    return MasterConfig(
        info=info,
        version=MESOS_VERSION,
        cluster=flags.text("cluster"),
        flags=flags.texts(),
        start_time=now,
        elected_time=now,
        build=build_facts(__version__),
        roles=roles if isinstance(roles, frozenset) else None,
        weights=weights if isinstance(weights, dict) else {},
        regex_limits=RegexLimits(
            flags.number("offer_constraints_re2_max_mem"), flags.number("offer_constraints_re2_max_program_size")
        ),
        root_submissions=flags.switch("root_submissions"),
        revocation=flags.switch("revocation"),
        revocation_grace_seconds=flags.seconds("revocation_grace_period"),
        offer_timeout_seconds=offer_timeout if isinstance(offer_timeout, float) else None,
        agent_ping_timeout_seconds=flags.seconds("agent_ping_timeout"),
        agent_pings_missed_max=flags.number("max_agent_ping_timeouts"),
        agent_reregister_timeout_seconds=flags.seconds("agent_reregister_timeout"),
        agent_removal_interval_seconds=interval if isinstance(interval, float) else None,
        recovery_agent_removal_limit=limit if isinstance(limit, float) else 1.0,
        registry_gc_interval_seconds=flags.seconds("registry_gc_interval"),
        registry_max_agent_age_seconds=flags.seconds("registry_max_agent_age"),
        registry_max_agent_count=flags.number("registry_max_agent_count"),
        completed_frameworks_max=flags.number("max_completed_frameworks"),
        completed_tasks_per_framework_max=flags.number("max_completed_tasks_per_framework"),
        unreachable_tasks_per_framework_max=flags.number("max_unreachable_tasks_per_framework"),
        operator_streams_max=flags.number("max_operator_event_stream_subscribers"),
        require_agent_domain=flags.switch("require_agent_domain"),
        per_framework_metrics=flags.switch("publish_per_framework_metrics"),
    )

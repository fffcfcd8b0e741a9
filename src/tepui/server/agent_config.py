"""What the agent core is told: from the flags, the machine, and where the agent listens."""

from __future__ import annotations

from tepui import __version__
from tepui.agent.config import AgentConfig
from tepui.model.resource_kind import Reservation, ReservationForm
from tepui.model.resources import Resources
from tepui.model.short_tasks import ShortTasks, attributes_of
from tepui.model.v1.mesos import AgentInfo, Resource
from tepui.server.domain import fault_domain
from tepui.server.flags import FlagError, Flags
from tepui.server.network import advertised
from tepui.server.system import detected_resources
from tepui.server.volumes import check_disks
from tepui.wire.text import TextError, parse_attributes, parse_resources
from tepui.wire.versions import MESOS_VERSION, build_facts


def agent_info(flags: Flags, hostname: str, port: int, work_dir: str) -> AgentInfo:
    """The agent's description, without an id. Raises FlagError."""
    default_role = flags.text("default_role") or "*"
    try:
        given = parse_resources(flags.text("resources") or "", default_role)
        names = {resource.name for resource in given}
        detected = ";".join(
            f"{name}:{value}" for name, value in detected_resources(work_dir).items() if name not in names
        )
        resources = given + parse_resources(detected, default_role)
    except TextError as error:
        raise FlagError(f"--resources {error}.") from None
    check_disks(resources)
    try:
        attributes = parse_attributes(flags.text("attributes") or "")
    except TextError as error:
        raise FlagError(f"--attributes {error}.") from None
    short = flags.text("short_task_resources")
    if short is not None:
        if flags.text("short_task_role") == "*":
            raise FlagError("--short_task_role must be a role of its own: '*' is what everybody has.")
        kept_for = ShortTasks(flags.text("short_task_role") or "", flags.seconds("short_task_duration"))
        resources = _keep_for_short_tasks(resources, parse_resources(short, "*"), kept_for)
        attributes = attributes + attributes_of(kept_for)
    domain = flags.value("domain")
    return AgentInfo(
        hostname=hostname,
        port=flags.number("advertise_port") if flags.value("advertise_port") is not None else port,
        resources=resources,
        attributes=attributes,
        domain=fault_domain(domain) if isinstance(domain, dict) else None,
    )


def _keep_for_short_tasks(resources: list[Resource], kept: list[Resource], short: ShortTasks) -> list[Resource]:
    """All resources, those that are kept for short tasks reserved for their role. Raises FlagError."""
    every, part = Resources.of(resources), Resources.of(kept)
    free = every.unreserved()
    if not free.contains(part):
        raise FlagError(f"--short_task_resources {part} is more than the agent has unreserved, which is {free}.")
    reservation = Reservation(Resource.ReservationInfo.Type.STATIC, short.role)
    return (every - part + part.with_reservation(reservation)).messages(ReservationForm.STACK)


def agent_config(flags: Flags, port: int, work_dir: str, now: float) -> AgentConfig:
    """What the core is told, from the flags and from where the agent listens. Raises FlagError."""
    variables = flags.value("executor_environment_variables")
    place = advertised(flags)
    return AgentConfig(
        info=agent_info(flags, place.hostname, port, work_dir),
        version=MESOS_VERSION,
        ip=place.ip,
        work_dir=work_dir,
        start_time=now,
        flags=flags.texts(),
        build=build_facts(__version__),
        executor_registration_timeout_seconds=flags.seconds("executor_registration_timeout"),
        executor_shutdown_grace_seconds=flags.seconds("executor_shutdown_grace_period"),
        executor_reregistration_timeout_seconds=flags.seconds("executor_reregistration_timeout"),
        recovery_timeout_seconds=flags.seconds("recovery_timeout"),
        executor_environment=variables if isinstance(variables, dict) else {},
        switch_user=flags.switch("switch_user"),
        completed_executors_per_framework_max=flags.number("max_completed_executors_per_framework"),
    )

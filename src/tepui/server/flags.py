"""Flags under Mesos's names: a table for each server, from which the command line, the environment and /flags are made.

A value comes from the command line, else from TEPUI_<NAME>, else from MESOS_<NAME>, else from the table. Each value is
checked when it is read; what is wrong with it is one sentence (`FlagError`). A flag whose feature this version does not
have is known all the same and refused with a sentence, because ignoring it silently would surprise (think of `--acls`).
"""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from tepui.model.addresses import AddressError
from tepui.model.roles import validate_role
from tepui.model.v1.mesos import Resource
from tepui.server.policies import HIERARCHICAL, SORTERS, PolicyError, policy_named
from tepui.transport.zookeeper_url import parse_zookeeper_url, read_named_file
from tepui.wire.text import (
    TextError,
    parse_duration,
    parse_min_allocatable,
    parse_resources,
    parse_revocable_resources,
    parse_weights,
)

Value = object
SESSION_SECONDS_MIN, SESSION_SECONDS_MAX = 0.1, 3600.0
"""Below, no connection is made in time; above, the protocol soon has no number for it. Servers bound it more."""
_PASSWORD = re.compile(r"^(zk://[^:/]*:).*@")
Result = TypeVar("Result")


class FlagError(Exception):
    """A flag's value is wrong; the text says which, why, and what to write instead."""


@dataclass(frozen=True)
class Flag:
    """One flag: its name, how its text is read, its default text (None: unset) and what it is for."""

    name: str
    parse: Callable[[str], Value]
    default: str | None
    help: str
    is_switch: bool = False
    hidden: bool = False


def _integer(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise FlagError(f"expects a whole number, not '{text}'") from None
        if not low <= value <= high:
            raise FlagError(f"expects a number from {low} to {high}, not {value}")
        return value

    return parse


def _boolean(text: str) -> bool:
    if text in ("true", "1"):
        return True
    if text in ("false", "0"):
        return False
    raise FlagError(f"expects true or false, not '{text}'")


def _duration(text: str) -> float:
    seconds = _seconds(text)
    if seconds < 0:
        raise FlagError(f"expects a duration of at least 0, not '{text}'")
    return seconds


def _positive_duration(text: str) -> float:
    seconds = _duration(text)
    if seconds == 0:
        raise FlagError(f"expects a duration longer than 0, not '{text}'")
    return seconds


def _session_timeout(text: str) -> float:
    seconds = _seconds(text)
    if not SESSION_SECONDS_MIN <= seconds <= SESSION_SECONDS_MAX:
        raise FlagError(f"expects a duration from 100ms to 1hrs, not '{text}'")
    return seconds


def _rate(text: str) -> float:
    """`NUMBER/DURATION`, as the time that each one takes of it."""
    number, slash, duration = text.partition("/")
    if not slash or not number.strip().isdecimal() or int(number) == 0:
        raise FlagError(f"expects a number of agents and a duration, such as 1/10mins, not '{text}'")
    return _positive_duration(duration) / int(number)


def _percentage(text: str) -> float:
    number, sign, rest = text.partition("%")
    try:
        part = float(number) / 100
    except ValueError:
        part = -1.0
    if not sign or rest or not 0 <= part <= 1:
        raise FlagError(f"expects a percentage from 0% to 100%, not '{text}'")
    return part


def _text(text: str) -> str:
    return text


def _ip(text: str) -> str:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, text)
        except OSError:
            continue
        return text
    raise FlagError(f"expects an IP address such as 127.0.0.1, not '{text}'")


def _roles(text: str) -> frozenset[str]:
    return frozenset(role for role in text.split(",") if role)


def _read_by(parse: Callable[[str], Result]) -> Callable[[str], Result]:
    """`parse`, whose errors become those of a flag."""

    def read(text: str) -> Result:
        try:
            return parse(text)
        except TextError as error:
            raise FlagError(str(error)) from None

    return read


_seconds = _read_by(parse_duration)
_weights = _read_by(parse_weights)
_min_allocatable = _read_by(parse_min_allocatable)


def _json_file_or_text(text: str) -> str:
    """JSON is given in place, or as a file: `file:///path` or an absolute path."""
    if text.startswith("file://"):
        text = text.removeprefix("file://")
    if not text.startswith("/"):
        return text
    try:
        return read_named_file(text)
    except AddressError as error:
        raise FlagError(str(error)) from None


def _string_map(text: str) -> dict[str, str]:
    text = _json_file_or_text(text)
    try:
        value = json.loads(text)
    except ValueError as error:
        raise FlagError(f"expects a JSON object: {error}") from None
    if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
        raise FlagError("expects a JSON object whose values are strings")
    return value


def _domain(text: str) -> dict[str, str]:
    text = _json_file_or_text(text)
    try:
        fault_domain = json.loads(text)["fault_domain"]
        return {"region": str(fault_domain["region"]["name"]), "zone": str(fault_domain["zone"]["name"])}
    except (ValueError, KeyError, TypeError):
        raise FlagError(
            'expects {"fault_domain": {"region": {"name": "R"}, "zone": {"name": "Z"}}}, or a file with it'
        ) from None


def _one_of(*choices: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in choices:
            raise FlagError(f"expects {' or '.join(choices)}, not '{text}'")
        return text

    return parse


def _resources(text: str) -> str:
    text = _json_file_or_text(text)
    _read_by(parse_resources)(text)
    return text


def _zookeeper(text: str) -> str:
    try:
        parse_zookeeper_url(text)
    except AddressError as error:
        raise FlagError(str(error)) from None
    return text


def _revocable(text: str) -> str:
    """As it is given: a file is read again later."""
    read_revocable(text)
    return text


def read_revocable(text: str) -> list[Resource]:
    """The resources that `--oversubscribed_resources` names, perhaps in a file. Raises FlagError."""
    return _read_by(parse_revocable_resources)(_json_file_or_text(text))


def _role(text: str) -> str:
    why = validate_role(text)
    if why is not None:
        raise FlagError(f"expects the name of a role: {why}")
    return text


def _names(text: str) -> frozenset[str]:
    return frozenset(name for name in text.split(",") if name)


def _priorities(text: str) -> dict[str, int]:
    priorities = {}
    for piece in filter(None, text.split(",")):
        role, _, number = piece.partition("=")
        try:
            priorities[role.strip()] = int(number)
        except ValueError:
            raise FlagError(f"expects role=number,..., with whole numbers, not '{piece}'") from None
    return priorities


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise FlagError(f"expects a number from 0 to 1, not '{text}'")
    return share


def _policy(text: str) -> str:
    if text not in HIERARCHICAL:
        try:
            policy_named(text)
        except PolicyError as error:
            raise FlagError(str(error)) from None
    return text


def _whitelist(text: str) -> str | None:
    """The path; None when everybody is offered, which Mesos writes as `*`."""
    if text == "*":
        return None
    path = text.removeprefix("file://")
    if not path.startswith("/"):
        raise FlagError(f"expects file:///path/of/the/list, not '{text}'")
    return path


def _folder(text: str) -> str:
    return str(Path(text).absolute())


def _later(feature: str, *harmless: str) -> Callable[[str], str]:
    """A known flag without its feature: only values that ask for nothing pass."""

    def parse(text: str) -> str:
        if text in harmless:
            return text
        raise FlagError(f"asks for {feature}, which this version does not have")

    return parse


def _switch(name: str, default: bool, text: str) -> Flag:
    return Flag(name, _boolean, "true" if default else "false", text, is_switch=True)


def _later_switch(name: str, feature: str) -> Flag:
    return Flag(name, _later(feature, "false", "0"), "false", f"Asks for {feature}.", is_switch=True, hidden=True)


def _later_value(name: str, feature: str) -> Flag:
    return Flag(name, _later(feature), None, f"Asks for {feature}.", hidden=True)


_NETWORK = [
    Flag("ip", _ip, None, "IP address to listen on; all addresses when unset."),
    Flag("advertise_ip", _ip, None, "IP address told to others; the one listened on when unset."),
    Flag("advertise_port", _integer(1, 65535), None, "Port told to others; the one listened on when unset."),
    Flag("hostname", _text, None, "Host name told to others; looked up from the address when unset."),
    _switch("hostname_lookup", True, "Look the host name up; otherwise the IP address serves as one."),
    Flag("domain", _domain, None, "Fault domain as JSON, or a file with it."),
    Flag("logging_level", _one_of("DEBUG", "INFO", "WARNING", "ERROR"), "INFO", "The least that is logged."),
    _switch("quiet", False, "Log nothing but errors."),
    Flag("log_dir", _folder, None, "Folder for a log file beside the lines on standard error."),
    _later_value("firewall_rules", "firewall rules"),
    _later_value("modules", "modules"),
    _later_value("credentials", "authentication"),
    _later_value("http_credentials", "authentication"),
    _later_value("acls", "authorization"),
    _later_switch("authenticate_http_readonly", "authentication"),
    _later_switch("authenticate_http_readwrite", "authentication"),
]

MASTER_FLAGS = [
    *_NETWORK,
    Flag("port", _integer(0, 65535), "5050", "Port to listen on; 0 picks a free one."),
    Flag("work_dir", _folder, None, "Folder for the registry (what the master must remember), unless --zk says where."),
    Flag("cluster", _text, None, "Name of the cluster, for people."),
    Flag(
        "registry",
        _one_of("replicated_log", "in_memory"),
        "replicated_log",
        "What the master must remember is kept (replicated_log: by ZooKeeper with --zk, else in --work_dir), or not.",
    ),
    Flag("registry_fetch_timeout", _positive_duration, "1mins", "Time to read it; then the master ends."),
    Flag("registry_store_timeout", _positive_duration, "20secs", "Time to write it; then the master ends."),
    Flag("zk", _zookeeper, None, "Elect a leader by zk://[user:password@]HOST:PORT,.../path, or file:///path."),
    Flag("zk_session_timeout", _session_timeout, "10secs", "A leader that is missed for so long is replaced."),
    Flag("quorum", _integer(1, 1000), None, "Accepted, without effect: ZooKeeper's servers are the quorum."),
    Flag("roles", _roles, None, "White list of roles, separated by commas; any role when unset."),
    Flag("weights", _weights, None, "Weights of roles in a new cluster, such as `eng=2,ads=1.5`; 1 for others."),
    Flag("role_priorities", _priorities, None, "Priorities of roles, such as `eng=10`, for --allocator=priority."),
    Flag("allocator", _policy, "hierarchical", "Who gets offers first: drf, priority, lottery, random, or one's own."),
    Flag("role_sorter", _one_of(*SORTERS), "drf", "Order among roles, of --allocator=hierarchical: drf or random."),
    Flag("framework_sorter", _one_of(*SORTERS), "drf", "The same among a role's frameworks."),
    Flag("fair_sharing_excluded_resource_names", _names, None, "Resources that do not count for fair sharing."),
    Flag("whitelist", _whitelist, None, "File (file:///path) of hosts whose agents are offered, read every 5 seconds."),
    Flag("offer_constraints_re2_max_mem", _integer(1, 2**30), "4096", "Bytes that a regular expression may take."),
    Flag("offer_constraints_re2_max_program_size", _integer(1, 10**6), "100", "Steps that it may have."),
    Flag("gathering_share", _share, "0.1", "The most that is held back for large tasks, of the cluster; 0: nothing."),
    Flag("gathering_patience", _positive_duration, "10secs", "Time without a large enough offer until that begins."),
    Flag("gathering_timeout", _positive_duration, "2mins", "Time that one agent is tried for it."),
    Flag("allocation_interval", _positive_duration, "1secs", "Shortest time that a decline keeps an offer away."),
    _switch(
        "revocation", False, "Tasks of frameworks above their guarantee are ended for those that wait below theirs."
    ),
    Flag("revocation_grace_period", _duration, "10secs", "How long a task has to end when what it uses is taken back."),
    Flag("offer_timeout", _positive_duration, "5mins", "An offer held longer is rescinded."),
    Flag(
        "min_allocatable_resources", _min_allocatable, "cpus:0.01|mem:32", "An offer holds at least one of these sets."
    ),
    _switch("filter_gpu_resources", True, "Offer agents with gpus only to frameworks that know gpus."),
    _switch("root_submissions", True, "Admit frameworks whose user is root."),
    Flag("agent_ping_timeout", _positive_duration, "15secs", "Time for an agent to answer a ping."),
    Flag("max_agent_ping_timeouts", _integer(1, 1000), "5", "Pings missed in a row before an agent is unreachable."),
    Flag("agent_reregister_timeout", _positive_duration, "10mins", "Time for a disconnected agent to come back."),
    Flag("agent_removal_rate_limit", _rate, None, "At most so many agents become unreachable, such as `1/10mins`."),
    Flag("recovery_agent_removal_limit", _percentage, "100%", "Part of the agents that may be missing after failover."),
    Flag("registry_gc_interval", _positive_duration, "15mins", "How often unreachable and gone agents are forgotten."),
    Flag("registry_max_agent_age", _positive_duration, "2weeks", "Age at which they are."),
    Flag("registry_max_agent_count", _integer(0, 10**7), "102400", "Number beyond which the oldest of them are."),
    Flag("max_completed_frameworks", _integer(0, 10**6), "50", "Completed frameworks remembered."),
    Flag("max_completed_tasks_per_framework", _integer(0, 10**6), "1000", "Completed tasks remembered."),
    Flag("max_unreachable_tasks_per_framework", _integer(0, 10**6), "1000", "Unreachable tasks remembered."),
    Flag("max_operator_event_stream_subscribers", _integer(1, 10**5), "1000", "Operator streams open at once."),
    _switch("publish_per_framework_metrics", True, "Count calls, events and tasks of each framework."),
    _switch("require_agent_domain", False, "Refuse agents without a fault domain."),
    _later_value("rate_limits", "rate limits"),
    _later_switch("authenticate_agents", "authentication"),
    _later_switch("authenticate_frameworks", "authentication"),
    _later_switch("authenticate_http_frameworks", "authentication"),
]

AGENT_FLAGS = [
    *_NETWORK,
    Flag("port", _integer(0, 65535), "5051", "Port to listen on; 0 picks a free one."),
    Flag("master", _text, None, "Where the master is: HOST:PORT, several of them, zk://..., or file:///path."),
    Flag("work_dir", _folder, None, "Folder for sandboxes and what the agent must remember."),
    Flag("runtime_dir", _folder, None, "Folder for sockets and state that a reboot may clear."),
    Flag("resources", _resources, None, "Resources, such as `cpus:4;mem:4096`; what is left out is detected."),
    Flag("attributes", _text, None, "Attributes, such as `rack:r1;os:debian`."),
    Flag("default_role", _role, "*", "Role of resources given without one."),
    Flag("short_task_resources", _resources, None,
         "The part of its unreserved resources, such as `cpus:1;mem:512`, that it keeps for short tasks."),
    Flag("short_task_duration", _positive_duration, "30secs", "How long a short task may take at most."),
    Flag("short_task_role", _role, "short", "The role that what is kept for short tasks is reserved for."),
    Flag("oversubscribed_resources", _revocable, None,
         "Revocable resources lent beyond its own, such as `cpus:2`, or a file with them, read again and again."),
    Flag("oversubscribed_resources_interval", _positive_duration, "15secs", "How often that file is read."),
    Flag("executor_registration_timeout", _positive_duration, "1mins", "Time for an executor to subscribe."),
    Flag("executor_shutdown_grace_period", _duration, "5secs", "Time an executor has to end before it is killed."),
    Flag("executor_reregistration_timeout", _positive_duration, "2secs", "Longest wait of an executor to resubscribe."),
    Flag("executor_environment_variables", _string_map, None, "JSON object of variables for every executor."),
    Flag("recovery_timeout", _positive_duration, "15mins", "Time that executors may live without the agent."),
    Flag("registration_backoff_factor", _duration, "1secs", "First bound of the random wait between registrations."),
    Flag("max_completed_executors_per_framework", _integer(0, 10**6), "150", "Completed executors remembered."),
    _switch("switch_user", True, "Run executors as the user that their framework names (only as root)."),
    Flag("containerizers", _one_of("mesos"), "mesos", "Who runs containers."),
    Flag("isolation", _later("isolation beyond processes", "posix/cpu,posix/mem", "posix/cpu", "posix/mem"),
         "posix/cpu,posix/mem", "How containers are kept apart."),
    Flag("launcher", _one_of("posix"), "posix", "How containers are started."),
    _later_value("image_providers", "container images"),
    _later_value("resource_estimator", "an estimator module (--oversubscribed_resources says what to lend)"),
    _later_value("qos_controller", "oversubscription"),
    _later_switch("authenticate_http_executors", "authentication"),
    _later_value("credential", "authentication"),
    _later_value("jwt_secret_key", "authentication"),
]  # fmt: skip


class Flags:
    """The values of one server's flags, checked."""

    def __init__(self, table: list[Flag], given: Mapping[str, str], environment: Mapping[str, str]) -> None:
        """`given` holds the command line's texts by flag name.

        Raises FlagError with a sentence that names the flag, and the variable when the value came from one.
        """
        self._values: dict[str, Value] = {}
        self._texts: dict[str, str] = {}
        for flag in table:
            text, where = _find(flag, given, environment)
            if text is None:
                self._values[flag.name] = None
                continue
            try:
                self._values[flag.name] = flag.parse(text)
            except FlagError as error:
                raise FlagError(f"{where} {error}.") from None
            self._texts[flag.name] = _PASSWORD.sub(r"\1***@", text)

    def text(self, name: str) -> str | None:
        """The value as text, None while it is unset."""
        value = self._values[name]
        return None if value is None else str(value)

    def number(self, name: str) -> int:
        """The value of a flag that is a whole number."""
        value = self._values[name]
        assert isinstance(value, int), name
        return value

    def seconds(self, name: str) -> float:
        """The value of a flag that is a duration."""
        value = self._values[name]
        assert isinstance(value, float), name
        return value

    def switch(self, name: str) -> bool:
        """Whether a switch is on."""
        return self._values[name] is True

    def value(self, name: str) -> Value:
        """The value as it was parsed, None while it is unset."""
        return self._values[name]

    def texts(self) -> dict[str, str]:
        """Every flag that has a value, as text, sorted by name; a password for ZooKeeper is left out."""
        return dict(sorted(self._texts.items()))


def _find(flag: Flag, given: Mapping[str, str], environment: Mapping[str, str]) -> tuple[str | None, str]:
    if flag.name in given:
        return given[flag.name], f"--{flag.name}"
    for prefix in ("TEPUI_", "MESOS_"):
        variable = prefix + flag.name.upper()
        if variable in environment:
            return environment[variable], f"--{flag.name} (from {variable})"
    return flag.default, f"--{flag.name}"


def read_flags(table: list[Flag], given: Mapping[str, str]) -> Flags:
    """Flags from the command line's texts and this process's environment."""
    return Flags(table, given, os.environ)

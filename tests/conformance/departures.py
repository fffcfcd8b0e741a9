"""Where answers differ from the recorded ones on purpose, and what waits for later work.

`EXPECTED_FAILURES` names captures of features that are still to come, and what they wait for: each is a
strict expected failure, so that an entry must go when its feature arrives. `DEPARTURES` and the rules
below are for good; docs/explanation/divergence.md says the same to users.
"""

from __future__ import annotations

import re
from typing import Any

from tests.conformance.shape import Rules

SECURITY = "the security issue: authentication and authorization"

EXPECTED_FAILURES: dict[str, str] = {
    "auth-01-state-none": SECURITY,
    "auth-02-state-wrong": SECURITY,
    "auth-03-state-right": SECURITY,
    "auth-04-health-none": SECURITY,
    "auth-05-version-none": SECURITY,
    "auth-06-metrics-none": SECURITY,
    "auth-07-api-none": SECURITY,
    "auth-08-api-right": SECURITY,
    "auth-09-flags-forbidden": SECURITY,
    "auth-10-get-flags-forbidden": SECURITY,
    "auth-11-metrics-forbidden": SECURITY,
    "auth-12-scheduler-none": SECURITY,
    "auth-13-subscribe-role-forbidden": SECURITY,
    "auth-14-subscribe-principal-mismatch": SECURITY,
    "auth-15-subscribe-role-not-listed": SECURITY,
    "auth-16-run-task-forbidden": SECURITY,
    "auth-17-call-other-principal": SECURITY,
    "auth-18-frameworks-filtered": SECURITY,
    "auth-19-teardown-forbidden": SECURITY,
    "auth-20-reserve": SECURITY,
}

# Whole captures that are not followed.
DEPARTURES: dict[str, str] = {
    "legacy-empty-25-processes": "the actors inside a server are not Tepui's",
    "legacy-empty-26-help-format-json": "the endpoints are described in docs/reference/endpoints.md",
    "legacy-empty-37-head-state": "HEAD is answered without a body, as HTTP demands",
    "internal-01-agent-master": "the protocol between agent and master is Tepui's own link",
}

# What of the recorded answers Tepui may leave out or add.
OUR_RULES = Rules(
    # A git commit is not known of an installed package; `checkpoint` is not a field of v1's AgentInfo, Mesos's
    # answers show it all the same.
    may_lack=frozenset({"git_sha", "git_tag", "checkpoint", "field 7"}),
    # A master's third capability has no name in the v1 enum of 1.11; its number is not sent.
    paths_may_lack=(re.compile(r"master_info\.capabilities\[None\]\.type$"),),
    # Protobuf bytes may name a field's default; executors are counted with their processes.
    may_add=frozenset({"tepui_version", "processes", "threads", "protocol", "shell", "checkpoint", "failover_timeout"}),
    names_may_lack=(
        re.compile(r"^registrar/"),
        # The reference's agent has an idle master inside its process.
        re.compile(r"^(master|allocator)/"),
    ),
    # Counters of task endings exist from the first such ending on.
    names_may_add=(re.compile(r"^tepui/"), re.compile(r"^master/task_[a-z_]+/source_")),
)

# What Tepui says in other words: those of commands come from a stand-in for the command executor, which the recorded
# cluster did not have, and from where that lay.
WORDS = {
    "Command terminated with signal 15": "Command terminated with signal Terminated",
    "/REFERENCE/libexec/mesos-executor": "/usr/local/libexec/mesos/mesos-executor",
    "--launcher_dir=/REFERENCE/bin/../libexec": "--launcher_dir=/usr/local/libexec/mesos",
}

# Headers that Tepui sends on top.
ADDED_HEADERS = frozenset({"etag", "last-modified", "accept-ranges", "tepui-operation-id"})

# What the reference itself answers differently from one run to the next.
REFERENCE_RULES = Rules(names_may_lack=(re.compile(""),), names_may_add=(re.compile(""),))

# A role whose quota was set back to nothing, which the reference still lists.
LEFT_OVER = frozenset({"quotarole"})


def without_left_over(value: Any) -> Any:
    """`value` without what is over."""
    return _without(value, LEFT_OVER)


def _without(value: Any, shown: frozenset[str]) -> Any:
    if isinstance(value, list):
        return [_without(element, shown) for element in value if not _is_about(element, shown)]
    if isinstance(value, dict):
        return {key: _without(member, shown) for key, member in value.items() if not _names_one(key, shown)}
    return value


def _names_one(key: str, shown: frozenset[str]) -> bool:
    return key in shown or any(f"/executors/{name}/" in key for name in shown)


def _is_about(element: Any, shown: frozenset[str]) -> bool:
    """Whether a member of a list is one of those things, or an event about one."""
    if not isinstance(element, dict):
        return isinstance(element, str) and element in shown
    for key in ("task_id", "id", "executor_id", "role", "name", "executor_info"):
        subject = element.get(key)
        while isinstance(subject, dict):
            subject = subject.get("value", subject.get("executor_id"))
        if subject in shown:
            return True
    body = element.get(str(element.get("type")).lower())
    return isinstance(body, dict) and any(_is_about(body.get(key), shown) for key in ("status", "task"))

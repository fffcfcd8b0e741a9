"""Compares answers with recorded ones: what must be the same, leaving out what differs from run to run.

Objects must have the recorded keys in the recorded order, numbers must be of the recorded kind (``4.0``
is not ``4``), texts and enum names must be equal. Identifiers, times, process ids, sizes and amounts
are compared by kind only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

Difference = str

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_OFFER = re.compile(r"<uuid>-O\d+")
_FRAMEWORK = re.compile(r"<uuid>-\d{4}\b")
_ADDRESS = re.compile(r"(127\.0\.0\.1|localhost):\d+")
_AMOUNT = re.compile(r"(?<=[:\d.\[])\d+(\.\d+)?")

# Values that say where and when a server runs, not how it behaves.
FREE_TEXT_KEYS = frozenset(
    {"build_date", "build_user", "data", "git_sha", "git_tag", "host_path", "status_update_uuid", "uuid", "version"}
)
EXACT_NUMBER_KEYS = frozenset({"heartbeat_interval_seconds", "ip", "level", "status", "weight"})
# Lists whose members depend on what else happened in the cluster: what is there must be of the recorded shape.
OPEN_LISTS = frozenset(
    {
        "agents", "allocated_resources", "capabilities", "completed_executors", "completed_frameworks",
        "completed_tasks", "configs", "containers", "environment", "executors", "file_infos", "flags", "frameworks",
        "launched_tasks", "metrics", "offered_resources", "offers", "queued_tasks", "roles_list", "slaves", "statuses",
        "tasks", "terminated_tasks", "executor_ids", "executor_infos", "unreachable_tasks", "slave_ids",
        "framework_ids",
    }
)  # fmt: skip
# What is offered at some moment depends on the allocator.
TIMED_KEYS = frozenset({"offers", "offered_resources", "offered_resources_full"})
# The latest state the agent knows runs ahead of the update, or not; offers come in any order of agents.
RACING_PATH = re.compile(r"task_updated\.state$|offers\[.*\]\.(agent_id\.value|slave_id|executor_ids)")
# Objects whose keys are names of things, not fields.
KEYED_BY_NAME = frozenset({"flags", "reserved_resources", "reserved_resources_full", "reserved_resources_allocated"})
# Objects without promised order of keys.
UNORDERED = re.compile(r"resources|allocated$|offered$|reserved$|guarantee$|limit$|consumed$|^\$$")
RESOURCE_NAMES = frozenset({"cpus", "mem", "disk", "gpus", "ports"})


@dataclass
class Rules:
    """What a target may do differently: keys it may leave out or add, keys whose text is its own."""

    may_lack: frozenset[str] = frozenset()
    may_add: frozenset[str] = frozenset()
    paths_may_lack: tuple[re.Pattern[str], ...] = ()
    own_text: frozenset[str] = frozenset()
    names_may_lack: tuple[re.Pattern[str], ...] = ()
    names_may_add: tuple[re.Pattern[str], ...] = ()


@dataclass
class Comparison:
    """Collects differences between recorded values and a live one."""

    rules: Rules = field(default_factory=Rules)
    differences: list[Difference] = field(default_factory=list)

    def report(self, path: str, text: str) -> None:
        self.differences.append(f"{path or 'body'}: {text}")

    def compare(self, recorded: list[Any], live: Any, path: str = "") -> None:
        """`live` must be like one of the `recorded` variants, or a mixture of them."""
        kinds = {_kind(value) for value in recorded}
        if _kind(live) not in kinds:
            self.report(path, f"recorded {'/'.join(sorted(kinds))}, got {_kind(live)} {_short(live)}")
        elif isinstance(live, dict):
            self._compare_objects([value for value in recorded if isinstance(value, dict)], live, path)
        elif isinstance(live, list):
            self._compare_lists([value for value in recorded if isinstance(value, list)], live, path)
        else:
            self._compare_scalars(recorded, live, path)

    def _compare_scalars(self, recorded: list[Any], live: Any, path: str) -> None:
        key = _last_key(path)
        if isinstance(live, str):
            if key in FREE_TEXT_KEYS or key in self.rules.own_text or RACING_PATH.search(path) or "flags" in path:
                return
            wanted = {normal_text(value) for value in recorded if isinstance(value, str)}
            if normal_text(live) not in wanted:
                self.report(path, f"recorded {_short(sorted(wanted))}, got {_short(normal_text(live))}")
        elif (isinstance(live, bool) or live is None or key in EXACT_NUMBER_KEYS) and live not in recorded:
            self.report(path, f"recorded {_short(recorded)}, got {live!r}")

    def _compare_objects(self, recorded: list[dict[str, Any]], live: dict[str, Any], path: str) -> None:
        key = _last_key(path)
        if key in KEYED_BY_NAME or _is_keyed_by_path(live):
            self._compare_named(recorded, live, path)
            return
        common = set.intersection(*(set(value) for value in recorded))
        known = merge_order([list(value) for value in recorded])
        is_resources = any(RESOURCE_NAMES & set(value) for value in recorded) or UNORDERED.search(key) is not None
        for name in common:
            if name not in live and name not in TIMED_KEYS and not (is_resources or self._may_lack(path, name)):
                self.report(path, f"{name!r} is missing")
        for name in live:
            if name not in known and name not in TIMED_KEYS and not (is_resources or name in self.rules.may_add):
                self.report(path, f"{name!r} is too much")
        order = [name for name in live if name in known]
        if not is_resources and order != [name for name in known if name in live]:
            self.report(path, f"the keys stand in the order {order}, recorded {known}")
        for name, value in live.items():
            variants = [variant[name] for variant in recorded if name in variant]
            if variants:
                self.compare(variants, value, f"{path}.{name}")

    def _may_lack(self, path: str, name: str) -> bool:
        return name in self.rules.may_lack or _matches(self.rules.paths_may_lack, f"{path}.{name}")

    def _compare_named(self, recorded: list[dict[str, Any]], live: dict[str, Any], path: str) -> None:
        variants: dict[str, list[Any]] = {}
        for variant in recorded:
            for name, value in variant.items():
                variants.setdefault(normal_text(name), []).append(value)
        every = [value for values in variants.values() for value in values]
        live = {normal_text(name): value for name, value in live.items()}
        for name, value in live.items():
            if every:
                self.compare(variants.get(name, every), value, f"{path}.{name}")
        if _last_key(path) != "flags":  # each program has its own
            self.compare_names(set(variants), set(live), path)

    def compare_names(self, recorded: set[str], live: set[str], path: str) -> None:
        """Both sides must know the same names but for those that the rules excuse."""
        lacking = sorted(name for name in recorded - live if not _matches(self.rules.names_may_lack, name))
        extra = sorted(name for name in live - recorded if not _matches(self.rules.names_may_add, name))
        if lacking:
            self.report(path, f"names missing: {', '.join(lacking)}")
        if extra:
            self.report(path, f"names too many: {', '.join(extra)}")

    def _compare_lists(self, recorded: list[list[Any]], live: list[Any], path: str) -> None:
        elements = [element for variant in recorded for element in variant]
        key = _last_key(path)
        if not elements:
            if live and key not in OPEN_LISTS | TIMED_KEYS:
                self.report(path, f"recorded empty, got {_short(live)}")
            return
        if not live and all(recorded) and key not in TIMED_KEYS:
            self.report(path, "empty, recorded with elements")
            return
        by_name: dict[object, list[Any]] = {}
        for element in elements:
            by_name.setdefault(_discriminator(element), []).append(element)
        seen = [_discriminator(element) for element in live]
        if key == "metrics":
            self.compare_names({str(name) for name in by_name}, {str(name) for name in seen}, path)
        for name, element in zip(seen, live, strict=True):
            if (isinstance(element, str) and key in OPEN_LISTS) or (key == "metrics" and name not in by_name):
                continue
            self.compare(by_name.get(name, elements), element, f"{path}[{name}]")
        if key not in OPEN_LISTS and len(recorded) == 1:
            wanted = set(by_name)
            if wanted - set(seen) or len(elements) != len(live):
                names = f"{_short(sorted(map(str, wanted)))}, got {len(live)} {_short(sorted(map(str, seen)))}"
                self.report(path, f"recorded {len(elements)} elements {names}")


def _matches(patterns: Iterable[re.Pattern[str]], name: str) -> bool:
    return any(pattern.search(name) for pattern in patterns)


def _is_keyed_by_path(value: dict[str, Any]) -> bool:
    return bool(value) and all(name.startswith("/") for name in value)


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "bool"
    return type(value).__name__


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 400 else text[:400] + "..."


def _last_key(path: str) -> str:
    return re.sub(r"\[[^\]]*\]$", "", path).rpartition(".")[2]


def _discriminator(element: Any) -> object:
    """What tells members of a list apart."""
    if isinstance(element, str):
        return normal_text(element)
    if not isinstance(element, dict):
        return None
    state = element.get("state")
    for key in (
        "name",
        "task_id",
        "executor_id",
        "id",
        "path",
        "role",
        "type",
        "container_id",
        "agent_info",
        "executor_info",
    ):
        value = element.get(key)
        while isinstance(value, dict):
            value = value.get("value") or value.get("executor_id") or value.get("id")
        if isinstance(value, str):
            text = normal_text(value)
            return (text, state) if isinstance(state, str) else text
    return state if isinstance(state, str) else None


def normal_text(text: str) -> str:
    """`text` without what differs from run to run."""
    text = _UUID.sub("<uuid>", text)
    text = _OFFER.sub("<offer>", text)
    text = _FRAMEWORK.sub("<framework>", text)
    text = _ADDRESS.sub(r"\1:<port>", text)
    if "; " in text:  # resources in words: their order and amounts are not promised
        text = " ".join(sorted(_AMOUNT.sub("<n>", text).replace(";", " ").split()))
    return text


def merge_order(lists: list[list[str]]) -> list[str]:
    """One order of all names that keeps the order of each list."""
    merged: list[str] = []
    for names in lists:
        position = 0
        for name in names:
            if name in merged:
                position = max(position, merged.index(name) + 1)
            else:
                merged.insert(position, name)
                position += 1
    return merged


def decode_json(text: bytes | str) -> Any:
    """JSON with its keys in order."""
    return json.loads(text)


def event_key(event: dict[str, Any]) -> tuple[object, ...]:
    """What an event is about: its type, and of updates the task and state."""
    kind = event["type"]
    body = event.get(kind.lower(), {})
    for key in ("status", "task"):
        status = body.get(key) if isinstance(body, dict) else None
        if isinstance(status, dict):
            subject = status.get("task_id") or status.get("operation_id") or {}
            return (kind, subject.get("value"), status.get("state"), normal_text(status.get("message", "")))
    if kind == "FAILURE":
        return (kind, body.get("executor_id", {}).get("value"))
    if kind in ("FRAMEWORK_ADDED", "FRAMEWORK_UPDATED", "FRAMEWORK_REMOVED"):
        framework = body.get("framework", body)
        return (kind, framework.get("framework_info", {}).get("name"))
    return (kind,)


def update_uuid(event: dict[str, Any]) -> str | None:
    """The uuid of an UPDATE event, if it has one."""
    if event["type"] != "UPDATE":
        return None
    uuid = event["update"]["status"].get("uuid")
    return uuid if isinstance(uuid, str) else None


def first_sendings(events: Iterable[dict[str, Any]], seen: set[str]) -> Iterator[dict[str, Any]]:
    """`events` without updates that were sent before; `seen` collects their ids."""
    for event in events:
        uuid = update_uuid(event)
        if uuid is None or uuid not in seen:
            yield event
        if uuid is not None:
            seen.add(uuid)

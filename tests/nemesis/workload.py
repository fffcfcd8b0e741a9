"""What goes on while the nemesis breaks things: an operator changes settings, and gives agents up."""

from __future__ import annotations

import asyncio
import time
from random import Random
from typing import Any

import aiohttp

from tests.nemesis.cluster import Cluster, Machine
from tests.nemesis.history import AgentGone, AnyFact, Changed

ANSWER_SECONDS_MAX = 2.0
OPERATOR_PAUSE_SECONDS = 0.3
REFUSED = 0
"""In place of a status: no connection was made, so nobody was asked."""
ROLES = ("r1", "r2", "r3")
GONE_SHARE = 0.01


class Operator:
    """Changes settings one after another, each to a value of its own, at whatever master answers."""

    def __init__(self, cluster: Cluster, random: Random, history: list[AnyFact]) -> None:
        self._cluster = cluster
        self._random = random
        self._history = history
        self._number = 0
        self.running = True

    async def run(self) -> None:
        """Go on until `running` is false; what has begun is brought to its end."""
        while self.running:
            await asyncio.sleep(OPERATOR_PAUSE_SECONDS)
            if self._random.random() < GONE_SHARE:
                await self._gone()
                continue
            self._number += 1
            key = self._random.choice(
                [f"{kind}/{role}" for kind in ("weights", "quota") for role in ROLES] + ["schedule"]
            )
            await self._change(key, str(self._number), _call(key, self._number))

    async def _change(self, key: str, value: str, call: dict[str, Any]) -> Changed:
        change = Changed(time=time.time(), key=key, value=value, answered=None, done=False)
        self._history.append(change)
        status = await self._post(call)
        change.done = status in (200, 202)
        if change.done or status in (REFUSED, 400, 403, 409):
            # A refusal changes nothing. Of any other answer, and of none, nobody knows.
            change.answered = time.time()
        return change

    async def _post(self, call: dict[str, Any]) -> int | None:
        host, port = self._random.choice(self._cluster.masters).address
        timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS_MAX)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.post(f"http://{host}:{port}/api/v1", json=call) as answer,
            ):
                await answer.read()
                return answer.status
        except aiohttp.ClientConnectorError:
            return REFUSED
        except (OSError, aiohttp.ClientError, TimeoutError):
            return None

    async def _gone(self) -> None:
        """An agent is declared gone. When it has ended, another one starts on its machine with an empty folder."""
        machine = self._random.choice(self._cluster.agents)
        state = await read(self._cluster, "/slaves")
        found = [entry["id"] for entry in (state or {}).get("slaves", []) if entry["hostname"] == machine.name]
        if not found or machine.down or machine.paused:
            return
        machine.leaving = True
        asked = time.time()
        call = {"type": "MARK_AGENT_GONE", "mark_agent_gone": {"agent_id": {"value": found[0]}}}
        change = await self._change(f"gone/{found[0]}", "gone", call)
        is_certain = change.answered is not None
        while not change.done and not is_certain:  # it may be gone: nothing but the answer that it is tells
            await asyncio.sleep(OPERATOR_PAUSE_SECONDS)
            change = await self._change(f"gone/{found[0]}", "gone", call)
        if change.done:
            self._history.append(AgentGone(time=asked, agent=machine.name))
            await self._replace(machine)
        machine.leaving = False

    async def _replace(self, machine: Machine) -> None:
        while machine.server.is_running:
            await asyncio.sleep(0.1)
        machine.server.wait()
        folder = self._cluster.directory / "work" / machine.name
        folder.rename(folder.with_name(f"{machine.name}.gone{self._number}"))
        machine.start()


def _call(key: str, number: int) -> dict[str, Any]:
    kind, _, role = key.partition("/")
    if kind == "weights":
        return {"type": "UPDATE_WEIGHTS", "update_weights": {"weight_infos": [{"role": role, "weight": number}]}}
    if kind == "quota":
        config = {"role": role, "limits": {"cpus": {"value": number}}}
        return {"type": "UPDATE_QUOTA", "update_quota": {"force": True, "quota_configs": [config]}}
    start = {"nanoseconds": int((time.time() + 1e6) * 1e9)}
    window = {"machine_ids": [{"hostname": f"machine-{number}"}], "unavailability": {"start": start}}
    return {"type": "UPDATE_MAINTENANCE_SCHEDULE", "update_maintenance_schedule": {"schedule": {"windows": [window]}}}


async def read(cluster: Cluster, path: str, call: dict[str, Any] | None = None) -> Any:
    """What the leader answers to a GET, or to the POST of a call; None when there is none."""
    for machine in cluster.masters:
        host, port = machine.address
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ANSWER_SECONDS_MAX)) as session,
                session.request("GET" if call is None else "POST", f"http://{host}:{port}{path}", json=call) as answer,
            ):
                if answer.status == 200:
                    return await answer.json(content_type=None)
        except (OSError, aiohttp.ClientError, TimeoutError, ValueError):
            continue
    return None


async def settings(cluster: Cluster) -> dict[str, str] | None:
    """What the leader says of all that operators change."""
    registry = await read(cluster, "/registrar(1)/registry")
    weights = await read(cluster, "/weights")
    quota = await read(cluster, "/api/v1", {"type": "GET_QUOTA"})
    schedule = await read(cluster, "/maintenance/schedule")
    if registry is None or weights is None or quota is None or schedule is None:
        return None
    found = {f"weights/{entry['role']}": str(int(entry["weight"])) for entry in weights}
    for config in quota["get_quota"]["status"].get("configs", []):
        found[f"quota/{config['role']}"] = str(int(config["limits"]["cpus"]["value"]))
    for window in schedule.get("windows", []):
        found["schedule"] = window["machine_ids"][0]["hostname"].removeprefix("machine-")
    for entry in registry.get("gone", {}).get("slaves", []):
        found[f"gone/{entry['id']['value']}"] = "gone"
    return found

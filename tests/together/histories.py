"""Histories in which everything happens once that a master stores, or that crosses a link."""

from __future__ import annotations

from typing import Any

from tepui.agent.events import Leave
from tepui.model.link import Kill, Launch
from tepui.model.v1.mesos import MachineID
from tests.together import operators
from tests.together.agent import Agent
from tests.together.trial import Trial

FORGET_SECONDS = 400.0
MASTER_SETTINGS: dict[str, Any] = {
    "registry_gc_interval_seconds": FORGET_SECONDS,
    "registry_max_agent_age_seconds": FORGET_SECONDS,
    "agent_reregister_timeout_seconds": 100.0,
}


def machine(agent: Agent) -> MachineID:
    return MachineID(hostname=agent.name, ip=f"10.0.0.{agent.name[1:]}")


def settings(world: Trial) -> None:
    """Agents are admitted, and operators set weights and quota, each call for two roles."""
    world.calm()
    world.operator(operators.weights(2.0, 3.0))
    world.operator(operators.quota(5.0, 6.0))
    world.operator(operators.quota(None, 7.0))
    world.operator(operators.weights(4.0, 5.0))
    world.launch(1)


def service(world: Trial) -> None:
    """An agent is deactivated, drained, and in service again; one is drained for good, and one leaves by itself."""
    world.launch(4)
    first, second, third = world.agents
    first_id, second_id = first.core.agent_id, second.core.agent_id
    world.operator(operators.deactivate(first_id))
    world.operator(operators.reactivate(first_id))
    world.operator(operators.drain(first_id))
    world.calm(lambda: not first.core.records.frameworks)
    world.calm(lambda: world.is_drained(first_id))
    world.operator(operators.reactivate(first_id))
    world.operator(operators.drain(second_id, mark_gone=True))
    world.calm(lambda: not second.lives)
    third.tell(Leave())
    world.calm(lambda: not third.lives or third in world.crashed)


def maintenance(world: Trial) -> None:
    """Machines are scheduled, one is not any more, one goes down with its agent, and is up again."""
    world.launch(4)
    agent, other, _ = world.agents
    spare = MachineID(hostname="spare", ip="10.0.0.99")
    world.operator(operators.schedule(machine(agent), machine(other)))
    world.operator(operators.schedule(machine(agent), spare))
    world.operator(operators.take_down(machine(agent), spare))
    world.calm(lambda: not agent.lives)
    agent.crash()  # somebody starts it too early
    world.calm(lambda: not agent.lives)
    world.operator(operators.bring_up(machine(agent), spare))
    agent.crash()
    world.launch(1)


def absence(world: Trial) -> None:
    """Agents cannot be reached: under one master, and since before it led. One is back, one is gone, and forgotten."""
    world.launch(4)
    first, second, _ = world.agents
    first_id, second_id = first.core.agent_id, second.core.agent_id
    world.leave(first)
    world.calm(lambda: world.is_unreachable(first_id))
    world.come_back(first)
    world.calm()
    world.leave(second)
    world.take_over()
    world.calm(lambda: world.is_unreachable(second_id))
    world.operator(operators.mark_gone(second_id))
    world.come_back(second)
    world.calm(lambda: not second.lives)
    world.forgets = True
    world.calm(lambda: world.has_forgotten(second_id))


# What crosses the links.


def tasks(world: Trial) -> None:
    """Tasks are launched, run, are killed, and end."""
    world.launch(2)
    world.kill_tasks()
    world.end_tasks()


def again(world: Trial) -> None:
    """A launch is lost on its way, and so is a kill: the master asks the agent, and tells it again."""
    world.to_lose = Launch
    world.launch(2)
    world.to_lose = Kill
    world.kill_tasks()


def reservation(world: Trial) -> None:
    world.launch(1)
    world.reserve(world.schedulers[0])
    world.reserve(world.schedulers[1])


def draining(world: Trial) -> None:
    """An agent is drained of its tasks, and in service again."""
    world.launch(3)
    agent_id = world.agents[0].core.agent_id
    world.operator(operators.drain(agent_id))
    world.calm(lambda: world.is_drained(agent_id))
    world.operator(operators.reactivate(agent_id))
    world.calm(lambda: world.agents[0].core.records.drain_config is None)
    world.launch(1)


def end(world: Trial) -> None:
    """A framework ends with its tasks."""
    world.launch(2)
    world.tear_down(world.schedulers[1])

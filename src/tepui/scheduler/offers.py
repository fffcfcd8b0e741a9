"""An offer with a pencil in it: what is taken for tasks is crossed off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

from tepui.model.resource_kind import Kind
from tepui.model.resources import Resources
from tepui.model.v1 import mesos
from tepui.model.v1.mesos import DurationInfo, ExecutorInfo, Resource, TaskID, TaskInfo
from tepui.model.values import as_float, thousandths
from tepui.scheduler.tasks import command_info, kill_policy, labels_of, nanoseconds


class DoesNotFitError(ValueError):
    """More was taken from an offer than is left in it."""


class Offer:
    """What the framework may use of one agent until it answers, or until the offer is rescinded.

    `cpus`, `mem` (megabytes), `disk` (megabytes), `gpus` and `ports` are what is *left* after `take` and `task`.
    """

    def __init__(self, message: mesos.Offer) -> None:
        self.message = message
        """The offer as the master sent it."""
        self.left = Resources.of(message.resources)
        """The exact resources that are left."""
        self._executors = {executor_id.value for executor_id in message.executor_ids}

    def __repr__(self) -> str:
        return f"<Offer {self.id} of {self.hostname}: {self.left}>"

    @property
    def id(self) -> str:
        return self.message.id.value

    @property
    def agent_id(self) -> str:
        return self.message.agent_id.value

    @property
    def hostname(self) -> str:
        return self.message.hostname

    @property
    def role(self) -> str:
        """The role that is charged for what is used."""
        allocation = self.message.allocation_info
        return "*" if allocation is None or allocation.role is None else allocation.role

    @property
    def attributes(self) -> dict[str, str | float]:
        """The agent's texts and scalars by name."""
        found: dict[str, str | float] = {}
        for attribute in self.message.attributes:
            if attribute.text is not None:
                found[attribute.name] = attribute.text.value
            elif attribute.scalar is not None:
                found[attribute.name] = attribute.scalar.value
        return found

    @property
    def cpus(self) -> float:
        return as_float(self.left.scalar("cpus"))

    @property
    def mem(self) -> float:
        return as_float(self.left.scalar("mem"))

    @property
    def disk(self) -> float:
        return as_float(self.left.scalar("disk"))

    @property
    def gpus(self) -> float:
        return as_float(self.left.scalar("gpus"))

    @property
    def ports(self) -> int:
        """How many ports are left."""
        return sum(last - first + 1 for first, last in self.left.ranges("ports"))

    def fits(
        self,
        cpus: float = 0,
        mem: float = 0,
        *,
        disk: float = 0,
        gpus: float = 0,
        ports: int = 0,
        executor: ExecutorInfo | None = None,
    ) -> bool:
        """Whether a task of this size fits in what is left, with its executor if that does not run there yet."""
        wanted = _scalars(cpus, mem, disk, gpus)
        if executor is not None and executor.executor_id.value not in self._executors:
            for name, amount in Resources.of(executor.resources).quantities().items():
                wanted[name] = wanted.get(name, 0) + amount
        return self.ports >= ports and all(_usable(self.left, name) >= amount for name, amount in wanted.items())

    def take(
        self, cpus: float = 0, mem: float = 0, *, disk: float = 0, gpus: float = 0, ports: int = 0
    ) -> list[Resource]:
        """Cross resources off and return them; what is reserved for the role goes first, then the lowest ports.

        Raises DoesNotFitError, and takes nothing, when there is not enough.
        """
        taken: list[tuple[Kind, Any]] = []
        for name, amount in _scalars(cpus, mem, disk, gpus).items():
            taken += self._cut_scalar(name, amount)
        taken += self._cut_ports(ports)
        resources = Resources(taken)
        self.left -= resources
        return resources.messages()

    def task(
        self,
        command: str | Sequence[str] | None = None,
        *,
        cpus: float = 0,
        mem: float = 0,
        disk: float = 0,
        gpus: float = 0,
        ports: int = 0,
        task_id: str | None = None,
        name: str | None = None,
        executor: ExecutorInfo | None = None,
        data: bytes | None = None,
        environment: Mapping[str, str] | None = None,
        user: str | None = None,
        labels: Mapping[str, str] | None = None,
        kill_grace_seconds: float | None = None,
        max_completion_seconds: float | None = None,
    ) -> TaskInfo:
        """A task on this agent, its resources crossed off: a `command` (text for the shell, or a list of arguments), or
        `data` for an `executor`. Without `task_id` it gets a random one. Ports are found in `ports_of(task)`.

        Raises DoesNotFitError, and takes nothing, when there is not enough.
        """
        if (command is None) == (executor is None):
            raise ValueError("A task needs either a command or an executor")
        if not self.fits(cpus, mem, disk=disk, gpus=gpus, ports=ports, executor=executor):
            raise DoesNotFitError(f"The task does not fit in {self!r}")
        resources = self.take(cpus, mem, disk=disk, gpus=gpus, ports=ports)
        if executor is not None and executor.executor_id.value not in self._executors:
            self._executors.add(executor.executor_id.value)
            amounts = Resources.of(executor.resources).quantities()
            self.left -= Resources(cut for key, amount in amounts.items() for cut in self._cut_scalar(key, amount))
        task_id = task_id or str(uuid4())
        return TaskInfo(
            name=name or task_id,
            task_id=TaskID(value=task_id),
            agent_id=self.message.agent_id,
            resources=resources,
            executor=executor,
            command=None if command is None else command_info(command, environment=environment, user=user),
            data=data,
            labels=None if labels is None else labels_of(labels),
            kill_policy=kill_policy(kill_grace_seconds),
            max_completion_time=None
            if max_completion_seconds is None
            else DurationInfo(nanoseconds=nanoseconds(max_completion_seconds)),
        )

    def _cut_scalar(self, name: str, amount: int) -> list[tuple[Kind, Any]]:
        cuts: list[tuple[Kind, Any]] = []
        for kind, have in sorted(_entries(self.left, name), key=lambda entry: not entry[0].reservations):
            part = min(amount, have)
            if part > 0:
                cuts.append((kind, part))
                amount -= part
        if amount > 0:
            raise DoesNotFitError(f"{as_float(amount):g} {name} are missing in {self!r}")
        return cuts

    def _cut_ports(self, count: int) -> list[tuple[Kind, Any]]:
        cuts: list[tuple[Kind, Any]] = []
        missing = count
        for kind, ranges in self.left:
            if kind.name != "ports" or missing <= 0:
                continue
            part = []
            for first, last in ranges:
                size = min(missing, last - first + 1)
                if size > 0:
                    part.append((first, first + size - 1))
                    missing -= size
            cuts.append((kind, tuple(part)))
        if missing > 0:
            raise DoesNotFitError(f"{missing} of {count} ports are missing in {self!r}")
        return cuts


def ports_of(task: TaskInfo) -> list[int]:
    """The ports that a task was given, in order."""
    ranges = Resources.of(task.resources).ranges("ports")
    return [port for first, last in ranges for port in range(first, last + 1)]


def _scalars(cpus: float, mem: float, disk: float, gpus: float) -> dict[str, int]:
    amounts = {"cpus": cpus, "mem": mem, "disk": disk, "gpus": gpus}
    for name, value in amounts.items():
        if value < 0:
            raise ValueError(f"{name} cannot be {value}")
    return {name: thousandths(value) for name, value in amounts.items() if value}


def _entries(resources: Resources, name: str) -> list[tuple[Kind, int]]:
    """The divisible, firm entries of a scalar: no volumes, nothing revocable."""
    return [
        (kind, amount)
        for kind, amount in resources
        if kind.name == name and not kind.counted and not kind.revocable and isinstance(amount, int)
    ]


def _usable(resources: Resources, name: str) -> int:
    return sum(amount for _, amount in _entries(resources, name))

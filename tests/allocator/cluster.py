"""A small cluster around an allocator: a clock, offers held by frameworks, and answers to them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from tepui.allocator import AllocatorOptions, DrfAllocator, Grant
from tepui.model.quantities import Quantities
from tepui.model.resources import Resources
from tepui.wire.text import parse_resources


def amount(text: str, role: str | None = None) -> Resources:
    """Resources from their text form, allocated to `role` if one is given."""
    resources = Resources.of(parse_resources(text))
    return resources if role is None else resources.allocated(role)


class Cluster:
    """Every step is followed by `check`."""

    def __init__(self, options: AllocatorOptions | None = None) -> None:
        self.allocator = DrfAllocator(options)
        self.now = 1000.0
        self.grants: list[Grant] = []
        """Everything granted so far."""

    def agent(self, agent_id: str, text: str = "cpus:4;mem:4096") -> None:
        self.allocator.add_agent(agent_id, amount(text), {})

    def framework(
        self,
        framework_id: str,
        roles: Sequence[str] = ("test",),
        suppressed: Collection[str] = (),
        capabilities: Collection[str] = (),
        minimums: Mapping[str, Sequence[Quantities]] | None = None,
    ) -> None:
        self.allocator.add_framework(framework_id, roles, suppressed, capabilities, minimums)

    def run(self, after_seconds: float = 0.0) -> list[str]:
        """Let time pass and allocate; the grants as `framework role agent resources`."""
        self.now += after_seconds
        granted = self.allocator.allocate(self.now)
        assert not self.allocator.has_work()
        self.grants += granted
        self.allocator.check()
        return [
            f"{grant.framework_id} {grant.role} {grant.agent_id} {grant.resources.unallocated()}" for grant in granted
        ]

    def last(self, framework_id: str) -> Grant:
        """The newest grant of a framework."""
        return next(grant for grant in reversed(self.grants) if grant.framework_id == framework_id)

    def decline(self, framework_id: str, refuse_seconds: float = 5.0) -> None:
        """Decline the framework's newest grant."""
        grant = self.last(framework_id)
        self.allocator.recover(framework_id, grant.agent_id, grant.resources, refuse_seconds, self.now)
        self.allocator.check()

    def accept(self, framework_id: str, used: str, refuse_seconds: float = 5.0) -> None:
        """Use a part of the framework's newest grant and leave over the rest."""
        grant = self.last(framework_id)
        left = grant.resources - amount(used, grant.role)
        self.allocator.recover(framework_id, grant.agent_id, left, refuse_seconds, self.now)
        self.allocator.check()

    def end(self, framework_id: str, used: str, agent_id: str = "a", role: str = "test") -> None:
        """A task ends."""
        self.allocator.recover(framework_id, agent_id, amount(used, role), None, self.now)
        self.allocator.check()

"""Maintenance schedules and their status. Package mesos.v1.maintenance."""

from __future__ import annotations

from typing import Annotated

from tepui.model.message import WireMessage
from tepui.model.v1.allocator import InverseOfferStatus
from tepui.model.v1.mesos import MachineID, Unavailability


class Window(WireMessage, kw_only=True):
    machine_ids: Annotated[list[MachineID], 1] = []
    unavailability: Annotated[Unavailability, 2]


class Schedule(WireMessage, kw_only=True):
    windows: Annotated[list[Window], 1] = []


class ClusterStatus(WireMessage, kw_only=True):
    class DrainingMachine(WireMessage, kw_only=True):
        id: Annotated[MachineID, 1]
        statuses: Annotated[list[InverseOfferStatus], 2] = []

    draining_machines: Annotated[list[ClusterStatus.DrainingMachine], 1] = []
    down_machines: Annotated[list[MachineID], 2] = []

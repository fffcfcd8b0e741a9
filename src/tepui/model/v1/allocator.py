"""The answers to inverse offers. Package mesos.v1.allocator."""

from __future__ import annotations

from typing import Annotated

from tepui.model.message import ProtoEnum, WireMessage
from tepui.model.v1.mesos import FrameworkID, TimeInfo


class InverseOfferStatus(WireMessage, kw_only=True):
    class Status(ProtoEnum):
        UNKNOWN = "UNKNOWN", 1
        ACCEPT = "ACCEPT", 2
        DECLINE = "DECLINE", 3

    status: Annotated[InverseOfferStatus.Status, 1]
    framework_id: Annotated[FrameworkID, 2]
    timestamp: Annotated[TimeInfo, 3]

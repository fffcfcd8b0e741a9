"""Quota configurations. Package mesos.v1.quota."""

from __future__ import annotations

from typing import Annotated

from tepui.model.message import Proto, WireMessage
from tepui.model.v1.mesos import Resource, Value


class QuotaInfo(WireMessage, kw_only=True):
    role: Annotated[str | None, 1] = None
    principal: Annotated[str | None, 2] = None
    guarantee: Annotated[list[Resource], 3] = []


class QuotaRequest(WireMessage, kw_only=True):
    force: Annotated[bool | None, 1] = None
    role: Annotated[str | None, 2] = None
    guarantee: Annotated[list[Resource], 3] = []


class QuotaConfig(WireMessage, kw_only=True):
    role: Annotated[str, 1]
    guarantees: Annotated[dict[str, Value.Scalar], 2] = {}
    limits: Annotated[dict[str, Value.Scalar], 3] = {}


class QuotaStatus(WireMessage, kw_only=True):
    infos: Annotated[list[QuotaInfo], Proto(1, deprecated=True)] = []
    configs: Annotated[list[QuotaConfig], 2] = []

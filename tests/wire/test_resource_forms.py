"""Exact resources survive the way over the wire, in JSON and in protobuf, in each reservation form."""

from __future__ import annotations

import pytest
from hypothesis import given

from tepui.model.resources import ReservationForm, Resources
from tepui.model.v1.mesos import AgentInfo
from tepui.wire.json import decode_json, encode_json
from tepui.wire.protobuf import decode_protobuf, encode_protobuf

from ..model.strategies import resources


@pytest.mark.parametrize("form", list(ReservationForm))
@given(exact=resources)
def test_resources_survive_the_way_over_the_wire(form: ReservationForm, exact: Resources) -> None:
    agent = AgentInfo(hostname="h", resources=exact.messages(form))
    assert Resources.of(decode_json(AgentInfo, encode_json(agent)).resources) == exact
    assert Resources.of(decode_protobuf(AgentInfo, encode_protobuf(agent)).resources) == exact

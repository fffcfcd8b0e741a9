"""Quota and weights: who may change them, what a starting master makes of them, and the metrics."""

from __future__ import annotations

from random import Random
from typing import Any

import msgspec
import pytest

from tepui.allocator import AllocatorOptions, DrfAllocator
from tepui.master.core import MasterCore
from tepui.master.events import OperatorCall
from tepui.master.gauges import snapshot
from tepui.master.registry import QuotaSet, Registry, WeightSet
from tepui.model.resources import Resources
from tepui.model.shell import Answer, Store
from tepui.model.v1 import master
from tepui.model.v1.mesos import Value
from tepui.model.v1.quota import QuotaConfig
from tests.master import stage

LIMITED = QuotaConfig(
    role="eng",
    guarantees={"cpus": Value.Scalar(value=1.0)},
    limits={"cpus": Value.Scalar(value=2.5), "gpus": Value.Scalar(value=0.0)},
)


def call(core: MasterCore, principal: str | None, **message: Any) -> list[Any]:
    return core.handle(OperatorCall(1, "o", principal, msgspec.convert(message, master.Call)), stage.BEGIN)


def started(registry: Registry | None = None, **changes: Any) -> tuple[MasterCore, DrfAllocator]:
    settings = stage.config(**changes)
    allocator = DrfAllocator(AllocatorOptions(weights=settings.weights))

    def authorizer(principal: str | None, action: str, subject: str) -> bool:
        return (principal, action, subject) != ("guest", action, "eng")

    return MasterCore(settings, allocator, Random(1), authorizer, registry), allocator


@pytest.mark.parametrize(
    "message",
    [
        {"type": "UPDATE_WEIGHTS", "update_weights": {"weight_infos": [{"role": "eng", "weight": 2.0}]}},
        {"type": "UPDATE_QUOTA", "update_quota": {"quota_configs": [{"role": "x"}, {"role": "eng"}]}},
        {
            "type": "SET_QUOTA",
            "set_quota": {
                "quota_request": {
                    "role": "eng",
                    "guarantee": [{"name": "cpus", "type": "SCALAR", "scalar": {"value": 1.0}}],
                }
            },
        },
    ],
    ids=["weights", "quota", "set quota"],
)
def test_who_may_not_change_a_role_changes_nothing(message: dict[str, Any]) -> None:
    core, _ = started()
    assert call(core, "guest", **message) == [Answer(1, 403, "")]


def test_who_may_not_change_a_role_does_not_end_its_quota() -> None:
    core, _ = started(Registry([QuotaSet(LIMITED)]))
    message = {"type": "REMOVE_QUOTA", "remove_quota": {"role": "eng"}}
    assert call(core, "guest", **message) == [Answer(1, 403, "")]
    (effect,) = call(core, "root", **message)
    assert isinstance(effect, Store)


def test_a_starting_master_gives_what_the_registry_says_to_its_allocator() -> None:
    registry = Registry([QuotaSet(LIMITED), WeightSet("eng", 4.0)])
    core, allocator = started(registry, weights={"eng": 9.0, "ads": 9.0})
    assert core.state.weights == {"eng": 4.0}
    allocator.add_agent("A", Resources.of(stage.resources("cpus:8;mem:800")), {})
    allocator.add_framework("f", ["eng"])
    allocator.allocate(stage.BEGIN)
    allocator.add_framework("g", ["ads"])
    allocator.allocate(stage.BEGIN)
    shares = allocator.dominant_shares()
    assert allocator.quota_consumption("eng")["cpus"] == 2500
    assert shares["eng"] == pytest.approx(1 / 4), "all of the memory, by a weight of 4"
    assert shares["ads"] == pytest.approx(5.5 / 8), "the flag's weight is not used"


def test_metrics_tell_quota_and_what_is_held_of_it() -> None:
    core, _ = started(Registry([QuotaSet(LIMITED)]))
    shown = snapshot(core.context)
    prefix = "allocator/mesos/quota/roles/eng/resources"
    assert {name.removeprefix(prefix): value for name, value in shown.items() if name.startswith(prefix)} == {
        "/cpus/guarantee": 1.0,
        "/cpus/limit": 2.5,
        "/cpus/offered_or_allocated": 0.0,
        "/gpus/limit": 0.0,
        "/gpus/offered_or_allocated": 0.0,
    }

"""Quota and weights: who may change them, what a starting master makes of them, and the metrics."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
from tests.master.spelling import BEGIN, resources
from tests.master.stage import Stage
from tests.master.stage_base import config

LIMITED = QuotaConfig(
    role="eng",
    guarantees={"cpus": Value.Scalar(value=1.0)},
    limits={"cpus": Value.Scalar(value=2.5), "gpus": Value.Scalar(value=0.0)},
)


def call(core: MasterCore, principal: str | None, **message: Any) -> list[Any]:
    return core.handle(OperatorCall(1, "o", principal, msgspec.convert(message, master.Call)), BEGIN)


def started(registry: Registry | None = None, **changes: Any) -> tuple[MasterCore, DrfAllocator]:
    settings = config(**changes)
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
    allocator.add_agent("A", Resources.of(resources("cpus:8;mem:800")), {})
    allocator.add_framework("f", ["eng"])
    allocator.allocate(BEGIN)
    allocator.add_framework("g", ["ads"])
    allocator.allocate(BEGIN)
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


ROLES = ("a", "b", "c")
AMOUNT = st.sampled_from([1.0, 2.0, 3.0, 5.0, 8.0])


@st.composite
def steps(draw: st.DrawFn) -> str:
    """What an operator or a scheduler does next."""
    stream, role = draw(st.sampled_from([("s1", "a"), ("s2", "b/x"), ("s3", "c")]))
    kind = draw(st.sampled_from(["quota", "quota", "weight", "accept", "decline", "after 2"]))
    if kind == "quota":
        config: dict[str, Any] = {"role": role[0]}
        if draw(st.booleans()):
            config["limits"] = {"cpus": {"value": draw(AMOUNT)}}
        if draw(st.booleans()):
            config["guarantees"] = {"cpus": {"value": draw(AMOUNT)}}
        return f"operator o UPDATE_QUOTA json='{json.dumps({'update_quota': {'quota_configs': [config]}})}'"
    if kind == "weight":
        infos = {"weight_infos": [{"role": role[0], "weight": draw(AMOUNT)}]}
        return f"operator o UPDATE_WEIGHTS json='{json.dumps({'update_weights': infos})}'"
    if kind == "accept":
        return f"accept {stream} one refuse=0 | launch %s resources=cpus:0.5;mem:32"
    return f"decline {stream} all refuse=1" if kind == "decline" else "after 2"


@settings(max_examples=15, deadline=None)
@given(st.lists(steps(), min_size=4, max_size=14))
def test_no_role_is_offered_or_uses_more_than_its_limit_and_guarantees_are_kept_free(history: list[str]) -> None:
    """Of what was set without force: limits after every step, guarantees once everybody was offered what there is."""
    play = Stage()
    for number in range(3):
        play.say(f"agent l{number} resources=cpus:4;mem:4096 address=10.0.0.{number + 1}")
    for name, role in (("s1", "a"), ("s2", "b/x"), ("s3", "c")):
        play.say(f"subscribe {name} roles={role}")
    for number, step in enumerate(history):
        if step.startswith("accept"):
            held = play.offers(step.split()[1], "all")
            if not held:
                continue
            step = step.replace(" one ", f" {held[0]} ") % f"t{number}"
        play.say(step)
        allocator, state = play.core.context.allocator, play.core.state
        for role in ROLES:
            config = state.quota.get(role)
            if config is None:
                continue
            consumed = allocator.quota_consumption(role)
            for name, limit in config.limits.items():
                assert consumed.get(name, 0) <= 1000 * limit.value, (step, role)
    play.say("after 3600")  # filters and held offers are over
    for role in ROLES:
        config = play.core.state.quota.get(role)
        for name, guarantee in ({} if config is None else config.guarantees).items():
            assert play.core.context.allocator.quota_consumption(role).get(name, 0) >= 1000 * guarantee.value, role

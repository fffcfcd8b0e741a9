"""The share that each role was delivered over time, beside what it was due."""

from __future__ import annotations

import pytest

from tepui.master.shares import SAMPLE_SECONDS, due_shares, shares
from tepui.master.state import SHARE_SAMPLES_MAX
from tests.master.stage import Stage


def test_due_is_the_part_by_weight_among_who_takes_part() -> None:
    weights = {"eng": 3.0, "eng/web": 2.0, "ops": 1.0, "idle": 100.0}
    assert due_shares({"eng/web", "eng/db", "eng", "ops"}, weights) == {
        "eng": 0.75,
        "ops": 0.25,
        "eng/web": 0.75 * 2 / 4,
        "eng/db": 0.75 / 4,
    }
    assert due_shares(set(), weights) == {}


def test_who_holds_offers_without_using_them_is_seen() -> None:
    stage = Stage()
    stage.command("agent l0 resources=cpus:8;mem:8192")
    stage.command("subscribe hoarder roles=a")
    stage.command("subscribe starved roles=b")
    stage.command("after 35")
    told = shares(stage.core.context, {})
    assert isinstance(told, dict)
    assert told["roles"] == [
        {"role": "a", "delivered": pytest.approx(1.0), "due": pytest.approx(0.5)},
        {"role": "b", "delivered": 0.0, "due": pytest.approx(0.5)},
    ]
    assert len(told["samples"]) == 3
    recent = shares(stage.core.context, {"seconds": "5"})
    assert isinstance(recent, dict)
    assert len(recent["samples"]) == 1
    assert shares(stage.core.context, {"seconds": "soon"}) == "Expecting a number as 'seconds', not 'soon'."


def test_only_the_newest_samples_are_kept() -> None:
    stage = Stage()
    stage.command("agent l0")
    stage.command("subscribe a roles=a")
    stage.command(f"after {SAMPLE_SECONDS * (SHARE_SAMPLES_MAX + 5)}")
    kept = stage.core.state.shares
    assert len(kept) == SHARE_SAMPLES_MAX
    assert kept[-1].time - kept[0].time == pytest.approx(SAMPLE_SECONDS * (SHARE_SAMPLES_MAX - 1))

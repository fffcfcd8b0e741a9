"""The garbage collector's looks: garbage goes, what lives is not looked at again, and no look costs much."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from tepui.transport import garbage


class Node:
    """Forms a cycle with itself."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def collector() -> Iterator[None]:
    """The collector as it was."""
    thresholds = gc.get_threshold()
    yield
    gc.set_threshold(*thresholds)
    gc.unfreeze()


def test_a_look_frees_cycles_and_freezes_what_lives() -> None:
    garbage.tune()
    kept, lost = Node(), Node()
    gone = weakref.ref(lost)
    del lost
    frozen = gc.get_freeze_count()
    assert garbage.look(), "few objects have come"
    assert gone() is None
    assert gc.get_freeze_count() > frozen, "what lives is not looked at again"
    assert kept.itself is kept


def test_a_flood_is_frozen_unseen() -> None:
    garbage.tune()
    lost = Node()
    gone = weakref.ref(lost)
    state = [[] for _ in range(garbage.LOOK_OBJECTS_MAX + garbage.YOUNG_MAX)]  # type: list[list[int]]
    del lost
    assert not garbage.look(), "a look would take long"
    assert gc.get_freeze_count() > len(state)
    assert garbage.look(), "and the next one has nothing to do with it"
    if gone() is not None:
        gone().itself = None  # type: ignore[union-attr]  # frozen garbage is the price

"""Whatever breaks, wherever it breaks: what must hold for a whole cluster holds, and everything comes to its end."""

import pytest

from tests.together.world import World

STEPS = 1500


def run(seed: int, steps: int = STEPS, *, leases: bool = True) -> World:
    world = World(seed, leases=leases)
    for _ in range(steps):
        world.step()
    world.settle()
    return world


@pytest.mark.parametrize("seed", range(12))
def test_every_task_runs_at_most_once_and_its_end_is_told(seed: int) -> None:
    world = run(seed)
    assert any(scheduler.launched for scheduler in world.schedulers)
    assert world.leader is not None
    world.leader.core.check()


def test_a_deposed_master_that_goes_on_writes_nothing_and_starts_nothing_twice() -> None:
    refused = sum(run(seed, leases=False).refused_writes for seed in range(100, 112))
    assert refused, "no deposed master tried to write: the histories are too tame"


@pytest.mark.slow
def test_long_histories() -> None:
    for seed in range(1000, 1400):
        try:
            run(seed, 4000, leases=seed % 2 == 0)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error

"""Revocation keeps its promises, whoever holds what (paper 3.3)."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tepui.master.records import TaskRevoked
from tepui.master.state import Task
from tests.master.stage import Stage

ROLES = ("a", "b", "c")
AGENTS = 3
CPUS = 8


def quota_call(guarantees: dict[str, int]) -> str:
    configs = ",".join(
        f'{{"role":"{role}","guarantees":{{"cpus":{{"value":{cpus}}},"mem":{{"value":4096}}}}}}'
        for role, cpus in guarantees.items()
    )
    return f'operator o UPDATE_QUOTA json=\'{{"update_quota":{{"force":true,"quota_configs":[{configs}]}}}}\''


def cluster(launches: list[tuple[int, int]]) -> Stage:
    """A framework in each role, which took what it could get before anybody had a guarantee; each task on one agent."""
    stage = Stage()
    stage.command("master M revocation=true")
    for number in range(AGENTS):
        stage.command(f"agent l{number} address=10.0.0.{number} resources=cpus:{CPUS};mem:8192")
    for role in ROLES:
        stage.command(f"subscribe {role} roles={role} checkpoint=yes suppressed={role}")
    for index, (number, cpus) in enumerate(launches):
        role = ROLES[number]
        stage.command(f"revive {role}")
        for offer in list(stage.core.state.frameworks[stage.frameworks[role]].offers.values()):
            if offer.resources.quantities().get("cpus", 0) >= cpus * 1000:
                launch = f"launch t{index} resources=cpus:{cpus};mem:32"
                stage.command(f"accept {role} {offer.offer_id} | {launch}")
                break
        stage.command(f"suppress {role}")
        stage.command(f"decline {role} all")
    return stage


def held(stage: Stage) -> dict[str, int]:
    """Cpus of tasks by role, those left out that are told to end."""
    revoked = {record.task_id for record in stage.core.context.log if isinstance(record, TaskRevoked)}
    return {
        role: sum(
            task.resources.quantities()["cpus"] // 1000
            for task in stage.core.state.frameworks[stage.frameworks[role]].tasks.values()
            if task.task_id not in revoked
        )
        for role in ROLES
    }


@settings(max_examples=25, deadline=None)
@given(
    launches=st.lists(st.tuples(st.integers(0, 2), st.integers(1, CPUS)), min_size=3, max_size=10),
    guarantees=st.dictionaries(st.sampled_from(ROLES), st.integers(1, 16)),
    due=st.integers(1, 2 * CPUS),
    wanted=st.integers(1, CPUS),
)
def test_nobody_is_taken_below_a_guarantee_and_whoever_is_owed_gets_room_on_one_agent(
    launches: list[tuple[int, int]], guarantees: dict[str, int], due: int, wanted: int
) -> None:
    stage = cluster(launches)
    before = held(stage)
    stage.command(quota_call({**guarantees, "due": due}))
    stage.command(f"subscribe wants roles=due minimum=cpus:{wanted};mem:32")
    stage.command("after 13")
    after = held(stage)
    revoked = [record for record in stage.core.context.log if isinstance(record, TaskRevoked)]
    for role in ROLES:
        assert after[role] >= min(before[role], guarantees.get(role, 0)), f"role {role} was taken below its guarantee"
    assert len({record.agent_id for record in revoked}) <= 1
    offered = bool(stage.core.state.frameworks[stage.frameworks["wants"]].offers)
    if revoked:
        assert wanted <= due
        assert not offered, "nothing is taken for somebody who has it"
        agent_id = revoked[0].agent_id
        free = stage.core.context.allocator.free(agent_id).quantities().get("cpus", 0)
        tasks = {name: task for role in ROLES for name, task in _tasks(stage, role).items()}
        taken = sum(tasks[record.task_id].resources.quantities()["cpus"] for record in revoked)
        assert free + taken >= wanted * 1000, "what is taken suffices"
        spare = min(tasks[record.task_id].resources.quantities()["cpus"] for record in revoked)
        assert free + taken - spare < wanted * 1000, "no task ends in vain"
    elif wanted <= due and not offered:
        # Whoever holds more than its guarantee by a whole agent's worth could have given it.
        assert all(after[role] - guarantees.get(role, 0) < AGENTS * CPUS for role in ROLES)
    stage.core.check()


def _tasks(stage: Stage, role: str) -> dict[str, Task]:
    return dict(stage.core.state.frameworks[stage.frameworks[role]].tasks)

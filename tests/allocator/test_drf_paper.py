"""The examples of the DRF paper (Ghodsi et al., NSDI 2011), by its sections, on the allocator itself."""

from __future__ import annotations

from fractions import Fraction

from tests.allocator.economy import Shared, User, asset_fair, competitive_equilibrium, share

CLUSTER = {"cpus": 9, "mem": 18}
A, B = User({"cpus": 1, "mem": 4}), User({"cpus": 3, "mem": 1})


def shares(shared: Shared) -> dict[str, Fraction]:
    return {name: shared.share(name) for name in shared.users}


def test_section_4_1_three_tasks_and_two_both_at_two_thirds() -> None:
    shared = share(CLUSTER, {"A": A, "B": B})
    assert shared.tasks == {"A": 3, "B": 2}
    assert shared.held("A") == {"cpus": 3, "mem": 12}
    assert shared.held("B") == {"cpus": 6, "mem": 2}
    assert shares(shared) == {"A": Fraction(2, 3), "B": Fraction(2, 3)}


def test_section_4_1_who_comes_first_by_name_changes_nothing() -> None:
    shared = share(CLUSTER, {"Z": A, "B": B})
    assert shared.tasks == {"Z": 3, "B": 2}


def test_section_5_1_asset_fairness_gives_one_less_than_half_of_everything() -> None:
    """B would be better off on half of the cluster: asset fairness has no sharing incentive there, DRF has."""
    fair = asset_fair(CLUSTER, {"A": A, "B": B})
    assert fair == {"A": Fraction(63, 25), "B": Fraction(54, 25)}, "2.52 and 2.16 tasks"
    small = {"cpus": 30, "mem": 30}
    users = {"one": User({"cpus": 1, "mem": 3}), "two": User({"cpus": 1, "mem": 1})}
    assert asset_fair(small, users) == {"one": 6, "two": 12}
    assert asset_fair(small, users)["two"] < Fraction(30, 2), "with half of the cluster it would run 15"
    assert share(small, users).tasks["two"] == 15


def test_section_5_2_competitive_equilibrium_favours_one_and_can_be_deceived() -> None:
    users = {"A": A, "B": B}
    assert competitive_equilibrium(CLUSTER, users) == {"A": Fraction(45, 11), "B": Fraction(18, 11)}, "4.1 and 1.6"
    capacity = {"cpus": 100, "mem": 100}
    honest = {"one": User({"cpus": 16, "mem": 1}), "two": User({"cpus": 1, "mem": 2})}
    lying = {**honest, "one": User({"cpus": 16, "mem": 8})}
    gained = competitive_equilibrium(capacity, lying)["one"] / competitive_equilibrium(capacity, honest)["one"]
    assert gained > 1, "asking for memory that it does not need brings it more cpus"
    assert share(capacity, lying).tasks["one"] <= share(capacity, honest).tasks["one"]


def test_section_4_3_weights_divide_dominant_shares() -> None:
    cluster = {name: 100 * amount for name, amount in CLUSTER.items()}
    shared = share(cluster, {"A": A, "B": B}, weights={"A": 2.0})
    assert abs(shared.share("A") - 2 * shared.share("B")) <= 4 * shared.grain()
    shared = share({"cpus": 600}, {name: User({"cpus": 1}) for name in "xyz"}, weights={"x": 1, "y": 2, "z": 3})
    assert shared.tasks == {"x": 100, "y": 200, "z": 300}


def test_equal_roles_share_equally_however_many_frameworks_they_have() -> None:
    """A tree of roles: first between the upper ones, then inside each."""
    one = {"cpus": 1}
    users = {
        "lone": User(one, "ads"),
        "first": User(one, "eng/web"),
        "second": User(one, "eng/web"),
        "third": User(one, "eng/batch"),
    }
    shared = share({"cpus": 240}, users)
    assert shared.tasks == {"lone": 120, "first": 30, "second": 30, "third": 60}


def test_an_inner_roles_own_frameworks_stand_beside_its_sub_roles() -> None:
    one = {"cpus": 1}
    users = {"own": User(one, "eng"), "below": User(one, "eng/web"), "other": User(one, "ads")}
    shared = share({"cpus": 240}, users, weights={"eng": 2.0, "eng/web": 3.0})
    assert shared.tasks == {"own": 40, "below": 120, "other": 80}


def test_a_tree_of_two_resources_shares_by_the_dominant_one_of_each_subtree() -> None:
    users = {
        "web": User({"cpus": 1, "mem": 4}, "eng/web"),
        "batch": User({"cpus": 3, "mem": 1}, "eng/batch"),
        "ads": User({"cpus": 1, "mem": 4}, "ads"),
    }
    capacity = {"cpus": 900, "mem": 1800}
    shared = share(capacity, users)
    eng = {name: shared.held("web")[name] + shared.held("batch")[name] for name in capacity}
    dominant = max(Fraction(eng[name], capacity[name]) for name in capacity)
    assert abs(dominant - shared.share("ads")) <= 4 * shared.grain()
    assert abs(shared.share("web") - shared.share("batch")) <= 4 * shared.grain()

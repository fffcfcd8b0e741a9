"""How a quota's guarantee is split among the frameworks that may count on it."""

from hypothesis import given
from hypothesis import strategies as st

from tepui.allocator.guarantees import split

PATHS = ("r", "r/a", "r/b", "r/a/x", "r/a/y")
leaves = st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from(PATHS)), unique=True, min_size=1)
weights = st.dictionaries(st.sampled_from(PATHS), st.sampled_from([0.5, 1.0, 2.0, 3.5]))


def test_children_share_by_weight_and_frameworks_equally() -> None:
    parts = split(
        "r", {"cpus": 12_000}, [("f", "r"), ("g", "r/a"), ("h", "r/a"), ("i", "r/b")], {"r/a": 3.0, "r/b": 2.0}
    )
    assert parts == {
        ("f", "r"): {"cpus": 2_000},
        ("g", "r/a"): {"cpus": 3_000},
        ("h", "r/a"): {"cpus": 3_000},
        ("i", "r/b"): {"cpus": 4_000},
    }


@given(leaves, weights, st.integers(0, 10**9))
def test_nothing_is_promised_twice_and_only_roundings_are_lost(
    leaves: list[tuple[str, str]], weights: dict[str, float], amount: int
) -> None:
    parts = split("r", {"cpus": amount}, leaves, weights)
    assert parts.keys() == set(leaves)
    assert amount - len(leaves) < sum(part["cpus"] for part in parts.values()) <= amount

"""The hierarchy of roles."""

from __future__ import annotations

import pytest

from tepui.model.roles import ancestors, is_descendant, is_same_or_descendant, parent


@pytest.mark.parametrize(
    ("role", "above"),
    [("a/b/c", ["a/b", "a"]), ("a/b", ["a"]), ("a", []), ("*", [])],
)
def test_the_roles_above(role: str, above: list[str]) -> None:
    assert ancestors(role) == above
    assert parent(role) == (above[0] if above else None)
    assert all(is_descendant(role, other) for other in above)


@pytest.mark.parametrize(("role", "other"), [("a", "a"), ("ab", "a"), ("a", "a/b"), ("b/a", "a"), ("a-/b", "a")])
def test_what_is_not_below(role: str, other: str) -> None:
    assert not is_descendant(role, other)
    assert is_same_or_descendant(role, other) == (role == other)

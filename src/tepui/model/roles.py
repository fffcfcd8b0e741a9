"""The hierarchy of roles: `a/b` is a child of `a`, and no role is above a top-level one.

`*` is the default role and stands alone.
"""

from __future__ import annotations

import re

DEFAULT_ROLE = "*"

_ROLE_FORBIDDEN = re.compile("[ \t\n\v\f\r\x7f]")


def ancestors(role: str) -> list[str]:
    """The roles above `role`, nearest first: `a/b/c` has `a/b` and `a`."""
    result = []
    end = role.rfind("/")
    while end > 0:
        result.append(role[:end])
        end = role.rfind("/", 0, end)
    return result


def parent(role: str) -> str | None:
    """The role just above `role`; None for a top-level role."""
    end = role.rfind("/")
    return role[:end] if end > 0 else None


def is_descendant(role: str, ancestor: str) -> bool:
    """Whether `role` stands strictly below `ancestor`."""
    return len(role) > len(ancestor) and role[len(ancestor)] == "/" and role.startswith(ancestor)


def is_same_or_descendant(role: str, ancestor: str) -> bool:
    """Whether what is reserved for `ancestor` may be allocated to `role`."""
    return role == ancestor or is_descendant(role, ancestor)


def validate_role(role: str) -> str | None:
    """Why a text cannot be the name of a role."""
    if role == "*":
        return None
    if not role:
        return "Role names cannot be the empty string"
    if role[0] == "/":
        return f"Role '{role}' cannot start with a slash"
    if role[-1] == "/":
        return f"Role '{role}' cannot end with a slash"
    if "//" in role:
        return f"Role '{role}' cannot contain two adjacent slashes"
    for component in role.split("/"):
        if component in (".", "..", "*"):
            return f"Role '{role}' cannot include '{component}' as a component"
        if component[0] == "-":
            return f"Role component '{component}' is invalid because it starts with a dash"
        if _ROLE_FORBIDDEN.search(component) is not None:
            return f"Role component '{component}' is invalid because it contains backspace or whitespace"
    return None

"""The share that each role was delivered over time, beside the share that it was due.

An order by dominant share does not make shares fair: who holds offers for long, refuses often or leaves most of each
offer unused is delivered less than its due, and nobody sees it (see the papers' facts on fairness in running clusters).
So the master samples. *Delivered* is the dominant share of what a role and its sub-roles hold, offers counted in; *due*
is its part by weight among the siblings that take part or hold something, all the way from the top.
"""

from __future__ import annotations

from collections.abc import Mapping

from tepui.master.context import Context
from tepui.master.state import ShareSample
from tepui.model.legacy import Object
from tepui.model.timers import Key

SHARES: Key = ("shares", "")
"""The timer of the next sample."""
SAMPLE_SECONDS = 10.0
ROLES_SAMPLED_MAX = 1000
"""In a sample stand so many roles, those with the largest shares."""


def begin(context: Context) -> None:
    """A master that starts takes its first sample after a while."""
    context.timers.set(SHARES, context.config.elected_time + SAMPLE_SECONDS)


def sample(context: Context) -> None:
    """Note the shares of now. While nobody is there, nothing is noted and nothing costs anything."""
    context.timers.set(SHARES, context.now + SAMPLE_SECONDS)
    weights = context.state.weights
    delivered = {
        role: share * weights.get(role, 1.0) for role, share in context.allocator.dominant_shares().items() if role
    }
    taking_part = context.allocator.roles_taking_part()
    due = due_shares({role for role, share in delivered.items() if share} | taking_part, weights)
    if not due:
        return
    shown = sorted(due, key=lambda role: (-delivered.get(role, 0.0), role))[:ROLES_SAMPLED_MAX]
    context.state.shares.append(
        ShareSample(context.now, {role: (delivered.get(role, 0.0), due[role]) for role in shown})
    )


def due_shares(roles: set[str], weights: Mapping[str, float]) -> dict[str, float]:
    """By role, ancestors included, its part of the cluster when all `roles` want as much as they can get.

    Where a role itself takes part beside its sub-roles, it stands there with weight 1, as one more of them.
    """
    children: dict[str, list[str]] = {}
    known: set[str] = set()
    for role in roles:
        path = role
        while path and path not in known:
            known.add(path)
            above = path.rpartition("/")[0]
            children.setdefault(above, []).append(path)
            path = above
    result: dict[str, float] = {}
    pending = [("", 1.0)]
    while pending:
        above, part = pending.pop()
        below = children.get(above, [])
        whole = sum(weights.get(role, 1.0) for role in below) + (above in roles)
        for role in below:
            result[role] = part * weights.get(role, 1.0) / whole
            pending.append((role, result[role]))
    return result


def shares(context: Context, arguments: Mapping[str, str]) -> Object | str:
    """The samples of the last `seconds` (all that are kept, when it is missing), and each role's means over them."""
    text = arguments.get("seconds")
    try:
        since = 0.0 if text is None else context.now - float(text)
    except ValueError:
        return f"Expecting a number as 'seconds', not '{text}'."
    samples = [one for one in context.state.shares if one.time >= since]
    sums: dict[str, list[float]] = {}
    for one in samples:
        for role, (delivered, due) in one.roles.items():
            total = sums.setdefault(role, [0.0, 0.0])
            total[0] += delivered
            total[1] += due
    return {
        "interval_seconds": SAMPLE_SECONDS,
        "roles": [
            {"role": role, "delivered": delivered / len(samples), "due": due / len(samples)}
            for role, (delivered, due) in sorted(sums.items())
        ],
        "samples": [
            {
                "time": one.time,
                "delivered": {role: share for role, (share, _) in one.roles.items()},
                "due": {role: due for role, (_, due) in one.roles.items()},
            }
            for one in samples
        ],
    }

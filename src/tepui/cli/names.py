"""Ids as people write them: whole, by a beginning, or by the part behind the last dash that one can remember."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from tepui.cli.errors import NotFoundError

SUGGESTIONS_MAX = 3
AMBIGUOUS_SHOWN_MAX = 5
SIMILARITY_MIN = 0.5
"""How like the one written a suggested name is: `S0` is half like `S7`."""

_LONG = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}-(.+)")
"""Ids that a master made: its own, a dash, and what is short enough for people."""


def tail(identifier: str) -> str:
    """`S3` of an agent's id, `0001` of a framework's; any other id whole."""
    match = _LONG.fullmatch(identifier)
    return match[1] if match else identifier


def short_names(identifiers: Iterable[str]) -> dict[str, str]:
    """The shortest name of each id that is unique among them, if it can be short."""
    identifiers = list(dict.fromkeys(identifiers))
    count = Counter(map(tail, identifiers))
    return {one: tail(one) if count[tail(one)] == 1 else one for one in identifiers}


def resolve(kind: str, wanted: str, identifiers: Iterable[str]) -> str:
    """The one id that `wanted` means. Raises NotFoundError when it means none or several."""
    if not wanted:  # every id begins with it; a variable that was not set must not name an agent to be given up
        raise NotFoundError(f"No {kind} is named: its id is empty.")
    known = list(dict.fromkeys(identifiers))
    for meant in (
        [one for one in known if one == wanted],
        [one for one in known if tail(one) == wanted],
        [one for one in known if one.startswith(wanted)],
    ):
        if len(meant) == 1:
            return meant[0]
        if meant:
            shown = ", ".join(meant[:AMBIGUOUS_SHOWN_MAX]) + (", ..." if len(meant) > AMBIGUOUS_SHOWN_MAX else "")
            raise NotFoundError(f"'{wanted}' may mean {len(meant)} {kind}s: {shown}. Write more of the id.")
    raise NotFoundError(missing(kind, wanted, known))


def missing(kind: str, wanted: str, known: Iterable[str]) -> str:
    """That there is no such thing, with what may have been meant."""
    from difflib import get_close_matches

    names = {name: name for one in known for name in (one, tail(one))}
    if not names:
        return f"There is no {kind} '{wanted}': there are no {kind}s at all."
    close = get_close_matches(wanted, names, SUGGESTIONS_MAX, SIMILARITY_MIN)
    if not close:
        return f"There is no {kind} '{wanted}'; `tepui {kind} list` shows which there are."
    quoted = [f"'{name}'" for name in close]
    meant = quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} or {quoted[-1]}"
    return f"There is no {kind} '{wanted}'. Did you mean {meant}?"

"""How many files, connections among them, a server may hold open."""

from __future__ import annotations

import resource


def raise_files_open() -> None:
    """Take all that the system allows this process, as servers of many connections do.

    Systems give programs 1024 by default, for the sake of old ones that cannot count further, and far more to who asks.
    A master needs one for each agent, and one that has none left cannot even say so.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

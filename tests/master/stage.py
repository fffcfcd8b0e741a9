"""A master core on a stage: plays are written in a small language, and what follows is told in a compact form.

A play is a text file of blocks. A block is some lines of commands, a line of dashes, and everything the core said:

    accept s1 O0 | launch t1,t2 resources=cpus:1;mem:32
    ----
    answer 202
    l0 <- Launch framework_id=M-0000 tasks=[...]

Names: the master is `M`, so that agents are `M-S0`, offers `M-O0`, frameworks `M-0000`; commands may leave `M-` out,
and say `all` for all offers that a framework holds.
Streams (`s1`), operator streams (`o1`) and links (`l0`) are named by the play. Times are seconds since the play began.
After each command the core gets its `Tick` if it wants one at once, as a shell gives it at the end of a turn. `Store`
is confirmed at once unless the play says `storing off`; then `stored` confirms. Pings are answered, and neither they
nor heartbeats are told, unless the play says `loud`. After every event `check()` is run.
"""

from __future__ import annotations

import json
from typing import Any

from tepui.master.registry import Registry
from tepui.model.shell import Stored, Tick
from tests.master.spelling import BEGIN, parse
from tests.master.stage_agents import Agents
from tests.master.stage_base import config
from tests.master.stage_operators import Operators
from tests.master.stage_schedulers import Schedulers


class Stage(Schedulers, Agents, Operators):
    """All commands of plays; here those about time, the store and the master itself."""

    def do_after(self, rest: str) -> None:
        """`after SECONDS`: time passes, with a tick at each deadline."""
        until = self.now + float(rest)
        while True:
            due = self.core.next_deadline()
            if due is None or due > until:
                break
            self.now = max(self.now, due)
            before = len(self.lines)
            self.do(Tick())
            if len(self.lines) > before and self.now != self.told_time:
                self.lines.insert(before, f"at {self.now - BEGIN:g}:")
                self.told_time = self.now
        self.now = until

    def do_loud(self, _: str) -> None:
        self.loud = True

    def do_storing(self, rest: str) -> None:
        self.store_at_once = rest == "on"

    def do_stored(self, _: str) -> None:
        while self.stored_tokens:
            self.do(Stored(self.stored_tokens.pop(0)))

    def do_master(self, rest: str) -> None:
        """`master NAME [registry=kept] [mirror=STREAM] [option=value]`: another master starts, knowing nothing or the
        registry, and perhaps what it mirrored."""
        words, options = parse(rest)
        kept = options.pop("registry", None) == "kept"
        mirror = self.mirrors.get(options.pop("mirror", ""))
        changes: dict[str, Any] = {key: json.loads(value) for key, value in options.items()}
        if "roles" in changes:
            changes["roles"] = frozenset(changes["roles"])
        registry = Registry(self.records) if kept else None
        self.start(config(master=words[0] if words else "M", elected_time=self.now, **changes), registry, mirror)
        self.told_time = 0.0

"""Commands and what each waits for: a graph without cycles."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from hashlib import blake2b

import msgspec

CYCLE_NAMES_SHOWN_MAX = 8
DIGEST_BYTES = 8


class BatchFileError(ValueError):
    """The file of commands cannot be used; the sentence begins with the place."""


class Needs(msgspec.Struct, frozen=True, order=True):
    """What one run of a command uses; `mem` and `disk` are megabytes."""

    cpus: float = 1.0
    mem: float = 128.0
    disk: float = 0.0
    gpus: float = 0.0


class Command(msgspec.Struct, frozen=True, gc=False):
    """One command: text for the shell, or a program with its arguments."""

    name: str
    command: str | tuple[str, ...]
    needs: Needs = Needs()
    retries: int = 0
    """So often it is run again after it failed."""
    timeout: float | None = None
    """Seconds after which a run is killed and has failed."""
    after: tuple[str, ...] = ()
    """Names of the commands that must have succeeded before."""
    environment: tuple[tuple[str, str], ...] = ()
    place: str = ""
    """Where it stands, such as `work.txt:3`, for sentences."""

    def digest(self) -> str:
        """Tells whether a command is still the one that ran: of what it does, not of what it needs."""
        data = msgspec.msgpack.encode((self.command, self.environment))
        return blake2b(data, digest_size=DIGEST_BYTES).hexdigest()


class Graph:
    """All commands of a batch by index, in the file's order. Raises BatchFileError when one cannot ever run."""

    def __init__(self, commands: Sequence[Command]) -> None:
        self.commands = tuple(commands)
        self.index: dict[str, int] = {}
        """Where each name is."""
        for at, command in enumerate(self.commands):
            first = self.index.setdefault(command.name, at)
            if first != at:
                there = self.commands[first].place
                raise BatchFileError(f"{command.place}: The name '{command.name}' is taken already, at {there}.")
        self.dependencies = tuple(self._resolve(command) for command in self.commands)
        dependents: list[list[int]] = [[] for _ in self.commands]
        for at, needed in enumerate(self.dependencies):
            for other in needed:
                dependents[other].append(at)
        self.dependents = tuple(map(tuple, dependents))
        self._refuse_cycles()

    def _resolve(self, command: Command) -> tuple[int, ...]:
        for name in command.after:
            if name not in self.index:
                close = get_close_matches(name, self.index, 1)
                meant = f"; did you mean '{close[0]}'?" if close else "."
                raise BatchFileError(
                    f"{command.place}: '{command.name}' is to run after '{name}', which is not there{meant}"
                )
        return tuple(dict.fromkeys(self.index[name] for name in command.after))

    def _refuse_cycles(self) -> None:
        """Take away what waits for nothing until nothing is left; what is left then waits for itself."""
        missing = [len(needed) for needed in self.dependencies]
        free = [at for at, count in enumerate(missing) if not count]
        for at in free:  # grows while it is read
            for dependent in self.dependents[at]:
                missing[dependent] -= 1
                if not missing[dependent]:
                    free.append(dependent)
        if len(free) == len(self.commands):
            return
        at = next(at for at, count in enumerate(missing) if count)
        seen: dict[int, None] = {}
        while at not in seen:
            seen[at] = None
            at = next(other for other in self.dependencies[at] if missing[other])
        cycle = list(seen)[list(seen).index(at) :]
        first = cycle.index(min(cycle))
        names = [self.commands[other].name for other in (*cycle[first:], *cycle[: first + 1])]
        if len(names) > CYCLE_NAMES_SHOWN_MAX:
            names[CYCLE_NAMES_SHOWN_MAX - 1 : -1] = ["..."]
        place = self.commands[min(cycle)].place
        raise BatchFileError(f"{place}: Commands wait for each other in a circle: {' after '.join(names)}.")

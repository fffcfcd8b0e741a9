"""Files of commands, in three forms: plain lines, JSON lines, TOML.

In plain lines each line is a command for the shell; empty lines and those that begin with `#` do not count, and a
command's name is the number of its line. In the other forms a command is an object with the fields of `Fields`; in
TOML each is a table `[[command]]`, and a table `[defaults]` holds what those have that do not say.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import msgspec

from tepui.frameworks.batch.graph import BatchFileError, Command, Graph, Needs

FORMS = ("lines", "jsonl", "toml")
COMMANDS_MAX = 1_000_000
RETRIES_MAX = 1_000
NAME_CHARACTERS_MAX = 200
NAME_SHOWN_CHARACTERS_MAX = 40
"""So much of a wrong name stands in a sentence."""

_NAME = re.compile(rf"(?!\.)[A-Za-z0-9._:=@%+,-]{{1,{NAME_CHARACTERS_MAX}}}")
_TABLE = re.compile(r"^\s*\[\[\s*command\s*\]\]", re.MULTILINE)
_SUFFIXES = {"toml": "toml", "jsonl": "jsonl", "ndjson": "jsonl", "json": "jsonl"}

_Amount = Annotated[float, msgspec.Meta(ge=0)]
_Retries = Annotated[int, msgspec.Meta(ge=0, le=RETRIES_MAX)]
_Seconds = Annotated[float, msgspec.Meta(gt=0)]


class Defaults(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a command has that does not say: resources, `retries`, `timeout` in seconds, `env`."""

    cpus: _Amount = 1.0
    mem: _Amount = 128.0
    disk: _Amount = 0.0
    gpus: _Amount = 0.0
    retries: _Retries = 0
    timeout: _Seconds | None = None
    env: dict[str, str] = {}


class Fields(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A command as files have it."""

    command: str | list[str]
    name: str | None = None
    cpus: _Amount | None = None
    mem: _Amount | None = None
    disk: _Amount | None = None
    gpus: _Amount | None = None
    retries: _Retries | None = None
    timeout: _Seconds | None = None
    after: list[str] = []
    env: dict[str, str] = {}


def form_of(file_name: str) -> str:
    """The form that a file's name tells: `.toml`, `.jsonl`, `.ndjson` and `.json`; anything else is plain lines."""
    return _SUFFIXES.get(file_name.rpartition(".")[2].lower(), "lines") if "." in file_name else "lines"


def read_commands(text: str, form: str, file_name: str, defaults: Defaults) -> Graph:
    """The graph of the commands in `text`. Raises BatchFileError with the line that is wrong."""
    readers = {"lines": _plain, "jsonl": _json_lines, "toml": _toml}
    commands: list[Command] = []
    for name, place, fields, file_defaults in readers[form](text, file_name, defaults):
        if len(commands) == COMMANDS_MAX:
            raise BatchFileError(f"{place}: A batch has at most {COMMANDS_MAX:,} commands.")
        commands.append(_command(name, place, fields, file_defaults))
    if not commands:
        raise BatchFileError(f"{file_name}: There are no commands in this file.")
    return Graph(commands)


_Read = Iterator[tuple[str, str, Fields, Defaults]]


def _plain(text: str, file_name: str, defaults: Defaults) -> _Read:
    for number, line in enumerate(text.split("\n"), 1):
        line = line.strip()
        if line and not line.startswith("#"):
            yield str(number), f"{file_name}:{number}", Fields(line), defaults


def _json_lines(text: str, file_name: str, defaults: Defaults) -> _Read:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        place = f"{file_name}:{number}"
        try:
            value = msgspec.json.decode(line)
        except msgspec.DecodeError as error:
            raise BatchFileError(f"{place}: This is not JSON: {error}.") from None
        yield str(number), place, _fields(value, place), defaults


def _toml(text: str, file_name: str, defaults: Defaults) -> _Read:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BatchFileError(f"{file_name}: This is not TOML: {error}.") from None
    own = document.pop("defaults", {})
    tables = document.pop("command", [])
    if document:
        raise BatchFileError(
            f"{file_name}: '{next(iter(document))}' is not known; there are [defaults] and [[command]]."
        )
    if not isinstance(tables, list):
        raise BatchFileError(f"{file_name}: Each command is a table of its own: [[command]].")
    try:
        given = msgspec.to_builtins(msgspec.convert(own, Defaults))
        used = {name: value for name, value in given.items() if name in own}
        if "env" in used:
            used["env"] = {**defaults.env, **used["env"]}
        defaults = msgspec.structs.replace(defaults, **used)
    except msgspec.ValidationError as error:
        raise BatchFileError(f"{file_name}: In [defaults]: {error}.") from None
    _check_environment(defaults.env, f"{file_name}: In [defaults]")
    lines = [text.count("\n", 0, match.end()) + 1 for match in _TABLE.finditer(text)]
    known = len(lines) == len(tables)  # else the head of a table stands in some text, too
    for number, table in enumerate(tables):
        place = f"{file_name}:{lines[number]}" if known else f"{file_name}: [[command]] number {number + 1}"
        yield str(number + 1), place, _fields(table, place), defaults


def _fields(value: Any, place: str) -> Fields:
    if not isinstance(value, Mapping):
        raise BatchFileError(f"{place}: A command is an object with the field 'command'.")
    try:
        return msgspec.convert(value, Fields)
    except msgspec.ValidationError as error:
        known = ", ".join(Fields.__struct_fields__)
        more = f"; the fields are {known}" if "unknown field" in str(error) else ""
        raise BatchFileError(f"{place}: {error}{more}.") from None


def _command(name: str, place: str, fields: Fields, defaults: Defaults) -> Command:
    name = fields.name or name
    if not _NAME.fullmatch(name):
        raise BatchFileError(
            f"{place}: The name '{name[:NAME_SHOWN_CHARACTERS_MAX]}' does not do: letters, digits and ._:=@%+,- are "
            f"allowed, {NAME_CHARACTERS_MAX} at most, no dot first."
        )
    if not fields.command or "\0" in "".join(fields.command):
        raise BatchFileError(f"{place}: The command of '{name}' is empty or holds a zero byte.")
    needs = Needs(
        _either(fields.cpus, defaults.cpus),
        _either(fields.mem, defaults.mem),
        _either(fields.disk, defaults.disk),
        _either(fields.gpus, defaults.gpus),
    )
    if needs.cpus == 0 and needs.mem == 0:
        raise BatchFileError(f"{place}: '{name}' needs some cpus or some mem.")
    _check_environment(fields.env, f"{place}: In the field 'env'")
    environment = {**defaults.env, **fields.env} if fields.env else defaults.env
    return Command(
        name=name,
        command=fields.command if isinstance(fields.command, str) else tuple(fields.command),
        needs=needs,
        retries=defaults.retries if fields.retries is None else fields.retries,
        timeout=defaults.timeout if fields.timeout is None else fields.timeout,
        after=tuple(fields.after),
        environment=tuple(environment.items()),
        place=place,
    )


def _check_environment(environment: Mapping[str, str], where: str) -> None:
    """No process can have such variables. Raises BatchFileError."""
    for name, value in environment.items():
        shown = ascii(name[:NAME_SHOWN_CHARACTERS_MAX])
        if not name or "=" in name or "\0" in name:
            raise BatchFileError(
                f"{where}: {shown} is no name of a variable: it is empty, or holds '=' or a zero byte."
            )
        if "\0" in value:
            raise BatchFileError(f"{where}: The value of the variable {shown} holds a zero byte.")


def _either(own: float | None, default: float) -> float:
    return default if own is None else own

"""Commands in the documents: each is one that the program understands, typed as the documents say that it is found."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from tepui.cli.main import tepui
from tepui.server.flags import AGENT_FLAGS, MASTER_FLAGS, FlagError, read_flags

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
NAMED_FILES = ("work.txt", "build.toml", "backup.json", "words.py", "sum.py")
"""Files that commands read and that their pages have had made before."""
_INLINE = re.compile(r"`(tepui [^`]+)`")
_SCHEMATIC = re.compile(r"[\[|<]|\bCOMMAND\b")
"""Not to be typed as it stands: `[--option]`, `this|that`."""


def lines_of(document: Path) -> Iterator[str]:
    """What stands in blocks to be typed, with lines that go on joined, and in the text."""
    text = document.read_text().replace("\\\n", "")
    for line in text.splitlines():
        if line.startswith("    "):
            yield line.strip()
        elif not line.startswith("| `tepui"):  # the list of commands, which is schematic
            yield from (span for span in _INLINE.findall(line) if not _SCHEMATIC.search(span))


def commands_in(document: Path) -> Iterator[list[str]]:
    """Each command of `tepui` as words."""
    for line in lines_of(document):
        if line.startswith("tepui "):
            words = shlex.split(line, comments=True)
            words = words[: words.index("|")] if "|" in words else words
            yield words[:-1] if words[-1] == "..." else words


def understand(words: list[str]) -> None:
    """Read the command as the program does, without running it. Raises click.UsageError."""
    command: click.Command = tepui
    rest = [word for word in words[1:] if not word.startswith("--")] if words[1].startswith("--") else words[1:]
    context = click.Context(tepui, info_name="tepui")
    while isinstance(command, click.Group):
        if not rest:
            return  # a group by its name
        name = rest[0]
        found = command.get_command(context, name)
        if found is None:
            raise click.UsageError(f"there is no command '{name}'")
        command, rest = found, rest[1:]
    if not rest:
        return  # a command by its name
    params = command.make_context(words[1], rest).params
    for server, table in (("master", MASTER_FLAGS), ("agent", AGENT_FLAGS)):
        if words[1:3] == ["serve", server]:
            given = {flag.name: params[flag.name] for flag in table if params[flag.name] is not None}
            given.pop("allocator", None)  # that of a package which is not installed here
            read_flags(table, given)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_commands_in_documents_are_understood(document: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in NAMED_FILES:
        (tmp_path / name).touch()
    wrong = []
    for words in commands_in(document):
        try:
            understand(words)
        except click.exceptions.Exit:
            pass  # --help
        except (click.ClickException, FlagError) as error:
            wrong.append(f"{shlex.join(words)}: {error}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_documents_name_programs_that_are_there(document: Path) -> None:
    """`tepui` and `python` are found once `. .venv/bin/activate` was typed; other ways to them are not needed."""
    targets = set(re.findall(r"^(\w[\w-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for line in lines_of(document):
        assert ".venv/bin/" not in line.replace(". .venv/bin/activate", ""), line
        if line.startswith("make "):
            assert line.split()[1] in targets, line
        if found := re.search(r"\bpython (examples/\S+)", line):
            assert (ROOT / found[1]).is_file(), line
        if found := re.search(r"PYTHONPATH=(\S+) python -m (\S+)", line):
            assert (ROOT / found[1] / f"{found[2].replace('.', '/')}.py").is_file(), line

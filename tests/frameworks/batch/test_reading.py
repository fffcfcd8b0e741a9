"""Files of commands: three forms, and one sentence with the line for what is wrong."""

from __future__ import annotations

import pytest

from tepui.frameworks.batch import BatchFileError, Command, Defaults, Graph, Needs, form_of, read_commands

DEFAULTS = Defaults(cpus=0.5, mem=64, retries=1, env={"A": "1"})


def read(text: str, form: str = "jsonl") -> Graph:
    return read_commands(text, form, "work", DEFAULTS)


def test_plain_lines_are_named_by_their_number() -> None:
    graph = read("\n# not this\n  echo one | cat  \r\n\nexit 3", "lines")
    assert [(command.name, command.command) for command in graph.commands] == [("3", "echo one | cat"), ("5", "exit 3")]
    assert graph.commands[0].needs == Needs(0.5, 64)
    assert (graph.commands[0].retries, graph.commands[0].environment) == (1, (("A", "1"),))


def test_json_lines_say_more_and_keep_what_they_do_not_say() -> None:
    graph = read(
        '{"name": "a", "command": ["ls", "-l"], "cpus": 2, "timeout": 1.5, "env": {"B": "2"}}\n\n'
        '{"command": "b", "after": ["a", "a"], "retries": 0, "mem": 0}\n'
    )
    assert graph.commands == (
        Command("a", ("ls", "-l"), Needs(2, 64), 1, 1.5, (), (("A", "1"), ("B", "2")), "work:1"),
        Command("3", "b", Needs(0.5, 0), 0, None, ("a", "a"), (("A", "1"),), "work:3"),
    )
    assert (graph.dependencies, graph.dependents) == (((), (0,)), ((1,), ()))


def test_toml_has_defaults_of_its_own() -> None:
    text = (
        '[defaults]\nmem = 32\nenv = {C = "3"}\n[[command]]\nname = "x"\ncommand = "true"\n[[command]]\ncommand="y"\n'
    )
    first, second = read(text, "toml").commands
    assert (first.needs, first.environment, first.place) == (Needs(0.5, 32), (("A", "1"), ("C", "3")), "work:4")
    assert (second.name, second.place) == ("2", "work:7")


@pytest.mark.parametrize(
    ("name", "form"), [("a.toml", "toml"), ("a.JSONL", "jsonl"), ("a.txt", "lines"), ("toml", "lines")]
)
def test_a_file_is_known_by_its_name(name: str, form: str) -> None:
    assert form_of(name) == form


@pytest.mark.parametrize(
    ("form", "text", "sentence"),
    [
        ("lines", "# nothing\n", "work: There are no commands in this file."),
        ("jsonl", '{"command": "a"}\n{', "work:2: This is not JSON: Input data was truncated."),
        ("jsonl", "[]", "work:1: A command is an object with the field 'command'."),
        ("jsonl", '{"command": ""}', "work:1: The command of '1' is empty or holds a zero byte."),
        ("jsonl", '{"command": "a", "retries": -1}', "work:1: Expected `int` >= 0 - at `$.retries`."),
        ("jsonl", '{"command": "a", "cpus": 0, "mem": 0}', "work:1: '1' needs some cpus or some mem."),
        (
            "jsonl",
            '{"command": "a"}\n{"command": "b", "name": "1"}',
            "work:2: The name '1' is taken already, at work:1.",
        ),
        (
            "jsonl",
            '{"command": "a", "name": "build"}\n{"command": "b", "after": ["biuld"]}',
            "work:2: '2' is to run after 'biuld', which is not there; did you mean 'build'?",
        ),
        (
            "jsonl",
            '{"command": "a", "name": "a/b"}',
            "work:1: The name 'a/b' does not do: letters, digits and ._:=@%+,- are allowed, 200 at most, no dot first.",
        ),
        (
            "jsonl",
            "\n".join(f'{{"name": "{a}", "command": "x", "after": ["{b}"]}}' for a, b in ("dc", "ab", "bc", "ca")),
            "work:2: Commands wait for each other in a circle: a after b after c after a.",
        ),
        (
            "jsonl",
            '{"command": "a"}\n{"command": "a", "env": {"A=B": "1"}}',
            "work:2: In the field 'env': 'A=B' is no name of a variable: it is empty, or holds '=' or a zero byte.",
        ),
        ("jsonl", '{"command": "a", "env": {"": "1"}}', "work:1: In the field 'env': '' is no name of a variable"),
        ("jsonl", '{"command": "a", "env": {"A\\u0000": ""}}', r"work:1: In the field 'env': 'A\x00' is no name"),
        (
            "jsonl",
            '{"command": "a", "env": {"A": "1\\u0000"}}',
            "work:1: In the field 'env': The value of the variable 'A' holds a zero byte.",
        ),
        (
            "toml",
            '[defaults]\nenv = {"A=" = "1"}\n[[command]]\ncommand="a"',
            "work: In [defaults]: 'A=' is no name of a variable",
        ),
        ("toml", "[[command]\n", "work: This is not TOML: "),
        ("toml", "[commands]\n", "work: 'commands' is not known; there are [defaults] and [[command]]."),
        ("toml", "[defaults]\ncpu = 1\n", "work: In [defaults]: Object contains unknown field `cpu`."),
        (
            "toml",
            '[[command]]\ncommand="a"\n\n[[command]]\ncmd="a"',
            "work:4: Object contains unknown field `cmd`; the fields are command, name, cpus, mem, disk, ",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_line(form: str, text: str, sentence: str) -> None:
    with pytest.raises(BatchFileError) as caught:
        read(text, form)
    assert str(caught.value).startswith(sentence)

"""Environment variables on the command line: one rule in every command that takes them."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from tepui.cli.batch import batch
from tepui.cli.mapreduce import mapreduce
from tepui.cli.run import run
from tepui.cli.variables import read_variables


@pytest.mark.parametrize("text", ["=x", "NAME", "1=2", "a.b=c", ""])
@pytest.mark.parametrize(
    ("command", "option", "arguments"),
    [
        (run, "--env", ["true"]),
        (batch, "--env", [__file__]),
        (mapreduce, "-cmdenv", ["--input", __file__, "--output", "there", "--mapper", "cat"]),
    ],
)
def test_what_names_no_variable_is_refused(
    command: click.Command, option: str, arguments: list[str], text: str
) -> None:
    result = CliRunner().invoke(command, [option, text, *arguments])
    assert result.exit_code == 2
    assert f"expects NAME=VALUE, not '{text}'." in result.output


def test_the_last_value_of_a_name_counts_and_may_be_anything() -> None:
    context = click.Context(run)
    found = read_variables(context, run.params[0], ("A=1", "_b2=", "A=x=y z"))
    assert found == {"A": "x=y z", "_b2": ""}
